/*
 * poll.c - kelpie inside a loop of poll(2)
 *
 *     cc poll.c -lkelpie -llua5.4 -o poll
 *     ./poll 127.0.0.1:7000
 *
 * The program has a descriptor of its own, standard input: what is typed goes to all clients,
 * and its end ends the program. A loop of this kind does three things: it watches kelpie_fd
 * for reading, sleeps no longer than kelpie_timeout says, then calls kelpie_step with 0.
 */
#include <errno.h>
#include <kelpie.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int
on_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    (void)arg;
    return kelpie_conn_send(conn, message, len);
}

/* Returns whether there will be more input. */
static int
read_input(kelpie *k)
{
    char text[512];
    ssize_t n = read(STDIN_FILENO, text, sizeof(text));

    if (n > 0 && text[n - 1] == '\n')
        kelpie_broadcast(k, text, (size_t)n - 1, NULL);
    return n > 0;
}

/* Returns 0 at the end. */
static int
loop(kelpie *k)
{
    struct pollfd fds[] = {{.fd = kelpie_fd(k), .events = POLLIN},
                           {.fd = STDIN_FILENO, .events = POLLIN}};

    for (;;) {
        if (poll(fds, 2, kelpie_timeout(k)) < 0 && errno != EINTR)
            return -errno;
        if (fds[1].revents != 0 && !read_input(k)) {
            kelpie_drain(k);
            fds[1].fd = -1; /* poll passes over it */
        }
        int rc = kelpie_step(k, 0);
        if (rc <= 0)
            return rc;
    }
}

int
main(int argc, char **argv)
{
    struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                       .on_message = on_message};
    kelpie *k;
    int rc = kelpie_new(&k, NULL);

    if (rc == 0)
        rc = kelpie_set_handlers(k, &handlers, NULL);
    if (rc == 0)
        rc = kelpie_listen(k, argc > 1 ? argv[1] : "127.0.0.1:8080");
    if (rc >= 0) {
        fprintf(stderr, "listening, port %d\n", rc);
        rc = loop(k);
    }
    if (rc < 0)
        fprintf(stderr, "poll: %s\n", kelpie_strerror(rc));
    kelpie_free(k);
    return rc < 0;
}
