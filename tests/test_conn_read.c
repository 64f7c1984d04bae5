/*
 * test_conn_read.c - bytes come in, messages go out: cuts, budgets, ends
 */
#include "net_kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn_read.h"

#define UNUSED __attribute__((unused))

/* Counts messages and their bytes instead of keeping them. */
static size_t
count_of(const char *text, const char *word)
{
    size_t n = 0;

    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

/* C2: data and FIN come together, as nc -N sends them. */
static void
given_data_and_end_in_one_event_when_read_then_all_is_handled_and_answered(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    nk_say(peer, "one\ntwo\n");
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    nk_step(kit);
    nk_told(kit, "message 0 one\nmessage 0 two\n");
    assert_int_equal(conn->state, KP_CONN_CLOSED);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 eof\ngone 0\n");
    assert_true(nk_has_ended(peer));
    close(peer);
}

static void
reply(struct net_kit *kit UNUSED, struct kelpie_conn *conn, const char *message,
      size_t len)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = len};

    assert_int_equal(kp_conn_send(conn, &part, 1), 0);
}

/* C2: the answers to the last messages still leave. */
static void
given_a_half_closed_peer_when_its_last_message_is_answered_then_the_answer_arrives(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->on_message = reply;

    nk_say(peer, "ping\n");
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    nk_settle(kit);

    assert_string_equal(nk_hear(kit, peer), "ping\n");
    assert_true(nk_has_ended(peer));
    nk_told(kit, "message 0 ping\ndisconnect 0 eof\ngone 0\n");
    close(peer);
}

/* C3 */
static void
given_a_line_without_newline_when_the_peer_ends_then_it_is_dropped_and_counted(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    nk_say(peer, "whole\nhalf");
    close(peer);
    nk_settle(kit);

    nk_told(kit, "message 0 whole\ndisconnect 0 eof\ngone 0\n");
    assert_int_equal(kit->net.counters.partial_at_eof, 1);
}

/* C3 */
static void
given_deliver_partial_when_the_peer_ends_then_the_half_line_is_the_last_message(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->framing.deliver_partial = true;
    int peer = nk_pair(kit, &conn);

    nk_say(peer, "whole\nhalf");
    close(peer);
    nk_settle(kit);

    nk_told(kit, "message 0 whole\nmessage 0 half\ndisconnect 0 eof\ngone 0\n");
    assert_int_equal(kit->net.counters.partial_at_eof, 0);
}

/* C9, C10 */
static void
given_binary_lines_when_read_then_they_come_through_and_one_cr_is_dropped(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    nk_say_bytes(peer, "a\0b\xff\n\n\rc\r\r\n", 12);
    nk_settle(kit);

    nk_told(kit, "message 0 a\\x00b\\xff\nmessage 0\nmessage 0 \\x0dc\\x0d\n");
    close(peer);
}

/* C10: the same bytes in any cut give the same messages. */
static void
given_every_recv_gives_one_byte_when_lines_come_then_they_are_the_same(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->sys.recv_one_byte = true;

    nk_say(peer, "one\r\ntwo\nthree\nrest");
    close(peer);
    nk_settle(kit);

    nk_told(kit, "message 0 one\nmessage 0 two\nmessage 0 three\n"
                 "disconnect 0 eof\ngone 0\n");
    assert_int_equal(kit->net.counters.bytes_in, 19);
}

/* C7: a partial message holds about what has been sent, an idle connection nothing. */
static void
given_half_a_message_when_it_waits_then_it_holds_little_memory_and_none_afterwards(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    size_t idle = kit->env.mem.used;

    nk_say(peer, "ten bytes.");
    nk_settle(kit);
    size_t waiting = kit->env.mem.used;
    nk_say(peer, "\n");
    nk_settle(kit);

    assert_in_range(waiting - idle, 10, 600);
    /* The timer of the unfinished message is not memory of this connection. */
    assert_int_equal(conn->input.capacity, 0);
    nk_told(kit, "message 0 ten bytes.\n");
    close(peer);
}

