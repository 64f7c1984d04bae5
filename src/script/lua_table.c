/*
 * lua_table.c - the functions of table that loop
 *
 * A script can make concat, insert, remove, move and sort loop for ever: a length is what
 * __len says, and 2^62 is one. Those of Lua cannot be ended in such a loop; so these are our
 * own, with the same errors, and each turn asks the watchdog. They respect metamethods as the
 * manual says. pack and unpack are Lua's: both are bounded by what fits on the stack of Lua, a
 * million values. next, too: it may skip all the holes of a table at once, but these are
 * bounded by the memory cap; 64 MiB of them are passed in some milliseconds.
 *
 * sort is a merge sort over a copy: n log n comparisons at worst, whatever the order function
 * says. So it never finds an "invalid order function", and ends with one as with any other.
 * The table is written when all is sorted: it is as it was if the function raises. Equal
 * values keep their order, which Lua does not promise and nobody should rely on.
 */
#include "sandbox.h"

#include <limits.h>
#include <lualib.h>

/* What a function does with its table; one without a metamethod for it must be a table. */
enum { READS = 1, WRITES = 2, MEASURES = 4 };

static void
check_step(lua_State *L)
{
    kp_watchdog_check(&kp_generation_of(L)->watchdog, L);
}

static bool
has_method(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    bool has = lua_rawget(L, -2) != LUA_TNIL;

    lua_pop(L, 1);
    return has;
}

/* Raises unless the argument is a table, or has the metamethods to be used as one. */
static void
check_table(lua_State *L, int arg, int uses)
{
    if (lua_type(L, arg) == LUA_TTABLE)
        return;
    if (lua_getmetatable(L, arg)) {
        bool serves = (!(uses & READS) || has_method(L, "__index")) &&
                      (!(uses & WRITES) || has_method(L, "__newindex")) &&
                      (!(uses & MEASURES) || has_method(L, "__len"));
        lua_pop(L, 1);
        if (serves)
            return;
    }
    luaL_checktype(L, arg, LUA_TTABLE);
}

static lua_Integer
check_length(lua_State *L, int arg, int uses)
{
    check_table(L, arg, uses | MEASURES);
    return luaL_len(L, arg);
}

/* --- concat ---------------------------------------------------------------------------- */

static void
add_element(lua_State *L, luaL_Buffer *out, lua_Integer i)
{
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (%s) at index %I in table for 'concat'",
                   luaL_typename(L, -1), (LUAI_UACINT)i);
    luaL_addvalue(out);
}

static int
l_concat(lua_State *L)
{
    lua_Integer last = check_length(L, 1, READS);
    size_t len;
    const char *separator = luaL_optlstring(L, 2, "", &len);
    lua_Integer i = luaL_optinteger(L, 3, 1);
    luaL_Buffer out;

    last = luaL_optinteger(L, 4, last);
    luaL_buffinit(L, &out);
    for (; i < last; i++) {
        check_step(L);
        add_element(L, &out, i);
        luaL_addlstring(&out, separator, len);
    }
    if (i == last)
        add_element(L, &out, i);
    luaL_pushresult(&out);
    return 1;
}

/* --- insert, remove, move -------------------------------------------------------------- */

/* t[to] = t[from], of the tables at two indices. */
static void
copy_element(lua_State *L, int source, lua_Integer from, int target, lua_Integer to)
{
    check_step(L);
    lua_geti(L, source, from);
    lua_seti(L, target, to);
}

static int
l_insert(lua_State *L)
{
    lua_Integer end = check_length(L, 1, READS | WRITES);

    end = (lua_Integer)((lua_Unsigned)end + 1); /* may wrap around */
    switch (lua_gettop(L)) {
    case 2:
        lua_seti(L, 1, end);
        return 0;
    case 3: {
        lua_Integer position = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)position - 1 < (lua_Unsigned)end, 2,
                      "position out of bounds");
        for (lua_Integer i = end; i > position; i--)
            copy_element(L, 1, i - 1, 1, i);
        lua_seti(L, 1, position);
        return 0;
    }
    default:
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
}

static int
l_remove(lua_State *L)
{
    lua_Integer size = check_length(L, 1, READS | WRITES);
    lua_Integer position = luaL_optinteger(L, 2, size);

    /* One behind the end is allowed, and position 0 of an empty table. */
    if (lua_gettop(L) > 1)
        luaL_argcheck(
            L, position == size || (lua_Unsigned)position - 1 <= (lua_Unsigned)size, 2,
            "position out of bounds");
    lua_geti(L, 1, position); /* the result */
    for (; position < size; position++)
        copy_element(L, 1, position + 1, 1, position);
    lua_pushnil(L);
    lua_seti(L, 1, position);
    return 1;
}

