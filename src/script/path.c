/*
 * path.c - where in a state a value is, in words: keep 'users'[3].name
 *
 * A path is read by a person who will write it into an editor's search field, so keys look
 * as in Lua: .name, ["odd name"], [3]. Keys that are tables or handles have no such form and
 * show their type. Nothing is converted in the state that is looked at: it may be the one
 * that serves.
 */
#include "path.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define KEY_SIZE 48 /* of one key, with NUL; the text of a string is cut */

static bool
is_identifier(const char *s, size_t len)
{
    if (len == 0 || (s[0] >= '0' && s[0] <= '9'))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
              (s[i] >= '0' && s[i] <= '9') || s[i] == '_'))
            return false;
    return true;
}

/* Writes a string key: .name, or ["odd name"] with ? for what does not print. Keys may have
 * come from clients. */
static void
write_string_key(char *out, const char *s, size_t len)
{
    bool is_cut = len > KEY_SIZE - 12;

    if (is_cut)
        len = KEY_SIZE - 12;
    if (!is_cut && is_identifier(s, len)) {
        snprintf(out, KEY_SIZE, ".%.*s", (int)len, s);
        return;
    }
    *out++ = '[';
    *out++ = '"';
    for (size_t i = 0; i < len; i++)
        *out++ = s[i] >= 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\' ? s[i] : '?';
    strcpy(out, is_cut ? "...\"]" : "\"]");
}

/* Writes one key of a path; out has KEY_SIZE bytes. Converts nothing in the old state. */
static void
write_key(char *out, lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TSTRING: {
        size_t len;
        const char *s = lua_tolstring(L, index, &len);

        write_string_key(out, s, len);
        break;
    }
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            snprintf(out, KEY_SIZE, "[%lld]", (long long)lua_tointeger(L, index));
        else
            snprintf(out, KEY_SIZE, "[%.14g]", (double)lua_tonumber(L, index));
        break;
    case LUA_TBOOLEAN:
        snprintf(out, KEY_SIZE, "[%s]", lua_toboolean(L, index) ? "true" : "false");
        break;
    default:
        snprintf(out, KEY_SIZE, "[%s]", lua_typename(L, lua_type(L, index)));
    }
}

void
kp_path_write(char *out, const char *root, lua_State *L, int first, int n)
{
    snprintf(out, KP_PATH_SIZE - KEY_SIZE - 4, "%s", root);

    size_t len = strlen(out);
    for (int i = 0; i < n; i++) {
        if (len + KEY_SIZE + 4 > KP_PATH_SIZE) {
            strcpy(out + len, "...");
            return;
        }
        write_key(out + len, L, first + 2 * i);
        len += strlen(out + len);
    }
}
