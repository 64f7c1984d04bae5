/*
 * test_rollback.c - the generation before is kept for a while, and comes back when the new one
 * is worse, or when somebody asks for it
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "reload_kit.h"
#include "script/probation.h"

#define KELPIE "local kelpie = require('kelpie')\n"

#define PROBATION_NS (10 * KP_NS_PER_S)

static int
setup(void **state)
{
    int rc = rk_setup(state);
    struct reload_kit *kit = *state;

    kit->sk.script.limits.probation_ns = PROBATION_NS;
    kit->sk.script.limits.rolls_back_itself = true;
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));
    return rc;
}

static void
say_many(struct reload_kit *kit, int slot, const char *line, int n)
{
    for (int i = 0; i < n; i++)
        sk_say(&kit->sk, slot, line);
}

static void
roll_back(struct reload_kit *kit)
{
    int rc = kp_reload_rollback(&kit->sk.script);

    if (rc != 0)
        print_message("%d: %s\n", rc, kit->sk.script.error);
    assert_int_equal(rc, 0);
}

/* --- by itself --------------------------------------------------------------------------- */

#define GOOD "return { on_message = function(conn, line) conn:send('good ', line) end }"
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

/* --- state ----------------------------------------------------------------------------------- */

/* Prints what the state is, to `s`; `new` makes it something else. */
#define COUNTING(version)                                                                \
 KELPIE "local User = kelpie.class('user', { __index = { v = " version " } })\n"         \
        "local seen = kelpie.keep('seen', { total = 0, list = {} })\n"                   \
        "local held = seen\n"                                                            \
        "return { on_message = function(conn, line)\n"                                   \
        "   assert(held == seen)\n"                                                      \
        "   seen.total = seen.total + 1\n"                                               \
        "   seen.self, seen.list[#seen.list + 1] = seen, line\n"                         \
        "   seen.alias = seen.list\n"                                                    \
        "   seen.user = seen.user or setmetatable({}, User)\n"                           \
        "   conn.data.last, conn.data.me = line, conn\n"                                 \
        "   assert(seen.self == seen and seen.alias == seen.list)\n"                     \
        "   conn:send(" version                                                          \
        ", ' ', seen.total, ' ', table.concat(seen.list), ' ',\n"                        \
        "      seen.user.v, ' ', conn.data.me == conn and conn.data.last)\n"             \
        "end, on_adopt = function(conn)\n"                                               \
        "   assert(not seen.self or seen.self == seen and seen.alias == seen.list)\n"    \
        "   print('adopt', conn.number, conn.data.last,\n"                               \
        "      conn.data.me == nil or conn.data.me == conn)\n"                           \
        "end }"

static void
given_the_same_schema_when_rolled_back_then_the_newest_state_is_in_the_old_tables(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, COUNTING("1"));
    sk_connect(&kit->sk, 0);
    sk_connect(&kit->sk, 1);
    sk_say(&kit->sk, 0, "a\n");
    sk_hears(&kit->sk, 0, "1 1 a 1 a\n");
    rk_must_load(kit, COUNTING("2"));
    sk_say(&kit->sk, 0, "b\n");
    sk_hears(&kit->sk, 0, "2 2 ab 2 b\n");
    sk_connect(&kit->sk, 2);
    sk_say(&kit->sk, 2, "c\n");
    sk_hears(&kit->sk, 2, "2 3 abc 2 c\n");
    kit->sk.printed[0] = '\0';

    roll_back(kit);

    sk_printed(&kit->sk, "adopt\t0\tb\ttrue\nadopt\t1\tnil\ttrue\nadopt\t2\tc\ttrue\n");
    sk_say(&kit->sk, 2, "d\n");
    sk_hears(&kit->sk, 2, "1 4 abcd 1 d\n");
    rk_assert_has(kit->sk.script.report,
                  "\n1 kept root and the data of 3 connections came back");
}

