/*
 * lua_conn.c - connections, as scripts see them: handles and their fields
 *
 * A script never holds a connection, it holds a handle: a userdata with the pointer, which
 * C clears when the connection is freed. There is one handle per connection and generation,
 * found in the table gen->conns_ref under the connection's number, so that == works and a
 * handle can be a table key. What can be asked after the end (id, number, peer, listener) is
 * in the handle itself. conn.data is its user value, made when it is first asked for.
 *
 * A handle gets its pointer last, when it is in that table: whatever raises before leaves a
 * handle that points nowhere. The methods are in lua_conn_methods.c.
 */
#include "lua_conn.h"

#include <string.h>

#include "net/conns.h"
#include "net/listener.h"

/* ---- handles ------------------------------------------------------------------------- */

/* Pushes the handle of conn if there is one, else nil. Never allocates. [-0, +1] */
static struct kp_lua_conn *
push_known_handle(lua_State *L, const struct kelpie_conn *conn)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, kp_generation_of(L)->conns_ref);
    lua_rawgeti(L, -1, (lua_Integer)conn->number + 1);
    lua_remove(L, -2);
    struct kp_lua_conn *handle = lua_touserdata(L, -1);
    if (handle != NULL && handle->id == conn->id)
        return handle;
    lua_pop(L, 1);
    lua_pushnil(L);
    return NULL;
}

/* Pushes a handle that points nowhere. [-0, +1] */
static struct kp_lua_conn *
new_handle(lua_State *L, uint64_t id, uint32_t number)
{
    struct kp_lua_conn *handle = kp_lua_new(L, &kp_lua_conn_type, sizeof(*handle), 1);

    handle->id = id;
    handle->number = number;
    return handle;
}

void
kp_lua_push_conn(lua_State *L, struct kelpie_conn *conn)
{
    luaL_checkstack(L, 6, "connection");
    if (push_known_handle(L, conn) != NULL)
        return;
    lua_pop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, kp_generation_of(L)->conns_ref);
    struct kp_lua_conn *handle = new_handle(L, conn->id, conn->number);
    handle->peer = conn->peer;
    if (conn->listener != NULL)
        memcpy(handle->listener, conn->listener->name, sizeof(handle->listener));
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, (lua_Integer)conn->number + 1); /* stack: handles handle */
    handle->conn = conn; /* from here on kp_lua_forget_conn finds it */
    lua_remove(L, -2);
}

void
kp_lua_push_conn_id(lua_State *L, uint64_t id, uint32_t number)
{
    struct kp_net *net = kp_generation_of(L)->script->net;
    struct kelpie_conn *conn = kp_conns_at(net, number);

    luaL_checkstack(L, 4, "connection");
    if (conn != NULL && conn->id == id)
        kp_lua_push_conn(L, conn);
    else
        new_handle(L, id, number);
}

void
kp_lua_copy_peer(lua_State *L, lua_State *from, int index)
{
    const struct kp_lua_conn *known = lua_touserdata(from, index);
    struct kp_lua_conn *handle = lua_touserdata(L, -1);

    handle->peer = known->peer;
    memcpy(handle->listener, known->listener, sizeof(handle->listener));
}

struct kelpie_conn *
kp_lua_check_conn(lua_State *L, int index)
{
    const struct kp_lua_conn *handle = kp_lua_check(L, index, &kp_lua_conn_type);

    return handle->conn;
}

struct kelpie_conn *
kp_lua_opt_conn(lua_State *L, int index)
{
    return lua_isnoneornil(L, index) ? NULL : kp_lua_check_conn(L, index);
}

bool
kp_lua_test_conn(lua_State *L, int index, uint64_t *id, uint32_t *number)
{
    const struct kp_lua_conn *handle = kp_lua_test(L, index, &kp_lua_conn_type);

    if (handle == NULL)
        return false;
    *id = handle->id;
    *number = handle->number;
    return true;
}

void
kp_lua_push_conn_data(lua_State *L, struct kelpie_conn *conn)
{
    if (push_known_handle(L, conn) == NULL)
        return; /* nil is on the stack */
    lua_getiuservalue(L, -1, 1);
    lua_remove(L, -2);
}

