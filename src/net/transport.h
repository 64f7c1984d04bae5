/*
 * transport.h - what carries the bytes of a connection: its socket, or the host
 *
 * A connection without a socket is detached: the host feeds it with bytes and takes its
 * output. The functions here are the only ones that know the difference; what is above them
 * reads, writes, waits and closes in the same way.
 */
#ifndef KP_TRANSPORT_H
#define KP_TRANSPORT_H

#include "conn.h"

#define KP_FED_MAX ((size_t)1 << 20) /* bytes that may wait, as in a socket's buffer */

struct kp_detached {
    struct kelpie_transport calls;
    void *arg;
    struct kp_buf fed; /* not read yet */
    bool ended;        /* nothing more will be fed */
    bool is_writing;   /* calls.write is on the stack */
};

/* Opens a connection without a socket.
 * Returns   as kp_conn_open. */
int kp_detached_open(struct kp_net *net, struct kelpie_conn **out,
                     const struct kelpie_transport *calls, void *arg,
                     struct kp_listener *listener) KP_MUST_CHECK;

/* The same for one that a script has asked for.
 * Returns   as kp_conn_open_outbound.
 * Takes     number, also when it fails. */
int kp_detached_open_outbound(struct kp_net *net, struct kelpie_conn **out,
                              const struct kelpie_transport *calls, void *arg,
                              uint32_t number) KP_MUST_CHECK;

/* Bytes, or the end, from the host.
 * Returns   0; KELPIE_ECLOSED unless OPEN; KELPIE_EMISUSE after the end, and for a connection
 *           that has a socket; KELPIE_EFULL, -ENOMEM: nothing was taken. */
int kp_detached_feed(struct kelpie_conn *conn, const void *bytes, size_t len);
int kp_detached_end(struct kelpie_conn *conn);

/* Takes what has come, as recv(2). */
ssize_t kp_transport_recv(struct kelpie_conn *conn, void *buf, size_t size);

/* Writes of the outbox what is taken, as kp_outbox_flush. */
ssize_t kp_transport_flush(struct kelpie_conn *conn, bool ends);

/* Returns whether kp_transport_flush of this connection is on the stack: the host, in its
 * write, sends more. */
bool kp_transport_is_writing(const struct kelpie_conn *conn);

/* Wants to be told of KP_READ or KP_WRITE from now on. Returns 0, -ENOMEM. */
int kp_transport_watch(struct kelpie_conn *conn, enum kp_filter filter);

/* Tells the peer that nothing more will be written.
 * Returns   0; negative errno of shutdown(2). */
int kp_transport_finish(struct kelpie_conn *conn);

/* Lets go of the host; harmless a second time, and for a socket. */
void kp_detached_close(struct kelpie_conn *conn);

#endif