static void
given_keys_that_have_gone_when_rolled_back_then_they_are_gone_in_the_old_tables(
    void **state)
{
    struct reload_kit *kit = *state;
    const char *show = "on_input = function()\n"
                       "   for k, v in pairs(x) do t[#t + 1] = k .. '=' .. v end\n"
                       "   table.sort(t) print(table.concat(t, ' '))\n"
                       "end }";
    char text[1024];
    snprintf(text, sizeof text,
             KELPIE "local x, t = kelpie.keep('x', { a = 1, b = 2 }), {}\nreturn { %s",
             show);
    rk_must_load(kit, text);
    rk_must_load(kit, KELPIE "local x = kelpie.keep('x', {})\n"
                             "kelpie.keep('new', { 1 })\n"
                             "return { on_load = function()\n"
                             "   x.a = nil\n"
                             "   for i = 1, 5 do x['n' .. i] = i end\n"
                             "end }");

    roll_back(kit);
    assert_int_equal(kp_script_on_input(&kit->sk.script, "", 0), 0);
    sk_printed(&kit->sk, "b=2 n1=1 n2=2 n3=3 n4=4 n5=5\n");

    rk_must_load(kit, KELPIE "local new = kelpie.keep('new', {})\n"
                             "return { on_load = function() print(#new) end }");
    sk_printed(&kit->sk, "1\n");
}

static void
given_a_value_that_cannot_cross_when_rolled_back_then_the_old_one_stays(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit,
                 KELPIE "local x = kelpie.keep('x', { deep = { f = 'old f', n = 1 } })\n"
                        "local y = kelpie.keep('y', { 'old y' })\n"
                        "return { on_adopt = function(conn)\n"
                        "   print(x.deep.f, x.deep.n, x.g, y[1], getmetatable(y),\n"
                        "         conn.data.f, conn.data.n)\n"
                        "end, on_connect = function(conn) conn.data.f = 'old' end }");
    sk_connect(&kit->sk, 0);
    rk_must_load(kit, KELPIE "local x, y = kelpie.keep('x', {}), kelpie.keep('y', {})\n"
                             "return { on_adopt = function(conn)\n"
                             "   x.deep.f, x.deep.n, x.g = print, 2, print\n"
                             "   y[1] = 'new y'\n"
                             "   setmetatable(y, {})\n"
                             "   conn.data.f, conn.data.n = print, 3\n"
                             "end }");

    roll_back(kit);

    sk_printed(&kit->sk, "old f\t2\tnil\told y\tnil\told\t3\n");
    rk_assert_has(kit->sk.script.report, "not given back: keep 'x'.deep.f is a function");
    rk_assert_has(kit->sk.script.report, "not given back: keep 'x'.g is a function");
    rk_assert_has(kit->sk.script.report, "not given back: keep 'y' is a table with a");
    rk_assert_has(kit->sk.script.report, ": data.f is a function");
}

static void
given_another_schema_when_rolled_back_then_the_data_are_as_before(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit,
                 KELPIE "local x = kelpie.keep('x', { n = 1 })\n"
                        "return { schema = 1, on_connect = function(conn)\n"
                        "   conn.data.n = 1\n"
                        "end, on_adopt = function(conn) print(x.n, conn.data.n) end }");
    sk_connect(&kit->sk, 0);
    rk_must_load(kit,
                 KELPIE "local x = kelpie.keep('x', { n = 1 })\n"
                        "return { schema = 2, migrate = function() x.n = { 1 } end,\n"
                        "   migrate_conn = function(old, data) data.n = { 1 } end }");

    roll_back(kit);

    sk_printed(&kit->sk, "1\t1\n");
    rk_assert_has(kit->sk.script.report,
                  "schema 2 is not 1: kept data are as they were before the reload; what "
                  "changed since in 1 kept root and the data of 1 connection is lost");
}

