/*
 * conn_deliver.h - bytes become messages, and go to the hook; for conn_read.c
 */
#ifndef KP_CONN_DELIVER_H
#define KP_CONN_DELIVER_H

#include "conn.h"

/* Budget of one connection and step. Who floods is served on in the next step, after
 * everybody else (reliability C11). */
#define KP_STEP_MESSAGES 64                 /* Redis and memcached: about 20 */
#define KP_STEP_BYTES    65536              /* one full recv */
#define KP_STEP_NS       (5 * KP_NS_PER_MS) /* a few slow handlers are enough */
#define KP_STEP_CLOCK    4 /* messages until the first look at the clock */

/* The blocks that keep messages back; the other two only say that no byte is to be read. */
#define KP_DELIVERY_WAITS ((unsigned)(KP_BLOCK_FRESH | KP_BLOCK_PAUSED | KP_BLOCK_OUTBOX))

/* What is left of a connection's budget in this step. */
struct kp_turn {
    size_t messages;
    size_t bytes;
    uint64_t end_ns; /* known from its first message on */
    bool exhausted;
    bool starved; /* no complete message is left, only more bytes can help */
};

/* A new turn of a connection begins. */
void kp_turn_start(struct kp_turn *turn, struct kelpie_conn *conn);

/* Its handler is suspended, and waits for something else than a message. */
static inline bool
kp_conn_is_held_back(const struct kelpie_conn *conn)
{
    return conn->holds > 0 && !conn->wants;
}

static inline bool
kp_conn_may_deliver(const struct kelpie_conn *conn)
{
    return conn->state == KP_CONN_OPEN && (conn->blocks & KP_DELIVERY_WAITS) == 0 &&
           !kp_conn_is_held_back(conn);
}

/* Delivers messages while there are any, the connection may get them and the turn lasts.
 * Calls     hooks.on_message.
 * Returns   how many bytes they took. */
size_t kp_conn_deliver(struct kelpie_conn *conn, const unsigned char *bytes, size_t len,
                       struct kp_turn *turn);

/* The same with what waits in conn->input, from where it is removed. */
void kp_conn_deliver_input(struct kelpie_conn *conn, struct kp_turn *turn);

#endif
