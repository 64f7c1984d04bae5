/*
 * test_conns.c - the table of connections, and the phases of a step
 */
#include "net_kit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static void
given_numbers_in_use_when_one_is_freed_then_the_smallest_is_given_again(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conns[4];
    int peers[4];
    nk_pairs(kit, 3, conns, peers);

    close(peers[1]);
    nk_settle(kit);
    peers[1] = nk_pair(kit, &conns[1]);
    peers[3] = nk_pair(kit, &conns[3]);

    assert_int_equal(conns[1]->number, 1);
    assert_int_equal(conns[1]->id, 4);
    assert_int_equal(conns[3]->number, 3);
    assert_ptr_equal(kp_conns_find(&kit->net, 4), conns[1]);
    assert_null(kp_conns_find(&kit->net, 2));
    assert_null(kp_conns_find(&kit->net, 99));
    assert_null(kp_conns_client(&kit->net, 4));
    assert_null(kp_conns_client(&kit->net, 1000000));
    assert_int_equal(kp_conns_count(&kit->net), 4);
    nk_hang_up(peers, 4);
}

static void
given_a_closed_connection_when_looked_for_then_it_is_not_found(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    size_t cursor = 0;
    int peer = nk_pair(kit, &conn);

    kp_conn_close(conn, "bye");
    assert_ptr_equal(kp_conns_find(&kit->net, 1), conn); /* it drains */
    assert_null(kp_conns_next(&kit->net, &cursor));
    kp_conn_drop(conn, "bye", false);

    assert_null(kp_conns_find(&kit->net, 1));
    assert_null(kp_conns_client(&kit->net, 0));
    assert_int_equal(kp_conns_count(&kit->net), 1);
    close(peer);
}

static void
given_connections_when_walked_while_they_open_and_close_then_the_walk_ends(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conns[4], *conn, *another;
    int peers[4], more[20];
    size_t cursor = 0, n = 0;
    nk_pairs(kit, 4, conns, peers);

    while ((conn = kp_conns_next(&kit->net, &cursor)) != NULL) {
        if (n == 0)
            kp_conn_drop(conns[1], "gone", false);
        if (n == 1)
            for (int i = 0; i < 20; i++)
                more[i] = nk_pair(kit, &another);
        n++;
    }

    assert_int_equal(n, 3 + 20 - 1); /* one got number 1, which the walk has passed */
    nk_hang_up(peers, 4);
    for (int i = 0; i < 20; i++)
        close(more[i]);
}

/* E1, E2: both have an event in this batch; the first handler closes the other one. */
static void
drop_the_other(struct net_kit *kit, struct kelpie_conn *conn, const char *message UNUSED,
               size_t len UNUSED)
{
    struct kelpie_conn *other = kp_conns_client(&kit->net, conn->number == 0 ? 1 : 0);

    if (other != NULL)
        kp_conn_drop(other, "kicked", false);
}

static void
given_events_for_two_when_the_first_drops_the_second_then_no_message_of_it_is_told(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conns[2];
    int peers[2];
    nk_pairs(kit, 2, conns, peers);
    kit->on_message = drop_the_other;

    nk_say(peers[0], "from 0\n");
    nk_say(peers[1], "from 1\n");
    nk_settle(kit);

    nk_told(kit, "message 0 from 0\ndisconnect 1 kicked\ngone 1\n");
    close(peers[0]);
    close(peers[1]);
}

/* E1: the descriptor is closed after the batch only, so its number cannot be reused in it. */
static void
given_a_dropped_connection_when_the_phases_go_by_then_only_reap_closes_its_descriptor(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    size_t closes = kit->sys.calls[FAULT_CLOSE];

    kp_conn_drop(conn, "kicked", false);
    assert_true(kp_conns_have_work(&kit->net));
    kp_conns_announce(&kit->net);
    kp_conns_deliver(&kit->net);
    kp_conns_notify(&kit->net, KP_NEVER);
    kp_conns_flush(&kit->net);
    assert_int_equal(kit->sys.calls[FAULT_CLOSE], closes);
    assert_true(kp_conns_have_work(&kit->net));
    kp_conns_reap(&kit->net);

    assert_int_equal(kit->sys.calls[FAULT_CLOSE], closes + 1);
    assert_false(kp_conns_have_work(&kit->net));
    close(peer);
}

