/*
 * sim_client.c - what clients do: anything
 *
 * A client connects, makes up messages in the framing that it believes in, sends them cut
 * anywhere, reads or does not, ends its half, closes, resets, and another one comes. Now and
 * then it says what no framing can mean, or more than is allowed.
 *
 * When all comes to rest, clients send what they have begun and read what is there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim_world.h"

enum { READ_SIZE = 512 };

/* ---- messages ---------------------------------------------------------------------- */

/* Letters, now and then any bytes. */
static size_t
make_text(struct sim_world *world, unsigned char *out, size_t len)
{
    bool is_binary = sim_chance(&world->random, 16);
    uint64_t bits = sim_next(&world->random);

    for (size_t i = 0; i < len; i++) {
        bits = bits * UINT64_C(6364136223846793005) + 1442695040888963407u;
        out[i] = (unsigned char)(is_binary ? bits >> 56 : 'a' + (bits >> 59) % 26);
    }
    return len;
}

static size_t
choose_len(struct sim_world *world)
{
    static const uint32_t limits[] = {1, 4, 12, 12, 40, 40, 90};

    return sim_below(&world->random,
                     limits[sim_below(&world->random, sizeof(limits) / sizeof(*limits))]);
}

static void
make_length(const struct kp_framing *framing, size_t len, unsigned char *out)
{
    for (size_t i = 0; i < framing->length_size; i++)
        out[framing->little_endian ? i : framing->length_size - 1u - i] =
            (unsigned char)(len >> (8 * i));
}

/* With \r or without; a lone \r ends no line, so the next message goes on with this one. */
static void
add_newline(struct sim_world *world, struct sim_peer *peer)
{
    static const char *const ends[] = {"\n", "\n", "\n", "\r\n", "\r\n", "\r"};
    const char *end = ends[sim_below(&world->random, sizeof(ends) / sizeof(*ends))];

    sim_append(world, &peer->unsent, end, strlen(end));
}

static void
add_message(struct sim_world *world, struct sim_peer *peer)
{
    const struct kp_framing *framing = &peer->framing;
    unsigned char text[128], head[32];
    size_t len =
        framing->kind == KP_FRAME_FIXED ? framing->fixed_size : choose_len(world);

    make_text(world, text, len);
    if (framing->kind == KP_FRAME_LENGTH) {
        make_length(framing, len, head);
        sim_append(world, &peer->unsent, head, framing->length_size);
    } else if (framing->kind == KP_FRAME_NETSTRING) {
        int n = snprintf((char *)head, sizeof(head), "%zu:", len);
        sim_append(world, &peer->unsent, head, (size_t)n);
    }
    sim_append(world, &peer->unsent, text, len);
    if (framing->kind == KP_FRAME_NETSTRING)
        sim_append(world, &peer->unsent, ",", 1);
    else if (framing->kind == KP_FRAME_DELIMITER)
        sim_append(world, &peer->unsent, framing->delimiter, framing->delimiter_len);
    else if (framing->kind == KP_FRAME_LINE || framing->kind == KP_FRAME_CRLF)
        add_newline(world, peer);
}

static void
add_messages(struct sim_world *world, struct sim_peer *peer)
{
    unsigned char text[128];

    if (sim_chance(&world->random, 6)) /* nonsense */
        sim_append(world, &peer->unsent, text, make_text(world, text, choose_len(world)));
    uint32_t n = 1 + sim_below(&world->random, 5);
    if (sim_chance(&world->random, 4)) /* more than one turn of a connection takes */
        n = 70;
    for (; n > 0 && kp_buf_len(&peer->unsent) < 600; n--)
        add_message(world, peer);
}

/* ---- one client -------------------------------------------------------------------- */

static void
send_some(struct sim_world *world, struct sim_peer *peer, size_t len)
{
    int index = sim_index_of(world, peer);
    const unsigned char *bytes = kp_buf_bytes(&peer->unsent);

    if (len == 0)
        return;
    ssize_t n = sim_link_send(&world->kernel, index, bytes, len);
    sim_trace(&world->kernel, "link %d sends %zu bytes: %zd", index, len, n);
    if (n == -ECONNRESET)
        peer->closed = peer->saw_reset = true;
    if (n <= 0)
        return;
    sim_append(world, &peer->sent, bytes, (size_t)n);
    kp_buf_consume(&peer->unsent, &world->kernel.mem, (size_t)n);
}

