/*
 * lua_kelpie.c - the module `kelpie`: what a script can do without a connection in hand
 *
 * The types add their own functions to the module: room, after, every, keep, class. Those
 * that act on clients are errors while the script loads, because a load can still be
 * rejected and must have had no effect.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "bind.h"
#include "net/conns.h"
#include "net/limit.h"
#include "task.h"

#define MAX_CRITICAL_NS (60 * KP_NS_PER_S) /* where loading has no limit */

static struct kp_net *
net_of(lua_State *L)
{
    return kp_generation_of(L)->script->net;
}

/* ---- connections --------------------------------------------------------------------- */

/***
Sends one message to every connection of this server.
@function broadcast
@tparam string|number message
@tparam[opt] kelpie.conn except one that does not get it
@treturn[1] integer how many took it
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "memory"
@usage kelpie.broadcast("the server restarts in a minute")
*/
static int
l_broadcast(lua_State *L)
{
    struct iovec part = kp_lua_check_part(L, 1);
    struct kelpie_conn *except = kp_lua_opt_conn(L, 2);

    kp_generation_check_serving(L, "kelpie.broadcast");
    return kp_lua_push_count(L, kp_conns_broadcast(net_of(L), &part, 1, true, except));
}

/* upvalue 1: where the walk is */
static int
next_conn(lua_State *L)
{
    size_t cursor = (size_t)lua_tointeger(L, lua_upvalueindex(1));
    struct kelpie_conn *conn = kp_conns_next(net_of(L), &cursor);

    lua_pushinteger(L, (lua_Integer)cursor);
    lua_replace(L, lua_upvalueindex(1));
    if (conn != NULL)
        kp_lua_push_conn(L, conn);
    else
        lua_pushnil(L);
    return 1;
}

/***
Walks the open connections in order of their numbers.
@function conns
@treturn function iterator of kelpie.conn
@usage for conn in kelpie.conns() do conn:send("hello") end
*/
static int
l_conns(lua_State *L)
{
    kp_generation_check_serving(L, "kelpie.conns");
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_conn, 1);
    return 1;
}

static int
push_if_open(lua_State *L, struct kelpie_conn *conn)
{
    if (conn != NULL && kp_conn_is_open(conn))
        kp_lua_push_conn(L, conn);
    else
        lua_pushnil(L);
    return 1;
}

/***
Finds an open connection by its id.
@function find
@int id
@treturn ?kelpie.conn nil when it is gone
*/
static int
l_find(lua_State *L)
{
    lua_Integer id = luaL_checkinteger(L, 1);

    kp_generation_check_serving(L, "kelpie.find");
    return push_if_open(L, id > 0 ? kp_conns_find(net_of(L), (uint64_t)id) : NULL);
}

/***
Finds the open connection that has a client number now.
@function client
@int number
@treturn ?kelpie.conn nil when there is none
*/
static int
l_client(lua_State *L)
{
    lua_Integer number = luaL_checkinteger(L, 1);
    bool is_number = number >= 0 && number <= UINT32_MAX;

    kp_generation_check_serving(L, "kelpie.client");
    return push_if_open(L,
                        is_number ? kp_conns_client(net_of(L), (uint32_t)number) : NULL);
}

/* ---- time and tasks ------------------------------------------------------------------ */

/***
Suspends this handler; everything else goes on.
@function sleep
@number seconds
@treturn[1] nothing
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "retired"
*/
static int
l_sleep(lua_State *L)
{
    uint64_t ns = kp_lua_check_seconds(L, 1);

    kp_generation_check_serving(L, "kelpie.sleep");
    return kp_task_sleep(L, ns);
}

/***
Runs a function beside this handler, in this step or the next.
@function spawn
@func fn
@param ... its arguments
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "full" when too many functions have not ended
@usage kelpie.spawn(greet_later, conn)
*/
static int
l_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    kp_generation_check_serving(L, "kelpie.spawn");

    struct kp_generation *gen = kp_generation_of(L);
    if (kp_task_is_full(gen)) {
        kp_limit_hit(net_of(L), KP_LIMIT_SPAWN, NULL, NULL);
        return kp_lua_push_failure(L, "too many functions have not ended", "full");
    }
    int n = lua_gettop(L);
    struct kp_task *task = kp_task_new(L, gen, "spawn");
    if (!lua_checkstack(task->co, n)) /* luaL_checkstack would raise in the other one */
        luaL_error(L, "not enough memory");
    lua_xmove(L, task->co, n);
    kp_task_start_later(task, n - 1);
    lua_pushboolean(L, 1);
    return 1;
}

