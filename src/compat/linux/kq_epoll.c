/*
 * kq_epoll.c - EVFILT_READ and EVFILT_WRITE over epoll
 *
 * Both filters of a descriptor are one registration with epoll. What epoll has been told is
 * in kq_fd.mask:
 *
 *   enabled knotes           mask
 *   all level-triggered      EPOLLIN | EPOLLRDHUP, EPOLLOUT
 *   one with EV_CLEAR,       the same and EPOLLET. A level-triggered one beside it goes
 *   _ONESHOT or _DISPATCH    round through the ready queue (kq_note.c)
 *   none, but one disabled   EPOLLET | EPOLLONESHOT: "parked". Epoll adds EPOLLERR and
 *                            EPOLLHUP by itself; so it is told once, not for ever
 *   none at all              0: not registered, or lazily so, see below
 *
 * Lazy: with EPOLLET set, deleting or disabling a knote only records it. If epoll reports
 * something that nobody wants any more, the registration is corrected then. A connection
 * that turns EVFILT_WRITE on and off pays for the first half only.
 *
 * Epoll knows open files, kqueue knows numbers. An event carries number and generation; the
 * generation changes when the number gets to mean another open file, so that events of the
 * old one are recognised. That a number was closed, and perhaps reused, is found out by
 * EPOLL_CTL_MOD: it fails then. Therefore each EV_ADD and EV_ENABLE of a registered knote is
 * an EPOLL_CTL_MOD, also if the mask stays the same. It makes epoll look at the descriptor
 * again as well, so that a condition that already holds is reported, as kqueue does.
 */
#include "kq.h"

#include <errno.h>
#include <poll.h>

#define KQ_EDGE   (EV_CLEAR | EV_ONESHOT | EV_DISPATCH)
#define KQ_PARKED ((uint32_t)EPOLLET | EPOLLONESHOT)

#define READ_BITS  ((uint32_t)(EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
#define WRITE_BITS ((uint32_t)(EPOLLOUT | EPOLLHUP | EPOLLERR))

static bool
is_on(const struct kq_note *note)
{
    return note->is_live && note->is_enabled;
}

static uint32_t
wanted_mask(const struct kq_fd *entry)
{
    uint32_t mask = 0;
    unsigned flags = 0;
    if (is_on(&entry->read)) {
        mask |= EPOLLIN | EPOLLRDHUP;
        flags |= entry->read.flags;
    }
    if (is_on(&entry->write)) {
        mask |= EPOLLOUT;
        flags |= entry->write.flags;
    }
    if (mask == 0)
        return entry->read.is_live || entry->write.is_live ? KQ_PARKED : 0;
    return flags & KQ_EDGE ? mask | EPOLLET : mask;
}

static int
tell_epoll(struct kq *kq, struct kq_fd *entry, int fd, int operation)
{
    uint32_t mask = wanted_mask(entry);
    struct epoll_event event = {.events = mask};
    event.data.u64 = (uint64_t)entry->generation << 32 | (uint32_t)fd;
    if (KQ_CALL(epoll_ctl)(kq->epfd, operation, fd, &event) != 0) {
        /* EPERM: the number is a file now, which cannot be what was registered. */
        bool is_other_file = errno == EPERM && operation != EPOLL_CTL_ADD;
        return is_other_file ? -ENOENT : -errno;
    }
    entry->mask = operation == EPOLL_CTL_DEL ? 0 : mask;
    return 0;
}

/* Registers the entry anew: the number may mean another open file than the last time. */
static int
tell_epoll_anew(struct kq *kq, struct kq_fd *entry, int fd)
{
    if (++kq->generation == 0)
        kq->generation = 1;
    entry->generation = kq->generation;
    entry->error = 0;
    entry->mask = 0;
    int rc = tell_epoll(kq, entry, fd, EPOLL_CTL_ADD);
    if (rc == -EEXIST) /* lazily deleted, and the same open file after all */
        rc = tell_epoll(kq, entry, fd, EPOLL_CTL_MOD);
    return rc;
}

/* After a knote was disabled or deleted: brings epoll in line, unless that can wait. */
static int
tell_epoll_less(struct kq *kq, struct kq_fd *entry, int fd)
{
    if (entry->mask == 0 || entry->mask & EPOLLET || entry->mask == wanted_mask(entry))
        return 0;
    return tell_epoll(kq, entry, fd,
                      wanted_mask(entry) != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_DEL);
}

static bool
is_gone(int rc)
{
    return rc == -ENOENT || rc == -EBADF;
}

static struct kq_note *
note_of(struct kq_fd *entry, short filter)
{
    return filter == EVFILT_READ ? &entry->read : &entry->write;
}

