/*
 * test_kqueue_file.c - kqueue(2): EVFILT_READ of files
 *
 * Standard input may be a file, or /dev/null. Written against kqueue(2), see kqueue_kit.h.
 */
#include "kqueue_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int
open_temporary(void)
{
    char path[] = "/tmp/kelpie-kqueue-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    return fd;
}

static void
given_a_file_when_not_at_its_end_then_read_is_ready_with_what_is_left(void **state)
{
    int kq = *(int *)*state;
    struct kevent event;
    int fd = open_temporary();
    kit_put(fd, "hello world");
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);

    kit_change(kq, fd, EVFILT_READ, EV_ADD, 0, 1);

    assert_int_equal(kit_wait_one(kq, fd, EVFILT_READ).data, 11);
    kit_get(fd, 6);
    assert_int_equal(kit_wait_one(kq, fd, EVFILT_READ).data, 5);
    kit_get(fd, 5);
    assert_int_equal(kit_peek(kq, &event, 1), 0);
    kit_change(kq, fd, EVFILT_READ, EV_DELETE, 0, 1);
    kit_close(fd);
}

static void
given_a_file_at_its_end_when_it_grows_then_read_is_ready(void **state)
{
    int kq = *(int *)*state;
    struct kevent event;
    int fd = open_temporary();
    kit_change(kq, fd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1);
    assert_int_equal(kit_peek(kq, &event, 1), 0);

    assert_int_equal(pwrite(fd, "more", 4, 0), 4);

    assert_int_equal(kit_wait_one(kq, fd, EVFILT_READ).data, 4);
    assert_int_equal(kit_peek(kq, &event, 1), 0);
    assert_int_equal(pwrite(fd, "again", 5, 4), 5);
    assert_int_equal(kit_wait_one(kq, fd, EVFILT_READ).data, 9);
    kit_close(fd);
}

static void
given_a_file_and_a_socket_when_both_are_ready_then_neither_starves(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    int n_file = 0;
    struct kevent event;
    int fd = open_temporary();
    kit_unix_pair(fds);
    kit_put(fds[1], "x");
    kit_put(fd, "hello");
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    kit_change(kq, fd, EVFILT_READ, EV_ADD, 0, 1);
    kit_change(kq, fds[0], EVFILT_READ, EV_ADD, 0, 2);

    for (int i = 0; i < 20; i++) {
        assert_int_equal(kit_wait(kq, &event, 1), 1);
        n_file += kit_tag(&event) == 1;
    }

    assert_in_range(n_file, 5, 15);
    kit_close(fd);
    kit_close(fds[0]);
    kit_close(fds[1]);
}

static void
given_dev_null_when_added_then_it_is_ready_or_refused(void **state)
{
    int kq = *(int *)*state;
    struct kevent event;
    int fd = open("/dev/null", O_RDWR);
    assert_true(fd >= 0);

    int rc = kit_try(kq, fd, EVFILT_READ, EV_ADD, 0, 1);

    if (rc == 0) {
        assert_int_equal(kit_wait_one(kq, fd, EVFILT_READ).data, 0);
        assert_int_equal(kit_peek(kq, &event, 1), 1);
    } else {
        assert_int_equal(rc, ENODEV); /* FreeBSD */
    }
    kit_close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(given_a_file_when_not_at_its_end_then_read_is_ready_with_what_is_left),
        KIT_TEST(given_a_file_at_its_end_when_it_grows_then_read_is_ready),
        KIT_TEST(given_a_file_and_a_socket_when_both_are_ready_then_neither_starves),
        KIT_TEST(given_dev_null_when_added_then_it_is_ready_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