/* E1: an event that comes late is recognised; the number of the descriptor is in use again. */
static void
given_a_reused_descriptor_when_an_event_of_the_old_one_was_taken_out_then_it_is_dropped(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *old, *next;
    union kp_peer unix_peer = {.any = {.sa_family = AF_UNIX}};
    int peer = nk_pair(kit, &old), fds[2];
    int fd = old->source.fd;
    nk_say(peer, "stale\n");
    assert_int_equal(kp_loop_wait(&kit->loop, 0), 1);

    kp_conn_drop(old, "kicked", false);
    kp_conns_notify(&kit->net, KP_NEVER);
    kp_conns_reap(&kit->net);
    fault_socketpair(fds);
    assert_int_equal(kp_conn_open(&kit->net, &next, fds[0], &unix_peer, NULL), 0);
    assert_int_equal(next->source.fd, fd);
    kp_loop_dispatch(&kit->loop);

    assert_false(next->readable);
    nk_settle(kit);
    nk_told(kit, "disconnect 0 kicked\ngone 0\nconnect 0\n");
    close(peer);
    close(fds[1]);
}

static void
open_another(struct net_kit *kit, struct kelpie_conn *conn UNUSED)
{
    union kp_peer peer = {.any = {.sa_family = AF_UNIX}};
    struct kelpie_conn *another;
    int fds[2];

    if (kit->net.counters.accepted >= 5)
        return;
    fault_socketpair(fds);
    close(fds[1]);
    assert_int_equal(kp_conn_open(&kit->net, &another, fds[0], &peer, NULL), 0);
}

/* A phase works on what was there when it began. */
static void
given_a_handler_that_opens_connections_when_announced_then_they_wait_for_the_next_step(
    void **state)
{
    struct net_kit *kit = *state;
    kit->on_connect = open_another;

    open_another(kit, NULL);
    nk_step(kit);
    nk_told(kit, "connect 0\n");
    nk_step(kit);
    nk_told(kit, "connect 1\n");
    nk_settle(kit);

    assert_int_equal(kit->net.counters.accepted, kit->net.counters.closed);
}

/* E5 */
static void
drop_everybody(struct net_kit *kit, struct kelpie_conn *conn UNUSED)
{
    kp_conns_drop_all(&kit->net, "all out");
}

static void
given_several_new_ones_when_the_first_handler_drops_all_then_the_others_are_not_told(
    void **state)
{
    struct net_kit *kit = *state;
    union kp_peer peer = {.any = {.sa_family = AF_UNIX}};
    struct kelpie_conn *conn;
    kit->on_connect = drop_everybody;
    for (int i = 0; i < 3; i++) {
        int fds[2];
        fault_socketpair(fds);
        close(fds[1]);
        assert_int_equal(kp_conn_open(&kit->net, &conn, fds[0], &peer, NULL), 0);
    }

    nk_settle(kit);

    nk_told(kit, "connect 0\ndisconnect 0 all out\ngone 0\ngone 1\ngone 2\n");
}

static void
given_connections_when_all_are_closed_then_each_is_flushed_and_told(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct iovec part = {.iov_base = "bye", .iov_len = 3};
    int peers[3];
    for (int i = 0; i < 3; i++)
        peers[i] = nk_pair(kit, &conn);

    assert_int_equal(kp_conns_broadcast(&kit->net, &part, 1, true, conn), 2);
    kp_conns_close_all(&kit->net, "shutdown");
    nk_settle(kit);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(nk_hear(kit, peers[i]), i < 2 ? "bye\n" : "");
        close(peers[i]);
    }
    nk_settle(kit);

    assert_int_equal(kp_conns_count(&kit->net), 0);
    assert_non_null(strstr(kit->text, "disconnect 2 shutdown\n"));
}

