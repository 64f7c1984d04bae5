/*
 * conn_queue.c - bytes go into the outbox, within its limits
 *
 * Limits of one outbox: above half of soft_outbox it has no room for those who ask, until it
 * is empty, and on_drain is called then; above soft_outbox its input waits (back-pressure,
 * until half of it is written) and the slow-reader clock runs; max_outbox is never passed.
 * Above max_outbox_total everything that the kernel takes is written, then the largest outbox
 * goes. A broadcast is counted in each outbox although it is stored once, hence the write
 * first: many fast readers are not slow ones.
 */
#include "conn_write.h"

#include <errno.h>

#include "conn_clock.h"
#include "conns.h"
#include "limit.h"
#include "wrap.h"

/* Who stops when there is no room must stay below the soft limit: a proxy that was not read
 * above it could wait for a server that waits for the proxy. */
#define HIGH_WATER(soft) ((soft) / 2)

/* ---- the hard limits --------------------------------------------------------------- */

/* Rare, hence linear. Returns NULL when every outbox is empty. */
static struct kelpie_conn *
find_largest(const struct kp_net *net)
{
    struct kelpie_conn *conn, *largest = NULL;
    size_t cursor = 0;

    while ((conn = kp_conns_walk(net, &cursor)) != NULL)
        if (conn->outbox.len > 0 &&
            (largest == NULL || conn->outbox.len > largest->outbox.len))
            largest = conn;
    return largest;
}

static void
flush_everybody(struct kp_net *net)
{
    struct kelpie_conn *conn;
    size_t cursor = 0;

    while ((conn = kp_conns_walk(net, &cursor)) != NULL) {
        if (conn->outbox.len == 0 || conn->write_blocked)
            continue;
        /* What follows an empty outbox, on_drain or SHUT_WR, is done in its turn. */
        kp_conn_touch(conn);
        kp_conn_flush(conn);
    }
}

/* Makes len bytes fit under max_outbox_total. */
static int
make_room_in_net(struct kelpie_conn *conn, size_t len)
{
    struct kp_net *net = conn->net;
    size_t limit = net->limits.max_outbox_total;

    if (len > limit)
        return KELPIE_EFULL;
    if (net->outbox_total > limit - len)
        flush_everybody(net);
    while (net->outbox_total > limit - len) {
        struct kelpie_conn *largest = find_largest(net);
        if (largest == NULL)
            return KELPIE_EFULL;
        kp_limit_hit(net, KP_LIMIT_TOTAL, &largest->peer, largest);
        kp_conn_drop(largest, "slow reader", true);
    }
    return kp_conn_is_open(conn) ? 0 : KELPIE_ECLOSED;
}

static bool
has_room(const struct kelpie_conn *conn, size_t len)
{
    const struct kp_net *net = conn->net;
    const struct kp_net_limits *limits = &net->limits;

    return len <= limits->max_outbox && conn->outbox.len <= limits->max_outbox - len &&
           len <= limits->max_outbox_total &&
           net->outbox_total <= limits->max_outbox_total - len;
}

struct kp_headroom
kp_conn_headroom(const struct kp_net *net, size_t len)
{
    const struct kp_net_limits *limits = &net->limits;
    size_t most = HIGH_WATER(limits->soft_outbox);

    if (most > limits->max_outbox)
        most = limits->max_outbox;
    /* 0 where len is too much by itself: an outbox that can be extended is not empty. */
    return (struct kp_headroom){
        .outbox = most > len ? most - len : 0,
        .total = limits->max_outbox_total > len ? limits->max_outbox_total - len : 0,
    };
}

static KP_SELDOM int
write_for_room(struct kelpie_conn *conn, size_t len)
{
    size_t limit = conn->net->limits.max_outbox;

    if (!kp_conn_can_send(conn))
        return KELPIE_ECLOSED;
    if (len > limit)
        return KELPIE_EFULL;
    if (conn->outbox.len > limit - len)
        kp_conn_flush(conn);
    if (!kp_conn_can_send(conn))
        return KELPIE_ECLOSED;
    if (conn->outbox.len > limit - len)
        return KELPIE_EFULL;
    return make_room_in_net(conn, len);
}

/* Makes len bytes fit under all limits; nearly always they do. Returns 0; KELPIE_ECLOSED,
 * KELPIE_EFULL. */
