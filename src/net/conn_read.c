/*
 * conn_read.c - bytes come in, messages go out to the hook
 *
 * An event only notes that there is something to read. The reading is done in the deliver
 * phase, one connection after the other, so no handler runs while events are delivered
 * and none runs inside another. A turn of a connection is
 *
 *     deliver what waits in conn->input
 *     one recv, if nothing complete waits there; of those who send little it was done
 *     shortly before, after that of the one before
 *     deliver what it brought; keep the rest in conn->input
 *
 * within a budget (conn_deliver.c).
 *
 * Where recv writes to: with nothing or little left over, into the net's scratch memory
 * behind a copy of that little, and messages are handed over from there; so a connection
 * without an unfinished message holds no memory, and one read serves many messages. With
 * much left over (a long message), into conn->input itself, which doubles as bytes really
 * come: an announced length costs nothing.
 *
 * A recv that fills its buffer leaves something behind, perhaps, and the edge-triggered
 * event will not remind us: the connection stays `readable` and on the ready list. A short
 * one has emptied the socket, unless an event has said EOF: then read on until 0. The
 * event is never taken for the end itself, because the last bytes come with it.
 *
 *     who may get messages     not paused, outbox not full, not held or wanting one
 *     who is read              the same; and held ones, up to KP_HELD_INPUT, so that the
 *                              end of a peer is noticed while its handler sleeps
 *
 * After the end (0, or an error: conn->error) the complete messages are still delivered;
 * then on_input_end if a handler is suspended, else the close.
 */
#include "conn_read.h"

#include <errno.h>
#include <string.h>

#include "conn_clock.h"
#include "transport.h"

/* Up to this much left over is copied in front of the next read. A long message would be
 * copied again and again; 4 KiB cost less than a system call. */
#define COPY_MAX 4096

/* Room for one read into conn->input; doubling makes the later ones longer. */
#define GROW 4096

/* ---- from the socket to bytes ------------------------------------------------------ */

static void
note_end(struct kelpie_conn *conn, int error)
{
    conn->blocks |= KP_BLOCK_END;
    conn->readable = false;
    if (conn->error == 0)
        conn->error = error;
}

/* Draws the conclusions from the result of a recv of at most size bytes.
 * Returns   whether it brought bytes. */
static bool
note_received(struct kelpie_conn *conn, ssize_t n, size_t size)
{
    if (n > 0) {
        conn->net->counters.bytes_in += (uint64_t)n;
        conn->last_active_ns = conn->net->loop->now_ns;
        conn->readable = (size_t)n == size || conn->saw_eof;
        conn->reads_much = n >= KP_AHEAD_SIZE;
        return true;
    }
    if (n == 0)
        note_end(conn, 0);
    else if (n != -EAGAIN && n != -EWOULDBLOCK)
        note_end(conn, (int)-n);
    else if (conn->error != 0) /* writing has failed, and now nothing more can come */
        note_end(conn, conn->error);
    else
        conn->readable = false;
    return false;
}

static void
end_without_memory(struct kelpie_conn *conn)
{
    kp_conn_close(conn, "out of memory");
}

/* Keeps bytes that were not delivered. */
static void
keep(struct kelpie_conn *conn, const unsigned char *bytes, size_t len)
{
    if (len > 0 && kp_conn_is_open(conn) &&
        kp_buf_append(&conn->input, &conn->net->env->mem, bytes, len) < 0)
        end_without_memory(conn);
}

/* Reads behind a copy of what is left over, delivers, and keeps what is then left. */
static bool
read_to_scratch(struct kelpie_conn *conn, struct kp_turn *turn)
{
    struct kp_mem *mem = &conn->net->env->mem;
    unsigned char *scratch = conn->net->scratch;
    size_t left = kp_buf_len(&conn->input);
    size_t size = KP_NET_SCRATCH_SIZE - left;

    if (left > 0)
        memcpy(scratch, kp_buf_bytes(&conn->input), left);
    ssize_t n = kp_transport_recv(conn, scratch + left, size);
    if (!note_received(conn, n, size))
        return false;

    size_t len = left + (size_t)n;
    size_t used = kp_conn_deliver(conn, scratch, len, turn);
    if (used > 0)
        kp_buf_consume(&conn->input, mem, left);
    size_t kept =
        used > 0 ? used : left; /* scratch[0, kept) is done with, or kept already */
    keep(conn, scratch + kept, len - kept);
    return true;
}

