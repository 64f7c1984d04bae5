/*
 * test_lua_conn_methods.c - what a script can do with a connection
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bind_kit.h"

/* --- sending ----------------------------------------------------------------------------- */

static void
given_strings_and_numbers_when_sent_then_they_are_one_message(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "print(conn:send('a', 1, 2.5, ' z'), conn:send(''), conn:send('x\\0y\\255'))",
           "true\ttrue\ttrue\n");
    char heard[32];
    assert_int_equal(recv(kit->peers[0], heard, sizeof heard, 0), 14);
    assert_memory_equal(heard, "a12.5 z\n\nx\0y\xff\n", 14);
    bk_run(kit, "print(conn:write('a', 1, '\\n'), conn:write('b'), conn:write(''))",
           "true\ttrue\ttrue\n");
    sk_hears(kit, 0, "a1\nb");
}

static void
given_arguments_that_are_no_message_when_sent_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(
        kit,
        "try(function() conn:send() end)\n"
        "try(function() conn:send(nil) end)\n"
        "try(function() conn:send('a', {}) end)\n"
        "try(function() conn:write() end)\n"
        "try(function() conn:write(true) end)\n"
        "local many = {} for i = 1, 65 do many[i] = 'x' end\n"
        "try(function() conn:send(table.unpack(many)) end)\n"
        "try(function() conn:write(table.unpack(many)) end)\n"
        "print(conn:send(table.unpack(many, 1, 64)))\n",
        "run.lua:1: bad argument #1 to 'send' (string or number expected, got no "
        "value)\n"
        "run.lua:2: bad argument #1 to 'send' (string or number expected, got nil)\n"
        "run.lua:3: bad argument #2 to 'send' (string or number expected, got table)\n"
        "run.lua:4: bad argument #1 to 'write' (string or number expected, got no "
        "value)\n"
        "run.lua:5: bad argument #1 to 'write' (string or number expected, got boolean)\n"
        "run.lua:7: at most 64 values at a time; join them with table.concat\n"
        "run.lua:8: at most 64 values at a time; join them with table.concat\n"
        "true\n");
    sk_hears(kit, 0,
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
}

static void
given_an_outbox_without_room_when_sending_then_it_is_full(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    kit->net.env->log.level = KELPIE_LOG_WARN; /* its records are those of test_limit.c */

    bk_run(kit,
           "local big = ('x'):rep(2 << 20)\n"
           "print(conn:send(big)) print(conn:write(big)) print(conn:queued())\n"
           "print(conn:send('small'), conn:queued())",
           "nil\toutbox full\tfull\nnil\toutbox full\tfull\n0\ntrue\t6\n");
    sk_hears(kit, 0, "small\n");
}

static void
given_a_message_that_does_not_fit_the_framing_when_sent_then_it_says_so(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "conn:set_framing { 'fixed', 4 }\n"
           "print(conn:send('12345')) print(conn:send('1234'))\n"
           "conn:set_framing { 'length', bytes = 1 }\n"
           "print(conn:send(('x'):rep(256))) print(conn:send('one')) "
           "print(conn:write('raw'))",
           "nil\tmessage does not fit the framing\tprotocol\ntrue\n"
           "nil\tmessage does not fit the framing\tprotocol\ntrue\ntrue\n");
    sk_hears(kit, 0, "1234\003oneraw");
}

static void
given_no_memory_when_sending_then_it_says_so(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "local send, write, big = conn.send, conn.write, ('x'):rep(5000)\n"
           "test.fail(1) print(send(conn, big))\n"
           "test.fail(1) print(write(conn, big))\n"
           "print(conn:queued(), conn:send('x'))",
           "nil\tout of memory\tmemory\nnil\tout of memory\tmemory\n0\ttrue\n");
    sk_hears(kit, 0, "x\n");
}

/* --- ending and pausing ------------------------------------------------------------------ */

static const char ending[] =
    "return { on_disconnect = function(_, reason) print(reason) end,\n"
    "on_message = function(conn, m)\n"
    "   conn:send('bye')\n"
    "   print(load('return ' .. m, 'm', 't', { conn = conn })())\n"
    "   print(conn:close('again')) print(conn:send('too late')) print(conn:is_open())\n"
    "end }";

static void
given_a_connection_when_finished_then_only_what_it_sends_ends(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    bk_run(kit,
           "conn:send('last') print(conn:finish(), conn:finish())\n"
           "print(conn:send('x')) print(conn:is_open(), conn:has_room())\n"
           "kelpie.spawn(function() print(conn:receive()) end)",
           "true\ttrue\nnil\tconnection closed\tclosed\ntrue\tfalse\n");
    sk_hears(kit, 0, "last\n");
    sk_say(kit, 0, "still here\n");
    sk_printed(kit, "still here\n");
}

