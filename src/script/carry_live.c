/*
 * carry_live.c - the whole state of the live generation: kept roots and conn.data
 *
 * Kept roots that the new script asks for are copied right when it asks (lua_keep.c); the
 * rest comes here, after the script has run. All of it happens between two steps of the
 * server, so that the old state is the same from the first copy to the last.
 */
#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"
#include "carry.h"
#include "classes.h"
#include "net/conns.h"

#define ROOT_SIZE 64 /* "keep 'name'", "conn 42: data" */

/* Copies the root on top of the old state's stack. [on L: -0, +1] */
static void
push_root_copy(struct kp_carry *carry, lua_State *L, const char *name, size_t len)
{
    char shown[ROOT_SIZE - 16], root[ROOT_SIZE];

    kp_log_escape(shown, sizeof shown, name, len);
    snprintf(root, sizeof root, "keep '%s'", shown);
    kp_carry_value(carry, L, lua_gettop(carry->from->L), root);
    carry->n_roots++;
}

/* Pushes the old generation's table of kept roots onto its stack. */
static bool
push_old_roots(struct kp_carry *carry, lua_State *L)
{
    if (!lua_checkstack(carry->from->L, 10)) {
        lua_pushliteral(L, "not enough memory");
        lua_error(L);
    }
    lua_rawgeti(carry->from->L, LUA_REGISTRYINDEX, carry->from->keeps_ref);
    return lua_istable(carry->from->L, -1);
}

bool
kp_carry_root(struct kp_carry *carry, lua_State *L, const char *name, size_t len)
{
    lua_State *from = carry->from->L;
    int top = lua_gettop(from);
    bool is_found = false;

    /* Walked, not looked up: to push the name would create a string in the old state. */
    if (push_old_roots(carry, L)) {
        lua_pushnil(from);
        while (!is_found && lua_next(from, -2)) { /* stack of from: roots name root */
            size_t old_len;
            const char *old_name = lua_tolstring(from, -2, &old_len);

            if (old_len == len && memcmp(old_name, name, len) == 0) {
                push_root_copy(carry, L, name, len);
                is_found = true;
            }
            lua_pop(from, 1);
        }
    }
    lua_settop(from, top);
    return is_found;
}

static void
note_unasked(struct kp_carry *carry, const char *name, size_t len)
{
    static const char words[] =
        "is carried on, though the new script does not ask for it";
    char shown[ROOT_SIZE];

    kp_log_escape(shown, sizeof shown, name, len);
    kp_carry_note_unasked(carry, "keep '%s' %s", shown, words);
    kp_log_write(&carry->to->script->env->log, KELPIE_LOG_DEBUG, "keep '%s' %s", name,
                 words);
}

/* Carries the roots that the new script has not asked for: a later version may. */
static void
carry_other_roots(struct kp_carry *carry, lua_State *L)
{
    lua_State *from = carry->from->L;
    int top = lua_gettop(from);

    lua_rawgeti(L, LUA_REGISTRYINDEX, carry->to->keeps_ref);
    if (push_old_roots(carry, L)) {
        lua_pushnil(from);
        while (lua_next(from, -2)) { /* stack of from: roots name root */
            size_t len;
            const char *name = lua_tolstring(from, -2, &len);

            lua_pushlstring(L, name, len);
            lua_pushvalue(L, -1);
            if (lua_rawget(L, -3) == LUA_TNIL) { /* stack of L: keeps name nil */
                lua_pop(L, 1);
                push_root_copy(carry, L, name, len);
                lua_rawset(L, -3);
                note_unasked(carry, name, len);
            } else {
                lua_pop(L, 2);
            }
            lua_pop(from, 1);
        }
    }
    lua_pop(L, 1);
    lua_settop(from, top);
}

struct kelpie_conn *
kp_carry_next_conn(const struct kp_net *net, size_t *cursor)
{
    struct kelpie_conn *conn;

    do
        conn = kp_conns_walk(net, cursor);
    while (conn && conn->told);
    return conn;
}

static void
carry_conn_data(struct kp_carry *carry, lua_State *L, struct kelpie_conn *conn)
{
    lua_State *from = carry->from->L;
    char root[ROOT_SIZE];

    kp_lua_push_conn_data(from, conn);
    if (lua_istable(from, -1)) {
        snprintf(root, sizeof root, "conn %" PRIu64 ": data", conn->id);
        kp_carry_value(carry, L, lua_gettop(from), root);
        if (lua_istable(L, -1))
            kp_lua_set_conn_data(L, conn);
        else
            lua_pop(L, 1); /* a problem, which is reported */
    }
    lua_pop(from, 1);
}

void
kp_carry_live(struct kp_carry *carry, lua_State *L)
{
    struct kp_net *net = carry->to->script->net;
    struct kelpie_conn *conn;
    size_t cursor = 0;

    luaL_checkstack(L, 20, NULL);
    carry_other_roots(carry, L);
    while ((conn = kp_carry_next_conn(net, &cursor)))
        carry_conn_data(carry, L, conn);
    kp_class_report_missing(L, carry);
}
