/*
 * test_conn.c - the life of a connection: announcing, states, holding, pausing, wishes
 */
#include "net_kit.h"

#include <string.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static void
given_a_new_connection_when_a_step_is_done_then_it_is_announced_before_its_messages(
    void **state)
{
    struct net_kit *kit = *state;
    union kp_peer peer = {.any = {.sa_family = AF_UNIX}};
    struct kelpie_conn *conn;
    int fds[2];

    fault_socketpair(fds);
    nk_say(fds[1], "early\n");
    assert_int_equal(kp_conn_open(&kit->net, &conn, fds[0], &peer, NULL), 0);
    assert_null(kp_conns_client(&kit->net, 0));
    assert_ptr_equal(kp_conns_find(&kit->net, conn->id), conn);

    nk_settle(kit);

    nk_told(kit, "connect 0\nmessage 0 early\n");
    assert_ptr_equal(kp_conns_client(&kit->net, 0), conn);
    assert_int_equal(kit->net.counters.accepted, 1);
    close(fds[1]);
}

static void
given_an_open_connection_when_messages_come_then_replies_leave_in_one_write(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    nk_say(peer, "one\ntwo\n");
    nk_settle(kit);
    assert_int_equal(nk_send(conn, "eins"), 0);
    assert_int_equal(nk_send(conn, "zwei"), 0);
    size_t sends = kit->sys.calls[FAULT_SEND];
    nk_settle(kit);

    nk_told(kit, "message 0 one\nmessage 0 two\n");
    assert_string_equal(nk_hear(kit, peer), "eins\nzwei\n");
    assert_int_equal(kit->sys.calls[FAULT_SEND], sends + 1);
    assert_int_equal(kit->net.counters.messages_out, 2);
    assert_int_equal(kit->net.outbox_total, 0);
    close(peer);
}

static void
close_in_handler(struct net_kit *kit UNUSED, struct kelpie_conn *conn,
                 const char *message UNUSED, size_t len UNUSED)
{
    assert_int_equal(nk_send(conn, "bye"), 0);
    kp_conn_close(conn, "done");
    assert_int_equal(nk_send(conn, "more"), KELPIE_ECLOSED);
    kp_conn_close(conn, "another reason");
}

/* E4 */
static void
given_buffered_messages_when_the_handler_closes_then_the_rest_is_not_delivered(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->on_message = close_in_handler;

    nk_say(peer, "quit\nnot seen\nnot seen either\n");
    nk_settle(kit);
    assert_string_equal(nk_hear(kit, peer), "bye\n");
    assert_true(nk_has_ended(peer));
    close(peer);
    nk_settle(kit);

    nk_told(kit, "message 0 quit\ndisconnect 0 done\ngone 0\n");
}

static void
drop_in_handler(struct net_kit *kit UNUSED, struct kelpie_conn *conn,
                const char *message UNUSED, size_t len UNUSED)
{
    assert_int_equal(nk_send(conn, "never sent"), 0);
    kp_conn_drop(conn, NULL, true);
    kp_conn_drop(conn, "again", true);
    assert_int_equal(nk_send(conn, "more"), KELPIE_ECLOSED);
}

/* E4, E6: the pointer stays valid until the handler has returned. */
static void
given_a_message_when_the_handler_drops_its_connection_then_it_is_told_once_afterwards(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->on_message = drop_in_handler;

    nk_say(peer, "one\ntwo\n");
    nk_settle(kit);

    nk_told(kit, "message 0 one\ndisconnect 0 closed\ngone 0\n");
    assert_true(nk_has_ended(peer));
    assert_int_equal(kit->net.counters.dropped_bytes, 11);
    close(peer);
}

/* E7 of this layer: a handler that fails closes; the disconnect is owed all the same. */
static void
close_on_connect(struct net_kit *kit UNUSED, struct kelpie_conn *conn)
{
    kp_conn_close(conn, "handler error");
}

