/*
 * lua_type.c - userdata types: their metatables, and what a wrong name or value says
 *
 * A type is methods, fields and metamethods. One look-up, in the table of names, finds a
 * method, or the number of a field in type->fields: a C function that is called directly,
 * without entering Lua's call machinery. A name that is neither raises and names the nearest
 * one, because nil would hide a misspelt name until much later.
 *
 * __index is called for each use of a method, so it does no more than it must: only a field
 * needs the userdata, and looks whether it is one; a method does so when it is called.
 *
 * A metatable is kept in the registry under the address of its struct kp_lua_type, which no
 * script can reach, and hides itself from getmetatable. So a value with that metatable is
 * one that we have made. Its address does not change, so that comparing it is enough. The
 * handle that most handlers use most, the one they were called with or receive from, is known by
 * its own address while they run: it is there meanwhile, so that nothing else can be.
 */
#include <string.h>

#include "base/nearest.h"
#include "bind.h"

#define MAX_NAMES 64

/* ---- values of a type ---------------------------------------------------------------- */

void *
kp_lua_new(lua_State *L, const struct kp_lua_type *type, size_t size, int n_uservalues)
{
    void *self = lua_newuserdatauv(L, size, n_uservalues);

    memset(self, 0, size);
    lua_rawgetp(L, LUA_REGISTRYINDEX, type);
    lua_setmetatable(L, -2);
    return self;
}

void *
kp_lua_test(lua_State *L, int index, const struct kp_lua_type *type)
{
    const struct kp_generation *gen = kp_generation_of(L);
    void *self = lua_touserdata(L, index);

    if (self != NULL && self == gen->own_handle && type->kind == KP_LUA_CONN)
        return self;
    if (self == NULL || !lua_getmetatable(L, index))
        return NULL;
    const void *metatable = lua_topointer(L, -1);
    lua_pop(L, 1);
    return metatable == gen->metatables[type->kind] ? self : NULL;
}

void *
kp_lua_check(lua_State *L, int index, const struct kp_lua_type *type)
{
    void *self = kp_lua_test(L, index, type);

    if (self == NULL)
        luaL_typeerror(L, index, type->word);
    return self;
}

void *
kp_lua_check_self(lua_State *L, const struct kp_lua_type *type, const char *method)
{
    void *self = kp_lua_test(L, 1, type);

    if (self == NULL)
        luaL_argerror(L, 1,
                      lua_pushfstring(L, "%s expected, got %s; use %s(...)", type->word,
                                      luaL_typename(L, 1), method));
    return self;
}

/* ---- names --------------------------------------------------------------------------- */

static size_t
add_names(const char **names, size_t n, const luaL_Reg *regs)
{
    for (; regs->name != NULL && n < MAX_NAMES; regs++)
        names[n++] = regs->name;
    return n;
}

/* Returns the key at index 2 as text. [-0, +1] */
static const char *
key_text(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TSTRING || lua_type(L, 2) == LUA_TNUMBER)
        return luaL_tolstring(L, 2, NULL);
    return lua_pushfstring(L, "(a %s)", luaL_typename(L, 2));
}

static int
unknown_field(lua_State *L, const struct kp_lua_type *type)
{
    const char *names[MAX_NAMES];
    size_t n = add_names(names, add_names(names, 0, type->methods), type->fields);
    const char *name = key_text(L);
    const char *nearest = kp_nearest(name, names, n);

    if (nearest != NULL)
        return luaL_error(L, "%s has no field '%s' (did you mean '%s'?)", type->word,
                          name, nearest);
    return luaL_error(L, "%s has no field '%s'; %s", type->word, name, type->hint);
}

static bool
has_name(const luaL_Reg *regs, const char *name)
{
    for (; regs->name != NULL; regs++) {
        if (strcmp(regs->name, name) == 0)
            return true;
    }
    return false;
}

int
kp_lua_refuse_field(lua_State *L, const struct kp_lua_type *type)
{
    const char *name = key_text(L);

    if (has_name(type->fields, name) || has_name(type->methods, name))
        return luaL_error(L, "%s.%s cannot be set; %s", type->word, name, type->hint);
    return luaL_error(L, "%s has no field '%s'; %s", type->word, name, type->hint);
}

/* Called for a name that the module at index 1 does not have. Upvalue 1: its own name. */
static int
l_unknown_name(lua_State *L)
{
    const char *names[MAX_NAMES];
    size_t n = 0;
    const char *word = lua_tostring(L, lua_upvalueindex(1)), *name = key_text(L);

    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING && n < MAX_NAMES)
            names[n++] = lua_tostring(L, -1); /* it stays in the table */
    }
    const char *nearest = kp_nearest(name, names, n);
    if (nearest != NULL)
        return luaL_error(L, "%s.%s does not exist (did you mean '%s'?)", word, name,
                          nearest);
    return luaL_error(L, "%s.%s does not exist", word, name);
}

void
kp_lua_guard_names(lua_State *L, const char *word)
{
    lua_createtable(L, 0, 2);
    lua_pushstring(L, word);
    lua_pushcclosure(L, l_unknown_name, 1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

/* ---- metatables ---------------------------------------------------------------------- */

/* Upvalues of __index and __newindex. */
#define TYPE  lua_upvalueindex(1)
#define NAMES lua_upvalueindex(2) /* of __index alone */

static int
get_field(lua_State *L)
{
    const struct kp_lua_type *type = lua_touserdata(L, TYPE);

    kp_lua_check(L, 1, type);
    if (lua_type(L, -1) == LUA_TNIL)
        return unknown_field(L, type);
    return type->fields[lua_tointeger(L, -1)].func(L);
}

static int
l_index(lua_State *L)
{
    lua_pushvalue(L, 2);
    return lua_rawget(L, NAMES) == LUA_TFUNCTION ? 1 : get_field(L);
}

static int
l_newindex(lua_State *L)
{
    const struct kp_lua_type *type = lua_touserdata(L, TYPE);

    kp_lua_check(L, 1, type);
    return kp_lua_refuse_field(L, type);
}

/* Pushes the table of names. [-0, +1] */
static void
push_names(lua_State *L, const struct kp_lua_type *type)
{
    lua_newtable(L);
    luaL_setfuncs(L, type->methods, 0);
    for (lua_Integer i = 0; type->fields[i].name != NULL; i++) {
        lua_pushinteger(L, i);
        lua_setfield(L, -2, type->fields[i].name);
    }
}

static void
push_type(lua_State *L, const struct kp_lua_type *type)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)type);
}

void
kp_lua_open_type(lua_State *L, const struct kp_lua_type *type)
{
    lua_newtable(L);
    push_type(L, type);
    push_names(L, type);
    lua_pushcclosure(L, l_index, 2);
    lua_setfield(L, -2, "__index");
    push_type(L, type);
    lua_pushcclosure(L, l_newindex, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushstring(L, type->name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    luaL_setfuncs(L, type->metamethods, 0);
    kp_generation_of(L)->metatables[type->kind] = lua_topointer(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, type);
}
