/*
 * test_timer.c - the heap of deadlines, also against a naive model
 *
 * Time is a number here; no clock is asked.
 */
#include "event/timer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

#define MAX_CALLS 64

struct fixture {
    struct kp_env env;
    struct fault_mem mem;
    struct kp_timers timers;
    struct kp_timer timer[9];
    int calls[MAX_CALLS]; /* indices of timers, in the order of their calls */
    int n_calls;
    void (*then)(struct fixture *f, int index); /* what a callback does besides */
};

static void
on_timer(struct kp_timer *timer, void *arg)
{
    struct fixture *f = arg;
    int index = (int)(timer - f->timer);

    assert_false(kp_timer_is_started(timer));
    assert_true(f->n_calls < MAX_CALLS);
    f->calls[f->n_calls++] = index;
    if (f->then != NULL)
        f->then(f, index);
}

static int
setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    fault_env_init(&f.env, &f.mem, NULL);
    kp_timers_init(&f.timers, &f.env.mem);
    for (int i = 0; i < 9; i++)
        kp_timer_init(&f.timer[i], on_timer, &f);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    kp_timers_clear(&f->timers);
    fault_env_check(&f->env, &f->mem);
    return 0;
}

static void
start(struct fixture *f, int index, uint64_t deadline_ns)
{
    assert_int_equal(kp_timer_start(&f->timers, &f->timer[index], deadline_ns), 0);
}

static void
assert_calls(struct fixture *f, const char *expected)
{
    char calls[MAX_CALLS + 1] = "";

    for (int i = 0; i < f->n_calls; i++)
        calls[i] = (char)('0' + f->calls[i]);
    assert_string_equal(calls, expected);
    f->n_calls = 0;
}

static void
given_no_timers_when_asked_then_never_and_none_called(void **state)
{
    struct fixture *f = *state;

    assert_true(kp_timers_next(&f->timers) == KP_NEVER);
    assert_int_equal(kp_timers_run(&f->timers, KP_NEVER), 0);
    assert_int_equal(f->mem.calls, 0);
}

static void
given_timers_when_time_passes_then_the_due_ones_in_order_of_deadlines(void **state)
{
    struct fixture *f = *state;
    start(f, 0, 300);
    start(f, 1, 100);
    start(f, 2, 200);
    start(f, 3, 400);

    assert_int_equal(kp_timers_next(&f->timers), 100);
    assert_int_equal(kp_timers_run(&f->timers, 99), 0);
    assert_int_equal(kp_timers_run(&f->timers, 300), 3);

    assert_calls(f, "120");
    assert_int_equal(kp_timers_next(&f->timers), 400);
    assert_true(kp_timer_is_started(&f->timer[3]));
    assert_false(kp_timer_is_started(&f->timer[0]));
}

static void
given_overdue_timers_when_the_clock_has_jumped_then_each_once(void **state)
{
    struct fixture *f = *state;
    start(f, 0, 1 * KP_NS_PER_S);
    start(f, 1, 2 * KP_NS_PER_S);

    assert_int_equal(kp_timers_run(&f->timers, 86400 * KP_NS_PER_S), 2);
    assert_int_equal(kp_timers_run(&f->timers, 86401 * KP_NS_PER_S), 0);

    assert_calls(f, "01");
}

static void
given_a_started_timer_when_started_again_then_its_deadline_moves(void **state)
{
    struct fixture *f = *state;
    start(f, 0, 100);
    start(f, 1, 200);
    fault_mem_fail_from(&f->mem, 1); /* moving cannot fail */

    start(f, 0, 300);
    assert_int_equal(kp_timers_next(&f->timers), 200);
    start(f, 0, 50);
    assert_int_equal(kp_timers_next(&f->timers), 50);

    assert_int_equal(kp_timers_run(&f->timers, 1000), 2);
    assert_calls(f, "01");
}

static void
given_a_cancelled_timer_when_time_passes_then_it_is_not_called(void **state)
{
    struct fixture *f = *state;
    start(f, 0, 100);
    start(f, 1, 200);

    kp_timer_cancel(&f->timers, &f->timer[0]);
    kp_timer_cancel(&f->timers, &f->timer[0]);
    kp_timer_cancel(&f->timers, &f->timer[7]);

    assert_int_equal(kp_timers_run(&f->timers, 1000), 1);
    assert_calls(f, "1");
}

static void
given_deadlines_at_the_ends_of_time_when_run_then_in_order(void **state)
{
    struct fixture *f = *state;
    start(f, 0, KP_NEVER);
    start(f, 1, 0);

    assert_int_equal(kp_timers_run(&f->timers, 0), 1);
    assert_calls(f, "1");
    assert_int_equal(kp_timers_run(&f->timers, KP_NEVER - 1), 0);
    assert_int_equal(kp_timers_run(&f->timers, KP_NEVER), 1);
    assert_calls(f, "0");
}

/* ---- callbacks that change timers ---- */

static void
restart_overdue(struct fixture *f, int index)
{
    start(f, index, 10);
}