static void
given_a_handler_that_closes_in_on_connect_when_it_ran_then_on_disconnect_follows(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->on_connect = close_on_connect;
    int peer = nk_pair(kit, &conn);

    assert_true(nk_has_ended(peer));
    close(peer);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 handler error\ngone 0\n");
    assert_int_equal(kp_conns_count(&kit->net), 0);
}

static void
given_a_connection_closed_before_it_was_announced_when_it_ends_then_nobody_hears_of_it(
    void **state)
{
    struct net_kit *kit = *state;
    union kp_peer peer = {.any = {.sa_family = AF_UNIX}};
    struct kelpie_conn *conn, *other;
    int fds[2], others[2];
    fault_socketpair(fds);
    fault_socketpair(others);
    assert_int_equal(kp_conn_open(&kit->net, &conn, fds[0], &peer, NULL), 0);
    assert_int_equal(kp_conn_open(&kit->net, &other, others[0], &peer, NULL), 0);

    kp_conn_close(conn, "too late");
    kp_conn_drop(other, "much too late", false);
    nk_settle(kit);
    close(fds[1]);
    close(others[1]);
    nk_settle(kit);

    nk_told(kit, "gone 1\ngone 0\n");
}

static void
given_a_paused_connection_when_messages_come_then_they_wait_for_resume(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    kp_conn_pause(conn);
    nk_say(peer, "one\n");
    nk_settle(kit);
    nk_told(kit, "");
    kp_conn_resume(conn);
    nk_settle(kit);

    nk_told(kit, "message 0 one\n");
    close(peer);
}

static void
pause_in_handler(struct net_kit *kit UNUSED, struct kelpie_conn *conn,
                 const char *message UNUSED, size_t len UNUSED)
{
    kp_conn_pause(conn);
}

static void
given_a_handler_that_pauses_when_more_is_buffered_and_the_peer_ends_then_all_waits(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->on_message = pause_in_handler;

    nk_say(peer, "one\ntwo\n");
    close(peer);
    nk_settle(kit);
    nk_told(kit, "message 0 one\n");
    kp_conn_resume(conn);
    nk_settle(kit);
    nk_told(kit, "message 0 two\n");
    kp_conn_resume(conn);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 eof\ngone 0\n");
}

static void
hold_in_handler(struct net_kit *kit UNUSED, struct kelpie_conn *conn,
                const char *message UNUSED, size_t len UNUSED)
{
    kp_conn_hold(conn);
}

static void
given_a_held_connection_when_messages_come_then_one_is_delivered_per_release(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->on_message = hold_in_handler;

    nk_say(peer, "one\ntwo\nthree\n");
    nk_settle(kit);
    nk_told(kit, "message 0 one\n");
    kp_conn_release(conn);
    nk_settle(kit);
    nk_told(kit, "message 0 two\n");
    kp_conn_release(conn);
    kit->on_message = NULL;
    nk_settle(kit);

    nk_told(kit, "message 0 three\n");
    close(peer);
}

static void
given_a_held_connection_when_a_message_is_wanted_then_exactly_one_is_let_through(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kp_conn_hold(conn);
    nk_say(peer, "one\ntwo\n");
    nk_settle(kit);
    nk_told(kit, "");

    kp_conn_want_message(conn, NULL);
    nk_settle(kit);
    nk_told(kit, "message 0 one\n");
    kp_conn_want_message(conn, NULL);
    kp_conn_unwant_message(conn);
    nk_settle(kit);

    nk_told(kit, "");
    kp_conn_release(conn);
    nk_settle(kit);
    nk_told(kit, "message 0 two\n");
    close(peer);
}

