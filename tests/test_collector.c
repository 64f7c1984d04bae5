/*
 * test_collector.c - when the garbage of a generation is collected
 *
 * Nothing here looks at a clock. A cycle that one call pays for shows in the bytes that this
 * call gives back, and a state that has run into its cap in the blocks that were refused.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "script_kit.h"

#define MIB ((size_t)1 << 20)

/* 80,000 live tables of 32 numbers are about 48 MiB; each line is about 7 KiB of garbage. */
static const char large_heap[] =
    "local kept, n = {}, 0\n"
    "for i = 1, 10 do kept[i] = {} end\n"
    "local function grow() for _, part in ipairs(kept) do for i = 1, 500 do\n"
    "   part[#part + 1] = table.pack(table.unpack(kept, 1, 10)) for j = 11, 32 do\n"
    "   part[#part][j] = j end end end end\n"
    "return { on_input = function(line)\n"
    "   if line == 'grow' then grow() return end\n"
    "   for i = 1, 100 do local t = {} t.x = i end\n"
    "end }";

/* Calls on_input. Returns how many bytes the state holds less than before. */
static size_t
given_back_by(struct script_kit *kit, const char *line)
{
    struct kp_generation *gen = kit->script.live;
    size_t before = gen->lua_bytes;

    assert_int_equal(kp_script_on_input(&kit->script, line, strlen(line)), 0);
    return before > gen->lua_bytes ? before - gen->lua_bytes : 0;
}

static void
given_a_heap_near_its_cap_when_calls_make_garbage_then_none_pays_for_a_cycle(void **state)
{
    struct script_kit *kit = *state;
    size_t most = 0, sum = 0;

    sk_load(kit, large_heap);
    struct kp_generation *gen = kit->script.live;
    while (gen->lua_bytes < 48 * MIB)
        (void)given_back_by(kit, "grow");
    uint64_t refused = gen->n_refused;
    for (int i = 0; i < 8000; i++) {
        size_t bytes = given_back_by(kit, "work");
        most = bytes > most ? bytes : most;
        sum += bytes;
    }

    assert_int_equal(gen->n_refused, refused);
    assert_true(sum > 20 * MIB); /* there were cycles, */
    assert_true(most < MIB);     /* in many parts */
    assert_true(gen->lua_bytes < 64 * MIB);
}

static void
given_a_small_heap_when_calls_make_garbage_then_lua_does_as_it_always_does(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, large_heap);
    for (int i = 0; i < 1000; i++)
        (void)given_back_by(kit, "work");

    assert_true(kit->script.live->lua_bytes < 2 * MIB);
    assert_int_equal(kit->script.live->collector.begin_at, SIZE_MAX);
}

/* Makes garbage for some cycles. Returns the most that the state held, in per cent of what
 * lives in it. */
static size_t
grown_to(struct script_kit *kit)
{
    struct kp_generation *gen = kit->script.live;
    size_t most = 0;

    for (int i = 0; i < 2000; i++) {
        (void)given_back_by(kit, "work");
        most = gen->lua_bytes > most ? gen->lua_bytes : most;
    }
    (void)lua_gc(gen->L, LUA_GCCOLLECT);
    return 100 * most / gen->lua_bytes;
}

static void
given_a_heap_when_it_is_small_then_it_may_grow_more_than_a_large_one(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, large_heap);
    size_t small = grown_to(kit);
    while (kit->script.live->lua_bytes < 4 * MIB)
        (void)given_back_by(kit, "grow");
    size_t large = grown_to(kit);

    assert_in_range(small, 350, 500);
    assert_in_range(large, 150, 250);
}

static void
given_no_cap_when_a_heap_is_large_then_no_cycle_is_begun(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.lua_memory = 0;
    sk_load(kit, large_heap);
    (void)given_back_by(kit, "grow");
    (void)given_back_by(kit, "work");

    assert_int_equal(kit->script.live->collector.begin_at, SIZE_MAX);
}

/* --- at the cap --------------------------------------------------------------------------- */

static int
setup_thread(void **state)
{
    struct script_kit *kit = malloc(sizeof *kit);

    assert_non_null(kit);
    sk_prepare(kit);
    kit->sys.clock_is_fake = false;
    kit->watchdog_signal = SIGURG;
    assert_int_equal(sk_open(kit), 0);
    kit->script.limits.lua_memory = 8 * MIB;
    *state = kit;
    return 0;
}

static void
given_a_script_that_hovers_at_its_cap_when_it_catches_errors_then_it_is_killed(
    void **state)
{
    static const char *const texts[] = {
        "local kept = {} while true do pcall(function() while true do\n"
        "   kept[#kept + 1] = {} end end) end",
        "local s = ('x'):rep(1000000) while true do pcall(string.rep, s, 2)\n"
        "   pcall(string.rep, s, 9) end",
        "while true do pcall(function() local s = 'x' while true do s = s .. s end end) "
        "end",
        "local f while true do pcall(function() while true do local g = f\n"
        "   f = function() return g end end end) end",
        "local kept = {} while true do pcall(function() while true do\n"
        "   kept[#kept + 1] = coroutine.create(print) end end) end",
    };
    struct script_kit *kit = *state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sk_run(kit, texts[i]);
        assert_int_equal(kit->script.handler_kills, i + 1);
        sk_run(kit, "print('alive')");
        sk_printed(kit, "alive\n");
    }
    assert_true(kit->script.live->n_refused > 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(
            given_a_heap_near_its_cap_when_calls_make_garbage_then_none_pays_for_a_cycle),
        TEST(given_a_small_heap_when_calls_make_garbage_then_lua_does_as_it_always_does),
        TEST(given_a_heap_when_it_is_small_then_it_may_grow_more_than_a_large_one),
        TEST(given_no_cap_when_a_heap_is_large_then_no_cycle_is_begun),
        cmocka_unit_test_setup_teardown(
            given_a_script_that_hovers_at_its_cap_when_it_catches_errors_then_it_is_killed,
            setup_thread, sk_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
