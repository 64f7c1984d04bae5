/*
 * lua_args.c - arguments and results that all bindings share
 *
 * Arguments that make no sense raise, at the line of the script that passed them. What a
 * healthy program can meet is a result: nil, a sentence, and a code to compare with.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "bind.h"

/* Three hundred years stand for everything longer, also for math.huge; a deadline that far
 * away still fits into nanoseconds. */
#define MAX_SECONDS 1e10

/* Writes what tostring would, to the end of out. */
static struct iovec
format_integer(char out[KP_LUA_INTEGER_SIZE], lua_Integer n)
{
    char *end = out + KP_LUA_INTEGER_SIZE, *p = end;
    lua_Unsigned rest = n < 0 ? 0 - (lua_Unsigned)n : (lua_Unsigned)n;

    do
        *--p = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (n < 0)
        *--p = '-';
    return (struct iovec){.iov_base = p, .iov_len = (size_t)(end - p)};
}

/* Strings first: they are what is sent most. */
static struct iovec
read_part(lua_State *L, int index, char integer[KP_LUA_INTEGER_SIZE])
{
    size_t len;

    if (lua_type(L, index) != LUA_TSTRING) {
        if (lua_isinteger(L, index))
            return format_integer(integer, lua_tointeger(L, index));
        return kp_lua_check_part(L, index);
    }
    const char *bytes = lua_tolstring(L, index, &len);
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
}

void
kp_lua_check_parts(lua_State *L, int first, struct kp_lua_parts *out)
{
    int n = lua_gettop(L) - first + 1;

    if (n < 1)
        luaL_typeerror(L, first, "string or number");
    if (n > KP_LUA_MAX_PARTS)
        luaL_error(L, "at most %d values at a time; join them with table.concat",
                   KP_LUA_MAX_PARTS);
    for (int i = 0; i < n; i++)
        out->iov[i] = read_part(L, first + i, out->integers[i]);
    out->n = n;
}

struct iovec
kp_lua_check_part(lua_State *L, int index)
{
    size_t len;
    const char *bytes = lua_tolstring(L, index, &len);

    if (bytes == NULL)
        luaL_typeerror(L, index, "string or number");
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
}

int
kp_lua_push_failure(lua_State *L, const char *message, const char *code)
{
    lua_pushnil(L);
    lua_pushstring(L, message);
    lua_pushstring(L, code);
    return 3;
}

int
kp_lua_push_closed(lua_State *L)
{
    return kp_lua_push_failure(L, "connection closed", "closed");
}

int
kp_lua_push_result(lua_State *L, int result)
{
    if (result >= 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    switch (result) {
    case KELPIE_ECLOSED:
        return kp_lua_push_closed(L);
    case KELPIE_EFULL:
        return kp_lua_push_failure(L, "outbox full", "full");
    case KELPIE_EPROTO:
        return kp_lua_push_failure(L, "message does not fit the framing", "protocol");
    case -ENOMEM:
        return kp_lua_push_failure(L, "out of memory", "memory");
    default:
        return kp_lua_push_failure(L, strerror(-result), "failed");
    }
}

int
kp_lua_push_count(lua_State *L, int result)
{
    if (result < 0)
        return kp_lua_push_result(L, result);
    lua_pushinteger(L, result);
    return 1;
}

int
kp_lua_push_changed(lua_State *L, int result)
{
    if (result < 0)
        return kp_lua_push_result(L, result);
    lua_pushboolean(L, result);
    return 1;
}

uint64_t
kp_lua_check_seconds(lua_State *L, int index)
{
    lua_Number seconds = luaL_checknumber(L, index);

    if (isnan(seconds) || seconds < 0)
        luaL_argerror(L, index, "a number of seconds expected, 0 or more");
    if (seconds > MAX_SECONDS)
        seconds = MAX_SECONDS;
    return (uint64_t)(seconds * (lua_Number)KP_NS_PER_S);
}
