/*
 * kq_inside.h - the kqueue layer for Linux, compiled into a test program with fake calls
 *
 * One program includes the sources and KQ_CALL makes them use the calls of kq_faults.h, which
 * count and fail. What the kit then calls is this copy, too.
 */
#ifndef KQ_INSIDE_H
#define KQ_INSIDE_H

#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "kqueue_kit.h"

#include "kq_faults.h"

#include "compat/linux/kq_data.c"
#include "compat/linux/kq_epoll.c"
#include "compat/linux/kq_fd.c"
#include "compat/linux/kq_file.c"
#include "compat/linux/kq_note.c"
#include "compat/linux/kq_table.c"
#include "compat/linux/kq_vnode.c"
#include "compat/linux/kq_wait.c"
#include "compat/linux/kq_watch.c"
#include "compat/linux/kqueue.c"

#define EDGE (EV_ADD | EV_CLEAR)

static inline int
setup(void **state)
{
    int n_allocated = fake.n_allocated; /* the test before has left its kqueue's record */
    memset(&fake, 0, sizeof(fake));
    fake.n_allocated = n_allocated;
    fake.has_pwait2 = true;
    fake.has_inotify = true;
    return kit_setup(state);
}

static inline int
teardown(void **state)
{
    int rc = kit_teardown(state);
    close(kqueue());
    int last = kqueue(); /* what is left is this one: its record, and the table */
    close(last);
    if (fake.n_allocated != 2) {
        print_error("%d blocks are allocated, not 2\n", fake.n_allocated);
        return -1;
    }
    return rc;
}

/* The system calls that one kevent() makes. */
static inline int
calls_of_change(int kq, int fd, int filter, unsigned flags, unsigned fflags)
{
    int before = fake.n_calls;
    kit_change(kq, fd, filter, flags, fflags, 0);
    return fake.n_calls - before;
}

static inline int
calls_of_wait(int kq, int n_expected)
{
    struct kevent events[4];
    int before = fake.n_calls;
    assert_int_equal(kit_wait(kq, events, 4), n_expected);
    return fake.n_calls - before;
}

static inline bool
is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

static inline int
open_temporary(const char *text)
{
    char path[] = "/tmp/kelpie-compat-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* A first knote, so that what a kqueue needs once is not counted. */
static inline void
warm_up(int kq, int fds[2])
{
    kit_unix_pair(fds);
    kit_change(kq, fds[1], EVFILT_READ, EDGE, 0, 9);
}

static inline void
close_both(int fds[2])
{
    kit_close(fds[0]);
    kit_close(fds[1]);
}

#define KQ_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
