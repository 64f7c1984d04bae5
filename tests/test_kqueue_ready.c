/*
 * test_kqueue_ready.c - kqueue(2): what EVFILT_READ and EVFILT_WRITE say
 *
 * When a descriptor is ready, how much there is, how an end and an error are told; sockets,
 * listeners, pipes, datagrams. Written against kqueue(2), see kqueue_kit.h.
 */
#include "kqueue_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- data ----------------------------------------------------------------------------- */

static void
given_bytes_when_read_is_ready_then_data_counts_them(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_tcp_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD, 0, 3);

    kit_put(fds[1], "hello");
    struct kevent event = kit_wait_one(kq, fds[0], EVFILT_READ);

    assert_int_equal(event.data, 5);
    assert_int_equal(kit_tag(&event), 3);
    assert_false(event.flags & EV_EOF);
    assert_int_equal(event.fflags, 0);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_three_clients_when_a_listener_is_ready_then_data_is_three(void **state)
{
    int kq = *(int *)*state;
    int clients[3];
    uint16_t port;
    int listener = kit_listener(&port);
    for (int i = 0; i < 3; i++) {
        clients[i] = kit_tcp_socket();
        assert_int_equal(kit_connect(clients[i], port), 0);
    }

    kit_change(kq, listener, EVFILT_READ, EV_ADD, 0, 1);
    struct kevent event = kit_wait_one(kq, listener, EVFILT_READ);

    assert_int_equal(event.data, 3);
    for (int i = 0; i < 3; i++)
        kit_close(clients[i]);
    kit_close(listener);
}

static void
given_an_accepting_listener_when_one_is_left_then_it_is_reported_again(void **state)
{
    int kq = *(int *)*state;
    int clients[2], accepted[2];
    struct kevent event;
    uint16_t port;
    int listener = kit_listener(&port);
    kit_change(kq, listener, EVFILT_READ, EV_ADD, 0, 1);
    for (int i = 0; i < 2; i++) {
        clients[i] = kit_tcp_socket();
        assert_int_equal(kit_connect(clients[i], port), 0);
    }

    for (int i = 0; i < 2; i++) {
        assert_int_equal(kit_wait_one(kq, listener, EVFILT_READ).data, 2 - i);
        accepted[i] = accept(listener, NULL, NULL);
        assert_true(accepted[i] >= 0);
    }

    assert_int_equal(kit_peek(kq, &event, 1), 0);
    for (int i = 0; i < 2; i++) {
        kit_close(clients[i]);
        kit_close(accepted[i]);
    }
    kit_close(listener);
}

static void
given_room_when_write_is_ready_then_data_is_positive(void **state)
{
    int kq = *(int *)*state;
    int tcp[2], pair[2], ends[2];
    kit_tcp_pair(tcp);
    kit_unix_pair(pair);
    kit_pipe(ends);
    int fds[] = {tcp[0], pair[0], ends[1]};

    for (int i = 0; i < 3; i++) {
        kit_change(kq, fds[i], EVFILT_WRITE, EV_ADD | EV_ONESHOT, 0, 1);
        struct kevent event = kit_wait_one(kq, fds[i], EVFILT_WRITE);

        assert_true(event.data > 0);
        assert_true(event.data < 64 * 1024 * 1024);
        assert_false(event.flags & EV_EOF);
    }
    for (int i = 0; i < 2; i++) {
        kit_close(tcp[i]);
        kit_close(pair[i]);
        kit_close(ends[i]);
    }
}

static void
given_a_full_socket_when_the_peer_reads_then_write_is_ready(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    char block[4096] = {0};
    struct kevent event;
    kit_unix_pair(fds);
    while (write(fds[0], block, sizeof(block)) > 0)
        ;
    assert_int_equal(errno, EAGAIN);
    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 1);
    assert_int_equal(kit_peek(kq, &event, 1), 0);

    while (read(fds[1], block, sizeof(block)) > 0)
        ;

    assert_true(kit_wait_one(kq, fds[0], EVFILT_WRITE).data > 0);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

/* ---- the end -------------------------------------------------------------------------- */

