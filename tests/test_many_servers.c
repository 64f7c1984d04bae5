/*
 * test_many_servers.c - ten servers in one process, each on a thread of its own
 *
 * Each has a script with kept data, a timer and rooms, and a crowd of clients on another
 * thread; meanwhile the first thread reloads all of them and posts calls to them. What one
 * server says must come from its own script, and nothing may be shared: the thread sanitizer
 * looks at that. Half of them have a watchdog by signal, half poll.
 *
 * With the thread sanitizer, or the argument "full", a server has a hundred connections.
 *
 * Nothing asserts on other threads: cmocka's jump would leave them. The first complaint of
 * a server is kept.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "kelpie.h"
#include "server_kit.h"

#ifndef __has_feature
# define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
# define IS_FULL true
#else
# define IS_FULL false
#endif

enum { SERVERS = 10, CLIENTS = 100, FEW_CLIENTS = 20, ROOMS = 5, ROUNDS = 4 };
enum { LIMIT_S = 120, RELOADS = 8 };

static const char script_format[] =
    "local name = 's%d'\n"
    "local kelpie = require('kelpie')\n"
    "local kept = kelpie.keep('kept', { ticks = 0, joined = 0 })\n"
    "return {\n"
    "   on_load = function()\n"
    "      kelpie.every('tick', 0.002, function() kept.ticks = kept.ticks + 1 end)\n"
    "   end,\n"
    "   on_connect = function(conn) conn.data.is_new = true conn:send('hi ', name) end,\n"
    "   on_message = function(conn, line)\n"
    "      local room, text = line:match('^(%%S+) (.*)$')\n"
    "      if text == 'join' then\n"
    "         kept.joined = kept.joined + 1\n"
    "         conn:join(room)\n"
    "         conn:send('in ', room)\n"
    "      else\n"
    "         kelpie.room(room):send(name .. ' ' .. text)\n"
    "      end\n"
    "   end,\n"
    "   on_input = function() print(kept.joined, kept.ticks > 0) end,\n"
    "}\n";

struct served {
    pthread_t server, crowd;
    int index, n_clients;
    kelpie *k;
    _Atomic int port;     /* 0: not yet; -1: it could not be started */
    atomic_bool is_done;  /* the crowd has heard everything */
    atomic_bool may_free; /* nobody calls the server any more */
    unsigned n_posted;    /* by the first thread */
    unsigned n_called;    /* on the server's thread */
    int result;           /* of kelpie_run */
    struct kelpie_stats stats;
    char printed[64];
    char why[256], crowd_why[256];
};

static void
pause_ms(long ms)
{
    struct timespec time = {.tv_nsec = ms * 1000000};

    nanosleep(&time, NULL);
}

/* ---- the server's thread --------------------------------------------------------------- */

static void
keep_line(void *arg, const char *line, size_t len)
{
    struct served *s = arg;

    snprintf(s->printed, sizeof(s->printed), "%.*s", (int)len, line);
}

static void
count_call(void *arg)
{
    struct served *s = arg;

    s->n_called++;
}

static bool
complain(char *why, const char *what, long number)
{
    if (why[0] == '\0')
        snprintf(why, 256, "%s: %ld", what, number);
    return false;
}

static bool
open_server(struct served *s)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    char text[sizeof(script_format) + 16];
    int len = snprintf(text, sizeof(text), script_format, s->index);
    int port;

    options.print = keep_line;
    options.print_arg = s;
    options.watchdog_signal = s->index % 2 == 0 ? SIGURG : 0;
    options.handler_timeout_ms = 20000; /* ten servers and sanitizers on two processors */
    int rc = kelpie_new(&s->k, &options);
    if (rc < 0)
        return complain(s->why, "kelpie_new", rc);
    rc = kelpie_load_string(s->k, text, (size_t)len, "=script");
    if (rc < 0)
        return complain(s->why, kelpie_errmsg(s->k), rc);
    port = kelpie_listen(s->k, ":0");
    if (port <= 0)
        return complain(s->why, kelpie_errmsg(s->k), port);
    atomic_store(&s->port, port);
    return true;
}

static void *
serve(void *arg)
{
    struct served *s = arg;

    if (open_server(s)) {
        s->result = kelpie_run(s->k);
        s->stats.size = sizeof(s->stats);
        kelpie_get_stats(s->k, &s->stats);
        kelpie_input(s->k, "x", 1);
        while (!atomic_load(&s->may_free))
            pause_ms(1);
    } else {
        atomic_store(&s->port, -1);
    }
    kelpie_free(s->k);
    return NULL;
}

/* ---- the crowd's thread ---------------------------------------------------------------- */

static int
connect_client(struct served *s)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atomic_load(&s->port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct timeval limit = {.tv_sec = LIMIT_S};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
        connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        complain(s->crowd_why, "connect", errno);
    return fd;
}

static bool
hears(struct served *s, int fd, const char *text)
{
    char got[64] = "";
    size_t len = strlen(text);

    for (size_t n = 0; n < len;) {
        ssize_t rc = recv(fd, got + n, len - n, 0);
        if (rc <= 0)
            return complain(s->crowd_why, text, rc);
        n += (size_t)rc;
    }
    return memcmp(got, text, len) == 0 || complain(s->crowd_why, got, fd);
}

