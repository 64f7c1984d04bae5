/*
 * test_compat_linux.c - the kqueue layer for Linux: what kqueue(2) does not speak of
 *
 * Memory and descriptors that are given back, what the layer refuses, and what it does with
 * files, devices and amounts of data where Linux is special.
 */
#include "kq_inside.h"

#include <sched.h>

/* ---- giving back ---------------------------------------------------------------------- */

static void
given_knotes_when_the_last_is_deleted_then_everything_is_given_back(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    int n_allocated = fake.n_allocated;
    kit_unix_pair(fds);
    int fd = open_temporary("x");
    int next_fd = dup(fd); /* the number that comes next */
    kit_close(next_fd);

    kit_change(kq, fds[0], EVFILT_READ, EDGE, 0, 1);
    kit_change(kq, fd, EVFILT_VNODE, EDGE, NOTE_WRITE, 2);
    kit_change(kq, fd, EVFILT_READ, EDGE, 0, 3);
    assert_true(fake.n_allocated > n_allocated);
    kit_change(kq, fd, EVFILT_READ, EV_DELETE, 0, 3);
    kit_change(kq, fd, EVFILT_VNODE, EV_DELETE, 0, 2);
    kit_change(kq, fds[0], EVFILT_READ, EV_DELETE, 0, 1);

    assert_int_equal(fake.n_allocated, n_allocated);
    assert_int_equal(dup(fd), next_fd);
    kit_close(next_fd);
    kit_close(fd);
    close_both(fds);
}

static void
given_a_kqueue_given_back_when_used_again_then_late_events_do_no_harm(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent event;
    kit_unix_pair(fds);
    for (int i = 0; i < 3; i++) {
        kit_change(kq, fds[0], EVFILT_READ, EDGE, 0, i);
        kit_change(kq, fds[0], EVFILT_READ, EV_DELETE, 0, i);
        kit_put(fds[1], "x");
        assert_int_equal(kit_peek(kq, &event, 1), 0);
    }

    kit_change(kq, fds[0], EVFILT_READ, EDGE, 0, 7);

    event = kit_wait_one(kq, fds[0], EVFILT_READ);
    assert_int_equal(event.data, 3);
    assert_int_equal(kit_tag(&event), 7);
    close_both(fds);
}

static void
given_kqueues_closed_with_knotes_when_one_is_made_then_they_are_freed(void **state)
{
    int fds[2], kqs[5];
    int n_allocated = fake.n_allocated;
    (void)state;
    kit_unix_pair(fds);
    int file = open_temporary("x");
    for (int i = 0; i < 5; i++) {
        kqs[i] = kqueue();
        kit_change(kqs[i], fds[0], EVFILT_READ, EDGE, 0, 1);
        kit_change(kqs[i], file, EVFILT_VNODE, EDGE, NOTE_WRITE, 2);
    }
    for (int i = 0; i < 5; i++)
        kit_close(kqs[i]);

    int kq = kqueue();

    assert_int_equal(fake.n_allocated, n_allocated + 1);
    kit_close(kq);
    kit_close(file);
    close_both(fds);
}

static void
given_a_closed_kqueue_when_its_number_is_another_file_then_it_is_noticed(void **state)
{
    int fds[2];
    struct kevent event;
    const struct timespec no_time = {0, 0};
    (void)state;
    kit_unix_pair(fds);
    int kq = kqueue();
    kit_change(kq, fds[0], EVFILT_READ, EDGE, 0, 1);
    int n_allocated = fake.n_allocated;

    assert_int_equal(dup2(fds[1], kq), kq);
    int rc = kevent(kq, NULL, 0, &event, 1, &no_time);

    assert_int_equal(rc, -1);
    assert_int_equal(errno, EBADF);
    assert_true(fake.n_allocated < n_allocated);
    kit_close(kq);
    close_both(fds);
}

static void *
wait_for_ever(void *arg)
{
    struct kevent event;
    int rc = kevent(*(int *)arg, NULL, 0, &event, 1, NULL);
    return rc == -1 && errno == EBADF ? arg : NULL;
}

