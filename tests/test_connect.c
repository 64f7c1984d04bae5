/*
 * test_connect.c - connections that we open ourselves
 */
#include "net/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net_kit.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

#define NOT_TOLD 2

/* What the function of an attempt was told. */
static void
note_result(void *arg, struct kp_connect *connect)
{
    int *told = arg;

    assert_int_equal(*told, NOT_TOLD);
    *told = connect->result;
}

static struct kp_address
address_of(int port)
{
    char text[40], why[200];
    struct kp_address address;
    struct kp_host host;

    snprintf(text, sizeof(text), "127.0.0.1:%d", port);
    assert_int_equal(kp_connect_address(&address, &host, text, why, sizeof(why)), 0);
    return address;
}

static int
start(struct net_kit *kit, struct kp_connect **out, int port, int *told)
{
    struct kp_address address = address_of(port);
    struct kp_host host = {.name = ""};

    *told = NOT_TOLD;
    return kp_connect_start(&kit->net, out, "", &address, &host, 5 * KP_NS_PER_S,
                            note_result, told);
}

/* Steps until an attempt is over, ten seconds at most. */
static void
settle(struct net_kit *kit, const int *told)
{
    for (int i = 0; i < 1000 && *told == NOT_TOLD; i++) {
        nk_settle(kit);
        if (*told == NOT_TOLD)
            (void)poll(NULL, 0, 10);
    }
}

/* Fills the queue of a socket that listens: from then on it does not answer. */
static size_t
fill_queue(int port, int *fds, size_t n_fds)
{
    struct kp_address address = address_of(port);

    for (size_t n = 0; n < n_fds; n++) {
        fds[n] = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fds[n] >= 0);
        assert_int_equal(fcntl(fds[n], F_SETFL, O_NONBLOCK), 0);
        (void)connect(fds[n], &address.addr.any, address.len);
        struct pollfd poll_fd = {.fd = fds[n], .events = POLLOUT};
        if (poll(&poll_fd, 1, 100) == 0)
            return n + 1;
    }
    fail_msg("the queue is never full");
    return 0;
}

/* Opens a socket that listens and is never accepted from. Returns its port. */
static int
listen_silently(int *fd)
{
    struct kp_address address;
    char why[200];
    socklen_t len = sizeof(address.addr);

    assert_int_equal(kp_address_parse(&address, ":0", why, sizeof(why)), 0);
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(*fd >= 0);
    assert_int_equal(bind(*fd, &address.addr.any, address.len), 0);
    assert_int_equal(listen(*fd, 0), 0);
    assert_int_equal(getsockname(*fd, &address.addr.any, &len), 0);
    return kp_address_port(&address.addr.any);
}

static void
given_a_listener_when_connecting_then_a_connection_can_be_taken(void **state)
{
    struct net_kit *kit = *state;
    struct kp_connect *connect;
    struct kelpie_conn *conn;
    int told;
    struct kp_listener *listener = nk_listen(kit, ":0");

    assert_int_equal(start(kit, &connect, listener->port, &told), 0);
    settle(kit, &told);
    assert_int_equal(told, 0);
    assert_int_equal(kp_connect_take(connect, &conn), 0);
    kp_connect_free(connect);
    assert_true(nk_until(kit, "connect 0"));
    nk_told(kit, "connect 0\n");

    assert_int_equal(kit->net.outbound.count, 1);
    assert_int_equal(kp_conns_count(&kit->net), 2);
    assert_null(kp_conns_client(&kit->net, 1));
    assert_ptr_equal(kp_conns_find(&kit->net, conn->id), conn);
    assert_int_equal(nk_send(conn, "hello"), 0);
    assert_true(nk_until(kit, "message 0 hello"));
    kp_conn_close(conn, "done");
    assert_true(nk_until(kit, "disconnect 0 eof"));
    assert_null(strstr(kit->text, "disconnect 0 done"));
    kit->text[kit->len = 0] = '\0';
}

static void
given_nobody_listens_when_connecting_then_it_is_refused(void **state)
{
    struct net_kit *kit = *state;
    struct kp_connect *connect;
    struct kelpie_conn *conn;
    int fd, told;
    int port = listen_silently(&fd);

    close(fd);
    int rc = start(kit, &connect, port, &told);
    if (rc == 0) {
        settle(kit, &told);
        rc = told;
        assert_int_equal(kp_connect_take(connect, &conn), -ECONNREFUSED);
        kp_connect_free(connect);
    }

    assert_int_equal(rc, -ECONNREFUSED);
}

static void
given_no_answer_when_the_time_is_over_then_it_is_told(void **state)
{
    struct net_kit *kit = *state;
    struct kp_connect *connect;
    int fd, told, fds[64];
    int port = listen_silently(&fd);
    size_t n = fill_queue(port, fds, 64);

    assert_int_equal(start(kit, &connect, port, &told), 0);
    nk_pass(kit, 5 * KP_NS_PER_S - 1);
    assert_int_equal(told, NOT_TOLD);
    nk_pass(kit, 1);

    assert_int_equal(told, -ETIMEDOUT);
    kp_connect_free(connect);
    while (n-- > 0)
        close(fds[n]);
    close(fd);
}

