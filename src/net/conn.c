/*
 * conn.c - one connection, from the socket to the end
 *
 * Here is its life: opening, the states, holding and pausing, closing. How bytes come in is
 * in conn_read.c, how they go out in conn_queue.c and conn_write.c, its time limits in
 * conn_clock.c, and the table of all connections with the phases of a step in conns.c.
 *
 *     OPEN ----------------> DRAINING ---------------------------------> CLOSED
 *       |  kp_conn_close     write what is queued; then, unless the peer    ^
 *       |  "eof", limits     has ended, SHUT_WR and read on (lingering)     |
 *       +-------------------------------------------------------------------+
 *          kp_conn_drop: resets, time-outs, slow readers, no memory
 *
 * Closing is a request: it changes flags and lists, so it may be called from anywhere, also
 * from a handler of the same connection. The descriptor is closed, on_disconnect called and
 * the memory freed by the phases at the end of the step, when nobody on the stack and no
 * event of the batch can mean this connection any more. Of a connection that ends before it
 * was announced nobody hears anything.
 *
 * After CLOSED a suspended handler may keep the struct for a while: on_disconnect is asked
 * again after each kp_conn_release until it says that it was told. The descriptor does not
 * wait for that.
 */
#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conn_clock.h"
#include "conn_read.h"
#include "conn_write.h"
#include "conns.h"
#include "ip_limit.h"
#include "listener.h"
#include "sockopt.h"
#include "transport.h"

const char *
kp_conn_state_str(enum kp_conn_state state)
{
    switch (state) {
    case KP_CONN_OPEN:
        return "open";
    case KP_CONN_DRAINING:
        return "draining";
    case KP_CONN_CLOSED:
        return "closed";
    }
    return "?";
}

void
kp_conn_format(char *out, const struct kelpie_conn *conn)
{
    char peer[KP_ADDRESS_TEXT_SIZE];

    kp_peer_format(peer, &conn->peer);
    if (conn->outbound)
        snprintf(out, KP_CONN_TEXT_SIZE, "connection to %s", peer);
    else
        snprintf(out, KP_CONN_TEXT_SIZE, "client #%" PRIu32 " %s", conn->number, peer);
}

static void
set_reason(struct kelpie_conn *conn, const char *reason)
{
    size_t len;

    if (conn->reason[0] != '\0' || reason == conn->reason)
        return;
    if (reason == NULL || reason[0] == '\0')
        reason = "closed";
    len = strnlen(reason, sizeof(conn->reason) - 1);
    memcpy(conn->reason, reason, len);
    conn->reason[len] = '\0';
}

static void
enter_draining(struct kelpie_conn *conn)
{
    conn->frame_since_ns = 0;
    conn->over_soft_since_ns = 0;
    conn->closing_since_ns = conn->net->loop->now_ns;
    kp_conn_touch(conn); /* its clock is armed when that has not written everything */
}

static void
enter_closed(struct kelpie_conn *conn)
{
    struct kp_net *net = conn->net;

    conn->retry_at_ns = 0;
    kp_timer_cancel(net->timers, &conn->timer);
    /* Output is lost here, and a reset says so: an orderly end would make the peer believe
     * that it has everything. */
    if (conn->outbox.len > 0)
        conn->aborted = true;
    kp_conn_drop_output(conn);
    kp_list_remove(&conn->dirty);
    kp_list_remove(&conn->work);
    kp_list_append(&net->closed, &conn->work);
    if (!conn->outbound)
        net->counters.closed++;
}

static void
conn_set_state(struct kelpie_conn *conn, enum kp_conn_state state, const char *reason)
{
    enum kp_conn_state old = conn->state;

    set_reason(conn, reason);
    conn->state = state;
    kp_log_write(&conn->net->env->log, KELPIE_LOG_TRACE, "conn %llu: %s -> %s (%s)",
                 (unsigned long long)conn->id, kp_conn_state_str(old),
                 kp_conn_state_str(state), conn->reason);
    if (state == KP_CONN_DRAINING)
        enter_draining(conn);
    else
        enter_closed(conn);
}

/* ---- opening ----------------------------------------------------------------------- */

