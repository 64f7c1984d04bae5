/*
 * far.h - the far ends of a server's connections, without sockets
 *
 * What a test says and hears of its clients, and of the servers that the script connects to.
 */
#ifndef KT_FAR_H
#define KT_FAR_H

#include <kelpie.h>
#include <stdbool.h>

/* Bytes that grow. */
struct kt_text {
    char *bytes;
    size_t len, capacity;
    bool is_short; /* memory had run out; said when it is taken */
};

void kt_text_append(struct kt_text *text, const void *bytes, size_t len);

struct kt_far_end {
    kelpie_conn *conn; /* NULL: it has ended, or is not there yet */
    bool is_paused;    /* takes nothing */
    bool is_finished;  /* gets nothing more */
    int upstream; /* which the script has connected to, while nobody has accepted it; -1 */
    struct kt_text output;
    char reason[64];
};

struct kt_upstream;

/* All zero: there are none. */
struct kt_far {
    struct kt_far_end **ends;
    size_t n_ends;
    struct kt_upstream *upstreams;
    int n_upstreams;
};

/* Frees them; when the server has ended. */
void kt_far_clear(struct kt_far *far);

/* Makes a client of that listener (NULL: of none), which is the last of far->ends.
 * Returns   0; -ENOMEM; as kelpie_detached. */
int kt_far_connect(struct kt_far *far, kelpie *k, const char *listener);

/* For kelpie_options.connect; arg is struct kt_far. What a test has said is there can be
 * connected to, and nothing else. */
int kt_far_on_connect(void *arg, const char *address, struct kelpie_transport *out,
                      void **transport_arg);

/* Says that something listens at an address, or no more.
 * Returns   its number; -ENOMEM. */
int kt_far_upstream(struct kt_far *far, const char *address, bool is_open);

/* Takes the connection that waits longest at an upstream.
 * Returns   its place in far->ends; -1: there is none. */
int kt_far_accept(struct kt_far *far, int upstream);

#endif
