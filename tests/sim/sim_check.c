/*
 * sim_check.c - what must hold in every run, whatever happens
 *
 *     I1  messages are what the framing cuts out of the bytes sent, in order, each once
 *     I2  what a send has taken arrives in order; an orderly end means that all has arrived
 *     I3  on_connect first, on_disconnect last, each once
 *     I4  no handler for a connection that is closed
 *     I5  no handler inside a handler
 *     I6  open descriptors are those of live connections, listeners, and a constant
 *     I7  after the last client nothing is left: rooms, timers, outboxes, memory
 *     I8  no outbox, nor all together, hold more than their limit
 *     I9  a complete message is delivered within MAX_WAIT_STEPS steps
 *
 * The framings are cut by the naive reader of the framing tests, which shares no code with the
 * server. The bytes for the clients are in sim_account.c, what a script sees in sim_module.c.
 */
#include "sim_script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame_naive.h"
#include "net/conn.h"
#include "script/task.h"

/* The bound of fairness; calls that fail again and again may put a message off longer. */
enum { MAX_WAIT_STEPS = 8, MAX_WAIT_STEPS_FAULTY = 80 };

void
sim_append(struct sim_world *world, struct kp_buf *buf, const void *bytes, size_t len)
{
    if (len > 0 && kp_buf_append(buf, &world->kernel.mem, bytes, len) < 0)
        abort(); /* the simulation's own memory */
}

int
sim_index_of(const struct sim_world *world, const struct sim_peer *peer)
{
    return (int)(peer - world->peers);
}

/* The port of the other end says whose a connection is. */
struct sim_peer *
sim_peer_of(struct sim_world *world, const kelpie_conn *conn)
{
    int port = ntohs(conn->peer.in.sin_port);
    int index = port - SIM_FIRST_PORT;

    if (index < 0 || index >= world->kernel.n_links) {
        VIOLATE("a connection with port %d, which no client has", port);
        index = 0;
    }
    return &world->peers[index];
}

struct sim_link *
sim_link_of(struct sim_world *world, const struct sim_peer *peer)
{
    return &world->kernel.links[peer - world->peers];
}

/* ---- from the clients -------------------------------------------------------------- */

static struct naive_verdict
next_message(const struct sim_peer *peer, const struct kp_framing *framing)
{
    const unsigned char *bytes = kp_buf_bytes(&peer->sent);
    size_t len = kp_buf_len(&peer->sent) - peer->delivered;

    if (len == 0)
        return (struct naive_verdict){0};
    if (framing->kind == KP_FRAME_RAW) {
        size_t n = len < peer->max_message ? len : peer->max_message;
        return (struct naive_verdict){.end = 1, .len = n, .consumed = n};
    }
    return naive_read(framing, bytes + peer->delivered, len, peer->max_message);
}

/* The handler that waits for the next message, or NULL. */
static const struct kp_task *
receiver_of(const kelpie_conn *conn)
{
    const struct kp_session *session = kp_session_of(conn);

    return session != NULL ? session->receiver : NULL;
}

/* Framing of the next message: conn's, unless a handler waits for something else. */
static const struct kp_framing *
framing_of(const kelpie_conn *conn)
{
    const struct kp_task *receiver = receiver_of(conn);

    return receiver != NULL && receiver->has_once ? &receiver->once : &conn->framing;
}

static void
check_cut(struct sim_world *world, struct sim_peer *peer, kelpie_conn *conn,
          const void *message, size_t len)
{
    const struct kp_framing *framing = framing_of(conn);
    struct naive_verdict v = next_message(peer, framing);
    const unsigned char *bytes = kp_buf_bytes(&peer->sent);

    if (framing->kind == KP_FRAME_RAW && v.len > len)
        v.len = v.consumed = len; /* any cut is right */
    if (v.end == 0 && framing->deliver_partial && sim_link_of(world, peer)->client_fin)
        v.consumed = kp_buf_len(&peer->sent) - peer->delivered; /* the rest, at the end */
    else if (v.end != 1)
        VIOLATE("I1: conn %llu: a message of %zu bytes where none was sent",
                (unsigned long long)conn->id, len);
    if (v.len != len ||
        (len > 0 && memcmp(bytes + peer->delivered + v.at, message, len) != 0))
        VIOLATE("I1: conn %llu: a message of %zu bytes, sent were %zu at offset %zu",
                (unsigned long long)conn->id, len, v.len, peer->delivered);
    peer->delivered += v.consumed;
    peer->waits_since = 0;
}

