/*
 * frame_naive.h - the definitions of the framings, read naively
 *
 * For comparison with frame.c; it shares no code with it. It looks at a whole prefix of a
 * stream, byte by byte, and remembers nothing.
 */
#ifndef FRAME_NAIVE_H
#define FRAME_NAIVE_H

#include "net/framing.h"

/* What the bytes at the front of a stream are. */
struct naive_verdict {
    int end;        /* 1: a message; 0: an unfinished one; an error */
    size_t at, len; /* of the message, or of what an end of the stream leaves of it */
    size_t consumed;
};

/* Reads any framing but RAW. */
struct naive_verdict naive_read(const struct kp_framing *framing,
                                const unsigned char *bytes, size_t len,
                                size_t max_message);

#endif
