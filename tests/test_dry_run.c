/*
 * test_dry_run.c - what a reload would do, told without doing it
 */
#include <errno.h>
#include <string.h>

#include "reload_kit.h"

#define KELPIE "local kelpie = require('kelpie')\n"

static int
dry_run(struct reload_kit *kit, const char *text)
{
    struct kp_script *script = &kit->sk.script;
    const struct kp_generation *live = script->live;
    uint64_t reloads = script->reloads, rejected = script->reloads_rejected;
    uint64_t number = script->last_generation;

    rk_write(kit, "init.lua", text);
    int rc = kp_reload_dry_run(script);

    assert_ptr_equal(script->live, live);
    assert_int_equal(script->reloads, reloads);
    assert_int_equal(script->reloads_rejected, rejected);
    assert_int_equal(script->last_generation, number);
    assert_int_equal(lua_gettop(live->L), 0);
    return rc;
}

static void
has(struct reload_kit *kit, const char *words)
{
    rk_assert_has(kit->sk.script.report, words);
}

static void
has_not(struct reload_kit *kit, const char *words)
{
    rk_assert_has_not(kit->sk.script.report, words);
}

static void
given_a_good_script_when_run_dry_then_the_sentence_says_what_would_serve(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit,
                 KELPIE "kelpie.keep('x', { 'four', { 'ty' } })\n"
                        "return { on_connect = function(conn) conn.data.s = '2' end }");
    sk_connect(&kit->sk, 0);

    int rc = dry_run(kit, KELPIE "kelpie.keep('x', {}) print('loads')\n"
                                 "return { on_load = function() print('never') end }");

    assert_int_equal(rc, 0);
    assert_string_equal(kit->sk.script.error, "");
    has(kit, "dry run: generation 2 would serve: 1 file, 1 connection, 1 kept root; "
             "3 tables and 8 bytes of strings copied, ");
    has(kit, " ms; still serving generation 1\n");
    sk_logged(&kit->sk, "info: dry run: generation 2 would serve: ");
    sk_printed(&kit->sk, "loads\n");
}

static void
given_changed_files_when_run_dry_then_they_are_listed(void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "same.lua", "return 1");
    rk_write(kit, "other.lua", "return 1");
    rk_write(kit, "old.lua", "return 1");
    rk_must_load(kit, "require('same') require('other') require('old') return {}");
    rk_write(kit, "other.lua", "return 2");
    rk_write(kit, "new.lua", "return 1");

    assert_int_equal(
        dry_run(kit, "require('same') require('other') require('new') return {}"), 0);

    has(kit, "\nchanged: ");
    has(kit, "/init.lua\n");
    has(kit, "/other.lua\n");
    has(kit, "\nnew file: ");
    has(kit, "/new.lua\n");
    has(kit, "\nnot loaded any more: ");
    has(kit, "/old.lua");
    has_not(kit, "same.lua");
}

static void
given_no_change_when_run_dry_then_there_is_only_the_sentence(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");

    assert_int_equal(dry_run(kit, "return {}"), 0);

    assert_null(strchr(kit->sk.script.report, '\n'));
}

static void
given_other_handlers_when_run_dry_then_added_and_removed_ones_are_listed(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return { on_connect = print, on_drain = print,\n"
                      "   listeners = { a = { on_message = print, on_drain = print },\n"
                      "                 b = { on_connect = print } } }");

    assert_int_equal(dry_run(kit, "return { on_connect = print, on_adopt = print,\n"
                                  "   schema = 3,\n"
                                  "   listeners = { a = { on_message = print },\n"
                                  "                 c = { on_error = print } } }"),
                     0);

    has(kit, "\nhandler added: on_adopt\n");
    has(kit, "\nhandler added: listeners.c.on_error\n");
    has(kit, "\nhandler removed: on_drain\n");
    has(kit, "\nhandler removed: listeners.a.on_drain\n");
    has(kit, "\nhandler removed: listeners.b.on_connect\n");
    has(kit, "\nschema: 0 becomes 3");
    has_not(kit, "on_message");
    has_not(kit, "added: on_connect");
}