static void
on_conn_event(void *arg, const struct kp_event *event)
{
    struct kelpie_conn *conn = arg;

    if (conn->state == KP_CONN_CLOSED)
        return;
    if (event->watch_failed)
        kp_conn_drop(conn, kp_conn_error_reason(event->error), false);
    else if (event->filter == KP_READ)
        kp_conn_note_readable(conn, event);
    else
        kp_conn_note_writable(conn);
}

static void
init_conn(struct kelpie_conn *conn, struct kp_net *net, const union kp_peer *peer,
          struct kp_listener *listener)
{
    conn->net = net;
    conn->peer = *peer;
    conn->listener = listener;
    conn->state = KP_CONN_OPEN;
    conn->blocks = KP_BLOCK_FRESH;
    conn->framing.kind = KP_FRAME_LINE;
    conn->max_message = net->limits.max_message;
    conn->idle_timeout_ns = net->limits.idle_timeout_ns;
    conn->last_active_ns = net->loop->now_ns;
    kp_source_init(&conn->source);
    kp_conn_clock_init(conn);
    kp_list_init(&conn->work);
    kp_list_init(&conn->dirty);
    kp_list_init(&conn->rooms);
}

/* Takes everything that may be missing; what was taken is given back on failure. */
static int
acquire(struct kelpie_conn *conn, int fd)
{
    struct kp_net *net = conn->net;

    int rc = conn->outbound ? 0 : kp_ip_limit_take(net, &conn->peer);
    if (rc < 0)
        return rc;
    conn->counted = rc > 0;
    rc = kp_conns_enter(conn);
    if (rc < 0)
        goto fail_give_count;
    rc = fd < 0 ? 0 : kp_loop_add(net->loop, &conn->source, fd, on_conn_event, conn);
    if (rc < 0)
        goto fail_leave;
    if (conn->outbound && fd >= 0)
        rc = kp_loop_watch(net->loop, &conn->source, KP_READ, KP_EDGE, 0);
    if (rc == 0)
        rc = kp_conn_clock_arm(conn);
    if (rc < 0)
        goto fail_remove;
    return 0;

fail_remove:
    kp_loop_remove(net->loop, &conn->source);
fail_leave:
    kp_conns_leave(conn);
fail_give_count:
    if (conn->counted)
        kp_ip_limit_give(net, &conn->peer);
    return rc;
}

int
kp_conn_open(struct kp_net *net, struct kelpie_conn **out, int fd,
             const union kp_peer *peer, struct kp_listener *listener)
{
    *out = NULL;
    struct kelpie_conn *conn = kp_mem_zalloc(&net->env->mem, sizeof(*conn));
    if (conn == NULL)
        return -ENOMEM;
    init_conn(conn, net, peer, listener);
    int rc = acquire(conn, fd);
    if (rc < 0) {
        kp_mem_free(&net->env->mem, conn, sizeof(*conn));
        return rc;
    }
    if (fd >= 0)
        kp_sockopt_tune(&net->env->sys, fd, peer,
                        listener != NULL ? &listener->inherits : NULL);
    kp_list_append(&net->fresh, &conn->work);
    net->counters.accepted++;
    kp_log_write(&net->env->log, KELPIE_LOG_TRACE, "conn %llu: open",
                 (unsigned long long)conn->id);
    net->hooks.configure(net->hooks.arg, conn);
    *out = conn;
    return 0;
}

int
kp_conn_open_outbound(struct kp_net *net, struct kelpie_conn **out, int fd,
                      const union kp_peer *peer, uint32_t number)
{
    *out = NULL;
    struct kelpie_conn *conn = kp_mem_zalloc(&net->env->mem, sizeof(*conn));
    if (conn == NULL) {
        kp_conns_give_back(net, number);
        return -ENOMEM;
    }
    init_conn(conn, net, peer, NULL);
    conn->outbound = true;
    conn->number = number;
    conn->blocks = 0;
    conn->holds = 1;
    int rc = acquire(conn, fd);
    if (rc < 0) {
        kp_mem_free(&net->env->mem, conn, sizeof(*conn));
        return rc;
    }
    if (fd >= 0)
        kp_sockopt_tune(&net->env->sys, fd, peer, NULL);
    kp_log_write(&net->env->log, KELPIE_LOG_TRACE, "conn %llu: open, outbound",
                 (unsigned long long)conn->id);
    net->hooks.configure(net->hooks.arg, conn);
    *out = conn;
    return 0;
}

