/*
 * test_conn_limits.c - the clocks of a connection: idle, frame, and the timer they share
 */
#include "net_kit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn_clock.h"

#define UNUSED __attribute__((unused))

static bool
expect_reset(struct net_kit *kit, struct kelpie_conn *conn)
{
    (void)kit;
    assert_true(conn->aborted);
    return true;
}

static int
setup_with_limits(void **state)
{
    int rc = nk_setup(state);
    struct net_kit *kit = *state;

    kit->net.limits.idle_timeout_ns = 60 * KP_NS_PER_S;
    kit->net.limits.frame_timeout_ns = 30 * KP_NS_PER_S;
    kit->net.limits.half_close_timeout_ns = 10 * KP_NS_PER_S;
    return rc;
}

/* C7 */
static void
given_a_silent_connection_when_the_idle_timeout_passes_then_it_is_closed(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    nk_pass(kit, 59 * KP_NS_PER_S);
    assert_true(kp_conn_is_open(conn));
    nk_pass(kit, KP_NS_PER_S);
    assert_true(nk_has_ended(peer));
    close(peer);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 idle timeout\ngone 0\n");
}

/* C7: what is read and what is written both count. */
static void
given_traffic_in_either_direction_when_time_passes_then_idle_starts_again(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    nk_pass(kit, 50 * KP_NS_PER_S);
    nk_say(peer, "alive\n");
    nk_settle(kit);
    nk_pass(kit, 50 * KP_NS_PER_S);
    assert_int_equal(nk_send(conn, "alive"), 0);
    nk_settle(kit);
    nk_pass(kit, 50 * KP_NS_PER_S);

    assert_true(kp_conn_is_open(conn));
    nk_pass(kit, 10 * KP_NS_PER_S);
    assert_int_equal(conn->state, KP_CONN_DRAINING);
    close(peer);
}

/* C7: slowloris. */
static void
given_a_message_that_trickles_when_thirty_seconds_pass_then_it_is_dropped(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    for (int i = 0; i < 30; i++) {
        nk_say(peer, "x");
        nk_settle(kit);
        nk_told(kit, "");
        nk_pass(kit, KP_NS_PER_S);
    }

    nk_told(kit, "disconnect 0 frame timeout\ngone 0\n");
    close(peer);
}

/* C7: the clock is that of a message, not of the connection. */
/* An orderly end would say that all has arrived. */
static void
given_output_that_is_lost_when_a_connection_is_dropped_then_it_is_reset(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    fault_fill(conn->source.fd);
    kit->on_disconnect = expect_reset;

    assert_int_equal(nk_send(conn, "never read"), 0);
    nk_say(peer, "half");
    nk_settle(kit);
    nk_pass(kit, 30 * KP_NS_PER_S);

    nk_told(kit, "disconnect 0 frame timeout\ngone 0\n");
    close(peer);
}

static void
given_messages_that_end_in_time_when_each_is_late_then_the_connection_stays(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    nk_say(peer, "begin");
    for (int i = 0; i < 10; i++) {
        nk_pass(kit, 29 * KP_NS_PER_S);
        nk_say(peer, " end\nbegin");
        nk_settle(kit);
    }

    assert_int_equal(kit->net.counters.messages_in, 10);
    assert_true(kp_conn_is_open(conn));
    nk_pass(kit, 30 * KP_NS_PER_S);
    assert_int_equal(kp_conns_count(&kit->net), 0);
    close(peer);
}

static void
given_a_held_or_paused_connection_when_half_a_message_waits_then_the_clock_does_not_run(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    kp_conn_set_idle_timeout(conn, 0);

    nk_say(peer, "half");
    nk_settle(kit);
    kp_conn_hold(conn);
    nk_say(peer, " of it");
    nk_settle(kit);
    nk_pass(kit, 100 * KP_NS_PER_S);
    kp_conn_release(conn);
    nk_settle(kit);
    nk_pass(kit, 29 * KP_NS_PER_S);
    kp_conn_pause(conn);
    nk_pass(kit, 100 * KP_NS_PER_S);
    kp_conn_resume(conn);
    nk_settle(kit);
    nk_pass(kit, 29 * KP_NS_PER_S);
    nk_told(kit, "");
    nk_pass(kit, KP_NS_PER_S);

    nk_told(kit, "disconnect 0 frame timeout\ngone 0\n");
    close(peer);
}

/* A wish makes a held connection wait for its peer again. */
static void
given_a_wish_for_a_message_when_it_trickles_then_the_clock_runs(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    kp_conn_hold(conn);
    kp_conn_want_message(conn, NULL);
    nk_say(peer, "half");
    nk_settle(kit);
    nk_pass(kit, 30 * KP_NS_PER_S);

    nk_told(kit, "disconnect 0 frame timeout\ngone 0\n");
    close(peer);
}

