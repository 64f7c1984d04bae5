/*
 * echo.c - a server in C alone: what a client sends comes back
 *
 *     cc echo.c -lkelpie -llua5.4 -o echo
 *     ./echo 127.0.0.1:7000        then, from another terminal:  nc 127.0.0.1 7000
 */
#include <kelpie.h>
#include <signal.h>
#include <stdio.h>

static kelpie *server; /* for the signal handler only */

static void
on_signal(int signal)
{
    (void)signal;
    kelpie_drain(server); /* may be called in signal handlers */
}

static int
on_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    (void)arg;
    if (kelpie_conn_send(conn, message, len) == KELPIE_EFULL)
        kelpie_conn_close(conn, "slow reader");
    return KELPIE_DONE;
}

static int
serve(kelpie *k, const char *address)
{
    struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                       .on_message = on_message};
    int rc = kelpie_set_handlers(k, &handlers, NULL);

    if (rc == 0)
        rc = kelpie_listen(k, address);
    if (rc < 0)
        return rc;
    fprintf(stderr, "listening, port %d\n", rc);
    return kelpie_run(k);
}

int
main(int argc, char **argv)
{
    int rc = kelpie_new(&server, NULL);

    if (rc == 0) {
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        rc = serve(server, argc > 1 ? argv[1] : "127.0.0.1:8080");
    }
    if (rc < 0)
        fprintf(stderr, "echo: %s\n",
                server ? kelpie_errmsg(server) : kelpie_strerror(rc));
    kelpie_free(server);
    return rc < 0;
}
