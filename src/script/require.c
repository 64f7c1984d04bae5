/*
 * require.c - `require` within the script's folder
 *
 * A generation is a fresh state, so there is nothing to evict and nothing old to be found:
 * a module is run once, from the bytes that kp_sources has read. Modules are looked up by
 * name in Lua's own tables of loaded and preloaded modules, then by path, so that
 * require("a.b") and require("a/b") are the same module.
 *
 * Files whose main part is running form the chain, an array of paths in the registry. Each
 * takes itself out with a to-be-closed value, so that a script which catches the error of a
 * module does not meet it as a circle later.
 */
#include "source.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "generation.h"

/* Registry keys of a generation: their addresses. */
static const char chain_key = 0;   /* array: paths of the files that are being run */
static const char modules_key = 0; /* [path] = what the file has returned */

/* Pushes the table under a registry key, making it the first time. [-0, +1] */
static void
push_table(lua_State *L, const char *key)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

/* --- compiling ---------------------------------------------------------------------- */

/* Leaves out a byte order mark and a first line for the shell; its newline stays, so that
 * lines keep their numbers. */
static const char *
skip_head(const char *bytes, size_t *len)
{
    if (*len >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
        bytes += 3;
        *len -= 3;
    }
    if (*len > 0 && bytes[0] == '#') {
        const char *end = memchr(bytes, '\n', *len);
        size_t skipped = end ? (size_t)(end - bytes) : *len;

        bytes += skipped;
        *len -= skipped;
    }
    return bytes;
}

int
kp_source_compile(lua_State *L, const struct kp_source_file *file)
{
    size_t len = file->len;
    const char *bytes = len > 0 ? skip_head(file->bytes, &len) : "";

    luaL_checkstack(L, 10, NULL);
    if (len > 0 && bytes[0] == LUA_SIGNATURE[0]) {
        lua_pushfstring(L, "%s: compiled Lua code, but only text is loaded", file->path);
        return LUA_ERRSYNTAX;
    }
    return luaL_loadbufferx(L, bytes, len, file->chunk_name, "t");
}

/* --- running ------------------------------------------------------------------------ */

/* Takes the last path out of the chain; the __close of its guard. */
static int
leave_chain(lua_State *L)
{
    push_table(L, &chain_key);
    lua_pushnil(L);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2));
    return 0;
}

/* Raises when the path is in the chain already, showing how it came about. */
static void
check_circle(lua_State *L, const char *path)
{
    push_table(L, &chain_key);

    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    lua_Integer first = 1;
    for (; first <= n; first++, lua_pop(L, 1)) {
        lua_rawgeti(L, -1, first);
        if (strcmp(lua_tostring(L, -1), path) == 0)
            break;
    }
    if (first > n) {
        lua_pop(L, 1);
        return;
    }
    lua_pushstring(L, "");
    for (lua_Integer i = first; i <= n; i++) { /* stack: chain path text */
        lua_rawgeti(L, -3, i);
        lua_pushliteral(L, " -> ");
        lua_concat(L, 3);
    }
    luaL_error(L, "circular require: %s%s", lua_tostring(L, -1), path);
}

/* Puts a path into the chain and pushes the guard that takes it out. [-0, +1] */
static void
enter_chain(lua_State *L, const char *path)
{
    lua_newtable(L);
    lua_pushcfunction(L, leave_chain);
    lua_setfield(L, -2, "__close");
    lua_pushvalue(L, -1);
    lua_setmetatable(L, -2);

    push_table(L, &chain_key);
    lua_pushstring(L, path);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
    lua_toclose(L, -1);
}

static void
remember_file(lua_State *L, const char *path)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, kp_generation_of(L)->files_ref);
    lua_pushstring(L, path);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void
kp_source_run(lua_State *L, struct kp_sources *sources, const struct kp_source_file *file,
              const char *name)
{
    luaL_checkstack(L, 10, "too many nested require");
    if (file->on_disk)
        remember_file(L, file->path);
    enter_chain(L, file->path);

    int guard = lua_gettop(L);
    int status = kp_source_compile(L, file);
    if (status != LUA_OK) {
        kp_sources_fail(sources, status == LUA_ERRMEM ? -ENOMEM : KELPIE_ESCRIPT,
                        file->path);
        lua_error(L);
    }
    if (name)
        lua_pushstring(L, name);
    lua_pushstring(L, file->path);
    lua_call(L, name ? 2 : 1, 1);
    lua_closeslot(L, guard);
    lua_remove(L, guard); /* stack: result */
}

/* --- finding ------------------------------------------------------------------------ */

/* Returns whether every part of the name, between dots or slashes, has a letter at least:
 * then it cannot lead out of the folder. */
static bool
is_module_name(const char *name, size_t len)
{
    bool was_separator = true;

    if (strlen(name) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool is_separator = name[i] == '.' || name[i] == '/';

        if (is_separator && was_separator)
            return false;
        was_separator = is_separator;
    }
    return !was_separator;
}

