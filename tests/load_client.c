/*
 * load_client.c - see load_client.h
 *
 * One loop over poll(2). A connection asks for as many lines as its window has room for,
 * whenever that is half empty. Of what it has to send, some last bytes stay back until the
 * next turn, so that reloads meet half lines in the server.
 *
 * Nothing here asserts, since cmocka's jump would leave the thread; the first complaint is
 * kept in `why`, and ends it.
 */
#include "load_client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plain_kit.h"

#define SILENCE_MS 60000 /* nothing at all for so long: the server is gone */

static bool
fail(struct load_client *client)
{
    atomic_store(&client->failed, true);
    return false;
}

/* Notes the first complaint, then that there is one. Is false. */
#define complain(client, ...)                                                            \
 (plain_complain((client)->why, sizeof((client)->why), __VA_ARGS__), fail(client))

static int
index_of(const struct load_client *client, const struct load_conn *conn)
{
    return (int)(conn - client->conns);
}

/* --- connections ---------------------------------------------------------------------- */

static bool
connect_one(struct load_client *client, struct load_conn *conn)
{
    conn->fd = plain_connect(client->port);
    if (conn->fd < 0)
        return complain(client, "connection %d: %s", index_of(client, conn),
                        strerror(errno));
    return true;
}

static void
close_all(struct load_client *client)
{
    for (int i = 0; i < LC_CONNS; i++)
        if (client->conns[i].fd >= 0)
            close(client->conns[i].fd);
}

/* --- asking --------------------------------------------------------------------------- */

static void
ask_more(struct load_client *client, struct load_conn *conn)
{
    if (conn->n_asked - conn->n_answered > LC_WINDOW / 2)
        return;
    while (conn->n_asked - conn->n_answered < LC_WINDOW) {
        conn->floors[conn->n_asked % LC_WINDOW] = atomic_load(&client->serving);
        conn->out_len +=
            (size_t)snprintf(conn->out + conn->out_len, sizeof conn->out - conn->out_len,
                             "%" PRIu64 "\n", conn->n_asked++);
    }
}

/* Sends all but the last `keep` bytes, as far as there is room. */
static bool
send_some(struct load_client *client, struct load_conn *conn, size_t keep)
{
    if (conn->out_len <= keep)
        return true;
    ssize_t n = send(conn->fd, conn->out, conn->out_len - keep, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n < 0)
        return complain(client, "connection %d, send: %s", index_of(client, conn),
                        strerror(errno));
    conn->out_len -= (size_t)n;
    memmove(conn->out, conn->out + n, conn->out_len);
    return true;
}

/* --- checking ------------------------------------------------------------------------- */

/* Compares a line with what it must be: that leaves only the generation open. */
static bool
check_line(struct load_client *client, struct load_conn *conn, const char *line,
           size_t len)
{
    char expected[LC_LINE_SIZE];
    uint32_t generation = 0;
    uint32_t floor = conn->floors[conn->n_answered % LC_WINDOW];

    (void)sscanf(line, "%" SCNu32, &generation); /* 0 is never right */
    snprintf(expected, sizeof expected, "%" PRIu32 " %" PRIu64, generation,
             conn->n_answered);
    if (conn->n_answered == conn->n_asked || strlen(expected) != len ||
        memcmp(line, expected, len) != 0)
        return complain(client, "connection %d: '%.*s' instead of answer %" PRIu64,
                        index_of(client, conn), (int)len, line, conn->n_answered);
    if (generation == 0 || generation >= LC_GENERATIONS ||
        !atomic_load(&client->accepted[generation]))
        return complain(client, "connection %d: '%s' is of no generation that serves",
                        index_of(client, conn), expected);
    if ((generation < floor && !client->is_sequential) ||
        generation < conn->last_generation)
        return complain(client,
                        "connection %d: '%s' is of an old generation; %" PRIu32
                        " served when it was asked, %" PRIu32 " gave the answer before",
                        index_of(client, conn), expected, floor, conn->last_generation);
    conn->last_generation = generation;
    conn->n_answered++;
    return true;
}

static bool
check_input(struct load_client *client, struct load_conn *conn)
{
    char *line = conn->in, *end;

    while ((end = memchr(line, '\n', (size_t)(conn->in + conn->in_len - line)))) {
        *end = '\0';
        if (!check_line(client, conn, line, (size_t)(end - line)))
            return false;
        line = end + 1;
    }
    conn->in_len = (size_t)(conn->in + conn->in_len - line);
    memmove(conn->in, line, conn->in_len);
    if (conn->in_len > LC_LINE_SIZE)
        return complain(client, "connection %d: an answer without end",
                        index_of(client, conn));
    return true;
}

/* Returns   1 some bytes, 0 none yet, -1 an end or an error: complained. */
static int
receive(struct load_client *client, struct load_conn *conn)
{
    ssize_t n =
        recv(conn->fd, conn->in + conn->in_len, sizeof conn->in - conn->in_len, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        complain(client, "connection %d was closed: %s", index_of(client, conn),
                 n == 0 ? "end of stream" : strerror(errno));
        return -1;
    }
    conn->in_len += (size_t)n;
    return 1;
}

