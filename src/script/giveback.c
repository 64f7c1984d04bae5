/*
 * giveback.c - the state of a generation goes back to the one before it
 *
 * The generation that is rolled back to has served before: its modules hold the tables that
 * kelpie.keep gave them, and a suspended handler may hold a conn.data. So their content is
 * replaced, not they themselves. It is all or nothing, in three passes over the targets:
 *
 *     copy       each value beside its target; raises when there is no memory
 *     make room  a key that a target lacks gets a mark as value; raises, too
 *     move       sets what is there already: needs no memory, so it cannot fail
 *
 * When one of the first two raises, the marks are taken out again, and what is left behind is
 * garbage. The pairs of target and copy are in a table under an address in the registry, so
 * that they are found after an error.
 *
 *     pairs   [2n - 1] = target, [2n] = copy, [target] = true
 *
 * A table that two connections share as their data, or two names as their root, can be the
 * target of one of them only; the other gets a table of its own, as in a reload.
 */
#include "giveback.h"

#include <errno.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>

#include "bind.h"
#include "carry.h"
#include "classes.h"
#include "tell.h"

#define ROOT_SIZE 64 /* "keep 'name'", "conn 42: data" */

static const char pairs_key = 0; /* its address is the registry key, and the mark */

struct run {
    struct kp_carry carry;
    struct kp_giveback *result;
    lua_Integer n_pairs;
};

static void
push_mark(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pairs_key);
}

/* --- copy ------------------------------------------------------------------------------ */

/* Returns whether the value on top is a table that is no target yet; notes that it is one.
 * [-0, +0] */
static bool
take_target(lua_State *L)
{
    if (!lua_istable(L, -1))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &pairs_key);
    lua_pushvalue(L, -2);
    bool is_new = lua_rawget(L, -2) == LUA_TNIL; /* stack: target pairs taken */
    lua_pop(L, 1);
    if (is_new) {
        lua_pushvalue(L, -2);
        lua_pushboolean(L, true);
        lua_rawset(L, -3);
    }
    lua_pop(L, 1);
    return is_new;
}

/* The target is on top of L, the value on top of the old stack; pops the target. When the
 * value as a whole cannot cross, the target stays as it is.
 * Returns   whether it can cross. */
static bool
add_pair(struct run *run, lua_State *L, const char *root)
{
    int target = lua_gettop(L);

    run->carry.target = target;
    kp_carry_value(&run->carry, L, lua_gettop(run->carry.from->L), root);
    run->carry.target = 0;

    bool can_cross = lua_istable(L, -1);
    if (can_cross) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &pairs_key); /* stack: target copy pairs */
        lua_insert(L, target);
        lua_rawseti(L, target, run->n_pairs + 2);
        lua_rawseti(L, target, run->n_pairs + 1);
        run->n_pairs += 2;
    }
    lua_settop(L, target - 1);
    return can_cross;
}

/* Pushes the kept root of that name of this generation; an empty one when it has none. */
static void
push_root(lua_State *L, const char *name, size_t len)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, kp_generation_of(L)->keeps_ref);
    lua_pushlstring(L, name, len);
    lua_pushvalue(L, -1);
    lua_rawget(L, -3); /* stack: keeps name root */
    if (!take_target(L)) {
        lua_pop(L, 1);
        lua_newtable(L);
        (void)take_target(L); /* it is new */
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    }
    lua_replace(L, -3);
    lua_pop(L, 1);
}

static void
copy_roots(struct run *run, lua_State *L)
{
    lua_State *from = run->carry.from->L;
    int top = lua_gettop(from);
    char shown[ROOT_SIZE - 16], root[ROOT_SIZE];

    lua_rawgeti(from, LUA_REGISTRYINDEX, run->carry.from->keeps_ref);
    lua_pushnil(from);
    while (lua_next(from, -2)) { /* stack of from: roots name root */
        size_t len;
        const char *name = lua_tolstring(from, -2, &len);

        kp_log_escape(shown, sizeof shown, name, len);
        snprintf(root, sizeof root, "keep '%s'", shown);
        push_root(L, name, len);
        run->result->n_roots += add_pair(run, L, root);
        lua_pop(from, 1);
    }
    lua_settop(from, top);
}

/* Pushes conn.data of this generation, made when it is not there. */
static void
push_data(lua_State *L, struct kelpie_conn *conn)
{
    kp_lua_push_conn_data(L, conn);
    if (take_target(L))
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    (void)take_target(L); /* it is new */
    lua_pushvalue(L, -1);
    kp_lua_set_conn_data(L, conn);
}

static void
copy_data(struct run *run, lua_State *L)
{
    lua_State *from = run->carry.from->L;
    struct kelpie_conn *conn;
    size_t cursor = 0;
    char root[ROOT_SIZE];

    while ((conn = kp_carry_next_conn(run->carry.to->script->net, &cursor))) {
        kp_lua_push_conn_data(from, conn);
        if (lua_istable(from, -1)) {
            snprintf(root, sizeof root, "conn %" PRIu64 ": data", conn->id);
            push_data(L, conn);
            run->result->n_conns += add_pair(run, L, root);
        }
        lua_pop(from, 1);
    }
}

