/*
 * config.c - the configuration file: a Lua file that returns a table
 *
 *     return {
 *        script = "/srv/chat/init.lua",
 *        listen = { "127.0.0.1:8080", "unix:/run/chat.sock" },
 *        max_clients = 2000,
 *        idle_timeout = 300,           -- seconds; or "5m"
 *        max_message = "64K",
 *     }
 *
 * The names are those of the flags, and `script`. The file runs in a Lua state of its own
 * without any library, so it can compute a value and reach nothing. It is read once, at the
 * start; what a reload changes are the scripts.
 *
 * Every value is turned into text and goes the way of a flag (settings.c): one parser, one
 * set of sentences.
 */
#include "config.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "settings.h"

#define SHOWN_SIZE 128

/* Says that a value has a type that nothing can be made of. Returns -1. */
static int
refuse_type(struct kd_options *options, const char *shown, const char *type,
            const char *wanted)
{
    return kd_setting_fail(options, "%s: a %s is no value for it; write %s", shown, type,
                           wanted);
}

/* Writes a number, string or boolean as the text of a flag. Never raises.
 * Returns   the text, in buffer or borrowed from the string at index; NULL for other types. */
static const char *
value_text(lua_State *L, int index, char *buffer, size_t size)
{
    int is_whole;

    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        return lua_tostring(L, index);
    case LUA_TBOOLEAN:
        return lua_toboolean(L, index) ? "true" : "false";
    case LUA_TNUMBER:
        break;
    default:
        return NULL;
    }
    lua_Integer whole = lua_tointegerx(L, index, &is_whole);
    if (is_whole)
        snprintf(buffer, size, LUA_INTEGER_FMT, whole);
    else
        snprintf(buffer, size, "%.6f", (double)lua_tonumber(L, index));
    return buffer;
}

/* Applies the value at the top of the stack. [-0, +0] */
static int
apply_value(lua_State *L, struct kd_options *options, const struct kd_setting *setting,
            const char *shown)
{
    char buffer[512];
    const char *text = value_text(L, -1, buffer, sizeof(buffer));

    if (text == NULL)
        return refuse_type(options, shown, luaL_typename(L, -1),
                           setting->kind == KD_KIND_LIST ? "a string, or a list of them"
                                                         : "a string or a number");
    bool is_flag = setting->kind == KD_KIND_FLAG;
    if (is_flag != (lua_type(L, -1) == LUA_TBOOLEAN))
        return refuse_type(options, shown, luaL_typename(L, -1),
                           is_flag ? "true or false" : "a string or a number");
    return kd_setting_apply(options, setting, shown, text);
}

/* Applies each item of the list at the top of the stack. [-0, +0] */
static int
apply_list(lua_State *L, struct kd_options *options, const struct kd_setting *setting,
           const char *shown)
{
    lua_Unsigned n = lua_rawlen(L, -1);
    int rc = 0;

    for (lua_Unsigned i = 1; i <= n && rc == 0; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        rc = apply_value(L, options, setting, shown);
        lua_pop(L, 1);
    }
    return rc;
}

static int
apply_script(lua_State *L, struct kd_options *options, const char *shown)
{
    if (lua_type(L, -1) != LUA_TSTRING)
        return refuse_type(options, shown, luaL_typename(L, -1), "a path in quotes");
    char *copy = strdup(lua_tostring(L, -1));
    if (copy == NULL)
        return kd_setting_fail(options, "out of memory");
    free(options->script);
    options->script = copy;
    return 0;
}

static int
refuse_name(struct kd_options *options, const char *name, const char *nearest)
{
    char known[64];

    if (nearest == NULL)
        return kd_setting_fail(options,
                               "%s: '%s' is unknown; see kelpie --help for the names",
                               options->config, name);
    snprintf(known, sizeof(known), "%s", nearest);
    for (char *p = known; *p != '\0'; p++)
        if (*p == '-')
            *p = '_';
    return kd_setting_fail(options, "%s: '%s' is unknown; did you mean '%s'?",
                           options->config, name, known);
}

/* Applies one field. stack: table name value. [-0, +0] */
static int
apply_field(lua_State *L, struct kd_options *options)
{
    char shown[SHOWN_SIZE];
    const char *nearest;

    if (lua_type(L, -2) != LUA_TSTRING)
        return kd_setting_fail(options, "%s: a value without a name; write NAME = VALUE",
                               options->config);
    const char *name = lua_tostring(L, -2);
    snprintf(shown, sizeof(shown), "%s: %s", options->config, name);
    if (strcmp(name, "script") == 0)
        return apply_script(L, options, shown);
    const struct kd_setting *setting = kd_setting_find(name, &nearest);
    if (setting == NULL)
        return refuse_name(options, name, nearest);
    if (setting->kind == KD_KIND_COMMAND || setting->is_flag_only)
        return kd_setting_fail(options, "%s makes sense on the command line only", shown);
    if (setting->kind == KD_KIND_LIST && lua_type(L, -1) == LUA_TTABLE)
        return apply_list(L, options, setting, shown);
    return apply_value(L, options, setting, shown);
}

/* Applies the table at the top of the stack. */
static int
apply_table(lua_State *L, struct kd_options *options)
{
    lua_pushnil(L);
    while (lua_next(L, -2) != 0) {
        if (apply_field(L, options) < 0)
            return EX_CONFIG;
        lua_pop(L, 1);
    }
    return 0;
}

/* Runs the file. On success its result is on the stack; else an exit code and a sentence. */
static int
run_file(lua_State *L, struct kd_options *options)
{
    int rc = luaL_loadfilex(L, options->config, "t");

    if (rc == LUA_OK)
        rc = lua_pcall(L, 0, 1, 0);
    if (rc != LUA_OK) {
        const char *error = lua_tostring(L, -1);
        (void)kd_setting_fail(options, "%s",
                              error != NULL ? error : "the configuration file failed");
        return rc == LUA_ERRFILE ? EX_NOINPUT : EX_CONFIG;
    }
    if (lua_type(L, -1) != LUA_TTABLE) {
        (void)kd_setting_fail(options, "%s: it has to return a table: return { ... }",
                              options->config);
        return EX_CONFIG;
    }
    return 0;
}

struct job {
    struct kd_options *options;
    int exit_code;
};

/* Runs protected: only memory can make it raise. What outlives the state is in options. */
static int
run_job(lua_State *L)
{
    struct job *job = lua_touserdata(L, 1);

    job->exit_code = run_file(L, job->options);
    if (job->exit_code == 0)
        job->exit_code = apply_table(L, job->options);
    return 0;
}

int
kd_config_read(struct kd_options *options)
{
    struct job job = {options, EX_OSERR};
    lua_State *L = luaL_newstate();

    (void)kd_setting_fail(options, "%s: out of memory", options->config);
    if (L == NULL)
        return EX_OSERR;
    lua_pushcfunction(L, run_job); /* these two need no memory */
    lua_pushlightuserdata(L, &job);
    int rc = lua_pcall(L, 1, 0, 0);
    lua_close(L);
    if (rc != LUA_OK)
        return EX_OSERR;
    if (job.exit_code == 0)
        options->why[0] = '\0';
    return job.exit_code;
}