static bool
says(struct served *s, int fd, const char *text)
{
    size_t len = strlen(text);

    return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len ||
           complain(s->crowd_why, text, fd);
}

static bool
join_rooms(struct served *s, const int *fds)
{
    char text[64];

    for (int i = 0; i < s->n_clients; i++) {
        snprintf(text, sizeof(text), "hi s%d\n", s->index);
        if (!hears(s, fds[i], text))
            return false;
        snprintf(text, sizeof(text), "r%d join\n", i % ROOMS);
        if (!says(s, fds[i], text))
            return false;
        snprintf(text, sizeof(text), "in r%d\n", i % ROOMS);
        if (!hears(s, fds[i], text))
            return false;
    }
    return true;
}

/* One of each room says something; all of the room hear it, and nobody else. */
static bool
talk(struct served *s, const int *fds, int round)
{
    char text[64];

    for (int room = 0; room < ROOMS; room++) {
        snprintf(text, sizeof(text), "r%d %d in %d\n", room, round, room);
        if (!says(s, fds[room], text))
            return false;
    }
    for (int i = 0; i < s->n_clients; i++) {
        snprintf(text, sizeof(text), "s%d %d in %d\n", s->index, round, i % ROOMS);
        if (!hears(s, fds[i], text))
            return false;
    }
    return true;
}

static void *
be_a_crowd(void *arg)
{
    struct served *s = arg;
    int fds[CLIENTS];

    for (int i = 0; i < s->n_clients; i++)
        fds[i] = connect_client(s);
    if (join_rooms(s, fds)) {
        for (int round = 0; round < ROUNDS && talk(s, fds, round); round++)
            pause_ms(1);
    }
    for (int i = 0; i < s->n_clients; i++)
        close(fds[i]);
    atomic_store(&s->is_done, true);
    return NULL;
}

/* ---- the first thread ------------------------------------------------------------------ */

static bool is_full = IS_FULL;

static void
start_all(struct served *servers)
{
    for (int i = 0; i < SERVERS; i++) {
        struct served *s = &servers[i];
        s->index = i;
        s->n_clients = is_full ? CLIENTS : FEW_CLIENTS;
        assert_int_equal(pthread_create(&s->server, NULL, serve, s), 0);
    }
    for (int i = 0; i < SERVERS; i++) {
        struct served *s = &servers[i];
        while (atomic_load(&s->port) == 0)
            pause_ms(1);
        if (atomic_load(&s->port) < 0)
            fail_msg("server %d: %s", i, s->why);
        assert_int_equal(pthread_create(&s->crowd, NULL, be_a_crowd, s), 0);
    }
}

static bool
are_all_done(struct served *servers)
{
    for (int i = 0; i < SERVERS; i++) {
        if (!atomic_load(&servers[i].is_done))
            return false;
    }
    return true;
}

/* Posts and reloads until all crowds have heard everything, and RELOADS times at least. */
static void
disturb_all(struct served *servers)
{
    for (int turn = 0; turn < RELOADS || !are_all_done(servers); turn++) {
        for (int i = 0; i < SERVERS; i++) {
            struct served *s = &servers[i];
            if (kelpie_post(s->k, count_call, s) == 0)
                s->n_posted++;
            if (turn % 4 == 0)
                kelpie_reload(s->k);
        }
        pause_ms(5);
    }
}

/* The last post is the one that ends it: all before it have been called. */
static void
drain_here(void *arg)
{
    struct served *s = arg;

    kelpie_drain(s->k);
}

static void
end_all(struct served *servers)
{
    for (int i = 0; i < SERVERS; i++) {
        struct served *s = &servers[i];
        pthread_join(s->crowd, NULL);
        assert_int_equal(kelpie_post(s->k, drain_here, s), 0);
        atomic_store(&s->may_free, true);
    }
    for (int i = 0; i < SERVERS; i++)
        pthread_join(servers[i].server, NULL);
}

static void
given_ten_servers_when_all_are_busy_then_each_answers_for_itself(void **state)
{
    (void)state;
    static struct served servers[SERVERS];
    int fds_before = sv_open_fds();
    char printed[64];

    start_all(servers);
    disturb_all(servers);
    end_all(servers);

    for (int i = 0; i < SERVERS; i++) {
        struct served *s = &servers[i];
        assert_string_equal(s->crowd_why, "");
        assert_int_equal(s->result, 0);
        assert_int_equal(s->n_called, s->n_posted);
        assert_int_equal(s->stats.accepted, s->n_clients);
        assert_int_equal(s->stats.clients, 0);
        assert_int_equal(s->stats.messages_in, s->n_clients + ROUNDS * ROOMS);
        assert_int_equal(s->stats.handler_errors, 0);
        assert_int_equal(s->stats.reloads_rejected, 0);
        assert_true(s->stats.reloads >= 1);
        snprintf(printed, sizeof(printed), "%d\ttrue", s->n_clients);
        assert_string_equal(s->printed, printed);
    }
    assert_int_equal(sv_open_fds(), fds_before);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_ten_servers_when_all_are_busy_then_each_answers_for_itself),
    };
    struct rlimit files;

    is_full = is_full || (argc > 1 && strcmp(argv[1], "full") == 0);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur =
            files.rlim_max; /* both ends of a thousand connections are here */
        setrlimit(RLIMIT_NOFILE, &files);
    }
    return cmocka_run_group_tests_name("many_servers", tests, NULL, NULL);
}
