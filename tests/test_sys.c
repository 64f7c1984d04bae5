/*
 * test_sys.c - the door to the kernel: flags, errors, interruptions; and the kit behind it
 */
#include "base/sys.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/un.h>
#include <unistd.h>

#include "fault.h"

struct fixture {
    struct kp_env env;
    struct fault_sys fault;
    struct kp_sys *sys;
    size_t fds_before;
};

static int
setup(void **state)
{
    static struct fixture f;

    fault_env_init(&f.env, NULL, &f.fault);
    f.sys = &f.env.sys;
    f.fds_before = fault_count_fds();
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(fault_count_fds(), f->fds_before);
    return 0;
}

static void
assert_flags(int fd, bool is_nonblocking)
{
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    if (is_nonblocking)
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static int
loopback_listener(struct kp_sys *sys, struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);
    int fd = kp_sys_socket(sys, AF_INET, SOCK_STREAM, 0);

    *addr = (struct sockaddr_in){.sin_family = AF_INET};
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(kp_sys_bind(sys, fd, (struct sockaddr *)addr, len), 0);
    assert_int_equal(kp_sys_listen(sys, fd, 8), 0);
    assert_int_equal(kp_sys_getsockname(sys, fd, (struct sockaddr *)addr, &len), 0);
    return fd;
}

static void
wait_for(int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    if (poll(&poll_fd, 1, 10000) != 1)
        fail_msg("waited for events %d of descriptor %d", events, fd);
}

/* ---- descriptors ---- */

static void
given_any_call_that_makes_a_descriptor_when_made_then_close_on_exec(void **state)
{
    struct fixture *f = *state;
    int fds[2];

    int socket_fd = kp_sys_socket(f->sys, AF_INET, SOCK_STREAM, 0);
    int file = kp_sys_open(f->sys, "/dev/null", O_RDONLY, 0);
    int kq = kp_sys_kqueue(f->sys);
    assert_int_equal(kp_sys_pipe(f->sys, fds), 0);

    assert_flags(socket_fd, true);
    assert_flags(fds[0], true);
    assert_flags(fds[1], true);
    assert_flags(file, false);
    assert_flags(kq, false);
    int all[] = {socket_fd, file, kq, fds[0], fds[1]};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        assert_int_equal(kp_sys_close(f->sys, all[i]), 0);
}

static void
given_an_inherited_descriptor_when_flags_are_set_then_both(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);

    assert_int_equal(kp_sys_set_flags(f->sys, fds[0]), 0);

    assert_flags(fds[0], true);
    assert_false(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(kp_sys_set_flags(f->sys, fds[0]), -EBADF);
}

/* ---- the life of a TCP connection through the door ---- */