static void
given_a_table_with_two_owners_when_rolled_back_then_each_has_its_content(void **state)
{
    struct reload_kit *kit = *state;
    const char *text =
        KELPIE "local both = {}\n"
               "local a, b = kelpie.keep('a', both), kelpie.keep('b', both)\n"
               "return { on_connect = function(conn)\n"
               "   if kelpie.generation == 1 then conn.data = a end\n"
               "end, on_adopt = function(conn)\n"
               "   print(conn.data.n)\n"
               "   conn.data.n = conn.number\n"
               "end, on_message = function(conn) conn:send(conn.data.n) end }";
    rk_must_load(kit, text);
    sk_connect(&kit->sk, 0);
    sk_connect(&kit->sk, 1);
    rk_must_load(kit, text);

    roll_back(kit);

    sk_printed(&kit->sk, "nil\nnil\n0\n1\n");
    sk_say(&kit->sk, 0, "\n");
    sk_say(&kit->sk, 1, "\n");
    sk_hears(&kit->sk, 0, "0\n");
    sk_hears(&kit->sk, 1, "1\n");
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

/* --- timers, suspended handlers, rooms -------------------------------------------------------- */

static void
given_named_timers_when_rolled_back_then_they_keep_the_deadline(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, KELPIE "return { on_load = function()\n"
                             "   kelpie.after('tick', 10, function() print('old') end)\n"
                             "   kelpie.after(1, function() print('never') end)\n"
                             "end, on_adopt = print }");
    fault_clock_advance(&kit->sk.sys, KP_NS_PER_S / 2);
    rk_must_load(kit, KELPIE "return { on_load = function()\n"
                             "   kelpie.after('tick', 99, function() print('new') end)\n"
                             "   kelpie.after(1, function() print('not that') end)\n"
                             "end }");
    assert_int_equal(kit->sk.timers.count, 3); /* with that of the probation */
    sk_pass(&kit->sk, 500);

    roll_back(kit);
    assert_int_equal(kit->sk.timers.count, 2);
    sk_pass(&kit->sk, 8900);
    sk_printed(&kit->sk, "never\n"); /* declared again by on_load */
    sk_pass(&kit->sk, 200);

    sk_printed(&kit->sk, "old\n");
}

#define WAITING(version)                                                                 \
 KELPIE "return { on_message = function(conn, line)\n"                                   \
        "   if line == 'wait' then kelpie.sleep(1) end\n"                                \
        "   conn:send(" version ", ' ', line)\n"                                         \
        "end, on_adopt = function(conn) print(" version ", 'adopt', conn.number) end }"

static void
given_handlers_suspended_in_both_when_rolled_back_then_each_ends_where_it_was(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, WAITING("1"));
    for (int i = 0; i < 3; i++)
        sk_connect(&kit->sk, i);
    sk_say(&kit->sk, 0, "wait\nx\n");
    rk_must_load(kit, WAITING("2"));
    sk_say(&kit->sk, 1, "wait\nx\n");
    assert_ptr_equal(kit->sk.script.previous, kit->sk.script.retiring);
    assert_int_equal(kp_reload(&kit->sk.script), -EBUSY);
    kit->sk.printed[0] = '\0';

    roll_back(kit);
    assert_int_equal(kit->sk.script.live->number, 1);
    assert_int_equal(kit->sk.script.retiring->number, 2);
    sk_printed(&kit->sk, "1\tadopt\t2\n");
    assert_int_equal(kp_reload_rollback(&kit->sk.script), -ENOENT);
    sk_pass(&kit->sk, 1500);

    sk_hears(&kit->sk, 0, "1 wait\n1 x\n");
    sk_hears(&kit->sk, 1, "2 wait\n1 x\n");
    sk_printed(&kit->sk, "1\tadopt\t1\n");
    assert_null(kit->sk.script.retiring);
    assert_false(kp_timer_is_started(&kit->sk.script.retire_timer));
}

