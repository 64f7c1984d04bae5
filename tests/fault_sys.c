/*
 * fault_sys.c - everything that can fail, made to fail: the kernel
 *
 * The idea and the use are described in fault.h. Every entry of the table asks `refused`
 * first, which counts the call and looks for a rule.
 *
 * kevent does more: it remembers who watches what for reading. A spurious EAGAIN on an
 * edge-triggered descriptor would be a lie that a correct program cannot survive, since the
 * readiness it was told about is gone; so it is told once more.
 */
#include "fault.h"

#include <errno.h>
#include <string.h>
#include <sys/event.h>

static int
rule_error(const struct fault_rule *rule, size_t call)
{
    if (rule->at == 0 || call < rule->at || (call > rule->at && !rule->on))
        return 0;
    return rule->error;
}

/* Counts a call. Returns the errno that it is to fail with, or 0. */
static int
refused(struct fault_sys *sys, enum fault_call call)
{
    size_t n = ++sys->calls[call];
    size_t n_any = ++sys->calls[FAULT_ANY];
    int error = rule_error(&sys->rules[call], n);

    if (error == 0)
        error = rule_error(&sys->rules[FAULT_ANY], n_any);
    if (error != 0)
        sys->failures++;
    return error;
}

/* Counts a call that transfers bytes. Returns as refused; *len becomes 1 if it is told so. */
static int
refused_or_cut(struct fault_sys *sys, enum fault_call call, size_t *len)
{
    int error = refused(sys, call);

    if (error != FAULT_ONE_BYTE)
        return error;
    if (*len > 1)
        *len = 1;
    else
        sys->failures--; /* nothing is different */
    return 0;
}

/* Counts one of the calls that may say EAGAIN without a reason. */
static bool
is_spurious_eagain(struct fault_sys *sys)
{
    return sys->eagain_every > 0 && ++sys->eagain_calls % sys->eagain_every == 0;
}

/* The body of an entry that does nothing of its own. */
#define PASS(call, ...)                                                                  \
 struct fault_sys *sys = arg;                                                            \
 int error = refused(sys, call);                                                         \
 if (error != 0)                                                                         \
  return -error;                                                                         \
 return sys->behind->__VA_ARGS__

static int
fault_socket(void *arg, int domain, int type, int protocol)
{
    PASS(FAULT_SOCKET, socket(sys->behind_arg, domain, type, protocol));
}

static int
fault_bind(void *arg, int fd, const struct sockaddr *addr, socklen_t len)
{
    PASS(FAULT_BIND, bind(sys->behind_arg, fd, addr, len));
}

static int
fault_listen(void *arg, int fd, int backlog)
{
    PASS(FAULT_LISTEN, listen(sys->behind_arg, fd, backlog));
}

static int
fault_accept(void *arg, int fd, struct sockaddr *addr, socklen_t *len)
{
    if (is_spurious_eagain(arg))
        return -EAGAIN;
    PASS(FAULT_ACCEPT, accept(sys->behind_arg, fd, addr, len));
}

static int
fault_connect(void *arg, int fd, const struct sockaddr *addr, socklen_t len)
{
    PASS(FAULT_CONNECT, connect(sys->behind_arg, fd, addr, len));
}

static int
fault_shutdown(void *arg, int fd, int how)
{
    PASS(FAULT_SHUTDOWN, shutdown(sys->behind_arg, fd, how));
}

static int
fault_close(void *arg, int fd)
{
    struct fault_sys *sys = arg;
    int error = refused(sys, FAULT_CLOSE);

    if (fd >= 0 && fd < FAULT_MAX_FD)
        sys->reads[fd].is_watched = sys->reads[fd].is_owed = false;
    int rc = sys->behind->close(sys->behind_arg, fd);
    return error != 0 ? -error : rc;
}

static int
fault_setsockopt(void *arg, int fd, int level, int name, const void *value, socklen_t len)
{
    PASS(FAULT_SETSOCKOPT, setsockopt(sys->behind_arg, fd, level, name, value, len));
}

