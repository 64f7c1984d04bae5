/*
 * test_framing.c - the choice of a framing: as text, checked, compared
 */
#include "net/framing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "kelpie.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static struct kp_framing
parsed(const char *text)
{
    struct kp_framing framing;

    if (kp_framing_parse(&framing, text) != 0)
        fail_msg("%s is refused", text);
    assert_false(framing.deliver_partial);
    return framing;
}

static void
given_a_plain_word_when_parsed_then_that_kind(void **state)
{
    (void)state;

    assert_int_equal(parsed("line").kind, KP_FRAME_LINE);
    assert_int_equal(parsed("crlf").kind, KP_FRAME_CRLF);
    assert_int_equal(parsed("raw").kind, KP_FRAME_RAW);
    assert_int_equal(parsed("netstring").kind, KP_FRAME_NETSTRING);
}

static void
given_a_length_when_parsed_then_size_and_order(void **state)
{
    (void)state;

    struct kp_framing big = parsed("length:4:big"), little = parsed("length:2:little"),
                      plain = parsed("length:1");

    assert_int_equal(big.kind, KP_FRAME_LENGTH);
    assert_int_equal(big.length_size, 4);
    assert_false(big.little_endian);
    assert_int_equal(little.length_size, 2);
    assert_true(little.little_endian);
    assert_int_equal(plain.length_size, 1);
    assert_false(plain.little_endian);
}

static void
given_a_delimiter_when_parsed_then_all_that_follows_the_colon(void **state)
{
    (void)state;

    struct kp_framing colons = parsed("delimiter:::"),
                      longest = parsed("delimiter:0123456789abcdef");

    assert_int_equal(colons.kind, KP_FRAME_DELIMITER);
    assert_int_equal(colons.delimiter_len, 2);
    assert_memory_equal(colons.delimiter, "::", 2);
    assert_int_equal(longest.delimiter_len, 16);
    assert_memory_equal(longest.delimiter, "0123456789abcdef", 16);
}

static void
given_a_fixed_size_when_parsed_then_that_size(void **state)
{
    (void)state;

    assert_int_equal(parsed("fixed:16").kind, KP_FRAME_FIXED);
    assert_int_equal(parsed("fixed:16").fixed_size, 16);
    assert_true(parsed("fixed:4294967295").fixed_size == UINT32_MAX);
#if SIZE_MAX > UINT32_MAX
    assert_true(parsed("fixed:18446744073709551615").fixed_size == SIZE_MAX);
#endif
}

static void
given_a_text_that_is_no_framing_when_parsed_then_refused_and_nothing_changed(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "Line",
        "line ",
        "lines",
        "line:",
        "length",
        "length:",
        "length:3",
        "length:0:big",
        "length:8:big",
        "length:44:big",
        "length:4:",
        "length:4:middle",
        "length:4:bigger",
        "length:x",
        "delimiter",
        "delimiter:",
        "delimiter:0123456789abcdefg",
        "fixed",
        "fixed:",
        "fixed:0",
        "fixed:-1",
        "fixed:1k",
        "fixed:18446744073709551616",
        "fixed:99999999999999999999",
    };

    for (size_t i = 0; i < LEN(bad); i++) {
        struct kp_framing framing, before;
        memset(&framing, 0x55, sizeof(framing));
        memcpy(&before, &framing, sizeof(before));

        int rc = kp_framing_parse(&framing, bad[i]);

        if (rc != KELPIE_EPROTO)
            fail_msg("\"%s\" is not refused", bad[i]);
        assert_memory_equal(&framing, &before, sizeof(framing));
    }
}

static void
given_members_set_by_hand_when_checked_then_a_sentence_names_what_is_wrong(void **state)
{
    (void)state;
    struct kp_framing length = {.kind = KP_FRAME_LENGTH, .length_size = 3};
    struct kp_framing delimiter = {.kind = KP_FRAME_DELIMITER};
    struct kp_framing long_delimiter = {.kind = KP_FRAME_DELIMITER, .delimiter_len = 17};
    struct kp_framing fixed = {.kind = KP_FRAME_FIXED};
    struct kp_framing unknown = {.kind = (enum kp_frame_kind)7};

    assert_string_equal(kp_framing_problem(&length),
                        "the size of a length is 1, 2 or 4 bytes");
    assert_string_equal(kp_framing_problem(&delimiter), "a delimiter has 1 to 16 bytes");
    assert_string_equal(kp_framing_problem(&long_delimiter),
                        "a delimiter has 1 to 16 bytes");
    assert_string_equal(kp_framing_problem(&fixed), "a fixed size is at least 1 byte");
    assert_string_equal(kp_framing_problem(&unknown), "there is no such kind of framing");
}

static void
given_members_that_make_sense_when_checked_then_no_problem(void **state)
{
    (void)state;
    static const char *const good[] = {"line",         "crlf",        "raw",
                                       "netstring",    "length:1",    "length:2",
                                       "length:4:big", "delimiter:;", "fixed:1"};

    for (size_t i = 0; i < LEN(good); i++) {
        struct kp_framing framing = parsed(good[i]);

        assert_null(kp_framing_problem(&framing));
    }
}

static bool
is_equal(const char *a, const char *b)
{
    struct kp_framing x = parsed(a), y = parsed(b);
    bool forward = kp_framing_equal(&x, &y), backward = kp_framing_equal(&y, &x);

    assert_int_equal(forward, backward);
    return forward;
}

static void
given_two_framings_when_compared_then_equal_if_they_write_the_same_bytes(void **state)
{
    (void)state;
    struct kp_framing line = parsed("line"), partial = line;
    partial.deliver_partial = true;

    assert_true(kp_framing_equal(&line, &partial));
    assert_true(is_equal("raw", "raw"));
    assert_true(is_equal("length:4:little", "length:4:little"));
    assert_true(is_equal("length:1:little", "length:1:big"));
    assert_true(is_equal("delimiter:ab", "delimiter:ab"));
    assert_true(is_equal("fixed:2", "fixed:2"));
    assert_false(is_equal("line", "crlf"));
    assert_false(is_equal("length:4:little", "length:4:big"));
    assert_false(is_equal("length:4", "length:2"));
    assert_false(is_equal("delimiter:ab", "delimiter:a"));
    assert_false(is_equal("delimiter:ab", "delimiter:ac"));
    assert_false(is_equal("fixed:2", "fixed:3"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_plain_word_when_parsed_then_that_kind),
        cmocka_unit_test(given_a_length_when_parsed_then_size_and_order),
        cmocka_unit_test(given_a_delimiter_when_parsed_then_all_that_follows_the_colon),
        cmocka_unit_test(given_a_fixed_size_when_parsed_then_that_size),
        cmocka_unit_test(
            given_a_text_that_is_no_framing_when_parsed_then_refused_and_nothing_changed),
        cmocka_unit_test(
            given_members_set_by_hand_when_checked_then_a_sentence_names_what_is_wrong),
        cmocka_unit_test(given_members_that_make_sense_when_checked_then_no_problem),
        cmocka_unit_test(
            given_two_framings_when_compared_then_equal_if_they_write_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