static void
speak(struct sim_world *world, struct sim_peer *peer)
{
    if (sim_link_of(world, peer)->client_fin)
        return;
    if (kp_buf_len(&peer->unsent) < 200 && sim_chance(&world->random, 160))
        add_messages(world, peer);
    size_t len = kp_buf_len(&peer->unsent);
    if (len > 0 && sim_chance(&world->random, 160))
        len = 1 + sim_below(&world->random, (uint32_t)len);
    send_some(world, peer, len);
}

/* Returns whether there may be more. */
static bool
hear(struct sim_world *world, struct sim_peer *peer, size_t len)
{
    unsigned char bytes[READ_SIZE];
    int index = sim_index_of(world, peer);
    ssize_t n = sim_link_recv(&world->kernel, index, bytes, len);

    if (n != -EAGAIN)
        sim_trace(&world->kernel, "link %d reads: %zd", index, n);
    if (n == 0)
        peer->saw_end = true;
    if (n == -ECONNRESET)
        peer->closed = peer->saw_reset = true;
    if (n > 0)
        sim_check_received(world, peer, bytes, (size_t)n);
    return n > 0;
}

static void
leave(struct sim_world *world, struct sim_peer *peer, bool politely)
{
    int index = sim_index_of(world, peer);

    sim_trace(&world->kernel, "link %d %s", index, politely ? "closes" : "resets");
    peer->closed = true;
    if (politely)
        sim_link_close(&world->kernel, index);
    else
        sim_link_reset(&world->kernel, index);
}

static void
act(struct sim_world *world, struct sim_peer *peer)
{
    uint32_t what = sim_below(&world->random, 100);

    if (peer->saw_end && sim_chance(&world->random, 64)) {
        leave(world, peer, true);
    } else if (what < 70) {
        speak(world, peer);
    } else if (what < 94) {
        if (sim_chance(&world->random, peer->reads))
            (void)hear(world, peer, 1 + sim_below(&world->random, READ_SIZE));
    } else if (what < 96) {
        sim_trace(&world->kernel, "link %d ends its half", sim_index_of(world, peer));
        sim_link_half_close(&world->kernel, sim_index_of(world, peer));
    } else if (what < 98) {
        leave(world, peer, true);
    } else {
        leave(world, peer, false);
    }
}

static void
arrive(struct sim_world *world)
{
    static const unsigned eagerness[] = {256, 256, 128, 24, 0};
    int index = sim_link_connect(&world->kernel);

    if (index < 0)
        return;
    struct sim_peer *peer = &world->peers[index];
    sim_trace(&world->kernel, "link %d connects", index);
    peer->framing = world->k->framing;
    if (sim_chance(&world->random, 16))
        peer->framing = (struct kp_framing){.kind = KP_FRAME_NETSTRING};
    peer->reads = eagerness[sim_below(&world->random, 5)];
    peer->max_message = world->options.max_message;
}

void
sim_clients_act(struct sim_world *world)
{
    uint32_t n = sim_below(&world->random, 5);

    for (; n > 0; n--) {
        uint32_t who = sim_below(&world->random, (uint32_t)world->kernel.n_links + 1);
        if ((int)who == world->kernel.n_links || sim_chance(&world->random, 12))
            arrive(world);
        else if (!world->peers[who].closed)
            act(world, &world->peers[who]);
    }
}

/* ---- all of them ------------------------------------------------------------------- */

void
sim_clients_read_all(struct sim_world *world)
{
    for (int i = 0; i < world->kernel.n_links; i++)
        while (!world->peers[i].closed && hear(world, &world->peers[i], READ_SIZE))
            continue;
}

void
sim_clients_send_rest(struct sim_world *world)
{
    for (int i = 0; i < world->kernel.n_links; i++) {
        struct sim_peer *peer = &world->peers[i];
        if (!peer->closed && !world->kernel.links[i].client_fin)
            send_some(world, peer, kp_buf_len(&peer->unsent));
    }
}

void
sim_clients_leave(struct sim_world *world)
{
    for (int i = 0; i < world->kernel.n_links; i++) {
        struct sim_peer *peer = &world->peers[i];
        if (peer->closed)
            continue;
        if (sim_chance(&world->random, 128)) /* and reads on, until the other end */
            sim_link_half_close(&world->kernel, i);
        else
            leave(world, peer, sim_chance(&world->random, 200));
    }
}

void
sim_peer_clear(struct sim_world *world, struct sim_peer *peer)
{
    struct kp_mem *mem = &world->kernel.mem;

    kp_buf_clear(&peer->unsent, mem);
    kp_buf_clear(&peer->sent, mem);
    kp_buf_clear(&peer->queued, mem);
    kp_buf_clear(&peer->for_script, mem);
}
