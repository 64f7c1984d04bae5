/*
 * reentry_kit.h - a server with one of everything, and a call of every function of kelpie.h
 */
#ifndef REENTRY_KIT_H
#define REENTRY_KIT_H

#include "folder_kit.h"
#include "server_kit.h"

/* Callbacks in which a call is made. */
enum place {
    ON_CONNECT,
    ON_MESSAGE,
    ON_DISCONNECT,
    ON_DRAIN,
    ON_INPUT,
    ON_RELOAD,
    ON_RESULT,
    OWN_MESSAGE,
    OWN_DISCONNECT,
    TIMER_ONCE,
    TIMER_EVERY,
    POSTED,
    WATCHED,
    WRITE,         /* of a detached connection, in a step */
    WRITE_OUTSIDE, /* and in kelpie_conn_write */
    CLOSED,
    C_MODULE,
    FREE_DISCONNECT, /* called by kelpie_free */
    FREE_RESULT,
    N_PLACES
};

struct world {
    struct server_kit kit;
    kelpie *k;
    const struct kelpie_connect_options *wish; /* of connections to itself */
    enum place place;
    void (*call)(struct world *w, kelpie_conn *conn);
    bool is_done, is_full;
    int n_connects, n_disconnects;
    kelpie_conn *other, *far; /* detached; NULL when they are gone */
    kelpie_room *room;
    kelpie_timer *timer;
    int pipe[2], watched[2], extra[4], n_extra;
    char much[3000], control[FOLDER_SIZE + 16];
    struct kelpie_stats stats;
    kelpie_conn *conns[2];
};

/* Every function of kelpie.h; conn may be open, closed, or NULL. */
struct reentry_call {
    const char *name;
    void (*fn)(struct world *w, kelpie_conn *conn);
};

extern const struct reentry_call reentry_calls[];
extern const size_t reentry_n_calls;

/* The script of the world: an echo, which calls require("host")() for the line "c". */
extern const char reentry_script[];

/* Opens a connection to the server itself. */
void reentry_connect(struct world *w);

void reentry_nothing(void *arg);
void reentry_nothing_with(void *arg, int fd);

/* A write of a transport that takes everything. */
size_t reentry_take_all(void *arg, const void *bytes, size_t len);

/* Releases the room, once. */
void reentry_close_room(struct world *w);

/* Whether the call of the world is that of this name. */
bool reentry_is(const struct world *w, const char *name);

#endif