static void
given_no_memory_when_broadcasting_then_nobody_got_it(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct iovec part = {.iov_base = "hello", .iov_len = 5};
    int peer = nk_pair(kit, &conn);

    fault_mem_fail(&kit->mem, 1);
    int rc = kp_conns_broadcast(&kit->net, &part, 1, true, NULL);

    assert_int_equal(rc, -ENOMEM);
    assert_int_equal(conn->outbox.len, 0);
    close(peer);
}

/* A2 of this layer: max_clients counts every connection that exists. */
static void
given_the_limit_of_clients_when_one_more_opens_then_enospc_and_nothing_is_taken(
    void **state)
{
    struct net_kit *kit = *state;
    union kp_peer peer = {.any = {.sa_family = AF_UNIX}};
    struct kelpie_conn *conn;
    int peers[100], fds[2];
    for (int i = 0; i < 100; i++)
        peers[i] = nk_pair(kit, &conn);

    fault_socketpair(fds);
    assert_int_equal(kp_conn_open(&kit->net, &conn, fds[0], &peer, NULL), -ENOSPC);
    assert_null(conn);
    close(fds[0]);
    close(fds[1]);
    close(peers[50]);
    nk_settle(kit);
    peers[50] = nk_pair(kit, &conn);

    assert_int_equal(conn->number, 50);
    nk_hang_up(peers, 100);
}

/* P1 of this layer: each allocation of opening fails once. */
static void
given_no_memory_when_a_connection_opens_then_it_fails_and_the_socket_stays_the_callers(
    void **state)
{
    struct net_kit *kit = *state;
    union kp_peer peer = {.in = {.sin_family = AF_INET, .sin_addr = {0x01020304}}};
    struct kelpie_conn *conn;
    kit->net.limits.max_per_ip = 1;
    kit->net.limits.idle_timeout_ns = KP_NS_PER_S;
    int fds[2];
    fault_socketpair(fds);

    size_t n = 1;
    for (;; n++) {
        fault_mem_fail(&kit->mem, n);
        int rc = kp_conn_open(&kit->net, &conn, fds[0], &peer, NULL);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_null(conn);
        assert_int_equal(kp_conns_count(&kit->net), 0);
    }

    assert_true(n > 6);
    assert_int_equal(conn->number, 0);
    close(fds[1]);
    nk_settle(kit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_numbers_in_use_when_one_is_freed_then_the_smallest_is_given_again),
        TEST(given_a_closed_connection_when_looked_for_then_it_is_not_found),
        TEST(given_connections_when_walked_while_they_open_and_close_then_the_walk_ends),
        TEST(
            given_events_for_two_when_the_first_drops_the_second_then_no_message_of_it_is_told),
        TEST(
            given_a_dropped_connection_when_the_phases_go_by_then_only_reap_closes_its_descriptor),
        TEST(
            given_a_reused_descriptor_when_an_event_of_the_old_one_was_taken_out_then_it_is_dropped),
        TEST(
            given_a_handler_that_opens_connections_when_announced_then_they_wait_for_the_next_step),
        TEST(
            given_several_new_ones_when_the_first_handler_drops_all_then_the_others_are_not_told),
        TEST(given_connections_when_all_are_closed_then_each_is_flushed_and_told),
        TEST(given_no_memory_when_broadcasting_then_nobody_got_it),
        TEST(
            given_the_limit_of_clients_when_one_more_opens_then_enospc_and_nothing_is_taken),
        TEST(
            given_no_memory_when_a_connection_opens_then_it_fails_and_the_socket_stays_the_callers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
