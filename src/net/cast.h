/*
 * cast.h - one message to many connections
 *
 * What is sent is stored once for each way to write it, and shared by all outboxes. For any
 * walk over connections: rooms and kp_conns_broadcast use it.
 */
#ifndef KP_CAST_H
#define KP_CAST_H

#include "conn_write.h"

#define KP_CAST_COPIES 4 /* framings that are remembered; one server seldom mixes more */

/* Start with a zeroed cast whose first group is set; kp_cast_end releases it. */
struct kp_cast {
    struct kp_net *net;
    const void *to;            /* whom: any pointer that stands for them, not NULL */
    const struct iovec *parts; /* borrowed until kp_cast_end */
    int n_parts;
    bool wrap; /* a message, which every connection gets in its own framing */

    int taken; /* connections that took it, so far */
    struct kp_cast_copy {
        struct kp_framing framing;
        struct kp_chunk *chunk; /* NULL: it cannot be written in this framing */
        size_t start;           /* where it is in the chunk: to its end */
        struct kp_headroom headroom;
    } copies[KP_CAST_COPIES];
    int n_copies;
    const struct kp_cast_copy *last; /* goes on a burst, and the one before got it */
};

/* For kp_cast_to: all but the short way. */
int kp_cast_with_care(struct kp_cast *cast, struct kelpie_conn *conn) KP_MUST_CHECK;

/* Queues it for one connection; skips one that is not OPEN, and counts as skipped one that
 * has no room for it or whose framing cannot carry it.
 * Returns   0, also when this connection was skipped; -ENOMEM. */
static inline KP_MUST_CHECK int
kp_cast_to(struct kp_cast *cast, struct kelpie_conn *conn)
{
    const struct kp_cast_copy *copy = cast->last;

    if (copy == NULL ||
        (cast->wrap && !kp_framing_equal(&copy->framing, &conn->framing)) ||
        !kp_conn_extend(cast->net, conn, copy->chunk, copy->start, &copy->headroom))
        return kp_cast_with_care(cast, conn);
    cast->taken++;
    return 0;
}

void kp_cast_end(struct kp_cast *cast);

/* What was cast is about to be written: what is cast from now on does not continue it. */
void kp_cast_settle(struct kp_net *net);

#endif