static int
fault_getsockopt(void *arg, int fd, int level, int name, void *value, socklen_t *len)
{
    PASS(FAULT_GETSOCKOPT, getsockopt(sys->behind_arg, fd, level, name, value, len));
}

static int
fault_getsockname(void *arg, int fd, struct sockaddr *addr, socklen_t *len)
{
    PASS(FAULT_GETSOCKNAME, getsockname(sys->behind_arg, fd, addr, len));
}

static int
fault_getpeername(void *arg, int fd, struct sockaddr *addr, socklen_t *len)
{
    PASS(FAULT_GETPEERNAME, getpeername(sys->behind_arg, fd, addr, len));
}

static int
fault_set_flags(void *arg, int fd)
{
    PASS(FAULT_SET_FLAGS, set_flags(sys->behind_arg, fd));
}

/* What is left behind, or not taken at all, is reported by no edge: it is told once more. */
static void
owe_read(struct fault_sys *sys, int fd)
{
    if (fd >= 0 && fd < FAULT_MAX_FD)
        sys->reads[fd].is_owed = true;
}

static ssize_t
fault_recv(void *arg, int fd, void *buf, size_t len)
{
    struct fault_sys *sys = arg;
    size_t wanted = len;
    int error = refused_or_cut(sys, FAULT_RECV, &len);

    if (error == 0 && is_spurious_eagain(sys))
        error = EAGAIN;
    if (sys->recv_one_byte && len > 1)
        len = 1;
    if (error == EAGAIN || len < wanted)
        owe_read(sys, fd);
    return error != 0 ? -error : sys->behind->recv(sys->behind_arg, fd, buf, len);
}

static size_t
total_len(const struct iovec *iov, int n_iov)
{
    size_t total = 0;

    for (int i = 0; i < n_iov; i++)
        total += iov[i].iov_len;
    return total;
}

static ssize_t
send_one(struct fault_sys *sys, int fd, const struct iovec *iov)
{
    while (iov->iov_len == 0)
        iov++;
    struct iovec one = {.iov_base = iov->iov_base, .iov_len = 1};
    return sys->behind->send(sys->behind_arg, fd, &one, 1, false);
}

static ssize_t
fault_send(void *arg, int fd, const struct iovec *iov, int n_iov, bool more)
{
    struct fault_sys *sys = arg;
    size_t wanted = total_len(iov, n_iov), len = wanted;
    int error = refused_or_cut(sys, FAULT_SEND, &len);

    if (error == 0 && is_spurious_eagain(sys))
        error = EAGAIN;
    if (error != 0)
        return -error;
    if (len < wanted || (sys->send_one_byte && len > 0))
        return send_one(sys, fd, iov);
    sys->more_sends += more;
    return sys->behind->send(sys->behind_arg, fd, iov, n_iov, more);
}

static ssize_t
fault_read(void *arg, int fd, void *buf, size_t len)
{
    struct fault_sys *sys = arg;
    int error = refused_or_cut(sys, FAULT_READ, &len);

    return error != 0 ? -error : sys->behind->read(sys->behind_arg, fd, buf, len);
}

static ssize_t
fault_write(void *arg, int fd, const void *buf, size_t len)
{
    struct fault_sys *sys = arg;
    int error = refused_or_cut(sys, FAULT_WRITE, &len);

    return error != 0 ? -error : sys->behind->write(sys->behind_arg, fd, buf, len);
}

static int
fault_pipe(void *arg, int fds[2])
{
    PASS(FAULT_PIPE, pipe(sys->behind_arg, fds));
}

static int
fault_open(void *arg, const char *path, int flags, mode_t mode)
{
    PASS(FAULT_OPEN, open(sys->behind_arg, path, flags, mode));
}

static int
fault_fstat(void *arg, int fd, struct stat *st)
{
    PASS(FAULT_FSTAT, fstat(sys->behind_arg, fd, st));
}

