/*
 * test_frame_cuts.c - the same bytes in any cut give the same messages and the same errors
 *
 * Some hundred short streams (frame_samples.h) are compared in every way to cut them into two
 * and three pieces, the shorter ones into four, in random ways, and byte by byte. How a run
 * is made and what it checks by itself is in frame_property.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "frame_samples.h"
#include "kelpie.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* ---- one cut against none ---- */

static void
assert_same(const struct frame_stream *stream, const struct frame_run *a,
            const struct frame_run *b, const size_t *cuts, size_t n_cuts)
{
    const char *difference = frame_run_difference(stream, a, b);

    if (difference == NULL)
        return;
    frame_print(stream, cuts, n_cuts);
    fail_msg("the cut changes %s", difference);
}

static void
assert_cut_is_same(const struct frame_stream *stream, const struct frame_run *whole,
                   const size_t *cuts, size_t n_cuts)
{
    struct frame_run cut;

    frame_run_cut(&cut, stream, cuts, n_cuts);
    assert_same(stream, whole, &cut, cuts, n_cuts);
    frame_run_clear(&cut);
}

/* ---- the tests ---- */

static void
given_the_streams_when_counted_then_they_are_enough_and_of_every_sort(void **state)
{
    struct frame_samples *samples = *state;
    size_t n_valid = 0, n_too_long = 0, n_broken = 0, n_rests = 0;

    for (size_t i = 0; i < samples->n; i++) {
        struct frame_run run;
        frame_run_whole(&run, &samples->all[i].stream);
        n_valid += run.end == 0;
        n_too_long += run.end == KELPIE_ETOOLONG;
        n_broken += run.end == KELPIE_EPROTO;
        n_rests += run.has_rest;
        frame_run_clear(&run);
    }

    assert_true(samples->n >= 200);
    assert_true(n_valid >= 100);
    assert_true(n_too_long >= 50);
    assert_true(n_broken >= 20);
    assert_true(n_rests >= 20);
}

static void
given_any_prefix_of_a_stream_when_cut_into_messages_then_as_defined(void **state)
{
    struct frame_samples *samples = *state;

    for (size_t i = 0; i < samples->n; i++)
        for (size_t len = 0; len <= samples->all[i].stream.len; len++) {
            struct frame_stream prefix = samples->all[i].stream;
            struct frame_run run, naive;
            prefix.len = len;
            if (prefix.framing.kind == KP_FRAME_RAW)
                continue;

            frame_run_whole(&run, &prefix);

            frame_run_naive(&naive, &prefix);
            assert_same(&prefix, &naive, &run, NULL, 0);
            frame_run_clear(&run);
            frame_run_clear(&naive);
        }
}

static void
given_any_stream_when_it_comes_in_two_pieces_then_same_messages_and_error(void **state)
{
    struct frame_samples *samples = *state;

    for (size_t i = 0; i < samples->n; i++) {
        const struct frame_stream *stream = &samples->all[i].stream;
        struct frame_run whole;
        frame_run_whole(&whole, stream);

        for (size_t cut = 0; cut <= stream->len; cut++)
            assert_cut_is_same(stream, &whole, &cut, 1);

        frame_run_clear(&whole);
    }
}

static void
given_any_stream_when_it_comes_in_three_pieces_then_same_messages_and_error(void **state)
{
    struct frame_samples *samples = *state;

    for (size_t i = 0; i < samples->n; i++) {
        const struct frame_stream *stream = &samples->all[i].stream;
        struct frame_run whole;
        size_t cuts[2];
        frame_run_whole(&whole, stream);

        for (cuts[0] = 0; cuts[0] <= stream->len; cuts[0]++)
            for (cuts[1] = cuts[0]; cuts[1] <= stream->len; cuts[1]++)
                assert_cut_is_same(stream, &whole, cuts, 2);

        frame_run_clear(&whole);
    }
}

static void
given_a_short_stream_when_it_comes_in_four_pieces_then_same_messages_and_error(
    void **state)
{
    struct frame_samples *samples = *state;
    size_t n_streams = 0;

    for (size_t i = 0; i < samples->n; i++) {
        const struct frame_stream *stream = &samples->all[i].stream;
        struct frame_run whole;
        size_t cuts[3];
        if (stream->len > FS_LONGEST_FOR_4)
            continue;
        n_streams++;
        frame_run_whole(&whole, stream);

        for (cuts[0] = 1; cuts[0] < stream->len; cuts[0]++)
            for (cuts[1] = cuts[0] + 1; cuts[1] < stream->len; cuts[1]++)
                for (cuts[2] = cuts[1] + 1; cuts[2] < stream->len; cuts[2]++)
                    assert_cut_is_same(stream, &whole, cuts, 3);

        frame_run_clear(&whole);
    }

    assert_true(n_streams >= 200);
}

static void
given_any_stream_when_it_comes_in_random_pieces_then_same_messages_and_error(void **state)
{
    struct frame_samples *samples = *state;

    for (size_t i = 0; i < samples->n; i++) {
        const struct frame_stream *stream = &samples->all[i].stream;
        struct frame_run whole;
        frame_run_whole(&whole, stream);

        for (int round = 0; round < 20; round++) {
            size_t cuts[24];
            size_t n = fs_random_cuts(samples, stream->len, cuts, LEN(cuts));
            assert_cut_is_same(stream, &whole, cuts, n);
        }

        frame_run_clear(&whole);
    }
}

