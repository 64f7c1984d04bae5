/*
 * relay.c - every client gets a connection to another server: bytes go both ways
 *
 *     ./relay 127.0.0.1:7000 localhost:80
 *
 * The user pointer of each is the other one; before that, the client's id is what stays right.
 */
#include <kelpie.h>
#include <stdio.h>

static int
on_bytes(kelpie_conn *conn, const void *bytes, size_t len, void *arg)
{
    kelpie_conn *other = kelpie_conn_user(conn);

    (void)arg;
    return other != NULL ? kelpie_conn_write(other, bytes, len) : KELPIE_ECLOSED;
}

static int
on_disconnect(kelpie_conn *conn, const char *reason, void *arg)
{
    kelpie_conn *other = kelpie_conn_user(conn);

    (void)arg;
    if (other == NULL)
        return KELPIE_DONE;
    kelpie_conn_set_user(other, NULL);
    kelpie_conn_close(other, reason); /* when all is sent */
    return KELPIE_DONE;
}

static void
on_result(kelpie *k, kelpie_conn *server, int error, void *arg)
{
    kelpie_conn *client = kelpie_find(k, (uintptr_t)arg);

    if (client != NULL && server != NULL) {
        kelpie_conn_set_user(server, client);
        kelpie_conn_set_user(client, server);
        kelpie_conn_resume(client);
    } else if (client != NULL || server != NULL) {
        kelpie_conn_close(client ? client : server, kelpie_strerror(error));
    }
}

static int
on_connect(kelpie_conn *conn, void *arg)
{
    struct kelpie_connect_options wish = {.size = sizeof(wish),
                                          .framing = "raw",
                                          .on_result = on_result,
                                          .on_message = on_bytes,
                                          .on_disconnect = on_disconnect};

    kelpie_conn_pause(conn); /* until there is somebody to hand its bytes to */
    return kelpie_connect(kelpie_conn_server(conn), NULL, arg, &wish,
                          (void *)(uintptr_t)kelpie_conn_id(conn));
}

int
main(int argc, char **argv)
{
    struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                       .on_connect = on_connect,
                                       .on_message = on_bytes,
                                       .on_disconnect = on_disconnect};
    kelpie *k;

    if (argc != 3 || kelpie_new(&k, NULL) < 0)
        return 1;
    kelpie_set_framing(k, "raw", 0);
    kelpie_set_handlers(k, &handlers, argv[2]);
    fprintf(stderr, "listening, port %d\n", kelpie_listen(k, argv[1]));
    int rc = kelpie_run(k);
    kelpie_free(k);
    return rc < 0;
}
