/*
 * pattern_random.c - random patterns and subjects, in Lua's functions and in ours
 *
 * Half of the patterns are made of parts that mean something, half of characters that mean
 * something; so many are malformed. The alphabet is small, that much matches. Subjects are
 * short, because Lua's own functions can take for ever.
 */
#include "pattern_random.h"

#include <stdbool.h>
#include <string.h>

#include "pattern_kit.h"

#define MOST_DIFFERENCES 20
#define MAX_SUBJECT      14
#define MAX_PARTS        9

static const char *const parts[] = {
    "a",     "b",      "c",    ".",  "%a",   "%s",    "%d",    "%w",     "%A",   "%x",
    "%p",    "[ab]",   "[^a]", "()", "(",    "(",     ")",     ")",      "%1",   "%2",
    "a*",    "b-",     "c?",   ".-", ".*",   "%w+",   "[a-b]", "[%d_-]", "%b()", "%bab",
    "%f[a]", "%f[^b]", "[^%s", "]",  "[]a]", "[a-%a", "%z",    "%",      "^",    "$",
    "*",     "+",      "-",    "?",  "(a)",  "(.)",   "(.-)",  "%baa",   "[b-",  "%g*",
};
#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

static const char pattern_chars[] = "aabc.%()[]^$*+-?12 wbf\0-";
static const char subject_chars[] = "aaaabbbccab()()12 _\0\xe4-";

struct random {
    uint64_t state;
};

/* xorshift64* */
static uint32_t
below(struct random *random, uint32_t n)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return (uint32_t)((random->state * 0x2545f4914f6cdd1dULL) >> 33) % n;
}

static size_t
make_chars(struct random *random, char *out, size_t most, const char *chars, size_t n)
{
    size_t len = below(random, (uint32_t)most + 1);

    for (size_t i = 0; i < len; i++)
        out[i] = chars[below(random, (uint32_t)n)];
    return len;
}

static size_t
make_pattern(struct random *random, char *out)
{
    size_t len = 0;

    if (below(random, 2) == 0)
        return make_chars(random, out, MAX_PARTS, pattern_chars,
                          sizeof(pattern_chars) - 1);
    if (below(random, 6) == 0)
        out[len++] = '^';
    for (uint32_t n = below(random, MAX_PARTS + 1); n > 0; n--) {
        const char *part = parts[below(random, N_PARTS)];
        memcpy(out + len, part, strlen(part));
        len += strlen(part);
    }
    if (below(random, 6) == 0)
        out[len++] = '$';
    return len;
}

/* ---- cases --------------------------------------------------------------------------- */

static bool
run_case(struct random *random, const struct pk_pair *pair)
{
    static const lua_Integer positions[] = {
        1, 2, 3, 0, -1, -3, 7, 14, 15, 16, 100, -100, LUA_MININTEGER, LUA_MAXINTEGER,
    };
    static const char *const texts[] = {
        "", "x", "%0", "<%1>", "%2%%", "%", "%x", "%1%0-%9",
    };
    char subject[MAX_SUBJECT], pattern[128];
    const char *text = texts[below(random, 8)];
    struct pk_case c = {
        .function = (enum pk_function)below(random, PK_N_FUNCTIONS),
        .replacement = (enum pk_replacement)below(random, PK_N_REPLACEMENTS),
        .subject = {subject, make_chars(random, subject, MAX_SUBJECT, subject_chars,
                                        sizeof(subject_chars) - 1)},
        .pattern = {pattern, make_pattern(random, pattern)},
        .text = {text, strlen(text)},
        .is_plain = below(random, 16) == 0,
    };

    if (below(random, 4) == 0)
        c.position = &positions[below(random, 14)];
    return pk_agree(pair, &c);
}

int
pattern_random_run(uint64_t seed, size_t n)
{
    struct random random = {seed};
    struct pk_pair pair;
    int n_differences = 0;

    if (pk_open(&pair) < 0)
        return -1;
    for (size_t i = 0; i < n && n_differences < MOST_DIFFERENCES; i++)
        n_differences += !run_case(&random, &pair);
    pk_close(&pair);
    return n_differences;
}
