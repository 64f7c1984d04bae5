/*
 * kq_vnode.c - EVFILT_VNODE
 *
 * What inotify says, what fstat(2) says beside it, and what is reported:
 *
 *   IN_MODIFY                       NOTE_WRITE | NOTE_EXTEND. Whether the file has grown
 *                                   cannot be told after a truncation: too often, not too
 *                                   seldom
 *   IN_ATTRIB, no links left        NOTE_DELETE: unlinked, or replaced by a rename
 *   IN_ATTRIB, another link count   NOTE_LINK; with NOTE_ATTRIB if mode or owner changed too
 *   IN_ATTRIB                       NOTE_ATTRIB
 *   IN_MOVE_SELF                    NOTE_RENAME
 *   in a folder: IN_CREATE,         NOTE_WRITE, with NOTE_LINK if a subfolder came or went
 *   IN_DELETE, IN_MOVED_*           (the link count changed)
 *   the folder itself has no        NOTE_DELETE; told by the folder above
 *   links left
 *   IN_Q_OVERFLOW                   everything but NOTE_DELETE: look for yourself
 *
 * NOTE_REVOKE is accepted and never reported: there is no revoke(2) on Linux, and a file
 * system with open files is not unmounted.
 *
 * News about what is in a folder, rather than about the folder, come with a name, and only
 * those of entries that come and go are meant by a kqueue.
 *
 * What has happened is collected in note->pending, also while the knote is disabled; with
 * EV_CLEAR it starts from nothing after each report, else it is reported for ever.
 */
#include "kq.h"

#include <errno.h>
#include <sys/inotify.h>

#define ALL_NOTES                                                                        \
 ((unsigned)(NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK |          \
             NOTE_RENAME | NOTE_REVOKE))

static bool
is_other_owner_or_mode(const struct stat *a, const struct stat *b)
{
    return a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid;
}

/* What the inode tells about itself, compared with the last time. */
static unsigned
compare(struct kq_watch *watch, bool was_told)
{
    struct stat now, before = watch->known;
    if (KQ_CALL(fstat)(watch->fd, &now) != 0)
        return was_told ? NOTE_ATTRIB : 0;
    watch->known = now;
    unsigned notes = 0;
    if (now.st_nlink != before.st_nlink)
        notes = now.st_nlink == 0 ? NOTE_DELETE : NOTE_LINK;
    if (was_told && (notes == 0 || is_other_owner_or_mode(&now, &before)))
        notes |= NOTE_ATTRIB;
    return notes;
}

static unsigned
translate(struct kq_watch *watch, uint32_t mask, bool has_name)
{
    bool is_dir = S_ISDIR(watch->known.st_mode);
    unsigned notes = 0;
    if (mask & IN_Q_OVERFLOW)
        return compare(watch, true) | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK |
               NOTE_RENAME;
    if (mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO))
        notes |= NOTE_WRITE | compare(watch, false);
    if (mask & (IN_MOVED_FROM | IN_MOVED_TO))
        notes |= NOTE_EXTEND;
    if (has_name)
        return notes;
    if (mask & IN_MODIFY && !is_dir)
        notes |= NOTE_WRITE | NOTE_EXTEND;
    if (mask & IN_MOVE_SELF)
        notes |= NOTE_RENAME;
    if (mask & IN_ATTRIB || mask == 0)
        notes |= compare(watch, (mask & IN_ATTRIB) != 0);
    return notes;
}

/*
 * Takes an inotify event, or with mask 0 the hint that a folder may have been removed.
 */
void
kp_kq_vnode_event(struct kq *kq, struct kq_watch *watch, uint32_t mask, bool has_name)
{
    struct kq_note *note = &watch->vnode;
    if (!note->is_live)
        return;
    if (mask & IN_MOVE_SELF && watch->parent_wd >= 0)
        kp_kq_watch_parent(kq, watch);
    note->pending |= translate(watch, mask, has_name) & note->fflags;
    if (note->pending != 0 && note->is_enabled)
        kp_kq_note_push(kq, note, note->pending);
}

/* Has the removal of a folder told, if that is asked for. */
static void
watch_removal(struct kq *kq, struct kq_watch *watch)
{
    if (watch->vnode.fflags & NOTE_DELETE && S_ISDIR(watch->known.st_mode))
        kp_kq_watch_parent(kq, watch);
}

static int
add_vnode(struct kq *kq, const struct kevent *change)
{
    int fd = (int)change->ident;
    struct kq_fd *entry;
    struct kq_watch *watch;
    int rc = kp_kq_fd_need(&entry, kq, fd);
    if (rc == 0)
        rc = kp_kq_watch_need(&watch, kq, entry, fd);
    if (rc != 0)
        return rc;
    if (S_ISREG(watch->known.st_mode) || S_ISDIR(watch->known.st_mode))
        rc = kp_kq_watch_start(kq, watch);
    else
        rc = -EINVAL;
    if (rc != 0) {
        kp_kq_watch_settle(kq, entry);
        return rc;
    }
    kp_kq_note_start(kq, &watch->vnode, change);
    watch_removal(kq, watch);
    return 0;
}

/*
 * Applies a change of EVFILT_VNODE.
 *
 * Returns   0, or -EBADF, -ENOENT, -EINVAL (not a file or folder, or an unknown NOTE),
 *           -ENOMEM, -EMFILE, -ENFILE, -ENOSPC, -EACCES, -EOPNOTSUPP.
 */
int
kp_kq_vnode_change(struct kq *kq, const struct kevent *change)
{
    int fd = (int)change->ident;
    if (change->flags & EV_ADD && change->fflags & ~ALL_NOTES)
        return -EINVAL;

    struct kq_fd *entry = kp_kq_fd_find(kq, fd);
    if (entry != NULL)
        kp_kq_watch_verify(kq, entry);
    struct kq_watch *watch = entry != NULL ? entry->watch : NULL;
    if (watch == NULL || !watch->vnode.is_live)
        return change->flags & EV_ADD ? add_vnode(kq, change) : kp_kq_fd_missing(fd);

    struct kq_note *note = &watch->vnode;
    if (change->flags & EV_DELETE) {
        kp_kq_note_stop(kq, note);
        kp_kq_watch_settle(kq, entry);
        return 0;
    }
    note->is_enabled = (change->flags & EV_ENABLE) ||
                       (note->is_enabled && !(change->flags & EV_DISABLE));
    if (!note->is_enabled)
        kp_kq_note_pull(kq, note);
    if (change->flags & EV_ADD) {
        note->udata = change->udata;
        note->fflags = change->fflags;
        watch_removal(kq, watch);
    }
    if (note->is_enabled && note->pending != 0)
        kp_kq_note_push(kq, note, note->pending);
    return 0;
}

/*
 * Makes the event of a knote that is ready.
 *
 * Returns   false if its descriptor was closed; it is gone then.
 */
bool
kp_kq_vnode_report(struct kq *kq, struct kq_note *note, struct kevent *out)
{
    struct kq_fd *entry = kp_kq_fd_find(kq, note->fd);
    if (!kp_kq_watch_is_current(entry->watch)) {
        kp_kq_fd_forget(kq, entry);
        return false;
    }
    kp_kq_note_fill(note, out);
    out->fflags = note->pending;
    return true;
}