static void
given_a_callback_when_it_restarts_itself_overdue_then_it_waits_for_the_next_run(
    void **state)
{
    struct fixture *f = *state;
    start(f, 0, 100);
    start(f, 1, 200);
    f->then = restart_overdue;

    assert_int_equal(kp_timers_run(&f->timers, 1000), 2);
    assert_calls(f, "01");
    assert_true(kp_timer_is_started(&f->timer[0]));
    assert_int_equal(kp_timers_next(&f->timers), 10);

    /* The same time again: waiting was for the call, not for the clock. */
    assert_int_equal(kp_timers_run(&f->timers, 1000), 2);
    f->then = NULL;
    assert_int_equal(kp_timers_run(&f->timers, 1000), 2);
    assert_int_equal(kp_timers_run(&f->timers, 1000), 0);
}

static void
cancel_next(struct fixture *f, int index)
{
    if (index == 0) {
        assert_true(kp_timer_is_started(&f->timer[1]));
        assert_int_equal(kp_timers_next(&f->timers), 200);
        kp_timer_cancel(&f->timers, &f->timer[1]);
        assert_false(kp_timer_is_started(&f->timer[1]));
        kp_timer_cancel(&f->timers, &f->timer[3]);
    }
}

static void
given_a_due_timer_when_an_earlier_callback_cancels_it_then_it_is_not_called(void **state)
{
    struct fixture *f = *state;
    start(f, 0, 100);
    start(f, 1, 200);
    start(f, 2, 300);
    start(f, 3, 5000); /* not due */
    f->then = cancel_next;

    assert_int_equal(kp_timers_run(&f->timers, 1000), 2);

    assert_calls(f, "02");
    assert_int_equal(kp_timers_run(&f->timers, 9000), 0);
}

static void
move_others(struct fixture *f, int index)
{
    if (index != 0)
        return;
    fault_mem_fail_from(&f->mem, 1);
    start(f, 1, 2000); /* due: into the future */
    start(f, 2, 50);   /* due: earlier, but not in this run any more */
    start(f, 3, 60);   /* not due: overdue now */
}

static void
given_a_due_timer_when_an_earlier_callback_moves_it_then_not_in_this_run(void **state)
{
    struct fixture *f = *state;
    start(f, 0, 100);
    start(f, 1, 200);
    start(f, 2, 300);
    start(f, 3, 5000);
    start(f, 4, 400);
    f->then = move_others;

    assert_int_equal(kp_timers_run(&f->timers, 1000), 2);
    assert_calls(f, "04");
    assert_int_equal(kp_timers_run(&f->timers, 1000), 2);
    assert_calls(f, "23");
    assert_int_equal(kp_timers_run(&f->timers, 2000), 1);
    assert_calls(f, "1");
}

static void
fill_heap(struct fixture *f, int index)
{
    if (index != 0)
        return;
    /* The heap has eight places, seven of them kept for those that wait for their call. */
    fault_mem_fail_from(&f->mem, 1);
    start(f, 8, 7000);
    assert_int_equal(kp_timer_start(&f->timers, &f->timer[0], 7000), -ENOMEM);
    for (int i = 1; i < 8; i++)
        start(f, i, 7000);
}

static void
given_a_full_heap_when_all_due_timers_are_moved_then_there_is_room(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 8; i++)
        start(f, i, 100 + (uint64_t)i);
    f->then = fill_heap;

    assert_int_equal(kp_timers_run(&f->timers, 1000), 1);

    assert_int_equal(f->timers.count, 8);
    assert_int_equal(f->mem.failures, 1);
    assert_int_equal(f->timers.capacity, 8);
}

static void
clear_all(struct fixture *f, int index)
{
    (void)index;
    kp_timers_clear(&f->timers);
}

static void
given_due_timers_when_a_callback_clears_all_then_the_run_ends(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 8; i++)
        start(f, i, 100 * (uint64_t)i);
    f->then = clear_all;

    assert_int_equal(kp_timers_run(&f->timers, 400), 1);

    assert_calls(f, "0");
    for (int i = 0; i < 8; i++)
        assert_false(kp_timer_is_started(&f->timer[i]));
    assert_int_equal(f->env.mem.used, 0);
}

struct owned {
    struct kp_timer timer;
    struct owned **all;
};

static void
free_everybody(struct kp_timer *timer, void *arg)
{
    struct kp_timers *timers = arg;
    struct owned **all = kp_container_of(timer, struct owned, timer)->all;

    for (int i = 0; i < 10; i++) {
        kp_timer_cancel(timers, &all[i]->timer);
        free(all[i]);
    }
}

static void
given_timers_on_the_heap_when_a_callback_frees_all_then_nothing_touches_them(void **state)
{
    struct fixture *f = *state;
    struct owned *all[10];
    for (int i = 0; i < 10; i++) {
        all[i] = malloc(sizeof(*all[i]));
        all[i]->all = all;
        kp_timer_init(&all[i]->timer, free_everybody, &f->timers);
        assert_int_equal(kp_timer_start(&f->timers, &all[i]->timer, i < 5 ? 100 : 2000),
                         0);
    }

    assert_int_equal(kp_timers_run(&f->timers, 1000), 1);

    assert_true(kp_timers_next(&f->timers) == KP_NEVER);
}

