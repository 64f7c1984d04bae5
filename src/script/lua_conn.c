/*
 * lua_conn.c - connections, as scripts see them
 *
 * A script never holds a connection, it holds a handle: a userdata with the pointer, which
 * C clears when the connection is freed. There is one handle per connection and generation,
 * found in the table gen->conns_ref under the connection's number, so that == works and a
 * handle can be a table key. What can be asked after the end (id, number, peer, listener) is
 * in the handle itself. conn.data is its user value, made when it is first asked for.
 *
 * Every method of a handle whose connection is closed or gone answers nil, "connection
 * closed", "closed"; none of them touches memory that is not there.
 */
#include <inttypes.h>
#include <string.h>

#include "bind.h"
#include "net/conns.h"
#include "net/listener.h"
#include "task.h"

struct handle {
    struct kelpie_conn *conn; /* NULL: gone */
    uint64_t id;
    uint32_t number;
    union kp_peer peer;
    const char *listener; /* lives as long as the server */
};

static const char metatable_key; /* its address is the registry's key */

/* ---- handles ------------------------------------------------------------------------- */

/* Returns the handle at index, or NULL. Never raises. */
static struct handle *
test_handle(lua_State *L, int index)
{
    struct handle *handle = lua_touserdata(L, index);

    if (handle == NULL || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
    bool is_handle = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_handle ? handle : NULL;
}

static struct handle *
check_handle(lua_State *L, int index)
{
    struct handle *handle = test_handle(L, index);

    if (handle == NULL)
        luaL_argerror(L, index,
                      lua_pushfstring(L,
                                      "a connection expected, got %s; methods are called "
                                      "with a colon, conn:send(...)",
                                      luaL_typename(L, index)));
    return handle;
}

/* The handle of a method's first argument, when the script serves. */
static struct handle *
check_self(lua_State *L, const char *name)
{
    struct handle *handle = check_handle(L, 1);

    kp_generation_check_serving(L, name);
    return handle;
}

/* Makes a handle. [-0, +1] */
static struct handle *
new_handle(lua_State *L)
{
    struct handle *handle = lua_newuserdatauv(L, sizeof(*handle), 1);

    memset(handle, 0, sizeof(*handle));
    handle->listener = "";
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
    lua_setmetatable(L, -2);
    return handle;
}

/* Pushes the handle of conn if there is one, else nil. Never allocates. [-0, +1] */
static struct handle *
push_known_handle(lua_State *L, const struct kelpie_conn *conn)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, kp_generation_of(L)->conns_ref);
    lua_rawgeti(L, -1, (lua_Integer)conn->number + 1);
    lua_remove(L, -2);
    struct handle *handle = lua_touserdata(L, -1);
    if (handle != NULL && handle->id == conn->id)
        return handle;
    if (handle != NULL) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
    return NULL;
}

void
kp_lua_push_conn(lua_State *L, struct kelpie_conn *conn)
{
    luaL_checkstack(L, 4, "connection");
    if (push_known_handle(L, conn) != NULL)
        return;
    lua_pop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, kp_generation_of(L)->conns_ref);
    struct handle *handle = new_handle(L);
    handle->id = conn->id;
    handle->number = conn->number;
    handle->peer = conn->peer;
    if (conn->listener != NULL)
        handle->listener = conn->listener->name;
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, (lua_Integer)conn->number + 1);
    handle->conn = conn; /* from here on kp_lua_forget_conn finds it */
    lua_remove(L, -2);
}

void
kp_lua_push_conn_id(lua_State *L, uint64_t id, uint32_t number)
{
    struct kp_net *net = kp_generation_of(L)->script->net;
    struct kelpie_conn *conn =
        number < net->by_number_capacity ? net->by_number[number] : NULL;

    if (conn != NULL && conn->id == id) {
        kp_lua_push_conn(L, conn);
        return;
    }
    luaL_checkstack(L, 3, "connection");
    struct handle *handle = new_handle(L);
    handle->id = id;
    handle->number = number;
}

