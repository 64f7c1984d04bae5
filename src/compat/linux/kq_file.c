/*
 * kq_file.c - EVFILT_READ and EVFILT_WRITE of what epoll refuses, such as regular files
 *
 * Standard input may be a file. Epoll refuses it with EPERM: regular files, directories,
 * /dev/null and other devices that are always ready. A native kqueue takes (most of) them:
 *
 *   regular file, READ    ready while the offset is not at the end of the file; data is what
 *                         is left, negative beyond the end. No EV_EOF: at the end it is
 *                         silent until the file grows
 *   anything else, READ   ready, data 0; read(2) tells the end. So do NetBSD and OpenBSD with
 *                         /dev/null, which FreeBSD 14 refuses with ENODEV
 *   WRITE                 ready, data 0
 *
 * The few knotes of this kind are looked at in each call of kevent(), with fstat(2) and
 * lseek(2). With EV_CLEAR they are looked at after EV_ADD and EV_ENABLE and when the file
 * has grown. That it grows during a wait is told by inotify. Where no watch can be had (the
 * limits are per user) the next call of kevent() sees it, and EV_CLEAR does not keep a knote
 * silent while there is something to read.
 *
 * Such a descriptor has no registration that tells a closed and reused number, so the inode
 * is compared instead (kq_watch.c).
 */
#include "kq.h"

#include <errno.h>
#include <unistd.h>

/*
 * Says whether READ and WRITE of this descriptor are handled here.
 */
bool
kp_kq_file_is(const struct kq_fd *entry)
{
    return entry->watch != NULL && entry->watch->is_file;
}

static bool *
due_of(struct kq_watch *watch, const struct kq_note *note)
{
    return note->filter == EVFILT_READ ? &watch->read_due : &watch->write_due;
}

/*
 * Starts a READ or WRITE knote here.
 *
 * Returns   0, or -ENOMEM, -EBADF.
 */
int
kp_kq_file_start(struct kq *kq, struct kq_fd *entry, struct kq_note *note)
{
    struct kq_watch *watch;
    int rc = kp_kq_watch_need(&watch, kq, entry, note->fd);
    if (rc != 0)
        return rc;
    kq->n_files += !watch->is_file;
    watch->is_file = true;
    *due_of(watch, note) = true;
    if (note->filter == EVFILT_READ && S_ISREG(watch->known.st_mode))
        rc = kp_kq_watch_start(kq, watch);
    if (rc == -ENOMEM) {
        kp_kq_note_stop(kq, note);
        kp_kq_watch_settle(kq, entry);
        return rc;
    }
    return 0; /* growth is a convenience: the limits of inotify are no error */
}

/*
 * Notes that a knote was added again or enabled.
 */
void
kp_kq_file_due(struct kq_fd *entry, const struct kq_note *note)
{
    *due_of(entry->watch, note) = true;
}

/* Says whether a knote is ready, and how much is left to read. If that cannot be found out,
   it is not dropped, but ready with nothing to say. */
static bool
is_ready(const struct kq_watch *watch, const struct kq_note *note, intptr_t *data)
{
    struct stat now;
    *data = 0;
    if (note->filter == EVFILT_WRITE || !S_ISREG(watch->known.st_mode))
        return true;
    off_t offset = KQ_CALL(lseek)(note->fd, 0, SEEK_CUR);
    if (offset < 0 || KQ_CALL(fstat)(note->fd, &now) != 0)
        return true;
    *data = (intptr_t)(now.st_size - offset);
    return *data != 0;
}

static void
collect_note(struct kq *kq, struct kq_watch *watch, struct kq_note *note)
{
    intptr_t data;
    if (note->is_live && note->is_enabled && !note->is_queued && *due_of(watch, note) &&
        is_ready(watch, note, &data))
        kp_kq_note_push(kq, note, EPOLLIN);
}

/*
 * Queues the knotes that are ready, and drops those whose descriptor was closed.
 */
void
kp_kq_file_collect(struct kq *kq)
{
    struct kq_watch *next;
    if (kq->n_files == 0)
        return;
    (void)kp_kq_watch_read(kq); /* files that are gone, or have grown */
    for (struct kq_watch *watch = LIST_FIRST(&kq->watches); watch != NULL; watch = next) {
        next = LIST_NEXT(watch, link);
        struct kq_fd *entry = kp_kq_fd_find(kq, watch->fd);
        if (!watch->is_file)
            continue;
        if (!kp_kq_watch_is_current(watch)) {
            kp_kq_fd_forget(kq, entry);
            continue;
        }
        collect_note(kq, watch, &entry->read);
        collect_note(kq, watch, &entry->write);
    }
}

/*
 * Looks again at a knote that an earlier call has left in the queue.
 *
 * Returns   as kp_kq_epoll_recheck().
 */
bool
kp_kq_file_recheck(struct kq *kq, struct kq_note *note)
{
    struct kq_fd *entry = kp_kq_fd_find(kq, note->fd);
    intptr_t data;
    if (!kp_kq_watch_is_current(entry->watch)) {
        kp_kq_fd_forget(kq, entry);
        return false;
    }
    if (!is_ready(entry->watch, note, &data)) {
        kp_kq_note_pull(kq, note);
        return false;
    }
    kp_kq_note_push(kq, note, EPOLLIN);
    return true;
}

/* Nobody would tell that the file has grown. */
static bool
is_growth_unseen(const struct kq_watch *watch, const struct kq_note *note)
{
    return note->filter == EVFILT_READ && S_ISREG(watch->known.st_mode) && watch->wd < 0;
}

/*
 * Makes the event of a knote that is ready.
 *
 * Returns   false if there is nothing left to read, after all.
 */
bool
kp_kq_file_report(struct kq *kq, struct kq_note *note, struct kevent *out)
{
    struct kq_watch *watch = kp_kq_fd_find(kq, note->fd)->watch;
    intptr_t data;
    if (!is_ready(watch, note, &data))
        return false;
    kp_kq_note_fill(note, out);
    out->data = data;
    if (note->flags & EV_CLEAR)
        *due_of(watch, note) = is_growth_unseen(watch, note);
    return true;
}
