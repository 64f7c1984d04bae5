/*
 * test_loop_wake.c - ending a wait: from before it, from threads, from signal handlers
 */
#include "event/loop.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "loop_kit.h"

static void
given_a_wake_before_the_wait_when_waited_then_it_returns_once(void **state)
{
    struct fixture *f = *state;
    size_t writes = f->sys.calls[FAULT_WRITE];
    errno = ENOTTY;

    for (int i = 0; i < 1000; i++)
        kp_loop_wake(&f->loop);

    assert_int_equal(errno, ENOTTY);
    assert_int_equal(f->sys.calls[FAULT_WRITE], writes + 1);
    loop_kit_step(f);
    assert_int_equal(kp_loop_wait(&f->loop, 0), 0);
    kp_loop_wake(&f->loop);
    loop_kit_step(f);
    assert_int_equal(kp_loop_wait(&f->loop, 0), 0);
}

static void
given_a_fresh_loop_when_woken_then_its_descriptor_is_readable(void **state)
{
    struct fixture *f = *state;
    struct pollfd poll_fd = {.fd = f->loop.kq, .events = POLLIN};

    assert_false(kp_loop_has_changes(&f->loop));
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
    kp_loop_wake(&f->loop);
    assert_int_equal(poll(&poll_fd, 1, 10000), 1);

    loop_kit_step(f);
    assert_int_equal(poll(&poll_fd, 1, 0), 0);
}

static void
wake_in_handler(struct owner *owner, const struct kp_event *event)
{
    (void)event;
    kp_loop_wake(&owner->f->loop);
}

static void
given_a_wake_between_waits_when_waited_then_the_next_one_returns(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);
    owner_put(a, "x");
    kp_loop_wake(&f->loop);
    a->then = wake_in_handler; /* while the first wake-up is in the same batch */

    loop_kit_step(f);
    if (a->n_events == 0)
        loop_kit_step(f);
    assert_int_equal(a->n_events, 1);

    loop_kit_step(f);
    assert_int_equal(kp_loop_wait(&f->loop, 0), 0);
}

static void
given_a_failing_write_when_woken_then_tried_again_and_never_stuck(void **state)
{
    struct fixture *f = *state;

    fault_sys_fail(&f->sys, FAULT_WRITE, 1, EIO);
    kp_loop_wake(&f->loop);
    loop_kit_step(f);

    fault_sys_fail_from(&f->sys, FAULT_WRITE, 1, EIO);
    kp_loop_wake(&f->loop);
    assert_int_equal(kp_loop_wait(&f->loop, 0), 0);
    fault_env_heal(NULL, &f->sys);
    kp_loop_wake(&f->loop);
    loop_kit_step(f);
}

static void
given_a_full_pipe_when_woken_then_one_try_is_enough(void **state)
{
    struct fixture *f = *state;
    size_t writes = f->sys.calls[FAULT_WRITE];

    fault_sys_fail(&f->sys, FAULT_WRITE, 1, EAGAIN);
    kp_loop_wake(&f->loop);

    assert_int_equal(f->sys.calls[FAULT_WRITE], writes + 1);
    assert_true(f->loop.wake_pending);
    /* The bytes that fill it are what wakes; here they were invented. */
    assert_int_equal(write(f->loop.wake_fds[1], "123456789012345678901234567890", 30),
                     30);
    loop_kit_step(f);
    assert_false(f->loop.wake_pending);
    assert_int_equal(kp_loop_wait(&f->loop, 0), 0);
}

static void
given_a_failing_read_when_woken_then_no_spin_and_the_next_wake_works(void **state)
{
    struct fixture *f = *state;
    fault_sys_fail(&f->sys, FAULT_READ, 1, EIO);

    kp_loop_wake(&f->loop);
    loop_kit_step(f);
    assert_int_equal(kp_loop_wait(&f->loop, 0), 0);

    kp_loop_wake(&f->loop);
    loop_kit_step(f);
}

struct waker {
    struct kp_loop *loop;
    atomic_int work, done;
    int n;
};

/* Hands over work items, each with a wake; waits until an item is taken now and then. */
static void *
wake_often(void *arg)
{
    struct waker *waker = arg;

    for (int i = 0; i < waker->n; i++) {
        atomic_fetch_add(&waker->work, 1);
        kp_loop_wake(waker->loop);
        while (i % 3 == 0 && atomic_load(&waker->done) < i)
            sched_yield();
    }
    return NULL;
}

static void
given_another_thread_when_it_wakes_then_no_wake_is_lost(void **state)
{
    struct fixture *f = *state;
    struct waker waker = {.loop = &f->loop, .n = 20000};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_often, &waker), 0);

    while (atomic_load(&waker.done) < waker.n) {
        loop_kit_step(f); /* a lost wake would make it wait in vain */
        atomic_store(&waker.done, atomic_load(&waker.work));
        if (atomic_load(&waker.done) == waker.n)
            break;
    }

    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* A signal handler has no argument; this is how a program would pass it one. */
static struct kp_loop *_Atomic signalled_loop;

static void
on_signal(int number)
{
    (void)number;
    kp_loop_wake(signalled_loop);
}

struct signaller {
    pthread_t target;
    atomic_int n_sent, n_seen;
};

static void *
send_signals(void *arg)
{
    struct signaller *s = arg;

    for (int i = 0; i < 500; i++) {
        atomic_fetch_add(&s->n_sent, 1);
        pthread_kill(s->target, SIGUSR1);
        while (atomic_load(&s->n_seen) <= i)
            sched_yield();
    }
    return NULL;
}

static void
given_a_signal_handler_when_it_wakes_then_the_wait_returns(void **state)
{
    struct fixture *f = *state;
    struct sigaction action = {.sa_handler = on_signal}, before;
    struct signaller signaller = {.target = pthread_self()};
    pthread_t thread;
    int n_waits = 0;
    signalled_loop = &f->loop;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    loop_kit_step(f);

    assert_int_equal(pthread_create(&thread, NULL, send_signals, &signaller), 0);
    while (atomic_load(&signaller.n_seen) < 500) {
        int n = kp_loop_wait(&f->loop, WAIT_NS);
        assert_true(n >= 0); /* 0: interrupted; the byte comes with the next wait */
        kp_loop_dispatch(&f->loop);
        if (n > 0)
            atomic_fetch_add(&signaller.n_seen, 1);
        assert_true(++n_waits < 5000);
    }

    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        REAL(given_a_wake_before_the_wait_when_waited_then_it_returns_once),
        REAL(given_a_fresh_loop_when_woken_then_its_descriptor_is_readable),
        REAL(given_a_wake_between_waits_when_waited_then_the_next_one_returns),
        REAL(given_a_failing_write_when_woken_then_tried_again_and_never_stuck),
        REAL(given_a_full_pipe_when_woken_then_one_try_is_enough),
        REAL(given_a_failing_read_when_woken_then_no_spin_and_the_next_wake_works),
        REAL(given_another_thread_when_it_wakes_then_no_wake_is_lost),
        REAL(given_a_signal_handler_when_it_wakes_then_the_wait_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
