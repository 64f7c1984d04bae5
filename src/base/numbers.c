/*
 * numbers.c - hands out the smallest free number
 *
 * Client numbers are small and are used again: the smallest free one, from 0. A list of free
 * ones would have to be sorted, a bitmap alone would have to be searched. So the bitmap gets
 * an index, which is a bitmap again: a tree of words with 64 children each.
 *
 *     level 4                      [ one word ]
 *     level 1     [bit i: leaf word i is full] [ ... ]
 *     level 0     [64 numbers] [64 numbers] [64 numbers] ...
 *
 * Taking walks from the top to a leaf, always through the lowest bit that is 0, then sets
 * the bit, and in the level above if that made the word full, and so on. Giving back clears
 * the bits on the way up. Both look at five words.
 *
 * Words that were never needed do not exist and count as 0. Since the smallest number is
 * taken first, the words of a level exist from 0 without gaps.
 */
#include "numbers.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define BITS     64
#define ALL_BITS UINT64_MAX

void
kp_numbers_init(struct kp_numbers *numbers, struct kp_mem *mem, uint32_t limit)
{
    *numbers = (struct kp_numbers){.mem = mem, .limit = limit};
}

void
kp_numbers_clear(struct kp_numbers *numbers)
{
    for (int level = 0; level < KP_NUMBERS_LEVELS; level++)
        kp_mem_free(numbers->mem, numbers->words[level],
                    numbers->capacity[level] * sizeof(uint64_t));
    kp_numbers_init(numbers, numbers->mem, numbers->limit);
}

/* The place of the lowest bit that is 0; there is one. */
static unsigned
lowest_zero(uint64_t word)
{
    unsigned place = 0;

    /* With few numbers in use it is so in all levels but the lowest. */
    if ((word & 1) == 0)
        return 0;
    for (unsigned half = BITS / 2; half > 0; half /= 2) {
        uint64_t low = (UINT64_C(1) << half) - 1;
        if ((word & low) == low) {
            word >>= half;
            place += half;
        }
    }
    return place;
}

static uint64_t
word_at(const struct kp_numbers *numbers, int level, uint64_t index)
{
    return index < numbers->capacity[level] ? numbers->words[level][index] : 0;
}

/* Makes sure that the word exists; new words are 0. */
static int
need_word(struct kp_numbers *numbers, int level, uint64_t index)
{
    size_t before = numbers->capacity[level];

    if (index < before)
        return 0;
    int rc = kp_mem_grow(numbers->mem, &numbers->words[level], &numbers->capacity[level],
                         (size_t)index + 1, sizeof(uint64_t));

    if (rc == 0)
        memset(numbers->words[level] + before, 0,
               (numbers->capacity[level] - before) * sizeof(uint64_t));
    return rc;
}

static int
need_words(struct kp_numbers *numbers, uint64_t number)
{
    uint64_t index = number;

    for (int level = 0; level < KP_NUMBERS_LEVELS; level++) {
        index /= BITS;
        int rc = need_word(numbers, level, index);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* The smallest free number, whatever the limit; UINT64_MAX when the tree is full. */
static uint64_t
find_free(const struct kp_numbers *numbers)
{
    uint64_t index = 0;

    for (int level = KP_NUMBERS_LEVELS - 1; level >= 0; level--) {
        uint64_t word = word_at(numbers, level, index);
        if (word == ALL_BITS)
            return UINT64_MAX; /* only the top word: below, full words are not entered */
        index = index * BITS + lowest_zero(word);
    }
    return index;
}

int
kp_numbers_take(struct kp_numbers *numbers, uint32_t *out)
{
    uint64_t number = find_free(numbers);

    if (number >= numbers->limit)
        return -ENOSPC;
    int rc = need_words(numbers, number);
    if (rc < 0)
        return rc;
    uint64_t index = number;
    for (int level = 0; level < KP_NUMBERS_LEVELS; level++) {
        uint64_t *word = &numbers->words[level][index / BITS];
        *word |= UINT64_C(1) << (index % BITS);
        if (*word != ALL_BITS)
            break;
        index /= BITS;
    }
    *out = (uint32_t)number;
    return 0;
}

void
kp_numbers_give(struct kp_numbers *numbers, uint32_t number)
{
    uint64_t index = number;

    assert(word_at(numbers, 0, index / BITS) >> (index % BITS) & 1);
    for (int level = 0; level < KP_NUMBERS_LEVELS; level++) {
        uint64_t *word = &numbers->words[level][index / BITS];
        bool was_full = *word == ALL_BITS;
        *word &= ~(UINT64_C(1) << (index % BITS));
        if (!was_full)
            break; /* then nothing above says that it is */
        index /= BITS;
    }
}
