/*
 * pingers.h - the clients of a benchmark, in a process of their own
 */
#ifndef PINGERS_H
#define PINGERS_H

#include <stdatomic.h>
#include <stdint.h>

enum { PINGERS = 10, MAX_RELOADS = 1000 };

/* What both processes see. */
struct shared {
    atomic_uint epoch;   /* reloads done */
    atomic_uint n_ready; /* connections of the child */
    atomic_ullong n_answers;
    atomic_ullong pause_ns[MAX_RELOADS + 1]; /* by epoch */
};

/* Opens that many connections to a unix socket. The first ten are pingers: each sends a line,
 * waits for the answer, sends the next, and notes in pause_ns how long those answers took
 * whose line was sent in an earlier epoch. Ends the process with the first closed connection.
 */
void pingers_run(struct shared *shared, const char *path, int n_conns)
    __attribute__((noreturn));

#endif
