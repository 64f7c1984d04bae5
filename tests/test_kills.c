/*
 * test_kills.c - kills at every odd moment, and what is left afterwards
 *
 * A script can try to swallow its kill, or to be where it cannot be reached. Each attempt that
 * is known stands here by itself. Then come ten thousand kills at random moments in one state:
 * a thread beside it picks the microsecond, the signal is a real one, and after each kill the
 * state must work and its data must be whole.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "script_kit.h"

/* --- what tries to outlast a kill ---------------------------------------------------------- */

/* late() is a kill by signal at this very place. */
static const char late_function[] =
    "local function late() test.look(0) test.look(100) end\n";

static void
given_a_kill_when_code_would_swallow_it_then_it_has_ended_all_the_same(void **state)
{
    static const char *const texts[] = {
        "while true do pcall(late) end",
        "while true do pcall(error, 1) late() end",
        "while true do xpcall(late, function() while true do end end) end",
        "xpcall(error, function() late() while true do end end)",
        "while true do pcall(xpcall, late, pcall) end",
        "while true do coroutine.wrap(function() while true do late() end end)() end",
        "while true do coroutine.resume(coroutine.create(late)) end",
        "local co = coroutine.create(function() while true do pcall(late) end end)\n"
        "while true do coroutine.resume(co) coroutine.close(co) end",
        "local co = coroutine.wrap(function() coroutine.yield() late() end)\n"
        "co() while true do pcall(co) end",
        "local c <close> = setmetatable({}, {__close = function() while true do end "
        "end})\n"
        "late()",
        "do local c <close> = setmetatable({}, {__close = function() late()\n"
        "while true do end end}) end",
        "local co = coroutine.create(function()\n"
        "local c <close> = setmetatable({}, {__close = function() late()\n"
        "while true do end end}) coroutine.yield() end)\n"
        "coroutine.resume(co) coroutine.close(co) while true do end",
        "local co = coroutine.create(function()\n"
        "local c <close> = setmetatable({}, {__close = function() while true do end "
        "end})\n"
        "late() end) coroutine.resume(co) coroutine.close(co) while true do end",
        "table.sort({3, 2, 1}, function(a, b) late() return a < b end) while true do end",
        "local t = setmetatable({}, {__index = function(t, k) late() return k end})\n"
        "while true do local x = t[1] end",
        "string.gsub('aaa', 'a', function() late() end) while true do end",
        "for k in late do end while true do end",
        "load(function() late() return 'x' end) while true do end",
        "print(setmetatable({}, {__tostring = function() late() return 'x' end}))\n"
        "while true do end",
        "goto a ::a:: late() goto a",
        "local function f() late() return f() end f()",
        "local function f() late() return f() + 1 end pcall(f) while true do end",
        "kelpie.spawn(late) late() while true do end",
        "late() kelpie.sleep(1) while true do end",
        "pcall(kelpie.log, 'info', '%s', setmetatable({}, {__tostring = late}))\n"
        "while true do end",
        "coroutine.wrap(function() coroutine.wrap(function() pcall(late) end)() end)()\n"
        "while true do end",
    };
    struct script_kit *kit = *state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%s%s", late_function, texts[i]);
        sk_run(kit, text);
        if (kit->script.handler_kills < i + 1)
            fail_msg("not killed: %s", texts[i]);
        sk_run(kit, "print('alive')");
        sk_printed(kit, "alive\n");
        kit->log[0] = '\0';
    }
    assert_true(kp_list_is_empty(&kit->script.live->suspended));
}

static void
given_an_error_whose_text_takes_for_ever_when_reported_then_that_is_ended(void **state)
{
    struct script_kit *kit = *state;
    char text[512];

    snprintf(text, sizeof text,
             "%serror(setmetatable({}, {__tostring = function() late()\n"
             "while true do end end}))",
             late_function);
    sk_run(kit, text);
    sk_run(kit, "print('alive')");

    sk_logged(kit, "(error object is a table value)");
    sk_printed(kit, "alive\n");
    assert_int_equal(kit->script.handler_errors, 1);
}

