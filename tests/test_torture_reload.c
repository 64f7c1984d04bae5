/*
 * test_torture_reload.c - reloads of all kinds, with every allocation made to fail
 *
 * The scenarios and what must hold after each run are in torture_reload.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "torture.h"

static void
given_a_reload_when_nothing_fails_then_it_does_what_it_says(void **state)
{
    struct torture *t = *state;

    for (const struct torture_scenario *s = torture_reloads; s->name != NULL; s++) {
        torture_run(t, s);
        torture_close(t);
    }
}

static void
given_a_reload_when_an_allocation_fails_then_all_or_nothing(void **state)
{
    struct torture *t = *state;
    struct torture_count count = {0};

    for (const struct torture_scenario *s = torture_reloads; s->name != NULL; s++)
        torture_memory(t, s, &count);

    print_message("%zu points of allocation\n", count.once + count.on);
    assert_true(count.once > 5000 && count.on > 5000);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, torture_setup, torture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_reload_when_nothing_fails_then_it_does_what_it_says),
        TEST(given_a_reload_when_an_allocation_fails_then_all_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
