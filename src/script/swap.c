/*
 * swap.c - from one generation to the next, at the end of a step
 *
 * Up to here nothing has changed for anybody. The order matters:
 *
 *     1  what can fail without running a script: the timers of retirement and probation
 *     2  the pointer; from now on the new generation may send, and start timers
 *     3  on_load; if it raises, the pointer goes back, and the old generation has lost
 *        nothing: its timers and its suspended handlers have not been touched
 *     4  the timers of the old generation end
 *     5  it retires while handlers are suspended in it; it is kept warm until the new one has
 *        stood its probation; else it is freed
 *     6  on_adopt for each connection; no error of it undoes anything. An outbound one whose
 *        handlers have no successor of their name waits to be received from
 *
 * A roll-back is the same with the warm generation in the place of the new one. Handlers that
 * were suspended in it are handlers of the live generation again.
 *
 * A connection whose handler is suspended in old code is adopted when that has ended (task.c),
 * since the two would want the same messages.
 */
#include "swap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"
#include "net/conns.h"
#include "probation.h"
#include "task.h"

static bool
has_tasks(const struct kp_generation *gen)
{
    return !kp_list_is_empty(&gen->suspended) || !kp_list_is_empty(&gen->ready);
}

/* Sets the limit for what is suspended in the old generation. */
static int
start_retirement(struct kp_script *script)
{
    uint64_t limit_ns = script->limits.retire_timeout_ns;

    if (limit_ns == 0)
        return 0;
    return kp_timer_start(script->timers, &script->retire_timer,
                          kp_sys_now_ns(&script->env->sys) + limit_ns);
}

static int
call_on_load(struct kp_generation *gen, const char *reason)
{
    struct kp_script *script = gen->script;

    script->error[0] = '\0';
    int rc = kp_generation_call(gen, KP_ON_LOAD, NULL, reason, strlen(reason));
    if (rc != 0 && script->error[0] == '\0')
        snprintf(script->error, KP_ERROR_SIZE, "on_load: %s",
                 rc == -ENOMEM ? "not enough memory" : "an error was raised");
    return rc;
}

/* The timers that a swap needs, as they were before it. */
struct timers_before {
    bool retires, on_probation;
    uint64_t retire_ns, probation_ns; /* deadlines of those that run */
};

static struct timers_before
note_timers(const struct kp_script *script)
{
    return (struct timers_before){
        .retires = kp_timer_is_started(&script->retire_timer),
        .on_probation = kp_timer_is_started(&script->probation_timer),
        .retire_ns = script->retire_timer.deadline_ns,
        .probation_ns = script->probation_timer.deadline_ns,
    };
}

/* Puts a timer back that may have been started or moved since. */
static void
restore_timer(struct kp_script *script, struct kp_timer *timer, bool ran,
              uint64_t then_ns)
{
    if (!ran || kp_timer_start(script->timers, timer, then_ns) != 0)
        kp_timer_cancel(script->timers, timer); /* to move one that runs cannot fail */
}

static void
restore_timers(struct kp_script *script, const struct timers_before *before)
{
    restore_timer(script, &script->retire_timer, before->retires, before->retire_ns);
    restore_timer(script, &script->probation_timer, before->on_probation,
                  before->probation_ns);
}

static int
start_timers(struct kp_script *script, bool retires, bool on_probation)
{
    struct timers_before before = note_timers(script);
    int rc = retires ? start_retirement(script) : 0;

    if (rc == 0 && on_probation)
        rc = kp_probation_start(script);
    if (rc == 0)
        return 0;
    restore_timers(script, &before);
    snprintf(script->error, KP_ERROR_SIZE, "not enough memory");
    return rc;
}

/* A generation gets no events any more: it finishes what is suspended, it is kept, or both,
 * or it is gone. */
static void
dismiss(struct kp_script *script, struct kp_generation *gen, bool retires, bool is_kept)
{
    kp_lua_cancel_timers(gen);
    gen->phase = KP_RETIRING;
    script->previous = is_kept ? gen : NULL;
    script->retiring = retires ? gen : NULL;
    if (!retires && !is_kept)
        kp_generation_free(gen);
}