/* ---- memory ---- */

static void
given_no_memory_when_started_then_enomem_and_not_started(void **state)
{
    struct fixture *f = *state;
    struct kp_timer many[100];

    for (size_t n = 1;; n++) {
        size_t started = 0;
        f->mem.failures = 0;
        fault_mem_fail(&f->mem, n);
        for (size_t i = 0; i < 100; i++) {
            kp_timer_init(&many[i], on_timer, f);
            int rc = kp_timer_start(&f->timers, &many[i], 1000 - i);
            assert_int_equal(rc, kp_timer_is_started(&many[i]) ? 0 : -ENOMEM);
            started += rc == 0;
        }
        assert_int_equal(started, 100 - f->mem.failures);
        assert_int_equal(f->timers.count, started);
        kp_timers_clear(&f->timers);
        if (f->mem.failures == 0)
            break;
    }
}

/* ---- against a model ---- */

#define N_MODEL 10000

struct model {
    struct kp_timers timers;
    struct kp_timer timer[N_MODEL];
    uint64_t deadline[N_MODEL]; /* KP_NEVER: not started */
    uint64_t now;
    uint64_t last; /* deadline of the last call in this run */
    size_t called;
    uint32_t random;
};

static uint32_t
next_random(struct model *m)
{
    m->random = m->random * 1664525 + 1013904223;
    return m->random >> 8;
}

static void
model_start(struct model *m, size_t i, uint64_t deadline)
{
    assert_int_equal(kp_timer_start(&m->timers, &m->timer[i], deadline), 0);
    m->deadline[i] = deadline;
}

static void
model_change(struct model *m)
{
    size_t i = next_random(m) % N_MODEL;

    if (next_random(m) % 3 == 0) {
        kp_timer_cancel(&m->timers, &m->timer[i]);
        m->deadline[i] = KP_NEVER;
    } else {
        model_start(m, i, m->now + 1 + next_random(m) % 5000);
    }
}

static void
on_model_timer(struct kp_timer *timer, void *arg)
{
    struct model *m = arg;
    size_t i = (size_t)(timer - m->timer);

    assert_true(m->deadline[i] <= m->now && m->deadline[i] >= m->last);
    m->last = m->deadline[i];
    m->deadline[i] = KP_NEVER;
    m->called++;
    for (uint32_t n = next_random(m) % 4; n > 0; n--)
        model_change(m);
}

static void
assert_like_model(const struct model *m)
{
    uint64_t earliest = KP_NEVER;

    for (size_t i = 0; i < N_MODEL; i++) {
        assert_int_equal(kp_timer_is_started(&m->timer[i]), m->deadline[i] != KP_NEVER);
        if (m->deadline[i] < earliest)
            earliest = m->deadline[i];
    }
    assert_true(kp_timers_next(&m->timers) == earliest);
    assert_true(earliest > m->now); /* all that were due have been called */
}

static void
given_ten_thousand_timers_when_used_at_random_then_as_the_naive_model(void **state)
{
    struct fixture *f = *state;
    static struct model m;
    memset(&m, 0, sizeof(m));
    kp_timers_init(&m.timers, &f->env.mem);
    m.random = 11;
    for (size_t i = 0; i < N_MODEL; i++) {
        kp_timer_init(&m.timer[i], on_model_timer, &m);
        model_start(&m, i, 1 + next_random(&m) % 5000);
    }

    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 100; i++)
            model_change(&m);
        m.now += next_random(&m) % 100;
        m.last = 0;
        m.called = 0;
        size_t n = kp_timers_run(&m.timers, m.now);
        assert_int_equal(n, m.called);
        assert_like_model(&m);
    }

    kp_timers_clear(&m.timers);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_no_timers_when_asked_then_never_and_none_called),
        TEST(given_timers_when_time_passes_then_the_due_ones_in_order_of_deadlines),
        TEST(given_overdue_timers_when_the_clock_has_jumped_then_each_once),
        TEST(given_a_started_timer_when_started_again_then_its_deadline_moves),
        TEST(given_a_cancelled_timer_when_time_passes_then_it_is_not_called),
        TEST(given_deadlines_at_the_ends_of_time_when_run_then_in_order),
        TEST(
            given_a_callback_when_it_restarts_itself_overdue_then_it_waits_for_the_next_run),
        TEST(given_a_due_timer_when_an_earlier_callback_cancels_it_then_it_is_not_called),
        TEST(given_a_due_timer_when_an_earlier_callback_moves_it_then_not_in_this_run),
        TEST(given_a_full_heap_when_all_due_timers_are_moved_then_there_is_room),
        TEST(given_due_timers_when_a_callback_clears_all_then_the_run_ends),
        TEST(
            given_timers_on_the_heap_when_a_callback_frees_all_then_nothing_touches_them),
        TEST(given_no_memory_when_started_then_enomem_and_not_started),
        TEST(given_ten_thousand_timers_when_used_at_random_then_as_the_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