/* ---- handlers ---------------------------------------------------------------------- */

static void
check_enter(struct sim_world *world, const char *handler)
{
    if (world->depth != 0 || world->k->script.in_call)
        VIOLATE("I5: %s inside another handler", handler);
}

void
sim_check_connect(struct sim_world *world, kelpie_conn *conn)
{
    struct sim_peer *peer = sim_peer_of(world, conn);

    check_enter(world, "on_connect");
    sim_trace(&world->kernel, "  on_connect: conn %llu is link %d",
              (unsigned long long)conn->id, sim_index_of(world, peer));
    if (peer->connected)
        VIOLATE("I3: conn %llu: connected twice", (unsigned long long)conn->id);
    if (!kp_conn_is_open(conn))
        VIOLATE("I4: conn %llu: on_connect, but closed", (unsigned long long)conn->id);
    peer->connected = true;
    peer->id = conn->id;
    peer->max_message = conn->max_message;
}

void
sim_check_message(struct sim_world *world, kelpie_conn *conn, const void *message,
                  size_t len)
{
    struct sim_peer *peer = sim_peer_of(world, conn);

    check_enter(world, "on_message");
    sim_trace(&world->kernel, "  on_message: conn %llu, %zu bytes",
              (unsigned long long)conn->id, len);
    if (!peer->connected || peer->disconnected)
        VIOLATE("I3: conn %llu: a message %s", (unsigned long long)conn->id,
                peer->connected ? "after on_disconnect" : "before on_connect");
    if (!kp_conn_is_open(conn))
        VIOLATE("I4: conn %llu: a message, but closed", (unsigned long long)conn->id);
    if (conn->holds > 0 && receiver_of(conn) == NULL)
        VIOLATE("I3: conn %llu: a message, but its handler is suspended",
                (unsigned long long)conn->id);
    check_cut(world, peer, conn, message, len);
    if (world->script_source != NULL)
        sim_script_expect(world, peer, message, len);
}

/* The message was too long for what conn, or a receive("line") that has ended since, cuts. */
static bool
is_too_long(struct sim_world *world, const struct sim_peer *peer, const kelpie_conn *conn)
{
    static const struct kp_framing line = {.kind = KP_FRAME_LINE};

    return next_message(peer, framing_of(conn)).end == KELPIE_ETOOLONG ||
           (world->script_source != NULL &&
            next_message(peer, &line).end == KELPIE_ETOOLONG);
}

/* What the reason says must be so. */
static void
check_reason(struct sim_world *world, struct sim_peer *peer, kelpie_conn *conn)
{
    struct naive_verdict v = next_message(peer, framing_of(conn));
    struct sim_link *link = sim_link_of(world, peer);

    if (strcmp(peer->reason, "eof") == 0 && !link->client_fin)
        VIOLATE("I1: conn %llu: eof, but the client did not end",
                (unsigned long long)conn->id);
    else if (strcmp(peer->reason, "eof") == 0 && v.end != 0)
        VIOLATE("I1: conn %llu: eof, but a message at offset %zu was not delivered",
                (unsigned long long)conn->id, peer->delivered);
    else if (strcmp(peer->reason, "message too long") == 0 &&
             !is_too_long(world, peer, conn))
        VIOLATE("I1: conn %llu: too long, but it is not (%d)",
                (unsigned long long)conn->id, v.end);
    else if (strcmp(peer->reason, "protocol error") == 0 && v.end != KELPIE_EPROTO)
        VIOLATE("I1: conn %llu: protocol error, but there is none (%d)",
                (unsigned long long)conn->id, v.end);
    else if (strcmp(peer->reason, "reset") == 0 && !link->reset)
        VIOLATE("I1: conn %llu: reset, but it was not", (unsigned long long)conn->id);
}

