/*
 * test_pattern.c - the matcher alone: how much work it does, and that it can be ended
 *
 * What patterns mean is tested through the functions of the string library, in
 * test_lua_string.c and against Lua's own in test_pattern_random.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "script/pattern.h"

#define LEN         (64 * 1024)
#define MAX_CHUNKS  4
#define MAX_MATCHES (2 * LEN)

/* A matcher over a subject that a test fills in. */
struct fixture {
    struct kp_pattern pattern;
    struct kp_match match;
    char *subject;
    size_t len;
    void *program;
    void *chunks[MAX_CHUNKS];
    size_t n_chunks;
    size_t chunk_bytes;
    uint64_t n_calls; /* of the step hook */
    uint64_t most_calls;
    jmp_buf out;
};

static void
on_step(void *arg)
{
    struct fixture *f = arg;

    if (++f->n_calls == f->most_calls)
        longjmp(f->out, 1);
}

static void *
on_alloc(void *arg, size_t size)
{
    struct fixture *f = arg;

    assert_true(f->n_chunks < MAX_CHUNKS);
    f->chunks[f->n_chunks] = calloc(1, size);
    assert_non_null(f->chunks[f->n_chunks]);
    f->chunk_bytes += size;
    return f->chunks[f->n_chunks++];
}

static int
set_up(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    return *state == NULL ? -1 : 0;
}

static void
forget(struct fixture *f)
{
    for (size_t i = 0; i < f->n_chunks; i++)
        free(f->chunks[i]);
    free(f->program);
    free(f->subject);
    memset(f, 0, sizeof(*f));
}

static int
tear_down(void **state)
{
    forget(*state);
    free(*state);
    return 0;
}

/* The subject: `before`, LEN times `filler`, `behind`. */
static void
start(struct fixture *f, const char *pattern, const char *before, const char *filler,
      const char *behind)
{
    struct kp_match_hooks hooks = {on_step, on_alloc, f};
    size_t n = strlen(filler), at = strlen(before);

    forget(f);
    f->len = at + n * (LEN / n) + strlen(behind);
    f->subject = malloc(f->len + 1);
    assert_non_null(f->subject);
    memcpy(f->subject, before, at);
    for (size_t i = 0; i < LEN / n; i++, at += n)
        memcpy(f->subject + at, filler, n);
    memcpy(f->subject + at, behind, strlen(behind) + 1);
    f->program = malloc(kp_pattern_size(strlen(pattern)));
    assert_non_null(f->program);
    kp_pattern_compile(&f->pattern, f->program, pattern, strlen(pattern), true);
    kp_match_init(&f->match, &f->pattern, f->subject, f->len, &hooks);
}

/* Finds all matches, as gsub does. Returns how many. */
static size_t
find_all(struct fixture *f)
{
    const char *from = f->subject;
    size_t n = 0;

    while (kp_match_find(&f->match, from) == 1) {
        from = f->match.rejected_end = f->match.end;
        n++;
        assert_true(n <= MAX_MATCHES);
        if (f->pattern.is_anchored)
            break;
    }
    return n;
}

/* Finds all until the hook is called for the `most`th time. Returns whether it got there. */
static bool
is_cut_off(struct fixture *f, uint64_t most)
{
    f->most_calls = most;
    if (setjmp(f->out) != 0)
        return true;
    find_all(f);
    return false;
}

/* ---- how much work ------------------------------------------------------------------- */

static const struct {
    const char *pattern, *before, *filler, *behind;
    size_t n_matches;
} slow[] = {
    {"^%s*(.-)%s*$", "x", " ", "x", 1},
    {"%s+$", "", " ", "x", 0},
    {"%s*$", "x", " ", "x", 1},
    {"%s*x", "", " ", "", 0},
    {"^(.-)%s*$", "x", " ", "x", 1},
    {".-.-.-b", "", "a", "", 0},
    {"a*a*a*b", "", "a", "", 0},
    {"a*a*a*a*a*a*a*a*b", "", "a", "", 0},
    {"a-a-a-a-a-a-a-a-b", "", "a", "", 0},
    {"a+a+a+a+a+b", "", "a", "", 0},
    {".*a.*b.*c.*d", "", "abc", "", 0},
    {".-a.-b.-c.-d", "", "abc", "", 0},
    {"(.-),(.-),(.-);", "", "a,", "", 0},
    {"(.*),(.*),(.*);", "", "a,", "", 0},
    {"(%w+)=(%w+)", "", "word", "", 0},
    {"%w*%d*%w*%d*;", "", "a1", "", 0},
    {"a?a?a?a?a?a?a?a?b", "", "a", "", 0},
    {"[%w_]+[%w_]+:", "", "a_1", "", 0},
    {"%b()", "", "(", "", 0},
    {"%b()x", "", "(", "", 0},
    {"a%b()b", "", "a()", "", 0},
    {"%b''x", "", "'", "", 0},
    {"%f[%w]%w+%f[%W];", "", "a", "", 0},
    {"\"(.-)\"%s*:", "", "\" ", "", 0},
    {"(a*)%s*(b*)%s*$", "", "a ", "x", 1},
};

