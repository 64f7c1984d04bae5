/*
 * module.c - a Lua script with a module in C: `require "adler"` finds it
 *
 *     cc $(pkg-config --cflags lua5.4) module.c -lkelpie -llua5.4 -o module
 *     ./module 127.0.0.1:7000
 *
 * The script is reloaded by SIGHUP, as one in files would be; the module is opened anew in
 * each generation.
 */
#include <kelpie.h>
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static kelpie *server; /* for the signal handler only */

static void
on_signal(int signal)
{
    if (signal == SIGHUP)
        kelpie_reload(server);
    else
        kelpie_drain(server);
}

/* adler.sum(text): the Adler-32 checksum. */
static int
l_sum(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    unsigned long a = 1, b = 0;

    for (size_t i = 0; i < len; i++) {
        a = (a + (unsigned char)text[i]) % 65521;
        b = (b + a) % 65521;
    }
    lua_pushinteger(L, (lua_Integer)(b << 16 | a));
    return 1;
}

static int
open_adler(lua_State *L)
{
    static const luaL_Reg functions[] = {{"sum", l_sum}, {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}

static const char script[] =
    "local kelpie = require('kelpie')\n"
    "local adler = require('adler')\n"
    "return { on_message = function(conn, line)\n"
    "   conn:send(string.format('%d %08x', kelpie.generation, adler.sum(line)))\n"
    "end }\n";

int
main(int argc, char **argv)
{
    int rc = kelpie_new(&server, NULL);

    if (rc < 0 || (rc = kelpie_preload(server, "adler", open_adler)) < 0 ||
        (rc = kelpie_load_string(server, script, strlen(script), "=script")) < 0 ||
        (rc = kelpie_listen(server, argc > 1 ? argv[1] : "127.0.0.1:8080")) < 0) {
        fprintf(stderr, "module: %s\n",
                server ? kelpie_errmsg(server) : kelpie_strerror(rc));
        return 1;
    }
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
    fprintf(stderr, "listening, port %d\n", rc);
    rc = kelpie_run(server);
    kelpie_free(server);
    return rc < 0;
}
