/*
 * test_spare.c - blocks that wait for the next one, without memory behind them
 */
#include "base/spare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define UNUSED __attribute__((unused))

static void *
block_for(size_t size)
{
    void *block = malloc(kp_spare_round(size));

    assert_non_null(block);
    return block;
}

/* Frees what is kept beyond max. Returns how many blocks that were. */
static size_t
free_excess(struct kp_spare *spare, size_t max)
{
    void *block;
    size_t n = 0;

    for (; (block = kp_spare_excess(spare, max)) != NULL; n++)
        free(block);
    return n;
}

static void
given_every_size_when_rounded_then_at_most_an_eighth_is_lost(void **state UNUSED)
{
    assert_false(kp_spare_fits(KP_SPARE_MIN));
    assert_false(kp_spare_fits(KP_SPARE_MAX + 1));

    for (size_t size = KP_SPARE_MIN + 1; size <= KP_SPARE_MAX; size++) {
        size_t rounded = kp_spare_round(size);
        assert_true(kp_spare_fits(size));
        assert_true(rounded >= size && rounded <= size + size / 8);
        assert_int_equal(kp_spare_round(rounded), rounded);
    }
    assert_int_equal(kp_spare_round(KP_SPARE_MAX), KP_SPARE_MAX);
}

static void
given_a_kept_block_when_one_of_its_class_is_wanted_then_it_serves(void **state UNUSED)
{
    struct kp_spare spare = {.bytes = 0};
    void *first = block_for(65561), *second = block_for(65561);

    kp_spare_put(&spare, first, 65561);
    kp_spare_put(&spare, second, 65561);
    assert_int_equal(spare.bytes, 2 * kp_spare_round(65561));

    assert_null(kp_spare_take(&spare, 65536));
    assert_null(kp_spare_take(&spare, kp_spare_round(65561) + 1));
    assert_ptr_equal(kp_spare_take(&spare, 70000), second); /* the last one first */
    assert_ptr_equal(kp_spare_take(&spare, 65561), first);
    assert_null(kp_spare_take(&spare, 65561));
    assert_int_equal(spare.bytes, 0);
    free(first);
    free(second);
}

static void
given_too_many_of_several_sizes_when_some_have_to_go_then_they_go_in_turn(
    void **state UNUSED)
{
    struct kp_spare spare = {.bytes = 0};
    size_t max = 5 * (kp_spare_round(2000) + kp_spare_round(3000));

    for (int i = 0; i < 10; i++) {
        kp_spare_put(&spare, block_for(2000), 2000);
        kp_spare_put(&spare, block_for(3000), 3000);
    }
    assert_int_equal(free_excess(&spare, max), 10);

    assert_int_equal(spare.bytes, max);
    assert_int_equal(free_excess(&spare, max), 0);
    assert_int_equal(free_excess(&spare, 0), 10);
    assert_int_equal(spare.bytes, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_every_size_when_rounded_then_at_most_an_eighth_is_lost),
        cmocka_unit_test(
            given_a_kept_block_when_one_of_its_class_is_wanted_then_it_serves),
        cmocka_unit_test(
            given_too_many_of_several_sizes_when_some_have_to_go_then_they_go_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
