/*
 * kq_wait.c - waiting with the resolution of a struct timespec
 *
 * epoll_wait(2) counts milliseconds, kevent() nanoseconds. Whole milliseconds, no time and
 * all the time go to epoll_wait(); the rest to epoll_pwait2(2), which came with Linux 5.11
 * and which the C library may not know yet. Where the kernel, or a sandbox, refuses it, the
 * time is rounded up to the next millisecond: a caller that sleeps until a deadline must not
 * spin just before it.
 */
#include "kq.h"

#include <errno.h>
#include <limits.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

#ifdef SYS_epoll_pwait2
/* The kernel's 64-bit timespec, also where time_t has 32 bits. */
struct kernel_timespec {
    int64_t seconds;
    int64_t nanoseconds;
};

static int
wait_ns(int epfd, struct epoll_event *events, int max, int64_t timeout_ns)
{
    struct kernel_timespec ts = {timeout_ns / NS_PER_S, timeout_ns % NS_PER_S};
    return (int)KQ_CALL(syscall)((long)SYS_epoll_pwait2, epfd, events, max, &ts, NULL,
                                 (size_t)0);
}
#else
static int
wait_ns(int epfd, struct epoll_event *events, int max, int64_t timeout_ns)
{
    (void)epfd, (void)events, (void)max, (void)timeout_ns;
    errno = ENOSYS;
    return -1;
}
#endif

static int
milliseconds(int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return -1;
    int64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

/*
 * Waits for epoll events, with kq->lock released meanwhile, so look at the kqueue anew
 * afterwards. A negative timeout_ns is no limit. May return early without an event.
 *
 * Returns   the number of events, or a negative errno.
 */
int
kp_kq_wait(struct kq *kq, struct epoll_event *events, int max, int64_t timeout_ns)
{
    int epfd = kq->epfd;
    bool by_ns = timeout_ns > 0 && timeout_ns % NS_PER_MS != 0 && !kq->no_pwait2;
    bool refused = false;
    int n = -1;

    kq->n_waiting++;
    pthread_mutex_unlock(&kq->lock);
    if (by_ns) {
        n = wait_ns(epfd, events, max, timeout_ns);
        refused = n < 0 && (errno == ENOSYS || errno == EPERM);
    }
    if (!by_ns || refused)
        n = KQ_CALL(epoll_wait)(epfd, events, max, milliseconds(timeout_ns));
    if (n < 0)
        n = -errno;
    pthread_mutex_lock(&kq->lock);
    kq->n_waiting--;
    if (refused)
        kq->no_pwait2 = true;
    return n;
}
