/*
 * test_loop_watch.c - what the kernel is told about watches, and what becomes of failures
 */
#include "event/loop.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "compat/compat.h"
#include "loop_kit.h"

/* ---- watches: once, again, refused ---- */

static void
given_unread_data_when_reading_is_turned_on_again_then_told_again(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);
    owner_put(a, "x");
    loop_kit_step(f);
    assert_int_equal(a->n_events, 1);

    /* In one step, and with a wait in between. */
    owner_watch(a, KP_READ, KP_OFF);
    owner_watch(a, KP_READ, KP_EDGE);
    loop_kit_step(f);
    assert_int_equal(a->n_events, 2);
    owner_watch(a, KP_READ, KP_OFF);
    loop_kit_step_now(f);
    owner_watch(a, KP_READ, KP_EDGE);
    loop_kit_step(f);
    assert_int_equal(a->n_events, 3);
}

static void
given_room_to_write_when_writing_is_turned_on_again_then_told_again(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_open(f, 0);

    for (int i = 1; i <= 3; i++) {
        owner_watch(a, KP_WRITE, KP_EDGE);
        loop_kit_step(f);
        assert_int_equal(a->n_of[KP_WRITE], i);
        owner_watch(a, KP_WRITE, KP_OFF);
    }
    fault_fill(a->fds[0]);
    owner_watch(a, KP_WRITE, KP_EDGE);
    loop_kit_step_now(f);
    assert_int_equal(a->n_of[KP_WRITE], 3);
    fault_drain(a->fds[1]);
    loop_kit_step(f);
    assert_int_equal(a->n_of[KP_WRITE], 4);
}

static void
given_a_closed_descriptor_when_watched_then_told_that_the_watch_failed(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_open(f, 0);
    struct owner *b = owner_reading(f, 1);
    owner_put(b, "x");
    close(a->fds[0]);
    owner_watch(a, KP_READ, KP_EDGE);

    loop_kit_step(f);
    assert_int_equal(a->n_events, 1);
    assert_true(a->last.watch_failed);
    assert_int_equal(a->last.error, EBADF);
    assert_int_equal(a->last.filter, KP_READ);
    assert_int_equal(a->source.mode[KP_READ], KP_OFF);
    if (b->n_events == 0)
        loop_kit_step(f); /* errors come alone */
    assert_int_equal(b->n_events, 1);
    a->fds[0] = -1;
}

static void
given_a_descriptor_closed_before_its_watch_is_off_then_the_error_is_ignored(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);
    loop_kit_step_now(f);
    close(a->fds[0]);
    a->fds[0] = -1;

    owner_watch(a, KP_READ, KP_OFF);
    loop_kit_step_now(f);

    assert_int_equal(a->n_events, 0);
    assert_int_equal(a->source.registered[KP_READ], KP_OFF);
}

/* ---- bookkeeping, on paper ---- */

static void
given_a_watch_turned_off_before_the_wait_when_waited_then_no_change(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0];
    owner_add(a, 100);

    assert_false(kp_loop_has_changes(&f->loop));
    owner_watch(a, KP_READ, KP_EDGE);
    owner_watch(a, KP_WRITE, KP_EDGE);
    assert_true(kp_loop_has_changes(&f->loop));
    owner_watch(a, KP_READ, KP_OFF);
    owner_watch(a, KP_WRITE, KP_OFF);
    assert_false(kp_loop_has_changes(&f->loop));
    loop_kit_step_now(f);

    assert_int_equal(f->paper.n_changes, 0);
    assert_int_equal(f->paper.n_calls, 1);
}

