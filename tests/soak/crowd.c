/*
 * crowd.c - see crowd.h
 */
#include "crowd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "bench/kit.h"

#define SILENCE_S   60
#define READ_SIZE   262144
#define SMALL_MSS   1448 /* of an Ethernet */
#define SMALL_BYTES 8192

static void
be_small(int fd)
{
    int mss = SMALL_MSS, bytes = SMALL_BYTES;

    if (setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0)
        bench_give_up("setsockopt", strerror(errno));
}

static void
bind_source(int fd, const char *source)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, source, &addr.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        bench_give_up(source, strerror(errno));
}

int
crowd_dial(int port, const char *source, bool small)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval silence = {.tv_sec = SILENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd < 0)
        bench_give_up("socket", strerror(errno));
    if (small)
        be_small(fd);
    if (source != NULL)
        bind_source(fd, source);
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)) < 0)
        bench_give_up("setsockopt", strerror(errno));
    while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        if (errno != EINTR)
            bench_give_up("connect", strerror(errno));
    return fd;
}

void
crowd_talk(int fd, const char *line, char *answer, size_t size)
{
    size_t len = 0;

    if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
        bench_give_up("send", strerror(errno));
    while (len == 0 || answer[len - 1] != '\n') {
        ssize_t n = recv(fd, answer + len, size - 1 - len, 0);
        if (n <= 0 || len + (size_t)n == size - 1)
            bench_give_up("recv", n == 0 ? "end of stream" : strerror(errno));
        len += (size_t)n;
    }
    answer[len - 1] = '\0';
}

double
crowd_now_s(void)
{
    return (double)bench_clock_ns(CLOCK_MONOTONIC) / 1e9;
}

void
crowd_init(struct crowd *crowd, int port)
{
    *crowd = (struct crowd){.port = port};
    int rc = poller_open(&crowd->poller);
    if (rc < 0)
        bench_give_up("poller", strerror(-rc));
}

void
crowd_connect(struct crowd *crowd, int n, bool small)
{
    size_t size = (size_t)(crowd->n + n) * sizeof(*crowd->conns);

    /* The poller knows their places: all are connected before the first is watched. */
    crowd->conns = bench_realloc(crowd->conns, size);
    for (int i = 0; i < n; i++) {
        int fd = crowd_dial(crowd->port, NULL, small);
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
            bench_give_up("fcntl", strerror(errno));
        crowd->conns[crowd->n++] = (struct crowd_conn){.fd = fd};
    }
}

void
crowd_watch(struct crowd *crowd, struct crowd_conn *conn)
{
    int rc = poller_add(&crowd->poller, conn->fd, conn);

    if (rc < 0)
        bench_give_up("poller", strerror(-rc));
}

void
crowd_send(struct crowd_conn *conn, const char *text)
{
    size_t len = strlen(text);

    if (send(conn->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        bench_give_up("send", strerror(errno));
}

static void
end_conn(struct crowd *crowd, struct crowd_conn *conn, bool was_reset)
{
    close(conn->fd);
    conn->fd = -1;
    conn->was_reset = was_reset;
    crowd->n_ended++;
}

static void
read_some(struct crowd *crowd, struct crowd_conn *conn)
{
    static char bytes[READ_SIZE];
    ssize_t n = recv(conn->fd, bytes, sizeof(bytes), 0);

    if (n > 0) {
        conn->n_bytes += (uint64_t)n;
        if (crowd->on_bytes != NULL)
            crowd->on_bytes(conn, bytes, (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        end_conn(crowd, conn, n < 0);
    }
}

int
crowd_turn(struct crowd *crowd, int timeout_ms)
{
    int n = poller_wait(&crowd->poller, timeout_ms);

    if (n < 0)
        bench_give_up("poller", strerror(-n));
    for (int i = 0; i < n; i++) {
        struct crowd_conn *conn = crowd->poller.events[i].arg;
        if (conn->fd >= 0)
            read_some(crowd, conn);
    }
    return n;
}

void
crowd_clear(struct crowd *crowd)
{
    for (int i = 0; i < crowd->n; i++)
        if (crowd->conns[i].fd >= 0)
            close(crowd->conns[i].fd);
    poller_close(&crowd->poller);
    free(crowd->conns);
    *crowd = (struct crowd){.port = crowd->port};
}