static void
given_a_connection_when_closed_then_what_is_queued_is_sent_first(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, ending);
    sk_connect(kit, 0);
    sk_say(kit, 0, "conn:close('enough')\nnever seen\n");

    sk_printed(kit, "true\nnil\tconnection closed\tclosed\n"
                    "nil\tconnection closed\tclosed\nfalse\n");
    sk_hears(kit, 0, "bye\n");
    sk_hang_up(kit, 0);
    sk_printed(kit, "enough\n");
}

static void
given_no_reason_or_a_long_one_when_closed_then_it_has_one_that_fits(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, ending);
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_say(kit, 0, "conn:close()\n");
    sk_hang_up(kit, 0);
    assert_non_null(strstr(kit->printed, "false\nclosed\n"));
    kit->printed[0] = '\0';
    sk_say(kit, 1, "conn:close(('x'):rep(100))\n");
    sk_hang_up(kit, 1);

    const char *reason = strstr(kit->printed, "false\n") + strlen("false\n");
    assert_int_equal(strspn(reason, "x"), KP_CONN_REASON_SIZE - 1);
}

static void
given_a_connection_when_aborted_then_the_peer_sees_a_reset(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, ending);
    sk_connect(kit, 0);
    sk_say(kit, 0, "conn:abort()\nnever seen\n");

    sk_printed(kit, "true\nnil\tconnection closed\tclosed\n"
                    "nil\tconnection closed\tclosed\nfalse\naborted\n");
    char byte;
    assert_true(recv(kit->peers[0], &byte, 1, MSG_DONTWAIT) <= 0);
    assert_int_not_equal(errno, EAGAIN);
}

static void
given_a_closing_connection_when_aborted_then_it_ends_at_once(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_disconnect = function(_, reason) print(reason) end,\n"
                 "on_message = function(conn)\n"
                 "   conn:close('first') print(conn:abort()) print(conn:abort()) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "x\n");

    sk_printed(kit, "true\nnil\tconnection closed\tclosed\nfirst\n");
}

static void
given_a_paused_connection_when_resumed_then_the_messages_come(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(conn, m)\n"
                 "   print(m) if m == 'pause' then print(conn:pause()) end\n"
                 "end, on_input = function() print(kelpie.client(0):resume()) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "pause\n");
    sk_say(kit, 0, "later\n");
    sk_printed(kit, "pause\ntrue\n");
    kp_script_on_input(&kit->script, "", 0);
    sk_settle(kit);

    sk_printed(kit, "true\nlater\n");
}

static void
given_an_idle_limit_when_set_then_it_ends_only_that_connection(void **state)
{
    struct script_kit *kit = *state;

    kit->net.limits.idle_timeout_ns = 100 * KP_NS_PER_S;
    sk_load(kit, "return { on_disconnect = function(conn, reason)\n"
                 "   print(conn.number, reason) end }");
    for (int i = 0; i < 3; i++)
        sk_connect(kit, i);
    bk_run(kit,
           "print(conn:set_timeout(1.5), other:set_timeout(0),\n"
           "   kelpie.client(2):set_timeout(1), kelpie.client(2):set_timeout())\n"
           "try(function() conn:set_timeout(-1) end)\n"
           "try(function() conn:set_timeout('x') end)",
           "true\ttrue\ttrue\ttrue\n"
           "run.lua:3: bad argument #1 to 'set_timeout' (a number of seconds expected, 0 "
           "or more)\n"
           "run.lua:4: bad argument #1 to 'set_timeout' (number expected, got string)\n");
    sk_pass(kit, 1499);
    sk_printed(kit, "");
    sk_pass(kit, 1);
    sk_hang_up(kit, 0);
    sk_printed(kit, "0\tidle timeout\n");
    sk_pass(kit, 98500);
    sk_hang_up(kit, 2);

    sk_printed(kit, "2\tidle timeout\n");
    assert_true(kp_conn_is_open(kit->conns[1]));
}

/* --- rooms and questions ----------------------------------------------------------------- */

static void
given_rooms_and_names_when_joined_then_they_are_the_same(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "local r = kelpie.room('r')\n"
           "print(conn:join('r'), conn:join(r), conn:join('s'), r:has(conn))\n"
           "local names = {} for i, room in ipairs(conn:rooms()) do\n"
           "   names[i] = room.name assert(room == kelpie.room(room.name)) end\n"
           "table.sort(names) print(#names, table.unpack(names))\n"
           "print(conn:leave(r), conn:leave('r'), conn:leave('never'), #conn:rooms())\n"
           "print(conn:join('nul\\0name'), #conn:rooms()[2].name)",
           "true\tfalse\ttrue\ttrue\n2\tr\ts\ntrue\tfalse\tfalse\t1\ntrue\t8\n");
}

