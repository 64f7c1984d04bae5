/*
 * generation.c - one loaded version of the scripts: a lua_State and the door to it
 *
 * Everything that can raise a Lua error runs below kp_generation_enter: a protected call of a
 * C function on the main thread of the state. Handlers run in coroutines (task.c), which are
 * protected by lua_resume: generation_call.c.
 *
 * The state allocates through generation_alloc, from a pool (pool.c), held to lua_memory. A
 * state that hovers at its cap must still be able to say so: memory_reserve lifts the cap a
 * little while an error is reported.
 */
#include "generation.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "bind.h"
#include "net/listener.h"
#include "report.h"
#include "sandbox.h"
#include "task.h"

#define REPORT_RESERVE (256 * 1024) /* a message, a traceback, a call of on_error */

/* --- memory ---------------------------------------------------------------------------- */

static bool
has_room(const struct kp_generation *gen, size_t more)
{
    size_t cap = gen->script->limits.lua_memory;

    if (cap == 0 || gen->has_no_cap)
        return true;
    if (gen->memory_reserve)
        cap += REPORT_RESERVE;
    return gen->lua_bytes <= cap && more <= cap - gen->lua_bytes;
}

/* As lua_Alloc. For a new block old_size is a type tag, not a size. */
static void *
generation_alloc(void *ud, void *ptr, size_t old_size, size_t new_size)
{
    struct kp_generation *gen = ud;
    size_t had = ptr ? old_size : 0;

    if (new_size == 0) {
        kp_pool_free(&gen->blocks, ptr, had);
        gen->lua_bytes -= had;
        return NULL;
    }
    if (new_size > had && !has_room(gen, new_size - had)) {
        gen->n_refused++; /* Lua collects all garbage, and tries once more */
        return NULL;
    }

    void *block = kp_pool_realloc(&gen->blocks, ptr, had, new_size);
    if (block)
        gen->lua_bytes += new_size - had;
    return block;
}

/* An error outside of every protected call: a bug of kelpie or of a C module. Lua aborts when
 * this returns. */
static int
on_panic(lua_State *L)
{
    struct kp_generation *gen = kp_generation_of(L);
    const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";

    kp_log_write(&gen->script->env->log, KELPIE_LOG_ERROR,
                 "unprotected error in a call to Lua: %s", message);
    return 0;
}

/* --- making a state -------------------------------------------------------------------- */

void
kp_generation_make_table(lua_State *L, int *ref, const char *mode)
{
    lua_newtable(L);
    if (mode) {
        lua_newtable(L);
        lua_pushstring(L, mode);
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
    }
    *ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void
add_preloads(lua_State *L, struct kp_script *script)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    kp_list_each(node, &script->preloads) {
        struct kp_preload *preload = kp_container_of(node, struct kp_preload, node);
        lua_pushcfunction(L, preload->open);
        lua_setfield(L, -2, preload->name);
    }
    lua_pop(L, 1);
}

/* Fills a fresh state. */
static int
open_state(lua_State *L)
{
    struct kp_generation *gen = lua_touserdata(L, 1);

    kp_generation_make_table(L, &gen->conns_ref, NULL);
    kp_generation_make_table(L, &gen->rooms_ref, "v");
    kp_generation_make_table(L, &gen->keeps_ref, NULL);
    kp_generation_make_table(L, &gen->classes_ref, NULL);
    kp_generation_make_table(L, &gen->timers_ref, NULL);
    kp_generation_make_table(L, &gen->files_ref, NULL);
    kp_sandbox_open(L, gen);
    add_preloads(L, gen->script);

    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    kp_lua_open_kelpie(L);
    lua_setfield(L, -2, "kelpie");
    return 0;
}

static struct kp_generation *
generation_alloc_struct(struct kp_script *script, uint64_t number)
{
    struct kp_generation *gen = kp_mem_zalloc(&script->env->mem, sizeof *gen);

    if (!gen)
        return NULL;
    gen->script = script;
    kp_pool_init(&gen->blocks, &script->env->mem,
                 kp_mem_is_system(&script->env->mem) ? KP_POOL_LUA_MAX : 0);
    gen->number = number;
    gen->phase = KP_STAGING;
    gen->conns_ref = gen->rooms_ref = gen->keeps_ref = LUA_NOREF;
    gen->classes_ref = gen->timers_ref = gen->files_ref = LUA_NOREF;
    gen->n_pcalls_ref = LUA_NOREF;
    kp_handlers_init(&gen->handlers);
    kp_handlers_init(&gen->no_handlers);
    kp_content_init(&gen->content);
    kp_watchdog_init(&gen->watchdog, &script->guard);
    kp_list_init(&gen->suspended);
    kp_list_init(&gen->ready);
    kp_list_init(&gen->pool);
    kp_list_init(&gen->made);
    kp_list_init(&gen->timers);
    return gen;
}

