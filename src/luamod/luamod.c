/*
 * luamod.c - `require "kelpie"` in a plain lua5.4: the whole server as one blocking call
 *
 *     local kelpie = require("kelpie")
 *     kelpie.run({ script = "scripts", listen = "127.0.0.1:8080" })
 *
 * A host of libkelpie like any other, which happens to be called from Lua. The script runs in
 * a state of its own, as always, and requires its own "kelpie"; nothing of the caller's state
 * is seen there. While run runs, INT and TERM drain and HUP reloads; their dispositions are
 * put back at its end.
 *
 * `require "kelpie.test"` finds its module here too: Lua looks for luaopen_kelpie_test in the
 * library of "kelpie" when there is none of its own. What it is stands in testing/.
 *
 * What the caller gave is checked, and its strings are held on the stack, before the server is
 * made: from then on nothing raises before the server is freed.
 */
#include <kelpie.h>
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "testing/module.h"

enum { MAX_ADDRESSES = 16, N_SIGNALS = 3 };

static const int signals[N_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

static kelpie *running; /* for the signal handler only; NULL: run does not run */

static void
on_signal(int number)
{
    if (number == SIGHUP)
        kelpie_reload(running);
    else
        kelpie_drain(running);
}

static void
write_log(void *arg, enum kelpie_level level, const char *line, size_t len)
{
    (void)arg, (void)level;
    fprintf(stderr, "kelpie: %.*s\n", (int)len, line);
}

struct setup {
    const char *script;
    const char *addresses[MAX_ADDRESSES];
    int n_addresses;
    int ready; /* stack index of the function; 0: none */
    int ports[MAX_ADDRESSES];
    struct kelpie_options options;
};

/* Reads options.listen: an address, or an array of them. [-0, +n] */
static void
check_addresses(lua_State *L, struct setup *setup)
{
    int type = lua_getfield(L, 1, "listen");
    int list = lua_gettop(L);

    if (type == LUA_TSTRING) {
        setup->addresses[setup->n_addresses++] = lua_tostring(L, list);
        return;
    }
    luaL_argcheck(L, type == LUA_TTABLE, 1, "listen: an address, or an array of them");
    luaL_argcheck(L, lua_rawlen(L, list) <= MAX_ADDRESSES, 1, "listen: too many");
    luaL_checkstack(L, MAX_ADDRESSES + 8, NULL);
    for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING && i <= MAX_ADDRESSES, 1,
                      "listen: not an address");
        setup->addresses[setup->n_addresses++] = lua_tostring(L, -1);
    }
}

/* Reads the table at 1; what setup borrows stays on the stack. */
static void
check_setup(lua_State *L, struct setup *setup)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argcheck(L, lua_getfield(L, 1, "script") == LUA_TSTRING, 1, "script: a path");
    setup->script = lua_tostring(L, -1);
    check_addresses(L, setup);
    int type = lua_getfield(L, 1, "ready");
    luaL_argcheck(L, type == LUA_TNIL || type == LUA_TFUNCTION, 1, "ready: a function");
    setup->ready = type == LUA_TFUNCTION ? lua_gettop(L) : 0;
    lua_getfield(L, 1, "log");
    if (lua_toboolean(L, -1)) {
        setup->options.log = write_log;
        setup->options.log_level = KELPIE_LOG_INFO;
    }
    lua_getfield(L, 1, "max_clients");
    lua_Integer clients = luaL_optinteger(L, -1, 0);
    luaL_argcheck(L, clients >= 0 && clients <= 1000000, 1, "max_clients");
    setup->options.max_clients = (int)clients;
}

static int
open_server(kelpie *k, struct setup *setup)
{
    int rc = kelpie_load(k, setup->script);

    for (int i = 0; i < setup->n_addresses && rc >= 0; i++) {
        rc = kelpie_listen(k, setup->addresses[i]);
        setup->ports[i] = rc;
    }
    return rc < 0 ? rc : 0;
}

static int
run_with_signals(kelpie *k)
{
    struct sigaction action, before[N_SIGNALS];

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    running = k;
    for (int i = 0; i < N_SIGNALS; i++)
        sigaction(signals[i], &action, &before[i]);
    int rc = kelpie_run(k);
    for (int i = 0; i < N_SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    running = NULL;
    return rc;
}

/* Calls ready(port, ...). Returns a status of Lua; the error is on the stack then. */
static int
tell_ready(lua_State *L, const struct setup *setup)
{
    if (setup->ready == 0)
        return LUA_OK;
    lua_pushvalue(L, setup->ready);
    for (int i = 0; i < setup->n_addresses; i++)
        lua_pushinteger(L, setup->ports[i]);
    return lua_pcall(L, setup->n_addresses, 0, 0);
}

/***
Serves until it is told to end, by a signal or by kelpie.shutdown() of the script.
@function kelpie.run
@tparam table options script: path of a file or folder; listen: an address, or an array of
  them; ready: called with the ports once it listens; log: true: to standard error;
  max_clients
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@usage kelpie.run({ script = "scripts", listen = ":8080" })
*/
static int
l_run(lua_State *L)
{
    struct setup setup = {.options = KELPIE_OPTIONS_INIT};
    char message[512] = "";
    kelpie *k;

    check_setup(L, &setup);
    luaL_checkstack(L, MAX_ADDRESSES + 8, NULL);
    if (running != NULL)
        return luaL_error(L, "kelpie.run: it runs already");
    int rc = kelpie_new(&k, &setup.options);
    if (rc < 0)
        snprintf(message, sizeof(message), "%s", kelpie_strerror(rc));
    if (rc == 0)
        rc = open_server(k, &setup);
    int status = rc == 0 ? tell_ready(L, &setup) : LUA_OK;
    if (rc == 0 && status == LUA_OK)
        rc = run_with_signals(k);
    if (rc < 0 && message[0] == '\0')
        snprintf(message, sizeof(message), "%s",
                 kelpie_errmsg(k)[0] != '\0' ? kelpie_errmsg(k) : kelpie_strerror(rc));
    kelpie_free(k);
    if (status != LUA_OK)
        return lua_error(L);
    if (rc == 0)
        return lua_pushboolean(L, 1), 1;
    lua_pushnil(L);
    lua_pushstring(L, message);
    return 2;
}

KELPIE_API int luaopen_kelpie(lua_State *L);

int
luaopen_kelpie(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run", l_run}, {NULL, NULL}};

    luaL_newlib(L, functions);
    lua_pushstring(L, kelpie_version());
    lua_setfield(L, -2, "version");
    return 1;
}

KELPIE_API int luaopen_kelpie_test(lua_State *L);

int
luaopen_kelpie_test(lua_State *L)
{
    static const struct kelpie_options options = KELPIE_OPTIONS_INIT;

    kt_module_open(L, &options);
    return 1;
}
