/*
 * lua_connect.c - kelpie.connect: a script is the client of another server
 *
 * Reads what the script wishes for; suspending and what comes of it is in task_wait.c. An
 * address that cannot be meant is a result, not an error: it often comes from a file or from
 * somebody who types.
 */
#include <errno.h>
#include <string.h>

#include "base/nearest.h"
#include "bind.h"
#include "task.h"

#define WHY_SIZE 256

/* ---- results ------------------------------------------------------------------------- */

static const struct {
    int error;
    const char *code;
    const char *message; /* NULL: the system's own */
} reasons[] = {
    {-ECONNREFUSED, "refused", "connection refused"},
    {-ENOENT, "refused", "connection refused: there is no such socket"},
    {-EAGAIN, "refused", "connection refused: the server does not keep up"},
    {-ECONNRESET, "refused", "the server has closed the connection at once"},
    {-ETIMEDOUT, "timeout", "timed out"},
    {-ENETUNREACH, "unreachable", NULL},
    {-EHOSTUNREACH, "unreachable", NULL},
    {-ENETDOWN, "unreachable", NULL},
    {-EADDRNOTAVAIL, "unreachable", NULL},
    {KELPIE_EFULL, "full", "max_outbound connections are open"},
    {-EBUSY, "full", "too many names are being looked up"},
    {KP_CONNECT_ENAME, "resolve", "the name is not known"},
    {-EMFILE, "full", "no descriptor is free"},
    {-ENFILE, "full", "no descriptor is free"},
    {-ENOMEM, "memory", "out of memory"},
    {-ENOBUFS, "memory", "out of memory"},
    {-ECANCELED, "failed", "the server shuts down"},
};

int
kp_lua_push_unconnected(lua_State *L, int error)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        const char *message = reasons[i].message;
        if (reasons[i].error == error)
            return kp_lua_push_failure(L, message != NULL ? message : strerror(-error),
                                       reasons[i].code);
    }
    return kp_lua_push_failure(L, strerror(-error), "failed");
}

/* ---- options ------------------------------------------------------------------------- */

static const char *const option_names[] = {"timeout", "framing", "max_message",
                                           "handlers"};

#define N_OPTIONS (sizeof(option_names) / sizeof(option_names[0]))

static void
refuse_option(lua_State *L, const char *name)
{
    const char *nearest = kp_nearest(name, option_names, N_OPTIONS);

    if (nearest != NULL)
        name =
            lua_pushfstring(L, "unknown option '%s' (did you mean '%s'?)", name, nearest);
    else
        name = lua_pushfstring(L, "unknown option '%s'", name);
    luaL_argerror(L, 2, name);
}

/* Returns the name of handlers that there are, as long as the generation lives. */
static const char *
check_handlers(lua_State *L, int index)
{
    struct kp_generation *gen = kp_generation_of(L);

    if (lua_type(L, index) != LUA_TSTRING)
        luaL_argerror(L, 2,
                      "handlers: a name in 'listeners' of the handlers table expected");
    const char *name = lua_tostring(L, index);
    const struct kp_handlers *handlers = kp_generation_named(gen, name);
    if (handlers == NULL)
        luaL_argerror(L, 2,
                      lua_pushfstring(L, "handlers: there is no 'listeners.%s'", name));
    return handlers->listener;
}

/* Reads the option whose value is on top, which stays there. */
static void
read_option(lua_State *L, const char *name, struct kp_connect_wish *out)
{
    if (strcmp(name, "timeout") == 0) {
        if (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0))
            luaL_argerror(L, 2, "timeout: a number of seconds expected, 0 or more");
        out->timeout_ns = kp_lua_check_seconds(L, -1);
    } else if (strcmp(name, "framing") == 0) {
        out->has_framing = true;
        kp_framing_check(L, lua_gettop(L), &out->framing);
    } else if (strcmp(name, "max_message") == 0) {
        lua_Integer size = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        if (size < 1)
            luaL_argerror(L, 2, "max_message: a whole number of bytes, at least 1");
        out->max_message = (size_t)size;
    } else if (strcmp(name, "handlers") == 0) {
        out->handlers = check_handlers(L, -1);
    } else {
        refuse_option(L, name);
    }
}

static void
read_options(lua_State *L, struct kp_connect_wish *out)
{
    if (lua_isnoneornil(L, 2))
        return;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, 2)) { /* stack: ... name value */
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_argerror(L, 2, "options have names");
        read_option(L, lua_tostring(L, -2), out);
        lua_pop(L, 1);
    }
}

/***
Connects to another server; suspends this handler. Without `handlers` none is called for the
connection: its messages wait until they are received.
@function connect
@string address "127.0.0.1:8080", "[::1]:8080", "unix:/path", "host.example:80"
@tparam[opt] table options timeout (seconds, 10), framing and max_message (of the handlers),
 handlers: a name in `listeners` of the handlers table
@treturn[1] kelpie.conn
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "address", "refused", "timeout", "unreachable", "resolve", "full", "memory",
 "retired" or "failed"
@usage local server, why = kelpie.connect("127.0.0.1:6379", { framing = "crlf" })
*/
static int
l_connect(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    struct kp_connect_wish wish = {.text = text, .timeout_ns = KP_CONNECT_TIMEOUT_NS};
    char why[WHY_SIZE];

    kp_generation_check_serving(L, "kelpie.connect");
    lua_settop(L, 2);
    read_options(L, &wish);
    if (strlen(text) != len)
        return kp_lua_push_failure(L, "address: there is a NUL in it", "address");
    if (kp_connect_address(&wish.address, &wish.host, text, why, sizeof(why)) < 0)
        return kp_lua_push_failure(L, why, "address");
    return kp_task_connect(L, &wish);
}

void
kp_lua_open_connect(lua_State *L)
{
    lua_pushcfunction(L, l_connect);
    lua_setfield(L, -2, "connect");
}
