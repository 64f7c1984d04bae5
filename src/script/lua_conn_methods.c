/*
 * lua_conn_methods.c - what a script can do with a connection
 *
 * Every method of a handle whose connection is closed or gone answers nil, "connection
 * closed", "closed"; none of them touches memory that is not there. While a script loads,
 * they raise: nothing may reach a client before the script is accepted.
 */
#include <limits.h>
#include <string.h>

#include "lua_conn.h"
#include "net/conn.h"
#include "task.h"

/* The connection of a method's handle, or NULL when it is gone. */
static struct kelpie_conn *
check_self(lua_State *L, const char *method)
{
    const struct kp_lua_conn *handle = kp_lua_check_self(L, &kp_lua_conn_type, method);

    kp_generation_check_serving(L, method);
    return handle->conn;
}

static bool
is_open(const struct kelpie_conn *conn)
{
    return conn != NULL && kp_conn_is_open(conn);
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
    struct kelpie_conn *conn = check_self(L, "conn:send");
    struct kp_lua_parts parts;

    kp_lua_check_parts(L, 2, &parts);
    if (conn == NULL)
        return kp_lua_push_closed(L);
    return kp_lua_push_result(L, kp_conn_send(conn, parts.iov, parts.n));
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
    struct kelpie_conn *conn = check_self(L, "conn:write");
    struct kp_lua_parts parts;

    kp_lua_check_parts(L, 2, &parts);
    if (conn == NULL)
        return kp_lua_push_closed(L);
    return kp_lua_push_result(L, kp_conn_write(conn, parts.iov, parts.n));
}

/* ---- receiving ----------------------------------------------------------------------- */

