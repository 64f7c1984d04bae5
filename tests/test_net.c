/*
 * test_net.c - setting up and clearing a net, and a small scenario in which everything fails
 *
 * The scenario has a listener, two clients, a room, messages in both directions and an end.
 * Every allocation of it fails once, and every system call with every errno that it has;
 * whatever happens, nothing may crash or leak, no hook may be told twice, and afterwards
 * the net serves a new client.
 */
#include "net_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static size_t
count_lines(const char *text, const char *word)
{
    size_t n = 0;

    for (; *text != '\0'; text = strchr(text, '\n') + 1)
        n += strncmp(text, word, strlen(word)) == 0;
    return n;
}

static int
setup_closed(void **state)
{
    struct net_kit *kit = malloc(sizeof(*kit));

    assert_non_null(kit);
    nk_prepare(kit);
    *state = kit;
    return 0;
}

static void
given_doors_that_fail_when_a_net_is_opened_then_nothing_is_left(void **state)
{
    struct net_kit *kit = *state;

    fault_sys_fail(&kit->sys, FAULT_OPEN, 1, EMFILE);
    assert_int_equal(nk_open(kit), -EMFILE);
    for (size_t n = 1; n <= 3; n++) {
        fault_env_heal(&kit->mem, &kit->sys);
        fault_sys_fail(&kit->sys, FAULT_RANDOM, n, EIO);
        assert_int_equal(nk_open(kit), -EIO);
    }
    size_t n = 1;
    for (;; n++) {
        fault_env_heal(&kit->mem, &kit->sys);
        fault_mem_fail(&kit->mem, n);
        int rc = nk_open(kit);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_null(kit->net.env);
        kp_net_clear(&kit->net); /* of one that was not set up: harmless */
    }

    assert_true(n > 1);
}

static bool
never_told(struct net_kit *kit UNUSED, struct kelpie_conn *conn UNUSED)
{
    return false;
}

static void
given_connections_in_all_states_when_the_net_is_cleared_then_each_is_told_and_gone(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conns[4];
    int peers[4];
    assert_int_equal(nk_open(kit), 0);
    nk_pairs(kit, 4, conns, peers);
    kp_conn_close(conns[1], "bye");
    kp_conn_drop(conns[2], "kicked", false);
    assert_int_equal(nk_send(conns[3], "unsent"), 0);

    kp_net_clear(&kit->net);

    nk_told(kit, "disconnect 2 kicked\ndisconnect 0 shutdown\ndisconnect 1 bye\n"
                 "disconnect 3 shutdown\ngone 2\ngone 0\ngone 1\ngone 3\n");
    kp_loop_close(&kit->loop);
    nk_hang_up(peers, 4);
}

static void
given_a_handler_that_never_ends_when_the_net_is_cleared_then_its_connection_is_freed(
    void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    assert_int_equal(nk_open(kit), 0);
    kit->on_disconnect = never_told;
    int peer = nk_pair(kit, &conn);
    kp_conn_hold(conn);

    kp_net_clear(&kit->net);

    nk_told(kit, "gone 0\n");
    kp_loop_close(&kit->loop);
    close(peer);
}

/* C15: who comes and goes leaves nothing behind. */
static void
given_many_clients_that_come_and_go_when_counted_then_memory_is_flat(void **state)
{
    struct net_kit *kit = *state;
    assert_int_equal(nk_open(kit), 0);
    struct kp_listener *listener = nk_listen(kit, ":0");
    size_t used = 0;

    for (int i = 0; i < 300; i++) {
        int peer = nk_connect(listener);
        nk_say(peer, "hello\n");
        assert_true(nk_until(kit, "message 0 hello"));
        close(peer);
        assert_true(nk_until(kit, "gone 0"));
        kit->text[kit->len = 0] = '\0';
        if (i == 10)
            used = kit->env.mem.used;
    }

    assert_int_equal(kit->env.mem.used, used);
    assert_int_equal(kit->net.counters.accepted, 300);
    assert_int_equal(kit->net.counters.closed, 300);
}

#define MANY 20 /* more than the loop's first array of changes holds */