static void
given_patterns_that_go_back_when_matched_then_work_is_items_times_bytes(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++) {
        start(f, slow[i].pattern, slow[i].before, slow[i].filler, slow[i].behind);
        size_t n = find_all(f);
        size_t n_items = (size_t)(f->pattern.done - f->pattern.items) + 1;

        uint64_t steps = kp_match_steps(&f->match);
        if (n != slow[i].n_matches || steps > 3 * n_items * f->len)
            print_error("\"%s\": %zu matches\n", slow[i].pattern, n);
        print_message("%-20s %10llu steps, %zu bytes remembered\n", slow[i].pattern,
                      (unsigned long long)steps, f->chunk_bytes);
        assert_int_equal(n, slow[i].n_matches);
        assert_in_range(steps, 0, 3 * n_items * f->len);
        assert_in_range(f->chunk_bytes, 0, 9 * 1024 * 1024);
    }
}

static void
given_brackets_in_each_other_when_balanced_then_work_is_linear(void **state)
{
    struct fixture *f = *state;

    start(f, "%b()x", "", "(", "");
    memset(f->subject + LEN / 2, ')', LEN / 2);

    assert_int_equal(find_all(f), 0);

    assert_in_range(kp_match_steps(&f->match), 0, 4 * LEN);
}

static void
given_an_ordinary_pattern_when_matched_then_nothing_is_remembered(void **state)
{
    struct fixture *f = *state;
    static const char *const ordinary[] = {"%s+", "[^,]+", "(%w+)%s*", "^(%w+)%s*(.*)$",
                                           "word"};

    for (size_t i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
        start(f, ordinary[i], "word", ", word", " ");
        assert_true(find_all(f) > 0);
        assert_int_equal(f->n_chunks, 0);
    }
}

static void
given_many_choices_when_remembered_then_memory_is_bounded(void **state)
{
    struct fixture *f = *state;
    char pattern[2 * 4000 + 1];

    for (size_t i = 0; i < 4000; i++)
        memcpy(pattern + 2 * i, "a?", 3);
    pattern[sizeof(pattern) - 2] = 'b';
    start(f, pattern, "", "a", "");
    is_cut_off(f, 2000);

    assert_int_equal(f->n_chunks, 1);
    assert_in_range(f->chunk_bytes, 1024 * 1024, (1 + 8) * 1024 * 1024);
}

/* ---- that it can be ended ------------------------------------------------------------ */

static void
given_a_back_reference_when_it_takes_for_ever_then_the_hook_ends_it(void **state)
{
    struct fixture *f = *state;

    start(f, "(.*).*%1.*b", "", "a", "");

    assert_true(is_cut_off(f, 100));

    assert_int_equal(f->n_calls, 100);
    assert_in_range(kp_match_steps(&f->match), 99 * 4096, 120 * 4096);
}

static void
given_the_hook_jumps_out_when_searched_again_then_nothing_wrong_is_remembered(
    void **state)
{
    struct fixture *f = *state;

    uint64_t at = 1;

    for (;; at++) {
        start(f, "x.-y.-a", "x", "a", "yba");
        if (!is_cut_off(f, at))
            break;
        f->most_calls = 0;
        f->match.rejected_end = NULL;

        assert_int_equal(kp_match_find(&f->match, f->subject), 1);
        assert_ptr_equal(f->match.start, f->subject);
        assert_ptr_equal(f->match.end, f->subject + f->len);
    }
    assert_true(at > 10);
}

static void
given_bytes_that_nearly_match_everywhere_when_found_then_work_is_linear(void **state)
{
    struct fixture *f = *state;
    char bytes[1001];

    memset(bytes, 'a', 1000);
    bytes[1000] = 'b';
    start(f, "", "", "a", "b");

    const char *found = kp_match_plain(&f->match, f->subject, bytes, sizeof(bytes));

    assert_ptr_equal(found, f->subject + f->len - sizeof(bytes));
    assert_in_range(kp_match_steps(&f->match), 0, LEN);
}

#define PATTERN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PATTERN_TEST(
            given_patterns_that_go_back_when_matched_then_work_is_items_times_bytes),
        PATTERN_TEST(given_brackets_in_each_other_when_balanced_then_work_is_linear),
        PATTERN_TEST(given_an_ordinary_pattern_when_matched_then_nothing_is_remembered),
        PATTERN_TEST(given_many_choices_when_remembered_then_memory_is_bounded),
        PATTERN_TEST(given_a_back_reference_when_it_takes_for_ever_then_the_hook_ends_it),
        PATTERN_TEST(
            given_the_hook_jumps_out_when_searched_again_then_nothing_wrong_is_remembered),
        PATTERN_TEST(
            given_bytes_that_nearly_match_everywhere_when_found_then_work_is_linear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
