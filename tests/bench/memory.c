/*
 * memory.c - the bytes that kelpie allocates for an idle connection, counted
 *
 *     bench_memory SCRIPT [CONNECTIONS]
 *
 * What W5 of the table measures from outside, seen from inside: the server has an allocator
 * that counts what was asked for, without the overhead of malloc(3). CONNECTIONS (9,000;
 * each takes two descriptors here) are socket pairs, each of which says one line and gets it
 * back; then the bytes are compared with those after the first ten. With "-" for a script the
 * answer comes from a handler in C, and there is no Lua at all.
 *
 * Prints bytes for each connection, how many of them are Lua's, and the bytes of the server
 * without a connection, a tab between.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kelpie.h"
#include "kit.h"

enum { FIRST = 10, CONNECTIONS = 9000, SPARE_FDS = 64, SKIPPED = 77, MAX_STEPS = 1000 };

struct sample {
    int64_t bytes, lua_bytes;
};

static void *
count(void *arg, void *ptr, size_t old_size, size_t new_size)
{
    int64_t *bytes = arg;

    if (new_size == 0) {
        free(ptr);
        *bytes -= (int64_t)old_size;
        return NULL;
    }
    void *block = realloc(ptr, new_size);
    if (block != NULL)
        *bytes += (int64_t)new_size - (ptr != NULL ? (int64_t)old_size : 0);
    return block;
}

static void
check(kelpie *k, const char *what, int rc)
{
    if (rc < 0)
        bench_give_up(what, kelpie_errmsg(k)[0] ? kelpie_errmsg(k) : kelpie_strerror(rc));
}

/* Hands a connection to the server and says a line on it. Returns our end. */
static int
connect_one(kelpie *k)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        bench_give_up("socketpair", strerror(errno));
    check(k, "kelpie_adopt", kelpie_adopt(k, fds[1], NULL, NULL));
    if (send(fds[0], "hello\n", 6, MSG_NOSIGNAL) != 6)
        bench_give_up("send", strerror(errno));
    return fds[0];
}

static void
await_answer(kelpie *k, int fd)
{
    char answer[16];
    ssize_t n = -1;

    for (int i = 0; i < MAX_STEPS && n < 0; i++) {
        check(k, "kelpie_step", kelpie_step(k, 0));
        n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
    }
    if (n != 6 || memcmp(answer, "hello\n", 6) != 0)
        bench_give_up("recv", "this is not the answer");
}

static int
send_back(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    (void)arg;
    return kelpie_conn_send(conn, message, len);
}

static const struct kelpie_handlers echo = {.size = sizeof(echo),
                                            .on_message = send_back};

static struct sample
measure(kelpie *k, const int64_t *bytes)
{
    struct kelpie_stats stats = {.size = sizeof(stats)};

    kelpie_get_stats(k, &stats);
    return (struct sample){*bytes, (int64_t)stats.lua_bytes};
}

static void
run(kelpie *k, const int64_t *bytes, unsigned n)
{
    struct sample before = {0, 0}, after;
    int *fds = bench_alloc(n * sizeof(*fds));
    int64_t empty = *bytes;

    for (unsigned i = 0; i < n; i++) {
        if (i == FIRST)
            before = measure(k, bytes);
        fds[i] = connect_one(k);
        await_answer(k, fds[i]);
    }
    after = measure(k, bytes);
    printf("%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n",
           (after.bytes - before.bytes) / (n - FIRST),
           (after.lua_bytes - before.lua_bytes) / (n - FIRST), empty);
    for (unsigned i = 0; i < n; i++)
        (void)close(fds[i]);
    free(fds);
}

int
main(int argc, char **argv)
{
    struct rlimit limit;
    int64_t bytes = 0;
    kelpie *k;

    if (argc < 2)
        bench_give_up("usage", "bench_memory SCRIPT [CONNECTIONS]");
    unsigned n = argc > 2 ? (unsigned)bench_number("CONNECTIONS", argv[2], 11, 60000)
                          : CONNECTIONS;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < 2 * n + SPARE_FDS) {
        fprintf(stderr, "needs %u descriptors\n", 2 * n + SPARE_FDS);
        return SKIPPED;
    }
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.max_clients = (int)n;
    options.alloc = count;
    options.alloc_arg = &bytes;
    if (kelpie_new(&k, &options) < 0)
        bench_give_up("kelpie_new", "failed");
    if (strcmp(argv[1], "-") == 0)
        check(k, "kelpie_set_handlers", kelpie_set_handlers(k, &echo, NULL));
    else
        check(k, "kelpie_load", kelpie_load(k, argv[1]));
    run(k, &bytes, n);
    kelpie_free(k);
    if (bytes != 0)
        bench_give_up("kelpie_free", "bytes are left");
    return 0;
}
