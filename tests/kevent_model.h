/*
 * kevent_model.h - a knote as kqueue(2) has it
 */
#ifndef KEVENT_MODEL_H
#define KEVENT_MODEL_H

#include <stdbool.h>

struct knote {
    bool is_registered;
    bool is_enabled;
    bool is_owed;
    unsigned mode; /* EV_CLEAR, EV_ONESHOT, EV_DISPATCH */
    int tag;
};

enum kind { UNIX_PAIR, PIPE_READ, PIPE_WRITE };

/* A unix pair or a pipe; the knotes are those of the first end. */
struct channel {
    enum kind kind;
    bool is_open;      /* the first end */
    bool is_peer_open; /* the other */
    int fd, peer;
    int n_unread; /* bytes on the way to the first end */
    bool is_full; /* no room for bytes on the way to the other end */
    struct knote read, write;
};

bool model_has_filter(const struct channel *channel, int filter);
struct knote *model_knote(struct channel *channel, int filter);
bool model_may_fire(struct channel *channel, int filter);
bool model_is_owed(struct channel *channel, int filter);
void model_owe(struct channel *channel, int filter);
void model_forgive(struct channel *channel);
int model_change(struct channel *channel, int filter, unsigned flags, int tag);

#endif