/* The kernel cannot be told what to watch: then the connection ends. */
static void
given_no_memory_for_changes_when_many_are_made_then_those_without_end(void **state)
{
    struct net_kit *kit = *state;
    union kp_peer peer = {.any = {.sa_family = AF_UNIX}};
    struct kelpie_conn *conns[MANY];
    int fds[2], peers[MANY];
    assert_int_equal(nk_open(kit), 0);
    for (int i = 0; i < MANY; i++) {
        fault_socketpair(fds);
        assert_int_equal(kp_conn_open(&kit->net, &conns[i], fds[0], &peer, NULL), 0);
        peers[i] = fds[1];
    }

    fault_mem_fail_from(&kit->mem, 1);
    nk_settle(kit);
    assert_in_range(count_lines(kit->text, "connect "), MANY, MANY);
    assert_in_range(count_lines(kit->text, "disconnect 19 out of memory"), 1, 1);
    fault_env_heal(&kit->mem, &kit->sys);
    kp_conns_drop_all(&kit->net, "enough");
    nk_settle(kit);
    assert_int_equal(kp_conns_count(&kit->net), 0);
    nk_hang_up(peers, MANY);
}

/* ---- the scenario ------------------------------------------------------------------ */

static void
serve(struct net_kit *kit, struct kelpie_conn *conn, const char *message, size_t len)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = len};
    struct kelpie_room *room;

    /* What fails here is what may fail; the scenario goes on without it. */
    (void)kp_conn_send(conn, &part, 1);
    if (kp_room_open(&kit->net, &room, "room", 4) == 0) {
        (void)!kp_room_join(room, conn);
        (void)kp_room_send(room, &part, 1, true, NULL);
        kp_room_unref(room);
    }
    if (len == 4 && memcmp(message, "quit", 4) == 0)
        kp_conn_close(conn, "quit");
    if (len == 4 && memcmp(message, "kick", 4) == 0)
        kp_conn_drop(conn, "kick", true);
}

static void
try_to_say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static struct kp_listener *
try_to_listen(struct net_kit *kit)
{
    struct kp_address address;
    struct kp_listener *listener;
    char why[300];

    assert_int_equal(kp_address_parse(&address, ":0", why, sizeof(why)), 0);
    if (kp_listener_open(&kit->net, &listener, &address, why, sizeof(why)) < 0)
        assert_true(strlen(why) > 10);
    return listener;
}

static void
run_clients(struct net_kit *kit, struct kp_listener *listener)
{
    static const char *const last[3] = {"hal", "quit\nrest\n", "kick\n"};
    int peers[3];

    for (int i = 0; i < 3; i++) {
        peers[i] = nk_connect(listener);
        nk_settle(kit);
        try_to_say(peers[i], "one\ntw");
    }
    nk_pass(kit, KP_NS_PER_S);
    for (int i = 0; i < 3; i++)
        try_to_say(peers[i], "o\n");
    nk_settle(kit);
    for (int i = 0; i < 3; i++)
        try_to_say(peers[i], last[i]);
    (void)shutdown(peers[0], SHUT_WR);
    nk_settle(kit);
    nk_hang_up(peers, 3);
    nk_pass(kit, 100 * KP_NS_PER_S);
}

/* Runs it once. Returns whether the net could be opened at all. */
static void
run_scenario(struct net_kit *kit)
{
    kit->limits.frame_timeout_ns = 30 * KP_NS_PER_S;
    kit->limits.idle_timeout_ns = 60 * KP_NS_PER_S;
    kit->limits.half_close_timeout_ns = 10 * KP_NS_PER_S;
    kit->limits.max_per_ip = 10;
    kit->limits.soft_outbox = 5;
    kit->on_message = serve;
    if (nk_open(kit) < 0)
        return;
    struct kp_listener *listener = try_to_listen(kit);
    if (listener != NULL)
        run_clients(kit, listener);
}

/* The invariants: each connect has its disconnect, and a healed net serves. */
static void
check_afterwards(struct net_kit *kit)
{
    fault_env_heal(&kit->mem, &kit->sys);
    if (kit->net.env == NULL)
        return;
    nk_pass(kit, 1000 * KP_NS_PER_S);
    assert_int_equal(count_lines(kit->text, "connect "),
                     count_lines(kit->text, "disconnect "));
    assert_int_equal(kp_conns_count(&kit->net), 0);
    assert_int_equal(kit->net.outbox_total, 0);
    assert_int_equal(kit->net.n_rooms, 0);
    assert_int_equal(kit->net.by_ip.count, 0);

    struct kp_listener *listener = nk_listen(kit, ":0");
    int peer = nk_connect(listener);
    kit->text[kit->len = 0] = '\0';
    nk_say(peer, "hello\n");
    assert_true(nk_until(kit, "message 0 hello"));
    close(peer);
}

