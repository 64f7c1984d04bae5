/*
 * world.c - a server for tests: clients without sockets, time that tests move
 *
 * A world is a server, its clock and the far ends of its connections (far.c), as one userdata
 * of the tests' Lua state, which is not that of the handlers. Nothing is interpreted here:
 * what a test expects is decided in test.lua.
 */
#include "world.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "far.h"

#define WORLD     "kelpie.test.world"
#define NS_PER_MS ((uint64_t)1000000)
#define MAX_STEPS 100000 /* a server that never comes to rest */

struct world {
    kelpie *k;
    uint64_t now_ns;
    struct kt_far far;
    struct kt_text printed, errors;
};

/* ---- what the server calls ---------------------------------------------------------- */

static void
append_line(struct kt_text *text, const char *line, size_t len)
{
    kt_text_append(text, line, len);
    kt_text_append(text, "\n", 1);
}

static void
on_print(void *arg, const char *line, size_t len)
{
    struct world *world = arg;

    append_line(&world->printed, line, len);
}

static void
on_log(void *arg, enum kelpie_level level, const char *line, size_t len)
{
    struct world *world = arg;

    (void)level;
    append_line(&world->errors, line, len);
}

static uint64_t
read_clock(void *arg)
{
    const struct world *world = arg;

    return world->now_ns;
}

/* ---- functions for test.lua --------------------------------------------------------- */

static struct world *
world_at(lua_State *L)
{
    struct world *world = luaL_checkudata(L, 1, WORLD);

    if (world->k == NULL)
        luaL_error(L, "the test of this server has ended");
    return world;
}

static struct kt_far_end *
end_at(lua_State *L, struct world *world)
{
    lua_Integer id = luaL_checkinteger(L, 2);

    luaL_argcheck(L, id >= 1 && (size_t)id <= world->far.n_ends, 2, "no such connection");
    return world->far.ends[id - 1];
}

