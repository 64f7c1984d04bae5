/*
 * kq_note.c - one knote: its life and the ready queue
 *
 * A knote that has something to report is in kq->ready, a first-in first-out queue, until it
 * has been handed out. What does not fit into the caller's array simply stays there for the
 * next call: nothing that epoll or inotify has told us once is ever lost. When a call ends,
 * all that is left is marked stale, because by the next call the data may have been read or
 * the descriptor closed; then it is looked at again, as a native kqueue does with each knote
 * that it scans.
 *
 * A level-triggered knote that epoll does not repeat by itself goes back to the end of the
 * queue, as stale, when it has been handed out. That is how a kqueue does it for all.
 *
 * Hosts may poll the kqueue's descriptor. Epoll makes it readable for what epoll knows; for
 * the rest there is the bell, an eventfd in the epoll set. It is registered edge-triggered
 * and never read: each write is an edge, which the next epoll_wait() consumes.
 */
#include "kq.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define KQ_KEPT_FLAGS (EV_CLEAR | EV_ONESHOT | EV_DISPATCH)

/*
 * Registers a knote as an EV_ADD says. fd and filter come from the change too.
 */
void
kp_kq_note_start(struct kq *kq, struct kq_note *note, const struct kevent *change)
{
    *note = (struct kq_note){
        .udata = change->udata,
        .fd = (int)change->ident,
        .fflags = change->fflags,
        .filter = change->filter,
        .flags = change->flags & KQ_KEPT_FLAGS,
        .is_live = true,
        .is_enabled = (change->flags & EV_DISABLE) == 0,
    };
    kq->n_notes++;
}

/*
 * Unregisters a knote, live or not; what it had to report is forgotten.
 */
void
kp_kq_note_stop(struct kq *kq, struct kq_note *note)
{
    if (!note->is_live)
        return;
    kp_kq_note_pull(kq, note);
    note->is_live = false;
    note->is_enabled = false;
    kq->n_notes--;
}

/*
 * Puts a knote into the ready queue, or only its news if it is there already.
 */
void
kp_kq_note_push(struct kq *kq, struct kq_note *note, unsigned pending)
{
    note->pending = pending;
    if (note->is_queued) {
        note->is_stale = false;
        return;
    }
    TAILQ_INSERT_TAIL(&kq->ready, note, link);
    note->is_queued = true;
    note->is_stale = false;
}

/*
 * Takes a knote out of the ready queue, if it is there.
 */
void
kp_kq_note_pull(struct kq *kq, struct kq_note *note)
{
    if (!note->is_queued)
        return;
    TAILQ_REMOVE(&kq->ready, note, link);
    note->is_queued = false;
}

/*
 * Fills in what is the same for the events of every filter.
 */
void
kp_kq_note_fill(const struct kq_note *note, struct kevent *out)
{
    EV_SET(out, note->fd, note->filter, note->flags, 0, 0, note->udata);
}

/*
 * Makes sure that the kqueue has its bell.
 *
 * Returns   0, or -EMFILE, -ENFILE, -ENOMEM, or -EBADF and -EINVAL for a closed kqueue.
 */
int
kp_kq_bell_open(struct kq *kq)
{
    if (kq->bell_fd >= 0)
        return 0;
    int fd = KQ_CALL(eventfd)(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    event.data.u64 = (uint64_t)fd;
    if (KQ_CALL(epoll_ctl)(kq->epfd, EPOLL_CTL_ADD, fd, &event) != 0) {
        int rc = -errno;
        (void)KQ_CALL(close)(fd); /* nothing was written to it */
        return rc;
    }
    kq->bell_fd = fd;
    kq->is_rung = false;
    return 0;
}

/*
 * Makes the kqueue's descriptor readable until the next wait, and wakes a waiting thread.
 */
void
kp_kq_bell_ring(struct kq *kq)
{
    static const uint64_t one = 1;
    if (kq->is_rung)
        return;
    /* It could only fail with EAGAIN, after 2^64 rings, and would be readable then. */
    (void)!KQ_CALL(write)(kq->bell_fd, &one, sizeof(one));
    kq->is_rung = true;
}
