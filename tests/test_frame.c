/*
 * test_frame.c - what each framing takes for a message, and how it writes one
 *
 * Single cases with their meaning; that none of it depends on the cuts is the matter of
 * test_frame_cuts.c. What came out of a stream is compared as text: each message in
 * brackets, a partial one at the end in braces, then the error, if any.
 */
#include "net/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "kelpie.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static const struct kp_framing line = {.kind = KP_FRAME_LINE};
static const struct kp_framing crlf = {.kind = KP_FRAME_CRLF};
static const struct kp_framing raw = {.kind = KP_FRAME_RAW};
static const struct kp_framing netstring = {.kind = KP_FRAME_NETSTRING};
static const struct kp_framing length_1 = {.kind = KP_FRAME_LENGTH, .length_size = 1};
static const struct kp_framing length_2 = {.kind = KP_FRAME_LENGTH, .length_size = 2};
static const struct kp_framing length_4 = {.kind = KP_FRAME_LENGTH, .length_size = 4};
static const struct kp_framing length_4_little = {
    .kind = KP_FRAME_LENGTH, .length_size = 4, .little_endian = true};
static const struct kp_framing fixed_4 = {.kind = KP_FRAME_FIXED, .fixed_size = 4};
static const struct kp_framing semicolons = {
    .kind = KP_FRAME_DELIMITER, .delimiter_len = 2, .delimiter = ";;"};
static const struct kp_framing nul = {
    .kind = KP_FRAME_DELIMITER, .delimiter_len = 1, .delimiter = "\0"};

/* ---- reading ---- */

struct text {
    char chars[512];
    size_t len;
};

static void
write_bytes(struct text *out, char open, const unsigned char *bytes, size_t len,
            char close)
{
    assert_true(out->len + len + 3 < sizeof(out->chars));
    out->chars[out->len++] = open;
    memcpy(out->chars + out->len, bytes, len);
    out->len += len;
    out->chars[out->len++] = close;
    out->chars[out->len] = '\0';
}

static void
write_end(struct text *out, int rc)
{
    const char *name = rc == KELPIE_ETOOLONG ? "too long" : "broken";

    if (rc == 0)
        return;
    strcpy(out->chars + out->len, name);
    out->len += strlen(name);
}

/* Cuts all messages out of a stream that is there at once. */
static struct text
cut_bytes(const struct kp_framing *framing, size_t max_message, const char *stream,
          size_t len)
{
    const unsigned char *bytes = (const unsigned char *)stream;
    struct kp_frame_state state = {0};
    struct kp_frame frame;
    struct text out = {.len = 0};
    int rc;

    while ((rc = kp_frame_next(framing, &state, bytes, len, max_message, &frame)) == 1) {
        write_bytes(&out, '[', bytes + frame.start, frame.len, ']');
        bytes += frame.consumed;
        len -= frame.consumed;
    }
    if (rc == 0 && kp_frame_rest(framing, bytes, len, &frame) == 1) {
        assert_int_equal(frame.consumed, len);
        write_bytes(&out, '{', bytes + frame.start, frame.len, '}');
    }
    write_end(&out, rc);
    return out;
}

#define assert_cut(framing, max_message, stream, expected)                               \
 assert_cut_(framing, max_message, stream, sizeof(stream) - 1, expected,                 \
             sizeof(expected) - 1, __LINE__)

static void
assert_cut_(const struct kp_framing *framing, size_t max_message, const char *stream,
            size_t len, const char *expected, size_t expected_len, int at)
{
    struct text is = cut_bytes(framing, max_message, stream, len);

    if (is.len != expected_len || memcmp(is.chars, expected, is.len) != 0)
        fail_msg("line %d: expected %s, got %s", at, expected, is.chars);
}

static struct kp_framing
with_partial(const struct kp_framing *framing)
{
    struct kp_framing copy = *framing;
    copy.deliver_partial = true;
    return copy;
}

static void
given_lines_when_cut_then_newline_and_one_return_are_dropped(void **state)
{
    (void)state;

    assert_cut(&line, 80, "one\ntwo\r\n\n\r\n", "[one][two][][]");
    assert_cut(&crlf, 80, "one\ntwo\r\n\n\r\n", "[one][two][][]");
    assert_cut(&line, 80, "one\r\r\n", "[one\r]");
}

