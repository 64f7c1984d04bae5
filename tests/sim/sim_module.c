/*
 * sim_module.c - what a script of a simulated server draws, and tells the checker
 *
 * The module `sim` of handlers.lua. Besides the checks that handlers in C share:
 *
 *     I1   the script gets the messages that the host saw, in the same order, each once;
 *          from on_message or from receive
 *     I3   its on_connect and on_disconnect come once, in this order
 *     I10  the generation that handles the messages of a connection never goes back, unless
 *          the server has rolled back; a version that was rejected handles nothing
 *     R    what conn.data and kelpie.keep hold is what was put there, whatever was reloaded
 *
 * Where an allocation has failed a handler may have been lost: then less is asked for.
 */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "script/generation.h"
#include "sim_script.h"

static struct sim_world *
world_of(lua_State *L)
{
    struct kelpie *k = kp_generation_of(L)->script->server;

    return kp_container_of(k->env.sys.arg, struct sim_world, kernel);
}

/* Returns the connection, also a closed one; NULL when it is gone. */
static kelpie_conn *
find_conn(struct sim_world *world, lua_Integer id)
{
    const struct kp_net *net = &world->k->net;

    for (size_t i = 0; i < net->by_number_capacity; i++)
        if (net->by_number[i] != NULL && net->by_number[i]->id == (uint64_t)id)
            return net->by_number[i];
    return NULL;
}

/* Returns the peer whose connection has this id, or NULL. */
static struct sim_peer *
find_peer(struct sim_world *world, lua_Integer id)
{
    kelpie_conn *conn = find_conn(world, id);

    for (int i = 0; i < world->kernel.n_links; i++)
        if (world->peers[i].id == (uint64_t)id && id != 0)
            return &world->peers[i];
    return conn != NULL ? sim_peer_of(world, conn) : NULL; /* one that is not announced */
}

static struct sim_peer *
check_peer(lua_State *L, int index)
{
    struct sim_world *world = world_of(L);
    lua_Integer id = luaL_checkinteger(L, index);
    struct sim_peer *peer = find_peer(world, id);

    if (peer == NULL) {
        VIOLATE("I3: the script knows conn %lld, which the host never met", id);
        luaL_error(L, "no such connection");
    }
    return peer;
}

/* ---- drawing ----------------------------------------------------------------------- */

/* choose(n): a number in [0, n) */
static int
l_choose(lua_State *L)
{
    lua_pushinteger(L,
                    sim_below(&world_of(L)->random, (uint32_t)luaL_checkinteger(L, 1)));
    return 1;
}

/* text(id): a message for that connection */
static int
l_text(lua_State *L)
{
    struct sim_world *world = world_of(L);
    char text[SIM_MAX_MESSAGE];
    size_t len = sim_make_message(world, find_conn(world, luaL_checkinteger(L, 1)), text);

    lua_pushlstring(L, text, len);
    return 1;
}

static int
l_is_resting(lua_State *L)
{
    lua_pushboolean(L, world_of(L)->is_resting);
    return 1;
}

/* jump(): time passes, more than a handler has */
static int
l_jump(lua_State *L)
{
    struct sim_world *world = world_of(L);

    world->kernel.now_ns +=
        (uint64_t)world->options.handler_timeout_ms * KP_NS_PER_MS + KP_NS_PER_MS;
    return 0;
}

/* survived(): it was not ended, although it is late. A handler of on_load has more time. */
static int
l_survived(lua_State *L)
{
    struct sim_world *world = world_of(L);

    if (world->k->script.limits.handler_timeout_ns > 0 &&
        kp_generation_of(L)->watchdog.budget_ns ==
            world->k->script.limits.handler_timeout_ns)
        VIOLATE("a handler is late, and goes on");
    return 0;
}

/* ---- handlers ---------------------------------------------------------------------- */

static void
check_version(lua_State *L, int index)
{
    struct sim_world *world = world_of(L);
    lua_Integer version = luaL_checkinteger(L, index);

    if (version > world->version || world->is_bad[version])
        VIOLATE("R1: version %lld serves, which has to be rejected", version);
}

static void
check_generation(lua_State *L, struct sim_peer *peer, int index)
{
    struct sim_world *world = world_of(L);
    uint64_t generation = (uint64_t)luaL_checkinteger(L, index);
    uint64_t rollbacks = world->k->script.rollbacks;

    if (generation < peer->generation && rollbacks == peer->rollbacks)
        VIOLATE("I10: conn %llu: generation %llu after %llu",
                (unsigned long long)peer->id, (unsigned long long)generation,
                (unsigned long long)peer->generation);
    peer->generation = generation;
    peer->rollbacks = rollbacks;
}

void
sim_script_expect(struct sim_world *world, struct sim_peer *peer, const void *message,
                  size_t len)
{
    sim_append(world, &peer->for_script, &len, sizeof(len));
    sim_append(world, &peer->for_script, message, len);
}

