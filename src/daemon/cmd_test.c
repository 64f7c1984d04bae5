/*
 * cmd_test.c - kelpie test: does the script do what its tests say?
 *
 * Runs every *_test.lua of a folder, in the order of their names, in a Lua state of its own:
 * tests have all of Lua, handlers only what kelpie gives them. The results go to standard
 * output in the Test Anything Protocol, version 12.
 */
#include "commands.h"

#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "embedded.h"
#include "test_world.h"

static int
is_test(const struct dirent *entry)
{
    static const char ending[] = "_test.lua";
    size_t len = strlen(entry->d_name);

    return len > strlen(ending) &&
           strcmp(entry->d_name + len - strlen(ending), ending) == 0;
}

/* Pushes the names of the tests. Returns how many; -1 when there is no such folder. */
static int
push_tests(lua_State *L, const char *folder)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_test, alphasort);

    lua_newtable(L);
    for (int i = 0; i < n; i++) {
        lua_pushstring(L, entries[i]->d_name);
        lua_rawseti(L, -2, i + 1);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return n;
}

/* Calls test.lua, which returns the function that runs files. Stack: options, folder. */
static int
run_tests(lua_State *L)
{
    const struct kd_options *options = lua_touserdata(L, 1);

    luaL_openlibs(L);
    if (luaL_loadbufferx(L, (const char *)kd_embedded_test, sizeof(kd_embedded_test),
                         "=kelpie.test", "t") != LUA_OK)
        return lua_error(L);
    kd_test_world_open(L, &options->server);
    lua_pushstring(L, options->script);
    lua_call(L, 2, 1);
    int n = push_tests(L, options->script);
    if (n < 0)
        return luaL_error(L, "%s: %s", options->script, strerror(errno));
    if (n == 0)
        return luaL_error(L, "%s: no file there is called *_test.lua", options->script);
    lua_call(L, 1, 1);
    return 1;
}

int
kd_cmd_test(const struct kd_options *options)
{
    lua_State *L = luaL_newstate();
    int code;

    if (L == NULL) {
        fputs("kelpie: out of memory\n", stderr);
        return EX_OSERR;
    }
    lua_pushcfunction(L, run_tests);
    lua_pushlightuserdata(L, (void *)(uintptr_t)options);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        fprintf(stderr, "kelpie: %s\n", luaL_tolstring(L, -1, NULL));
        code = EX_NOINPUT;
    } else {
        code = lua_tointeger(L, -1) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    lua_close(L);
    return fflush(stdout) == 0 ? code : EX_IOERR;
}
