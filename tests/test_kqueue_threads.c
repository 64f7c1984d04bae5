/*
 * test_kqueue_threads.c - kqueue(2): threads
 *
 * One thread changes while others wait; each has its own. Written against kqueue(2), see
 * kqueue_kit.h.
 */
#include "kqueue_kit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

static const struct timespec long_time = {PATIENCE_S, 0};

static void *
put_later(void *arg)
{
    int *fds = arg;
    ssize_t n = write(fds[1], "x", 1);
    return n == 1 ? arg : NULL;
}

static void
given_a_waiting_thread_when_data_arrives_then_it_wakes(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    pthread_t thread;
    void *result;
    struct kevent event;
    kit_unix_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);

    assert_int_equal(pthread_create(&thread, NULL, put_later, fds), 0);
    int n = kit_wait(kq, &event, 1);
    assert_int_equal(pthread_join(thread, &result), 0);

    assert_int_equal(n, 1);
    assert_non_null(result);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

struct waiter {
    int kq;
    int n;
    struct kevent event;
};

static void *
wait_for_one(void *arg)
{
    struct waiter *waiter = arg;
    waiter->n = kevent(waiter->kq, NULL, 0, &waiter->event, 1, &long_time);
    return NULL;
}

static void
given_a_waiting_thread_when_another_adds_what_is_ready_then_it_wakes(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    pthread_t thread;
    struct waiter waiter = {.kq = kq};
    kit_unix_pair(fds);
    kit_put(fds[1], "x");

    assert_int_equal(pthread_create(&thread, NULL, wait_for_one, &waiter), 0);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 5);
    assert_int_equal(pthread_join(thread, NULL), 0);

    assert_int_equal(waiter.n, 1);
    assert_int_equal(kit_tag(&waiter.event), 5);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

struct crowd {
    int kq;
    int n_wanted;
    pthread_mutex_t lock;
    int n_seen;
};

static void *
take_until_all_seen(void *arg)
{
    struct crowd *crowd = arg;
    const struct timespec patience = {PATIENCE_S, 0};
    for (;;) {
        struct kevent event;
        int n = kevent(crowd->kq, NULL, 0, &event, 1, &patience);
        pthread_mutex_lock(&crowd->lock);
        crowd->n_seen += n == 1 && kit_tag(&event) != 0;
        bool is_done = n != 1 || crowd->n_seen >= crowd->n_wanted;
        pthread_mutex_unlock(&crowd->lock);
        if (is_done)
            return NULL;
        if (kit_tag(&event) == 0)
            return NULL; /* the signal to stop, which stays */
    }
}

static void
given_waiting_threads_when_oneshots_are_added_then_each_is_taken_by_one(void **state)
{
    enum { N_THREADS = 4, N_ONESHOTS = 300 };
    pthread_t threads[N_THREADS];
    int stop[2], fds[2];
    struct crowd crowd = {.kq = *(int *)*state, .n_wanted = N_ONESHOTS};
    pthread_mutex_init(&crowd.lock, NULL);
    kit_unix_pair(fds);
    kit_unix_pair(stop);
    kit_change(crowd.kq, stop[0], EVFILT_READ, EV_ADD, 0, 0);
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_until_all_seen, &crowd),
                         0);

    for (int i = 0; i < N_ONESHOTS; i++) {
        int filter = i % 2 == 0 ? EVFILT_WRITE : EVFILT_READ;
        if (filter == EVFILT_READ)
            kit_put(fds[1], "x");
        kit_change(crowd.kq, fds[0], filter, EV_ADD | EV_ONESHOT, 0, 1);
        while (kit_try(crowd.kq, fds[0], filter, EV_ENABLE, 0, 1) != ENOENT)
            sched_yield();
    }
    kit_put(stop[1], "x");
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);

    assert_int_equal(crowd.n_seen, N_ONESHOTS);
    pthread_mutex_destroy(&crowd.lock);
    kit_close(fds[0]);
    kit_close(fds[1]);
    kit_close(stop[0]);
    kit_close(stop[1]);
}

/* Makes, uses and closes kqueues of its own. */
static void *
use_own_kqueues(void *arg)
{
    int n_done = 0;
    for (int i = 0; i < 200; i++) {
        int fds[2];
        struct kevent change, event;
        int kq = kqueue();
        if (kq < 0 || pipe(fds) != 0)
            return NULL;
        change = kit_kevent(fds[1], EVFILT_WRITE, EV_ADD, 0, i);
        n_done +=
            kevent(kq, &change, 1, &event, 1, &long_time) == 1 && kit_tag(&event) == i;
        close(kq);
        close(fds[0]);
        close(fds[1]);
    }
    return n_done == 200 ? arg : NULL;
}

static void
given_threads_with_kqueues_of_their_own_when_they_come_and_go_then_no_harm(void **state)
{
    enum { N_THREADS = 4 };
    pthread_t threads[N_THREADS];
    void *result;

    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_own_kqueues, state), 0);

    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, state);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(given_a_waiting_thread_when_data_arrives_then_it_wakes),
        KIT_TEST(given_a_waiting_thread_when_another_adds_what_is_ready_then_it_wakes),
        KIT_TEST(given_waiting_threads_when_oneshots_are_added_then_each_is_taken_by_one),
        KIT_TEST(
            given_threads_with_kqueues_of_their_own_when_they_come_and_go_then_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
