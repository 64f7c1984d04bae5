/*
 * conn_clock.c - the time limits of one connection
 *
 *     clock    starts with                          ends with, or what happens then
 *     idle     the last byte read or written        close "idle timeout"
 *     frame    first byte of an unfinished message  its last one; drop "frame timeout"
 *     slow     the outbox passes soft_outbox        back below; drop "slow reader"
 *     closing  DRAINING, each write, SHUT_WR        CLOSED; the reason stays
 *     retry    ENOBUFS                              write again
 *
 * There is one timer for all of them, and it is lazy: traffic only notes the time. When
 * the timer fires, it looks at every clock and starts itself again for the earliest end
 * that is still to come. So a message costs no work in the heap, and a busy connection
 * costs one firing per idle_timeout.
 *
 * The notes are loop->now_ns, the time at which the step began, which costs no call. The
 * callback runs in the timers' phase: it changes flags, states and lists, and calls no
 * hook.
 */
#include "conn_clock.h"

#include "limit.h"

static uint64_t
end_of(uint64_t start_ns, uint64_t limit_ns)
{
    return start_ns > KP_NEVER - limit_ns ? KP_NEVER : start_ns + limit_ns;
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A limit of 0 is none, a start of 0 means that the clock does not run. */
static uint64_t
clock_end(uint64_t start_ns, uint64_t limit_ns)
{
    return start_ns == 0 || limit_ns == 0 ? KP_NEVER : end_of(start_ns, limit_ns);
}

static uint64_t
idle_end(const struct kelpie_conn *conn)
{
    return clock_end(conn->last_active_ns, conn->idle_timeout_ns);
}

static uint64_t
frame_end(const struct kelpie_conn *conn)
{
    return clock_end(conn->frame_since_ns, conn->net->limits.frame_timeout_ns);
}

static uint64_t
slow_end(const struct kelpie_conn *conn)
{
    return clock_end(conn->over_soft_since_ns, conn->net->limits.slow_reader_ns);
}

static uint64_t
closing_end(const struct kelpie_conn *conn)
{
    uint64_t limit_ns =
        conn->lingering ? KP_LINGER_NS : conn->net->limits.half_close_timeout_ns;

    return clock_end(conn->closing_since_ns, limit_ns);
}

static uint64_t
retry_end(const struct kelpie_conn *conn)
{
    return conn->retry_at_ns == 0 ? KP_NEVER : conn->retry_at_ns;
}

static uint64_t
earliest_end(const struct kelpie_conn *conn)
{
    uint64_t end_ns = retry_end(conn);

    if (conn->state == KP_CONN_DRAINING)
        return earlier(end_ns, closing_end(conn));
    end_ns = earlier(end_ns, idle_end(conn));
    end_ns = earlier(end_ns, frame_end(conn));
    return earlier(end_ns, slow_end(conn));
}

/* After a long sleep of the whole process every clock is late at once, while input, or
 * room for output, has long been there: events come before timers in a step. Who is about
 * to be read or written is judged by what that brings, with the next step. */
static bool
is_about_to_be_read(const struct kelpie_conn *conn)
{
    return conn->readable && conn->blocks == 0;
}

static bool
is_about_to_be_written(const struct kelpie_conn *conn)
{
    return kp_node_is_linked(&conn->dirty) && !conn->write_blocked;
}

static void
check_draining(struct kelpie_conn *conn, uint64_t now_ns)
{
    if (now_ns >= closing_end(conn) && !is_about_to_be_written(conn))
        kp_conn_drop(conn, conn->reason, false);
}

static void
check_open(struct kelpie_conn *conn, uint64_t now_ns)
{
    bool is_silent = !is_about_to_be_read(conn);

    if (now_ns >= frame_end(conn) && is_silent) {
        kp_limit_hit(conn->net, KP_LIMIT_FRAME, &conn->peer, conn);
        kp_conn_drop(conn, "frame timeout", false);
    } else if (now_ns >= slow_end(conn) && !is_about_to_be_written(conn)) {
        kp_limit_hit(conn->net, KP_LIMIT_SLOW, &conn->peer, conn);
        kp_conn_drop(conn, "slow reader", true);
    } else if (now_ns >= idle_end(conn) && is_silent) {
        kp_limit_hit(conn->net, KP_LIMIT_IDLE, &conn->peer, conn);
        kp_conn_close(conn, "idle timeout");
    }
}

static void
on_conn_timer(struct kp_timer *timer, void *arg)
{
    struct kelpie_conn *conn = arg;
    struct kp_net *net = conn->net;
    /* Who runs the timers may have looked at the clock later than the loop did. */
    uint64_t now_ns =
        net->loop->now_ns > timer->deadline_ns ? net->loop->now_ns : timer->deadline_ns;

    if (now_ns >= retry_end(conn)) {
        conn->retry_at_ns = 0;
        conn->write_blocked = false;
        if (!kp_node_is_linked(&conn->dirty))
            kp_list_append(&net->dirty, &conn->dirty);
    }
    if (conn->state == KP_CONN_OPEN)
        check_open(conn, now_ns);
    else
        check_draining(conn, now_ns);
    if (conn->state != KP_CONN_CLOSED)
        kp_conn_clock_arm_or_drop(conn);
}

void
kp_conn_clock_init(struct kelpie_conn *conn)
{
    kp_timer_init(&conn->timer, on_conn_timer, conn);
}

int
kp_conn_clock_arm(struct kelpie_conn *conn)
{
    uint64_t end_ns = earliest_end(conn);

    if (end_ns == KP_NEVER)
        return 0;
    if (kp_timer_is_started(&conn->timer) && conn->timer.deadline_ns <= end_ns)
        return 0;
    return kp_timer_start(conn->net->timers, &conn->timer, end_ns);
}

void
kp_conn_clock_arm_or_drop(struct kelpie_conn *conn)
{
    if (conn->state != KP_CONN_CLOSED && kp_conn_clock_arm(conn) < 0)
        kp_conn_drop(conn, "out of memory", false);
}