static void
given_many_wishes_for_one_filter_when_waited_then_one_change(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0];
    owner_add(a, 100);
    owner_watch(a, KP_READ, KP_EDGE);
    owner_watch(a, KP_READ, KP_EDGE);
    loop_kit_step_now(f);
    assert_int_equal(f->paper.n_changes, 1);
    assert_int_equal(f->paper.known[100][KP_READ].flags, EV_ADD | EV_CLEAR);

    owner_watch(a, KP_READ, KP_EDGE);
    assert_false(kp_loop_has_changes(&f->loop));
    for (int i = 0; i < 5; i++) {
        owner_watch(a, KP_READ, KP_OFF);
        owner_watch(a, KP_READ, KP_EDGE);
    }
    loop_kit_step_now(f);
    assert_int_equal(f->paper.n_changes, 2); /* asks anew */

    for (int i = 0; i < 5; i++) {
        owner_watch(a, KP_READ, KP_OFF);
        owner_watch(a, KP_READ, KP_EDGE);
        owner_watch(a, KP_READ, KP_OFF);
    }
    loop_kit_step_now(f);
    assert_int_equal(f->paper.n_changes, 3);
    assert_false(paper_knows(f, 100, KP_READ));
}

static void
given_modes_and_filters_when_handed_in_then_the_right_flags(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0], *b = &f->owners[1];
    owner_add(a, 100);
    owner_add(b, 101);

    owner_watch(a, KP_READ, KP_LEVEL);
    assert_int_equal(kp_loop_watch(&f->loop, &b->source, KP_VNODE, KP_EDGE, NOTE_WRITE),
                     0);
    owner_watch(b, KP_WRITE, KP_EDGE);
    loop_kit_step_now(f);

    assert_int_equal(f->paper.known[100][KP_READ].flags, EV_ADD);
    assert_int_equal(f->paper.known[100][KP_READ].fflags, NOTE_NODATA);
    assert_int_equal(f->paper.known[101][KP_VNODE].flags, EV_ADD | EV_CLEAR);
    assert_int_equal(f->paper.known[101][KP_VNODE].fflags, NOTE_WRITE);
    assert_int_equal(f->paper.known[101][KP_WRITE].flags, EV_ADD | EV_CLEAR);
}

static void
given_a_counting_watch_when_told_then_how_much_there_is(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0], *b = &f->owners[1];
    owner_add(a, 100);
    owner_add(b, 101);

    owner_watch(a, KP_READ, KP_COUNT);
    owner_watch(b, KP_READ, KP_LEVEL);
    loop_kit_step_now(f);
    assert_int_equal(f->paper.known[100][KP_READ].flags, EV_ADD);
    assert_int_equal(f->paper.known[100][KP_READ].fflags, 0);

    paper_ready(f, 100, KP_READ, 0, 0, 17);
    paper_ready(f, 101, KP_READ, 0, 0, 17);
    loop_kit_step_now(f);
    assert_int_equal(a->last.count, 17);
    assert_int_equal(b->last.count, 0);

    paper_ready(f, 100, KP_READ, 0, 0, -1); /* as of a file that was cut off */
    loop_kit_step_now(f);
    assert_int_equal(a->n_events, 2);
    assert_int_equal(a->last.count, 0);
}

static void
given_events_of_all_kinds_when_delivered_then_translated(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0], *b = &f->owners[1];
    owner_add(a, 100);
    owner_add(b, 101);
    owner_watch(a, KP_READ, KP_LEVEL);
    owner_watch(b, KP_READ, KP_EDGE);
    owner_watch(b, KP_WRITE, KP_EDGE);
    loop_kit_step_now(f);

    paper_ready(f, 100, KP_READ, 0, 0, 17);
    loop_kit_step_now(f);
    assert_int_equal(a->last.filter, KP_READ);
    assert_false(a->last.eof);

    paper_ready(f, 101, KP_READ, EV_EOF | EV_CLEAR, 0, 5);
    loop_kit_step_now(f);
    assert_true(b->last.eof);
    assert_int_equal(b->last.error, 0);

    paper_ready(f, 101, KP_WRITE, EV_EOF | EV_CLEAR, EPIPE, 0);
    loop_kit_step_now(f);
    assert_int_equal(b->last.filter, KP_WRITE);
    assert_true(b->last.eof);
    assert_int_equal(b->last.error, EPIPE);

    /* Without EV_EOF, fflags of a socket mean nothing. */
    paper_ready(f, 101, KP_READ, EV_CLEAR, 0x1000, 0);
    loop_kit_step_now(f);
    assert_int_equal(b->last.error, 0);
    assert_int_equal(b->last.fflags, 0);
    assert_int_equal(a->n_events, 1);
    assert_int_equal(b->n_events, 3);
}