/* Reads into the input buffer itself, and delivers from there. */
static bool
read_to_input(struct kelpie_conn *conn, struct kp_turn *turn)
{
    struct kp_buf *input = &conn->input;

    if (kp_buf_reserve(input, &conn->net->env->mem, GROW) < 0) {
        end_without_memory(conn);
        return false;
    }
    size_t size = input->capacity - input->end;
    if (size > KP_NET_SCRATCH_SIZE)
        size = KP_NET_SCRATCH_SIZE;
    ssize_t n = kp_transport_recv(conn, input->data + input->end, size);
    if (!note_received(conn, n, size))
        return false;
    input->end += (size_t)n;
    kp_conn_deliver_input(conn, turn);
    return true;
}

/* How much a held connection may let wait. A message that is wanted later must fit. */
static size_t
held_bound(const struct kelpie_conn *conn)
{
    return conn->max_message > KP_HELD_INPUT ? conn->max_message : KP_HELD_INPUT;
}

static bool
may_read(struct kelpie_conn *conn, const struct kp_turn *turn)
{
    unsigned waits = KP_DELIVERY_WAITS | KP_BLOCK_END;

    if (conn->state != KP_CONN_OPEN || !conn->readable || (conn->blocks & waits) != 0)
        return false;
    conn->blocks &= ~(unsigned)KP_BLOCK_INPUT;
    if (!kp_conn_is_held_back(conn))
        return turn->starved;
    if (kp_buf_len(&conn->input) < held_bound(conn))
        return true;
    conn->blocks |= KP_BLOCK_INPUT;
    return false;
}

static bool
read_once(struct kelpie_conn *conn, struct kp_turn *turn)
{
    if (kp_buf_len(&conn->input) <= COPY_MAX)
        return read_to_scratch(conn, turn);
    return read_to_input(conn, turn);
}

/* ---- ahead of its turn ------------------------------------------------------------- */

void
kp_conn_read_ahead(struct kp_ahead *ahead)
{
    struct kelpie_conn *conn = ahead->conn;

    ahead->is_read = kp_conn_may_deliver(conn) && conn->blocks == 0 && conn->readable &&
                     !conn->reads_much && kp_buf_len(&conn->input) == 0 &&
                     conn->detached == NULL;
    if (ahead->is_read)
        ahead->n = kp_transport_recv(conn, ahead->bytes, KP_AHEAD_SIZE);
}

/* Another's handler may have closed or paused it since. */
static void
take_ahead(struct kelpie_conn *conn, const struct kp_ahead *ahead, struct kp_turn *turn)
{
    if (!note_received(conn, ahead->n, KP_AHEAD_SIZE))
        return;
    size_t used = kp_conn_deliver(conn, ahead->bytes, (size_t)ahead->n, turn);
    keep(conn, ahead->bytes + used, (size_t)ahead->n - used);
}

void
kp_conn_put_off(const struct kp_ahead *ahead)
{
    struct kelpie_conn *conn = ahead->conn;

    if (ahead->is_read && kp_conn_is_open(conn) &&
        note_received(conn, ahead->n, KP_AHEAD_SIZE))
        keep(conn, ahead->bytes, (size_t)ahead->n);
}

/* ---- the end of the stream --------------------------------------------------------- */

static void
tell_end(struct kelpie_conn *conn)
{
    const struct kp_net_hooks *hooks = &conn->net->hooks;

    conn->input_ended = true;
    conn->wants = false;
    conn->has_once = false;
    hooks->on_input_end(hooks->arg, conn);
}

/* No handler hears of it: only who receives its messages. */
static bool
is_unserved(const struct kelpie_conn *conn)
{
    return conn->outbound && !conn->served;
}

static void
end_input(struct kelpie_conn *conn)
{
    if (conn->has_once && conn->error == 0 && !is_unserved(conn)) {
        /* There is none of the kind that was wished for; what is left may still be messages
         * in the connection's own framing. */
        memset(&conn->frame, 0, sizeof(conn->frame));
        tell_end(conn);
        kp_conn_wake(conn);
        return;
    }
    if (kp_buf_len(&conn->input) > 0 && conn->error == 0)
        conn->net->counters.partial_at_eof++;
    kp_buf_clear(&conn->input, &conn->net->env->mem);
    if (conn->error != 0) {
        kp_conn_drop(conn, kp_conn_error_reason(conn->error), false);
    } else if (conn->holds == 0) {
        kp_conn_close(conn, "eof");
    } else if (!conn->input_ended || conn->wants) {
        tell_end(conn);
        /* What the receiver has said to that is still sent. Nobody else hears of the end. */
        if (is_unserved(conn))
            kp_conn_close(conn, "eof");
    }
}

