/*
 * test_lua_receive.c - conn:receive and conn:set_framing: what comes from a client, and how
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bind_kit.h"
#include "net/conn_read.h"

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

/* --- messages that have come together ---------------------------------------------------- */

/* A loop that does what a line says; when it has ended lines go to on_message. */
static const char obedient_loop[] =
    "local function loop(conn)\n"
    "   for line in function() return conn:receive() end do\n"
    "      print(line)\n"
    "      if line == 'some' then test.advance(15) end\n"
    "      if line == 'look' then test.look(5) test.look(10) end\n"
    "      if line == 'slow' then for i = 1, 30 do test.advance(1) for j = 1, 999 do end "
    "end end\n"
    "      if line == 'loop' then while true do test.advance(1) end end\n"
    "      if line == 'three' then print(conn:receive(3), conn:receive('line', 0)) end\n"
    "      if line == 'pause' then conn:pause() end\n"
    "      if line == 'close' then conn:close() end\n"
    "      if line == 'wrapped' then\n"
    "         print(coroutine.wrap(function() return pcall(conn.receive, conn) end)())\n"
    "      end\n"
    "   end\n"
    "   print('end')\n"
    "end\n"
    "return { on_connect = loop, on_message = function(_, line) print('event', line) end "
    "}";

static void
tell_loop(struct script_kit *kit, const char *lines)
{
    sk_load(kit, obedient_loop);
    sk_connect(kit, 0);
    sk_say(kit, 0, lines);
}

static void
given_lines_that_come_together_when_a_loop_receives_then_it_goes_on_without_the_net(
    void **state)
{
    struct script_kit *kit = *state;

    tell_loop(kit, "a\nthree\nxyzrest\nwrapped\nb\n\nc\n");
    sk_printed(kit, "a\nthree\nxyz\trest\nwrapped\ntrue\tb\n\nc\n");
    assert_int_equal(kit->n_told, 1);
    assert_int_equal(kit->net.counters.messages_in, 8);

    sk_say(kit, 0, "d\n");
    sk_printed(kit, "d\n");
    assert_int_equal(kit->n_told, 2);
}

static void
given_a_loop_when_it_pauses_or_closes_then_it_gets_no_more(void **state)
{
    struct script_kit *kit = *state;

    tell_loop(kit, "pause\na\nclose\nb\n");
    sk_printed(kit, "pause\n");
    kp_conn_resume(kit->conns[0]);
    sk_settle(kit);

    sk_printed(kit, "a\nclose\nend\n");
}

static void
given_lines_that_come_together_when_each_is_in_time_then_none_is_late(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.handler_timeout_ns = 50 * KP_NS_PER_MS;
    tell_loop(kit, "some\nsome\nsome\nsome\n");
    sk_printed(kit, "some\nsome\nsome\nsome\n");
    assert_int_equal(kit->n_told, 1);

    sk_logged_nothing(kit);
}

static void
given_the_guard_when_each_line_is_in_time_then_none_is_late(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.handler_timeout_ns = 50 * KP_NS_PER_MS;
    tell_loop(kit, "look\nlook\nlook\nlook\n");

    sk_printed(kit, "look\nlook\nlook\nlook\n");
    sk_logged_nothing(kit);
    assert_int_equal(kit->n_told, 1);
}

static void
given_a_loop_that_is_killed_when_lines_follow_then_it_is_told_of_its_own_line(
    void **state)
{
    struct script_kit *kit = *state;

    tell_loop(kit, "some\nloop\nb\n");

    sk_printed(kit, "some\nloop\n"); /* it was on_connect: closed */
    sk_logged(kit, "handler ran longer than 100 ms");
    sk_logged(kit, "    its message (4 bytes): loop\n");
    assert_int_equal(kit->script.handler_kills, 1);
}

static void
given_a_loop_that_is_slow_when_lines_follow_then_others_are_served_before_them(
    void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, obedient_loop);
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    assert_int_equal(kp_sys_write(&kit->env.sys, kit->peers[0], "a\nslow\nb\n", 9), 9);
    sk_say(kit, 1, "other\n");

    sk_printed(kit, "a\nslow\nother\nb\n");
    sk_logged(kit, "took more than ");
}

static void
given_a_flood_when_a_loop_receives_then_others_have_their_turn(void **state)
{
    struct script_kit *kit = *state;
    char lines[2 * (KP_STEP_MESSAGES + 1) + 1] = "";

    sk_load(kit, "local n = 0\n"
                 "return { on_connect = function(conn)\n"
                 "   while conn:receive() do n = n + 1 end end,\n"
                 "on_message = function() print(n) end,\n"
                 "on_input = function() print(n) end }");
    sk_connect(kit, 0);
    for (int i = 0; i <= KP_STEP_MESSAGES; i++)
        strcat(lines, "x\n");
    assert_int_equal(kp_sys_write(&kit->env.sys, kit->peers[0], lines, strlen(lines)),
                     strlen(lines));
    for (int i = 0; i < 10 && kit->n_told == 0; i++)
        sk_step(kit);
    assert_int_equal(kp_script_on_input(&kit->script, "", 0), 0);
    sk_settle(kit);
    assert_int_equal(kp_script_on_input(&kit->script, "", 0), 0);

    char expected[64];
    snprintf(expected, sizeof expected, "%d\n%d\n", KP_STEP_MESSAGES,
             KP_STEP_MESSAGES + 1);
    sk_printed(kit, expected);
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
        T(given_lines_that_come_together_when_a_loop_receives_then_it_goes_on_without_the_net),
        T(given_a_loop_when_it_pauses_or_closes_then_it_gets_no_more),
        T(given_lines_that_come_together_when_each_is_in_time_then_none_is_late),
        cmocka_unit_test_setup_teardown(
            given_the_guard_when_each_line_is_in_time_then_none_is_late, sk_setup_signal,
            sk_teardown),
        T(given_a_loop_that_is_killed_when_lines_follow_then_it_is_told_of_its_own_line),
        T(given_a_loop_that_is_slow_when_lines_follow_then_others_are_served_before_them),
        T(given_a_flood_when_a_loop_receives_then_others_have_their_turn),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
