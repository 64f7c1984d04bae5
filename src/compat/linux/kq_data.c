/*
 * kq_data.c - what a ready descriptor has to say: bytes, room, error
 *
 * Linux answers these questions with one system call per kind of descriptor, and the kinds
 * are told apart by the errors of asking, so a socket may become a listener after it was
 * registered, and registering costs nothing extra. What was a listener the last time is asked
 * first whether it is one.
 *
 *   READ   FIONREAD; EINVAL means a listener: TCP_INFO has the length of its accept queue
 *          in tcpi_unacked; a listener of another family says 1
 *   WRITE  SO_MEMINFO: the send buffer less what is queued in it; for a pipe, its size less
 *          what it holds
 *
 * Where nothing is known, 1 stands for "some". The answers are hints even on a native kqueue.
 */
#include "kq.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/*
 * Finds the error behind EPOLLERR. A socket's error is consumed by asking, which is why it
 * is stored in *error, for both filters, and asked for only if the socket is at its end: the
 * error of a datagram socket that goes on (ECONNREFUSED of an earlier datagram) is left for
 * recv(2), as a kqueue does. The write end of a pipe without readers is at its end, and epoll
 * says so with EPOLLERR alone.
 *
 * Returns   revents, with EPOLLHUP added where EPOLLERR means the end.
 */
uint32_t
kp_kq_data_error(int fd, uint32_t revents, int *error)
{
    int value = 0;
    socklen_t size = sizeof(value);
    if (revents & (EPOLLHUP | EPOLLRDHUP)) {
        int rc = KQ_CALL(getsockopt)(fd, SOL_SOCKET, SO_ERROR, &value, &size);
        if (rc == 0 && value != 0)
            *error = value;
        return revents;
    }
    if (KQ_CALL(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &value, &size) != 0)
        return revents | EPOLLHUP;
    return revents;
}

/* Finds how many connections wait. Returns whether fd is a listener that can tell. */
static bool
count_connections(intptr_t *out, int fd)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);
    if (KQ_CALL(getsockopt)(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        info.tcpi_state != TCP_LISTEN)
        return false;
    *out = info.tcpi_unacked > 0 ? (intptr_t)info.tcpi_unacked : 1;
    return true;
}

/*
 * Finds how much can be read, or how many connections wait to be accepted. *is_listener says
 * which of the two it was the last time, false at first.
 *
 * Returns   0, or -EBADF if the descriptor was closed.
 */
int
kp_kq_data_readable(intptr_t *out, int fd, bool *is_listener)
{
    int n = 0;
    *out = 1;
    if (*is_listener && count_connections(out, fd))
        return 0;
    *is_listener = false;
    if (KQ_CALL(ioctl)(fd, FIONREAD, &n) == 0)
        *out = n;
    else if (errno == EBADF)
        return -EBADF;
    else if (errno == EINVAL)
        *is_listener = count_connections(out, fd);
    return 0;
}

static intptr_t
room_in_pipe(int fd, int size)
{
    int n = 0;
    if (KQ_CALL(ioctl)(fd, FIONREAD, &n) != 0 || n >= size)
        return 1;
    return size - n;
}

/*
 * Finds how much can be written.
 *
 * Returns   0, or -EBADF if the descriptor was closed.
 */
int
kp_kq_data_writable(intptr_t *out, int fd)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof(info);
    if (KQ_CALL(getsockopt)(fd, SOL_SOCKET, SO_MEMINFO, info, &size) == 0) {
        uint32_t queued = info[SK_MEMINFO_WMEM_QUEUED]; /* TCP */
        if (queued < info[SK_MEMINFO_WMEM_ALLOC])       /* the others */
            queued = info[SK_MEMINFO_WMEM_ALLOC];
        uint32_t size_of_buffer = info[SK_MEMINFO_SNDBUF];
        *out = queued < size_of_buffer ? (intptr_t)(size_of_buffer - queued) : 1;
        return 0;
    }
    if (errno == EBADF)
        return -EBADF;
    int pipe_size = KQ_CALL(fcntl)(fd, F_GETPIPE_SZ);
    *out = pipe_size > 0 ? room_in_pipe(fd, pipe_size) : 1;
    return 0;
}
