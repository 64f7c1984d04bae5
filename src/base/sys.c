/*
 * sys.c - the one door to the kernel: the kernel's own calls
 *
 * A table with one entry for each call that a server makes. An entry does that call and
 * turns -1 and errno into a negative errno, no more. Everybody goes through the wrappers of
 * sys_retry.c and the table of their server, which is this one unless a test has put
 * another there:
 *
 *     caller -> kp_sys_... (sys_retry.c) -> struct kp_sys_calls -> kernel
 *
 * All descriptors are born nonblocking and close-on-exec, in one call where the system can,
 * so that a child of the host, forked by another thread just then, does not inherit them.
 *
 * Time is CLOCK_MONOTONIC only: it does not jump when somebody sets the clock.
 *
 * See       POSIX.1-2017; accept4(2), pipe2(2), kqueue(2)
 */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/event.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

/* getentropy(): POSIX.1-2024 has it in <unistd.h>, macOS only here, OpenBSD not here. */
#if __has_include(<sys/random.h>)
# include <sys/random.h>
#endif

#include "compat/compat.h"

/* getentropy() gives at most so many bytes at a time. */
#define MAX_ENTROPY 256

static int
result(int rc)
{
    return rc < 0 ? -errno : rc;
}

static ssize_t
size_result(ssize_t rc)
{
    return rc < 0 ? -(ssize_t)errno : rc;
}

static int
kernel_set_flags(void *arg, int fd)
{
    (void)arg;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return result(fcntl(fd, F_SETFD, FD_CLOEXEC));
}

static int
kernel_close(void *arg, int fd)
{
    (void)arg;
    return result(close(fd));
}

/* For systems whose socket() knows no flags in its type. */
static int
open_plain_socket(void *arg, int domain, int type, int protocol)
{
    int fd = result(socket(domain, type, protocol));
    int rc = fd < 0 ? fd : kernel_set_flags(arg, fd);

    if (fd >= 0 && rc < 0) {
        (void)kernel_close(arg, fd); /* rc has the reason */
        return rc;
    }
    return fd;
}

static int
kernel_socket(void *arg, int domain, int type, int protocol)
{
    int fd = result(socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));

    if (fd == -EPROTOTYPE || fd == -EPROTONOSUPPORT || fd == -EINVAL)
        return open_plain_socket(arg, domain, type, protocol);
    return fd;
}

static int
kernel_bind(void *arg, int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)arg;
    return result(bind(fd, addr, len));
}

static int
kernel_listen(void *arg, int fd, int backlog)
{
    (void)arg;
    return result(listen(fd, backlog));
}