static int
make_room(struct kelpie_conn *conn, size_t len)
{
    return kp_conn_can_send(conn) && has_room(conn, len) ? 0 : write_for_room(conn, len);
}

/* ---- the soft limit ---------------------------------------------------------------- */

static void
note_growth(struct kelpie_conn *conn)
{
    size_t soft = conn->net->limits.soft_outbox;

    if (conn->outbox.len > HIGH_WATER(soft))
        conn->over_mark = true;
    if (conn->outbox.len <= soft)
        return;
    conn->blocks |= KP_BLOCK_OUTBOX;
    conn->frame_since_ns = 0;
    if (conn->over_soft_since_ns == 0) {
        conn->over_soft_since_ns = conn->net->loop->now_ns;
        kp_conn_clock_arm_or_drop(conn);
    }
}

/* ---- into the outbox --------------------------------------------------------------- */

static int
note_queued(struct kelpie_conn *conn, size_t len)
{
    conn->net->outbox_total += len;
    kp_conn_touch(conn);
    note_growth(conn);
    return kp_conn_is_open(conn) ? 0 : KELPIE_ECLOSED;
}

static bool
is_sent_at_once(const struct kelpie_conn *conn, const struct kp_wrap *wrap)
{
    const struct kp_net *net = conn->net;

    return wrap->len >= net->much && wrap->len <= net->limits.soft_outbox &&
           conn->outbox.len == 0 && !conn->write_blocked && conn->detached == NULL &&
           wrap->n_parts + 2 <= KP_OUTBOX_IOVECS;
}

static int
send_at_once(struct kelpie_conn *conn, const struct kp_wrap *wrap)
{
    struct kp_env *env = conn->net->env;
    struct iovec parts[KP_OUTBOX_IOVECS];
    ssize_t n;

    int rc = kp_outbox_send(&conn->outbox, &n, &env->mem, &env->sys, conn->source.fd,
                            parts, kp_wrap_list(wrap, parts), wrap->len);
    if (rc < 0)
        return rc;
    if (!kp_conn_note_sent(conn, wrap->len, n))
        return KELPIE_ECLOSED;
    note_growth(conn);
    return kp_conn_can_send(conn) ? 0 : KELPIE_ECLOSED;
}

static int
queue_wrapped(struct kelpie_conn *conn, const struct kp_wrap *wrap)
{
    int rc = make_room(conn, wrap->len);

    if (rc == KELPIE_EFULL) {
        conn->over_mark |= conn->outbox.len > 0; /* who was refused hears of the drain */
        kp_limit_hit(conn->net, KP_LIMIT_OUTBOX, &conn->peer, conn);
    }
    if (rc < 0 || wrap->len == 0)
        return rc;
    if (is_sent_at_once(conn, wrap))
        return send_at_once(conn, wrap);
    unsigned char *bytes = kp_outbox_grow(&conn->outbox, &conn->net->env->mem, wrap->len);
    if (bytes == NULL)
        return -ENOMEM;
    kp_wrap_copy(wrap, bytes);
    return note_queued(conn, wrap->len);
}

static int
queue_parts(struct kelpie_conn *conn, const struct kp_framing *framing,
            const struct iovec *parts, int n_parts)
{
    struct kp_wrap wrap;

    if (!kp_conn_can_send(conn))
        return KELPIE_ECLOSED;
    int rc = kp_wrap_init(&wrap, framing, parts, n_parts);
    return rc < 0 ? rc : queue_wrapped(conn, &wrap);
}

int
kp_conn_send(struct kelpie_conn *conn, const struct iovec *parts, int n_parts)
{
    int rc = queue_parts(conn, &conn->framing, parts, n_parts);

    if (rc == 0)
        conn->net->counters.messages_out++;
    return rc;
}

int
kp_conn_write(struct kelpie_conn *conn, const struct iovec *parts, int n_parts)
{
    return queue_parts(conn, NULL, parts, n_parts);
}

int
kp_conn_write_chunk(struct kelpie_conn *conn, struct kp_chunk *chunk, size_t start)
{
    size_t len = chunk->len - start;
    int rc = make_room(conn, len);

    if (rc < 0 || len == 0)
        return rc;
    rc = kp_outbox_append_chunk(&conn->outbox, &conn->net->env->mem, chunk, start);
    return rc < 0 ? rc : note_queued(conn, len);
}
