/*
 * test_lua_framing.c - conn:set_framing: from the next byte on that was not delivered yet
 */
#include <string.h>

#include "script_kit.h"

/* A message "= FRAMING" changes the framing to what the text in quotes is in Lua. */
static const char changer[] =
    "return { on_message = function(c, m)\n"
    "   print(m)\n"
    "   local text = m:match('^= (.*)')\n"
    "   if text then print(c:set_framing(load('return ' .. text)())) end end }";

static void
given_each_framing_when_set_then_the_bytes_behind_are_cut_by_it(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, changer);
    sk_connect(kit, 0);
    sk_say(kit, 0, "= 'crlf'\none\r\n= 'netstring'\r\n3:two,13:= {'fixed',5},three");
    sk_printed(
        kit,
        "= 'crlf'\ntrue\none\n= 'netstring'\ntrue\ntwo\n= {'fixed',5}\ntrue\nthree\n");
    sk_run(kit, "kelpie.client(0):set_framing({ 'delimiter', '||' })");
    sk_say(kit, 0, "four||= {'length',bytes=2}||\1");
    sk_printed(kit, "four\n= {'length',bytes=2}\ntrue\n");
    sk_run(kit, "kelpie.client(0):set_framing('raw')");

    sk_printed(kit, "\\x01\n");
}

static void
given_another_framing_when_sending_then_messages_are_wrapped_by_it(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, changer);
    sk_connect(kit, 0);
    sk_run(kit, "local c = kelpie.client(0)\n"
                "c:send('line') c:set_framing('crlf') c:send('crlf')\n"
                "c:set_framing('netstring') c:send('net') c:write('!')\n"
                "c:set_framing({ 'delimiter', '||' }) c:send('delimited')\n"
                "c:set_framing({ 'fixed', 3 }) c:send('abc')\n"
                "c:set_framing('raw') c:send('raw')");

    sk_hears(kit, 0, "line\ncrlf\r\n3:net,!delimited||abcraw");
}

static void
given_a_framing_that_cannot_be_when_set_then_it_raises_and_the_old_one_stays(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, changer);
    sk_connect(kit, 0);
    sk_run(kit,
           "local c = kelpie.client(0)\n"
           "print(select(2, pcall(function() c:set_framing({ 'fixed', 8193 }) end)))\n"
           "print((select(2, pcall(function() c:set_framing('lines') "
           "end)):match('^[^;]*')))\n"
           "print((select(2, pcall(function() c:set_framing() end)):match('^[^;]*')))\n"
           "print(c:set_framing({ 'fixed', 8192 }), c:set_framing('line'))");
    sk_say(kit, 0, "still a line\n");

    sk_printed(kit,
               "run.lua:2: bad argument #1 to 'set_framing' (more bytes than max_message "
               "allows)\n"
               "run.lua:3: framing: unknown framing 'lines'\n"
               "run.lua:4: framing: got no value\n"
               "true\ttrue\nstill a line\n");
}

static void
given_partial_at_eof_when_the_framing_changes_then_it_still_holds(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { partial_at_eof = 'deliver',\n"
                 "   on_connect = function(c) c:set_framing('crlf') end,\n"
                 "   on_message = function(c, m) print(m) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "whole\r\nhalf");
    sk_half_close(kit, 0);

    sk_printed(kit, "whole\nhalf\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_each_framing_when_set_then_the_bytes_behind_are_cut_by_it),
        TEST(given_another_framing_when_sending_then_messages_are_wrapped_by_it),
        TEST(
            given_a_framing_that_cannot_be_when_set_then_it_raises_and_the_old_one_stays),
        TEST(given_partial_at_eof_when_the_framing_changes_then_it_still_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
