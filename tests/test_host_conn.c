/*
 * test_host_conn.c - what a host does with connections and rooms, in C
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/server.h"
#include "server_kit.h"

/* Does what the message says. */
struct host {
    kelpie_room *room;
    int drains, drain_result;
    char rooms[64]; /* names of those that were left at a disconnect */
};

static void
note_rooms(struct host *host, const kelpie_conn *conn)
{
    kelpie_room *rooms[4] = {NULL};
    size_t n = kelpie_conn_rooms(conn, rooms, 4);

    assert_true(n <= 4);
    host->rooms[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(kelpie_room_has(rooms[i], conn), 1);
        strcat(host->rooms, kelpie_room_name(rooms[i]));
    }
}

static int
on_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    struct host *host = arg;
    char text[64];

    snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)message);
    if (strncmp(text, "framing ", 8) == 0) {
        int rc = kelpie_conn_set_framing(conn, text + 8);
        return rc < 0 ? kelpie_conn_write(conn, "no\n", 3) : KELPIE_DONE;
    }
    if (strcmp(text, "join") == 0)
        return kelpie_room_join(host->room, conn) == 1 ? KELPIE_DONE : -1;
    if (strcmp(text, "leave") == 0)
        kelpie_conn_leave_all(conn);
    return kelpie_conn_send(conn, text, strlen(text));
}

static int
on_disconnect(kelpie_conn *conn, const char *reason, void *arg)
{
    (void)reason;
    note_rooms(arg, conn);
    return KELPIE_PASS;
}

static int
on_drain(kelpie_conn *conn, void *arg)
{
    struct host *host = arg;

    assert_true(kelpie_conn_is_open(conn));
    host->drains++;
    return host->drain_result;
}

static const struct kelpie_handlers handlers = {
    .size = sizeof(handlers),
    .on_message = on_message,
    .on_disconnect = on_disconnect,
    .on_drain = on_drain,
};

static void
start(struct server_kit *kit, struct host *host)
{
    memset(host, 0, sizeof(*host));
    sv_start(kit, NULL, "return { on_drain = function() print('lua drain') end }");
    assert_int_equal(kelpie_set_handlers(kit->k, &handlers, host), 0);
    assert_int_equal(kelpie_room_open(kit->k, &host->room, "lobby"), 0);
}

static void
stop(struct server_kit *kit, struct host *host)
{
    kelpie_room_close(host->room);
    sv_stop(kit);
}

/* ---- tests ----------------------------------------------------------------------------- */

static void
given_lines_when_one_connection_takes_another_framing_then_only_that_one(void **state)
{
    (void)state;
    struct server_kit kit;
    struct host host;
    start(&kit, &host);
    int a = sv_connect(&kit), b = sv_connect(&kit);

    sv_send(&kit, a, "framing netstring\n3:one,");
    sv_send(&kit, b, "3:one,\n");

    sv_expect(&kit, a, "3:one,");
    sv_expect(&kit, b, "3:one,\n");
    sv_send(&kit, b, "framing words\n"); /* it answers "no" where it knows none */
    sv_expect(&kit, b, "no\n");
    sv_send(&kit, b, "framing fixed:9000\n"); /* more than max_message */
    sv_expect(&kit, b, "no\n");
    close(a);
    close(b);
    stop(&kit, &host);
}

static void
given_three_members_when_the_host_looks_then_it_finds_the_open_ones(void **state)
{
    (void)state;
    struct server_kit kit;
    struct host host;
    kelpie_conn *found[4] = {NULL};
    start(&kit, &host);
    int a = sv_connect(&kit), b = sv_connect(&kit), c = sv_connect(&kit);
    sv_expect_clients(&kit, 3);
    assert_int_equal(kelpie_conns(kit.k, found, 2), 3);
    assert_int_equal(kelpie_conn_number(found[1]), 1);
    assert_null(found[2]);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(kelpie_room_join(host.room, kelpie_client(kit.k, i)), 1);

    assert_int_equal(kelpie_room_members(host.room, NULL, 0), 2);
    assert_int_equal(kelpie_room_members(host.room, found, 4), 2);
    assert_int_equal(kelpie_conn_number(found[0]) + kelpie_conn_number(found[1]), 1);
    assert_int_equal(kelpie_room_has(host.room, found[0]), 1);
    assert_int_equal(kelpie_room_has(host.room, kelpie_client(kit.k, 2)), 0);
    assert_string_equal(kelpie_room_name(host.room), "lobby");
    assert_int_equal(kelpie_room_write(host.room, "raw", 3, kelpie_client(kit.k, 1)), 1);
    sv_expect(&kit, a, "raw");

    for (size_t i = 0; i < 2; i++)
        kelpie_conn_close(found[i], NULL);
    assert_int_equal(kelpie_room_members(host.room, found, 4), 0);
    assert_int_equal(kelpie_conn_set_framing(found[0], "raw"), KELPIE_ECLOSED);
    assert_int_equal(kelpie_conns(kit.k, NULL, 0), 1);
    close(a);
    close(b);
    close(c);
    stop(&kit, &host);
}

