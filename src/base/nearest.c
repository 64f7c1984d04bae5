/*
 * nearest.c - "did you mean": the known name that is most like a mistyped one
 *
 * The distance is the restricted edit distance of Damerau and Levenshtein: a swap of two
 * neighbours is the most frequent typing error and counts as one edit. The table of partial
 * distances is kept as three rows, as a swap looks two rows back. Lengths are bounded, so
 * that the rows are plain arrays and nothing is allocated.
 *
 *     row[j]   edits that make the first j letters of b of the first i letters of a
 */
#include "nearest.h"

#include <stdbool.h>
#include <string.h>

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The letters that end at i and j (1-based) are swapped neighbours. */
static bool
is_swap(const char *a, size_t i, const char *b, size_t j)
{
    return i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
           lower(a[i - 2]) == lower(b[j - 1]);
}

size_t
kp_nearest_distance(const char *a, const char *b)
{
    size_t rows[3][KP_NEAREST_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > KP_NEAREST_MAX || b_len > KP_NEAREST_MAX)
        return SIZE_MAX;

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t other = above[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            row[j] = smaller(other, smaller(above[j], row[j - 1]) + 1);
            if (is_swap(a, i, b, j))
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
    }
    return row[b_len];
}

const char *
kp_nearest(const char *word, const char *const *names, size_t n)
{
    size_t limit = (strlen(word) + 2) / 3;
    const char *best = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t distance = kp_nearest_distance(word, names[i]);
        if (distance > limit)
            continue;
        best = names[i];
        if (distance == 0)
            break;
        limit = distance - 1; /* only a better one replaces it */
    }
    return best;
}
