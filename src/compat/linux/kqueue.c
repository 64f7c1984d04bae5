/*
 * kqueue.c - kqueue(2) on Linux: the two calls
 *
 * kevent() does three things, in this order:
 *
 *   change   each entry of changelist, in order. An error becomes an EV_ERROR entry of
 *            eventlist; if there is any, the call ends here, without a wait
 *   wait     for epoll, not at all if the ready queue has something already. What epoll
 *            says is translated into ready knotes: at most two for each of its events, any
 *            number for inotify
 *   report   ready knotes from the head of the queue, as many as fit. The others stay
 *
 * The wait goes on if it was woken for nothing that can be reported. On the way out the bell
 * is rung if the queue is not empty, for hosts that poll the kqueue's descriptor and for
 * other threads that wait.
 *
 * There is no thread, no signal disposition, and no memory of descriptors beyond what is
 * registered. The layer is below base/mem and calls malloc(3) itself.
 *
 * See: sys/event.h for what a caller can rely on, kq.h for how the work is divided.
 */
#include "kq.h"

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

/* Events taken from epoll at a time: 3 KiB of stack. */
#define MAX_TAKEN 256

/* How often a call that must not wait looks again after having found only what it could not
   report. Each time it has dealt with at least one such thing. */
#define MAX_VAIN_LOOKS 8

#define NS_PER_S     INT64_C(1000000000)
#define FAR_FUTURE_S 1000000000 /* 31 years: no limit */

#define KNOWN_FLAGS                                                                      \
 (EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_ONESHOT | EV_CLEAR | EV_RECEIPT |     \
  EV_DISPATCH | EV_EOF | EV_ERROR)

/*
 * See sys/event.h.
 */
int
kqueue(void)
{
    int epfd = KQ_CALL(epoll_create1)(EPOLL_CLOEXEC);
    if (epfd < 0)
        return -1;
    int rc = kp_kq_table_insert(epfd);
    if (rc != 0) {
        (void)KQ_CALL(close)(epfd); /* nothing is in it */
        errno = -rc;
        return -1;
    }
    return epfd;
}

/* A number that cannot be the caller's: one of ours may have been a descriptor of the caller
   before, which is closed then. */
static bool
is_own(const struct kq *kq, uintptr_t ident)
{
    return ident > INT_MAX || (int)ident == kq->bell_fd || (int)ident == kq->inotify_fd;
}

static int
apply_change(struct kq *kq, const struct kevent *change)
{
    /* EV_EOF and EV_ERROR of an event that is handed in again are ignored. */
    if (change->flags & ~KNOWN_FLAGS)
        return -EINVAL;
    switch (change->filter) {
    case EVFILT_READ:
    case EVFILT_WRITE:
        return is_own(kq, change->ident) ? -EBADF : kp_kq_epoll_change(kq, change);
    case EVFILT_VNODE:
        return is_own(kq, change->ident) ? -EBADF : kp_kq_vnode_change(kq, change);
    default:
        return -EINVAL;
    }
}

/* Makes the changes. Returns the number of entries in events, or the error of the change for
   which there is no room: the rest is not made then, not even after a receipt. */
static int
apply_changes(struct kq *kq, const struct kevent *changes, int n_changes,
              struct kevent *events, int n_events, bool *is_done)
{
    int n = 0;
    for (int i = 0; i < n_changes; i++) {
        struct kevent change = changes[i]; /* events may be the same array */
        int rc = apply_change(kq, &change);
        if (rc == 0 && !(change.flags & EV_RECEIPT))
            continue;
        if ((rc == -EBADF || rc == -EINVAL) && !kp_kq_table_is_open(kq))
            kq->is_closed = true;
        *is_done = true;
        if (kq->is_closed)
            return -EBADF;
        if (n == n_events)
            return rc < 0 ? rc : n;
        change.flags = EV_ERROR;
        change.data = -rc;
        events[n++] = change;
    }
    return n;
}

static bool
recheck(struct kq *kq, struct kq_note *note)
{
    if (note->filter != EVFILT_VNODE)
        return kp_kq_epoll_recheck(kq, note);
    note->is_stale = false; /* what has happened to a file does not go away */
    return true;
}

/* Looks again at what earlier calls have left: all of it is at the head of the queue. */
static void
recheck_stale(struct kq *kq)
{
    struct kq_note *note = TAILQ_FIRST(&kq->ready);
    while (note != NULL && note->is_stale) {
        struct kq_note *after = note;
        if (!recheck(kq, note))
            after = TAILQ_FIRST(&kq->ready); /* others may have gone with it */
        /* Those that were confirmed are not stale any more; skip them. */
        note = after;
        while (note != NULL && !note->is_stale)
            note = TAILQ_NEXT(note, link);
    }
}

