/*
 * test_compat_calls_linux.c - the kqueue layer for Linux: system calls per operation
 *
 * What a change, a wait and the life of a connection cost, and which calls wait for how long.
 */
#include "kq_inside.h"

/* ---- system calls --------------------------------------------------------------------- */

static void
given_nodata_when_read_is_ready_then_one_system_call(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_tcp_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EDGE, NOTE_NODATA, 1);

    for (int i = 0; i < 3; i++) {
        kit_put(fds[1], "hello");
        assert_int_equal(calls_of_wait(kq, 1), 1);
    }

    int fd = open_temporary("x");
    kit_change(kq, fd, EVFILT_VNODE, EDGE, NOTE_WRITE, 2);
    kit_put(fds[1], "hello");
    assert_int_equal(calls_of_wait(kq, 1), 1);

    kit_change(kq, fds[0], EVFILT_READ, EV_ADD, 0, 1);
    assert_int_equal(calls_of_wait(kq, 1), 2);
    kit_close(fd);
    close_both(fds);
}

static void
given_a_listener_when_told_again_then_one_call_less(void **state)
{
    int kq = *(int *)*state;
    uint16_t port;
    int listener = kit_listener(&port), client = kit_tcp_socket();
    kit_change(kq, listener, EVFILT_READ, EV_ADD, 0, 1);
    assert_int_equal(kit_connect(client, port), 0);

    assert_int_equal(calls_of_wait(kq, 1), 3);
    assert_int_equal(calls_of_wait(kq, 1), 2);
    assert_int_equal(kit_wait_one(kq, listener, EVFILT_READ).data, 1);

    kit_close(client);
    kit_close(listener);
}

static void
given_a_listener_when_it_listens_no_more_then_it_is_taken_for_what_it_is(void **state)
{
    int kq = *(int *)*state;
    uint16_t port;
    int listener = kit_listener(&port), client = kit_tcp_socket();
    kit_change(kq, listener, EVFILT_READ, EV_ADD, 0, 1);
    assert_int_equal(kit_connect(client, port), 0);
    assert_int_equal(kit_wait_one(kq, listener, EVFILT_READ).data, 1);

    assert_int_equal(shutdown(listener, SHUT_RDWR), 0);
    struct kevent event = kit_wait_one(kq, listener, EVFILT_READ);

    assert_true(event.flags & EV_EOF);
    assert_int_equal(event.data, 0); /* bytes */
    kit_close(client);
    kit_close(listener);
}

static void
given_nodata_when_reported_then_data_is_zero_and_fflags_are_not_echoed(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[2];
    kit_unix_pair(fds);
    kit_put(fds[1], "x");

    kit_change(kq, fds[0], EVFILT_READ, EDGE, NOTE_NODATA, 1);
    kit_change(kq, fds[0], EVFILT_WRITE, EDGE, NOTE_NODATA, 2);
    assert_int_equal(kit_wait(kq, events, 2), 2);

    for (int i = 0; i < 2; i++) {
        assert_int_equal(events[i].data, 0);
        assert_int_equal(events[i].fflags, 0);
        assert_int_equal(events[i].flags, EV_CLEAR);
    }
    close_both(fds);
}

static void
given_clear_knotes_when_changed_then_each_costs_what_the_kernel_must_know(void **state)
{
    int kq = *(int *)*state;
    int warm[2], fds[2];
    warm_up(kq, warm);
    kit_unix_pair(fds);

    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_READ, EDGE, 0), 1);
    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_WRITE, EDGE, 0), 1);
    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_WRITE, EV_DISABLE, 0), 0);
    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_WRITE, EV_ENABLE, 0), 1);
    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_WRITE, EV_DELETE, 0), 0);
    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_READ, EV_DISABLE, 0), 0);
    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_READ, EV_DELETE, 0), 0);
    close_both(fds);
    close_both(warm);
}