/* --- make room ------------------------------------------------------------------------- */

/* Gives the table at `target` the keys of the one at `copy` that it lacks. */
static void
make_room(lua_State *L, int target, int copy)
{
    lua_pushnil(L);
    while (lua_next(L, copy)) { /* stack: key value */
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, target) == LUA_TNIL) {
            lua_pushvalue(L, -2);
            push_mark(L);
            lua_rawset(L, target);
        }
        lua_pop(L, 1);
    }
}

/* --- move, and undo: neither needs memory ------------------------------------------------ */

static void
move(lua_State *L, int target, int copy)
{
    lua_pushnil(L);
    while (lua_next(L, target)) { /* stack: key value */
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_pushvalue(L, -1);
        lua_rawget(L, copy);
        lua_rawset(L, target);
    }
    if (!lua_getmetatable(L, copy))
        lua_pushnil(L);
    kp_class_set_metatable(L, target);
}

static void
take_out_marks(lua_State *L, int target, int copy)
{
    (void)copy;
    push_mark(L);
    int mark = lua_gettop(L);

    lua_pushnil(L);
    while (lua_next(L, target)) { /* stack: mark key value */
        if (lua_rawequal(L, -1, mark)) {
            lua_pushvalue(L, -2);
            lua_pushnil(L);
            lua_rawset(L, target);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* Calls fn for every pair, if there are pairs. */
static void
for_each_pair(lua_State *L, void (*fn)(lua_State *L, int target, int copy))
{
    int top = lua_gettop(L);

    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &pairs_key) == LUA_TTABLE) {
        for (lua_Integer i = 1; lua_rawgeti(L, top + 1, i) == LUA_TTABLE; i += 2) {
            lua_rawgeti(L, top + 1, i + 1); /* stack: pairs target copy */
            fn(L, top + 2, top + 3);
            lua_settop(L, top + 1);
        }
    }
    lua_settop(L, top);
}

/* --- the whole --------------------------------------------------------------------------- */

static int
run_all(lua_State *L)
{
    struct run *run = lua_touserdata(L, 1);

    lua_settop(L, 0);
    luaL_checkstack(L, 20, NULL);
    if (!lua_checkstack(run->carry.from->L, 10))
        return luaL_error(L, "not enough memory");
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &pairs_key);
    copy_roots(run, L);
    copy_data(run, L);
    kp_class_report_missing(L, &run->carry);
    for_each_pair(L, make_room);
    for_each_pair(L, move);
    return 0;
}

/* Leaves nothing behind in the state, whether it went well or not. */
static void
clean_up(struct kp_generation *to, bool has_failed)
{
    if (has_failed)
        for_each_pair(to->L, take_out_marks);
    kp_class_forget_waiting(to->L);
    if (lua_rawgetp(to->L, LUA_REGISTRYINDEX, &pairs_key) != LUA_TNIL) {
        lua_pushnil(to->L); /* the key is there: no memory is needed */
        lua_rawsetp(to->L, LUA_REGISTRYINDEX, &pairs_key);
    }
    lua_pop(to->L, 1);
}

static void
tell_kept(struct kp_script *script, const struct kp_carry *carry)
{
    kp_list_each(node, &carry->problems)
        kp_tell(script, "not given back: %s",
                kp_container_of(node, struct kp_carry_problem, node)->text);
    if (carry->n_problems > KP_CARRY_MAX_PROBLEMS)
        kp_tell(script, "not given back: %zu values in all", carry->n_problems);
}

int
kp_giveback(struct kp_generation *from, struct kp_generation *to, struct kp_giveback *out)
{
    struct kp_script *script = to->script;
    struct run run = {.result = out};

    *out = (struct kp_giveback){0};
    int rc = kp_carry_init(&run.carry, from, to, true);
    if (rc != 0) {
        snprintf(script->error, KP_ERROR_SIZE, "no random numbers");
        return rc;
    }
    if (!lua_checkstack(to->L, 20)) {
        kp_carry_clear(&run.carry);
        return -ENOMEM;
    }

    script->in_call = true; /* a finaliser of a C module may run */
    to->has_no_cap = true;
    rc = kp_generation_enter(to, run_all, &run, script->limits.load_timeout_ns);
    to->has_no_cap = false;
    clean_up(to, rc != 0);
    script->in_call = false;
    out->n_kept = run.carry.n_problems;
    if (rc == 0)
        tell_kept(script, &run.carry);
    kp_carry_clear(&run.carry);
    return rc;
}

void
kp_giveback_count(struct kp_generation *from, struct kp_giveback *out)
{
    lua_State *L = from->L;
    int top = lua_gettop(L);
    struct kelpie_conn *conn;
    size_t cursor = 0;

    *out = (struct kp_giveback){0};
    lua_rawgeti(L, LUA_REGISTRYINDEX, from->keeps_ref);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        out->n_roots++;
        lua_pop(L, 1);
    }
    while ((conn = kp_carry_next_conn(from->script->net, &cursor))) {
        kp_lua_push_conn_data(L, conn);
        out->n_conns += lua_istable(L, -1);
        lua_pop(L, 1);
    }
    lua_settop(L, top);
}