static void
given_a_bare_return_when_cut_then_it_is_data(void **state)
{
    (void)state;

    assert_cut(&line, 80, "a\rb\n\rc\n", "[a\rb][\rc]");
}

static void
given_binary_lines_when_cut_then_every_byte_survives(void **state)
{
    (void)state;

    assert_cut(&line, 80, "\0a\0\n\xff\xc0\x80\n\0\r\n", "[\0a\0][\xff\xc0\x80][\0]");
}

static void
given_half_a_line_when_newline_arrives_then_one_message(void **state)
{
    (void)state;
    struct kp_frame_state frame_state = {0};
    struct kp_frame frame;
    const unsigned char bytes[] = "half a line\nrest";

    int before = kp_frame_next(&line, &frame_state, bytes, 6, 80, &frame);
    size_t scanned = frame_state.scanned;
    int after = kp_frame_next(&line, &frame_state, bytes, 16, 80, &frame);

    assert_int_equal(before, 0);
    assert_int_equal(scanned, 6);
    assert_int_equal(after, 1);
    assert_int_equal(frame.start, 0);
    assert_int_equal(frame.len, 11);
    assert_int_equal(frame.consumed, 12);
    assert_int_equal(frame_state.scanned, 0);
}

static void
given_a_line_of_max_message_when_cut_then_it_is_taken_with_any_end(void **state)
{
    (void)state;

    assert_cut(&line, 5, "12345\n12345\r\n", "[12345][12345]");
    assert_cut(&line, 0, "\n\r\n", "[][]");
    assert_cut(&line, 5, "12345\r", "");
}

static void
given_a_line_above_max_message_when_its_deciding_byte_comes_then_too_long(void **state)
{
    (void)state;

    assert_cut(&line, 5, "ok\n123456", "[ok]too long");
    assert_cut(&line, 5, "ok\n123456\nok\n", "[ok]too long");
    assert_cut(&line, 5, "12345\rx", "too long");
    assert_cut(&line, 5, "12345\r\r", "too long");
    assert_cut(&line, 5, "12345\r\r\n", "too long");
    assert_cut(&line, 0, "x", "too long");
}

static void
given_a_line_that_is_too_long_when_asked_again_then_same_error(void **state)
{
    (void)state;
    struct kp_frame_state frame_state = {0};
    struct kp_frame frame;
    const unsigned char bytes[] = "123456789\n";

    for (size_t len = 6; len <= 10; len++) {
        int rc = kp_frame_next(&line, &frame_state, bytes, len, 5, &frame);

        assert_int_equal(rc, KELPIE_ETOOLONG);
    }
}

static void
given_raw_when_bytes_are_there_then_at_most_max_message_at_a_time(void **state)
{
    (void)state;

    assert_cut(&raw, 4, "0123456789", "[0123][4567][89]");
    assert_cut(&raw, 80, "any\nbytes\0", "[any\nbytes\0]");
    assert_cut(&raw, 80, "", "");
    assert_cut(&raw, 0, "x", "too long");
}

static void
given_lengths_when_cut_then_size_and_order_are_respected(void **state)
{
    (void)state;
    struct kp_framing length_2_little = length_2;
    length_2_little.little_endian = true;

    assert_cut(&length_1, 255, "\x03one\0\x02\0\n", "[one][][\0\n]");
    assert_cut(&length_2, 255, "\0\x03one\0\0\0\x01x", "[one][][x]");
    assert_cut(&length_2_little, 255, "\x03\0one\0\0\x01\0x", "[one][][x]");
    assert_cut(&length_4, 255, "\0\0\0\x03one\0\0\0\0", "[one][]");
    assert_cut(&length_4_little, 255, "\x03\0\0\0one\0\0\0\0", "[one][]");
}

static void
given_a_length_above_max_message_when_the_head_is_there_then_too_long(void **state)
{
    (void)state;

    assert_cut(&length_1, 5, "\x05hello\x06", "[hello]too long");
    assert_cut(&length_2, 5, "\x01\0", "too long");
    assert_cut(&length_4, 5, "\xff\xff\xff\xff", "too long");
    assert_cut(&length_4_little, 0xfffffffe, "\xff\xff\xff\xff", "too long");
    assert_cut(&length_4, 0xffffffff, "\xff\xff\xff\xff only begun", "");
    assert_cut(&length_4, 5, "\xff\xff\xff", "");
}

