/*
 * raw.c - the reference servers: what the same work costs in C, without Lua and kelpie
 *
 *     bench_raw echo|stream|churn|fanout|chat PORT
 *
 * Written as one would who has only this to do, and wants it fast: one thread, level-triggered
 * events, one recv of at most 64 KiB per ready connection into a buffer that all share, one
 * write per connection and turn. It has no limits, no timeouts, no scripts.
 *
 *     echo     every line back; lines are cut out and copied one by one, as somebody must who
 *              wants to look at them
 *     stream   every byte back
 *     churn    a line of welcome, then the end
 *     fanout   "join" makes a member, any other line goes to all members
 *     chat     "/name N", "/join R"; "/say T" goes to all in the room as "N: T"
 */
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kit.h"

#define WELCOME "welcome! this is what you get.\n"

/* ---- output ---------------------------------------------------------------------------- */

void
raw_queue(struct raw_conn *conn, const void *bytes, size_t len)
{
    if (conn->out_len + len > conn->out_size) {
        conn->out_size = (conn->out_len + len) * 2;
        conn->out = bench_realloc(conn->out, conn->out_size);
    }
    memcpy(conn->out + conn->out_len, bytes, len);
    conn->out_len += len;
}

/* Forgets the first n bytes of what was queued and then of bytes, and keeps the others. */
static void
keep_rest(struct raw_conn *conn, size_t n, const char *bytes, size_t len)
{
    size_t own = n < conn->out_len ? n : conn->out_len;

    conn->out_len -= own;
    memmove(conn->out, conn->out + own, conn->out_len);
    n -= own;
    if (n < len)
        raw_queue(conn, bytes + n, len - n);
}