static void
given_level_knotes_when_changed_then_each_costs_one_call(void **state)
{
    int kq = *(int *)*state;
    int warm[2], fds[2];
    warm_up(kq, warm);
    kit_unix_pair(fds);

    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_READ, EV_ADD, 0), 1);
    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_WRITE, EV_ADD, 0), 1);
    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_WRITE, EV_DELETE, 0), 1);
    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_READ, EV_DISABLE, 0), 1);
    assert_int_equal(calls_of_change(kq, fds[0], EVFILT_READ, EV_DELETE, 0), 0);
    close_both(fds);
    close_both(warm);
}

static void
given_oneshot_and_dispatch_when_reported_then_no_further_call(void **state)
{
    const unsigned modes[] = {EV_ONESHOT, EV_DISPATCH};
    int kq = *(int *)*state;
    int warm[2], fds[2];
    warm_up(kq, warm);
    kit_unix_pair(fds);
    kit_put(fds[1], "x");

    for (int i = 0; i < 2; i++) {
        kit_change(kq, fds[0], EVFILT_READ, EV_ADD | modes[i], NOTE_NODATA, 1);
        assert_int_equal(calls_of_wait(kq, 1), 1);
    }
    close_both(fds);
    close_both(warm);
}

static void
given_a_connection_when_it_lives_and_ends_then_one_epoll_ctl(void **state)
{
    int kq = *(int *)*state;
    int warm[2], fds[2];
    struct kevent event;
    warm_up(kq, warm);
    kit_tcp_pair(fds);
    int before = fake.n_epoll_ctl;

    kit_change(kq, fds[0], EVFILT_READ, EDGE, NOTE_NODATA, 1);
    kit_put(fds[1], "hello");
    (void)kit_wait_one(kq, fds[0], EVFILT_READ);
    kit_get(fds[0], 5);
    kit_close(fds[1]);
    assert_true(kit_wait_one(kq, fds[0], EVFILT_READ).flags & EV_EOF);
    kit_change(kq, fds[0], EVFILT_READ, EV_DELETE, 0, 1);
    kit_close(fds[0]);
    assert_int_equal(kit_peek(kq, &event, 1), 0);

    assert_int_equal(fake.n_epoll_ctl - before, 1);
    close_both(warm);
}

static void
given_a_change_beside_a_wait_when_ready_then_two_calls(void **state)
{
    int kq = *(int *)*state;
    int warm[2];
    struct kevent event;
    warm_up(kq, warm);
    kit_change(kq, warm[0], EVFILT_WRITE, EDGE | EV_DISABLE, NOTE_NODATA, 1);
    struct kevent change = kit_kevent(warm[0], EVFILT_WRITE, EV_ENABLE, 0, 1);
    int before = fake.n_calls;

    int n = kevent(kq, &change, 1, &event, 1, NULL);

    assert_int_equal(n, 1);
    assert_int_equal(fake.n_calls - before, 2);
    close_both(warm);
}

static void
given_a_lazily_deleted_knote_when_something_happens_then_it_is_corrected_once(
    void **state)
{
    int kq = *(int *)*state;
    int warm[2], fds[2];
    struct kevent event;
    warm_up(kq, warm);
    kit_unix_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EDGE, 0, 1);
    kit_change(kq, fds[0], EVFILT_READ, EV_DELETE, 0, 1);
    int before = fake.n_epoll_ctl;

    for (int i = 0; i < 5; i++) {
        kit_put(fds[1], "x");
        assert_int_equal(kit_peek(kq, &event, 1), 0);
    }

    assert_int_equal(fake.n_epoll_ctl - before, 1);
    close_both(fds);
    close_both(warm);
}

