/*
 * transport.c - what carries the bytes of a connection: its socket, or the host
 *
 * A detached connection behaves as a socket would whose other end is the host: what is fed
 * waits in a bounded buffer until it is read, output that the host does not take waits in the
 * outbox until it says that it takes more, and an end that is fed is read as 0. It is told
 * nothing of lingering: nobody can answer it with a reset, so it closes when all is written.
 */
#include "transport.h"

#include <errno.h>
#include <string.h>

#include "conn_read.h"
#include "conn_write.h"
#include "conns.h"

static const union kp_peer local = {.any = {.sa_family = AF_UNIX}};

static struct kp_detached *
detached_new(struct kp_mem *mem, const struct kelpie_transport *calls, void *arg)
{
    struct kp_detached *detached = kp_mem_zalloc(mem, sizeof(*detached));

    if (detached != NULL) {
        detached->calls = *calls;
        detached->arg = arg;
    }
    return detached;
}

/* Gives it to the connection that was opened for it, or frees it. */
static int
settle(struct kp_net *net, struct kp_detached *detached, struct kelpie_conn *conn, int rc)
{
    if (rc < 0)
        kp_mem_free(&net->env->mem, detached, sizeof(*detached));
    else
        conn->detached = detached;
    return rc;
}

int
kp_detached_open(struct kp_net *net, struct kelpie_conn **out,
                 const struct kelpie_transport *calls, void *arg,
                 struct kp_listener *listener)
{
    struct kp_detached *detached = detached_new(&net->env->mem, calls, arg);

    *out = NULL;
    if (detached == NULL)
        return -ENOMEM;
    int rc = kp_conn_open(net, out, -1, &local, listener);
    return settle(net, detached, *out, rc);
}

int
kp_detached_open_outbound(struct kp_net *net, struct kelpie_conn **out,
                          const struct kelpie_transport *calls, void *arg,
                          uint32_t number)
{
    struct kp_detached *detached = detached_new(&net->env->mem, calls, arg);

    *out = NULL;
    if (detached == NULL) {
        kp_conns_give_back(net, number);
        return -ENOMEM;
    }
    int rc = kp_conn_open_outbound(net, out, -1, &local, number);
    return settle(net, detached, *out, rc);
}

/* Returns 0 when more may come in. */
static int
check_feed(const struct kelpie_conn *conn)
{
    if (!kp_conn_is_open(conn))
        return KELPIE_ECLOSED;
    return conn->detached != NULL && !conn->detached->ended ? 0 : KELPIE_EMISUSE;
}

static void
note_readable(struct kelpie_conn *conn)
{
    struct kp_event event = {.filter = KP_READ, .eof = conn->detached->ended};

    kp_conn_note_readable(conn, &event);
}

int
kp_detached_feed(struct kelpie_conn *conn, const void *bytes, size_t len)
{
    int rc = check_feed(conn);

    if (rc < 0 || len == 0)
        return rc;
    struct kp_buf *fed = &conn->detached->fed;
    if (len > KP_FED_MAX - kp_buf_len(fed))
        return KELPIE_EFULL;
    rc = kp_buf_append(fed, &conn->net->env->mem, bytes, len);
    if (rc == 0)
        note_readable(conn);
    return rc;
}

int
kp_detached_end(struct kelpie_conn *conn)
{
    int rc = check_feed(conn);

    if (rc < 0)
        return rc;
    conn->detached->ended = true;
    note_readable(conn);
    return 0;
}

ssize_t
kp_transport_recv(struct kelpie_conn *conn, void *buf, size_t size)
{
    struct kp_detached *detached = conn->detached;

    if (detached == NULL)
        return kp_sys_recv(&conn->net->env->sys, conn->source.fd, buf, size);
    size_t n = kp_buf_len(&detached->fed);
    if (n == 0)
        return detached->ended ? 0 : -EAGAIN;
    if (n > size)
        n = size;
    memcpy(buf, kp_buf_bytes(&detached->fed), n);
    kp_buf_consume(&detached->fed, &conn->net->env->mem, n);
    return (ssize_t)n;
}

/* Around each call of the host: what may not be done inside one (kelpie_step) is refused.
 * Returns   what leave_host is to be given. */
static bool
enter_host(struct kp_net *net)
{
    bool was_inside = net->in_host;

    net->in_host = true;
    return was_inside;
}

static void
leave_host(struct kp_net *net, bool was_inside)
{
    net->in_host = was_inside;
}

/* The host may do anything in its write: what it sends to this connection stays behind what
 * is being written, and when it drops the connection, the bytes of the window are gone. */
static ssize_t
send_to_host(void *arg, const struct iovec *iov, int n_iov)
{
    struct kelpie_conn *conn = arg;
    struct kp_detached *detached = conn->detached;
    size_t written = 0;

    for (int i = 0; i < n_iov; i++) {
        size_t len = iov[i].iov_len;
        size_t n = detached->calls.write(detached->arg, iov[i].iov_base, len);
        if (conn->state == KP_CONN_CLOSED)
            return -ECONNRESET;
        written += n < len ? n : len;
        if (n < len)
            break;
    }
    return written > 0 ? (ssize_t)written : -EAGAIN;
}

static ssize_t
flush_to_host(struct kelpie_conn *conn)
{
    struct kp_net *net = conn->net;
    struct kp_detached *detached = conn->detached;

    detached->is_writing = true;
    bool was_inside = enter_host(net);
    ssize_t n = kp_outbox_flush_to(&conn->outbox, &net->env->mem, send_to_host, conn);
    leave_host(net, was_inside);
    detached->is_writing = false;
    return n;
}

ssize_t
kp_transport_flush(struct kelpie_conn *conn, bool ends)
{
    struct kp_env *env = conn->net->env;

    if (conn->detached == NULL)
        return kp_outbox_flush(&conn->outbox, &env->mem, &env->sys, conn->source.fd,
                               ends);
    return flush_to_host(conn);
}

bool
kp_transport_is_writing(const struct kelpie_conn *conn)
{
    return conn->detached != NULL && conn->detached->is_writing;
}

int
kp_transport_watch(struct kelpie_conn *conn, enum kp_filter filter)
{
    if (conn->detached == NULL)
        return kp_loop_watch(conn->net->loop, &conn->source, filter, KP_EDGE, 0);
    /* Nothing need be watched; as with an edge, what is ready already is told at once. */
    if (filter == KP_READ)
        kp_conn_wake(conn);
    else if (!conn->write_blocked)
        kp_conn_touch(conn);
    return 0;
}

int
kp_transport_finish(struct kelpie_conn *conn)
{
    const struct kp_detached *detached = conn->detached;

    if (detached == NULL)
        return kp_sys_shutdown(&conn->net->env->sys, conn->source.fd, SHUT_WR);
    if (detached->calls.finished != NULL) {
        bool was_inside = enter_host(conn->net);
        detached->calls.finished(detached->arg);
        leave_host(conn->net, was_inside);
    }
    return 0;
}

void
kp_detached_close(struct kelpie_conn *conn)
{
    struct kp_mem *mem = &conn->net->env->mem;
    struct kp_detached *detached = conn->detached;

    if (detached == NULL)
        return;
    conn->detached = NULL;
    if (detached->calls.closed != NULL) {
        bool was_inside = enter_host(conn->net);
        detached->calls.closed(detached->arg, conn->reason);
        leave_host(conn->net, was_inside);
    }
    kp_buf_clear(&detached->fed, mem);
    kp_mem_free(mem, detached, sizeof(*detached));
}
