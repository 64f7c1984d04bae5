/*
 * frame_samples.c - streams in all framings, written by hand and generated
 *
 * Three sorts. Written by hand: the cases one thinks of. Generated messages in a row, mostly
 * valid, some with one byte exchanged. And random bytes out of those that mean something to
 * some framing, which hit false beginnings and broken heads.
 */
#include "frame_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define MAX_STREAMS 2048
#define LEN(array)  (sizeof(array) / sizeof((array)[0]))

/* xorshift64: the same numbers in every run. */
size_t
fs_pick(struct frame_samples *samples, size_t below)
{
    samples->random ^= samples->random << 13;
    samples->random ^= samples->random >> 7;
    samples->random ^= samples->random << 17;
    return (size_t)((samples->random >> 16) % below);
}

/* ---- framings, and streams for them ---- */

const struct kp_framing fs_framings[] = {
    {.kind = KP_FRAME_LINE},
    {.kind = KP_FRAME_LINE, .deliver_partial = true},
    {.kind = KP_FRAME_CRLF, .deliver_partial = true},
    {.kind = KP_FRAME_RAW},
    {.kind = KP_FRAME_LENGTH, .length_size = 1, .deliver_partial = true},
    {.kind = KP_FRAME_LENGTH, .length_size = 2},
    {.kind = KP_FRAME_LENGTH, .length_size = 4, .little_endian = true},
    {.kind = KP_FRAME_LENGTH, .length_size = 4, .deliver_partial = true},
    {.kind = KP_FRAME_DELIMITER, .delimiter_len = 1, .delimiter = "\0"},
    {.kind = KP_FRAME_DELIMITER, .delimiter_len = 2, .delimiter = "ab"},
    {.kind = KP_FRAME_DELIMITER, .delimiter_len = 3, .delimiter = "aab"},
    {.kind = KP_FRAME_DELIMITER,
     .delimiter_len = 4,
     .delimiter = "aaaa",
     .deliver_partial = true},
    {.kind = KP_FRAME_DELIMITER,
     .delimiter_len = 5,
     .delimiter = "ababa",
     .deliver_partial = true},
    {.kind = KP_FRAME_DELIMITER, .delimiter_len = 5, .delimiter = "\r\n.\r\n"},
    {.kind = KP_FRAME_DELIMITER,
     .delimiter_len = 16,
     .delimiter = {'a', 'a', 'b', 'a', 'a', 'b', 'a', 'a', 'b', 'a', 'a', 'b', 'a', 'a',
                   'b', 'b'}},
    {.kind = KP_FRAME_FIXED, .fixed_size = 1},
    {.kind = KP_FRAME_FIXED, .fixed_size = 3, .deliver_partial = true},
    {.kind = KP_FRAME_FIXED, .fixed_size = 16},
    {.kind = KP_FRAME_NETSTRING},
    {.kind = KP_FRAME_NETSTRING, .deliver_partial = true},
};

const size_t fs_n_framings = LEN(fs_framings);

static const size_t limits[] = {0, 1, 3, 8, 16, SIZE_MAX};

