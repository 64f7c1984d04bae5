/*
 * pcall.c - pcall and xpcall, as scripts see them
 *
 * They behave as in the Lua manual (6.1), except that a kill cannot be swallowed: when the
 * watchdog has killed the running call they raise again whatever the error was, and xpcall
 * does not call the script's message handler. Suspension works within them, because they
 * call with a continuation.
 *
 * They count how deep they are within each other. In a coroutine Lua does not limit that: an
 * error in a protected call takes C's stack back to the beginning, and the next calls may be
 * two hundred deep again. Each error then looks through the whole stack of Lua
 * (luaD_shrinkstack), so that a kill that goes up through a hundred thousand of them takes
 * minutes, in C.
 *
 *     gen->n_pcalls    of the running coroutine; each call puts back what it has found, which
 *                      it knows from its continuation's context, whatever has happened
 */
#include "generation.h"
#include "sandbox.h"

#define MAX_PCALLS 200 /* as Lua's own limit for C calls */

/* What the continuation has to know. */
#define CONTEXT(n_pcalls, extra) ((lua_KContext)((n_pcalls)*4 + (extra)))

static struct kp_watchdog *
watchdog_of(lua_State *L)
{
    return &kp_generation_of(L)->watchdog;
}

/* Returns the context of the call that begins; extra: values below the results that are not
 * returned. */
static lua_KContext
enter_pcall(lua_State *L, unsigned extra)
{
    struct kp_generation *gen = kp_generation_of(L);

    if (gen->n_pcalls >= MAX_PCALLS)
        luaL_error(L, "too many protected calls within each other");
    return CONTEXT(gen->n_pcalls++, extra);
}

static int
finish_pcall(lua_State *L, int status, lua_KContext context)
{
    kp_generation_of(L)->n_pcalls = (unsigned)(context / 4);
    if (watchdog_of(L)->killed)
        return kp_watchdog_raise_again(watchdog_of(L), L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_pushboolean(L, 0);
        lua_pushvalue(L, -2);
        return 2;
    }
    return lua_gettop(L) - (int)(context % 4);
}

static int
l_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1); /* the first result */
    lua_insert(L, 1);

    lua_KContext context = enter_pcall(L, 0);
    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, context, finish_pcall);
    return finish_pcall(L, status, context);
}

/* Stands before the script's message handler, upvalue 1: it is not called for a kill, where
 * it would run with hooks switched off. */
static int
call_message_handler(lua_State *L)
{
    if (watchdog_of(L)->killed)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static int
l_xpcall(lua_State *L)
{
    int n = lua_gettop(L);

    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, call_message_handler, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1); /* the first result */
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2); /* stack: f handler true f args... */

    lua_KContext context = enter_pcall(L, 2);
    int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, context, finish_pcall);
    return finish_pcall(L, status, context);
}

static const luaL_Reg protected_calls[] = {
    {"pcall", l_pcall},
    {"xpcall", l_xpcall},
    {NULL, NULL},
};

void
kp_pcall_open(lua_State *L)
{
    lua_pushglobaltable(L);
    luaL_setfuncs(L, protected_calls, 0);
    lua_pop(L, 1);
}
