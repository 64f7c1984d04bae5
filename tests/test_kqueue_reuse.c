/*
 * test_kqueue_reuse.c - kqueue(2): descriptors that are closed, and numbers used again
 *
 * close(2) removes the knotes of a descriptor, also those that wait to be reported; the next
 * file with its number starts with none. Written against kqueue(2), see kqueue_kit.h.
 */
#include "kqueue_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const unsigned modes[] = {0, EV_CLEAR};

static void
given_a_closed_descriptor_when_its_number_is_added_again_then_the_new_one_fires(
    void **state)
{
    int kq = *(int *)*state;
    for (int i = 0; i < 2; i++) {
        int fds[2], reused[2];
        kit_unix_pair(fds);
        kit_change(kq, fds[0], EVFILT_READ, EV_ADD | modes[i], 0, 1);
        kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD | EV_DISABLE | modes[i], 0, 2);
        kit_close(fds[0]);
        kit_reuse_number(fds[0], reused);

        kit_change(kq, reused[0], EVFILT_READ, EV_ADD | modes[i], 0, 3);
        kit_put(reused[1], "abc");
        struct kevent event = kit_wait_one(kq, reused[0], EVFILT_READ);

        assert_int_equal(kit_tag(&event), 3);
        assert_int_equal(event.data, 3);
        assert_int_equal(kit_try(kq, reused[0], EVFILT_WRITE, EV_DELETE, 0, 2), ENOENT);
        kit_close(fds[1]);
        kit_close(reused[0]);
        kit_close(reused[1]);
    }
}

static void
given_knotes_deleted_before_the_close_when_the_number_is_used_again_then_it_fires(
    void **state)
{
    int kq = *(int *)*state;
    for (int i = 0; i < 2; i++) {
        int fds[2], reused[2];
        kit_unix_pair(fds);
        kit_change(kq, fds[0], EVFILT_READ, EV_ADD | modes[i], 0, 1);
        kit_change(kq, fds[0], EVFILT_READ, EV_DELETE, 0, 1);
        kit_close(fds[0]);
        kit_reuse_number(fds[0], reused);

        kit_put(reused[1], "x");
        kit_change(kq, reused[0], EVFILT_READ, EV_ADD | modes[i], 0, 3);

        struct kevent event = kit_wait_one(kq, reused[0], EVFILT_READ);
        assert_int_equal(kit_tag(&event), 3);
        kit_close(fds[1]);
        kit_close(reused[0]);
        kit_close(reused[1]);
    }
}

static void
given_a_reused_number_when_nothing_was_added_then_it_is_silent(void **state)
{
    int kq = *(int *)*state;
    for (int i = 0; i < 2; i++) {
        int fds[2], reused[2];
        struct kevent event;
        kit_unix_pair(fds);
        kit_change(kq, fds[0], EVFILT_READ, EV_ADD | modes[i], 0, 1);
        kit_close(fds[0]);
        kit_reuse_number(fds[0], reused);

        kit_put(reused[1], "x");

        assert_int_equal(kit_peek(kq, &event, 1), 0);
        assert_int_equal(kit_try(kq, reused[0], EVFILT_READ, EV_ENABLE, 0, 1), ENOENT);
        kit_close(fds[1]);
        kit_close(reused[0]);
        kit_close(reused[1]);
    }
}

static void
given_a_disabled_knote_when_its_number_is_used_again_then_enable_says_enoent(void **state)
{
    int kq = *(int *)*state;
    for (int i = 0; i < 2; i++) {
        int fds[2], reused[2];
        struct kevent event;
        kit_unix_pair(fds);
        kit_change(kq, fds[0], EVFILT_READ, EV_ADD | modes[i], 0, 1);
        kit_change(kq, fds[0], EVFILT_READ, EV_DISABLE, 0, 1);
        kit_close(fds[0]);
        kit_reuse_number(fds[0], reused);
        kit_put(reused[1], "x");

        int rc = kit_try(kq, reused[0], EVFILT_READ, EV_ENABLE, 0, 1);

        assert_int_equal(rc, ENOENT);
        assert_int_equal(kit_peek(kq, &event, 1), 0);
        kit_close(fds[1]);
        kit_close(reused[0]);
        kit_close(reused[1]);
    }
}

static void
given_a_closed_descriptor_when_a_level_knote_is_deleted_then_ebadf(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_unix_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD, 0, 1);
    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD, 0, 1);
    kit_close(fds[0]);

    assert_int_equal(kit_try(kq, fds[0], EVFILT_READ, EV_DELETE, 0, 1), EBADF);
    assert_int_equal(kit_try(kq, fds[0], EVFILT_WRITE, EV_DELETE, 0, 1), EBADF);
    assert_int_equal(kit_try(kq, fds[0], EVFILT_READ, EV_DELETE, 0, 1), EBADF);
    kit_close(fds[1]);
}