static void
given_a_closing_connection_when_asked_for_its_rooms_then_it_knows_them_to_the_end(
    void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit,
            "local kept\n"
            "return { on_connect = function(conn) kept = conn conn:join('r') end,\n"
            "on_message = function(conn) conn:close()\n"
            "   print(#conn:rooms(), conn:join('s')) print(conn:leave('r'))\n"
            "   conn:join('never') end,\n"
            "on_disconnect = function(conn) print(#conn:rooms(), conn:is_open()) end,\n"
            "on_input = function() print(kept:rooms()) print(kept:leave('r')) end }");
    sk_connect(kit, 0);
    sk_hang_up(kit, 0);
    sk_printed(kit, "1\tfalse\n");
    kp_script_on_input(&kit->script, "", 0);
    sk_printed(kit, "nil\tconnection closed\tclosed\nnil\tconnection closed\tclosed\n");
    sk_connect(kit, 1);
    sk_say(kit, 1, "x\n");

    sk_printed(kit, "1\tnil\tconnection closed\tclosed\ntrue\n");
}

static void
given_output_when_queued_is_asked_then_it_counts_bytes(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "print(conn:queued(), conn:is_open()) conn:send('12345') print(conn:queued())",
           "0\ttrue\n6\n");
    bk_run(kit, "print(conn:queued())", "0\n");
}

static void
given_much_output_when_asked_then_there_is_no_room_until_on_drain(void **state)
{
    struct script_kit *kit = *state;

    char heard[4096];
    ssize_t n;
    sk_load(kit, "return { on_input = function()\n"
                 "   local conn = kelpie.client(0) print(conn:has_room())\n"
                 "   conn:write(('x'):rep(300000)) print(conn:has_room()) end,\n"
                 "on_drain = function(conn) print('drained', conn:has_room()) end }");
    sk_connect(kit, 0);

    kp_script_on_input(&kit->script, "", 0);
    sk_printed(kit, "true\nfalse\n");
    for (size_t got = 0; got < 300000; got += (size_t)n) {
        sk_settle(kit);
        n = recv(kit->peers[0], heard, sizeof heard, 0);
        assert_true(n > 0);
    }
    sk_settle(kit);
    sk_printed(kit, "drained\ttrue\n");
}

/* --- everything, after the end and before the start -------------------------------------- */

static const char all_methods[] =
    "local calls = { { 'abort' }, { 'close' }, { 'close', 'why' }, { 'join', 'r' },\n"
    "   { 'pause' }, { 'resume' }, { 'finish' }, { 'receive' }, { 'receive', 'line', 1 "
    "},\n"
    "   { 'send', 'x' }, { 'write', 'x' }, { 'set_framing', 'raw' },\n"
    "   { 'set_timeout', 5 }, { 'set_timeout' }, { 'leave', 'r' }, { 'rooms' } }\n"
    "local function all(conn, skip, f)\n"
    "   for _, call in ipairs(calls) do\n"
    "      if not skip[call[1]] then f(call[1], conn[call[1]], conn, table.unpack(call, "
    "2)) end\n"
    "   end\n"
    "end\n"
    "local function closed(name, method, ...)\n"
    "   local r, message, code = method(...)\n"
    "   if not (r == nil and message == 'connection closed' and code == 'closed') then\n"
    "      print(name, r, message, code) end\n"
    "end\n";

static void
check_closed(struct script_kit *kit, const char *handlers)
{
    char text[4096];

    snprintf(text, sizeof text, "%s%s", all_methods, handlers);
    sk_load(kit, text);
    sk_connect(kit, 0);
    sk_say(kit, 0, "x\n");
    if (kit->peers[0] >= 0)
        sk_hang_up(kit, 0);
    kp_script_on_input(&kit->script, "", 0);
    sk_settle(kit);

    sk_logged_nothing(kit);
    sk_printed(kit, "false\t0\tfalse\n");
}

static void
given_a_closing_connection_when_its_methods_are_called_then_they_say_closed(void **state)
{
    check_closed(
        *state, "return { on_message = function(conn)\n"
                "   conn:close() all(conn, { abort = 1, leave = 1, rooms = 1 }, closed)\n"
                "   print(conn:is_open(), conn:queued(), conn:has_room()) end }");
}

static void
given_a_closed_connection_when_its_methods_are_called_then_they_say_closed(void **state)
{
    check_closed(*state,
                 "return { on_disconnect = function(conn)\n"
                 "   all(conn, { leave = 1, rooms = 1 }, closed)\n"
                 "   print(conn:is_open(), conn:queued(), conn:has_room()) end }");
}

