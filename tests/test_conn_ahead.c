/*
 * test_conn_ahead.c - what was read of a connection before its turn, and what comes in between
 *
 * Connection 0 speaks first, so that its handler runs when the bytes of 1 and 2 were read.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn_read.h"
#include "net_kit.h"

enum { N = 3 };

static struct kelpie_conn *conns[N];
static int peers[N];

static void
all_say(const char *text)
{
    for (int i = 0; i < N; i++)
        nk_say(peers[i], text);
}

/* ---- what a handler does to another connection ------------------------------------------ */

static void
pause_next(struct net_kit *kit, struct kelpie_conn *conn, const char *message, size_t len)
{
    (void)message;
    (void)len;
    kit->on_message = NULL;
    assert_ptr_equal(conn, conns[0]);
    kp_conn_pause(conns[1]);
}

static void
given_bytes_read_ahead_when_the_connection_is_paused_then_they_wait(void **state)
{
    struct net_kit *kit = *state;
    nk_pairs(kit, N, conns, peers);
    kit->on_message = pause_next;

    all_say("one\ntwo\nthr");
    nk_settle(kit);
    nk_told(kit, "message 0 one\nmessage 0 two\nmessage 2 one\nmessage 2 two\n");

    nk_say(peers[1], "ee\n");
    kp_conn_resume(conns[1]);
    nk_settle(kit);
    nk_told(kit, "message 1 one\nmessage 1 two\nmessage 1 three\n");
    nk_hang_up(peers, N);
}

static void
close_and_drop(struct net_kit *kit, struct kelpie_conn *conn, const char *message,
               size_t len)
{
    (void)conn;
    (void)message;
    (void)len;
    kit->on_message = NULL;
    kp_conn_close(conns[1], "closed");
    kp_conn_drop(conns[2], "dropped", false);
}

static void
given_bytes_read_ahead_when_the_connection_is_closed_then_they_are_nobodys(void **state)
{
    struct net_kit *kit = *state;
    nk_pairs(kit, N, conns, peers);
    kit->on_message = close_and_drop;

    all_say("one\ntwo\n");
    close(peers[1]);
    nk_settle(kit);

    nk_told(kit, "message 0 one\nmessage 0 two\ndisconnect 2 dropped\ngone 2\n"
                 "disconnect 1 closed\ngone 1\n");
    close(peers[0]);
    close(peers[2]);
}

/* ---- a handler that takes long ------------------------------------------------------------ */

static void
take_long(struct net_kit *kit, struct kelpie_conn *conn, const char *message, size_t len)
{
    (void)message;
    (void)len;
    kit->net.is_late = true; /* as the script layer does */
    kp_conn_end_turn(conn);
}

static void
given_bytes_read_ahead_when_a_handler_took_long_then_each_is_served_in_its_turn(
    void **state)
{
    struct net_kit *kit = *state;
    nk_pairs(kit, N, conns, peers);
    kit->on_message = take_long;

    all_say("one\ntwo\n");
    nk_step(kit);
    nk_told(kit, "message 0 one\n");
    kit->net.is_late = false;
    nk_step(kit);
    nk_told(kit, "message 1 one\n");
    kit->on_message = NULL;
    kit->net.is_late = false;
    nk_settle(kit);

    nk_told(kit, "message 2 one\nmessage 2 two\nmessage 0 two\nmessage 1 two\n");
    nk_hang_up(peers, N);
}

static void
given_an_end_read_ahead_when_a_handler_took_long_then_it_comes_after(void **state)
{
    struct net_kit *kit = *state;
    nk_pairs(kit, N, conns, peers);
    kit->on_message = take_long;

    nk_say(peers[0], "one\n");
    close(peers[1]);
    nk_say(peers[2], "last\n");
    close(peers[2]);
    nk_step(kit);
    nk_told(kit, "message 0 one\n");
    kit->on_message = NULL;
    kit->net.is_late = false;
    nk_settle(kit);

    nk_told(kit, "message 2 last\ndisconnect 1 eof\ndisconnect 2 eof\ngone 1\ngone 2\n");
    close(peers[0]);
}

