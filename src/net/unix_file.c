/*
 * unix_file.c - the file that a listening unix socket has in the file system
 *
 * A unix socket leaves its file behind when a server dies. On EADDRINUSE the file is
 * probed: a socket that refuses the connection belongs to nobody and is replaced; one that
 * answers belongs to a running server; anything that is not a socket is not ours to
 * delete. At close the file is unlinked only if it is still the one that we made.
 *
 * Two servers that start at once could both find the dead file, and one would remove what the
 * other has just made; and a socket that is bound, but does not listen yet, looks dead as well.
 * So from before the bind until it listens a server holds a lock on the file PATH.lock. Who
 * does not get it at once gives up: the address is taken. The lock ends with the process, the
 * file is removed with it; one that is left by a crash does no harm. Somebody may have opened
 * the file before it was removed: what he locks then is a file without a name, beside which
 * another could be locked, so after locking both are compared.
 */
#include "unix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* How often the file of the lock may vanish under us; each time somebody else was served. */
#define LOCK_TRIES 100

struct lock {
    int fd;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + sizeof(".lock")];
};

/* Returns 0 when nobody answers there, or -EADDRINUSE, or why the probe failed. */
static int
probe(struct kp_sys *sys, const struct kp_address *address)
{
    int fd = kp_sys_socket(sys, AF_UNIX, SOCK_STREAM, 0);

    if (fd < 0)
        return fd;
    int rc = kp_sys_connect(sys, fd, &address->addr.any, address->len);
    (void)kp_sys_close(sys, fd);
    return rc == -ECONNREFUSED || rc == -ENOENT ? 0 : -EADDRINUSE;
}

/* Takes a socket file out of the way that no server listens on any more. */
static int
unlink_stale(struct kp_sys *sys, const struct kp_address *address, const char **cause)
{
    const char *path = address->addr.un.sun_path;
    struct stat st;

    int rc = kp_sys_stat(sys, path, &st);
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return rc;
    if (!S_ISSOCK(st.st_mode)) {
        *cause = "the file exists and is not a socket";
        return -EADDRINUSE;
    }
    rc = probe(sys, address);
    if (rc == -EADDRINUSE)
        *cause = "address in use by a running server";
    if (rc < 0)
        return rc;
    rc = kp_sys_unlink(sys, path);
    return rc == -ENOENT ? 0 : rc;
}

/* ---- the lock ---------------------------------------------------------------------- */

/* Opens and locks the file once. Returns 1 when it is the one that bears the name, 0 when not,
 * or a negative errno. */
static int
try_lock(struct kp_sys *sys, struct lock *lock)
{
    struct stat by_fd, by_path;

    lock->fd = kp_sys_open(sys, lock->path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (lock->fd < 0)
        return lock->fd;
    int rc = kp_sys_lock(sys, lock->fd);
    if (rc == 0)
        rc = kp_sys_fstat(sys, lock->fd, &by_fd);
    if (rc == 0)
        rc = kp_sys_stat(sys, lock->path, &by_path);
    if (rc == 0 && by_fd.st_dev == by_path.st_dev && by_fd.st_ino == by_path.st_ino)
        return 1;
    (void)kp_sys_close(sys, lock->fd);
    return rc == -ENOENT ? 0 : rc;
}

static int
take_lock(struct kp_sys *sys, struct lock *lock, const struct kp_address *address,
          const char **cause)
{
    int rc = 0;

    snprintf(lock->path, sizeof(lock->path), "%s.lock", address->addr.un.sun_path);
    for (int i = 0; i < LOCK_TRIES && rc == 0; i++)
        rc = try_lock(sys, lock);
    if (rc == 0 || rc == -EWOULDBLOCK) {
        *cause = "another server is just starting there";
        return -EADDRINUSE;
    }
    return rc < 0 ? rc : 0;
}

static void
drop_lock(struct kp_sys *sys, struct lock *lock)
{
    /* Should that fail, the file stays: it does no harm. */
    (void)kp_sys_unlink(sys, lock->path);
    (void)kp_sys_close(sys, lock->fd);
}

/* ---- binding ----------------------------------------------------------------------- */

static int
bind_or_replace(struct kp_sys *sys, int fd, const struct kp_address *address,
                const char **cause)
{
    int rc = kp_sys_bind(sys, fd, &address->addr.any, address->len);

    if (rc != -EADDRINUSE)
        return rc;
    rc = unlink_stale(sys, address, cause);
    if (rc < 0)
        return rc;
    return kp_sys_bind(sys, fd, &address->addr.any, address->len);
}

int
kp_unix_listen(struct kp_sys *sys, int fd, const struct kp_address *address, mode_t mode,
               int backlog, const char **cause)
{
    struct lock lock;

    int rc = take_lock(sys, &lock, address, cause);
    if (rc < 0)
        return rc;
    rc = bind_or_replace(sys, fd, address, cause);
    if (rc < 0)
        goto done;
    if (mode != 0)
        rc = kp_sys_chmod(sys, address->addr.un.sun_path, mode);
    if (rc == 0)
        rc = kp_sys_listen(sys, fd, backlog);
    if (rc <
        0) /* should it fail, the next start takes it for the stale file that it is */
        (void)kp_sys_unlink(sys, address->addr.un.sun_path);
done:
    drop_lock(sys, &lock);
    return rc;
}

/* ---- the file ---------------------------------------------------------------------- */

int
kp_unix_file_init(struct kp_unix_file *file, struct kp_env *env,
                  const struct kp_address *address)
{
    const char *path = address->addr.un.sun_path;
    struct stat st;

    file->path = NULL;
    int rc = kp_sys_stat(&env->sys, path, &st);
    if (rc < 0)
        return rc;
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    file->path = kp_mem_dup(&env->mem, path, strlen(path));
    return file->path != NULL ? 0 : -ENOMEM;
}

void
kp_unix_file_unlink(const struct kp_unix_file *file, struct kp_env *env)
{
    struct stat st;

    if (file->path == NULL)
        return;
    /* Should that fail, the next start takes the file for a stale one. */
    if (kp_sys_stat(&env->sys, file->path, &st) == 0 && st.st_dev == file->dev &&
        st.st_ino == file->ino)
        (void)kp_sys_unlink(&env->sys, file->path);
}

void
kp_unix_file_clear(struct kp_unix_file *file, struct kp_env *env)
{
    if (file->path != NULL)
        kp_mem_free(&env->mem, file->path, strlen(file->path) + 1);
    file->path = NULL;
}
