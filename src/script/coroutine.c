/*
 * coroutine.c - the coroutine library, as scripts see it
 *
 * It behaves as in the Lua manual (6.2), with three additions.
 *
 * A kill cannot be swallowed. When the watchdog has killed the running call, resume and wrap
 * raise again whatever the error was. A killed coroutine keeps its hooks switched off (see
 * watchdog.c), so it is marked and never closed.
 *
 * kelpie's own suspension (sleep, receive) goes up to the task. It is a yield of one private
 * value, the mark. resume and wrap see it on top of the child's stack, leave it there and
 * yield on upward; when they are resumed themselves they take the mark away and resume the
 * child with what they were given:
 *
 *     task's coroutine   handler -> resume        | yields the mark    ^ resumed
 *     script's coroutine    body -> sleep         | yields the mark    v resumes on
 *
 * While the mark is there the child counts as "normal": nobody else can resume or close it.
 * Where a C function in between cannot be yielded through (a comparator of table.sort), the
 * attempt raises at once, in the function that wanted to suspend.
 *
 * close is limited in depth, because Lua 5.4.4 overflows the C stack when to-be-closed
 * variables close coroutines that close coroutines (fixed in Lua by commit 1e64c139, 2022).
 */
#include <lualib.h>

#include "generation.h"
#include "sandbox.h"
#include "task.h"

#define MAX_CLOSE_DEPTH 10 /* each level may need 0.5 MiB of C stack */

/* The private values: light userdata that no script can make. */
static const char marks[2];
#define SUSPENDED ((void *)&marks[0]) /* on a coroutine in kelpie's own suspension */
#define KILLED    ((void *)&marks[1]) /* on a coroutine ended by the watchdog */

static bool
has_mark(lua_State *co, const void *mark)
{
    return lua_gettop(co) > 0 && lua_islightuserdata(co, -1) &&
           lua_touserdata(co, -1) == mark;
}

static struct kp_watchdog *
watchdog_of(lua_State *L)
{
    return &kp_generation_of(L)->watchdog;
}

/* --- suspension ------------------------------------------------------------------------ */

bool
kp_coroutine_is_suspended(lua_State *co)
{
    return lua_status(co) == LUA_YIELD && has_mark(co, SUSPENDED);
}

void
kp_coroutine_check_suspend(lua_State *L)
{
    struct kp_generation *gen = kp_generation_of(L);

    if (!gen->current)
        luaL_error(L, "only a handler can wait");
    if (gen->n_blocked > 0 || !lua_isyieldable(L))
        luaL_error(L, "cannot wait here: called by a C function such as table.sort or "
                      "kelpie.critical");
}

int
kp_coroutine_suspend(lua_State *L, lua_KContext context, lua_KFunction k)
{
    kp_coroutine_check_suspend(L);
    lua_pushlightuserdata(L, SUSPENDED);
    return lua_yieldk(L, 1, context, k);
}

/* --- resuming -------------------------------------------------------------------------- */

#define RESUME_ERROR     (-1) /* the error value is on top */
#define RESUME_SUSPENDED (-2) /* to be yielded on */

static lua_State *
check_coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);

    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

/* Returns how many protected calls a coroutine is suspended in. stack: co ... */
static unsigned
get_pcalls(lua_State *L, const struct kp_generation *gen)
{
    if (gen->n_pcalls_ref == LUA_NOREF)
        return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, gen->n_pcalls_ref);
    lua_pushvalue(L, 1);
    lua_rawget(L, -2);
    lua_Integer n = lua_tointeger(L, -1);
    lua_pop(L, 2);
    return (unsigned)n;
}

