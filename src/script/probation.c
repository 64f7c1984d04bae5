/*
 * probation.c - a new generation has to prove itself
 *
 * A script can load well and fail with the first message. For probation_ms, or for 200 calls
 * if that takes longer, the generation before is therefore kept: its state as it was at the
 * swap, without events and timers (script->previous). When the new one fails much more often
 * than that one did, kelpie goes back by itself.
 *
 * The rate of the one before is that of its whole life up to the swap: the few handlers that
 * still end in it afterwards are counted too, and do not matter.
 *
 * A roll-back that fails, because on_load raised or memory ran out, is not tried again: it
 * would fail in every step. The warm generation stays for those who ask by hand.
 */
#include "probation.h"

#include <inttypes.h>
#include <stdio.h>

#include "generation.h"
#include "reload.h"
#include "rollback.h"

/* The timer is there to be asked whether it runs, and to make a step when it is over. */
static void
on_time_over(struct kp_timer *timer, void *arg)
{
    (void)timer;
    (void)arg;
}

void
kp_probation_init(struct kp_script *script)
{
    kp_timer_init(&script->probation_timer, on_time_over, script);
}

int
kp_probation_start(struct kp_script *script)
{
    return kp_timer_start(script->timers, &script->probation_timer,
                          kp_sys_now_ns(&script->env->sys) + script->limits.probation_ns);
}

void
kp_probation_end(struct kp_script *script)
{
    struct kp_generation *gen = script->previous;

    kp_timer_cancel(script->timers, &script->probation_timer);
    script->previous = NULL;
    if (gen != script->retiring)
        kp_generation_free(gen);
}

static bool
is_over(const struct kp_script *script)
{
    return !kp_timer_is_started(&script->probation_timer) &&
           script->live->calls >= KP_PROBATION_CALLS;
}

static bool
is_worse(const struct kp_generation *now, const struct kp_generation *before)
{
    if (now->errors <= KP_PROBATION_MAX_ERRORS ||
        now->errors * 100 <= now->calls * KP_PROBATION_MAX_PERCENT)
        return false;
    return before->calls == 0 || (double)before->errors / (double)before->calls <
                                     (double)now->errors / (double)now->calls / 2;
}

static int
roll_back_by_itself(struct kp_script *script)
{
    const struct kp_generation *gen = script->live;
    char why[400];

    snprintf(why, sizeof why,
             "%" PRIu64 " of %" PRIu64 " handler calls raised; first: %s", gen->errors,
             gen->calls, gen->first_error);
    int rc = kp_rollback(script, why);
    script->roll_back_failed = rc < 0;
    return rc < 0 ? rc : 1;
}

int
kp_probation_run(struct kp_script *script)
{
    if (!script->previous || script->in_call)
        return 0;
    if (script->limits.rolls_back_itself && !script->roll_back_failed &&
        is_worse(script->live, script->previous))
        return roll_back_by_itself(script);
    if (is_over(script))
        kp_probation_end(script);
    return 0;
}