/* Returns whether the stream has ended and nothing of it is left to deliver. */
static bool
is_at_end(const struct kelpie_conn *conn, const struct kp_turn *turn)
{
    return conn->state == KP_CONN_OPEN && (conn->blocks & KP_BLOCK_END) != 0 &&
           (conn->blocks & KP_DELIVERY_WAITS) == 0 && turn->starved;
}

/* Starts the clock of an unfinished message; it does not run while the delay is ours. */
static void
time_frame(struct kelpie_conn *conn, const struct kp_turn *turn)
{
    bool peer_is_slow =
        kp_buf_len(&conn->input) > 0 && turn->starved && kp_conn_may_deliver(conn);

    if (!peer_is_slow) {
        conn->frame_since_ns = 0;
    } else if (conn->frame_since_ns == 0) {
        conn->frame_since_ns = conn->net->loop->now_ns;
        kp_conn_clock_arm_or_drop(conn);
    }
}

/* ---- a turn ------------------------------------------------------------------------ */

static void
serve_open(struct kelpie_conn *conn, const struct kp_ahead *ahead)
{
    struct kp_turn turn;

    kp_turn_start(&turn, conn);
    kp_conn_deliver_input(conn, &turn);
    if (ahead->is_read)
        take_ahead(conn, ahead, &turn);
    /* The second round is for a peer that has ended: its 0 comes after its last bytes. */
    for (int round = 0; round < 2 && may_read(conn, &turn); round++)
        if (!read_once(conn, &turn) || !conn->saw_eof)
            break;
    /* The end of the stream may make a last message of the rest. */
    if ((conn->blocks & KP_BLOCK_END) != 0 && !turn.exhausted)
        kp_conn_deliver_input(conn, &turn);
    if (is_at_end(conn, &turn))
        end_input(conn);

    if (conn->state != KP_CONN_OPEN) {
        kp_buf_clear(&conn->input, &conn->net->env->mem);
        return;
    }
    time_frame(conn, &turn);
    if (turn.exhausted || may_read(conn, &turn))
        kp_conn_wake(conn);
}

/* The peer may have sent what nobody reads any more. Closing over it would make the kernel
 * answer with a reset, which can destroy our last reply on its way (reliability C5). */
static void
serve_lingering(struct kelpie_conn *conn)
{
    ssize_t n = kp_transport_recv(conn, conn->net->scratch, KP_NET_SCRATCH_SIZE);

    if (n == -EAGAIN || n == -EWOULDBLOCK) {
        conn->readable = false;
        return;
    }
    if (n > 0)
        conn->lingered += (uint32_t)n;
    if (n <= 0 || conn->lingered >= KP_LINGER_BYTES)
        kp_conn_drop(conn, conn->reason, false);
    else if (n == KP_NET_SCRATCH_SIZE || conn->saw_eof)
        kp_conn_wake(conn);
    else
        conn->readable = false;
}

void
kp_conn_serve(const struct kp_ahead *ahead)
{
    struct kelpie_conn *conn = ahead->conn;

    if (conn->state == KP_CONN_OPEN)
        serve_open(conn, ahead);
    else if (conn->state == KP_CONN_DRAINING && conn->lingering && conn->readable)
        serve_lingering(conn);
}

void
kp_conn_wake(struct kelpie_conn *conn)
{
    bool may_go_on = conn->state == KP_CONN_OPEN ? (conn->blocks & KP_DELIVERY_WAITS) == 0
                                                 : conn->lingering;
    bool has_something = conn->readable || kp_buf_len(&conn->input) > 0 ||
                         (conn->blocks & KP_BLOCK_END) != 0;

    if (conn->state == KP_CONN_CLOSED || !may_go_on || !has_something)
        return;
    if (!kp_node_is_linked(&conn->work))
        kp_list_append(&conn->net->ready, &conn->work);
}

void
kp_conn_note_readable(struct kelpie_conn *conn, const struct kp_event *event)
{
    conn->readable = true;
    if (event->eof)
        conn->saw_eof = true;
    /* Asking for the error has taken it from the socket (kqueue.md, 0.7): the recv that
     * follows will say 0, and this is what it means. */
    if (event->eof && event->error != 0)
        conn->error = event->error;
    kp_conn_wake(conn);
}

const char *
kp_conn_error_reason(int error)
{
    switch (error) {
    case ETIMEDOUT:
        return "timeout";
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
        return "unreachable";
    case ENOMEM:
    case ENOBUFS:
        return "out of memory";
    default:
        return "reset";
    }
}
