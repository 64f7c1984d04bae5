/*
 * test_kqueue_vnode.c - kqueue(2): EVFILT_VNODE, what it tells
 *
 * What is told about files and folders. Notes that only some systems add to the one that is
 * asked for (NOTE_EXTEND beside NOTE_WRITE, say) are not asked for. Written against
 * kqueue(2), see kqueue_kit.h.
 */
#include "vnode_kit.h"

#include <stdbool.h>
#include <stdio.h>

/* ---- files ---------------------------------------------------------------------------- */

static void
given_a_file_when_written_then_note_write(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", EV_CLEAR, NOTE_WRITE, 7);
    assert_silent(kq);

    put_file("a", "more", O_APPEND);
    struct kevent event = kit_wait_one(kq, fd, EVFILT_VNODE);

    assert_int_equal(event.fflags, NOTE_WRITE);
    assert_int_equal(kit_tag(&event), 7);
    assert_silent(kq);
    kit_close(fd);
    assert_int_equal(unlink("a"), 0);
}

static void
given_a_file_when_extended_then_note_extend(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", EV_CLEAR, NOTE_WRITE | NOTE_EXTEND, 1);

    put_file("a", "more", O_APPEND);

    (void)kit_wait_notes(kq, fd, NOTE_WRITE | NOTE_EXTEND);
    kit_close(fd);
    assert_int_equal(unlink("a"), 0);
}

static void
given_a_file_when_renamed_then_note_rename_and_it_is_still_watched(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", EV_CLEAR, NOTE_RENAME | NOTE_WRITE, 1);

    assert_int_equal(rename("a", "b"), 0);
    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_RENAME);
    put_file("b", "two", O_APPEND);

    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_WRITE);
    kit_close(fd);
    assert_int_equal(unlink("b"), 0);
}

static void
given_a_file_when_unlinked_then_note_delete(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", EV_CLEAR, ALL_NOTES, 1);

    assert_int_equal(unlink("a"), 0);

    (void)kit_wait_notes(kq, fd, NOTE_DELETE);
    kit_close(fd);
}

static void
given_a_file_when_another_is_renamed_over_it_then_note_delete(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    put_file("new", "two", 0);
    int fd = watch(kq, "a", EV_CLEAR, NOTE_DELETE | NOTE_WRITE, 1);

    assert_int_equal(rename("new", "a"), 0);

    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_DELETE);
    kit_close(fd);
    assert_int_equal(unlink("a"), 0);
}

static void
given_a_file_when_its_mode_changes_then_note_attrib(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", EV_CLEAR, ALL_NOTES, 1);

    assert_int_equal(chmod("a", 0644), 0);

    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_ATTRIB);
    kit_close(fd);
    assert_int_equal(unlink("a"), 0);
}

static void
given_a_file_when_linked_then_note_link(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", EV_CLEAR, NOTE_LINK | NOTE_DELETE, 1);

    assert_int_equal(link("a", "b"), 0);

    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_LINK);
    kit_close(fd);
    assert_int_equal(unlink("a"), 0);
    assert_int_equal(unlink("b"), 0);
}

static void
given_notes_that_are_not_asked_for_when_they_happen_then_silence(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, "a", EV_CLEAR, NOTE_RENAME, 1);

    put_file("a", "two", O_APPEND);
    assert_int_equal(chmod("a", 0644), 0);

    assert_silent(kq);
    assert_int_equal(rename("a", "b"), 0);
    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_RENAME);
    kit_close(fd);
    assert_int_equal(unlink("b"), 0);
}

/* ---- folders -------------------------------------------------------------------------- */

static void
given_a_folder_when_entries_come_and_go_then_note_write(void **state)
{
    int kq = *(int *)*state;
    int fd = watch(kq, ".", EV_CLEAR, NOTE_WRITE, 1);

    put_file("a", "one", 0);
    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_WRITE);
    assert_int_equal(rename("a", "b"), 0);
    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_WRITE);
    assert_int_equal(unlink("b"), 0);
    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_WRITE);

    assert_silent(kq);
    kit_close(fd);
}

static void
given_a_folder_when_a_file_in_it_changes_then_silence(void **state)
{
    int kq = *(int *)*state;
    put_file("a", "one", 0);
    int fd = watch(kq, ".", EV_CLEAR, NOTE_WRITE | NOTE_ATTRIB, 1);

    put_file("a", "more", O_APPEND);
    assert_int_equal(chmod("a", 0644), 0);

    assert_silent(kq);
    kit_close(fd);
    assert_int_equal(unlink("a"), 0);
}

static void
given_a_folder_when_a_subfolder_is_made_then_note_link(void **state)
{
    struct stat before, after;
    int kq = *(int *)*state;
    int fd = watch(kq, ".", EV_CLEAR, NOTE_WRITE | NOTE_LINK, 1);
    assert_int_equal(fstat(fd, &before), 0);

    assert_int_equal(mkdir("sub", 0700), 0);

    /* Some file systems do not count folders as links. */
    assert_int_equal(fstat(fd, &after), 0);
    bool is_counted = before.st_nlink != after.st_nlink;
    (void)kit_wait_notes(kq, fd, is_counted ? NOTE_WRITE | NOTE_LINK : NOTE_WRITE);
    kit_close(fd);
    assert_int_equal(rmdir("sub"), 0);
}

static void
given_a_folder_when_removed_then_note_delete(void **state)
{
    int kq = *(int *)*state;
    assert_int_equal(mkdir("sub", 0700), 0);
    int fd = watch(kq, "sub", EV_CLEAR, NOTE_DELETE, 1);
    put_file("noise", "x", 0);
    assert_int_equal(unlink("noise"), 0);
    assert_silent(kq);

    assert_int_equal(rmdir("sub"), 0);

    (void)kit_wait_notes(kq, fd, NOTE_DELETE);
    kit_close(fd);
}

static void
given_a_moved_folder_when_removed_then_note_delete(void **state)
{
    int kq = *(int *)*state;
    assert_int_equal(mkdir("sub", 0700), 0);
    assert_int_equal(mkdir("other", 0700), 0);
    int fd = watch(kq, "sub", EV_CLEAR, NOTE_RENAME | NOTE_DELETE, 1);

    assert_int_equal(rename("sub", "other/sub"), 0);
    assert_int_equal(kit_wait_one(kq, fd, EVFILT_VNODE).fflags, NOTE_RENAME);
    assert_int_equal(rmdir("other/sub"), 0);

    (void)kit_wait_notes(kq, fd, NOTE_DELETE);
    kit_close(fd);
    assert_int_equal(rmdir("other"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(given_a_file_when_written_then_note_write),
        KIT_TEST(given_a_file_when_extended_then_note_extend),
        KIT_TEST(given_a_file_when_renamed_then_note_rename_and_it_is_still_watched),
        KIT_TEST(given_a_file_when_unlinked_then_note_delete),
        KIT_TEST(given_a_file_when_another_is_renamed_over_it_then_note_delete),
        KIT_TEST(given_a_file_when_its_mode_changes_then_note_attrib),
        KIT_TEST(given_a_file_when_linked_then_note_link),
        KIT_TEST(given_notes_that_are_not_asked_for_when_they_happen_then_silence),
        KIT_TEST(given_a_folder_when_entries_come_and_go_then_note_write),
        KIT_TEST(given_a_folder_when_a_file_in_it_changes_then_silence),
        KIT_TEST(given_a_folder_when_a_subfolder_is_made_then_note_link),
        KIT_TEST(given_a_folder_when_removed_then_note_delete),
        KIT_TEST(given_a_moved_folder_when_removed_then_note_delete),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