static void
given_a_retirement_that_ends_when_on_probation_then_the_old_one_stays_warm(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, WAITING("1"));
    sk_connect(&kit->sk, 0);
    sk_say(&kit->sk, 0, "wait\n");
    rk_must_load(kit, WAITING("2"));

    sk_pass(&kit->sk, 1500);
    sk_hears(&kit->sk, 0, "1 wait\n");
    assert_null(kit->sk.script.retiring);
    assert_non_null(kit->sk.script.previous);

    roll_back(kit);
    sk_say(&kit->sk, 0, "x\n");
    sk_hears(&kit->sk, 0, "1 x\n");
}

static void
given_an_overdue_retirement_when_rolled_back_then_handlers_may_wait_again(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, KELPIE "return { on_message = function(conn, line)\n"
                             "   conn:send(tostring((kelpie.sleep(60))), ' ', line)\n"
                             "end }");
    sk_connect(&kit->sk, 0);
    sk_say(&kit->sk, 0, "a\n");
    rk_must_load(kit, GOOD);
    sk_pass(&kit->sk, 31000);
    assert_null(kit->sk.script.retiring);

    roll_back(kit);
    sk_say(&kit->sk, 0, "b\n");
    sk_pass(&kit->sk, 59000);
    sk_hears(&kit->sk, 0, "nil a\n");
    sk_pass(&kit->sk, 2000);

    sk_hears(&kit->sk, 0, "nil b\n");
}

static void
given_a_probation_that_ends_when_handlers_are_suspended_then_they_finish(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, WAITING("1"));
    sk_connect(&kit->sk, 0);
    sk_say(&kit->sk, 0, "wait\n");
    rk_must_load(kit, WAITING("2"));

    kp_probation_end(&kit->sk.script);
    assert_non_null(kit->sk.script.retiring);
    sk_pass(&kit->sk, 1500);

    sk_hears(&kit->sk, 0, "1 wait\n");
    assert_null(kit->sk.script.retiring);
}

static void
given_rooms_and_a_connection_that_has_gone_when_rolled_back_then_handles_are_right(
    void **state)
{
    struct reload_kit *kit = *state;
    const char *text =
        KELPIE "local conns, lobby = kelpie.keep('conns', {}), kelpie.room('lobby')\n"
               "return { on_connect = function(conn)\n"
               "   conns[#conns + 1] = conn\n"
               "   lobby:join(conn)\n"
               "end, on_adopt = function(conn)\n"
               "   print(#lobby, conns[1]:is_open(), conns[2] == conn, #conns)\n"
               "end }";
    rk_must_load(kit, text);
    sk_connect(&kit->sk, 0);
    sk_connect(&kit->sk, 1);
    rk_must_load(kit, text);
    sk_hang_up(&kit->sk, 0);
    kit->sk.printed[0] = '\0';

    roll_back(kit);

    sk_printed(&kit->sk, "1\tfalse\ttrue\t2\n");
}

/* --- when it fails ---------------------------------------------------------------------------- */

#define PICKY                                                                            \
 KELPIE "local x = kelpie.keep('x', { n = 1 })\n"                                        \
        "return { on_load = function(why)\n"                                             \
        "   kelpie.after('t', 9, print)\n"                                               \
        "   kelpie.spawn(print, 'spawned')\n"                                            \
        "   if why == 'rollback' and x.n > 1 then error('not again') end\n"              \
        "end }"

static void
given_an_on_load_that_raises_when_rolled_back_then_nothing_has_changed(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, PICKY);
    sk_connect(&kit->sk, 0);
    kit->sk.printed[0] = '\0';
    rk_must_load(kit,
                 KELPIE "local x = kelpie.keep('x', {})\n"
                        "return { on_message = function() x.n = 2 error('broken') end,\n"
                        "   on_input = function() x.n = 1 end }");

    say_many(kit, 0, "x\n", 10);

    assert_int_equal(kit->sk.script.live->number, 2);
    assert_int_equal(kit->sk.script.live->phase, KP_SERVING);
    assert_int_equal(kit->sk.script.rollbacks, 0);
    sk_logged(&kit->sk, "error: roll-back rejected: on_load: ");
    sk_logged(&kit->sk, "not again; still serving generation 2, 1 connection unaffected");
    kit->sk.log[0] = '\0';
    say_many(kit, 0, "x\n", 3);
    assert_null(strstr(kit->sk.log, "roll-back rejected"));
    assert_int_equal(kit->sk.timers.count, 1);
    sk_printed(&kit->sk, "");

    assert_int_equal(kp_script_on_input(&kit->sk.script, "", 0), 0);
    roll_back(kit);
    assert_int_equal(kit->sk.script.live->number, 1);
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

