/*
 * kq_watch.c - the inotify descriptor and what it watches
 *
 * One inotify descriptor serves a kqueue while there is something to watch. It is in the
 * epoll set like everything else, level-triggered, and read one buffer at a time.
 *
 * A kqueue watches an open file, inotify a path. /proc/self/fd/N is the path that leads to
 * the open file itself, whatever its name is now. Inotify has one watch descriptor per inode:
 * two descriptors of one file share it, so it is removed with the last of them. Its mask can
 * only grow, hence no registration narrows that of another.
 *
 * Whether a number still means the same file is found out by comparing the inode, whenever
 * there is news about it: kqueue would have dropped the knote when the number was closed. A
 * file system gives the number of a deleted inode to the next one; but an inode that goes
 * away is reported, IN_IGNORED, and cannot go away while it is open.
 *
 * inotify(7) says nothing to the watcher of a folder that is removed while somebody has it
 * open. The folder above knows: it is watched too, through /proc/self/fd/N/.. .
 */
#include "kq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#define FILE_BITS (IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF)
#define FOLDER_BITS                                                                      \
 (IN_ATTRIB | IN_MOVE_SELF | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define PARENT_BITS IN_DELETE

/* How many buffers are read before a knote is changed: enough to catch up with all but a
   flood. */
#define MAX_READS 64

/* Room for a few dozen events, at least one with the longest name. */
#define BUFFER_SIZE 4096

/*
 * Finds or makes the watch of a descriptor. Nothing is watched yet.
 *
 * Returns   0, or -ENOMEM, -EBADF.
 * Borrows   *out belongs to entry; kp_kq_watch_settle() frees it when it is not needed.
 */
int
kp_kq_watch_need(struct kq_watch **out, struct kq *kq, struct kq_fd *entry, int fd)
{
    *out = entry->watch;
    if (entry->watch != NULL)
        return 0;
    struct kq_watch *watch = KQ_CALL(calloc)(1, sizeof(*watch));
    if (watch == NULL)
        return -ENOMEM;
    if (KQ_CALL(fstat)(fd, &watch->known) != 0) {
        int rc = -errno;
        KQ_CALL(free)(watch);
        return rc;
    }
    watch->fd = fd;
    watch->wd = -1;
    watch->parent_wd = -1;
    LIST_INSERT_HEAD(&kq->watches, watch, link);
    entry->watch = watch;
    *out = watch;
    return 0;
}

static int
inotify_open(struct kq *kq)
{
    if (kq->inotify_fd >= 0)
        return 0;
    int fd = KQ_CALL(inotify_init1)(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct epoll_event event = {.events = EPOLLIN};
    event.data.u64 = (uint64_t)fd;
    if (KQ_CALL(epoll_ctl)(kq->epfd, EPOLL_CTL_ADD, fd, &event) != 0) {
        int rc = -errno;
        (void)KQ_CALL(close)(fd); /* nothing was watched */
        return rc;
    }
    kq->inotify_fd = fd;
    return 0;
}

static bool
is_wd_used(const struct kq *kq, int wd)
{
    const struct kq_watch *watch;
    LIST_FOREACH(watch, &kq->watches, link)
    {
        if (watch->wd == wd || watch->parent_wd == wd)
            return true;
    }
    return false;
}

/* Lets go of a watch descriptor that a watch has just forgotten. */
static void
release_wd(struct kq *kq, int wd)
{
    /* It fails if the inode is gone, and the watch with it. */
    if (wd >= 0 && !is_wd_used(kq, wd))
        (void)KQ_CALL(inotify_rm_watch)(kq->inotify_fd, wd);
}

static int
add_wd(struct kq *kq, int *wd_out, int fd, const char *suffix, uint32_t bits)
{
    char path[64];
    int rc = inotify_open(kq);
    if (rc == 0) {
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d%s", fd, suffix);
        int wd = KQ_CALL(inotify_add_watch)(kq->inotify_fd, path, bits | IN_MASK_ADD);
        if (wd >= 0) {
            *wd_out = wd;
            return 0;
        }
        rc = -errno;
    }
    return rc;
}

/*
 * Begins to watch, if it does not yet.
 *
 * Returns   0, or -ENOMEM, -EMFILE, -ENFILE, -ENOSPC (the limits of inotify), -EACCES (the
 *           file may not be read), -EOPNOTSUPP (there is no /proc).
 */
int
kp_kq_watch_start(struct kq *kq, struct kq_watch *watch)
{
    if (watch->wd >= 0)
        return 0;
    uint32_t bits = S_ISDIR(watch->known.st_mode) ? FOLDER_BITS : FILE_BITS;
    int rc = add_wd(kq, &watch->wd, watch->fd, "", bits);
    if (rc != 0)
        kp_kq_watch_close_unused(kq);
    return rc == -ENOENT ? -EOPNOTSUPP : rc;
}

/*
 * Begins to watch the folder that a watched folder is in, also after it was moved. It is
 * done as well as can be: without permission to read there, a removal is not told.
 */
void
kp_kq_watch_parent(struct kq *kq, struct kq_watch *watch)
{
    int before = watch->parent_wd;
    watch->parent_wd = -1;
    (void)add_wd(kq, &watch->parent_wd, watch->fd, "/..", PARENT_BITS);
    release_wd(kq, before);
}

/*
 * Frees the watch of an entry if no knote needs it.
 */
void
kp_kq_watch_settle(struct kq *kq, struct kq_fd *entry)
{
    struct kq_watch *watch = entry->watch;
    if (watch == NULL)
        return;
    if (watch->is_file && !entry->read.is_live && !entry->write.is_live) {
        watch->is_file = false;
        kq->n_files--;
    }
    if (watch->is_file || watch->vnode.is_live)
        return;
    LIST_REMOVE(watch, link);
    release_wd(kq, watch->wd);
    release_wd(kq, watch->parent_wd);
    kp_kq_watch_close_unused(kq);
    KQ_CALL(free)(watch);
    entry->watch = NULL;
}

/*
 * Closes the inotify descriptor if nothing is watched (any more).
 */
void
kp_kq_watch_close_unused(struct kq *kq)
{
    const struct kq_watch *watch;
    LIST_FOREACH(watch, &kq->watches, link)
    {
        if (watch->wd >= 0 || watch->parent_wd >= 0)
            return;
    }
    if (kq->inotify_fd >= 0)
        (void)KQ_CALL(close)(kq->inotify_fd);
    kq->inotify_fd = -1;
}

/*
 * Says whether the number still means the file that it meant when the watch was made.
 */
bool
kp_kq_watch_is_current(const struct kq_watch *watch)
{
    struct stat now;
    if (KQ_CALL(fstat)(watch->fd, &now) != 0)
        return errno != EBADF; /* ask again the next time */
    return now.st_dev == watch->known.st_dev && now.st_ino == watch->known.st_ino;
}

static void
dispatch(struct kq *kq, int wd, uint32_t mask, bool has_name)
{
    bool is_for_all = (mask & IN_Q_OVERFLOW) != 0;
    struct kq_watch *next;
    for (struct kq_watch *watch = LIST_FIRST(&kq->watches); watch != NULL; watch = next) {
        next = LIST_NEXT(watch, link);
        bool is_own = watch->wd == wd || (is_for_all && watch->wd >= 0);
        bool is_parent = watch->parent_wd == wd && mask & IN_DELETE;
        if (!is_own && !is_parent)
            continue;
        if (is_own && mask & IN_IGNORED)
            watch->wd = -1;
        if ((is_own && mask & IN_IGNORED) || !kp_kq_watch_is_current(watch)) {
            kp_kq_fd_forget(kq, kp_kq_fd_find(kq, watch->fd));
            continue;
        }
        if (is_parent)
            kp_kq_vnode_event(kq, watch, 0, false);
        if (is_own)
            kp_kq_vnode_event(kq, watch, mask, has_name);
        if (is_own && mask & (IN_MODIFY | IN_Q_OVERFLOW))
            watch->read_due = true; /* the file may have grown */
    }
}

/*
 * Reads what inotify has to say, one buffer at a time; epoll repeats itself if there is more.
 *
 * Returns   whether there was something.
 */
bool
kp_kq_watch_read(struct kq *kq)
{
    _Alignas(struct inotify_event) char buffer[BUFFER_SIZE];
    if (kq->inotify_fd < 0)
        return false;
    ssize_t n = KQ_CALL(read)(kq->inotify_fd, buffer, sizeof(buffer));
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *event = (const void *)(buffer + at);
        dispatch(kq, event->wd, event->mask, event->len > 0);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
    return n > 0;
}

/*
 * Drops the knotes of an entry if it has a watch and its number means another file now.
 */
void
kp_kq_watch_verify(struct kq *kq, struct kq_fd *entry)
{
    if (entry->watch == NULL)
        return;
    for (int i = 0; i < MAX_READS && kp_kq_watch_read(kq); i++)
        ;
    if (entry->watch != NULL && !kp_kq_watch_is_current(entry->watch))
        kp_kq_fd_forget(kq, entry);
}
