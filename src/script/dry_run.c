/*
 * dry_run.c - what a reload would do, without doing it: `kelpie reload --dry-run`
 *
 * The stage does all of a reload but the swap, from the live state, which it only reads; so
 * all there is to do is to look at it before it is forgotten. The report is the sentence and
 * a line for each difference:
 *
 *     dry run: generation 5 would serve: 3 files, 12 connections, ...; still serving 4
 *     changed: scripts/chat.lua
 *     handler added: on_drain
 *
 * Not known without letting the new script serve: what its on_load does, hence which named
 * timers it declares again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"
#include "net/conns.h"
#include "reload.h"
#include "stage.h"
#include "tell.h"

/* --- files ------------------------------------------------------------------------------- */

static bool
has_file(const struct kp_sources *sources, const char *path)
{
    kp_list_each(node, &sources->files)
        if (strcmp(kp_container_of(node, struct kp_source_file, node)->path, path) == 0)
            return true;
    return false;
}

static void
tell_files(struct kp_script *script, const struct kp_sources *sources)
{
    const struct kp_content *old = &script->live->content;

    kp_list_each(node, &sources->files) {
        const struct kp_source_file *file =
            kp_container_of(node, struct kp_source_file, node);
        int difference = kp_content_compare(old, file);

        if (difference != 0)
            kp_tell(script, "%s: %s", difference < 0 ? "new file" : "changed",
                    file->path);
    }
    kp_list_each(node, &old->files) {
        const char *path = kp_container_of(node, struct kp_content_file, node)->path;

        if (!has_file(sources, path))
            kp_tell(script, "not loaded any more: %s", path);
    }
}

/* --- handlers ---------------------------------------------------------------------------- */

static const struct kp_handlers *
find_named(const struct kp_generation *gen, const char *listener)
{
    for (size_t i = 0; i < gen->n_named; i++)
        if (strcmp(gen->named[i].listener, listener) == 0)
            return &gen->named[i];
    return NULL;
}

/* Tells which handlers `with` has and `without`, which may be NULL, has not. */
static void
tell_more(struct kp_script *script, const char *words, const struct kp_handlers *with,
          const struct kp_handlers *without)
{
    const char *listener = with->listener;

    for (int i = 0; i < KP_N_HANDLERS; i++)
        if (with->refs[i] != LUA_NOREF && (!without || without->refs[i] == LUA_NOREF))
            kp_tell(script, "handler %s: %s%s%s%s", words,
                    listener[0] ? "listeners." : "", listener, listener[0] ? "." : "",
                    kp_handler_name((enum kp_handler)i));
}

static void
tell_handlers(struct kp_script *script, const struct kp_generation *old,
              const struct kp_generation *gen)
{
    tell_more(script, "added", &gen->handlers, &old->handlers);
    for (size_t i = 0; i < gen->n_named; i++)
        tell_more(script, "added", &gen->named[i],
                  find_named(old, gen->named[i].listener));
    tell_more(script, "removed", &old->handlers, &gen->handlers);
    for (size_t i = 0; i < old->n_named; i++)
        tell_more(script, "removed", &old->named[i],
                  find_named(gen, old->named[i].listener));
    if (gen->schema != old->schema)
        kp_tell(script, "schema: %lld becomes %lld", (long long)old->schema,
                (long long)gen->schema);
}

/* --- state ------------------------------------------------------------------------------- */

static void
tell_timer(void *arg, const char *name)
{
    kp_tell(arg, "timer '%s' ends, unless on_load declares it again", name);
}

static size_t
count(const struct kp_node *list)
{
    size_t n = 0;

    kp_list_each(node, list)
        n++;
    return n;
}

static void
tell_state(struct kp_script *script, const struct kp_carry *carry)
{
    const struct kp_generation *old = script->live;
    size_t n_anonymous = kp_lua_list_timers(old, tell_timer, script);
    size_t n_tasks = count(&old->suspended) + count(&old->ready);

    kp_list_each(node, &carry->unasked)
        kp_tell(script, "%s", kp_container_of(node, struct kp_carry_problem, node)->text);
    if (carry->n_unasked > KP_CARRY_MAX_PROBLEMS)
        kp_tell(script, "%zu kept roots in all that the new script does not ask for",
                carry->n_unasked);
    if (n_anonymous > 0)
        kp_tell(script, "%zu timer%s without a name end%s", n_anonymous,
                kp_tell_plural(n_anonymous), n_anonymous == 1 ? "s" : "");
    if (n_tasks > 0)
        kp_tell(script, "%zu suspended handler%s finish%s in the old code", n_tasks,
                kp_tell_plural(n_tasks), n_tasks == 1 ? "es" : "");
}

/* --- the whole --------------------------------------------------------------------------- */

static void
tell_sentence(struct kp_script *script, const struct kp_stage *stage, uint64_t took_ns)
{
    const struct kp_carry *carry = &stage->carry;
    size_t n_files = stage->sources.n_files, n_conns = kp_conns_count(script->net);

    kp_tell_sentence(
        script,
        "dry run: generation %" PRIu64 " would serve: %zu file%s, "
        "%zu connection%s, %zu kept root%s; %zu table%s and %zu byte%s of "
        "strings copied, %.1f ms; still serving generation %" PRIu64,
        stage->number, n_files, kp_tell_plural(n_files), n_conns, kp_tell_plural(n_conns),
        carry->n_roots, kp_tell_plural(carry->n_roots), carry->n_values,
        kp_tell_plural(carry->n_values), carry->n_bytes, kp_tell_plural(carry->n_bytes),
        (double)took_ns / (double)KP_NS_PER_MS, script->live->number);
}

/* The reload would be rejected: why, and what has changed, which may be the cause. */
static void
tell_rejected(struct kp_script *script, const struct kp_stage *stage)
{
    kp_tell_failure(script, "dry run: the reload would be rejected");
    tell_files(script, &stage->sources);
}

/* Warnings are not a failure. */
static int
check_only(struct kp_script *script)
{
    int rc = kp_reload_check(script);

    return rc < 0 ? rc : 0;
}

int
kp_reload_dry_run(struct kp_script *script)
{
    uint64_t started_ns = kp_sys_now_ns(&script->env->sys);
    struct kp_stage stage;

    if (!script->live || script->in_call)
        return check_only(script);

    kp_tell_clear(script);
    int rc = kp_stage_run(&stage, script, script->live, false);
    if (rc == 0) {
        script->error[0] = '\0';
        tell_files(script, &stage.sources);
        tell_handlers(script, script->live, stage.gen);
        tell_state(script, &stage.carry);
        tell_sentence(script, &stage, kp_sys_now_ns(&script->env->sys) - started_ns);
    } else {
        tell_rejected(script, &stage);
    }
    script->last_generation--; /* nobody has met that number */
    kp_stage_clear(&stage);
    kp_tell_log_sentence(script, KELPIE_LOG_INFO);
    return rc;
}
