/*
 * load_client.h - a thread that holds many connections and believes nothing
 *
 * It sends numbered lines on all of them, pipelined and cut in the middle, and checks every
 * byte of the answers, "GENERATION NUMBER\n": none is missing, doubled or out of order, and
 * the generation is one that served at that time.
 *
 * The thread that runs the server says in `served` which generations have come into service;
 * the client asks it what an answer may be:
 *
 *     at least the one that served when its line was sent (a reload that was acknowledged
 *     holds for every line sent after it), and at least that of the answer before
 *     one that was accepted; never the number of a rejected one
 *
 * Handlers that wait in conn:receive finish in old code; with is_sequential an answer may be
 * older than its line, but not older than the answer before.
 */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LC_CONNS       50
#define LC_WINDOW      32 /* lines on the way per connection */
#define LC_GENERATIONS 32768
#define LC_LINE_SIZE   32
#define LC_REASON_SIZE 256

struct load_conn {
    int fd;
    uint64_t n_asked, n_answered;
    uint32_t last_generation;
    uint32_t
        floors[LC_WINDOW]; /* of line n at n % LC_WINDOW: what served as it was sent */

    char out[LC_WINDOW * LC_LINE_SIZE]; /* not sent yet: the newest out_len bytes */
    size_t out_len;
    char in[LC_WINDOW * LC_LINE_SIZE * 2]; /* half a line at its beginning */
    size_t in_len;
};

struct load_client {
    pthread_t thread;
    int port;
    bool is_sequential; /* see load_kit.h; set before lc_start */
    struct load_conn conns[LC_CONNS];

    /* The server's thread writes. */
    atomic_uint serving; /* the generation that serves; 0 before the first */
    atomic_bool accepted[LC_GENERATIONS];
    atomic_bool stop_wanted;

    /* The client's thread writes; why is valid when failed is set. */
    atomic_ullong slowest; /* answers that each connection has got at least */
    atomic_bool failed, done;
    char why[LC_REASON_SIZE];

    /* Valid after lc_join. */
    uint64_t n_messages; /* lines that were answered, all together */
};

/* Says which generation serves now; before the server handles another line. */
void lc_serves(struct load_client *client, uint64_t generation);

/* Starts the thread, which connects to the port of 127.0.0.1. Returns 0, or an errno. */
int lc_start(struct load_client *client, int port);

/* Asks it to stop: it waits for all answers that are missing, then asks each connection for
 * the counters of the script with the line "count", and compares: "TOTAL OWN\n" (not with
 * is_sequential). The server has to be run until `done`. */
void lc_stop(struct load_client *client);

/* Waits for the end of the thread, when it is done. */
void lc_join(struct load_client *client);

#endif
