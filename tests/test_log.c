/*
 * test_log.c - records: escaped, cut, and never in floods
 */
#include "base/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct kp_log log;
    int n_records;
    enum kelpie_level level;
    char line[2000];
};

static void
keep_record(void *arg, enum kelpie_level level, const char *line, size_t len)
{
    struct fixture *f = arg;

    assert_int_equal(strlen(line), len);
    assert_true(len < sizeof(f->line));
    memcpy(f->line, line, len + 1);
    f->level = level;
    f->n_records++;
    errno = EIO; /* a logger may do that */
}

static int
setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    kp_log_init(&f.log, keep_record, &f, KELPIE_LOG_INFO);
    *state = &f;
    return 0;
}

/* ---- kp_log_escape ---- */

static void
given_every_byte_when_escaped_then_only_printable_ascii(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char out[8], expected[8];
        unsigned char in = (unsigned char)byte;
        size_t len = kp_log_escape(out, sizeof(out), &in, 1);
        if (byte >= 0x20 && byte <= 0x7e && byte != '\\')
            snprintf(expected, sizeof(expected), "%c", byte);
        else
            snprintf(expected, sizeof(expected), "\\x%02x", (unsigned)byte);
        assert_string_equal(out, expected);
        assert_int_equal(len, strlen(expected));
    }
}

static void
given_terminal_tricks_when_escaped_then_they_are_text(void **state)
{
    char out[100];
    (void)state;

    kp_log_escape(out, sizeof(out), "\033[2J\r\nok\x9b\xe2\x80\xae\\", 13);

    assert_string_equal(out, "\\x1b[2J\\x0d\\x0aok\\x9b\\xe2\\x80\\xae\\x5c");
}

static void
given_no_bytes_when_escaped_then_an_empty_string(void **state)
{
    char out[8] = "junk";
    (void)state;

    assert_int_equal(kp_log_escape(out, sizeof(out), NULL, 0), 0);

    assert_string_equal(out, "");
}

static void
given_more_than_fits_when_escaped_then_cut_with_dots(void **state)
{
    char out[9];
    (void)state;

    assert_int_equal(kp_log_escape(out, sizeof(out), "12345678", 8), 8);
    assert_string_equal(out, "12345678");
    assert_int_equal(kp_log_escape(out, sizeof(out), "123456789", 9), 8);
    assert_string_equal(out, "12345...");
    /* An escape is whole or not there. */
    assert_int_equal(kp_log_escape(out, sizeof(out), "12\n4567", 7), 5);
    assert_string_equal(out, "12...");
    assert_int_equal(kp_log_escape(out, sizeof(out), "\n\n\n", 3), 7);
    assert_string_equal(out, "\\x0a...");
    assert_int_equal(kp_log_escape(out, 8, "\n\n", 2), 7);
    assert_string_equal(out, "\\x0a...");
}

static void
given_every_size_when_escaped_then_the_output_stays_inside(void **state)
{
    static const char in[] = "ab\001\002c\\d\377 efghijkl\n";
    (void)state;

    for (size_t size = 8; size <= 40; size++) {
        char out[48];
        memset(out, '#', sizeof(out));
        size_t len = kp_log_escape(out, size, in, sizeof(in) - 1);
        assert_true(len < size);
        assert_int_equal(out[len], '\0');
        for (size_t i = size; i < sizeof(out); i++)
            assert_int_equal(out[i], '#');
    }
}

/* ---- kp_log_write ---- */

static void
given_a_level_when_records_are_written_then_only_those_up_to_it(void **state)
{
    struct fixture *f = *state;

    kp_log_write(&f->log, KELPIE_LOG_DEBUG, "no");
    assert_int_equal(f->n_records, 0);
    assert_false(kp_log_wants(&f->log, KELPIE_LOG_DEBUG));
    kp_log_write(&f->log, KELPIE_LOG_INFO, "yes %d", 1);

    assert_int_equal(f->n_records, 1);
    assert_int_equal(f->level, KELPIE_LOG_INFO);
    assert_string_equal(f->line, "yes 1");
    assert_true(kp_log_wants(&f->log, KELPIE_LOG_ERROR));
}

static void
given_no_logger_when_written_then_nothing(void **state)
{
    struct kp_log log;
    (void)state;
    kp_log_init(&log, NULL, NULL, KELPIE_LOG_TRACE);

    kp_log_write(&log, KELPIE_LOG_ERROR, "nobody listens");

    assert_false(kp_log_wants(&log, KELPIE_LOG_ERROR));
}

static void
given_an_argument_with_control_bytes_when_written_then_one_printable_line(void **state)
{
    struct fixture *f = *state;

    kp_log_write(&f->log, KELPIE_LOG_WARN, "client said: %s",
                 "hi\n2026 ERROR forged\033]");

    assert_string_equal(f->line, "client said: hi\\x0a2026 ERROR forged\\x1b]");
}

