/*
 * conn_write.c - once a step from the outbox to the socket
 *
 * Sending only queues (conn_queue.c); one write per dirty connection and step follows in the
 * flush phase. Much at a time does not wait for that: a long message is written from where it
 * is, and many answers when their connection's turn is over, while the processor's cache has
 * them.
 *
 * KP_WRITE is watched only while the kernel has not taken everything:
 *
 *     all written      nothing is watched
 *     a part           KP_WRITE is watched from now on, which re-evaluates it at once; if it
 *                      is watched already, the connection stays dirty for the next step,
 *                      because the edge comes only after an EAGAIN
 *     EAGAIN           write_blocked: not tried again before KP_WRITE is told
 *     ENOBUFS, ENOMEM  write_blocked: no event tells, so a clock does
 *     other errors     the peer is gone; what it has sent before is still read if nothing
 *                      keeps us from reading now, then the connection ends
 */
#include "conn_write.h"

#include <errno.h>

#include "conn_clock.h"
#include "conn_read.h"
#include "transport.h"

void
kp_conn_touch(struct kelpie_conn *conn)
{
    if (conn->state != KP_CONN_CLOSED && !kp_node_is_linked(&conn->dirty))
        kp_list_append(&conn->net->dirty, &conn->dirty);
}

void
kp_conn_note_writable(struct kelpie_conn *conn)
{
    conn->write_blocked = false;
    if (conn->outbox.len > 0)
        kp_conn_touch(conn);
}

void
kp_conn_drop_output(struct kelpie_conn *conn)
{
    conn->net->counters.dropped_bytes += conn->outbox.len;
    conn->net->outbox_total -= conn->outbox.len;
    kp_outbox_clear(&conn->outbox, &conn->net->env->mem);
}

/* ---- the soft limit ---------------------------------------------------------------- */

static void
note_shrinking(struct kelpie_conn *conn)
{
    if (conn->outbox.len <= conn->net->limits.soft_outbox)
        conn->over_soft_since_ns = 0;
    if ((conn->blocks & KP_BLOCK_OUTBOX) != 0 &&
        conn->outbox.len <= conn->net->limits.soft_outbox / 2) {
        conn->blocks &= ~(unsigned)KP_BLOCK_OUTBOX;
        kp_conn_wake(conn);
    }
}

/* ---- to the socket ----------------------------------------------------------------- */

static void
watch_writable(struct kelpie_conn *conn)
{
    if (kp_transport_watch(conn, KP_WRITE) < 0)
        kp_conn_drop(conn, "out of memory", false);
}

static void
retry_later(struct kelpie_conn *conn)
{
    conn->write_blocked = true;
    conn->retry_at_ns = conn->net->loop->now_ns + KP_WRITE_RETRY_NS;
    kp_conn_clock_arm_or_drop(conn);
}

/* Nothing can be written any more. What the peer has sent before it went may still be
 * there: who sends its commands and closes is no less a client. Where nothing keeps us
 * from reading, that is done before the end. */
static void
fail_output(struct kelpie_conn *conn, int error)
{
    bool is_read = conn->state == KP_CONN_OPEN && conn->blocks == 0 && conn->holds == 0;

    if (!is_read) {
        kp_conn_drop(conn, kp_conn_error_reason(error), false);
        return;
    }
    kp_conn_drop_output(conn);
    conn->error = error;
    conn->saw_eof = true;
    conn->readable = true;
    kp_conn_wake(conn);
}

static void
note_written(struct kelpie_conn *conn, size_t n)
{
    struct kp_net *net = conn->net;

    net->outbox_total -= n;
    net->counters.bytes_out += n;
    conn->last_active_ns = net->loop->now_ns;
    if (conn->state == KP_CONN_DRAINING)
        conn->closing_since_ns = net->loop->now_ns;
    note_shrinking(conn);
    if (conn->outbox.len == 0)
        /* Turning a watch off cannot fail. */
        (void)kp_loop_watch(net->loop, &conn->source, KP_WRITE, KP_OFF, 0);
    else if (conn->source.mode[KP_WRITE] == KP_OFF)
        watch_writable(conn);
    else
        kp_conn_touch(conn);
}

/* Returns whether the result of a write only means that the kernel takes no more now. */
static bool
is_refusal(ssize_t n)
{
    return n == 0 || n == -EAGAIN || n == -EWOULDBLOCK || n == -ENOBUFS || n == -ENOMEM;
}

/* Draws the conclusions from the result of a write. */
static void
note_flushed(struct kelpie_conn *conn, ssize_t n)
{
    if (n > 0) {
        note_written(conn, (size_t)n);
    } else if (n == -ENOBUFS || n == -ENOMEM) {
        retry_later(conn);
    } else if (is_refusal(n)) {
        conn->write_blocked = true;
        watch_writable(conn);
    } else {
        fail_output(conn, (int)-n);
    }
}

bool
kp_conn_note_sent(struct kelpie_conn *conn, size_t len, ssize_t n)
{
    if (n < 0 && !is_refusal(n)) { /* so it was never queued */
        kp_outbox_clear(&conn->outbox, &conn->net->env->mem);
        fail_output(conn, (int)-n);
        return false;
    }
    conn->net->outbox_total += len;
    note_flushed(conn, n);
    return true;
}