/***
Calls a function that must not be ended half way: all that one handler calls so may take as
long as loading may, and does not count for the handler. It cannot wait.
@function critical
@func fn
@param ... its arguments
@return what fn returns; an error of it is raised again
@usage kelpie.critical(move_money, from, to, amount)
*/
static int
l_critical(lua_State *L)
{
    struct kp_generation *gen = kp_generation_of(L);
    struct kp_watchdog *watchdog = &gen->watchdog;
    uint64_t before_ns = watchdog->budget_ns;
    uint64_t limit_ns = gen->script->limits.load_timeout_ns;

    luaL_checktype(L, 1, LUA_TFUNCTION);
    kp_watchdog_extend(watchdog, limit_ns > 0 ? limit_ns : MAX_CRITICAL_NS);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    kp_watchdog_limit(watchdog, before_ns);
    if (watchdog->killed)
        return kp_watchdog_raise_again(watchdog, L);
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/***
Tells the time of a clock that never jumps.
@function now
@treturn number seconds since some fixed point
*/
static int
l_now(lua_State *L)
{
    uint64_t ns = kp_sys_now_ns(&kp_generation_of(L)->script->env->sys);

    lua_pushnumber(L, (lua_Number)ns / (lua_Number)KP_NS_PER_S);
    return 1;
}

/* ---- the operator -------------------------------------------------------------------- */

#define LOG_LINE_SIZE 1000 /* as kp_log_write */

static const char *const level_names[] = {"error", "warn", "info", "debug"};
#define N_LEVELS (sizeof(level_names) / sizeof(level_names[0]))

static enum kelpie_level
check_level(lua_State *L, int index)
{
    const char *name = luaL_checkstring(L, index);

    for (size_t i = 0; i < N_LEVELS; i++) {
        if (strcmp(name, level_names[i]) == 0)
            return (enum kelpie_level)i;
    }
    const char *nearest = kp_nearest(name, level_names, N_LEVELS);
    if (nearest != NULL)
        name =
            lua_pushfstring(L, "unknown level '%s' (did you mean '%s'?)", name, nearest);
    else
        name = lua_pushfstring(
            L, "unknown level '%s'; it is \"error\", \"warn\", \"info\" or \"debug\"",
            name);
    luaL_argerror(L, index, name);
    return KELPIE_LOG_ERROR;
}

/* Replaces the arguments from 2 on by what string.format makes of them; an error gets the
 * place of the script's call. Upvalue 1: string.format. */
static void
format_text(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_replace(L, 1);
    if (lua_pcall(L, lua_gettop(L) - 1, 1, 0) == LUA_OK)
        return;
    if (kp_generation_of(L)->watchdog.killed)
        lua_error(L);
    luaL_where(L, 1);
    lua_pushliteral(L, "kelpie.log: ");
    lua_pushvalue(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING)
        lua_error(L); /* of a __tostring: the script's own */
    lua_concat(L, 3);
    lua_error(L);
}

/***
Writes a record to the log.
@function log
@string level "error", "warn", "info" or "debug"
@string format as string.format
@param ...
@usage kelpie.log("info", "%s has joined", name)
*/
static int
l_log(lua_State *L)
{
    struct kp_generation *gen = kp_generation_of(L);
    struct kp_log *log = &gen->script->env->log;
    enum kelpie_level level = check_level(L, 1);
    char line[LOG_LINE_SIZE];
    size_t text_len;

    luaL_checkstring(L, 2);
    if (!kp_log_wants(log, level))
        return 0;
    format_text(L);
    const char *text = lua_tolstring(L, -1, &text_len);
    size_t len =
        (size_t)snprintf(line, sizeof(line), "script %" PRIu64 ": ", gen->number);
    len += kp_log_escape(line + len, sizeof(line) - len, text, text_len);
    log->fn(log->arg, level, line, len); /* kp_log_write would stop at a NUL */
    return 0;
}

static const struct {
    const char *name;
    size_t offset;
} counters[] = {
#define COUNTER(member)                                                                  \
 {                                                                                       \
#  member, offsetof(struct kelpie_stats, member)                                         \
 }
    COUNTER(generation),      COUNTER(clients),
    COUNTER(accepted),        COUNTER(refused),
    COUNTER(closed),          COUNTER(messages_in),
    COUNTER(bytes_in),        COUNTER(messages_out),
    COUNTER(bytes_out),       COUNTER(outbox_bytes),
    COUNTER(dropped_bytes),   COUNTER(partial_at_eof),
    COUNTER(slow_readers),    COUNTER(broadcast_skipped),
    COUNTER(handler_errors),  COUNTER(handler_kills),
    COUNTER(reloads),         COUNTER(reloads_rejected),
    COUNTER(lua_bytes),       COUNTER(timers),
    COUNTER(rooms),           COUNTER(accept_pauses),
    COUNTER(rollbacks),       COUNTER(refused_clients),
    COUNTER(refused_per_ip),  COUNTER(idle_timeouts),
    COUNTER(frame_timeouts),  COUNTER(too_long),
    COUNTER(protocol_errors), COUNTER(outbox_full),
    COUNTER(script_killed),   COUNTER(spawn_full),
    COUNTER(outbound),        COUNTER(outbound_full),
#undef COUNTER
};

/***
Reads the counters of the server, as struct kelpie_stats has them.
@function stats
@treturn table of integers
@usage print(kelpie.stats().clients)
*/
static int
l_stats(lua_State *L)
{
    struct kp_script *script = kp_generation_of(L)->script;
    struct kelpie_stats stats = {.size = sizeof(stats)};

    if (script->hooks.stats != NULL)
        script->hooks.stats(script->hooks.arg, &stats);
    lua_createtable(L, 0, sizeof(counters) / sizeof(counters[0]));
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        uint64_t value;
        memcpy(&value, (const char *)&stats + counters[i].offset, sizeof(value));
        lua_pushinteger(L, (lua_Integer)value);
        lua_setfield(L, -2, counters[i].name);
    }
    return 1;
}

