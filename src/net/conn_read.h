/*
 * conn_read.h - bytes come in, messages go out to the hook; for conn.c and conns.c
 */
#ifndef KP_CONN_READ_H
#define KP_CONN_READ_H

#include "conn.h"

/* Budget of one connection and step. Who floods is served on in the next step, after
 * everybody else (reliability C11). */
#define KP_STEP_MESSAGES 64                 /* Redis and memcached: about 20 */
#define KP_STEP_BYTES    65536              /* one full recv */
#define KP_STEP_NS       (5 * KP_NS_PER_MS) /* a few slow handlers are enough */
#define KP_STEP_CLOCK    4 /* messages until the first look at the clock */

/* A held connection is read on, so that its end is noticed, until this much waits. */
#define KP_HELD_INPUT 65536

/* Keep of a lingering connection: more input than this is not worth waiting for. */
#define KP_LINGER_BYTES 65536

/* Notes that an event has announced input, or an end. */
void kp_conn_note_readable(struct kelpie_conn *conn, const struct kp_event *event);

/* Puts an OPEN connection that may have something to deliver or to read on the ready list;
 * to be called when a reason to wait has gone. */
void kp_conn_wake(struct kelpie_conn *conn);

/* Does one turn for a connection taken from the ready list: delivers, reads, delivers.
 * Calls     hooks.on_message, hooks.on_input_end. */
void kp_conn_serve(struct kelpie_conn *conn);

/* Returns the reason that stands for an errno of a connection: "reset", "timeout"... */
const char *kp_conn_error_reason(int error);

#endif
