/*
 * sim_account.c - what must hold in every run: bytes for the clients
 *
 *     I2  what a send has taken arrives in order, and is for whom it was sent to
 *     I8  a send says that there is no room only when there is none
 *
 * Everything is accounted for exactly: what was queued is what the kernel has taken and what
 * is still in the outbox. So whom a cast has reached is seen by what their accounts have
 * become. What a framing puts around a message is written here once more, from its words.
 */
#include "sim_script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/conn.h"

/* Appends what a framing makes of a message. Returns whether it can be written. */
static bool
wrap(struct sim_world *world, struct kp_buf *out, const struct kp_framing *framing,
     const unsigned char *message, size_t len)
{
    char head[32];
    unsigned char prefix[4];
    size_t limit =
        framing->length_size >= 4 ? SIZE_MAX : (size_t)1 << (8 * framing->length_size);

    switch (framing->kind) {
    case KP_FRAME_LENGTH:
        if (len >= limit)
            return false;
        for (size_t i = 0; i < framing->length_size; i++) {
            size_t at = framing->little_endian ? i : framing->length_size - 1 - i;
            prefix[at] = (unsigned char)(len >> (8 * i));
        }
        sim_append(world, out, prefix, framing->length_size);
        break;
    case KP_FRAME_NETSTRING:
        sim_append(world, out, head, (size_t)snprintf(head, sizeof(head), "%zu:", len));
        break;
    case KP_FRAME_FIXED:
        if (len != framing->fixed_size)
            return false;
        break;
    default:
        break;
    }
    sim_append(world, out, message, len);
    if (framing->kind == KP_FRAME_LINE)
        sim_append(world, out, "\n", 1);
    else if (framing->kind == KP_FRAME_CRLF)
        sim_append(world, out, "\r\n", 2);
    else if (framing->kind == KP_FRAME_NETSTRING)
        sim_append(world, out, ",", 1);
    else if (framing->kind == KP_FRAME_DELIMITER)
        sim_append(world, out, framing->delimiter, framing->delimiter_len);
    return true;
}

static bool
queue(struct sim_world *world, struct sim_peer *peer, const kelpie_conn *conn,
      const void *message, size_t len, bool wrapped)
{
    static const struct kp_framing as_it_is = {.kind = KP_FRAME_RAW};

    return wrap(world, &peer->queued, wrapped ? &conn->framing : &as_it_is, message, len);
}

/* How much must have gone into the outbox and out of it again. */
void
sim_check_account(struct sim_world *world, struct sim_peer *peer, const kelpie_conn *conn)
{
    size_t wrote = sim_link_of(world, peer)->server_wrote;

    if (conn->state != KP_CONN_CLOSED && conn->error == 0 &&
        wrote + conn->outbox.len != kp_buf_len(&peer->queued))
        VIOLATE("I2: conn %llu: %zu bytes written and %zu queued, but sent were %zu",
                (unsigned long long)conn->id, wrote, conn->outbox.len,
                kp_buf_len(&peer->queued));
}

static bool
may_be_full(const struct sim_world *world, const kelpie_conn *conn, size_t len)
{
    const struct kp_net *net = &world->k->net;

    return conn->outbox.len + len + 16 > net->limits.max_outbox ||
           net->outbox_total + len + 16 > net->limits.max_outbox_total;
}

void
sim_check_sent(struct sim_world *world, kelpie_conn *conn, const void *message,
               size_t len, bool wrapped, int rc)
{
    struct sim_peer *peer = sim_peer_of(world, conn);
    size_t before = kp_buf_len(&peer->queued);
    bool can = rc != 0 || queue(world, peer, conn, message, len, wrapped);

    sim_trace(&world->kernel, "    %s %zu bytes to conn %llu: %d",
              wrapped ? "send" : "write", len, (unsigned long long)conn->id, rc);
    if (!can)
        VIOLATE("conn %llu: sent what its framing cannot say",
                (unsigned long long)conn->id);
    if (rc == KELPIE_ECLOSED && kp_conn_is_open(conn) && conn->error == 0)
        VIOLATE("conn %llu: closed, says send, but it is open",
                (unsigned long long)conn->id);
    if (rc == KELPIE_EFULL && !may_be_full(world, conn, len))
        VIOLATE("I8: conn %llu: full, says send, with %zu bytes",
                (unsigned long long)conn->id, conn->outbox.len);
    if (rc == -ENOMEM && !world->memory_fails)
        VIOLATE("conn %llu: no memory, says send", (unsigned long long)conn->id);
    if (before != kp_buf_len(&peer->queued) || rc < 0)
        sim_check_account(world, peer, conn);
}

