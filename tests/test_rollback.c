/*
 * test_rollback.c - the generation before is kept for a while, and comes back when the new one
 * is worse, or when somebody asks for it
 */
#include <errno.h>
#include <string.h>

#include "rollback_kit.h"

/* --- by itself --------------------------------------------------------------------------- */

#define BAD                                                                              \
 "return { on_message = function(conn, line)\n"                                          \
 "   if line == 'bad' then error('broken') end\n"                                        \
 "   conn:send('new ', line)\n"                                                          \
 "end }"

static void
given_a_version_that_raises_when_more_than_a_fifth_has_failed_then_the_old_one_serves(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, GOOD);
    sk_connect(&kit->sk, 0);
    rk_must_load(kit, BAD);
    say_many(kit, 0, "ok\n", 4);
    say_many(kit, 0, "bad\n", 5);
    assert_int_equal(kit->sk.script.live->number, 2);

    sk_say(&kit->sk, 0, "bad\n");

    assert_int_equal(kit->sk.script.live->number, 1);
    assert_null(kit->sk.script.previous);
    assert_null(kit->sk.script.retiring);
    assert_int_equal(kit->sk.script.rollbacks, 1);
    sk_logged(&kit->sk,
              "warn: generation 2 rolled back to 1: 6 of 10 handler calls raised; "
              "first: ");
    sk_logged(&kit->sk, "init.lua:2: broken\n");
    rk_assert_has(kit->sk.script.report, "generation 2 rolled back to 1: 6 of 10");
    sk_hears(&kit->sk, 0, "new ok\nnew ok\nnew ok\nnew ok\n");
    sk_say(&kit->sk, 0, "x\n");
    sk_hears(&kit->sk, 0, "good x\n");
}

static void
given_few_errors_among_many_calls_when_on_probation_then_the_new_one_stays(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, GOOD);
    sk_connect(&kit->sk, 0);
    rk_must_load(kit, BAD);

    say_many(kit, 0, "ok\n", 40);
    say_many(kit, 0, "bad\n", 10); /* 20 % is not more than 20 % */

    assert_int_equal(kit->sk.script.live->number, 2);
    assert_int_equal(kit->sk.script.rollbacks, 0);
    sk_say(&kit->sk, 0, "bad\n");
    assert_int_equal(kit->sk.script.live->number, 1);
}

static void
given_an_old_version_that_was_as_bad_when_the_new_one_fails_then_it_stays(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, BAD);
    sk_connect(&kit->sk, 0);
    say_many(kit, 0, "bad\n", 5);
    say_many(kit, 0, "ok\n", 5);
    rk_must_load(kit, BAD);

    say_many(kit, 0, "bad\n", 10);

    assert_int_equal(kit->sk.script.live->number, 2);
}

static void
given_a_version_that_is_killed_when_it_happens_often_then_it_is_rolled_back(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, GOOD);
    for (int i = 0; i < 6; i++)
        sk_connect(&kit->sk, i);
    kit->sk.sys.clock_is_fake = false;
    kit->sk.script.limits.handler_timeout_ns = 5 * KP_NS_PER_MS;
    rk_must_load(kit, "return { on_message = function() while true do end end }");

    for (int i = 0; i < 6; i++)
        sk_say(&kit->sk, i, "x\n");

    assert_int_equal(kit->sk.script.live->number, 1);
    sk_logged(&kit->sk, "6 of 6 handler calls raised; first: ");
}

static void
given_an_on_error_when_handlers_raise_then_its_calls_count_for_nothing(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, GOOD);
    sk_connect(&kit->sk, 0);
    rk_must_load(kit, "return { on_message = function() error('broken') end,\n"
                      "   on_error = function() error('and again') end }");

    say_many(kit, 0, "x\n", 5);
    assert_int_equal(kit->sk.script.live->errors, 5);
    assert_int_equal(kit->sk.script.live->calls, 5);
    sk_say(&kit->sk, 0, "x\n");

    sk_logged(&kit->sk, "rolled back to 1: 6 of 6 handler calls raised");
}

