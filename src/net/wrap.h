/*
 * wrap.h - a message and the bytes that its framing puts around it
 */
#ifndef KP_WRAP_H
#define KP_WRAP_H

#include <sys/uio.h>

#include "frame.h"

/* head, the message's parts, tail: together what goes over the wire. */
struct kp_wrap {
    const struct iovec *parts;
    int n_parts;
    size_t head_len, tail_len;
    size_t len; /* of all together */
    unsigned char head[KP_FRAME_HEAD_SIZE];
    const unsigned char *tail;
};

/* Puts a framing around the message that parts make when they are joined; NULL: none.
 * Returns   0; KELPIE_EPROTO as kp_frame_wrap; KELPIE_EFULL when the length overflows.
 * Borrows   parts and what they point to, and framing, while the wrap is used. */
int kp_wrap_init(struct kp_wrap *wrap, const struct kp_framing *framing,
                 const struct iovec *parts, int n_parts) KP_MUST_CHECK;

/* Writes wrap->len bytes. */
void kp_wrap_copy(const struct kp_wrap *wrap, unsigned char *out);

/* Writes at most n_parts + 2 iovecs, which say where the bytes are.
 * Returns   how many. */
int kp_wrap_list(const struct kp_wrap *wrap, struct iovec *out);

#endif
