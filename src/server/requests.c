/*
 * requests.c - what is asked for at any time and done at the end of a step
 *
 *     kelpie_stop, kelpie_reload, kelpie_rollback, kelpie_drain
 *          set a flag and write a byte to the loop's pipe, all that a signal handler may do
 *     kp_requests_serve
 *          the last but one phase of a step: nothing of a handler is on the stack, so that
 *          the scripts may be exchanged under everybody
 *
 * What has come of a change of the scripts is told at one place, kp_requests_done, whoever has
 * asked: a host, a script, the control socket, the watch of files, or kelpie itself, which
 * goes back when a new generation fails. From there it goes to the host's on_reload and to
 * the clients of the control socket that wait for it.
 */
#include <errno.h>
#include <stdio.h>

#include "control.h"
#include "script/generation.h"
#include "script/probation.h"
#include "script/reload.h"
#include "server.h"

/* ---- asking ------------------------------------------------------------------------- */

void
kelpie_stop(kelpie *k)
{
    atomic_store(&k->stop_wanted, true);
    kp_loop_wake(&k->loop);
}

void
kelpie_reload(kelpie *k)
{
    atomic_store(&k->reload_wanted, true);
    kp_loop_wake(&k->loop);
}

void
kelpie_rollback(kelpie *k)
{
    atomic_store(&k->rollback_wanted, true);
    kp_loop_wake(&k->loop);
}

void
kelpie_drain(kelpie *k)
{
    atomic_fetch_add(&k->drains_wanted, 1);
    kp_loop_wake(&k->loop);
}

/* ---- the drain ---------------------------------------------------------------------- */

/* Nobody is waited for any more. Connections are dropped at once; handlers that are still
 * suspended when receivers have been told of it are ended by kp_requests_serve. */
static void
end_now(kelpie *k)
{
    k->ends_now = true;
    kp_conns_drop_all(&k->net, "shutdown");
}

static void
on_drain_timeout(struct kp_timer *timer, void *arg)
{
    kelpie *k = arg;

    (void)timer;
    size_t left = kp_conns_count(&k->net);
    if (left > 0)
        kp_log_write(&k->env.log, KELPIE_LOG_WARN,
                     "drain: %zu client%s left when its time was over", left,
                     left == 1 ? "" : "s");
    end_now(k);
}

static void
begin_drain(kelpie *k)
{
    k->is_draining = true;
    size_t n = kp_conns_count(&k->net);
    kp_log_write(&k->env.log, KELPIE_LOG_INFO, "drain: %zu client%s", n,
                 n == 1 ? "" : "s");
    kp_listeners_stop(&k->net);
    kp_script_on_shutdown(&k->script);
    kp_conns_close_all(&k->net, "shutdown");
    kp_connects_close(&k->net);
    if (k->drain_timeout_ns > 0 &&
        kp_timer_start(&k->timers, &k->drain_timer,
                       k->loop.now_ns + k->drain_timeout_ns) < 0)
        end_now(k); /* no memory to wait politely */
}

void
kp_requests_init(kelpie *k, const struct kelpie_options *options)
{
    kp_timer_init(&k->drain_timer, on_drain_timeout, k);
    if (options->drain_timeout_ms > 0)
        k->drain_timeout_ns = (uint64_t)options->drain_timeout_ms * KP_NS_PER_MS;
}

/* ---- other scripts ------------------------------------------------------------------ */

/* text: the sentence, or NULL for that of the scripts, which has details in further lines. */
static void
tell_host(kelpie *k, enum kelpie_change_kind kind, int rc, const char *text)
{
    struct kelpie_change change = {
        .kind = kind,
        .result = rc,
        .generation = k->script.live != NULL ? k->script.live->number : 0,
        .text = text != NULL ? text : k->script.report,
    };

    if (rc < 0)
        kp_server_fail(k, rc, "%s", text != NULL ? text : k->script.error);
    if (k->host.calls.on_reload == NULL)
        return;
    k->in_handler = true;
    k->host.calls.on_reload(k, &change, k->host.arg);
    k->in_handler = false;
}

void
kp_requests_done(kelpie *k, enum kp_ask ask, int rc)
{
    kp_control_answer(k, ask, rc);
    tell_host(k, ask == KP_ASK_ROLLBACK ? KELPIE_ROLLED_BACK : KELPIE_RELOADED, rc, NULL);
}

/* A reload that has to wait for a retiring generation stays wanted. */
static void
serve_reload(kelpie *k)
{
    if (!atomic_exchange(&k->reload_wanted, false))
        return;
    int rc = kp_reload(&k->script);
    if (rc == -EBUSY) {
        atomic_store(&k->reload_wanted, true);
        return;
    }
    kp_setup_settle_load(k, rc == 0);
    kp_requests_done(k, KP_ASK_RELOAD, rc);
}

/* Before a reload: what was asked for was meant for the generation that serves. */
static void
serve_rollback(kelpie *k)
{
    int rc = kp_probation_run(&k->script);
    if (rc != 0)
        tell_host(k, KELPIE_ROLLED_BACK, rc < 0 ? rc : 0, NULL);
    if (atomic_exchange(&k->rollback_wanted, false))
        kp_requests_done(k, KP_ASK_ROLLBACK, kp_reload_rollback(&k->script));
}

/* A drain ends what was asked and not done; control.c says so to its own clients. */
static void
refuse_changes(kelpie *k)
{
    static const char why[] = "the server is about to end";

    if (atomic_exchange(&k->rollback_wanted, false))
        tell_host(k, KELPIE_ROLLED_BACK, KELPIE_ECLOSED, why);
    if (atomic_exchange(&k->reload_wanted, false))
        tell_host(k, KELPIE_RELOADED, KELPIE_ECLOSED, why);
}

/* ---- the phase ---------------------------------------------------------------------- */

void
kp_requests_serve(kelpie *k)
{
    unsigned drains = atomic_exchange(&k->drains_wanted, 0);

    if (k->ends_now) {
        end_now(k); /* also what was opened meanwhile */
        kp_script_end_tasks(&k->script);
    }
    if (drains > 0 && k->is_draining)
        end_now(k);
    else if (drains > 0)
        begin_drain(k);
    if (drains > 1)
        end_now(k);
    if (k->is_draining) {
        refuse_changes(k);
    } else {
        serve_rollback(k);
        serve_reload(k);
    }
    kp_script_watch_follow(k);
    if (k->is_draining && kp_conns_count(&k->net) == 0)
        k->is_finished = true;
}