void
sim_check_disconnect(struct sim_world *world, kelpie_conn *conn, const char *reason)
{
    struct sim_peer *peer = sim_peer_of(world, conn);

    check_enter(world, "on_disconnect");
    sim_trace(&world->kernel, "  on_disconnect: conn %llu, %s",
              (unsigned long long)conn->id, reason);
    if (!peer->connected || peer->disconnected)
        VIOLATE("I3: conn %llu: on_disconnect %s", (unsigned long long)conn->id,
                peer->connected ? "twice" : "before on_connect");
    if (kp_conn_is_open(conn))
        VIOLATE("I3: conn %llu: on_disconnect, but open", (unsigned long long)conn->id);
    peer->disconnected = true;
    snprintf(peer->reason, sizeof(peer->reason), "%s", reason);
    check_reason(world, peer, conn);
}

/* ---- after a step ------------------------------------------------------------------ */

/* A message waits for its delivery, and nothing but the server keeps it waiting. */
static bool
is_waiting(struct sim_world *world, struct sim_peer *peer, const kelpie_conn *conn)
{
    bool is_held = conn->holds > 0 && !conn->wants;

    if (!kp_conn_is_open(conn) || sim_link_of(world, peer)->reset || is_held ||
        (conn->blocks & (KP_BLOCK_FRESH | KP_BLOCK_PAUSED | KP_BLOCK_OUTBOX)) != 0)
        return false;
    return next_message(peer, framing_of(conn)).end != 0;
}

static void
check_fairness(struct sim_world *world, struct sim_peer *peer, const kelpie_conn *conn)
{
    const struct sim_faults *faults = &world->kernel.faults;
    unsigned hindered = faults->again + faults->cut + faults->spurious + faults->broken +
                        faults->interrupted;
    bool is_healthy = world->kernel.is_calm || hindered == 0;
    uint64_t limit = is_healthy ? MAX_WAIT_STEPS : MAX_WAIT_STEPS_FAULTY;

    if (!is_waiting(world, peer, conn)) {
        peer->waits_since = 0;
    } else if (peer->waits_since == 0 || peer->waits_at != peer->delivered) {
        peer->waits_since = world->steps;
        peer->waits_at = peer->delivered;
    } else if (world->steps - peer->waits_since > limit) {
        VIOLATE("I9: conn %llu: a message waits since %llu steps",
                (unsigned long long)conn->id, (unsigned long long)limit);
    }
}

static void
check_limits(struct sim_world *world, const kelpie_conn *conn)
{
    const struct kp_net *net = &world->k->net;

    if (conn->outbox.len > net->limits.max_outbox)
        VIOLATE("I8: conn %llu: %zu bytes in its outbox", (unsigned long long)conn->id,
                conn->outbox.len);
}

static void
check_descriptors(struct sim_world *world, size_t n_streams)
{
    const struct sim_kernel *kernel = &world->kernel;
    int n_other = sim_kernel_count_all(kernel) - sim_kernel_count(kernel, SIM_STREAM) -
                  sim_kernel_count(kernel, SIM_DEVICE);
    int n_known = 3 + (world->k->net.spare_fd >= 0) + (kernel->listener >= 0);

    if ((size_t)sim_kernel_count(kernel, SIM_STREAM) != n_streams)
        VIOLATE("I6: %d sockets are open, %zu connections have one",
                sim_kernel_count(kernel, SIM_STREAM), n_streams);
    if (n_other != n_known)
        VIOLATE("I6: %d other descriptors are open, known are %d", n_other, n_known);
}

void
sim_check_step(struct sim_world *world)
{
    const struct kp_net *net = &world->k->net;
    size_t n_streams = 0, total = 0;

    world->steps++;
    for (size_t i = 0; i < net->by_number_capacity; i++) {
        kelpie_conn *conn = net->by_number[i];
        if (conn == NULL)
            continue;
        struct sim_peer *peer = sim_peer_of(world, conn);
        n_streams += conn->source.fd >= 0;
        total += conn->outbox.len;
        sim_check_account(world, peer, conn);
        check_limits(world, conn);
        check_fairness(world, peer, conn);
    }
    check_descriptors(world, n_streams);
    if (total != net->outbox_total)
        VIOLATE("I8: the outboxes hold %zu bytes, counted are %zu", total,
                net->outbox_total);
    if (total > net->limits.max_outbox_total)
        VIOLATE("I8: the outboxes hold %zu bytes", total);
}

/* ---- at rest, and at the end ------------------------------------------------------- */