static void
given_a_wish_for_five_bytes_when_they_come_then_the_next_message_is_a_line_again(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct kp_framing five = {.kind = KP_FRAME_FIXED, .fixed_size = 5};
    int peer = nk_pair(kit, &conn);
    kp_conn_hold(conn);

    kp_conn_want_message(conn, &five);
    nk_say(peer, "ab");
    nk_settle(kit);
    nk_told(kit, "");
    nk_say(peer, "c\nd\nline\n");
    nk_settle(kit);
    nk_told(kit, "message 0 abc\\x0ad\n");
    kp_conn_release(conn);
    nk_settle(kit);

    nk_told(kit, "message 0\nmessage 0 line\n");
    close(peer);
}

/* Who wishes need not be who holds: nothing else would wake the connection. */
static void
given_a_wish_for_a_line_when_it_is_withdrawn_then_what_came_is_cut_as_before(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct kp_framing line = {.kind = KP_FRAME_LINE};
    struct kp_framing two = {.kind = KP_FRAME_FIXED, .fixed_size = 2};
    int peer = nk_pair(kit, &conn);
    kp_conn_set_framing(conn, &two);

    kp_conn_want_message(conn, &line);
    nk_say(peer, "abcd");
    nk_settle(kit);
    nk_told(kit, "");
    kp_conn_unwant_message(conn);
    nk_settle(kit);

    nk_told(kit, "message 0 ab\nmessage 0 cd\n");
    close(peer);
}

static void
given_a_wish_for_a_line_when_the_peer_ends_then_what_is_left_is_cut_as_before(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *held, *free;
    struct kp_framing line = {.kind = KP_FRAME_LINE};
    struct kp_framing two = {.kind = KP_FRAME_FIXED, .fixed_size = 2};
    int peers[] = {nk_pair(kit, &held), nk_pair(kit, &free)};
    kp_conn_set_framing(held, &two);
    kp_conn_set_framing(free, &two);
    kp_conn_hold(held);

    kp_conn_want_message(held, &line);
    kp_conn_want_message(free, &line);
    for (int i = 0; i < 2; i++) {
        nk_say(peers[i], "abc");
        close(peers[i]);
    }
    nk_settle(kit);
    nk_told(kit, "input_end 0\ninput_end 1\nmessage 1 ab\ndisconnect 1 eof\ngone 1\n");
    kp_conn_release(held);
    nk_settle(kit);

    nk_told(kit, "message 0 ab\ndisconnect 0 eof\ngone 0\n");
    assert_int_equal(kit->net.counters.partial_at_eof, 2);
}

static void
given_a_held_connection_when_the_peer_ends_then_input_end_is_told_once_and_per_wish(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kp_conn_hold(conn);
    kp_conn_want_message(conn, NULL);

    nk_say(peer, "last\n");
    close(peer);
    nk_settle(kit);
    nk_told(kit, "message 0 last\ninput_end 0\n");
    kp_conn_want_message(conn, NULL);
    nk_settle(kit);
    nk_told(kit, "input_end 0\n");
    assert_true(kp_conn_is_open(conn));
    kp_conn_release(conn);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 eof\ngone 0\n");
}

static bool
refuse_while_held(struct net_kit *kit UNUSED, struct kelpie_conn *conn)
{
    return conn->holds == 0;
}

static void
given_a_suspended_handler_when_its_connection_is_reset_then_told_after_the_release(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->on_disconnect = refuse_while_held;
    kp_conn_hold(conn);
    kp_conn_hold(conn);

    kp_conn_drop(conn, "reset", false);
    nk_settle(kit);
    nk_told(kit, "");
    assert_true(nk_has_ended(peer)); /* the descriptor does not wait for the handler */
    kp_conn_release(conn);
    nk_settle(kit);
    nk_told(kit, "");
    kp_conn_release(conn);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 reset\ngone 0\n");
    close(peer);
}

static bool
release_when_told(struct net_kit *kit, struct kelpie_conn *conn)
{
    bool is_first = conn->holds > 0;

    if (is_first)
        kp_conn_release(conn);
    return !is_first || kit->user != NULL;
}

