/*
 * test_seen.c - which tables and handles have been met
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fault.h"
#include "script/seen.h"

#define MANY 1000

static struct fault_mem mem;
static struct fault_sys sys;
static struct kp_env env;
static struct kp_seen seen;
static char objects[MANY]; /* only their addresses matter */

static int
setup(void **state)
{
    (void)state;
    fault_env_init(&env, &mem, &sys);
    assert_int_equal(kp_seen_init(&seen, &env.mem, &env.sys), 0);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    kp_seen_clear(&seen);
    fault_env_check(&env, &mem);
    return 0;
}

static void
given_objects_when_added_then_they_are_found_with_their_numbers(void **state)
{
    (void)state;
    assert_null(kp_seen_find(&seen, &objects[0]));

    for (int i = 0; i < MANY; i++)
        assert_non_null(kp_seen_add(&seen, &objects[i]));

    for (int i = 0; i < MANY; i++) {
        assert_int_equal(kp_seen_find(&seen, &objects[i])->number, i + 1);
        assert_false(kp_seen_find(&seen, &objects[i])->entered);
    }
    assert_null(kp_seen_find(&seen, &seen));
}

static void
given_objects_when_reset_then_numbers_start_again_in_the_same_memory(void **state)
{
    (void)state;
    assert_non_null(kp_seen_add(&seen, &objects[0]));
    kp_seen_reset(&seen);
    size_t used = env.mem.used;
    for (int i = 0; i < MANY; i++)
        assert_non_null(kp_seen_add(&seen, &objects[i]));

    kp_seen_reset(&seen);

    assert_int_equal(env.mem.used, used);
    assert_null(kp_seen_find(&seen, &objects[0]));
    assert_int_equal(kp_seen_add(&seen, &objects[7])->number, 1);
}

static void
given_no_memory_when_added_then_nothing_is_changed(void **state)
{
    size_t n_failed = 0;
    (void)state;

    for (int i = 0; i < MANY; i++) {
        fault_mem_fail(&mem, 1);
        struct kp_seen_node *node = kp_seen_add(&seen, &objects[i]);
        fault_env_heal(&mem, &sys);
        if (!node) {
            n_failed++;
            assert_null(kp_seen_find(&seen, &objects[i]));
            node = kp_seen_add(&seen, &objects[i]);
        }
        assert_int_equal(node->number, i + 1);
    }

    assert_true(n_failed > 1);
}

static void
given_no_random_source_when_started_then_its_error(void **state)
{
    struct kp_seen other;
    (void)state;
    fault_sys_fail(&sys, FAULT_RANDOM, 1, EIO);

    assert_int_equal(kp_seen_init(&other, &env.mem, &env.sys), -EIO);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_objects_when_added_then_they_are_found_with_their_numbers),
        TEST(given_objects_when_reset_then_numbers_start_again_in_the_same_memory),
        TEST(given_no_memory_when_added_then_nothing_is_changed),
        TEST(given_no_random_source_when_started_then_its_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
