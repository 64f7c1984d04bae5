/*
 * loop_kit.c - what the tests of the event loop share; see loop_kit.h
 */
#include "loop_kit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

void
loop_kit_on_event(void *arg, const struct kp_event *event)
{
    struct owner *owner = arg;

    owner->n_events++;
    owner->n_of[event->filter]++;
    owner->last = *event;
    if (owner->then != NULL)
        owner->then(owner, event);
}

static struct fixture *
fixture_new(void)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    f.fds_before = fault_count_fds();
    fault_env_init(&f.env, &f.mem, &f.sys);
    for (int i = 0; i < 4; i++) {
        kp_source_init(&f.owners[i].source);
        f.owners[i].f = &f;
        f.owners[i].fds[0] = f.owners[i].fds[1] = -1;
    }
    f.paper.refuse_fd = -1;
    return &f;
}

int
loop_kit_setup(void **state)
{
    struct fixture *f = fixture_new();

    *state = f;
    return kp_loop_open(&f->loop, &f->env);
}

/* Without an open loop. */
int
loop_kit_setup_closed(void **state)
{
    *state = fixture_new();
    return 0;
}

int
loop_kit_teardown_closed(void **state)
{
    struct fixture *f = *state;

    fault_env_check(&f->env, &f->mem);
    assert_int_equal(fault_count_fds(), f->fds_before);
    return 0;
}

void
owner_close(struct owner *owner)
{
    kp_loop_remove(&owner->f->loop, &owner->source);
    for (int i = 0; i < 2; i++)
        if (owner->fds[i] >= 0)
            close(owner->fds[i]);
    owner->fds[0] = owner->fds[1] = -1;
}

int
loop_kit_teardown(void **state)
{
    struct fixture *f = *state;

    fault_env_heal(&f->mem, &f->sys);
    for (int i = 0; i < 4; i++)
        owner_close(&f->owners[i]);
    kp_loop_close(&f->loop);
    return loop_kit_teardown_closed(state);
}

void
owner_add(struct owner *owner, int fd)
{
    assert_int_equal(
        kp_loop_add(&owner->f->loop, &owner->source, fd, loop_kit_on_event, owner), 0);
}

struct owner *
owner_open(struct fixture *f, int index)
{
    struct owner *owner = &f->owners[index];

    fault_socketpair(owner->fds);
    owner_add(owner, owner->fds[0]);
    return owner;
}

void
owner_watch(struct owner *owner, enum kp_filter filter, enum kp_mode mode)
{
    assert_int_equal(kp_loop_watch(&owner->f->loop, &owner->source, filter, mode, 0), 0);
}

struct owner *
owner_reading(struct fixture *f, int index)
{
    struct owner *owner = owner_open(f, index);

    owner_watch(owner, KP_READ, KP_EDGE);
    return owner;
}

void
owner_put(struct owner *owner, const char *text)
{
    assert_int_equal(write(owner->fds[1], text, strlen(text)), strlen(text));
}

void
loop_kit_step(struct fixture *f)
{
    assert_true(kp_loop_wait(&f->loop, WAIT_NS) > 0);
    kp_loop_dispatch(&f->loop);
}

void
loop_kit_step_now(struct fixture *f)
{
    assert_true(kp_loop_wait(&f->loop, 0) >= 0);
    kp_loop_dispatch(&f->loop);
}

static enum kp_filter
paper_filter(const struct kevent *change)
{
    if (change->filter == EVFILT_READ)
        return KP_READ;
    return change->filter == EVFILT_WRITE ? KP_WRITE : KP_VNODE;
}

/* Makes one change. Returns 0 or its errno. */
static int
paper_change(struct paper *paper, const struct kevent *change)
{
    enum kp_filter filter = paper_filter(change);

    assert_true(change->ident < 2000);
    paper->n_changes++;
    if (change->flags & EV_DELETE) {
        assert_ptr_equal(change->udata, NULL);
        if (paper->known[change->ident][filter].udata == 0) {
            paper->n_deletes_failed++;
            return ENOENT;
        }
        paper->known[change->ident][filter].udata = 0;
        return 0;
    }
    assert_true(change->flags & EV_ADD);
    assert_ptr_not_equal(change->udata, NULL);
    if ((int)change->ident == paper->refuse_fd)
        return EPERM;
    paper->known[change->ident][filter].udata = (uintptr_t)change->udata;
    paper->known[change->ident][filter].flags = change->flags;
    paper->known[change->ident][filter].fflags = change->fflags;
    return 0;
}

static int
paper_kevent(void *arg, int kq, const struct kevent *changes, int n_changes,
             struct kevent *events, int n_events, const struct timespec *timeout)
{
    struct paper *paper = arg;
    int n = 0;

    (void)kq;
    paper->n_calls++;
    paper->had_timeout = timeout != NULL;
    if (timeout != NULL)
        paper->timeout = *timeout;
    for (int i = 0; i < n_changes; i++) {
        int error = paper_change(paper, &changes[i]);
        if (error == 0)
            continue;
        if (n == n_events)
            return -error;
        events[n] = changes[i];
        events[n].flags = EV_ERROR;
        events[n++].data = error;
    }
    if (n > 0)
        return n;
    n = paper->n_ready < n_events ? paper->n_ready : n_events;
    if (n > 0)
        memcpy(events, paper->ready, (size_t)n * sizeof(*events));
    paper->n_ready -= n;
    memmove(paper->ready, paper->ready + n,
            (size_t)paper->n_ready * sizeof(paper->ready[0]));
    return n;
}

int
loop_kit_setup_paper(void **state)
{
    int rc = loop_kit_setup(state);
    struct fixture *f = *state;

    f->paper.calls = kp_sys_kernel;
    f->paper.calls.kevent = paper_kevent;
    f->sys.behind = &f->paper.calls;
    f->sys.behind_arg = &f->paper;
    return rc;
}

int
loop_kit_teardown_paper(void **state)
{
    struct fixture *f = *state;

    /* What was registered before must be taken out of the real one. */
    for (int i = 0; i < 4; i++)
        kp_loop_remove(&f->loop, &f->owners[i].source);
    f->sys.behind = &kp_sys_kernel;
    return loop_kit_teardown(state);
}

bool
paper_knows(struct fixture *f, int fd, enum kp_filter filter)
{
    return f->paper.known[fd][filter].udata != 0;
}

void
paper_ready(struct fixture *f, int fd, enum kp_filter filter, unsigned flags,
            unsigned fflags, int64_t data)
{
    struct kevent *event = &f->paper.ready[f->paper.n_ready++];
    void *udata = (void *)f->paper.known[fd][filter].udata;

    if (filter == KP_READ)
        EV_SET(event, (uintptr_t)fd, EVFILT_READ, (unsigned short)flags, fflags,
               (intptr_t)data, udata);
    else if (filter == KP_WRITE)
        EV_SET(event, (uintptr_t)fd, EVFILT_WRITE, (unsigned short)flags, fflags,
               (intptr_t)data, udata);
    else
        EV_SET(event, (uintptr_t)fd, EVFILT_VNODE, (unsigned short)flags, fflags,
               (intptr_t)data, udata);
}