static void
given_that_kelpie_shall_not_when_handlers_fail_then_it_waits_for_a_request(void **state)
{
    struct reload_kit *kit = *state;
    kit->sk.script.limits.rolls_back_itself = false;
    rk_must_load(kit, GOOD);
    sk_connect(&kit->sk, 0);
    rk_must_load(kit, BAD);

    say_many(kit, 0, "bad\n", 20);
    assert_int_equal(kit->sk.script.live->number, 2);
    roll_back(kit);

    assert_int_equal(kit->sk.script.live->number, 1);
    sk_logged(&kit->sk, "generation 2 rolled back to 1: somebody asked for it");
}

/* --- how long ------------------------------------------------------------------------------ */

static void
given_time_and_calls_when_both_are_over_then_the_old_one_is_freed(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, GOOD);
    sk_connect(&kit->sk, 0);
    rk_must_load(kit, GOOD);

    sk_pass(&kit->sk, 11000);
    assert_non_null(kit->sk.script.previous); /* there were no 200 calls */
    say_many(kit, 0, "x\n", 199);
    assert_non_null(kit->sk.script.previous);
    sk_say(&kit->sk, 0, "x\n");

    assert_null(kit->sk.script.previous);
    assert_int_equal(kp_reload_rollback(&kit->sk.script), -ENOENT);
    rk_assert_has(kit->sk.script.error, "there is no generation to roll back to");
}

static void
given_many_calls_when_the_time_is_not_over_then_the_old_one_stays_warm(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, GOOD);
    sk_connect(&kit->sk, 0);
    rk_must_load(kit, GOOD);

    say_many(kit, 0, "x\n", 300);
    sk_pass(&kit->sk, 9900);
    assert_non_null(kit->sk.script.previous);
    sk_pass(&kit->sk, 200);

    assert_null(kit->sk.script.previous);
    assert_true(kp_script_lua_bytes(&kit->sk.script) == kit->sk.script.live->lua_bytes);
}

static void
given_a_probation_when_reloaded_again_then_only_the_last_version_is_kept(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, GOOD);
    rk_must_load(kit, GOOD);
    assert_int_equal(kit->sk.script.previous->number, 1);
    sk_pass(&kit->sk, 9000);

    rk_must_reject(kit, "return 1", "must return its table", NULL);
    assert_int_equal(kit->sk.script.previous->number, 1);
    rk_must_reject(kit, "return { on_load = function() error('no') end }", "no", NULL);
    assert_int_equal(kit->sk.script.previous->number, 1);
    assert_int_equal(kit->sk.script.probation_timer.deadline_ns,
                     kp_sys_now_ns(&kit->sk.env.sys) + PROBATION_NS - 9 * KP_NS_PER_S);
    rk_must_load(kit, GOOD);

    assert_int_equal(kit->sk.script.previous->number, 2);
    roll_back(kit);
    assert_int_equal(kit->sk.script.live->number, 2);
}

static void
given_a_roll_back_when_reloaded_then_the_number_is_a_new_one(void **state)
{
    struct reload_kit *kit = *state;
    const char *text = KELPIE "return { on_load = function(why)\n"
                              "   print(why, kelpie.generation)\n"
                              "end }";
    rk_must_load(kit, text);
    rk_must_load(kit, text);

    roll_back(kit);
    rk_must_load(kit, text);

    sk_printed(&kit->sk, "start\t1\nreload\t2\nrollback\t1\nreload\t3\n");
}

static void
given_errors_that_quote_a_client_when_reported_then_the_report_is_printable(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, GOOD);
    sk_connect(&kit->sk, 0);
    rk_must_load(kit, "return { on_message = function(conn, line) error(line) end }");

    say_many(kit, 0, "\033[2J\n", 6);

    rk_assert_has(kit->sk.script.report, "init.lua:1: \\x1b[2J\n");
    assert_null(strchr(kit->sk.script.report, '\033'));
}