static void
given_a_suspended_coroutine_with_a_hook_when_it_runs_later_then_it_loses_it(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit,
            "local kept = {} for i = 1, 3 do kept[i] = coroutine.create(function()\n"
            "   while true do coroutine.yield(i) end end) end\n"
            "return { on_input = function(line)\n"
            "   for i = 1, 3 do local _, n = coroutine.resume(kept[i])\n"
            "      if line == 'slow' and i == 2 then test.look(0) test.look(30) end\n"
            "      print(i, n) end end }");
    for (int i = 0; i < 3; i++)
        kp_script_on_input(&kit->script, i == 1 ? "slow" : "fast", 4);

    sk_printed(kit, "1\t1\n2\t2\n3\t3\n1\t1\n2\t2\n3\t3\n1\t1\n2\t2\n3\t3\n");
    sk_logged(kit, "warn: on_input: slow");
    assert_int_equal(kit->script.handler_errors, 0);
}

/* --- at random moments ------------------------------------------------------------------------- */

#define N_KILLS     10000
#define N_WORKLOADS 16
#define MAX_WAIT_NS 900000 /* from the beginning of a call to its kill */

/* Each runs for ever, and allocates: the thread sanitizer hands on signals only then. */
static const char workloads[] =
    "local kept, room = {}, kelpie.room('room')\n"
    "for i = 1, 100 do kept[i] = { i, tostring(i) } end\n"
    "local function renew() local i = math.random(100) kept[i] = { i, tostring(i) } end\n"
    "local function deep(n) if n == 0 then renew() return {} end return (deep(n - 1)) "
    "end\n"
    "local closing = { __close = function() for i = 1, 10 do renew() end end }\n"
    "local indexed = { __index = function(t, k) renew() return k end,\n"
    "   __add = function(a, b) renew() return a end, __concat = function() return {} "
    "end,\n"
    "   __lt = function() renew() return true end, __call = function() return {} end }\n"
    "local function object() return setmetatable({}, indexed) end\n"
    "local work = {\n"
    "   function() while true do renew() end end,\n"
    "   function() while true do pcall(deep, 50) end end,\n"
    "   function() while true do pcall(error, {}) end end,\n"
    "   function() while true do xpcall(function() error({}) end, function(e) renew()\n"
    "      return e end) end end,\n"
    "   function() while true do coroutine.wrap(function(...) for i = 1, 5 do renew()\n"
    "      coroutine.yield(i) end end)() end end,\n"
    "   function() while true do local co = coroutine.create(function()\n"
    "      local c <close> = setmetatable({}, closing) coroutine.yield(1) end)\n"
    "      coroutine.resume(co) coroutine.close(co) end end,\n"
    "   function() while true do local c <close> = setmetatable({}, closing) end end,\n"
    "   function() while true do local o = object() local x = o.x, o + o, o .. o, o < "
    "o,\n"
    "      o() end end,\n"
    "   function() while true do local t = {} for i = 1, 50 do t[i] = i * 7 % 51 end\n"
    "      table.sort(t, function(a, b) renew() return a < b end) end end,\n"
    "   function() while true do ('abcabc'):gsub('b', function(s) renew() return {} and "
    "s end)\n"
    "      end end,\n"
    "   function() while true do local s = '' for i = 1, 60 do s = s .. i .. ',' end end "
    "end,\n"
    "   function() while true do load('local a = {} for i = 1, 9 do a[i] = i end')() end "
    "end,\n"
    "   function() while true do local t = {} for i = 1, 99 do t['k' .. i] = i end\n"
    "      for k in pairs(t) do t[k] = nil end end end,\n"
    "   function() while true do kelpie.after('t', 60, renew):cancel()\n"
    "      room:send('x') tostring(room) end end,\n"
    "   function() local function f(...) renew() return f(...) end f(1, 2, {}) end,\n"
    "   function() while true do coroutine.wrap(function() coroutine.wrap(function()\n"
    "      pcall(function() pcall(renew) end) end)() end)() end end,\n"
    "}\n"
    "return { on_input = function(line)\n"
    "   if line ~= 'check' then return work[tonumber(line)]() end\n"
    "   for i = 1, 100 do assert(kept[i][1] == i and kept[i][2] == tostring(i)) end\n"
    "   print('whole') end }";

