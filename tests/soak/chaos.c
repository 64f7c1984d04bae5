/*
 * chaos.c - clients that do everything wrong, by seed, while the server is reloaded
 *
 *     build/dev/tests/soak_chaos [SEED [SECONDS]]
 *
 * Thirty-two connections send numbered lines and at random cut them anywhere, trickle them,
 * stall, flood, half-close, reset, or come and go; every now and then the script is loaded
 * again, or a broken one is refused. What a client does follows from the seed; how the
 * kernel cuts it does not, so a seed repeats the actions and not each interleaving.
 *
 * Invariants, and where they are looked at:
 *
 *     I1, I2  each complete line is answered once and in order, whatever the cuts; after a
 *             half-close all of them are before the end comes
 *     I3-I5   chaos.lua: connects and disconnects once each, no handler for who is gone, none
 *             within another one; a breach is an error, and there may be none
 *     I6, I7  at the end: descriptors, blocks, rooms, timers and connections as at first
 *     I8      the bytes of all outboxes, every few milliseconds
 *     I9      nobody who reads waits LIMIT_MS for an answer
 *     I10     the generation in the answers of a connection never decreases, and was accepted
 *     I11     rejected reloads are counted, each of them
 *     I12     no raw control byte in the log, no alert: live_kit.c
 *
 * Exit status: 0 all is well, 1 not, 64 wrong usage.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "live_kit.h"

#define GOOD_SCRIPT  KELPIE_SOURCE_DIR "/tests/soak/chaos.lua"
#define BAD_SCRIPT   KELPIE_SOURCE_DIR "/tests/hostile/load_not_a_table.lua"
#define N_CLIENTS    32
#define WINDOW       2000 /* lines that are not answered, of one connection */
#define LIMIT_MS     20000
#define NS_PER_MS    UINT64_C(1000000)
#define MAX_LOADS    65536 /* more than an hour of them; then the oldest is forgotten */
#define MAX_ROOMS    9 /* of chaos.lua; empty ones go when the collector has their handles */
#define RELOAD_MS    40
#define MAX_OUTBOXES (N_CLIENTS * (size_t)WINDOW * 32)

struct client {
    int fd; /* -1: not there */
    uint64_t n_asked, n_answered;
    unsigned long generation; /* of the last answer */
    char out[64];             /* the rest of a line that was cut */
    size_t out_len, out_at;
    char in[64];
    size_t in_len;
    unsigned stalls;  /* turns that it does not read in */
    bool has_shut;    /* its sending half */
    uint64_t read_ns; /* when it last got something, or had nothing to get */
};

struct chaos {
    struct live_kit kit;
    uint64_t random;
    struct client clients[N_CLIENTS];
    struct live_call load, look;
    struct kelpie_stats seen; /* by the last look that is done */
    bool loads_bad, has_load;
    bool was_refused[MAX_LOADS]; /* [generation]: it was rejected */
    unsigned n_loads, n_rejected;
    uint64_t next_load_ns, n_lines, n_resets, n_shuts, n_connects;
};

static uint32_t
pick(struct chaos *chaos, uint32_t below)
{
    chaos->random ^= chaos->random << 13; /* xorshift64 */
    chaos->random ^= chaos->random >> 7;
    chaos->random ^= chaos->random << 17;
    return (uint32_t)(chaos->random >> 32) % below;
}

/* --- what a client does ---------------------------------------------------------------- */

static bool
come(struct chaos *chaos, struct client *client)
{
    memset(client, 0, sizeof *client);
    client->fd = live_connect(&chaos->kit);
    client->read_ns = plain_now_ns();
    chaos->n_connects++;
    return client->fd >= 0;
}

