/*
 * pingers.c - see pingers.h
 *
 * A process, not a thread: its ten thousand descriptors do not count for the server, nor does
 * its time. Waiting is poll(2) on the pingers only; the other connections say nothing.
 */
#include "pingers.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kit.h"

static int
connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    if (fd < 0)
        bench_give_up("socket", strerror(errno));
    while (connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0)
        if (errno != EINTR && errno != EAGAIN)
            bench_give_up("connect", strerror(errno));
    return fd;
}

/* Notes that an answer took so long, for every reload that lies between. */
static void
note(struct shared *shared, unsigned sent_epoch, uint64_t took_ns)
{
    unsigned now = atomic_load(&shared->epoch);

    for (unsigned e = sent_epoch + 1; e <= now && e <= MAX_RELOADS; e++)
        if (atomic_load(&shared->pause_ns[e]) < took_ns)
            atomic_store(&shared->pause_ns[e], took_ns);
    atomic_fetch_add(&shared->n_answers, 1);
}

static void
ping(int fd)
{
    if (send(fd, "hello\n", 6, MSG_NOSIGNAL) != 6)
        exit(0); /* the server has gone: the end */
}

void
pingers_run(struct shared *shared, const char *path, int n_conns)
{
    int n_pingers = n_conns < PINGERS ? n_conns : PINGERS;
    struct pollfd fds[PINGERS];
    unsigned epochs[PINGERS];
    uint64_t sent_ns[PINGERS];
    char answer[64];

    for (int i = 0; i < n_conns; i++) {
        int fd = connect_to(path);

        if (i < n_pingers)
            fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
        atomic_store(&shared->n_ready, (unsigned)i + 1);
    }
    for (int i = 0; i < n_pingers; i++) {
        epochs[i] = atomic_load(&shared->epoch);
        sent_ns[i] = bench_clock_ns(CLOCK_MONOTONIC);
        ping(fds[i].fd);
    }
    for (;;) {
        if (poll(fds, (nfds_t)n_pingers, -1) < 0)
            bench_give_up("poll", strerror(errno));
        for (int i = 0; i < n_pingers; i++) {
            if (fds[i].revents == 0)
                continue;
            ssize_t n = recv(fds[i].fd, answer, sizeof answer, 0);
            if (n <= 0)
                exit(0);
            if (answer[n - 1] != '\n')
                bench_give_up("recv", "half an answer");
            note(shared, epochs[i], bench_clock_ns(CLOCK_MONOTONIC) - sent_ns[i]);
            epochs[i] = atomic_load(&shared->epoch);
            sent_ns[i] = bench_clock_ns(CLOCK_MONOTONIC);
            ping(fds[i].fd);
        }
    }
}