static const struct {
    enum kp_frame_kind kind;
    const char *bytes;
    size_t len;
} by_hand[] = {
#define HAND(kind, text)                                                                 \
 {                                                                                       \
  kind, text, sizeof(text) - 1                                                           \
 }
    HAND(KP_FRAME_LINE, ""),
    HAND(KP_FRAME_LINE, "\n"),
    HAND(KP_FRAME_LINE, "\r\n"),
    HAND(KP_FRAME_LINE, "\r\r\n"),
    HAND(KP_FRAME_LINE, "\r"),
    HAND(KP_FRAME_LINE, "\n\n\n"),
    HAND(KP_FRAME_LINE, "one\ntwo\r\nthree"),
    HAND(KP_FRAME_LINE, "a\rb\r\rc\n\rd\r"),
    HAND(KP_FRAME_LINE, "\0\xff\0\n\0\r\n"),
    HAND(KP_FRAME_LINE, "1234567\r\n12345678\r\n123456789\r\n"),
    HAND(KP_FRAME_LINE, "12345678\r9\n"),
    HAND(KP_FRAME_LINE, "12345678\r"),
    HAND(KP_FRAME_LINE, "12345678\r\r\n"),
    HAND(KP_FRAME_LINE, "ok\nmuch longer than any limit here\nok\n"),
    HAND(KP_FRAME_RAW, "whatever\0comes\n"),
    HAND(KP_FRAME_LENGTH, "\0\0\0\0\0\0\0\0"),
    HAND(KP_FRAME_LENGTH, "\x01x\0\x02yz"),
    HAND(KP_FRAME_LENGTH, "\0\x01x\0\0\0\x02yz\0"),
    HAND(KP_FRAME_LENGTH, "\0\0\0\x01x\0\0\0\x02yz\xff\xff\xff\xff"),
    HAND(KP_FRAME_LENGTH, "\x01\0\0\0x\x02\0\0\0yz\xff\0\0\0"),
    HAND(KP_FRAME_LENGTH, "\x03xyz\x09xxxxxxxxx"),
    HAND(KP_FRAME_DELIMITER, "aaabaabab"),
    HAND(KP_FRAME_DELIMITER, "abababababa"),
    HAND(KP_FRAME_DELIMITER, "aaaaaaaaaaaaaaab"),
    HAND(KP_FRAME_DELIMITER, "one\r\n..\r\n.\r\ntwo\r\n.\r"),
    HAND(KP_FRAME_DELIMITER, "aabaabaabaabaabaabbaabaabaabaabaabbx"),
    HAND(KP_FRAME_DELIMITER, "one\0two\0\0three"),
    HAND(KP_FRAME_FIXED, "12345678901234567"),
    HAND(KP_FRAME_NETSTRING, "5:hello,0:,1:x,"),
    HAND(KP_FRAME_NETSTRING, "5:hello;"),
    HAND(KP_FRAME_NETSTRING, "05:hello,"),
    HAND(KP_FRAME_NETSTRING, "00:,"),
    HAND(KP_FRAME_NETSTRING, ":,"),
    HAND(KP_FRAME_NETSTRING, "-1:x,"),
    HAND(KP_FRAME_NETSTRING, "1 :x,"),
    HAND(KP_FRAME_NETSTRING, "0:,99999999999999999999999999:"),
    HAND(KP_FRAME_NETSTRING, "18446744073709551615:"),
    HAND(KP_FRAME_NETSTRING, "18446744073709551616:"),
    HAND(KP_FRAME_NETSTRING, "3:a,b,2:,"),
#undef HAND
};

static void
add(struct frame_samples *samples, const struct kp_framing *framing, size_t max_message,
    const unsigned char *bytes, size_t len)
{
    struct frame_sample *sample = &samples->all[samples->n++];

    assert_in_range(samples->n, 1, MAX_STREAMS);
    assert_in_range(len, 0, FS_LONGEST_STREAM);
    if (len > 0)
        memcpy(sample->bytes, bytes, len);
    sample->stream = (struct frame_stream){.framing = *framing,
                                           .max_message = max_message,
                                           .bytes = sample->bytes,
                                           .len = len};
}

static void
add_by_hand(struct frame_samples *samples)
{
    for (size_t f = 0; f < fs_n_framings; f++)
        for (size_t i = 0; i < LEN(by_hand); i++) {
            bool is_crlf = fs_framings[f].kind == KP_FRAME_CRLF;
            enum kp_frame_kind kind = is_crlf ? KP_FRAME_LINE : fs_framings[f].kind;
            if (by_hand[i].kind == kind)
                add(samples, &fs_framings[f], i % 3 == 0 ? SIZE_MAX : 8,
                    (const unsigned char *)by_hand[i].bytes, by_hand[i].len);
        }
}

