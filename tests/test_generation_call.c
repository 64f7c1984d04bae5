/*
 * test_generation_call.c - calling handlers, and on_message for many messages in a row
 *
 * kit->n_told counts how often the net has handed a message over: less than there were
 * messages, when a handler's coroutine has gone on to the next ones itself.
 */
#include <string.h>

#include "script_kit.h"

/* A handler that does what the message says. */
static const char obedient[] =
    "local kelpie = require('kelpie')\n"
    "local last\n"
    "return { on_message = function(conn, m)\n"
    "   print(m)\n"
    "   if m == 'raise' then error('as you wish', 0) end\n"
    "   if m == 'sleep' then kelpie.sleep(1) print('awake') end\n"
    "   if m == 'close' then conn:close('asked') end\n"
    "   if m == 'pause' then conn:pause() end\n"
    "   if m == 'raw' then conn:set_framing('raw') end\n"
    "   if m == 'loop' then while true do test.advance(1) end end\n"
    "   if m == 'slow' then for i = 1, 30 do test.advance(1) for j = 1, 999 do end end "
    "end\n"
    "   if m == 'some' then test.advance(15) end\n"
    "   if m == 'look' then test.look(5) test.look(10) end\n"
    "   if m == 'take' then\n"
    "      print(coroutine.running() == last)\n"
    "      last = coroutine.running()\n"
    "   end\n"
    "   if m == 'mix' then\n"
    "      print(pcall(kelpie.room('r').send, conn, 'x'))\n"
    "      print(pcall(conn.send, kelpie.room('r'), 'x'))\n"
    "   end\n"
    "   if m == 'main' then print(pcall(debug.getinfo(2, 'f').func)) end\n"
    "end }";

/* Loads it, and sends it messages all at once. */
static void
tell(struct script_kit *kit, const char *messages)
{
    sk_load(kit, obedient);
    sk_connect(kit, 0);
    sk_say(kit, 0, messages);
}

static void
given_messages_that_wait_when_a_handler_returns_then_it_gets_the_next_one(void **state)
{
    struct script_kit *kit = *state;

    tell(kit, "a\nb\nc\n");

    sk_printed(kit, "a\nb\nc\n");
    assert_int_equal(kit->n_told, 1);
    assert_int_equal(kit->script.live->calls, 3);
    assert_int_equal(kit->script.live->n_tasks, 0);
    assert_int_equal(kit->script.live->n_pool, 1);
}

static void
given_an_error_when_messages_follow_then_it_alone_is_reported(void **state)
{
    struct script_kit *kit = *state;

    tell(kit, "a\nraise\nb\n");

    sk_printed(kit, "a\nraise\nb\n");
    assert_non_null(strstr(kit->log, "in function <test.lua:3>"));
    assert_null(strstr(kit->log, "[C]: in ?")); /* our own main function */
    sk_logged(kit, "error: on_message: as you wish (client #0");
    assert_int_equal(kit->n_told, 2);
    assert_int_equal(kit->script.live->calls, 3);
    assert_int_equal(kit->script.live->errors, 1);
}

static void
given_a_handler_that_suspends_when_messages_follow_then_they_wait_for_its_end(
    void **state)
{
    struct script_kit *kit = *state;

    tell(kit, "a\nsleep\nb\nc\n");
    sk_printed(kit, "a\nsleep\n");
    sk_pass(kit, 1000);

    sk_printed(kit, "awake\nb\nc\n");
    assert_int_equal(kit->n_told, 2);
    assert_int_equal(kit->script.live->calls, 4);
}

static void
given_a_handler_that_closes_when_messages_follow_then_nobody_gets_them(void **state)
{
    struct script_kit *kit = *state;

    tell(kit, "a\nclose\nb\n");

    sk_printed(kit, "a\nclose\n");
}

static void
given_a_handler_that_pauses_when_messages_follow_then_they_wait(void **state)
{
    struct script_kit *kit = *state;

    tell(kit, "a\npause\nb\n");
    sk_printed(kit, "a\npause\n");
    kp_conn_resume(kit->conns[0]);
    sk_settle(kit);

    sk_printed(kit, "b\n");
}

static void
given_a_handler_that_sets_a_framing_when_bytes_follow_then_they_are_cut_so(void **state)
{
    struct script_kit *kit = *state;

    tell(kit, "a\nraw\nb\nc");

    sk_printed(kit, "a\nraw\nb\nc\n");
    assert_int_equal(kit->net.counters.messages_in, 3);
}

static void
given_many_messages_when_each_is_in_time_then_none_is_late(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.handler_timeout_ns = 50 * KP_NS_PER_MS;
    tell(kit, "some\nsome\nsome\nsome\n");

    sk_printed(kit, "some\nsome\nsome\nsome\n");
    sk_logged_nothing(kit);
    assert_int_equal(kit->n_told, 1);
}

