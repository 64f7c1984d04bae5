/*
 * lua_room.c - rooms, as scripts see them
 *
 * A handle holds one reference of its room, given back by the collector. Handles are found
 * by name in gen->rooms_ref, whose values are weak: a room that no script holds and nobody
 * is in costs nothing.
 */
#include <errno.h>

#include "bind.h"

struct handle {
    struct kelpie_room *room; /* NULL while it is being made */
};

static const struct kp_lua_type room_type;

/* ---- handles ------------------------------------------------------------------------- */

struct kelpie_room *
kp_lua_test_room(lua_State *L, int index)
{
    const struct handle *handle = kp_lua_test(L, index, &room_type);

    return handle != NULL ? handle->room : NULL;
}

/* Pushes a handle that holds no room yet. [-0, +1] */
static struct handle *
new_handle(lua_State *L)
{
    return kp_lua_new(L, &room_type, sizeof(struct handle), 0);
}

/* Pushes the handle of that name if the script holds one. [-0, +0 or +1] */
static struct kelpie_room *
push_known_handle(lua_State *L, const char *name, size_t len)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, kp_generation_of(L)->rooms_ref);
    lua_pushlstring(L, name, len);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    const struct handle *handle = lua_touserdata(L, -1);
    if (handle != NULL)
        return handle->room;
    lua_pop(L, 1);
    return NULL;
}

/* Makes the handle at the top the one of its room's name. [-0, +0] */
static void
remember_handle(lua_State *L, const struct kelpie_room *room)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, kp_generation_of(L)->rooms_ref);
    lua_pushlstring(L, room->name, room->name_len);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void
kp_lua_push_room(lua_State *L, struct kelpie_room *room)
{
    luaL_checkstack(L, 4, "room");
    if (push_known_handle(L, room->name, room->name_len) != NULL)
        return;
    struct handle *handle = new_handle(L);
    kp_room_ref(room);
    handle->room = room;
    remember_handle(L, room);
}

/* Pushes the handle of a room, which is made if there is none of that name.
 * Returns   NULL, with nil pushed, when that is against the limits of rooms. [-0, +1] */
static struct kelpie_room *
push_room_named(lua_State *L, const char *name, size_t len)
{
    struct kelpie_room *room = push_known_handle(L, name, len);
    struct kp_net *net = kp_generation_of(L)->script->net;

    if (room != NULL)
        return room;
    if (net->loop == NULL) /* kp_net_clear; variables of the script are being closed */
        luaL_error(L, "the server has ended; there are no rooms any more");
    struct handle *handle = new_handle(L);
    int rc = kp_room_open(net, &handle->room, name, len);
    if (rc == KELPIE_EFULL) {
        lua_pop(L, 1);
        lua_pushnil(L);
        return NULL;
    }
    if (rc < 0)
        luaL_error(L, "not enough memory");
    remember_handle(L, handle->room);
    return handle->room;
}

struct kelpie_room *
kp_lua_check_room(lua_State *L, int index)
{
    struct kelpie_room *room = kp_lua_test_room(L, index);

    if (room != NULL)
        return room;
    size_t len = 0;
    const char *name =
        lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &len) : NULL;
    if (name == NULL)
        luaL_typeerror(L, index, "room or its name");
    room = push_room_named(L, name, len);
    lua_replace(L, index); /* the argument's place keeps the handle alive */
    return room;
}

int
kp_lua_push_joined(lua_State *L, int result)
{
    return result == KELPIE_EFULL ? kp_lua_push_no_room(L)
                                  : kp_lua_push_changed(L, result);
}

int
kp_lua_push_no_room(lua_State *L)
{
    return kp_lua_push_failure(L, "too many rooms, or too long a name", "full");
}

/* The room of a method's handle. */
static struct kelpie_room *
check_self(lua_State *L, const char *method)
{
    const struct handle *handle = kp_lua_check_self(L, &room_type, method);

    return handle->room;
}

static int
l_gc(lua_State *L)
{
    struct handle *handle = lua_touserdata(L, 1);

    if (handle->room != NULL)
        kp_room_unref(handle->room);
    handle->room = NULL;
    return 0;
}

/* ---- functions and methods ----------------------------------------------------------- */

/***
Finds or makes the room of that name. Allowed while loading.
@function room
@string name any bytes
@treturn[1] kelpie.room the same one for the same name
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "full" beyond the limits of rooms
@usage local lobby = kelpie.room("lobby")
*/
static int
l_room(lua_State *L)
{
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);

    if (push_room_named(L, name, len) == NULL)
        return kp_lua_push_no_room(L);
    return 1;
}

/***
Adds a connection.
@function room:join
@tparam kelpie.conn conn
@treturn[1] boolean whether it was not in it
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed" or "memory"
@usage lobby:join(conn)
*/
static int
l_join(lua_State *L)
{
    struct kelpie_room *room = check_self(L, "room:join");
    struct kelpie_conn *conn = kp_lua_check_conn(L, 2);

    kp_generation_check_serving(L, "room:join");
    return conn == NULL ? kp_lua_push_closed(L)
                        : kp_lua_push_joined(L, kp_room_join(room, conn));
}