static void
given_values_that_cannot_cross_when_run_dry_then_their_paths_are_listed(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, KELPIE "local x = kelpie.keep('x', { a = {} })\n"
                             "return { on_connect = function(conn)\n"
                             "   conn.data.f, x.a.f = print, print\n"
                             "end }");
    sk_connect(&kit->sk, 0);

    assert_int_equal(dry_run(kit, "return { on_connect = print }"), KELPIE_ESCRIPT);

    has(kit, "dry run: the reload would be rejected: ");
    has(kit, "keep 'x'.a.f is a function");
    has(kit, "still serving generation 1, 1 connection unaffected\n");
    has(kit, ": data.f is a function\n");
    has(kit, "\nchanged: ");
    sk_say(&kit->sk, 0, "x\n");
}

static void
given_a_syntax_error_when_run_dry_then_it_says_where(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");

    assert_int_equal(dry_run(kit, "return {"), KELPIE_ESCRIPT);

    has(kit, "dry run: the reload would be rejected: ");
    has(kit, "init.lua:1: ");
    rk_assert_has(kit->sk.script.error, "init.lua:1: ");
    assert_int_equal(rk_load(kit, "return {}"), 0);
    assert_int_equal(kit->sk.script.live->number, 2);
}

static void
given_state_that_nobody_asks_for_when_run_dry_then_it_is_listed(void **state)
{
    struct reload_kit *kit = *state;
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));
    rk_must_load(kit, KELPIE "kelpie.keep('x', {}) kelpie.keep('y', {})\n"
                             "return { on_load = function()\n"
                             "   kelpie.every('tick', 9, print)\n"
                             "   kelpie.after(9, print) kelpie.after(9, print)\n"
                             "   kelpie.sleep(1)\n"
                             "end }");

    assert_int_equal(dry_run(kit, KELPIE "kelpie.keep('y', {}) return {}"), 0);

    has(kit, "\nkeep 'x' is carried on, though the new script does not ask for it");
    has_not(kit, "keep 'y'");
    has(kit, "\ntimer 'tick' ends, unless on_load declares it again\n");
    has(kit, "\n2 timers without a name end\n");
    has(kit, "\n1 suspended handler finishes in the old code");
}

static void
given_a_migration_when_run_dry_then_the_live_state_is_not_touched(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, KELPIE "local x = kelpie.keep('x', { n = 1 })\n"
                             "return { on_connect = function(conn) conn.data.n = 1 end,\n"
                             "   on_message = function(conn)\n"
                             "      conn:send(x.n, ' ', conn.data.n)\n"
                             "   end }");
    sk_connect(&kit->sk, 0);

    assert_int_equal(dry_run(kit, KELPIE
                             "local x = kelpie.keep('x', {})\n"
                             "return { schema = 1, migrate = function() x.n = 2 end,\n"
                             "   migrate_conn = function(old, data) data.n = 2 end }"),
                     0);

    sk_say(&kit->sk, 0, "\n");
    sk_hears(&kit->sk, 0, "1 1\n");
}

static void
given_a_retirement_when_run_dry_then_it_need_not_wait(void **state)
{
    struct reload_kit *kit = *state;
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));
    rk_must_load(kit, KELPIE "return { on_load = function() kelpie.sleep(1) end }");
    rk_must_load(kit, "return {}");
    assert_int_equal(kp_reload(&kit->sk.script), -EBUSY);

    assert_int_equal(dry_run(kit, "return {}"), 0);

    assert_non_null(kit->sk.script.retiring);
}

