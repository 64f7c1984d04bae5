/*
 * host.h - a server in a process of its own, for the proofs of scale
 *
 * Descriptors are limited per process, and so are processors: the clients of a proof live in
 * the parent, the server in a child. The child runs libkelpie as any host would. What the
 * parent wants to know of it goes through a page that both see; the child fills it in between
 * two steps, so a sample is never half of one and half of another.
 */
#ifndef SOAK_HOST_H
#define SOAK_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "kelpie.h"

enum { SOAK_REASONS = 8 };

struct soak_setup {
    struct kelpie_options options; /* from KELPIE_OPTIONS_INIT */
    const char *script;            /* its text */
    int max_files; /* RLIMIT_NOFILE once the server is made; 0: as it is */
};

struct soak_sample {
    struct kelpie_stats stats;
    long rss, peak_rss;           /* bytes in memory; 0 where there is no /proc */
    size_t counted, peak_counted; /* bytes that the server has asked for */
    unsigned long long cpu_ns;    /* processor time of the process */
    struct soak_reason {          /* of closed connections */
        char name[64];
        unsigned long n;
    } reasons[SOAK_REASONS];
};

struct soak_page; /* private to host.c */

struct soak_server {
    pid_t pid;
    int port;
    struct soak_page *page;
};

/* Starts the server on a free port of 127.0.0.1. Ends the program when it cannot. */
void soak_start(struct soak_server *server, const struct soak_setup *setup);

/* Asks for a sample, and waits for it. Returns false when the server has ended. */
bool soak_look(struct soak_server *server, struct soak_sample *out);

/* Returns how many connections have ended for that reason. */
unsigned long soak_reason(const struct soak_sample *sample, const char *name);

/* From now on accept(2) of the server fails with that errno; 0: no more. */
void soak_fail_accept(struct soak_server *server, int error);

/* Begins a drain. */
void soak_drain(struct soak_server *server);

/* Waits for the end of the process, at most limit_s. Returns whether it has ended, with
 * status 0. */
bool soak_wait(struct soak_server *server, int limit_s);

/* Ends it at once. Harmless when it has ended. */
void soak_stop(struct soak_server *server);

/* ---- what is shown --------------------------------------------------------------------- */

/* The verdict of a program. The short form runs as a test, on machines of any speed and with
 * sanitizers: it shows figures and does not judge them. */
struct soak_verdict {
    bool is_short;
    int n_failed;
};

/* Takes the arguments of main: none, or "short". */
void soak_begin(struct soak_verdict *verdict, int argc, char **argv);

/* Shows a sentence and whether it holds. */
void soak_judge(struct soak_verdict *verdict, bool holds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a figure of time or memory, which the short form only shows. */
void soak_judge_figure(struct soak_verdict *verdict, bool holds, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Says the verdict. Returns the exit status: 0 or 1. */
int soak_end(const struct soak_verdict *verdict);

#endif
