/*
 * conn_write.h - the outbox and the socket; for conn.c, conn_clock.c and conns.c
 */
#ifndef KP_CONN_WRITE_H
#define KP_CONN_WRITE_H

#include "conn.h"

/* Notes that an event has announced room in the socket, or its end. */
void kp_conn_note_writable(struct kelpie_conn *conn);

/* Puts the connection on the dirty list. */
void kp_conn_touch(struct kelpie_conn *conn);

/* Writes once what is queued; calls no hook. A connection that fails is dropped, or marked
 * to be read to its end first. */
void kp_conn_flush(struct kelpie_conn *conn);

/* Writes once what is queued, if it is much; else it waits for its turn. Calls no hook. */
void kp_conn_flush_much(struct kelpie_conn *conn);

/* Does one turn for a connection taken from the dirty list: writes, then on_drain, or the
 * next stage of DRAINING.
 * Calls     hooks.on_drain. */
void kp_conn_flush_turn(struct kelpie_conn *conn);

/* Drops what is queued, and counts it. */
void kp_conn_drop_output(struct kelpie_conn *conn);

#endif
