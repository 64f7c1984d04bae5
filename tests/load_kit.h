/*
 * load_kit.h - a server that is reloaded again and again while a load_client talks to it
 *
 * The caller's thread runs the server by kelpie_step and calls kelpie_load between steps.
 * Every third script is faulty, each time in another way, and must be rejected with the
 * sentence that belongs to it. The first thing that is not as it should be ends the run, and
 * `why` says what it was; nothing here asserts, so that programs without cmocka can use it.
 *
 * With LK_SEQUENTIAL all scripts are good, and their handlers never return: they wait for
 * each line in conn:receive, and are ended by the short retire_timeout after a reload, whereupon
 * on_adopt starts them again.
 */
#ifndef LOAD_KIT_H
#define LOAD_KIT_H

#include "kelpie.h"
#include "load_client.h"

enum load_kind { LK_MESSAGES, LK_SEQUENTIAL };

struct load_kit {
    enum load_kind kind;
    kelpie *k;
    char folder[64]; /* of the scripts; removed at the end */
    struct load_client *client;

    unsigned n_reloads, n_rejected; /* of all reloads, those that were rejected */
    unsigned n_raised;              /* rejected by an error in on_load */
    unsigned n_kinds;               /* kinds of faults that were met */
    uint64_t n_messages;            /* valid after lk_stop */
    double seconds;                 /* spent in lk_run */
    char why[1024];                 /* the first complaint, or "" */
};

/* Makes the server, its folder and the client, loads the first script, and waits until all
 * connections are there. Returns whether it worked; lk_close is to be called in any case. */
bool lk_open(struct load_kit *kit, enum load_kind kind);

/* Does n reloads, with at least messages_between lines handled between two of them.
 * Returns   whether everything was as it should be, so far. */
bool lk_run(struct load_kit *kit, unsigned n, unsigned messages_between);

/* Serves on until the client has got all its answers and compared the counters.
 * Returns   as lk_run. */
bool lk_stop(struct load_kit *kit);

/* Frees all. */
void lk_close(struct load_kit *kit);

#endif
