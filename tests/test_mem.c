/*
 * test_mem.c - the door to memory: counting, growing, and what happens when there is none
 */
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

struct fixture {
    struct kp_env env;
    struct fault_mem fault;
};

static int
setup(void **state)
{
    static struct fixture fixture;

    fault_env_init(&fixture.env, &fixture.fault, NULL);
    *state = &fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    fault_env_check(&f->env, &f->fault);
    return 0;
}

static void
given_no_allocator_when_a_block_lives_then_the_system_serves_it(void **state)
{
    struct kp_mem mem;
    (void)state;
    kp_mem_init(&mem, NULL, NULL);
    assert_true(kp_mem_is_system(&mem));

    char *block = kp_mem_alloc(&mem, 3);
    assert_non_null(block);
    memcpy(block, "abc", 3);
    block = kp_mem_realloc(&mem, block, 3, 3000);

    assert_non_null(block);
    assert_memory_equal(block, "abc", 3);
    assert_int_equal(mem.used, 3000);
    kp_mem_free(&mem, block, 3000);
    assert_int_equal(mem.used, 0);
    kp_mem_trim(&mem);
}

/* What waits for the next one (spare.c) is not in use, and is given back when asked. */
static void
given_no_allocator_when_large_blocks_come_and_go_then_bytes_stay_and_are_counted(
    void **state)
{
    static const size_t sizes[] = {5000, 5001, 200000, 70000, 900, 2000, 131072, 1, 1025};
    struct kp_mem mem;
    size_t size = 1;
    (void)state;
    kp_mem_init(&mem, NULL, NULL);
    char *block = kp_mem_zalloc(&mem, size);
    assert_non_null(block);

    for (size_t i = 0; i < 3 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t next = sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];
        char *moved = kp_mem_realloc(&mem, block, size, next);
        assert_non_null(moved);
        for (size_t at = 0; at < size && at < next; at++)
            assert_int_equal(moved[at], (char)at);
        for (size_t at = 0; at < next; at++)
            moved[at] = (char)at;
        assert_int_equal(mem.used, next);
        block = moved;
        size = next;
    }

    kp_mem_free(&mem, block, size);
    assert_int_equal(mem.used, 0);
    kp_mem_trim(&mem);
    assert_int_equal(mem.spare.bytes, 0);
}

static void
given_no_allocator_when_an_array_grows_then_what_it_has_outgrown_is_not_kept(void **state)
{
    struct kp_mem mem;
    uint32_t *array = NULL;
    size_t capacity = 0;
    (void)state;
    kp_mem_init(&mem, NULL, NULL);

    for (uint32_t i = 0; i < 100000; i++) {
        assert_int_equal(kp_mem_grow(&mem, &array, &capacity, i + 1, sizeof(*array)), 0);
        array[i] = i;
    }

    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(array[i], i);
    assert_int_equal(mem.used, capacity * sizeof(*array));
    assert_int_equal(mem.spare.bytes, 0);
    kp_mem_free(&mem, array, capacity * sizeof(*array));
    assert_int_equal(mem.used, 0);
    kp_mem_trim(&mem);
}

static void
given_blocks_when_they_come_and_go_then_used_counts_their_bytes(void **state)
{
    struct fixture *f = *state;
    struct kp_mem *mem = &f->env.mem;
    assert_false(kp_mem_is_system(mem));

    void *a = kp_mem_alloc(mem, 10);
    void *b = kp_mem_zalloc(mem, 20);
    assert_int_equal(mem->used, 30);
    a = kp_mem_realloc(mem, a, 10, 100);
    assert_int_equal(mem->used, 120);
    b = kp_mem_realloc(mem, b, 20, 5);
    assert_int_equal(mem->used, 105);

    kp_mem_free(mem, a, 100);
    kp_mem_free(mem, b, 5);
    kp_mem_free(mem, NULL, 77);
    assert_int_equal(mem->used, 0);
}

static void
given_dirty_memory_when_zalloc_then_all_bytes_are_zero(void **state)
{
    struct fixture *f = *state;
    static const unsigned char zeros[50];

    unsigned char *block = kp_mem_zalloc(&f->env.mem, sizeof(zeros));

    assert_non_null(block);
    assert_memory_equal(block, zeros, sizeof(zeros));
    kp_mem_free(&f->env.mem, block, sizeof(zeros));
}

