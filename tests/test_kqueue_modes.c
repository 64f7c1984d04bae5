/*
 * test_kqueue_modes.c - kqueue(2): how often a knote is reported
 *
 * EV_CLEAR, level-triggered, EV_ONESHOT, EV_DISPATCH, EV_ENABLE and EV_DISABLE, adding again,
 * and arrays that are too short. Written against kqueue(2), see kqueue_kit.h.
 */
#include "kqueue_kit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct pair {
    int fds[2];
};

static struct pair
ready_pair(void)
{
    struct pair pair;
    kit_unix_pair(pair.fds);
    kit_put(pair.fds[1], "x");
    return pair;
}

static void
close_pair(struct pair pair)
{
    kit_close(pair.fds[0]);
    kit_close(pair.fds[1]);
}

/* ---- level and edge --------------------------------------------------------------------- */

static void
given_a_level_knote_when_nothing_is_read_then_it_is_repeated(void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    struct kevent event;
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD, 0, 1);

    for (int i = 0; i < 3; i++)
        (void)kit_wait_one(kq, pair.fds[0], EVFILT_READ);
    kit_get(pair.fds[0], 1);

    assert_int_equal(kit_peek(kq, &event, 1), 0);
    close_pair(pair);
}

static void
given_a_clear_knote_when_reported_then_it_is_silent_until_more_arrives(void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    struct kevent event;
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    assert_int_equal(kit_wait_one(kq, pair.fds[0], EVFILT_READ).data, 1);
    assert_int_equal(kit_peek(kq, &event, 1), 0);

    kit_put(pair.fds[1], "y");

    assert_int_equal(kit_wait_one(kq, pair.fds[0], EVFILT_READ).data, 2);
    assert_int_equal(kit_peek(kq, &event, 1), 0);
    close_pair(pair);
}

static void
given_clear_and_level_on_one_descriptor_when_ready_then_each_keeps_its_way(void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    struct kevent events[4];
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD, 0, 1);
    kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 2);
    assert_int_equal(kit_wait(kq, events, 4), 2);

    for (int i = 0; i < 3; i++)
        (void)kit_wait_one(kq, pair.fds[0], EVFILT_READ);
    kit_get(pair.fds[0], 1);
    assert_int_equal(kit_peek(kq, events, 4), 0);
    kit_close(pair.fds[1]);

    int n = kit_wait(kq, events, 4);
    assert_true(kit_find(events, n, pair.fds[0], EVFILT_READ)->flags & EV_EOF);
    assert_true(kit_find(events, n, pair.fds[0], EVFILT_WRITE)->flags & EV_EOF);
    n = kit_wait(kq, events, 4);
    assert_int_equal(n, 1);
    assert_int_equal(events[0].filter, EVFILT_READ);
    kit_close(pair.fds[0]);
}

static void
given_level_write_beside_clear_read_when_ready_then_each_keeps_its_way(void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    struct kevent events[4];
    kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_ADD, 0, 2);
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    assert_int_equal(kit_wait(kq, events, 4), 2);

    for (int i = 0; i < 3; i++)
        (void)kit_wait_one(kq, pair.fds[0], EVFILT_WRITE);
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_DELETE, 0, 1);
    (void)kit_wait_one(kq, pair.fds[0], EVFILT_WRITE);
    kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_DELETE, 0, 2);

    assert_int_equal(kit_peek(kq, events, 4), 0);
    close_pair(pair);
}

/* ---- one-shot, dispatch, enable, disable ------------------------------------------------ */

static void
given_a_oneshot_knote_when_reported_then_it_is_gone(void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    struct kevent event;
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 1);

    (void)kit_wait_one(kq, pair.fds[0], EVFILT_READ);

    assert_int_equal(kit_peek(kq, &event, 1), 0);
    assert_int_equal(kit_try(kq, pair.fds[0], EVFILT_READ, EV_DELETE, 0, 1), ENOENT);
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 2);
    event = kit_wait_one(kq, pair.fds[0], EVFILT_READ);
    assert_int_equal(kit_tag(&event), 2);
    close_pair(pair);
}

static void
given_a_dispatch_knote_when_reported_then_it_is_disabled(void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    struct kevent event;
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | EV_DISPATCH, 0, 1);

    (void)kit_wait_one(kq, pair.fds[0], EVFILT_READ);

    kit_put(pair.fds[1], "y");
    assert_int_equal(kit_peek(kq, &event, 1), 0);
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ENABLE, 0, 1);
    assert_int_equal(kit_wait_one(kq, pair.fds[0], EVFILT_READ).data, 2);
    close_pair(pair);
}