int
kp_swap(struct kp_script *script, struct kp_generation *gen)
{
    struct timers_before before = note_timers(script);
    struct kp_generation *old = script->live;
    bool retires = old && has_tasks(old);
    bool is_kept = old && script->limits.probation_ns > 0;
    int rc = start_timers(script, retires, is_kept);

    if (rc != 0)
        return rc;

    gen->phase = KP_SERVING;
    script->live = gen;
    gen->predecessor = old;
    rc = call_on_load(gen, old ? "reload" : "start");
    gen->predecessor = NULL;
    if (rc != 0) {
        script->live = old;
        gen->phase = KP_STAGING;
        restore_timers(script, &before);
        return rc;
    }
    if (!old)
        return 0;
    kp_generation_free(
        script->previous); /* it does not retire: kp_reload would have waited */
    dismiss(script, old, retires, is_kept);
    script->roll_back_failed = false;
    return 0;
}

/* on_load("rollback") has raised: the warm generation is what it was before. What its last
 * handlers may have started as timers ends a little early. */
static void
undo_swap_back(struct kp_script *script, struct kp_generation *old,
               struct kp_generation *retiring, bool is_overdue)
{
    old->phase = KP_RETIRING;
    old->overdue = is_overdue;
    kp_lua_cancel_timers(old);
    if (retiring != old)
        kp_task_cancel_all(old); /* what on_load has spawned */
    script->previous = old;
    script->retiring = retiring;
}

int
kp_swap_back(struct kp_script *script)
{
    struct timers_before before = note_timers(script);
    struct kp_generation *bad = script->live, *old = script->previous;
    struct kp_generation *retiring = script->retiring;
    bool retires = has_tasks(bad), is_overdue = old->overdue;
    int rc = start_timers(script, retires, false);

    if (rc != 0)
        return rc;

    script->live = old;
    script->previous = script->retiring = NULL;
    old->phase = KP_SERVING;
    old->overdue = false;
    old->predecessor = bad;
    rc = call_on_load(old, "rollback");
    old->predecessor = NULL;
    if (rc != 0) {
        script->live = bad;
        undo_swap_back(script, old, retiring, is_overdue);
        restore_timers(script, &before);
        return rc;
    }
    kp_timer_cancel(script->timers, &script->probation_timer);
    if (!retires)
        kp_timer_cancel(script->timers, &script->retire_timer);
    kp_content_move(&script->rolled_back, &bad->content, &script->env->mem);
    dismiss(script, bad, retires, false);
    return 0;
}

/* Looks for the handlers of outbound connections that have some. */
static void
serve_outbound(struct kp_script *script)
{
    struct kelpie_conn *conn;
    size_t cursor = 0, n_unserved = 0;

    while ((conn = kp_conns_walk(script->net, &cursor))) {
        const struct kp_session *session = kp_session_of(conn);
        if (!conn->outbound || conn->state == KP_CONN_CLOSED || !session ||
            !session->handlers)
            continue;
        bool is_served = kp_generation_named(script->live, session->handlers) != NULL;
        kp_conn_set_served(conn, is_served);
        n_unserved += !is_served;
    }
    if (n_unserved > 0)
        kp_log_write(&script->env->log, KELPIE_LOG_WARN,
                     "handlers of %zu outbound connection%s are not in this version: "
                     "messages wait until they are received",
                     n_unserved, n_unserved == 1 ? "" : "s");
}

static void
adopt(struct kp_script *script, struct kelpie_conn *conn)
{
    /* An error was reported; the connection stays, as with any handler. */
    if (conn->holds == 0)
        (void)kp_generation_call(script->live, KP_ON_ADOPT, conn, NULL, 0);
}

void
kp_swap_adopt(struct kp_script *script)
{
    struct kelpie_conn *conn;
    size_t cursor = 0;

    serve_outbound(script);
    while ((conn = kp_conns_next(script->net, &cursor)))
        adopt(script, conn);
    cursor = 0;
    while ((conn = kp_conns_walk(script->net, &cursor)))
        if (conn->served && kp_conn_is_open(conn))
            adopt(script, conn);
}
