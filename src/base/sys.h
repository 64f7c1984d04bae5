/*
 * sys.h - the one door to the kernel
 *
 * Every system call of a server goes through its struct kp_sys. The wrappers below retry
 * EINTR and turn errors into negative errno; behind them stands a table of calls, which a
 * test replaces to make the n-th call fail, or to simulate sockets and the clock.
 */
#ifndef KP_SYS_H
#define KP_SYS_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "base.h"

struct kevent;

/* Each entry does one call and returns its result, or a negative errno. arg is kp_sys.arg. */
struct kp_sys_calls {
    int (*socket)(void *arg, int domain, int type,
                  int protocol); /* nonblocking, cloexec */
    int (*bind)(void *arg, int fd, const struct sockaddr *addr, socklen_t len);
    int (*listen)(void *arg, int fd, int backlog);
    int (*accept)(void *arg, int fd, struct sockaddr *addr,
                  socklen_t *len); /* nonblocking, cloexec */
    int (*connect)(void *arg, int fd, const struct sockaddr *addr, socklen_t len);
    int (*shutdown)(void *arg, int fd, int how);
    int (*close)(void *arg, int fd);
    int (*setsockopt)(void *arg, int fd, int level, int name, const void *value,
                      socklen_t len);
    int (*getsockopt)(void *arg, int fd, int level, int name, void *value,
                      socklen_t *len);
    int (*getsockname)(void *arg, int fd, struct sockaddr *addr, socklen_t *len);
    int (*getpeername)(void *arg, int fd, struct sockaddr *addr, socklen_t *len);
    int (*set_flags)(void *arg, int fd); /* O_NONBLOCK and FD_CLOEXEC */
    ssize_t (*recv)(void *arg, int fd, void *buf, size_t len);
    ssize_t (*send)(void *arg, int fd, const struct iovec *iov, int n_iov,
                    bool more); /* never raises SIGPIPE */
    ssize_t (*read)(void *arg, int fd, void *buf, size_t len);
    ssize_t (*write)(void *arg, int fd, const void *buf, size_t len);
    int (*pipe)(void *arg, int fds[2]); /* nonblocking, cloexec */
    int (*open)(void *arg, const char *path, int flags, mode_t mode); /* cloexec */
    int (*fstat)(void *arg, int fd, struct stat *st);
    int (*stat)(void *arg, const char *path, struct stat *st);
    int (*unlink)(void *arg, const char *path);
    int (*chmod)(void *arg, const char *path, mode_t mode);
    int (*lock)(void *arg, int fd); /* a file: alone or not at all, never waits */
    int (*kqueue)(void *arg);       /* cloexec */
    int (*kevent)(void *arg, int kq, const struct kevent *changes, int n_changes,
                  struct kevent *events, int n_events, const struct timespec *timeout);
    int (*random)(void *arg, void *buf, size_t len); /* fills buf from the system */
    int (*max_files)(void *arg);   /* RLIMIT_NOFILE; INT_MAX: no limit */
    uint64_t (*now_ns)(void *arg); /* CLOCK_MONOTONIC */
    uint64_t (*cpu_ns)(void *arg,
                       pthread_t thread); /* used by it; KP_NEVER: unknown. May be NULL */
    int (*thread)(void *arg, pthread_t *out, void *(*fn)(void *fn_arg), void *fn_arg);
    int (*sigaction)(void *arg, int signal, const struct sigaction *action,
                     struct sigaction *before);
};

struct kp_sys {
    const struct kp_sys_calls *calls;
    void *arg;
    uint64_t (*now_ns)(void *arg); /* the host's own clock; NULL: calls->now_ns */
    void *now_arg;
};

/* The kernel's own calls. */
extern const struct kp_sys_calls kp_sys_kernel;

/* Wrappers: as the calls above, but EINTR is retried (not for close, where it counts as
 * closed, and not for kevent, where it counts as "no event"). A connect that was interrupted
 * and goes on is EINPROGRESS.
 * Returns   the call's result, or a negative errno.
 * See       POSIX.1-2017; accept4(2), send(2), kevent(2). */
int kp_sys_socket(struct kp_sys *sys, int domain, int type, int protocol);
int kp_sys_bind(struct kp_sys *sys, int fd, const struct sockaddr *addr, socklen_t len);
int kp_sys_listen(struct kp_sys *sys, int fd, int backlog);
int kp_sys_accept(struct kp_sys *sys, int fd, struct sockaddr *addr, socklen_t *len);
int kp_sys_connect(struct kp_sys *sys, int fd, const struct sockaddr *addr,
                   socklen_t len);
int kp_sys_shutdown(struct kp_sys *sys, int fd, int how);
int kp_sys_close(struct kp_sys *sys, int fd);
int kp_sys_setsockopt(struct kp_sys *sys, int fd, int level, int name, const void *value,
                      socklen_t len);
int kp_sys_set_option(struct kp_sys *sys, int fd, int level, int name, int value);
int kp_sys_getsockopt(struct kp_sys *sys, int fd, int level, int name, void *value,
                      socklen_t *len);
int kp_sys_getsockname(struct kp_sys *sys, int fd, struct sockaddr *addr, socklen_t *len);
int kp_sys_getpeername(struct kp_sys *sys, int fd, struct sockaddr *addr, socklen_t *len);
int kp_sys_set_flags(struct kp_sys *sys, int fd);
ssize_t kp_sys_recv(struct kp_sys *sys, int fd, void *buf, size_t len);
ssize_t kp_sys_send(struct kp_sys *sys, int fd, const struct iovec *iov, int n_iov);
/* For bytes that kp_sys_shutdown, or more bytes, follow at once: they may wait for it and leave
 * in one segment with it. What is only taken in part does not wait. */
ssize_t kp_sys_send_more(struct kp_sys *sys, int fd, const struct iovec *iov, int n_iov);
ssize_t kp_sys_read(struct kp_sys *sys, int fd, void *buf, size_t len);
ssize_t kp_sys_write(struct kp_sys *sys, int fd, const void *buf, size_t len);
int kp_sys_pipe(struct kp_sys *sys, int fds[2]);
int kp_sys_open(struct kp_sys *sys, const char *path, int flags, mode_t mode);
int kp_sys_fstat(struct kp_sys *sys, int fd, struct stat *st);
int kp_sys_stat(struct kp_sys *sys, const char *path, struct stat *st);
int kp_sys_unlink(struct kp_sys *sys, const char *path);
int kp_sys_chmod(struct kp_sys *sys, const char *path, mode_t mode);
int kp_sys_lock(struct kp_sys *sys, int fd);
int kp_sys_kqueue(struct kp_sys *sys);
int kp_sys_kevent(struct kp_sys *sys, int kq, const struct kevent *changes, int n_changes,
                  struct kevent *events, int n_events, const struct timespec *timeout);
int kp_sys_random(struct kp_sys *sys, void *buf, size_t len);
int kp_sys_max_files(struct kp_sys *sys);
uint64_t kp_sys_now_ns(struct kp_sys *sys);
uint64_t kp_sys_cpu_ns(struct kp_sys *sys, pthread_t thread);
/* The time that really passes, whatever clock the host has: what code costs, not when it is. */
uint64_t kp_sys_real_ns(struct kp_sys *sys);
int kp_sys_thread(struct kp_sys *sys, pthread_t *out, void *(*fn)(void *fn_arg),
                  void *fn_arg);
int kp_sys_sigaction(struct kp_sys *sys, int signal, const struct sigaction *action,
                     struct sigaction *before);

#endif
