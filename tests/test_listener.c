/*
 * test_listener.c - opening and closing addresses
 */
#include "net_kit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static int
open_address(struct net_kit *kit, struct kp_listener **out, const char *text, char *why)
{
    struct kp_address address;

    assert_int_equal(kp_address_parse(&address, text, why, 300), 0);
    why[0] = '\0';
    return kp_listener_open(&kit->net, out, &address, why, 300);
}

/* The system's words for an error, as the second half of a sentence. */
static const char *
cause(int error)
{
    static char words[100];

    snprintf(words, sizeof(words), "%s", strerror(error));
    words[0] = (char)tolower((unsigned char)words[0]);
    return words;
}

static void
given_a_port_in_use_when_listening_then_the_sentence_names_address_and_cause(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *first = nk_listen(kit, ":0"), *second;
    char why[300], expected[300];

    assert_int_equal(open_address(kit, &second, first->text, why), -EADDRINUSE);

    snprintf(expected, sizeof(expected), "listen %s: %s", first->text, cause(EADDRINUSE));
    assert_string_equal(why, expected);
    assert_null(second);
}

/* P7 */
static void
given_both_families_on_one_port_when_listening_then_they_do_not_collide(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *six, *four;
    char why[300], text[32];
    int value = 0;
    socklen_t len = sizeof(value);

    int rc = -EADDRINUSE;
    for (int tries = 0; rc == -EADDRINUSE && tries < 20; tries++) {
        if (open_address(kit, &six, "[::]:0", why) < 0)
            skip(); /* a machine without IPv6 */
        snprintf(text, sizeof(text), "*:%d", six->port);
        rc = open_address(kit, &four, text, why); /* another program may have just that */
    }
    assert_int_equal(rc, 0);

    assert_int_equal(getsockopt(six->source.fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, &len),
                     0);
    assert_int_equal(value, 1);
}

static void
given_fast_open_when_the_kernel_refuses_it_then_it_is_logged_and_listens(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener;
    char why[300];
    kit->net.limits.fastopen = 16;

    listener = nk_listen(kit, ":0");
    fault_sys_fail(&kit->sys, FAULT_SETSOCKOPT, 2, EOPNOTSUPP);
    assert_int_equal(open_address(kit, &listener, ":0", why), 0);

    assert_non_null(strstr(kit->log, "TCP Fast Open is not available"));
}

/* Each call of opening fails once: nothing is left, and the sentence says why. */
static void
given_system_calls_that_fail_when_listening_then_a_sentence_and_nothing_is_left(
    void **state)
{
    static const enum fault_call calls[] = {FAULT_SOCKET, FAULT_SETSOCKOPT, FAULT_BIND,
                                            FAULT_LISTEN, FAULT_GETSOCKNAME};
    struct net_kit *kit = *state;
    struct kp_listener *listener;
    char why[300];
    size_t fds = fault_count_fds();

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        fault_sys_fail(&kit->sys, calls[i], 1, EACCES);
        assert_int_equal(open_address(kit, &listener, "127.0.0.1:0", why), -EACCES);
        assert_string_equal(why, "listen 127.0.0.1:0: permission denied");
        assert_null(listener);
    }

    assert_int_equal(fault_count_fds(), fds);
    assert_true(kp_list_is_empty(&kit->net.listeners));
}

static void
given_no_memory_when_listening_then_a_sentence_and_nothing_is_left(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener;
    char why[300], path[] = "/tmp/kelpie-test-XXXXXX", text[64];
    close(mkstemp(path));
    unlink(path);
    snprintf(text, sizeof(text), "unix:%s", path);
    size_t fds = fault_count_fds();

    size_t n = 1;
    for (;; n++) {
        fault_mem_fail(&kit->mem, n);
        int rc = open_address(kit, &listener, text, why);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_non_null(strstr(why, cause(ENOMEM)));
        assert_int_equal(fault_count_fds(), fds);
        assert_int_equal(access(path, F_OK), -1);
    }

    assert_true(n > 2);
    kp_listener_close(listener);
}

/* ---- unix sockets ------------------------------------------------------------------ */

static void
make_path(char *path, size_t size)
{
    snprintf(path, size, "/tmp/kelpie-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
}

/* Leaves a socket file behind that nobody listens on. */
static void
make_stale(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);
}