static void
given_a_peer_that_has_closed_when_knotes_are_deleted_then_they_are_there(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[4];
    kit_unix_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 2);
    kit_close(fds[1]);
    assert_int_equal(kit_wait(kq, events, 4), 2);

    kit_change(kq, fds[0], EVFILT_READ, EV_DELETE, 0, 1);
    kit_change(kq, fds[0], EVFILT_WRITE, EV_DELETE, 0, 2);

    assert_int_equal(kit_peek(kq, events, 4), 0);
    kit_close(fds[0]);
}

static void
given_an_event_left_over_when_its_descriptor_is_closed_then_it_is_not_reported(
    void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent event;
    kit_unix_pair(fds);
    kit_put(fds[1], "x");
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 2);
    assert_int_equal(kit_wait(kq, &event, 1), 1);

    kit_close(fds[0]);

    assert_int_equal(kit_peek(kq, &event, 1), 0);
    kit_close(fds[1]);
}

static void
given_an_event_left_over_when_its_number_is_used_again_then_it_is_not_reported(
    void **state)
{
    int kq = *(int *)*state;
    int fds[2], reused[2];
    struct kevent event;
    kit_unix_pair(fds);
    kit_put(fds[1], "x");
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 2);
    assert_int_equal(kit_wait(kq, &event, 1), 1);

    kit_close(fds[0]);
    kit_reuse_number(fds[0], reused);
    kit_put(reused[1], "y");

    assert_int_equal(kit_peek(kq, &event, 1), 0);
    kit_change(kq, reused[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 5);
    event = kit_wait_one(kq, reused[0], EVFILT_READ);
    assert_int_equal(kit_tag(&event), 5);
    kit_close(fds[1]);
    kit_close(reused[0]);
    kit_close(reused[1]);
}

static void
given_a_closed_descriptor_when_a_duplicate_is_open_then_it_is_silent(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent event;
    kit_unix_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    int duplicate = dup(fds[0]);
    assert_true(duplicate >= 0);
    kit_close(fds[0]);

    kit_put(fds[1], "x");

    assert_int_equal(kit_peek(kq, &event, 1), 0);
    kit_close(duplicate);
    kit_close(fds[1]);
}