static void
check_peer_at_rest(struct sim_world *world, struct sim_peer *peer, kelpie_conn *conn)
{
    struct sim_link *link = sim_link_of(world, peer);

    if (is_waiting(world, peer, conn))
        VIOLATE("I1: conn %llu: at rest, but a message waits at offset %zu",
                (unsigned long long)conn->id, peer->delivered);
    if (kp_conn_is_open(conn) && conn->outbox.len > 0 && !link->reset)
        VIOLATE("I2: conn %llu: at rest, but %zu bytes are queued",
                (unsigned long long)conn->id, conn->outbox.len);
    if (conn->state == KP_CONN_CLOSED && conn->holds == 0)
        VIOLATE("I3: conn %llu: at rest, closed, but not gone",
                (unsigned long long)conn->id);
    if (kp_conn_is_open(conn) && link->client_fin && conn->holds == 0 &&
        (conn->blocks & KP_BLOCK_PAUSED) == 0)
        VIOLATE("I1: conn %llu: at rest, but its client has ended",
                (unsigned long long)conn->id);
}

void
sim_check_rest(struct sim_world *world)
{
    const struct kp_net *net = &world->k->net;

    for (size_t i = 0; i < net->by_number_capacity; i++)
        if (net->by_number[i] != NULL)
            check_peer_at_rest(world, sim_peer_of(world, net->by_number[i]),
                               net->by_number[i]);
    bool may_accept = sim_kernel_count_all(&world->kernel) < world->kernel.n_fds;
    if (world->kernel.n_backlog > 0 && may_accept)
        VIOLATE("I1: at rest, but %d clients were not accepted", world->kernel.n_backlog);
}

/* Adds up what was queued and not written. */
static size_t
check_ended_peer(struct sim_world *world, struct sim_peer *peer)
{
    struct sim_link *link = sim_link_of(world, peer);
    size_t queued = kp_buf_len(&peer->queued);

    if (peer->connected && !peer->disconnected)
        VIOLATE("I3: link %d: connected, and never disconnected",
                sim_index_of(world, peer));
    /* Where the option for it can fail, an abort may look orderly. */
    if (peer->connected && peer->saw_end && !link->reset && peer->received != queued &&
        world->kernel.faults.broken == 0)
        VIOLATE("I2: link %d: an orderly end (%s) after %zu of %zu bytes",
                sim_index_of(world, peer), peer->reason, peer->received, queued);
    /* Who is closed after what is queued was sent gets it, whatever it has sent itself. */
    bool is_asked =
        strcmp(peer->reason, "bye") == 0 || strcmp(peer->reason, "closed") == 0;
    bool is_sound = !world->memory_fails && world->kernel.faults.no_memory == 0 &&
                    world->kernel.faults.broken == 0 && !world->ended_early;
    if (link->cut_off && is_asked && is_sound)
        VIOLATE("I2: link %d: closed over what it has sent, so its last bytes are lost",
                sim_index_of(world, peer));
    return queued - link->server_wrote;
}

static void
check_nothing_left(struct sim_world *world)
{
    const struct kp_net *net = &world->k->net;

    if (net->by_ip.count != 0)
        VIOLATE("I7: %zu addresses are counted, but nobody is there", net->by_ip.count);
    if (net->n_rooms != 0 && world->script_source == NULL)
        VIOLATE("I7: %zu rooms are left", net->n_rooms);
    size_t n_own = kp_timer_is_started(&world->k->drain_timer) +
                   kp_timer_is_started(&net->accept_retry);
    if (world->k->timers.count != n_own && world->script_source == NULL)
        VIOLATE("I7: %zu timers are left", world->k->timers.count - n_own);
}

void
sim_check_end(struct sim_world *world)
{
    const struct kp_net *net = &world->k->net;
    size_t missing = 0;

    for (int i = 0; i < world->kernel.n_links; i++)
        if (world->kernel.links[i].accepted && world->peers[i].queued.end > 0)
            missing += check_ended_peer(world, &world->peers[i]);
        else
            (void)check_ended_peer(world, &world->peers[i]); /* a refusal is no message */
    if (net->by_id.count != 0)
        VIOLATE("I7: %zu connections are left", net->by_id.count);
    else if (missing != net->counters.dropped_bytes && !world->memory_fails &&
             !world->is_uncertain)
        VIOLATE("I2: %zu bytes did not get through, counted are %llu", missing,
                (unsigned long long)net->counters.dropped_bytes);
    check_descriptors(world, 0);
    check_nothing_left(world);
}
