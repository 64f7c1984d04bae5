/*
 * path_watch.c - a file or folder, by its path, and the news that it has changed
 *
 * EVFILT_VNODE watches an inode, not a name: when a file is replaced by another one, the
 * watch stays with the old one, which is told that it was deleted or renamed. Whoever is
 * interested in a path asks kp_path_watch_is_at from time to time, and watches the folder.
 *
 * All news are the same news. Which bits come for which change differs: a truncation is
 * NOTE_ATTRIB on FreeBSD and NOTE_WRITE elsewhere, growth is told apart from writing only on
 * some. So everything is asked for, and nobody is told what it was.
 *
 * See       kqueue(2), EVFILT_VNODE
 */
#include "path_watch.h"

#include <errno.h>
#include <sys/event.h>

#include "compat/compat.h"

#define NEWS                                                                             \
 ((unsigned)(NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | NOTE_DELETE |          \
             NOTE_RENAME))

void
kp_path_watch_init(struct kp_path_watch *watch, struct kp_loop *loop,
                   kp_path_watch_fn *fn, void *arg)
{
    *watch = (struct kp_path_watch){.loop = loop, .fn = fn, .arg = arg};
    kp_source_init(&watch->source);
}

static void
on_event(void *arg, const struct kp_event *event)
{
    struct kp_path_watch *watch = arg;

    if (event->watch_failed)
        kp_path_watch_close(watch);
    watch->fn(watch->arg, watch, event->watch_failed ? -event->error : 0);
}

/* O_NONBLOCK keeps a named pipe from holding us up.
 * Returns   a descriptor, or negative errno. */
static int
open_path(struct kp_sys *sys, const char *path, struct stat *st)
{
    int fd = kp_sys_open(sys, path, O_EVTONLY | O_NONBLOCK, 0);

    if (fd < 0)
        return fd;
    int rc = kp_sys_fstat(sys, fd, st);
    if (rc == 0 && !S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
        rc = -EINVAL;
    if (rc == 0)
        return fd;
    (void)kp_sys_close(sys, fd); /* nothing was written */
    return rc;
}

int
kp_path_watch_open(struct kp_path_watch *watch, const char *path)
{
    struct stat st;
    int fd = open_path(&watch->loop->env->sys, path, &st);

    if (fd < 0)
        return fd;
    watch->dev = st.st_dev;
    watch->ino = st.st_ino;
    watch->source.fd = fd;
    int rc = kp_loop_add(watch->loop, &watch->source, fd, on_event, watch);
    if (rc == 0)
        rc = kp_loop_watch(watch->loop, &watch->source, KP_VNODE, KP_EDGE, NEWS);
    if (rc < 0)
        kp_path_watch_close(watch);
    return rc;
}

void
kp_path_watch_close(struct kp_path_watch *watch)
{
    if (watch->source.fd < 0)
        return;
    kp_loop_remove(watch->loop, &watch->source);
    (void)kp_sys_close(&watch->loop->env->sys,
                       watch->source.fd); /* nothing was written */
    watch->source.fd = -1;
}

bool
kp_path_watch_is_at(const struct kp_path_watch *watch, const char *path)
{
    struct stat st;

    return watch->source.fd >= 0 && kp_sys_stat(&watch->loop->env->sys, path, &st) == 0 &&
           st.st_dev == watch->dev && st.st_ino == watch->ino;
}
