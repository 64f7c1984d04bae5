/*
 * test_lua_connect.c - kelpie.connect: scripts that are clients of another server
 *
 * The other server is a listening socket of the test, on a free port of the loopback.
 */
#include "connect_kit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/connect.h"
#include "script/bind.h"

#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)

/* ---- the plain way ------------------------------------------------------------------- */

static void
given_a_server_when_connecting_then_messages_go_both_ways(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return { framing = 'line',\n"
                 "   on_connect = function() print('no') end,\n"
                 "   on_message = function() print('no') end,\n"
                 "   on_disconnect = function() print('no') end }");
    ck_run(kit, other.port,
           "local c = assert(kelpie.connect(address))\n"
           "print(c.number, c.listener == '', c.peer == address, c:is_open())\n"
           "print(tostring(c) == 'connection to ' .. address, kelpie.find(c.id) == c)\n"
           "for x in kelpie.conns() do print('no') end\n"
           "print(kelpie.broadcast('no'))\n"
           "c:send('hello')\n"
           "print(c:receive()) print(c:receive(3)) print(c:receive())\n"
           "print(c:receive()) print(c:send('x'))");
    int fd = ck_accept(kit, &other);
    ck_hears(kit, fd, "hello\n");
    ck_say(fd, "one\nabctwo\n");
    close(fd);

    ck_prints(kit, "nil\ttrue\ttrue\ttrue\ntrue\ttrue\n0\none\nabc\ntwo\n"
                   "nil\tconnection closed\tclosed\ntrue\n");
    close(other.fd);
}

static void
given_messages_that_nobody_wants_when_they_come_then_they_wait(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    ck_run(kit, other.port,
           "local c = assert(kelpie.connect(address)) print('there')\n"
           "kelpie.sleep(5)\n"
           "for i = 1, 3 do print(c:receive(nil, 1)) end");
    int fd = ck_accept(kit, &other);
    ck_prints(kit, "there\n");
    ck_say(fd, "one\ntwo\n");
    close(fd);
    sk_settle(kit);
    sk_pass(kit, 5000);

    ck_prints(kit, "one\ntwo\nnil\tconnection closed\tclosed\n");
    assert_int_equal(kit->net.outbound.count, 0);
    close(other.fd);
}

