/*
 * poller.h - the kernel's way to wait for many sockets, as plain as it can be
 *
 * For the load generator and for the reference servers; no code of kelpie is in it, so that
 * what kelpie is compared with does not depend on it. Level-triggered. Readable is always
 * watched, writable on request.
 */
#ifndef POLLER_H
#define POLLER_H

#include <stdbool.h>

enum { POLLER_MAX_EVENTS = 256 };

struct poller_event {
    void *arg; /* what was given to poller_add */
    bool readable, writable;
};

struct poller {
    int fd;
    int n; /* events of the last wait */
    struct poller_event events[POLLER_MAX_EVENTS];
};

/* Returns 0, or a negative errno. */
int poller_open(struct poller *poller);
void poller_close(struct poller *poller);

/* Watches fd for input; closing fd ends it. Returns 0, or a negative errno. */
int poller_add(struct poller *poller, int fd, void *arg);

/* Watches fd for room to write too, or no longer. Returns 0, or a negative errno. */
int poller_want_write(struct poller *poller, int fd, void *arg, bool wanted);

/* Waits at most timeout_ms (-1: for ever), then fills events and n; an interrupted wait is
 * one without events. Returns n, or a negative errno. */
int poller_wait(struct poller *poller, int timeout_ms);

#endif
