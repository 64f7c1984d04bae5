/*
 * kq_faults.h - system calls and allocations for the Linux layer that count and fail
 *
 * Include it before the sources of the layer: it defines KQ_CALL, through which they make
 * every call. For one test program only; what it counts is in variables of that program, atomic
 * because some tests wait in a thread of their own.
 */
#ifndef KQ_FAULTS_H
#define KQ_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KQ_CALL(function) fake_##function

static struct {
    atomic_int n_calls;     /* system calls, allocations not included */
    atomic_int n_epoll_ctl; /* of these */
    atomic_int n_pwait2;    /* of these */
    atomic_int n_allocated; /* blocks that were not freed */
    int fails_at; /* the how many-th call that can fail does, counted from 1; 0: none */
    atomic_int n_failable;   /* calls that could have failed */
    atomic_int last_wait_ms; /* argument of epoll_wait */
    bool has_pwait2;
    bool has_inotify;
    bool has_failed;
    uint32_t inotify_mask; /* instead of what inotify says, if not 0 */
} fake = {.has_pwait2 = true, .has_inotify = true};

/* Whether this call is the one to fail. */
static bool
is_to_fail(int error)
{
    if (++fake.n_failable != fake.fails_at)
        return false;
    fake.has_failed = true;
    errno = error;
    return true;
}

static bool
is_call_to_fail(int error)
{
    fake.n_calls++;
    return is_to_fail(error);
}

static void *
fake_malloc(size_t size)
{
    void *block = is_to_fail(ENOMEM) ? NULL : malloc(size);
    fake.n_allocated += block != NULL;
    return block;
}

static void *
fake_calloc(size_t n, size_t size)
{
    void *block = is_to_fail(ENOMEM) ? NULL : calloc(n, size);
    fake.n_allocated += block != NULL;
    return block;
}

static void *
fake_realloc(void *block, size_t size)
{
    void *grown = is_to_fail(ENOMEM) ? NULL : realloc(block, size);
    fake.n_allocated += grown != NULL && block == NULL;
    return grown;
}

static void
fake_free(void *block)
{
    fake.n_allocated -= block != NULL;
    free(block);
}

static int
fake_epoll_create1(int flags)
{
    return is_call_to_fail(EMFILE) ? -1 : epoll_create1(flags);
}

/* Only adding allocates, and only if the descriptor is not there: so it does not fail when
   the kernel would have said something else. */
static int
fake_epoll_ctl(int epfd, int operation, int fd, struct epoll_event *event)
{
    fake.n_calls++;
    fake.n_epoll_ctl++;
    int rc = epoll_ctl(epfd, operation, fd, event);
    if (rc != 0 || operation != EPOLL_CTL_ADD || event->events == 0 ||
        !is_to_fail(ENOMEM))
        return rc;
    (void)epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL); /* it was just added */
    errno = ENOMEM;
    return -1;
}

static int
fake_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms)
{
    fake.last_wait_ms = timeout_ms;
    return is_call_to_fail(EINTR) ? -1 : epoll_wait(epfd, events, max, timeout_ms);
}

static long
fake_syscall(long number, int epfd, struct epoll_event *events, int max, const void *time,
             const void *mask, size_t mask_size)
{
    fake.n_pwait2++;
    if (is_call_to_fail(EINTR))
        return -1;
    if (fake.has_pwait2)
        return syscall(number, epfd, events, max, time, mask, mask_size);
    errno = ENOSYS;
    return -1;
}

static int
fake_eventfd(unsigned value, int flags)
{
    return is_call_to_fail(EMFILE) ? -1 : eventfd(value, flags);
}

static int
fake_inotify_init1(int flags)
{
    if (is_call_to_fail(ENOMEM))
        return -1;
    if (fake.has_inotify)
        return inotify_init1(flags);
    errno = EMFILE;
    return -1;
}

static int
fake_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    return is_call_to_fail(ENOMEM) ? -1 : inotify_add_watch(fd, path, mask);
}

static int
fake_inotify_rm_watch(int fd, int wd)
{
    return is_call_to_fail(EINVAL) ? -1 : inotify_rm_watch(fd, wd);
}

static ssize_t
fake_read(int fd, void *buffer, size_t size)
{
    if (is_call_to_fail(EINTR))
        return -1;
    ssize_t n = read(fd, buffer, size);
    if (n > 0 && fake.inotify_mask != 0)
        ((struct inotify_event *)buffer)->mask = fake.inotify_mask;
    return n;
}

static ssize_t
fake_write(int fd, const void *bytes, size_t size)
{
    fake.n_calls++;
    return write(fd, bytes, size);
}

static int
fake_fstat(int fd, struct stat *out)
{
    return is_call_to_fail(ENOMEM) ? -1 : fstat(fd, out);
}

static off_t
fake_lseek(int fd, off_t offset, int whence)
{
    fake.n_calls++;
    return lseek(fd, offset, whence);
}

/* A request has different types in different C libraries; only one is ever asked for. */
static int
fake_ioctl(int fd, unsigned long request, int *out)
{
    fake.n_calls++;
    if (request != FIONREAD)
        abort();
    return ioctl(fd, FIONREAD, out);
}

static int
fake_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    fake.n_calls++;
    return getsockopt(fd, level, name, value, size);
}

static int
fake_fcntl(int fd, int command)
{
    fake.n_calls++;
    return fcntl(fd, command);
}

static int
fake_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    return is_call_to_fail(ENOMEM) ? -1 : poll(fds, n, timeout_ms);
}

static int
fake_close(int fd)
{
    fake.n_calls++;
    return close(fd);
}

#endif
