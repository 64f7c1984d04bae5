/*
 * test_lua_timer_reload.c - timers across a reload, and without memory
 */
#include <stdio.h>
#include <string.h>

#include "bind_kit.h"
#include "reload_kit.h"

static size_t
count_started(struct script_kit *kit)
{
    size_t n = 0;

    kp_list_each(node, &kit->script.live->timers)
        n++;
    assert_int_equal(bk_count(kit, kit->script.live->timers_ref), n);
    return n;
}

/* --- reload ------------------------------------------------------------------------------ */

static void
given_named_timers_when_declared_again_after_a_reload_then_they_keep_their_deadline(
    void **state)
{
    struct reload_kit *kit = *state;

    fault_clock_set(&kit->sk.sys, KP_NS_PER_S);
    rk_must_load(kit,
                 "local kelpie = require('kelpie')\n"
                 "return { on_load = function()\n"
                 "   kelpie.every('tick', 10, function() print('old tick') end)\n"
                 "   kelpie.after('once', 5, function() print('old once') end)\n"
                 "   kelpie.every('dropped', 5, function() print('old dropped') end)\n"
                 "   kelpie.every(5, function() print('old anonymous') end)\n"
                 "end }");
    sk_pass(&kit->sk, 4000);
    rk_must_load(kit, "local kelpie = require('kelpie')\n"
                      "return { on_load = function()\n"
                      "   kelpie.every('tick', 20, function() print('new tick') end)\n"
                      "   kelpie.after('once', 100, function() print('new once') end)\n"
                      "   kelpie.every('new', 5, function() print('new new') end)\n"
                      "end }");
    assert_int_equal(count_started(&kit->sk), 3);
    sk_pass(&kit->sk, 1000);
    sk_printed(&kit->sk, "new once\n");
    sk_pass(&kit->sk, 5000);
    sk_printed(&kit->sk, "new new\nnew tick\n");
    sk_pass(&kit->sk, 20000);

    sk_printed(&kit->sk, "new new\nnew tick\n");
}

static void
given_a_rejected_on_load_when_timers_were_declared_then_the_old_ones_go_on(void **state)
{
    struct reload_kit *kit = *state;

    fault_clock_set(&kit->sk.sys, KP_NS_PER_S);
    rk_must_load(kit, "local kelpie = require('kelpie')\n"
                      "return { on_load = function()\n"
                      "   kelpie.every('tick', 10, function() print('old tick') end)\n"
                      "end }");
    sk_pass(&kit->sk, 4000);
    rk_must_reject(kit,
                   "local kelpie = require('kelpie')\n"
                   "return { on_load = function()\n"
                   "   kelpie.every('tick', 1, function() print('new tick') end)\n"
                   "   error('no')\n"
                   "end }",
                   "no", NULL);
    sk_pass(&kit->sk, 6000);

    sk_printed(&kit->sk, "old tick\n");
}

static void
given_a_reload_when_it_is_over_then_names_are_not_taken_over_any_more(void **state)
{
    struct reload_kit *kit = *state;

    fault_clock_set(&kit->sk.sys, KP_NS_PER_S);
    rk_must_load(kit, "local kelpie = require('kelpie')\n"
                      "return { on_load = function()\n"
                      "   kelpie.every('tick', 10, print)\n"
                      "   kelpie.spawn(kelpie.sleep, 20)\n"
                      "end }");
    sk_settle(&kit->sk);
    rk_must_load(kit, "local kelpie = require('kelpie')\n"
                      "return { on_input = function()\n"
                      "   kelpie.after('tick', 1, function() print('new') end)\n"
                      "end }");
    assert_non_null(kit->sk.script.retiring);
    kp_script_on_input(&kit->sk.script, "", 0);
    sk_pass(&kit->sk, 1000);

    sk_printed(&kit->sk, "new\n");
    sk_pass(&kit->sk, 30000);
    sk_printed(&kit->sk, "");
}

/* --- no memory --------------------------------------------------------------------------- */

/* Returns what is printed when the nth allocation fails in the declaration of a timer whose
 * name is taken, and the heap of timers has to grow: "declared, the old one was started". */
