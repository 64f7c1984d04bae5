/*
 * test_lua_receive.c - conn:receive and conn:set_framing: what comes from a client, and how
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bind_kit.h"

/* --- receiving --------------------------------------------------------------------------- */

static void
given_a_waiting_handler_when_messages_come_then_each_receive_gets_one(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(conn, first)\n"
                 "   local second, third = conn:receive(), conn:receive(nil, 5)\n"
                 "   print(first, second, third)\n"
                 "end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "1\n2\n3\n4\n");
    sk_printed(kit, "1\t2\t3\n");
    sk_say(kit, 0, "5\n");
    sk_printed(kit, "");
    sk_say(kit, 0, "6\n");

    sk_printed(kit, "4\t5\t6\n");
}

static void
given_a_wish_for_bytes_or_a_line_when_they_come_then_only_they_are_taken(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { framing = { 'length', bytes = 1 },\n"
                 "on_connect = function(conn)\n"
                 "   print(conn:receive(3), conn:receive('line'), conn:receive(2.0))\n"
                 "   print(conn:receive())\n"
                 "end,\n"
                 "on_message = function(conn, m) print('message', m) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "abcde\r\nfg\002hi\001j");

    sk_printed(kit, "abc\tde\tfg\nhi\nmessage\tj\n");
}

static void
given_a_limit_when_nothing_comes_then_receive_times_out(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(conn, m)\n"
                 "   print(m, conn:receive(nil, 1.5))\n"
                 "end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "first\n");
    sk_pass(kit, 1499);
    sk_printed(kit, "");
    sk_pass(kit, 1);
    sk_printed(kit, "first\tnil\ttimed out\ttimeout\n");
    sk_say(kit, 0, "second\n");
    sk_pass(kit, 1400);
    sk_say(kit, 0, "in time\n");
    sk_pass(kit, 1400);

    sk_printed(kit, "second\tin time\n");
}

static void
given_a_limit_of_0_when_receiving_then_only_what_is_there_is_taken(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(conn, m)\n"
                 "   while m do print(m) m = conn:receive(nil, 0) end print('empty')\n"
                 "end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "1\n2\n3\n");

    sk_printed(kit, "1\n2\n3\nempty\n");
}

static void
given_the_end_of_input_when_receiving_then_it_is_closed(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(conn, m)\n"
                 "   print(m, conn:receive()) print(conn:receive('line', 1))\n"
                 "   print(conn:send('still heard'))\n"
                 "end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "last\n");
    sk_half_close(kit, 0);

    sk_printed(kit, "last\tnil\tconnection closed\tclosed\n"
                    "nil\tconnection closed\tclosed\n"
                    "true\n");
    sk_hears(kit, 0, "still heard\n");
}

static void
given_a_retired_generation_when_it_takes_too_long_then_receive_says_so(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(conn, m)\n"
                 "   print(conn:receive()) conn:send('old code ends')\n"
                 "end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "wait\n");
    sk_load_beside(kit, "return {}");
    sk_pass(kit, 29999);
    sk_printed(kit, "");
    sk_pass(kit, 1);

    sk_printed(kit, "nil\tgeneration retired\tretired\n");
    sk_hears(kit, 0, "old code ends\n");
}

static void
given_wishes_that_make_no_sense_when_receiving_then_it_raises(void **state)
{
    struct script_kit *kit = *state;
    static const char what[] =
        "bad argument #1 to 'receive' (nil, \"line\" or a number of "
        "bytes, at least 1, expected)\n";
    char expected[2000] = "";

    sk_connect(kit, 0);
    for (int i = 1; i <= 6; i++) {
        char line[32];
        snprintf(line, sizeof line, "run.lua:%d: ", i);
        strcat(strcat(expected, line), what);
    }
    strcat(expected, "run.lua:7: bad argument #1 to 'receive' (more bytes than "
                     "max_message allows)\n"
                     "run.lua:8: bad argument #2 to 'receive' (a number of seconds "
                     "expected, 0 or more)\n"
                     "run.lua:9: bad argument #2 to 'receive' (a number of seconds "
                     "expected, 0 or more)\n"
                     "run.lua:10: bad argument #2 to 'receive' (number expected, got "
                     "string)\n");

    bk_run(kit,
           "try(function() conn:receive('lines') end)\n"
           "try(function() conn:receive('16') end)\n"
           "try(function() conn:receive(0) end)\n"
           "try(function() conn:receive(-1) end)\n"
           "try(function() conn:receive(1.5) end)\n"
           "try(function() conn:receive({}) end)\n"
           "try(function() conn:receive(8193) end)\n"
           "try(function() conn:receive(nil, -1) end)\n"
           "try(function() conn:receive(nil, 0/0) end)\n"
           "try(function() conn:receive(nil, 'soon') end)\n",
           expected);
}

static void
given_a_waiting_handler_when_a_second_one_receives_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_run(kit,
           "kelpie.spawn(function() print('first', kelpie.client(0):receive()) end)");
    bk_run(kit, "try(function() conn:receive() end) print(other:receive(nil, 0))",
           "run.lua:1: another handler waits for this connection's messages\n"
           "nil\ttimed out\ttimeout\n");
    sk_say(kit, 0, "for the first\n");

    sk_printed(kit, "first\tfor the first\n");
}

