/*
 * inside_kqueue.c - kelpie inside another kqueue
 *
 *     cc inside_kqueue.c -lkelpie -llua5.4 -o inside_kqueue       (BSD, macOS)
 *     ./inside_kqueue 127.0.0.1:7000
 *
 * A kqueue is a descriptor that another one can watch, where the system allows that; where it
 * does not, kevent says so at EV_ADD, and poll.c shows the other way. The program's own event
 * is standard input: what is typed goes to all clients, and its end ends the program.
 */
#include <errno.h>
#include <kelpie.h>
#include <stdio.h>
#include <sys/types.h>

#include <sys/event.h>
#include <sys/time.h>
#include <unistd.h>

static void
read_input(kelpie *k, int kq)
{
    char text[512];
    ssize_t n = read(STDIN_FILENO, text, sizeof(text));

    if (n > 0) {
        kelpie_broadcast(k, text, (size_t)n - (text[n - 1] == '\n'), NULL);
        return;
    }
    struct kevent no_more;
    EV_SET(&no_more, STDIN_FILENO, EVFILT_READ, EV_DELETE, 0, 0, 0);
    kevent(kq, &no_more, 1, NULL, 0, NULL);
    kelpie_drain(k);
}

/* Returns 0 at the end. */
static int
loop(kelpie *k, int kq)
{
    struct kevent changes[2], event;

    EV_SET(&changes[0], (uintptr_t)kelpie_fd(k), EVFILT_READ, EV_ADD, 0, 0, 0);
    EV_SET(&changes[1], STDIN_FILENO, EVFILT_READ, EV_ADD, 0, 0, 0);
    if (kevent(kq, changes, 2, NULL, 0, NULL) < 0)
        return -errno;
    for (;;) {
        int ms = kelpie_timeout(k);
        struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
        int n = kevent(kq, NULL, 0, &event, 1, ms >= 0 ? &time : NULL);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0 && event.ident == STDIN_FILENO)
            read_input(k, kq);
        int rc = kelpie_step(k, 0);
        if (rc <= 0)
            return rc;
    }
}

int
main(int argc, char **argv)
{
    int rc, kq = kqueue();
    kelpie *k;

    if (kq < 0 || kelpie_new(&k, NULL) < 0)
        return 1;
    rc = kelpie_listen(k, argc > 1 ? argv[1] : "127.0.0.1:8080");
    if (rc >= 0) {
        fprintf(stderr, "listening, port %d\n", rc);
        rc = loop(k, kq);
    }
    if (rc < 0)
        fprintf(stderr, "inside_kqueue: %s\n", kelpie_strerror(rc));
    kelpie_free(k);
    close(kq);
    return rc < 0;
}
