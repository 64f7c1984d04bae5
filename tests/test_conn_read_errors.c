/*
 * test_conn_read_errors.c - what can go wrong with reading
 */
#include "net_kit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static void
reply(struct net_kit *kit UNUSED, struct kelpie_conn *conn, const char *message,
      size_t len)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = len};

    assert_int_equal(kp_conn_send(conn, &part, 1), 0);
}

/* C6: an EAGAIN without a reason. */
static void
given_spurious_eagain_when_lines_come_then_nothing_is_lost(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->on_message = reply;
    kit->sys.eagain_every = 2;

    nk_say(peer, "one\n");
    nk_settle(kit);
    nk_say(peer, "two\n");
    nk_settle(kit);
    nk_settle(kit);

    nk_told(kit, "message 0 one\nmessage 0 two\n");
    assert_string_equal(nk_hear(kit, peer), "one\ntwo\n");
    close(peer);
}

/* C4: what came before the reset is delivered, then the reset is told. */
static void
given_messages_and_a_reset_when_read_then_the_messages_come_first(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    kp_conn_hold(conn);
    nk_say(peer, "one\ntwo\nhalf");
    nk_settle(kit);
    fault_sys_fail(&kit->sys, FAULT_RECV, 1, ECONNRESET);
    nk_say(peer, "lost\n");
    nk_settle(kit);
    nk_told(kit, "");
    kp_conn_release(conn);
    nk_settle(kit);

    nk_told(kit, "message 0 one\nmessage 0 two\ndisconnect 0 reset\ngone 0\n");
    assert_int_equal(kit->net.counters.partial_at_eof, 0);
    close(peer);
}

static void
given_errors_of_recv_when_they_come_then_each_ends_the_connection_with_its_reason(
    void **state)
{
    static const struct {
        int error;
        const char *told;
    } cases[] = {
        {ECONNRESET, "disconnect 0 reset\ngone 0\n"},
        {ENOTCONN, "disconnect 0 reset\ngone 0\n"},
        {ETIMEDOUT, "disconnect 0 timeout\ngone 0\n"},
        {EHOSTUNREACH, "disconnect 0 unreachable\ngone 0\n"},
        {ENOMEM, "disconnect 0 out of memory\ngone 0\n"},
        {EIO, "disconnect 0 reset\ngone 0\n"},
    };
    struct net_kit *kit = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kelpie_conn *conn;
        int peer = nk_pair(kit, &conn);
        fault_sys_fail(&kit->sys, FAULT_RECV, 1, cases[i].error);
        nk_say(peer, "lost\n");
        nk_settle(kit);
        nk_told(kit, cases[i].told);
        close(peer);
    }

    assert_int_equal(kp_conns_count(&kit->net), 0);
}

/* A5 */
static void
given_an_interrupted_recv_when_a_line_comes_then_it_is_read(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    fault_sys_fail(&kit->sys, FAULT_RECV, 1, EINTR);
    nk_say(peer, "line\n");
    nk_settle(kit);

    nk_told(kit, "message 0 line\n");
    close(peer);
}

/* The error comes with the event, and asking for it has taken it from the socket. */
static void
given_an_event_with_an_error_when_recv_then_says_zero_then_it_is_a_reset(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct kp_event event = {.filter = KP_READ, .eof = true, .error = ECONNRESET};
    int peer = nk_pair(kit, &conn);

    nk_say(peer, "before\n");
    close(peer);
    conn->source.fn(conn->source.arg, &event);
    nk_settle(kit);

    nk_told(kit, "message 0 before\ndisconnect 0 reset\ngone 0\n");
}

static void
given_a_watch_that_the_kernel_refuses_when_told_then_the_connection_ends(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct kp_event event = {.filter = KP_READ, .watch_failed = true, .error = ENOMEM};
    int peer = nk_pair(kit, &conn);

    conn->source.fn(conn->source.arg, &event);
    event = (struct kp_event){.filter = KP_READ};
    conn->source.fn(conn->source.arg, &event); /* a second event of the batch: E2 */
    assert_false(conn->readable);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 out of memory\ngone 0\n");
    close(peer);
}

static void
given_no_memory_when_half_a_message_is_to_be_kept_then_closed_with_that_reason(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    char half[6000];
    memset(half, 'h', sizeof(half));

    for (size_t n = 1; n <= 2; n++) {
        int peer = nk_pair(kit, &conn);
        nk_say_bytes(peer, half, n == 1 ? 4 : sizeof(half));
        if (n == 2)
            nk_settle(
                kit); /* the next read goes into the input buffer, which must grow */
        fault_mem_fail_from(&kit->mem, 1);
        nk_say_bytes(peer, half, 1000);
        nk_settle(kit);
        fault_env_heal(&kit->mem, &kit->sys);
        close(peer);
        nk_settle(kit);
        nk_told(kit, "disconnect 0 out of memory\ngone 0\n");
    }

    assert_int_equal(kp_conns_count(&kit->net), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_spurious_eagain_when_lines_come_then_nothing_is_lost),
        TEST(given_messages_and_a_reset_when_read_then_the_messages_come_first),
        TEST(
            given_errors_of_recv_when_they_come_then_each_ends_the_connection_with_its_reason),
        TEST(given_an_interrupted_recv_when_a_line_comes_then_it_is_read),
        TEST(given_an_event_with_an_error_when_recv_then_says_zero_then_it_is_a_reset),
        TEST(given_a_watch_that_the_kernel_refuses_when_told_then_the_connection_ends),
        TEST(
            given_no_memory_when_half_a_message_is_to_be_kept_then_closed_with_that_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