static void
given_the_scenario_when_nothing_fails_then_all_is_told(void **state)
{
    struct net_kit *kit = *state;

    run_scenario(kit);

    assert_int_equal(count_lines(kit->text, "connect "), 3);
    assert_int_equal(count_lines(kit->text, "message "), 8);
    assert_non_null(strstr(kit->text, "disconnect 0 eof\n"));
    assert_non_null(strstr(kit->text, "disconnect 1 quit\n"));
    assert_non_null(strstr(kit->text, "disconnect 2 kick\n"));
    check_afterwards(kit);
}

static void
given_the_scenario_when_allocation_n_fails_then_the_net_lives(void **state UNUSED)
{
    static struct net_kit kit;
    size_t failures = 1;

    for (size_t n = 1; failures > 0; n++) {
        for (int from_now_on = 0; from_now_on < 2; from_now_on++) {
            nk_prepare(&kit);
            if (from_now_on)
                fault_mem_fail_from(&kit.mem, n);
            else
                fault_mem_fail(&kit.mem, n);
            run_scenario(&kit);
            failures = kit.mem.failures;
            check_afterwards(&kit);
            nk_close(&kit);
        }
    }
}

static void
given_the_scenario_when_a_system_call_fails_then_the_net_lives(void **state UNUSED)
{
    static const struct {
        enum fault_call call;
        int errors[8];
    } cases[] = {
        {FAULT_ACCEPT,
         {EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EPROTO, EINTR, EPERM}},
        {FAULT_RECV, {ECONNRESET, ETIMEDOUT, EINTR, ENOTCONN, ENOMEM}},
        {FAULT_SEND, {EAGAIN, EPIPE, ECONNRESET, ENOBUFS, EINTR, ENOMEM, ENETDOWN}},
        {FAULT_SETSOCKOPT, {EINVAL, ENOMEM, ENOPROTOOPT}},
        {FAULT_SHUTDOWN, {ENOTCONN, EINVAL, ENOBUFS}},
        {FAULT_KEVENT, {EINTR, ENOMEM}},
        {FAULT_OPEN, {EMFILE, ENFILE}},
        {FAULT_CLOSE, {EINTR, EIO}},
        {FAULT_SOCKET, {EMFILE, EACCES}},
        {FAULT_BIND, {EADDRINUSE, EACCES}},
        {FAULT_LISTEN, {EADDRINUSE}},
        {FAULT_GETSOCKNAME, {ENOBUFS}},
    };
    static struct net_kit kit;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t j = 0; j < 8 && cases[i].errors[j] != 0; j++) {
            for (size_t n = 1; n <= 10; n++) {
                nk_prepare(&kit);
                fault_sys_fail(&kit.sys, cases[i].call, n, cases[i].errors[j]);
                run_scenario(&kit);
                check_afterwards(&kit);
                nk_close(&kit);
            }
        }
    }
}

/* C6 */
static void
given_the_scenario_when_every_transfer_is_one_byte_then_all_is_told(void **state)
{
    struct net_kit *kit = *state;
    kit->sys.recv_one_byte = kit->sys.send_one_byte = true;

    run_scenario(kit);

    assert_int_equal(count_lines(kit->text, "message "), 8);
    check_afterwards(kit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_closed, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_doors_that_fail_when_a_net_is_opened_then_nothing_is_left),
        TEST(
            given_connections_in_all_states_when_the_net_is_cleared_then_each_is_told_and_gone),
        TEST(
            given_a_handler_that_never_ends_when_the_net_is_cleared_then_its_connection_is_freed),
        TEST(given_many_clients_that_come_and_go_when_counted_then_memory_is_flat),
        TEST(given_no_memory_for_changes_when_many_are_made_then_those_without_end),
        TEST(given_the_scenario_when_nothing_fails_then_all_is_told),
        cmocka_unit_test(given_the_scenario_when_allocation_n_fails_then_the_net_lives),
        cmocka_unit_test(given_the_scenario_when_a_system_call_fails_then_the_net_lives),
        TEST(given_the_scenario_when_every_transfer_is_one_byte_then_all_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