struct marksman {
    struct kp_guard *guard;
    pthread_t target;
    atomic_bool is_over;
};

/* Kills each call after a random time, again and again until it has ended. */
static void *
shoot(void *arg)
{
    struct marksman *marksman = arg;
    struct kp_guard *guard = marksman->guard;
    unsigned seed = 1;

    while (!atomic_load(&marksman->is_over)) {
        uint64_t call = atomic_load(&guard->call);
        if (call == 0)
            continue;
        kp_thread_nap((uint64_t)rand_r(&seed) % MAX_WAIT_NS);
        atomic_store(&guard->late_call, call);
        while (atomic_load(&guard->call) == call) {
            pthread_kill(marksman->target, guard->signal);
            kp_thread_nap(200000);
        }
    }
    return NULL;
}

static void
kill_one(struct script_kit *kit, int i)
{
    struct kp_generation *gen = kit->script.live;
    char number[8];

    int len = snprintf(number, sizeof number, "%d", i % N_WORKLOADS + 1);
    kit->log[0] = '\0';
    assert_int_equal(kp_script_on_input(&kit->script, number, (size_t)len),
                     KELPIE_ESCRIPT);
    if (kit->script.handler_kills != (uint64_t)i + 1)
        fail_msg("workload %s ended by itself: %s", number, kit->log);

    assert_null(gen->current);
    assert_null(gen->watchdog.running);
    assert_int_equal(gen->n_blocked + gen->close_depth, 0);
    assert_int_equal(lua_gettop(gen->L), 0);
    assert_true(kp_list_is_empty(&gen->suspended));
}

static void
given_ten_thousand_kills_when_at_random_moments_then_the_state_is_whole(void **state)
{
    struct script_kit *kit = *state;
    struct marksman marksman = {.guard = &kit->script.guard, .target = pthread_self()};
    pthread_t thread;

    sk_load(kit, workloads);
    size_t bytes = kit->script.live->lua_bytes;
    kit->script.limits.handler_timeout_ns = KP_NEVER; /* the guard itself does not look */
    assert_int_equal(kp_thread_start(&kit->env.sys, &thread, shoot, &marksman, SIGURG),
                     0);
    for (int i = 0; i < N_KILLS; i++) {
        kill_one(kit, i);
        if (i % 100 != 99)
            continue;
        kit->script.limits.handler_timeout_ns = 0; /* this one is not shot at */
        assert_int_equal(kp_script_on_input(&kit->script, "check", 5), 0);
        sk_printed(kit, "whole\n");
        sk_settle(kit);
        kit->script.limits.handler_timeout_ns = KP_NEVER;
    }
    atomic_store(&marksman.is_over, true);
    pthread_join(thread, NULL);

    lua_gc(kit->script.live->L, LUA_GCCOLLECT);
    assert_true(kit->script.live->lua_bytes < bytes + 200000); /* pooled coroutines */
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup_signal, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_kill_when_code_would_swallow_it_then_it_has_ended_all_the_same),
        TEST(given_an_error_whose_text_takes_for_ever_when_reported_then_that_is_ended),
        TEST(given_a_suspended_coroutine_with_a_hook_when_it_runs_later_then_it_loses_it),
        TEST(given_ten_thousand_kills_when_at_random_moments_then_the_state_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