static void
note_length(struct net_kit *kit, struct kelpie_conn *conn UNUSED,
            const char *message UNUSED, size_t len)
{
    kit->user = (void *)(uintptr_t)(len + 1);
}

static void
send_all(struct net_kit *kit, int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0)
            assert_int_equal(errno, EAGAIN);
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
        nk_step(kit);
    }
}

/* C8: memory follows the bytes, not the announced length. */
static void
given_a_megabyte_announced_when_it_comes_then_memory_follows_what_has_come(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    size_t len = 1024 * 1024;
    char *bytes = malloc(len);
    assert_non_null(bytes);
    memset(bytes, 'm', len);
    kit->framing = (struct kp_framing){.kind = KP_FRAME_LENGTH, .length_size = 4};
    kit->on_message = note_length;
    int peer = nk_pair(kit, &conn);
    conn->max_message = len;
    size_t idle = kit->env.mem.used;

    nk_say_bytes(peer, "\0\x10\0\0begin", 9);
    nk_settle(kit);
    size_t announced = kit->env.mem.used;
    send_all(kit, peer, bytes, len - 5);
    nk_settle(kit);

    assert_in_range(announced - idle, 9, 600);
    assert_int_equal((uintptr_t)kit->user, len + 1);
    assert_int_equal(conn->input.capacity, 0);
    assert_true(kp_conn_is_open(conn));
    free(bytes);
    close(peer);
}

/* C8 */
static void
given_an_oversized_message_when_it_is_announced_then_it_is_refused_at_once(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->framing = (struct kp_framing){.kind = KP_FRAME_LENGTH, .length_size = 4};
    int peer = nk_pair(kit, &conn);

    assert_int_equal(nk_send(conn, "hi"), 0);
    nk_say_bytes(peer, "\x7f\0\0\0", 4);
    nk_settle(kit);
    assert_int_equal(recv(peer, kit->heard, 100, 0), 6);
    assert_true(nk_has_ended(peer));
    close(peer);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 message too long\ngone 0\n");
}

/* C8 */
static void
given_a_line_that_does_not_end_when_it_is_too_long_then_closed_with_little_memory(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    char bytes[10000];
    int peer = nk_pair(kit, &conn);
    memset(bytes, 'l', sizeof(bytes));

    nk_say(peer, "fine\n");
    nk_say_bytes(peer, bytes, sizeof(bytes));
    nk_settle(kit);
    close(peer);
    nk_settle(kit);

    nk_told(kit, "message 0 fine\ndisconnect 0 message too long\ngone 0\n");
}

static void
given_bytes_that_do_not_fit_the_framing_when_read_then_protocol_error(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->framing.kind = KP_FRAME_NETSTRING;
    int peer = nk_pair(kit, &conn);

    nk_say(peer, "2:ok,x:");
    nk_settle(kit);
    close(peer);
    nk_settle(kit);

    nk_told(kit, "message 0 ok\ndisconnect 0 protocol error\ngone 0\n");
}

/* C11: 64 messages a step, and everybody else is served in the same step. */
static void
given_a_flood_of_messages_when_stepping_then_64_a_step_and_the_other_is_served(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *flooder, *other;
    char lines[2 * 1000];
    int peer = nk_pair(kit, &flooder), quiet = nk_pair(kit, &other);
    for (size_t i = 0; i < sizeof(lines); i += 2)
        memcpy(lines + i, "f\n", 2);

    nk_say_bytes(peer, lines, sizeof(lines));
    nk_step(kit);
    nk_say(quiet, "o\n");
    nk_step(kit);

    assert_int_equal(count_of(kit->text, "message 0"), 2 * KP_STEP_MESSAGES);
    assert_int_equal(count_of(kit->text, "message 1"), 1);
    /* No new read while some wait: a short one ahead, the other's, and one for much. */
    assert_int_equal(kit->sys.calls[FAULT_RECV], 3);
    nk_settle(kit);
    assert_int_equal(count_of(kit->text, "message 0"), 1000);
    close(peer);
    close(quiet);
}

