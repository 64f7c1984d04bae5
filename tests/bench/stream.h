/*
 * stream.h - one connection of the load generator
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dialect.h"
#include "poller.h"

struct stream {
    int fd;
    unsigned number;
    bool wants_write;
    uint64_t n_sent, n_got; /* messages */
    size_t got_len;         /* bytes of answer n_got that have come and were right */
    size_t noise_len;       /* bytes of noise that have come */

    char *out; /* queued: [out_start, out_end) */
    size_t out_start, out_end, out_size;
    uint64_t *sent_ns; /* of message n at n % window; or NULL */
};

/* Connects to the port of 127.0.0.1; it still blocks. Ends the program if that fails, also
 * below when something else comes than what is expected, or nothing for 20 s. */
void stream_open(struct stream *stream, int port, unsigned number);
void stream_close(struct stream *stream);

/* As stream_open. Returns false when nobody listens there. */
bool stream_try(struct stream *stream, int port, unsigned number);

/* Makes it nonblocking, and has the poller watch it for input. */
void stream_watch(struct stream *stream, struct poller *poller);

/* While it blocks: sends bytes; reads until what has come ends with bytes. */
void stream_say(struct stream *stream, const void *bytes, size_t len);
void stream_await(struct stream *stream, const void *bytes, size_t len);

/* Returns whether byte belongs to the noise that may come between two answers. */
bool stream_is_noise(struct stream *stream, const struct dialect *dialect, char byte);

/* Queues the next message of this stream. */
void stream_ask(struct stream *stream, const struct dialect *dialect, uint64_t now_ns,
                unsigned window);

/* Writes what is queued, as much as goes, and watches for more room if it must. */
void stream_flush(struct stream *stream, struct poller *poller);

/* Reads once. Returns the bytes, 0 when there is nothing now; the end of the stream ends the
 * program. */
size_t stream_read(struct stream *stream, char *buf, size_t size);

#endif