static void
given_unread_bytes_when_the_peer_has_ended_then_eof_comes_with_their_count(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_tcp_pair(fds);
    kit_put(fds[1], "hello");
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD, 0, 1);

    struct kevent event = kit_wait_one(kq, fds[0], EVFILT_READ);
    while (!(event.flags & EV_EOF)) /* the FIN may still be on its way */
        event = kit_wait_one(kq, fds[0], EVFILT_READ);
    assert_int_equal(event.data, 5);
    assert_int_equal(event.fflags, 0);
    kit_get(fds[0], 5);
    event = kit_wait_one(kq, fds[0], EVFILT_READ);

    assert_true(event.flags & EV_EOF);
    assert_int_equal(event.data, 0);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_a_half_closed_peer_when_write_is_ready_then_it_is_no_eof(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[4];
    kit_tcp_pair(fds);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    assert_true(kit_wait_one(kq, fds[0], EVFILT_READ).flags & EV_EOF);

    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD, 0, 2);
    int n = kit_wait(kq, events, 4);

    assert_false(kit_find(events, n, fds[0], EVFILT_WRITE)->flags & EV_EOF);
    kit_put(fds[0], "still heard");
    kit_change(kq, fds[1], EVFILT_READ, EV_ADD, 0, 3);
    n = kit_wait(kq, events, 4);
    while (events[n - 1].ident != (uintptr_t)fds[1])
        n = kit_wait(kq, events, 4);
    kit_get(fds[1], 11);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_both_filters_when_the_peer_resets_then_both_have_eof_and_the_error(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[4];
    kit_tcp_pair(fds);
    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 2);
    (void)kit_wait_one(kq, fds[0], EVFILT_WRITE);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    (void)kit_peek(kq, events, 4); /* WRITE may be repeated */

    kit_reset(fds[1]);
    int n = 0;
    while (n < 2)
        n += kit_wait(kq, events + n, 4 - n);

    const struct kevent *read_event = kit_find(events, n, fds[0], EVFILT_READ);
    const struct kevent *write_event = kit_find(events, n, fds[0], EVFILT_WRITE);
    assert_true(read_event->flags & EV_EOF);
    assert_true(write_event->flags & EV_EOF);
    assert_int_equal(read_event->fflags, ECONNRESET);
    assert_int_equal(write_event->fflags, ECONNRESET);
    kit_close(fds[0]);
}

static void
given_a_reset_connection_when_write_is_added_later_then_it_has_the_error_too(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[4];
    kit_tcp_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    kit_reset(fds[1]);
    assert_int_equal(kit_wait_one(kq, fds[0], EVFILT_READ).fflags, ECONNRESET);

    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 2);
    int n = kit_wait(kq, events, 4);

    const struct kevent *event = kit_find(events, n, fds[0], EVFILT_WRITE);
    assert_true(event->flags & EV_EOF);
    assert_int_equal(event->fflags, ECONNRESET);
    kit_close(fds[0]);
}

static void
given_no_listener_when_connecting_then_write_has_eof_and_econnrefused(void **state)
{
    int kq = *(int *)*state;
    uint16_t port;
    int listener = kit_listener(&port);
    kit_close(listener);
    int fd = kit_tcp_socket();
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    int rc = kit_connect(fd, port);
    assert_true(rc == EINPROGRESS || rc == ECONNREFUSED);

    kit_change(kq, fd, EVFILT_WRITE, EV_ADD, 0, 1);
    struct kevent event = kit_wait_one(kq, fd, EVFILT_WRITE);

    assert_true(event.flags & EV_EOF);
    if (rc == EINPROGRESS)
        assert_int_equal(event.fflags, ECONNREFUSED);
    kit_close(fd);
}

static void
given_a_connecting_socket_when_accepted_then_write_is_ready_without_error(void **state)
{
    int kq = *(int *)*state;
    uint16_t port;
    int listener = kit_listener(&port);
    int fd = kit_tcp_socket();
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    (void)kit_connect(fd, port);

    kit_change(kq, fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 1);
    struct kevent event = kit_wait_one(kq, fd, EVFILT_WRITE);

    assert_false(event.flags & EV_EOF);
    assert_int_equal(event.fflags, 0);
    kit_close(fd);
    kit_close(listener);
}

