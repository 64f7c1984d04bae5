/*
 * reload.c - from files on disk to the generation that serves: all or nothing
 *
 * The steps are in stage.c (read, compile, stage, check, carry) and swap.c (swap, retire);
 * here is what the operator is told about them (tell.c). The first line of script->error is
 * a whole sentence; the lines after it are details: further errors, or a traceback.
 *
 * A reload that has to wait or comes at a wrong time is refused without a record in the log,
 * since whoever asked asks again.
 */
#include "reload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "globals.h"
#include "net/conns.h"
#include "stage.h"
#include "swap.h"
#include "tell.h"
#include "unused.h"

#define MAX_REASON 700 /* bytes of the first line of an error */

static int
reject(struct kp_script *script, int rc)
{
    script->reloads_rejected++;
    if (!script->live) /* there is nothing that could be loaded again */
        kp_footprint_clear(&script->footprint, &script->env->mem);
    kp_tell_failure(script, "reload rejected");
    kp_tell_log(script, KELPIE_LOG_ERROR);
    return rc;
}

/* What a successful reload has to tell. */
struct success {
    size_t n_files, n_roots, n_dropped;
    uint64_t started_ns;
};

static void
tell_success(struct kp_script *script, const struct success *success)
{
    size_t n_conns = kp_conns_count(script->net), n_dropped = success->n_dropped;
    uint64_t took_ns = kp_sys_now_ns(&script->env->sys) - success->started_ns;
    char dropped[64] = "";

    if (n_dropped > 0) {
        kp_tell_log_details(script, KELPIE_LOG_WARN); /* which values */
        snprintf(dropped, sizeof dropped, ", %zu value%s left behind", n_dropped,
                 kp_tell_plural(n_dropped));
    }
    kp_tell_sentence(script,
                     "generation %" PRIu64 " serves: %zu file%s, %zu connection%s, "
                     "%zu kept root%s%s, %.1f ms",
                     script->live->number, success->n_files,
                     kp_tell_plural(success->n_files), n_conns, kp_tell_plural(n_conns),
                     success->n_roots, kp_tell_plural(success->n_roots), dropped,
                     (double)took_ns / (double)KP_NS_PER_MS);
    kp_tell_log_sentence(script, KELPIE_LOG_INFO);
}

/* At most two generations serve: a third one waits until the first is gone. */
static int
check_may_load(struct kp_script *script)
{
    if (script->in_call)
        return kp_tell_refusal(script, KELPIE_EMISUSE,
                               "scripts cannot be loaded inside a handler");
    if (script->retiring)
        return kp_tell_refusal(script, -EBUSY,
                               "the generation before still finishes its handlers");
    return 0;
}

static int
reload(struct kp_script *script, bool drop)
{
    struct success success = {.started_ns = kp_sys_now_ns(&script->env->sys)};
    struct kp_stage stage;

    int rc = check_may_load(script);
    if (rc != 0)
        return rc;

    kp_tell_clear(script);
    rc = kp_stage_run(&stage, script, script->live, drop);
    success.n_files = stage.sources.n_files;
    kp_footprint_take(&script->footprint, &stage.sources, rc == 0);
    if (rc != 0) {
        kp_stage_clear(&stage);
        return reject(script, rc);
    }

    if (stage.has_carry) {
        success.n_roots = stage.carry.n_roots;
        success.n_dropped = stage.carry.n_problems;
    }
    struct kp_generation *gen = kp_stage_take(&stage);
    rc = kp_swap(script, gen);
    if (rc != 0) {
        kp_generation_free(gen);
        return reject(script, rc);
    }
    script->error[0] = '\0';
    script->reloads++;
    kp_content_clear(&script->rolled_back, &script->env->mem); /* this one is wanted */
    kp_swap_adopt(script);
    tell_success(script, &success);
    return 0;
}

int
kp_reload(struct kp_script *script)
{
    return reload(script, false);
}

int
kp_reload_drop(struct kp_script *script)
{
    return reload(script, true);
}

/* Returns how many warnings script->error has. */
static int
check_for_warnings(struct kp_stage *stage)
{
    int n = kp_globals_check(stage);

    return n + kp_unused_check(stage);
}

int
kp_reload_check(struct kp_script *script)
{
    struct kp_stage stage;

    if (script->in_call)
        return kp_tell_refusal(script, KELPIE_EMISUSE,
                               "scripts cannot be loaded inside a handler");

    kp_tell_clear(script);
    int rc = kp_stage_run(&stage, script, NULL, false);
    if (rc == 0)
        rc = check_for_warnings(&stage);
    kp_stage_clear(&stage);
    kp_tell_error(script);
    kp_tell_quietly(script);
    return rc;
}
