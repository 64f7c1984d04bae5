/*
 * raw.h - the reference servers: what the same work costs in C, without Lua and kelpie
 */
#ifndef RAW_H
#define RAW_H

#include <stdbool.h>
#include <stddef.h>

#include "poller.h"

enum { RAW_BUFFER_SIZE = 64 * 1024 };

struct raw_room;

struct raw_conn {
    int fd;
    bool wants_write; /* the last write did not take all */
    char *rest;       /* half a line that has come, rest_len bytes */
    size_t rest_len;
    char *out; /* what is to be written, or could not be yet */
    size_t out_len, out_size;

    /* fan-out only */
    char name[16];
    struct raw_room *room;
    size_t place;  /* in the room's members */
    bool is_dirty; /* on the list of those with own output */
};

struct raw_server {
    struct poller poller;
    int listen_fd;
    /* Handles len bytes that have come, without the half line at their end. Returns false
     * when the connection has to be closed. */
    bool (*on_lines)(struct raw_server *server, struct raw_conn *conn, const char *bytes,
                     size_t len);
    void (*on_turn_end)(struct raw_server *server); /* or NULL */
    char in[RAW_BUFFER_SIZE]; /* of the connection that is read, all share it */

    /* fan-out only */
    struct raw_room **rooms;
    size_t n_rooms;
    struct raw_conn **dirty;
    size_t n_dirty, dirty_size;
};

/* Appends to what conn is to be sent. */
void raw_queue(struct raw_conn *conn, const void *bytes, size_t len);

/* Writes what is queued, then len bytes, in one call; keeps what was not taken.
 * Returns false when the connection is broken. */
bool raw_write(struct raw_server *server, struct raw_conn *conn, const char *bytes,
               size_t len);

/* raw_fanout.c: lines for all members of a room, and a chat. */
bool raw_fanout_lines(struct raw_server *server, struct raw_conn *conn, const char *bytes,
                      size_t len);
bool raw_chat_lines(struct raw_server *server, struct raw_conn *conn, const char *bytes,
                    size_t len);
void raw_fanout_turn_end(struct raw_server *server);
void raw_fanout_gone(struct raw_server *server, struct raw_conn *conn);

#endif