static void
given_a_pipe_when_the_writer_is_gone_then_read_has_eof_with_what_is_left(void **state)
{
    int kq = *(int *)*state;
    int ends[2];
    kit_pipe(ends);
    kit_put(ends[1], "abc");
    kit_close(ends[1]);

    kit_change(kq, ends[0], EVFILT_READ, EV_ADD, 0, 1);
    struct kevent event = kit_wait_one(kq, ends[0], EVFILT_READ);
    kit_get(ends[0], 3);
    struct kevent end = kit_wait_one(kq, ends[0], EVFILT_READ);

    assert_true(event.flags & EV_EOF);
    assert_int_equal(event.data, 3);
    assert_true(end.flags & EV_EOF);
    assert_int_equal(end.data, 0);
    kit_close(ends[0]);
}

static void
given_a_pipe_when_the_reader_is_gone_then_write_has_eof(void **state)
{
    int kq = *(int *)*state;
    int ends[2];
    kit_pipe(ends);
    kit_change(kq, ends[1], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 1);
    assert_false(kit_wait_one(kq, ends[1], EVFILT_WRITE).flags & EV_EOF);

    kit_close(ends[0]);

    assert_true(kit_wait_one(kq, ends[1], EVFILT_WRITE).flags & EV_EOF);
    kit_close(ends[1]);
}

static void
given_a_unix_pair_when_the_peer_closes_then_both_filters_have_eof(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[4];
    kit_unix_pair(fds);
    kit_put(fds[1], "abc");
    kit_close(fds[1]);

    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 2);
    int n = kit_wait(kq, events, 4);

    assert_int_equal(n, 2);
    assert_int_equal(kit_find(events, n, fds[0], EVFILT_READ)->data, 3);
    assert_true(kit_find(events, n, fds[0], EVFILT_READ)->flags & EV_EOF);
    assert_true(kit_find(events, n, fds[0], EVFILT_WRITE)->flags & EV_EOF);
    kit_get(fds[0], 3);
    kit_close(fds[0]);
}

/* ---- datagrams ------------------------------------------------------------------------ */

static void
given_an_empty_datagram_when_it_arrives_then_read_is_ready_without_eof(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    char byte;
    struct kevent event;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);

    assert_int_equal(send(fds[1], "", 0, 0), 0);
    /* FreeBSD counts the sender's address too, so data says nothing here. */
    event = kit_wait_one(kq, fds[0], EVFILT_READ);

    assert_false(event.flags & EV_EOF);
    assert_int_equal(recv(fds[0], &byte, 1, 0), 0);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(given_bytes_when_read_is_ready_then_data_counts_them),
        KIT_TEST(given_three_clients_when_a_listener_is_ready_then_data_is_three),
        KIT_TEST(given_an_accepting_listener_when_one_is_left_then_it_is_reported_again),
        KIT_TEST(given_room_when_write_is_ready_then_data_is_positive),
        KIT_TEST(given_a_full_socket_when_the_peer_reads_then_write_is_ready),
        KIT_TEST(
            given_unread_bytes_when_the_peer_has_ended_then_eof_comes_with_their_count),
        KIT_TEST(given_a_half_closed_peer_when_write_is_ready_then_it_is_no_eof),
        KIT_TEST(
            given_both_filters_when_the_peer_resets_then_both_have_eof_and_the_error),
        KIT_TEST(
            given_a_reset_connection_when_write_is_added_later_then_it_has_the_error_too),
        KIT_TEST(given_no_listener_when_connecting_then_write_has_eof_and_econnrefused),
        KIT_TEST(
            given_a_connecting_socket_when_accepted_then_write_is_ready_without_error),
        KIT_TEST(
            given_a_pipe_when_the_writer_is_gone_then_read_has_eof_with_what_is_left),
        KIT_TEST(given_a_pipe_when_the_reader_is_gone_then_write_has_eof),
        KIT_TEST(given_a_unix_pair_when_the_peer_closes_then_both_filters_have_eof),
        KIT_TEST(given_an_empty_datagram_when_it_arrives_then_read_is_ready_without_eof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
