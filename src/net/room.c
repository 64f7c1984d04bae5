/*
 * room.c - named sets of connections
 *
 * A membership is one small struct in a list of the connection, and knows its place in the
 * room's array, so that joining, leaving and leaving all rooms cost no search through a room. The
 * last one moves to the place of who leaves. A room is found by name in the net's map; names
 * come from clients in many a chat, hence the keyed hash.
 *
 *     kept alive by   members (count) and handles of scripts (refs)
 *     freed           when both are 0, at once: nobody can name it any more
 *
 * Names, rooms and memberships come from clients in many a script, so they have limits: of a
 * name's length, of the rooms of one connection, and of the bytes of all of them together.
 *
 * A closed connection stays a member until its on_disconnect has run, so that the handler
 * still sees the rooms it was in; it is not sent to and not counted by kp_room_count.
 */
#include "room.h"

#include <errno.h>
#include <string.h>

static struct kelpie_room *
find_room(const struct kp_net *net, uint64_t hash, const char *name, size_t len)
{
    struct kp_map_node *node = kp_map_first(&net->rooms, hash);

    for (; node != NULL; node = kp_map_next(node)) {
        struct kelpie_room *room = kp_container_of(node, struct kelpie_room, by_name);
        if (room->name_len == len && memcmp(room->name, name, len) == 0)
            return room;
    }
    return NULL;
}

/* Whether size more bytes may be kept. */
static bool
has_memory(const struct kp_net *net, size_t size)
{
    return net->room_bytes <= KP_ROOM_MEMORY && size <= KP_ROOM_MEMORY - net->room_bytes;
}

static size_t
room_size(size_t name_len)
{
    return sizeof(struct kelpie_room) + name_len + 1;
}

static size_t
places_size(const struct kelpie_room *room)
{
    return room->capacity * sizeof(*room->places);
}

static struct kelpie_room *
new_room(struct kp_net *net, uint64_t hash, const char *name, size_t len)
{
    struct kelpie_room *room = kp_mem_zalloc(&net->env->mem, room_size(len));
    if (room == NULL)
        return NULL;
    room->net = net;
    room->mem = &net->env->mem;
    room->name_len = len;
    memcpy(room->name, name, len);
    if (kp_map_add(&net->rooms, &room->by_name, hash) < 0) {
        kp_mem_free(&net->env->mem, room, room_size(len));
        return NULL;
    }
    net->n_rooms++;
    net->room_bytes += room_size(len);
    return room;
}

static void
free_if_unused(struct kelpie_room *room)
{
    if (room->refs > 0 || room->count > 0)
        return;
    if (room->net != NULL) {
        kp_map_remove(&room->net->rooms, &room->by_name);
        room->net->n_rooms--;
        room->net->room_bytes -= room_size(room->name_len) + places_size(room);
    }
    kp_mem_free(room->mem, room->places, places_size(room));
    kp_mem_free(room->mem, room, room_size(room->name_len));
}

int
kp_room_open(struct kp_net *net, struct kelpie_room **out, const char *name, size_t len)
{
    uint64_t hash = kp_map_hash(&net->rooms, name, len);

    *out = find_room(net, hash, name, len);
    if (*out == NULL && (len > KP_ROOM_MAX_NAME || !has_memory(net, room_size(len))))
        return KELPIE_EFULL;
    if (*out == NULL)
        *out = new_room(net, hash, name, len);
    if (*out == NULL)
        return -ENOMEM;
    (*out)->refs++;
    return 0;
}

void
kp_room_ref(struct kelpie_room *room)
{
    room->refs++;
}

void
kp_room_unref(struct kelpie_room *room)
{
    room->refs--;
    free_if_unused(room);
}

void
kp_rooms_detach(struct kp_net *net)
{
    for (size_t i = 0; i < net->rooms.n_buckets; i++) {
        struct kp_map_node *node;
        while ((node = net->rooms.buckets[i]) != NULL) {
            kp_map_remove(&net->rooms, node);
            kp_container_of(node, struct kelpie_room, by_name)->net = NULL;
        }
    }
}