static int
add_note(struct kq *kq, const struct kevent *change)
{
    int fd = (int)change->ident;
    struct kq_fd *entry;
    int rc = kp_kq_fd_need(&entry, kq, fd);
    if (rc != 0)
        return rc;
    struct kq_note *note = note_of(entry, change->filter);
    bool is_first = !entry->read.is_live && !entry->write.is_live;

    kp_kq_note_start(kq, note, change);
    if (kp_kq_file_is(entry)) {
        rc = kp_kq_file_start(kq, entry, note);
    } else {
        if (!is_first)
            rc = tell_epoll(kq, entry, fd, EPOLL_CTL_MOD);
        if (!is_first && is_gone(rc)) {
            kp_kq_fd_forget(kq, entry);
            kp_kq_note_start(kq, note, change);
            is_first = true;
        }
        if (is_first)
            rc = tell_epoll_anew(kq, entry, fd);
        if (rc == -EPERM)
            rc = kp_kq_file_start(kq, entry, note);
    }
    if (rc != 0)
        kp_kq_note_stop(kq, note);
    return rc;
}

static int
delete_note(struct kq *kq, struct kq_fd *entry, struct kq_note *note)
{
    int fd = note->fd;
    kp_kq_note_stop(kq, note);
    int rc = tell_epoll_less(kq, entry, fd);
    if (is_gone(rc)) {
        kp_kq_fd_forget(kq, entry);
        return rc;
    }
    if (entry->watch != NULL)
        kp_kq_watch_settle(kq, entry);
    /* Whatever else epoll says, the knote is gone, and a late event will be ignored. */
    return 0;
}

/* Applies a change to a live knote. The descriptor may turn out to have been closed. */
static int
modify_note(struct kq *kq, struct kq_fd *entry, struct kq_note *note,
            const struct kevent *change)
{
    struct kq_note before = *note;
    int fd = note->fd;
    bool looks_again = (change->flags & (EV_ADD | EV_ENABLE)) != 0;
    int rc = 0;

    note->is_enabled = (change->flags & EV_ENABLE) ||
                       (note->is_enabled && !(change->flags & EV_DISABLE));
    if (!kp_kq_file_is(entry))
        rc = looks_again ? tell_epoll(kq, entry, fd, EPOLL_CTL_MOD)
                         : tell_epoll_less(kq, entry, fd);
    else if (looks_again)
        kp_kq_file_due(entry, note);
    if (is_gone(rc)) {
        kp_kq_fd_forget(kq, entry);
        return change->flags & EV_ADD ? add_note(kq, change) : rc;
    }
    if (rc != 0) {
        note->is_enabled = before.is_enabled;
        return rc;
    }
    if (!note->is_enabled)
        kp_kq_note_pull(kq, note);
    if (change->flags & EV_ADD) {
        note->udata = change->udata;
        note->fflags = change->fflags;
    }
    return 0;
}

/*
 * Applies a change of EVFILT_READ or EVFILT_WRITE.
 *
 * Returns   0, or -EBADF, -ENOENT, -EINVAL, -ENOMEM, -EMFILE, -ENFILE, -ENOSPC (the limit of
 *           epoll); nothing has changed then.
 */
int
kp_kq_epoll_change(struct kq *kq, const struct kevent *change)
{
    int fd = (int)change->ident;
    if (change->flags & EV_ADD && change->fflags & ~(unsigned)NOTE_NODATA)
        return -EINVAL;

    struct kq_fd *entry = kp_kq_fd_find(kq, fd);
    if (entry != NULL)
        kp_kq_watch_verify(kq, entry);
    struct kq_note *note = entry != NULL ? note_of(entry, change->filter) : NULL;
    if (note == NULL || !note->is_live)
        return change->flags & EV_ADD ? add_note(kq, change) : kp_kq_fd_missing(fd);
    if (change->flags & EV_DELETE)
        return delete_note(kq, entry, note);
    return modify_note(kq, entry, note, change);
}

/* Queues the knotes that an event is for, and says whether there is one. */
static bool
push_notes(struct kq *kq, struct kq_fd *entry, uint32_t revents)
{
    bool for_read = is_on(&entry->read) && revents & READ_BITS;
    bool for_write = is_on(&entry->write) && revents & WRITE_BITS;
    if (!for_read && !for_write)
        return false;

    int fd = for_read ? entry->read.fd : entry->write.fd;
    if (!(revents & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)))
        entry->error = 0; /* the socket lives (again) */
    if (revents & EPOLLERR)
        revents = kp_kq_data_error(fd, revents, &entry->error);
    if (for_read)
        kp_kq_note_push(kq, &entry->read, revents);
    if (for_write)
        kp_kq_note_push(kq, &entry->write, revents);
    return true;
}

/*
 * Takes an event from epoll: queues knotes, or corrects a registration that nobody wants.
 */
