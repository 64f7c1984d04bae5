/*
 * test_lua_timer.c - kelpie.after and kelpie.every
 */
#include <string.h>

#include "bind_kit.h"

static size_t
count_started(struct script_kit *kit)
{
    size_t n = 0;

    kp_list_each(node, &kit->script.live->timers)
        n++;
    assert_int_equal(bk_count(kit, kit->script.live->timers_ref), n);
    return n;
}

/* --- firing ------------------------------------------------------------------------------ */

static void
given_after_when_the_time_comes_then_it_fires_once(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit, "kelpie.after(1.5, function(...) print('fired', select('#', ...)) end)",
           "");
    bk_collect(kit);
    sk_pass(kit, 1499);
    sk_printed(kit, "");
    sk_pass(kit, 1);
    sk_printed(kit, "fired\t0\n");
    sk_pass(kit, 10000);

    sk_printed(kit, "");
    assert_int_equal(count_started(kit), 0);
}

static void
given_every_when_time_passes_then_it_fires_each_time(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit, "local n = 0 kelpie.every(2, function() n = n + 1 print(n) end)", "");
    bk_collect(kit);
    sk_pass(kit, 1999);
    sk_printed(kit, "");
    sk_pass(kit, 1);
    sk_printed(kit, "1\n");
    for (int i = 0; i < 3; i++)
        sk_pass(kit, 2000);

    sk_printed(kit, "2\n3\n4\n");
    assert_int_equal(count_started(kit), 1);
}

static void
given_timers_when_one_of_them_ends_then_the_others_stay_anchored(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "local t = {}\n"
           "for i = 1, 5 do t[i] = kelpie.after(i, function() print(i) end) end\n"
           "t[2]:cancel() t[5]:cancel() t[1]:cancel() t[1]:cancel()\n"
           "kelpie.after(2, function() print('new') end)",
           "");
    bk_collect(kit);
    assert_int_equal(count_started(kit), 3);
    for (int i = 0; i < 5; i++) {
        sk_pass(kit, 1000);
        bk_collect(kit);
    }

    sk_printed(kit, "new\n3\n4\n");
    assert_int_equal(count_started(kit), 0);
}

static void
given_timers_that_are_late_when_the_clock_jumps_then_each_fires_once(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "kelpie.every(1, function() print('every') end)\n"
           "kelpie.after(2, function() print('after') end)",
           "");
    sk_pass(kit, 60500);
    sk_printed(kit, "every\nafter\n");
    sk_pass(kit, 999);
    sk_printed(kit, "");
    sk_pass(kit, 1);

    sk_printed(kit, "every\n");
}

static void
given_an_after_of_0_when_declared_then_it_fires_in_another_task(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit, "kelpie.after(0, function() print('timer') end) print('handler')",
           "handler\ntimer\n");
}

static void
given_a_timer_when_its_function_raises_then_the_next_firing_comes(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local n = 0 kelpie.every(1, function()\n"
                "   n = n + 1 print(n) if n == 1 then error('first') end end)");
    sk_pass(kit, 1000);
    sk_logged(kit, "error: timer: run.lua:2: first");
    sk_pass(kit, 1000);

    sk_printed(kit, "1\n2\n");
}

static void
given_a_timer_function_when_it_waits_then_it_goes_on_later(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    bk_run(kit,
           "kelpie.after(1, function() print('a') kelpie.sleep(1) print('b')\n"
           "   print(conn:receive()) end)",
           "");
    sk_pass(kit, 1000);
    sk_printed(kit, "a\n");
    sk_pass(kit, 1000);
    sk_printed(kit, "b\n");
    sk_say(kit, 0, "hello\n");

    sk_printed(kit, "hello\n");
}

static void
given_a_repeated_function_when_it_waits_then_firings_are_skipped_meanwhile(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "local n = 0 kelpie.every(1, function()\n"
           "   n = n + 1 print('start ' .. n) kelpie.sleep(2.5) print('end') end)",
           "");
    sk_pass(kit, 1000);
    sk_printed(kit, "start 1\n");
    sk_pass(kit, 1000);
    sk_pass(kit, 1000);
    sk_printed(kit, "");
    sk_pass(kit, 500);
    sk_printed(kit, "end\n");
    sk_pass(kit, 500);

    sk_printed(kit, "start 2\n");
}