/* Keeps that number. Most coroutines are never suspended in one. stack: co ... */
static void
set_pcalls(lua_State *L, struct kp_generation *gen, unsigned n)
{
    if (gen->n_pcalls_ref == LUA_NOREF && n == 0)
        return;
    if (gen->n_pcalls_ref == LUA_NOREF)
        kp_generation_make_table(L, &gen->n_pcalls_ref, "k");
    lua_rawgeti(L, LUA_REGISTRYINDEX, gen->n_pcalls_ref);
    lua_pushvalue(L, 1);
    if (n > 0)
        lua_pushinteger(L, n);
    else
        lua_pushnil(L);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* Resumes co, at index 1 of L, with n_args values that are on its stack already. */
static int
run_child(lua_State *L, lua_State *co, int n_args, int *n_results)
{
    struct kp_generation *gen = kp_generation_of(L);
    unsigned blocked = lua_isyieldable(L) ? 0 : 1;
    unsigned n_pcalls = gen->n_pcalls;

    luaL_checkstack(L, 5, NULL);
    gen->n_pcalls = get_pcalls(L, gen);

    gen->n_blocked += blocked;
    kp_watchdog_set_running(&gen->watchdog, co);
    int status = lua_resume(co, L, n_args, n_results);
    kp_watchdog_set_running(&gen->watchdog, L);
    gen->n_blocked -= blocked;
    unsigned n_of_child = gen->n_pcalls;
    gen->n_pcalls = n_pcalls;
    if (status == LUA_YIELD)
        set_pcalls(L, gen, n_of_child);
    return status;
}

/* Moves the error value to L. In a killed call, marks the child and raises. */
static int
child_failed(lua_State *L, lua_State *co)
{
    lua_xmove(co, L, 1);
    if (!watchdog_of(L)->killed)
        return RESUME_ERROR;
    lua_pushlightuserdata(co, KILLED); /* where the error value was */
    return kp_watchdog_raise_again(watchdog_of(L), L);
}

/* Resumes co with the n_args values on top of L, and moves its results to L. [-n_args, +n]
 * Returns   n; RESUME_ERROR with the error value pushed, RESUME_SUSPENDED. */
static int
resume(lua_State *L, lua_State *co, int n_args)
{
    int n_results;

    if (!lua_checkstack(co, n_args)) {
        lua_pop(L, n_args);
        lua_pushliteral(L, "too many arguments to resume");
        return RESUME_ERROR;
    }
    lua_xmove(L, co, n_args);

    int status = run_child(L, co, n_args, &n_results);
    if (status != LUA_OK && status != LUA_YIELD)
        return child_failed(L, co);
    if (watchdog_of(L)->killed)
        return kp_watchdog_raise_again(watchdog_of(L), L);
    if (kp_coroutine_is_suspended(co))
        return RESUME_SUSPENDED;
    if (!lua_checkstack(L, n_results + 1)) {
        lua_pop(co, n_results);
        lua_pushliteral(L, "too many results to resume");
        return RESUME_ERROR;
    }
    lua_xmove(co, L, n_results);
    return n_results;
}

/* The script asks to resume co with the n_args values on top: not in the middle of our own
 * suspension. Lua itself sees to the other cases. */
static int
resume_by_script(lua_State *L, lua_State *co, int n_args)
{
    if (!kp_coroutine_is_suspended(co))
        return resume(L, co, n_args);
    lua_pop(L, n_args);
    lua_pushliteral(L, "cannot resume non-suspended coroutine");
    return RESUME_ERROR;
}

/* Yields our own suspension on upward. Below the mark only the coroutine stays. */
static int
suspend_too(lua_State *L, lua_KFunction k)
{
    lua_settop(L, 1);
    lua_pushlightuserdata(L, SUSPENDED);
    return lua_yieldk(L, 1, 0, k);
}

/* Goes on with a suspended child. stack: co answers... */
static int
resume_suspended(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);

    lua_pop(co, 1); /* the mark */
    return resume(L, co, lua_gettop(L) - 1);
}

static int continue_resume(lua_State *L, int status, lua_KContext context);

static int
finish_resume(lua_State *L, int n)
{
    if (n == RESUME_SUSPENDED)
        return suspend_too(L, continue_resume);
    lua_pushboolean(L, n != RESUME_ERROR);
    if (n == RESUME_ERROR)
        n = 1;
    lua_insert(L, -(n + 1));
    return n + 1;
}

static int
continue_resume(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context; /* the stack says it all */
    return finish_resume(L, resume_suspended(L));
}

static int
l_resume(lua_State *L)
{
    lua_State *co = check_coroutine(L);

    return finish_resume(L, resume_by_script(L, co, lua_gettop(L) - 1));
}

/* --- ending ---------------------------------------------------------------------------- */

/* Closes the variables of a coroutine that has ended or is suspended.
 * Returns   its status, with an error value on its stack; raises in a killed call. */
