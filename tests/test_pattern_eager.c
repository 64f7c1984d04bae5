/*
 * test_pattern_eager.c - another million, with a matcher that remembers from the start
 *
 * Short subjects are done before the matcher starts to remember what failed. This program has
 * the matcher once more, in place of the one in the library, with so little fuel that it
 * remembers, and calls its hook, from the first step on; and in pieces of two bytes.
 */
#define FUEL  1
#define PIECE 2
#include "script/pattern.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pattern_random.h"

static void
given_a_matcher_that_remembers_at_once_when_used_then_it_agrees_with_lua(void **state)
{
    (void)state;

    assert_int_equal(pattern_random_run(0x6b656c7069650002ULL, 1000000), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_a_matcher_that_remembers_at_once_when_used_then_it_agrees_with_lua),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
