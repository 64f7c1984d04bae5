/*
 * host_timer.c - timers of the host, in C
 */
#include <errno.h>

#include "server.h"

struct kelpie_timer {
    struct kp_node node; /* in kelpie.host_timers */
    struct kp_timer timer;
    kelpie *k;
    uint64_t period_ns; /* 0: once */
    void (*fn)(void *arg);
    void *arg;
};

static void
free_host_timer(struct kelpie_timer *timer)
{
    kelpie *k = timer->k;

    kp_timer_cancel(&k->timers, &timer->timer);
    kp_list_remove(&timer->node);
    kp_mem_free(&k->env.mem, timer, sizeof(*timer));
}

/* A repeated timer is started again before its function is called, which may cancel it.
 * It has just left the heap, so that there is room and the start cannot fail. */
static void
on_host_timer(struct kp_timer *inner, void *arg)
{
    struct kelpie_timer *timer = arg;
    void (*fn)(void *arg) = timer->fn;
    void *fn_arg = timer->arg;

    if (timer->period_ns == 0)
        free_host_timer(timer);
    else if (kp_timer_start(&timer->k->timers, inner,
                            timer->k->loop.now_ns + timer->period_ns) < 0)
        kp_log_write(&timer->k->env.log, KELPIE_LOG_ERROR, "a timer ends: out of memory");
    fn(fn_arg);
}

static int
start_host_timer(kelpie *k, kelpie_timer **out, int delay_ms, uint64_t period_ns,
                 void (*fn)(void *arg), void *arg)
{
    if (out != NULL)
        *out = NULL;
    if (fn == NULL)
        return kp_server_fail_null(k, "timer: the function");
    if (delay_ms < 0)
        return kp_server_fail(k, KELPIE_EMISUSE, "timer: %d ms is in the past", delay_ms);

    struct kelpie_timer *timer = kp_mem_zalloc(&k->env.mem, sizeof(*timer));
    if (timer == NULL)
        return kp_server_fail(k, -ENOMEM, "timer: out of memory");
    timer->k = k;
    timer->period_ns = period_ns;
    timer->fn = fn;
    timer->arg = arg;
    kp_timer_init(&timer->timer, on_host_timer, timer);
    kp_list_append(&k->host_timers, &timer->node);

    uint64_t deadline = kp_sys_now_ns(&k->env.sys) + (uint64_t)delay_ms * KP_NS_PER_MS;
    int rc = kp_timer_start(&k->timers, &timer->timer, deadline);
    if (rc < 0) {
        free_host_timer(timer);
        return kp_server_fail(k, rc, "timer: out of memory");
    }
    if (out != NULL)
        *out = timer;
    return 0;
}

int
kelpie_after(kelpie *k, kelpie_timer **out, int delay_ms, void (*fn)(void *arg),
             void *arg)
{
    return start_host_timer(k, out, delay_ms, 0, fn, arg);
}

int
kelpie_every(kelpie *k, kelpie_timer **out, int delay_ms, void (*fn)(void *arg),
             void *arg)
{
    if (delay_ms <= 0) {
        if (out != NULL)
            *out = NULL;
        return kp_server_fail(k, KELPIE_EMISUSE, "every %d ms is too often; at least 1",
                              delay_ms);
    }
    return start_host_timer(k, out, delay_ms, (uint64_t)delay_ms * KP_NS_PER_MS, fn, arg);
}

void
kelpie_timer_cancel(kelpie_timer *timer)
{
    if (timer != NULL)
        free_host_timer(timer);
}

void
kp_host_timers_clear(kelpie *k)
{
    while (!kp_list_is_empty(&k->host_timers))
        free_host_timer(kp_container_of(k->host_timers.next, struct kelpie_timer, node));
}