static void
go(struct chaos *chaos, struct client *client, bool resets)
{
    struct linger linger = {.l_onoff = 1};

    if (resets)
        (void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(client->fd);
    client->fd = -1;
    chaos->n_resets += resets;
}

/* Sends at most max bytes of the line that is being sent, a new one if there is none. */
static bool
send_piece(struct chaos *chaos, struct client *client, size_t max)
{
    if (client->out_at == client->out_len) {
        if (client->n_asked - client->n_answered >= WINDOW)
            return true;
        client->out_len = (size_t)snprintf(client->out, sizeof client->out,
                                           "%" PRIu64 "\n", client->n_asked);
        client->out_at = 0;
    }
    size_t len = client->out_len - client->out_at;
    ssize_t n = send(client->fd, client->out + client->out_at, len < max ? len : max,
                     MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ||
               live_complain(&chaos->kit, "send: %s", strerror(errno));
    client->out_at += (size_t)n;
    if (client->out_at == client->out_len) {
        if (client->n_asked++ == client->n_answered)
            client->read_ns = plain_now_ns();
        chaos->n_lines++;
    }
    return true;
}

static bool
send_lines(struct chaos *chaos, struct client *client, unsigned n)
{
    while (n-- > 0)
        if (!send_piece(chaos, client, sizeof client->out))
            return false;
    return true;
}

static bool
act(struct chaos *chaos, struct client *client)
{
    uint32_t what = pick(chaos, 100);

    if (client->fd < 0)
        return what >= 20 || come(chaos, client);
    if (client->has_shut)
        return true;
    if (what < 40)
        return send_lines(chaos, client, 1 + pick(chaos, 8));
    if (what < 60)
        return send_piece(chaos, client, 1 + pick(chaos, 3));
    if (what < 64)
        return send_lines(chaos, client, 256);
    if (what < 68)
        client->stalls = pick(chaos, 60);
    else if (what < 70)
        go(chaos, client, true);
    else if (what < 72)
        go(chaos, client, false);
    else if (what < 74) {
        client->has_shut = shutdown(client->fd, SHUT_WR) == 0;
        client->stalls = 0;
        chaos->n_shuts++;
    }
    return true;
}

/* --- what it is answered --------------------------------------------------------------- */

static bool
take_line(struct chaos *chaos, struct client *client)
{
    unsigned long generation = 0;
    uint64_t number = UINT64_MAX;

    client->in[client->in_len] = '\0';
    client->in_len = 0;
    if (sscanf(client->in, "%lu %" SCNu64, &generation, &number) != 2 ||
        number != client->n_answered || number >= client->n_asked)
        return live_complain(&chaos->kit,
                             "'%s' instead of answer %" PRIu64 " of %" PRIu64, client->in,
                             client->n_answered, client->n_asked);
    unsigned long newest = 1 + chaos->n_loads + chaos->has_load;
    if (generation < client->generation || generation > newest ||
        chaos->was_refused[generation % MAX_LOADS])
        return live_complain(&chaos->kit, "generation %lu after %lu; %lu is the newest",
                             generation, client->generation, newest);
    client->generation = generation;
    client->n_answered++;
    return true;
}

/* The server has ended the connection: only after we have, and not before it was done. */
static bool
take_end(struct chaos *chaos, struct client *client, int error)
{
    if (!client->has_shut)
        return live_complain(&chaos->kit, "a connection was closed: %s",
                             error ? strerror(error) : "end of stream");
    if (client->n_answered != client->n_asked)
        return live_complain(&chaos->kit,
                             "the end after %" PRIu64 " of %" PRIu64 " answers",
                             client->n_answered, client->n_asked);
    go(chaos, client, false);
    return true;
}

static bool
read_some(struct chaos *chaos, struct client *client)
{
    char bytes[4096];
    ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return client->n_answered == client->n_asked ||
               plain_now_ns() - client->read_ns < LIMIT_MS * NS_PER_MS ||
               live_complain(&chaos->kit, "a client waits for %d ms", LIMIT_MS);
    if (n <= 0)
        return take_end(chaos, client, n < 0 ? errno : 0);
    client->read_ns = plain_now_ns();
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] != '\n' && client->in_len + 1 < sizeof client->in)
            client->in[client->in_len++] = bytes[i];
        else if (!take_line(chaos, client))
            return false;
    }
    return true;
}