static int
fault_stat(void *arg, const char *path, struct stat *st)
{
    PASS(FAULT_STAT, stat(sys->behind_arg, path, st));
}

static int
fault_unlink(void *arg, const char *path)
{
    PASS(FAULT_UNLINK, unlink(sys->behind_arg, path));
}

static int
fault_chmod(void *arg, const char *path, mode_t mode)
{
    PASS(FAULT_CHMOD, chmod(sys->behind_arg, path, mode));
}

static int
fault_lock(void *arg, int fd)
{
    PASS(FAULT_LOCK, lock(sys->behind_arg, fd));
}

static int
fault_kqueue(void *arg)
{
    PASS(FAULT_KQUEUE, kqueue(sys->behind_arg));
}

/* Notes who watches what for reading. */
static void
remember_reads(struct fault_sys *sys, const struct kevent *changes, int n_changes)
{
    for (int i = 0; i < n_changes; i++) {
        if (changes[i].filter != EVFILT_READ || changes[i].ident >= FAULT_MAX_FD)
            continue;
        if (changes[i].flags & EV_ADD)
            sys->reads[changes[i].ident].udata = changes[i].udata;
        sys->reads[changes[i].ident].is_watched = (changes[i].flags & EV_DELETE) == 0;
    }
}

static bool
owes_reads(const struct fault_sys *sys)
{
    for (int fd = 0; fd < FAULT_MAX_FD; fd++)
        if (sys->reads[fd].is_owed && sys->reads[fd].is_watched)
            return true;
    return false;
}

/* Appends the events that are owed, as far as there is room. */
static int
pay_reads(struct fault_sys *sys, struct kevent *events, int n, int n_events)
{
    for (int fd = 0; fd < FAULT_MAX_FD && n < n_events; fd++) {
        if (!sys->reads[fd].is_owed || !sys->reads[fd].is_watched)
            continue;
        EV_SET(&events[n], (uintptr_t)fd, EVFILT_READ, EV_CLEAR, 0, 0,
               sys->reads[fd].udata);
        sys->reads[fd].is_owed = false;
        n++;
    }
    return n;
}

/* Counts the watches that are asked for. Returns the errno with which the one at *index is to
 * be refused, or 0. */
static int
refused_watch(struct fault_sys *sys, const struct kevent *changes, int n, int *index)
{
    int error = 0;

    for (int i = 0; i < n; i++) {
        if ((changes[i].flags & EV_ADD) == 0)
            continue;
        size_t call = ++sys->calls[FAULT_WATCH];
        int said = rule_error(&sys->rules[FAULT_WATCH], call);
        if (said == 0 || error != 0)
            continue;
        error = said;
        *index = i;
    }
    return error;
}

/* Makes the changes one by one, but not that at `refused`, and gives back the errors. */
static int
change_but(struct fault_sys *sys, int kq, const struct kevent *changes, int n_changes,
           struct kevent *events, int n_events, int refused, int error)
{
    int n = 0;

    sys->failures++;
    for (int i = 0; i < n_changes; i++) {
        int rc = -error;
        if (i != refused)
            rc = sys->behind->kevent(sys->behind_arg, kq, &changes[i], 1, NULL, 0, NULL);
        if (rc >= 0 || n == n_events)
            continue;
        events[n] = changes[i];
        events[n].flags = EV_ERROR;
        events[n++].data = -rc;
    }
    return n;
}

static int
fault_kevent(void *arg, int kq, const struct kevent *changes, int n_changes,
             struct kevent *events, int n_events, const struct timespec *timeout)
{
    static const struct timespec no_wait = {0, 0};
    struct fault_sys *sys = arg;
    int error = refused(sys, FAULT_KEVENT), watch = 0;

