/*
 * sys_retry.c - the one door to the kernel: what an interrupted call means
 *
 * These wrappers are what everybody calls. Each goes through the table of its server and
 * decides what EINTR means, so that nobody else has to know of it. A call that was
 * interrupted has done nothing and is made again, with three exceptions:
 *
 *     close     has closed: on most systems the number is free at once, and may be somebody
 *               else's by the time of a second attempt. Never made again; counts as done
 *     connect   goes on by itself; asked again it says EALREADY or EISCONN, which is the
 *               answer to the first question
 *     kevent    has made its changes and found no event: 0
 *
 * See       POSIX.1-2017, 2.3 (EINTR), connect; the rationale of close in POSIX.1-2024
 */
#include "sys.h"

#include <errno.h>

/* Makes a call until a signal does not interrupt it any more. */
#define RETRY(rc, call)                                                                  \
 do                                                                                      \
  (rc) = sys->calls->call;                                                               \
 while ((rc) == -EINTR)

int
kp_sys_socket(struct kp_sys *sys, int domain, int type, int protocol)
{
    int rc;

    RETRY(rc, socket(sys->arg, domain, type, protocol));
    return rc;
}

int
kp_sys_bind(struct kp_sys *sys, int fd, const struct sockaddr *addr, socklen_t len)
{
    int rc;

    RETRY(rc, bind(sys->arg, fd, addr, len));
    return rc;
}

int
kp_sys_listen(struct kp_sys *sys, int fd, int backlog)
{
    int rc;

    RETRY(rc, listen(sys->arg, fd, backlog));
    return rc;
}

int
kp_sys_accept(struct kp_sys *sys, int fd, struct sockaddr *addr, socklen_t *len)
{
    int rc;

    RETRY(rc, accept(sys->arg, fd, addr, len));
    return rc;
}

int
kp_sys_connect(struct kp_sys *sys, int fd, const struct sockaddr *addr, socklen_t len)
{
    int rc = sys->calls->connect(sys->arg, fd, addr, len);

    if (rc != -EINTR)
        return rc;
    RETRY(rc, connect(sys->arg, fd, addr, len));
    if (rc == -EISCONN)
        return 0;
    return rc == -EALREADY ? -EINPROGRESS : rc;
}

int
kp_sys_shutdown(struct kp_sys *sys, int fd, int how)
{
    int rc;

    RETRY(rc, shutdown(sys->arg, fd, how));
    return rc;
}

int
kp_sys_close(struct kp_sys *sys, int fd)
{
    int rc = sys->calls->close(sys->arg, fd);

    return rc == -EINTR ? 0 : rc;
}

int
kp_sys_setsockopt(struct kp_sys *sys, int fd, int level, int name, const void *value,
                  socklen_t len)
{
    int rc;

    RETRY(rc, setsockopt(sys->arg, fd, level, name, value, len));
    return rc;
}

int
kp_sys_set_option(struct kp_sys *sys, int fd, int level, int name, int value)
{
    return kp_sys_setsockopt(sys, fd, level, name, &value, sizeof(value));
}

int
kp_sys_getsockopt(struct kp_sys *sys, int fd, int level, int name, void *value,
                  socklen_t *len)
{
    int rc;

    RETRY(rc, getsockopt(sys->arg, fd, level, name, value, len));
    return rc;
}

int
kp_sys_getsockname(struct kp_sys *sys, int fd, struct sockaddr *addr, socklen_t *len)
{
    int rc;

    RETRY(rc, getsockname(sys->arg, fd, addr, len));
    return rc;
}

int
kp_sys_getpeername(struct kp_sys *sys, int fd, struct sockaddr *addr, socklen_t *len)
{
    int rc;

    RETRY(rc, getpeername(sys->arg, fd, addr, len));
    return rc;
}

int
kp_sys_set_flags(struct kp_sys *sys, int fd)
{
    int rc;

    RETRY(rc, set_flags(sys->arg, fd));
    return rc;
}

ssize_t
kp_sys_recv(struct kp_sys *sys, int fd, void *buf, size_t len)
{
    ssize_t rc;

    RETRY(rc, recv(sys->arg, fd, buf, len));
    return rc;
}

