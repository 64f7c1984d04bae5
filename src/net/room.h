/*
 * room.h - named sets of connections
 *
 * A room lives as long as it has members or references. A membership is in a list of the
 * connection and in an array of the room, whose order is of no meaning; so joining and leaving
 * are O(1) after a look-up that is O(rooms of the connection).
 */
#ifndef KP_ROOM_H
#define KP_ROOM_H

#include "cast.h"
#include "conn.h"

struct kelpie_room {
    struct kp_net *net; /* NULL after kp_net_clear */
    struct kp_mem *mem; /* of the net's env */
    struct kp_map_node by_name;
    struct kp_place *places; /* of all members, whatever their state */
    size_t count, capacity;  /* of places */
    size_t refs;             /* handles that scripts hold */
    size_t name_len;
    char name[]; /* name_len bytes and a NUL */
};

#define KP_ROOM_MAX_NAME    255                 /* bytes */
#define KP_ROOM_MAX_OF_CONN 1000                /* to look one up is a walk over them */
#define KP_ROOM_MEMORY      ((size_t)256 << 20) /* all rooms and memberships of a server */

/* One connection in one room. */
struct kp_member {
    struct kp_node of_conn;
    struct kelpie_conn *conn;
    struct kelpie_room *room;
    size_t place; /* in room->places */
};

/* What a walk over the members reads: one after the other, and little of each. */
struct kp_place {
    struct kelpie_conn *conn;
    struct kp_member *member;
};

/* Finds or makes the room of that name (len bytes, any content), with one reference more.
 * Returns   0; KELPIE_EFULL when the name is too long, or there are too many; -ENOMEM.
 * Gives     a reference, for kp_room_unref. */
int kp_room_open(struct kp_net *net, struct kelpie_room **out, const char *name,
                 size_t len) KP_MUST_CHECK;
void kp_room_ref(struct kelpie_room *room);
/* Frees the room when nothing holds it any more. */
void kp_room_unref(struct kelpie_room *room);

/* Returns   1 done, 0 nothing to do; KELPIE_ECLOSED unless OPEN (join);
 *           KELPIE_EFULL when it is in too many, or there are; -ENOMEM. */
int kp_room_join(struct kelpie_room *room, struct kelpie_conn *conn) KP_MUST_CHECK;
int kp_room_leave(struct kelpie_room *room, struct kelpie_conn *conn);
bool kp_room_has(const struct kelpie_room *room, const struct kelpie_conn *conn);

/* For kp_net_clear, when there are no connections any more: rooms that scripts still refer
 * to lose their net and live on as names without members, until the last kp_room_unref. */
void kp_rooms_detach(struct kp_net *net);

/* Leaves all rooms; conns.c calls it after on_disconnect. */
void kp_room_leave_all(struct kelpie_conn *conn);

/* Returns how many members are OPEN. */
size_t kp_room_count(const struct kelpie_room *room);

/* Sends one message (wrap), or bytes, to every OPEN member but except: stored once per
 * framing, shared by all. A full outbox is skipped and counted.
 * Returns   how many took it; -ENOMEM when nobody did because there is no memory. */
int kp_room_send(struct kelpie_room *room, const struct iovec *parts, int n_parts,
                 bool wrap, const struct kelpie_conn *except);

#endif
