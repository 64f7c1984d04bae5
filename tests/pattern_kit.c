/*
 * pattern_kit.c - our pattern functions beside those of Lua
 *
 * Everything is called from C, so that a million cases take seconds. gmatch is walked to its
 * end, and once beyond.
 */
#include "pattern_kit.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/sandbox.h"

#define MOST_MATCHES 100

static const char *const names[] = {"find", "match", "gmatch", "gsub"};

/* What a gsub calls: something of each kind, by its arguments. */
static int
replace(lua_State *L)
{
    int n = lua_gettop(L);
    size_t len = 0;

    for (int i = 1; i <= n; i++) {
        if (lua_type(L, i) == LUA_TSTRING)
            len += (size_t)lua_rawlen(L, i);
        else
            len += (size_t)lua_tointeger(L, i);
    }
    switch (len % 8) {
    case 0:
        return 0;
    case 1:
        lua_pushboolean(L, 0);
        return 1;
    case 2:
        lua_pushinteger(L, (lua_Integer)len);
        return 1;
    case 3:
        if (len > 8)
            return luaL_error(L, "no more");
        break;
    case 4:
        if (len > 8) {
            lua_newtable(L);
            return 1;
        }
        break;
    default:
        break;
    }
    lua_pushliteral(L, "<");
    lua_insert(L, 1);
    lua_pushliteral(L, ">");
    lua_concat(L, n + 2);
    return 1;
}

static void
set_replacements(lua_State *L)
{
    lua_newtable(L);
    lua_pushliteral(L, "A");
    lua_setfield(L, -2, "a");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "b");
    lua_pushnumber(L, 1.5);
    lua_setfield(L, -2, "ab");
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "c");
    lua_pushliteral(L, "empty");
    lua_setfield(L, -2, "");
    lua_pushliteral(L, "second");
    lua_rawseti(L, -2, 2);
    lua_setfield(L, LUA_REGISTRYINDEX, "replacements");
}

int
pk_open(struct pk_pair *pair)
{
    pair->system = luaL_newstate();
    pair->ours = luaL_newstate();
    pair->gen = calloc(1, sizeof(*pair->gen));
    if (pair->system == NULL || pair->ours == NULL || pair->gen == NULL)
        return -1;
    memcpy(lua_getextraspace(pair->ours), &pair->gen, sizeof(pair->gen));
    luaL_openlibs(pair->system);
    luaL_openlibs(pair->ours);
    kp_string_open(pair->ours);
    kp_table_open(pair->ours);
    set_replacements(pair->system);
    set_replacements(pair->ours);
    return 0;
}

void
pk_close(struct pk_pair *pair)
{
    if (pair->system != NULL)
        lua_close(pair->system);
    if (pair->ours != NULL)
        lua_close(pair->ours);
    free(pair->gen);
}

/* ---- one state ----------------------------------------------------------------------- */

static void
push_bytes(lua_State *L, const struct pk_bytes *text)
{
    lua_pushlstring(L, text->bytes, text->len);
}

static int
push_arguments(lua_State *L, const struct pk_case *c)
{
    int base = lua_gettop(L);

    push_bytes(L, &c->subject);
    push_bytes(L, &c->pattern);
    if (c->function == PK_GSUB) {
        if (c->replacement == PK_TEXT)
            push_bytes(L, &c->text);
        else if (c->replacement == PK_TABLE)
            lua_getfield(L, LUA_REGISTRYINDEX, "replacements");
        else
            lua_pushcfunction(L, replace);
    }
    if (c->position != NULL)
        lua_pushinteger(L, *c->position);
    else if (c->is_plain)
        lua_pushnil(L);
    if (c->is_plain)
        lua_pushboolean(L, 1);
    return lua_gettop(L) - base;
}

/* Walks the iterator on top; its results are piled up. */
static void
walk(lua_State *L)
{
    int iterator = lua_gettop(L), beyond = 0;

    for (int i = 0; i < MOST_MATCHES && beyond < 2; i++) {
        int before = lua_gettop(L);
        luaL_checkstack(L, 50, NULL);
        lua_pushvalue(L, iterator);
        int rc = lua_pcall(L, 0, LUA_MULTRET, 0);
        beyond += rc != LUA_OK || lua_gettop(L) == before;
        lua_pushinteger(L, rc);
    }
    lua_remove(L, iterator);
}

static void
run(lua_State *L, const struct pk_case *c)
{
    lua_settop(L, 0);
    lua_getglobal(L, "string");
    lua_getfield(L, -1, names[c->function]);
    lua_remove(L, -2);
    int rc = lua_pcall(L, push_arguments(L, c), LUA_MULTRET, 0);
    if (rc == LUA_OK && c->function == PK_GMATCH)
        walk(L);
    lua_pushinteger(L, rc);
}

/* ---- both ---------------------------------------------------------------------------- */

static int
same_value(lua_State *a, lua_State *b, int i)
{
    size_t a_len, b_len;

    if (lua_type(a, i) != lua_type(b, i))
        return 0;
    switch (lua_type(a, i)) {
    case LUA_TBOOLEAN:
        return lua_toboolean(a, i) == lua_toboolean(b, i);
    case LUA_TNUMBER:
        return lua_isinteger(a, i) == lua_isinteger(b, i) &&
               memcmp(&(lua_Number){lua_tonumber(a, i)},
                      &(lua_Number){lua_tonumber(b, i)}, sizeof(lua_Number)) == 0;
    case LUA_TSTRING: {
        const char *a_text = lua_tolstring(a, i, &a_len);
        const char *b_text = lua_tolstring(b, i, &b_len);
        return a_len == b_len && memcmp(a_text, b_text, a_len) == 0;
    }
    default:
        return 1;
    }
}

int
pk_same_values(lua_State *a, lua_State *b, int base)
{
    if (lua_gettop(a) != lua_gettop(b))
        return 0;
    for (int i = base + 1; i <= lua_gettop(a); i++) {
        if (!same_value(a, b, i))
            return 0;
    }
    return 1;
}

static void
print_bytes(const char *bytes, size_t len)
{
    fputc('"', stderr);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        fprintf(stderr, c >= ' ' && c < 127 ? "%c" : "\\x%02x", c);
    }
    fputc('"', stderr);
}

void
pk_print_values(const char *word, lua_State *L, int base)
{
    fprintf(stderr, "  %s:", word);
    for (int i = base + 1; i <= lua_gettop(L); i++) {
        size_t len;
        const char *text = luaL_tolstring(L, i, &len);
        fputc(' ', stderr);
        print_bytes(text, len);
        lua_pop(L, 1);
    }
    fputc('\n', stderr);
}

int
pk_agree(const struct pk_pair *pair, const struct pk_case *c)
{
    run(pair->system, c);
    run(pair->ours, c);
    if (pk_same_values(pair->system, pair->ours, 0))
        return 1;

    fprintf(stderr, "%s(", names[c->function]);
    print_bytes(c->subject.bytes, c->subject.len);
    fputs(", ", stderr);
    print_bytes(c->pattern.bytes, c->pattern.len);
    fprintf(stderr, ") kind %d, text ", (int)c->replacement);
    print_bytes(c->text.bytes, c->text.len);
    fprintf(stderr, ", plain %d", c->is_plain);
    if (c->position != NULL)
        fprintf(stderr, ", position %lld", (long long)*c->position);
    fputc('\n', stderr);
    pk_print_values("Lua ", pair->system, 0);
    pk_print_values("ours", pair->ours, 0);
    return 0;
}