void
kp_conn_set_served(struct kelpie_conn *conn, bool served)
{
    assert(conn->outbound);
    if (conn->served == served)
        return;
    conn->served = served;
    if (served)
        kp_conn_release(conn);
    else
        kp_conn_hold(conn);
}

/* ---- closing ----------------------------------------------------------------------- */

void
kp_conn_close(struct kelpie_conn *conn, const char *reason)
{
    if (conn->state == KP_CONN_OPEN)
        conn_set_state(conn, KP_CONN_DRAINING, reason);
}

void
kp_conn_drop(struct kelpie_conn *conn, const char *reason, bool with_reset)
{
    if (conn->state == KP_CONN_CLOSED)
        return;
    conn->aborted = with_reset;
    conn_set_state(conn, KP_CONN_CLOSED, reason);
}

void
kp_conn_close_fd(struct kelpie_conn *conn)
{
    struct kp_net *net = conn->net;
    int fd = conn->source.fd;

    kp_detached_close(conn);
    if (fd < 0)
        return;
    if (conn->aborted)
        kp_sockopt_reset_on_close(&net->env->sys, fd);
    kp_loop_remove(net->loop, &conn->source);
    /* An error of close changes nothing: the descriptor is gone in any case. */
    (void)kp_sys_close(&net->env->sys, fd);
    conn->source.fd = -1;
}

void
kp_conn_free(struct kelpie_conn *conn)
{
    struct kp_net *net = conn->net;

    net->hooks.on_gone(net->hooks.arg, conn);
    kp_list_remove(&conn->work);
    kp_conns_leave(conn);
    if (conn->counted)
        kp_ip_limit_give(net, &conn->peer);
    kp_buf_clear(&conn->input, &net->env->mem);
    kp_mem_free(&net->env->mem, conn, sizeof(*conn));
}

/* ---- waiting and going on ---------------------------------------------------------- */

void
kp_conn_pause(struct kelpie_conn *conn)
{
    conn->blocks |= KP_BLOCK_PAUSED;
    conn->frame_since_ns = 0;
}

void
kp_conn_resume(struct kelpie_conn *conn)
{
    conn->blocks &= ~(unsigned)KP_BLOCK_PAUSED;
    kp_conn_wake(conn);
}

void
kp_conn_hold(struct kelpie_conn *conn)
{
    conn->holds++;
    conn->frame_since_ns = 0;
}

void
kp_conn_release(struct kelpie_conn *conn)
{
    assert(conn->holds > 0);
    if (--conn->holds > 0)
        return;
    if (conn->state != KP_CONN_CLOSED) {
        kp_conn_wake(conn);
    } else if (!conn->told) {
        /* It may wait in `gone` for its descriptor to be closed: it must be asked first, or
         * nobody would ask again. */
        kp_list_remove(&conn->work);
        kp_list_append(&conn->net->closed, &conn->work);
    }
}

void
kp_conn_set_wish(struct kelpie_conn *conn, bool wants, const struct kp_framing *once)
{
    conn->wants = wants;
    conn->has_once = once != NULL;
    if (once != NULL)
        conn->once = *once;
    memset(&conn->frame, 0, sizeof(conn->frame));
}

void
kp_conn_want_message(struct kelpie_conn *conn, const struct kp_framing *once)
{
    kp_conn_set_wish(conn, true, once);
    kp_conn_wake(conn);
}

void
kp_conn_unwant_message(struct kelpie_conn *conn)
{
    bool was_wanted = conn->wants;

    kp_conn_set_wish(conn, false, NULL);
    conn->frame_since_ns = 0;
    /* What has come meanwhile may be a message in the connection's own framing. */
    if (was_wanted)
        kp_conn_wake(conn);
}

void
kp_conn_set_framing(struct kelpie_conn *conn, const struct kp_framing *framing)
{
    conn->framing = *framing;
    memset(&conn->frame, 0, sizeof(conn->frame));
    kp_conn_wake(conn);
}

void
kp_conn_end_turn(struct kelpie_conn *conn)
{
    conn->turn_over = true;
}

void
kp_conn_set_idle_timeout(struct kelpie_conn *conn, uint64_t timeout_ns)
{
    conn->idle_timeout_ns = timeout_ns;
    kp_conn_clock_arm_or_drop(conn);
}
