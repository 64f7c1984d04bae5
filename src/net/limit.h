/*
 * limit.h - a limit was hit: it is counted, and said
 */
#ifndef KP_LIMIT_H
#define KP_LIMIT_H

#include "conn.h"

enum kp_limit {
    KP_LIMIT_CLIENTS,  /* max_clients: refused */
    KP_LIMIT_PER_IP,   /* max_per_ip: refused */
    KP_LIMIT_IDLE,     /* idle_timeout: closed */
    KP_LIMIT_FRAME,    /* frame_timeout: closed */
    KP_LIMIT_MESSAGE,  /* max_message: closed */
    KP_LIMIT_PROTOCOL, /* bytes that no framing allows: closed */
    KP_LIMIT_SLOW,     /* soft_outbox for slow_reader_ms: closed */
    KP_LIMIT_TOTAL,    /* max_outbox_total, and its outbox is the largest: closed */
    KP_LIMIT_OUTBOX,   /* max_outbox: a send has failed */
    KP_LIMIT_KILLS,    /* its handler was ended too often: closed */
    KP_LIMIT_SPAWN,    /* too many functions have not ended: kelpie.spawn has failed */
    KP_LIMIT_OUTBOUND, /* max_outbound: a connect has failed */
    KP_N_LIMITS,
};

/* Counts it in net->counters, and writes a record that names the peer: of each limit the first
 * ten, then one a second that says how many were not written. peer and conn
 * may be NULL; peer is for who is no connection. */
void kp_limit_hit(struct kp_net *net, enum kp_limit limit, const union kp_peer *peer,
                  const struct kelpie_conn *conn);

#endif