bool
raw_write(struct raw_server *server, struct raw_conn *conn, const char *bytes, size_t len)
{
    size_t total = conn->out_len + len;
    ssize_t n;

    if (total == 0)
        return true;
    if (conn->out_len == 0) {
        n = send(conn->fd, bytes, len, MSG_NOSIGNAL);
    } else {
        struct iovec iov[2] = {{conn->out, conn->out_len}, {(void *)bytes, len}};
        struct msghdr message = {.msg_iov = iov, .msg_iovlen = len > 0 ? 2 : 1};
        n = sendmsg(conn->fd, &message, MSG_NOSIGNAL);
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    n = n < 0 ? 0 : n;
    if ((size_t)n == total)
        conn->out_len = 0;
    else
        keep_rest(conn, (size_t)n, bytes, len);
    if (conn->wants_write == (conn->out_len > 0))
        return true;
    conn->wants_write = conn->out_len > 0;
    return poller_want_write(&server->poller, conn->fd, conn, conn->wants_write) == 0;
}

/* ---- what the servers do ------------------------------------------------------------------ */

static bool
echo_lines(struct raw_server *server, struct raw_conn *conn, const char *bytes,
           size_t len)
{
    char answer[RAW_BUFFER_SIZE];
    size_t answer_len = 0;
    const char *end = bytes + len, *newline;

    for (const char *line = bytes; line < end; line = newline + 1) {
        newline = memchr(line, '\n', (size_t)(end - line));
        size_t line_len = (size_t)(newline - line);
        memcpy(answer + answer_len, line, line_len);
        answer_len += line_len;
        answer[answer_len++] = '\n';
    }
    return raw_write(server, conn, answer, answer_len);
}

static bool
stream_bytes(struct raw_server *server, struct raw_conn *conn)
{
    ssize_t n = recv(conn->fd, server->in, sizeof(server->in), 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    return n > 0 && raw_write(server, conn, server->in, (size_t)n);
}

/* Reads once, hands over whole lines, and keeps the rest. */
static bool
read_lines(struct raw_server *server, struct raw_conn *conn)
{
    size_t have = conn->rest_len, len, line_len;

    if (have > 0)
        memcpy(server->in, conn->rest, have);
    ssize_t n = recv(conn->fd, server->in + have, sizeof(server->in) - have, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    len = have + (size_t)n;
    for (line_len = len; line_len > have && server->in[line_len - 1] != '\n'; line_len--)
        ;
    if (line_len == have && have > 0)
        line_len = 0; /* the old rest has no end either */
    conn->rest_len = len - line_len;
    if (conn->rest_len == sizeof(server->in))
        return false; /* a line that is too long */
    if (conn->rest_len > 0) {
        conn->rest = bench_realloc(conn->rest, conn->rest_len);
        memcpy(conn->rest, server->in + line_len, conn->rest_len);
    }
    return line_len == 0 || server->on_lines(server, conn, server->in, line_len);
}

/* ---- connections -------------------------------------------------------------------------- */

static void
close_conn(struct raw_server *server, struct raw_conn *conn)
{
    raw_fanout_gone(server, conn);
    (void)close(conn->fd);
    free(conn->rest);
    free(conn->out);
    free(conn);
}

/* Returns a nonblocking socket, or -1. */
static int
accept_one(int listen_fd)
{
#if defined(SOCK_NONBLOCK)
    return accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int fd = accept(listen_fd, NULL, NULL);

    if (fd >= 0)
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
#endif
}

static void
accept_all(struct raw_server *server, bool is_churn)
{
    int fd;

    while ((fd = accept_one(server->listen_fd)) >= 0) {
        if (is_churn) {
            (void)send(fd, WELCOME, sizeof(WELCOME) - 1, MSG_NOSIGNAL);
            (void)close(fd);
            continue;
        }
        struct raw_conn *conn = bench_alloc(sizeof(*conn));
        *conn = (struct raw_conn){.fd = fd};
        if (poller_add(&server->poller, fd, conn) < 0)
            bench_give_up("poller_add", strerror(errno));
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        bench_give_up("accept", strerror(errno));
}

static int
listen_on(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((unsigned short)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd < 0)
        bench_give_up("socket", strerror(errno));
    /* Accepted sockets inherit both. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
        bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, SOMAXCONN) < 0)
        bench_give_up("listen", strerror(errno));
    return fd;
}

static bool
serve(struct raw_server *server, const struct poller_event *event)
{
    struct raw_conn *conn = event->arg;

    if (event->writable && !raw_write(server, conn, NULL, 0))
        return false;
    if (!event->readable)
        return true;
    return server->on_lines != NULL ? read_lines(server, conn)
                                    : stream_bytes(server, conn);
}

static void __attribute__((noreturn)) run(struct raw_server *server, bool is_churn)
{
    for (;;) {
        if (poller_wait(&server->poller, -1) < 0)
            bench_give_up("poller_wait", strerror(errno));
        for (int i = 0; i < server->poller.n; i++) {
            const struct poller_event *event = &server->poller.events[i];
            if (event->arg == server)
                accept_all(server, is_churn);
            else if (!serve(server, event))
                close_conn(server, event->arg);
        }
        if (server->on_turn_end != NULL)
            server->on_turn_end(server);
    }
}

int
main(int argc, char **argv)
{
    static const struct raw_server kinds[] = {
        {.on_lines = echo_lines},
        {.on_lines = NULL}, /* stream */
        {.on_lines = NULL}, /* churn */
        {.on_lines = raw_fanout_lines, .on_turn_end = raw_fanout_turn_end},
        {.on_lines = raw_chat_lines, .on_turn_end = raw_fanout_turn_end},
    };
    static const char *const names[] = {"echo", "stream", "churn", "fanout", "chat"};
    size_t kind = 0;

    if (argc != 3)
        bench_give_up("usage", "bench_raw echo|stream|churn|fanout|chat PORT");
    while (kind < 5 && strcmp(argv[1], names[kind]) != 0)
        kind++;
    if (kind == 5)
        bench_give_up(argv[1], "no such server");

    struct raw_server *server = bench_alloc(sizeof(*server));
    memcpy(server, &kinds[kind], sizeof(*server));
    server->listen_fd = listen_on((int)bench_number("PORT", argv[2], 1, 65535));
    if (poller_open(&server->poller) < 0 ||
        poller_add(&server->poller, server->listen_fd, server) < 0)
        bench_give_up("poller", strerror(errno));
    run(server, kind == 2);
}