/* --- memory ------------------------------------------------------------------------------------ */

#define STATEFUL(version)                                                                \
 KELPIE "local U = kelpie.class('u', { __index = { ok = true } })\n"                     \
        "local x = kelpie.keep('x', { n = 0 })\n"                                        \
        "return { on_load = function(why)\n"                                             \
        "   if why == 'rollback' then kelpie.after('t', 9, function() end) end\n"        \
        "end, on_message = function(conn, line)\n"                                       \
        "   x.n = x.n + 1\n"                                                             \
        "   for i = 1, 9 do x[line .. i] = setmetatable({ conn, x }, U) end\n"           \
        "   conn.data[line], conn.data.t = x.n, { 1, 2, 3 }\n"                           \
        "   assert(x[line .. 9].ok and x.a1[2] == x)\n"                                  \
        "   conn:send(" version ", ' ', x.n, ' ', conn.data.a or 0, ' ',\n"              \
        "             conn.data.b or 0)\n"                                               \
        "end }"

/* Loads twice with changes in each, ready for a roll-back. */
static void
prepare_memory_run(struct reload_kit *kit)
{
    rk_must_load(kit, STATEFUL("'old'"));
    sk_connect(&kit->sk, 0);
    sk_say(&kit->sk, 0, "a\n");
    sk_hears(&kit->sk, 0, "old 1 1 0\n");
    rk_must_load(kit, STATEFUL("'new'"));
    sk_say(&kit->sk, 0, "b\n");
    sk_hears(&kit->sk, 0, "new 2 1 2\n");
}

