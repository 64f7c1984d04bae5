/*
 * path_watch.h - a file or folder, by its path, and the news that it has changed
 */
#ifndef KP_PATH_WATCH_H
#define KP_PATH_WATCH_H

#include "loop.h"

struct kp_path_watch;

/* Called when something has happened to the file, or with the folder's entries. error: 0; or
 * negative errno: the kernel cannot watch it (-EOPNOTSUPP, -ENOSPC, ...); the watch is closed
 * by then. May close any watch, also this one. */
typedef void kp_path_watch_fn(void *arg, struct kp_path_watch *watch, int error);

/* Embedded in its owner. Initialise with kp_path_watch_init. */
struct kp_path_watch {
    struct kp_source source; /* fd is -1 while closed */
    struct kp_loop *loop;
    dev_t dev; /* what is watched */
    ino_t ino;
    kp_path_watch_fn *fn;
    void *arg;
};

void kp_path_watch_init(struct kp_path_watch *watch, struct kp_loop *loop,
                        kp_path_watch_fn *fn, void *arg);

/* Watches what the path means now, from the next wait on. The watch must be closed.
 * Returns   0; -ENOENT, -EACCES, -EMFILE and other errno of open(2); -EINVAL when it is neither
 *           file nor folder; -ENOMEM. */
int kp_path_watch_open(struct kp_path_watch *watch, const char *path) KP_MUST_CHECK;

/* Harmless when it is closed. */
void kp_path_watch_close(struct kp_path_watch *watch);

static inline bool
kp_path_watch_is_open(const struct kp_path_watch *watch)
{
    return watch->source.fd >= 0;
}

/* Returns whether the watch is open, and the path still means what is watched. */
bool kp_path_watch_is_at(const struct kp_path_watch *watch, const char *path);

#endif