int
kp_generation_new(struct kp_script *script, struct kp_generation **out, uint64_t number)
{
    struct kp_generation *gen = generation_alloc_struct(script, number);

    *out = NULL;
    if (!gen)
        return -ENOMEM;
    gen->L = lua_newstate(generation_alloc, gen);
    if (!gen->L) {
        kp_generation_free(gen);
        return -ENOMEM;
    }
    memcpy(lua_getextraspace(gen->L), &gen, sizeof gen); /* coroutines copy it */
    kp_collector_init(&gen->collector, gen->L);
    lua_atpanic(gen->L, on_panic);

    int rc = kp_generation_enter(gen, open_state, gen, script->limits.load_timeout_ns);
    if (rc < 0) {
        kp_generation_free(gen);
        return rc;
    }
    *out = gen;
    return 0;
}

void
kp_generation_free(struct kp_generation *gen)
{
    if (!gen)
        return;

    struct kp_mem *mem = &gen->script->env->mem;
    if (gen->phase != KP_STAGING)
        kp_log_write(&gen->script->env->log, KELPIE_LOG_TRACE,
                     "generation %" PRIu64 " ends", gen->number);
    if (gen->L) {
        kp_task_cancel_all(gen);
        if (gen->timers_ref != LUA_NOREF)
            kp_lua_cancel_timers(gen);
        lua_close(gen->L);
    }
    kp_pool_clear(&gen->blocks);
    kp_content_clear(&gen->content, mem);
    kp_mem_free(mem, gen->named, gen->n_named * sizeof *gen->named);
    kp_mem_free(mem, gen, sizeof *gen);
}

struct kp_generation *
kp_generation_of(lua_State *L)
{
    struct kp_generation *gen;

    memcpy(&gen, lua_getextraspace(L), sizeof gen);
    return gen;
}

void
kp_generation_check_serving(lua_State *L, const char *name)
{
    if (kp_generation_of(L)->phase == KP_STAGING)
        luaL_error(L, "%s: not allowed while loading; do it in on_load or a handler",
                   name);
}

/* --- the door -------------------------------------------------------------------------- */

/* Message handler: the error value as a string, and the traceback. */
static int
with_traceback(lua_State *L)
{
    struct kp_generation *gen = kp_generation_of(L);

    gen->memory_reserve = true;
    kp_report_message_handler(L);
    lua_pushliteral(L, "\n"); /* not through luaL_traceback, which stops at a NUL */
    luaL_traceback(L, L, NULL, 1);
    lua_concat(L, 3);
    return 1;
}

/* Copies the message at the top of the stack to script->error, without the last line of its
 * traceback, which is our own trampoline. */
static void
keep_error(struct kp_script *script, lua_State *L)
{
    size_t len = 0;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : "";

    len = kp_report_without(KP_REPORT_MAIN_LINE, text, len);
    len = kp_report_without("\nstack traceback:", text, len);
    if (len >= sizeof script->error)
        len = sizeof script->error - 1;
    memcpy(script->error, text, len);
    script->error[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if (script->error[i] == '\0')
            script->error[i] = '?';
    }
}

int
kp_generation_enter(struct kp_generation *gen, lua_CFunction fn, void *arg,
                    uint64_t budget_ns)
{
    lua_State *L = gen->L;
    bool nested = gen->watchdog.running != NULL; /* the outer call's budget holds */
    unsigned n_pcalls = gen->n_pcalls;
    bool had_reserve = gen->memory_reserve;
    int top = lua_gettop(L);

    if (!lua_checkstack(L, 4))
        return -ENOMEM;
    gen->n_pcalls = 0;
    if (!nested)
        kp_watchdog_start(&gen->watchdog, L, budget_ns);
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, arg);
    int status = lua_pcall(L, 1, 0, top + 1);
    if (!nested)
        (void)kp_watchdog_stop(&gen->watchdog); /* a killed call has an error status */
    gen->memory_reserve = had_reserve;
    gen->n_pcalls = n_pcalls;

    if (status != LUA_OK) {
        keep_error(gen->script, L);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    assert(lua_gettop(L) == top);
    if (status == LUA_OK)
        return 0;
    return status == LUA_ERRMEM ? -ENOMEM : KELPIE_ESCRIPT;
}

struct kp_handlers *
kp_generation_named(struct kp_generation *gen, const char *name)
{
    for (size_t i = 0; name[0] && i < gen->n_named; i++) {
        if (strcmp(gen->named[i].listener, name) == 0)
            return &gen->named[i];
    }
    return NULL;
}

struct kp_handlers *
kp_generation_handlers(struct kp_generation *gen, const struct kelpie_conn *conn)
{
    struct kp_handlers *named = NULL;

    if (conn && conn->outbound) {
        const struct kp_session *session = kp_session_of(conn);
        if (session && session->handlers)
            named = kp_generation_named(gen, session->handlers);
        return named ? named : &gen->no_handlers;
    }
    if (conn && conn->listener)
        named = kp_generation_named(gen, conn->listener->name);
    return named ? named : &gen->handlers;
}
