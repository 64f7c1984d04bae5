/*
 * test_conn_close.c - the end of a connection: draining, lingering, aborting
 */
#include "net_kit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn_clock.h"
#include "net/conn_read.h"

#define UNUSED __attribute__((unused))

static void
refuse_service(struct net_kit *kit UNUSED, struct kelpie_conn *conn,
               const char *message UNUSED, size_t len UNUSED)
{
    assert_int_equal(nk_send(conn, "the last reply"), 0);
    kp_conn_close(conn, "refused");
}

/* C5: over TCP, where closing over unread input would be a reset. */
static void
given_unread_input_when_closed_then_the_last_reply_arrives_and_an_orderly_end(
    void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    char more[20000];
    memset(more, 'm', sizeof(more));
    int peer = nk_connect(listener);
    assert_true(nk_until(kit, "connect 0"));
    kit->on_message = refuse_service;

    nk_say(peer, "hello\n");
    nk_say_bytes(peer, more, sizeof(more));
    assert_true(nk_until(kit, "message 0 hello"));
    nk_say_bytes(peer, more, sizeof(more));
    nk_settle(kit);
    const char *heard = nk_hear(kit, peer);

    assert_string_equal(heard, "the last reply\n");
    assert_int_equal(recv(peer, kit->heard, 1, 0), 0);
    close(peer);
    assert_true(nk_until(kit, "disconnect 0 refused\ngone 0\n"));
}

/* C5: the bound in time. */
static void
given_a_lingering_connection_when_the_peer_does_not_end_then_closed_after_two_seconds(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    kp_conn_close(conn, "bye");
    nk_settle(kit);
    assert_true(nk_has_ended(peer)); /* SHUT_WR is done */
    nk_pass(kit, KP_LINGER_NS - 1);
    nk_told(kit, "");
    nk_pass(kit, 1);

    nk_told(kit, "disconnect 0 bye\ngone 0\n");
    close(peer);
}

/* C5: the bound in bytes. */
static void
given_a_lingering_connection_when_the_peer_floods_then_closed_after_64_kib(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    char bytes[1024] = {0};
    size_t sent = 0;
    int peer = nk_pair(kit, &conn);

    kp_conn_close(conn, "bye");
    nk_settle(kit);
    for (; kit->len == 0 && sent < 2 * KP_LINGER_BYTES; sent += sizeof(bytes)) {
        nk_say_bytes(peer, bytes, sizeof(bytes));
        nk_settle(kit);
    }

    nk_told(kit, "disconnect 0 bye\ngone 0\n");
    assert_int_equal(sent, KP_LINGER_BYTES);
    close(peer);
}

static void
given_a_lingering_connection_when_one_recv_is_full_or_says_eagain_then_it_goes_on(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct kp_event event = {.filter = KP_READ};
    int peer = nk_pair(kit, &conn);

    kp_conn_close(conn, "bye");
    nk_settle(kit);
    conn->source.fn(conn->source.arg, &event); /* an event, but nothing is there */
    nk_settle(kit);
    nk_told(kit, "");
    nk_say(peer, "some more");
    close(peer);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 bye\ngone 0\n");
}

static void
given_queued_output_when_closed_then_it_is_sent_before_the_end(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    size_t got = 0, n;
    int peer = nk_pair(kit, &conn);

    assert_int_equal(nk_write(conn, 900 * 1000), 0);
    kp_conn_close(conn, "bye");
    nk_settle(kit);
    assert_int_equal(conn->state, KP_CONN_DRAINING);
    assert_false(conn->lingering);
    while ((n = fault_drain(peer)) > 0) {
        got += n;
        nk_settle(kit);
    }

    assert_int_equal(got, 900 * 1000);
    assert_true(nk_has_ended(peer));
    assert_int_equal(kit->net.counters.dropped_bytes, 0);
    close(peer);
}

/* The last bytes are written so that they may wait for the end, and it does come. */
static void
given_output_before_an_end_when_flushed_then_only_what_the_end_follows_may_wait_for_it(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *closed, *finished, *ended;
    int peers[] = {nk_pair(kit, &closed), nk_pair(kit, &finished), nk_pair(kit, &ended)};
    assert_int_equal(nk_send(closed, "hello"), 0);
    nk_settle(kit);
    assert_string_equal(nk_hear(kit, peers[0]), "hello\n");
    assert_int_equal(kit->sys.more_sends, 0);

    assert_int_equal(nk_send(closed, "good"), 0);
    assert_int_equal(nk_send(closed, "bye"), 0);
    kp_conn_close(closed, "bye");
    nk_settle(kit);
    assert_int_equal(kit->sys.more_sends, 1);
    assert_string_equal(nk_hear(kit, peers[0]), "good\nbye\n");
    assert_true(nk_has_ended(peers[0]));

    assert_int_equal(nk_send(finished, "that is all"), 0);
    kp_conn_finish(finished);
    nk_settle(kit);
    assert_int_equal(kit->sys.more_sends, 2);
    assert_string_equal(nk_hear(kit, peers[1]), "that is all\n");
    assert_true(nk_has_ended(peers[1]));
    kp_conn_close(finished, "bye"); /* the end was told already */
    nk_settle(kit);
    assert_int_equal(kit->sys.calls[FAULT_SHUTDOWN], 3);

    kp_conn_hold(ended);
    assert_int_equal(shutdown(peers[2], SHUT_WR), 0);
    nk_settle(kit);
    assert_int_equal(nk_send(ended, "late answer"), 0);
    kp_conn_release(ended);
    nk_settle(kit);
    assert_int_equal(kit->sys.more_sends, 2); /* the close follows, but not at once */
    assert_string_equal(nk_hear(kit, peers[2]), "late answer\n");
    assert_true(nk_has_ended(peers[2]));
    for (int i = 0; i < 3; i++)
        close(peers[i]);
}

