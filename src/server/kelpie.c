/*
 * kelpie.c - a server: its life, and one step of it
 *
 * kelpie_step is the table of contents of the running program. Its phases come in an order
 * that matters: input before timers, so that a message that is there already is not late;
 * disconnects after everything that may cause them; one write per connection after all that
 * produces output; descriptors are closed last, so that no event of this step can meet a
 * number that is in use again; requests of signals at the very end, when no handler is on
 * the stack (requests.c).
 */
#include <errno.h>
#include <string.h>

#include "control.h"
#include "server.h"

/* ---- new and free ------------------------------------------------------------------- */

/* Descriptors that are not connections: listeners, kqueue, pipes, scripts, log. */
#define RESERVED_DESCRIPTORS 64

static uint32_t
cap_clients(struct kp_sys *sys, uint32_t wanted)
{
    int max_files = kp_sys_max_files(sys);

    if (max_files < 0)
        return wanted; /* accept will say when there are no more */
    if (max_files <= RESERVED_DESCRIPTORS)
        return 1;
    uint32_t cap = (uint32_t)(max_files - RESERVED_DESCRIPTORS);
    return wanted < cap ? wanted : cap;
}

/* Sets up what cannot fail. */
static void
init_plain(kelpie *k, const struct kp_mem *mem, const struct kp_sys *sys,
           const struct kelpie_options *options)
{
    k->env.mem = *mem;
    k->env.sys = *sys;
    k->env.sys.now_ns = options->now_ns;
    k->env.sys.now_arg = options->now_arg;
    k->started_ns = kp_sys_now_ns(&k->env.sys);
    kp_log_init(&k->env.log, options->log, options->log_arg, options->log_level);
    kp_timers_init(&k->timers, &k->env.mem);
    kp_list_init(&k->watches);
    kp_list_init(&k->host_timers);
    k->framing.kind = KP_FRAME_LINE;
    kp_requests_init(k, options);
}

/* Opens net and scripts on an open loop. On failure nothing of them is left. */
static int
open_layers(kelpie *k, const struct kelpie_options *options)
{
    struct kp_net_limits net_limits;
    struct kp_script_limits script_limits;
    struct kp_net_hooks net_hooks = kp_dispatch_net_hooks;
    struct kp_script_hooks script_hooks = kp_dispatch_script_hooks;

    kp_options_to_net(options, &net_limits);
    kp_options_to_script(options, &script_limits);
    net_limits.max_clients = cap_clients(&k->env.sys, net_limits.max_clients);
    net_limits.refused_text = k->refused_text;
    net_hooks.arg = k;
    net_hooks.dial = options->connect;
    net_hooks.dial_arg = options->connect_arg;
    script_hooks.arg = k;
    script_hooks.print = options->print;
    script_hooks.print_arg = options->print_arg;

    int rc = kp_net_init(&k->net, &k->env, &k->loop, &k->timers, &net_limits, &net_hooks);
    if (rc < 0)
        return rc;
    rc = kp_script_init(&k->script, &k->net, &script_limits, &script_hooks, k);
    if (rc < 0)
        kp_net_clear(&k->net);
    return rc;
}

static void
free_self(kelpie *k)
{
    struct kp_mem mem = k->env.mem;

    kp_mem_free(&mem, k, sizeof(*k));
    kp_mem_trim(&mem);
}

int
kp_server_new(kelpie **out, const struct kelpie_options *given, const struct kp_sys *sys)
{
    struct kelpie_options options;
    struct kp_mem mem;

    if (out == NULL)
        return KELPIE_EMISUSE;
    *out = NULL;
    int rc = kp_options_read(&options, given);
    if (rc < 0)
        return rc;
    kp_mem_init(&mem, options.alloc, options.alloc_arg);
    kelpie *k = kp_mem_zalloc(&mem, sizeof(*k));
    if (k == NULL)
        return -ENOMEM;
    init_plain(k, &mem, sys, &options);

    rc = -ENOMEM;
    k->refused_text =
        kp_mem_dup(&k->env.mem, options.refused_text, strlen(options.refused_text));
    if (k->refused_text == NULL)
        goto fail_free;
    rc = kp_posts_init(&k->posts);
    if (rc < 0)
        goto fail_text;
    rc = kp_loop_open(&k->loop, &k->env);
    if (rc < 0)
        goto fail_posts;
    rc = open_layers(k, &options);
    if (rc < 0)
        goto fail_loop;
    *out = k;
    return 0;

fail_loop:
    kp_loop_close(&k->loop);
fail_posts:
    kp_posts_clear(k);
fail_text:
    kp_mem_free(&k->env.mem, k->refused_text, strlen(k->refused_text) + 1);
fail_free:
    free_self(k);
    return rc;
}

int
kelpie_new(kelpie **out, const struct kelpie_options *options)
{
    struct kp_sys sys = {.calls = &kp_sys_kernel};

    return kp_server_new(out, options, &sys);
}