static void
given_any_stream_when_it_comes_byte_by_byte_then_same_messages_and_error(void **state)
{
    struct frame_samples *samples = *state;

    for (size_t i = 0; i < samples->n; i++) {
        const struct frame_stream *stream = &samples->all[i].stream;
        struct frame_run whole;
        size_t cuts[FS_LONGEST_STREAM];
        frame_run_whole(&whole, stream);
        for (size_t at = 0; at < stream->len; at++)
            cuts[at] = at + 1;

        assert_cut_is_same(stream, &whole, cuts, stream->len);

        frame_run_clear(&whole);
    }
}

/* ---- there and back ---- */

static void
given_wrapped_messages_when_cut_anywhere_then_the_same_messages_come_out(void **state)
{
    struct frame_samples *samples = *state;

    for (size_t f = 0; f < fs_n_framings; f++)
        for (int round = 0; round < 20; round++) {
            unsigned char bytes[FS_N_MESSAGES * 64];
            struct frame_message expected[FS_N_MESSAGES];
            size_t cuts[100];
            struct frame_run run,
                sent = {.messages = expected, .n_messages = FS_N_MESSAGES};
            struct frame_stream stream = {
                .framing = fs_framings[f], .max_message = 20, .bytes = bytes};
            stream.len = fs_wrap_random(samples, &fs_framings[f], bytes, expected);
            size_t n_cuts = fs_random_cuts(samples, stream.len, cuts, LEN(cuts));

            frame_run_cut(&run, &stream, cuts, n_cuts);

            assert_same(&stream, &sent, &run, cuts, n_cuts);
            frame_run_clear(&run);
        }
}

/* ---- the cost of a slow sender ---- */

/* Feeds a long unfinished message byte by byte, and after each byte makes garbage of all
 * that was scanned: of what would end the message, should it be looked at again. */
static void
feed_slowly(const struct kp_framing *framing, const unsigned char *mark, size_t mark_len,
            size_t may_stay)
{
    enum { SIZE = 20000 };
    unsigned char *bytes = malloc(SIZE + KP_FRAME_MAX_DELIMITER);
    struct kp_frame_state slow = {0};
    struct kp_frame frame;

    assert_non_null(bytes);
    for (size_t len = 1; len <= SIZE; len++) {
        bytes[len - 1] = len % 3 == 0 ? 'b' : 'a';
        assert_int_equal(kp_frame_next(framing, &slow, bytes, len, SIZE, &frame), 0);
        assert_in_range(len - slow.scanned, 0, may_stay);
        for (size_t i = 0; i < mark_len && i < slow.scanned; i++)
            bytes[slow.scanned - 1 - i] = mark[mark_len - 1 - i];
    }

    memcpy(bytes + SIZE, mark, mark_len);
    int rc = kp_frame_next(framing, &slow, bytes, SIZE + mark_len, SIZE, &frame);

    assert_int_equal(rc, 1);
    assert_int_equal(frame.len, SIZE);
    assert_int_equal(frame.consumed, SIZE + mark_len);
    free(bytes);
}

static void
given_a_long_line_when_it_comes_byte_by_byte_then_no_byte_is_looked_at_twice(void **state)
{
    (void)state;
    struct kp_framing line = {.kind = KP_FRAME_LINE};

    feed_slowly(&line, (const unsigned char *)"\r\n", 2, 0);
}

static void
given_a_long_message_when_it_comes_byte_by_byte_then_only_a_delimiter_is_looked_at_again(
    void **state)
{
    (void)state;
    struct kp_framing delimited = {
        .kind = KP_FRAME_DELIMITER, .delimiter_len = 8, .delimiter = "aabaabb;"};

    feed_slowly(&delimited, delimited.delimiter, 8, 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_the_streams_when_counted_then_they_are_enough_and_of_every_sort),
        cmocka_unit_test(
            given_any_prefix_of_a_stream_when_cut_into_messages_then_as_defined),
        cmocka_unit_test(
            given_any_stream_when_it_comes_in_two_pieces_then_same_messages_and_error),
        cmocka_unit_test(
            given_any_stream_when_it_comes_in_three_pieces_then_same_messages_and_error),
        cmocka_unit_test(
            given_a_short_stream_when_it_comes_in_four_pieces_then_same_messages_and_error),
        cmocka_unit_test(
            given_any_stream_when_it_comes_in_random_pieces_then_same_messages_and_error),
        cmocka_unit_test(
            given_any_stream_when_it_comes_byte_by_byte_then_same_messages_and_error),
        cmocka_unit_test(
            given_wrapped_messages_when_cut_anywhere_then_the_same_messages_come_out),
        cmocka_unit_test(
            given_a_long_line_when_it_comes_byte_by_byte_then_no_byte_is_looked_at_twice),
        cmocka_unit_test(
            given_a_long_message_when_it_comes_byte_by_byte_then_only_a_delimiter_is_looked_at_again),
    };

    return cmocka_run_group_tests(tests, fs_setup, fs_teardown);
}
