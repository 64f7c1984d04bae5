/*
 * accept.c - takes new connections from a listening socket
 *
 *     accept says                     then
 *     a descriptor                    a connection, or a polite refusal
 *     EAGAIN                          done
 *     ECONNABORTED, EPROTO, EPERM...  an error of that one connection: the next
 *     EMFILE, ENFILE                  give up the spare descriptor, accept with it, refuse
 *     ENOBUFS, ENOMEM, anything else  all listeners pause
 *     (the kernel refuses the watch)  the same
 *
 * Listeners are level-triggered: what the bound leaves, and who comes while the others are
 * accepted, is told again. For the same reason one that cannot accept would be told for
 * ever, at full speed, so without a descriptor all listeners are switched off until a
 * connection has closed or KP_ACCEPT_RETRY_NS have passed. A refused client gets the text and
 * an orderly end, rather than silence. What it has sent already is read first, because
 * closing over unread input is a reset.
 */
#include "accept.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "limit.h"

/* ---- pause and resume -------------------------------------------------------------- */

static void
log_trouble(struct kp_listener *listener, int error, const char *what)
{
    struct kp_net *net = listener->net;
    uint64_t now_ns = net->loop->now_ns;

    if (net->refusal_logged_ns != 0 && now_ns - net->refusal_logged_ns < KP_NS_PER_S)
        return;
    net->refusal_logged_ns = now_ns;
    kp_log_write(&net->env->log, KELPIE_LOG_WARN, "accept %s: %s; %s", listener->text,
                 strerror(error), what);
}

static void
switch_off(struct kp_net *net)
{
    kp_list_each(node, &net->listeners) {
        struct kp_listener *listener = kp_container_of(node, struct kp_listener, node);
        /* Turning a watch off cannot fail. */
        (void)kp_loop_watch(net->loop, &listener->source, KP_READ, KP_OFF, 0);
    }
}

static bool
switch_on(struct kp_net *net)
{
    kp_list_each(node, &net->listeners) {
        struct kp_listener *listener = kp_container_of(node, struct kp_listener, node);
        if (listener->source.fd >= 0 &&
            kp_loop_watch(net->loop, &listener->source, KP_READ, kp_accept_mode(listener),
                          0) < 0)
            return false;
    }
    return true;
}

static void
pause_all(struct kp_net *net)
{
    net->accept_paused = true;
    net->counters.accept_pauses++;
    switch_off(net);
    int rc = kp_timer_start(net->timers, &net->accept_retry,
                            net->loop->now_ns + KP_ACCEPT_RETRY_NS);
    /* Then the end of every step tries again; see kp_listeners_need_resume. */
    if (rc < 0)
        kp_log_write(&net->env->log, KELPIE_LOG_WARN, "accept: no memory for a timer");
}

static void
restore_spare(struct kp_net *net)
{
    if (net->spare_fd >= 0)
        return;
    int fd = kp_sys_open(&net->env->sys, "/dev/null", O_RDONLY, 0);
    net->spare_fd = fd >= 0 ? fd : -1;
}

void
kp_listeners_resume(struct kp_net *net)
{
    if (!net->accept_paused)
        return;
    kp_timer_cancel(net->timers, &net->accept_retry);
    restore_spare(net);
    net->accept_paused = false;
    if (!switch_on(net))
        pause_all(net);
}

bool
kp_listeners_need_resume(const struct kp_net *net)
{
    return net->accept_paused && !kp_timer_is_started(&net->accept_retry);
}

static void
on_accept_retry(struct kp_timer *timer, void *arg)
{
    (void)timer; /* the net is all it needs */
    kp_listeners_resume(arg);
}

void
kp_accept_init(struct kp_net *net)
{
    kp_timer_init(&net->accept_retry, on_accept_retry, net);
}

/* ---- refusing ---------------------------------------------------------------------- */