static bool
is_anybody_waiting(int kq)
{
    struct kq *record = kp_kq_table_lock(kq);
    bool is_waiting = record->n_waiting > 0;
    kp_kq_unlock(record);
    return is_waiting;
}

static void
given_a_waiting_thread_when_its_kqueue_is_replaced_then_it_gets_ebadf(void **state)
{
    int fds[2];
    pthread_t thread;
    void *result;
    (void)state;
    kit_unix_pair(fds);
    int kq = kqueue(), number = kq;
    kit_change(kq, fds[0], EVFILT_READ, EDGE, 0, 1);
    assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, &number), 0);
    while (!is_anybody_waiting(kq))
        sched_yield();

    kit_close(kq);
    kq = kqueue();
    assert_int_equal(kq, number);
    /* The old epoll set lives while somebody waits for it; if the thread was late, it waits
       for the new one. */
    kit_change(kq, fds[0], EVFILT_READ, EDGE, 0, 2);
    kit_put(fds[1], "x");
    assert_int_equal(pthread_join(thread, &result), 0);

    assert_ptr_equal(result, &number);
    kit_close(kq);
    close_both(fds);
}

static void
given_a_kqueue_when_made_then_it_is_close_on_exec(void **state)
{
    int kq = *(int *)*state;

    assert_true(fcntl(kq, F_GETFD) & FD_CLOEXEC);
}

/* ---- what is refused ------------------------------------------------------------------ */

static void
given_what_the_layer_does_not_know_when_added_then_einval(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_unix_pair(fds);
    int fd = open_temporary("x");

    for (int filter = -20; filter < 5; filter++)
        if (filter != EVFILT_READ && filter != EVFILT_WRITE && filter != EVFILT_VNODE)
            assert_int_equal(kit_try(kq, fds[0], filter, EV_ADD, 0, 1), EINVAL);
    assert_int_equal(kit_try(kq, fds[0], EVFILT_READ, EV_ADD | 0x0100, 0, 1), EINVAL);
    assert_int_equal(kit_try(kq, fds[0], EVFILT_READ, EV_ADD, 1, 1), EINVAL);
    assert_int_equal(kit_try(kq, fds[0], EVFILT_WRITE, EV_ADD, 1, 1), EINVAL);
    assert_int_equal(kit_try(kq, fd, EVFILT_VNODE, EV_ADD, 0x0100, 1), EINVAL);

    kit_close(fd);
    close_both(fds);
}

static void
given_the_layers_own_descriptors_when_changed_then_ebadf(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_unix_pair(fds);
    int bell = dup(fds[0]); /* the number that the eventfd will have */
    kit_close(bell);

    assert_int_equal(kit_try(kq, bell, EVFILT_READ, EV_ADD, 0, 1), EBADF);
    kit_change(kq, fds[0], EVFILT_READ, EDGE, 0, 1);
    assert_int_equal(kit_try(kq, bell, EVFILT_READ, EV_ADD, 0, 1), EBADF);
    assert_int_equal(kit_try(kq, bell, EVFILT_READ, EV_DELETE, 0, 1), EBADF);

    kit_put(fds[1], "x");
    (void)kit_wait_one(kq, fds[0], EVFILT_READ);
    close_both(fds);
}

/* ---- files ---------------------------------------------------------------------------- */

static void
given_a_ready_file_when_the_kqueue_is_polled_then_it_is_readable(void **state)
{
    int kq = *(int *)*state;
    struct kevent event;
    int fd = open_temporary("hello");
    kit_change(kq, fd, EVFILT_READ, EV_ADD, 0, 1);

    assert_true(is_readable(kq));
    (void)kit_wait_one(kq, fd, EVFILT_READ);
    assert_true(is_readable(kq));
    kit_get(fd, 5);

    assert_int_equal(kit_peek(kq, &event, 1), 0);
    assert_false(is_readable(kq));
    kit_close(fd);
}