static size_t
count_rooms(const struct kelpie_conn *conn)
{
    size_t n = 0;

    kp_list_each(node, &conn->rooms)
        n++;
    return n;
}

static struct kp_member *
find_member(const struct kelpie_room *room, const struct kelpie_conn *conn)
{
    kp_list_each(node, &conn->rooms) {
        struct kp_member *member = kp_container_of(node, struct kp_member, of_conn);
        if (member->room == room)
            return member;
    }
    return NULL;
}

/* Makes sure that there is a place for one more.
 * Returns   0; KELPIE_EFULL, -ENOMEM. */
static int
ensure_place(struct kelpie_room *room)
{
    size_t before = places_size(room);

    if (room->count < room->capacity)
        return 0;
    if (!has_memory(room->net, before + sizeof(*room->places)))
        return KELPIE_EFULL;
    int rc = kp_mem_grow(room->mem, &room->places, &room->capacity, room->count + 1,
                         sizeof(*room->places));
    room->net->room_bytes += places_size(room) - before;
    return rc;
}

int
kp_room_join(struct kelpie_room *room, struct kelpie_conn *conn)
{
    if (!kp_conn_is_open(conn))
        return KELPIE_ECLOSED;
    if (find_member(room, conn) != NULL)
        return 0;
    if (count_rooms(conn) >= KP_ROOM_MAX_OF_CONN ||
        !has_memory(conn->net, sizeof(struct kp_member)))
        return KELPIE_EFULL;
    int rc = ensure_place(room);
    if (rc < 0)
        return rc;
    struct kp_member *member = kp_mem_alloc(room->mem, sizeof(*member));
    if (member == NULL)
        return -ENOMEM;
    conn->net->room_bytes += sizeof(*member);
    member->room = room;
    member->conn = conn;
    member->place = room->count++;
    room->places[member->place] = (struct kp_place){conn, member};
    kp_list_append(&conn->rooms, &member->of_conn);
    return 1;
}

static void
leave_place(struct kelpie_room *room, size_t place)
{
    struct kp_place *last = &room->places[--room->count];

    last->member->place = place;
    room->places[place] = *last;
}

static void
end_membership(struct kp_member *member)
{
    struct kelpie_room *room = member->room;

    leave_place(room, member->place);
    kp_list_remove(&member->of_conn);
    member->conn->net->room_bytes -= sizeof(*member);
    kp_mem_free(room->mem, member, sizeof(*member));
    free_if_unused(room);
}

int
kp_room_leave(struct kelpie_room *room, struct kelpie_conn *conn)
{
    struct kp_member *member = find_member(room, conn);

    if (member == NULL)
        return 0;
    end_membership(member);
    return 1;
}

bool
kp_room_has(const struct kelpie_room *room, const struct kelpie_conn *conn)
{
    return find_member(room, conn) != NULL;
}

void
kp_room_leave_all(struct kelpie_conn *conn)
{
    kp_list_each_safe(node, &conn->rooms)
        end_membership(kp_container_of(node, struct kp_member, of_conn));
}

size_t
kp_room_count(const struct kelpie_room *room)
{
    size_t n = 0;

    for (size_t i = 0; i < room->count; i++)
        n += kp_conn_is_open(room->places[i].conn);
    return n;
}

int
kp_room_send(struct kelpie_room *room, const struct iovec *parts, int n_parts, bool wrap,
             const struct kelpie_conn *except)
{
    struct kp_cast cast = {
        .net = room->net, .to = room, .parts = parts, .n_parts = n_parts, .wrap = wrap};
    int rc = 0;

    for (size_t i = 0; i < room->count; i++) {
        struct kelpie_conn *conn = room->places[i].conn;
        if (conn == except)
            continue;
        rc = kp_cast_to(&cast, conn);
        if (rc < 0)
            break;
    }
    kp_cast_end(&cast);
    return cast.taken > 0 ? cast.taken : rc;
}
