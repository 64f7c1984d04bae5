/*
 * test_conn_write.c - the outbox and the socket: short writes, limits, slow readers
 */
#include "net_kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn_clock.h"
#include "net/conn_write.h"

#define UNUSED __attribute__((unused))

/* Reads what there is until the connection has nothing left to write. */
static size_t
read_all(struct net_kit *kit, int peer)
{
    size_t total = 0, n;

    nk_settle(kit);
    while ((n = fault_drain(peer)) > 0) {
        total += n;
        nk_settle(kit);
    }
    return total;
}

/* C6 */
static void
given_every_send_takes_one_byte_when_sending_then_all_arrives_in_order(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->sys.send_one_byte = true;

    assert_int_equal(nk_send(conn, "hello"), 0);
    assert_int_equal(nk_send(conn, "world"), 0);
    nk_settle(kit);

    assert_string_equal(nk_hear(kit, peer), "hello\nworld\n");
    assert_int_equal(kit->net.counters.bytes_out, 12);
    assert_int_equal(conn->source.mode[KP_WRITE], KP_OFF);
    close(peer);
}

/* C6 */
static void
given_a_full_socket_when_the_peer_reads_then_the_rest_follows(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    size_t len = 900 * 1000;

    assert_int_equal(nk_write(conn, len), 0);
    nk_settle(kit);
    assert_int_equal(conn->source.mode[KP_WRITE], KP_EDGE);
    assert_true(conn->outbox.len > 0);
    size_t sends = kit->sys.calls[FAULT_SEND];
    nk_settle(kit);
    assert_int_equal(kit->sys.calls[FAULT_SEND], sends); /* no busy loop */

    assert_int_equal(read_all(kit, peer), len);
    assert_int_equal(conn->source.mode[KP_WRITE], KP_OFF);
    assert_int_equal(kit->net.outbox_total, 0);
    close(peer);
}

/* C6: a spurious EAGAIN waits for the event, which comes because the socket is writable. */
static void
given_eagain_when_sending_then_it_is_watched_and_written_later(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    fault_sys_fail(&kit->sys, FAULT_SEND, 1, EAGAIN);
    assert_int_equal(nk_send(conn, "hello"), 0);
    nk_step(kit);
    assert_int_equal(conn->source.mode[KP_WRITE], KP_EDGE);
    nk_settle(kit);

    assert_string_equal(nk_hear(kit, peer), "hello\n");
    close(peer);
}

/* C6 */
static void
given_enobufs_when_sending_then_it_is_retried_after_ten_milliseconds(void **state)
{
    static const int errors[] = {ENOBUFS, ENOMEM};
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    for (size_t i = 0; i < 2; i++) {
        fault_sys_fail(&kit->sys, FAULT_SEND, 1, errors[i]);
        assert_int_equal(nk_send(conn, "hello"), 0);
        nk_settle(kit);
        assert_string_equal(nk_hear(kit, peer), "");
        nk_pass(kit, KP_WRITE_RETRY_NS);
        assert_string_equal(nk_hear(kit, peer), "hello\n");
    }

    nk_told(kit, "");
    close(peer);
}

/* C1, C4: quietly, once, and what is lost is counted. */
static void
given_errors_of_send_when_they_come_then_the_connection_ends_with_its_reason(void **state)
{
    static const struct {
        int error;
        const char *told;
    } cases[] = {
        {EPIPE, "disconnect 0 reset\ngone 0\n"},
        {ECONNRESET, "disconnect 0 reset\ngone 0\n"},
        {ETIMEDOUT, "disconnect 0 timeout\ngone 0\n"},
        {ENETUNREACH, "disconnect 0 unreachable\ngone 0\n"},
    };
    struct net_kit *kit = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kelpie_conn *conn;
        int peer = nk_pair(kit, &conn);
        fault_sys_fail(&kit->sys, FAULT_SEND, 1, cases[i].error);
        assert_int_equal(nk_send(conn, "lost"), 0);
        nk_settle(kit);
        nk_told(kit, cases[i].told);
        assert_int_equal(kit->net.counters.dropped_bytes, 5 * (i + 1));
        close(peer);
    }

    assert_null(strstr(kit->log, "error"));
}

