/*
 * test_kqueue_wait.c - kqueue(2): the wait, and the kqueue's own descriptor
 *
 * Timeouts, a kqueue that is polled, nested, or closed. Written against
 * kqueue(2), see kqueue_kit.h.
 */
#include "kqueue_kit.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

static int64_t
now_us(void)
{
    struct timespec ts;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static bool
is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

/* ---- the wait ------------------------------------------------------------------------- */

static void
given_something_ready_when_there_is_no_room_for_events_then_it_returns_at_once(
    void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent event;
    kit_unix_pair(fds);
    kit_put(fds[1], "x");
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);

    int rc = kevent(kq, NULL, 0, &event, 0, NULL);

    assert_int_equal(rc, 0);
    (void)kit_wait_one(kq, fds[0], EVFILT_READ);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_nothing_ready_when_time_is_up_then_zero_and_not_too_early(void **state)
{
    int kq = *(int *)*state;
    struct kevent event;
    const struct timespec times[] = {
        {0, 0}, {0, 1}, {0, 300000}, {0, 2000000}, {0, 1500000}};

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        int64_t start_us = now_us();
        int rc = kevent(kq, NULL, 0, &event, 1, &times[i]);
        int64_t took_us = now_us() - start_us;

        assert_int_equal(rc, 0);
        assert_true(took_us + 1 >= times[i].tv_nsec / 1000);
    }
}

/* ---- a kqueue as a descriptor --------------------------------------------------------- */

static void
given_a_kqueue_when_polled_then_it_is_readable_while_it_has_something(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[2];
    kit_unix_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    assert_false(is_readable(kq));

    kit_put(fds[1], "x");

    assert_true(is_readable(kq));
    assert_int_equal(kit_peek(kq, events, 2), 1);
    assert_false(is_readable(kq));
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_a_short_array_when_polled_then_it_is_readable_for_what_is_left(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent event;
    kit_unix_pair(fds);
    kit_put(fds[1], "x");
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 2);

    assert_int_equal(kit_peek(kq, &event, 1), 1);

    assert_true(is_readable(kq));
    assert_int_equal(kit_peek(kq, &event, 1), 1);
    assert_false(is_readable(kq));
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_a_kqueue_in_a_kqueue_when_the_inner_has_something_then_the_outer_reports_it(
    void **state)
{
    int outer = *(int *)*state;
    int inner = kqueue();
    int fds[2];
    kit_unix_pair(fds);
    kit_change(outer, inner, EVFILT_READ, EV_ADD, 0, 1);
    kit_change(inner, fds[0], EVFILT_READ, EV_ADD, 0, 2);

    kit_put(fds[1], "x");

    (void)kit_wait_one(outer, inner, EVFILT_READ);
    (void)kit_wait_one(inner, fds[0], EVFILT_READ);
    kit_close(inner);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_two_kqueues_when_both_watch_a_descriptor_then_both_report_it(void **state)
{
    int first = *(int *)*state;
    int second = kqueue();
    int fds[2];
    kit_unix_pair(fds);
    kit_change(first, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    kit_change(second, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 2);

    kit_put(fds[1], "x");

    (void)kit_wait_one(first, fds[0], EVFILT_READ);
    (void)kit_wait_one(second, fds[0], EVFILT_READ);
    kit_close(second);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_a_closed_kqueue_when_its_number_is_a_kqueue_again_then_it_is_empty(void **state)
{
    int *kq = *state;
    int number = *kq;
    int fds[2];
    struct kevent event;
    kit_unix_pair(fds);
    kit_put(fds[1], "x");
    kit_change(number, fds[0], EVFILT_READ, EV_ADD, 0, 1);
    kit_close(number);

    *kq = kqueue();

    assert_int_equal(*kq, number);
    assert_int_equal(kit_peek(*kq, &event, 1), 0);
    assert_int_equal(kit_try(*kq, fds[0], EVFILT_READ, EV_DELETE, 0, 1), ENOENT);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(
            given_something_ready_when_there_is_no_room_for_events_then_it_returns_at_once),
        KIT_TEST(given_nothing_ready_when_time_is_up_then_zero_and_not_too_early),
        KIT_TEST(given_a_kqueue_when_polled_then_it_is_readable_while_it_has_something),
        KIT_TEST(given_a_short_array_when_polled_then_it_is_readable_for_what_is_left),
        KIT_TEST(
            given_a_kqueue_in_a_kqueue_when_the_inner_has_something_then_the_outer_reports_it),
        KIT_TEST(given_two_kqueues_when_both_watch_a_descriptor_then_both_report_it),
        KIT_TEST(
            given_a_closed_kqueue_when_its_number_is_a_kqueue_again_then_it_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