void
kp_kq_epoll_event(struct kq *kq, const struct epoll_event *event)
{
    int fd = (int)(event->data.u64 & UINT32_MAX);
    uint32_t generation = (uint32_t)(event->data.u64 >> 32);
    struct kq_fd *entry = kp_kq_fd_find(kq, fd);

    if (entry == NULL || entry->generation != generation || entry->mask == 0) {
        /* Lazily deleted, or of an open file that has lost its number. Only if the number
           is not registered now, deleting it cannot hit the wrong one. It fails if there
           is nothing to delete, which is fine. */
        if (entry == NULL || entry->mask == 0)
            (void)KQ_CALL(epoll_ctl)(kq->epfd, EPOLL_CTL_DEL, fd, NULL);
        return;
    }
    if (push_notes(kq, entry, event->events))
        return;
    uint32_t mask = wanted_mask(entry);
    if (mask == entry->mask)
        return;
    int rc = tell_epoll(kq, entry, fd, mask != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_DEL);
    if (is_gone(rc))
        kp_kq_fd_forget(kq, entry);
}

/*
 * Looks again at a knote that an earlier call has left in the queue.
 *
 * Returns   false if it has nothing to report (any more); then it is not in the queue, and
 *           not even live if its descriptor was closed.
 */
bool
kp_kq_epoll_recheck(struct kq *kq, struct kq_note *note)
{
    struct kq_fd *entry = kp_kq_fd_find(kq, note->fd);
    struct epoll_event none = {0};
    int fd = note->fd;
    if (kp_kq_file_is(entry))
        return kp_kq_file_recheck(kq, note);

    /* Adding what is there says EEXIST; anything else says that the number was closed. */
    int rc = KQ_CALL(epoll_ctl)(kq->epfd, EPOLL_CTL_ADD, fd, &none);
    if (rc == 0 || errno != EEXIST) {
        if (rc == 0)
            (void)KQ_CALL(epoll_ctl)(kq->epfd, EPOLL_CTL_DEL, fd, NULL); /* cannot fail */
        kp_kq_fd_forget(kq, entry);
        return false;
    }
    bool is_read = note->filter == EVFILT_READ;
    struct pollfd now = {.fd = fd, .events = is_read ? POLLIN | POLLRDHUP : POLLOUT};
    uint32_t revents = note->pending;
    if (KQ_CALL(poll)(&now, 1, 0) >= 0)
        revents = (uint16_t)now.revents; /* the bits are those of epoll */
    if (!(revents & (is_read ? READ_BITS : WRITE_BITS))) {
        kp_kq_note_pull(kq, note);
        return false;
    }
    if (revents & EPOLLERR)
        revents = kp_kq_data_error(fd, revents, &entry->error);
    kp_kq_note_push(kq, note, revents);
    return true;
}

/*
 * Makes the event of a knote that is ready.
 *
 * Returns   false if it turns out that the descriptor was closed; its knotes are gone then.
 */
bool
kp_kq_epoll_report(struct kq *kq, struct kq_note *note, struct kevent *out)
{
    struct kq_fd *entry = kp_kq_fd_find(kq, note->fd);
    bool is_read = note->filter == EVFILT_READ;
    int rc = 0;
    if (kp_kq_file_is(entry))
        return kp_kq_file_report(kq, note, out);

    kp_kq_note_fill(note, out);
    if (!(note->fflags & NOTE_NODATA))
        rc = is_read ? kp_kq_data_readable(&out->data, note->fd, &note->is_listener)
                     : kp_kq_data_writable(&out->data, note->fd);
    if (rc != 0) {
        kp_kq_fd_forget(kq, entry);
        return false;
    }
    if (note->pending & (is_read ? EPOLLHUP | EPOLLRDHUP : EPOLLHUP)) {
        out->flags |= EV_EOF;
        out->fflags = (unsigned)entry->error;
    }
    return true;
}

/*
 * Does to a knote of any filter what its flags say once it has been reported.
 */
void
kp_kq_epoll_reported(struct kq *kq, struct kq_note *note)
{
    struct kq_fd *entry = kp_kq_fd_find(kq, note->fd);
    if (note->flags & EV_ONESHOT) {
        (void)delete_note(kq, entry, note); /* lazy, hence cannot fail */
    } else if (note->flags & EV_DISPATCH) {
        note->is_enabled = false;
        if (note->flags & EV_CLEAR)
            note->pending = 0;
    } else if (note->flags & EV_CLEAR) {
        note->pending = 0;
    } else if (note->filter == EVFILT_VNODE || kp_kq_file_is(entry) ||
               entry->mask & EPOLLET) {
        kp_kq_note_push(kq, note, note->pending);
        note->is_stale = true;
    }
}
