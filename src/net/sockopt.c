/*
 * sockopt.c - options of stream sockets
 *
 * TCP_NODELAY: a step writes once, so there is nothing for Nagle's algorithm to join; it
 * would only delay the reply by the peer's delayed acknowledgement. Keep-alive finds peers
 * that vanished while nothing is sent, TCP_USER_TIMEOUT those that vanished with output on
 * the way. The constants differ between systems: each is used where it exists.
 */
#include "sockopt.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#define KEEPALIVE_IDLE_S     60 /* silence before the first probe */
#define KEEPALIVE_INTERVAL_S 20
#define KEEPALIVE_PROBES     3
/* A vanished peer is given up after the same time, whether output waits or not. */
#define USER_TIMEOUT_MS                                                                  \
 ((KEEPALIVE_IDLE_S + KEEPALIVE_INTERVAL_S * KEEPALIVE_PROBES) * 1000)

static void
set(struct kp_sys *sys, int fd, int level, int name, int value)
{
    /* Without the option the connection works less well, but it works. */
    (void)kp_sys_set_option(sys, fd, level, name, value);
}

static void
tune_tcp(struct kp_sys *sys, int fd)
{
    set(sys, fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(sys, fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
    set(sys, fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
#endif
#ifdef TCP_KEEPALIVE
    set(sys, fd, IPPROTO_TCP, TCP_KEEPALIVE, KEEPALIVE_IDLE_S);
#endif
#ifdef TCP_KEEPINTVL
    set(sys, fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
#endif
#ifdef TCP_KEEPCNT
    set(sys, fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
#endif
#ifdef TCP_USER_TIMEOUT
    set(sys, fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
#endif
}

void
kp_sockopt_tune(struct kp_sys *sys, int fd, const union kp_peer *peer)
{
#ifdef SO_NOSIGPIPE
    set(sys, fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
    if (peer->any.sa_family == AF_INET || peer->any.sa_family == AF_INET6)
        tune_tcp(sys, fd);
}

void
kp_sockopt_reset_on_close(struct kp_sys *sys, int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    /* Should it fail, the peer gets an orderly end instead of a reset. */
    (void)kp_sys_setsockopt(sys, fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}