static void
refuse(struct kp_net *net, int fd)
{
    struct kp_sys *sys = &net->env->sys;
    const char *text = net->limits.refused_text != NULL ? net->limits.refused_text : "";
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};

    net->counters.refused++;
    /* Best effort, all of it: who is refused is not waited for. */
    (void)kp_sys_recv(sys, fd, net->scratch, KP_NET_SCRATCH_SIZE);
    if (part.iov_len > 0)
        (void)kp_sys_send_more(sys, fd, &part, 1);
    (void)kp_sys_shutdown(sys, fd, SHUT_WR);
    (void)kp_sys_close(sys, fd);
}

/* ---- accepting --------------------------------------------------------------------- */

static int
accept_one(struct kp_listener *listener, union kp_peer *peer)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    memset(&addr, 0, sizeof(addr));
    int fd = kp_sys_accept(&listener->net->env->sys, listener->source.fd,
                           (struct sockaddr *)&addr, &len);
    if (fd < 0)
        return fd;
    /* An unnamed unix peer has no address at all on some systems. getpeername would not
     * know better, and fails for a peer that has gone already. */
    if (!listener->is_inet)
        addr.ss_family = AF_UNIX;
    kp_peer_set(peer, (struct sockaddr *)&addr, len);
    return fd;
}

static void
welcome(struct kp_listener *listener, int fd, const union kp_peer *peer)
{
    struct kelpie_conn *conn;
    int rc = kp_conn_open(listener->net, &conn, fd, peer, listener);

    if (rc == 0)
        return;
    if (rc == -ENOSPC)
        kp_limit_hit(listener->net, KP_LIMIT_CLIENTS, peer, NULL);
    else if (rc == -EUSERS)
        kp_limit_hit(listener->net, KP_LIMIT_PER_IP, peer, NULL);
    else
        log_trouble(listener, -rc, "a client is refused");
    refuse(listener->net, fd);
}

/* Refuses one client with the spare descriptor.
 * Returns   false when that is not possible, so that accepting has to pause. */
static bool
refuse_with_spare(struct kp_listener *listener)
{
    struct kp_net *net = listener->net;
    union kp_peer peer;

    if (net->spare_fd < 0)
        return false;
    (void)kp_sys_close(&net->env->sys, net->spare_fd);
    net->spare_fd = -1;
    int fd = accept_one(listener, &peer);
    if (fd >= 0)
        refuse(net, fd);
    restore_spare(net);
    return net->spare_fd >= 0 && fd != -EMFILE && fd != -ENFILE;
}

/* Returns whether accept is to be called again. */
static bool
get_over(struct kp_listener *listener, int error)
{
    switch (error) {
    case EAGAIN:
        return false;
    case ECONNABORTED:
    case ECONNRESET:
    case EPROTO:
    case EPERM:
    case EINTR:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ETIMEDOUT:
#ifdef ENONET
    case ENONET:
#endif
        return true;
    case EMFILE:
    case ENFILE:
        log_trouble(listener, error, "clients are refused");
        if (refuse_with_spare(listener))
            return true;
        break;
    default:
        break;
    }
    log_trouble(listener, error, "accepting pauses");
    pause_all(listener->net);
    return false;
}

void
kp_accept_fail_watch(struct kp_listener *listener, int error)
{
    log_trouble(listener, error, "it cannot be watched, accepting pauses");
    pause_all(listener->net);
}

/* Accepting until EAGAIN costs a socket too many, for Linux makes it before it looks whether
 * somebody waits: asking how many do is cheaper. It knows that of internet sockets only. */
enum kp_mode
kp_accept_mode(const struct kp_listener *listener)
{
    if (listener->net->accept_paused)
        return KP_OFF;
    return listener->is_inet ? KP_COUNT : KP_LEVEL;
}

void
kp_accept(struct kp_listener *listener, size_t n_waiting)
{
    bool is_bound = n_waiting == 0 || n_waiting > KP_LISTENER_ACCEPTS;
    size_t n = is_bound ? KP_LISTENER_ACCEPTS : n_waiting;

    for (size_t i = 0; i < n; i++) {
        union kp_peer peer;
        int fd = accept_one(listener, &peer);
        if (fd >= 0)
            welcome(listener, fd, &peer);
        else if (!get_over(listener, -fd))
            return;
    }
}