/* C1: who sends its commands and closes is still heard. */
static void
given_commands_and_a_close_when_the_reply_fails_then_the_commands_were_delivered(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    assert_int_equal(nk_send(conn, "news"), 0);
    nk_say(peer, "one\ntwo\n");
    fault_sys_fail(&kit->sys, FAULT_SEND, 1, EPIPE);
    kp_conns_flush(&kit->net);
    assert_int_equal(nk_send(conn, "more"), KELPIE_ECLOSED);
    nk_settle(kit);

    nk_told(kit, "message 0 one\nmessage 0 two\ndisconnect 0 reset\ngone 0\n");
    close(peer);
}

/* C1 with a real reset: no signal, no error record, exactly one disconnect. */
static void
given_a_peer_that_resets_when_sending_then_one_quiet_disconnect(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    int peer = nk_connect(listener);
    assert_true(nk_until(kit, "connect 0"));
    struct kelpie_conn *conn = kp_conns_client(&kit->net, 0);

    kp_conn_pause(conn);
    nk_reset(peer);
    for (int i = 0; i < 100 && kp_conns_client(&kit->net, 0) != NULL; i++) {
        (void)nk_send(conn, "anybody?");
        nk_step(kit);
    }
    assert_true(nk_until(kit, "gone 0"));

    nk_told(kit, "connect 0\ndisconnect 0 reset\ngone 0\n");
    assert_null(strstr(kit->log, "error"));
}

/* C12 */
static void
given_an_outbox_at_its_hard_limit_when_sending_then_full_and_nothing_is_queued(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    fault_sys_fail_from(&kit->sys, FAULT_SEND, 1, EAGAIN);

    assert_int_equal(nk_write(conn, kit->limits.max_outbox), 0);
    assert_int_equal(nk_write(conn, 1), KELPIE_EFULL);
    assert_int_equal(nk_send(conn, "x"), KELPIE_EFULL);
    assert_int_equal(kit->sys.calls[FAULT_SEND], 1); /* tried at once, but not again */

    assert_int_equal(conn->outbox.len, kit->limits.max_outbox);
    assert_int_equal(nk_write(conn, kit->limits.max_outbox + 1), KELPIE_EFULL);
    assert_int_equal(kit->net.counters.messages_out, 0);
    close(peer);
}

static void
given_one_below_its_soft_limit_when_a_write_is_refused_then_it_hears_of_the_drain(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->net.limits.max_outbox = 1000;
    kit->net.limits.soft_outbox = 1000;
    int peer = nk_pair(kit, &conn);
    fault_sys_fail(&kit->sys, FAULT_SEND, 1, EAGAIN);

    assert_int_equal(nk_write(conn, 600), 0);
    assert_int_equal(nk_write(conn, 600), KELPIE_EFULL);
    kp_conn_note_writable(conn);
    assert_int_equal(read_all(kit, peer), 600);

    nk_told(kit, "drain 0\n");
    close(peer);
}

/* C12: what is queued is written first when the limit is in the way. */
static void
given_a_reader_that_keeps_up_when_more_than_the_limit_is_sent_then_it_fits(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->net.limits.max_outbox = 1000;
    kit->net.limits.soft_outbox = 500;
    int peer = nk_pair(kit, &conn);

    for (int i = 0; i < 10; i++)
        assert_int_equal(nk_write(conn, 900), 0);
    size_t got = read_all(kit, peer);

    assert_int_equal(got, 9000);
    nk_told(kit, "drain 0\n");
    close(peer);
}

static void
given_an_error_in_that_write_when_sending_then_closed_is_the_answer(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->net.limits.max_outbox = 1000;
    int peer = nk_pair(kit, &conn);

    assert_int_equal(nk_write(conn, 900), 0);
    fault_sys_fail(&kit->sys, FAULT_SEND, 1, EPIPE);
    assert_int_equal(nk_write(conn, 900), KELPIE_ECLOSED);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 reset\ngone 0\n");
    close(peer);
}

/* A long message does not wait for the end of the step, but for what is queued before it. */
static void
given_much_when_sent_then_it_is_written_at_once_and_in_order(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->net.much = 1000;

    assert_int_equal(nk_write(conn, 999), 0);
    assert_int_equal(nk_write(conn, 2000), 0);
    assert_int_equal(conn->outbox.len, 2999);
    nk_settle(kit);
    assert_int_equal(fault_drain(peer), 2999);
    assert_int_equal(nk_write(conn, 2000), 0);

    assert_int_equal(kit->sys.calls[FAULT_SEND], 2);
    assert_int_equal(conn->outbox.len, 0);
    assert_int_equal(kit->net.outbox_total, 0);
    assert_int_equal(kit->net.counters.bytes_out, 4999);
    assert_int_equal(fault_drain(peer), 2000);
    close(peer);
}