static void
given_no_inotify_when_a_file_grows_then_the_next_call_sees_it(void **state)
{
    const unsigned modes[] = {EV_ADD, EDGE};
    int kq = *(int *)*state;
    fake.has_inotify = false;
    for (int i = 0; i < 2; i++) {
        struct kevent event;
        int fd = open_temporary("abc");
        kit_change(kq, fd, EVFILT_READ, modes[i], 0, 1);
        assert_int_equal(kit_wait_one(kq, fd, EVFILT_READ).data, 3);
        kit_get(fd, 3);
        assert_int_equal(kit_peek(kq, &event, 1), 0);

        assert_int_equal(pwrite(fd, "more", 4, 3), 4);

        assert_int_equal(kit_wait_one(kq, fd, EVFILT_READ).data, 4);
        assert_int_equal(kit_try(kq, fd, EVFILT_VNODE, EV_ADD, NOTE_WRITE, 1), EMFILE);
        kit_change(kq, fd, EVFILT_READ, EV_DELETE, 0, 1);
        kit_close(fd);
    }
}

static void
given_a_deleted_file_when_number_and_inode_are_used_again_then_it_starts_anew(
    void **state)
{
    int kq = *(int *)*state;
    struct stat before, after;
    int n_reused = 0;

    for (int i = 0; i < 10; i++) {
        struct kevent event;
        int fd = open_temporary("abc");
        assert_int_equal(fstat(fd, &before), 0);
        kit_change(kq, fd, EVFILT_VNODE, EV_ADD, NOTE_WRITE, 1);
        kit_change(kq, fd, EVFILT_READ, EV_ADD, 0, 1);
        kit_close(fd);
        assert_int_equal(open_temporary("abc"), fd);
        assert_int_equal(fstat(fd, &after), 0);
        n_reused += before.st_ino == after.st_ino;

        assert_int_equal(kit_peek(kq, &event, 1), 0);
        assert_int_equal(kit_try(kq, fd, EVFILT_READ, EV_ENABLE, 0, 1), ENOENT);
        kit_change(kq, fd, EVFILT_READ, EDGE, 0, 2);
        event = kit_wait_one(kq, fd, EVFILT_READ);
        assert_int_equal(kit_tag(&event), 2);
        assert_int_equal(kit_peek(kq, &event, 1), 0);
        assert_int_equal(kit_try(kq, fd, EVFILT_VNODE, EV_DELETE, 0, 1), ENOENT);
        kit_close(fd);
    }
    print_message("%d of 10 had the same inode number\n", n_reused);
}

static void
given_devices_when_added_then_they_are_ready(void **state)
{
    const char *paths[] = {"/dev/null", "/dev/zero"};
    int kq = *(int *)*state;
    for (int i = 0; i < 2; i++) {
        struct kevent events[4];
        int fd = open(paths[i], O_RDWR);
        assert_true(fd >= 0);
        kit_change(kq, fd, EVFILT_READ, EDGE, 0, 1);
        kit_change(kq, fd, EVFILT_WRITE, EV_ADD, 0, 2);

        int n = kit_wait(kq, events, 4);

        assert_int_equal(n, 2);
        assert_int_equal(kit_find(events, n, fd, EVFILT_READ)->data, 0);
        assert_int_equal(kit_find(events, n, fd, EVFILT_READ)->flags, EV_CLEAR);
        (void)kit_wait_one(kq, fd, EVFILT_WRITE);
        kit_close(fd);
    }
}

static void
given_too_many_inotify_events_when_some_are_lost_then_everything_is_told(void **state)
{
    int kq = *(int *)*state;
    int fd = open_temporary("x");
    kit_change(kq, fd, EVFILT_VNODE, EDGE, NOTE_WRITE | NOTE_RENAME | NOTE_ATTRIB, 1);
    fake.inotify_mask = IN_Q_OVERFLOW;

    kit_put(fd, "x");

    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags,
                     NOTE_WRITE | NOTE_RENAME | NOTE_ATTRIB);
    kit_close(fd);
}

