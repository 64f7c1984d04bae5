/*
 * carry.c - values from one lua_State to another, by value
 *
 * A depth-first walk without recursion: the way from the root to the table at hand lies on
 * the old state's stack, two slots for each level, and a frame per level is all it takes.
 *
 *     old state   root key table key table key [value]     lua_next goes on from each key
 *     new state   made result current                      made[number] = copy of a table
 *
 * Every table gets its number, and an empty copy, when it is first met; `seen` finds it
 * again by address, which keeps shared references and cycles. Its content follows when the
 * walk enters it. A table that is a key is entered after the value of its entry: the
 * unfinished key is still on the stack when the walk comes back.
 *
 * The path of a problem is written from the keys on the stack (path.c), so that values that
 * can cross pay nothing for it.
 */
#include "carry.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "bind.h"
#include "classes.h"
#include "path.h"

#define MAX_PRESIZE 4096 /* array slots made in advance; a border may be a lie */

/* One value on its way. */
struct walk {
    struct kp_carry *carry;
    lua_State *from, *to;
    const char *root;
    int base;    /* in from: the root; level i has its table at base + 2 * i */
    int depth;   /* levels entered */
    int made;    /* in to: the table of copies */
    int current; /* in to: the copy of the innermost table */
};

int
kp_carry_init(struct kp_carry *carry, struct kp_generation *from,
              struct kp_generation *to, bool drop)
{
    struct kp_env *env = to->script->env;

    memset(carry, 0, sizeof *carry);
    carry->from = from;
    carry->to = to;
    carry->drop = drop;
    carry->from_top = lua_gettop(from->L);
    kp_list_init(&carry->problems);
    kp_list_init(&carry->unasked);
    return kp_seen_init(&carry->seen, &env->mem, &env->sys);
}

void
kp_carry_clear(struct kp_carry *carry)
{
    lua_settop(carry->from->L, carry->from_top);
    kp_seen_clear(&carry->seen);
    kp_carry_clear_texts(carry);
}

/* --- problems ----------------------------------------------------------------------- */

/* Writes the path of the innermost table, or of the entry at hand. */
static void
write_path(const struct walk *w, bool with_last_key, char *out)
{
    int n_keys = w->depth > 0 && !with_last_key ? w->depth - 1 : w->depth;

    kp_path_write(out, w->root, w->from, w->base + 1, n_keys);
}

/* Says what a value is that cannot cross. */
static const char *
problem_of(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TFUNCTION:
        return "a function";
    case LUA_TTHREAD:
        return "a coroutine";
    case LUA_TLIGHTUSERDATA:
        return "a light userdata";
    case LUA_TTABLE:
        return "a table with a metatable that has no name; see kelpie.class";
    default:
        return "a userdata";
    }
}

static void
report_value(struct walk *w, int index)
{
    char path[KP_PATH_SIZE];

    write_path(w, true, path);
    kp_carry_report(w->carry, "%s is %s", path, problem_of(w->from, index));
}

static void
report_key(struct walk *w, int index)
{
    char path[KP_PATH_SIZE];

    write_path(w, false, path);
    kp_carry_report(w->carry, "%s has a key that is %s", path,
                    problem_of(w->from, index));
}

/* --- single values ------------------------------------------------------------------ */

/* Raises an error that Lua knows as its own "not enough memory". */
static void
raise_no_memory(lua_State *L)
{
    lua_pushliteral(L, "not enough memory");
    lua_error(L);
}

/* Gives the copy on top of the new stack its class, or leaves it for the time when the class
 * is declared. */
static void
give_class(struct walk *w, const char *name, size_t len)
{
    char path[KP_PATH_SIZE];

    if (kp_class_apply(w->to, name, len))
        return;
    if (kp_class_defer(w->to, name, len)) {
        write_path(w, true, path);
        kp_class_note_path(w->to, name, len, path);
    }
}

/* Pushes the copy of the table or handle at index, if it has been met. [-0, +0 or +1] */
static bool
push_seen(struct walk *w, int index)
{
    const struct kp_seen_node *node =
        kp_seen_find(&w->carry->seen, lua_topointer(w->from, index));

    if (node)
        lua_rawgeti(w->to, w->made, node->number);
    return node != NULL;
}