static void
given_no_generation_when_run_dry_then_it_is_a_check(void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "init.lua", "return {");

    assert_int_equal(kp_reload_dry_run(&kit->sk.script), KELPIE_ESCRIPT);
    has(kit, "init.lua:1: ");
    rk_write(kit, "init.lua", "return {}");
    assert_int_equal(kp_reload_dry_run(&kit->sk.script), 0);

    assert_string_equal(kit->sk.script.report, "");
    assert_null(kit->sk.script.live);
}

static void
given_a_dry_run_when_each_allocation_fails_then_nothing_is_left(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit,
                 KELPIE "kelpie.keep('x', { {}, 'a', {} })\n"
                        "return { on_connect = function(conn) conn.data.s = '2' end }");
    sk_connect(&kit->sk, 0);
    int rc = -ENOMEM;

    for (size_t n = 1; rc != 0; n++) {
        size_t blocks = kit->sk.mem.blocks;
        fault_mem_fail_from(&kit->sk.mem, n);
        rc = dry_run(kit, "return { on_error = function() end }");
        fault_env_heal(&kit->sk.mem, &kit->sk.sys);
        kit->sk.log[0] = '\0';
        assert_true(kit->sk.mem.blocks <= blocks);
        has(kit, rc == 0 ? "would serve" : "dry run: the reload would be rejected: ");
    }
}

/* --- the report of a reload ------------------------------------------------------------------ */

static void
given_a_reload_when_it_has_ended_then_the_report_says_how(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");
    has(kit, "generation 1 serves: 1 file, 0 connections, 0 kept roots, ");

    assert_int_equal(rk_load(kit, "return {"), KELPIE_ESCRIPT);
    has(kit, "reload rejected: ");
    assert_string_equal(kit->sk.script.report, kit->sk.script.error);

    kit->sk.script.in_call = true;
    assert_int_equal(kp_reload(&kit->sk.script), KELPIE_EMISUSE);
    kit->sk.script.in_call = false;
    assert_string_equal(kit->sk.script.report, kit->sk.script.error);
}

static void
given_values_that_are_dropped_when_reloaded_then_the_report_lists_them(void **state)
{
    struct reload_kit *kit = *state;
    const char *text =
        KELPIE "local x = kelpie.keep('x', {})\n"
               "return { on_load = function() x.f, x.g = print, print end }";
    rk_must_load(kit, text);

    assert_int_equal(kp_reload_drop(&kit->sk.script), 0);

    has(kit, "generation 2 serves: 1 file, 0 connections, 1 kept root, 2 values left "
             "behind, ");
    has(kit, "\nleft behind: keep 'x'.f is a function");
    has(kit, "\nleft behind: keep 'x'.g is a function");
    sk_logged(&kit->sk, "warn: left behind: keep 'x'.f is a function");
    sk_logged(&kit->sk,
              "info: generation 2 serves: 1 file, 0 connections, 1 kept root, 2 ");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_good_script_when_run_dry_then_the_sentence_says_what_would_serve),
        TEST(given_changed_files_when_run_dry_then_they_are_listed),
        TEST(given_no_change_when_run_dry_then_there_is_only_the_sentence),
        TEST(given_other_handlers_when_run_dry_then_added_and_removed_ones_are_listed),
        TEST(given_values_that_cannot_cross_when_run_dry_then_their_paths_are_listed),
        TEST(given_a_syntax_error_when_run_dry_then_it_says_where),
        TEST(given_state_that_nobody_asks_for_when_run_dry_then_it_is_listed),
        TEST(given_a_migration_when_run_dry_then_the_live_state_is_not_touched),
        TEST(given_a_retirement_when_run_dry_then_it_need_not_wait),
        TEST(given_no_generation_when_run_dry_then_it_is_a_check),
        TEST(given_a_dry_run_when_each_allocation_fails_then_nothing_is_left),
        TEST(given_a_reload_when_it_has_ended_then_the_report_says_how),
        TEST(given_values_that_are_dropped_when_reloaded_then_the_report_lists_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