/* C11: also while the socket has more. */
static void
given_more_than_one_read_of_lines_when_stepping_then_no_read_before_all_are_delivered(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    char lines[2 * 1000];
    for (size_t i = 0; i < sizeof(lines); i += 2)
        memcpy(lines + i, "f\n", 2);

    for (int i = 0; i < 40; i++)
        nk_say_bytes(peer, lines, sizeof(lines));
    for (int i = 0; i < 10; i++)
        nk_step(kit);

    assert_int_equal(kit->net.counters.messages_in, 10 * KP_STEP_MESSAGES);
    assert_int_equal(kit->sys.calls[FAULT_RECV], 2); /* a short one ahead, one for much */
    nk_settle(kit);
    assert_int_equal(kit->net.counters.messages_in, 40 * 1000);
    close(peer);
}

/* C11 */
static void
given_large_messages_when_stepping_then_64_kib_a_step(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    char bytes[5000];
    memset(bytes, 'b', sizeof(bytes));
    kit->framing = (struct kp_framing){.kind = KP_FRAME_FIXED, .fixed_size = 5000};
    int peer = nk_pair(kit, &conn);
    kp_conn_hold(conn);
    for (int i = 0; i < 30; i++) {
        nk_say_bytes(peer, bytes, sizeof(bytes));
        nk_settle(kit);
    }

    size_t waiting = kp_buf_len(&conn->input);
    kp_conn_release(conn);
    nk_step(kit);

    assert_true(waiting > KP_STEP_BYTES);
    assert_int_equal(kit->net.counters.messages_in, KP_STEP_BYTES / 5000 + 1);
    nk_settle(kit);
    assert_int_equal(kit->net.counters.messages_in, 30);
    close(peer);
}

static void
take_a_second(struct net_kit *kit, struct kelpie_conn *conn UNUSED,
              const char *message UNUSED, size_t len UNUSED)
{
    fault_clock_advance(&kit->sys, KP_NS_PER_S);
}

