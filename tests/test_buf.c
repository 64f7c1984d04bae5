/*
 * test_buf.c - the byte buffer, also against a naive model
 */
#include "base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

struct fixture {
    struct kp_env env;
    struct fault_mem fault;
    struct kp_buf buf;
};

static int
setup(void **state)
{
    static struct fixture fixture;

    fault_env_init(&fixture.env, &fixture.fault, NULL);
    memset(&fixture.buf, 0, sizeof(fixture.buf));
    *state = &fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    kp_buf_clear(&f->buf, &f->env.mem);
    fault_env_check(&f->env, &f->fault);
    return 0;
}

static void
assert_holds(const struct kp_buf *buf, const void *bytes, size_t len)
{
    assert_int_equal(kp_buf_len(buf), len);
    if (len > 0)
        assert_memory_equal(kp_buf_bytes(buf), bytes, len);
}

static void
given_an_empty_buffer_when_bytes_arrive_and_leave_then_it_holds_no_memory(void **state)
{
    struct fixture *f = *state;
    struct kp_mem *mem = &f->env.mem;

    assert_int_equal(kp_buf_append(&f->buf, mem, NULL, 0), 0);
    assert_int_equal(mem->used, 0);
    assert_int_equal(kp_buf_append(&f->buf, mem, "hello", 5), 0);
    assert_holds(&f->buf, "hello", 5);
    assert_int_equal(mem->used, 256);

    kp_buf_consume(&f->buf, mem, 4);
    assert_holds(&f->buf, "o", 1);
    kp_buf_consume(&f->buf, mem, 1);
    assert_int_equal(mem->used, 0);
    assert_null(f->buf.data);
}

static void
given_room_behind_the_front_when_reserved_then_moved_and_not_grown(void **state)
{
    struct fixture *f = *state;
    char bytes[256];
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(kp_buf_append(&f->buf, &f->env.mem, bytes, sizeof(bytes)), 0);
    kp_buf_consume(&f->buf, &f->env.mem, 100);

    assert_int_equal(kp_buf_reserve(&f->buf, &f->env.mem, 100), 0);

    assert_int_equal(f->buf.capacity, 256);
    assert_int_equal(f->buf.start, 0);
    assert_holds(&f->buf, bytes, 156);
}

static void
given_no_room_when_reserved_then_doubled_until_it_is_enough(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(kp_buf_append(&f->buf, &f->env.mem, "abc", 3), 0);

    assert_int_equal(kp_buf_reserve(&f->buf, &f->env.mem, 1000), 0);

    assert_int_equal(f->buf.capacity, 1024);
    assert_holds(&f->buf, "abc", 3);
}

static void
given_no_memory_when_it_must_grow_then_it_is_as_it_was(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(kp_buf_append(&f->buf, &f->env.mem, "abc", 3), 0);
    kp_buf_consume(&f->buf, &f->env.mem, 1);
    volatile size_t all = SIZE_MAX; /* an optimising compiler warns of a constant */

    fault_mem_fail_from(&f->fault, 1);

    assert_int_equal(kp_buf_reserve(&f->buf, &f->env.mem, 256), -ENOMEM);
    assert_int_equal(kp_buf_append(&f->buf, &f->env.mem, "x", all), -ENOMEM);
    assert_int_equal(kp_buf_reserve(&f->buf, &f->env.mem, all - 2), -ENOMEM);
    assert_holds(&f->buf, "bc", 2);
    assert_int_equal(kp_buf_append(&f->buf, &f->env.mem, "d", 1), 0);
    assert_holds(&f->buf, "bcd", 3);
}

static void
given_random_use_when_compared_with_a_plain_array_then_equal(void **state)
{
    struct fixture *f = *state;
    static unsigned char model[1 << 20];
    size_t start = 0, end = 0, largest = 0;
    uint32_t random = 1;

    while (end < sizeof(model) - 1000) {
        random = random * 1664525 + 1013904223;
        size_t n = (random >> 8) % 700;
        if ((random >> 28) % 2 == 0) {
            for (size_t i = 0; i < n; i++)
                model[end + i] = (unsigned char)(end + i + (random >> 24));
            if ((random >> 29) % 4 == 0) {
                fault_mem_fail(&f->fault, 1); /* may or may not be met */
                if (kp_buf_append(&f->buf, &f->env.mem, model + end, n) == 0)
                    end += n;
                fault_env_heal(&f->fault, NULL);
            } else {
                assert_int_equal(kp_buf_append(&f->buf, &f->env.mem, model + end, n), 0);
                end += n;
            }
        } else {
            n = n < end - start ? n : end - start;
            kp_buf_consume(&f->buf, &f->env.mem, n);
            start += n;
        }
        largest = end - start > largest ? end - start : largest;
        assert_holds(&f->buf, model + start, end - start);
    }

    assert_true(f->fault.failures > 0);
    assert_true(f->fault.peak < 5 * largest); /* old and new block while it grows */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_an_empty_buffer_when_bytes_arrive_and_leave_then_it_holds_no_memory),
        TEST(given_room_behind_the_front_when_reserved_then_moved_and_not_grown),
        TEST(given_no_room_when_reserved_then_doubled_until_it_is_enough),
        TEST(given_no_memory_when_it_must_grow_then_it_is_as_it_was),
        TEST(given_random_use_when_compared_with_a_plain_array_then_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