static void
given_another_framing_when_set_then_it_holds_from_the_next_byte_on(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit,
            "return { on_message = function(conn, m)\n"
            "   print(m) if m == 'binary' then\n"
            "      print(conn:set_framing { 'length', bytes = 2, order = 'little' })\n"
            "      conn:send('ok') end\n"
            "end }");
    sk_connect(kit, 0);
    int n = (int)send(kit->peers[0], "binary\n\002\000hi\003\000yes", 16, 0);
    assert_int_equal(n, 16);
    sk_settle(kit);

    sk_printed(kit, "binary\ntrue\nhi\nyes\n");
    char heard[8];
    assert_int_equal(recv(kit->peers[0], heard, sizeof heard, 0), 4);
    assert_memory_equal(heard, "\002\000ok", 4);
}

static void
given_framings_that_are_none_when_set_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    sk_run(kit, "local conn = kelpie.client(0)\n"
                "for _, f in ipairs { 'lines', 5, {}, { 'fixed', 0 }, { 'length', bytes "
                "= 3 } } do\n"
                "   local ok, e = pcall(conn.set_framing, conn, f) print(ok)\n"
                "end\n"
                "print(pcall(conn.set_framing, conn)) conn:send('still a line')");
    sk_printed(kit,
               "false\nfalse\nfalse\nfalse\nfalse\n"
               "false\tframing: got no value; it is \"line\", \"crlf\", \"raw\", "
               "\"netstring\", {\"length\", bytes=4, order=\"big\"}, {\"delimiter\", "
               "\"\\x5c0\"} or {\"fixed\", 16}\n");
    sk_hears(kit, 0, "still a line\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
        T(given_a_waiting_handler_when_messages_come_then_each_receive_gets_one),
        T(given_a_wish_for_bytes_or_a_line_when_they_come_then_only_they_are_taken),
        T(given_a_limit_when_nothing_comes_then_receive_times_out),
        T(given_a_limit_of_0_when_receiving_then_only_what_is_there_is_taken),
        T(given_the_end_of_input_when_receiving_then_it_is_closed),
        T(given_a_retired_generation_when_it_takes_too_long_then_receive_says_so),
        T(given_wishes_that_make_no_sense_when_receiving_then_it_raises),
        T(given_a_waiting_handler_when_a_second_one_receives_then_it_raises),
        T(given_another_framing_when_set_then_it_holds_from_the_next_byte_on),
        T(given_framings_that_are_none_when_set_then_it_raises),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