static void
given_a_waiting_function_when_it_raises_or_is_killed_then_firings_go_on(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit,
           "local n = 0 kelpie.every(1, function()\n"
           "   n = n + 1 print(n) if n == 3 then test.kill() end kelpie.sleep(0.5)\n"
           "   if n == 1 then error('raised') elseif n == 2 then test.kill() end end)");
    for (int i = 0; i < 8; i++)
        sk_pass(kit, 500);

    sk_printed(kit, "1\n2\n3\n4\n");
    sk_logged(kit, "raised");
    assert_int_equal(kit->script.handler_kills, 2);
}

static void
given_two_timers_with_one_function_when_one_waits_then_the_other_fires(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "local n = 0\n"
           "local function f() n = n + 1 print(n) kelpie.sleep(100) end\n"
           "kelpie.every(1, f) kelpie.every(2, f)",
           "");
    sk_pass(kit, 1000);
    sk_printed(kit, "1\n");
    sk_pass(kit, 1000);
    sk_printed(kit, "2\n");
    sk_pass(kit, 4000);

    sk_printed(kit, "");
}

/* --- ending ------------------------------------------------------------------------------ */

static void
given_a_timer_when_cancelled_then_it_does_not_fire(void **state)
{
    struct script_kit *kit = *state;

    bk_run(
        kit,
        "local a = kelpie.after(1, print) local e = kelpie.every(1, print)\n"
        "print(a, e) print(a:cancel(), a:cancel(), e:cancel(), e:cancel()) print(a, e)",
        "timer\ttimer\ntrue\tfalse\ttrue\tfalse\ntimer (ended)\ttimer (ended)\n");
    assert_int_equal(count_started(kit), 0);
    sk_pass(kit, 2000);

    sk_printed(kit, "");
}

static void
given_a_timer_when_it_is_cancelled_by_itself_then_it_was_the_last_time(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "local e e = kelpie.every(1, function() print('every', e:cancel(), "
           "e:cancel()) end)\n"
           "local a a = kelpie.after(1, function() print('after', a:cancel()) end)",
           "");
    sk_pass(kit, 1000);
    sk_printed(kit, "every\ttrue\tfalse\nafter\tfalse\n");
    sk_pass(kit, 5000);

    sk_printed(kit, "");
    assert_int_equal(count_started(kit), 0);
}

static void
given_two_timers_due_at_once_when_one_cancels_the_other_then_it_does_not_fire(
    void **state)
{
    struct script_kit *kit = *state;

    bk_run(
        kit,
        "local second\n"
        "kelpie.after(1, function() print('first', second:cancel()) second = nil end)\n"
        "second = kelpie.after(1, function() print('second') end)",
        "");
    sk_pass(kit, 1000);

    sk_printed(kit, "first\ttrue\n");
}

static void
given_timers_when_their_generation_is_freed_then_none_fires(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit, "kelpie.every(1, print) kelpie.after('named', 1, print)", "");
    assert_int_equal(kit->timers.count, 2);
    sk_load(kit, "return {}");
    assert_int_equal(kit->timers.count, 0);
    sk_pass(kit, 2000);

    sk_printed(kit, "");
}

static void
given_an_ended_timer_when_nobody_holds_it_then_it_is_collected(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "for _ = 1, 1000 do kelpie.after(1, print):cancel() end");
    bk_collect(kit);
    size_t before = kit->script.live->lua_bytes;
    sk_run(kit, "for _ = 1, 1000 do kelpie.after(1, function() end):cancel() end");
    sk_run(kit, "for _ = 1, 1000 do kelpie.after(0, function() end) end");
    sk_settle(kit);
    bk_collect(kit);

    assert_int_equal(count_started(kit), 0);
    assert_true(kit->script.live->lua_bytes < before + 100000);
}

/* --- names ------------------------------------------------------------------------------- */

static void
given_a_name_when_declared_again_then_the_first_timer_ends(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "local first = kelpie.every('tick', 1, function() print('first') end)\n"
           "local other = kelpie.every('tick\\0', 1, function() print('other') end)\n"
           "local second = kelpie.after('tick', 2, function() print('second') end)\n"
           "print(first, #tostring(other), second, first:cancel())",
           "timer tick (ended)\t11\ttimer tick\tfalse\n");
    sk_pass(kit, 1000);
    sk_printed(kit, "other\n");
    sk_pass(kit, 1000);
    sk_printed(kit, "second\nother\n");
    bk_run(kit, "kelpie.after('tick', 1, print)", "");

    assert_int_equal(count_started(kit), 2);
}

