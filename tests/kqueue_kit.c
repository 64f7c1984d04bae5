/*
 * kqueue_kit.c - what the tests of kqueue(2) share
 *
 * Thin wrappers that fail the running test when something outside kqueue goes wrong, so that
 * the tests themselves read as given, when, then.
 */
#include "kqueue_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* More numbers than any of these tests uses. */
#define MAX_FD 512

struct kit_state {
    int kq; /* first: the tests see a pointer to it */
    int n_open;
};

static const struct timespec no_time = {0, 0};
static const struct timespec patience = {PATIENCE_S, 0};

struct kevent
kit_kevent(int fd, int filter, unsigned flags, unsigned fflags, int tag)
{
    struct kevent event;
    memset(&event, 0, sizeof(event));
    EV_SET(&event, (uintptr_t)fd, filter, flags, fflags, 0, (void *)(intptr_t)tag);
    return event;
}

int
kit_tag(const struct kevent *event)
{
    return (int)(intptr_t)event->udata;
}

int
kit_try(int kq, int fd, int filter, unsigned flags, unsigned fflags, int tag)
{
    struct kevent change = kit_kevent(fd, filter, flags, fflags, tag);
    return kevent(kq, &change, 1, NULL, 0, NULL) == 0 ? 0 : errno;
}

void
kit_change(int kq, int fd, int filter, unsigned flags, unsigned fflags, int tag)
{
    assert_int_equal(kit_try(kq, fd, filter, flags, fflags, tag), 0);
}

int
kit_wait(int kq, struct kevent *events, int n_events)
{
    int n = kevent(kq, NULL, 0, events, n_events, &patience);
    if (n <= 0)
        print_error("waited %d s for an event of the kqueue\n", PATIENCE_S);
    assert_true(n > 0);
    return n;
}

struct kevent
kit_wait_one(int kq, int fd, int filter)
{
    struct kevent events[8];
    int n = kit_wait(kq, events, 8);
    assert_int_equal(n, 1);
    assert_int_equal(events[0].ident, fd);
    assert_int_equal(events[0].filter, filter);
    return events[0];
}

unsigned
kit_wait_notes(int kq, int fd, unsigned notes)
{
    unsigned seen = 0;
    while ((seen & notes) != notes)
        seen |= kit_wait_one(kq, fd, EVFILT_VNODE).fflags;
    return seen;
}

int
kit_peek(int kq, struct kevent *events, int n_events)
{
    int n = kevent(kq, NULL, 0, events, n_events, &no_time);
    assert_true(n >= 0);
    return n;
}

const struct kevent *
kit_find(const struct kevent *events, int n, int fd, int filter)
{
    for (int i = 0; i < n; i++)
        if (events[i].ident == (uintptr_t)fd && (int)events[i].filter == filter)
            return &events[i];
    fail_msg("no event of descriptor %d, filter %d among %d", fd, filter, n);
    return NULL;
}

static void
set_nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

void
kit_unix_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    set_nonblocking(fds[0]);
    set_nonblocking(fds[1]);
}

void
kit_pipe(int fds[2])
{
    assert_int_equal(pipe(fds), 0);
    set_nonblocking(fds[0]);
    set_nonblocking(fds[1]);
}

int
kit_tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    return fd;
}

int
kit_listener(uint16_t *port)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    int fd = kit_tcp_socket();

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

int
kit_connect(int fd, uint16_t port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : errno;
}

void
kit_tcp_pair(int fds[2])
{
    uint16_t port;
    int listener = kit_listener(&port);
    fds[1] = kit_tcp_socket();
    assert_int_equal(kit_connect(fds[1], port), 0);
    fds[0] = accept(listener, NULL, NULL);
    assert_true(fds[0] >= 0);
    set_nonblocking(fds[0]);
    set_nonblocking(fds[1]);
    kit_close(listener);
}

void
kit_put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

void
kit_get(int fd, size_t n)
{
    char bytes[256];
    assert_true(n <= sizeof(bytes));
    assert_int_equal(read(fd, bytes, n), n);
}

void
kit_close(int fd)
{
    assert_int_equal(close(fd), 0);
}

void
kit_reset(int fd)
{
    struct linger linger = {1, 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    kit_close(fd);
}

void
kit_reuse_number(int number, int fds[2])
{
    kit_unix_pair(fds);
    for (int i = 0; i < 2; i++)
        if (fds[i] == number) {
            fds[i] = fds[0];
            fds[0] = number;
            return;
        }
    assert_int_equal(dup2(fds[0], number), number);
    kit_close(fds[0]);
    fds[0] = number;
}

static int
count_open(void)
{
    int n = 0;
    for (int fd = 0; fd < MAX_FD; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

int
kit_setup(void **state)
{
    struct kit_state *kit = malloc(sizeof(*kit));
    if (kit == NULL)
        return -1;
    kit->n_open = count_open();
    kit->kq = kqueue();
    *state = kit;
    return kit->kq >= 0 ? 0 : -1;
}

int
kit_teardown(void **state)
{
    struct kit_state *kit = *state;
    int n_open = kit->n_open;
    close(kit->kq); /* the test may have closed it */
    free(kit);

    /* Without a native kqueue, what belonged to the closed one may have been kept until
       the next one is made. */
    close(kqueue());
    if (count_open() == n_open)
        return 0;
    print_error("%d descriptors were open before, %d are now\n", n_open, count_open());
    return -1;
}
