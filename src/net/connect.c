/*
 * connect.c - connections that we open ourselves
 *
 *     kp_connect_start      a nonblocking socket, connect(2), and a watch for writability
 *     dial                  before that: the host may have one without a socket
 *     kp_connects_resolve   a host name has addresses now: one after the other is tried
 *     on_writable           the kernel knows: SO_ERROR says what
 *     on_timeout            it does not, and nobody waits any longer
 *     kp_connect_take       the connection, made by who asked for it, when that runs again
 *
 * Also an attempt that has succeeded at once, as over a unix socket, is told by the loop: so
 * there is one way only. The place in the table (max_outbound) is taken first, since nothing
 * is more useless than a connection that we have asked for and must close again.
 *
 * An attempt belongs to who asked. The net only keeps a list of those that have something
 * open, and closes that when it ends.
 */
#include "connect.h"

#include <errno.h>

#include "conns.h"
#include "kelpie.h"
#include "limit.h"
#include "transport.h"

/* ---- names ------------------------------------------------------------------------- */

/* A look-up, which the net keeps until its thread is back, also when nobody waits for it any
 * more: so threads are bounded. */
struct kp_name_job {
    struct kp_node node; /* in net->outbound.lookups, until it is done */
    struct kp_lookup *lookup;
    struct kp_connect *connect; /* who waits; NULL: nobody */
};

static void
wake_loop(void *arg)
{
    kp_loop_wake(arg);
}

static int
start_lookup(struct kp_connect *connect, const struct kp_host *host)
{
    struct kp_net *net = connect->net;

    if (net->outbound.n_lookups >= KP_CONNECT_LOOKUPS)
        return -EBUSY;
    struct kp_name_job *job = kp_mem_zalloc(&net->env->mem, sizeof(*job));
    if (job == NULL)
        return -ENOMEM;
    int rc = kp_lookup_start(&net->env->sys, &job->lookup, host, wake_loop, net->loop);
    if (rc < 0) {
        kp_mem_free(&net->env->mem, job, sizeof(*job));
        return rc == -EAGAIN ? -ENOMEM : rc; /* of pthread_create: no resources */
    }
    job->connect = connect;
    connect->job = job;
    kp_list_append(&net->outbound.lookups, &job->node);
    net->outbound.n_lookups++;
    return 0;
}

static void
free_job(struct kp_net *net, struct kp_name_job *job)
{
    kp_list_remove(&job->node);
    kp_lookup_let_go(job->lookup);
    kp_mem_free(&net->env->mem, job, sizeof(*job));
}

/* The attempt does not need its job any more; one that runs stays in the net's list. */
static void
leave_job(struct kp_connect *connect)
{
    struct kp_name_job *job = connect->job;

    connect->job = NULL;
    if (job == NULL)
        return;
    job->connect = NULL;
    if (!kp_node_is_linked(&job->node))
        free_job(connect->net, job);
}

/* ---- the end of an attempt --------------------------------------------------------- */

static void
close_socket(struct kp_connect *connect)
{
    if (connect->source.fd < 0)
        return;
    kp_loop_remove(connect->net->loop, &connect->source);
    (void)kp_sys_close(&connect->net->env->sys,
                       connect->source.fd); /* nothing was sent */
    connect->source.fd = -1;
}

/* What the host has made is not taken. */
static void
give_back_dialed(struct kp_connect *connect)
{
    if (connect->is_dialed && connect->transport.closed != NULL)
        connect->transport.closed(connect->transport_arg, "given up");
    connect->is_dialed = false;
}

/* Nothing is waited for any more; a connected socket stays open. */
static void
settle(struct kp_connect *connect, int result)
{
    struct kp_net *net = connect->net;

    connect->result = result;
    leave_job(connect);
    kp_timer_cancel(net->timers, &connect->timer);
    if (result == 0) {
        if (!connect->is_dialed)
            kp_loop_remove(net->loop, &connect->source);
        return;
    }
    kp_list_remove(&connect->node);
    close_socket(connect);
    give_back_dialed(connect);
    if (connect->number != 0)
        kp_conns_give_back(net, connect->number);
    connect->number = 0;
}

