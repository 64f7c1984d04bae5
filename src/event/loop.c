/*
 * loop.c - waits for events on descriptors, and delivers them to their owners
 *
 * One kevent() call per step hands in all changes and takes out all events; what the changes
 * are, and whose an event is, is the business of loop_watch.c.
 *
 *     kp_loop_wait       hand in changes, take out events, look at those that concern the
 *                        loop itself: refused watches and the wake-up
 *     kp_loop_dispatch   for each event: find its source, translate, call
 *
 * kevent() puts the errors of changes into the array of events, and stops at the first for
 * which there is no place. So no call hands in more changes than there are places left. If
 * there are more, they go in several calls, the first ones without waiting; what is left
 * when the array is full goes in by the next wait. Nothing here needs memory, so nothing is
 * lost when there is none.
 *
 * The wake-up is a pipe to ourselves, since a write is all that a signal handler may do. It
 * is emptied within the wait that it ends, not when its event is delivered: a wake-up before
 * that belongs to this wait, and one after it writes a new byte for the next.
 *
 * See       kqueue(2); POSIX.1-2017, 2.4.3 (async-signal-safe functions)
 */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/event.h>

#include "loop_watch.h"

/* The longest wait that every system accepts; whoever waits longer waits again. */
#define MAX_WAIT_NS (24 * 3600 * KP_NS_PER_S)

/* A write into our own pipe does not fail for good, whatever the reason was. */
#define WAKE_ATTEMPTS 3

_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "kp_loop_wake is called by signal handlers");

static const struct timespec no_wait = {0, 0};

/* ---- waiting ---- */

static void
drain_wake(struct kp_loop *loop)
{
    char bytes[16];
    ssize_t n;

    do
        n = kp_sys_read(&loop->env->sys, loop->wake_fds[0], bytes, sizeof(bytes));
    while (n == (ssize_t)sizeof(bytes));
    atomic_store(&loop->wake_pending, false);
}

/* Looks at the events from place `first` on, as far as they concern the loop itself. */
static void
inspect_events(struct kp_loop *loop, size_t first)
{
    for (size_t i = first; i < loop->n_events; i++) {
        const struct kevent *entry = &loop->events[i];
        if (entry->flags & EV_ERROR)
            kp_loop_note_refused(loop, entry);
        else if (kp_loop_find_source(loop, (uintptr_t)entry->udata) == &loop->wake)
            drain_wake(loop);
    }
}

/* Makes one call: hands in as many changes as there is room for their errors, and waits
   unless more of them are to come. Returns what it returned; *is_done says that it was the
   last call. */
static int
exchange(struct kp_loop *loop, const struct timespec *timeout, bool *is_done)
{
    size_t first = loop->n_events;
    size_t room = KP_LOOP_EVENTS - first;
    bool is_last = loop->n_changes <= room;
    size_t n = is_last ? loop->n_changes : room;

    if (first > 0 || !is_last)
        timeout = &no_wait;
    const struct kevent *changes = n > 0 ? &loop->changes[loop->n_changes - n] : NULL;
    int rc = kp_sys_kevent(&loop->env->sys, loop->kq, changes, (int)n,
                           &loop->events[first], (int)room, timeout);
    if (rc < 0)
        return rc;
    kp_loop_settle_changes(loop, n);
    loop->n_events += (size_t)rc;
    inspect_events(loop, first);
    *is_done = is_last || loop->n_events == KP_LOOP_EVENTS;
    return rc;
}

int
kp_loop_wait(struct kp_loop *loop, uint64_t timeout_ns)
{
    uint64_t wait_ns = timeout_ns < MAX_WAIT_NS ? timeout_ns : MAX_WAIT_NS;
    struct timespec wait = {(time_t)(wait_ns / KP_NS_PER_S),
                            (long)(wait_ns % KP_NS_PER_S)};
    bool is_done = loop->n_events == KP_LOOP_EVENTS;
    int rc = 0;

    while (!is_done && rc >= 0)
        rc = exchange(loop, timeout_ns == KP_NEVER ? NULL : &wait, &is_done);
    loop->now_ns = kp_sys_now_ns(&loop->env->sys);
    /* What an earlier call took out comes first; a lasting error will come again. */
    return rc < 0 && loop->n_events == 0 ? rc : (int)loop->n_events;
}

/* ---- delivering ---- */