static void
close_late(struct net_kit *kit, struct kelpie_conn *conn, const char *message, size_t len)
{
    take_long(kit, conn, message, len);
    kp_conn_close(conns[1], "closed");
    kp_conn_drop(conns[2], "dropped", false);
    kit->on_message = NULL;
}

static void
given_an_end_read_ahead_when_a_late_handler_closes_it_then_it_ends_at_once(void **state)
{
    struct net_kit *kit = *state;
    nk_pairs(kit, N, conns, peers);
    kit->on_message = close_late;

    nk_say(peers[0], "one\n");
    close(peers[1]);
    nk_say(peers[2], "one\n");
    nk_step(kit);
    kit->net.is_late = false;
    nk_settle(kit);

    nk_told(kit,
            "message 0 one\ndisconnect 2 dropped\ngone 2\ndisconnect 1 closed\ngone 1\n");
    close(peers[0]);
    close(peers[2]);
}

static void
given_no_memory_for_bytes_read_ahead_when_they_have_to_wait_then_only_that_one_ends(
    void **state)
{
    struct net_kit *kit = *state;
    nk_pairs(kit, N, conns, peers);
    kit->on_message = pause_next;

    all_say("one\n");
    fault_mem_fail(&kit->mem, 1);
    nk_step(kit);
    fault_env_heal(&kit->mem, &kit->sys);
    nk_settle(kit);
    nk_told(kit, "message 0 one\nmessage 2 one\n");
    shutdown(peers[1], SHUT_WR);
    nk_settle(kit);

    nk_told(kit, "disconnect 1 out of memory\ngone 1\n");
    nk_hang_up(peers, N);
}

/* ---- how much ------------------------------------------------------------------------------ */

static void
given_more_than_is_read_ahead_when_it_comes_then_all_of_it_is_delivered(void **state)
{
    struct net_kit *kit = *state;
    char line[3 * KP_AHEAD_SIZE];
    nk_pairs(kit, N, conns, peers);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\0';

    for (size_t len = KP_AHEAD_SIZE - 2; len < KP_AHEAD_SIZE + 3; len++) {
        line[len - 1] = '\n';
        line[len] = '\0';
        all_say(line);
        all_say(line);
        nk_settle(kit);
        line[len - 1] = line[len] = 'x';
    }

    assert_int_equal(kit->net.counters.messages_in, N * 2 * 5);
    assert_int_equal(kit->net.counters.bytes_in, N * 2 * 5 * KP_AHEAD_SIZE);
    nk_hang_up(peers, N);
}

static void
given_more_connections_than_are_read_together_when_all_speak_then_all_are_heard(
    void **state)
{
    struct net_kit *kit = *state;
    enum { MANY = KP_AHEAD_MAX + 3 };
    struct kelpie_conn *all[MANY];
    int many[MANY];

    nk_pairs(kit, MANY, all, many);
    for (int i = 0; i < MANY; i++)
        nk_say(many[i], "hello\n");
    nk_step(kit);

    assert_int_equal(kit->net.counters.messages_in, MANY);
    assert_int_equal(kit->sys.calls[FAULT_RECV], MANY);
    nk_hang_up(many, MANY);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_bytes_read_ahead_when_the_connection_is_paused_then_they_wait),
        TEST(given_bytes_read_ahead_when_the_connection_is_closed_then_they_are_nobodys),
        TEST(
            given_bytes_read_ahead_when_a_handler_took_long_then_each_is_served_in_its_turn),
        TEST(given_an_end_read_ahead_when_a_handler_took_long_then_it_comes_after),
        TEST(given_an_end_read_ahead_when_a_late_handler_closes_it_then_it_ends_at_once),
        TEST(
            given_no_memory_for_bytes_read_ahead_when_they_have_to_wait_then_only_that_one_ends),
        TEST(given_more_than_is_read_ahead_when_it_comes_then_all_of_it_is_delivered),
        TEST(
            given_more_connections_than_are_read_together_when_all_speak_then_all_are_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
