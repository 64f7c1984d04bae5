/*
 * framing.h - how a byte stream is divided into messages: the choice, not the cutting
 */
#ifndef KP_FRAMING_H
#define KP_FRAMING_H

#include <stdbool.h>

#include "base/base.h"

#define KP_FRAME_MAX_DELIMITER 16

enum kp_frame_kind {
    KP_FRAME_LINE,      /* ends at \n; one \r before it is dropped; written with \n */
    KP_FRAME_CRLF,      /* read as LINE, written with \r\n */
    KP_FRAME_RAW,       /* whatever has come is a message */
    KP_FRAME_NETSTRING, /* "5:hello," */
    /* the kind says all of those above; of these there are several */
    KP_FRAME_LENGTH,    /* 1, 2 or 4 bytes of length, then as many bytes */
    KP_FRAME_DELIMITER, /* ends at the delimiter */
    KP_FRAME_FIXED,     /* always the same number of bytes */
};

struct kp_framing {
    enum kp_frame_kind kind;
    bool deliver_partial;  /* an unfinished last message is delivered at the end */
    bool little_endian;    /* of LENGTH */
    uint8_t length_size;   /* of LENGTH: 1, 2, 4 */
    uint8_t delimiter_len; /* of DELIMITER: 1..KP_FRAME_MAX_DELIMITER */
    union {
        unsigned char delimiter[KP_FRAME_MAX_DELIMITER];
        size_t fixed_size; /* of FIXED: >= 1 */
    };
};

/* Reads "line", "crlf", "raw", "netstring", "length:4:big", "length:2:little", "length:1",
 * "delimiter:TEXT", "fixed:16". Without an order a length is big-endian.
 * Returns   0; KELPIE_EPROTO, and *out is as it was. */
int kp_framing_parse(struct kp_framing *out, const char *text) KP_MUST_CHECK;

/* Checks the members of a framing that was put together by hand.
 * Returns   NULL, or what is wrong, a static sentence. */
const char *kp_framing_problem(const struct kp_framing *framing);

/* For kp_framing_equal: compares more than the kind, which is the same. */
bool kp_framing_details_equal(const struct kp_framing *a, const struct kp_framing *b);

/* Returns whether two framings write alike, so that one wrapped copy serves both. */
static inline bool
kp_framing_equal(const struct kp_framing *a, const struct kp_framing *b)
{
    return a->kind == b->kind &&
           (a->kind < KP_FRAME_LENGTH || kp_framing_details_equal(a, b));
}

#endif
