/*
 * test_kqueue_vnode_modes.c - kqueue(2): EVFILT_VNODE, how often and for whom
 *
 * The modes of a knote, several of them on one file, numbers that are used again. Written
 * against kqueue(2), see kqueue_kit.h.
 */
#include "vnode_kit.h"

#include <errno.h>
#include <stdio.h>

/* ---- modes ---------------------------------------------------------------------------- */

static void
given_a_clear_knote_when_several_things_happen_then_they_are_collected_once(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", EV_CLEAR, NOTE_WRITE | NOTE_RENAME | NOTE_ATTRIB, 1);

    put_file("a", "two", O_APPEND);
    assert_int_equal(chmod("a", 0644), 0);
    assert_int_equal(rename("a", "b"), 0);

    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags,
                     NOTE_WRITE | NOTE_RENAME | NOTE_ATTRIB);
    assert_silent(kq);
    kit_close(fd);
    assert_int_equal(unlink("b"), 0);
}

static void
given_a_level_knote_when_reported_then_it_is_repeated(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", 0, NOTE_WRITE, 1);

    put_file("a", "two", O_APPEND);

    for (int i = 0; i < 3; i++)
        assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_WRITE);
    kit_change(kq, fd, EVFILT_VNODE, EV_DELETE, 0, 1);
    assert_silent(kq);
    kit_close(fd);
    assert_int_equal(unlink("a"), 0);
}

static void
given_a_oneshot_knote_when_reported_then_it_is_gone(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", EV_ONESHOT, NOTE_WRITE, 1);

    put_file("a", "two", O_APPEND);
    (void)kit_wait_one(kq, fd, EVFILT_VNODE);
    put_file("a", "two", O_APPEND);

    assert_silent(kq);
    assert_int_equal(kit_try(kq, fd, EVFILT_VNODE, EV_DELETE, 0, 1), ENOENT);
    kit_close(fd);
    assert_int_equal(unlink("a"), 0);
}

static void
given_a_disabled_knote_when_enabled_then_what_has_happened_is_reported(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", EV_CLEAR, NOTE_WRITE, 1);
    kit_change(kq, fd, EVFILT_VNODE, EV_DISABLE, NOTE_WRITE, 1);

    put_file("a", "two", O_APPEND);
    assert_silent(kq);
    kit_change(kq, fd, EVFILT_VNODE, EV_ENABLE, NOTE_WRITE, 1);

    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_WRITE);
    kit_close(fd);
    assert_int_equal(unlink("a"), 0);
}

static void
given_a_knote_when_added_again_then_it_has_the_new_notes_and_udata(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", EV_CLEAR, NOTE_WRITE, 1);

    kit_change(kq, fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_RENAME, 2);
    put_file("a", "two", O_APPEND);
    assert_silent(kq);
    assert_int_equal(rename("a", "b"), 0);

    struct kevent event = kit_wait_one(kq, fd, EVFILT_VNODE);
    assert_int_equal(event.fflags, NOTE_RENAME);
    assert_int_equal(kit_tag(&event), 2);
    kit_close(fd);
    assert_int_equal(unlink("b"), 0);
}

/* ---- several, and none ---------------------------------------------------------------- */

static void
given_two_descriptors_of_one_file_when_one_is_deleted_then_the_other_goes_on(void **state)
{
    int kq = *(int *)*state;
    struct kevent events[2];
    put_file("a", "one", 0);
    int first = watch(kq, "a", EV_CLEAR, NOTE_WRITE, 1);
    int second = watch(kq, "a", EV_CLEAR, NOTE_WRITE | NOTE_RENAME, 2);

    put_file("a", "two", O_APPEND);
    assert_int_equal(kit_wait(kq, events, 2), 2);
    kit_change(kq, first, EVFILT_VNODE, EV_DELETE, 0, 1);
    put_file("a", "three", O_APPEND);

    assert_int_equal(kit_wait_one(kq, second, EVFILT_VNODE).fflags, NOTE_WRITE);
    kit_close(first);
    kit_close(second);
    assert_int_equal(unlink("a"), 0);
}