/* A socket that takes a part does not keep it back. */
static void
given_much_output_over_tcp_when_closed_then_every_byte_and_then_the_end(void **state)
{
    enum { LEN = 30 * 1000 * 1000 };
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    size_t got = 0;
    ssize_t n = -1;
    int peer = nk_connect(listener);
    assert_true(nk_until(kit, "connect 0"));
    struct kelpie_conn *conn = kp_conns_client(&kit->net, 0);
    kit->net.limits.max_outbox = kit->net.limits.max_outbox_total = LEN;

    assert_int_equal(nk_write(conn, LEN), 0);
    kp_conn_close(conn, "bye");
    nk_step(kit);
    assert_true(conn->outbox.len > 0);
    while (n != 0) {
        n = recv(peer, kit->heard, sizeof(kit->heard), 0);
        assert_true(n >= 0 || errno == EAGAIN);
        got += n > 0 ? (size_t)n : 0;
        nk_step(kit);
    }

    assert_int_equal(got, LEN);
    assert_true(kit->sys.more_sends > 0);
    assert_int_equal(kit->net.counters.dropped_bytes, 0);
    close(peer);
    assert_true(nk_until(kit, "gone 0"));
}

/* What waits for an end that cannot be told leaves with the close. */
static void
given_last_bytes_that_wait_when_shutdown_fails_then_they_leave_with_the_close(
    void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    int peer = nk_connect(listener);
    assert_true(nk_until(kit, "connect 0"));
    struct kelpie_conn *conn = kp_conns_client(&kit->net, 0);

    assert_int_equal(nk_send(conn, "the last words"), 0);
    kp_conn_close(conn, "bye");
    fault_sys_fail(&kit->sys, FAULT_SHUTDOWN, 1, ENOBUFS);
    assert_true(nk_until(kit, "gone 0"));

    assert_int_equal(kit->sys.more_sends, 1);
    assert_string_equal(nk_hear(kit, peer), "the last words\n");
    assert_int_equal(recv(peer, kit->heard, 1, 0), 0);
    close(peer);
}

static void
given_one_that_has_finished_when_the_peer_goes_on_then_it_is_heard(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    size_t got = 0, n;
    int peer = nk_pair(kit, &conn);

    assert_int_equal(nk_write(conn, 900 * 1000), 0);
    kp_conn_finish(conn);
    assert_int_equal(nk_write(conn, 1), KELPIE_ECLOSED);
    assert_int_equal(nk_send(conn, "x"), KELPIE_ECLOSED);
    nk_settle(kit);
    assert_int_equal(kit->sys.calls[FAULT_SHUTDOWN], 0);
    while ((n = fault_drain(peer)) > 0) {
        got += n;
        nk_settle(kit);
    }
    assert_int_equal(got, 900 * 1000);
    assert_true(nk_has_ended(peer));
    assert_int_equal(conn->state, KP_CONN_OPEN);
    nk_say(peer, "thanks\n");
    nk_settle(kit);
    nk_told(kit, "message 0 thanks\n");

    kp_conn_finish(conn);
    close(peer);
    nk_settle(kit);
    assert_int_equal(kit->sys.calls[FAULT_SHUTDOWN], 1);
    nk_told(kit, "disconnect 0 eof\ngone 0\n");
}

static void
given_a_peer_that_cannot_be_told_when_finishing_then_the_connection_ends(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    fault_sys_fail(&kit->sys, FAULT_SHUTDOWN, 1, ENOTCONN);
    kp_conn_finish(conn);
    nk_settle(kit);

    assert_non_null(strstr(kit->text, "disconnect 0 "));
    close(peer);
}

static void
given_one_that_has_finished_when_closed_then_it_ends_as_any_other(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    kp_conn_finish(conn);
    nk_settle(kit);
    kp_conn_close(conn, "enough");
    nk_settle(kit);
    assert_true(nk_has_ended(peer));
    close(peer);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 enough\ngone 0\n");
}

