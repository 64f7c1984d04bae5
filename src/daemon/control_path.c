/*
 * control_path.c - where the control sockets of this user's daemons are
 *
 *     $XDG_RUNTIME_DIR/kelpie-PID.sock      where there is such a folder, and it is ours
 *     /tmp/kelpie-UID/PID.sock              else
 *
 * So `kelpie reload` needs no path when one daemon runs, and lists them when there are more.
 *
 * /tmp belongs to everybody: somebody else could have made that folder, to be asked in place
 * of our daemon. A folder that is not ours, that others may write to, or that is a symbolic
 * link is not used, neither for making a socket nor for looking for one.
 *
 * A file is removed only when two things say that its daemon is dead: nobody listens, and there
 * is no such process. One alone is not enough: a daemon that has just bound does not listen
 * yet, and one in another container has a pid that means nothing here.
 */
#include "control_path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SUFFIX ".sock"

/* A folder of sockets, and how their names begin. */
struct place {
    char folder[256];
    const char *prefix;
};

/* Returns NULL, or what is wrong with the folder. */
static const char *
distrust(const char *folder)
{
    struct stat st;

    if (lstat(folder, &st) < 0)
        return strerror(errno);
    if (!S_ISDIR(st.st_mode))
        return "it is not a folder";
    if (st.st_uid != geteuid())
        return "it belongs to somebody else";
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return "others may write to it";
    return NULL;
}

static bool
runtime_place(struct place *out)
{
    const char *folder = getenv("XDG_RUNTIME_DIR");

    if (folder == NULL || folder[0] != '/' || strlen(folder) >= sizeof(out->folder))
        return false;
    snprintf(out->folder, sizeof(out->folder), "%s", folder);
    out->prefix = "kelpie-";
    return distrust(folder) == NULL;
}

static void
tmp_place(struct place *out)
{
    snprintf(out->folder, sizeof(out->folder), "/tmp/kelpie-%ld", (long)geteuid());
    out->prefix = "";
}

/* A longer folder leaves no room in a sun_path for the name. */
#define MAX_FOLDER 60

/* Writes FOLDER/PREFIX PID.sock. Returns whether it fits. */
static bool
socket_path(char out[KD_CONTROL_PATH_SIZE], const struct place *place, long pid)
{
    if (strlen(place->folder) > MAX_FOLDER)
        return false;
    int len = snprintf(out, KD_CONTROL_PATH_SIZE, "%.*s/%s%ld%s", MAX_FOLDER,
                       place->folder, place->prefix, pid, SUFFIX);

    return len > 0 && len < KD_CONTROL_PATH_SIZE;
}

int
kd_control_path(char out[KD_CONTROL_PATH_SIZE], char *why, size_t why_size)
{
    struct place place;

    if (runtime_place(&place) && socket_path(out, &place, (long)getpid()))
        return 0;
    tmp_place(&place);
    const char *reason = NULL;
    if (mkdir(place.folder, 0700) < 0 && errno != EEXIST)
        reason = strerror(errno);
    else
        reason = distrust(place.folder);
    if (reason != NULL) {
        snprintf(why, why_size, "%s: %s", place.folder, reason);
        return -1;
    }
    (void)socket_path(out, &place, (long)getpid()); /* it always fits */
    return 0;
}

int
kd_control_connect(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(addr.sun_path))
        return -ENAMETOOLONG;
    memcpy(addr.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
        int rc = -errno;
        (void)close(fd);
        return rc;
    }
    return fd;
}

/* Returns the pid in the name of a control socket, 0 for any other name. */
static long
pid_of(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);
    char *end;

    if (strncmp(name, prefix, len) != 0 || name[len] < '1' || name[len] > '9')
        return 0;
    errno = 0;
    long pid = strtol(name + len, &end, 10);
    return errno == 0 && strcmp(end, SUFFIX) == 0 ? pid : 0;
}

static bool
is_dead(long pid)
{
    return kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/* Returns whether somebody listens there; removes what a dead one has left. */
static bool
answers(const char *path, long pid)
{
    int fd = kd_control_connect(path);

    if (fd >= 0) {
        (void)close(fd);
        return true;
    }
    if (fd == -ECONNREFUSED && is_dead(pid))
        (void)unlink(path); /* else the next one tries */
    return false;
}

static size_t
find_in(const struct place *place, struct kd_control_found *found, size_t n)
{
    struct dirent *entry;
    DIR *folder = distrust(place->folder) == NULL ? opendir(place->folder) : NULL;

    if (folder == NULL)
        return n;
    while (n < KD_CONTROL_MAX_FOUND && (entry = readdir(folder)) != NULL) {
        long pid = pid_of(entry->d_name, place->prefix);
        if (pid == 0 || !socket_path(found[n].path, place, pid) ||
            !answers(found[n].path, pid))
            continue;
        found[n++].pid = pid;
    }
    (void)closedir(folder);
    return n;
}

size_t
kd_control_find(struct kd_control_found found[KD_CONTROL_MAX_FOUND])
{
    struct place place;
    size_t n = 0;

    if (runtime_place(&place))
        n = find_in(&place, found, n);
    tmp_place(&place);
    return find_in(&place, found, n);
}
