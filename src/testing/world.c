/*
 * world.c - a server for tests: clients without sockets, time that tests move
 *
 * A world is a server, its clock and the far ends of its connections, as one userdata of the
 * tests' Lua state, which is not that of the handlers. Nothing is interpreted here: what a
 * test expects is decided in test.lua.
 */
#include "world.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORLD     "kelpie.test.world"
#define NS_PER_MS ((uint64_t)1000000)
#define MAX_STEPS 100000 /* a server that never comes to rest */

struct text {
    char *bytes;
    size_t len, capacity;
    bool is_short; /* memory had run out; said when it is taken */
};

struct far_end {
    kelpie_conn *conn; /* NULL: it has ended, or is not there yet */
    bool is_paused;    /* takes nothing */
    bool is_finished;  /* gets nothing more */
    int upstream; /* which the script has connected to, while nobody has accepted it; -1 */
    struct text output;
    char reason[64];
};

/* What a script can connect to. */
struct upstream {
    char *address;
    bool is_open;
};

struct world {
    kelpie *k;
    uint64_t now_ns;
    struct upstream *upstreams;
    int n_upstreams;
    struct far_end **ends;
    size_t n_ends;
    struct text printed, errors;
};

/* ---- what the server calls ---------------------------------------------------------- */

static void
append(struct text *text, const void *bytes, size_t len)
{
    if (len > text->capacity - text->len) {
        size_t capacity = 2 * (text->len + len);
        char *grown = realloc(text->bytes, capacity);
        if (grown == NULL) {
            text->is_short = true;
            return;
        }
        text->bytes = grown;
        text->capacity = capacity;
    }
    if (len > 0)
        memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

static void
append_line(struct text *text, const char *line, size_t len)
{
    append(text, line, len);
    append(text, "\n", 1);
}

static size_t
on_write(void *arg, const void *bytes, size_t len)
{
    struct far_end *end = arg;

    if (end->is_paused)
        return 0;
    append(&end->output, bytes, len);
    return len;
}

static void
on_closed(void *arg, const char *reason)
{
    struct far_end *end = arg;

    end->conn = NULL;
    end->is_finished = true;
    snprintf(end->reason, sizeof(end->reason), "%s", reason);
}

static void
on_opened(void *arg, kelpie_conn *conn)
{
    struct far_end *end = arg;

    end->conn = conn;
}

static void
on_finished(void *arg)
{
    struct far_end *end = arg;

    end->is_finished = true;
}

/* Returns NULL when there is no memory. */
static struct far_end *
add_end(struct world *world)
{
    struct far_end **ends =
        realloc(world->ends, (world->n_ends + 1) * sizeof(struct far_end *));

    if (ends == NULL)
        return NULL;
    world->ends = ends;
    struct far_end *end = calloc(1, sizeof(*end));
    if (end == NULL)
        return NULL;
    end->upstream = -1;
    world->ends[world->n_ends++] = end;
    return end;
}

static int
find_upstream(const struct world *world, const char *address)
{
    for (int i = 0; i < world->n_upstreams; i++)
        if (strcmp(world->upstreams[i].address, address) == 0)
            return i;
    return -1;
}

/* A script connects: to what a test has said is there, and to nothing else. */
static int
on_connect(void *arg, const char *address, struct kelpie_transport *out,
           void **transport_arg)
{
    struct world *world = arg;
    int upstream = find_upstream(world, address);

    if (upstream < 0 || !world->upstreams[upstream].is_open)
        return -ECONNREFUSED;
    struct far_end *end = add_end(world);
    if (end == NULL)
        return -ENOMEM;
    end->upstream = upstream;
    out->write = on_write;
    out->closed = on_closed;
    out->opened = on_opened;
    out->finished = on_finished;
    *transport_arg = end;
    return 1;
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

static struct far_end *
end_at(lua_State *L, struct world *world)
{
    lua_Integer id = luaL_checkinteger(L, 2);

    luaL_argcheck(L, id >= 1 && (size_t)id <= world->n_ends, 2, "no such connection");
    return world->ends[id - 1];
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
push_text(lua_State *L, struct text *text)
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
    static const struct kelpie_transport transport = {.size = sizeof(transport),
                                                      .write = on_write,
                                                      .closed = on_closed,
                                                      .finished = on_finished};
    struct world *world = world_at(L);
    const char *listener = luaL_optstring(L, 2, NULL);

    struct far_end *end = add_end(world);
    if (end == NULL)
        return luaL_error(L, "out of memory");
    if (kelpie_detached(world->k, listener, &transport, end, &end->conn) < 0)
        return push_failure(L, kelpie_errmsg(world->k));
    lua_pushinteger(L, (lua_Integer)world->n_ends);
    return 1;
}

/* Says that something listens at an address, or no more. Returns its number. */
static int
world_upstream(lua_State *L)
{
    struct world *world = world_at(L);
    const char *address = luaL_checkstring(L, 2);
    int i = find_upstream(world, address);

    if (i < 0) {
        size_t n = (size_t)world->n_upstreams + 1;
        struct upstream *grown = realloc(world->upstreams, n * sizeof(*grown));
        if (grown == NULL)
            return luaL_error(L, "out of memory");
        world->upstreams = grown;
        i = world->n_upstreams;
        grown[i].address = strdup(address);
        if (grown[i].address == NULL)
            return luaL_error(L, "out of memory");
        world->n_upstreams++;
    }
    world->upstreams[i].is_open = lua_toboolean(L, 3);
    lua_pushinteger(L, i);
    return 1;
}

/* Takes the connection that waits longest at an upstream: its number, or nil. */
static int
world_accept(lua_State *L)
{
    struct world *world = world_at(L);
    lua_Integer upstream = luaL_checkinteger(L, 2);

    for (size_t i = 0; i < world->n_ends; i++) {
        struct far_end *end = world->ends[i];
        if (end->upstream == upstream && (end->conn != NULL || end->is_finished)) {
            end->upstream = -1;
            lua_pushinteger(L, (lua_Integer)i + 1);
            return 1;
        }
    }
    lua_pushnil(L);
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
    const struct far_end *end = end_at(L, world_at(L));
    size_t len;
    const char *bytes = luaL_checklstring(L, 3, &len);

    if (end->conn == NULL)
        return push_failure(L, "the connection is closed");
    return push_result(L, kelpie_conn_feed(end->conn, bytes, len));
}

static int
world_eof(lua_State *L)
{
    const struct far_end *end = end_at(L, world_at(L));

    if (end->conn == NULL)
        return push_failure(L, "the connection is closed");
    return push_result(L, kelpie_conn_feed_end(end->conn));
}

static int
world_pause(lua_State *L)
{
    struct far_end *end = end_at(L, world_at(L));

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
    const struct far_end *end = end_at(L, world_at(L));

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
    for (size_t i = 0; i < world->n_ends; i++) {
        free(world->ends[i]->output.bytes);
        free(world->ends[i]);
    }
    free(world->ends);
    for (int i = 0; i < world->n_upstreams; i++)
        free(world->upstreams[i].address);
    free(world->upstreams);
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
    options.connect = on_connect;
    options.log = on_log;
    options.log_level = KELPIE_LOG_WARN;
    options.print = on_print;
    options.connect_arg = options.now_arg = options.log_arg = options.print_arg = world;
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
