/*
 * test_kqueue.c - kqueue(2): changes and their errors
 *
 * What is refused, what an error and a receipt look like, and that a change that fails beside
 * a wait loses nothing. Written against kqueue(2), see kqueue_kit.h.
 */
#include "kqueue_kit.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

static const struct timespec long_time = {PATIENCE_S, 0};

static int64_t
now_us(void)
{
    struct timespec ts;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- errors --------------------------------------------------------------------------- */

static void
given_a_kqueue_when_counts_are_negative_then_einval(void **state)
{
    int kq = *(int *)*state;
    struct kevent event;

    int rc = kevent(kq, NULL, 0, &event, -1, &long_time);

    assert_int_equal(rc, -1);
    assert_int_equal(errno, EINVAL);
}

static void
given_a_kqueue_when_the_timeout_is_no_time_then_einval(void **state)
{
    int kq = *(int *)*state;
    struct kevent event;
    const struct timespec bad[] = {{0, 1000000000}, {0, -1}, {-1, 0}};

    for (size_t i = 0; i < 3; i++) {
        int rc = kevent(kq, NULL, 0, &event, 1, &bad[i]);

        assert_int_equal(rc, -1);
        assert_int_equal(errno, EINVAL);
    }
}

static void
given_no_kqueue_when_called_then_ebadf(void **state)
{
    int fds[2];
    struct kevent event;
    kit_pipe(fds);
    (void)state;

    int rc_closed = kevent(400, NULL, 0, &event, 1, &long_time);
    int errno_closed = errno;
    int rc_other = kevent(fds[0], NULL, 0, &event, 1, &long_time);
    int errno_other = errno;

    assert_int_equal(rc_closed, -1);
    assert_int_equal(errno_closed, EBADF);
    assert_int_equal(rc_other, -1);
    assert_int_equal(errno_other, EBADF);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_a_closed_kqueue_when_called_then_ebadf(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent event;
    kit_unix_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD, 0, 1);
    kit_close(kq);

    int rc_add = kit_try(kq, fds[0], EVFILT_WRITE, EV_ADD, 0, 1);
    int rc_wait = kevent(kq, NULL, 0, &event, 1, &long_time);

    assert_int_equal(rc_add, EBADF);
    assert_int_equal(rc_wait, -1);
    assert_int_equal(errno, EBADF);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_an_unknown_filter_when_added_then_einval(void **state)
{
    int kq = *(int *)*state;

    int rc = kit_try(kq, 0, 100, EV_ADD, 0, 1);

    assert_int_equal(rc, EINVAL);
}

static void
given_a_closed_descriptor_when_changed_then_ebadf(void **state)
{
    int kq = *(int *)*state;

    assert_int_equal(kit_try(kq, 400, EVFILT_READ, EV_ADD, 0, 1), EBADF);
    assert_int_equal(kit_try(kq, 400, EVFILT_WRITE, EV_ADD, 0, 1), EBADF);
    assert_int_equal(kit_try(kq, 400, EVFILT_VNODE, EV_ADD, NOTE_WRITE, 1), EBADF);
    assert_int_equal(kit_try(kq, 400, EVFILT_READ, EV_DELETE, 0, 1), EBADF);
    assert_int_equal(kit_try(kq, -1, EVFILT_READ, EV_ADD, 0, 1), EBADF);
}

static void
given_nothing_registered_when_changed_then_enoent(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_unix_pair(fds);

    assert_int_equal(kit_try(kq, fds[0], EVFILT_READ, EV_DELETE, 0, 1), ENOENT);
    assert_int_equal(kit_try(kq, fds[0], EVFILT_WRITE, EV_ENABLE, 0, 1), ENOENT);
    assert_int_equal(kit_try(kq, fds[0], EVFILT_READ, EV_DISABLE, 0, 1), ENOENT);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

/* ---- changes beside a wait ------------------------------------------------------------ */

static void
given_a_failing_change_when_waiting_then_its_entry_comes_at_once(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[4];
    kit_unix_pair(fds);
    struct kevent change = kit_kevent(fds[0], EVFILT_READ, EV_DELETE, 0, 7);

    int64_t start_us = now_us();
    int n = kevent(kq, &change, 1, events, 4, &long_time);
    int64_t took_us = now_us() - start_us;

    assert_int_equal(n, 1);
    assert_int_equal(events[0].ident, fds[0]);
    assert_int_equal(events[0].filter, EVFILT_READ);
    assert_int_equal(events[0].flags, EV_ERROR);
    assert_int_equal(events[0].data, ENOENT);
    assert_int_equal(kit_tag(&events[0]), 7);
    assert_true(took_us < PATIENCE_S * 1000000 / 2);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_a_failing_change_when_something_is_ready_then_it_is_reported_next(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[4];
    kit_unix_pair(fds);
    kit_put(fds[1], "x");
    struct kevent changes[] = {kit_kevent(fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1),
                               kit_kevent(fds[0], EVFILT_WRITE, EV_DELETE, 0, 2)};

    int n = kevent(kq, changes, 2, events, 4, &long_time);

    assert_int_equal(n, 1);
    assert_int_equal(events[0].flags, EV_ERROR);
    assert_int_equal(kit_tag(&events[0]), 2);
    assert_int_equal(kit_wait_one(kq, fds[0], EVFILT_READ).data, 1);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_no_room_when_a_change_fails_then_the_later_ones_are_not_made(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_unix_pair(fds);
    struct kevent changes[] = {kit_kevent(fds[0], EVFILT_READ, EV_DELETE, 0, 1),
                               kit_kevent(fds[0], EVFILT_WRITE, EV_ADD, 0, 2)};

    int rc = kevent(kq, changes, 2, NULL, 0, NULL);

    assert_int_equal(rc, -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(kit_try(kq, fds[0], EVFILT_WRITE, EV_DELETE, 0, 2), ENOENT);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_two_deletes_when_the_first_fails_then_the_second_is_made(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[2];
    kit_unix_pair(fds);
    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD, 0, 1);
    struct kevent changes[] = {kit_kevent(fds[0], EVFILT_READ, EV_DELETE, 0, 1),
                               kit_kevent(fds[0], EVFILT_WRITE, EV_DELETE, 0, 1)};

    int n = kevent(kq, changes, 2, events, 2, &long_time);

    assert_int_equal(n, 1);
    assert_int_equal(events[0].filter, EVFILT_READ);
    assert_int_equal(kit_try(kq, fds[0], EVFILT_WRITE, EV_DELETE, 0, 1), ENOENT);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_receipts_when_changes_are_made_then_each_has_an_entry_and_none_waits(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[4];
    kit_unix_pair(fds);
    kit_put(fds[1], "x");
    struct kevent changes[] = {
        kit_kevent(fds[0], EVFILT_READ, EV_ADD | EV_CLEAR | EV_RECEIPT, 0, 1),
        kit_kevent(fds[1], EVFILT_READ, EV_DELETE | EV_RECEIPT, 0, 2),
        kit_kevent(fds[1], EVFILT_READ, EV_ADD | EV_RECEIPT, 0, 3)};

    int n = kevent(kq, changes, 3, events, 4, &long_time);

    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(events[i].flags, EV_ERROR);
        assert_int_equal(kit_tag(&events[i]), i + 1);
        assert_int_equal(events[i].data, i == 1 ? ENOENT : 0);
    }
    assert_int_equal(
        kit_tag(&(struct kevent[]){kit_wait_one(kq, fds[0], EVFILT_READ)}[0]), 1);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_one_array_for_both_when_changes_fail_then_it_holds_their_entries(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_unix_pair(fds);
    struct kevent both[] = {kit_kevent(fds[0], EVFILT_READ, EV_DELETE, 0, 1),
                            kit_kevent(fds[0], EVFILT_READ, EV_ADD, 0, 2),
                            kit_kevent(fds[0], EVFILT_WRITE, EV_DELETE, 0, 3)};

    int n = kevent(kq, both, 3, both, 3, &long_time);

    assert_int_equal(n, 2);
    assert_int_equal(kit_tag(&both[0]), 1);
    assert_int_equal(kit_tag(&both[1]), 3);
    kit_change(kq, fds[0], EVFILT_READ, EV_DELETE, 0, 2);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_an_event_when_it_is_handed_in_as_a_change_then_its_result_flags_do_no_harm(
    void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_unix_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD, 0, 1);
    kit_close(fds[1]);
    struct kevent event = kit_wait_one(kq, fds[0], EVFILT_READ);

    event.flags |= EV_DELETE;
    int rc = kevent(kq, &event, 1, NULL, 0, NULL);

    assert_int_equal(rc, 0);
    kit_close(fds[0]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(given_a_kqueue_when_counts_are_negative_then_einval),
        KIT_TEST(given_a_kqueue_when_the_timeout_is_no_time_then_einval),
        KIT_TEST(given_no_kqueue_when_called_then_ebadf),
        KIT_TEST(given_a_closed_kqueue_when_called_then_ebadf),
        KIT_TEST(given_an_unknown_filter_when_added_then_einval),
        KIT_TEST(given_a_closed_descriptor_when_changed_then_ebadf),
        KIT_TEST(given_nothing_registered_when_changed_then_enoent),
        KIT_TEST(given_a_failing_change_when_waiting_then_its_entry_comes_at_once),
        KIT_TEST(given_a_failing_change_when_something_is_ready_then_it_is_reported_next),
        KIT_TEST(given_no_room_when_a_change_fails_then_the_later_ones_are_not_made),
        KIT_TEST(given_two_deletes_when_the_first_fails_then_the_second_is_made),
        KIT_TEST(
            given_receipts_when_changes_are_made_then_each_has_an_entry_and_none_waits),
        KIT_TEST(given_one_array_for_both_when_changes_fail_then_it_holds_their_entries),
        KIT_TEST(
            given_an_event_when_it_is_handed_in_as_a_change_then_its_result_flags_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