/* Reads what conn:receive is to wait for. Returns NULL for a message in the framing. */
static const struct kp_framing *
check_what(lua_State *L, int index, struct kp_framing *out)
{
    if (lua_isnoneornil(L, index))
        return NULL;

    int is_integer;
    lua_Integer n = lua_tointegerx(L, index, &is_integer);
    memset(out, 0, sizeof(*out));
    if (lua_type(L, index) == LUA_TNUMBER && is_integer && n >= 1) {
        out->kind = KP_FRAME_FIXED;
        out->fixed_size = n < INT_MAX ? (size_t)n : INT_MAX; /* above each max_message */
        return out;
    }
    if (lua_type(L, index) != LUA_TSTRING || strcmp(lua_tostring(L, index), "line") != 0)
        luaL_argerror(L, index,
                      "nil, \"line\" or a number of bytes, at least 1, expected");
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
@usage local name, why = conn:receive("line", 30)
*/
static int
l_receive(lua_State *L)
{
    struct kelpie_conn *conn = check_self(L, "conn:receive");
    struct kp_framing framing;
    const struct kp_framing *once = check_what(L, 2, &framing);
    uint64_t timeout_ns = lua_isnoneornil(L, 3) ? KP_NEVER : kp_lua_check_seconds(L, 3);

    if (conn == NULL)
        return kp_lua_push_closed(L);
    /* Of a connection that lives there is a handle in gen->conns_ref until after this run. */
    kp_generation_of(L)->own_handle = lua_touserdata(L, 1);
    if (once != NULL && once->kind == KP_FRAME_FIXED &&
        once->fixed_size > conn->max_message)
        luaL_argerror(L, 2, "more bytes than max_message allows");
    return kp_task_receive(L, conn, once, timeout_ns);
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
    struct kelpie_conn *conn = check_self(L, "conn:set_framing");
    struct kp_framing framing;

    kp_framing_check(L, 2, &framing);
    if (!is_open(conn))
        return kp_lua_push_closed(L);
    if (framing.kind == KP_FRAME_FIXED && framing.fixed_size > conn->max_message)
        luaL_argerror(L, 2, "more bytes than max_message allows");
    framing.deliver_partial = conn->framing.deliver_partial; /* of the handlers table */
    kp_conn_set_framing(conn, &framing);
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
    struct kelpie_conn *conn = check_self(L, "conn:close");
    const char *reason = luaL_optstring(L, 2, "closed");

    if (!is_open(conn))
        return kp_lua_push_closed(L);
    kp_conn_close(conn, reason);
    return kp_lua_push_result(L, 0);
}

/***
Closes at once with a reset; what is queued is lost. on_disconnect sees "aborted".
@function conn:abort
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
@usage conn:abort()
*/
static int
l_abort(lua_State *L)
{
    struct kelpie_conn *conn = check_self(L, "conn:abort");

    if (conn == NULL || conn->state == KP_CONN_CLOSED)
        return kp_lua_push_closed(L);
    kp_conn_drop(conn, "aborted", true);
    return kp_lua_push_result(L, 0);
}

/***
Says that nothing more will be sent: the peer sees the end of the stream when all that is queued
is sent. What it sends is delivered as before.
@function conn:finish
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
@usage server:send(question) server:finish() local answer = server:receive(nil, 5)
*/
static int
l_finish(lua_State *L)
{
    struct kelpie_conn *conn = check_self(L, "conn:finish");

    if (!is_open(conn))
        return kp_lua_push_closed(L);
    kp_conn_finish(conn);
    return kp_lua_push_result(L, 0);
}

/***
Stops reading; messages wait in the kernel, and the client with them.
@function conn:pause
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
@usage conn:pause()
*/
static int
l_pause(lua_State *L)
{
    struct kelpie_conn *conn = check_self(L, "conn:pause");

    if (!is_open(conn))
        return kp_lua_push_closed(L);
    kp_conn_pause(conn);
    return kp_lua_push_result(L, 0);
}

/***
Goes on reading.
@function conn:resume
@treturn[1] boolean true
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
@usage conn:resume()
*/
static int
l_resume(lua_State *L)
{
    struct kelpie_conn *conn = check_self(L, "conn:resume");

    if (!is_open(conn))
        return kp_lua_push_closed(L);
    kp_conn_resume(conn);
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
@usage conn:set_timeout(60)
*/
static int
l_set_timeout(lua_State *L)
{
    struct kelpie_conn *conn = check_self(L, "conn:set_timeout");
    uint64_t ns = lua_isnoneornil(L, 2)
                      ? kp_generation_of(L)->script->net->limits.idle_timeout_ns
                      : kp_lua_check_seconds(L, 2);

    if (!is_open(conn))
        return kp_lua_push_closed(L);
    kp_conn_set_idle_timeout(conn, ns);
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
@treturn[2] string code: "closed", "full" or "memory"
@usage conn:join("lobby")
*/
static int
l_join(lua_State *L)
{
    struct kelpie_conn *conn = check_self(L, "conn:join");
    struct kelpie_room *room = kp_lua_check_room(L, 2);

    if (conn == NULL)
        return kp_lua_push_closed(L);
    if (room == NULL)
        return kp_lua_push_no_room(L);
    return kp_lua_push_joined(L, kp_room_join(room, conn));
}

/***
Leaves a room.
@function conn:leave
@tparam kelpie.room|string room
@treturn[1] boolean whether it was in it
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
@usage conn:leave(lobby)
*/
static int
l_leave(lua_State *L)
{
    struct kelpie_conn *conn = check_self(L, "conn:leave");
    struct kelpie_room *room = kp_lua_check_room(L, 2);

    if (conn == NULL)
        return kp_lua_push_closed(L);
    if (room == NULL)
        return kp_lua_push_no_room(L);
    return kp_lua_push_changed(L, kp_room_leave(room, conn));
}

/***
Lists the rooms that the connection is in, still in its on_disconnect.
@function conn:rooms
@treturn[1] {kelpie.room,...} in no particular order
@treturn[2] nil
@treturn[2] string message
@treturn[2] string code: "closed"
@usage for _, room in ipairs(conn:rooms()) do room:send("bye", conn) end
*/
static int
l_rooms(lua_State *L)
{
    struct kelpie_conn *conn = check_self(L, "conn:rooms");

    if (conn == NULL)
        return kp_lua_push_closed(L);
    lua_newtable(L);
    lua_Integer n = 0;
    kp_list_each(node, &conn->rooms) {
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
@treturn boolean false too for one that is closing
@usage if conn:is_open() then conn:send("still there?") end
*/
static int
l_is_open(lua_State *L)
{
    const struct kp_lua_conn *handle =
        kp_lua_check_self(L, &kp_lua_conn_type, "conn:is_open");

    lua_pushboolean(L, is_open(handle->conn));
    return 1;
}

/***
Tells how much is queued and not written yet.
@function conn:queued
@treturn integer bytes; 0 for one that is gone
@usage if conn:queued() > 65536 then conn:pause() end
*/
static int
l_queued(lua_State *L)
{
    const struct kp_lua_conn *handle =
        kp_lua_check_self(L, &kp_lua_conn_type, "conn:queued");

    lua_pushinteger(L, handle->conn ? (lua_Integer)handle->conn->outbox.len : 0);
    return 1;
}

/***
Tells whether more should be sent. From half of its soft limit on, or when it has refused
something, an outbox has no room until it is empty; then on_drain is called.
@function conn:has_room
@treturn boolean false too for one that is closing
@usage while source[n] and conn:has_room() do conn:send(source[n]) n = n + 1 end
*/
static int
l_has_room(lua_State *L)
{
    const struct kp_lua_conn *handle =
        kp_lua_check_self(L, &kp_lua_conn_type, "conn:has_room");

    lua_pushboolean(L, is_open(handle->conn) && !handle->conn->finishing &&
                           !handle->conn->over_mark);
    return 1;
}

const luaL_Reg kp_lua_conn_methods[] = {
    {"send", l_send},       {"write", l_write},
    {"receive", l_receive}, {"set_framing", l_set_framing},
    {"finish", l_finish},   {"close", l_close},
    {"abort", l_abort},     {"pause", l_pause},
    {"resume", l_resume},   {"set_timeout", l_set_timeout},
    {"join", l_join},       {"leave", l_leave},
    {"rooms", l_rooms},     {"is_open", l_is_open},
    {"queued", l_queued},   {"has_room", l_has_room},
    {NULL, NULL},
};
