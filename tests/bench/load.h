/*
 * load.h - the load generator: what its parts share
 *
 * One file per kind of load, load_<kind>.c, with one function that runs until the meter says
 * that it is enough, then waits for what is missing. load_talk.c is what two of them share.
 */
#ifndef LOAD_H
#define LOAD_H

#include "dialect.h"
#include "meter.h"
#include "poller.h"
#include "stream.h"

enum { LOAD_BUFFER_SIZE = 256 * 1024 };

struct load {
    /* options */
    int port;
    unsigned n_conns; /* connections; in rooms the members */
    unsigned window;  /* messages on the way: per connection, in W3 of who speaks */
    size_t size;      /* of a message in bytes, with its newline */
    const char *dialect_name;
    const char
        *first; /* the first line of the first connection, which is echoed; or NULL */

    struct meter meter;
    double bytes_per_conn; /* load_idle: what the server grew by */

    /* while it runs */
    struct dialect dialect;
    struct poller poller;
    struct stream *streams;
    char *in;       /* what was just read; all streams share it */
    char *expected; /* an answer, made to be compared */
    void *arg;      /* of the kind that runs */
};

void load_echo(struct load *load);
void load_room(struct load *load);
void load_chat(struct load *load);
void load_churn(struct load *load);
void load_idle(struct load *load);

/* Opens n streams, each of which says hello. */
void load_open(struct load *load, unsigned n);
void load_close(struct load *load, unsigned n);

/* Checks len bytes that came for stream against the answers to the messages of author, from
 * the one where it left off. Calls on_answer for each that is complete; before n_got is
 * counted up. Ends the program at the first wrong byte, and when the answer is to a message
 * that author has not sent. */
void load_verify(struct load *load, struct stream *stream, const struct stream *author,
                 const char *bytes, size_t len,
                 void (*on_answer)(struct load *load, struct stream *stream,
                                   uint64_t now_ns),
                 uint64_t now_ns);

/* What the answers of a kind of load are. */
struct load_talk {
    /* Checks len bytes that came for stream; counts up n_got where its own messages have
     * come back, and the meter. */
    void (*check)(struct load *load, struct stream *stream, const char *bytes, size_t len,
                  uint64_t now_ns);
    /* Returns whether all that was sent has come back everywhere. */
    bool (*is_complete)(const struct load *load);
};

/* Runs: all open streams send, window messages ahead; closes them. */
void load_talk(struct load *load, const struct load_talk *talk);

/* Waits for events, for a second at most. Returns the time. */
uint64_t load_wait(struct load *load);

#endif