static void
given_a_named_timer_when_its_own_function_declares_it_then_the_new_one_counts(
    void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "local function again() print('fired') kelpie.after('tick', 1, again) end\n"
           "kelpie.every('tick', 1, again)",
           "");
    for (int i = 0; i < 3; i++)
        sk_pass(kit, 1000);

    sk_printed(kit, "fired\nfired\nfired\n");
    assert_int_equal(count_started(kit), 1);
}

/* --- arguments --------------------------------------------------------------------------- */

static void
given_arguments_that_make_no_sense_when_declared_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "try(function() kelpie.after() end)\n"
           "try(function() kelpie.after(1) end)\n"
           "try(function() kelpie.after(1, 'print') end)\n"
           "try(function() kelpie.after(-1, print) end)\n"
           "try(function() kelpie.after(0/0, print) end)\n"
           "try(function() kelpie.after('5', print) end)\n"
           "try(function() kelpie.after('', 1, print) end)\n"
           "try(function() kelpie.every('name', 1) end)\n"
           "try(function() kelpie.every(0, print) end)\n"
           "try(function() kelpie.every('name', 0.0009, print) end)",
           "run.lua:1: bad argument #1 to 'after' (number expected, got no value)\n"
           "run.lua:2: bad argument #2 to 'after' (function expected, got no value)\n"
           "run.lua:3: bad argument #2 to 'after' (function expected, got string)\n"
           "run.lua:4: bad argument #1 to 'after' (a number of seconds expected, 0 or "
           "more)\n"
           "run.lua:5: bad argument #1 to 'after' (a number of seconds expected, 0 or "
           "more)\n"
           "run.lua:6: bad argument #2 to 'after' (number expected, got function)\n"
           "run.lua:7: bad argument #1 to 'after' (a name must not be empty)\n"
           "run.lua:8: bad argument #3 to 'every' (function expected, got no value)\n"
           "run.lua:9: bad argument #1 to 'every' (at least 0.001 seconds expected)\n"
           "run.lua:10: bad argument #2 to 'every' (at least 0.001 seconds expected)\n");
    assert_int_equal(count_started(kit), 0);
}

static void
given_a_script_that_loads_when_it_declares_timers_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_refuse(kit, "kelpie.after(1, print) return {}",
              "test.lua:1: kelpie.after: not allowed while loading");
    sk_refuse(kit, "kelpie.every('x', 1, print) return {}",
              "test.lua:1: kelpie.every: not allowed while loading");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
        T(given_timers_when_one_of_them_ends_then_the_others_stay_anchored),
        T(given_after_when_the_time_comes_then_it_fires_once),
        T(given_every_when_time_passes_then_it_fires_each_time),
        T(given_timers_that_are_late_when_the_clock_jumps_then_each_fires_once),
        T(given_an_after_of_0_when_declared_then_it_fires_in_another_task),
        T(given_a_timer_when_its_function_raises_then_the_next_firing_comes),
        T(given_a_timer_function_when_it_waits_then_it_goes_on_later),
        T(given_a_repeated_function_when_it_waits_then_firings_are_skipped_meanwhile),
        T(given_a_waiting_function_when_it_raises_or_is_killed_then_firings_go_on),
        T(given_two_timers_with_one_function_when_one_waits_then_the_other_fires),
        T(given_a_timer_when_cancelled_then_it_does_not_fire),
        T(given_a_timer_when_it_is_cancelled_by_itself_then_it_was_the_last_time),
        T(given_two_timers_due_at_once_when_one_cancels_the_other_then_it_does_not_fire),
        T(given_timers_when_their_generation_is_freed_then_none_fires),
        T(given_an_ended_timer_when_nobody_holds_it_then_it_is_collected),
        T(given_a_name_when_declared_again_then_the_first_timer_ends),
        T(given_a_named_timer_when_its_own_function_declares_it_then_the_new_one_counts),
        T(given_arguments_that_make_no_sense_when_declared_then_it_raises),
        T(given_a_script_that_loads_when_it_declares_timers_then_it_raises),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
