/*
 * conn_write.h - the outbox and the socket; for the files of connections, and cast.h
 */
#ifndef KP_CONN_WRITE_H
#define KP_CONN_WRITE_H

#include "conn.h"

/* Notes that an event has announced room in the socket, or its end. */
void kp_conn_note_writable(struct kelpie_conn *conn);

/* Puts the connection on the dirty list. */
void kp_conn_touch(struct kelpie_conn *conn);

/* Returns whether more may be queued. An error closes the way out already, while what came in
 * is still delivered. */
static inline bool
kp_conn_can_send(const struct kelpie_conn *conn)
{
    return conn->state == KP_CONN_OPEN && conn->error == 0 && !conn->finishing;
}

/* How much may be queued already for len more bytes to pass no limit and no mark, so that
 * nobody has to be told: in their outbox, and in all outboxes. */
struct kp_headroom {
    size_t outbox, total;
};
struct kp_headroom kp_conn_headroom(const struct kp_net *net, size_t len);

/* Does what kp_conn_write_chunk does, in the one case in which that is next to nothing: the
 * outbox ends where the chunk goes on, is to be written anyway, and there is headroom.
 * Returns   whether it is that case; if not, nothing has changed. */
static inline bool
kp_conn_extend(struct kp_net *net, struct kelpie_conn *conn, const struct kp_chunk *chunk,
               size_t start, const struct kp_headroom *headroom)
{
    if (!kp_conn_can_send(conn) || !kp_node_is_linked(&conn->dirty) ||
        conn->outbox.len > headroom->outbox || net->outbox_total > headroom->total ||
        !kp_outbox_extend(&conn->outbox, chunk, start))
        return false;
    net->outbox_total += chunk->len - start;
    return true;
}

/* Writes once what is queued; calls no hook. A connection that fails is dropped, or marked
 * to be read to its end first. */
void kp_conn_flush(struct kelpie_conn *conn);

/* Writes once what is queued, if it is much; else it waits for its turn. Calls no hook. */
void kp_conn_flush_much(struct kelpie_conn *conn);

/* Does one turn for each connection of a list that was the dirty one, and empties it: writes,
 * then on_drain, or the next stage of DRAINING.
 * Calls     hooks.on_drain. */
void kp_conn_flush_turns(struct kp_node *dirty);

/* len bytes were written past the outbox, which was empty: n is what kp_outbox_send said, and
 * what is left of them is queued now.
 * Returns   whether it can be gone on with; if not, nothing of them was sent. */
bool kp_conn_note_sent(struct kelpie_conn *conn, size_t len, ssize_t n);

/* Drops what is queued, and counts it. */
void kp_conn_drop_output(struct kelpie_conn *conn);

#endif
