/*
 * unused.c - kept tables that nothing of the script holds
 *
 * `kelpie.keep("users", {})` whose result is dropped, or lives in a local variable that no
 * handler uses, is most often a mistake: the data cross each reload, and nobody sees them.
 * Whether a table can still be reached is what the garbage collector finds out: the kept
 * tables, and the tables right inside them, which a script may hold instead, are moved to a
 * table with weak keys. After a full collection those that are gone were held by nobody.
 */
#include "unused.h"

#include <stdio.h>
#include <string.h>

struct search {
    struct kp_stage *stage;
    int n_found;
};

/* Pushes a table with weak keys. [-0, +1] */
static void
push_weak_table(lua_State *L)
{
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
}

/* Remembers the table at the top under the name at index 5. [-1, +0] */
static void
remember(lua_State *L)
{
    lua_pushvalue(L, 5);
    lua_rawset(L, 3);
}

/* Moves the kept tables. stack: search keeps weak used */
static void
let_go(lua_State *L)
{
    for (lua_pushnil(L); lua_next(L, 2) != 0; lua_settop(L, 5)) {
        for (lua_pushnil(L); lua_next(L, 6) != 0; lua_settop(L, 7))
            if (lua_istable(L, 8))
                remember(L);
        remember(L); /* stack: search keeps weak used name */
        lua_pushvalue(L, 5);
        lua_pushboolean(L, 0);
        lua_rawset(L, 4);
        lua_pushvalue(L, 5);
        lua_pushnil(L);
        lua_rawset(L, 2); /* clearing a field while walking is allowed */
    }
}

/* Marks the names whose tables are still there. stack: search keeps weak used */
static void
mark_used(lua_State *L)
{
    for (lua_pushnil(L); lua_next(L, 3) != 0; lua_settop(L, 5)) {
        lua_pushboolean(L, 1);
        lua_rawset(L, 4);
    }
}

static void
tell(struct search *search, const char *name)
{
    struct kp_script *script = search->stage->script;
    size_t len = strlen(script->error);

    snprintf(script->error + len, KP_ERROR_SIZE - len,
             "%s%s: warning: nothing uses the table of kelpie.keep '%s'",
             len > 0 ? "\n" : "", search->stage->main->path, name);
    search->n_found++;
}

static int
look_for_unused(lua_State *L)
{
    struct search *search = lua_touserdata(L, 1);
    struct kp_generation *gen = search->stage->gen;

    lua_rawgeti(L, LUA_REGISTRYINDEX, gen->keeps_ref);
    push_weak_table(L);
    lua_newtable(L); /* stack: search keeps weak used */
    let_go(L);
    lua_gc(L, LUA_GCCOLLECT);
    mark_used(L);
    for (lua_pushnil(L); lua_next(L, 4) != 0; lua_settop(L, 5))
        if (!lua_toboolean(L, 6))
            tell(search, lua_tostring(L, 5));
    return 0;
}

int
kp_unused_check(struct kp_stage *stage)
{
    struct search search = {.stage = stage};

    /* No memory to find out: the check itself was good. */
    return kp_generation_enter(stage->gen, look_for_unused, &search, 0) < 0
               ? 0
               : search.n_found;
}
