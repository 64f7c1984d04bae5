/*
 * raw_fanout.c - rooms of the reference servers
 *
 * What is said in a turn is stored once per room. At the end of the turn every member gets all
 * of it in one write, behind what is still queued for it alone; only what the kernel did not
 * take is copied.
 */
#include <stdlib.h>
#include <string.h>

#include "kit.h"
#include "raw.h"

struct raw_room {
    char name[16];
    struct raw_conn **members;
    size_t n_members, members_size;
    char *said; /* in this turn */
    size_t said_len, said_size;
};

/* ---- rooms -------------------------------------------------------------------------------- */

static struct raw_room *
find_room(struct raw_server *server, const char *name, size_t len)
{
    struct raw_room *room;

    for (size_t i = 0; i < server->n_rooms; i++) {
        room = server->rooms[i];
        if (strlen(room->name) == len && memcmp(room->name, name, len) == 0)
            return room;
    }
    room = bench_alloc(sizeof(*room));
    *room = (struct raw_room){.n_members = 0};
    memcpy(room->name, name, len);
    server->rooms =
        bench_realloc(server->rooms, (server->n_rooms + 1) * sizeof(*server->rooms));
    server->rooms[server->n_rooms++] = room;
    return room;
}

static void
join(struct raw_conn *conn, struct raw_room *room)
{
    if (room->n_members == room->members_size) {
        room->members_size = room->members_size * 2 + 16;
        room->members =
            bench_realloc(room->members, room->members_size * sizeof(*room->members));
    }
    conn->room = room;
    conn->place = room->n_members;
    room->members[room->n_members++] = conn;
}

void
raw_fanout_gone(struct raw_server *server, struct raw_conn *conn)
{
    struct raw_room *room = conn->room;

    if (room != NULL) {
        room->members[conn->place] = room->members[--room->n_members];
        room->members[conn->place]->place = conn->place;
        conn->room = NULL;
    }
    for (size_t i = 0; conn->is_dirty && i < server->n_dirty; i++)
        if (server->dirty[i] == conn)
            server->dirty[i] = server->dirty[--server->n_dirty];
}

static void
say(struct raw_room *room, const void *bytes, size_t len)
{
    if (room->said_len + len > room->said_size) {
        room->said_size = (room->said_len + len) * 2;
        room->said = bench_realloc(room->said, room->said_size);
    }
    memcpy(room->said + room->said_len, bytes, len);
    room->said_len += len;
}

static void
answer(struct raw_server *server, struct raw_conn *conn, const char *line)
{
    raw_queue(conn, line, strlen(line));
    if (conn->is_dirty)
        return;
    if (server->n_dirty == server->dirty_size) {
        server->dirty_size = server->dirty_size * 2 + 16;
        server->dirty =
            bench_realloc(server->dirty, server->dirty_size * sizeof(*server->dirty));
    }
    conn->is_dirty = true;
    server->dirty[server->n_dirty++] = conn;
}

/* A broken member is found by its next recv. */
void
raw_fanout_turn_end(struct raw_server *server)
{
    for (size_t i = 0; i < server->n_rooms; i++) {
        struct raw_room *room = server->rooms[i];
        for (size_t j = 0; room->said_len > 0 && j < room->n_members; j++)
            (void)raw_write(server, room->members[j], room->said, room->said_len);
        room->said_len = 0;
    }
    for (size_t i = 0; i < server->n_dirty; i++) {
        (void)raw_write(server, server->dirty[i], NULL, 0);
        server->dirty[i]->is_dirty = false;
    }
    server->n_dirty = 0;
}

/* ---- lines -------------------------------------------------------------------------------- */

static bool
begins_with(const char *line, size_t len, const char *word)
{
    return len >= strlen(word) && memcmp(line, word, strlen(word)) == 0;
}

bool
raw_fanout_lines(struct raw_server *server, struct raw_conn *conn, const char *bytes,
                 size_t len)
{
    const char *end = bytes + len, *newline;
    struct raw_room *hall = find_room(server, "hall", 4);

    for (const char *line = bytes; line < end; line = newline + 1) {
        newline = memchr(line, '\n', (size_t)(end - line));
        size_t line_len = (size_t)(newline - line);
        if (line_len == 4 && memcmp(line, "join", 4) == 0) {
            join(conn, hall);
            answer(server, conn, "joined\n");
        } else {
            say(hall, line, line_len + 1);
        }
    }
    return true;
}

/* Handles one line of a chat, len bytes with the newline. Returns false for nonsense. */
static bool
chat_line(struct raw_server *server, struct raw_conn *conn, const char *line, size_t len)
{
    if (begins_with(line, len, "/say ") && conn->room != NULL) {
        say(conn->room, conn->name, strlen(conn->name));
        say(conn->room, ": ", 2);
        say(conn->room, line + 5, len - 5);
    } else if (begins_with(line, len, "/name ") && len - 7 < sizeof(conn->name)) {
        memcpy(conn->name, line + 6, len - 7);
        answer(server, conn, "named\n");
    } else if (begins_with(line, len, "/join ") && len - 7 < sizeof(conn->room->name)) {
        join(conn, find_room(server, line + 6, len - 7));
        answer(server, conn, "joined\n");
    } else {
        return false;
    }
    return true;
}

bool
raw_chat_lines(struct raw_server *server, struct raw_conn *conn, const char *bytes,
               size_t len)
{
    const char *end = bytes + len, *newline;

    for (const char *line = bytes; line < end; line = newline + 1) {
        newline = memchr(line, '\n', (size_t)(end - line));
        if (!chat_line(server, conn, line, (size_t)(newline + 1 - line)))
            return false;
    }
    return true;
}
