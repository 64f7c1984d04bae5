/*
 * inside_libevent.c - kelpie inside a loop of libevent
 *
 * One event watches kelpie_fd and has kelpie_timeout for its time-out. libevent has no hook
 * before it sleeps, so whoever does something with the server calls arm() afterwards.
 */
#include <event2/event.h>
#include <kelpie.h>
#include <stdio.h>

struct program {
    kelpie *k;
    struct event_base *base;
    struct event *readable;
};

static void
arm(struct program *p)
{
    int timeout_ms = kelpie_timeout(p->k);
    struct timeval time = {.tv_sec = timeout_ms / 1000,
                           .tv_usec = timeout_ms % 1000 * 1000};

    event_del(p->readable); /* a time-out of before would stay */
    event_add(p->readable, timeout_ms >= 0 ? &time : NULL);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct program *p = arg;

    (void)fd, (void)what;
    if (kelpie_step(p->k, 0) <= 0)
        event_base_loopbreak(p->base);
    else
        arm(p);
}

static void
every(evutil_socket_t fd, short what, void *arg) /* a timer of the program's own */
{
    struct program *p = arg;

    (void)fd, (void)what;
    kelpie_broadcast(p->k, "tick", 4, NULL);
    arm(p);
}

int
main(int argc, char **argv)
{
    struct program p = {.base = event_base_new()};
    struct timeval period = {.tv_usec = 100000};
    int port;

    if (p.base == NULL || kelpie_new(&p.k, NULL) < 0 ||
        (port = kelpie_listen(p.k, argc > 1 ? argv[1] : "127.0.0.1:8080")) < 0)
        return 1;
    struct event *clock = event_new(p.base, -1, EV_PERSIST, every, &p);
    p.readable = event_new(p.base, kelpie_fd(p.k), EV_READ, on_readable, &p);
    event_add(clock, &period);
    arm(&p);
    fprintf(stderr, "listening, port %d\n", port);
    event_base_dispatch(p.base);
    event_free(p.readable);
    event_free(clock);
    kelpie_free(p.k);
    event_base_free(p.base);
    return 0;
}