    if (error != 0 && error != EINTR)
        return -error;
    remember_reads(sys, changes, n_changes);
    int watch_error = refused_watch(sys, changes, n_changes, &watch);
    if (watch_error != 0 && error == 0)
        return change_but(sys, kq, changes, n_changes, events, n_events, watch,
                          watch_error);
    if (error == EINTR) {
        (void)sys->behind->kevent(sys->behind_arg, kq, changes, n_changes, NULL, 0,
                                  &no_wait); /* its errors are lost, as are its events */
        return -EINTR;
    }
    if (n_events > 0 && owes_reads(sys))
        timeout = &no_wait;
    int n = sys->behind->kevent(sys->behind_arg, kq, changes, n_changes, events, n_events,
                                timeout);
    bool is_errors = n > 0 && (events[0].flags & EV_ERROR) != 0;
    return n < 0 || is_errors ? n : pay_reads(sys, events, n, n_events);
}

static int
fault_random(void *arg, void *buf, size_t len)
{
    PASS(FAULT_RANDOM, random(sys->behind_arg, buf, len));
}

static int
fault_max_files(void *arg)
{
    PASS(FAULT_MAX_FILES, max_files(sys->behind_arg));
}

static uint64_t
fault_now_ns(void *arg)
{
    struct fault_sys *sys = arg;

    return sys->clock_is_fake ? sys->clock_ns : sys->behind->now_ns(sys->behind_arg);
}

static uint64_t
fault_cpu_ns(void *arg, pthread_t thread)
{
    struct fault_sys *sys = arg;

    return sys->clock_is_fake ? sys->clock_ns - sys->starved_ns
                              : sys->behind->cpu_ns(sys->behind_arg, thread);
}

static int
fault_thread(void *arg, pthread_t *out, void *(*fn)(void *fn_arg), void *fn_arg)
{
    PASS(FAULT_THREAD, thread(sys->behind_arg, out, fn, fn_arg));
}

static int
fault_sigaction(void *arg, int signal, const struct sigaction *action,
                struct sigaction *before)
{
    PASS(FAULT_SIGACTION, sigaction(sys->behind_arg, signal, action, before));
}

const struct kp_sys_calls fault_sys_calls = {
    .socket = fault_socket,
    .bind = fault_bind,
    .listen = fault_listen,
    .accept = fault_accept,
    .connect = fault_connect,
    .shutdown = fault_shutdown,
    .close = fault_close,
    .setsockopt = fault_setsockopt,
    .getsockopt = fault_getsockopt,
    .getsockname = fault_getsockname,
    .getpeername = fault_getpeername,
    .set_flags = fault_set_flags,
    .recv = fault_recv,
    .send = fault_send,
    .read = fault_read,
    .write = fault_write,
    .pipe = fault_pipe,
    .open = fault_open,
    .fstat = fault_fstat,
    .stat = fault_stat,
    .unlink = fault_unlink,
    .chmod = fault_chmod,
    .lock = fault_lock,
    .kqueue = fault_kqueue,
    .kevent = fault_kevent,
    .random = fault_random,
    .max_files = fault_max_files,
    .now_ns = fault_now_ns,
    .cpu_ns = fault_cpu_ns,
    .thread = fault_thread,
    .sigaction = fault_sigaction,
};

void
fault_sys_init(struct fault_sys *sys)
{
    memset(sys, 0, sizeof(*sys));
    sys->behind = &kp_sys_kernel;
}

void
fault_sys_fail(struct fault_sys *sys, enum fault_call call, size_t nth, int error)
{
    sys->rules[call] = (struct fault_rule){.at = sys->calls[call] + nth, .error = error};
}

void
fault_sys_fail_from(struct fault_sys *sys, enum fault_call call, size_t nth, int error)
{
    fault_sys_fail(sys, call, nth, error);
    sys->rules[call].on = true;
}

void
fault_clock_set(struct fault_sys *sys, uint64_t now_ns)
{
    sys->clock_is_fake = true;
    sys->clock_ns = now_ns;
}

void
fault_clock_advance(struct fault_sys *sys, uint64_t by_ns)
{
    sys->clock_ns += by_ns;
}

void
fault_clock_starve(struct fault_sys *sys, uint64_t by_ns)
{
    sys->clock_ns += by_ns;
    sys->starved_ns += by_ns;
}
