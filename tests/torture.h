/*
 * torture.h - a scenario, run once for each thing in it that can fail
 *
 * A scenario has three parts. Only the second is disturbed:
 *
 *     open      makes a server and brings it to where it starts
 *     prepare   what comes before each run: another version of the scripts, for example
 *     act       what is disturbed: allocation n fails, or system call n, once or from then on
 *     check     with nothing failing any more: talks to the server, and asserts
 *
 * The driver runs it for n = 1, 2, ... until a run meets no failure; so every point has been
 * met, and a point that did not fire does not count. After some runs the server is freed: no
 * block and no descriptor is left. A scenario whose act makes the server itself gets a fresh
 * one for each run.
 *
 * Clients are the ends of socket pairs or of connections; what they hear is kept. Time stands
 * still, and is moved by torture_pass.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"
#include "folder_kit.h"
#include "server/server.h"
#include "server_kit.h"

#define TORTURE_CLIENTS 3
#define TORTURE_OPERATOR                                                                 \
 (TORTURE_CLIENTS - 1) /* who is connected to the control socket */

struct torture {
    struct server_kit kit;
    struct fault_mem mem;
    struct fault_sys sys;
    char folder[FOLDER_SIZE], script[96], socket[96], control[96];

    int fds[TORTURE_CLIENTS]; /* -1: not connected */
    char heard[TORTURE_CLIENTS][70000];
    size_t heard_len[TORTURE_CLIENTS];

    unsigned version; /* of the scripts that are on disk */
    unsigned before;  /* of those that served before act */
    unsigned back;    /* of those that a roll-back brings back */
    int signal;       /* of the watchdog; 0: it polls */
    int rc;           /* of what act did */
    int steps_each;   /* of torture_settle; a fresh server has its default */
    int fds_before, age;
};

struct torture_scenario {
    const char *name;
    void (*open)(struct torture *t);    /* NULL: act makes the server */
    void (*prepare)(struct torture *t); /* or NULL */
    void (*act)(struct torture *t);
    void (*check)(struct torture *t); /* or NULL */
};

/* The main scenario, and all that reaches into the file system: fresh servers. */
extern const struct torture_scenario torture_main, torture_doors;

/* Reloads of all kinds, whose checks say: all or nothing. Ends with a name that is NULL. */
extern const struct torture_scenario torture_reloads[];

/* How often something failed, and how it went on. */
struct torture_count {
    size_t once, on;
};

/* Make a folder for the files of scenarios, and remove it with all that is in it; for
 * cmocka_unit_test_setup_teardown, *state is a struct torture. */
int torture_setup(void **state);
int torture_teardown(void **state);

/* Fail each allocation; or each occurrence, up to the max-th, of a system call with an errno.
 * Count the points that fired. */
void torture_memory(struct torture *t, const struct torture_scenario *scenario,
                    struct torture_count *count);
void torture_call(struct torture *t, const struct torture_scenario *scenario,
                  enum fault_call call, int error, size_t max,
                  struct torture_count *count);

/* Runs it with nothing failing; the server is there afterwards, until torture_close, which
 * asserts that nothing is left of it. */
void torture_run(struct torture *t, const struct torture_scenario *scenario);
void torture_close(struct torture *t);

/* ---- what scenarios use -------------------------------------------------------------- */

/* Makes a server whose doors are those of t. Returns what kelpie_new does. */
int torture_server(struct torture *t);

/* Some steps, in which clients hear; they may fail, when told to. */
void torture_settle(struct torture *t);
void torture_pass(struct torture *t, unsigned ms);

/* A client that connects to a unix socket; one that the server adopts. May fail. */
void torture_connect(struct torture *t, int client, const char *path);
void torture_adopt(struct torture *t, int client);
void torture_hang_up(struct torture *t, int client);

/* Says something, and settles. */
void torture_say(struct torture *t, int client, const char *text);

/* Asserts that a client has heard this, as a part or as all, since it was last forgotten. */
void torture_heard_part(const struct torture *t, int client, const char *part);
void torture_heard(struct torture *t, int client, const char *all);
void torture_forget(struct torture *t);

#endif
