/*
 * crowd.h - very many connections to a server on 127.0.0.1, and one witness
 *
 * A crowd is held by the calling process: one poller, and a function that gets the bytes. The
 * witness is a process of its own that sends a line, waits for the same line to come back, and
 * notes how long that took, again and again: what the others notice of what the crowd does.
 */
#ifndef SOAK_CROWD_H
#define SOAK_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bench/histogram.h"
#include "bench/poller.h"

struct crowd_conn {
    int fd; /* -1: it has ended */
    bool was_reset;
    bool is_special;     /* as the program likes */
    uint64_t n_bytes;    /* received */
    uint64_t numbers[3]; /* of the program */
};

struct crowd {
    int port;
    struct poller poller;
    struct crowd_conn *conns;
    int n;
    int n_ended; /* by the other side, noticed by crowd_turn */
    void (*on_bytes)(struct crowd_conn *conn, const char *bytes,
                     size_t len); /* or NULL */
};

void crowd_init(struct crowd *crowd, int port);

/* Connects n more. small: as over an Ethernet and with little memory, so that the kernels
 * between keep tens of KiB instead of megabytes. They are nonblocking, and not watched. */
void crowd_connect(struct crowd *crowd, int n, bool small);

/* Reads whatever comes on this connection, from now on. */
void crowd_watch(struct crowd *crowd, struct crowd_conn *conn);

/* Sends; ends the program when the kernel does not take all of it. */
void crowd_send(struct crowd_conn *conn, const char *text);

/* Waits at most timeout_ms for input of watched ones and reads it. Returns how many had some. */
int crowd_turn(struct crowd *crowd, int timeout_ms);

/* Closes all of them. */
void crowd_clear(struct crowd *crowd);

/* One more connection, blocking, that gives up after a minute of silence. */
int crowd_dial(int port, const char *source, bool small);

/* Sends a line and reads one, without its newline. Ends the program if that fails. */
void crowd_talk(int fd, const char *line, char *answer, size_t size);

/* Returns the time in seconds, from any beginning. */
double crowd_now_s(void);

/* ---- the witness ----------------------------------------------------------------------- */

enum { WITNESS_PHASES = 4 };

struct witness_page; /* private to witness.c */

struct witness {
    pid_t pid;
    struct witness_page *page;
};

/* Starts it: the server has to send lines that begin with "ping" back. */
void witness_start(struct witness *witness, int port);

/* From now on times are noted under another phase; it begins with 0. */
void witness_phase(struct witness *witness, int phase);

/* Ends it. Returns whether every answer was right and nobody closed the connection. */
bool witness_stop(struct witness *witness);

/* Returns what was noted, after witness_stop. */
const struct histogram *witness_times(const struct witness *witness, int phase);
void witness_clear(struct witness *witness);

#endif
