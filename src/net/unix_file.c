/*
 * unix_file.c - the file that a listening unix socket has in the file system
 *
 * A unix socket leaves its file behind when a server dies. On EADDRINUSE the file is
 * probed: a socket that refuses the connection belongs to nobody and is replaced; one that
 * answers belongs to a running server; anything that is not a socket is not ours to
 * delete. At close the file is unlinked only if it is still the one that we made.
 */
#include "unix_file.h"

#include <errno.h>
#include <string.h>

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

int
kp_unix_bind(struct kp_sys *sys, int fd, const struct kp_address *address,
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
