/*
 * lua_keep.c - kelpie.keep and kelpie.class: what a script says about its state
 *
 * Both are allowed only while the script loads: a root that is asked for later would have to
 * be copied while the old generation has gone on, or is gone.
 */
#include <lauxlib.h>

#include "bind.h"
#include "carry.h"
#include "classes.h"

static struct kp_generation *
check_loading(lua_State *L, const char *name)
{
    struct kp_generation *gen = kp_generation_of(L);

    if (gen->phase != KP_STAGING)
        luaL_error(L,
                   "%s: allowed only while the script loads; call it outside of handlers",
                   name);
    return gen;
}

/***
Names a table that crosses from one version of the script to the next.
The first call of a generation gives the table as the version before has left it, or
`default` when there was none; later calls with the same name give the same table.
@function keep
@string name
@tparam table default
@treturn table the kept table
@raise outside of loading
@usage local users = kelpie.keep("users", {})
*/
static int
l_keep(lua_State *L)
{
    struct kp_generation *gen = check_loading(L, "kelpie.keep");
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, gen->keeps_ref);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 3) != LUA_TNIL)
        return 1;
    lua_pop(L, 1);

    if (!gen->carry || !kp_carry_root(gen->carry, L, name, len))
        lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 3); /* stack: name default keeps root */
    return 1;
}

/***
Names a metatable, so that objects which have it cross a reload and get the methods of the
new version.
@function class
@string name
@tparam table metatable
@treturn table the metatable
@raise outside of loading; when the name or the metatable is taken
@usage local Account = kelpie.class("account", { __index = {} })
*/
static int
l_class(lua_State *L)
{
    check_loading(L, "kelpie.class");
    luaL_checktype(L, 1, LUA_TSTRING);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    kp_class_declare(L, 1, 2);
    return 1;
}

static const luaL_Reg functions[] = {
    {"keep", l_keep},
    {"class", l_class},
    {NULL, NULL},
};

void
kp_lua_open_keep(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