static void
given_tags_that_never_were_when_an_event_has_one_then_dropped(void **state)
{
    struct fixture *f = *state;
    owner_add(&f->owners[0], 100);
    owner_watch(&f->owners[0], KP_READ, KP_EDGE);
    loop_kit_step_now(f);
    uintptr_t good = f->paper.known[100][KP_READ].udata;
    const uintptr_t bad[] = {0, good + 1, good - 1, ~(uintptr_t)0, ~good};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        f->paper.known[100][KP_READ].udata = bad[i];
        paper_ready(f, 100, KP_READ, EV_CLEAR, 0, 0);
        paper_ready(f, 100, KP_READ, EV_ERROR, 0, EIO);
    }
    loop_kit_step_now(f);
    assert_int_equal(f->owners[0].n_events, 0);

    f->paper.known[100][KP_READ].udata = good;
    paper_ready(f, 100, KP_READ, EV_CLEAR, 0, 0);
    loop_kit_step_now(f);
    assert_int_equal(f->owners[0].n_events, 1);
}

static void
given_a_refused_watch_when_asked_for_again_then_handed_in_again(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0];
    owner_add(a, 100);
    f->paper.refuse_fd = 100;
    owner_watch(a, KP_READ, KP_EDGE);
    loop_kit_step_now(f);
    assert_true(a->last.watch_failed);
    assert_int_equal(a->last.error, EPERM);

    f->paper.refuse_fd = -1;
    owner_watch(a, KP_READ, KP_EDGE);
    loop_kit_step_now(f);

    assert_true(paper_knows(f, 100, KP_READ));
    assert_int_equal(a->n_events, 1);
    /* Off after a refusal has nothing to take out. */
    f->paper.refuse_fd = 100;
    owner_watch(a, KP_WRITE, KP_EDGE);
    loop_kit_step_now(f);
    owner_watch(a, KP_WRITE, KP_OFF);
    assert_false(kp_loop_has_changes(&f->loop));
    assert_int_equal(f->paper.n_deletes_failed, 0);
}

static void
given_kevent_failing_when_waited_then_its_error_and_the_changes_stay(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0], *b = &f->owners[1];
    owner_add(a, 100);
    owner_add(b, 101);
    owner_watch(a, KP_READ, KP_EDGE);
    owner_watch(a, KP_WRITE, KP_EDGE);
    owner_watch(b, KP_READ, KP_EDGE);

    fault_sys_fail(&f->sys, FAULT_KEVENT, 1, ENOMEM);
    assert_int_equal(kp_loop_wait(&f->loop, WAIT_NS), -ENOMEM);
    kp_loop_dispatch(&f->loop);
    owner_watch(a, KP_WRITE, KP_OFF); /* never got there */
    kp_loop_remove(&f->loop, &b->source);
    loop_kit_step_now(f);

    assert_true(paper_knows(f, 100, KP_READ));
    assert_false(paper_knows(f, 100, KP_WRITE));
    assert_false(paper_knows(f, 101, KP_READ));
    assert_int_equal(f->paper.n_changes, 1);
}

static void
given_kevent_interrupted_when_waited_then_no_event_and_the_changes_are_made(void **state)
{
    struct fixture *f = *state;
    owner_add(&f->owners[0], 100);
    owner_watch(&f->owners[0], KP_READ, KP_EDGE);

    fault_sys_fail(&f->sys, FAULT_KEVENT, 1, EINTR);
    assert_int_equal(kp_loop_wait(&f->loop, WAIT_NS), 0);

    assert_true(paper_knows(f, 100, KP_READ));
    assert_false(kp_loop_has_changes(&f->loop));
}

static void
given_timeouts_when_waited_then_what_kevent_is_told(void **state)
{
    struct fixture *f = *state;

    kp_loop_wait(&f->loop, KP_NEVER);
    assert_false(f->paper.had_timeout);
    kp_loop_wait(&f->loop, 3 * KP_NS_PER_S + 7);
    assert_true(f->paper.had_timeout);
    assert_int_equal(f->paper.timeout.tv_sec, 3);
    assert_int_equal(f->paper.timeout.tv_nsec, 7);
    kp_loop_wait(&f->loop, 0);
    assert_int_equal(f->paper.timeout.tv_sec, 0);
    assert_int_equal(f->paper.timeout.tv_nsec, 0);
    kp_loop_wait(&f->loop, KP_NEVER - 1);
    assert_true(f->paper.had_timeout);
    assert_int_equal(f->paper.timeout.tv_sec, 24 * 3600);
}

