/*
 * test_guard.c - the thread that notices late calls, and the signal that it sends
 *
 * There is no thread: the script itself lets the guard look, at a clock that it moves, and
 * the signal that the guard sends to its own thread arrives before pthread_kill returns. So
 * every moment is where the test wants it. test_guard_thread.c has the real thread.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "script_kit.h"

static struct kp_guard *
guard_of(struct script_kit *kit)
{
    return &kit->script.guard;
}

/* --- C functions of these tests --------------------------------------------------------------- */

/* Adds a function to the table `test` of the scripts of a kit. */
static void
add_function(struct script_kit *kit, const char *name, lua_CFunction fn)
{
    sk_run(kit, "");
    lua_State *L = kit->script.live->L;
    lua_getglobal(L, "test");
    lua_pushcfunction(L, fn);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

static void
look(struct script_kit *kit, uint64_t ms)
{
    fault_clock_advance(&kit->sys, ms * KP_NS_PER_MS);
    kp_guard_look(guard_of(kit), kp_sys_now_ns(&kit->env.sys));
}

/* --- one call, without a thread ----------------------------------------------------------- */

static void
given_a_call_in_time_when_looked_at_then_no_hook_is_set(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "test.look(0) test.look(19) for i = 1, 5000 do end print('done')");
    sk_run(kit, "test.look(19) test.look(0) print('again')");

    sk_printed(kit, "done\nagain\n");
    sk_logged_nothing(kit);
    assert_null(lua_gethook(kit->script.live->L));
}

static void
given_a_slow_call_when_it_ends_then_a_warning_says_where_it_was(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "test.look(0)\ntest.look(25) local x = 1\ntest.look(10) print('done')");

    sk_printed(kit, "done\n");
    sk_logged(kit, "warn: run: slow: took more than 35 ms, at run.lua:2\n");
    assert_int_equal(kit->script.handler_kills, 0);
}

static void
given_a_late_call_when_looked_at_then_it_is_killed_with_file_and_line(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "test.look(0)\ntest.look(99)\ntest.look(1) print('never')");

    sk_printed(kit, "");
    sk_logged(kit, "error: run: run.lua:3: handler ran longer than 100 ms\n");
    assert_int_equal(kit->script.handler_kills, 1);
}

/* test.starve(ms): time in which the thread has no processor; then the guard looks. */
static int
l_starve(lua_State *L)
{
    struct script_kit *kit = kp_generation_of(L)->script->hooks.arg;

    fault_clock_starve(&kit->sys, (uint64_t)luaL_checkinteger(L, 1) * KP_NS_PER_MS);
    kp_guard_look(guard_of(kit), kp_sys_now_ns(&kit->env.sys));
    return 0;
}

static void
given_a_starved_call_when_it_has_used_half_its_budget_then_it_is_killed(void **state)
{
    struct script_kit *kit = *state;

    add_function(kit, "starve", l_starve);
    sk_run(kit, "test.look(0) test.starve(19) test.starve(80)\n"
                "test.starve(100) test.look(49) print('lives')");
    sk_printed(kit, "lives\n");
    assert_int_equal(kit->script.handler_kills, 0);

    sk_run(kit,
           "test.look(0) test.starve(200) test.look(49)\ntest.look(1) print('never')");
    sk_printed(kit, "");
    sk_logged(kit, "error: run: run.lua:2: handler ran longer than 100 ms\n");
    assert_int_equal(kit->script.handler_kills, 1);
}

static void
given_a_call_that_uses_nothing_when_five_budgets_are_over_then_it_is_killed(void **state)
{
    struct script_kit *kit = *state;

    add_function(kit, "starve", l_starve);
    sk_run(kit, "test.look(0) test.starve(499) print('lives')");
    sk_run(kit, "test.look(0) test.starve(499)\ntest.starve(1) print('never')");

    sk_printed(kit, "lives\n");
    sk_logged(kit, "error: run: run.lua:2: handler ran longer than 100 ms\n");
    assert_int_equal(kit->script.handler_kills, 1);
}

