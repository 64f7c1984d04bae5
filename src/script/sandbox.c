/*
 * sandbox.c - the libraries that a script sees
 *
 * Position: the author of a script is trusted, the script is not trusted to be correct, and
 * what it works on is hostile. So this limits accidents and damage; it is no prison for
 * somebody who writes scripts against us. Three things must hold nevertheless, because the
 * whole server hangs on them: no bytecode (it can crash Lua), no finalizers in Lua (they run
 * with hooks switched off, an endless one could not be ended), and no way around the watchdog
 * (no debug.sethook, our own coroutine library).
 *
 * What `allow` opens is the operator's choice, one name at a time. Of debug only what reads
 * is opened; os.exit stays closed, the way to end is kelpie.shutdown.
 */
#include "sandbox.h"

#include <lualib.h>
#include <string.h>

#define MAX_LOAD_SIZE (64 * 1024) /* the parser cannot be interrupted: about 2 ms */

/* --- loading text ---------------------------------------------------------------------- */

/* Calls the reader function at index 1 until it is done, and replaces it with what it gave.
 * Raises what the reader raises. */
static void
read_pieces(lua_State *L)
{
    luaL_Buffer text;
    size_t total = 0, len;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_buffinit(L, &text);
    do {
        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            break;
        }
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_error(L, "reader function must return a string");
        len = (size_t)lua_rawlen(L, -1);
        total += len;
        luaL_addvalue(&text);
    } while (len > 0 && total <= MAX_LOAD_SIZE);
    luaL_pushresult(&text);
    lua_replace(L, 1);
}

static int
load_failed(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

/* load(chunk [, chunkname [, mode [, env]]]): as in Lua, but text only, and short. */
static int
l_load(lua_State *L)
{
    const char *mode = luaL_optstring(L, 3, "t");
    bool has_env = !lua_isnone(L, 4);
    size_t len;

    lua_settop(L, 4); /* stack: chunk name mode env */
    if (lua_type(L, 1) != LUA_TSTRING)
        read_pieces(L);

    const char *text = lua_tolstring(L, 1, &len);
    const char *name = luaL_optstring(L, 2, text);
    if (!strchr(mode, 't') || (len > 0 && text[0] == LUA_SIGNATURE[0]))
        return load_failed(L, "only text can be loaded");
    if (len > MAX_LOAD_SIZE)
        return load_failed(L, "chunk is longer than 64 KiB");
    if (luaL_loadbufferx(L, text, len, name, "t") != LUA_OK)
        return load_failed(L, lua_tostring(L, -1));
    if (has_env) {
        lua_pushvalue(L, 4);
        lua_setupvalue(L, -2, 1); /* every chunk has it: _ENV */
    }
    return 1;
}

/* --- print ----------------------------------------------------------------------------- */

static void
print_line(struct kp_script *script, const char *line, size_t len)
{
    const struct kp_log *log = &script->env->log;

    if (script->hooks.print)
        script->hooks.print(script->hooks.print_arg, line, len);
    else if (kp_log_wants(log, KELPIE_LOG_INFO))
        log->fn(log->arg, KELPIE_LOG_INFO, line, len);
}

/* Adds len bytes, escaped. A buffer of the worst case is needed only if there is one. */
static void
add_escaped(luaL_Buffer *out, const char *bytes, size_t len)
{
    size_t size = 4 * len + 8;

    luaL_addsize(out, kp_log_escape(luaL_prepbuffsize(out, size), size, bytes, len));
}

/* Prints the line that is complete, and starts the next one. */
static void
end_line(lua_State *L, luaL_Buffer *line)
{
    size_t len;

    luaL_pushresult(line);
    const char *text = lua_tolstring(L, -1, &len);
    print_line(kp_generation_of(L)->script, text, len);
    lua_pop(L, 1);
    luaL_buffinit(L, line);
}

/* print(...): line by line to the host, control characters escaped. */
static int
l_print(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_Buffer line;

    for (int i = 1; i <= n; i++) {
        luaL_tolstring(L, i, NULL);
        lua_replace(L, i);
    }
    luaL_buffinit(L, &line);
    for (int i = 1; i <= n; i++) {
        size_t len;
        const char *text = lua_tolstring(L, i, &len);
        const char *end;

        if (i > 1)
            luaL_addchar(&line, '\t');
        while ((end = memchr(text, '\n', len))) {
            size_t line_len = (size_t)(end - text);
            add_escaped(&line, text, line_len);
            end_line(L, &line);
            text = end + 1;
            len -= line_len + 1;
        }
        add_escaped(&line, text, len);
    }
    end_line(L, &line);
    return 0;
}

/* --- other replacements ---------------------------------------------------------------- */

static int
l_setmetatable(lua_State *L)
{
    int type = lua_type(L, 2);

    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    if (type == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            luaL_error(L, "__gc is not available; use on_disconnect or close");
        lua_pop(L, 1);
    }
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int
l_collectgarbage(lua_State *L)
{
    const char *what = luaL_optstring(L, 1, "collect");

    if (strcmp(what, "count") != 0)
        return luaL_error(L, "collectgarbage: only \"count\" is available");
    int kilobytes = lua_gc(L, LUA_GCCOUNT, 0);
    int bytes = lua_gc(L, LUA_GCCOUNTB, 0);
    lua_pushnumber(L, (lua_Number)kilobytes + (lua_Number)bytes / 1024);
    return 1;
}

static const luaL_Reg base_functions[] = {
    {"load", l_load},
    {"print", l_print},
    {"setmetatable", l_setmetatable},
    {"collectgarbage", l_collectgarbage},
    {"dofile", NULL}, /* NULL: absent */
    {"loadfile", NULL},
    {"warn", NULL},
    {NULL, NULL},
};

/* --- opening --------------------------------------------------------------------------- */

static void
open_base(lua_State *L)
{
    luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
    for (const luaL_Reg *reg = base_functions; reg->name; reg++) {
        if (reg->func)
            lua_pushcfunction(L, reg->func);
        else
            lua_pushnil(L);
        lua_setfield(L, -2, reg->name);
    }
    lua_pop(L, 1);
}

static void
open_math(lua_State *L, struct kp_generation *gen)
{
    lua_Integer seed[2];

    luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 1);
    int rc = kp_sys_random(&gen->script->env->sys, seed, sizeof seed);
    if (rc < 0)
        luaL_error(L, "no random seed: %s", strerror(-rc));
    lua_getfield(L, -1, "randomseed");
    lua_pushinteger(L, seed[0]);
    lua_pushinteger(L, seed[1]);
    lua_call(L, 2, 0);
    lua_pop(L, 1);
}

/* Opens a library, and hides of it all but `names`, which ends with NULL. */
static void
open_only(lua_State *L, const char *library, lua_CFunction open, const char *const *names)
{
    luaL_requiref(L, library, open, 0); /* stack: full */
    lua_newtable(L);
    for (; *names; names++) {
        lua_getfield(L, -2, *names);
        lua_setfield(L, -2, *names);
    }
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, library);
    lua_pop(L, 1);
    lua_setglobal(L, library);
    lua_pop(L, 1);
}

