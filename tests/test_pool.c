/*
 * test_pool.c - the small blocks of a Lua state: distinct, aligned, counted, and none leaks
 */
#include "script/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#define N_BLOCKS 4000

struct fixture {
    struct kp_env env;
    struct fault_mem fault;
    struct kp_pool pool;
};

static int
setup(void **state)
{
    static struct fixture fixture;

    fault_env_init(&fixture.env, &fixture.fault, NULL);
    kp_pool_init(&fixture.pool, &fixture.env.mem, KP_POOL_MAX);
    *state = &fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    kp_pool_clear(&f->pool);
    assert_int_equal(f->env.mem.used, 0);
    fault_env_check(&f->env, &f->fault);
    return 0;
}

static size_t
size_of(size_t i)
{
    return i * 7 % (KP_POOL_MAX + 100) + 1; /* small ones and large ones */
}

static void
given_many_blocks_when_all_are_written_then_none_overlaps_another(void **state)
{
    struct fixture *f = *state;
    static unsigned char *blocks[N_BLOCKS];

    for (size_t i = 0; i < N_BLOCKS; i++) {
        blocks[i] = kp_pool_realloc(&f->pool, NULL, 0, size_of(i));
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % (2 * sizeof(void *)), 0);
        memset(blocks[i], (int)(i % 251), size_of(i));
    }
    for (size_t i = 0; i < N_BLOCKS; i++) {
        for (size_t k = 0; k < size_of(i); k++)
            assert_int_equal(blocks[i][k], i % 251);
        kp_pool_free(&f->pool, blocks[i], size_of(i));
    }
}

static void
given_freed_blocks_when_as_many_are_needed_then_no_more_memory_is_taken(void **state)
{
    struct fixture *f = *state;
    static void *blocks[N_BLOCKS];
    size_t used = 0;

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N_BLOCKS; i++)
            blocks[i] = kp_pool_realloc(&f->pool, NULL, 0, size_of(i));
        if (round > 0)
            assert_int_equal(f->env.mem.used, used);
        used = f->env.mem.used;
        for (size_t i = 0; i < N_BLOCKS; i++)
            kp_pool_free(&f->pool, blocks[i], size_of(i));
    }
}

static void
given_a_block_when_it_grows_and_shrinks_then_its_bytes_stay(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {1, 16, 17, 256, 257, 5000, 300, 256, 40, 33, 3};
    char *block = NULL;
    size_t size = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        block = kp_pool_realloc(&f->pool, block, size, sizes[i]);
        assert_non_null(block);
        size_t kept = size < sizes[i] ? size : sizes[i];
        for (size_t k = 0; k < kept; k++)
            assert_int_equal(block[k], 'a' + k % 26);
        size = sizes[i];
        for (size_t k = 0; k < size; k++)
            block[k] = (char)('a' + k % 26);
    }
    kp_pool_free(&f->pool, block, size);
    kp_pool_free(&f->pool, NULL, 0);
}

static void
given_no_memory_when_a_block_moves_then_it_is_as_it_was(void **state)
{
    struct fixture *f = *state;
    char *block = kp_pool_realloc(&f->pool, NULL, 0, 8);

    assert_non_null(block);
    memcpy(block, "kelpie!", 8);
    fault_mem_fail_from(&f->fault, 1);
    assert_null(kp_pool_realloc(&f->pool, block, 8, KP_POOL_MAX + 1));

    assert_string_equal(block, "kelpie!");
    fault_env_heal(&f->fault, NULL);
    kp_pool_free(&f->pool, block, 8);
}

static void
given_a_pool_that_is_off_when_blocks_are_needed_then_each_is_the_allocators(void **state)
{
    struct fixture *f = *state;
    struct kp_pool off;

    kp_pool_init(&off, &f->env.mem, 0);
    void *block = kp_pool_realloc(&off, NULL, 0, 24);
    assert_non_null(block);
    assert_int_equal(f->env.mem.used, 24);
    block = kp_pool_realloc(&off, block, 24, 48);
    assert_non_null(block);
    assert_int_equal(f->env.mem.used, 48);
    kp_pool_free(&off, block, 48);
    assert_int_equal(f->env.mem.used, 0);
    kp_pool_clear(&off);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(given_many_blocks_when_all_are_written_then_none_overlaps_another),
        T(given_freed_blocks_when_as_many_are_needed_then_no_more_memory_is_taken),
        T(given_a_block_when_it_grows_and_shrinks_then_its_bytes_stay),
        T(given_no_memory_when_a_block_moves_then_it_is_as_it_was),
        T(given_a_pool_that_is_off_when_blocks_are_needed_then_each_is_the_allocators),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