static void
given_a_rolled_back_content_when_a_file_changes_then_it_may_be_loaded_again(void **state)
{
    struct reload_kit *kit = *state;
    struct kp_script *script = &kit->sk.script;
    rk_write(kit, "lib.lua", "return 1");
    rk_must_load(kit, "return { on_load = function() end }");
    rk_must_load(kit, "require('lib') return {}");
    assert_false(kp_reload_is_rolled_back_content(script));

    roll_back(kit);

    assert_true(kp_reload_is_rolled_back_content(script));
    rk_write(kit, "lib.lua", "return 2");
    assert_false(kp_reload_is_rolled_back_content(script));
    rk_write(kit, "lib.lua", "return 1");
    assert_true(kp_reload_is_rolled_back_content(script));
    rk_remove(kit, "lib.lua");
    assert_false(kp_reload_is_rolled_back_content(script));
    rk_write(kit, "lib.lua", "return 1");
    assert_int_equal(kp_reload(script), 0); /* somebody insists */
    assert_false(kp_reload_is_rolled_back_content(script));
}

static void
given_a_state_near_its_cap_when_rolled_back_then_it_works_all_the_same(void **state)
{
    struct reload_kit *kit = *state;
    /* Texts below the size of a luaL_Buffer: what is above fails without a collection. */
    const char *text = KELPIE "local x = kelpie.keep('x', {})\n"
                              "return { on_input = function()\n"
                              "   for i = 1, 200 do x[i] = string.rep('x', 500) .. i .. "
                              "kelpie.generation end\n"
                              "end, on_load = function(why) print(why, #x) end }";
    rk_must_load(kit, text);
    kit->sk.script.limits.lua_memory = kit->sk.script.live->lua_bytes + 180 * 1024;
    assert_int_equal(kp_script_on_input(&kit->sk.script, "", 0), 0);
    rk_must_load(kit, text);
    assert_int_equal(kp_script_on_input(&kit->sk.script, "", 0), 0);

    roll_back(kit);

    sk_printed(&kit->sk, "start\t0\nreload\t200\nrollback\t200\n");
    assert_int_equal(kp_script_on_input(&kit->sk.script, "", 0), 0);
}

static void
given_a_misplaced_request_when_rolled_back_then_it_is_refused(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, GOOD);
    rk_must_load(kit, GOOD);

    kit->sk.script.in_call = true;
    int rc = kp_reload_rollback(&kit->sk.script);
    kit->sk.script.in_call = false;

    assert_int_equal(rc, KELPIE_EMISUSE);
    assert_int_equal(kit->sk.script.live->number, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(
            given_a_version_that_raises_when_more_than_a_fifth_has_failed_then_the_old_one_serves),
        TEST(given_few_errors_among_many_calls_when_on_probation_then_the_new_one_stays),
        TEST(given_an_old_version_that_was_as_bad_when_the_new_one_fails_then_it_stays),
        TEST(given_a_version_that_is_killed_when_it_happens_often_then_it_is_rolled_back),
        TEST(given_an_on_error_when_handlers_raise_then_its_calls_count_for_nothing),
        TEST(given_that_kelpie_shall_not_when_handlers_fail_then_it_waits_for_a_request),
        TEST(given_time_and_calls_when_both_are_over_then_the_old_one_is_freed),
        TEST(given_many_calls_when_the_time_is_not_over_then_the_old_one_stays_warm),
        TEST(given_a_probation_when_reloaded_again_then_only_the_last_version_is_kept),
        TEST(given_a_roll_back_when_reloaded_then_the_number_is_a_new_one),
        TEST(given_errors_that_quote_a_client_when_reported_then_the_report_is_printable),
        TEST(given_a_rolled_back_content_when_a_file_changes_then_it_may_be_loaded_again),
        TEST(given_a_state_near_its_cap_when_rolled_back_then_it_works_all_the_same),
        TEST(given_a_misplaced_request_when_rolled_back_then_it_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
