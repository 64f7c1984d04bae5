/*
 * sockopt.c - options of stream sockets
 *
 * TCP_NODELAY: a step writes once, so there is nothing for Nagle's algorithm to join; it
 * would only delay the reply by the peer's delayed acknowledgement. Keep-alive finds peers
 * that vanished while nothing is sent, TCP_USER_TIMEOUT those that vanished with output on
 * the way. The constants differ between systems: each is used where it exists.
 *
 * Six system calls are much for a connection that lives for one message. So the listener has
 * the options too, and the first sockets that it accepts are asked whether they have inherited
 * them.
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

/* What accepted sockets inherit from the listener, at least on Linux and FreeBSD. */
static const struct option {
    int level, name, value;
} tcp_options[] = {
    {IPPROTO_TCP, TCP_NODELAY, 1},
    {SOL_SOCKET, SO_KEEPALIVE, 1},
#ifdef TCP_KEEPIDLE
    {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
#endif
#ifdef TCP_KEEPALIVE
    {IPPROTO_TCP, TCP_KEEPALIVE, KEEPALIVE_IDLE_S},
#endif
#ifdef TCP_KEEPINTVL
    {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
#endif
#ifdef TCP_KEEPCNT
    {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
#endif
#ifdef TCP_USER_TIMEOUT
    {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
#endif
};

#define N_TCP_OPTIONS (sizeof(tcp_options) / sizeof(tcp_options[0]))

void
kp_sockopt_tune_tcp(struct kp_sys *sys, int fd)
{
    for (size_t i = 0; i < N_TCP_OPTIONS; i++)
        set(sys, fd, tcp_options[i].level, tcp_options[i].name, tcp_options[i].value);
}

static bool
has(struct kp_sys *sys, int fd, const struct option *option)
{
    int value = 0;
    socklen_t len = sizeof(value);
    int rc = kp_sys_getsockopt(sys, fd, option->level, option->name, &value, &len);

    /* A flag that is set is not 1 everywhere. */
    return rc == 0 && (value == option->value || (option->value == 1 && value != 0));
}

/* Returns whether a socket has the first and the last option: then it has inherited all. Two
 * questions are cheaper than all the answers. */
static bool
is_tuned(struct kp_sys *sys, int fd)
{
    return has(sys, fd, &tcp_options[N_TCP_OPTIONS - 1]) && has(sys, fd, &tcp_options[0]);
}

void
kp_sockopt_tune(struct kp_sys *sys, int fd, const union kp_peer *peer, bool *inherits)
{
    bool is_tcp = peer->any.sa_family == AF_INET || peer->any.sa_family == AF_INET6;

#ifdef SO_NOSIGPIPE
    set(sys, fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
    if (!is_tcp || (inherits != NULL && *inherits))
        return;
    bool is_done = is_tuned(sys, fd);
    if (!is_done)
        kp_sockopt_tune_tcp(sys, fd);
    else if (inherits != NULL)
        *inherits = true;
}

void
kp_sockopt_reset_on_close(struct kp_sys *sys, int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    /* Should it fail, the peer gets an orderly end instead of a reset. */
    (void)kp_sys_setsockopt(sys, fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}
