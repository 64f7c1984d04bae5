/*
 * test_conn_flush.c - many connections are written to, then their accounts are done
 *
 * Handlers run only when the accounts of all are done: on_drain of the first connection does
 * something to others whose bytes were written just before.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net_kit.h"

enum { N = 5 };

static struct kelpie_conn *conns[N];
static int peers[N];

/* Everybody has something to get, and the first one so much that it hears of the drain. */
static void
queue_for_all(struct net_kit *kit)
{
    nk_pairs(kit, N, conns, peers);
    kit->net.limits.soft_outbox = 1000;
    assert_int_equal(nk_write(conns[0], 600), 0);
    for (int i = 1; i < N; i++)
        assert_int_equal(nk_send(conns[i], "first"), 0);
}

static void
do_to_others(struct net_kit *kit, struct kelpie_conn *conn)
{
    kit->on_drain = NULL;
    assert_ptr_equal(conn, conns[0]);
    for (int i = 0; i < N; i++)
        assert_int_equal(conns[i]->outbox.len, 0);
    assert_int_equal(kit->net.outbox_total, 0);
    assert_int_equal(nk_send(conns[0], "drained"), 0);
    assert_int_equal(nk_send(conns[1], "second"), 0);
    kp_conn_close(conns[2], "closed");
    kp_conn_finish(conns[3]);
    kp_conn_finish(conns[4]);
    kp_conn_drop(conns[4], "dropped", false);
}

static void
given_written_connections_when_a_handler_changes_them_then_nothing_is_written_twice(
    void **state)
{
    struct net_kit *kit = *state;
    queue_for_all(kit);
    kit->on_drain = do_to_others;

    nk_settle(kit);

    nk_told(kit, "drain 0\ndisconnect 4 dropped\ngone 4\n");
    assert_int_equal(fault_drain(peers[0]), 600 + strlen("drained\n"));
    assert_string_equal(nk_hear(kit, peers[1]), "first\nsecond\n");
    assert_string_equal(nk_hear(kit, peers[2]), "first\n");
    assert_string_equal(nk_hear(kit, peers[3]), "first\n");
    assert_string_equal(nk_hear(kit, peers[4]), "first\n");
    for (int i = 0; i < N; i++)
        assert_int_equal(nk_has_ended(peers[i]), i >= 2);
    assert_true(kp_conn_is_open(conns[3])); /* it may go on speaking */
    nk_hang_up(peers, N);
}

static void
given_a_write_that_fails_when_others_are_written_then_they_get_theirs(void **state)
{
    struct net_kit *kit = *state;
    queue_for_all(kit);

    fault_sys_fail(&kit->sys, FAULT_SEND, 2, EPIPE);
    nk_settle(kit);

    nk_told(kit, "drain 0\ndisconnect 1 reset\ngone 1\n");
    assert_int_equal(fault_drain(peers[0]), 600);
    assert_string_equal(nk_hear(kit, peers[1]), "");
    for (int i = 2; i < N; i++)
        assert_string_equal(nk_hear(kit, peers[i]), "first\n");
    nk_hang_up(peers, N);
}

static void
given_a_full_socket_when_others_are_written_then_it_gets_its_own_later(void **state)
{
    struct net_kit *kit = *state;
    queue_for_all(kit);

    fault_sys_fail(&kit->sys, FAULT_SEND, 3, EAGAIN);
    nk_step(kit);
    assert_true(conns[2]->write_blocked);
    assert_int_equal(kit->net.outbox_total, strlen("first\n"));
    nk_settle(kit);

    assert_int_equal(kit->net.outbox_total, 0);
    for (int i = 1; i < N; i++)
        assert_string_equal(nk_hear(kit, peers[i]), "first\n");
    nk_hang_up(peers, N);
}

static void
given_more_connections_than_are_written_together_when_flushed_then_each_once(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *all[70];
    int many[70];

    nk_pairs(kit, 70, all, many);
    for (int i = 0; i < 70; i++)
        assert_int_equal(nk_send(all[i], "hello"), 0);
    size_t sends = kit->sys.calls[FAULT_SEND];
    nk_step(kit);

    assert_int_equal(kit->sys.calls[FAULT_SEND] - sends, 70);
    assert_int_equal(kit->net.outbox_total, 0);
    for (int i = 0; i < 70; i++)
        assert_string_equal(nk_hear(kit, many[i]), "hello\n");
    nk_hang_up(many, 70);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(
            given_written_connections_when_a_handler_changes_them_then_nothing_is_written_twice),
        TEST(given_a_write_that_fails_when_others_are_written_then_they_get_theirs),
        TEST(given_a_full_socket_when_others_are_written_then_it_gets_its_own_later),
        TEST(
            given_more_connections_than_are_written_together_when_flushed_then_each_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