/* Counts the entries of the kept roots of a generation that do not belong there. */
static size_t
count_odd_values(struct kp_generation *gen)
{
    lua_State *L = gen->L;
    size_t n = 0;

    lua_rawgeti(L, LUA_REGISTRYINDEX, gen->keeps_ref);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushnil(L);
        while (lua_next(L, -2)) {
            size_t len = 0;
            const char *key = lua_tolstring(L, -2, &len);
            n += key[0] == 'b';
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return n;
}

static void
assert_nothing_has_changed(struct reload_kit *kit, const struct kp_generation *live,
                           const struct kp_generation *old)
{
    const struct kp_script *script = &kit->sk.script;

    assert_ptr_equal(script->live, live);
    assert_ptr_equal(script->previous, old);
    assert_null(script->retiring);
    assert_int_equal(live->phase, KP_SERVING);
    assert_int_equal(old->phase, KP_RETIRING);
    assert_int_equal(lua_gettop(old->L), 0);
    assert_int_equal(lua_gettop(live->L), 0);
    assert_true(kp_list_is_empty(&old->timers));
    assert_true(kp_timer_is_started(&script->probation_timer));
    rk_assert_has(script->error, "roll-back rejected: ");
}

static void
given_a_roll_back_when_allocations_fail_from_the_nth_on_then_all_or_nothing(void **state)
{
    struct reload_kit *kit = *state;
    struct kp_script *script = &kit->sk.script;
    prepare_memory_run(kit);
    struct kp_generation *live = script->live, *old = script->previous;
    size_t n = 1, n_without_data = 0;

    for (;; n++) {
        fault_mem_fail_from(&kit->sk.mem, n);
        int rc = kp_reload_rollback(script);
        fault_env_heal(&kit->sk.mem, &kit->sk.sys);
        kit->sk.log[0] = '\0';
        if (rc == 0)
            break;
        assert_true(rc == -ENOMEM || rc == KELPIE_ESCRIPT);
        assert_nothing_has_changed(kit, live, old);
        size_t n_odd = count_odd_values(old);
        assert_true(n_odd == 0 || n_odd == 9); /* all of it or nothing */
        n_without_data += n_odd == 0;
    }

    assert_true(n_without_data > 20);
    assert_ptr_equal(script->live, old);
    sk_say(&kit->sk, 0, "c\n");
    sk_hears(&kit->sk, 0, "old 3 1 2\n");
}

/* Reloads and rolls back with an order to fail, for each n until nothing fails; state and
 * service are whole after each. */
static void
fail_each(struct reload_kit *kit, void (*order)(struct fault_mem *mem, size_t n))
{
    struct kp_script *script = &kit->sk.script;
    char expected[64];
    rk_must_load(kit, STATEFUL("'v'"));
    sk_connect(&kit->sk, 0);

    for (size_t n = 1;; n++) {
        size_t before = kit->sk.mem.failures;
        order(&kit->sk.mem, n);
        int rc = kp_reload(script);
        if (script->previous)
            rc |= kp_reload_rollback(script);
        fault_env_heal(&kit->sk.mem, &kit->sk.sys);

        kit->sk.log[0] = '\0';
        assert_non_null(script->live);
        assert_int_equal(script->live->phase, KP_SERVING);
        assert_null(script->retiring);
        assert_true(!script->previous || kp_timer_is_started(&script->probation_timer));
        sk_say(&kit->sk, 0, "a\n");
        snprintf(expected, sizeof expected, "v %zu %zu 0\n", n, n);
        sk_hears(&kit->sk, 0, expected);
        if (kit->sk.mem.failures == before) {
            assert_int_equal(rc, 0);
            assert_true(n > 100);
            break;
        }
    }
}

static void
given_swap_and_roll_back_when_each_allocation_fails_once_then_a_version_serves(
    void **state)
{
    fail_each(*state, fault_mem_fail);
}

static void
given_swap_and_roll_back_when_allocations_fail_from_the_nth_on_then_a_version_serves(
    void **state)
{
    fail_each(*state, fault_mem_fail_from);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rk_teardown)
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
        TEST(
            given_the_same_schema_when_rolled_back_then_the_newest_state_is_in_the_old_tables),
        TEST(
            given_keys_that_have_gone_when_rolled_back_then_they_are_gone_in_the_old_tables),
        TEST(given_a_value_that_cannot_cross_when_rolled_back_then_the_old_one_stays),
        TEST(given_another_schema_when_rolled_back_then_the_data_are_as_before),
        TEST(given_a_table_with_two_owners_when_rolled_back_then_each_has_its_content),
        TEST(given_errors_that_quote_a_client_when_reported_then_the_report_is_printable),
        TEST(given_named_timers_when_rolled_back_then_they_keep_the_deadline),
        TEST(
            given_handlers_suspended_in_both_when_rolled_back_then_each_ends_where_it_was),
        TEST(given_a_retirement_that_ends_when_on_probation_then_the_old_one_stays_warm),
        TEST(given_an_overdue_retirement_when_rolled_back_then_handlers_may_wait_again),
        TEST(given_a_probation_that_ends_when_handlers_are_suspended_then_they_finish),
        TEST(
            given_rooms_and_a_connection_that_has_gone_when_rolled_back_then_handles_are_right),
        TEST(given_an_on_load_that_raises_when_rolled_back_then_nothing_has_changed),
        TEST(given_a_rolled_back_content_when_a_file_changes_then_it_may_be_loaded_again),
        TEST(given_a_roll_back_when_allocations_fail_from_the_nth_on_then_all_or_nothing),
        TEST(
            given_swap_and_roll_back_when_each_allocation_fails_once_then_a_version_serves),
        TEST(
            given_swap_and_roll_back_when_allocations_fail_from_the_nth_on_then_a_version_serves),
        TEST(given_a_state_near_its_cap_when_rolled_back_then_it_works_all_the_same),
        TEST(given_a_misplaced_request_when_rolled_back_then_it_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
