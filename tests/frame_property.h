/*
 * frame_property.h - what must hold for every stream in every framing
 *
 * The tests of frame.c and its fuzz target share this. A run is what came out of a stream:
 * where the messages lie, and how it ended. There are three ways to make one: the stream as
 * a whole, the stream in pieces, and a naive reading of the definitions that shares no code
 * with frame.c. All three must be the same:
 *
 *     struct frame_run whole, cut;
 *     frame_run_whole(&whole, &stream);
 *     frame_run_cut(&cut, &stream, cuts, n_cuts);
 *     const char *difference = frame_run_difference(&stream, &whole, &cut);
 *
 * A run also checks on its way what can be checked in place (limits, progress, errors that
 * stay), and ends the program with a message when that is broken. Pieces lie in blocks of
 * exactly their size, so a sanitizer sees every byte too far; and bytes that frame.c says it
 * has scanned are overwritten, so a second look at them changes the result.
 */
#ifndef FRAME_PROPERTY_H
#define FRAME_PROPERTY_H

#include "net/frame.h"

struct frame_stream {
    struct kp_framing framing;
    size_t max_message;
    const unsigned char *bytes;
    size_t len;
};

/* Positions in the stream. */
struct frame_message {
    size_t at, len;
    size_t end; /* where the next message begins */
};

struct frame_run {
    struct frame_message *messages;
    size_t n_messages;
    int end;       /* 0, or the error behind the last message */
    bool has_rest; /* the end of the stream gave one more message */
    struct frame_message rest;
};

void frame_run_whole(struct frame_run *run, const struct frame_stream *stream);

/* Cuts are positions in [0, stream->len], ascending; the same one twice is an empty piece. */
void frame_run_cut(struct frame_run *run, const struct frame_stream *stream,
                   const size_t *cuts, size_t n_cuts);

/* Knows every framing but RAW, whose messages are not defined by the stream. */
void frame_run_naive(struct frame_run *run, const struct frame_stream *stream);
void frame_run_clear(struct frame_run *run);

/* Returns   NULL, or in which respect two runs of a stream differ. */
const char *frame_run_difference(const struct frame_stream *stream,
                                 const struct frame_run *a, const struct frame_run *b);

/* Wraps a message. Writes it to out, which has room for len + 2 * KP_FRAME_HEAD_SIZE bytes.
 * Returns   how many bytes, or KELPIE_EPROTO. */
long frame_wrapped(const struct kp_framing *framing, const unsigned char *message,
                   size_t len, unsigned char *out);

/* Returns   whether the framing can tell this message from its own marks. */
bool frame_can_carry(const struct kp_framing *framing, const unsigned char *message,
                     size_t len);

/* Prints the stream, escaped, with its framing and the cuts. */
void frame_print(const struct frame_stream *stream, const size_t *cuts, size_t n_cuts);

#endif