/* C11 */
static void
given_slow_handlers_when_stepping_then_the_turn_ends_after_a_few(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->on_message = take_a_second;

    nk_say(peer, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
    nk_step(kit);

    assert_int_equal(kit->net.counters.messages_in, KP_STEP_CLOCK);
    nk_settle(kit);
    assert_int_equal(kit->net.counters.messages_in, 10);
    close(peer);
}

static void
end_turn_or_answer(struct net_kit *kit, struct kelpie_conn *conn, const char *message,
                   size_t len)
{
    (void)kit;
    if (len == 4 && memcmp(message, "long", 4) == 0)
        kp_conn_end_turn(conn);
    else
        assert_int_equal(nk_send(conn, "answer"), 0);
}

/* C11: as many handlers as a client has sent messages are not one wait for the others. */
static void
given_handlers_that_took_long_when_another_asks_then_it_is_answered_between_them(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *slow, *other;
    int slow_peer = nk_pair(kit, &slow), other_peer = nk_pair(kit, &other);
    kit->on_message = end_turn_or_answer;

    nk_say(slow_peer, "long\nlong\nlong\n");
    nk_step(kit);
    assert_int_equal(kit->net.counters.messages_in, 1);
    nk_say(other_peer, "hello\n");
    nk_step(kit);

    assert_int_equal(kit->net.counters.messages_in, 2);
    assert_string_equal(nk_hear(kit, other_peer), "answer\n");
    nk_settle(kit);
    assert_int_equal(kit->net.counters.messages_in, 4);
    close(slow_peer);
    close(other_peer);
}

/* Takes what follows itself, up to "stop", which pauses. */
static void
take_all(struct net_kit *kit, struct kelpie_conn *conn, const char *message, size_t len)
{
    const void *next = message;

    do {
        struct iovec part = {.iov_base = (void *)(uintptr_t)next, .iov_len = len};
        assert_int_equal(kp_conn_send(conn, &part, 1), 0);
        if (len == 4 && memcmp(next, "stop", 4) == 0)
            kp_conn_pause(conn);
    } while (kp_conn_next_message(conn, &next, &len));
    kit->on_message = reply;
}

static void
given_a_hook_when_it_takes_the_next_messages_then_the_same_rules_hold(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn, *other;
    const void *message;
    size_t len;
    int peer = nk_pair(kit, &conn), other_peer = nk_pair(kit, &other);
    kit->on_message = take_all;

    nk_say(peer, "a\n\nstop\nb\nc\nhal");
    nk_settle(kit);
    assert_string_equal(nk_hear(kit, peer), "a\n\nstop\n");
    nk_told(kit, "message 0 a\n");
    assert_int_equal(kit->net.counters.messages_in, 3);
    assert_false(kp_conn_next_message(conn, &message, &len)); /* in no hook */
    kp_conn_resume(conn);
    nk_say(peer, "f\n");
    nk_settle(kit);

    assert_string_equal(nk_hear(kit, peer), "b\nc\nhalf\n");
    nk_told(kit, "message 0 b\nmessage 0 c\nmessage 0 half\n");
    close(peer);
    close(other_peer);
}

/* C14 for handlers: the buffer of a held connection has a bound, and the end is seen. */
static void
given_a_held_connection_when_flooded_then_reading_stops_and_goes_on_after(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kit->framing.kind = KP_FRAME_RAW;
    kp_conn_hold(conn);

    size_t sent = 0;
    for (int i = 0; i < 100; i++) {
        sent += fault_fill(peer);
        nk_settle(kit);
    }
    assert_in_range(kp_buf_len(&conn->input), KP_HELD_INPUT, 3 * KP_HELD_INPUT);
    assert_true((conn->blocks & KP_BLOCK_INPUT) != 0);
    conn->framing.kind = KP_FRAME_RAW;
    kp_conn_release(conn);
    nk_settle(kit);

    assert_int_equal(conn->blocks, 0);
    assert_int_equal(kit->net.counters.bytes_in, sent);
    assert_int_equal(conn->input.capacity, 0);
    close(peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_data_and_end_in_one_event_when_read_then_all_is_handled_and_answered),
        TEST(
            given_a_half_closed_peer_when_its_last_message_is_answered_then_the_answer_arrives),
        TEST(
            given_a_line_without_newline_when_the_peer_ends_then_it_is_dropped_and_counted),
        TEST(
            given_deliver_partial_when_the_peer_ends_then_the_half_line_is_the_last_message),
        TEST(given_binary_lines_when_read_then_they_come_through_and_one_cr_is_dropped),
        TEST(given_every_recv_gives_one_byte_when_lines_come_then_they_are_the_same),
        TEST(
            given_half_a_message_when_it_waits_then_it_holds_little_memory_and_none_afterwards),
        TEST(given_a_megabyte_announced_when_it_comes_then_memory_follows_what_has_come),
        TEST(given_an_oversized_message_when_it_is_announced_then_it_is_refused_at_once),
        TEST(
            given_a_line_that_does_not_end_when_it_is_too_long_then_closed_with_little_memory),
        TEST(given_bytes_that_do_not_fit_the_framing_when_read_then_protocol_error),
        TEST(
            given_a_flood_of_messages_when_stepping_then_64_a_step_and_the_other_is_served),
        TEST(
            given_more_than_one_read_of_lines_when_stepping_then_no_read_before_all_are_delivered),
        TEST(given_large_messages_when_stepping_then_64_kib_a_step),
        TEST(given_slow_handlers_when_stepping_then_the_turn_ends_after_a_few),
        TEST(
            given_handlers_that_took_long_when_another_asks_then_it_is_answered_between_them),
        TEST(given_a_hook_when_it_takes_the_next_messages_then_the_same_rules_hold),
        TEST(given_a_held_connection_when_flooded_then_reading_stops_and_goes_on_after),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