bool
kp_source_module_path(const struct kp_sources *sources, const char *name, int choice,
                      char *out, size_t size)
{
    static const char *const endings[] = {".lua", "/init.lua"};
    const char *folder = sources->folder;

    if (choice > 1 || !folder || !is_module_name(name, strlen(name)))
        return false;

    int n = snprintf(out, size, "%s%s%s", folder, name, endings[choice]);
    if (n < 0 || (size_t)n >= size)
        return false;
    for (size_t i = 0; name[i] != '\0'; i++)
        if (name[i] == '.')
            out[strlen(folder) + i] = '/';
    return true;
}

/* Raises an error that Lua knows as its own "not enough memory". */
static int
raise_no_memory(lua_State *L)
{
    lua_pushliteral(L, "not enough memory");
    return lua_error(L);
}

/* Reads the file of a module. Returns NULL with a message on top when there is none, which
 * says where it was looked for. [-0, +0 or +1]
 * Raises    when the file is there but cannot be read. */
static const struct kp_source_file *
find_module(lua_State *L, struct kp_sources *sources, const char *name)
{
    const struct kp_source_file *file = NULL;
    char path[4096];

    if (!sources->folder) {
        lua_pushliteral(L, "a script from memory finds only preloaded modules");
        return NULL;
    }
    lua_pushliteral(L, "");
    for (int i = 0; kp_source_module_path(sources, name, i, path, sizeof path); i++) {
        int rc = kp_sources_read(sources, path, &file);

        if (rc == 0)
            break;
        if (rc == -ENOENT || rc == -ENOTDIR) {
            lua_pushfstring(L, "%sno file %s", i > 0 ? ", " : "", path);
            lua_concat(L, 2);
            continue;
        }
        kp_sources_fail(sources, rc, path);
        if (rc == -ENOMEM)
            raise_no_memory(L);
        luaL_error(L, "cannot read %s: %s", path, strerror(-rc));
    }
    if (file)
        lua_pop(L, 1);
    return file;
}

/* Loads a C module, when the sandbox allows them: it has opened `package` then. Of its
 * searchers only the two for C are asked, since the one for Lua would take bytecode.
 * [-0, +0 or +1]
 * Returns   whether there is such a module. */
static bool
require_c(lua_State *L, const char *name)
{
    int top = lua_gettop(L);

    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, LUA_LOADLIBNAME) == LUA_TTABLE &&
        lua_getfield(L, -1, "searchers") == LUA_TTABLE) {
        int searchers = lua_gettop(L);

        for (lua_Integer i = 3; lua_rawgeti(L, searchers, i) == LUA_TFUNCTION; i++) {
            lua_pushstring(L, name);
            lua_call(L, 1, 2); /* stack: loader data, or message nil */
            if (lua_isfunction(L, -2)) {
                lua_pushstring(L, name);
                lua_insert(L, -2);
                lua_call(L, 2, 1);
                lua_replace(L, top + 1);
                lua_settop(L, top + 1);
                return true;
            }
            lua_settop(L, searchers);
        }
    }
    lua_settop(L, top);
    return false;
}

/* Loads a module from the folder, or finds it under another of its names. [-0, +1] */
static void
require_file(lua_State *L, struct kp_sources *sources, const char *name)
{
    const struct kp_source_file *file = find_module(L, sources, name);

    if (!file) { /* stack: message */
        if (!require_c(L, name))
            luaL_error(L, "module '%s' not found: %s", name, lua_tostring(L, -1));
        lua_remove(L, -2);
        return;
    }
    push_table(L, &modules_key);
    if (lua_getfield(L, -1, file->path) == LUA_TNIL) {
        lua_pop(L, 1);
        check_circle(L, file->path);
        kp_source_run(L, sources, file, name);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            lua_pushboolean(L, 1);
        }
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, file->path);
    }
    lua_remove(L, -2);
}

/* Opens a preloaded module. [-0, +0 or +1]
 * Returns   whether there is one. */
static bool
require_preloaded(lua_State *L, const char *name)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pop(L, 2);
        return false;
    }
    lua_remove(L, -2);
    lua_pushstring(L, name);
    lua_pushliteral(L, ":preload:");
    lua_call(L, 2, 1);
    return true;
}

int
kp_source_require(lua_State *L)
{
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);

    lua_settop(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, 2) != LUA_TNIL)
        return 1;
    lua_settop(L, 2); /* stack: name loaded */

    if (!require_preloaded(L, name)) {
        if (!is_module_name(name, len))
            return luaL_error(L,
                              "require: '%s' is no module name; names are within the "
                              "script's folder, as in \"chat\" or \"lib.chat\"",
                              name);
        if (kp_generation_of(L)->phase != KP_STAGING)
            return luaL_error(L,
                              "module '%s' was not loaded with the script; require it "
                              "at the top of a file",
                              name);
        require_file(L, lua_touserdata(L, lua_upvalueindex(1)), name);
    }
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2); /* loaded[name] = module */
    return 1;
}
