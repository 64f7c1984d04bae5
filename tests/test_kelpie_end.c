/*
 * test_kelpie_end.c - the public interface: the drain, and the end
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server_kit.h"

/* ---- the end ------------------------------------------------------------------------ */

static void
given_clients_with_queued_output_when_drained_then_they_get_all_of_it(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(
        &kit, NULL,
        "return { on_message = function(conn) conn:send(('x'):rep(100000)) end,\n"
        "         on_shutdown = function() print('closing time') end,\n"
        "         on_disconnect = function(_, reason) print('left: ' .. reason) end }");
    int fd = sv_connect(&kit), idle = sv_connect(&kit);
    sv_expect_clients(&kit, 2);
    sv_send(&kit, fd, "go\n");
    sv_step(&kit);

    kelpie_drain(kit.k);
    char *all = malloc(100001);
    memset(all, 'x', 100000);
    all[100000] = '\n';
    sv_expect_bytes(&kit, fd, all, 100001);
    sv_expect_end(&kit, fd);
    sv_expect_end(&kit, idle);
    free(all);
    close(fd);
    close(idle);

    assert_int_equal(kelpie_run(kit.k), 0);
    sv_expect_printed(&kit, "closing time");
    sv_expect_printed(&kit, "left: shutdown");
    sv_stop(&kit);
}

static void
given_a_client_that_never_reads_when_drained_twice_then_it_ends_at_once(void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.max_outbox = 64 << 20;
    options.lua_memory = 256 << 20;
    options.handler_timeout_ms = 10000;
    sv_start(&kit, &options,
             "return { on_message = function(conn) conn:send(('x'):rep(30000000)) end }");
    int fd = sv_connect(&kit);
    sv_send(&kit, fd, "go\n");
    while (sv_stats(&kit).outbox_bytes == 0)
        sv_step(&kit);

    kelpie_drain(kit.k);
    sv_step(&kit);
    assert_int_equal(sv_stats(&kit).clients, 1);
    kelpie_drain(kit.k);

    assert_int_equal(kelpie_run(kit.k), 0);
    assert_true(sv_stats(&kit).dropped_bytes > 0);
    close(fd);
    sv_stop(&kit);
}

static const char sleeper_script[] =
    "local kelpie = require('kelpie')\n"
    "return { on_connect = function(conn)\n"
    "   local guard <close> = setmetatable({}, { __close = function()\n"
    "      print('guard ' .. #kelpie.room('late')) end })\n"
    "   print('sleeps') kelpie.sleep(3600) print('slept') end,\n"
    "   on_disconnect = function(_, reason) print('left: ' .. reason)\n"
    "      kelpie.sleep(3600) end }";

/* Runs steps until the server says that it has ended. */
static bool
has_ended_soon(struct server_kit *kit)
{
    for (int i = 0; i < 2000; i++)
        if (kelpie_step(kit->k, 1) == 0)
            return true;
    return false;
}

static void
given_a_script_that_asks_for_the_end_twice_when_drained_then_output_is_still_sent(
    void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.max_outbox = 64 << 20;
    options.lua_memory = 256 << 20;
    options.handler_timeout_ms = 10000;
    size_t len = 16000000; /* more than the kernel takes at once */
    sv_start(
        &kit, &options,
        "local kelpie = require('kelpie')\n"
        "return { on_message = function(conn)\n"
        "      conn:send(('x'):rep(15999999)) kelpie.shutdown() kelpie.shutdown() end,\n"
        "   on_shutdown = kelpie.shutdown }");
    int fd = sv_connect(&kit);
    sv_send(&kit, fd, "go\n");
    sv_expect_log(&kit, "drain: ");
    sv_step(&kit);

    char *all = malloc(len);
    memset(all, 'x', len - 1);
    all[len - 1] = '\n';
    sv_expect_bytes(&kit, fd, all, len);
    free(all);
    close(fd);

    assert_true(has_ended_soon(&kit));
    assert_int_equal(sv_stats(&kit).dropped_bytes, 0);
    sv_stop(&kit);
}

