/*
 * test_accept.c - taking connections from a listener, and what can go wrong with it
 */
#include "net_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* Waits until that many accepts were refused. */
static void
settle_refused(struct net_kit *kit, uint64_t refused)
{
    for (int i = 0; i < 1000 && kit->net.counters.refused < refused; i++)
        nk_settle(kit);
    assert_int_equal(kit->net.counters.refused, refused);
}

/* ---- accepting --------------------------------------------------------------------- */

static void
given_a_tcp_listener_when_a_client_connects_then_it_is_announced_with_its_address(
    void **state)
{
    struct net_kit *kit = *state;
    struct sockaddr_in own;
    socklen_t len = sizeof(own);
    char text[KP_ADDRESS_TEXT_SIZE], expected[64];
    struct kp_listener *listener = nk_listen(kit, "admin=:0");

    int peer = nk_connect(listener);
    assert_true(nk_until(kit, "connect 0"));
    struct kelpie_conn *conn = kp_conns_client(&kit->net, 0);
    assert_int_equal(getsockname(peer, (struct sockaddr *)&own, &len), 0);
    snprintf(expected, sizeof(expected), "127.0.0.1:%d", ntohs(own.sin_port));
    kp_peer_format(text, &conn->peer);

    assert_string_equal(text, expected);
    assert_ptr_equal(conn->listener, listener);
    assert_string_equal(listener->name, "admin");
    assert_ptr_equal(kp_listener_find(&kit->net, "admin"), listener);
    assert_null(kp_listener_find(&kit->net, "other"));
    assert_true(listener->port > 0);
    close(peer);
}

/* A8, C16 */
static void
assert_is_prepared(int fd)
{
    int value = 0;
    socklen_t len = sizeof(value);

    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_true(value != 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &len), 0);
    assert_true(value != 0);
#ifdef TCP_KEEPIDLE
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &len), 0);
    assert_int_equal(value, 60);
#endif
#ifdef TCP_KEEPCNT
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &value, &len), 0);
    assert_int_equal(value, 3);
#endif
}