static const char *const clock_functions[] = {"time", "clock", "date", "difftime", NULL};
static const char *const os_functions[] = {
    "time",   "clock",     "date",   "difftime", "execute", "getenv",
    "remove", "setlocale", "rename", "tmpname",  NULL,
};
static const char *const debug_functions[] = {"traceback", "getinfo", NULL};

static void
open_allowed(lua_State *L, struct kp_generation *gen)
{
    unsigned allow = gen->script->limits.allow;

    open_only(L, LUA_OSLIBNAME, luaopen_os,
              allow & KP_ALLOW_OS ? os_functions : clock_functions);
    if (allow & KP_ALLOW_DEBUG)
        open_only(L, LUA_DBLIBNAME, luaopen_debug, debug_functions);
    if (allow & KP_ALLOW_IO) {
        luaL_requiref(L, LUA_IOLIBNAME, luaopen_io, 1);
        lua_pop(L, 1);
    }
    if (allow & KP_ALLOW_CMODULES) {
        luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 1);
        lua_pop(L, 1);
        kp_log_write(
            &gen->script->env->log, KELPIE_LOG_WARN,
            "C modules are allowed: limits of time and memory do not hold there");
    }
}

void
kp_sandbox_open(lua_State *L, struct kp_generation *gen)
{
    open_base(L);
    luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 1);
    lua_pop(L, 1);
    kp_string_open(L);
    kp_table_open(L);
    open_math(L, gen);
    open_allowed(L, gen);
    kp_coroutine_open(L);
    kp_pcall_open(L);
}

/* --- globals --------------------------------------------------------------------------- */

/* __newindex of the globals. */
static int
forbid_global(lua_State *L)
{
    const char *name = luaL_tolstring(L, 2, NULL);

    return luaL_error(L, "assign to undeclared global '%s'; write 'local %s'", name,
                      name);
}

void
kp_sandbox_lock_globals(lua_State *L)
{
    lua_pushglobaltable(L);
    if (!lua_getmetatable(L, -1))
        lua_newtable(L); /* stack: globals metatable */
    if (lua_getfield(L, -1, "__newindex") == LUA_TNIL) {
        lua_pushcfunction(L, forbid_global);
        lua_setfield(L, -3, "__newindex");
    }
    lua_pop(L, 1);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}
