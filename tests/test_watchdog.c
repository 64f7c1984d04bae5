/*
 * test_watchdog.c - ends Lua code that runs too long
 */
#include <string.h>

#include "script_kit.h"

static void
given_a_handler_when_it_is_in_time_then_nothing_happens(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "for i = 1, 10000 do end test.advance(19) for i = 1, 5000 do end\n"
                "print('done')");

    sk_printed(kit, "done\n");
    sk_logged_nothing(kit);
    assert_int_equal(kit->script.handler_kills, 0);
}

static void
given_a_handler_when_it_takes_20_ms_then_a_warning_says_so(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "test.advance(35) for i = 1, 5000 do end print('done')");

    sk_printed(kit, "done\n");
    sk_logged(kit, "warn: run: slow: took more than 35 ms, at run.lua:1\n");
}

static void
given_a_handler_when_it_is_late_then_it_is_killed_with_file_and_line(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "test.advance(99)\nfor i = 1, 5000 do end\ntest.advance(1)\n"
                "while true do end");

    sk_logged(kit, "error: run: run.lua:4: handler ran longer than 100 ms\n");
    assert_int_equal(kit->script.handler_kills, 1);
    assert_int_equal(kit->script.handler_errors, 1);
}

static void
given_a_kill_when_it_comes_at_any_moment_then_the_call_has_failed(void **state)
{
    static const char *const texts[] = {
        "test.kill()",
        "test.kill() kelpie.sleep(1) print('never')",
        "test.kill() for i = 1, 2000 do end print('never')",
        "coroutine.wrap(function() test.kill() end)() print('never')",
        "coroutine.wrap(function() test.kill() coroutine.yield() end)() print('never')",
        "coroutine.wrap(function() test.kill() error({}) end)() print('never')",
        "pcall(test.kill) print('never')",
        "pcall(function() test.kill() error('other') end) print('never')",
        "coroutine.close(coroutine.create(test.kill)) test.kill() error({})",
    };
    struct script_kit *kit = *state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sk_run(kit, texts[i]);
        assert_int_equal(kit->script.handler_kills, i + 1);
        assert_int_equal(kit->script.handler_errors, i + 1);
    }
    sk_run(kit, "print('alive')");

    sk_printed(kit, "alive\n");
    assert_true(kp_list_is_empty(&kit->script.live->suspended));
}

static void
given_a_late_main_script_when_loading_then_the_load_fails(void **state)
{
    struct script_kit *kit = *state;

    sk_refuse(kit,
              "test.advance(4999) for i = 1, 5000 do end\n test.advance(1)\n"
              "while true do pcall(function() while true do end end) end",
              "test.lua:3: loading ran longer than 5000 ms");

    sk_run(kit, "print('alive')");
    sk_printed(kit, "alive\n");
}

static void
given_no_limit_when_a_handler_takes_long_then_it_may(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.handler_timeout_ns = 0;
    sk_run(kit, "for i = 1, 100 do test.advance(1000) for j = 1, 1000 do end end\n"
                "print('done')");

    sk_printed(kit, "done\n");
    sk_logged_nothing(kit);
}

static void
given_time_spent_asleep_when_the_handler_goes_on_then_it_does_not_count(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "for i = 1, 3 do test.advance(15) for j = 1, 5000 do end\n"
                "   kelpie.sleep(60) end print('done')");
    for (int i = 0; i < 3; i++)
        sk_pass(kit, 60000);

    sk_printed(kit, "done\n");
    sk_logged_nothing(kit);
}

static void
given_a_hook_left_fast_when_nothing_is_late_then_it_slows_down(void **state)
{
    struct script_kit *kit = *state;
    struct kp_generation *gen;

    sk_run(kit, "");
    gen = kit->script.live;
    lua_State *co = lua_newthread(gen->L);
    kp_watchdog_start(&gen->watchdog, co, KP_NS_PER_S);
    assert_int_equal(lua_gethookcount(co), 1000);
    lua_sethook(co, lua_gethook(co), LUA_MASKCOUNT, 1);
    assert_int_equal(luaL_dostring(co, "for i = 1, 10 do end"), LUA_OK);
    assert_int_equal(lua_gethookcount(co), 1000);
    assert_false(kp_watchdog_stop(&gen->watchdog));

    kp_watchdog_start(&gen->watchdog, co, 0);
    assert_null(lua_gethook(co));
    assert_false(kp_watchdog_stop(&gen->watchdog));
    lua_pop(gen->L, 1);
}