/***
Takes a connection out.
@function room:leave
@tparam kelpie.conn conn
@treturn[1] boolean whether it was in it
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
@usage lobby:leave(conn)
*/
static int
l_leave(lua_State *L)
{
    struct kelpie_room *room = check_self(L, "room:leave");
    struct kelpie_conn *conn = kp_lua_check_conn(L, 2);

    kp_generation_check_serving(L, "room:leave");
    return conn == NULL ? kp_lua_push_closed(L)
                        : kp_lua_push_changed(L, kp_room_leave(room, conn));
}

/***
Tells whether a connection is in the room.
@function room:has
@tparam kelpie.conn conn
@treturn boolean
@usage if lobby:has(conn) then lobby:leave(conn) end
*/
static int
l_has(lua_State *L)
{
    struct kelpie_room *room = check_self(L, "room:has");
    struct kelpie_conn *conn = kp_lua_check_conn(L, 2);

    lua_pushboolean(L, conn != NULL && kp_room_has(room, conn));
    return 1;
}

/* Sends argument 2 to all members but argument 3. */
static int
send_to_room(lua_State *L, const char *name, bool wrap)
{
    struct kelpie_room *room = check_self(L, name);
    struct iovec part = kp_lua_check_part(L, 2);
    struct kelpie_conn *except = kp_lua_opt_conn(L, 3);

    kp_generation_check_serving(L, name);
    return kp_lua_push_count(L, kp_room_send(room, &part, 1, wrap, except));
}

/***
Sends one message to every member.
@function room:send
@tparam string|number message
@tparam[opt] kelpie.conn except one that does not get it
@treturn[1] integer how many took it
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "memory"
@usage lobby:send(line, conn)
*/
static int
l_send(lua_State *L)
{
    return send_to_room(L, "room:send", true);
}

/***
Sends bytes as they are to every member.
@function room:write
@tparam string|number bytes
@tparam[opt] kelpie.conn except
@treturn[1] integer how many took it
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "memory"
@usage lobby:write("\7")
*/
static int
l_write(lua_State *L)
{
    return send_to_room(L, "room:write", false);
}

/* upvalue 1: the members as they were; 2: the next place */
static int
next_member(lua_State *L)
{
    lua_Integer place = lua_tointeger(L, lua_upvalueindex(2));

    while (lua_rawgeti(L, lua_upvalueindex(1), place) != LUA_TNIL) {
        const struct kelpie_conn *conn = kp_lua_check_conn(L, -1);
        place++;
        if (conn != NULL && kp_conn_is_open(conn)) {
            lua_pushinteger(L, place);
            lua_replace(L, lua_upvalueindex(2));
            return 1;
        }
        lua_pop(L, 1);
    }
    return 1; /* nil */
}

/***
Walks the members that are open; joining and leaving meanwhile change nothing.
@function room:members
@treturn function iterator of kelpie.conn
@usage for conn in lobby:members() do conn:send("hello") end
*/
static int
l_members(lua_State *L)
{
    struct kelpie_room *room = check_self(L, "room:members");

    kp_generation_check_serving(L, "room:members");
    lua_newtable(L);
    for (size_t i = 0; i < room->count; i++) {
        kp_lua_push_conn(L, room->places[i].conn);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pushinteger(L, 1);
    lua_pushcclosure(L, next_member, 2);
    return 1;
}

/* ---- fields and metamethods ---------------------------------------------------------- */

static int
get_name(lua_State *L)
{
    const struct handle *handle = lua_touserdata(L, 1);

    lua_pushlstring(L, handle->room->name, handle->room->name_len);
    return 1;
}

/* #room: how many members are open. */
static int
l_len(lua_State *L)
{
    const struct handle *handle = kp_lua_check(L, 1, &room_type);

    lua_pushinteger(L, (lua_Integer)kp_room_count(handle->room));
    return 1;
}

static int
l_tostring(lua_State *L)
{
    kp_lua_check(L, 1, &room_type);
    lua_pushliteral(L, "room ");
    get_name(L);
    lua_concat(L, 2);
    return 1;
}

static const luaL_Reg methods[] = {
    {"join", l_join},   {"leave", l_leave},     {"has", l_has}, {"send", l_send},
    {"write", l_write}, {"members", l_members}, {NULL, NULL},
};

static const luaL_Reg fields[] = {
    {"name", get_name},
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__gc", l_gc},
    {"__len", l_len},
    {"__tostring", l_tostring},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"room", l_room},
    {NULL, NULL},
};

static const struct kp_lua_type room_type = {
    .kind = KP_LUA_ROOM,
    .name = "kelpie.room",
    .word = "room",
    .hint = "keep your own values in a table",
    .methods = methods,
    .fields = fields,
    .metamethods = metamethods,
};

void
kp_lua_open_room(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
    kp_lua_open_type(L, &room_type);
}