static void
given_members_when_one_leaves_and_one_is_gone_then_both_are_out(void **state)
{
    (void)state;
    struct server_kit kit;
    struct host host;
    start(&kit, &host);
    int a = sv_connect(&kit), b = sv_connect(&kit);
    sv_send(&kit, a, "join\n.\n");
    sv_expect(&kit, a, ".\n");
    sv_send(&kit, b, "join\n.\n");
    sv_expect(&kit, b, ".\n");
    assert_int_equal(kelpie_room_count(host.room), 2);

    sv_send(&kit, b, "leave\n");
    sv_expect(&kit, b, "leave\n");
    assert_int_equal(kelpie_room_count(host.room), 1);
    close(b);
    sv_expect_clients(&kit, 1);
    assert_string_equal(host.rooms, "");
    close(a);
    sv_expect_clients(&kit, 0);

    assert_string_equal(host.rooms, "lobby"); /* it was still in it at its disconnect */
    assert_int_equal(kelpie_room_members(host.room, NULL, 0), 0);
    stop(&kit, &host);
}

/* Queues more than soft_outbox, and reads all of it. */
static void
fill_and_empty(struct server_kit *kit, int fd)
{
    static char bytes[512 * 1024];
    memset(bytes, 'x', sizeof(bytes));

    assert_int_equal(kelpie_conn_write(kelpie_client(kit->k, 0), bytes, sizeof(bytes)),
                     0);
    sv_expect_bytes(kit, fd, bytes, sizeof(bytes));
}

static void
given_a_full_outbox_when_it_is_empty_again_then_c_is_told_before_lua(void **state)
{
    (void)state;
    struct server_kit kit;
    struct host host;
    start(&kit, &host);
    int fd = sv_connect(&kit), size = 65536;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    sv_expect_clients(&kit, 1);
    sv_send(&kit, fd, ".\n");
    sv_expect(&kit, fd, ".\n");

    host.drain_result = KELPIE_DONE;
    fill_and_empty(&kit, fd);
    assert_int_equal(host.drains, 1);
    assert_string_equal(kit.printed, "");
    host.drain_result = KELPIE_PASS;
    fill_and_empty(&kit, fd);

    assert_int_equal(host.drains, 2);
    sv_expect_printed(&kit, "lua drain");
    close(fd);
    stop(&kit, &host);
}

static void
given_an_idle_limit_when_it_is_set_to_0_then_it_is_the_servers_again(void **state)
{
    (void)state;
    struct server_kit kit;
    struct host host;
    start(&kit, &host);
    kit.k->net.limits.idle_timeout_ns = 7 * KP_NS_PER_MS; /* before it is looked at */
    int fd = sv_connect(&kit);
    sv_expect_clients(&kit, 1);
    kelpie_conn *conn = kelpie_client(kit.k, 0);

    kelpie_conn_set_timeout(conn, -1);
    assert_int_equal(conn->idle_timeout_ns, 0);
    kelpie_conn_set_timeout(conn, 20);
    assert_int_equal(conn->idle_timeout_ns, 20 * KP_NS_PER_MS);
    kelpie_conn_set_timeout(conn, 0);

    assert_int_equal(conn->idle_timeout_ns, 7 * KP_NS_PER_MS);
    sv_expect_end(&kit, fd);
    assert_int_equal(sv_stats(&kit).idle_timeouts, 1);
    close(fd);
    stop(&kit, &host);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_lines_when_one_connection_takes_another_framing_then_only_that_one),
        cmocka_unit_test(
            given_three_members_when_the_host_looks_then_it_finds_the_open_ones),
        cmocka_unit_test(given_members_when_one_leaves_and_one_is_gone_then_both_are_out),
        cmocka_unit_test(
            given_a_full_outbox_when_it_is_empty_again_then_c_is_told_before_lua),
        cmocka_unit_test(
            given_an_idle_limit_when_it_is_set_to_0_then_it_is_the_servers_again),
    };

    return cmocka_run_group_tests_name("host_conn", tests, NULL, NULL);
}
