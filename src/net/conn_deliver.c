/*
 * conn_deliver.c - bytes become messages, and go to the hook
 *
 * Within a budget of messages, bytes and time; who has more goes to the end of the line.
 * Whether on_message is called for each message or takes the next one itself
 * (kp_conn_next_message), it is cut by the same function, by the same rules.
 */
#include "conn_deliver.h"

#include <string.h>

#include "limit.h"

/* ---- the budget ---------------------------------------------------------------------- */

void
kp_turn_start(struct kp_turn *turn, struct kelpie_conn *conn)
{
    *turn = (struct kp_turn){.end_ns = KP_NEVER};
    conn->turn_over = false;
}

/* The clock runs from the first message on and is looked at after 4, 8, 16... of them: who has
 * sent one only does not pay for it, and who has sent many pays seldom. */
static bool
time_is_over(struct kp_turn *turn, const struct kelpie_conn *conn)
{
    size_t n = turn->messages;
    bool has_doubled = (n & (n - 1)) == 0;

    if (n != 1 && (n < KP_STEP_CLOCK || !has_doubled))
        return false;
    uint64_t now_ns = kp_sys_now_ns(&conn->net->env->sys);
    if (n == 1)
        turn->end_ns = now_ns + KP_STEP_NS;
    return now_ns >= turn->end_ns;
}

static bool
turn_is_over(struct kp_turn *turn, const struct kelpie_conn *conn)
{
    turn->exhausted = turn->messages >= KP_STEP_MESSAGES ||
                      turn->bytes >= KP_STEP_BYTES || conn->turn_over ||
                      (turn->messages > 0 && time_is_over(turn, conn));
    return turn->exhausted;
}

/* ---- from bytes to messages -------------------------------------------------------- */

static void
end_for_frame_error(struct kelpie_conn *conn, int error)
{
    bool is_too_long = error == KELPIE_ETOOLONG;

    kp_limit_hit(conn->net, is_too_long ? KP_LIMIT_MESSAGE : KP_LIMIT_PROTOCOL,
                 &conn->peer, conn);
    kp_conn_close(conn, is_too_long ? "message too long" : "protocol error");
}

/* A message was cut. All of this before the hook, which may wish for the next one already. */
static void
note_message(struct kelpie_conn *conn)
{
    memset(&conn->frame, 0, sizeof(conn->frame));
    conn->frame_since_ns = 0;
    conn->wants = false;
    conn->has_once = false;
    conn->net->counters.messages_in++;
}

/* Looks for the next message, at the end of the stream also for an unfinished one. */
static int
cut(struct kelpie_conn *conn, const unsigned char *bytes, size_t len,
    struct kp_frame *out)
{
    const struct kp_framing *framing = conn->has_once ? &conn->once : &conn->framing;

    int rc = kp_frame_next(framing, &conn->frame, bytes, len, conn->max_message, out);
    if (rc == 0 && (conn->blocks & KP_BLOCK_END) != 0 && conn->error == 0)
        rc = kp_frame_rest(framing, bytes, len, out);
    return rc;
}

/* Bytes of which messages are made. */
struct kp_delivery {
    struct kelpie_conn *conn;
    struct kp_turn *turn;
    const unsigned char *bytes;
    size_t len;
    size_t used; /* by messages that were cut */
};

/* Cuts the next message if there is one, the connection may get it and the turn lasts. */
static bool
take_message(struct kp_delivery *delivery, const void **message, size_t *len)
{
    struct kelpie_conn *conn = delivery->conn;
    struct kp_turn *turn = delivery->turn;
    const unsigned char *bytes = delivery->bytes + delivery->used;
    struct kp_frame frame;

    if (delivery->used == delivery->len || !kp_conn_may_deliver(conn) ||
        turn_is_over(turn, conn))
        return false;
    int rc = cut(conn, bytes, delivery->len - delivery->used, &frame);
    if (rc < 0)
        end_for_frame_error(conn, rc);
    if (rc <= 0) {
        turn->starved = true;
        return false;
    }
    turn->messages++;
    turn->bytes += frame.consumed;
    delivery->used += frame.consumed;
    note_message(conn);
    *message = bytes + frame.start;
    *len = frame.len;
    return true;
}

bool
kp_conn_next_message(struct kelpie_conn *conn, const void **message, size_t *len)
{
    struct kp_delivery *delivery = conn->net->delivery;

    return delivery != NULL && delivery->conn == conn &&
           take_message(delivery, message, len);
}

size_t
kp_conn_deliver(struct kelpie_conn *conn, const unsigned char *bytes, size_t len,
                struct kp_turn *turn)
{
    struct kp_delivery delivery = {
        .conn = conn, .turn = turn, .bytes = bytes, .len = len};
    struct kp_net *net = conn->net;
    const void *message;
    size_t message_len;

    turn->starved = len == 0;
    net->delivery = &delivery;
    while (take_message(&delivery, &message, &message_len))
        net->hooks.on_message(net->hooks.arg, conn, message, message_len);
    net->delivery = NULL;
    if (delivery.used == len)
        turn->starved = true;
    return delivery.used;
}

void
kp_conn_deliver_input(struct kelpie_conn *conn, struct kp_turn *turn)
{
    size_t len = kp_buf_len(&conn->input);
    size_t used =
        len == 0 ? 0 : kp_conn_deliver(conn, kp_buf_bytes(&conn->input), len, turn);

    if (len == 0)
        turn->starved = true;
    kp_buf_consume(&conn->input, &conn->net->env->mem, used);
}
