/*
 * sim_calls.c - the table of calls of the simulated kernel
 *
 * Every call is counted, perhaps interrupted or refused, and checked: a descriptor that is
 * not open is a violation, since the same number may be somebody else's a moment later, and
 * then nobody would notice. What stands behind the calls is in sim_socket.c and sim_kqueue.c.
 *
 * Time stands still but for what kevent and a look at the clock let pass.
 */
#include "sim_kernel.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/event.h>

/* The body of a call that may be interrupted: gets the descriptor. */
#define ENTER(call)                                                                      \
 struct sim_kernel *kernel = arg;                                                        \
 struct sim_fd *open = sim_fd_get(kernel, fd, call);                                     \
 if (open == NULL)                                                                       \
  return -EBADF;                                                                         \
 if (sim_fails(kernel, kernel->faults.interrupted))                                      \
 return -EINTR

static int
call_close(void *arg, int fd)
{
    struct sim_kernel *kernel = arg;
    struct sim_fd *open = sim_fd_get(kernel, fd, "close");

    if (open == NULL)
        return -EBADF;
    enum sim_kind kind = open->kind;
    int index = open->index;
    memset(open, 0, sizeof(*open));
    if (kind == SIM_STREAM)
        sim_close_stream(kernel, &kernel->links[index]);
    if (kind == SIM_LISTENER) {
        kernel->listener = -1;
        for (int i = 0; i < kernel->n_backlog; i++)
            sim_close_stream(kernel, &kernel->links[kernel->backlog[i]]);
        kernel->n_backlog = 0;
    }
    if (kind == SIM_STREAM)
        sim_trace(kernel, "  close fd %d (link %d)", fd, index);
    return sim_fails(kernel, kernel->faults.interrupted) ? -EINTR : 0;
}

/* ---- sockets ----------------------------------------------------------------------- */

static int
call_socket(void *arg, int domain, int type, int protocol)
{
    (void)domain; /* all sockets here are TCP */
    (void)type;
    (void)protocol;
    return sim_fd_new(arg, SIM_PLAIN, 0);
}

static int
call_bind(void *arg, int fd, const struct sockaddr *addr, socklen_t len)
{
    ENTER("bind");
    (void)addr; /* there is one address only */
    (void)len;
    return 0;
}

static int
call_listen(void *arg, int fd, int backlog)
{
    ENTER("listen");
    (void)backlog; /* SIM_BACKLOG: the kernel cuts the number to its own maximum */
    open->kind = SIM_LISTENER;
    kernel->listener = fd;
    return 0;
}

static int
call_accept(void *arg, int fd, struct sockaddr *addr, socklen_t *len)
{
    ENTER("accept");
    return open->kind == SIM_LISTENER ? sim_accept(kernel, addr, len) : -EINVAL;
}

static int
call_connect(void *arg, int fd, const struct sockaddr *addr, socklen_t len)
{
    ENTER("connect");
    (void)addr;
    (void)len;
    return -ENETUNREACH;
}

static int
call_shutdown(void *arg, int fd, int how)
{
    ENTER("shutdown");
    (void)how; /* only SHUT_WR is used */
    kernel->corked_fd = -1;
    return open->kind == SIM_STREAM ? sim_shutdown(kernel, &kernel->links[open->index])
                                    : -ENOTCONN;
}

static int
call_setsockopt(void *arg, int fd, int level, int name, const void *value, socklen_t len)
{
    ENTER("setsockopt");
    if (open->kind != SIM_STREAM)
        return 0;
    if (sim_fails(kernel, kernel->faults.broken))
        return -EINVAL; /* as some systems say of a socket that is reset */
    if (level == SOL_SOCKET && name == SO_LINGER && len == sizeof(struct linger))
        kernel->links[open->index].lingers_not =
            ((const struct linger *)value)->l_linger == 0;
    return 0;
}

static int
call_getsockopt(void *arg, int fd, int level, int name, void *value, socklen_t *len)
{
    ENTER("getsockopt");
    (void)level;
    (void)name;
    (void)value;
    (void)len;
    return -ENOPROTOOPT;
}