/* --- reloads and counters -------------------------------------------------------------- */

static bool
take_load(struct chaos *chaos)
{
    bool was_rejected = chaos->load.rc < 0;

    chaos->has_load = false;
    chaos->n_loads++;
    chaos->n_rejected += was_rejected;
    if (was_rejected != chaos->loads_bad)
        return live_complain(&chaos->kit, "a %s script: %s",
                             chaos->loads_bad ? "bad" : "good", chaos->load.said);
    chaos->was_refused[(1 + chaos->n_loads) % MAX_LOADS] = was_rejected;
    return true;
}

static bool
reload_now_and_then(struct chaos *chaos)
{
    if (chaos->has_load && atomic_load(&chaos->load.is_done))
        return take_load(chaos);
    if (chaos->has_load || plain_now_ns() < chaos->next_load_ns)
        return true;
    chaos->next_load_ns = plain_now_ns() + RELOAD_MS * NS_PER_MS;
    chaos->loads_bad = pick(chaos, 3) == 0;
    chaos->load.fn = live_load;
    chaos->load.text = chaos->loads_bad ? BAD_SCRIPT : GOOD_SCRIPT;
    chaos->has_load = true;
    return live_post(&chaos->kit, &chaos->load);
}

static bool
look(struct chaos *chaos)
{
    const struct kelpie_stats *stats = &chaos->seen;

    if (!atomic_load(&chaos->look.is_done))
        return true;
    chaos->seen = chaos->look.stats; /* the server's thread writes there from now on */
    if (stats->outbox_bytes > MAX_OUTBOXES)
        return live_complain(&chaos->kit, "%" PRIu64 " bytes in outboxes",
                             stats->outbox_bytes);
    if (stats->handler_errors + stats->handler_kills > 0)
        return live_complain(&chaos->kit, "a handler has raised");
    chaos->look.fn = live_look;
    return live_post(&chaos->kit, &chaos->look);
}

static bool
turn(struct chaos *chaos, bool acts)
{
    struct pollfd fds[N_CLIENTS];

    for (int i = 0; i < N_CLIENTS; i++) {
        struct client *client = &chaos->clients[i];

        if (acts && !act(chaos, client))
            return false;
        client->stalls -= client->stalls > 0;
        fds[i] =
            (struct pollfd){.fd = client->stalls > 0 ? -1 : client->fd, .events = POLLIN};
    }
    (void)poll(fds, N_CLIENTS, 1);
    for (int i = 0; i < N_CLIENTS; i++)
        if (fds[i].fd >= 0 && !read_some(chaos, &chaos->clients[i]))
            return false;
    return look(chaos) && (!acts || chaos->kit.why[0] == '\0');
}

/* --- the end --------------------------------------------------------------------------- */

static bool
all_are_gone(struct chaos *chaos)
{
    bool any = chaos->has_load && !atomic_load(&chaos->load.is_done);

    for (int i = 0; i < N_CLIENTS; i++)
        any |= chaos->clients[i].fd >= 0;
    return !any && chaos->seen.clients == 0 && chaos->seen.timers == 0;
}

static bool
compare(struct chaos *chaos)
{
    const struct kelpie_stats *stats = &chaos->seen;

    if (stats->rooms > MAX_ROOMS || stats->outbox_bytes != 0)
        return live_complain(
            &chaos->kit, "%" PRIu64 " rooms and %" PRIu64 " bytes in outboxes are left",
            stats->rooms, stats->outbox_bytes);
    if (stats->reloads_rejected != chaos->n_rejected)
        return live_complain(&chaos->kit, "%" PRIu64 " reloads were rejected, not %u",
                             stats->reloads_rejected, chaos->n_rejected);
    return stats->accepted == stats->closed ||
           live_complain(&chaos->kit, "%" PRIu64 " accepted, %" PRIu64 " closed",
                         stats->accepted, stats->closed);
}

