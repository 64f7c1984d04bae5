/*
 * test_torture.c - the main scenarios, with every allocation made to fail
 *
 * A scenario runs once undisturbed and must do all of it; then once for every allocation,
 * which fails once, and again with all later ones failing (torture.h).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "torture.h"

static void
all_was_heard(const struct torture *t)
{
    torture_heard_part(t, 0, "welcome 0\n");
    torture_heard_part(t, 1, "guest0 says\n");
    torture_heard_part(t, 1, "to all\n");
    torture_heard_part(t, 1, "name?\nhello ann\n");
    torture_heard_part(t, 2, "now\n");
    torture_heard_part(t, 2, "spawned\n");
    torture_heard_part(t, 2, "xxxxxxxxxxxxxxx\n");
    torture_heard_part(t, 2, "from above\n");
    torture_heard_part(t, 1, "hello bob\n");
    torture_heard_part(t, 0, "guest0 of 3: half a line\n");
    torture_heard_part(t, 2, "guest2 of 3: still\n");
    assert_non_null(strstr(t->kit.log, "on purpose"));
    assert_non_null(strstr(t->kit.log, "did you mean 'on_message'"));
    assert_non_null(strstr(t->kit.log, "still serving generation 2"));
    assert_true(t->kit.k->is_finished);
}

static void
given_nothing_that_fails_when_the_scenario_runs_then_all_of_it_happens(void **state)
{
    struct torture *t = *state;

    torture_run(t, &torture_main);

    all_was_heard(t);
    torture_close(t);
}

static void
given_nothing_that_fails_when_all_doors_open_then_all_of_it_happens(void **state)
{
    struct torture *t = *state;

    torture_run(t, &torture_doors);

    torture_heard_part(t, 0, "admin one hello\n");
    torture_heard_part(t, 1, "one hello\n");
    torture_heard_part(t, TORTURE_OPERATOR, "\nok status\n");
    torture_heard_part(t, TORTURE_OPERATOR, "\nok help\n");
    assert_non_null(strstr(t->kit.log, "drain: 1 client left when its time was over"));
    assert_true(t->kit.k->is_finished);
    torture_close(t);
}

/* What is cut into bytes needs more steps, no more. */
static void
act_in_bytes(struct torture *t)
{
    t->sys.recv_one_byte = true;
    t->sys.eagain_every =
        7; /* more than a step makes calls, so that it hits them in turn */
    t->steps_each = 60;
    torture_main.act(t);
}

static void
given_one_byte_at_a_time_when_the_scenario_runs_then_the_same_is_said(void **state)
{
    static const struct torture_scenario in_bytes = {.act = act_in_bytes};
    struct torture *t = *state;

    torture_run(t, &in_bytes);

    all_was_heard(t);
    torture_close(t);
}

static void
given_an_allocation_when_it_fails_then_the_server_survives(void **state)
{
    struct torture *t = *state;
    struct torture_count count = {0};

    torture_memory(t, &torture_main, &count);
    torture_memory(t, &torture_doors, &count);

    print_message("%zu points of allocation\n", count.once + count.on);
    assert_true(count.once > 2000 && count.on > 2000);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, torture_setup, torture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_nothing_that_fails_when_the_scenario_runs_then_all_of_it_happens),
        TEST(given_nothing_that_fails_when_all_doors_open_then_all_of_it_happens),
        TEST(given_one_byte_at_a_time_when_the_scenario_runs_then_the_same_is_said),
        TEST(given_an_allocation_when_it_fails_then_the_server_survives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