static int
put_address(struct sockaddr *addr, socklen_t *len, int port)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    if (addr != NULL && *len >= sizeof(in)) {
        memcpy(addr, &in, sizeof(in));
        *len = sizeof(in);
    }
    return 0;
}

static int
call_getsockname(void *arg, int fd, struct sockaddr *addr, socklen_t *len)
{
    ENTER("getsockname");
    return put_address(addr, len, 8080);
}

static int
call_getpeername(void *arg, int fd, struct sockaddr *addr, socklen_t *len)
{
    ENTER("getpeername");
    return open->kind == SIM_STREAM ? put_address(addr, len, SIM_FIRST_PORT + open->index)
                                    : -ENOTCONN;
}

static int
call_set_flags(void *arg, int fd)
{
    ENTER("fcntl");
    return 0;
}

static ssize_t
call_recv(void *arg, int fd, void *buf, size_t len)
{
    ENTER("recv");
    return open->kind == SIM_STREAM
               ? sim_recv(kernel, &kernel->links[open->index], buf, len)
               : -ENOTCONN;
}

static ssize_t
call_send(void *arg, int fd, const struct iovec *iov, int n_iov, bool more)
{
    ENTER("send");
    size_t len = 0;

    if (open->kind != SIM_STREAM)
        return -ENOTCONN;
    for (int i = 0; i < n_iov; i++)
        len += iov[i].iov_len;
    ssize_t n = sim_send(kernel, &kernel->links[open->index], iov, n_iov);
    if (more && n == (ssize_t)len)
        kernel->corked_fd = fd;
    return n;
}

/* ---- files and the pipe ------------------------------------------------------------ */

static ssize_t
call_read(void *arg, int fd, void *buf, size_t len)
{
    ENTER("read");
    if (open->kind == SIM_PIPE_OUT) {
        size_t n = kernel->pipe_bytes < len ? kernel->pipe_bytes : len;
        memset(buf, 0, n);
        kernel->pipe_bytes -= n;
        open->channel.n_unread = (int)kernel->pipe_bytes;
        model_forgive(&open->channel);
        return n > 0 ? (ssize_t)n : -EAGAIN;
    }
    if (open->kind != SIM_FILE)
        return 0;
    if (sim_fails(kernel, kernel->faults.open))
        return -EIO;
    const struct sim_file *file = &kernel->files[open->index];
    size_t n = file->len > open->offset ? file->len - open->offset : 0;
    if (n > len)
        n = len;
    if (n > 1 && sim_fails(kernel, kernel->faults.cut))
        n = sim_between(kernel->random, 1, (uint32_t)n);
    if (n > 0)
        memcpy(buf, file->text + open->offset, n);
    open->offset += n;
    return (ssize_t)n;
}

static ssize_t
call_write(void *arg, int fd, const void *buf, size_t len)
{
    ENTER("write");
    (void)buf;
    if (open->kind != SIM_PIPE_IN)
        return -EBADF;
    kernel->pipe_bytes += len;
    for (int i = 0; i < SIM_MAX_FDS; i++)
        if (kernel->fds[i].kind == SIM_PIPE_OUT) {
            kernel->fds[i].channel.n_unread = (int)kernel->pipe_bytes;
            model_owe(&kernel->fds[i].channel, EVFILT_READ);
        }
    return (ssize_t)len;
}

static int
call_pipe(void *arg, int fds[2])
{
    struct sim_kernel *kernel = arg;

    fds[0] = sim_fd_new(kernel, SIM_PIPE_OUT, 0);
    fds[1] = sim_fd_new(kernel, SIM_PIPE_IN, 0);
    kernel->fds[fds[0]].channel.kind = PIPE_READ;
    kernel->fds[fds[1]].channel.kind = PIPE_WRITE;
    return 0;
}

static int
find_file(const struct sim_kernel *kernel, const char *path)
{
    for (int i = 0; i < SIM_MAX_FILES; i++)
        if (kernel->files[i].text != NULL && strcmp(kernel->files[i].path, path) == 0)
            return i;
    return -ENOENT;
}

