/*
 * stage.c - a new generation, made ready beside the one that serves
 *
 *     read      kp_sources_read          the main file, then what require asks for
 *     compile   kp_source_compile        after a syntax error all files, for all errors
 *     stage     run_script               in a fresh state; its phase refuses side effects
 *     check     run_script               the handlers table; run_self_test
 *     carry     kp_carry_live            kept roots, conn.data; then kp_carry_migrate
 *
 * Then every file is looked at again. If one has changed since it was read, the result,
 * good or bad, is of a script that nobody wrote: all of it is done once more. There is no
 * waiting here, since a server that sleeps does not serve; after KP_STAGE_TRIES the load is
 * rejected, and the next request finds the file at rest.
 *
 * Nothing of the old generation is touched. Until somebody takes stage->gen, to forget the
 * stage is to undo it.
 */
#include "stage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sandbox.h"
#include "tell.h"

/* Sets script->error. */
static void KP_PRINTF(2, 3) set_error(struct kp_stage *stage, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(stage->script->error, KP_ERROR_SIZE, format, args);
    va_end(args);
}

/* Puts words in front of script->error. */
static void
prefix_error(struct kp_stage *stage, const char *words)
{
    char message[KP_ERROR_SIZE];

    memcpy(message, stage->script->error, sizeof message);
    message[sizeof message - 1] = '\0';
    set_error(stage, "%s: %.*s", words, (int)(KP_ERROR_SIZE - strlen(words) - 3),
              message);
}

static void
append_line(struct kp_stage *stage, const char *line)
{
    char *error = stage->script->error;
    size_t len = strlen(error);

    if (len + 2 < KP_ERROR_SIZE)
        snprintf(error + len, KP_ERROR_SIZE - len, "%s%s", len > 0 ? "\n" : "", line);
}

static int
enter(struct kp_stage *stage, lua_CFunction fn)
{
    return kp_generation_enter(stage->gen, fn, stage,
                               stage->script->limits.load_timeout_ns);
}

/* --- in the new state, protected, within one budget of time ----------------------------- */

