/*
 * loop.h - waits for events on descriptors, and delivers them to their owners
 *
 * The only user of kqueue(2). Changes are collected and handed to the kernel in the same
 * kevent() call that waits, one per step. A source is one descriptor and its owner; the
 * kernel is given a slot and a generation, never a pointer, so an event that names a source
 * removed in the same batch is recognised and dropped, even when its number is in use again.
 */
#ifndef KP_LOOP_H
#define KP_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/env.h"

struct kevent;
struct kp_source;

enum kp_filter { KP_READ, KP_WRITE, KP_VNODE };
#define KP_N_FILTERS 3

enum kp_mode {
    KP_OFF,   /* not watched */
    KP_EDGE,  /* told once when it becomes ready (EV_CLEAR) */
    KP_LEVEL, /* told in every step while it is ready */
    KP_COUNT, /* the same, and how much there is; that costs more to ask for */
};

struct kp_event {
    enum kp_filter filter;
    bool eof;  /* EV_EOF: the peer ended; there may still be data to read */
    int error; /* 0, or an errno: of the connection (EV_EOF) or of the watch itself */
    bool watch_failed; /* the kernel refused the watch, with `error` */
    unsigned fflags;   /* NOTE_* of KP_VNODE */
    size_t count;      /* with KP_COUNT: bytes, or connections to accept; 0: unknown */
};

typedef void kp_source_fn(void *arg, const struct kp_event *event);

/* Embedded in its owner, hence small. Initialise with kp_source_init. */
struct kp_source {
    int fd;
    uint32_t slot; /* index in the loop's table; KP_NO_SLOT: not added */
    kp_source_fn *fn;
    void *arg;
    uint32_t pending[KP_N_FILTERS];   /* 1 + index of its change; 0: none */
    unsigned vnode_fflags;            /* wanted, for KP_VNODE */
    uint8_t mode[KP_N_FILTERS];       /* enum kp_mode: wanted */
    uint8_t registered[KP_N_FILTERS]; /* enum kp_mode: what the kernel knows */
};

#define KP_NO_SLOT UINT32_MAX

struct kp_slot {
    struct kp_source *source; /* NULL: free */
    uint32_t generation;      /* never 0; another one for each source */
    uint32_t next_free;
};

struct kp_loop {
    struct kp_env *env;
    int kq;
    int wake_fds[2];          /* self-pipe: [0] is watched, [1] written by kp_loop_wake */
    atomic_bool wake_pending; /* a byte is on its way; saves the write */
    struct kp_source wake;
    struct kp_slot *slots;
    size_t n_slots;
    uint32_t free_slot;     /* the first of the free ones, or KP_NO_SLOT */
    struct kevent *changes; /* not yet handed in; at most one per source and filter */
    size_t n_changes, changes_capacity;
    struct kevent *events; /* KP_LOOP_EVENTS places */
    size_t n_events;       /* taken out and not yet delivered */
    uint64_t now_ns;       /* the clock after the last wait */
};

#define KP_LOOP_EVENTS 256 /* taken out per wait; what is left comes with the next one */

/* Opens kqueue and self-pipe. From here on kq may be polled, and kp_loop_wake be called.
 * Returns   0; -EMFILE, -ENOMEM, errno of kqueue(2) and pipe(2): then nothing is open.
 * Borrows   env; loop must not move until kp_loop_close. */
int kp_loop_open(struct kp_loop *loop, struct kp_env *env) KP_MUST_CHECK;

/* Closes what kp_loop_open opened. Sources count as removed. */
void kp_loop_close(struct kp_loop *loop);

void kp_source_init(struct kp_source *source);

/* Adds a source for fd; nothing is watched yet.
 * Returns   0, -ENOMEM.
 * Borrows   source and fd, until kp_loop_remove. */
int kp_loop_add(struct kp_loop *loop, struct kp_source *source, int fd, kp_source_fn *fn,
                void *arg) KP_MUST_CHECK;

/* Sets how a filter of the source is watched, from the next wait on. vnode_fflags are the
 * NOTE_* of KP_VNODE (which is always KP_EDGE), else 0. Asking for what is set already costs
 * nothing. Turning KP_READ or KP_WRITE on again re-evaluates the condition. KP_EDGE is
 * not mixed with the others on one source. A watch that the kernel refused (watch_failed) is
 * KP_OFF again.
 * Returns   0, -ENOMEM: then nothing has changed. KP_OFF cannot fail. */
int kp_loop_watch(struct kp_loop *loop, struct kp_source *source, enum kp_filter filter,
                  enum kp_mode mode, unsigned vnode_fflags);

/* Removes a source: no event of it is delivered any more, not even one of this batch. Its
 * watches are taken out of the kernel at once. The caller may close fd afterwards, or keep
 * it; it must not have closed it before. source->fd keeps its value. Harmless when it is
 * not added. */
void kp_loop_remove(struct kp_loop *loop, struct kp_source *source);

/* Says whether there are changes that the kernel does not know yet. Who polls loop->kq by
 * other means than kp_loop_wait must hand them in first: a wait with timeout 0. */
static inline bool
kp_loop_has_changes(const struct kp_loop *loop)
{
    return loop->n_changes > 0;
}

/* Hands in the changes and waits until something happens, at most timeout_ns (KP_NEVER: for
 * ever), then sets loop->now_ns. Delivers nothing.
 * Returns   the number of events to deliver, 0 also for EINTR; negative errno: then nothing
 *           is lost, and the same changes are handed in by the next wait. */
int kp_loop_wait(struct kp_loop *loop, uint64_t timeout_ns);

/* Delivers the events of the last wait to their sources.
 * Calls     the sources' functions, which may add, watch and remove any source. */
void kp_loop_dispatch(struct kp_loop *loop);

/* Makes a wait, now or the next one, return. Wakes that come before it does are one. What it
 * is to find must be stored before.
 * Threads   any; also signal handlers: it needs no lock, makes no call but write(2) through
 *           the table of loop->env->sys, and keeps errno. So a table's `write` must be
 *           async-signal-safe, and the table must not be replaced meanwhile. */
void kp_loop_wake(struct kp_loop *loop);

#endif
