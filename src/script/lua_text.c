/*
 * lua_text.c - small things that nearly every protocol does with bytes
 *
 *     trim, split        take a line to pieces, without patterns
 *     escape, hexdump    show bytes that came from anywhere to a person
 *
 * Packing and unpacking binary data is string.pack. All of it is 8-bit clean, and none can
 * run on beyond the limit of its handler, however long the text is.
 */
#include <stdio.h>
#include <string.h>

#include "bind.h"
#include "watchdog.h"

#define LINE_BYTES 16 /* of a hex dump */

static void
check_time(lua_State *L)
{
    kp_watchdog_check(&kp_generation_of(L)->watchdog, L);
}

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
is_printable(char c)
{
    return c >= 0x20 && c <= 0x7e;
}

/***
Removes white space at both ends; faster than a pattern.
@function trim
@string text
@treturn string
*/
static int
l_trim(lua_State *L)
{
    size_t end, start = 0;
    const char *text = luaL_checklstring(L, 1, &end);

    while (start < end && is_space(text[start]))
        start++;
    while (end > start && is_space(text[end - 1]))
        end--;
    lua_pushlstring(L, text + start, end - start);
    return 1;
}

/* Returns where sep begins in text[0, len), or NULL. */
static const char *
find_separator(lua_State *L, const char *text, size_t len, const char *sep,
               size_t sep_len)
{
    while (len >= sep_len) {
        const char *first = memchr(text, sep[0], len - sep_len + 1);
        if (first == NULL || memcmp(first, sep, sep_len) == 0)
            return first;
        check_time(L);
        len -= (size_t)(first + 1 - text);
        text = first + 1;
    }
    return NULL;
}

/***
Takes a text to pieces. The separator is no pattern; pieces may be empty.
@function split
@string text
@string separator at least one byte
@tparam[opt] integer max at most so many pieces: the last one is the rest
@treturn table of strings, at least one
@usage local command, rest = table.unpack(kelpie.split(line, " ", 2))
*/
static int
l_split(lua_State *L)
{
    size_t len, sep_len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *sep = luaL_checklstring(L, 2, &sep_len);
    lua_Integer max = luaL_optinteger(L, 3, LUA_MAXINTEGER);
    lua_Integer n = 0;

    luaL_argcheck(L, sep_len > 0, 2, "a separator of at least one byte expected");
    luaL_argcheck(L, max >= 1, 3, "a number of pieces, at least 1, expected");
    lua_newtable(L);
    while (n + 1 < max) {
        const char *end = find_separator(L, text, len, sep, sep_len);
        if (end == NULL)
            break;
        check_time(L);
        lua_pushlstring(L, text, (size_t)(end - text));
        lua_rawseti(L, -2, ++n);
        len -= (size_t)(end - text) + sep_len;
        text = end + sep_len;
    }
    lua_pushlstring(L, text, len);
    lua_rawseti(L, -2, n + 1);
    return 1;
}

/***
Makes bytes printable: what is no printable ASCII, and the backslash, becomes \xNN.
@function escape
@string bytes
@treturn string
@usage print(kelpie.escape(message))
*/
static int
l_escape(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    luaL_Buffer buffer;

    luaL_buffinit(L, &buffer);
    for (size_t i = 0; i < len; i++) {
        char *out = luaL_prepbuffsize(&buffer, sizeof("\\xNN"));
        if (is_printable(bytes[i]) && bytes[i] != '\\') {
            *out = bytes[i];
            luaL_addsize(&buffer, 1);
        } else {
            snprintf(out, sizeof("\\xNN"), "\\x%02x", (unsigned)(unsigned char)bytes[i]);
            luaL_addsize(&buffer, 4);
        }
        check_time(L);
    }
    luaL_pushresult(&buffer);
    return 1;
}

/* Writes one line of a hex dump, without newline. Returns its length. */
static size_t
dump_line(char *out, size_t size, size_t offset, const char *bytes, size_t n)
{
    size_t len = (size_t)snprintf(out, size, "%08zx ", offset);

    for (size_t i = 0; i < LINE_BYTES; i++) {
        const char *gap = i % 8 == 0 ? " " : "";
        if (i < n)
            len += (size_t)snprintf(out + len, size - len, "%s%02x ", gap,
                                    (unsigned)(unsigned char)bytes[i]);
        else
            len += (size_t)snprintf(out + len, size - len, "%s   ", gap);
    }
    len += (size_t)snprintf(out + len, size - len, " |");
    for (size_t i = 0; i < n; i++)
        out[len++] = is_printable(bytes[i]) ? bytes[i] : '.';
    out[len++] = '|';
    return len;
}

/***
Shows bytes as people read them: 16 a line, with their offset, in hex and as text.
@function hexdump
@string bytes
@treturn string lines, without a newline at the end; "" for no bytes
@usage kelpie.log("debug", "%s", kelpie.hexdump(message))
*/
static int
l_hexdump(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    luaL_Buffer buffer;
    char line[128];

    luaL_buffinit(L, &buffer);
    for (size_t i = 0; i < len; i += LINE_BYTES) {
        size_t n = len - i < LINE_BYTES ? len - i : LINE_BYTES;
        if (i > 0)
            luaL_addchar(&buffer, '\n');
        luaL_addlstring(&buffer, line, dump_line(line, sizeof(line), i, bytes + i, n));
        check_time(L);
    }
    luaL_pushresult(&buffer);
    return 1;
}

static const luaL_Reg functions[] = {
    {"trim", l_trim},       {"split", l_split}, {"escape", l_escape},
    {"hexdump", l_hexdump}, {NULL, NULL},
};

void
kp_lua_open_text(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