static void
finish_after_much(struct net_kit *kit UNUSED, struct kelpie_conn *conn,
                  const char *message UNUSED, size_t len UNUSED)
{
    for (int i = 0; i < 4; i++)
        assert_int_equal(nk_write(conn, 500), 0);
    kp_conn_finish(conn);
}

static void
given_much_when_it_is_the_last_then_the_peer_sees_the_end(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->net.much = 1000;
    kit->on_message = finish_after_much;

    nk_say(peer, "all of it\n");
    nk_settle(kit);

    assert_int_equal(fault_drain(peer), 2000);
    assert_true(nk_has_ended(peer));
    assert_int_equal(conn->state, KP_CONN_OPEN);
    close(peer);
}

/* It would have passed the mark, and on_drain is owed then. */
static void
given_more_than_the_soft_limit_when_sent_then_it_waits_and_drains(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->net.limits.soft_outbox = 20 * 1000;

    assert_int_equal(nk_write(conn, 20 * 1000 + 1), 0);
    assert_int_equal(conn->outbox.len, 20 * 1000 + 1);
    assert_int_equal(read_all(kit, peer), 20 * 1000 + 1);

    nk_told(kit, "drain 0\n");
    close(peer);
}

static void
given_a_socket_that_takes_no_more_when_much_is_sent_then_the_rest_follows(void **state)
{
    static const int errors[] = {FAULT_ONE_BYTE, EAGAIN, ENOBUFS};
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->net.much = 1000;

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_sys_fail(&kit->sys, FAULT_SEND, 1, errors[i]);
        assert_int_equal(nk_write(conn, 2000), 0);
        assert_true(conn->outbox.len >= 1999);
        assert_int_equal(kit->net.outbox_total, conn->outbox.len);
        assert_int_equal(nk_write(conn, 2000), 0); /* behind it */
        nk_settle(kit);
        nk_pass(kit, KP_WRITE_RETRY_NS);
        assert_int_equal(read_all(kit, peer), 4000);
    }
    close(peer);
}

static void
given_a_peer_that_is_gone_when_much_is_sent_then_closed_is_the_answer(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->net.much = 1000;

    fault_sys_fail(&kit->sys, FAULT_SEND, 1, EPIPE);
    assert_int_equal(nk_write(conn, 2000), KELPIE_ECLOSED);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 reset\ngone 0\n");
    close(peer);
}

static void
send_much(struct net_kit *kit UNUSED, struct kelpie_conn *conn,
          const char *message UNUSED, size_t len UNUSED)
{
    assert_int_equal(nk_write(conn, 200 * 1000), 0);
}