/* P6 */
static void
given_a_stale_socket_file_when_listening_then_it_is_replaced_and_removed_at_close(
    void **state)
{
    struct net_kit *kit = *state;
    char path[64], text[80];
    make_path(path, sizeof(path));
    make_stale(path);
    snprintf(text, sizeof(text), "unix:%s", path);

    struct kp_listener *listener = nk_listen(kit, text);
    int peer = nk_connect(listener);
    nk_say(peer, "hello\n");
    assert_true(nk_until(kit, "message 0 hello"));
    char name[KP_ADDRESS_TEXT_SIZE];
    kp_peer_format(name, &kp_conns_client(&kit->net, 0)->peer);
    kp_listener_close(listener);
    kp_listener_close(listener);

    assert_string_equal(name, "unix");
    assert_int_equal(listener->port, 0);
    assert_int_equal(access(path, F_OK), -1);
    close(peer);
}

/* P6 */
static void
given_a_running_server_when_listening_on_its_socket_then_it_is_left_alone(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *first, *second;
    char path[64], text[80], why[300], expected[300];
    make_path(path, sizeof(path));
    snprintf(text, sizeof(text), "unix:%s", path);
    first = nk_listen(kit, text);

    assert_int_equal(open_address(kit, &second, text, why), -EADDRINUSE);

    snprintf(expected, sizeof(expected),
             "listen unix:%s: address in use by a running server", path);
    assert_string_equal(why, expected);
    assert_int_equal(access(path, F_OK), 0);
    kp_listener_close(first);
}

/* P6: whoever starts at the same moment holds the lock. */
static void
given_a_server_that_is_just_starting_when_listening_then_its_socket_is_left_alone(
    void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener;
    char path[64], lock[80], text[80], why[300];
    make_path(path, sizeof(path));
    make_stale(path); /* bound, and does not listen yet */
    snprintf(text, sizeof(text), "unix:%s", path);
    snprintf(lock, sizeof(lock), "%s.lock", path);
    int fd = open(lock, O_RDWR | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);

    assert_int_equal(open_address(kit, &listener, text, why), -EADDRINUSE);
    assert_non_null(strstr(why, "another server is just starting there"));
    assert_int_equal(access(path, F_OK), 0);

    close(fd); /* it has crashed; its lock file stays behind */
    assert_int_equal(open_address(kit, &listener, text, why), 0);
    assert_int_equal(access(lock, F_OK), -1);
    kp_listener_close(listener);
}

static void
given_calls_of_the_lock_that_fail_when_listening_then_nothing_is_left(void **state)
{
    static const struct {
        enum fault_call call;
        size_t nth;
    } cases[] = {{FAULT_OPEN, 1},
                 {FAULT_LOCK, 1},
                 {FAULT_FSTAT, 1},
                 {FAULT_STAT, 1},
                 {FAULT_LISTEN, 1}};
    struct net_kit *kit = *state;
    struct kp_listener *listener;
    char path[64], text[80], why[300];
    make_path(path, sizeof(path));
    snprintf(text, sizeof(text), "unix:%s", path);
    size_t fds = fault_count_fds();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fault_sys_fail(&kit->sys, cases[i].call, cases[i].nth, EACCES);
        assert_int_equal(open_address(kit, &listener, text, why), -EACCES);
        fault_env_heal(&kit->mem, &kit->sys);
        assert_int_equal(fault_count_fds(), fds);
        assert_int_equal(access(path, F_OK), -1);
    }

    /* The file vanishes between locking and looking: it is locked again. */
    fault_sys_fail(&kit->sys, FAULT_STAT, 1, ENOENT);
    assert_int_equal(open_address(kit, &listener, text, why), 0);
    kp_listener_close(listener);
    /* For ever: somebody else is always served first. */
    fault_sys_fail_from(&kit->sys, FAULT_STAT, 1, ENOENT);
    assert_int_equal(open_address(kit, &listener, text, why), -EADDRINUSE);
    fault_env_heal(&kit->mem, &kit->sys);
    assert_int_equal(fault_count_fds(), fds);
    snprintf(text, sizeof(text), "%s.lock", path);
    unlink(text);
}

