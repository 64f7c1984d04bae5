/*
 * wrap.h - a message and the bytes that its framing puts around it, as one array of parts
 */
#ifndef KP_WRAP_H
#define KP_WRAP_H

#include <sys/uio.h>

#include "base/mem.h"
#include "frame.h"

#define KP_WRAP_FEW 16 /* parts that need no memory; a handler rarely joins more */

struct kp_wrap {
    const struct iovec *parts; /* head, the message's parts, tail */
    int n_parts;
    size_t len; /* of all parts together */
    unsigned char head[KP_FRAME_HEAD_SIZE];
    struct iovec few[KP_WRAP_FEW + 2];
    struct iovec *many; /* instead of few; or NULL */
    size_t n_many;
};

/* Puts parts together in a framing; NULL: they stay as they are.
 * Returns   0; KELPIE_EPROTO as kp_frame_wrap; KELPIE_EFULL when the length overflows;
 *           -ENOMEM. On failure there is nothing to clear.
 * Borrows   parts and what they point to, and framing, until kp_wrap_clear. */
int kp_wrap_init(struct kp_wrap *wrap, struct kp_mem *mem,
                 const struct kp_framing *framing, const struct iovec *parts,
                 int n_parts) KP_MUST_CHECK;
void kp_wrap_clear(struct kp_wrap *wrap, struct kp_mem *mem);

#endif
