/*
 * stream.c - see stream.h
 *
 * Connecting and the first words are blocking and one after the other: nobody measures them,
 * and it makes them simple.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "kit.h"

/* The port numbers of one address are too few for more connections than this. */
enum { CONNS_PER_ADDRESS = 20000, PATIENCE_S = 20 };

static void
bind_to_another_address(int fd, unsigned number)
{
#if defined(IP_BIND_ADDRESS_NO_PORT)
    struct sockaddr_in addr = {.sin_family = AF_INET};
    int on = 1;

    if (number < CONNS_PER_ADDRESS)
        return;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number / CONNS_PER_ADDRESS);
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        bench_give_up("bind", strerror(errno));
#else
    (void)fd;
    (void)number;
#endif
}

bool
stream_try(struct stream *stream, int port, unsigned number)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((unsigned short)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = PATIENCE_S};
    int on = 1;

    *stream = (struct stream){.number = number};
    stream->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (stream->fd < 0)
        bench_give_up("socket", strerror(errno));
    bind_to_another_address(stream->fd, number);
    if (connect(stream->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        if (errno != ECONNREFUSED)
            bench_give_up("connect", strerror(errno));
        (void)close(stream->fd);
        return false;
    }
    (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(stream->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(stream->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return true;
}

void
stream_open(struct stream *stream, int port, unsigned number)
{
    if (!stream_try(stream, port, number))
        bench_give_up("connect", "nobody listens there");
}

void
stream_close(struct stream *stream)
{
    (void)close(stream->fd);
    free(stream->out);
    free(stream->sent_ns);
}

void
stream_watch(struct stream *stream, struct poller *poller)
{
    if (fcntl(stream->fd, F_SETFL, O_NONBLOCK) < 0 ||
        poller_add(poller, stream->fd, stream) < 0)
        bench_give_up("poller_add", strerror(errno));
}

/* ---- the first words ------------------------------------------------------------------------ */

void
stream_say(struct stream *stream, const void *bytes, size_t len)
{
    if (send(stream->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        bench_give_up("send", strerror(errno));
}

void
stream_await(struct stream *stream, const void *bytes, size_t len)
{
    char got[4096];
    size_t got_len = 0;

    while (got_len < len || memcmp(got + got_len - len, bytes, len) != 0) {
        if (got_len > sizeof(got) / 2) { /* only the end matters */
            memmove(got, got + got_len - len, len);
            got_len = len;
        }
        ssize_t n = recv(stream->fd, got + got_len, sizeof(got) - got_len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fprintf(stderr, "bench: waited for \"%.*s\", got \"%.*s\"\n", (int)len,
                    (const char *)bytes, (int)got_len, got);
            bench_give_up("recv", n == 0 ? "end of stream" : strerror(errno));
        }
        got_len += (size_t)n;
    }
}

/* ---- messages ------------------------------------------------------------------------------- */

bool
stream_is_noise(struct stream *stream, const struct dialect *dialect, char byte)
{
    size_t len = dialect->noise.len;

    if (len == 0 || stream->got_len > 0 ||
        byte != dialect->noise.data[stream->noise_len % len])
        return false;
    stream->noise_len++;
    return true;
}

static char *
append(char *at, const struct bytes *bytes)
{
    memcpy(at, bytes->data, bytes->len);
    return at + bytes->len;
}

void
stream_ask(struct stream *stream, const struct dialect *dialect, uint64_t now_ns,
           unsigned window)
{
    size_t len = dialect->ask_before.len + dialect->payload_size + dialect->ask_after.len;

    if (stream->sent_ns == NULL)
        stream->sent_ns = bench_alloc(window * sizeof(*stream->sent_ns));
    if (stream->out_end + len > stream->out_size) {
        stream->out_size = stream->out_end + len * window;
        stream->out = bench_realloc(stream->out, stream->out_size);
    }
    char *at = append(stream->out + stream->out_end, &dialect->ask_before);
    dialect_payload(at, dialect->payload_size, stream->number, stream->n_sent);
    append(at + dialect->payload_size, &dialect->ask_after);
    stream->out_end += len;
    stream->sent_ns[stream->n_sent++ % window] = now_ns;
}

void
stream_flush(struct stream *stream, struct poller *poller)
{
    size_t len = stream->out_end - stream->out_start;

    if (len > 0) {
        ssize_t n = send(stream->fd, stream->out + stream->out_start, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            bench_give_up("send", strerror(errno));
        stream->out_start += n > 0 ? (size_t)n : 0;
    }
    if (stream->out_start == stream->out_end)
        stream->out_start = stream->out_end = 0;
    bool wanted = stream->out_end > 0;
    if (wanted == stream->wants_write)
        return;
    stream->wants_write = wanted;
    if (poller_want_write(poller, stream->fd, stream, wanted) < 0)
        bench_give_up("poller_want_write", "failed");
}

size_t
stream_read(struct stream *stream, char *buf, size_t size)
{
    ssize_t n = recv(stream->fd, buf, size, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        bench_give_up("recv", n == 0 ? "end of stream" : strerror(errno));
    return (size_t)n;
}
