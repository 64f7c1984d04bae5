/*
 * test_connect_server.c - outbound connections in a whole server: reloads, counters, drain
 *
 * The server connects to itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server_kit.h"

/* `main` is kept; on_input tells it to connect to a port; clients get an echo. */
static const char script[] =
    "local kelpie = require('kelpie')\n"
    "local kept = kelpie.keep('kept', {})\n"
    "return {\n"
    "   on_connect = function(conn) print('client ' .. conn.number) end,\n"
    "   on_message = function(conn, m) conn:send(m) end,\n"
    "   on_disconnect = function(_, reason) print('client: ' .. reason) end,\n"
    "   on_input = function(line)\n"
    "      if line == 'ask' then\n"
    "         local c = kept.server\n"
    "         c:send('question ' .. kelpie.generation)\n"
    "         print(c:receive(), c.data.name, kelpie.stats().clients)\n"
    "         if kelpie.generation == 2 then print(c:receive()) print(c:is_open()) end\n"
    "      else\n"
    "         kept.server = assert(kelpie.connect('127.0.0.1:' .. line))\n"
    "         kept.server.data.name = 'itself'\n"
    "         print('connected')\n"
    "      end\n"
    "   end,\n"
    "}\n";

static void
input(struct server_kit *kit, const char *line)
{
    assert_int_equal(kelpie_input(kit->k, line, strlen(line)), 0);
}

static void
given_a_kept_connection_when_reloading_then_it_goes_on_and_the_drain_closes_it(
    void **state)
{
    struct server_kit kit = {0};
    char port[16];

    (void)state;
    sv_start(&kit, NULL, script);
    snprintf(port, sizeof(port), "%d", kit.port);
    input(&kit, port);
    assert_true(sv_expect_printed(&kit, "connected\n"));
    assert_true(sv_expect_printed(&kit, "client 0\n"));
    input(&kit, "ask");
    assert_true(sv_expect_printed(&kit, "question 1\titself\t1\n"));

    assert_int_equal(kelpie_load_string(kit.k, script, strlen(script), "=test.lua"), 0);
    input(&kit, "ask");
    assert_true(sv_expect_printed(&kit, "question 2\titself\t1\n"));

    kelpie_drain(kit.k);
    assert_true(sv_expect_printed(&kit, "nil\tconnection closed\tclosed\nfalse\n"));
    assert_true(sv_expect_printed(&kit, "client: shutdown\n"));
    assert_true(sv_expect_clients(&kit, 0));
    sv_stop(&kit);
}

static void
given_no_outbound_connections_allowed_when_connecting_then_it_is_full(void **state)
{
    struct server_kit kit = {0};
    struct kelpie_options options = KELPIE_OPTIONS_INIT;

    (void)state;
    options.max_outbound = -1;
    sv_start(&kit, &options,
             "return { on_input = function()\n"
             "   print(require('kelpie').connect('127.0.0.1:1')) end }");
    input(&kit, "go");

    assert_true(
        sv_expect_printed(&kit, "nil\tmax_outbound connections are open\tfull\n"));
    sv_stop(&kit);
}

static void
given_a_drain_when_connecting_then_what_is_pending_and_what_is_new_fails(void **state)
{
    struct server_kit kit = {0};
    int fd;

    (void)state;
    sv_start(&kit, NULL,
             "local kelpie = require('kelpie')\n"
             "local function try(when)\n"
             "   print(when, kelpie.connect('localhost:80'))\n"
             "end\n"
             "return {\n"
             "   on_connect = function(conn) conn:send('hello') end,\n"
             "   on_shutdown = function() try('pending') end,\n"
             "   on_disconnect = function() try('new') end,\n"
             "}\n");
    fd = sv_connect(&kit);
    assert_true(sv_expect(&kit, fd, "hello\n"));
    kelpie_drain(kit.k);

    assert_true(sv_expect_printed(&kit, "pending\tnil\tthe server shuts down\tfailed\n"));
    close(fd);
    assert_true(sv_expect_printed(&kit, "new\tnil\tthe server shuts down\tfailed\n"));
    sv_stop(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_a_kept_connection_when_reloading_then_it_goes_on_and_the_drain_closes_it),
        cmocka_unit_test(
            given_no_outbound_connections_allowed_when_connecting_then_it_is_full),
        cmocka_unit_test(
            given_a_drain_when_connecting_then_what_is_pending_and_what_is_new_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