/* One timer, re-armed lazily: messages cost no work in the heap. */
static void
given_a_busy_connection_when_messages_come_then_its_timer_is_not_moved(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    uint64_t deadline_ns = conn->timer.deadline_ns;

    nk_pass(kit, 10 * KP_NS_PER_S);
    nk_say(peer, "one\ntwo\n");
    nk_settle(kit);
    assert_int_equal(conn->timer.deadline_ns, deadline_ns);
    nk_pass(kit, 50 * KP_NS_PER_S);

    assert_true(kp_conn_is_open(conn));
    deadline_ns += 10 * KP_NS_PER_S;
    assert_int_equal(conn->timer.deadline_ns, deadline_ns);
    nk_say(peer, "half"); /* its clock ends later than the timer: nothing to move */
    nk_settle(kit);
    assert_int_equal(conn->timer.deadline_ns, deadline_ns);
    assert_int_equal(kit->timers.count, 1);
    close(peer);
}

static void
given_an_idle_timeout_of_its_own_when_set_then_it_counts_at_once(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    kp_conn_set_idle_timeout(conn, 5 * KP_NS_PER_S);
    nk_pass(kit, 5 * KP_NS_PER_S);
    close(peer);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 idle timeout\ngone 0\n");
}

static void
given_no_memory_for_the_timer_when_a_clock_starts_then_closed_with_that_reason(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->net.limits.idle_timeout_ns = 0;
    int peer = nk_pair(kit, &conn);
    assert_int_equal(kit->timers.count, 0);

    fault_mem_fail_from(&kit->mem, 1);
    kp_conn_set_idle_timeout(conn, KP_NS_PER_S);
    fault_env_heal(&kit->mem, &kit->sys);
    nk_settle(kit);

    nk_told(kit, "disconnect 0 out of memory\ngone 0\n");
    close(peer);
}

static void
given_limits_that_do_not_end_when_armed_then_no_deadline_comes(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    kp_conn_set_idle_timeout(conn, KP_NEVER - 5);
    nk_pass(kit, 1000 * KP_NS_PER_S);

    assert_true(kp_conn_is_open(conn));
    close(peer);
}

/* E8: after a suspend everything is late at once; what has come meanwhile counts. */
static void
given_bytes_that_came_during_a_suspend_when_timers_run_then_they_are_read_first(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    nk_say(peer, "begin");
    nk_settle(kit);

    nk_say(peer, " end\n");
    nk_pass(kit, 1000 * KP_NS_PER_S);

    nk_told(kit, "message 0 begin end\n");
    assert_true(kp_conn_is_open(conn));
    nk_say(peer, "begin");
    nk_settle(kit);
    nk_say(peer, " but no end");
    nk_pass(kit, 1000 * KP_NS_PER_S);
    nk_told(kit, "disconnect 0 frame timeout\ngone 0\n");
    close(peer);
}

/* E8: who slept for long runs late timers once. */
static void
given_a_clock_that_jumps_when_timers_run_then_each_connection_is_told_once(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int first = nk_pair(kit, &conn), second = nk_pair(kit, &conn);

    nk_pass(kit, 100000 * KP_NS_PER_S);
    close(first);
    close(second);
    nk_settle(kit);

    assert_non_null(strstr(kit->text, "disconnect 0 idle timeout\n"));
    assert_non_null(strstr(kit->text, "disconnect 1 idle timeout\n"));
    assert_int_equal(kit->net.counters.closed, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_with_limits, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_a_silent_connection_when_the_idle_timeout_passes_then_it_is_closed),
        TEST(given_traffic_in_either_direction_when_time_passes_then_idle_starts_again),
        TEST(given_a_message_that_trickles_when_thirty_seconds_pass_then_it_is_dropped),
        TEST(given_output_that_is_lost_when_a_connection_is_dropped_then_it_is_reset),
        TEST(given_messages_that_end_in_time_when_each_is_late_then_the_connection_stays),
        TEST(
            given_a_held_or_paused_connection_when_half_a_message_waits_then_the_clock_does_not_run),
        TEST(given_a_wish_for_a_message_when_it_trickles_then_the_clock_runs),
        TEST(given_a_busy_connection_when_messages_come_then_its_timer_is_not_moved),
        TEST(given_an_idle_timeout_of_its_own_when_set_then_it_counts_at_once),
        TEST(
            given_no_memory_for_the_timer_when_a_clock_starts_then_closed_with_that_reason),
        TEST(given_limits_that_do_not_end_when_armed_then_no_deadline_comes),
        TEST(
            given_bytes_that_came_during_a_suspend_when_timers_run_then_they_are_read_first),
        TEST(given_a_clock_that_jumps_when_timers_run_then_each_connection_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