/* Lets go of every handler, so that all of the disconnects can be told: who receives is
 * told first, who waits for something else is not waited for. */
static void
end_handlers(kelpie *k)
{
    kp_conns_drop_all(&k->net, "shutdown");
    kp_conns_notify(&k->net, KP_NEVER);
    kp_script_end_tasks(&k->script);
}

void
kelpie_free(kelpie *k)
{
    if (k == NULL || kp_server_is_inside(k))
        return;
    k->in_step = k->is_draining = true; /* for whoever is called now */
    kp_control_close(k);
    kp_connects_close(&k->net);
    end_handlers(k);
    kp_net_clear(&k->net);
    kp_setup_settle_load(k, false);
    kp_script_clear(&k->script);
    kp_script_watch_clear(k);
    kp_watches_clear(k);
    kp_host_timers_clear(k);
    kp_timer_cancel(&k->timers, &k->drain_timer);
    kp_timers_clear(&k->timers);
    kp_posts_clear(k);
    kp_loop_close(&k->loop);
    kp_mem_free(&k->env.mem, k->refused_text, strlen(k->refused_text) + 1);
    free_self(k);
}

const char *
kelpie_version(void)
{
    return KELPIE_VERSION_STRING;
}

/* ---- the step ----------------------------------------------------------------------- */

static bool
has_work(const kelpie *k)
{
    return kp_conns_have_work(&k->net) || kp_script_has_work(&k->script) || k->ends_now ||
           k->rest_is_due || k->net.is_late;
}

/* How long the loop may sleep: until the next timer, not at all while there is work. */
static uint64_t
sleep_ns(kelpie *k, uint64_t limit_ns)
{
    if (has_work(k))
        return 0;
    uint64_t next = kp_timers_next(&k->timers);
    if (next == KP_NEVER)
        return limit_ns;
    uint64_t now = kp_sys_now_ns(&k->env.sys);
    uint64_t until = next > now ? next - now : 0;
    return until < limit_ns ? until : limit_ns;
}

/* A step whose handlers took long ends early: what is queued for others is sent, and what may
 * run more handlers waits for the next one. Never twice in a row. */
static bool
put_off_rest(kelpie *k)
{
    k->rest_is_due = k->net.is_late && !k->rest_is_due;
    return k->rest_is_due;
}

static void
do_rest(kelpie *k)
{
    kp_script_run_ready(&k->script);
    kp_conns_notify(&k->net, KP_NET_SHARE_NS);
    kp_conns_flush(&k->net);
    kp_conns_reap(&k->net);
    kp_script_retire(&k->script);
    kp_requests_serve(k);
    kp_control_serve(k);
}

int
kelpie_step(kelpie *k, int timeout_ms)
{
    if (kp_server_is_inside(k))
        return kp_server_fail(k, KELPIE_EMISUSE, "kelpie_step inside a handler");
    k->in_step = true;
    uint64_t limit = timeout_ms < 0 ? KP_NEVER : (uint64_t)timeout_ms * KP_NS_PER_MS;
    int rc = kp_loop_wait(&k->loop, sleep_ns(k, limit));
    if (rc >= 0) {
        kp_guard_begin_step(&k->script.guard);
        kp_loop_dispatch(&k->loop);
        bool was_late = k->net.is_late;
        k->net.is_late = false;
        if (!was_late)
            kp_timers_run(&k->timers, k->loop.now_ns);
        kp_posts_run(k);
        kp_conns_announce(&k->net);
        kp_conns_deliver(&k->net);
        if (was_late) { /* clients are first now, and get what is theirs */
            kp_conns_flush(&k->net);
            kp_timers_run(&k->timers, k->loop.now_ns);
        }
        if (put_off_rest(k))
            kp_conns_flush(&k->net);
        else
            do_rest(k);
        kp_guard_end_step(&k->script.guard);
    }
    k->in_step = false;
    if (rc < 0)
        return kp_server_fail(k, rc, "kevent: %s", kelpie_strerror(rc));
    return !atomic_exchange(&k->stop_wanted, false) && !k->is_finished;
}

int
kelpie_run(kelpie *k)
{
    int rc;

    do
        rc = kelpie_step(k, -1);
    while (rc > 0);
    return rc;
}

int
kelpie_fd(const kelpie *k)
{
    return k->loop.kq;
}

/* Changes that the kernel has not seen yet are handed in by the next step's wait; a host
 * that slept before it would wait for events that nobody watches. */
int
kelpie_timeout(const kelpie *k)
{
    if (has_work(k) || kp_loop_has_changes(&k->loop))
        return 0;
    uint64_t next = kp_timers_next(&k->timers);
    if (next == KP_NEVER)
        return -1;
    struct kp_sys sys = k->env.sys;
    uint64_t now = kp_sys_now_ns(&sys);
    if (next <= now)
        return 0;
    uint64_t ms = (next - now + KP_NS_PER_MS - 1) / KP_NS_PER_MS;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}