static void
given_a_delimiter_when_cut_then_it_alone_ends_messages(void **state)
{
    (void)state;

    assert_cut(&semicolons, 80, "a;b;;\n;;;;c", "[a;b][\n][]");
    assert_cut(&semicolons, 80, "a;;;b;;", "[a][;b]");
    assert_cut(&nul, 80, "one\0\0two\0", "[one][][two]");
}

static void
given_a_delimiter_of_sixteen_bytes_when_it_follows_a_false_start_then_it_is_found(
    void **state)
{
    (void)state;
    struct kp_framing longest = {.kind = KP_FRAME_DELIMITER, .delimiter_len = 16};
    memcpy(longest.delimiter, "aaaaaaaaaaaaaaab", 16);

    assert_cut(&longest, 80, "aaaaaaaaaaaaaaaaab|", "[aa]");
    assert_cut(&longest, 80, "aaaaaaaaaaaaaaa", "");
}

static void
given_a_delimited_message_above_max_message_when_it_cannot_end_in_time_then_too_long(
    void **state)
{
    (void)state;

    assert_cut(&semicolons, 3, "abc;;abc;", "[abc]");
    assert_cut(&semicolons, 3, "abc;x", "too long");
    assert_cut(&semicolons, 3, "abcd", "too long");
    assert_cut(&semicolons, 3, "abcd;;", "too long");
}

static void
given_fixed_when_cut_then_messages_of_that_size(void **state)
{
    (void)state;

    assert_cut(&fixed_4, 4, "onetwo\n\0thr", "[onet][wo\n\0]");
}

static void
given_fixed_above_max_message_when_the_first_byte_comes_then_too_long(void **state)
{
    (void)state;

    assert_cut(&fixed_4, 3, "", "");
    assert_cut(&fixed_4, 3, "o", "too long");
}

static void
given_netstrings_when_cut_then_digits_colon_bytes_comma(void **state)
{
    (void)state;

    assert_cut(&netstring, 80, "5:hello,0:,2::,,12:hello, world,",
               "[hello][][:,][hello, world]");
    assert_cut(&netstring, 80, "5:hello", "");
    assert_cut(&netstring, 80, "5", "");
}

static void
given_a_netstring_that_breaks_the_rules_when_cut_then_protocol_error(void **state)
{
    (void)state;

    assert_cut(&netstring, 80, "1:x,05:hello,", "[x]broken");
    assert_cut(&netstring, 80, "00:,", "broken");
    assert_cut(&netstring, 80, ":,", "broken");
    assert_cut(&netstring, 80, "-1:x,", "broken");
    assert_cut(&netstring, 80, "5 :hello,", "broken");
    assert_cut(&netstring, 80, "5:hello;", "broken");
    assert_cut(&netstring, 80, "GET / HTTP/1.1", "broken");
}

static void
given_a_netstring_above_max_message_when_a_digit_says_so_then_too_long(void **state)
{
    (void)state;

    assert_cut(&netstring, 80, "80", "");
    assert_cut(&netstring, 80, "81", "too long");
    assert_cut(&netstring, 80, "800", "too long");
    assert_cut(&netstring, 5, "6", "too long");
    assert_cut(&netstring, 80, "99999999999999999999999999999:", "too long");
#if SIZE_MAX > UINT32_MAX
    assert_cut(&netstring, SIZE_MAX, "18446744073709551615:", "");
#else
    assert_cut(&netstring, SIZE_MAX, "4294967295:", "");
    assert_cut(&netstring, SIZE_MAX, "4294967296:", "too long");
#endif
    assert_cut(&netstring, SIZE_MAX, "18446744073709551616:", "too long");
    assert_cut(&netstring, SIZE_MAX, "99999999999999999999:", "too long");
}

static void
given_a_kind_that_does_not_exist_when_used_then_protocol_error(void **state)
{
    (void)state;
    struct kp_framing unknown = {.kind = (enum kp_frame_kind)99};
    unsigned char head[KP_FRAME_HEAD_SIZE];
    const unsigned char *tail;
    size_t head_len, tail_len;

    assert_cut(&unknown, 80, "x", "broken");
    assert_int_equal(kp_frame_wrap(&unknown, 1, head, &head_len, &tail, &tail_len),
                     KELPIE_EPROTO);
}

