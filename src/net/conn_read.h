/*
 * conn_read.h - bytes come in, messages go out to the hook; for conn.c and conns.c
 */
#ifndef KP_CONN_READ_H
#define KP_CONN_READ_H

#include "conn_deliver.h"

/* A held connection is read on, so that its end is noticed, until this much waits. */
#define KP_HELD_INPUT 65536

/* Keep of a lingering connection: more input than this is not worth waiting for. */
#define KP_LINGER_BYTES 65536

/* Notes that an event has announced input, or an end. */
void kp_conn_note_readable(struct kelpie_conn *conn, const struct kp_event *event);

/* Puts an OPEN connection that may have something to deliver or to read on the ready list;
 * to be called when a reason to wait has gone. */
void kp_conn_wake(struct kelpie_conn *conn);

/* What was read of a connection before its turn. The first reads of so many connections follow
 * each other, and then their messages are handled: kernel and handlers find their own code in
 * the processor's cache. */
#define KP_AHEAD_MAX  64
#define KP_AHEAD_SIZE 256

struct kp_ahead {
    struct kelpie_conn *conn;
    unsigned char *bytes; /* KP_AHEAD_SIZE of them */
    bool is_read;         /* false: it is not a case for that */
    ssize_t n;            /* what recv has said */
};

/* Reads for ahead->conn into ahead->bytes, if all that its turn would do is to read a little. */
void kp_conn_read_ahead(struct kp_ahead *ahead);

/* Does one turn for a connection taken from the ready list: delivers, reads, delivers.
 * Calls     hooks.on_message, hooks.on_input_end. */
void kp_conn_serve(const struct kp_ahead *ahead);

/* It does not get its turn in this step: keeps what was read. */
void kp_conn_put_off(const struct kp_ahead *ahead);

/* Returns the reason that stands for an errno of a connection: "reset", "timeout"... */
const char *kp_conn_error_reason(int error);

#endif