static void
given_the_guard_when_each_message_is_in_time_then_none_is_late(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.handler_timeout_ns = 50 * KP_NS_PER_MS;
    tell(kit, "look\nlook\nlook\nlook\n");

    sk_printed(kit, "look\nlook\nlook\nlook\n");
    sk_logged_nothing(kit);
    assert_int_equal(kit->n_told, 1);
}

static void
given_a_kill_when_messages_follow_then_it_is_told_of_its_own_message(void **state)
{
    struct script_kit *kit = *state;

    tell(kit, "some\nloop\nb\n");

    sk_printed(kit, "some\nloop\nb\n");
    sk_logged(kit, "handler ran longer than 100 ms");
    sk_logged(kit, "    its message (4 bytes): loop\n");
    assert_int_equal(kit->n_told, 2);
    assert_int_equal(kit->script.handler_kills, 1);
}

static void
given_a_slow_handler_when_messages_follow_then_others_are_served_before_them(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, obedient);
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    assert_int_equal(kp_sys_write(&kit->env.sys, kit->peers[0], "slow\nb\n", 7), 7);
    sk_say(kit, 1, "other\n");

    sk_printed(kit, "slow\nother\nb\n");
    sk_logged(kit, "warn: on_message: slow: took more than ");
    assert_int_equal(kit->n_told, 3);
}

static void
given_a_coroutine_that_the_script_has_when_messages_follow_then_they_have_another(
    void **state)
{
    struct script_kit *kit = *state;

    tell(kit, "take\ntake\n");

    sk_printed(kit, "take\nfalse\ntake\nfalse\n");
    assert_int_equal(kit->script.live->n_pool, 0);
}

static void
given_our_main_function_when_a_script_finds_it_then_calling_it_is_refused(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.allow = KP_ALLOW_DEBUG;
    tell(kit, "main\nb\n");

    sk_printed(kit, "main\nfalse\tnot for scripts\nb\n");
}

static void
given_the_handle_of_the_handler_when_used_as_another_type_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    tell(kit, "mix\n");

    sk_printed(kit, "mix\n"
                    "false\tbad argument #1 to '?' (room expected, got userdata; use "
                    "room:send(...))\n"
                    "false\tbad argument #1 to '?' (conn expected, got userdata; use "
                    "conn:send(...))\n");
}

static void
given_no_memory_for_a_message_when_messages_follow_then_they_are_handled(void **state)
{
    struct script_kit *kit = *state;
    char messages[8005];

    tell(kit, "warm\n");
    sk_printed(kit, "warm\n");
    memset(messages, 'x', sizeof messages);
    memcpy(messages, "a\n", 2);
    memcpy(messages + 8000, "\nb\n", 4);
    (void)lua_gc(kit->script.live->L, LUA_GCCOLLECT);
    kit->script.limits.lua_memory = kit->script.live->lua_bytes + 4000;
    sk_say(kit, 0, messages);

    sk_printed(kit, "a\nb\n");
    sk_logged(kit, "error: on_message: not enough memory (client #0");
    assert_int_equal(kit->script.live->calls, 4);
    assert_int_equal(kit->script.live->errors, 1);
    assert_int_equal(kit->script.live->n_tasks, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_messages_that_wait_when_a_handler_returns_then_it_gets_the_next_one),
        TEST(given_an_error_when_messages_follow_then_it_alone_is_reported),
        TEST(
            given_a_handler_that_suspends_when_messages_follow_then_they_wait_for_its_end),
        TEST(given_a_handler_that_closes_when_messages_follow_then_nobody_gets_them),
        TEST(given_a_handler_that_pauses_when_messages_follow_then_they_wait),
        TEST(given_a_handler_that_sets_a_framing_when_bytes_follow_then_they_are_cut_so),
        TEST(given_many_messages_when_each_is_in_time_then_none_is_late),
        cmocka_unit_test_setup_teardown(
            given_the_guard_when_each_message_is_in_time_then_none_is_late,
            sk_setup_signal, sk_teardown),
        TEST(given_a_kill_when_messages_follow_then_it_is_told_of_its_own_message),
        TEST(
            given_a_slow_handler_when_messages_follow_then_others_are_served_before_them),
        TEST(
            given_a_coroutine_that_the_script_has_when_messages_follow_then_they_have_another),
        TEST(given_our_main_function_when_a_script_finds_it_then_calling_it_is_refused),
        TEST(given_the_handle_of_the_handler_when_used_as_another_type_then_it_raises),
        TEST(given_no_memory_for_a_message_when_messages_follow_then_they_are_handled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
