/*
 * test_dial.c - connections of scripts that the host makes in place of sockets
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/connect.h"
#include "net/transport.h"
#include "net_kit.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

#define NOT_TOLD 2

/* The far end: what it was told. */
struct far_end {
    int answer; /* of dial */
    char address[64];
    char got[256];
    size_t len;
    struct kelpie_conn *conn;
    int opened, finished, closed;
};

static size_t
on_write(void *arg, const void *bytes, size_t len)
{
    struct far_end *end = arg;

    assert_true(len < sizeof(end->got) - end->len);
    memcpy(end->got + end->len, bytes, len);
    end->len += len;
    return len;
}

static void
on_closed(void *arg, const char *reason)
{
    struct far_end *end = arg;

    assert_string_not_equal(reason, "");
    end->conn = NULL;
    end->closed++;
}

static void
on_opened(void *arg, kelpie_conn *conn)
{
    struct far_end *end = arg;

    end->conn = conn;
    end->opened++;
}

static void
on_finished(void *arg)
{
    struct far_end *end = arg;

    end->finished++;
}

static int
dial(void *arg, const char *address, struct kelpie_transport *out, void **transport_arg)
{
    struct far_end *end = arg;

    assert_int_equal(out->size, sizeof(*out));
    snprintf(end->address, sizeof(end->address), "%s", address);
    if (end->answer <= 0)
        return end->answer;
    out->write = on_write;
    out->closed = on_closed;
    out->opened = on_opened;
    out->finished = on_finished;
    *transport_arg = end;
    return end->answer;
}

static void
note_result(void *arg, struct kp_connect *connect)
{
    int *told = arg;

    assert_int_equal(*told, NOT_TOLD);
    *told = connect->result;
}

/* Asks the host for a host name that is never looked up. */
static int
start(struct net_kit *kit, struct kp_connect **out, struct far_end *end, int *told)
{
    static const char text[] = "shop.example:80";
    struct kp_address address;
    struct kp_host host;
    char why[200];

    kit->net.hooks.dial = dial;
    kit->net.hooks.dial_arg = end;
    *told = NOT_TOLD;
    assert_int_equal(kp_connect_address(&address, &host, text, why, sizeof(why)), 0);
    return kp_connect_start(&kit->net, out, text, &address, &host, KP_NS_PER_S,
                            note_result, told);
}

static void
given_a_host_that_has_it_when_connecting_then_there_is_no_socket(void **state)
{
    struct net_kit *kit = *state;
    struct far_end end = {.answer = 1};
    struct kp_connect *connect;
    struct kelpie_conn *conn;
    int told;

    assert_int_equal(start(kit, &connect, &end, &told), 0);
    assert_int_equal(told, NOT_TOLD); /* as with any other: by the loop */
    nk_settle(kit);
    assert_int_equal(told, 0);
    assert_int_equal(kp_connect_take(connect, &conn), 0);
    kp_connect_free(connect);
    assert_ptr_equal(end.conn, conn);
    assert_string_equal(end.address, "shop.example:80");
    assert_int_equal(kit->sys.calls[FAULT_SOCKET], 0);

    assert_int_equal(nk_send(conn, "hello"), 0);
    kp_conn_finish(conn);
    nk_settle(kit);
    assert_int_equal(end.len, 6);
    assert_memory_equal(end.got, "hello\n", 6);
    assert_int_equal(end.finished, 1);
    kp_conn_want_message(conn, NULL);
    assert_int_equal(kp_detached_feed(conn, "answer\n", 7), 0);
    nk_settle(kit);
    assert_non_null(strstr(kit->text, " answer\n"));

    assert_int_equal(kp_detached_end(conn), 0);
    nk_settle(kit);
    assert_int_equal(end.closed, 1);
    assert_int_equal(end.opened, 1);
    assert_int_equal(kit->net.outbound.count, 0);
}

static void
given_a_host_that_refuses_when_connecting_then_that_is_the_result(void **state)
{
    struct net_kit *kit = *state;
    struct far_end end = {.answer = -EHOSTUNREACH};
    struct kp_connect *connect;
    int told;

    assert_int_equal(start(kit, &connect, &end, &told), 0);
    assert_int_equal(told, NOT_TOLD);
    nk_settle(kit);

    assert_int_equal(told, -EHOSTUNREACH);
    kp_connect_free(connect);
    assert_int_equal(end.opened + end.closed, 0);
}

static void
given_a_host_that_has_not_got_it_when_connecting_then_it_becomes_a_socket(void **state)
{
    struct net_kit *kit = *state;
    struct far_end end = {.answer = 0};
    struct kp_connect *connect;
    struct kp_address address;
    struct kp_host host = {.name = ""};
    char text[40], why[200];
    int told = NOT_TOLD;

    kit->net.hooks.dial = dial;
    kit->net.hooks.dial_arg = &end;
    snprintf(text, sizeof(text), "127.0.0.1:%d", nk_listen(kit, ":0")->port);
    assert_int_equal(kp_connect_address(&address, &host, text, why, sizeof(why)), 0);
    assert_int_equal(kp_connect_start(&kit->net, &connect, text, &address, &host,
                                      KP_NS_PER_S, note_result, &told),
                     0);

    assert_int_equal(kit->sys.calls[FAULT_CONNECT], 1);
    assert_string_equal(end.address, text);
    kp_connect_free(connect);
    nk_settle(kit);
}

static void
given_a_script_that_gives_up_when_the_host_has_it_then_the_host_is_told(void **state)
{
    struct net_kit *kit = *state;
    struct far_end end = {.answer = 1};
    struct kp_connect *connect;
    int told;

    assert_int_equal(start(kit, &connect, &end, &told), 0);
    kp_connect_free(connect);
    assert_int_equal(end.closed, 1);
    assert_int_equal(start(kit, &connect, &end, &told), 0);
    nk_settle(kit);
    kp_connect_free(connect);

    assert_int_equal(end.closed, 2);
    assert_int_equal(end.opened, 0);
}

/* Returns the result of a whole attempt, and asserts that the host has heard of its end. */
static int
try_everything(struct net_kit *kit)
{
    struct far_end end = {.answer = 1};
    struct kp_connect *connect;
    struct kelpie_conn *conn;
    int told;

    int rc = start(kit, &connect, &end, &told);
    if (rc < 0)
        return rc;
    nk_settle(kit);
    rc = kp_connect_take(connect, &conn);
    kp_connect_free(connect);
    if (rc == 0) {
        kp_conn_close(conn, "done");
        nk_settle(kit);
    }
    assert_int_equal(end.opened, rc == 0);
    assert_int_equal(end.closed, 1);
    return rc;
}

static void
given_each_allocation_fails_when_connecting_then_nothing_is_left(void **state)
{
    size_t n = 0;
    int rc;

    (void)state;
    do {
        void *own;
        assert_int_equal(nk_setup(&own), 0);
        struct net_kit *kit = own;
        fault_mem_fail(&kit->mem, ++n);
        rc = try_everything(kit);
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_int_equal(kit->net.outbound.count, 0);
        nk_teardown(&own);
    } while (rc < 0);
    assert_true(n > 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_a_host_that_has_it_when_connecting_then_there_is_no_socket),
        TEST(given_a_host_that_refuses_when_connecting_then_that_is_the_result),
        TEST(given_a_host_that_has_not_got_it_when_connecting_then_it_becomes_a_socket),
        TEST(given_a_script_that_gives_up_when_the_host_has_it_then_the_host_is_told),
        cmocka_unit_test(
            given_each_allocation_fails_when_connecting_then_nothing_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