/* The copy of the table or handle at index is on top: it will be found again. */
static void
remember(struct walk *w, int index)
{
    const struct kp_seen_node *node =
        kp_seen_add(&w->carry->seen, lua_topointer(w->from, index));

    if (!node)
        raise_no_memory(w->to);
    lua_pushvalue(w->to, -1);
    lua_rawseti(w->to, w->made, node->number);
}

/* Pushes an empty copy of the table at index. */
static void
push_new_table(struct walk *w, int index, const char *class_name, size_t class_len)
{
    lua_Unsigned size = lua_rawlen(w->from, index);

    lua_createtable(w->to, size < MAX_PRESIZE ? (int)size : MAX_PRESIZE, 0);
    remember(w, index);
    w->carry->n_values++;
    if (class_name)
        give_class(w, class_name, class_len);
}

/* Pushes the copy of the table at index, which is empty when the table is new.
 * Returns   false, with nothing pushed, when it has a metatable without a name. */
static bool
push_table(struct walk *w, int index)
{
    const char *name = NULL;
    size_t len = 0;

    if (push_seen(w, index))
        return true;
    if (lua_getmetatable(w->from, index)) {
        name = kp_class_name(w->from, &len); /* in place of the metatable */
        if (name)
            push_new_table(w, index, name, len);
        lua_pop(w->from, 1);
        return name != NULL;
    }
    push_new_table(w, index, NULL, 0);
    return true;
}

/* Handles of connections are remembered like tables: those of gone connections are made
 * anew, and two that were the same must stay the same. */
static bool
push_handle(struct walk *w, int index)
{
    struct kelpie_room *room;
    uint64_t id;
    uint32_t number;

    if (kp_lua_test_conn(w->from, index, &id, &number)) {
        if (!push_seen(w, index)) {
            kp_lua_push_conn_id(w->to, id, number);
            kp_lua_copy_peer(w->to, w->from, index);
            remember(w, index);
        }
        return true;
    }
    if ((room = kp_lua_test_room(w->from, index))) {
        kp_lua_push_room(w->to, room);
        return true;
    }
    return false;
}

/* Pushes the copy of the value at index (absolute) of the old state. [-0, +0 or +1]
 * Returns   whether it can cross. */
static bool
push_copy(struct walk *w, int index)
{
    size_t len;
    const char *s;

    switch (lua_type(w->from, index)) {
    case LUA_TNIL:
        lua_pushnil(w->to);
        return true;
    case LUA_TBOOLEAN:
        lua_pushboolean(w->to, lua_toboolean(w->from, index));
        return true;
    case LUA_TNUMBER:
        if (lua_isinteger(w->from, index))
            lua_pushinteger(w->to, lua_tointeger(w->from, index));
        else
            lua_pushnumber(w->to, lua_tonumber(w->from, index));
        return true;
    case LUA_TSTRING:
        s = lua_tolstring(w->from, index, &len);
        w->carry->n_bytes += len;
        lua_pushlstring(w->to, s, len);
        return true;
    case LUA_TTABLE:
        return push_table(w, index);
    case LUA_TUSERDATA:
        return push_handle(w, index);
    default:
        return false;
    }
}

/* --- the walk ----------------------------------------------------------------------- */

static struct kp_seen_node *
seen_at(const struct walk *w, int index)
{
    return kp_seen_find(&w->carry->seen, lua_topointer(w->from, index));
}

/* The root has the number 1. What refers to it may have to refer to another table, the target
 * of the carry; its copy is the result. */
static void
set_current(struct walk *w, const struct kp_seen_node *node)
{
    if (node->number == 1)
        lua_pushvalue(w->to, w->made + 1);
    else
        lua_rawgeti(w->to, w->made, node->number);
    lua_replace(w->to, w->current);
}

/* Makes the table on top of the old stack the innermost one, unless it was entered before.
 * Returns   whether it did. */