void
kp_lua_set_conn_data(lua_State *L, struct kelpie_conn *conn)
{
    kp_lua_push_conn(L, conn);
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, 1);
    lua_pop(L, 1);
}

void
kp_lua_forget_conn(struct kp_generation *gen, struct kelpie_conn *conn)
{
    lua_State *L = gen->L;
    lua_Integer place = (lua_Integer)conn->number + 1;

    lua_rawgeti(L, LUA_REGISTRYINDEX, gen->conns_ref);
    lua_rawgeti(L, -1, place);
    struct kp_lua_conn *handle = lua_touserdata(L, -1);
    if (handle != NULL && handle->id == conn->id) {
        handle->conn = NULL;
        lua_pushnil(L);
        lua_rawseti(L, -3, place); /* the key is there: no memory */
    }
    lua_pop(L, 2);
}

/* ---- fields: the handle is at index 1 ------------------------------------------------ */

static int
get_id(lua_State *L)
{
    const struct kp_lua_conn *handle = lua_touserdata(L, 1);

    lua_pushinteger(L, (lua_Integer)handle->id);
    return 1;
}

/* Has a handle of a client its number, or is it one of kelpie.connect? */
static bool
is_outbound(const struct kp_lua_conn *handle)
{
    return (handle->number & KP_OUTBOUND_NUMBER) != 0;
}

static int
get_number(lua_State *L)
{
    const struct kp_lua_conn *handle = lua_touserdata(L, 1);

    if (is_outbound(handle))
        lua_pushnil(L);
    else
        lua_pushinteger(L, (lua_Integer)handle->number);
    return 1;
}

static int
get_peer(lua_State *L)
{
    const struct kp_lua_conn *handle = lua_touserdata(L, 1);
    char text[KP_ADDRESS_TEXT_SIZE];

    kp_peer_format(text, &handle->peer);
    lua_pushstring(L, text);
    return 1;
}

static int
get_listener(lua_State *L)
{
    const struct kp_lua_conn *handle = lua_touserdata(L, 1);

    lua_pushstring(L, handle->listener);
    return 1;
}

static int
get_data(lua_State *L)
{
    if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE)
        return 1;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 1);
    return 1;
}

/* ---- metamethods --------------------------------------------------------------------- */

/* conn.data = {}: the only thing that can be set. */
static int
l_newindex(lua_State *L)
{
    kp_lua_check(L, 1, &kp_lua_conn_type);
    lua_pushliteral(L, "data");
    if (!lua_rawequal(L, 2, -1))
        return kp_lua_refuse_field(L, &kp_lua_conn_type);
    if (!lua_istable(L, 3))
        return luaL_error(L, "conn.data must be a table, not a %s", luaL_typename(L, 3));
    lua_settop(L, 3);
    lua_setiuservalue(L, 1, 1);
    return 0;
}

static int
l_tostring(lua_State *L)
{
    const struct kp_lua_conn *handle = kp_lua_check(L, 1, &kp_lua_conn_type);
    char peer[KP_ADDRESS_TEXT_SIZE];

    kp_peer_format(peer, &handle->peer);
    if (is_outbound(handle))
        lua_pushfstring(L, "connection to %s", peer);
    else
        lua_pushfstring(L, "client #%I (%s)", (lua_Integer)handle->number, peer);
    return 1;
}

static const luaL_Reg fields[] = {
    {"id", get_id},     {"number", get_number},
    {"peer", get_peer}, {"listener", get_listener},
    {"data", get_data}, {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__newindex", l_newindex},
    {"__tostring", l_tostring},
    {NULL, NULL},
};

const struct kp_lua_type kp_lua_conn_type = {
    .kind = KP_LUA_CONN,
    .name = "kelpie.conn",
    .word = "conn",
    .hint = "keep your own values in conn.data",
    .methods = kp_lua_conn_methods,
    .fields = fields,
    .metamethods = metamethods,
};

void
kp_lua_open_conn(lua_State *L)
{
    kp_lua_open_type(L, &kp_lua_conn_type);
}
