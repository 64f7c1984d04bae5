/*
 * control_client.h - asks a running daemon
 */
#ifndef KD_CONTROL_CLIENT_H
#define KD_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stdio.h>

#include "options.h"

/* Exit codes of the commands that ask; others are those of sysexits(3). */
enum kd_exit {
    KD_EXIT_DONE = 0,
    KD_EXIT_REJECTED = 1,    /* nothing has changed */
    KD_EXIT_ROLLED_BACK = 2, /* it served, and serves no more */
    KD_EXIT_NOBODY = 3,      /* no daemon could be asked */
};

struct kd_control {
    int fd;
    char *text; /* what was read; the answer's lines up to the verdict */
    size_t len, capacity;
    char verdict[256]; /* the last line: "ok ..." or "error ..." */
};

/* Connects to the daemon that the options name, else to the only one that runs.
 * Returns   0; an exit code, after a sentence on standard error.
 * Gives     *out, for kd_control_close, in any case. */
int kd_control_open(struct kd_control *out, const struct kd_options *options);

/* Sends a command and waits for its answer, for as long as it takes.
 * Returns   0 with control->text and control->verdict; KD_EXIT_NOBODY, after a sentence on
 *           standard error, when the daemon has gone. */
int kd_control_ask(struct kd_control *control, const char *command);

/* Prints the answer: its text, or the words of the verdict when there is no text; to standard
 * output, or to standard error when the verdict is an error.
 * Returns   the exit code that belongs to it. */
int kd_control_print(const struct kd_control *control);

void kd_control_close(struct kd_control *control);

/* All of it: what a command does that asks one question. Returns the exit code. */
int kd_control_command(const struct kd_options *options, const char *command);

#endif