static void
given_a_starved_call_when_it_is_slow_by_the_wall_then_no_one_is_warned(void **state)
{
    struct script_kit *kit = *state;

    add_function(kit, "starve", l_starve);
    sk_run(kit, "test.look(9) test.starve(90) test.look(9)");

    sk_logged_nothing(kit);
}

static void
given_a_late_load_when_looked_at_then_the_load_fails(void **state)
{
    struct script_kit *kit = *state;

    sk_refuse(kit, "test.look(0) test.look(4999)\nwhile true do test.look(1) end",
              "test.lua:2: loading ran longer than 5000 ms");

    sk_run(kit, "print('alive')");
    sk_printed(kit, "alive\n");
}

static void
given_a_limit_below_a_tick_when_late_then_it_holds(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.handler_timeout_ns = 5 * KP_NS_PER_MS;
    sk_run(kit, "test.look(0) test.look(5) print('never')");

    sk_logged(kit, "handler ran longer than 5 ms\n");
}

static void
given_no_limit_when_a_call_takes_long_then_the_guard_knows_nothing(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.handler_timeout_ns = 0;
    sk_run(kit, "for i = 1, 10 do test.look(1000) end print('done')");

    sk_printed(kit, "done\n");
    sk_logged_nothing(kit);
    assert_int_equal(guard_of(kit)->last_call, 2); /* making the state, and loading */
}

static void
given_short_calls_when_they_fill_a_long_time_then_none_is_late(void **state)
{
    struct script_kit *kit = *state;

    for (int i = 0; i < 20; i++)
        sk_run(kit, "test.look(15) for i = 1, 100 do end");

    sk_logged_nothing(kit);
    assert_int_equal(kit->script.handler_kills, 0);
}

/* --- signals that nobody waits for ---------------------------------------------------------- */

static void
ignore_signal(int signal)
{
    (void)signal; /* the host's own business */
}

static void
given_a_signal_when_no_call_is_late_then_nothing_happens(void **state)
{
    struct script_kit *kit = *state;

    raise(SIGURG);
    sk_run(kit, "test.look(0) test.look(100)");
    kit->log[0] = '\0';
    raise(SIGURG);
    atomic_store(&guard_of(kit)->late_call, guard_of(kit)->last_call);
    raise(SIGURG);
    sk_run(kit, "for i = 1, 1000 do end print('alive')");

    sk_printed(kit, "alive\n");
    sk_logged_nothing(kit);
}

static void
given_a_foreign_handler_when_the_signal_is_wanted_then_it_is_refused(void **state)
{
    struct sigaction foreign = {.sa_handler = ignore_signal}, now, before;
    struct script_kit *kit = *state;
    struct kp_guard guard;

    kp_guard_init(&guard, &kit->env.sys);
    assert_int_equal(sigaction(SIGUSR1, &foreign, &before), 0);
    int rc = kp_guard_use_signal(&guard, SIGUSR1);
    assert_int_equal(sigaction(SIGUSR1, &before, &now), 0);

    assert_int_equal(rc, -EBUSY);
    assert_true(now.sa_handler == ignore_signal);
    assert_int_equal(kp_guard_use_signal(&guard, SIGKILL), -EINVAL);
    assert_int_equal(kp_guard_use_signal(&guard, 100000), -EINVAL);
    assert_int_equal(guard.signal, 0);
    kp_guard_clear(&guard);
}

/* --- a server within a server ---------------------------------------------------------------- */

static struct script_kit *outer_kit, *inner_kit;

static int
l_inner(lua_State *L)
{
    sk_run(inner_kit, luaL_checkstring(L, 1));
    return 0;
}

static int
l_outer_is_late(lua_State *L)
{
    (void)L;
    look(outer_kit, 0);
    look(outer_kit, 100);
    return 0;
}

