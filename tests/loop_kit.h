/*
 * loop_kit.h - what the tests of the event loop share
 *
 * A fixture with a loop whose doors lead through fault.h, and four owners of descriptors that
 * note what they are told. Real descriptors and the system's kqueue serve most tests. Those
 * about the bookkeeping of changes put a kqueue of their own behind the door to the kernel,
 * `struct paper`: it notes what is registered, hands out the events that it is told, and
 * refuses what it is told to.
 */
#ifndef LOOP_KIT_H
#define LOOP_KIT_H

#include <sys/event.h>

#include "event/loop.h"
#include "fault.h"

#define WAIT_NS (10 * KP_NS_PER_S) /* for what must happen */

/* A source that notes what it is told. */
struct owner {
    struct kp_source source;
    struct fixture *f;
    int fds[2]; /* [0] is watched */
    int n_events;
    struct kp_event last;
    int n_of[KP_N_FILTERS];
    void (*then)(struct owner *owner, const struct kp_event *event);
};

/* A kqueue on paper. */
struct paper {
    struct kp_sys_calls calls;
    struct {
        uintptr_t udata; /* 0: not registered */
        unsigned flags, fflags;
    } known[2000][KP_N_FILTERS];
    struct kevent ready[1000]; /* handed out in this order, once */
    int n_ready;
    int refuse_fd; /* adding it is EPERM; -1: none */
    int n_calls, n_changes, n_deletes_failed;
    bool had_timeout;
    struct timespec timeout; /* of the last call */
};

struct fixture {
    struct kp_env env;
    struct fault_mem mem;
    struct fault_sys sys;
    struct kp_loop loop;
    struct owner owners[4];
    struct paper paper;
    size_t fds_before;
};

/* cmocka fixtures; *state is a struct fixture. The teardowns fail on an open descriptor or an
 * outstanding block. */
int loop_kit_setup(void **state);
int loop_kit_teardown(void **state);
int loop_kit_setup_closed(void **state); /* the loop is not open */
int loop_kit_teardown_closed(void **state);
int loop_kit_setup_paper(void **state); /* a kqueue on paper */
int loop_kit_teardown_paper(void **state);

/* A kp_source_fn whose arg is a struct owner. */
void loop_kit_on_event(void *arg, const struct kp_event *event);

/* Adds an owner for a descriptor; for a new socket pair; and watches that for reading. */
void owner_add(struct owner *owner, int fd);
struct owner *owner_open(struct fixture *f, int index);
struct owner *owner_reading(struct fixture *f, int index);

/* Removes an owner and closes its descriptors. */
void owner_close(struct owner *owner);

/* Watches, which must succeed; writes text into the other end. */
void owner_watch(struct owner *owner, enum kp_filter filter, enum kp_mode mode);
void owner_put(struct owner *owner, const char *text);

/* A step that waits for something, and one that does not. */
void loop_kit_step(struct fixture *f);
void loop_kit_step_now(struct fixture *f);

/* Whether the kqueue on paper knows a watch; and an event that it hands out. */
bool paper_knows(struct fixture *f, int fd, enum kp_filter filter);
void paper_ready(struct fixture *f, int fd, enum kp_filter filter, unsigned flags,
                 unsigned fflags, int64_t data);

#define REAL(name)                                                                       \
 cmocka_unit_test_setup_teardown(name, loop_kit_setup, loop_kit_teardown)
#define CLOSED(name)                                                                     \
 cmocka_unit_test_setup_teardown(name, loop_kit_setup_closed, loop_kit_teardown_closed)
#define PAPER(name)                                                                      \
 cmocka_unit_test_setup_teardown(name, loop_kit_setup_paper, loop_kit_teardown_paper)

#endif
