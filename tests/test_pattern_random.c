/*
 * test_pattern_random.c - a million random patterns, in Lua's functions and in ours
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "pattern_random.h"

static void
given_a_million_patterns_when_used_then_ours_and_those_of_lua_agree(void **state)
{
    (void)state;

    assert_int_equal(pattern_random_run(0x6b656c7069650001ULL, 1000000), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_a_million_patterns_when_used_then_ours_and_those_of_lua_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
