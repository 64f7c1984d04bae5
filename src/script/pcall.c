/*
 * pcall.c - pcall and xpcall, as scripts see them
 *
 * They behave as in the Lua manual (6.1), except that a kill cannot be swallowed: when the
 * watchdog has killed the running call they raise again whatever the error was, and xpcall
 * does not call the script's message handler. Suspension works within them, because they
 * call with a continuation.
 *
 * Raising again in each of a hundred thousand pcalls within each other takes Lua a time that
 * grows with their square, and nothing could end that. So the first pcall that meets a kill
 * yields out of its coroutine, with the message on top, whereupon that is abandoned like any
 * killed one. Where it cannot yield, C stack is needed for each level: there are few.
 */
#include "generation.h"
#include "sandbox.h"

static struct kp_watchdog *
watchdog_of(lua_State *L)
{
    return &kp_generation_of(L)->watchdog;
}

/* extra: values below the results that are not returned. */
static int
finish_pcall(lua_State *L, int status, lua_KContext extra)
{
    if (watchdog_of(L)->killed && lua_isyieldable(L))
        return lua_yield(L, lua_type(L, -1) == LUA_TSTRING);
    if (watchdog_of(L)->killed)
        return kp_watchdog_raise_again(watchdog_of(L), L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_pushboolean(L, 0);
        lua_pushvalue(L, -2);
        return 2;
    }
    return lua_gettop(L) - (int)extra;
}

static int
l_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1); /* the first result */
    lua_insert(L, 1);

    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(L, status, 0);
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

    int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_pcall);
    return finish_pcall(L, status, 2);
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