static void
given_a_handler_that_ends_inside_on_disconnect_when_released_there_then_told_once(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->on_disconnect = release_when_told;

    for (int told_at_once = 0; told_at_once < 2; told_at_once++) {
        kit->user = told_at_once ? kit : NULL;
        int peer = nk_pair(kit, &conn);
        kp_conn_hold(conn);
        kp_conn_drop(conn, "reset", false);
        nk_settle(kit);
        nk_told(kit, "disconnect 0 reset\ngone 0\n");
        close(peer);
    }

    assert_int_equal(kp_conns_count(&kit->net), 0);
}

static void
given_unread_input_when_the_framing_is_switched_then_the_next_byte_follows_the_new_one(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct kp_framing raw = {.kind = KP_FRAME_RAW};
    int peer = nk_pair(kit, &conn);
    nk_say(peer, "half a line");
    nk_settle(kit);
    nk_told(kit, "");

    kp_conn_set_framing(conn, &raw);
    nk_settle(kit);

    nk_told(kit, "message 0 half a line\n");
    assert_int_equal(kp_buf_len(&conn->input), 0);
    close(peer);
}

static void
given_a_long_reason_when_closed_then_it_is_cut_and_the_trace_names_states(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    char reason[200];
    int peer = nk_pair(kit, &conn);
    memset(reason, 'r', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = '\0';

    kp_conn_close(conn, reason);
    close(peer);
    nk_settle(kit);

    assert_int_equal(strlen(kit->text), strlen("disconnect 0 \ngone 0\n") + 63);
    assert_non_null(strstr(kit->log, "conn 1: open -> draining (rrr"));
    assert_non_null(strstr(kit->log, "conn 1: draining -> closed (rrr"));
}

static void
given_the_states_when_named_then_each_has_a_word(void **state UNUSED)
{
    assert_string_equal(kp_conn_state_str(KP_CONN_OPEN), "open");

    assert_string_equal(kp_conn_state_str(KP_CONN_DRAINING), "draining");

    assert_string_equal(kp_conn_state_str(KP_CONN_CLOSED), "closed");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(
            given_a_new_connection_when_a_step_is_done_then_it_is_announced_before_its_messages),
        TEST(given_an_open_connection_when_messages_come_then_replies_leave_in_one_write),
        TEST(
            given_buffered_messages_when_the_handler_closes_then_the_rest_is_not_delivered),
        TEST(
            given_a_message_when_the_handler_drops_its_connection_then_it_is_told_once_afterwards),
        TEST(
            given_a_handler_that_closes_in_on_connect_when_it_ran_then_on_disconnect_follows),
        TEST(
            given_a_connection_closed_before_it_was_announced_when_it_ends_then_nobody_hears_of_it),
        TEST(given_a_paused_connection_when_messages_come_then_they_wait_for_resume),
        TEST(
            given_a_handler_that_pauses_when_more_is_buffered_and_the_peer_ends_then_all_waits),
        TEST(
            given_a_held_connection_when_messages_come_then_one_is_delivered_per_release),
        TEST(
            given_a_held_connection_when_a_message_is_wanted_then_exactly_one_is_let_through),
        TEST(
            given_a_wish_for_five_bytes_when_they_come_then_the_next_message_is_a_line_again),
        TEST(
            given_a_wish_for_a_line_when_it_is_withdrawn_then_what_came_is_cut_as_before),
        TEST(
            given_a_wish_for_a_line_when_the_peer_ends_then_what_is_left_is_cut_as_before),
        TEST(
            given_a_held_connection_when_the_peer_ends_then_input_end_is_told_once_and_per_wish),
        TEST(
            given_a_suspended_handler_when_its_connection_is_reset_then_told_after_the_release),
        TEST(
            given_a_handler_that_ends_inside_on_disconnect_when_released_there_then_told_once),
        TEST(
            given_unread_input_when_the_framing_is_switched_then_the_next_byte_follows_the_new_one),
        TEST(given_a_long_reason_when_closed_then_it_is_cut_and_the_trace_names_states),
        TEST(given_the_states_when_named_then_each_has_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