static bool
is_addressed(const struct sim_cast *cast, const kelpie_conn *conn)
{
    bool is_meant = cast->room != NULL ? kp_room_has(cast->room, conn) : conn->announced;

    return is_meant && conn != cast->except && kp_conn_is_open(conn) && conn->error == 0;
}

static uint32_t
bit_of(struct sim_world *world, const kelpie_conn *conn)
{
    return UINT32_C(1) << sim_index_of(world, sim_peer_of(world, conn));
}

void
sim_check_before_cast(struct sim_world *world, struct sim_cast *cast)
{
    const struct kp_net *net = &world->k->net;

    cast->skipped = net->counters.broadcast_skipped;
    cast->addressed = 0;
    for (size_t i = 0; i < net->by_number_capacity; i++)
        if (net->by_number[i] != NULL && is_addressed(cast, net->by_number[i]))
            cast->addressed |= bit_of(world, net->by_number[i]);
}

/* Whether one has taken the cast is seen by what its account has become. */
static bool
has_taken(struct sim_world *world, const struct sim_cast *cast, const kelpie_conn *conn)
{
    struct sim_peer *peer = sim_peer_of(world, conn);
    size_t before = kp_buf_len(&peer->queued);
    size_t now = sim_link_of(world, peer)->server_wrote + conn->outbox.len;
    bool is_for_it = (cast->addressed & bit_of(world, conn)) != 0;
    bool is_gone = conn->state == KP_CONN_CLOSED || conn->error != 0;

    if (is_gone && is_for_it)
        world->is_uncertain = true;
    else if (is_gone || now == before)
        return false;
    if (!is_for_it)
        VIOLATE("I2: conn %llu took a cast that was not for it",
                (unsigned long long)conn->id);
    if (!queue(world, peer, conn, cast->message, cast->len, cast->wrapped))
        return false;
    sim_check_account(world, peer, conn);
    return !is_gone;
}

void
sim_check_after_cast(struct sim_world *world, const struct sim_cast *cast, int rc)
{
    const struct kp_net *net = &world->k->net;
    int taken = 0, missed = 0;

    sim_trace(&world->kernel, "    cast %zu bytes: %d", cast->len, rc);
    for (size_t i = 0; i < net->by_number_capacity; i++) {
        kelpie_conn *conn = net->by_number[i];
        if (conn == NULL)
            continue;
        if (has_taken(world, cast, conn))
            taken++;
        else if (cast->len > 0 && is_addressed(cast, conn) &&
                 conn->framing.kind != KP_FRAME_FIXED)
            missed++;
    }
    bool may_miss =
        world->memory_fails || net->counters.broadcast_skipped > cast->skipped;
    if (!world->memory_fails && rc >= 0 && rc < taken)
        VIOLATE("I2: a cast says %d took it, but %d did", rc, taken);
    if (missed > 0 && !may_miss)
        VIOLATE("I2: a cast left out %d of those it was for", missed);
}

void
sim_check_received(struct sim_world *world, struct sim_peer *peer,
                   const unsigned char *bytes, size_t len)
{
    const char *refused = world->k->refused_text;
    bool is_refused = kp_buf_len(&peer->queued) == 0;
    const unsigned char *all =
        is_refused ? (const unsigned char *)refused : kp_buf_bytes(&peer->queued);
    size_t n = is_refused ? strlen(refused) : kp_buf_len(&peer->queued);

    if (is_refused && peer->connected)
        n = 0;
    if (peer->received + len > n || memcmp(all + peer->received, bytes, len) != 0)
        VIOLATE("I2: link %d got %zu bytes at offset %zu that were not sent to it",
                sim_index_of(world, peer), len, peer->received);
    peer->received += len;
}