/* Takes the next message that the host saw. Returns whether it is this one. */
static bool
take_expected(struct sim_world *world, struct sim_peer *peer, const char *message,
              size_t len)
{
    const unsigned char *next = kp_buf_bytes(&peer->for_script);
    size_t expected;

    if (next == NULL)
        return false;
    memcpy(&expected, next, sizeof(expected));
    bool is_it = expected == len && memcmp(next + sizeof(expected), message, len) == 0;
    kp_buf_consume(&peer->for_script, &world->kernel.mem, sizeof(expected) + expected);
    return is_it;
}

static void
check_message(lua_State *L, struct sim_peer *peer, int index)
{
    struct sim_world *world = world_of(L);
    size_t len;
    const char *message = luaL_checklstring(L, index, &len);
    bool is_it = take_expected(world, peer, message, len);

    /* Calls that found no memory may have left out some. */
    while (!is_it && world->memory_fails && kp_buf_len(&peer->for_script) > 0)
        is_it = take_expected(world, peer, message, len);
    if (!is_it)
        VIOLATE("I1: conn %llu: the script gets a message that is not the next",
                (unsigned long long)peer->id);
}

/* message(id, generation, version, message) */
static int
l_message(lua_State *L)
{
    struct sim_world *world = world_of(L);
    struct sim_peer *peer = check_peer(L, 1);

    if (peer->script_disconnected || (!peer->script_connected && !world->memory_fails))
        VIOLATE("I3: conn %llu: the script gets a message too early or too late",
                (unsigned long long)peer->id);
    check_generation(L, peer, 2);
    check_version(L, 3);
    check_message(L, peer, 4);
    return 0;
}

/* received(id, generation, version, what, message, code) */
static int
l_received(lua_State *L)
{
    struct sim_world *world = world_of(L);
    struct sim_peer *peer = check_peer(L, 1);

    check_version(L, 3);
    sim_trace(&world->kernel, "    receive of conn %llu: %s",
              (unsigned long long)peer->id,
              lua_isnil(L, 5) ? lua_tostring(L, 6) : "a message");
    if (lua_isnil(L, 5))
        return 0;
    check_message(L, peer, 5);
    if (lua_isinteger(L, 4) && lua_rawlen(L, 5) != (lua_Unsigned)lua_tointeger(L, 4))
        VIOLATE("I1: conn %llu: receive(n) gives %zu bytes", (unsigned long long)peer->id,
                (size_t)lua_rawlen(L, 5));
    return 0;
}

/* connected(id, version) */
static int
l_connected(lua_State *L)
{
    struct sim_world *world = world_of(L);
    struct sim_peer *peer = check_peer(L, 1);

    check_version(L, 2);
    if (peer->script_connected || peer->script_disconnected)
        VIOLATE("I3: conn %llu: the script is told of it twice",
                (unsigned long long)peer->id);
    peer->script_connected = true;
    return 0;
}

/* disconnected(id, version, reason) */
static int
l_disconnected(lua_State *L)
{
    struct sim_world *world = world_of(L);
    struct sim_peer *peer = check_peer(L, 1);

    check_version(L, 2);
    if (peer->script_disconnected || (!peer->script_connected && !world->memory_fails))
        VIOLATE("I3: conn %llu: the script is told of its end %s",
                (unsigned long long)peer->id,
                peer->script_disconnected ? "twice" : "before its beginning");
    if (strcmp(luaL_checkstring(L, 3), peer->reason) != 0)
        VIOLATE("I3: conn %llu: %s, says the script", (unsigned long long)peer->id,
                lua_tostring(L, 3));
    if (kp_buf_len(&peer->for_script) > 0 && !world->memory_fails)
        VIOLATE("I1: conn %llu: the script has not got all messages",
                (unsigned long long)peer->id);
    peer->script_disconnected = true;
    return 0;
}

/* loaded(version, reason) */
static int
l_loaded(lua_State *L)
{
    check_version(L, 1);
    sim_trace(&world_of(L)->kernel, "  on_load of version %lld: %s",
              luaL_checkinteger(L, 1), luaL_checkstring(L, 2));
    return 0;
}

/* ---- sending ----------------------------------------------------------------------- */

static int
error_of(const char *code)
{
    if (strcmp(code, "closed") == 0)
        return KELPIE_ECLOSED;
    if (strcmp(code, "full") == 0)
        return KELPIE_EFULL;
    return strcmp(code, "memory") == 0 ? -ENOMEM : KELPIE_EPROTO;
}

/* sent(id, text, wrapped, ok, code) */
static int
l_sent(lua_State *L)
{
    struct sim_world *world = world_of(L);
    kelpie_conn *conn = find_conn(world, luaL_checkinteger(L, 1));
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    int rc = lua_toboolean(L, 4) ? 0 : error_of(luaL_checkstring(L, 5));

    if (conn != NULL)
        sim_check_sent(world, conn, text, len, lua_toboolean(L, 3), rc);
    else if (rc != KELPIE_ECLOSED)
        VIOLATE("I4: a send to a connection that is gone says %d", rc);
    return 0;
}