static int
kernel_accept(void *arg, int fd, struct sockaddr *addr, socklen_t *len)
{
    (void)arg;
    return result(accept4(fd, addr, len, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

static int
kernel_connect(void *arg, int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)arg;
    return result(connect(fd, addr, len));
}

static int
kernel_shutdown(void *arg, int fd, int how)
{
    (void)arg;
    return result(shutdown(fd, how));
}

static int
kernel_setsockopt(void *arg, int fd, int level, int name, const void *value,
                  socklen_t len)
{
    (void)arg;
    return result(setsockopt(fd, level, name, value, len));
}

static int
kernel_getsockopt(void *arg, int fd, int level, int name, void *value, socklen_t *len)
{
    (void)arg;
    return result(getsockopt(fd, level, name, value, len));
}

static int
kernel_getsockname(void *arg, int fd, struct sockaddr *addr, socklen_t *len)
{
    (void)arg;
    return result(getsockname(fd, addr, len));
}

static int
kernel_getpeername(void *arg, int fd, struct sockaddr *addr, socklen_t *len)
{
    (void)arg;
    return result(getpeername(fd, addr, len));
}

static ssize_t
kernel_recv(void *arg, int fd, void *buf, size_t len)
{
    (void)arg;
    return size_result(recv(fd, buf, len, 0));
}

/* One part, nearly always: send() has no message header that the kernel must copy and check. */
static ssize_t
kernel_send(void *arg, int fd, const struct iovec *iov, int n_iov, bool more)
{
    struct msghdr message = {.msg_iov = (struct iovec *)iov}; /* is only read */
    int flags = more ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;

    (void)arg;
    if (n_iov == 1)
        return size_result(send(fd, iov->iov_base, iov->iov_len, flags));
    message.msg_iovlen = (uint16_t)n_iov; /* int or size_t, by system; IOV_MAX is 1024 */
    return size_result(sendmsg(fd, &message, flags));
}

static ssize_t
kernel_read(void *arg, int fd, void *buf, size_t len)
{
    (void)arg;
    return size_result(read(fd, buf, len));
}

static ssize_t
kernel_write(void *arg, int fd, const void *buf, size_t len)
{
    (void)arg;
    return size_result(write(fd, buf, len));
}

static int
kernel_pipe(void *arg, int fds[2])
{
    (void)arg;
    return result(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
}

static int
kernel_open(void *arg, const char *path, int flags, mode_t mode)
{
    (void)arg;
    return result(open(path, flags | O_CLOEXEC, mode));
}

static int
kernel_fstat(void *arg, int fd, struct stat *st)
{
    (void)arg;
    return result(fstat(fd, st));
}

static int
kernel_stat(void *arg, const char *path, struct stat *st)
{
    (void)arg;
    return result(stat(path, st));
}

static int
kernel_unlink(void *arg, const char *path)
{
    (void)arg;
    return result(unlink(path));
}

static int
kernel_chmod(void *arg, const char *path, mode_t mode)
{
    (void)arg;
    return result(chmod(path, mode));
}

/* flock(2), which is in all four BSDs and Linux, rather than fcntl(2): those locks belong to a
 * process, where several servers may live, and any close of the file would give them up. */
static int
kernel_lock(void *arg, int fd)
{
    (void)arg;
    return result(flock(fd, LOCK_EX | LOCK_NB));
}

static int
kernel_kqueue(void *arg)
{
    int kq = result(kqueue());

    if (kq < 0 || fcntl(kq, F_SETFD, FD_CLOEXEC) == 0)
        return kq;
    int rc = -errno;
    (void)kernel_close(arg, kq); /* rc has the reason */
    return rc;
}

static int
kernel_kevent(void *arg, int kq, const struct kevent *changes, int n_changes,
              struct kevent *events, int n_events, const struct timespec *timeout)
{
    (void)arg;
    return result(kevent(kq, changes, n_changes, events, n_events, timeout));
}

static int
kernel_random(void *arg, void *buf, size_t len)
{
    unsigned char *at = buf;

    (void)arg;
    while (len > 0) {
        size_t n = len < MAX_ENTROPY ? len : MAX_ENTROPY;
        if (getentropy(at, n) < 0)
            return -errno;
        at += n;
        len -= n;
    }
    return 0;
}

static int
kernel_max_files(void *arg)
{
    struct rlimit limit;

    (void)arg;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    return limit.rlim_cur > INT_MAX ? INT_MAX : (int)limit.rlim_cur;
}

static uint64_t
kernel_now_ns(void *arg)
{
    struct timespec now;

    (void)arg;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* fails for unknown clocks only */
    return (uint64_t)now.tv_sec * KP_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* What a living thread has used so far. */
static uint64_t
kernel_cpu_ns(void *arg, pthread_t thread)
{
    (void)arg;
#if defined(_POSIX_THREAD_CPUTIME) && _POSIX_THREAD_CPUTIME >= 0
    struct timespec used;
    clockid_t clock;

    if (pthread_getcpuclockid(thread, &clock) == 0 && clock_gettime(clock, &used) == 0)
        return (uint64_t)used.tv_sec * KP_NS_PER_S + (uint64_t)used.tv_nsec;
#else
    (void)thread;
#endif
    return KP_NEVER;
}

static int
kernel_thread(void *arg, pthread_t *out, void *(*fn)(void *fn_arg), void *fn_arg)
{
    (void)arg;
    return -pthread_create(out, NULL, fn, fn_arg);
}

static int
kernel_sigaction(void *arg, int signal, const struct sigaction *action,
                 struct sigaction *before)
{
    (void)arg;
    return result(sigaction(signal, action, before));
}

const struct kp_sys_calls kp_sys_kernel = {
    .socket = kernel_socket,
    .bind = kernel_bind,
    .listen = kernel_listen,
    .accept = kernel_accept,
    .connect = kernel_connect,
    .shutdown = kernel_shutdown,
    .close = kernel_close,
    .setsockopt = kernel_setsockopt,
    .getsockopt = kernel_getsockopt,
    .getsockname = kernel_getsockname,
    .getpeername = kernel_getpeername,
    .set_flags = kernel_set_flags,
    .recv = kernel_recv,
    .send = kernel_send,
    .read = kernel_read,
    .write = kernel_write,
    .pipe = kernel_pipe,
    .open = kernel_open,
    .fstat = kernel_fstat,
    .stat = kernel_stat,
    .unlink = kernel_unlink,
    .chmod = kernel_chmod,
    .lock = kernel_lock,
    .kqueue = kernel_kqueue,
    .kevent = kernel_kevent,
    .random = kernel_random,
    .max_files = kernel_max_files,
    .now_ns = kernel_now_ns,
    .cpu_ns = kernel_cpu_ns,
    .thread = kernel_thread,
    .sigaction = kernel_sigaction,
};