static void
given_a_long_record_when_written_then_cut_at_1000_bytes(void **state)
{
    struct fixture *f = *state;
    char text[3000];

    memset(text, 'x', sizeof(text));
    text[1000] = '\0';
    kp_log_write(&f->log, KELPIE_LOG_WARN, "%s", text);
    assert_string_equal(f->line, text);

    text[1000] = 'x';
    text[1001] = '\0';
    kp_log_write(&f->log, KELPIE_LOG_WARN, "%s", text);
    assert_int_equal(strlen(f->line), 1000);
    assert_string_equal(f->line + 996, "x...");

    memset(text, '\n', sizeof(text));
    text[2999] = '\0';
    kp_log_write(&f->log, KELPIE_LOG_WARN, "%s", text);
    assert_true(strlen(f->line) <= 1000);
    assert_string_equal(f->line + strlen(f->line) - 7, "\\x0a...");
}

static void
given_an_argument_that_cannot_be_formatted_when_written_then_still_a_record(void **state)
{
    struct fixture *f = *state;

    /* Wide characters that the C locale does not have; some systems take them anyway. */
    kp_log_write(&f->log, KELPIE_LOG_WARN, "before %ls", L"\u2603");

    assert_int_equal(f->n_records, 1);
    assert_memory_equal(f->line, "before ", 7);
}

static void
given_errno_when_written_then_it_is_kept(void **state)
{
    struct fixture *f = *state;
    errno = ENOENT;

    kp_log_write(&f->log, KELPIE_LOG_WARN, "between a call and its error");

    assert_int_equal(errno, ENOENT);
    assert_int_equal(f->n_records, 1);
}

/* ---- kp_log_allow ---- */

#define S KP_NS_PER_S

static void
given_a_flood_when_limited_then_ten_and_one_a_second(void **state)
{
    struct fixture *f = *state;
    uint32_t repeated = 99;

    for (int i = 0; i < 10; i++) {
        assert_true(kp_log_allow(&f->log, 1, 5 * S, &repeated));
        assert_int_equal(repeated, 0);
    }
    for (int i = 0; i < 4211; i++)
        assert_false(kp_log_allow(&f->log, 1, 5 * S + S / 2, &repeated));
    assert_true(kp_log_allow(&f->log, 1, 6 * S, &repeated));
    assert_int_equal(repeated, 4211);
    assert_false(kp_log_allow(&f->log, 1, 6 * S + 1, &repeated));
    assert_int_equal(repeated, 0);
    assert_true(kp_log_allow(&f->log, 1, 7 * S, &repeated));
    assert_int_equal(repeated, 1);
}

static void
given_two_sources_when_one_floods_then_the_other_passes(void **state)
{
    struct fixture *f = *state;
    uint32_t repeated;

    for (int i = 0; i < 100; i++)
        (void)kp_log_allow(&f->log, 1, S, &repeated); /* only to fill its slot */

    assert_false(kp_log_allow(&f->log, 1, S, &repeated));
    assert_true(kp_log_allow(&f->log, 2, S, &repeated));
    assert_true(kp_log_allow(&f->log, 0, S, &repeated));
}

static void
given_more_sources_than_slots_when_limited_then_the_longest_silent_is_forgotten(
    void **state)
{
    struct fixture *f = *state;
    uint32_t repeated;
    for (uint64_t key = 0; key < KP_LOG_LIMIT_SLOTS; key++)
        for (int i = 0; i < 10; i++)
            assert_true(kp_log_allow(&f->log, key, S + key, &repeated));
    assert_false(kp_log_allow(&f->log, 0, S + 100, &repeated)); /* 1 is the oldest now */

    assert_true(kp_log_allow(&f->log, 1000, S + 101, &repeated));

    assert_false(kp_log_allow(&f->log, 0, S + 102, &repeated));
    assert_false(kp_log_allow(&f->log, 2, S + 102, &repeated));
    assert_true(kp_log_allow(&f->log, 1, S + 102, &repeated));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_every_byte_when_escaped_then_only_printable_ascii),
        cmocka_unit_test(given_terminal_tricks_when_escaped_then_they_are_text),
        cmocka_unit_test(given_no_bytes_when_escaped_then_an_empty_string),
        cmocka_unit_test(given_more_than_fits_when_escaped_then_cut_with_dots),
        cmocka_unit_test(given_every_size_when_escaped_then_the_output_stays_inside),
        cmocka_unit_test_setup(
            given_a_level_when_records_are_written_then_only_those_up_to_it, setup),
        cmocka_unit_test(given_no_logger_when_written_then_nothing),
        cmocka_unit_test_setup(
            given_an_argument_with_control_bytes_when_written_then_one_printable_line,
            setup),
        cmocka_unit_test_setup(given_a_long_record_when_written_then_cut_at_1000_bytes,
                               setup),
        cmocka_unit_test_setup(
            given_an_argument_that_cannot_be_formatted_when_written_then_still_a_record,
            setup),
        cmocka_unit_test_setup(given_errno_when_written_then_it_is_kept, setup),
        cmocka_unit_test_setup(given_a_flood_when_limited_then_ten_and_one_a_second,
                               setup),
        cmocka_unit_test_setup(given_two_sources_when_one_floods_then_the_other_passes,
                               setup),
        cmocka_unit_test_setup(
            given_more_sources_than_slots_when_limited_then_the_longest_silent_is_forgotten,
            setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
