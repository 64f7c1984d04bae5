/*
 * host_room.c - rooms for the host, in C
 *
 * The public names of what net/room.c does; nothing is decided here. Lists are copied out, so
 * that a host may close, join and leave while it walks over one.
 */
#include <string.h>

#include "server.h"

int
kelpie_room_open(kelpie *k, kelpie_room **out, const char *name)
{
    if (out == NULL || name == NULL)
        return kp_server_fail_null(k, "room: out or the name");
    int rc = kp_room_open(&k->net, out, name, strlen(name));

    if (rc == KELPIE_EFULL)
        return kp_server_fail(k, rc, "room: too many rooms, or too long a name");
    return rc < 0 ? kp_server_fail(k, rc, "room: out of memory") : rc;
}

void
kelpie_room_close(kelpie_room *room)
{
    if (room != NULL)
        kp_room_unref(room);
}

int
kelpie_room_join(kelpie_room *room, kelpie_conn *conn)
{
    if (conn == NULL)
        return KELPIE_ECLOSED;
    if (conn->net != room->net)
        return KELPIE_EMISUSE; /* of another server, and perhaps of another thread */
    return kp_room_join(room, conn);
}

int
kelpie_room_leave(kelpie_room *room, kelpie_conn *conn)
{
    return conn != NULL ? kp_room_leave(room, conn) : 0;
}

static int
send_parts(kelpie_room *room, const void *bytes, size_t len, bool wrap,
           const kelpie_conn *except)
{
    struct iovec part = kp_server_part(bytes, len);

    if (bytes == NULL && len > 0)
        return KELPIE_EMISUSE;
    return kp_room_send(room, &part, 1, wrap, except);
}

int
kelpie_room_send(kelpie_room *room, const void *message, size_t len,
                 const kelpie_conn *except)
{
    return send_parts(room, message, len, true, except);
}

int
kelpie_room_write(kelpie_room *room, const void *bytes, size_t len,
                  const kelpie_conn *except)
{
    return send_parts(room, bytes, len, false, except);
}

int
kelpie_room_has(const kelpie_room *room, const kelpie_conn *conn)
{
    return conn != NULL && kp_room_has(room, conn);
}

const char *
kelpie_room_name(const kelpie_room *room)
{
    return room->name;
}

size_t
kelpie_room_members(const kelpie_room *room, kelpie_conn **out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < room->count; i++) {
        struct kelpie_conn *conn = room->places[i].conn;
        if (!kp_conn_is_open(conn))
            continue;
        if (n < max && out != NULL)
            out[n] = conn;
        n++;
    }
    return n;
}

size_t
kelpie_conn_rooms(const kelpie_conn *conn, kelpie_room **out, size_t max)
{
    size_t n = 0;

    if (conn == NULL)
        return 0;
    kp_list_each(node, &conn->rooms) {
        if (n < max && out != NULL)
            out[n] = kp_container_of(node, struct kp_member, of_conn)->room;
        n++;
    }
    return n;
}

void
kelpie_conn_leave_all(kelpie_conn *conn)
{
    if (conn != NULL)
        kp_room_leave_all(conn);
}

size_t
kelpie_room_count(const kelpie_room *room)
{
    return kp_room_count(room);
}
