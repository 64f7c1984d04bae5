/*
 * test_torture_calls.c - every system call of every scenario made to fail, as documented
 *
 * A table says with which errno each call can fail; each of its first ten occurrences in a
 * scenario fails with each of them, once and from then on. Beside errnos there are EAGAIN
 * for no reason, transfers of one byte, and watches that a kqueue refuses. After a reload it
 * is all or nothing here too (torture_reload.c).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "torture.h"

enum { MAX_OCCURRENCES = 10 };

/* What POSIX and the manuals of the systems document, as far as a server can meet it. */
static const struct {
    enum fault_call call;
    const char *name;
    int errors[10]; /* ends with 0 */
} documented[] = {
    {FAULT_SOCKET, "socket", {EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT}},
    {FAULT_BIND, "bind", {EADDRINUSE, EADDRNOTAVAIL, EACCES, EROFS, ENOSPC}},
    {FAULT_LISTEN, "listen", {EADDRINUSE, EOPNOTSUPP, ENOBUFS}},
    {FAULT_ACCEPT,
     "accept",
     {EAGAIN, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO}},
    {FAULT_CONNECT, "connect", {ECONNREFUSED, EAGAIN, EACCES, EINTR, ETIMEDOUT}},
    {FAULT_SHUTDOWN, "shutdown", {ENOTCONN, EINVAL, ENOBUFS}},
    {FAULT_CLOSE, "close", {EINTR, EIO, ENOSPC}},
    {FAULT_SETSOCKOPT, "setsockopt", {EINVAL, ENOPROTOOPT, ENOMEM, EDOM}},
    {FAULT_GETSOCKOPT, "getsockopt", {ENOPROTOOPT, ENOBUFS, EINVAL}},
    {FAULT_GETSOCKNAME, "getsockname", {ENOBUFS, EINVAL}},
    {FAULT_GETPEERNAME, "getpeername", {ENOTCONN, ENOBUFS, EINVAL}},
    {FAULT_SET_FLAGS, "fcntl", {EBADF, EINTR}},
    {FAULT_RECV,
     "recv",
     {EAGAIN, EINTR, ECONNRESET, ETIMEDOUT, ENOMEM, ENOBUFS, ENOTCONN, FAULT_ONE_BYTE}},
    {FAULT_SEND,
     "send",
     {EAGAIN, EINTR, ECONNRESET, EPIPE, ENOBUFS, ENOMEM, EHOSTUNREACH, FAULT_ONE_BYTE}},
    {FAULT_READ, "read", {EAGAIN, EINTR, EIO, EISDIR, FAULT_ONE_BYTE}},
    {FAULT_WRITE, "write", {EAGAIN, EINTR, EIO, EPIPE}},
    {FAULT_PIPE, "pipe", {EMFILE, ENFILE}},
    {FAULT_OPEN, "open", {EMFILE, ENFILE, ENOENT, EACCES, EINTR, ELOOP, ENOMEM}},
    {FAULT_FSTAT, "fstat", {EIO, EOVERFLOW}},
    {FAULT_STAT, "stat", {ENOENT, EACCES, ENOMEM, ENOTDIR}},
    {FAULT_UNLINK, "unlink", {EACCES, EBUSY, ENOENT, EROFS}},
    {FAULT_CHMOD, "chmod", {EPERM, ENOENT, EROFS}},
    {FAULT_KQUEUE, "kqueue", {EMFILE, ENFILE, ENOMEM}},
    {FAULT_KEVENT, "kevent", {EINTR, ENOMEM, EACCES}},
    {FAULT_WATCH, "EV_ADD", {ENOMEM, ENOSPC, EBADF}},
    {FAULT_RANDOM, "getentropy", {EIO, ENOSYS}},
    {FAULT_MAX_FILES, "getrlimit", {EINVAL}},
    {FAULT_THREAD, "pthread_create", {EAGAIN, EPERM}},
    {FAULT_SIGACTION, "sigaction", {EINVAL}},
};

#define N_DOCUMENTED (sizeof(documented) / sizeof(documented[0]))

static size_t per_call[N_DOCUMENTED];

/* Returns   at how many points something failed. */
static size_t
fail_every_call(struct torture *t, const struct torture_scenario *scenario)
{
    struct torture_count count = {0};

    for (size_t i = 0; i < N_DOCUMENTED; i++) {
        size_t before = count.once + count.on;
        for (const int *error = documented[i].errors; *error != 0; error++)
            torture_call(t, scenario, documented[i].call, *error, MAX_OCCURRENCES,
                         &count);
        per_call[i] += count.once + count.on - before;
    }
    print_message("%-40s %5zu calls failed once, %5zu from then on\n", scenario->name,
                  count.once, count.on);
    return count.once + count.on;
}

static void
given_a_system_call_when_it_fails_then_the_server_survives(void **state)
{
    struct torture *t = *state;

    size_t points =
        fail_every_call(t, &torture_main) + fail_every_call(t, &torture_doors);

    print_message("%zu points of system calls\n", points);
    assert_true(points >= 1500);
}

static void
given_a_reload_when_a_system_call_fails_then_all_or_nothing(void **state)
{
    struct torture *t = *state;
    size_t points = 0;

    for (const struct torture_scenario *s = torture_reloads; s->name != NULL; s++)
        points += fail_every_call(t, s);

    print_message("%zu points of system calls\n", points);
    assert_true(points >= 1500);
}

/* A line of the table that nothing meets proves nothing. */
static void
given_the_table_when_all_have_run_then_each_call_has_failed(void **state)
{
    (void)state;

    for (size_t i = 0; i < N_DOCUMENTED; i++) {
        print_message("%-12s %5zu\n", documented[i].name, per_call[i]);
        assert_true(per_call[i] > 0);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, torture_setup, torture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_system_call_when_it_fails_then_the_server_survives),
        TEST(given_a_reload_when_a_system_call_fails_then_all_or_nothing),
        TEST(given_the_table_when_all_have_run_then_each_call_has_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