static void
set_require(lua_State *L, struct kp_sources *sources)
{
    lua_pushglobaltable(L);
    lua_pushliteral(L, "require");
    lua_pushlightuserdata(L, sources);
    lua_pushcclosure(L, kp_source_require, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

static void
run_script(lua_State *L, struct kp_stage *stage)
{
    set_require(L, &stage->sources);
    kp_source_run(L, &stage->sources, stage->main, NULL);
    if (!lua_istable(L, -1))
        luaL_error(L, "%s must return its table of handlers, not %s", stage->main->path,
                   luaL_typename(L, -1));
    kp_handlers_read(L, stage->gen);
    kp_sandbox_lock_globals(L);
}

static void
run_self_test(lua_State *L, struct kp_stage *stage)
{
    int ref = stage->gen->handlers.refs[KP_SELF_TEST];

    if (ref == LUA_NOREF)
        return;
    snprintf(stage->where, sizeof stage->where, "self_test");
    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    lua_call(L, 0, 0);
    stage->where[0] = '\0';
}

static bool
has_problems(const struct kp_stage *stage)
{
    return stage->has_carry && stage->carry.n_problems > 0 && !stage->drop;
}

/* Runs it all, up to the first thing that makes it pointless to go on. */
static int
run_all(lua_State *L)
{
    struct kp_stage *stage = lua_touserdata(L, 1);

    lua_settop(L, 0);
    run_script(L, stage);
    if (stage->sources.failure != 0)
        return 0;
    run_self_test(L, stage);
    if (!stage->has_carry)
        return 0;
    kp_carry_live(&stage->carry, L);
    if (!has_problems(stage))
        kp_carry_migrate(&stage->carry, L, stage->where);
    return 0;
}

static int
list_syntax_errors(lua_State *L)
{
    struct kp_stage *stage = lua_touserdata(L, 1);

    if (kp_source_syntax_errors(L, &stage->sources) > 0)
        set_error(stage, "%s", lua_tostring(L, -1));
    return 0;
}

/* --- what it has come to ---------------------------------------------------------------- */

/* A file is there but could not be believed, which the script may have caught: says why. */
static int
explain_sources(struct kp_stage *stage)
{
    const struct kp_sources *sources = &stage->sources;

    if (sources->failure == -ENOMEM)
        return -ENOMEM;
    if (sources->failure == KELPIE_ESCRIPT)
        return enter(stage, list_syntax_errors) == -ENOMEM ? -ENOMEM : KELPIE_ESCRIPT;
    set_error(stage, "cannot read %s: %s", sources->failed_path,
              strerror(-sources->failure));
    return KELPIE_ESCRIPT;
}

/* Adds the values that cannot cross to script->error, one a line. */
static void
list_problems(struct kp_stage *stage)
{
    const struct kp_carry *carry = &stage->carry;
    size_t n_listed = 0;
    char more[64];

    kp_list_each(node, &carry->problems) {
        append_line(stage, kp_container_of(node, struct kp_carry_problem, node)->text);
        n_listed++;
    }
    if (n_listed == carry->n_problems)
        return;
    snprintf(more, sizeof more, "%s%zu more values cannot cross",
             n_listed > 0 ? "and " : "", carry->n_problems - n_listed);
    append_line(stage, more);
}

/* With `drop`, what cannot cross is left behind, and listed. */
static void
tell_dropped(struct kp_stage *stage)
{
    const struct kp_carry *carry = &stage->carry;

    kp_list_each(node, &carry->problems)
        kp_tell(stage->script, "left behind: %s",
                kp_container_of(node, struct kp_carry_problem, node)->text);
    if (carry->n_problems > KP_CARRY_MAX_PROBLEMS)
        kp_tell(stage->script, "left behind: %zu values in all", carry->n_problems);
}

/* Turns the result of run_all into the result of the load, with its sentence. */
static int
conclude(struct kp_stage *stage, int rc)
{
    if (rc == -ENOMEM)
        return rc;
    if (stage->sources.failure != 0)
        return explain_sources(stage);
    if (rc != 0 && stage->where[0] != '\0')
        prefix_error(stage, stage->where);
    if (has_problems(stage)) {
        if (rc == 0)
            stage->script->error[0] = '\0';
        list_problems(stage); /* perhaps the script failed for want of them */
        return KELPIE_ESCRIPT;
    }
    return rc;
}

static int
load(struct kp_stage *stage)
{
    int rc = kp_sources_read_main(&stage->sources, &stage->main);

    if (rc != 0) {
        set_error(stage, "cannot read %s: %s", stage->sources.failed_path, strerror(-rc));
        return rc;
    }
    return conclude(stage, enter(stage, run_all));
}

/* --- the whole ---------------------------------------------------------------------- */

/* Frees what one try has made. */
static void
stage_reset(struct kp_stage *stage)
{
    /* First the stack of the old state, then the new one that it was copied to. */
    if (stage->has_carry)
        kp_carry_clear(&stage->carry);
    stage->has_carry = false;
    kp_generation_free(stage->gen);
    stage->gen = NULL;
    kp_sources_clear(&stage->sources);
    stage->where[0] = '\0';
}

struct kp_generation *
kp_stage_take(struct kp_stage *stage)
{
    struct kp_generation *gen = stage->gen;

    stage->gen = NULL;
    stage_reset(stage);
    return gen;
}

void
kp_stage_clear(struct kp_stage *stage)
{
    stage_reset(stage);
}

static int
start_carry(struct kp_stage *stage)
{
    if (!stage->from)
        return 0;
    int rc = kp_carry_init(&stage->carry, stage->from, stage->gen, stage->drop);
    stage->has_carry = rc == 0;
    stage->gen->carry = stage->has_carry ? &stage->carry : NULL;
    return rc;
}

/* Does all of it once. */
static int
try_once(struct kp_stage *stage)
{
    int rc = kp_generation_new(stage->script, &stage->gen, stage->number);

    if (rc == 0)
        rc = start_carry(stage);
    if (rc == 0)
        rc = load(stage);
    if (rc == 0)
        rc = kp_content_take(&stage->gen->content, &stage->sources);
    if (stage->has_carry)
        stage->gen->carry = NULL;
    return rc;
}

/* Tries until no file has changed during a try. */
static int
try_until_at_rest(struct kp_stage *stage)
{
    for (int i = 0; i < KP_STAGE_TRIES; i++) {
        stage_reset(stage);
        stage->script->error[0] = '\0';

        int rc = try_once(stage);
        if (rc == -ENOMEM) {
            set_error(stage, "not enough memory");
            return rc;
        }
        if (kp_sources_are_unchanged(&stage->sources)) {
            if (rc != 0 && stage->script->error[0] == '\0')
                set_error(stage, "cannot make a generation: %s", strerror(-rc));
            return rc;
        }
    }
    set_error(stage, "%s or a file that it requires kept changing while it was read",
              stage->main->path);
    return KELPIE_ESCRIPT;
}

int
kp_stage_run(struct kp_stage *stage, struct kp_script *script, struct kp_generation *from,
             bool drop)
{
    memset(stage, 0, sizeof *stage);
    stage->script = script;
    stage->from = from;
    stage->drop = drop;
    stage->number = ++script->last_generation;
    kp_sources_init(&stage->sources, script);

    /* A C module of the host may run now; it must not get into the old state meanwhile. */
    script->in_call = true;
    int rc = try_until_at_rest(stage);
    script->in_call = false;
    if (rc == 0 && stage->has_carry)
        tell_dropped(stage);
    return rc;
}