struct kelpie_conn *
kp_lua_check_conn(lua_State *L, int index)
{
    return check_handle(L, index)->conn;
}

struct kelpie_conn *
kp_lua_opt_conn(lua_State *L, int index)
{
    return lua_isnoneornil(L, index) ? NULL : check_handle(L, index)->conn;
}

bool
kp_lua_test_conn(lua_State *L, int index, uint64_t *id, uint32_t *number)
{
    const struct handle *handle = test_handle(L, index);

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
    struct handle *handle = push_known_handle(L, conn);

    lua_pop(L, 1);
    if (handle == NULL)
        return;
    handle->conn = NULL;
    lua_rawgeti(L, LUA_REGISTRYINDEX, gen->conns_ref);
    lua_pushnil(L);
    lua_rawseti(L, -2, (lua_Integer)conn->number + 1); /* the key is there: no memory */
    lua_pop(L, 1);
}

/* ---- sending ------------------------------------------------------------------------- */

/***
Queues one message in the connection's framing; the arguments are joined.
@function conn:send
@tparam string|number ...
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed", "full", "protocol" or "memory"
@usage conn:send("hello ", name)
*/
static int
l_send(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:send");
    struct kp_lua_parts parts;

    kp_lua_check_parts(L, 2, &parts);
    if (handle->conn == NULL)
        return kp_lua_push_closed(L);
    return kp_lua_push_result(L, kp_conn_send(handle->conn, parts.iov, parts.n));
}

/***
Queues bytes as they are, whatever the framing.
@function conn:write
@tparam string|number ...
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed", "full" or "memory"
@usage conn:write("\27[2J")
*/
static int
l_write(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:write");
    struct kp_lua_parts parts;

    kp_lua_check_parts(L, 2, &parts);
    if (handle->conn == NULL)
        return kp_lua_push_closed(L);
    return kp_lua_push_result(L, kp_conn_write(handle->conn, parts.iov, parts.n));
}

/* ---- receiving ----------------------------------------------------------------------- */

/* Reads what conn:receive is to wait for. Returns NULL for a message in the framing. */
static const struct kp_framing *
check_what(lua_State *L, int index, struct kp_framing *out)
{
    if (lua_isnoneornil(L, index))
        return NULL;
    memset(out, 0, sizeof(*out));
    if (lua_isinteger(L, index)) {
        lua_Integer n = lua_tointeger(L, index);
        if (n < 1)
            luaL_argerror(L, index, "at least 1 byte");
        out->kind = KP_FRAME_FIXED;
        out->fixed_size = (size_t)n;
        return out;
    }
    if (lua_type(L, index) != LUA_TSTRING || strcmp(lua_tostring(L, index), "line") != 0)
        luaL_argerror(L, index, "nil, \"line\" or a number of bytes expected");
    out->kind = KP_FRAME_LINE;
    return out;
}

/***
Waits for the next message, for a line, or for n bytes; suspends this handler.
@function conn:receive
@tparam[opt] string|integer what "line", or how many bytes; nil: a message in the framing
@tparam[opt] number seconds how long at most; nil: no limit
@treturn[1] string the message
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed", "timeout" or "retired"
@usage local name = conn:receive("line", 30)
*/
static int
l_receive(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:receive");
    struct kp_framing framing;
    const struct kp_framing *once = check_what(L, 2, &framing);
    uint64_t timeout_ns = lua_isnoneornil(L, 3) ? KP_NEVER : kp_lua_check_seconds(L, 3);

    if (handle->conn == NULL)
        return kp_lua_push_closed(L);
    if (once != NULL && once->kind == KP_FRAME_FIXED &&
        once->fixed_size > handle->conn->max_message)
        luaL_argerror(L, 2, "more bytes than max_message");
    return kp_task_receive(L, handle->conn, once, timeout_ns);
}

/***
Cuts messages in another way, from the next byte on that was not delivered yet.
@function conn:set_framing
@tparam string|table framing as in the handlers table
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
@usage conn:set_framing({ "length", bytes = 4 })
*/
static int
l_set_framing(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:set_framing");
    struct kp_framing framing;

    kp_framing_check(L, 2, &framing);
    if (handle->conn == NULL || !kp_conn_is_open(handle->conn))
        return kp_lua_push_closed(L);
    kp_conn_set_framing(handle->conn, &framing);
    return kp_lua_push_result(L, 0);
}