/* C14: a client that does not read its replies is not read either. */
static void
given_a_flood_of_requests_when_replies_are_not_read_then_the_input_waits(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->on_message = send_much;

    nk_say(peer, "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    nk_settle(kit);
    assert_true(kit->net.counters.messages_in < 9);
    assert_true(conn->outbox.len <= kit->limits.soft_outbox + 200 * 1000);
    assert_true((conn->blocks & KP_BLOCK_OUTBOX) != 0);
    size_t got = read_all(kit, peer);

    assert_int_equal(got, 9 * 200 * 1000);
    assert_int_equal(conn->blocks, 0);
    assert_int_equal(kit->net.counters.messages_in, 9);
    assert_non_null(strstr(kit->text, "drain 0\n"));
    close(peer);
}

/* C12: the clock of the soft limit. */
static void
given_a_reader_above_the_soft_limit_when_ten_seconds_pass_then_dropped_as_slow(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->net.limits.slow_reader_ns = 10 * KP_NS_PER_S;
    int peer = nk_pair(kit, &conn);

    assert_int_equal(nk_write(conn, 900 * 1000), 0);
    nk_pass(kit, 9 * KP_NS_PER_S);
    nk_told(kit, "");
    nk_pass(kit, KP_NS_PER_S);

    nk_told(kit, "disconnect 0 slow reader\ngone 0\n");
    assert_int_equal(kit->net.counters.slow_readers, 1);
    assert_int_equal(kit->net.outbox_total, 0);
    assert_true(kit->net.counters.dropped_bytes > 0);
    close(peer);
}

static void
given_a_reader_that_comes_back_below_the_soft_limit_when_time_passes_then_it_stays(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->net.limits.slow_reader_ns = 10 * KP_NS_PER_S;
    int peer = nk_pair(kit, &conn);

    assert_int_equal(nk_write(conn, 900 * 1000), 0);
    nk_pass(kit, 9 * KP_NS_PER_S);
    (void)read_all(kit, peer);
    nk_pass(kit, 100 * KP_NS_PER_S);

    nk_told(kit, "drain 0\n");
    assert_true(kp_conn_is_open(conn));
    close(peer);
}

/* C12: the cap of all outboxes together; the largest goes. */
static void
given_outboxes_above_their_common_cap_when_sending_then_the_largest_is_dropped(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conns[3];
    int peers[3];
    kit->net.limits.max_outbox_total = 1000;
    nk_pairs(kit, 3, conns, peers);
    fault_sys_fail_from(&kit->sys, FAULT_SEND, 1, EAGAIN);

    assert_int_equal(nk_write(conns[0], 300), 0);
    assert_int_equal(nk_write(conns[1], 500), 0);
    assert_int_equal(nk_write(conns[2], 100), 0);
    assert_int_equal(nk_write(conns[2], 200), 0);
    nk_settle(kit);

    nk_told(kit, "disconnect 1 slow reader\ngone 1\n");
    assert_int_equal(kit->net.outbox_total, 600);
    assert_int_equal(kit->net.counters.slow_readers, 1);
    assert_int_equal(nk_write(conns[2], 1001), KELPIE_EFULL);
    nk_hang_up(peers, 3);
}

static void
given_the_largest_outbox_is_ones_own_when_sending_then_one_is_closed(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->net.limits.max_outbox_total = 1000;
    int peer = nk_pair(kit, &conn);
    fault_sys_fail_from(&kit->sys, FAULT_SEND, 1, EAGAIN);

    assert_int_equal(nk_write(conn, 900), 0);
    assert_int_equal(nk_write(conn, 200), KELPIE_ECLOSED);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 slow reader\ngone 0\n");
    close(peer);
}

/* C13: many fast readers of large messages are not slow ones. */
static void
given_fast_readers_when_a_broadcast_passes_the_common_cap_then_nobody_is_dropped(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    char message[1000];
    struct iovec part = {.iov_base = message, .iov_len = sizeof(message)};
    int peers[10];
    kit->net.limits.max_outbox_total = 5000;
    for (int i = 0; i < 10; i++)
        peers[i] = nk_pair(kit, &conn);
    memset(message, 'b', sizeof(message));

    assert_int_equal(kp_conns_broadcast(&kit->net, &part, 1, true, NULL), 10);
    nk_settle(kit);

    for (int i = 0; i < 10; i++) {
        assert_int_equal(fault_drain(peers[i]), 1001);
        close(peers[i]);
    }
    assert_int_equal(kit->net.counters.slow_readers, 0);
}

/* A connection whose last bytes leave in such a write goes on like any other. */
static void
given_a_draining_one_when_a_send_elsewhere_empties_its_outbox_then_it_still_ends(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *ending, *drained, *sender;
    kit->net.limits.soft_outbox = 250 * 1000;
    int peers[3] = {nk_pair(kit, &ending), nk_pair(kit, &drained), nk_pair(kit, &sender)};
    assert_int_equal(nk_write(ending, 300 * 1000), 0);
    assert_int_equal(nk_write(drained, 300 * 1000), 0);
    kp_conn_close(ending, "bye");
    nk_step(kit); /* a part is written, and KP_WRITE is watched from the next wait on */
    size_t got = fault_drain(peers[0]) + fault_drain(peers[1]);
    assert_in_range(got, 1, 600 * 1000 - 1);

    for (int i = 0; got < 600 * 1000 && i < 1000; i++) {
        kit->net.limits.max_outbox_total = kit->net.outbox_total;
        assert_int_equal(nk_write(sender, 1), 0);
        got += fault_drain(peers[0]) + fault_drain(peers[1]);
    }
    nk_settle(kit);

    assert_int_equal(got, 600 * 1000);
    assert_true(ending->lingering);
    nk_told(kit, "drain 1\n");
    nk_hang_up(peers, 3);
}

static void
given_messages_of_many_parts_when_sent_then_they_are_one_message(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct iovec parts[40];
    kit->framing = (struct kp_framing){.kind = KP_FRAME_NETSTRING};
    int peer = nk_pair(kit, &conn);
    for (int i = 0; i < 40; i++)
        parts[i] = (struct iovec){.iov_base = "ab", .iov_len = (size_t)i % 3};

    assert_int_equal(kp_conn_send(conn, parts, 3), 0);
    size_t calls = kit->mem.calls;
    assert_int_equal(kp_conn_send(conn, parts, 40), 0);
    assert_int_equal(kit->mem.calls, calls);
    nk_settle(kit);

    assert_string_equal(nk_hear(kit, peer),
                        "3:aab,39:aabaabaabaabaabaabaabaabaabaabaabaabaab,");
    close(peer);
}

static void
given_messages_that_cannot_be_sent_when_tried_then_nothing_is_queued(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct iovec huge[2] = {{.iov_base = "", .iov_len = SIZE_MAX / 2},
                            {.iov_base = "", .iov_len = SIZE_MAX / 2}};
    kit->framing = (struct kp_framing){.kind = KP_FRAME_FIXED, .fixed_size = 4};
    int peer = nk_pair(kit, &conn);

    assert_int_equal(nk_send(conn, "not four"), KELPIE_EPROTO);
    assert_int_equal(kp_conn_send(conn, huge, 2), KELPIE_EFULL);
    fault_mem_fail(&kit->mem, 1);
    assert_int_equal(nk_send(conn, "four"), -ENOMEM);
    assert_int_equal(kp_conn_write(conn, NULL, 0), 0);

    assert_int_equal(conn->outbox.len, 0);
    assert_false(kp_node_is_linked(&conn->dirty));
    close(peer);
}

static void
send_more(struct net_kit *kit UNUSED, struct kelpie_conn *conn)
{
    assert_int_equal(nk_send(conn, "more"), 0);
}

static void
given_a_handler_that_sends_in_on_drain_when_drained_then_it_follows(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->net.limits.soft_outbox = 10;
    kit->on_drain = send_more;
    int peer = nk_pair(kit, &conn);

    assert_int_equal(nk_send(conn, "more than ten bytes"), 0);
    nk_settle(kit);

    assert_string_equal(nk_hear(kit, peer), "more than ten bytes\nmore\n");
    nk_told(kit, "drain 0\n");
    close(peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_every_send_takes_one_byte_when_sending_then_all_arrives_in_order),
        TEST(given_a_full_socket_when_the_peer_reads_then_the_rest_follows),
        TEST(given_eagain_when_sending_then_it_is_watched_and_written_later),
        TEST(given_enobufs_when_sending_then_it_is_retried_after_ten_milliseconds),
        TEST(
            given_errors_of_send_when_they_come_then_the_connection_ends_with_its_reason),
        TEST(
            given_commands_and_a_close_when_the_reply_fails_then_the_commands_were_delivered),
        TEST(given_a_peer_that_resets_when_sending_then_one_quiet_disconnect),
        TEST(
            given_an_outbox_at_its_hard_limit_when_sending_then_full_and_nothing_is_queued),
        TEST(
            given_one_below_its_soft_limit_when_a_write_is_refused_then_it_hears_of_the_drain),
        TEST(given_a_reader_that_keeps_up_when_more_than_the_limit_is_sent_then_it_fits),
        TEST(given_an_error_in_that_write_when_sending_then_closed_is_the_answer),
        TEST(given_much_when_sent_then_it_is_written_at_once_and_in_order),
        TEST(given_much_when_it_is_the_last_then_the_peer_sees_the_end),
        TEST(given_more_than_the_soft_limit_when_sent_then_it_waits_and_drains),
        TEST(given_a_socket_that_takes_no_more_when_much_is_sent_then_the_rest_follows),
        TEST(given_a_peer_that_is_gone_when_much_is_sent_then_closed_is_the_answer),
        TEST(given_a_flood_of_requests_when_replies_are_not_read_then_the_input_waits),
        TEST(
            given_a_reader_above_the_soft_limit_when_ten_seconds_pass_then_dropped_as_slow),
        TEST(
            given_a_reader_that_comes_back_below_the_soft_limit_when_time_passes_then_it_stays),
        TEST(
            given_outboxes_above_their_common_cap_when_sending_then_the_largest_is_dropped),
        TEST(given_the_largest_outbox_is_ones_own_when_sending_then_one_is_closed),
        TEST(
            given_fast_readers_when_a_broadcast_passes_the_common_cap_then_nobody_is_dropped),
        TEST(
            given_a_draining_one_when_a_send_elsewhere_empties_its_outbox_then_it_still_ends),
        TEST(given_messages_of_many_parts_when_sent_then_they_are_one_message),
        TEST(given_messages_that_cannot_be_sent_when_tried_then_nothing_is_queued),
        TEST(given_a_handler_that_sends_in_on_drain_when_drained_then_it_follows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
