/*
 * test_numbers.c - the smallest free number, also against a naive model
 */
#include "base/numbers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

struct fixture {
    struct kp_env env;
    struct fault_mem fault;
    struct kp_numbers numbers;
};

static int
setup(void **state)
{
    static struct fixture fixture;

    fault_env_init(&fixture.env, &fixture.fault, NULL);
    kp_numbers_init(&fixture.numbers, &fixture.env.mem, 1000);
    *state = &fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    kp_numbers_clear(&f->numbers);
    fault_env_check(&f->env, &f->fault);
    return 0;
}

static uint32_t
take(struct kp_numbers *numbers)
{
    uint32_t number = UINT32_MAX;

    assert_int_equal(kp_numbers_take(numbers, &number), 0);
    return number;
}

static void
given_all_free_when_taken_then_they_come_from_zero_in_order(void **state)
{
    struct fixture *f = *state;

    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(take(&f->numbers), i);
}

static void
given_all_taken_when_one_more_is_asked_for_then_no_space(void **state)
{
    struct fixture *f = *state;
    uint32_t number = 77;
    for (uint32_t i = 0; i < 1000; i++)
        take(&f->numbers);

    assert_int_equal(kp_numbers_take(&f->numbers, &number), -ENOSPC);
    assert_int_equal(number, 77);

    kp_numbers_give(&f->numbers, 512);
    assert_int_equal(take(&f->numbers), 512);
    assert_int_equal(kp_numbers_take(&f->numbers, &number), -ENOSPC);
}

static void
given_numbers_given_back_when_taken_then_the_smallest_comes_first(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 200; i++)
        take(&f->numbers);

    kp_numbers_give(&f->numbers, 150);
    kp_numbers_give(&f->numbers, 3);
    kp_numbers_give(&f->numbers, 64);

    assert_int_equal(take(&f->numbers), 3);
    assert_int_equal(take(&f->numbers), 64);
    assert_int_equal(take(&f->numbers), 150);
    assert_int_equal(take(&f->numbers), 200);
}

static void
given_limits_at_word_borders_when_exhausted_then_exactly_that_many(void **state)
{
    struct fixture *f = *state;
    static const uint32_t limits[] = {0, 1, 63, 64, 65, 4095, 4096, 4097};

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        uint32_t number;
        kp_numbers_init(&f->numbers, &f->env.mem, limits[i]);
        for (uint32_t j = 0; j < limits[i]; j++)
            assert_int_equal(take(&f->numbers), j);
        assert_int_equal(kp_numbers_take(&f->numbers, &number), -ENOSPC);
        kp_numbers_clear(&f->numbers);
    }
}

static void
given_many_when_the_tree_has_four_levels_then_still_the_smallest(void **state)
{
    struct fixture *f = *state;
    const uint32_t n = 64 * 64 * 64 + 100;
    kp_numbers_init(&f->numbers, &f->env.mem, UINT32_MAX);

    for (uint32_t i = 0; i < n; i++)
        if (take(&f->numbers) != i)
            fail_msg("number %u is out of order", i);
    kp_numbers_give(&f->numbers, 64 * 64 * 64 - 1);
    kp_numbers_give(&f->numbers, 64 * 64 * 64);

    assert_int_equal(take(&f->numbers), 64 * 64 * 64 - 1);
    assert_int_equal(take(&f->numbers), 64 * 64 * 64);
    assert_int_equal(take(&f->numbers), n);
}

static void
given_a_full_tree_when_the_limit_is_beyond_it_then_no_space(void **state)
{
    struct fixture *f = *state;
    uint32_t number;
    kp_numbers_init(&f->numbers, &f->env.mem, UINT32_MAX);
    take(&f->numbers);

    f->numbers.words[KP_NUMBERS_LEVELS - 1][0] = UINT64_MAX; /* 2^30 would take a while */

    assert_int_equal(kp_numbers_take(&f->numbers, &number), -ENOSPC);
}

static void
given_random_use_when_compared_with_a_plain_table_then_equal(void **state)
{
    struct fixture *f = *state;
    enum { N = 6000 };
    static bool is_taken[N];
    uint32_t smallest = 0, random = 7;
    memset(is_taken, 0, sizeof(is_taken));
    kp_numbers_init(&f->numbers, &f->env.mem, N);

    for (int i = 0; i < 200000; i++) {
        uint32_t number;
        random = random * 1664525 + 1013904223;
        uint32_t guess = (random >> 8) % N;
        if (is_taken[guess]) {
            kp_numbers_give(&f->numbers, guess);
            is_taken[guess] = false;
            smallest = guess < smallest ? guess : smallest;
            continue;
        }
        while (smallest < N && is_taken[smallest])
            smallest++;
        int rc = kp_numbers_take(&f->numbers, &number);
        if (rc != (smallest < N ? 0 : -ENOSPC) || (rc == 0 && number != smallest))
            fail_msg("step %d: rc %d, number %u, expected %u", i, rc, number, smallest);
        if (rc == 0)
            is_taken[number] = true;
    }
}

static void
given_no_memory_when_taken_then_enomem_and_later_the_same_number(void **state)
{
    struct fixture *f = *state;

    for (size_t n = 1;; n++) {
        uint32_t number, expected = 0;
        kp_numbers_init(&f->numbers, &f->env.mem, 5000);
        f->fault.failures = 0;
        fault_mem_fail(&f->fault, n);
        while (expected < 5000) {
            int rc = kp_numbers_take(&f->numbers, &number);
            if (rc == 0)
                assert_int_equal(number, expected++);
            else
                assert_int_equal(rc, -ENOMEM);
        }
        kp_numbers_clear(&f->numbers);
        assert_int_equal(f->fault.blocks, 0);
        if (f->fault.failures == 0)
            break;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_all_free_when_taken_then_they_come_from_zero_in_order),
        TEST(given_all_taken_when_one_more_is_asked_for_then_no_space),
        TEST(given_numbers_given_back_when_taken_then_the_smallest_comes_first),
        TEST(given_limits_at_word_borders_when_exhausted_then_exactly_that_many),
        TEST(given_many_when_the_tree_has_four_levels_then_still_the_smallest),
        TEST(given_a_full_tree_when_the_limit_is_beyond_it_then_no_space),
        TEST(given_random_use_when_compared_with_a_plain_table_then_equal),
        TEST(given_no_memory_when_taken_then_enomem_and_later_the_same_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