static void
given_a_refused_socket_when_it_connects_after_all_then_the_error_is_forgotten(
    void **state)
{
    int kq = *(int *)*state;
    uint16_t port;
    int refused = kit_listener(&port);
    kit_close(refused);
    int fd = kit_tcp_socket();
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(kit_connect(fd, port), EINPROGRESS);
    kit_change(kq, fd, EVFILT_WRITE, EDGE, 0, 1);
    assert_int_equal(kit_wait_one(kq, fd, EVFILT_WRITE).fflags, ECONNREFUSED);

    int listener = kit_listener(&port);
    int rc = kit_connect(fd, port);
    if (rc == ECONNABORTED) /* how Linux clears the failure */
        rc = kit_connect(fd, port);
    assert_true(rc == 0 || rc == EINPROGRESS);
    kit_change(kq, fd, EVFILT_WRITE, EV_ENABLE, 0, 1);
    assert_false(kit_wait_one(kq, fd, EVFILT_WRITE).flags & EV_EOF);
    int accepted = accept(listener, NULL, NULL);
    kit_close(accepted);
    kit_change(kq, fd, EVFILT_READ, EDGE, 0, 1);

    struct kevent events[2];
    int n = kit_wait(kq, events, 2);
    const struct kevent *event = kit_find(events, n, fd, EVFILT_READ);
    assert_true(event->flags & EV_EOF);
    assert_int_equal(event->fflags, 0);
    kit_close(fd);
    kit_close(listener);
}

static void
given_a_pipe_when_write_is_ready_then_data_is_what_still_fits(void **state)
{
    int kq = *(int *)*state;
    int ends[2];
    kit_pipe(ends);
    int size = fcntl(ends[1], F_GETPIPE_SZ);
    kit_change(kq, ends[1], EVFILT_WRITE, EV_ADD, 0, 1);

    assert_int_equal(kit_wait_one(kq, ends[1], EVFILT_WRITE).data, size);
    kit_put(ends[1], "hello");

    assert_int_equal(kit_wait_one(kq, ends[1], EVFILT_WRITE).data, size - 5);
    close_both(ends);
}

static void
given_a_unix_pair_when_bytes_are_queued_then_there_is_less_room(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_unix_pair(fds);
    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD, 0, 1);
    intptr_t before = kit_wait_one(kq, fds[0], EVFILT_WRITE).data;

    kit_put(fds[0], "hello");

    assert_true(kit_wait_one(kq, fds[0], EVFILT_WRITE).data < before - 4);
    close_both(fds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KQ_TEST(given_knotes_when_the_last_is_deleted_then_everything_is_given_back),
        KQ_TEST(given_a_kqueue_given_back_when_used_again_then_late_events_do_no_harm),
        KQ_TEST(given_kqueues_closed_with_knotes_when_one_is_made_then_they_are_freed),
        KQ_TEST(given_a_closed_kqueue_when_its_number_is_another_file_then_it_is_noticed),
        KQ_TEST(given_a_waiting_thread_when_its_kqueue_is_replaced_then_it_gets_ebadf),
        KQ_TEST(given_a_kqueue_when_made_then_it_is_close_on_exec),
        KQ_TEST(given_what_the_layer_does_not_know_when_added_then_einval),
        KQ_TEST(given_the_layers_own_descriptors_when_changed_then_ebadf),
        KQ_TEST(given_a_ready_file_when_the_kqueue_is_polled_then_it_is_readable),
        KQ_TEST(given_no_inotify_when_a_file_grows_then_the_next_call_sees_it),
        KQ_TEST(
            given_a_deleted_file_when_number_and_inode_are_used_again_then_it_starts_anew),
        KQ_TEST(given_devices_when_added_then_they_are_ready),
        KQ_TEST(given_too_many_inotify_events_when_some_are_lost_then_everything_is_told),
        KQ_TEST(
            given_a_refused_socket_when_it_connects_after_all_then_the_error_is_forgotten),
        KQ_TEST(given_a_pipe_when_write_is_ready_then_data_is_what_still_fits),
        KQ_TEST(given_a_unix_pair_when_bytes_are_queued_then_there_is_less_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