/* P6: processes that start at once over a dead file; exactly one of them gets it. */
static void
given_many_servers_that_start_at_once_when_a_file_is_stale_then_one_gets_it(void **state)
{
    enum { ROUNDS = 20, SERVERS = 8 };
    struct net_kit *kit = *state;
    char path[64], text[80], why[300], go;
    make_path(path, sizeof(path));
    snprintf(text, sizeof(text), "unix:%s", path);

    for (int round = 0; round < ROUNDS; round++) {
        int start[2], end[2], result[2];
        char results[SERVERS];
        assert_int_equal(pipe(start) + pipe(end) + pipe(result), 0);
        make_stale(path);
        for (int i = 0; i < SERVERS; i++) {
            if (fork() != 0)
                continue;
            struct kp_listener *listener;
            close(start[1]);
            close(end[1]);
            if (read(start[0], &go, 1) != 0)
                _exit(1);
            go = open_address(kit, &listener, text, why) == 0;
            if (write(result[1], &go, 1) != 1 || read(end[0], &go, 1) != 0)
                _exit(1);
            _exit(0);
        }
        close(start[1]); /* now */
        int n_listening = 0;
        for (int i = 0; i < SERVERS; i++) {
            assert_int_equal(read(result[0], &results[i], 1), 1);
            n_listening += results[i];
        }
        int peer = socket(AF_UNIX, SOCK_STREAM, 0);
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        memcpy(addr.sun_path, path, sizeof(path));
        assert_int_equal(connect(peer, (struct sockaddr *)&addr, sizeof(addr)), 0);
        assert_int_equal(n_listening, 1);
        close(peer);
        close(end[1]);
        for (int i = 0; i < SERVERS; i++)
            assert_true(wait(NULL) > 0);
        close(start[0]);
        close(end[0]);
        close(result[0]);
        close(result[1]);
        unlink(path);
    }
}

/* P6 */
static void
given_a_file_that_is_no_socket_when_listening_then_it_is_refused(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener;
    char path[64] = "/tmp/kelpie-test-XXXXXX", text[80], why[300];
    close(mkstemp(path));
    snprintf(text, sizeof(text), "unix:%s", path);

    assert_int_equal(open_address(kit, &listener, text, why), -EADDRINUSE);

    assert_non_null(strstr(why, "the file exists and is not a socket"));
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

/* P6 */
static void
given_a_file_replaced_by_another_server_when_closing_then_it_is_not_removed(void **state)
{
    struct net_kit *kit = *state;
    char path[64], aside[80], text[80];
    make_path(path, sizeof(path));
    snprintf(text, sizeof(text), "unix:%s", path);
    snprintf(aside, sizeof(aside), "%s.old", path);
    struct kp_listener *listener = nk_listen(kit, text);

    assert_int_equal(rename(path, aside), 0);
    make_stale(path);
    kp_listener_close(listener);

    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    unlink(aside);
}

static void
given_calls_that_fail_when_a_stale_file_is_probed_then_a_sentence_says_so(void **state)
{
    static const struct {
        enum fault_call call;
        size_t nth;
        int error, result;
    } cases[] = {
        {FAULT_STAT, 2, EACCES, -EACCES}, {FAULT_SOCKET, 2, EMFILE, -EMFILE},
        {FAULT_UNLINK, 1, EPERM, -EPERM}, {FAULT_CONNECT, 1, EAGAIN, -EADDRINUSE},
        {FAULT_BIND, 2, EACCES, -EACCES}, {FAULT_STAT, 3, EACCES, -EACCES},
    };
    struct net_kit *kit = *state;
    struct kp_listener *listener;
    char path[64], text[80], why[300];
    make_path(path, sizeof(path));
    snprintf(text, sizeof(text), "unix:%s", path);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_stale(path);
        fault_sys_fail(&kit->sys, cases[i].call, cases[i].nth, cases[i].error);
        assert_int_equal(open_address(kit, &listener, text, why), cases[i].result);
        assert_non_null(strstr(why, path));
        fault_env_heal(&kit->mem, &kit->sys);
        unlink(path);
    }

    fault_sys_fail(&kit->sys, FAULT_BIND, 1, EADDRINUSE); /* gone between bind and stat */
    assert_int_equal(open_address(kit, &listener, text, why), 0);
    kp_listener_close(listener);
}

/* ---- inherited descriptors --------------------------------------------------------- */

/* P11 */
static void
given_an_inherited_listening_socket_when_opened_then_it_accepts(void **state)
{
    struct net_kit *kit = *state;
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct kp_listener *listener;
    char text[32], why[300];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(fd, 5), 0);
    snprintf(text, sizeof(text), "web=fd:%d", fd);

    assert_int_equal(open_address(kit, &listener, text, why), 0);
    int peer = nk_connect(listener);

    assert_true(nk_until(kit, "connect 0"));
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(strncmp(listener->text, "127.0.0.1:", 10), 0);
    assert_true(listener->port > 0);
    close(peer);
}