static void
given_a_listener_when_a_client_connects_then_both_ends_talk(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in addr, peer;
    socklen_t len = sizeof(peer);
    int listener = loopback_listener(f->sys, &addr);
    assert_int_equal(kp_sys_accept(f->sys, listener, NULL, NULL), -EAGAIN);

    int client = kp_sys_socket(f->sys, AF_INET, SOCK_STREAM, 0);
    int rc = kp_sys_connect(f->sys, client, (struct sockaddr *)&addr, sizeof(addr));
    assert_true(rc == 0 || rc == -EINPROGRESS);
    wait_for(listener, POLLIN);
    int server = kp_sys_accept(f->sys, listener, (struct sockaddr *)&peer, &len);
    assert_flags(server, true);
    assert_int_equal(len, sizeof(peer));
    assert_int_equal(kp_sys_getpeername(f->sys, client, (struct sockaddr *)&peer, &len),
                     0);
    assert_int_equal(peer.sin_port, addr.sin_port);

    int value = 0;
    len = sizeof(value);
    assert_int_equal(kp_sys_set_option(f->sys, server, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    assert_int_equal(
        kp_sys_getsockopt(f->sys, server, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_true(value != 0);

    char text[16];
    struct iovec iov[2] = {{"hel", 3}, {"lo", 2}};
    assert_int_equal(kp_sys_recv(f->sys, client, text, sizeof(text)), -EAGAIN);
    assert_int_equal(kp_sys_send(f->sys, server, iov, 2), 5);
    assert_int_equal(kp_sys_shutdown(f->sys, server, SHUT_WR), 0);
    wait_for(client, POLLIN);
    assert_int_equal(kp_sys_recv(f->sys, client, text, sizeof(text)), 5);
    assert_memory_equal(text, "hello", 5);
    wait_for(client, POLLIN);
    assert_int_equal(kp_sys_recv(f->sys, client, text, sizeof(text)), 0);

    int all[] = {listener, client, server};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(kp_sys_close(f->sys, all[i]), 0);
}

static void
given_a_peer_that_is_gone_when_sent_then_epipe_and_no_signal(void **state)
{
    struct fixture *f = *state;
    struct iovec iov = {"x", 1};
    int fds[2];
    fault_socketpair(fds);
    kp_sys_close(f->sys, fds[1]);
    struct sigaction before;
    assert_int_equal(sigaction(SIGPIPE, NULL, &before), 0);
    assert_true(before.sa_handler == SIG_DFL); /* it would end this program */

    assert_int_equal(kp_sys_send(f->sys, fds[0], &iov, 1), -EPIPE);

    assert_int_equal(kp_sys_close(f->sys, fds[0]), 0);
}

static void
given_files_when_opened_and_removed_then_the_calls_pass_through(void **state)
{
    struct fixture *f = *state;
    char path[64];
    struct stat by_path, by_fd;
    char text[8];
    snprintf(path, sizeof(path), "/tmp/kelpie_test_sys.%ld", (long)getpid());

    int fd = kp_sys_open(f->sys, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(kp_sys_write(f->sys, fd, "text", 4), 4);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(kp_sys_read(f->sys, fd, text, sizeof(text)), 4);
    assert_int_equal(kp_sys_fstat(f->sys, fd, &by_fd), 0);
    assert_int_equal(kp_sys_stat(f->sys, path, &by_path), 0);
    assert_true(by_fd.st_ino == by_path.st_ino && by_fd.st_size == 4);
    assert_int_equal(kp_sys_close(f->sys, fd), 0);
    assert_int_equal(kp_sys_chmod(f->sys, path, 0640), 0);
    assert_int_equal(kp_sys_stat(f->sys, path, &by_path), 0);
    assert_int_equal(by_path.st_mode & 0777, 0640);
    assert_int_equal(kp_sys_unlink(f->sys, path), 0);
    assert_int_equal(kp_sys_chmod(f->sys, path, 0600), -ENOENT);
    assert_int_equal(kp_sys_unlink(f->sys, path), -ENOENT);
    assert_int_equal(kp_sys_stat(f->sys, path, &by_path), -ENOENT);
    assert_int_equal(kp_sys_open(f->sys, path, O_RDONLY, 0), -ENOENT);
}

static void
given_wrong_arguments_when_called_then_the_negative_errno(void **state)
{
    struct fixture *f = *state;
    struct iovec iov = {"x", 1};
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);
    int value;

    assert_true(kp_sys_socket(f->sys, -1, SOCK_STREAM, 0) < 0);
    assert_true(kp_sys_socket(f->sys, AF_INET, SOCK_STREAM, 9999) < 0);
    assert_int_equal(kp_sys_bind(f->sys, -1, (struct sockaddr *)&addr, len), -EBADF);
    assert_int_equal(kp_sys_listen(f->sys, -1, 1), -EBADF);
    assert_int_equal(kp_sys_accept(f->sys, -1, NULL, NULL), -EBADF);
    assert_int_equal(kp_sys_connect(f->sys, -1, (struct sockaddr *)&addr, len), -EBADF);
    assert_int_equal(kp_sys_shutdown(f->sys, -1, SHUT_WR), -EBADF);
    assert_int_equal(kp_sys_close(f->sys, -1), -EBADF);
    assert_int_equal(kp_sys_set_option(f->sys, -1, SOL_SOCKET, SO_REUSEADDR, 1), -EBADF);
    assert_int_equal(
        kp_sys_getsockopt(f->sys, -1, SOL_SOCKET, SO_REUSEADDR, &value, &len), -EBADF);
    assert_int_equal(kp_sys_getsockname(f->sys, -1, (struct sockaddr *)&addr, &len),
                     -EBADF);
    assert_int_equal(kp_sys_getpeername(f->sys, -1, (struct sockaddr *)&addr, &len),
                     -EBADF);
    assert_int_equal(kp_sys_recv(f->sys, -1, &value, 1), -EBADF);
    assert_int_equal(kp_sys_send(f->sys, -1, &iov, 1), -EBADF);
    assert_int_equal(kp_sys_read(f->sys, -1, &value, 1), -EBADF);
    assert_int_equal(kp_sys_write(f->sys, -1, &value, 1), -EBADF);
    assert_true(kp_sys_kevent(f->sys, -1, NULL, 0, NULL, 0, NULL) < 0);
}

static void
given_random_bytes_when_asked_for_many_then_all_are_filled(void **state)
{
    struct fixture *f = *state;
    unsigned char bytes[1000] = {0};
    unsigned zeros = 0;

    assert_int_equal(kp_sys_random(f->sys, bytes, sizeof(bytes)), 0);

    for (size_t i = 0; i < sizeof(bytes); i++)
        zeros += bytes[i] == 0;
    assert_true(zeros < 40); /* 4 are expected */
}

static void
given_the_clock_when_read_twice_then_it_does_not_go_back(void **state)
{
    struct fixture *f = *state;

    uint64_t first = kp_sys_now_ns(f->sys);
    uint64_t second = kp_sys_now_ns(f->sys);

    assert_true(first > 0 && second >= first);
}

/* ---- interruptions ---- */

static void
given_an_interrupted_call_when_made_then_it_is_made_again(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in addr;
    struct iovec iov = {"x", 1};
    int fds[2], value;
    struct stat st;
    socklen_t len;
    static const enum fault_call calls[] = {
        FAULT_SOCKET,      FAULT_BIND,       FAULT_LISTEN,     FAULT_ACCEPT,
        FAULT_SHUTDOWN,    FAULT_SETSOCKOPT, FAULT_GETSOCKOPT, FAULT_GETSOCKNAME,
        FAULT_GETPEERNAME, FAULT_SET_FLAGS,  FAULT_RECV,       FAULT_SEND,
        FAULT_READ,        FAULT_WRITE,      FAULT_PIPE,       FAULT_OPEN,
        FAULT_FSTAT,       FAULT_STAT,       FAULT_UNLINK,     FAULT_KQUEUE,
        FAULT_RANDOM,      FAULT_CHMOD,      FAULT_LOCK,
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        fault_sys_fail(&f->fault, calls[i], 1, EINTR);

    int listener = loopback_listener(f->sys, &addr); /* socket, bind, listen, name */
    assert_int_equal(kp_sys_accept(f->sys, listener, NULL, NULL), -EAGAIN);
    assert_int_equal(kp_sys_set_option(f->sys, listener, SOL_SOCKET, SO_REUSEADDR, 1), 0);
    len = sizeof(value);
    assert_int_equal(
        kp_sys_getsockopt(f->sys, listener, SOL_SOCKET, SO_ERROR, &value, &len), 0);
    len = sizeof(addr);
    assert_int_equal(kp_sys_getpeername(f->sys, listener, (struct sockaddr *)&addr, &len),
                     -ENOTCONN);
    assert_int_equal(kp_sys_set_flags(f->sys, listener), 0);
    assert_int_equal(kp_sys_close(f->sys, listener), 0);
    assert_int_equal(kp_sys_pipe(f->sys, fds), 0);
    assert_int_equal(kp_sys_write(f->sys, fds[1], "x", 1), 1);
    assert_int_equal(kp_sys_read(f->sys, fds[0], &value, 1), 1);
    assert_int_equal(kp_sys_fstat(f->sys, fds[0], &st), 0);
    close(fds[0]);
    close(fds[1]);
    fault_socketpair(fds);
    assert_int_equal(kp_sys_send(f->sys, fds[0], &iov, 1), 1);
    assert_int_equal(kp_sys_recv(f->sys, fds[1], &value, 1), 1);
    assert_int_equal(kp_sys_shutdown(f->sys, fds[0], SHUT_WR), 0);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(kp_sys_stat(f->sys, "/", &st), 0);
    assert_int_equal(kp_sys_unlink(f->sys, "/nowhere/at/all"), -ENOENT);
    assert_int_equal(kp_sys_chmod(f->sys, "/nowhere/at/all", 0600), -ENOENT);
    int file = kp_sys_open(f->sys, "/dev/null", O_RDONLY, 0);
    assert_int_equal(kp_sys_lock(f->sys, file), 0);
    assert_int_equal(kp_sys_close(f->sys, file), 0);
    int kq = kp_sys_kqueue(f->sys);
    assert_int_equal(kp_sys_close(f->sys, kq), 0);
    assert_int_equal(kp_sys_random(f->sys, &value, sizeof(value)), 0);

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        assert_int_equal(f->fault.calls[calls[i]], 2);
}

static void
given_an_interrupted_close_when_made_then_it_counts_as_closed(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    fault_socketpair(fds);
    close(fds[1]);

    fault_sys_fail(&f->fault, FAULT_CLOSE, 1, EINTR);
    assert_int_equal(kp_sys_close(f->sys, fds[0]), 0);

    assert_int_equal(f->fault.calls[FAULT_CLOSE], 1);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
}

static void
given_an_interrupted_kevent_when_made_then_no_event(void **state)
{
    struct fixture *f = *state;
    struct timespec never = {1000, 0};
    struct kevent event;
    int kq = kp_sys_kqueue(f->sys);

    fault_sys_fail(&f->fault, FAULT_KEVENT, 1, EINTR);

    assert_int_equal(kp_sys_kevent(f->sys, kq, NULL, 0, &event, 1, &never), 0);
    assert_int_equal(f->fault.calls[FAULT_KEVENT], 1);
    assert_int_equal(kp_sys_close(f->sys, kq), 0);
}

/* A connect that is interrupted, and what it says when asked again. */
static int
connect_interrupted(void *arg, int fd, const struct sockaddr *addr, socklen_t len)
{
    int *answers = arg;

    (void)fd;
    (void)addr;
    (void)len;
    int answer = answers[0];
    answers[0] = answers[1];
    return answer;
}

static void
given_an_interrupted_connect_when_it_goes_on_then_in_progress(void **state)
{
    struct kp_sys_calls calls = kp_sys_kernel;
    int answers[2];
    struct kp_sys sys = {.calls = &calls, .arg = answers};
    (void)state;
    calls.connect = connect_interrupted;
    static const int cases[][3] = {
        {-EINTR, -EALREADY, -EINPROGRESS},
        {-EINTR, -EISCONN, 0},
        {-EINTR, -ECONNREFUSED, -ECONNREFUSED},
        {-EISCONN, 0, -EISCONN},
        {-EALREADY, 0, -EALREADY},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        answers[0] = cases[i][0];
        answers[1] = cases[i][1];
        assert_int_equal(kp_sys_connect(&sys, 3, NULL, 0), cases[i][2]);
    }
}

/* ---- the kit ---- */

static void
given_a_rule_when_calls_are_made_then_the_nth_fails_or_all_from_it_on(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    fault_sys_fail(&f->fault, FAULT_STAT, 2, EIO);
    assert_int_equal(kp_sys_stat(f->sys, "/", &st), 0);
    assert_int_equal(kp_sys_stat(f->sys, "/", &st), -EIO);
    assert_int_equal(kp_sys_stat(f->sys, "/", &st), 0);

    fault_sys_fail_from(&f->fault, FAULT_STAT, 2, ENOMEM);
    assert_int_equal(kp_sys_stat(f->sys, "/", &st), 0);
    assert_int_equal(kp_sys_stat(f->sys, "/", &st), -ENOMEM);
    assert_int_equal(kp_sys_stat(f->sys, "/", &st), -ENOMEM);
    fault_env_heal(NULL, &f->fault);
    assert_int_equal(kp_sys_stat(f->sys, "/", &st), 0);

    fault_sys_fail(&f->fault, FAULT_ANY, 2, EPERM);
    assert_int_equal(kp_sys_close(f->sys, -1), -EBADF);
    assert_int_equal(kp_sys_stat(f->sys, "/", &st), -EPERM);
    assert_int_equal(f->fault.failures, 4);
    assert_int_equal(f->fault.calls[FAULT_ANY], 9);
}

static void
given_a_slow_network_when_used_then_one_byte_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct iovec iov[3] = {{"", 0}, {"ab", 2}, {"c", 1}};
    char text[8];
    int fds[2];
    fault_socketpair(fds);

    f->fault.send_one_byte = f->fault.recv_one_byte = true;
    assert_int_equal(kp_sys_send(f->sys, fds[0], iov, 3), 1);
    f->fault.send_one_byte = false;
    assert_int_equal(kp_sys_send(f->sys, fds[0], iov, 3), 3);

    assert_int_equal(kp_sys_recv(f->sys, fds[1], text, sizeof(text)), 1);
    fault_env_heal(NULL, &f->fault);
    assert_int_equal(kp_sys_recv(f->sys, fds[1], text + 1, sizeof(text) - 1), 3);
    assert_memory_equal(text, "aabc", 4);
    close(fds[0]);
    close(fds[1]);
}

static void
given_a_spurious_eagain_when_the_next_kevent_comes_then_readiness_is_told_again(
    void **state)
{
    struct fixture *f = *state;
    struct timespec no_wait = {0, 0};
    struct iovec iov = {"x", 1};
    struct kevent change, event;
    char byte;
    int fds[2];
    int kq = kp_sys_kqueue(f->sys);
    fault_socketpair(fds);
    EV_SET(&change, (uintptr_t)fds[1], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, &byte);
    assert_int_equal(kp_sys_send(f->sys, fds[0], &iov, 1), 1);
    assert_int_equal(kp_sys_kevent(f->sys, kq, &change, 1, &event, 1, &no_wait), 1);
    assert_int_equal(kp_sys_kevent(f->sys, kq, NULL, 0, &event, 1, &no_wait), 0);

    f->fault.eagain_every = 1;
    assert_int_equal(kp_sys_recv(f->sys, fds[1], &byte, 1), -EAGAIN);
    assert_int_equal(kp_sys_send(f->sys, fds[0], &iov, 1), -EAGAIN);
    assert_int_equal(kp_sys_accept(f->sys, fds[0], NULL, NULL), -EAGAIN);

    assert_int_equal(kp_sys_kevent(f->sys, kq, NULL, 0, &event, 1, NULL), 1);
    assert_ptr_equal(event.udata, &byte);
    assert_int_equal(event.ident, fds[1]);
    assert_int_equal(kp_sys_kevent(f->sys, kq, NULL, 0, &event, 1, &no_wait), 0);
    change.flags = EV_DELETE;
    assert_int_equal(kp_sys_kevent(f->sys, kq, &change, 1, NULL, 0, &no_wait), 0);
    int all[] = {fds[0], fds[1], kq};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(kp_sys_close(f->sys, all[i]), 0);
}

static void
given_a_thread_when_it_works_then_its_own_clock_goes_on(void **state)
{
    struct kp_sys kernel = {.calls = &kp_sys_kernel};
    struct kp_sys_calls without = kp_sys_kernel;
    uint64_t before_ns = kp_sys_cpu_ns(&kernel, pthread_self());

    (void)state;
    if (before_ns != KP_NEVER) /* else the system has none */
        while (kp_sys_cpu_ns(&kernel, pthread_self()) < before_ns + KP_NS_PER_MS)
            ;
    without.cpu_ns = NULL;
    kernel.calls = &without;
    assert_true(kp_sys_cpu_ns(&kernel, pthread_self()) == KP_NEVER);
}

static void
given_a_stopped_clock_when_moved_then_it_says_so(void **state)
{
    struct fixture *f = *state;

    fault_clock_set(&f->fault, 1000);
    assert_int_equal(kp_sys_now_ns(f->sys), 1000);
    fault_clock_advance(&f->fault, 5 * KP_NS_PER_MS);

    assert_int_equal(kp_sys_now_ns(f->sys), 5001000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_any_call_that_makes_a_descriptor_when_made_then_close_on_exec),
        TEST(given_an_inherited_descriptor_when_flags_are_set_then_both),
        TEST(given_a_listener_when_a_client_connects_then_both_ends_talk),
        TEST(given_a_peer_that_is_gone_when_sent_then_epipe_and_no_signal),
        TEST(given_files_when_opened_and_removed_then_the_calls_pass_through),
        TEST(given_wrong_arguments_when_called_then_the_negative_errno),
        TEST(given_random_bytes_when_asked_for_many_then_all_are_filled),
        TEST(given_the_clock_when_read_twice_then_it_does_not_go_back),
        TEST(given_an_interrupted_call_when_made_then_it_is_made_again),
        TEST(given_an_interrupted_close_when_made_then_it_counts_as_closed),
        TEST(given_an_interrupted_kevent_when_made_then_no_event),
        TEST(given_an_interrupted_connect_when_it_goes_on_then_in_progress),
        TEST(given_a_rule_when_calls_are_made_then_the_nth_fails_or_all_from_it_on),
        TEST(given_a_slow_network_when_used_then_one_byte_at_a_time),
        TEST(
            given_a_spurious_eagain_when_the_next_kevent_comes_then_readiness_is_told_again),
        TEST(given_a_thread_when_it_works_then_its_own_clock_goes_on),
        TEST(given_a_stopped_clock_when_moved_then_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