/* casting(where, except id, text): where 0 is everybody, else a room */
static int
l_casting(lua_State *L)
{
    struct sim_world *world = world_of(L);
    lua_Integer where = luaL_checkinteger(L, 1);
    size_t len;
    const char *text = luaL_checklstring(L, 3, &len);

    memcpy(world->cast_text, text, len);
    world->cast = (struct sim_cast){
        .room = where == 0 ? NULL : world->rooms[where - 1],
        .except = find_conn(world, luaL_checkinteger(L, 2)),
        .message = world->cast_text,
        .len = len,
        .wrapped = true,
    };
    sim_check_before_cast(world, &world->cast);
    return 0;
}

/* cast(count or nil) */
static int
l_cast(lua_State *L)
{
    struct sim_world *world = world_of(L);

    sim_check_after_cast(world, &world->cast,
                         lua_isnil(L, 1) ? -ENOMEM : (int)luaL_checkinteger(L, 1));
    return 0;
}

/* reframed(id): half of the clients know it, and speak so from now on */
static int
l_reframed(lua_State *L)
{
    struct sim_world *world = world_of(L);
    struct sim_peer *peer = check_peer(L, 1);
    kelpie_conn *conn = find_conn(world, luaL_checkinteger(L, 1));

    if (conn != NULL)
        sim_trace(&world->kernel, "    framing of conn %llu: %d",
                  (unsigned long long)conn->id, conn->framing.kind);
    if (conn != NULL && sim_chance(&world->random, 180))
        peer->framing = conn->framing;
    /* What was left at the end of the stream was no message then, and is gone. */
    if (conn != NULL && conn->input_ended && kp_buf_len(&conn->input) == 0)
        peer->delivered = kp_buf_len(&peer->sent);
    return 0;
}

/* ---- memory ------------------------------------------------------------------------ */

static lua_Integer *
remembered(lua_State *L)
{
    struct sim_world *world = world_of(L);

    return lua_tointeger(L, 1) == 0 ? &world->kept : &check_peer(L, 1)->remembered;
}

/* remembers(id, n): what is found. Where versions with other schemas were rolled back, or a
 * handler goes on in an old version, there are two truths. */
static int
l_remembers(lua_State *L)
{
    struct sim_world *world = world_of(L);
    const struct kp_script *script = &world->k->script;
    bool is_live = kp_generation_of(L) == script->live && script->rollbacks == 0;
    lua_Integer expected = *remembered(L);

    if (is_live && !world->is_forked && luaL_checkinteger(L, 2) != expected)
        VIOLATE("R: conn %lld: its data hold %lld, put there was %lld",
                lua_tointeger(L, 1), lua_tointeger(L, 2), expected);
    return 0;
}

/* remember(id, n): what is put there */
static int
l_remember(lua_State *L)
{
    struct sim_world *world = world_of(L);

    if (kp_generation_of(L) != world->k->script.live)
        world->is_forked = true;
    *remembered(L) = luaL_checkinteger(L, 2);
    return 0;
}

/* ---- the module -------------------------------------------------------------------- */

static const luaL_Reg functions[] = {
    {"choose", l_choose},
    {"text", l_text},
    {"is_resting", l_is_resting},
    {"jump", l_jump},
    {"survived", l_survived},
    {"message", l_message},
    {"received", l_received},
    {"connected", l_connected},
    {"disconnected", l_disconnected},
    {"loaded", l_loaded},
    {"sent", l_sent},
    {"casting", l_casting},
    {"cast", l_cast},
    {"reframed", l_reframed},
    {"remembers", l_remembers},
    {"remember", l_remember},
    {NULL, NULL},
};

int
sim_module_open(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}

/* ---- the end ----------------------------------------------------------------------- */

void
sim_script_check_end(struct sim_world *world)
{
    for (int i = 0; i < world->kernel.n_links; i++) {
        const struct sim_peer *peer = &world->peers[i];
        if (peer->script_connected && !peer->script_disconnected && !world->memory_fails)
            VIOLATE("I3: conn %llu: the script is never told of its end",
                    (unsigned long long)peer->id);
    }
    const struct kp_generation *live = world->k->script.live;
    bool any = !kp_list_is_empty(&live->suspended) || !kp_list_is_empty(&live->ready);
    /* An early end of the server does not wait for those that have no connection. */
    if (any && !world->ended_early)
        VIOLATE("I7: a handler is still suspended");
    lua_rawgeti(live->L, LUA_REGISTRYINDEX, live->conns_ref);
    lua_pushnil(live->L);
    if (lua_next(live->L, -2) != 0) {
        VIOLATE("I7: the script still has a handle of a connection");
        lua_pop(live->L, 2);
    }
    lua_pop(live->L, 1);
}