/* Finishes its half line, half-closes, and waits for all that is due to it. */
static bool
settle(struct chaos *chaos)
{
    uint64_t until = plain_now_ns() + LIMIT_MS * NS_PER_MS;

    for (int i = 0; i < N_CLIENTS; i++) {
        struct client *client = &chaos->clients[i];

        client->stalls = 0;
        if (client->fd >= 0 && !client->has_shut)
            client->has_shut = shutdown(client->fd, SHUT_WR) == 0;
    }
    chaos->seen.clients = 1; /* not known until the next look */
    while (!all_are_gone(chaos)) {
        if (!turn(chaos, false))
            return false;
        if (chaos->has_load && atomic_load(&chaos->load.is_done) && !take_load(chaos))
            return false;
        if (plain_now_ns() > until)
            return live_complain(&chaos->kit, "waited %d ms for the end of all",
                                 LIMIT_MS);
    }
    return compare(chaos);
}

/* The script's own count, by one more connection. */
static bool
compare_counts(struct chaos *chaos)
{
    unsigned long connects = 0, disconnects = 0;
    struct pollfd fd = {.fd = live_connect(&chaos->kit), .events = POLLIN};
    char answer[64] = "";

    if (fd.fd < 0 || send(fd.fd, "count\n", 6, MSG_NOSIGNAL) != 6 ||
        poll(&fd, 1, LIMIT_MS) != 1 || recv(fd.fd, answer, sizeof answer - 1, 0) <= 0)
        return live_complain(&chaos->kit, "no counts");
    close(fd.fd);
    return (sscanf(answer, "count %lu %lu", &connects, &disconnects) == 2 &&
            connects == disconnects + 1) ||
           live_complain(&chaos->kit, "the script has counted '%s'", answer);
}

static bool
run(struct chaos *chaos, unsigned seconds)
{
    uint64_t until = plain_now_ns() + seconds * 1000 * NS_PER_MS;

    chaos->look.fn = live_look;
    if (!live_post(&chaos->kit, &chaos->look))
        return false;
    while (plain_now_ns() < until)
        if (!turn(chaos, true) || !reload_now_and_then(chaos))
            return false;
    return settle(chaos) && compare_counts(chaos);
}

int
main(int argc, char **argv)
{
    static struct chaos chaos;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    unsigned long seed = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    unsigned long seconds = argc > 2 ? strtoul(argv[2], NULL, 10) : 3;

    if (argc > 3 || seed == 0 || seconds == 0) {
        fprintf(stderr, "usage: %s [SEED [SECONDS]]\n", argv[0]);
        return 64;
    }
    printf("seed %lu, %lu s\n", seed, seconds);
    chaos.random = seed * UINT64_C(0x9E3779B97F4A7C15);
    options.handler_timeout_ms = 10000; /* sanitizers on a busy machine */
    options.load_timeout_ms = 10000;
    options.watchdog_signal = SIGURG;
    for (int i = 0; i < N_CLIENTS; i++)
        chaos.clients[i].fd = -1;
    bool is_well =
        live_start(&chaos.kit, &options, GOOD_SCRIPT) && run(&chaos, (unsigned)seconds);
    for (int i = 0; i < N_CLIENTS; i++)
        if (chaos.clients[i].fd >= 0)
            close(chaos.clients[i].fd);
    is_well = live_stop(&chaos.kit) && is_well;
    printf("%" PRIu64 " lines, %" PRIu64 " connections, %" PRIu64 " resets, %" PRIu64
           " half-closes, %u reloads, %u of them rejected\n",
           chaos.n_lines, chaos.n_connects, chaos.n_resets, chaos.n_shuts, chaos.n_loads,
           chaos.n_rejected);
    if (!is_well)
        printf("FAILED: %s\n", chaos.kit.why);
    return is_well ? 0 : 1;
}