ssize_t
kp_sys_send(struct kp_sys *sys, int fd, const struct iovec *iov, int n_iov)
{
    ssize_t rc;

    RETRY(rc, send(sys->arg, fd, iov, n_iov, false));
    return rc;
}

ssize_t
kp_sys_send_more(struct kp_sys *sys, int fd, const struct iovec *iov, int n_iov)
{
    ssize_t rc;

    RETRY(rc, send(sys->arg, fd, iov, n_iov, true));
    return rc;
}

ssize_t
kp_sys_read(struct kp_sys *sys, int fd, void *buf, size_t len)
{
    ssize_t rc;

    RETRY(rc, read(sys->arg, fd, buf, len));
    return rc;
}

ssize_t
kp_sys_write(struct kp_sys *sys, int fd, const void *buf, size_t len)
{
    ssize_t rc;

    RETRY(rc, write(sys->arg, fd, buf, len));
    return rc;
}

int
kp_sys_pipe(struct kp_sys *sys, int fds[2])
{
    int rc;

    RETRY(rc, pipe(sys->arg, fds));
    return rc;
}

int
kp_sys_open(struct kp_sys *sys, const char *path, int flags, mode_t mode)
{
    int rc;

    RETRY(rc, open(sys->arg, path, flags, mode));
    return rc;
}

int
kp_sys_fstat(struct kp_sys *sys, int fd, struct stat *st)
{
    int rc;

    RETRY(rc, fstat(sys->arg, fd, st));
    return rc;
}

int
kp_sys_stat(struct kp_sys *sys, const char *path, struct stat *st)
{
    int rc;

    RETRY(rc, stat(sys->arg, path, st));
    return rc;
}

int
kp_sys_unlink(struct kp_sys *sys, const char *path)
{
    int rc;

    RETRY(rc, unlink(sys->arg, path));
    return rc;
}

int
kp_sys_chmod(struct kp_sys *sys, const char *path, mode_t mode)
{
    int rc;

    RETRY(rc, chmod(sys->arg, path, mode));
    return rc;
}

int
kp_sys_lock(struct kp_sys *sys, int fd)
{
    int rc;

    RETRY(rc, lock(sys->arg, fd));
    return rc;
}

int
kp_sys_kqueue(struct kp_sys *sys)
{
    int rc;

    RETRY(rc, kqueue(sys->arg));
    return rc;
}

int
kp_sys_kevent(struct kp_sys *sys, int kq, const struct kevent *changes, int n_changes,
              struct kevent *events, int n_events, const struct timespec *timeout)
{
    int rc =
        sys->calls->kevent(sys->arg, kq, changes, n_changes, events, n_events, timeout);

    return rc == -EINTR ? 0 : rc;
}

int
kp_sys_random(struct kp_sys *sys, void *buf, size_t len)
{
    int rc;

    RETRY(rc, random(sys->arg, buf, len));
    return rc;
}

int
kp_sys_max_files(struct kp_sys *sys)
{
    return sys->calls->max_files(sys->arg);
}

uint64_t
kp_sys_now_ns(struct kp_sys *sys)
{
    return sys->now_ns != NULL ? sys->now_ns(sys->now_arg) : kp_sys_real_ns(sys);
}

uint64_t
kp_sys_real_ns(struct kp_sys *sys)
{
    return sys->calls->now_ns(sys->arg);
}

uint64_t
kp_sys_cpu_ns(struct kp_sys *sys, pthread_t thread)
{
    return sys->calls->cpu_ns ? sys->calls->cpu_ns(sys->arg, thread) : KP_NEVER;
}

int
kp_sys_thread(struct kp_sys *sys, pthread_t *out, void *(*fn)(void *fn_arg), void *fn_arg)
{
    return sys->calls->thread(sys->arg, out, fn, fn_arg);
}

int
kp_sys_sigaction(struct kp_sys *sys, int signal, const struct sigaction *action,
                 struct sigaction *before)
{
    return sys->calls->sigaction(sys->arg, signal, action, before);
}