static void
given_a_wait_when_it_returns_then_now_is_the_time_after_it(void **state)
{
    struct fixture *f = *state;
    fault_clock_set(&f->sys, 123456);

    kp_loop_wait(&f->loop, 0);
    assert_int_equal(f->loop.now_ns, 123456);
    fault_clock_advance(&f->sys, 1000);
    assert_int_equal(f->loop.now_ns, 123456);
    fault_sys_fail(&f->sys, FAULT_KEVENT, 1, EBADF);
    kp_loop_wait(&f->loop, 0);
    assert_int_equal(f->loop.now_ns, 124456);
}

static void
given_events_not_yet_delivered_when_waited_again_then_none_is_lost(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0], *b = &f->owners[1];
    owner_add(a, 100);
    owner_add(b, 101);
    owner_watch(a, KP_READ, KP_EDGE);
    owner_watch(b, KP_READ, KP_EDGE);
    kp_loop_wait(&f->loop, 0);

    paper_ready(f, 100, KP_READ, EV_CLEAR, 0, 0);
    assert_int_equal(kp_loop_wait(&f->loop, WAIT_NS), 1);
    paper_ready(f, 101, KP_READ, EV_CLEAR, 0, 0);
    assert_int_equal(kp_loop_wait(&f->loop, WAIT_NS), 2);
    assert_int_equal(f->paper.timeout.tv_sec, 0); /* there was something already */
    fault_sys_fail(&f->sys, FAULT_KEVENT, 1, ENOMEM);
    assert_int_equal(kp_loop_wait(&f->loop, WAIT_NS), 2);
    kp_loop_dispatch(&f->loop);

    assert_int_equal(a->n_events, 1);
    assert_int_equal(b->n_events, 1);
}

static void
given_more_changes_and_errors_than_places_when_waited_then_all_are_made(void **state)
{
    struct fixture *f = *state;
    enum { N = 3 * KP_LOOP_EVENTS };
    static struct owner many[N];
    memset(many, 0, sizeof(many));
    for (int i = 0; i < N; i++) {
        many[i].f = f;
        kp_source_init(&many[i].source);
        owner_add(&many[i], i);
        owner_watch(&many[i], KP_READ, KP_EDGE);
    }
    for (int i = 0; i < 20; i++) /* events that come between the changes */
        paper_ready(f, 1999, KP_READ, EV_CLEAR, 0, 0);

    for (int steps = 0; steps < 3 && kp_loop_has_changes(&f->loop); steps++)
        loop_kit_step_now(f);
    for (int i = 0; i < N; i++)
        assert_true(paper_knows(f, i, KP_READ));

    /* Every single delete fails: the kernel has forgotten all of them. */
    memset(f->paper.known, 0, sizeof(f->paper.known));
    for (int i = 0; i < N; i++)
        owner_watch(&many[i], KP_READ, KP_OFF);
    for (int steps = 0; steps < 10 && kp_loop_has_changes(&f->loop); steps++)
        loop_kit_step_now(f);

    assert_false(kp_loop_has_changes(&f->loop));
    assert_int_equal(f->paper.n_deletes_failed, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(many[i].n_events, 0);
        kp_loop_remove(&f->loop, &many[i].source);
    }
}