static void
given_attempts_when_the_net_closes_them_then_pending_ones_are_told(void **state)
{
    struct net_kit *kit = *state;
    struct kp_connect *pending, *connected, *late;
    struct kelpie_conn *conn;
    int fd, told_pending, told_connected, told_late, fds[64];
    int port = listen_silently(&fd);
    struct kp_listener *listener = nk_listen(kit, ":0");

    assert_int_equal(start(kit, &connected, listener->port, &told_connected), 0);
    settle(kit, &told_connected);
    size_t n = fill_queue(port, fds, 64);
    assert_int_equal(start(kit, &pending, port, &told_pending), 0);
    kp_connects_close(&kit->net);

    assert_int_equal(told_pending, -ECANCELED);
    assert_int_equal(told_connected, 0);
    assert_int_equal(kp_connect_take(connected, &conn), -ECANCELED);
    assert_int_equal(start(kit, &late, port, &told_late), -ECANCELED);
    kp_connect_free(pending);
    kp_connect_free(connected);
    while (n-- > 0)
        close(fds[n]);
    close(fd);
}

static void
given_the_limit_when_connecting_then_pending_ones_count(void **state)
{
    struct net_kit *kit = *state;
    struct kp_connect *connect, *second;
    struct kp_listener *listener = nk_listen(kit, ":0");
    int told, told_second;

    kit->net.outbound.numbers.limit = 1;
    assert_int_equal(start(kit, &connect, listener->port, &told), 0);
    assert_int_equal(start(kit, &second, listener->port, &told_second), KELPIE_EFULL);
    kp_connect_free(connect);
    assert_int_equal(start(kit, &connect, listener->port, &told), 0);
    kp_connect_free(connect);
    assert_int_equal(told, NOT_TOLD);
    assert_int_equal(kit->net.outbound.count, 0);
}

/* Connects, takes and drops one, while something fails. Returns the first error, or 0. */
static int
try_everything(struct net_kit *kit, int port)
{
    struct kp_connect *connect;
    struct kelpie_conn *conn;
    int told;

    int rc = start(kit, &connect, port, &told);
    if (rc < 0) {
        assert_null(connect);
        return rc;
    }
    settle(kit, &told);
    assert_int_not_equal(told, NOT_TOLD);
    rc = kp_connect_take(connect, &conn);
    kp_connect_free(connect);
    if (rc < 0)
        assert_null(conn);
    else
        kp_conn_drop(conn, "done", true);
    return rc;
}

/* Whatever fails, the teardown finds neither a byte nor a descriptor left. */
static void
given_each_allocation_fails_when_connecting_then_nothing_is_left(void **state)
{
    bool any_failed = false;

    (void)state;
    for (size_t n = 1; n < 100; n++) {
        void *own = NULL;
        nk_setup(&own);
        struct net_kit *kit = own;
        int fd, port = listen_silently(&fd);
        fault_mem_fail(&kit->mem, n);
        size_t before = kit->mem.failures;
        int rc = try_everything(kit, port);
        bool failed = kit->mem.failures > before;
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_int_equal(kit->net.outbound.count, rc == 0 ? 1 : 0);
        any_failed |= rc == -ENOMEM;
        fault_env_heal(&kit->mem, &kit->sys);
        nk_settle(kit);
        close(fd);
        nk_teardown(&own);
        if (!failed)
            break;
    }
    assert_true(any_failed);
}

static void
given_each_call_fails_when_connecting_then_its_error_is_told(void **state)
{
    static const struct {
        enum fault_call call;
        int error;
    } cases[] = {
        {FAULT_SOCKET, EMFILE},     {FAULT_SOCKET, ENOBUFS},
        {FAULT_CONNECT, EACCES},    {FAULT_CONNECT, ENETUNREACH},
        {FAULT_WATCH, ENOMEM},      {FAULT_GETSOCKOPT, EBADF},
        {FAULT_CONNECT, ETIMEDOUT}, {FAULT_CONNECT, EADDRNOTAVAIL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        void *own = NULL;
        nk_setup(&own);
        struct net_kit *kit = own;
        int fd, port = listen_silently(&fd);
        assert_int_equal(listen(fd, 16), 0); /* both attempts have room */
        fault_sys_fail(&kit->sys, cases[i].call, 1, cases[i].error);
        assert_int_equal(try_everything(kit, port), -cases[i].error);
        assert_int_equal(kit->net.outbound.count, 0);
        fault_env_heal(&kit->mem, &kit->sys);
        assert_int_equal(try_everything(kit, port), 0);
        nk_settle(kit);
        close(fd);
        nk_teardown(&own);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_a_listener_when_connecting_then_a_connection_can_be_taken),
        TEST(given_nobody_listens_when_connecting_then_it_is_refused),
        TEST(given_no_answer_when_the_time_is_over_then_it_is_told),
        TEST(given_attempts_when_the_net_closes_them_then_pending_ones_are_told),
        TEST(given_the_limit_when_connecting_then_pending_ones_count),
        cmocka_unit_test(
            given_each_allocation_fails_when_connecting_then_nothing_is_left),
        cmocka_unit_test(given_each_call_fails_when_connecting_then_its_error_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