/* C2: half_close_timeout counts from the last progress. */
static void
given_a_draining_connection_when_output_makes_no_progress_then_closed_after_the_limit(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->net.limits.half_close_timeout_ns = 10 * KP_NS_PER_S;
    kit->net.limits.soft_outbox = kit->net.limits.max_outbox; /* or the end is not read */
    int peer = nk_pair(kit, &conn);

    assert_int_equal(nk_write(conn, 1000 * 1000), 0);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    nk_settle(kit);
    assert_int_equal(conn->state, KP_CONN_DRAINING);
    nk_pass(kit, 9 * KP_NS_PER_S);
    (void)fault_drain(peer);
    nk_settle(kit);
    nk_pass(kit, 9 * KP_NS_PER_S);
    nk_told(kit, "");
    nk_pass(kit, KP_NS_PER_S);

    nk_told(kit, "disconnect 0 eof\ngone 0\n");
    assert_true(kit->net.counters.dropped_bytes > 0);
    close(peer);
}

static void
given_a_draining_connection_when_writing_fails_then_it_ends_with_its_first_reason(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    assert_int_equal(nk_send(conn, "lost"), 0);
    kp_conn_close(conn, "bye");
    fault_sys_fail(&kit->sys, FAULT_SEND, 1, EPIPE);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 bye\ngone 0\n");
    assert_int_equal(kit->net.counters.dropped_bytes, 5);
    close(peer);
}

static void
given_an_error_of_shutdown_when_draining_then_it_is_closed(void **state)
{
    static const int errors[] = {ENOTCONN, EINVAL};
    struct net_kit *kit = *state;

    for (size_t i = 0; i < 2; i++) {
        struct kelpie_conn *conn;
        int peer = nk_pair(kit, &conn);
        fault_sys_fail(&kit->sys, FAULT_SHUTDOWN, 1, errors[i]);
        kp_conn_close(conn, "bye");
        nk_settle(kit);
        nk_told(kit, "disconnect 0 bye\ngone 0\n");
        close(peer);
    }

    assert_int_equal(kp_conns_count(&kit->net), 0);
}

static void
given_an_abort_when_done_over_tcp_then_the_peer_sees_a_reset(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    int peer = nk_connect(listener);
    assert_true(nk_until(kit, "connect 0"));

    kp_conn_drop(kp_conns_client(&kit->net, 0), "kicked", true);
    nk_settle(kit);
    ssize_t n = recv(peer, kit->heard, 1, 0);

    assert_int_equal(n, -1);
    assert_int_equal(errno, ECONNRESET);
    nk_told(kit, "connect 0\ndisconnect 0 kicked\ngone 0\n");
    close(peer);
}

/* A real reset, seen by the reader. */
static void
given_a_peer_that_resets_when_read_then_the_reason_is_reset(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    int peer = nk_connect(listener);
    assert_true(nk_until(kit, "connect 0"));

    nk_reset(peer);
    bool came = nk_until(kit, "gone 0");

    assert_true(came);
    nk_told(kit, "connect 0\ndisconnect 0 reset\ngone 0\n");
}

static void
given_a_handler_suspended_when_the_peer_ends_then_replies_still_leave(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kp_conn_hold(conn);

    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    nk_settle(kit);
    assert_int_equal(nk_send(conn, "late answer"), 0);
    kp_conn_release(conn);
    nk_settle(kit);

    assert_string_equal(nk_hear(kit, peer), "late answer\n");
    assert_true(nk_has_ended(peer));
    nk_told(kit, "input_end 0\ndisconnect 0 eof\ngone 0\n");
    close(peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(
            given_unread_input_when_closed_then_the_last_reply_arrives_and_an_orderly_end),
        TEST(
            given_a_lingering_connection_when_the_peer_does_not_end_then_closed_after_two_seconds),
        TEST(given_a_lingering_connection_when_the_peer_floods_then_closed_after_64_kib),
        TEST(
            given_a_lingering_connection_when_one_recv_is_full_or_says_eagain_then_it_goes_on),
        TEST(given_queued_output_when_closed_then_it_is_sent_before_the_end),
        TEST(
            given_output_before_an_end_when_flushed_then_only_what_the_end_follows_may_wait_for_it),
        TEST(given_much_output_over_tcp_when_closed_then_every_byte_and_then_the_end),
        TEST(
            given_last_bytes_that_wait_when_shutdown_fails_then_they_leave_with_the_close),
        TEST(given_one_that_has_finished_when_the_peer_goes_on_then_it_is_heard),
        TEST(given_a_peer_that_cannot_be_told_when_finishing_then_the_connection_ends),
        TEST(given_one_that_has_finished_when_closed_then_it_ends_as_any_other),
        TEST(
            given_a_draining_connection_when_output_makes_no_progress_then_closed_after_the_limit),
        TEST(
            given_a_draining_connection_when_writing_fails_then_it_ends_with_its_first_reason),
        TEST(given_an_error_of_shutdown_when_draining_then_it_is_closed),
        TEST(given_an_abort_when_done_over_tcp_then_the_peer_sees_a_reset),
        TEST(given_a_peer_that_resets_when_read_then_the_reason_is_reset),
        TEST(given_a_handler_suspended_when_the_peer_ends_then_replies_still_leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