static void
take_events(struct kq *kq, const struct epoll_event *taken, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t data = taken[i].data.u64;
        if (data >> 32 != 0)
            kp_kq_epoll_event(kq, &taken[i]);
        else if (data == (uint64_t)kq->bell_fd)
            kq->is_rung = false;
        else if (data == (uint64_t)kq->inotify_fd)
            (void)kp_kq_watch_read(kq); /* one buffer; epoll comes back for more */
    }
}

/* Hands out ready knotes. One that comes back to the queue is stale and ends the turn. */
static int
report(struct kq *kq, struct kevent *events, int n_events)
{
    struct kq_note *note;
    int n = 0;
    while (n < n_events && (note = TAILQ_FIRST(&kq->ready)) != NULL && !note->is_stale) {
        bool is_reported;
        kp_kq_note_pull(kq, note);
        if (note->filter == EVFILT_VNODE)
            is_reported = kp_kq_vnode_report(kq, note, &events[n]);
        else
            is_reported = kp_kq_epoll_report(kq, note, &events[n]);
        if (!is_reported)
            continue; /* the knote may be gone */
        n++;
        kp_kq_epoll_reported(kq, note);
    }
    return n;
}

static int64_t
now_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail on Linux */
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* The time that is left, -1 for no limit. */
static int64_t
time_left(int64_t deadline_ns)
{
    if (deadline_ns < 0)
        return -1;
    int64_t left = deadline_ns == 0 ? 0 : deadline_ns - now_ns();
    return left > 0 ? left : 0;
}

/* A deadline on the monotonic clock; 0 for none of it, -1 for no limit. */
static int64_t
deadline_of(const struct timespec *timeout)
{
    if (timeout == NULL || timeout->tv_sec >= FAR_FUTURE_S)
        return -1;
    int64_t ns = timeout->tv_sec * NS_PER_S + timeout->tv_nsec;
    return ns == 0 ? 0 : now_ns() + ns;
}

static int
wait_and_report(struct kq *kq, struct kevent *events, int n_events,
                const struct timespec *timeout)
{
    struct epoll_event taken[MAX_TAKEN];
    int max = n_events < MAX_TAKEN ? n_events : MAX_TAKEN;
    int64_t deadline_ns = deadline_of(timeout);

    for (int n_looks = 1;; n_looks++) {
        recheck_stale(kq);
        kp_kq_file_collect(kq);
        int64_t left_ns = time_left(deadline_ns);
        int n_taken = kp_kq_wait(kq, taken, max, TAILQ_EMPTY(&kq->ready) ? left_ns : 0);
        if (n_taken == -EBADF || n_taken == -EINVAL)
            kq->is_closed = true;
        if (kq->is_closed)
            return -EBADF;
        if (n_taken < 0)
            return n_taken;
        take_events(kq, taken, n_taken);
        int n = report(kq, events, n_events);
        if (n > 0)
            return n;
        bool is_late = time_left(deadline_ns) == 0;
        if (is_late && (n_taken == 0 || n_looks >= MAX_VAIN_LOOKS))
            return 0;
    }
}

/* Releases the lock. What is left over must be looked at again by the next call, and make the
   descriptor readable for those who poll it. */
static void
leave(struct kq *kq)
{
    struct kq_note *note;
    if (kq->is_closed) {
        kp_kq_table_drop(kq);
        return;
    }
    if (!kq->is_rung)
        kp_kq_file_collect(kq);
    TAILQ_FOREACH(note, &kq->ready, link)
    {
        note->is_stale = true;
    }
    if (!TAILQ_EMPTY(&kq->ready))
        kp_kq_bell_ring(kq);
    kp_kq_unlock(kq);
}

static bool
is_valid_timeout(const struct timespec *timeout)
{
    return timeout == NULL ||
           (timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 && timeout->tv_nsec < NS_PER_S);
}

/*
 * See sys/event.h.
 */
int
kevent(int kq_fd, const struct kevent *changelist, int nchanges, struct kevent *eventlist,
       int nevents, const struct timespec *timeout)
{
    bool is_done = nevents == 0;
    int rc = -EINVAL;
    struct kq *kq = kp_kq_table_lock(kq_fd);
    if (kq == NULL) {
        errno = EBADF;
        return -1;
    }
    if (nchanges >= 0 && nevents >= 0 && is_valid_timeout(timeout)) {
        rc = apply_changes(kq, changelist, nchanges, eventlist, nevents, &is_done);
        if (!is_done)
            rc = wait_and_report(kq, eventlist, nevents, timeout);
    }
    leave(kq);
    if (rc < 0) {
        errno = -rc;
        return -1;
    }
    return rc;
}