/* --- the thread ------------------------------------------------------------------------ */

static bool
wait_for_input(struct load_client *client, struct pollfd *fds)
{
    for (int i = 0; i < LC_CONNS; i++) {
        const struct load_conn *conn = &client->conns[i];

        fds[i] = (struct pollfd){.fd = conn->fd, .events = POLLIN};
        if (conn->out_len > 0)
            fds[i].events |= POLLOUT;
    }
    int n = poll(fds, LC_CONNS, SILENCE_MS);
    if (n == 0)
        return complain(client, "no answer at all for %d s", SILENCE_MS / 1000);
    return n > 0 || errno == EINTR || complain(client, "poll: %s", strerror(errno));
}

static void
note_slowest(struct load_client *client)
{
    uint64_t slowest = UINT64_MAX;

    for (int i = 0; i < LC_CONNS; i++)
        if (client->conns[i].n_answered < slowest)
            slowest = client->conns[i].n_answered;
    atomic_store(&client->slowest, slowest);
}

/* One turn over all connections; asks for more unless it is about to stop. */
static bool
take_turn(struct load_client *client, bool asks)
{
    struct pollfd fds[LC_CONNS];

    if (!wait_for_input(client, fds))
        return false;
    for (int i = 0; i < LC_CONNS; i++) {
        struct load_conn *conn = &client->conns[i];

        if (fds[i].revents & ~POLLOUT &&
            (receive(client, conn) < 0 || !check_input(client, conn)))
            return false;
        bool was_empty = conn->out_len == 0;
        if (asks)
            ask_more(client, conn);
        /* Bytes that stay back are sent in the next turn. */
        if (!send_some(client, conn, was_empty && asks ? 3 : 0))
            return false;
    }
    note_slowest(client);
    return true;
}

static bool
is_settled(const struct load_client *client)
{
    for (int i = 0; i < LC_CONNS; i++)
        if (client->conns[i].n_answered < client->conns[i].n_asked)
            return false;
    return true;
}

/* Asks the script what it has counted, and compares. */
static bool
compare_counters(struct load_client *client, struct load_conn *conn)
{
    char expected[64];
    struct pollfd fd = {.fd = conn->fd, .events = POLLIN};

    if (send(conn->fd, "count\n", 6, MSG_NOSIGNAL) != 6)
        return complain(client, "cannot ask for the counters: %s", strerror(errno));
    while (!memchr(conn->in, '\n', conn->in_len)) {
        if (poll(&fd, 1, SILENCE_MS) == 0)
            return complain(client, "no counters for %d s", SILENCE_MS / 1000);
        if (receive(client, conn) < 0)
            return false;
    }
    snprintf(expected, sizeof expected, "%" PRIu64 " %" PRIu64 "\n", client->n_messages,
             conn->n_answered);
    if (conn->in_len != strlen(expected) || memcmp(conn->in, expected, conn->in_len) != 0)
        return complain(client, "connection %d: the script has counted '%.*s', not '%s'",
                        index_of(client, conn), (int)conn->in_len, conn->in, expected);
    return true;
}

static bool
converse(struct load_client *client)
{
    for (int i = 0; i < LC_CONNS; i++)
        if (!connect_one(client, &client->conns[i]))
            return false;
    for (int i = 0; i < LC_CONNS; i++)
        ask_more(client, &client->conns[i]);
    while (!atomic_load(&client->stop_wanted))
        if (!take_turn(client, true))
            return false;
    while (!is_settled(client))
        if (!take_turn(client, false))
            return false;
    for (int i = 0; i < LC_CONNS; i++)
        client->n_messages += client->conns[i].n_answered;
    for (int i = 0; i < LC_CONNS && !client->is_sequential; i++)
        if (!compare_counters(client, &client->conns[i]))
            return false;
    return true;
}

static void *
run(void *arg)
{
    struct load_client *client = arg;

    (void)converse(client); /* it has complained */
    close_all(client);
    atomic_store(&client->done, true);
    return NULL;
}

/* --- for the server's thread ----------------------------------------------------------- */

void
lc_serves(struct load_client *client, uint64_t generation)
{
    if (generation < LC_GENERATIONS)
        atomic_store(&client->accepted[generation], true);
    atomic_store(&client->serving, (unsigned)generation);
}

int
lc_start(struct load_client *client, int port)
{
    client->port = port;
    for (int i = 0; i < LC_CONNS; i++)
        client->conns[i].fd = -1;
    return pthread_create(&client->thread, NULL, run, client);
}

void
lc_stop(struct load_client *client)
{
    atomic_store(&client->stop_wanted, true);
}

void
lc_join(struct load_client *client)
{
    pthread_join(client->thread, NULL);
}