static void
given_a_disabled_knote_when_data_arrives_then_it_is_silent_until_enabled(void **state)
{
    const unsigned modes[] = {0, EV_CLEAR};
    int kq = *(int *)*state;
    for (int i = 0; i < 2; i++) {
        struct pair pair;
        struct kevent event;
        kit_unix_pair(pair.fds);
        kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | modes[i], 0, 1);
        kit_change(kq, pair.fds[0], EVFILT_READ, EV_DISABLE, 0, 1);

        kit_put(pair.fds[1], "x");
        assert_int_equal(kit_peek(kq, &event, 1), 0);
        kit_change(kq, pair.fds[0], EVFILT_READ, EV_ENABLE, 0, 1);

        event = kit_wait_one(kq, pair.fds[0], EVFILT_READ);
        assert_int_equal(event.data, 1);
        assert_int_equal(kit_tag(&event), 1);
        close_pair(pair);
    }
}

static void
given_a_knote_added_disabled_when_ready_then_it_is_silent(void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    struct kevent event;

    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | EV_DISABLE, 0, 1);
    kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_ADD | EV_DISABLE | EV_CLEAR, 0, 2);
    assert_int_equal(kit_peek(kq, &event, 1), 0);
    kit_put(pair.fds[1], "y");
    kit_close(pair.fds[1]);
    assert_int_equal(kit_peek(kq, &event, 1), 0);

    kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_ENABLE, 0, 2);
    assert_true(kit_wait_one(kq, pair.fds[0], EVFILT_WRITE).flags & EV_EOF);
    kit_close(pair.fds[0]);
}

static void
given_a_knote_that_was_reported_when_enabled_again_then_it_is_looked_at_again(
    void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    (void)kit_wait_one(kq, pair.fds[0], EVFILT_READ);

    kit_change(kq, pair.fds[0], EVFILT_READ, EV_DISABLE, 0, 1);
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ENABLE, 0, 1);

    assert_int_equal(kit_wait_one(kq, pair.fds[0], EVFILT_READ).data, 1);
    close_pair(pair);
}

static void
given_a_deleted_knote_when_data_arrives_then_nothing(void **state)
{
    const unsigned modes[] = {0, EV_CLEAR, EV_DISPATCH};
    int kq = *(int *)*state;
    for (int i = 0; i < 3; i++) {
        struct pair pair = ready_pair();
        struct kevent event;
        kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | modes[i], 0, 1);
        kit_change(kq, pair.fds[0], EVFILT_READ, EV_DELETE, 0, 1);

        kit_put(pair.fds[1], "y");

        assert_int_equal(kit_peek(kq, &event, 1), 0);
        assert_int_equal(kit_try(kq, pair.fds[0], EVFILT_READ, EV_DELETE, 0, 1), ENOENT);
        close_pair(pair);
    }
}

static void
given_one_filter_deleted_when_the_other_is_ready_then_it_is_reported(void **state)
{
    const unsigned modes[] = {0, EV_CLEAR};
    int kq = *(int *)*state;
    for (int i = 0; i < 2; i++) {
        struct pair pair;
        struct kevent event;
        kit_unix_pair(pair.fds);
        kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | modes[i], 0, 1);
        kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_ADD | modes[i], 0, 2);
        kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_DELETE, 0, 2);

        assert_int_equal(kit_peek(kq, &event, 1), 0);
        kit_put(pair.fds[1], "x");
        (void)kit_wait_one(kq, pair.fds[0], EVFILT_READ);
        kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_ADD | EV_ONESHOT, 0, 3);
        struct kevent events[2];
        int n = kit_wait(kq, events, 2);
        assert_int_equal(kit_tag(kit_find(events, n, pair.fds[0], EVFILT_WRITE)), 3);
        close_pair(pair);
    }
}

/* ---- adding again ----------------------------------------------------------------------- */

static void
given_a_knote_when_added_again_then_it_has_the_new_udata_and_the_old_mode(void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    struct kevent event;
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD, 0, 1);

    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD, 0, 2);
    event = kit_wait_one(kq, pair.fds[0], EVFILT_READ);

    assert_int_equal(kit_tag(&event), 2);
    (void)kit_wait_one(kq, pair.fds[0], EVFILT_READ);
    kit_get(pair.fds[0], 1);
    assert_int_equal(kit_peek(kq, &event, 1), 0);
    close_pair(pair);
}

static void
given_a_reported_clear_knote_when_added_again_then_it_is_looked_at_again(void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    struct kevent event;
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    (void)kit_wait_one(kq, pair.fds[0], EVFILT_READ);

    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 2);
    event = kit_wait_one(kq, pair.fds[0], EVFILT_READ);

    assert_int_equal(kit_tag(&event), 2);
    assert_int_equal(kit_peek(kq, &event, 1), 0);
    close_pair(pair);
}

/* ---- short arrays ----------------------------------------------------------------------- */

static void
given_both_filters_ready_when_the_array_has_one_entry_then_the_other_comes_next(
    void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    struct kevent events[2];
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 2);

    assert_int_equal(kit_wait(kq, &events[0], 1), 1);
    assert_int_equal(kit_wait(kq, &events[1], 1), 1);

    (void)kit_find(events, 2, pair.fds[0], EVFILT_READ);
    (void)kit_find(events, 2, pair.fds[0], EVFILT_WRITE);
    assert_int_equal(kit_peek(kq, events, 2), 0);
    close_pair(pair);
}