/***
Asks for a reload, after this step.
@function reload
*/
static int
l_reload(lua_State *L)
{
    struct kp_script *script = kp_generation_of(L)->script;

    kp_generation_check_serving(L, "kelpie.reload");
    if (script->hooks.reload != NULL)
        script->hooks.reload(script->hooks.arg);
    return 0;
}

/***
Asks for the end, after this step: the server drains, as for SIGTERM.
@function shutdown
*/
static int
l_shutdown(lua_State *L)
{
    struct kp_script *script = kp_generation_of(L)->script;

    kp_generation_check_serving(L, "kelpie.shutdown");
    if (script->hooks.shutdown != NULL)
        script->hooks.shutdown(script->hooks.arg);
    return 0;
}

/* ---- the module ---------------------------------------------------------------------- */

static const luaL_Reg functions[] = {
    {"broadcast", l_broadcast}, {"conns", l_conns},       {"find", l_find},
    {"client", l_client},       {"sleep", l_sleep},       {"spawn", l_spawn},
    {"critical", l_critical},   {"now", l_now},           {"stats", l_stats},
    {"reload", l_reload},       {"shutdown", l_shutdown}, {NULL, NULL},
};

/* kelpie.log formats with string.format as it was before any script could change it. */
static void
add_log(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "string");
    lua_getfield(L, -1, "format");
    lua_pushcclosure(L, l_log, 1);
    lua_setfield(L, -4, "log");
    lua_pop(L, 2);
}

int
kp_lua_open_kelpie(lua_State *L)
{
    luaL_newlib(L, functions);
    add_log(L);
    kp_lua_open_conn(L);
    kp_lua_open_room(L);
    kp_lua_open_timer(L);
    kp_lua_open_keep(L);
    kp_lua_open_connect(L);
    kp_lua_open_text(L);
    lua_pushinteger(L, (lua_Integer)kp_generation_of(L)->number);
    lua_setfield(L, -2, "generation");
    lua_pushliteral(L, KELPIE_VERSION_STRING);
    lua_setfield(L, -2, "version");
    kp_lua_guard_names(L, "kelpie");
    return 1;
}
