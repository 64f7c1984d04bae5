/*
 * test_rollback_state.c - what the generation before finds when it comes back: kept tables and
 * data of connections, timers, suspended handlers, rooms
 */
#include <errno.h>
#include <string.h>

#include "rollback_kit.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(
            given_the_same_schema_when_rolled_back_then_the_newest_state_is_in_the_old_tables),
        TEST(
            given_keys_that_have_gone_when_rolled_back_then_they_are_gone_in_the_old_tables),
        TEST(given_a_value_that_cannot_cross_when_rolled_back_then_the_old_one_stays),
        TEST(given_another_schema_when_rolled_back_then_the_data_are_as_before),
        TEST(given_a_table_with_two_owners_when_rolled_back_then_each_has_its_content),
        TEST(given_named_timers_when_rolled_back_then_they_keep_the_deadline),
        TEST(
            given_handlers_suspended_in_both_when_rolled_back_then_each_ends_where_it_was),
        TEST(given_a_retirement_that_ends_when_on_probation_then_the_old_one_stays_warm),
        TEST(given_an_overdue_retirement_when_rolled_back_then_handlers_may_wait_again),
        TEST(given_a_probation_that_ends_when_handlers_are_suspended_then_they_finish),
        TEST(
            given_rooms_and_a_connection_that_has_gone_when_rolled_back_then_handles_are_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