static bool
enter_table(struct walk *w)
{
    struct kp_seen_node *node = seen_at(w, -1);

    if (!node || node->entered)
        return false;
    node->entered = true;
    if (!lua_checkstack(w->from, 10)) {
        if (lua_gettop(w->from) < LUAI_MAXSTACK - 1000)
            raise_no_memory(w->to);

        char path[KP_PATH_SIZE];
        write_path(w, true, path);
        kp_carry_report(w->carry, "%s is nested too deeply", path);
        return false;
    }
    w->depth++;
    set_current(w, node);
    lua_pushnil(w->from); /* the key before the first one */
    return true;
}

/* The innermost table has no more entries: goes back to the one around it. */
static void
leave_table(struct walk *w)
{
    if (--w->depth == 0)
        return;
    lua_pop(w->from, 1);
    set_current(w, seen_at(w, -2)); /* stack of from: table key */
}

/* The key of the last entry is a table that has not been copied yet. */
static bool
enter_key(struct walk *w)
{
    if (!lua_istable(w->from, -1))
        return false;
    lua_pushvalue(w->from, -1);
    if (enter_table(w))
        return true;
    lua_pop(w->from, 1);
    return false;
}

/* Pushes the key at index of the old state if it is one that both states can have. */
static bool
push_plain_key(struct walk *w, int index)
{
    int type = lua_type(w->from, index);

    if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
        return false;
    return push_copy(w, index);
}

/* Pushes what the target has in the place of the entry at hand. [-0, +0 or +1]
 * Returns   whether there is something. */
static bool
push_from_target(struct walk *w)
{
    int top = lua_gettop(w->to);

    if (w->carry->target == 0)
        return false;
    lua_pushvalue(w->to, w->carry->target);
    for (int i = 0; i < w->depth; i++) {
        if (!lua_istable(w->to, top + 1) || !push_plain_key(w, w->base + 2 * i + 1)) {
            lua_settop(w->to, top);
            return false;
        }
        lua_rawget(w->to, top + 1);
        lua_replace(w->to, top + 1);
    }
    return true;
}

/* Copies the entry on top of the old stack: table key value. Leaves table key, or enters
 * the value. */
static void
copy_entry(struct walk *w)
{
    int value = lua_gettop(w->from);

    if (!push_copy(w, value - 1)) {
        report_key(w, value - 1);
    } else if (!push_copy(w, value)) {
        report_value(w, value);
        if (push_from_target(w))
            lua_rawset(w->to, w->current);
        else
            lua_pop(w->to, 1);
    } else {
        lua_rawset(w->to, w->current);
        if (lua_istable(w->from, value) && enter_table(w))
            return;
    }
    lua_pop(w->from, 1);
}

static void
copy_tables(struct walk *w)
{
    struct kp_carry *carry = w->carry;

    if (!enter_table(w))
        return;
    while (w->depth > 0) {
        kp_watchdog_check(&carry->to->watchdog, w->to);
        if (enter_key(w))
            continue;
        if (lua_next(w->from, -2))
            copy_entry(w);
        else
            leave_table(w);
    }
}

void
kp_carry_value(struct kp_carry *carry, lua_State *L, int index, const char *root)
{
    struct walk w = {.carry = carry, .from = carry->from->L, .to = L, .root = root};

    luaL_checkstack(L, 20, NULL);
    if (!lua_checkstack(w.from, 20))
        raise_no_memory(L);
    lua_pushvalue(w.from, index);
    w.base = lua_gettop(w.from);

    kp_seen_reset(&carry->seen);
    lua_newtable(L);
    w.made = lua_gettop(L);
    if (!push_copy(&w, w.base)) {
        report_value(&w, w.base);
        lua_pushnil(L);
    }
    if (carry->target != 0 && lua_istable(L, -1)) {
        lua_pushvalue(L, carry->target);
        lua_rawseti(L, w.made, 1);
    }
    lua_pushnil(L); /* stack of L: made result current */
    w.current = lua_gettop(L);
    if (lua_istable(w.from, w.base))
        copy_tables(&w);

    lua_settop(w.from, w.base - 1);
    lua_pop(L, 1);
    lua_remove(L, w.made);
}