/* P11 */
static void
given_a_descriptor_that_does_not_listen_when_opened_then_it_is_refused_by_name(
    void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener;
    char why[300];
    int null_fd = open("/dev/null", O_RDONLY), fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(kp_listener_open_fd(&kit->net, &listener, fd, NULL, why, 300),
                     -EINVAL);
    assert_non_null(strstr(why, "the socket does not listen"));
    assert_int_equal(kp_listener_open_fd(&kit->net, &listener, null_fd, "", why, 300),
                     -EINVAL);
    assert_non_null(strstr(why, "not a socket"));
    close(null_fd);
    assert_int_equal(kp_listener_open_fd(&kit->net, &listener, null_fd, "", why, 300),
                     -EINVAL);

    assert_non_null(strstr(why, "not an open descriptor"));
    assert_int_equal(listen(fd, 5), 0);
    fault_mem_fail(&kit->mem, 1);
    assert_int_equal(kp_listener_open_fd(&kit->net, &listener, fd, "", why, 300),
                     -ENOMEM);
    fault_sys_fail(&kit->sys, FAULT_SET_FLAGS, 1, EBADF);
    assert_int_equal(kp_listener_open_fd(&kit->net, &listener, fd, "", why, 300), -EBADF);
    fault_sys_fail(&kit->sys, FAULT_GETSOCKNAME, 1, ENOBUFS);
    assert_int_equal(kp_listener_open_fd(&kit->net, &listener, fd, "", why, 300),
                     -ENOBUFS);
    close(fd);
}

/* It would be deaf for ever, and nobody would know. */
static void
given_a_listener_when_its_watch_is_refused_then_it_is_tried_again(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    struct kp_event event = {.filter = KP_READ, .watch_failed = true, .error = ENOMEM};

    listener->source.fn(listener->source.arg, &event);
    int peer = nk_connect(listener);
    nk_settle(kit);
    nk_told(kit, "");
    assert_non_null(strstr(kit->log, "cannot be watched"));
    nk_pass(kit, KP_ACCEPT_RETRY_NS);

    assert_true(nk_until(kit, "connect 0"));
    close(peer);
}

static void
given_listeners_when_stopped_then_nobody_is_accepted_and_connections_live(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, "old=:0");
    int peer = nk_connect(listener);
    assert_true(nk_until(kit, "connect 0"));

    kp_listeners_stop(&kit->net);
    nk_say(peer, "still here\n");

    assert_true(nk_until(kit, "message 0 still here"));
    assert_null(kp_listener_find(&kit->net, "old"));
    assert_string_equal(kp_conns_client(&kit->net, 0)->listener->name, "old");
    close(peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(
            given_a_port_in_use_when_listening_then_the_sentence_names_address_and_cause),
        TEST(given_both_families_on_one_port_when_listening_then_they_do_not_collide),
        TEST(given_fast_open_when_the_kernel_refuses_it_then_it_is_logged_and_listens),
        TEST(
            given_system_calls_that_fail_when_listening_then_a_sentence_and_nothing_is_left),
        TEST(given_no_memory_when_listening_then_a_sentence_and_nothing_is_left),
        TEST(
            given_a_stale_socket_file_when_listening_then_it_is_replaced_and_removed_at_close),
        TEST(given_a_running_server_when_listening_on_its_socket_then_it_is_left_alone),
        TEST(
            given_a_server_that_is_just_starting_when_listening_then_its_socket_is_left_alone),
        TEST(given_calls_of_the_lock_that_fail_when_listening_then_nothing_is_left),
        TEST(given_many_servers_that_start_at_once_when_a_file_is_stale_then_one_gets_it),
        TEST(given_a_file_that_is_no_socket_when_listening_then_it_is_refused),
        TEST(given_a_file_replaced_by_another_server_when_closing_then_it_is_not_removed),
        TEST(given_calls_that_fail_when_a_stale_file_is_probed_then_a_sentence_says_so),
        TEST(given_an_inherited_listening_socket_when_opened_then_it_accepts),
        TEST(
            given_a_descriptor_that_does_not_listen_when_opened_then_it_is_refused_by_name),
        TEST(given_a_listener_when_its_watch_is_refused_then_it_is_tried_again),
        TEST(given_listeners_when_stopped_then_nobody_is_accepted_and_connections_live),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
