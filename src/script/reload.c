/*
 * reload.c - from files on disk to the generation that serves: all or nothing
 *
 * The steps are in stage.c (read, compile, stage, check, carry) and swap.c (swap, retire);
 * here is what the operator is told about them. The first line of script->error is a whole
 * sentence; the lines after it are details: further errors, or a traceback. In the log every
 * line is a record of its own.
 */
#include "reload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "net/conns.h"
#include "stage.h"
#include "swap.h"

#define MAX_REASON 700 /* bytes of the first line of an error */

/* Writes each line as a record: a newline within one would be escaped. */
static void
log_lines(struct kp_log *log, enum kelpie_level level, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");

        kp_log_write(log, level, "%.*s", (int)len, text);
        text += len;
        if (*text == '\n')
            text++;
    }
}

static const char *
plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* Turns the reason in script->error into the sentence that says what it means for those who
 * are connected, and keeps the details. The reason is cut, so that a log record, which is
 * shorter than script->error, has all of the sentence. */
static void
add_consequence(struct kp_script *script)
{
    char reason[KP_ERROR_SIZE];
    size_t n_conns = kp_conns_count(script->net);

    memcpy(reason, script->error, sizeof reason);
    reason[sizeof reason - 1] = '\0';

    int len = (int)strcspn(reason, "\n");
    bool is_cut = len > MAX_REASON;
    snprintf(script->error, KP_ERROR_SIZE,
             "reload rejected: %.*s%s; still serving generation %" PRIu64
             ", %zu connection%s unaffected%s",
             is_cut ? MAX_REASON : len, reason, is_cut ? "..." : "", script->live->number,
             n_conns, plural(n_conns), reason + len);
}

static int
reject(struct kp_script *script, int rc)
{
    script->reloads_rejected++;
    if (script->live)
        add_consequence(script);
    log_lines(&script->env->log, KELPIE_LOG_ERROR, script->error);
    return rc;
}

static void
log_success(struct kp_script *script, size_t n_files, size_t n_roots, uint64_t started_ns)
{
    size_t n_conns = kp_conns_count(script->net);
    uint64_t took_ns = kp_sys_now_ns(&script->env->sys) - started_ns;

    kp_log_write(&script->env->log, KELPIE_LOG_INFO,
                 "generation %" PRIu64 " serves: %zu file%s, %zu connection%s, "
                 "%zu kept root%s, %.1f ms",
                 script->live->number, n_files, plural(n_files), n_conns, plural(n_conns),
                 n_roots, plural(n_roots), (double)took_ns / (double)KP_NS_PER_MS);
}

/* The load does not even begin, and nothing is counted. */
static int
refuse(struct kp_script *script, int rc, const char *why)
{
    snprintf(script->error, KP_ERROR_SIZE, "%s", why);
    return rc;
}

/* At most two generations serve: a third one waits until the first is gone. */
static int
check_may_load(struct kp_script *script)
{
    if (script->in_call)
        return refuse(script, KELPIE_EMISUSE,
                      "scripts cannot be loaded inside a handler");
    if (script->retiring)
        return refuse(script, -EBUSY,
                      "the generation before still finishes its handlers");
    return 0;
}

static int
reload(struct kp_script *script, bool drop)
{
    uint64_t started_ns = kp_sys_now_ns(&script->env->sys);
    struct kp_stage stage;

    int rc = check_may_load(script);
    if (rc != 0)
        return rc;

    rc = kp_stage_run(&stage, script, script->live, drop);
    if (rc != 0) {
        kp_stage_clear(&stage);
        return reject(script, rc);
    }

    size_t n_files = stage.sources.n_files;
    size_t n_roots = stage.has_carry ? stage.carry.n_roots : 0;
    struct kp_generation *gen = kp_stage_take(&stage);
    rc = kp_swap(script, gen);
    if (rc != 0) {
        kp_generation_free(gen);
        return reject(script, rc);
    }
    script->error[0] = '\0';
    script->reloads++;
    kp_swap_adopt(script);
    log_success(script, n_files, n_roots, started_ns);
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

int
kp_reload_check(struct kp_script *script)
{
    struct kp_stage stage;

    if (script->in_call)
        return refuse(script, KELPIE_EMISUSE,
                      "scripts cannot be loaded inside a handler");

    int rc = kp_stage_run(&stage, script, NULL, false);
    kp_stage_clear(&stage);
    return rc;
}