static void
given_no_memory_when_watched_then_enomem_and_nothing_changed(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0];
    owner_add(a, 100);
    kp_mem_free(&f->env.mem, f->loop.changes,
                f->loop.changes_capacity * sizeof(*f->loop.changes));
    f->loop.changes = NULL;
    f->loop.changes_capacity = 0;

    fault_mem_fail_from(&f->mem, 1);
    assert_int_equal(kp_loop_watch(&f->loop, &a->source, KP_READ, KP_EDGE, 0), -ENOMEM);
    assert_int_equal(kp_loop_watch(&f->loop, &a->source, KP_VNODE, KP_EDGE, NOTE_WRITE),
                     -ENOMEM);
    assert_int_equal(a->source.mode[KP_READ], KP_OFF);
    assert_int_equal(a->source.mode[KP_VNODE], KP_OFF);
    loop_kit_step_now(f);
    assert_int_equal(f->paper.n_changes, 0);

    fault_env_heal(&f->mem, NULL);
    assert_int_equal(kp_loop_watch(&f->loop, &a->source, KP_VNODE, KP_EDGE, NOTE_WRITE),
                     0);
    loop_kit_step_now(f);
    assert_true(paper_knows(f, 100, KP_VNODE));
}

static void
given_no_memory_when_turned_off_then_it_is_off_all_the_same(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0];
    owner_add(a, 100);
    owner_watch(a, KP_READ, KP_EDGE);
    loop_kit_step_now(f);
    kp_mem_free(&f->env.mem, f->loop.changes,
                f->loop.changes_capacity * sizeof(*f->loop.changes));
    f->loop.changes = NULL;
    f->loop.changes_capacity = 0;

    fault_mem_fail_from(&f->mem, 1);
    owner_watch(a, KP_READ, KP_OFF);

    assert_false(paper_knows(f, 100, KP_READ));
    assert_false(kp_loop_has_changes(&f->loop));
    fault_env_heal(&f->mem, NULL);
    owner_watch(a, KP_READ, KP_EDGE);
    loop_kit_step_now(f);
    assert_true(paper_knows(f, 100, KP_READ));
}

static void
given_no_memory_when_added_then_enomem_and_later_it_works(void **state)
{
    struct fixture *f = *state;
    static struct kp_source many[50];

    for (size_t n = 1;; n++) {
        f->mem.failures = 0;
        fault_mem_fail(&f->mem, n);
        for (int i = 0; i < 50; i++) {
            kp_source_init(&many[i]);
            int rc = kp_loop_add(&f->loop, &many[i], i, loop_kit_on_event, NULL);
            if (rc != 0) {
                assert_int_equal(rc, -ENOMEM);
                assert_int_equal(many[i].slot, KP_NO_SLOT);
                assert_int_equal(
                    kp_loop_add(&f->loop, &many[i], i, loop_kit_on_event, NULL), 0);
            }
        }
        for (int i = 0; i < 50; i++)
            kp_loop_remove(&f->loop, &many[i]);
        if (f->mem.failures == 0)
            break;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        REAL(given_unread_data_when_reading_is_turned_on_again_then_told_again),
        REAL(given_room_to_write_when_writing_is_turned_on_again_then_told_again),
        REAL(given_a_closed_descriptor_when_watched_then_told_that_the_watch_failed),
        REAL(given_a_descriptor_closed_before_its_watch_is_off_then_the_error_is_ignored),
        PAPER(given_a_watch_turned_off_before_the_wait_when_waited_then_no_change),
        PAPER(given_many_wishes_for_one_filter_when_waited_then_one_change),
        PAPER(given_modes_and_filters_when_handed_in_then_the_right_flags),
        PAPER(given_a_counting_watch_when_told_then_how_much_there_is),
        PAPER(given_events_of_all_kinds_when_delivered_then_translated),
        PAPER(given_tags_that_never_were_when_an_event_has_one_then_dropped),
        PAPER(given_a_refused_watch_when_asked_for_again_then_handed_in_again),
        PAPER(given_kevent_failing_when_waited_then_its_error_and_the_changes_stay),
        PAPER(
            given_kevent_interrupted_when_waited_then_no_event_and_the_changes_are_made),
        PAPER(given_timeouts_when_waited_then_what_kevent_is_told),
        PAPER(given_a_wait_when_it_returns_then_now_is_the_time_after_it),
        PAPER(given_events_not_yet_delivered_when_waited_again_then_none_is_lost),
        PAPER(given_more_changes_and_errors_than_places_when_waited_then_all_are_made),
        PAPER(given_no_memory_when_watched_then_enomem_and_nothing_changed),
        PAPER(given_no_memory_when_turned_off_then_it_is_off_all_the_same),
        PAPER(given_no_memory_when_added_then_enomem_and_later_it_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