static void
finish(struct kp_connect *connect, int result)
{
    settle(connect, result);
    connect->fn(connect->arg, connect);
}

/* Asking takes the error from the socket, so what the event had asked already counts. */
static int
result_of(struct kp_connect *connect, const struct kp_event *event)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (event->error != 0)
        return -event->error;
    int rc = kp_sys_getsockopt(&connect->net->env->sys, connect->source.fd, SOL_SOCKET,
                               SO_ERROR, &error, &len);
    return rc < 0 ? rc : -error;
}

static int try_next(struct kp_connect *connect);

static void
on_writable(void *arg, const struct kp_event *event)
{
    struct kp_connect *connect = arg;
    int result = result_of(connect, event);

    if (result < 0 && connect->job != NULL) {
        close_socket(connect);
        int rc = try_next(connect);
        if (rc == 0)
            return;
        result = rc == KP_CONNECT_ENAME ? result : rc;
    }
    finish(connect, result);
}

static void
on_timeout(struct kp_timer *timer, void *arg)
{
    struct kp_connect *connect = arg;

    (void)timer; /* the attempt's own */
    finish(connect, connect->verdict);
}

/* ---- life -------------------------------------------------------------------------- */

/* Opens a socket and begins to connect it. On failure it is closed. */
static int
try_address(struct kp_connect *connect, const struct sockaddr *addr, socklen_t len)
{
    struct kp_net *net = connect->net;
    struct kp_sys *sys = &net->env->sys;

    int fd = kp_sys_socket(sys, addr->sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    connect->source.fd = fd;
    kp_peer_set(&connect->peer, addr, len);
    int rc = kp_sys_connect(sys, fd, addr, len);
    if (rc == -EINPROGRESS)
        rc = 0;
    if (rc == 0)
        rc = kp_loop_add(net->loop, &connect->source, fd, on_writable, connect);
    if (rc == 0)
        rc = kp_loop_watch(net->loop, &connect->source, KP_WRITE, KP_EDGE, 0);
    if (rc < 0)
        close_socket(connect);
    return rc;
}

/* Tries the next addresses of a name, until one does not fail at once.
 * Returns   0; why the last one failed; KP_CONNECT_ENAME when there is none left. */
static int
try_next(struct kp_connect *connect)
{
    const struct kp_lookup *lookup = connect->job->lookup;
    int rc = KP_CONNECT_ENAME;

    while (rc < 0 && connect->n_tried < kp_lookup_count(lookup)) {
        socklen_t len;
        const struct sockaddr *addr = kp_lookup_address(lookup, connect->n_tried++, &len);
        rc = try_address(connect, addr, len);
    }
    return rc;
}

void
kp_connects_resolve(struct kp_net *net)
{
    kp_list_each_safe(node, &net->outbound.lookups) {
        struct kp_name_job *job = kp_container_of(node, struct kp_name_job, node);
        struct kp_connect *connect = job->connect;
        if (!kp_lookup_is_done(job->lookup))
            continue;
        net->outbound.n_lookups--;
        kp_list_remove(&job->node);
        if (connect == NULL) {
            free_job(net, job);
            continue;
        }
        int rc = try_next(connect);
        if (rc < 0)
            finish(connect, rc);
    }
}

/* Asks the host. What it says is told by the loop, as all results are: by the timer.
 * Returns   1 it has answered; 0 it becomes a socket; -ENOMEM. */
static int
dial(struct kp_connect *connect, const char *text, uint64_t now_ns)
{
    const struct kp_net_hooks *hooks = &connect->net->hooks;

    if (hooks->dial == NULL || text == NULL)
        return 0;
    connect->transport.size = sizeof(connect->transport);
    int rc =
        hooks->dial(hooks->dial_arg, text, &connect->transport, &connect->transport_arg);
    if (rc == 0)
        return 0;
    connect->is_dialed = rc > 0;
    connect->verdict = rc > 0 ? 0 : rc;
    rc = kp_timer_start(connect->net->timers, &connect->timer, now_ns);
    return rc < 0 ? rc : 1;
}

static int
begin(struct kp_connect *connect, const char *text, const struct kp_address *address,
      const struct kp_host *host, uint64_t timeout_ns)
{
    struct kp_net *net = connect->net;
    uint64_t now_ns = kp_sys_now_ns(&net->env->sys);
    uint64_t longest_ns = KP_NEVER - 1 - now_ns;

    int rc = kp_conns_reserve(net, &connect->number);
    if (rc == -ENOSPC) {
        kp_limit_hit(net, KP_LIMIT_OUTBOUND, NULL, NULL);
        return KELPIE_EFULL;
    }
    if (rc < 0)
        return rc;
    rc = dial(connect, text, now_ns);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = host->name[0] != '\0' ? start_lookup(connect, host)
                               : try_address(connect, &address->addr.any, address->len);
    if (rc < 0)
        return rc;
    return kp_timer_start(net->timers, &connect->timer,
                          now_ns + (timeout_ns < longest_ns ? timeout_ns : longest_ns));
}

int
kp_connect_start(struct kp_net *net, struct kp_connect **out, const char *text,
                 const struct kp_address *address, const struct kp_host *host,
                 uint64_t timeout_ns, kp_connect_fn *fn, void *arg)
{
    *out = NULL;
    if (net->outbound.is_closed)
        return -ECANCELED;
    struct kp_connect *connect = kp_mem_zalloc(&net->env->mem, sizeof(*connect));
    if (connect == NULL)
        return -ENOMEM;
    connect->net = net;
    connect->result = KP_CONNECT_PENDING;
    connect->verdict = -ETIMEDOUT;
    connect->fn = fn;
    connect->arg = arg;
    kp_source_init(&connect->source);
    connect->source.fd = -1;
    kp_timer_init(&connect->timer, on_timeout, connect);
    kp_list_init(&connect->node);
    kp_list_append(&net->outbound.connects, &connect->node);
    int rc = begin(connect, text, address, host, timeout_ns);
    if (rc < 0) {
        kp_connect_free(connect);
        return rc;
    }
    *out = connect;
    return 0;
}

static int
take_dialed(struct kp_connect *connect, uint32_t number, struct kelpie_conn **out)
{
    const struct kelpie_transport *transport = &connect->transport;
    int rc = kp_detached_open_outbound(connect->net, out, transport,
                                       connect->transport_arg, number);

    if (rc < 0)
        return rc;
    connect->is_dialed = false;
    kp_list_remove(&connect->node);
    if (transport->opened != NULL)
        transport->opened(connect->transport_arg, *out);
    return 0;
}

int
kp_connect_take(struct kp_connect *connect, struct kelpie_conn **out)
{
    *out = NULL;
    if (connect->result < 0)
        return connect->result;
    uint32_t number = connect->number;
    connect->number = 0;
    if (connect->is_dialed)
        return take_dialed(connect, number, out);
    int rc = kp_conn_open_outbound(connect->net, out, connect->source.fd, &connect->peer,
                                   number);
    if (rc < 0)
        return rc;
    connect->source.fd = -1;
    kp_list_remove(&connect->node);
    return 0;
}

void
kp_connect_free(struct kp_connect *connect)
{
    if (connect == NULL)
        return;
    settle(connect, -ECANCELED);
    kp_mem_free(&connect->net->env->mem, connect, sizeof(*connect));
}

/* ---- all of them ------------------------------------------------------------------- */

void
kp_connects_close(struct kp_net *net)
{
    struct kp_node *node;

    net->outbound.is_closed = true;
    while ((node = kp_list_pop(&net->outbound.connects)) != NULL) {
        struct kp_connect *connect = kp_container_of(node, struct kp_connect, node);
        if (connect->result == KP_CONNECT_PENDING)
            finish(connect, -ECANCELED);
        else
            settle(connect, -ECANCELED); /* that it had succeeded is told already */
    }
}

void
kp_connects_end(struct kp_net *net)
{
    struct kp_node *node;

    net->outbound.is_closed = true;
    while ((node = kp_list_pop(&net->outbound.connects)) != NULL)
        settle(kp_container_of(node, struct kp_connect, node), -ECANCELED);
    while ((node = kp_list_pop(&net->outbound.lookups)) != NULL)
        free_job(net, kp_container_of(node, struct kp_name_job, node));
}
