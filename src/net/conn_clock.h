/*
 * conn_clock.h - the time limits of one connection, for conn.c, conn_read.c, conn_write.c
 */
#ifndef KP_CONN_CLOCK_H
#define KP_CONN_CLOCK_H

#include "conn.h"

#define KP_LINGER_NS      (2 * KP_NS_PER_S)   /* wait for the peer's end after SHUT_WR */
#define KP_WRITE_RETRY_NS (10 * KP_NS_PER_MS) /* after ENOBUFS, which has no event */

/* Prepares the timer; no clock runs yet. */
void kp_conn_clock_init(struct kelpie_conn *conn);

/* To be called when a clock was started or set to an earlier end.
 * Returns   0; -ENOMEM: then the connection has no timer and must end. */
int kp_conn_clock_arm(struct kelpie_conn *conn) KP_MUST_CHECK;

/* The same; without memory the connection is dropped, "out of memory". */
void kp_conn_clock_arm_or_drop(struct kelpie_conn *conn);

#endif