static void
given_a_disabled_knote_when_the_peer_is_gone_then_it_does_not_spin(void **state)
{
    const unsigned modes[] = {EV_ADD, EDGE};
    int kq = *(int *)*state;
    for (int i = 0; i < 2; i++) {
        int fds[2];
        struct kevent event;
        kit_unix_pair(fds);
        kit_change(kq, fds[0], EVFILT_READ, modes[i], 0, 1);
        kit_change(kq, fds[0], EVFILT_READ, EV_DISABLE, 0, 1);
        kit_close(fds[1]);
        for (int j = 0; j < 3; j++)
            assert_int_equal(kit_peek(kq, &event, 1), 0);

        int before = fake.n_calls;
        assert_int_equal(kit_peek(kq, &event, 1), 0);

        assert_int_equal(fake.n_calls - before, 1);
        assert_false(is_readable(kq));
        kit_change(kq, fds[0], EVFILT_READ, EV_ENABLE, 0, 1);
        assert_true(kit_wait_one(kq, fds[0], EVFILT_READ).flags & EV_EOF);
        kit_close(fds[0]);
    }
}

/* ---- time ----------------------------------------------------------------------------- */

static void
given_a_fraction_of_a_millisecond_when_waiting_then_epoll_pwait2_does_it(void **state)
{
    int kq = *(int *)*state;
    struct kevent event;
    const struct timespec fraction = {0, 300000}, whole = {0, 1000000}, none = {0, 0};

    assert_int_equal(kevent(kq, NULL, 0, &event, 1, &none), 0);
    assert_int_equal(fake.n_pwait2, 0);
    assert_int_equal(kevent(kq, NULL, 0, &event, 1, &fraction), 0);
    assert_true(fake.n_pwait2 > 0);
    assert_int_equal(kevent(kq, NULL, 0, &event, 1, &whole), 0);
}

static void
given_no_epoll_pwait2_when_waiting_then_time_is_rounded_up(void **state)
{
    int kq = *(int *)*state;
    struct kevent event;
    const struct timespec fraction = {0, 300000};
    fake.has_pwait2 = false;

    assert_int_equal(kevent(kq, NULL, 0, &event, 1, &fraction), 0);
    assert_int_equal(fake.last_wait_ms, 1);
    assert_int_equal(fake.n_pwait2, 1);
    assert_int_equal(kevent(kq, NULL, 0, &event, 1, &fraction), 0);

    assert_int_equal(fake.n_pwait2, 1);
}

static void
given_a_very_long_time_when_waiting_then_there_is_no_overflow(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent event;
    const time_t for_ever = (time_t)(UINTMAX_MAX >> (65 - 8 * sizeof(time_t)));
    const struct timespec times[] = {{for_ever, 999999999}, {400000000, 0}, {3000000, 1}};
    kit_unix_pair(fds);
    kit_put(fds[1], "x");
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD, 0, 1);

    for (int i = 0; i < 3; i++)
        assert_int_equal(kevent(kq, NULL, 0, &event, 1, &times[i]), 1);

    close_both(fds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KQ_TEST(given_nodata_when_read_is_ready_then_one_system_call),
        KQ_TEST(given_a_listener_when_told_again_then_one_call_less),
        KQ_TEST(given_a_listener_when_it_listens_no_more_then_it_is_taken_for_what_it_is),
        KQ_TEST(given_nodata_when_reported_then_data_is_zero_and_fflags_are_not_echoed),
        KQ_TEST(
            given_clear_knotes_when_changed_then_each_costs_what_the_kernel_must_know),
        KQ_TEST(given_level_knotes_when_changed_then_each_costs_one_call),
        KQ_TEST(given_oneshot_and_dispatch_when_reported_then_no_further_call),
        KQ_TEST(given_a_connection_when_it_lives_and_ends_then_one_epoll_ctl),
        KQ_TEST(given_a_change_beside_a_wait_when_ready_then_two_calls),
        KQ_TEST(
            given_a_lazily_deleted_knote_when_something_happens_then_it_is_corrected_once),
        KQ_TEST(given_a_disabled_knote_when_the_peer_is_gone_then_it_does_not_spin),
        KQ_TEST(given_a_fraction_of_a_millisecond_when_waiting_then_epoll_pwait2_does_it),
        KQ_TEST(given_no_epoll_pwait2_when_waiting_then_time_is_rounded_up),
        KQ_TEST(given_a_very_long_time_when_waiting_then_there_is_no_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