static void
declare_again(char *out, size_t size, size_t n)
{
    struct script_kit *kit = test_malloc(sizeof *kit);
    char line[32];

    sk_prepare(kit);
    assert_int_equal(sk_open(kit), 0);
    sk_load(kit, "return { on_input = function(n)\n"
                 "   local every = kelpie.every\n"
                 "   for i = 1, 7 do every('filler ' .. i, 50, print) end\n"
                 "   local first = every('tick', 5, print)\n"
                 "   test.fail(tonumber(n)) local ok = pcall(every, 'tick', 1, print)\n"
                 "   test.fail(0) print(ok, first:cancel())\n"
                 "end }");
    snprintf(line, sizeof line, "%zu", n);
    kp_script_on_input(&kit->script, line, strlen(line));
    assert_int_equal(count_started(kit), strncmp(kit->printed, "true", 4) == 0 ? 8 : 7);
    snprintf(out, size, "%.60s", kit->printed);
    sk_close(kit);
    test_free(kit);
}

static void
given_no_memory_when_a_timer_is_declared_then_the_one_of_its_name_stays(void **state)
{
    char printed[64];
    bool has_failed = false;
    (void)state;

    for (size_t n = 1; n < 20; n++) {
        declare_again(printed, sizeof printed, n);
        bool ok = strcmp(printed, "true\tfalse\n") == 0;
        assert_true(ok || strcmp(printed, "false\ttrue\n") == 0);
        has_failed = has_failed || !ok;
    }
    assert_true(has_failed);
}

static void
given_no_memory_when_timers_fire_then_later_firings_come(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit,
           "for _ = 1, 3 do\n"
           "   kelpie.every(1, function() kelpie.sleep(0.1) print('fired') end) end");
    fault_mem_fail_from(&kit->mem, 1);
    sk_pass(kit, 1000);
    fault_env_heal(&kit->mem, &kit->sys);
    sk_logged(kit, "error: timer: not enough memory");
    sk_pass(kit, 900);
    kit->printed[0] = '\0';
    sk_pass(kit, 100);
    sk_pass(kit, 100);

    sk_printed(kit, "fired\nfired\nfired\n");
}

/* The heap has 8 places. Two timers fire; the function of the first one takes another place,
 * and makes the nth allocation fail. */
static void
take_a_place(size_t n)
{
    struct script_kit *kit = test_malloc(sizeof *kit);
    char text[512];

    sk_prepare(kit);
    assert_int_equal(sk_open(kit), 0);
    snprintf(text, sizeof text,
             "for _ = 1, 6 do kelpie.after(1000, print) end\n"
             "local taken = false\n"
             "kelpie.every(1, function() if not taken then\n"
             "   taken = true test.fail(%zu) pcall(kelpie.after, 1000, print) end end)\n"
             "kelpie.every(1, function() print('second') end)",
             n);
    sk_run(kit, text);
    sk_pass(kit, 1000);
    fault_env_heal(&kit->mem, &kit->sys);
    kit->printed[0] = '\0';
    sk_pass(kit, 1000);
    sk_printed(kit, "second\n");
    sk_close(kit);
    test_free(kit);
}

static void
given_no_memory_when_the_heap_is_full_then_timers_that_fire_go_on(void **state)
{
    (void)state;

    for (size_t n = 1; n < 30; n++)
        take_a_place(n);
}

static void
given_no_memory_when_timers_are_used_then_nothing_breaks(void **state)
{
    (void)state;

    bk_fail_each_allocation(
        "return { on_input = function()\n"
        "   local function f() kelpie.sleep(0.3) return {} end\n"
        "   for i = 1, 20 do\n"
        "      local ok, timer = pcall(kelpie.after, i / 20, f)\n"
        "      if ok then tostring(timer) if i % 3 == 0 then timer:cancel() end end\n"
        "      pcall(kelpie.every, 'name ' .. i % 4, i / 10, f)\n"
        "   end\n"
        "end }");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
#define R(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
        R(given_named_timers_when_declared_again_after_a_reload_then_they_keep_their_deadline),
        R(given_a_rejected_on_load_when_timers_were_declared_then_the_old_ones_go_on),
        R(given_a_reload_when_it_is_over_then_names_are_not_taken_over_any_more),
        cmocka_unit_test(
            given_no_memory_when_a_timer_is_declared_then_the_one_of_its_name_stays),
        T(given_no_memory_when_timers_fire_then_later_firings_come),
        cmocka_unit_test(
            given_no_memory_when_the_heap_is_full_then_timers_that_fire_go_on),
        cmocka_unit_test(given_no_memory_when_timers_are_used_then_nothing_breaks),
#undef R
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
