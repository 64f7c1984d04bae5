/*
 * classes.c - metatables that have a name, so that objects keep their class in a reload
 *
 *     gen->classes_ref   [name] = metatable, [metatable] = name
 *     waiting            [name] = { [0] = path of the first, object, object, ... }
 *
 * The waiting table exists only while objects wait, under an address in the registry.
 */
#include "classes.h"

#include <lauxlib.h>

#include "carry.h"
#include "generation.h"

static const char waiting_key = 0; /* its address is the registry key */

static void
push_classes(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, kp_generation_of(L)->classes_ref);
}

/* A finaliser in Lua could run when nobody watches: setmetatable refuses it, and so do we,
 * also when it was put into the metatable after kelpie.class. */
static void
check_no_finaliser(lua_State *L, int metatable)
{
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, metatable) != LUA_TNIL)
        luaL_error(L, "kelpie.class: a metatable with __gc is not allowed");
    lua_pop(L, 1);
}

/* Gives the objects that wait for the name their metatable. */
static void
dress_waiting(lua_State *L, int name, int metatable)
{
    int top = lua_gettop(L);

    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &waiting_key) == LUA_TTABLE) {
        lua_pushvalue(L, name);
        if (lua_rawget(L, -2) == LUA_TTABLE) { /* stack: waiting objects */
            for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
                lua_pushvalue(L, metatable);
                lua_setmetatable(L, -2);
                lua_pop(L, 1);
            }
            lua_settop(L, top + 1);
            lua_pushvalue(L, name);
            lua_pushnil(L);
            lua_rawset(L, -3);
        }
    }
    lua_settop(L, top);
}

void
kp_class_declare(lua_State *L, int name, int metatable)
{
    check_no_finaliser(L, metatable);
    push_classes(L);

    lua_pushvalue(L, name);
    if (lua_rawget(L, -2) != LUA_TNIL && !lua_rawequal(L, -1, metatable))
        luaL_error(L, "kelpie.class: there is a class '%s' already",
                   lua_tostring(L, name));
    lua_pop(L, 1);
    lua_pushvalue(L, metatable);
    if (lua_rawget(L, -2) != LUA_TNIL && !lua_rawequal(L, -1, name))
        luaL_error(L, "kelpie.class: this metatable is the class '%s' already",
                   lua_tostring(L, -1));
    lua_pop(L, 1);

    lua_pushvalue(L, name);
    lua_pushvalue(L, metatable);
    lua_rawset(L, -3);
    lua_pushvalue(L, metatable);
    lua_pushvalue(L, name);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    dress_waiting(L, name, metatable);
}

const char *
kp_class_name(lua_State *L, size_t *len)
{
    push_classes(L);
    lua_pushvalue(L, -2);
    int type = lua_rawget(L, -2); /* stack: metatable classes name */
    lua_replace(L, -3);
    lua_pop(L, 1);
    return type == LUA_TSTRING ? lua_tolstring(L, -1, len) : NULL;
}

bool
kp_class_apply(lua_State *L, const char *name, size_t len)
{
    push_classes(L);
    lua_pushlstring(L, name, len);
    if (lua_rawget(L, -2) != LUA_TTABLE) {
        lua_pop(L, 2);
        return false;
    }
    check_no_finaliser(L, lua_gettop(L));
    lua_setmetatable(L, -3);
    lua_pop(L, 1);
    return true;
}

void
kp_class_set_metatable(lua_State *L, int object)
{
    object = lua_absindex(L, object);
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "__gc");
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TNIL) {
            lua_pop(L, 2);
        } else {
            lua_pop(L, 1);
            lua_pushnil(L);
            lua_rawset(L, -3); /* the key is there: no memory is needed */
        }
    }
    lua_setmetatable(L, object);
}

/* Pushes the list of objects that wait for the name, making it the first time. [-0, +1]
 * Returns   whether it is new. */
static bool
push_waiting(lua_State *L, const char *name, size_t len)
{
    bool is_new = false;

    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &waiting_key) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &waiting_key);
    }
    lua_pushlstring(L, name, len);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TTABLE) { /* stack: waiting name list */
        is_new = true;
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
    return is_new;
}

bool
kp_class_defer(lua_State *L, const char *name, size_t len)
{
    bool is_first = push_waiting(L, name, len);

    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
    return is_first;
}

void
kp_class_note_path(lua_State *L, const char *name, size_t len, const char *path)
{
    push_waiting(L, name, len);
    lua_pushstring(L, path);
    lua_rawseti(L, -2, 0);
    lua_pop(L, 1);
}

void
kp_class_forget_waiting(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &waiting_key) != LUA_TNIL) {
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &waiting_key);
    }
    lua_pop(L, 1);
}

void
kp_class_report_missing(lua_State *L, struct kp_carry *carry)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &waiting_key) == LUA_TTABLE) {
        lua_pushnil(L);
        while (lua_next(L, -2)) { /* stack: waiting name list */
            lua_rawgeti(L, -1, 0);
            kp_carry_report(carry,
                            "%s is an object of class '%s', which the new script "
                            "does not declare with kelpie.class",
                            lua_tostring(L, -1), lua_tostring(L, -3));
            lua_pop(L, 2);
        }
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &waiting_key);
    }
    lua_pop(L, 1);
}
