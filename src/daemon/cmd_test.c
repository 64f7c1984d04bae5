/*
 * cmd_test.c - kelpie test: does the script do what its tests say?
 *
 * Runs every *_test.lua of a folder, in the order of their names, in a Lua state of its own:
 * tests have all of Lua, handlers only what kelpie gives them. What it runs them with is the
 * module kelpie.test (testing/), which writes to standard output in the Test Anything
 * Protocol, version 12.
 */
#include "commands.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <sysexits.h>

#include "testing/module.h"

/* Returns how many tests have failed. Stack: options. */
static int
run_tests(lua_State *L)
{
    const struct kd_options *options = lua_touserdata(L, 1);

    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    kt_module_open(L, &options->server);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "kelpie.test");
    lua_getfield(L, -1, "run");
    lua_pushstring(L, options->script);
    lua_pushstring(L, options->filter);
    lua_call(L, 2, 1);
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
    return kd_end_output(code);
}