static void
given_two_servers_on_a_thread_when_one_is_late_then_only_that_one_is_killed(void **state)
{
    void *other;

    sk_setup_signal(&other);
    outer_kit = *state;
    inner_kit = other;
    add_function(outer_kit, "inner", l_inner);
    add_function(inner_kit, "outer_is_late", l_outer_is_late);

    sk_run(outer_kit,
           "test.inner('test.look(0) test.look(100) print(1)') print('goes on')");
    sk_printed(inner_kit, "");
    sk_logged(inner_kit, "handler ran longer than 100 ms");
    sk_printed(outer_kit, "goes on\n");
    sk_logged_nothing(outer_kit);

    sk_run(outer_kit, "test.inner('test.outer_is_late() print(2)') print('never')");
    sk_printed(inner_kit, "2\n");
    sk_printed(outer_kit, "");
    sk_logged(outer_kit, "handler ran longer than 100 ms");
    sk_teardown(&other);
}

/* --- the last resort --------------------------------------------------------------------------- */

/* A C function that does not come back for some seconds, and asks nobody. */
static int
l_hang(lua_State *L)
{
    struct script_kit *kit = kp_generation_of(L)->script->hooks.arg;

    for (int i = 0; i < luaL_checkinteger(L, 1) * 100; i++)
        look(kit, 10);
    return 0;
}

static char stuck[200];

static void
on_stuck(void *arg, const char *what, const char *place)
{
    size_t len = strlen(stuck);

    (void)arg;
    snprintf(stuck + len, sizeof stuck - len, "%s at '%s'. ", what, place);
}

static void
given_a_call_that_hangs_in_c_when_killed_2_s_ago_then_the_host_is_told_once(void **state)
{
    struct script_kit *kit = *state;

    stuck[0] = '\0';
    guard_of(kit)->on_stuck = on_stuck;
    add_function(kit, "hang", l_hang);
    sk_run(kit, "test.hang(2)"); /* 1.9 s after the kill */
    assert_string_equal(stuck, "");
    sk_run(kit, "test.look(0)\ntest.look(20) test.hang(5)");
    sk_run(kit, "test.hang(4)");

    assert_string_equal(stuck, "run at 'run.lua:2'. run at ''. ");
    assert_int_equal(kit->script.handler_kills, 3);
}

/* Blocks the signal on this thread, which is the one that the guard has to reach. */
static int
l_block(lua_State *L)
{
    sigset_t set;

    (void)L;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return 0;
}

static void
given_a_signal_that_never_arrived_when_stuck_then_the_host_gets_a_text(void **state)
{
    struct script_kit *kit = *state;

    stuck[0] = '\0';
    guard_of(kit)->on_stuck = on_stuck;
    add_function(kit, "hang", l_hang);
    add_function(kit, "block", l_block);
    sk_run(kit, "test.look(0)\ntest.look(20)"); /* its name and place are not taken */
    sk_run(kit, "test.block() test.hang(3)");
    kp_thread_unblock(SIGURG);

    assert_string_equal(stuck, "a call at ''. ");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup_signal, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_call_in_time_when_looked_at_then_no_hook_is_set),
        TEST(given_a_slow_call_when_it_ends_then_a_warning_says_where_it_was),
        TEST(given_a_late_call_when_looked_at_then_it_is_killed_with_file_and_line),
        TEST(given_a_starved_call_when_it_has_used_half_its_budget_then_it_is_killed),
        TEST(given_a_call_that_uses_nothing_when_five_budgets_are_over_then_it_is_killed),
        TEST(given_a_starved_call_when_it_is_slow_by_the_wall_then_no_one_is_warned),
        TEST(given_a_late_load_when_looked_at_then_the_load_fails),
        TEST(given_a_limit_below_a_tick_when_late_then_it_holds),
        TEST(given_no_limit_when_a_call_takes_long_then_the_guard_knows_nothing),
        TEST(given_short_calls_when_they_fill_a_long_time_then_none_is_late),
        TEST(given_a_signal_when_no_call_is_late_then_nothing_happens),
        TEST(given_a_foreign_handler_when_the_signal_is_wanted_then_it_is_refused),
        TEST(given_two_servers_on_a_thread_when_one_is_late_then_only_that_one_is_killed),
        TEST(given_a_call_that_hangs_in_c_when_killed_2_s_ago_then_the_host_is_told_once),
        TEST(given_a_signal_that_never_arrived_when_stuck_then_the_host_gets_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