static void
deliver(struct kp_loop *loop, const struct kevent *entry)
{
    struct kp_source *source = kp_loop_find_source(loop, (uintptr_t)entry->udata);
    enum kp_filter filter = kp_loop_filter_of(entry);
    struct kp_event event = {.filter = filter};

    if (source == NULL)
        return;
    if (entry->flags & EV_ERROR) {
        event.watch_failed = true;
        event.error = (int)entry->data;
    } else if (source->mode[filter] == KP_OFF) {
        return; /* turned off since the wait */
    } else if (filter == KP_VNODE) {
        event.fflags = entry->fflags;
    } else {
        event.eof = (entry->flags & EV_EOF) != 0;
        event.error = event.eof ? (int)entry->fflags : 0;
        if (source->mode[filter] == KP_COUNT && entry->data > 0)
            event.count = (size_t)entry->data;
    }
    source->fn(source->arg, &event);
}

void
kp_loop_dispatch(struct kp_loop *loop)
{
    for (size_t i = 0; i < loop->n_events; i++)
        deliver(loop, &loop->events[i]);
    loop->n_events = 0;
}

/* ---- waking ---- */

static void
on_wake(void *arg, const struct kp_event *event)
{
    (void)arg; /* the wait has returned, which is all that was asked for */
    (void)event;
}

void
kp_loop_wake(struct kp_loop *loop)
{
    int saved_errno = errno;
    ssize_t n = -1;

    if (atomic_exchange(&loop->wake_pending, true))
        return;
    for (int i = 0; i < WAKE_ATTEMPTS && n < 0; i++) {
        n = kp_sys_write(&loop->env->sys, loop->wake_fds[1], "", 1);
        if (n == -EAGAIN)
            n = 0; /* full: there is more than one byte on its way */
    }
    if (n < 0)
        atomic_store(&loop->wake_pending, false);
    errno = saved_errno;
}

/* ---- opening and closing ---- */

/* The pipe is known to the kernel at once, so that a host may poll kq before the first wait,
   and a failure is that of kp_loop_open. */
static int
watch_wake_pipe(struct kp_loop *loop)
{
    int rc = kp_loop_add(loop, &loop->wake, loop->wake_fds[0], on_wake, loop);

    if (rc == 0)
        rc = kp_loop_watch(loop, &loop->wake, KP_READ, KP_EDGE, 0);
    if (rc == 0)
        rc =
            kp_sys_kevent(&loop->env->sys, loop->kq, loop->changes, 1, NULL, 0, &no_wait);
    if (rc == 0)
        kp_loop_settle_changes(loop, 1);
    return rc;
}

int
kp_loop_open(struct kp_loop *loop, struct kp_env *env)
{
    *loop = (struct kp_loop){
        .env = env, .kq = -1, .wake_fds = {-1, -1}, .free_slot = KP_NO_SLOT};
    atomic_init(&loop->wake_pending, false);
    kp_source_init(&loop->wake);

    int rc = loop->kq = kp_sys_kqueue(&env->sys);
    if (rc >= 0)
        rc = kp_sys_pipe(&env->sys, loop->wake_fds);
    if (rc >= 0) {
        loop->events = kp_mem_alloc(&env->mem, KP_LOOP_EVENTS * sizeof(*loop->events));
        rc = loop->events != NULL ? watch_wake_pipe(loop) : -ENOMEM;
    }
    if (rc < 0) {
        kp_loop_close(loop);
        return rc;
    }
    loop->now_ns = kp_sys_now_ns(&env->sys);
    return 0;
}

static void
close_fd(struct kp_loop *loop, int *fd)
{
    if (*fd >= 0)
        (void)kp_sys_close(&loop->env->sys, *fd); /* nothing to be done about it */
    *fd = -1;
}

void
kp_loop_close(struct kp_loop *loop)
{
    struct kp_mem *mem = &loop->env->mem;

    for (size_t i = 0; i < loop->n_slots; i++)
        if (loop->slots[i].source != NULL)
            kp_loop_remove(loop, loop->slots[i].source);
    close_fd(loop, &loop->wake_fds[0]);
    close_fd(loop, &loop->wake_fds[1]);
    close_fd(loop, &loop->kq);
    kp_mem_free(mem, loop->slots, loop->n_slots * sizeof(*loop->slots));
    kp_mem_free(mem, loop->changes, loop->changes_capacity * sizeof(*loop->changes));
    kp_mem_free(mem, loop->events, KP_LOOP_EVENTS * sizeof(*loop->events));
    loop->slots = NULL;
    loop->changes = loop->events = NULL;
    loop->n_slots = loop->n_changes = loop->changes_capacity = loop->n_events = 0;
    loop->free_slot = KP_NO_SLOT;
}
