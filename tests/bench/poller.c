/*
 * poller.c - see poller.h: epoll(7) on Linux, kqueue(2) elsewhere
 *
 * An end or an error of a stream counts as readable: the recv that follows tells which.
 */
#include "poller.h"

#include <errno.h>
#include <unistd.h>

#if defined(__linux__)

# include <sys/epoll.h>

int
poller_open(struct poller *poller)
{
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    poller->n = 0;
    return poller->fd < 0 ? -errno : 0;
}

static int
control(struct poller *poller, int op, int fd, void *arg, bool write_too)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = arg};

    if (write_too)
        event.events |= EPOLLOUT;
    return epoll_ctl(poller->fd, op, fd, &event) < 0 ? -errno : 0;
}

int
poller_add(struct poller *poller, int fd, void *arg)
{
    return control(poller, EPOLL_CTL_ADD, fd, arg, false);
}

int
poller_want_write(struct poller *poller, int fd, void *arg, bool wanted)
{
    return control(poller, EPOLL_CTL_MOD, fd, arg, wanted);
}

int
poller_wait(struct poller *poller, int timeout_ms)
{
    struct epoll_event events[POLLER_MAX_EVENTS];
    int n = epoll_wait(poller->fd, events, POLLER_MAX_EVENTS, timeout_ms);

    if (n < 0 && errno != EINTR)
        return -errno;
    poller->n = n < 0 ? 0 : n;
    for (int i = 0; i < poller->n; i++)
        poller->events[i] = (struct poller_event){
            .arg = events[i].data.ptr,
            .readable = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0,
            .writable = (events[i].events & EPOLLOUT) != 0,
        };
    return poller->n;
}

#else

# include <stddef.h>
# include <stdint.h>
# include <sys/event.h>
# include <sys/types.h>
# include <time.h>

int
poller_open(struct poller *poller)
{
    poller->fd = kqueue();
    poller->n = 0;
    return poller->fd < 0 ? -errno : 0;
}

static int
control(struct poller *poller, int fd, int filter, int flags, void *arg)
{
    struct kevent change;

    EV_SET(&change, fd, filter, flags, 0, 0, arg);
    return kevent(poller->fd, &change, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

int
poller_add(struct poller *poller, int fd, void *arg)
{
    return control(poller, fd, EVFILT_READ, EV_ADD, arg);
}

int
poller_want_write(struct poller *poller, int fd, void *arg, bool wanted)
{
    return control(poller, fd, EVFILT_WRITE, wanted ? EV_ADD : EV_DELETE, arg);
}

int
poller_wait(struct poller *poller, int timeout_ms)
{
    struct kevent events[POLLER_MAX_EVENTS];
    struct timespec limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    int n = kevent(poller->fd, NULL, 0, events, POLLER_MAX_EVENTS,
                   timeout_ms < 0 ? NULL : &limit);

    if (n < 0 && errno != EINTR)
        return -errno;
    poller->n = n < 0 ? 0 : n;
    for (int i = 0; i < poller->n; i++)
        poller->events[i] = (struct poller_event){
            .arg = (void *)events[i].udata,
            .readable = events[i].filter == EVFILT_READ,
            .writable = events[i].filter == EVFILT_WRITE,
        };
    return poller->n;
}

#endif

void
poller_close(struct poller *poller)
{
    (void)close(poller->fd);
}