/* ---- ending and pausing -------------------------------------------------------------- */

/***
Closes after what is queued is sent.
@function conn:close
@tparam[opt="closed"] string reason what on_disconnect will see; at most 63 bytes
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
@usage conn:close("bye")
*/
static int
l_close(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:close");
    const char *reason = luaL_optstring(L, 2, "closed");

    if (handle->conn == NULL || !kp_conn_is_open(handle->conn))
        return kp_lua_push_closed(L);
    kp_conn_close(handle->conn, reason);
    return kp_lua_push_result(L, 0);
}

/***
Closes at once with a reset; what is queued is lost. on_disconnect sees "aborted".
@function conn:abort
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
*/
static int
l_abort(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:abort");

    if (handle->conn == NULL || handle->conn->state == KP_CONN_CLOSED)
        return kp_lua_push_closed(L);
    kp_conn_drop(handle->conn, "aborted", true);
    return kp_lua_push_result(L, 0);
}

/***
Stops reading; messages wait in the kernel, and the client with them.
@function conn:pause
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
*/
static int
l_pause(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:pause");

    if (handle->conn == NULL || !kp_conn_is_open(handle->conn))
        return kp_lua_push_closed(L);
    kp_conn_pause(handle->conn);
    return kp_lua_push_result(L, 0);
}

/***
Goes on reading.
@function conn:resume
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
*/
static int
l_resume(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:resume");

    if (handle->conn == NULL || !kp_conn_is_open(handle->conn))
        return kp_lua_push_closed(L);
    kp_conn_resume(handle->conn);
    return kp_lua_push_result(L, 0);
}

/***
Sets how long nothing may be read or written before the connection is closed.
@function conn:set_timeout
@tparam[opt] number seconds 0: no limit; nil: the server's
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
*/
static int
l_set_timeout(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:set_timeout");
    uint64_t ns = lua_isnoneornil(L, 2)
                      ? kp_generation_of(L)->script->net->limits.idle_timeout_ns
                      : kp_lua_check_seconds(L, 2);

    if (handle->conn == NULL || !kp_conn_is_open(handle->conn))
        return kp_lua_push_closed(L);
    kp_conn_set_idle_timeout(handle->conn, ns);
    return kp_lua_push_result(L, 0);
}

/* ---- rooms --------------------------------------------------------------------------- */

/***
Joins a room.
@function conn:join
@tparam kelpie.room|string room a room, or its name
@treturn[1] boolean whether it was not in it
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed" or "memory"
*/
static int
l_join(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:join");
    struct kelpie_room *room = kp_lua_check_room(L, 2);

    if (handle->conn == NULL)
        return kp_lua_push_closed(L);
    return kp_lua_push_changed(L, kp_room_join(room, handle->conn));
}

/***
Leaves a room.
@function conn:leave
@tparam kelpie.room|string room
@treturn[1] boolean whether it was in it
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
*/
static int
l_leave(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:leave");
    struct kelpie_room *room = kp_lua_check_room(L, 2);

    if (handle->conn == NULL)
        return kp_lua_push_closed(L);
    return kp_lua_push_changed(L, kp_room_leave(room, handle->conn));
}

