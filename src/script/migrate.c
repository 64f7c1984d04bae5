/*
 * migrate.c - state of an old schema becomes state of the new one
 *
 * A script says with `schema` which shape its state has. When the number differs from that
 * of the generation before, migrate(old_schema, keep) gets the table of all kept roots, and
 * migrate_conn(old_schema, data) the data of each connection; both run in the new state,
 * before it serves, so that an error costs nothing.
 *
 * The idiom `keep.users = convert(keep.users)` must work although the script holds the old
 * table in a local variable since it loaded: a root that was replaced is emptied and filled
 * with the content of its replacement, so that it stays the same table.
 */
#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>

#include "bind.h"
#include "carry.h"
#include "classes.h"

#define WHERE_SIZE 64

/* Copies all entries of the table at `from` to the one at `to`, both absolute. */
static void
copy_entries(lua_State *L, int from, int to)
{
    lua_pushnil(L);
    while (lua_next(L, from)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, to);
    }
}

/* Pushes a copy of the table at index (absolute) with the same entries. [-0, +1] */
static void
push_shallow_copy(lua_State *L, int index)
{
    lua_newtable(L);
    copy_entries(L, index, lua_gettop(L));
}

static void
clear_table(lua_State *L, int index)
{
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, index);
    }
}

static void
check_root(lua_State *L)
{
    if (lua_type(L, -2) != LUA_TSTRING)
        luaL_error(L, "names of kept tables are strings, not %s", luaL_typename(L, -2));
    if (!lua_istable(L, -1))
        luaL_error(L, "keep['%s'] must be a table, not %s", lua_tostring(L, -2),
                   luaL_typename(L, -1));
}

/* Collects copies of the roots that were replaced, as [name] = copy: all of them before the
 * first is filled, since two roots may have changed places. [-0, +1] */
static void
push_replacements(lua_State *L, int roots, int before)
{
    lua_newtable(L);
    int replacements = lua_gettop(L);

    lua_pushnil(L);
    while (lua_next(L, roots)) { /* stack: replacements name root */
        check_root(L);
        lua_pushvalue(L, -2);
        if (lua_rawget(L, before) == LUA_TTABLE && !lua_rawequal(L, -1, -2)) {
            lua_pushvalue(L, -3);
            push_shallow_copy(L, lua_gettop(L) - 2);
            if (lua_getmetatable(L, -4))
                kp_class_set_metatable(L, -2);
            lua_rawset(L, replacements);
        }
        lua_pop(L, 2);
    }
}

/* Puts the replacements into the tables that the script knows. */
static void
refill_roots(lua_State *L, int roots, int before)
{
    push_replacements(L, roots, before);
    int replacements = lua_gettop(L);

    lua_pushnil(L);
    while (lua_next(L, replacements)) { /* stack: replacements name copy */
        int copy = lua_gettop(L);

        lua_pushvalue(L, copy - 1);
        lua_rawget(L, before);
        clear_table(L, copy + 1);
        copy_entries(L, copy, copy + 1);
        if (!lua_getmetatable(L, copy))
            lua_pushnil(L);
        kp_class_set_metatable(L, copy + 1);
        lua_pushvalue(L, copy - 1);
        lua_insert(L, -2); /* stack: replacements name copy name root */
        lua_rawset(L, roots);
        lua_settop(L, copy - 1);
    }
    lua_pop(L, 1);
}

static void
migrate_roots(struct kp_carry *carry, lua_State *L)
{
    int roots = lua_gettop(L) + 1;

    lua_rawgeti(L, LUA_REGISTRYINDEX, carry->to->keeps_ref);
    push_shallow_copy(L, roots); /* stack: roots before */
    lua_rawgeti(L, LUA_REGISTRYINDEX, carry->to->handlers.refs[KP_MIGRATE]);
    lua_pushinteger(L, carry->from->schema);
    lua_pushvalue(L, roots);
    lua_call(L, 2, 0);
    refill_roots(L, roots, roots + 1);
    lua_settop(L, roots - 1);
}

static void
migrate_conn(struct kp_carry *carry, lua_State *L, struct kelpie_conn *conn)
{
    int top = lua_gettop(L);

    kp_lua_push_conn_data(L, conn);
    if (!lua_istable(L, -1)) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, carry->to->handlers.refs[KP_MIGRATE_CONN]);
    lua_pushinteger(L, carry->from->schema);
    lua_pushvalue(L, top + 1);
    lua_call(L, 2, 1); /* stack: data result */
    if (!lua_istable(L, -1))
        lua_pop(L, 1);
    kp_lua_set_conn_data(L, conn);
    lua_settop(L, top);
}

void
kp_carry_migrate(struct kp_carry *carry, lua_State *L, char *where)
{
    const struct kp_handlers *handlers = &carry->to->handlers;
    struct kelpie_conn *conn;
    size_t cursor = 0;

    if (carry->to->schema == carry->from->schema)
        return;
    luaL_checkstack(L, 20, NULL);
    snprintf(where, WHERE_SIZE, "migrate");
    if (handlers->refs[KP_MIGRATE] != LUA_NOREF)
        migrate_roots(carry, L);
    if (handlers->refs[KP_MIGRATE_CONN] == LUA_NOREF)
        return;
    while ((conn = kp_carry_next_conn(carry->to->script->net, &cursor))) {
        snprintf(where, WHERE_SIZE, "migrate_conn of conn %" PRIu64, conn->id);
        migrate_conn(carry, L, conn);
    }
}
