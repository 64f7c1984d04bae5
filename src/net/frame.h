/*
 * frame.h - cuts messages out of a byte stream, and wraps messages for it
 *
 * Pure: bytes in, positions out; nothing is copied and nothing is allocated. The same bytes
 * in any cut give the same messages and the same errors. (RAW is the exception by nature:
 * its messages are the cuts; what they say together is the same.)
 */
#ifndef KP_FRAME_H
#define KP_FRAME_H

#include "framing.h"

#define KP_FRAME_HEAD_SIZE 24 /* bytes that a framing can put before a message */

/* What is known of the unfinished message at the front of the input. Zero it for a new
 * connection and when the framing changes; kp_frame_next keeps it, and zeroes it when it
 * hands out a message. */
struct kp_frame_state {
    size_t scanned; /* bytes already looked at, which need no second look */
};

/* A message within the input. */
struct kp_frame {
    size_t start, len; /* of the message */
    size_t consumed;   /* of the input, from its beginning, when the message is taken */
};

/* Looks for the next message in bytes[0, len), the input that is not yet consumed. Time is
 * proportional to the bytes not scanned before. After an error the stream has no more
 * messages; asked again with the same bytes, or with more, the error is the same.
 * Returns   1 with *out; 0: more bytes are needed; KELPIE_ETOOLONG: the message is, or will
 *           be, longer than max_message, which does not count what frames it (said with the
 *           byte that decides it: of a length prefix, or the first one too many; in FIXED,
 *           when every message is too long, with the first byte); KELPIE_EPROTO.
 *           RAW takes at most max_message bytes at a time. */
int kp_frame_next(const struct kp_framing *framing, struct kp_frame_state *state,
                  const unsigned char *bytes, size_t len, size_t max_message,
                  struct kp_frame *out) KP_MUST_CHECK;

/* The same at the end of the stream, after kp_frame_next has said 0: what is left becomes a
 * message if the framing delivers partial ones and it is not empty. A length in front of it
 * and an end that has begun (\r, the first bytes of a delimiter) are not part of it, so it
 * is never longer than max_message. It consumes all that is left.
 * Returns   1 with *out; 0. */
int kp_frame_rest(const struct kp_framing *framing, const unsigned char *bytes,
                  size_t len, struct kp_frame *out) KP_MUST_CHECK;

/* The bytes around a message of len bytes in this framing.
 * Returns   0; KELPIE_EPROTO when such a message cannot be written (too long for the length
 *           prefix, not the fixed size). *tail points into framing or to a constant. */
int kp_frame_wrap(const struct kp_framing *framing, size_t len,
                  unsigned char head[KP_FRAME_HEAD_SIZE], size_t *head_len,
                  const unsigned char **tail, size_t *tail_len) KP_MUST_CHECK;

#endif