/* Bytes out of those that mean something to some framing. */
static size_t
random_bytes(struct frame_samples *samples, unsigned char *out, size_t len)
{
    static const char meaning[] = "aaaabbbb\r\r\n\n.:,0123\0\0\x01\x02\x03xyz\xff";

    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)meaning[fs_pick(samples, sizeof(meaning) - 1)];
    return len;
}

/* Messages in a row, wrapped; then, sometimes, one byte of all becomes another. */
static size_t
random_messages(struct frame_samples *samples, const struct kp_framing *framing,
                unsigned char *out)
{
    size_t len = 0;

    for (int i = 0; i < 6; i++) {
        unsigned char message[8 + KP_FRAME_MAX_DELIMITER], wrapped[128];
        size_t n =
            framing->kind == KP_FRAME_FIXED ? framing->fixed_size : fs_pick(samples, 9);
        random_bytes(samples, message, n);
        long added = frame_wrapped(framing, message, n, wrapped);
        assert_true(added >= 0);
        if (len + (size_t)added > FS_LONGEST_STREAM)
            break;
        memcpy(out + len, wrapped, (size_t)added);
        len += (size_t)added;
    }
    if (len > 0 && fs_pick(samples, 3) == 0)
        random_bytes(samples, out + fs_pick(samples, len), 1);
    return len;
}

static void
add_generated(struct frame_samples *samples)
{
    unsigned char bytes[FS_LONGEST_STREAM];

    for (size_t f = 0; f < fs_n_framings; f++)
        for (size_t l = 0; l < LEN(limits); l++) {
            for (int i = 0; i < 2; i++)
                add(samples, &fs_framings[f], limits[l], bytes,
                    random_messages(samples, &fs_framings[f], bytes));
            add(samples, &fs_framings[f], limits[l], bytes,
                random_bytes(samples, bytes, fs_pick(samples, FS_LONGEST_FOR_4 + 1)));
        }
}

int
fs_setup(void **state)
{
    struct frame_samples *samples = calloc(1, sizeof(*samples));

    assert_non_null(samples);
    samples->all = calloc(MAX_STREAMS, sizeof(samples->all[0]));
    assert_non_null(samples->all);
    samples->random = 0x9e3779b97f4a7c15;
    add_by_hand(samples);
    add_generated(samples);
    *state = samples;
    return 0;
}

int
fs_teardown(void **state)
{
    struct frame_samples *samples = *state;

    free(samples->all);
    free(samples);
    return 0;
}

/* ---- cuts, and messages in a row ---- */

static int
compare_positions(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

size_t
fs_random_cuts(struct frame_samples *samples, size_t len, size_t *cuts, size_t max)
{
    size_t n = fs_pick(samples, max + 1);

    for (size_t i = 0; i < n; i++)
        cuts[i] = fs_pick(samples, len + 1);
    qsort(cuts, n, sizeof(cuts[0]), compare_positions);
    return n;
}

size_t
fs_wrap_random(struct frame_samples *samples, const struct kp_framing *framing,
               unsigned char *out, struct frame_message *expected)
{
    size_t len = 0;

    for (size_t i = 0; i < FS_N_MESSAGES;) {
        unsigned char message[64], head[KP_FRAME_HEAD_SIZE];
        const unsigned char *tail;
        size_t n = fs_pick(samples, 20), head_len, tail_len;
        random_bytes(samples, message, n);
        if (!frame_can_carry(framing, message, n))
            continue;
        long size = frame_wrapped(framing, message, n, out + len);
        assert_true(size >= 0);
        assert_int_equal(kp_frame_wrap(framing, n, head, &head_len, &tail, &tail_len), 0);
        expected[i++] = (struct frame_message){
            .at = len + head_len, .len = n, .end = len + (size_t)size};
        len += (size_t)size;
    }
    return len;
}