static void
given_a_critical_part_when_it_is_long_then_it_has_the_time_of_loading(void **state)
{
    static const char parts[] =
        "local function long(ms, ...) for i = 1, ms do test.advance(1) for j = 1, 99 do "
        "end\n"
        "end return ... end\n"
        "print(kelpie.critical(long, 2000, 'a', 'b')) long(80)\n"
        "print(kelpie.critical(kelpie.critical, long, 2000, 'c')) long(80)\n"
        "print(pcall(kelpie.critical, error, 'd')) long(80)\n"
        "print(pcall(kelpie.critical, kelpie.sleep, 1))\n"
        "pcall(kelpie.critical, long, 1000) print('never')";
    struct script_kit *kit = *state;

    sk_run(kit, parts);

    sk_printed(kit, "a\tb\nc\nfalse\td\n"
                    "false\tcannot wait here: called by a C function such as table.sort "
                    "or kelpie.critical\n");
    assert_int_equal(kit->script.handler_kills, 1);
    sk_run(kit, "kelpie.critical(test.advance, 1) while true do test.advance(1) end");
    assert_int_equal(kit->script.handler_kills, 2);
}

static void
given_critical_parts_without_end_when_their_time_is_over_then_it_is_killed(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local n = 0 local function count() n = n + 1 test.advance(1)\n"
                "   if n == 4900 or n == 5200 then print(n) end end\n"
                "while true do pcall(kelpie.critical, count) end");

    sk_printed(kit, "4900\n");
    assert_int_equal(kit->script.handler_kills, 1);
}

/* --- a loop in C ----------------------------------------------------------------------- */

static int
loop_in_c(lua_State *L)
{
    struct script_kit *kit = lua_touserdata(L, 1);
    struct kp_watchdog *watchdog = &kp_generation_of(L)->watchdog;

    for (int i = 0; i < 1000; i++) {
        kp_watchdog_check(watchdog, L);
        fault_clock_advance(&kit->sys, KP_NS_PER_MS);
    }
    return 0;
}

static void
given_a_loop_in_c_when_it_checks_then_it_is_ended(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "");
    int within =
        kp_generation_enter(kit->script.live, loop_in_c, kit, 2000 * KP_NS_PER_MS);
    int late = kp_generation_enter(kit->script.live, loop_in_c, kit, 50 * KP_NS_PER_MS);

    assert_int_equal(within, 0);
    assert_int_equal(late, KELPIE_ESCRIPT);
    assert_non_null(strstr(kit->script.error, "handler ran longer than 50 ms"));
    assert_false(kit->script.live->watchdog.killed);
}

static void
given_three_kills_in_a_minute_when_of_one_connection_then_it_is_closed(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c, m)\n"
                 "   if m == 'loop' then while true do test.advance(1) end end\n"
                 "   print(m)\n"
                 "end, on_disconnect = function(c, r) print(r) end }");
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_say(kit, 0, "loop\nloop\n");
    sk_say(kit, 1, "loop\n");
    sk_pass(kit, 61000); /* the first two are forgotten */
    sk_say(kit, 0, "loop\nloop\n");
    sk_say(kit, 0, "still here\n");
    sk_printed(kit, "still here\n");
    sk_say(kit, 0, "loop\nnot heard\n");
    sk_hang_up(kit, 0);

    sk_printed(kit, "script killed\n");
    sk_say(kit, 1, "me too\n");
    sk_printed(kit, "me too\n");
    sk_logged(kit, "    its message (4 bytes): loop\n");
    assert_int_equal(kit->script.handler_kills, 6);
}

static void
given_a_killed_message_with_odd_bytes_when_told_then_they_are_escaped(void **state)
{
    struct script_kit *kit = *state;
    char text[300];

    memset(text, 'x', sizeof text);
    memcpy(text, "a\0b\033\\", 5);
    sk_load(kit, "return { on_message = function(c, m) if m:sub(1, 1) == 'a' then\n"
                 "   while true do test.advance(1) end end c:receive()\n"
                 "   while true do test.advance(1) end end }");
    sk_connect(kit, 0);
    kp_script_on_message(&kit->script, kit->conns[0], text, sizeof text);
    sk_logged(kit, "    its message (300 bytes): a?b\\x1b\\x5cxxx");
    sk_say(kit, 0, "first\nsecond\n");

    sk_logged(kit, "    its message (6 bytes): second\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_handler_when_it_is_in_time_then_nothing_happens),
        TEST(given_a_handler_when_it_takes_20_ms_then_a_warning_says_so),
        TEST(given_a_handler_when_it_is_late_then_it_is_killed_with_file_and_line),
        TEST(given_a_kill_when_it_comes_at_any_moment_then_the_call_has_failed),
        TEST(given_a_late_main_script_when_loading_then_the_load_fails),
        TEST(given_no_limit_when_a_handler_takes_long_then_it_may),
        TEST(given_time_spent_asleep_when_the_handler_goes_on_then_it_does_not_count),
        TEST(given_a_hook_left_fast_when_nothing_is_late_then_it_slows_down),
        TEST(given_a_critical_part_when_it_is_long_then_it_has_the_time_of_loading),
        TEST(given_critical_parts_without_end_when_their_time_is_over_then_it_is_killed),
        TEST(given_a_loop_in_c_when_it_checks_then_it_is_ended),
        TEST(given_three_kills_in_a_minute_when_of_one_connection_then_it_is_closed),
        TEST(given_a_killed_message_with_odd_bytes_when_told_then_they_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