/***
Lists the rooms that the connection is in.
@function conn:rooms
@treturn[1] {kelpie.room,...} in no particular order
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
*/
static int
l_rooms(lua_State *L)
{
    struct handle *handle = check_self(L, "conn:rooms");

    if (handle->conn == NULL)
        return kp_lua_push_closed(L);
    lua_newtable(L);
    lua_Integer n = 0;
    kp_list_each(node, &handle->conn->rooms) {
        struct kp_member *member = kp_container_of(node, struct kp_member, of_conn);
        kp_lua_push_room(L, member->room);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* ---- questions ----------------------------------------------------------------------- */

/***
Tells whether messages can still be sent.
@function conn:is_open
@treturn boolean
*/
static int
l_is_open(lua_State *L)
{
    const struct kelpie_conn *conn = check_handle(L, 1)->conn;

    lua_pushboolean(L, conn != NULL && kp_conn_is_open(conn));
    return 1;
}

/***
Tells how much is queued and not written yet.
@function conn:queued
@treturn integer bytes; 0 for one that is gone
*/
static int
l_queued(lua_State *L)
{
    const struct kelpie_conn *conn = check_handle(L, 1)->conn;

    lua_pushinteger(L, conn != NULL ? (lua_Integer)conn->outbox.len : 0);
    return 1;
}

/* ---- fields -------------------------------------------------------------------------- */

/* Pushes conn.data, which is made when it is first asked for. */
static int
push_data(lua_State *L)
{
    if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE)
        return 1;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, 1);
    return 1;
}

static int
push_peer(lua_State *L, const struct handle *handle)
{
    char text[KP_ADDRESS_TEXT_SIZE];

    kp_peer_format(text, &handle->peer);
    lua_pushstring(L, text);
    return 1;
}

/* The names that an unknown one is compared with. */
static const char *const field_names[] = {
    "data",    "id",   "listener",    "number",      "peer",   "abort",   "close",
    "is_open", "join", "leave",       "pause",       "queued", "receive", "resume",
    "rooms",   "send", "set_framing", "set_timeout", "write",
};

static int
unknown_field(lua_State *L)
{
    return kp_lua_unknown_field(L, "a connection",
                                "; keep values of your own in conn.data", field_names,
                                sizeof(field_names) / sizeof(field_names[0]));
}

/* upvalue 1: the table of methods */
static int
l_index(lua_State *L)
{
    const struct handle *handle = check_handle(L, 1);

    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(name, "data") == 0)
        return push_data(L);
    if (strcmp(name, "number") == 0)
        lua_pushinteger(L, (lua_Integer)handle->number);
    else if (strcmp(name, "id") == 0)
        lua_pushinteger(L, (lua_Integer)handle->id);
    else if (strcmp(name, "peer") == 0)
        return push_peer(L, handle);
    else if (strcmp(name, "listener") == 0)
        lua_pushstring(L, handle->listener);
    else
        return unknown_field(L);
    return 1;
}

static int
l_newindex(lua_State *L)
{
    check_handle(L, 1);
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";

    if (strcmp(name, "data") != 0)
        return luaL_error(L,
                          "a connection's field '%s' cannot be set; keep values of your "
                          "own in conn.data",
                          lua_type(L, 2) == LUA_TSTRING ? name : luaL_typename(L, 2));
    if (!lua_istable(L, 3))
        return luaL_error(L, "conn.data must be a table, not a %s", luaL_typename(L, 3));
    lua_settop(L, 3);
    lua_setiuservalue(L, 1, 1);
    return 0;
}

static int
l_tostring(lua_State *L)
{
    const struct handle *handle = check_handle(L, 1);
    char peer[KP_ADDRESS_TEXT_SIZE];

    kp_peer_format(peer, &handle->peer);
    lua_pushfstring(L, "client #%I (%s)", (lua_Integer)handle->number, peer);
    return 1;
}

static const luaL_Reg methods[] = {
    {"send", l_send},
    {"write", l_write},
    {"receive", l_receive},
    {"set_framing", l_set_framing},
    {"close", l_close},
    {"abort", l_abort},
    {"pause", l_pause},
    {"resume", l_resume},
    {"set_timeout", l_set_timeout},
    {"join", l_join},
    {"leave", l_leave},
    {"rooms", l_rooms},
    {"is_open", l_is_open},
    {"queued", l_queued},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__newindex", l_newindex},
    {"__tostring", l_tostring},
    {NULL, NULL},
};

void
kp_lua_open_conn(lua_State *L)
{
    luaL_newlib(L, metamethods);
    luaL_newlib(L, methods);
    lua_pushcclosure(L, l_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, "kelpie.conn");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
}