/* ---- the end of the stream ---- */

static void
given_an_unfinished_message_when_the_stream_ends_then_it_is_dropped_by_default(
    void **state)
{
    (void)state;

    assert_cut(&line, 80, "one\ntwo", "[one]");
    assert_cut(&length_1, 80, "\x05half", "");
    assert_cut(&fixed_4, 80, "hal", "");
}

static void
given_partial_delivery_when_the_stream_ends_within_a_message_then_it_is_delivered(
    void **state)
{
    (void)state;
    struct kp_framing partial_line = with_partial(&line);
    struct kp_framing partial_crlf = with_partial(&crlf);
    struct kp_framing partial_delimiter = with_partial(&semicolons);
    struct kp_framing partial_fixed = with_partial(&fixed_4);
    struct kp_framing partial_raw = with_partial(&raw);

    assert_cut(&partial_line, 80, "one\ntwo", "[one]{two}");
    assert_cut(&partial_line, 80, "one\n", "[one]");
    assert_cut(&partial_crlf, 80, "two", "{two}");
    assert_cut(&partial_delimiter, 80, "one;;two", "[one]{two}");
    assert_cut(&partial_fixed, 80, "onetwo", "[onet]{wo}");
    assert_cut(&partial_raw, 80, "all", "[all]");
}

static void
given_partial_delivery_when_the_stream_ends_within_the_mark_then_without_its_beginning(
    void **state)
{
    (void)state;
    struct kp_framing partial_line = with_partial(&line);
    struct kp_framing partial_delimiter = with_partial(&semicolons);

    assert_cut(&partial_line, 3, "one\r", "{one}");
    assert_cut(&partial_line, 3, "\r", "");
    assert_cut(&partial_delimiter, 3, "one;", "{one}");
    assert_cut(&partial_delimiter, 3, ";", "");
}

static void
given_partial_delivery_when_the_stream_ends_behind_a_head_then_without_the_head(
    void **state)
{
    (void)state;
    struct kp_framing partial_length = with_partial(&length_2);
    struct kp_framing partial_netstring = with_partial(&netstring);

    assert_cut(&partial_length, 80, "\0\x05half", "{half}");
    assert_cut(&partial_length, 80, "\0\x05", "");
    assert_cut(&partial_length, 80, "\0", "");
    assert_cut(&partial_netstring, 80, "5:half", "{half}");
    assert_cut(&partial_netstring, 80, "5:hello", "{hello}");
    assert_cut(&partial_netstring, 80, "5:", "");
    assert_cut(&partial_netstring, 80, "5", "");
}

/* ---- writing ---- */

/* Wraps a message of len bytes and shows what is around it. */
static int
wrap(const struct kp_framing *framing, size_t len, struct text *out)
{
    unsigned char head[KP_FRAME_HEAD_SIZE];
    const unsigned char *tail;
    size_t head_len, tail_len;

    out->len = 0;
    int rc = kp_frame_wrap(framing, len, head, &head_len, &tail, &tail_len);
    if (rc == 0) {
        write_bytes(out, '[', head, head_len, ' ');
        write_bytes(out, ' ', tail, tail_len, ']');
    }
    return rc;
}

#define assert_wrap(framing, len, head, tail)                                            \
 assert_wrap_(framing, len, "[" head "  " tail "]", sizeof(head) + sizeof(tail) + 2)

static void
assert_wrap_(const struct kp_framing *framing, size_t len, const char *expected,
             size_t expected_len)
{
    struct text is;

    assert_int_equal(wrap(framing, len, &is), 0);
    assert_int_equal(is.len, expected_len);
    assert_memory_equal(is.chars, expected, expected_len);
}