static int
call_open(void *arg, const char *path, int flags, mode_t mode)
{
    struct sim_kernel *kernel = arg;

    (void)flags; /* all that is opened is read */
    (void)mode;
    kernel->calls++;
    if (sim_fails(kernel, kernel->faults.interrupted))
        return -EINTR;
    if (sim_fails(kernel, kernel->faults.open))
        return sim_chance(kernel->random, 128) ? -EMFILE : -ENFILE;
    if (strcmp(path, "/dev/null") == 0)
        return sim_fd_new(kernel, SIM_NULL, 0);
    int index = find_file(kernel, path);
    return index < 0 ? index : sim_fd_new(kernel, SIM_FILE, index);
}

static int
put_stat(const struct sim_file *file, struct stat *st)
{
    memset(st, 0, sizeof(*st));
    st->st_mode = S_IFREG | 0644;
    st->st_size = (off_t)file->len;
    st->st_ino = (ino_t)file->version;
    st->st_mtime = (time_t)file->version;
    return 0;
}

static int
call_fstat(void *arg, int fd, struct stat *st)
{
    ENTER("fstat");
    return open->kind == SIM_FILE ? put_stat(&kernel->files[open->index], st) : -EINVAL;
}

static int
call_stat(void *arg, const char *path, struct stat *st)
{
    struct sim_kernel *kernel = arg;
    int index = find_file(kernel, path);

    kernel->calls++;
    return index < 0 ? index : put_stat(&kernel->files[index], st);
}

static int
call_unlink(void *arg, const char *path)
{
    (void)arg;
    (void)path;
    return -ENOENT;
}

static int
call_chmod(void *arg, const char *path, mode_t mode)
{
    (void)arg;
    (void)path;
    (void)mode;
    return -ENOENT;
}

static int
call_lock(void *arg, int fd)
{
    (void)arg;
    (void)fd;
    return 0; /* nobody else is there */
}

/* ---- the rest ---------------------------------------------------------------------- */

static int
call_kqueue(void *arg)
{
    return sim_fd_new(arg, SIM_KQUEUE, 0);
}

static int
call_kevent(void *arg, int fd, const struct kevent *changes, int n_changes,
            struct kevent *events, int n_events, const struct timespec *timeout)
{
    struct sim_kernel *kernel = arg;
    struct sim_fd *open = sim_fd_get(kernel, fd, "kevent");

    if (open == NULL || open->kind != SIM_KQUEUE)
        return -EBADF;
    return sim_kevent(kernel, changes, n_changes, events, n_events, timeout);
}

static int
call_random(void *arg, void *buf, size_t len)
{
    struct sim_kernel *kernel = arg;

    kernel->calls++;
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)buf)[i] = (unsigned char)(0x5a + i);
    return 0;
}

static int
call_max_files(void *arg)
{
    (void)arg;
    return INT_MAX; /* so that accept meets the end of the table */
}

static uint64_t
call_now_ns(void *arg)
{
    struct sim_kernel *kernel = arg;

    if (kernel->tick_ns > 0)
        kernel->now_ns += sim_below(kernel->random, kernel->tick_ns);
    return kernel->now_ns;
}

const struct kp_sys_calls sim_kernel_calls = {
    .socket = call_socket,
    .bind = call_bind,
    .listen = call_listen,
    .accept = call_accept,
    .connect = call_connect,
    .shutdown = call_shutdown,
    .close = call_close,
    .setsockopt = call_setsockopt,
    .getsockopt = call_getsockopt,
    .getsockname = call_getsockname,
    .getpeername = call_getpeername,
    .set_flags = call_set_flags,
    .recv = call_recv,
    .send = call_send,
    .read = call_read,
    .write = call_write,
    .pipe = call_pipe,
    .open = call_open,
    .fstat = call_fstat,
    .stat = call_stat,
    .unlink = call_unlink,
    .chmod = call_chmod,
    .lock = call_lock,
    .kqueue = call_kqueue,
    .kevent = call_kevent,
    .random = call_random,
    .max_files = call_max_files,
    .now_ns = call_now_ns,
};