static int
push_failure(lua_State *L, const char *why)
{
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static int
push_result(lua_State *L, int error)
{
    if (error < 0)
        return push_failure(L, kelpie_strerror(error));
    lua_pushboolean(L, 1);
    return 1;
}

static int
push_text(lua_State *L, struct kt_text *text)
{
    if (text->is_short)
        luaL_error(L, "out of memory");
    lua_pushlstring(L, text->len > 0 ? text->bytes : "", text->len);
    text->len = 0;
    return 1;
}

static void
run(lua_State *L, struct world *world)
{
    int steps = 0;

    do {
        int rc = kelpie_step(world->k, 0);
        if (rc < 0)
            luaL_error(L, "%s", kelpie_errmsg(world->k));
        if (rc == 0)
            return;
        if (++steps > MAX_STEPS)
            luaL_error(L, "the server does not come to rest");
    } while (kelpie_timeout(world->k) == 0);
}

static int
world_run(lua_State *L)
{
    run(L, world_at(L));
    return 0;
}

static int
world_advance(lua_State *L)
{
    struct world *world = world_at(L);
    lua_Integer left = luaL_checkinteger(L, 2);

    luaL_argcheck(L, left >= 0, 2, "time does not go back");
    while (left > 0) {
        int next = kelpie_timeout(world->k);
        lua_Integer ms = next > 0 && next < left ? next : left;
        world->now_ns += (uint64_t)ms * NS_PER_MS;
        left -= ms;
        run(L, world);
    }
    return 0;
}

static int
world_connect(lua_State *L)
{
    struct world *world = world_at(L);
    int rc = kt_far_connect(&world->far, world->k, luaL_optstring(L, 2, NULL));

    if (rc == -ENOMEM)
        return luaL_error(L, "out of memory");
    if (rc < 0)
        return push_failure(L, kelpie_errmsg(world->k));
    lua_pushinteger(L, (lua_Integer)world->far.n_ends);
    return 1;
}

/* Says that something listens at an address, or no more. Returns its number. */
static int
world_upstream(lua_State *L)
{
    struct world *world = world_at(L);
    int number =
        kt_far_upstream(&world->far, luaL_checkstring(L, 2), lua_toboolean(L, 3));

    if (number < 0)
        return luaL_error(L, "out of memory");
    lua_pushinteger(L, number);
    return 1;
}

/* Takes the connection that waits longest at an upstream: its number, or nil. */
static int
world_accept(lua_State *L)
{
    struct world *world = world_at(L);
    int place = kt_far_accept(&world->far, (int)luaL_checkinteger(L, 2));

    if (place < 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, (lua_Integer)place + 1);
    return 1;
}

static int
world_finished(lua_State *L)
{
    lua_pushboolean(L, end_at(L, world_at(L))->is_finished);
    return 1;
}

static int
world_feed(lua_State *L)
{
    const struct kt_far_end *end = end_at(L, world_at(L));
    size_t len;
    const char *bytes = luaL_checklstring(L, 3, &len);

    if (end->conn == NULL)
        return push_failure(L, "the connection is closed");
    return push_result(L, kelpie_conn_feed(end->conn, bytes, len));
}

static int
world_eof(lua_State *L)
{
    const struct kt_far_end *end = end_at(L, world_at(L));

    if (end->conn == NULL)
        return push_failure(L, "the connection is closed");
    return push_result(L, kelpie_conn_feed_end(end->conn));
}

static int
world_pause(lua_State *L)
{
    struct kt_far_end *end = end_at(L, world_at(L));

    end->is_paused = lua_toboolean(L, 3);
    if (end->conn != NULL && !end->is_paused)
        kelpie_conn_writable(end->conn);
    return 0;
}

static int
world_take(lua_State *L)
{
    return push_text(L, &end_at(L, world_at(L))->output);
}

static int
world_reason(lua_State *L)
{
    const struct kt_far_end *end = end_at(L, world_at(L));

    if (end->conn != NULL)
        lua_pushnil(L);
    else
        lua_pushstring(L, end->reason);
    return 1;
}

static int
world_reload(lua_State *L)
{
    struct world *world = world_at(L);

    if (kelpie_load(world->k, luaL_checkstring(L, 2)) < 0)
        return push_failure(L, kelpie_errmsg(world->k));
    lua_pushboolean(L, 1);
    return 1;
}

static int
world_printed(lua_State *L)
{
    return push_text(L, &world_at(L)->printed);
}

static int
world_errors(lua_State *L)
{
    return push_text(L, &world_at(L)->errors);
}

static int
world_failed(lua_State *L)
{
    const struct world *world = world_at(L);
    struct kelpie_stats stats = {.size = sizeof(stats)};

    kelpie_get_stats(world->k, &stats);
    lua_pushboolean(L, world->errors.len > 0 &&
                           stats.handler_errors + stats.handler_kills > 0);
    return 1;
}

static int
world_free(lua_State *L)
{
    struct world *world = luaL_checkudata(L, 1, WORLD);

    kelpie_free(world->k);
    kt_far_clear(&world->far);
    free(world->printed.bytes);
    free(world->errors.bytes);
    memset(world, 0, sizeof(*world));
    return 0;
}

static int
new_world(lua_State *L)
{
    const struct kelpie_options *given = lua_touserdata(L, lua_upvalueindex(1));
    const char *path = luaL_checkstring(L, 1);
    struct world *world = lua_newuserdatauv(L, sizeof(*world), 0);
    struct kelpie_options options = *given;

    memset(world, 0, sizeof(*world));
    world->now_ns = NS_PER_MS;
    luaL_setmetatable(L, WORLD);
    options.now_ns = read_clock;
    options.connect = kt_far_on_connect;
    options.connect_arg = &world->far;
    options.log = on_log;
    options.log_level = KELPIE_LOG_WARN;
    options.print = on_print;
    options.now_arg = options.log_arg = options.print_arg = world;
    int rc = kelpie_new(&world->k, &options);
    if (rc < 0)
        return push_failure(L, kelpie_strerror(rc));
    if (kelpie_load(world->k, path) < 0)
        return push_failure(L, kelpie_errmsg(world->k));
    return 1;
}

void
kt_world_open(lua_State *L, const struct kelpie_options *options)
{
    static const luaL_Reg methods[] = {
        {"run", world_run},           {"advance", world_advance},
        {"connect", world_connect},   {"feed", world_feed},
        {"eof", world_eof},           {"pause", world_pause},
        {"upstream", world_upstream}, {"accept", world_accept},
        {"finished", world_finished}, {"take", world_take},
        {"reason", world_reason},     {"reload", world_reload},
        {"printed", world_printed},   {"errors", world_errors},
        {"failed", world_failed},     {"free", world_free},
        {"__gc", world_free},         {NULL, NULL},
    };

    luaL_newmetatable(L, WORLD);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushlightuserdata(L, (void *)(uintptr_t)options);
    lua_pushcclosure(L, new_world, 1);
    lua_setfield(L, -2, "new");
}
