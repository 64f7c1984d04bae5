/*
 * swap.c - from one generation to the next, at the end of a step
 *
 * Up to here nothing has changed for anybody. The order matters:
 *
 *     1  what can fail without running a script: the timer of the retirement
 *     2  the pointer; from now on the new generation may send, and start timers
 *     3  on_load; if it raises, the pointer goes back, and the old generation has lost
 *        nothing: its timers and its suspended handlers have not been touched
 *     4  the timers of the old generation end
 *     5  it retires while handlers are suspended in it, else it is freed
 *     6  on_adopt for each connection; no error of it undoes anything
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

int
kp_swap(struct kp_script *script, struct kp_generation *gen)
{
    struct kp_generation *old = script->live;
    bool retires = old && has_tasks(old);
    int rc = retires ? start_retirement(script) : 0;

    if (rc != 0) {
        snprintf(script->error, KP_ERROR_SIZE, "not enough memory");
        return rc;
    }

    gen->phase = KP_SERVING;
    script->live = gen;
    gen->predecessor = old;
    rc = call_on_load(gen, old ? "reload" : "start");
    gen->predecessor = NULL;
    if (rc != 0) {
        script->live = old;
        gen->phase = KP_STAGING;
        kp_timer_cancel(script->timers, &script->retire_timer);
        return rc;
    }
    if (!old)
        return 0;
    kp_lua_cancel_timers(old);
    old->phase = KP_RETIRING;
    if (retires)
        script->retiring = old;
    else
        kp_generation_free(old);
    return 0;
}

void
kp_swap_adopt(struct kp_script *script)
{
    struct kelpie_conn *conn;
    size_t cursor = 0;

    /* An error was reported; the connection stays, as with any handler. */
    while ((conn = kp_conns_next(script->net, &cursor)))
        if (conn->holds == 0)
            (void)kp_generation_call(script->live, KP_ON_ADOPT, conn, NULL, 0);
}
