/*
 * inside_libuv.c - kelpie inside a loop of libuv
 *
 * A poll handle watches kelpie_fd, a timer stands for kelpie_timeout. A prepare handle sets
 * the timer anew before libuv sleeps: whatever a callback of the program did with the server,
 * such as the broadcast of every(), is taken care of.
 */
#include <kelpie.h>
#include <stdio.h>
#include <uv.h>

struct program {
    kelpie *k;
    uv_poll_t poll;
    uv_timer_t timer, clock;
    uv_prepare_t prepare;
};

static void
on_timer(uv_timer_t *handle)
{
    if (kelpie_step(((struct program *)handle->data)->k, 0) <= 0)
        uv_stop(handle->loop);
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
    (void)status, (void)events;
    on_timer(&((struct program *)handle->data)->timer);
}

static void
before_sleep(uv_prepare_t *handle)
{
    struct program *p = handle->data;
    int timeout_ms = kelpie_timeout(p->k);

    if (timeout_ms >= 0)
        uv_timer_start(&p->timer, on_timer, (uint64_t)timeout_ms, 0);
    else
        uv_timer_stop(&p->timer);
}

static void
every(uv_timer_t *handle) /* a timer of the program's own */
{
    kelpie_broadcast(((struct program *)handle->data)->k, "tick", 4, NULL);
}

int
main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    struct program p;
    int port;

    if (kelpie_new(&p.k, NULL) < 0 ||
        (port = kelpie_listen(p.k, argc > 1 ? argv[1] : "127.0.0.1:8080")) < 0)
        return 1;
    uv_poll_init(loop, &p.poll, kelpie_fd(p.k));
    uv_timer_init(loop, &p.timer);
    uv_timer_init(loop, &p.clock);
    uv_prepare_init(loop, &p.prepare);
    p.poll.data = p.timer.data = p.clock.data = p.prepare.data = &p;
    uv_poll_start(&p.poll, UV_READABLE, on_poll);
    uv_timer_start(&p.clock, every, 100, 100);
    uv_prepare_start(&p.prepare, before_sleep);
    fprintf(stderr, "listening, port %d\n", port);
    uv_run(loop, UV_RUN_DEFAULT);
    kelpie_free(p.k);
    return 0;
}