static int
close_variables(lua_State *L, lua_State *co)
{
    struct kp_generation *gen = kp_generation_of(L);

    if (gen->close_depth >= MAX_CLOSE_DEPTH)
        luaL_error(L, "too many coroutines closed within each other");
    unsigned n_pcalls = gen->n_pcalls;
    gen->n_pcalls = 0;
    gen->close_depth++;
    gen->n_blocked++; /* Lua 5.4.4 cannot yield here */
    kp_watchdog_set_running(&gen->watchdog, co);
    int status = lua_resetthread(co);
    kp_watchdog_set_running(&gen->watchdog, L);
    gen->n_blocked--;
    gen->close_depth--;
    gen->n_pcalls = n_pcalls;
    if (gen->watchdog.killed) {
        lua_settop(L, 0);
        kp_watchdog_raise_again(watchdog_of(L), L);
    }
    return status;
}

static int continue_wrap(lua_State *L, int status, lua_KContext context);

/* stack: co ... */
static int
finish_wrap(lua_State *L, int n)
{
    lua_State *co = lua_tothread(L, 1);

    if (n == RESUME_SUSPENDED)
        return suspend_too(L, continue_wrap);
    if (n != RESUME_ERROR)
        return n;

    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD && !has_mark(co, KILLED)) {
        status = close_variables(L, co);
        lua_xmove(co, L, 1); /* the error, or the one that closing has raised */
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int
continue_wrap(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    (void)context; /* the stack says it all */
    return finish_wrap(L, resume_suspended(L));
}

/* The function that coroutine.wrap returns. Upvalue 1: the coroutine. */
static int
call_wrapped(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    return finish_wrap(L, resume_by_script(L, lua_tothread(L, 1), lua_gettop(L) - 1));
}

static int
l_create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);

    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int
l_wrap(lua_State *L)
{
    l_create(L);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

/* --- asking ---------------------------------------------------------------------------- */

static bool
is_task(lua_State *L)
{
    struct kp_generation *gen = kp_generation_of(L);

    return L == gen->L || (gen->current && L == gen->current->co);
}

static int
l_yield(lua_State *L)
{
    if (is_task(L))
        return luaL_error(L, "attempt to yield from outside a coroutine");
    return lua_yield(L, lua_gettop(L));
}

static const char *
status_name(lua_State *L, lua_State *co)
{
    lua_Debug ar;

    if (L == co)
        return "running";
    switch (lua_status(co)) {
    case LUA_YIELD:
        return kp_coroutine_is_suspended(co) ? "normal" : "suspended";
    case LUA_OK:
        if (lua_getstack(co, 0, &ar))
            return "normal";
        return lua_gettop(co) == 0 ? "dead" : "suspended";
    default:
        return "dead";
    }
}

static int
l_status(lua_State *L)
{
    lua_pushstring(L, status_name(L, check_coroutine(L)));
    return 1;
}

static int
l_isyieldable(lua_State *L)
{
    lua_State *co = lua_isnone(L, 1) ? L : check_coroutine(L);

    lua_pushboolean(L, !is_task(co) && lua_isyieldable(co));
    return 1;
}

static int
l_running(lua_State *L)
{
    struct kp_generation *gen = kp_generation_of(L);

    if (gen->current && L == gen->current->co)
        gen->current->exposed = true; /* the script may keep it; no other task gets it */
    lua_pushthread(L);
    lua_pushboolean(L, is_task(L));
    return 2;
}

static int
l_close(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    const char *status = status_name(L, co);

    if (status[0] != 'd' && status[0] != 's')
        return luaL_error(L, "cannot close a %s coroutine", status);
    if (has_mark(co, KILLED)) {
        lua_pushboolean(L, 0);
        lua_pushliteral(L, "the coroutine ran too long");
        return 2;
    }
    if (close_variables(L, co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    return 2;
}

/* --- the library ----------------------------------------------------------------------- */

static const luaL_Reg coroutine_functions[] = {
    {"create", l_create}, {"resume", l_resume},   {"wrap", l_wrap},
    {"yield", l_yield},   {"status", l_status},   {"isyieldable", l_isyieldable},
    {"close", l_close},   {"running", l_running}, {NULL, NULL},
};

static int
open_coroutine(lua_State *L)
{
    luaL_newlib(L, coroutine_functions);
    return 1;
}

void
kp_coroutine_open(lua_State *L)
{
    luaL_requiref(L, LUA_COLIBNAME, open_coroutine, 1);
    lua_pop(L, 1);
}