static void
given_a_gone_connection_when_its_methods_are_called_then_they_say_closed(void **state)
{
    check_closed(*state,
                 "local kept\n"
                 "return { on_message = function(conn) kept = conn end,\n"
                 "on_input = function() all(kept, {}, closed)\n"
                 "   print(kept:is_open(), kept:queued(), kept:has_room()) end }");
}

static void
given_a_gone_connection_when_called_with_wrong_arguments_then_it_still_raises(
    void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "local kept\n"
                 "return { on_connect = function(conn) kept = conn end,\n"
                 "on_input = function()\n"
                 "   print(pcall(kept.send, kept), pcall(kept.join, kept, 1))\n"
                 "   print(pcall(kept.receive, kept, {})) end }");
    sk_connect(kit, 0);
    sk_hang_up(kit, 0);
    kp_script_on_input(&kit->script, "", 0);

    assert_non_null(strstr(kit->printed, "false\tfalse\t"));
    assert_null(strstr(kit->printed, "true"));
}

static void
given_a_script_that_loads_when_it_calls_methods_then_they_raise(void **state)
{
    struct script_kit *kit = *state;
    char text[4096];

    snprintf(
        text, sizeof text,
        "%s all(kelpie.client(0), {}, function(name, method, ...)\n"
        "   test.stage(true) local ok, e = pcall(method, ...) test.stage(false)\n"
        "   local want = 'conn:' .. name .. ': not allowed while loading; do it in '\n"
        "      .. 'on_load or a handler'\n"
        "   if ok or e ~= want then print(name, ok, e) end\n"
        "end)\n"
        "local conn = kelpie.client(0)\n"
        "test.stage(true) print(conn:is_open(), conn:queued()) test.stage(false)",
        all_methods);
    sk_connect(kit, 0);
    bk_add_stage(kit);
    sk_run(kit, text);

    sk_logged_nothing(kit);
    sk_printed(kit, "true\t0\n");
    assert_true(kp_conn_is_open(kit->conns[0]));
    sk_hears(kit, 0, "");
}

static void
given_no_memory_when_methods_are_called_then_nothing_breaks(void **state)
{
    static const char scenario[] =
        "return { on_input = function()\n"
        "   kelpie.spawn(function() kelpie.client(0):receive('line', 1) end)\n"
        "   for n = 0, 1 do local conn = kelpie.client(n)\n"
        "      for _ = 1, 2 do\n"
        "         all(conn, { abort = 1, close = 1, receive = 1 },\n"
        "            function(_, ...) pcall(...) end)\n"
        "      end\n"
        "   end\n"
        "   kelpie.client(1):close('done')\n"
        "end }";
    char text[4096];
    (void)state;

    snprintf(text, sizeof text, "%s%s", all_methods, scenario);
    bk_fail_each_allocation(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
        T(given_strings_and_numbers_when_sent_then_they_are_one_message),
        T(given_arguments_that_are_no_message_when_sent_then_it_raises),
        T(given_an_outbox_without_room_when_sending_then_it_is_full),
        T(given_a_message_that_does_not_fit_the_framing_when_sent_then_it_says_so),
        T(given_no_memory_when_sending_then_it_says_so),
        T(given_a_connection_when_finished_then_only_what_it_sends_ends),
        T(given_a_connection_when_closed_then_what_is_queued_is_sent_first),
        T(given_no_reason_or_a_long_one_when_closed_then_it_has_one_that_fits),
        T(given_a_connection_when_aborted_then_the_peer_sees_a_reset),
        T(given_a_closing_connection_when_aborted_then_it_ends_at_once),
        T(given_a_paused_connection_when_resumed_then_the_messages_come),
        T(given_an_idle_limit_when_set_then_it_ends_only_that_connection),
        T(given_rooms_and_names_when_joined_then_they_are_the_same),
        T(given_a_closing_connection_when_asked_for_its_rooms_then_it_knows_them_to_the_end),
        T(given_output_when_queued_is_asked_then_it_counts_bytes),
        T(given_much_output_when_asked_then_there_is_no_room_until_on_drain),
        T(given_a_closing_connection_when_its_methods_are_called_then_they_say_closed),
        T(given_a_closed_connection_when_its_methods_are_called_then_they_say_closed),
        T(given_a_gone_connection_when_its_methods_are_called_then_they_say_closed),
        T(given_a_gone_connection_when_called_with_wrong_arguments_then_it_still_raises),
        T(given_a_script_that_loads_when_it_calls_methods_then_they_raise),
#undef T
        cmocka_unit_test(given_no_memory_when_methods_are_called_then_nothing_breaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