static void
flush(struct kelpie_conn *conn, bool ends)
{
    if (conn->outbox.len > 0 && !conn->write_blocked && !kp_transport_is_writing(conn))
        note_flushed(conn, kp_transport_flush(conn, ends));
}

void
kp_conn_flush(struct kelpie_conn *conn)
{
    flush(conn, false);
}

void
kp_conn_finish(struct kelpie_conn *conn)
{
    if (conn->state != KP_CONN_OPEN || conn->finishing)
        return;
    conn->finishing = true;
    kp_conn_touch(conn);
}

static void
go_on_finishing(struct kelpie_conn *conn)
{
    if (conn->outbox.len > 0 || conn->finished || conn->error != 0)
        return;
    conn->finished = true;
    int rc = kp_transport_finish(conn);
    if (rc < 0)
        kp_conn_drop(conn, kp_conn_error_reason(-rc), false);
}

/* Everything is written: the peer is told so, and gets time to end as well. */
static void
start_lingering(struct kelpie_conn *conn)
{
    struct kp_net *net = conn->net;

    conn->lingering = true;
    conn->closing_since_ns = net->loop->now_ns;
    if (kp_sys_shutdown(&net->env->sys, conn->source.fd, SHUT_WR) < 0 ||
        kp_loop_watch(net->loop, &conn->source, KP_READ, KP_EDGE, 0) < 0 ||
        kp_conn_clock_arm(conn) < 0)
        kp_conn_drop(conn, conn->reason, false);
    else
        kp_conn_wake(conn);
}

void
kp_conn_flush_much(struct kelpie_conn *conn)
{
    if (conn->outbox.len < conn->net->much || conn->write_blocked)
        return;
    kp_list_remove(&conn->dirty);
    kp_conn_flush(conn);
    /* What follows an empty outbox, on_drain or SHUT_WR, is done in its turn. */
    if (conn->over_mark || conn->finishing || conn->state == KP_CONN_DRAINING)
        kp_conn_touch(conn);
}

/* Returns whether SHUT_WR follows the last byte. Where it is the close, at the end of the
 * step, that byte does not wait for it. */
static bool
ends_with_shutdown(const struct kelpie_conn *conn)
{
    if (conn->state == KP_CONN_DRAINING)
        return (conn->blocks & KP_BLOCK_END) == 0 && !conn->lingering;
    return conn->finishing && !conn->finished && conn->error == 0;
}

static void
go_on_draining(struct kelpie_conn *conn)
{
    kp_buf_clear(&conn->input, &conn->net->env->mem);
    if (conn->lingering)
        return;
    if (conn->outbox.len > 0)
        kp_conn_clock_arm_or_drop(conn);
    else if ((conn->blocks & KP_BLOCK_END) != 0 || conn->detached != NULL)
        kp_conn_drop(conn, conn->reason, false);
    else
        start_lingering(conn);
}

/* What follows a write. */
static void
end_turn(struct kelpie_conn *conn)
{
    const struct kp_net_hooks *hooks = &conn->net->hooks;

    if (conn->state == KP_CONN_CLOSED)
        return;
    if (conn->state == KP_CONN_DRAINING) {
        go_on_draining(conn);
    } else if (conn->finishing) {
        go_on_finishing(conn);
    } else if (conn->over_mark && conn->outbox.len == 0 && kp_conn_can_send(conn)) {
        conn->over_mark = false;
        hooks->on_drain(hooks->arg, conn);
    }
}

static void
flush_turn(struct kelpie_conn *conn)
{
    flush(conn, ends_with_shutdown(conn));
    end_turn(conn);
}

/* ---- many of them ------------------------------------------------------------------ */

#define TOGETHER 64

/* Connections whose bytes are written, and are in their outboxes still. */
struct batch {
    struct kelpie_conn *conns[TOGETHER];
    ssize_t written[TOGETHER];
    int n;
};

static void
settle(struct batch *batch)
{
    for (int i = 0; i < batch->n; i++) {
        struct kelpie_conn *conn = batch->conns[i];
        kp_outbox_drop(&conn->outbox, &conn->net->env->mem, batch->written[i]);
        note_flushed(conn, batch->written[i]);
    }
    for (int i = 0; i < batch->n; i++) /* handlers run only now */
        end_turn(batch->conns[i]);
    batch->n = 0;
}

/* Returns whether there is nothing to do in its turn but to write to its socket. */
static bool
only_writes(const struct kelpie_conn *conn)
{
    return kp_conn_can_send(conn) && conn->outbox.len > 0 && !conn->write_blocked &&
           conn->detached == NULL;
}

void
kp_conn_flush_turns(struct kp_node *dirty)
{
    struct kp_node *node;
    struct batch batch;

    batch.n = 0;
    while ((node = kp_list_pop(dirty)) != NULL) {
        struct kelpie_conn *conn = kp_container_of(node, struct kelpie_conn, dirty);
        bool joins = only_writes(conn);
        if (joins) {
            batch.conns[batch.n] = conn;
            batch.written[batch.n++] = kp_outbox_write(
                &conn->outbox, &conn->net->env->sys, conn->source.fd, false);
        }
        if (!joins || batch.n == TOGETHER)
            settle(&batch);
        if (!joins)
            flush_turn(conn);
    }
    settle(&batch);
}