static void
given_a_drain_when_a_socket_is_adopted_then_it_stays_the_callers(void **state)
{
    (void)state;
    struct server_kit kit;
    kelpie_conn *conn;
    int fds[2];
    sv_start(&kit, NULL, sv_echo_script);
    int fd = sv_connect(&kit);
    sv_expect_clients(&kit, 1);
    kelpie_drain(kit.k);
    sv_step(&kit);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);

    assert_int_equal(kelpie_adopt(kit.k, fds[0], NULL, &conn), KELPIE_ECLOSED);

    assert_null(conn);
    close(fds[0]);
    close(fds[1]);
    close(fd);
    assert_true(has_ended_soon(&kit));
    sv_stop(&kit);
}

static void
given_a_sleeping_handler_when_the_drain_takes_too_long_then_it_ends_all_the_same(
    void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.drain_timeout_ms = 20;
    sv_start(&kit, &options, sleeper_script);
    int fd = sv_connect(&kit);
    sv_expect_printed(&kit, "sleeps");

    kelpie_drain(kit.k);

    assert_true(has_ended_soon(&kit));
    assert_string_equal(kit.printed, "sleeps\nguard 0\nleft: shutdown\n");
    close(fd);
    sv_stop(&kit);
}

static void
given_a_sleeping_handler_of_a_gone_client_when_drained_twice_then_it_ends_at_once(
    void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.drain_timeout_ms = -1;
    sv_start(&kit, &options, sleeper_script);
    int fd = sv_connect(&kit);
    sv_expect_printed(&kit, "sleeps");
    close(fd);

    kelpie_drain(kit.k);
    for (int i = 0; i < 10; i++)
        sv_step(&kit);
    assert_int_equal(sv_stats(&kit).clients, 1);
    kelpie_drain(kit.k);

    assert_true(has_ended_soon(&kit));
    assert_non_null(strstr(kit.printed, "guard 0\nleft: "));
    sv_stop(&kit);
}

static void
given_a_sleeping_handler_when_the_server_is_freed_then_its_client_is_told(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, sleeper_script);
    int fd = sv_connect(&kit);
    sv_expect_printed(&kit, "sleeps");

    kelpie_free(kit.k);

    assert_string_equal(kit.printed, "sleeps\nguard 0\nleft: shutdown\n");
    close(fd);
    assert_int_equal(sv_open_fds(), kit.fds_before);
}

static void
given_clients_when_the_server_is_freed_then_each_is_told_shutdown(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL,
             "return { on_disconnect = function(conn, reason)\n"
             "   print('client ' .. conn.number .. ' ' .. reason) end }");
    int a = sv_connect(&kit), b = sv_connect(&kit);
    sv_expect_clients(&kit, 2);
    sv_step(&kit);

    kelpie_free(kit.k);

    assert_non_null(strstr(kit.printed, "client 0 shutdown"));
    assert_non_null(strstr(kit.printed, "client 1 shutdown"));
    close(a);
    close(b);
    assert_int_equal(sv_open_fds(), kit.fds_before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_clients_with_queued_output_when_drained_then_they_get_all_of_it),
        cmocka_unit_test(
            given_a_client_that_never_reads_when_drained_twice_then_it_ends_at_once),
        cmocka_unit_test(
            given_a_script_that_asks_for_the_end_twice_when_drained_then_output_is_still_sent),
        cmocka_unit_test(
            given_a_drain_when_a_socket_is_adopted_then_it_stays_the_callers),
        cmocka_unit_test(
            given_a_sleeping_handler_when_the_drain_takes_too_long_then_it_ends_all_the_same),
        cmocka_unit_test(
            given_a_sleeping_handler_of_a_gone_client_when_drained_twice_then_it_ends_at_once),
        cmocka_unit_test(
            given_a_sleeping_handler_when_the_server_is_freed_then_its_client_is_told),
        cmocka_unit_test(
            given_clients_when_the_server_is_freed_then_each_is_told_shutdown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