/* What the first one has inherited is not asked for again. */
static void
given_accepted_sockets_when_looked_at_then_their_flags_and_options_are_set(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");

    int first = nk_connect(listener);
    assert_true(nk_until(kit, "connect 0"));
    size_t asked = kit->sys.calls[FAULT_GETSOCKOPT];
    size_t set = kit->sys.calls[FAULT_SETSOCKOPT];
    int second = nk_connect(listener);
    assert_true(nk_until(kit, "connect 1"));

    assert_true((fcntl(listener->source.fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_is_prepared(kp_conns_client(&kit->net, 0)->source.fd);
    assert_is_prepared(kp_conns_client(&kit->net, 1)->source.fd);
    if (listener->inherits) {
        assert_int_equal(kit->sys.calls[FAULT_GETSOCKOPT], asked);
        assert_int_equal(kit->sys.calls[FAULT_SETSOCKOPT], set);
    }
    close(first);
    close(second);
}

/* A system that does not pass them on: each socket gets its own. */
static void
given_options_that_are_not_inherited_when_accepted_then_all_are_set(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");

    for (unsigned i = 0; i < 2; i++) {
        int off = 0;
        setsockopt(listener->source.fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off));
        int peer = nk_connect(listener);
        assert_true(nk_until(kit, i == 0 ? "connect 0" : "connect 1"));
        assert_is_prepared(kp_conns_client(&kit->net, i)->source.fd);
        assert_false(listener->inherits);
        close(peer);
    }
}

/* A3: options of a socket that was reset already fail on some systems. */
static void
given_options_that_fail_when_accepted_then_the_connection_works(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");

    fault_sys_fail_from(&kit->sys, FAULT_SETSOCKOPT, 1, EINVAL);
    fault_sys_fail_from(&kit->sys, FAULT_GETPEERNAME, 1, ENOTCONN);
    int peer = nk_connect(listener);
    nk_say(peer, "hello\n");

    assert_true(nk_until(kit, "message 0 hello"));
    close(peer);
}

/* A3, A5 */
static void
given_errors_of_single_connections_when_accepting_then_the_listener_goes_on(void **state)
{
    static const int errors[] = {ECONNABORTED, EPROTO,      EPERM,      ENETDOWN,
                                 EHOSTUNREACH, ENETUNREACH, EOPNOTSUPP, ETIMEDOUT,
                                 EINTR,        ENOPROTOOPT, EHOSTDOWN,  ECONNRESET};
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_sys_fail(&kit->sys, FAULT_ACCEPT, 1, errors[i]);
        int peer = nk_connect(listener);
        assert_true(nk_until(kit, "connect 0"));
        close(peer);
        assert_true(nk_until(kit, "gone 0"));
        kit->text[kit->len = 0] = '\0';
    }

    assert_int_equal(kit->net.counters.accept_pauses, 0);
    assert_int_equal(kit->net.counters.refused, 0);
}

/* A6 */
static void
given_a_storm_of_clients_when_stepping_then_64_are_accepted_a_step(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    int peers[80];
    for (int i = 0; i < 80; i++)
        peers[i] = nk_connect(listener);

    nk_step(kit); /* the watch goes in, and may be answered at once */
    if (kit->net.counters.accepted == 0)
        nk_step(kit);
    assert_int_equal(kit->net.counters.accepted, KP_LISTENER_ACCEPTS);
    nk_settle(kit);

    assert_int_equal(kit->net.counters.accepted, 80);
    for (int i = 0; i < 80; i++)
        close(peers[i]);
}

static void
given_a_count_of_who_waits_when_accepting_then_nobody_else_is_asked_for(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    struct kp_event two = {.filter = KP_READ, .count = 2}, unknown = {.filter = KP_READ};
    int peers[3];
    for (int i = 0; i < 3; i++)
        peers[i] = nk_connect(listener);

    listener->source.fn(listener->source.arg, &two);
    assert_int_equal(kit->net.counters.accepted, 2);
    assert_int_equal(kit->sys.calls[FAULT_ACCEPT], 2);

    listener->source.fn(listener->source.arg, &unknown); /* until EAGAIN */
    assert_int_equal(kit->net.counters.accepted, 3);
    assert_int_equal(kit->sys.calls[FAULT_ACCEPT], 4);

    for (int i = 0; i < 3; i++)
        close(peers[i]);
    nk_settle(kit);
    assert_int_equal(kp_conns_count(&kit->net), 0);
}

/* A whole net: who waits is counted by the kernel, and all of them are taken. */
static void
given_a_few_clients_when_stepping_then_all_are_accepted_at_once(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    int peers[5];
    nk_step(kit);
    for (int i = 0; i < 5; i++)
        peers[i] = nk_connect(listener);

    assert_true(nk_until(kit, "connect 4"));
    assert_true(kit->sys.calls[FAULT_ACCEPT] <= 6);

    for (int i = 0; i < 5; i++)
        close(peers[i]);
    nk_settle(kit);
}

/* A2 */
static void
given_max_clients_when_one_more_connects_then_a_text_and_an_orderly_end(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct kp_listener *listener = nk_listen(kit, ":0");
    int peers[100];
    for (int i = 0; i < 100; i++)
        peers[i] = nk_pair(kit, &conn);

    int peer = nk_connect(listener);
    nk_say(peer, "unread input\n");
    settle_refused(kit, 1);

    assert_string_equal(nk_hear(kit, peer), "connection refused.\n");
    assert_int_equal(recv(peer, kit->heard, 1, 0), 0);
    /* Where a reset takes back what was sent before it, only this has saved the text. */
    assert_int_equal(kit->sys.calls[FAULT_RECV], 1);
    nk_told(kit, "");
    close(peer);
    for (int i = 0; i < 100; i++)
        close(peers[i]);
}

static void
given_a_refusal_when_the_text_cannot_be_sent_or_is_missing_then_it_is_only_closed(
    void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    kit->net.numbers.limit = 0;

    fault_sys_fail(&kit->sys, FAULT_SEND, 1, EPIPE);
    int peer = nk_connect(listener);
    settle_refused(kit, 1);
    assert_true(nk_has_ended(peer));
    close(peer);
    kit->net.limits.refused_text = NULL;
    peer = nk_connect(listener);
    settle_refused(kit, 2);

    assert_true(nk_has_ended(peer));
    close(peer);
}

/* ---- without descriptors ----------------------------------------------------------- */

/* A1: the spare descriptor. */
static void
given_no_descriptor_when_clients_come_then_each_is_refused_with_the_spare_one(
    void **state)
{
    static const int errors[] = {EMFILE, ENFILE};
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");

    for (uint64_t i = 0; i < 2; i++) {
        fault_sys_fail(&kit->sys, FAULT_ACCEPT, 1, errors[i]);
        int peer = nk_connect(listener);
        settle_refused(kit, i + 1);
        assert_string_equal(nk_hear(kit, peer), "connection refused.\n");
        assert_true(kit->net.spare_fd >= 0);
        close(peer);
    }

    assert_int_equal(kit->net.counters.accept_pauses, 0);
    int peer = nk_connect(listener);
    assert_true(nk_until(kit, "connect 0"));
    close(peer);
}

/* A1: the spare one is taken by another thread; all listeners pause, without a busy loop. */
static void
given_not_even_the_spare_when_clients_come_then_listeners_pause_100_ms(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0"), *other;

    fault_sys_fail_from(&kit->sys, FAULT_ACCEPT, 1, EMFILE);
    fault_sys_fail_from(&kit->sys, FAULT_OPEN, 1, EMFILE);
    int peer = nk_connect(listener);
    for (int i = 0; i < 100 && kit->net.counters.accept_pauses == 0; i++)
        nk_settle(kit);
    size_t accepts = kit->sys.calls[FAULT_ACCEPT];
    other = nk_listen(kit, ":0"); /* opened meanwhile: it pauses too */
    assert_int_equal(other->source.mode[KP_READ], KP_OFF);
    nk_settle(kit);
    assert_int_equal(kit->sys.calls[FAULT_ACCEPT], accepts);
    assert_true(kp_timers_next(&kit->timers) <= kit->loop.now_ns + KP_ACCEPT_RETRY_NS);
    nk_pass(kit, KP_ACCEPT_RETRY_NS); /* tried, and still none */
    assert_int_equal(kit->net.counters.accept_pauses, 2);
    fault_env_heal(&kit->mem, &kit->sys);
    nk_pass(kit, KP_ACCEPT_RETRY_NS);

    assert_true(nk_until(kit, "connect 0"));
    assert_true(kit->net.spare_fd >= 0);
    assert_int_equal(other->source.mode[KP_READ], KP_COUNT);
    close(peer);
}

/* A1: a connection that closes ends the pause. */
static void
given_paused_listeners_when_a_connection_closes_then_they_go_on_at_once(void **state)
{
    struct net_kit *kit = *state;
    struct kelpie_conn *conn;
    struct kp_listener *listener = nk_listen(kit, ":0");
    int old = nk_pair(kit, &conn);
    fault_sys_fail(&kit->sys, FAULT_ACCEPT, 1, ENOMEM);
    int peer = nk_connect(listener);
    for (int i = 0; i < 100 && !kit->net.accept_paused; i++)
        nk_settle(kit);

    close(old);
    nk_settle(kit);

    assert_false(kit->net.accept_paused);
    assert_true(nk_until(kit, "connect 0"));
    close(peer);
}

/* A4 */
static void
given_no_kernel_memory_when_accepting_then_listeners_pause_without_the_spare(void **state)
{
    static const int errors[] = {ENOBUFS, ENOMEM, EINVAL};
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");

    for (uint64_t i = 0; i < 3; i++) {
        fault_sys_fail(&kit->sys, FAULT_ACCEPT, 1, errors[i]);
        int peer = nk_connect(listener);
        for (int j = 0; j < 100 && kit->net.counters.accept_pauses == i; j++)
            nk_settle(kit);
        assert_int_equal(kit->net.counters.accept_pauses, i + 1);
        nk_pass(kit, KP_ACCEPT_RETRY_NS);
        assert_true(nk_until(kit, "connect"));
        close(peer);
        assert_true(nk_until(kit, "gone"));
        kit->text[kit->len = 0] = '\0';
    }

    assert_int_equal(kit->net.counters.refused, 0);
}

/* A1: one record a second. */
static void
given_many_refusals_when_they_are_logged_then_once_a_second(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    size_t records = 0;

    fault_sys_fail_from(&kit->sys, FAULT_ACCEPT, 1, EMFILE);
    int peer = nk_connect(listener);
    for (int i = 0; i < 25; i++)
        nk_pass(kit, KP_ACCEPT_RETRY_NS); /* two and a half seconds of trying */

    for (char *at = kit->log; (at = strstr(at, "accept 127.0.0.1")) != NULL; at++)
        records++;
    assert_in_range(records, 2, 3);
    close(peer);
}

/* A1 without memory for the timer: the loop does not sleep, the step tries again. */
static void
given_no_memory_for_the_retry_timer_when_paused_then_the_next_step_goes_on(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listener = nk_listen(kit, ":0");
    fault_sys_fail(&kit->sys, FAULT_ACCEPT, 1, ENOMEM);
    nk_settle(kit);
    int peer = nk_connect(listener);

    fault_mem_fail_from(&kit->mem, 1);
    for (int i = 0; i < 100 && !kit->net.accept_paused && kit->len == 0 &&
                    kit->net.counters.accept_pauses == 0;
         i++)
        nk_step(kit);
    assert_int_equal(kit->net.counters.accept_pauses, 1);
    fault_env_heal(&kit->mem, &kit->sys);

    assert_true(nk_until(kit, "connect 0"));
    close(peer);
}

/* A1: more listeners than the loop has room for in its first array of changes. */
static void
given_no_memory_to_watch_when_listeners_resume_then_they_pause_once_more(void **state)
{
    struct net_kit *kit = *state;
    struct kp_listener *listeners[12];
    struct kelpie_conn *conn;
    int old = nk_pair(kit, &conn);
    kp_conn_set_idle_timeout(conn, 1000 * KP_NS_PER_S); /* the heap has its first array */
    for (int i = 0; i < 12; i++) {
        listeners[i] = nk_listen(kit, ":0");
        nk_settle(kit);
    }
    fault_mem_fail_from(&kit->mem, 1);
    fault_sys_fail(&kit->sys, FAULT_ACCEPT, 1, ENOMEM);
    int peer = nk_connect(listeners[11]);
    for (int i = 0; i < 100 && !kit->net.accept_paused; i++)
        nk_settle(kit);
    nk_settle(kit);

    nk_pass(kit, KP_ACCEPT_RETRY_NS);
    assert_int_equal(kit->net.counters.accept_pauses, 2);
    fault_env_heal(&kit->mem, &kit->sys);
    nk_pass(kit, KP_ACCEPT_RETRY_NS);

    assert_true(nk_until(kit, "connect 1"));
    assert_false(kit->net.accept_paused);
    close(peer);
    close(old);
}

/* ---- limits per address ------------------------------------------------------------ */

static int
open_from(struct net_kit *kit, const char *ip, int *fd)
{
    union kp_peer peer = {.in6 = {.sin6_family = AF_INET6}};
    struct kelpie_conn *conn;
    int fds[2];

    if (strchr(ip, ':') == NULL)
        peer =
            (union kp_peer){.in = {.sin_family = AF_INET, .sin_addr = {inet_addr(ip)}}};
    else
        assert_int_equal(inet_pton(AF_INET6, ip, &peer.in6.sin6_addr), 1);
    fault_socketpair(fds);
    int rc = kp_conn_open(&kit->net, &conn, fds[0], &peer, NULL);
    if (rc < 0) {
        close(fds[0]);
        close(fds[1]);
    }
    *fd = fds[1];
    return rc;
}

/* A7 */
static void
given_max_per_ip_when_an_address_has_that_many_then_only_it_is_refused(void **state)
{
    static const char *const ips[] = {"192.0.2.1",   "192.0.2.1",     "192.0.2.2",
                                      "2001:db8::1", "2001:db8::2:3", "2001:db8:0:1::1",
                                      "127.0.0.1",   "127.0.0.1",     "127.0.0.1"};
    struct net_kit *kit = *state;
    int peers[9], more;
    kit->net.limits.max_per_ip = 2;
    for (int i = 0; i < 9; i++)
        assert_int_equal(open_from(kit, ips[i], &peers[i]), 0);

    assert_int_equal(open_from(kit, "192.0.2.1", &more), -EUSERS);
    assert_int_equal(open_from(kit, "2001:db8::ffff", &more), -EUSERS);
    close(peers[0]);
    nk_settle(kit);

    assert_int_equal(open_from(kit, "192.0.2.1", &peers[0]), 0);
    assert_int_equal(open_from(kit, "192.0.2.1", &more), -EUSERS);
    for (int i = 0; i < 9; i++)
        close(peers[i]);
    nk_settle(kit);
    assert_int_equal(kit->net.by_ip.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(
            given_a_tcp_listener_when_a_client_connects_then_it_is_announced_with_its_address),
        TEST(given_accepted_sockets_when_looked_at_then_their_flags_and_options_are_set),
        TEST(given_options_that_are_not_inherited_when_accepted_then_all_are_set),
        TEST(given_options_that_fail_when_accepted_then_the_connection_works),
        TEST(given_errors_of_single_connections_when_accepting_then_the_listener_goes_on),
        TEST(given_a_storm_of_clients_when_stepping_then_64_are_accepted_a_step),
        TEST(given_a_count_of_who_waits_when_accepting_then_nobody_else_is_asked_for),
        TEST(given_a_few_clients_when_stepping_then_all_are_accepted_at_once),
        TEST(given_max_clients_when_one_more_connects_then_a_text_and_an_orderly_end),
        TEST(
            given_a_refusal_when_the_text_cannot_be_sent_or_is_missing_then_it_is_only_closed),
        TEST(
            given_no_descriptor_when_clients_come_then_each_is_refused_with_the_spare_one),
        TEST(given_not_even_the_spare_when_clients_come_then_listeners_pause_100_ms),
        TEST(given_paused_listeners_when_a_connection_closes_then_they_go_on_at_once),
        TEST(
            given_no_kernel_memory_when_accepting_then_listeners_pause_without_the_spare),
        TEST(given_many_refusals_when_they_are_logged_then_once_a_second),
        TEST(given_no_memory_for_the_retry_timer_when_paused_then_the_next_step_goes_on),
        TEST(given_no_memory_to_watch_when_listeners_resume_then_they_pause_once_more),
        TEST(given_max_per_ip_when_an_address_has_that_many_then_only_it_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
