/*
 * module.c - the Lua module kelpie.test, for every host that offers it
 *
 * `kelpie test` offers it, and kelpie.so to a plain lua5.4 and to what runs in one. It is
 * lua/test.lua, compiled in, on top of two things that Lua lacks: worlds (world.c), and the list
 * of a folder. Like its hosts it knows kelpie.h and nothing else of the library.
 */
#include "module.h"

#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "embedded_test.h"
#include "world.h"

static int
is_test(const struct dirent *entry)
{
    static const char ending[] = "_test.lua";
    size_t len = strlen(entry->d_name);

    return len > strlen(ending) &&
           strcmp(entry->d_name + len - strlen(ending), ending) == 0;
}

/* Returns the names of a folder's test files, in their order; or nil and why not. */
static int
l_list(lua_State *L)
{
    struct dirent **entries;
    int n = scandir(luaL_checkstring(L, 1), &entries, is_test, alphasort);

    if (n < 0) {
        lua_pushnil(L);
        lua_pushstring(L, strerror(errno));
        return 2;
    }
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushstring(L, entries[i]->d_name);
        lua_rawseti(L, -2, i + 1);
        free(entries[i]);
    }
    free(entries);
    return 1;
}

void
kt_module_open(lua_State *L, const struct kelpie_options *options)
{
    if (luaL_loadbufferx(L, (const char *)kd_embedded_test, sizeof(kd_embedded_test),
                         "=kelpie.test", "t") != LUA_OK)
        lua_error(L);
    kt_world_open(L, options);
    lua_pushcfunction(L, l_list);
    lua_setfield(L, -2, "list");
    lua_call(L, 1, 1);
}