static void
given_a_unix_socket_when_connecting_then_it_works(void **state)
{
    struct script_kit *kit = *state;
    char dir[] = "/tmp/kelpie-connect-XXXXXX", text[300];
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    assert_non_null(mkdtemp(dir));
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s/socket", dir);
    struct ck_other other = {.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
    assert_int_equal(bind(other.fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(other.fd, 16), 0);
    sk_load(kit, "return {}");
    snprintf(text, sizeof text,
             "local c = assert(kelpie.connect('unix:%s', { framing = 'netstring' }))\n"
             "c:send('hello') print(c.peer, c:receive())\n",
             addr.sun_path);
    sk_run(kit, text);
    int fd = ck_accept(kit, &other);
    ck_hears(kit, fd, "5:hello,");
    ck_say(fd, "3:bye,");
    ck_prints(kit, "unix\tbye\n");

    close(fd);
    close(other.fd);
    unlink(addr.sun_path);
    snprintf(text, sizeof text, "print(kelpie.connect('unix:%s'))", addr.sun_path);
    sk_run(kit, text);
    ck_prints(kit, "nil\tconnection refused: there is no such socket\trefused\n");
    rmdir(dir);
}

/* ---- what may go wrong --------------------------------------------------------------- */

static void
given_addresses_that_make_no_sense_when_connecting_then_it_says_so(void **state)
{
    struct script_kit *kit = *state;

    bk_run(
        kit,
        "for _, a in ipairs { 'localhost', '*:80', ':80', '80', 'fd:3', "
        "'web=127.0.0.1:80', '',\n"
        "      '127.0.0.1:0', '127.0.0.1:80\\0' } do\n"
        "   local c, why, code = kelpie.connect(a)\n"
        "   print(c, code, #why > 10)\n"
        "end\n"
        "try(kelpie.connect) try(kelpie.connect, 'x', 5)\n"
        "try(kelpie.connect, 'x', { timeot = 5 })\n"
        "try(kelpie.connect, 'x', { timeout = -1 })\n"
        "try(kelpie.connect, 'x', { max_message = 0 })",
        "nil\taddress\ttrue\nnil\taddress\ttrue\nnil\taddress\ttrue\nnil\taddress\ttrue\n"
        "nil\taddress\ttrue\nnil\taddress\ttrue\nnil\taddress\ttrue\n"
        "nil\taddress\ttrue\nnil\taddress\ttrue\n"
        "bad argument #1 to 'kelpie.connect' (string expected, got no value)\n"
        "bad argument #2 to 'kelpie.connect' (table expected, got number)\n"
        "bad argument #2 to 'kelpie.connect' (unknown option 'timeot' (did you mean "
        "'timeout'?))\n"
        "bad argument #2 to 'kelpie.connect' (timeout: a number of seconds expected, "
        "0 or "
        "more)\n"
        "bad argument #2 to 'kelpie.connect' (max_message: a whole number of bytes, "
        "at least "
        "1)\n");
}

static void
given_a_host_name_when_connecting_then_it_is_looked_up_beside(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();
    char text[500];

    sk_load(kit, "return {}");
    snprintf(text, sizeof text,
             "local c = assert(kelpie.connect('localhost:%d')) c:send('hello')\n"
             "print(c:receive())",
             other.port);
    sk_run(kit, text);
    int fd = ck_accept(kit, &other);
    ck_hears(kit, fd, "hello\n");
    ck_say(fd, "bye\n");
    ck_prints(kit, "bye\n");
    sk_run(kit, "print(select(3, kelpie.connect('unix:8080')))");
    ck_prints(kit, "refused\n");
    sk_run(kit, "print(kelpie.connect('no..name:80'))");
    ck_prints(kit, "nil\tthe name is not known\tresolve\n");

    sk_run(kit, "print(kelpie.connect('localhost:1', { timeout = 0 }))");
    sk_step(kit); /* the teardown comes while it is looked up, perhaps */
    close(fd);
    close(other.fd);
}

static void
given_nobody_listens_when_connecting_then_it_is_refused(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    close(other.fd);
    sk_load(kit, "return {}");
    ck_run(kit, other.port, "print(kelpie.connect(address))");

    ck_prints(kit, "nil\tconnection refused\trefused\n");
    assert_true(kp_list_is_empty(&kit->net.outbound.connects));
}

static void
given_the_limit_is_reached_when_connecting_then_it_is_full(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    kit->net.outbound.numbers.limit = 1;
    sk_load(kit, "return {}");
    ck_run(kit, other.port,
           "local c = assert(kelpie.connect(address))\n"
           "print(kelpie.connect(address)) c:abort() kelpie.sleep(1)\n"
           "print((kelpie.connect(address)))");
    int fd = ck_accept(kit, &other);
    ck_prints(kit, "nil\tmax_outbound connections are open\tfull\n");
    sk_pass(kit, 1000);
    int second = ck_accept(kit, &other);
    sk_settle(kit);

    assert_int_equal(strncmp(kit->printed, "connection to ", 14), 0);
    close(fd);
    close(second);
    close(other.fd);
}

/* ---- reloads, ends, several at once -------------------------------------------------- */

static void
given_a_reload_when_connecting_then_old_code_gets_the_connection(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    ck_run(kit, other.port,
           "local c = assert(kelpie.connect(address)) c:send('old')\n"
           "print(c:receive()) c:close()");
    sk_step(kit);
    sk_load_beside(kit, "return {}");
    int fd = ck_accept(kit, &other);
    ck_hears(kit, fd, "old\n");
    ck_say(fd, "still there\n");

    ck_prints(kit, "still there\n");
    ck_hears(kit, fd, "");
    close(fd);
    close(other.fd);
}

static void
given_a_retired_generation_when_it_connects_then_it_is_told(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    ck_run(kit, other.port,
           "kelpie.sleep(30) print(kelpie.connect(address, { timeout = 60 }))\n"
           "print('no')");
    sk_load_beside(kit, "return {}");
    sk_step(kit);
    sk_pass(kit, 30000);

    sk_printed(kit, ""); /* it was ended with its attempt, or before it */
    assert_true(kp_list_is_empty(&kit->net.outbound.connects));
    close(other.fd);
}

static void
given_two_servers_when_connecting_then_handlers_do_not_wait_for_each_other(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();
    char text[1000];

    snprintf(text, sizeof text,
             "return { on_message = function(conn, m)\n"
             "   local up = assert(kelpie.connect('127.0.0.1:%d'))\n"
             "   up:send(m) conn:send(up:receive()) up:close() end }",
             other.port);
    sk_load(kit, text);
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_say(kit, 0, "first\n");
    int first = ck_accept(kit, &other);
    sk_say(kit, 1, "second\n");
    int second = ck_accept(kit, &other);
    ck_hears(kit, first, "first\n");
    ck_hears(kit, second, "second\n");
    ck_say(second, "answer 2\n");
    ck_wait_readable(kit, kit->peers[1]);
    sk_hears(kit, 1, "answer 2\n");
    ck_say(first, "answer 1\n");
    ck_wait_readable(kit, kit->peers[0]);

    sk_hears(kit, 0, "answer 1\n");
    close(first);
    close(second);
    close(other.fd);
}

static void
given_no_memory_when_connecting_then_nothing_breaks(void **state)
{
    char text[1000];
    struct ck_other other = ck_open();

    (void)state;
    assert_int_equal(listen(other.fd, 1000), 0);
    snprintf(text, sizeof text,
             "return { on_input = function()\n"
             "   local c = kelpie.connect('127.0.0.1:%d', { framing = 'raw' })\n"
             "   if c then c.data.x = 1 c:send('x') c:receive(nil, 0.1) c:abort() end\n"
             "end }",
             other.port);
    bk_fail_each_allocation(text);
    close(other.fd);
}

static void
given_an_attempt_when_everything_ends_then_nothing_is_left(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    ck_run(kit, other.port, "print(kelpie.connect(address))");
    sk_step(kit); /* it runs and suspends; the teardown looks for what is left */
    close(other.fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(given_a_server_when_connecting_then_messages_go_both_ways),
        T(given_messages_that_nobody_wants_when_they_come_then_they_wait),
        T(given_a_unix_socket_when_connecting_then_it_works),
        T(given_addresses_that_make_no_sense_when_connecting_then_it_says_so),
        T(given_a_host_name_when_connecting_then_it_is_looked_up_beside),
        T(given_nobody_listens_when_connecting_then_it_is_refused),
        T(given_the_limit_is_reached_when_connecting_then_it_is_full),
        T(given_a_reload_when_connecting_then_old_code_gets_the_connection),
        T(given_a_retired_generation_when_it_connects_then_it_is_told),
        T(given_two_servers_when_connecting_then_handlers_do_not_wait_for_each_other),
        cmocka_unit_test(given_no_memory_when_connecting_then_nothing_breaks),
        T(given_an_attempt_when_everything_ends_then_nothing_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