static void
given_many_files_when_the_array_is_short_then_each_is_reported_once(void **state)
{
    enum { N = 20 };
    int kq = *(int *)*state;
    int fds[N], n_seen[N] = {0};
    char name[16];
    for (int i = 0; i < N; i++) {
        (void)snprintf(name, sizeof(name), "f%d", i);
        put_file(name, "one", 0);
        fds[i] = watch(kq, name, EV_CLEAR, NOTE_WRITE, i);
    }

    for (int i = 0; i < N; i++) {
        (void)snprintf(name, sizeof(name), "f%d", i);
        put_file(name, "two", O_APPEND);
    }
    for (int n = 0; n < N;) {
        struct kevent events[3];
        int got = kit_wait(kq, events, 3);
        for (int i = 0; i < got; i++)
            n_seen[kit_tag(&events[i])]++;
        n += got;
    }

    assert_silent(kq);
    for (int i = 0; i < N; i++) {
        assert_int_equal(n_seen[i], 1);
        kit_close(fds[i]);
        (void)snprintf(name, sizeof(name), "f%d", i);
        assert_int_equal(unlink(name), 0);
    }
}

static void
given_a_closed_file_when_its_number_is_another_file_then_it_starts_anew(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    put_file("b", "one", 0);
    int fd = watch(kq, "a", EV_CLEAR, NOTE_WRITE, 1);
    put_file("a", "two", O_APPEND);
    kit_close(fd);
    assert_int_equal(open("b", O_RDONLY), fd);

    assert_silent(kq);
    assert_int_equal(kit_try(kq, fd, EVFILT_VNODE, EV_DELETE, 0, 1), ENOENT);
    kit_change(kq, fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE, 2);
    put_file("a", "three", O_APPEND);
    assert_silent(kq);
    put_file("b", "two", O_APPEND);

    struct kevent event = kit_wait_one(kq, fd, EVFILT_VNODE);
    assert_int_equal(kit_tag(&event), 2);
    kit_close(fd);
    assert_int_equal(unlink("a"), 0);
    assert_int_equal(unlink("b"), 0);
}

static void
given_a_file_when_read_and_vnode_are_added_then_both_are_reported(void **state)
{
    int kq = *(int *)*state;
    struct kevent events[4];
    put_file("a", "", 0);
    int fd = watch(kq, "a", EV_CLEAR, NOTE_WRITE, 1);
    kit_change(kq, fd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 2);

    put_file("a", "two", O_APPEND);
    int n = 0;
    while (n < 2)
        n += kit_wait(kq, events + n, 4 - n);

    assert_int_equal(kit_find(events, n, fd, EVFILT_READ)->data, 3);
    assert_int_equal(kit_find(events, n, fd, EVFILT_VNODE)->fflags, NOTE_WRITE);
    kit_change(kq, fd, EVFILT_READ, EV_DELETE, 0, 2);
    put_file("a", "two", O_APPEND);
    (void)kit_wait_one(kq, fd, EVFILT_VNODE);
    kit_close(fd);
    assert_int_equal(unlink("a"), 0);
}

static void
given_a_socket_when_its_vnode_is_watched_then_einval(void **state)
{
    int kq = *(int *)*state;
    int fds[2];
    kit_unix_pair(fds);

    assert_int_equal(kit_try(kq, fds[0], EVFILT_VNODE, EV_ADD, NOTE_WRITE, 1), EINVAL);

    kit_close(fds[0]);
    kit_close(fds[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(
            given_a_clear_knote_when_several_things_happen_then_they_are_collected_once),
        KIT_TEST(given_a_level_knote_when_reported_then_it_is_repeated),
        KIT_TEST(given_a_oneshot_knote_when_reported_then_it_is_gone),
        KIT_TEST(given_a_disabled_knote_when_enabled_then_what_has_happened_is_reported),
        KIT_TEST(given_a_knote_when_added_again_then_it_has_the_new_notes_and_udata),
        KIT_TEST(
            given_two_descriptors_of_one_file_when_one_is_deleted_then_the_other_goes_on),
        KIT_TEST(given_many_files_when_the_array_is_short_then_each_is_reported_once),
        KIT_TEST(given_a_closed_file_when_its_number_is_another_file_then_it_starts_anew),
        KIT_TEST(given_a_file_when_read_and_vnode_are_added_then_both_are_reported),
        KIT_TEST(given_a_socket_when_its_vnode_is_watched_then_einval),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