static void
given_both_level_filters_ready_when_the_array_has_one_entry_then_neither_starves(
    void **state)
{
    int kq = *(int *)*state;
    struct pair pair = ready_pair();
    int n_read = 0;
    kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD, 0, 1);
    kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_ADD, 0, 2);

    for (int i = 0; i < 20; i++) {
        struct kevent event;
        assert_int_equal(kit_wait(kq, &event, 1), 1);
        n_read += kit_tag(&event) == 1;
    }

    assert_in_range(n_read, 5, 15);
    close_pair(pair);
}

static void
given_an_event_left_over_when_its_condition_ends_then_it_is_not_reported(void **state)
{
    const unsigned modes[] = {0, EV_CLEAR};
    int kq = *(int *)*state;
    for (int i = 0; i < 2; i++) {
        struct pair pair = ready_pair();
        struct kevent event;
        kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | modes[i], 0, 1);
        kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 2);
        assert_int_equal(kit_wait(kq, &event, 1), 1);

        kit_get(pair.fds[0], 1);
        while (kit_peek(kq, &event, 1) == 1)
            assert_int_equal(event.filter, EVFILT_WRITE);

        kit_put(pair.fds[1], "y");
        do
            assert_int_equal(kit_wait(kq, &event, 1), 1);
        while (event.filter != EVFILT_READ);
        close_pair(pair);
    }
}

static void
given_an_event_left_over_when_disabled_or_deleted_then_it_is_not_reported(void **state)
{
    const unsigned changes[] = {EV_DISABLE, EV_DELETE};
    int kq = *(int *)*state;
    for (int i = 0; i < 2; i++) {
        struct pair pair = ready_pair();
        struct kevent event;
        kit_change(kq, pair.fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
        kit_change(kq, pair.fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 2);
        assert_int_equal(kit_wait(kq, &event, 1), 1);

        int other = event.filter == EVFILT_READ ? EVFILT_WRITE : EVFILT_READ;
        kit_change(kq, pair.fds[0], other, changes[i], 0, 0);

        assert_int_equal(kit_peek(kq, &event, 1), 0);
        close_pair(pair);
    }
}

static void
given_many_ready_when_the_array_is_short_then_each_is_reported_once(void **state)
{
    enum { N = 40 };
    int kq = *(int *)*state;
    struct pair pairs[N];
    int n_seen[2 * N] = {0};
    for (int i = 0; i < N; i++) {
        pairs[i] = ready_pair();
        kit_change(kq, pairs[i].fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, i);
        kit_change(kq, pairs[i].fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, N + i);
    }

    for (int n = 0, room = 1; n < 2 * N; room = room % 5 + 1) {
        struct kevent events[5];
        int got = kit_wait(kq, events, room);
        for (int i = 0; i < got; i++)
            n_seen[kit_tag(&events[i])]++;
        n += got;
    }

    struct kevent none;
    assert_int_equal(kit_peek(kq, &none, 1), 0);
    for (int i = 0; i < 2 * N; i++)
        assert_int_equal(n_seen[i], 1);
    for (int i = 0; i < N; i++)
        close_pair(pairs[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(given_a_level_knote_when_nothing_is_read_then_it_is_repeated),
        KIT_TEST(given_a_clear_knote_when_reported_then_it_is_silent_until_more_arrives),
        KIT_TEST(
            given_clear_and_level_on_one_descriptor_when_ready_then_each_keeps_its_way),
        KIT_TEST(given_level_write_beside_clear_read_when_ready_then_each_keeps_its_way),
        KIT_TEST(given_a_oneshot_knote_when_reported_then_it_is_gone),
        KIT_TEST(given_a_dispatch_knote_when_reported_then_it_is_disabled),
        KIT_TEST(
            given_a_disabled_knote_when_data_arrives_then_it_is_silent_until_enabled),
        KIT_TEST(given_a_knote_added_disabled_when_ready_then_it_is_silent),
        KIT_TEST(
            given_a_knote_that_was_reported_when_enabled_again_then_it_is_looked_at_again),
        KIT_TEST(given_a_deleted_knote_when_data_arrives_then_nothing),
        KIT_TEST(given_one_filter_deleted_when_the_other_is_ready_then_it_is_reported),
        KIT_TEST(
            given_a_knote_when_added_again_then_it_has_the_new_udata_and_the_old_mode),
        KIT_TEST(
            given_a_reported_clear_knote_when_added_again_then_it_is_looked_at_again),
        KIT_TEST(
            given_both_filters_ready_when_the_array_has_one_entry_then_the_other_comes_next),
        KIT_TEST(
            given_both_level_filters_ready_when_the_array_has_one_entry_then_neither_starves),
        KIT_TEST(
            given_an_event_left_over_when_its_condition_ends_then_it_is_not_reported),
        KIT_TEST(
            given_an_event_left_over_when_disabled_or_deleted_then_it_is_not_reported),
        KIT_TEST(given_many_ready_when_the_array_is_short_then_each_is_reported_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