static void
given_no_memory_when_anything_is_asked_for_then_null_and_nothing_changed(void **state)
{
    struct fixture *f = *state;
    struct kp_mem *mem = &f->env.mem;
    char *block = kp_mem_dup(mem, "keep", 4);
    assert_non_null(block);

    fault_mem_fail_from(&f->fault, 1);

    assert_null(kp_mem_alloc(mem, 1));
    assert_null(kp_mem_zalloc(mem, 1));
    assert_null(kp_mem_dup(mem, "x", 1));
    assert_null(kp_mem_realloc(mem, block, 5, 50));
    assert_string_equal(block, "keep");
    assert_int_equal(mem->used, 5);
    assert_int_equal(f->fault.failures, 4);
    kp_mem_free(mem, block, 5);
}

static void
given_no_memory_when_a_block_shrinks_then_it_succeeds(void **state)
{
    struct fixture *f = *state;
    char *block = kp_mem_dup(&f->env.mem, "shrink", 6);
    assert_non_null(block);

    fault_mem_fail_from(&f->fault, 1);
    block = kp_mem_realloc(&f->env.mem, block, 7, 2);

    assert_non_null(block);
    assert_memory_equal(block, "sh", 2);
    kp_mem_free(&f->env.mem, block, 2);
}

static void
given_bytes_when_dup_then_a_terminated_copy(void **state)
{
    struct fixture *f = *state;

    char *copy = kp_mem_dup(&f->env.mem, "a\0b", 3);
    char *empty = kp_mem_dup(&f->env.mem, NULL, 0);

    assert_memory_equal(copy, "a\0b", 4);
    assert_string_equal(empty, "");
    assert_null(kp_mem_dup(&f->env.mem, "", SIZE_MAX));
    kp_mem_free(&f->env.mem, copy, 4);
    kp_mem_free(&f->env.mem, empty, 1);
}

static void
given_an_array_when_it_grows_then_capacity_doubles_and_elements_stay(void **state)
{
    struct fixture *f = *state;
    uint32_t *array = NULL;
    size_t capacity = 0;

    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(
            kp_mem_grow(&f->env.mem, &array, &capacity, i + 1, sizeof(*array)), 0);
        array[i] = i;
    }

    assert_int_equal(capacity, 1024);
    assert_int_equal(f->fault.calls, 8); /* 8, 16, ... 1024 */
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(array[i], i);
    kp_mem_free(&f->env.mem, array, capacity * sizeof(*array));
}

static void
given_an_array_when_it_cannot_grow_then_it_is_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct kp_mem *mem = &f->env.mem;
    uint64_t *array = NULL;
    size_t capacity = 0;
    assert_int_equal(kp_mem_grow(mem, &array, &capacity, 1, sizeof(*array)), 0);
    assert_int_equal(capacity, 8);
    uint64_t *before = array;

    fault_mem_fail(&f->fault, 1);
    assert_int_equal(kp_mem_grow(mem, &array, &capacity, 9, sizeof(*array)), -ENOMEM);
    assert_int_equal(kp_mem_grow(mem, &array, &capacity, SIZE_MAX, sizeof(*array)),
                     -ENOMEM);
    assert_int_equal(kp_mem_grow(mem, &array, &capacity, SIZE_MAX / 8, sizeof(*array)),
                     -ENOMEM);
    assert_int_equal(kp_mem_grow(mem, &array, &capacity, 8, sizeof(*array)), 0);

    assert_ptr_equal(array, before);
    assert_int_equal(capacity, 8);
    assert_int_equal(f->fault.calls, 2); /* sizes that overflow are not even asked for */
    kp_mem_free(mem, array, capacity * sizeof(*array));
}

static void
given_elements_so_large_that_eight_overflow_when_grown_then_no_memory(void **state)
{
    struct fixture *f = *state;
    void *array = NULL;
    size_t capacity = 0;

    assert_int_equal(kp_mem_grow(&f->env.mem, &array, &capacity, 1, SIZE_MAX / 4),
                     -ENOMEM);

    assert_null(array);
    assert_int_equal(capacity, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_no_allocator_when_a_block_lives_then_the_system_serves_it),
        TEST(
            given_no_allocator_when_large_blocks_come_and_go_then_bytes_stay_and_are_counted),
        TEST(
            given_no_allocator_when_an_array_grows_then_what_it_has_outgrown_is_not_kept),
        TEST(given_blocks_when_they_come_and_go_then_used_counts_their_bytes),
        TEST(given_dirty_memory_when_zalloc_then_all_bytes_are_zero),
        TEST(given_no_memory_when_anything_is_asked_for_then_null_and_nothing_changed),
        TEST(given_no_memory_when_a_block_shrinks_then_it_succeeds),
        TEST(given_bytes_when_dup_then_a_terminated_copy),
        TEST(given_an_array_when_it_grows_then_capacity_doubles_and_elements_stay),
        TEST(given_an_array_when_it_cannot_grow_then_it_is_as_it_was),
        TEST(given_elements_so_large_that_eight_overflow_when_grown_then_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
