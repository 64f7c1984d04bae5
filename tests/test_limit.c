/*
 * test_limit.c - every limit that bites is counted and said, and not by the thousand
 */
#include "net_kit.h"

#include <string.h>
#include <unistd.h>

#include "net/limit.h"

static size_t
count_in_log(const struct net_kit *kit, const char *part)
{
    size_t n = 0;

    for (const char *at = kit->log; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

/* A2 */
static void
given_max_clients_when_one_more_comes_then_the_refusal_is_counted_and_said(void **state)
{
    struct net_kit *kit = *state;
    kp_numbers_clear(&kit->net.numbers);
    kp_numbers_init(&kit->net.numbers, &kit->env.mem, 1);
    struct kp_listener *listener = nk_listen(kit, ":0");

    int first = nk_connect(listener);
    assert_true(nk_until(kit, "connect 0"));
    int second = nk_connect(listener);
    for (int i = 0; i < 1000 && kit->net.counters.refused == 0; i++)
        nk_step(kit);

    assert_int_equal(kit->net.counters.refused, 1);
    assert_int_equal(kit->net.counters.refused_clients, 1);
    assert_int_equal(count_in_log(kit, "refused: max_clients is reached"), 1);
    assert_non_null(strstr(kit->log, "127.0.0.1:"));
    close(first);
    close(second);
}

/* C8 */
static void
given_a_message_too_long_when_read_then_counted_and_the_client_is_named(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    conn->max_message = 4;

    nk_say(peer, "far too long\n");
    nk_settle(kit);

    assert_int_equal(kit->net.counters.too_long, 1);
    assert_int_equal(kit->net.counters.protocol_errors, 0);
    assert_non_null(strstr(kit->log, "client #0 unix: message too long"));
    close(peer);
}

static void
given_bytes_that_no_framing_allows_when_read_then_counted_and_said(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->framing.kind = KP_FRAME_NETSTRING;
    int peer = nk_pair(kit, &conn);

    nk_say(peer, "x");
    nk_settle(kit);

    assert_int_equal(kit->net.counters.protocol_errors, 1);
    assert_int_equal(count_in_log(kit, "unix: protocol error"), 1);
    close(peer);
}

/* C7, C12 */
static void
given_clocks_that_run_out_when_they_do_then_each_has_its_counter_and_record(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *idle, *partial, *slow;
    kit->net.limits.idle_timeout_ns = 60 * KP_NS_PER_S;
    kit->net.limits.frame_timeout_ns = 30 * KP_NS_PER_S;
    kit->net.limits.slow_reader_ns = 10 * KP_NS_PER_S;
    kit->net.limits.soft_outbox = 100;
    int peers[3] = {nk_pair(kit, &idle), nk_pair(kit, &partial), nk_pair(kit, &slow)};

    nk_say(peers[1], "half");
    fault_fill(slow->source.fd);
    assert_int_equal(nk_write(slow, 1000), 0);
    nk_settle(kit);
    for (int i = 0; i < 61; i++)
        nk_pass(kit, KP_NS_PER_S);

    assert_int_equal(kit->net.counters.idle_timeouts, 1);
    assert_int_equal(kit->net.counters.frame_timeouts, 1);
    assert_int_equal(kit->net.counters.slow_readers, 1);
    assert_int_equal(count_in_log(kit, ": idle timeout"), 1);
    assert_int_equal(count_in_log(kit, ": frame timeout"), 1);
    assert_int_equal(count_in_log(kit, ": slow reader"), 1);
    for (int i = 0; i < 3; i++)
        close(peers[i]);
}

/* C12 */
static void
given_a_full_outbox_when_sent_then_each_failure_is_counted(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    kit->net.limits.max_outbox = 100;
    int peer = nk_pair(kit, &conn);
    fault_fill(conn->source.fd);

    assert_int_equal(nk_write(conn, 80), 0);
    assert_int_equal(nk_write(conn, 80), KELPIE_EFULL);
    assert_int_equal(nk_write(conn, 80), KELPIE_EFULL);

    assert_int_equal(kit->net.counters.outbox_full, 2);
    assert_int_equal(count_in_log(kit, "outbox full"), 2);
    close(peer);
}

/* P13: and the one flood does not hide another limit. */
static void
given_a_flood_of_hits_when_logged_then_ten_and_one_a_second_of_each(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);

    for (int i = 0; i < 1000; i++)
        kp_limit_hit(&kit->net, KP_LIMIT_PER_IP, &conn->peer, NULL);
    kp_limit_hit(&kit->net, KP_LIMIT_KILLS, &conn->peer, conn);
    assert_int_equal(kit->net.counters.refused_per_ip, 1000);
    assert_int_equal(count_in_log(kit, "max_per_ip"), 10);
    assert_int_equal(count_in_log(kit, "script killed"), 1);

    nk_pass(kit, 2 * KP_NS_PER_S);
    kp_limit_hit(&kit->net, KP_LIMIT_PER_IP, &conn->peer, NULL);
    assert_int_equal(count_in_log(kit, "max_per_ip"), 11);
    assert_non_null(strstr(kit->log, "(repeated 990 times)"));
    close(peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_max_clients_when_one_more_comes_then_the_refusal_is_counted_and_said),
        TEST(given_a_message_too_long_when_read_then_counted_and_the_client_is_named),
        TEST(given_bytes_that_no_framing_allows_when_read_then_counted_and_said),
        TEST(given_clocks_that_run_out_when_they_do_then_each_has_its_counter_and_record),
        TEST(given_a_full_outbox_when_sent_then_each_failure_is_counted),
        TEST(given_a_flood_of_hits_when_logged_then_ten_and_one_a_second_of_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