static void
given_each_framing_when_a_message_is_wrapped_then_its_bytes_are_around_it(void **state)
{
    (void)state;

    assert_wrap(&line, 5, "", "\n");
    assert_wrap(&crlf, 5, "", "\r\n");
    assert_wrap(&raw, 5, "", "");
    assert_wrap(&semicolons, 5, "", ";;");
    assert_wrap(&nul, 0, "", "\0");
    assert_wrap(&fixed_4, 4, "", "");
    assert_wrap(&length_1, 255, "\xff", "");
    assert_wrap(&length_2, 0x1234, "\x12\x34", "");
    assert_wrap(&length_4, 0x12345678, "\x12\x34\x56\x78", "");
    assert_wrap(&length_4_little, 0x12345678, "\x78\x56\x34\x12", "");
    assert_wrap(&netstring, 0, "0:", ",");
    assert_wrap(&netstring, 1200, "1200:", ",");
    assert_wrap(&netstring, UINT32_MAX, "4294967295:", ",");
#if SIZE_MAX > UINT32_MAX
    assert_wrap(&netstring, SIZE_MAX, "18446744073709551615:", ",");
#endif
}

static void
given_a_message_that_the_framing_cannot_say_when_wrapped_then_protocol_error(void **state)
{
    (void)state;
    struct text out;

    assert_int_equal(wrap(&length_1, 256, &out), KELPIE_EPROTO);
    assert_int_equal(wrap(&length_2, 65536, &out), KELPIE_EPROTO);
    assert_int_equal(wrap(&length_2, 65535, &out), 0);
#if SIZE_MAX > UINT32_MAX
    assert_int_equal(wrap(&length_4, (size_t)1 << 32, &out), KELPIE_EPROTO);
#endif
    assert_int_equal(wrap(&length_4, 0xffffffff, &out), 0);
    assert_int_equal(wrap(&fixed_4, 3, &out), KELPIE_EPROTO);
    assert_int_equal(wrap(&fixed_4, 5, &out), KELPIE_EPROTO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_lines_when_cut_then_newline_and_one_return_are_dropped),
        cmocka_unit_test(given_a_bare_return_when_cut_then_it_is_data),
        cmocka_unit_test(given_binary_lines_when_cut_then_every_byte_survives),
        cmocka_unit_test(given_half_a_line_when_newline_arrives_then_one_message),
        cmocka_unit_test(
            given_a_line_of_max_message_when_cut_then_it_is_taken_with_any_end),
        cmocka_unit_test(
            given_a_line_above_max_message_when_its_deciding_byte_comes_then_too_long),
        cmocka_unit_test(given_a_line_that_is_too_long_when_asked_again_then_same_error),
        cmocka_unit_test(
            given_raw_when_bytes_are_there_then_at_most_max_message_at_a_time),
        cmocka_unit_test(given_lengths_when_cut_then_size_and_order_are_respected),
        cmocka_unit_test(
            given_a_length_above_max_message_when_the_head_is_there_then_too_long),
        cmocka_unit_test(given_a_delimiter_when_cut_then_it_alone_ends_messages),
        cmocka_unit_test(
            given_a_delimiter_of_sixteen_bytes_when_it_follows_a_false_start_then_it_is_found),
        cmocka_unit_test(
            given_a_delimited_message_above_max_message_when_it_cannot_end_in_time_then_too_long),
        cmocka_unit_test(given_fixed_when_cut_then_messages_of_that_size),
        cmocka_unit_test(
            given_fixed_above_max_message_when_the_first_byte_comes_then_too_long),
        cmocka_unit_test(given_netstrings_when_cut_then_digits_colon_bytes_comma),
        cmocka_unit_test(
            given_a_netstring_that_breaks_the_rules_when_cut_then_protocol_error),
        cmocka_unit_test(
            given_a_netstring_above_max_message_when_a_digit_says_so_then_too_long),
        cmocka_unit_test(given_a_kind_that_does_not_exist_when_used_then_protocol_error),
        cmocka_unit_test(
            given_an_unfinished_message_when_the_stream_ends_then_it_is_dropped_by_default),
        cmocka_unit_test(
            given_partial_delivery_when_the_stream_ends_within_a_message_then_it_is_delivered),
        cmocka_unit_test(
            given_partial_delivery_when_the_stream_ends_within_the_mark_then_without_its_beginning),
        cmocka_unit_test(
            given_partial_delivery_when_the_stream_ends_behind_a_head_then_without_the_head),
        cmocka_unit_test(
            given_each_framing_when_a_message_is_wrapped_then_its_bytes_are_around_it),
        cmocka_unit_test(
            given_a_message_that_the_framing_cannot_say_when_wrapped_then_protocol_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