static void
given_a_duplicate_when_the_number_is_used_again_then_only_the_new_one_fires(void **state)
{
    int kq = *(int *)*state;
    int fds[2], reused[2];
    struct kevent event;
    kit_unix_pair(fds);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    int duplicate = dup(fds[0]);
    assert_true(duplicate >= 0);
    kit_close(fds[0]);
    kit_reuse_number(fds[0], reused);
    kit_change(kq, reused[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 2);

    kit_put(fds[1], "old");
    assert_int_equal(kit_peek(kq, &event, 1), 0);
    kit_put(reused[1], "newer");

    event = kit_wait_one(kq, reused[0], EVFILT_READ);
    assert_int_equal(event.data, 5);
    assert_int_equal(kit_tag(&event), 2);
    kit_close(duplicate);
    kit_close(fds[1]);
    kit_close(reused[0]);
    kit_close(reused[1]);
}

static void
given_two_descriptors_of_one_file_when_both_are_added_then_both_fire(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    struct kevent events[2];
    kit_unix_pair(fds);
    int duplicate = dup(fds[0]);
    assert_true(duplicate >= 0);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    kit_change(kq, duplicate, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 2);

    kit_put(fds[1], "x");
    int n = 0;
    while (n < 2)
        n += kit_wait(kq, events + n, 2 - n);

    assert_int_equal(kit_tag(kit_find(events, n, fds[0], EVFILT_READ)), 1);
    assert_int_equal(kit_tag(kit_find(events, n, duplicate, EVFILT_READ)), 2);
    kit_close(fds[0]);
    kit_close(fds[1]);
    kit_close(duplicate);
}

static int
open_file_at(int number)
{
    char path[] = "/tmp/kelpie-kqueue-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(write(fd, "hello", 5), 5);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    if (fd == number)
        return fd;
    assert_int_equal(dup2(fd, number), number);
    kit_close(fd);
    return number;
}

static void
given_a_socket_when_its_number_becomes_a_file_then_the_file_is_reported(void **state)
{
    int kq = *(int *)*state;
    for (int i = 0; i < 2; i++) {
        int fds[2];
        kit_unix_pair(fds);
        kit_change(kq, fds[0], EVFILT_READ, EV_ADD | modes[i], 0, 1);
        kit_change(kq, fds[0], EVFILT_WRITE, EV_ADD | EV_DISABLE, 0, 2);
        kit_close(fds[0]);
        int fd = open_file_at(fds[0]);

        kit_change(kq, fd, EVFILT_READ, EV_ADD | modes[i], 0, 3);
        struct kevent event = kit_wait_one(kq, fd, EVFILT_READ);

        assert_int_equal(event.data, 5);
        assert_int_equal(kit_tag(&event), 3);
        assert_int_equal(kit_try(kq, fd, EVFILT_WRITE, EV_DELETE, 0, 2), ENOENT);
        kit_close(fds[1]);
        kit_close(fd);
    }
}

static void
given_a_file_when_its_number_becomes_a_socket_then_the_socket_is_reported(void **state)
{
    int kq = *(int *)*state;
    int holder[2], fds[2];
    struct kevent event;
    kit_pipe(holder);
    int fd = open_file_at(holder[0]);
    kit_change(kq, fd, EVFILT_READ, EV_ADD, 0, 1);
    kit_change(kq, fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE, 2);
    (void)kit_wait_one(kq, fd, EVFILT_READ);
    kit_close(fd);
    kit_reuse_number(fd, fds);

    assert_int_equal(kit_peek(kq, &event, 1), 0);
    kit_change(kq, fd, EVFILT_READ, EV_ADD, 0, 3);
    assert_int_equal(kit_peek(kq, &event, 1), 0);
    kit_put(fds[1], "x");

    event = kit_wait_one(kq, fd, EVFILT_READ);
    assert_int_equal(kit_tag(&event), 3);
    assert_int_equal(event.data, 1);
    assert_int_equal(kit_try(kq, fd, EVFILT_VNODE, EV_DELETE, 0, 2), ENOENT);
    kit_close(fds[0]);
    kit_close(fds[1]);
    kit_close(holder[1]);
}

static void
given_many_closed_descriptors_when_their_knotes_are_deleted_then_no_harm(void **state)
{
    enum { N = 30 };
    int kq = *(int *)*state;
    int fds[N][2];
    struct kevent event;
    for (int i = 0; i < N; i++) {
        kit_unix_pair(fds[i]);
        kit_change(kq, fds[i][0], EVFILT_READ, EV_ADD | modes[i % 2], 0, i);
        kit_change(kq, fds[i][0], EVFILT_WRITE, EV_ADD | modes[i % 2], 0, i);
    }
    (void)kit_peek(kq, &event, 1);
    for (int i = 0; i < N; i++)
        kit_close(fds[i][0]);

    for (int i = 0; i < N; i++)
        (void)kit_try(kq, fds[i][0], EVFILT_WRITE, EV_DELETE, 0, i); /* EBADF natively */

    assert_int_equal(kit_peek(kq, &event, 1), 0);
    for (int i = 0; i < N; i++)
        kit_close(fds[i][1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(
            given_a_closed_descriptor_when_its_number_is_added_again_then_the_new_one_fires),
        KIT_TEST(
            given_knotes_deleted_before_the_close_when_the_number_is_used_again_then_it_fires),
        KIT_TEST(given_a_reused_number_when_nothing_was_added_then_it_is_silent),
        KIT_TEST(
            given_a_disabled_knote_when_its_number_is_used_again_then_enable_says_enoent),
        KIT_TEST(given_a_closed_descriptor_when_a_level_knote_is_deleted_then_ebadf),
        KIT_TEST(
            given_a_peer_that_has_closed_when_knotes_are_deleted_then_they_are_there),
        KIT_TEST(
            given_an_event_left_over_when_its_descriptor_is_closed_then_it_is_not_reported),
        KIT_TEST(
            given_an_event_left_over_when_its_number_is_used_again_then_it_is_not_reported),
        KIT_TEST(given_a_closed_descriptor_when_a_duplicate_is_open_then_it_is_silent),
        KIT_TEST(
            given_a_duplicate_when_the_number_is_used_again_then_only_the_new_one_fires),
        KIT_TEST(given_two_descriptors_of_one_file_when_both_are_added_then_both_fire),
        KIT_TEST(given_a_socket_when_its_number_becomes_a_file_then_the_file_is_reported),
        KIT_TEST(
            given_a_file_when_its_number_becomes_a_socket_then_the_socket_is_reported),
        KIT_TEST(
            given_many_closed_descriptors_when_their_knotes_are_deleted_then_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
