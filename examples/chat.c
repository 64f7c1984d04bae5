/*
 * chat.c - a chat in C alone: rooms, and the numbers of clients
 *
 * Everybody begins in the room "lobby"; "/join ROOM" goes to another one.
 */
#include <kelpie.h>
#include <stdio.h>
#include <string.h>

/* One room at a time. */
static int
enter(kelpie_conn *conn, const char *name)
{
    char text[300];
    kelpie_room *room;
    int rc = kelpie_room_open(kelpie_conn_server(conn), &room, name);

    if (rc < 0)
        return rc;
    kelpie_conn_leave_all(conn);
    kelpie_room_join(room, conn);
    int len =
        snprintf(text, sizeof(text), "you are #%u in %s, with %zu others",
                 (unsigned)kelpie_conn_number(conn), name, kelpie_room_count(room) - 1);
    kelpie_room_close(room); /* it lives as long as it has members */
    return kelpie_conn_send(conn, text, (size_t)len);
}

static int
on_connect(kelpie_conn *conn, void *arg)
{
    (void)arg;
    return enter(conn, "lobby");
}

static int
on_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    char text[256];
    kelpie_room *room;

    (void)arg;
    snprintf(text, sizeof(text), "%.*s", len < 200 ? (int)len : 200,
             (const char *)message);
    if (strncmp(text, "/join ", 6) == 0)
        return enter(conn, text + 6) < 0 ? kelpie_conn_send(conn, "no", 2) : KELPIE_DONE;
    char line[300];
    int n =
        snprintf(line, sizeof(line), "#%u: %s", (unsigned)kelpie_conn_number(conn), text);
    if (kelpie_conn_rooms(conn, &room, 1) == 1)
        kelpie_room_send(room, line, (size_t)n, conn);
    return KELPIE_DONE;
}

int
main(int argc, char **argv)
{
    struct kelpie_handlers handlers = {
        .size = sizeof(handlers), .on_connect = on_connect, .on_message = on_message};
    kelpie *k;
    int rc = kelpie_new(&k, NULL);

    if (rc < 0 || kelpie_set_handlers(k, &handlers, NULL) < 0 ||
        (rc = kelpie_listen(k, argc > 1 ? argv[1] : "127.0.0.1:8080")) < 0) {
        fprintf(stderr, "chat: %s\n", k ? kelpie_errmsg(k) : kelpie_strerror(rc));
        return 1;
    }
    fprintf(stderr, "listening, port %d\n", rc);
    rc = kelpie_run(k);
    kelpie_free(k);
    return rc < 0;
}
