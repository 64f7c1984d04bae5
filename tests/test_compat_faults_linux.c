/*
 * test_compat_faults_linux.c - the kqueue layer for Linux: faults
 *
 * Every allocation and every system call that can fail fails once, in a scenario that uses
 * all filters; what was asked for must be reported all the same.
 */
#include "kq_inside.h"

/* Does it; once more if the first time met the fault. */
static void
insist(int kq, int fd, int filter, unsigned flags, unsigned fflags, int tag)
{
    bool had_failed = fake.has_failed;
    int rc = kit_try(kq, fd, filter, flags, fflags, tag);
    if (rc == 0)
        return;
    assert_true(fake.has_failed && !had_failed);
    assert_true(rc == ENOMEM || rc == EMFILE);
    kit_change(kq, fd, filter, flags, fflags, tag);
}

static int
insist_kqueue(void)
{
    int kq = kqueue();
    if (kq >= 0)
        return kq;
    assert_true(fake.has_failed);
    assert_true(errno == ENOMEM || errno == EMFILE);
    kq = kqueue();
    assert_true(kq >= 0);
    return kq;
}

/* Takes events, one at a time, until each of the tags [0, n) has been seen. */
static void
collect(int kq, int n)
{
    const struct timespec patience = {PATIENCE_S, 0};
    unsigned seen = 0;
    while (seen != (1u << n) - 1) {
        struct kevent event;
        int rc = kevent(kq, NULL, 0, &event, 1, &patience);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc != 1)
            print_error("call %d failed; seen %x\n", fake.fails_at, seen);
        assert_int_equal(rc, 1);
        assert_in_range(kit_tag(&event), 0, n - 1);
        seen |= 1u << kit_tag(&event);
    }
}

static void
run_scenario(void)
{
    int fds[2];
    int kq = insist_kqueue();
    kit_unix_pair(fds);
    int file = open_temporary("hello");
    int watched = open_temporary("");
    kit_put(fds[1], "x");

    insist(kq, fds[0], EVFILT_READ, EDGE, 0, 0);
    insist(kq, fds[0], EVFILT_WRITE, EDGE, 0, 1);
    insist(kq, file, EVFILT_READ, EV_ADD, 0, 2);
    insist(kq, watched, EVFILT_VNODE, EDGE, NOTE_WRITE, 3);
    insist(kq, fds[1], EVFILT_WRITE, EV_ADD, 0, 4);
    kit_put(watched, "x");
    collect(kq, 5);

    insist(kq, watched, EVFILT_VNODE, EV_DELETE, 0, 3);
    insist(kq, fds[0], EVFILT_WRITE, EV_DISABLE, 0, 1);
    insist(kq, fds[0], EVFILT_WRITE, EV_ENABLE, 0, 1);
    insist(kq, fds[1], EVFILT_WRITE, EV_DELETE, 0, 4);
    insist(kq, fds[1], EVFILT_WRITE, EV_ADD | EV_ONESHOT, 0, 3);
    kit_put(fds[1], "y");
    collect(kq, 4);
    insist(kq, file, EVFILT_READ, EV_DELETE, 0, 2);
    insist(kq, fds[0], EVFILT_READ, EV_DELETE, 0, 2);
    insist(kq, fds[0], EVFILT_WRITE, EV_DELETE, 0, 2);

    kit_close(kq);
    kit_close(file);
    kit_close(watched);
    close_both(fds);
}

static void
given_a_scenario_when_each_call_fails_once_then_nothing_is_lost(void **state)
{
    int n = 0;
    (void)state;

    do {
        fake.n_failable = 0;
        fake.has_failed = false;
        fake.fails_at = ++n;
        run_scenario();
    } while (fake.has_failed);
    fake.fails_at = 0;

    assert_in_range(n, 30, 300);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KQ_TEST(given_a_scenario_when_each_call_fails_once_then_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
