/*
 * live_kit.h - a server that runs on a thread of its own, as a daemon's does
 *
 * For tests that have to go on while the server is busy: clients on real sockets measure how
 * long it answers nobody. What has to happen on the server's thread is posted to it, and the
 * caller looks whether it is done; so nothing here waits without a limit.
 *
 * Memory goes through the counting allocator of fault.h; the log is kept, and what must
 * never be in one is looked for (I12 of the invariants in tests/README.md).
 *
 * Nothing asserts: cmocka's jump would leave the thread. The first complaint is in `why`.
 */
#ifndef LIVE_KIT_H
#define LIVE_KIT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "kelpie.h"
#include "plain_kit.h"

#define LIVE_LOG_SIZE    (1 << 20)
#define LIVE_REASON_SIZE 1024

/* Something that is done on the server's thread. */
struct live_call {
    void (*fn)(struct live_call *call);
    struct live_kit *kit;
    atomic_bool is_done;

    const char *text;          /* what to load, or to type in */
    int rc;                    /* what came of it */
    char said[1024];           /* kelpie_errmsg afterwards */
    struct kelpie_stats stats; /* the counters afterwards */
};

struct live_kit {
    kelpie *k;
    pthread_t thread;
    int port;
    struct fault_mem mem;
    size_t fds_before;
    atomic_bool has_ended; /* kelpie_run has returned */
    int rc;                /* ... that */

    pthread_mutex_t log_lock;
    char *log; /* the newest records, LIVE_LOG_SIZE bytes */
    size_t log_len;
    size_t n_records;
    bool log_is_bad; /* a raw control byte */

    char why[LIVE_REASON_SIZE];
};

/* Notes the first complaint. Is false. */
#define live_complain(kit, ...)                                                          \
 plain_complain((kit)->why, sizeof((kit)->why), __VA_ARGS__)

/* Makes the server, loads the script at path, listens, starts the thread. The doors of the
 * options are filled in here.
 * Returns   whether it worked; live_stop is to be called in any case. */
bool live_start(struct live_kit *kit, struct kelpie_options *options, const char *path);

/* Asks the thread to call call->fn. Looks whether it has: call->is_done. */
bool live_post(struct live_kit *kit, struct live_call *call);

/* For call->fn: loads the script at call->text, hands it to on_input, drains, nothing. All
 * of them fill in rc, said and stats. */
void live_load(struct live_call *call);
void live_input(struct live_call *call);
void live_drain(struct live_call *call);
void live_look(struct live_call *call);

/* Connects to the server; nonblocking. Returns the descriptor, or -1: complained. */
int live_connect(struct live_kit *kit);

/* Tells whether a text is in the log. */
bool live_log_has(struct live_kit *kit, const char *text);

/* Writes the end of the log to stdout, indented. */
void live_log_show(struct live_kit *kit);

/* Stops the thread, frees the server, and checks that nothing is left: no descriptor, no
 * block, no raw byte or panic in the log.
 * Returns   whether all is well. */
bool live_stop(struct live_kit *kit);

#endif