static int
l_move(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    lua_Integer to = luaL_checkinteger(L, 4);
    int target = lua_isnoneornil(L, 5) ? 1 : 5;

    check_table(L, 1, READS);
    check_table(L, target, WRITES);
    if (last >= first) {
        luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3,
                      "too many elements to move");
        lua_Integer n = last - first + 1;
        luaL_argcheck(L, to <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
        bool is_safe = to > last || to <= first ||
                       (target != 1 && !lua_compare(L, 1, target, LUA_OPEQ));
        for (lua_Integer i = 0; i < n; i++) {
            /* Upwards would overwrite what is still to be read. */
            lua_Integer at = is_safe ? i : n - 1 - i;
            copy_element(L, 1, first + at, target, to + at);
        }
    }
    lua_pushvalue(L, target);
    return 1;
}

/* --- sort ------------------------------------------------------------------------------ */

#define SHORT_LIST 4096

#define LIST   1 /* stack of l_sort: the table, */
#define ORDER  2 /* the order function or nil, */
#define SORTED 3 /* a copy, that is sorted in runs, */
#define MERGED 4 /* and one with runs twice as long; */
#define LEFT   5 /* the first values of the two runs that are merged */
#define RIGHT  6

/* Returns whether the value at RIGHT must come before the one at LEFT. */
static bool
must_swap(lua_State *L)
{
    check_step(L);
    if (lua_isnil(L, ORDER))
        return lua_compare(L, RIGHT, LEFT, LUA_OPLT);
    lua_pushvalue(L, ORDER);
    lua_pushvalue(L, RIGHT);
    lua_pushvalue(L, LEFT);
    lua_call(L, 2, 1);
    bool must = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return must;
}

/* Merges [start, middle) and [middle, end) of SORTED into MERGED. */
static void
merge(lua_State *L, lua_Integer start, lua_Integer middle, lua_Integer end)
{
    lua_Integer left = start, right = middle, to = start;

    lua_rawgeti(L, SORTED, left);
    lua_rawgeti(L, SORTED, right);
    while (left < middle && right < end) {
        if (must_swap(L)) {
            lua_rawseti(L, MERGED, to++);
            lua_rawgeti(L, SORTED, ++right);
        } else {
            lua_pushvalue(L, LEFT);
            lua_rawseti(L, MERGED, to++);
            lua_rawgeti(L, SORTED, ++left);
            lua_replace(L, LEFT);
        }
    }
    lua_pop(L, 2);
    for (; left < middle; left++, to++) {
        lua_rawgeti(L, SORTED, left);
        lua_rawseti(L, MERGED, to);
    }
    for (; right < end; right++, to++) {
        lua_rawgeti(L, SORTED, right);
        lua_rawseti(L, MERGED, to);
    }
}

/* One pass over all of SORTED, which has runs of `width`. */
static void
merge_runs(lua_State *L, lua_Integer n, lua_Integer width)
{
    for (lua_Integer start = 1; start <= n; start += 2 * width) {
        lua_Integer left = n + 1 - start;
        lua_Integer middle = start + (left < width ? left : width);
        lua_Integer end = start + (left < 2 * width ? left : 2 * width);
        check_step(L);
        merge(L, start, middle, end);
    }
    lua_pushvalue(L, SORTED);
    lua_copy(L, MERGED, SORTED);
    lua_replace(L, MERGED);
}

static int
l_sort(lua_State *L)
{
    lua_Integer n = check_length(L, LIST, READS | WRITES);

    if (n < 2)
        return 0;
    luaL_argcheck(L, n < INT_MAX, 1, "array too big");
    if (!lua_isnoneornil(L, ORDER))
        luaL_checktype(L, ORDER, LUA_TFUNCTION);
    lua_settop(L, ORDER);
    /* Room at once for what is short; a long one may be shorter than it says. */
    int room = n <= SHORT_LIST ? (int)n : 0;
    lua_createtable(L, room, 0);
    lua_createtable(L, room, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        check_step(L);
        lua_geti(L, LIST, i);
        lua_rawseti(L, SORTED, i);
    }
    for (lua_Integer width = 1; width < n; width *= 2)
        merge_runs(L, n, width);
    for (lua_Integer i = 1; i <= n; i++) {
        check_step(L);
        lua_rawgeti(L, SORTED, i);
        lua_seti(L, LIST, i);
    }
    return 0;
}

/* --- the library ----------------------------------------------------------------------- */

static const luaL_Reg table_functions[] = {
    {"concat", l_concat}, {"insert", l_insert}, {"remove", l_remove},
    {"move", l_move},     {"sort", l_sort},     {NULL, NULL},
};

void
kp_table_open(lua_State *L)
{
    luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
    luaL_setfuncs(L, table_functions, 0);
    lua_pop(L, 1);
}
