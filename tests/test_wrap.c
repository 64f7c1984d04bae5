/*
 * test_wrap.c - a message and the bytes that its framing puts around it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kelpie.h"
#include "net/wrap.h"

#define UNUSED __attribute__((unused))

static struct iovec
part(const void *bytes, size_t len)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
}

/* Wraps "one", nothing, and "\0two", and checks both ways in which the bytes are told. */
static void
assert_wrapped(const struct kp_framing *framing, const void *bytes, size_t len)
{
    struct iovec parts[] = {part("one", 3), part(NULL, 0), part("\0two", 4)}, list[5];
    unsigned char copy[64], listed[64];
    struct kp_wrap wrap;
    size_t n_listed = 0;

    assert_int_equal(kp_wrap_init(&wrap, framing, parts, 3), 0);
    assert_int_equal(wrap.len, len);
    kp_wrap_copy(&wrap, copy);
    assert_memory_equal(copy, bytes, len);
    int n = kp_wrap_list(&wrap, list);
    assert_in_range(n, 3, 5);
    for (int i = 0; i < n; i++) {
        if (list[i].iov_len > 0)
            memcpy(listed + n_listed, list[i].iov_base, list[i].iov_len);
        n_listed += list[i].iov_len;
    }
    assert_int_equal(n_listed, len);
    assert_memory_equal(listed, bytes, len);
}

static void
given_no_framing_when_wrapped_then_the_parts_are_joined(void **state UNUSED)
{
    assert_wrapped(NULL, "one\0two", 7);
}

static void
given_a_framing_when_wrapped_then_head_and_tail_are_around_the_parts(void **state UNUSED)
{
    struct kp_framing line = {.kind = KP_FRAME_LINE}, crlf = {.kind = KP_FRAME_CRLF};
    struct kp_framing netstring = {.kind = KP_FRAME_NETSTRING};
    struct kp_framing length = {.kind = KP_FRAME_LENGTH, .length_size = 2};

    assert_wrapped(&line, "one\0two\n", 8);
    assert_wrapped(&crlf, "one\0two\r\n", 9);
    assert_wrapped(&netstring, "7:one\0two,", 10);
    assert_wrapped(&length, "\0\7one\0two", 9);
}

static void
given_nothing_when_wrapped_then_only_the_framing_is_there(void **state UNUSED)
{
    struct kp_framing line = {.kind = KP_FRAME_LINE};
    unsigned char copy[1];
    struct kp_wrap wrap;

    assert_int_equal(kp_wrap_init(&wrap, NULL, NULL, 0), 0);
    assert_int_equal(wrap.len, 0);
    assert_int_equal(kp_wrap_init(&wrap, &line, NULL, 0), 0);
    assert_int_equal(wrap.len, 1);
    kp_wrap_copy(&wrap, copy);
    assert_int_equal(copy[0], '\n');
}

static void
given_what_cannot_be_wrapped_when_tried_then_it_says_so(void **state UNUSED)
{
    struct kp_framing fixed = {.kind = KP_FRAME_FIXED, .fixed_size = 4};
    struct iovec parts[] = {part("x", 1), part("y", SIZE_MAX / 2), part("z", SIZE_MAX)};
    struct kp_wrap wrap;

    assert_int_equal(kp_wrap_init(&wrap, &fixed, parts, 1), KELPIE_EPROTO);
    assert_int_equal(kp_wrap_init(&wrap, NULL, parts, 3), KELPIE_EFULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_no_framing_when_wrapped_then_the_parts_are_joined),
        cmocka_unit_test(
            given_a_framing_when_wrapped_then_head_and_tail_are_around_the_parts),
        cmocka_unit_test(given_nothing_when_wrapped_then_only_the_framing_is_there),
        cmocka_unit_test(given_what_cannot_be_wrapped_when_tried_then_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
