/*
 * test_swap.c - from one generation to the next: on_load, on_adopt, and how the old one ends
 */
#include <errno.h>
#include <string.h>

#include "reload_kit.h"

#define KELPIE "local kelpie = require('kelpie')\n"

static void
given_a_generation_when_it_serves_then_on_load_knows_why(void **state)
{
    struct reload_kit *kit = *state;

    rk_must_load(kit, "return { on_load = print }");
    rk_must_load(kit, "return { on_load = print }");

    assert_string_equal(kit->sk.printed, "start\nreload\n");
    assert_null(kit->sk.script.retiring);
}

static void
given_an_on_load_that_raises_when_reloaded_then_the_swap_is_undone(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, KELPIE "return { on_message = function(conn, line)\n"
                             "   if line == 'wait' then kelpie.sleep(1) end\n"
                             "   conn.data.n = (conn.data.n or 0) + 1\n"
                             "   conn:send('old ', conn.data.n)\n"
                             "end }");
    sk_connect(&kit->sk, 0);
    sk_connect(&kit->sk, 1);
    sk_step(&kit->sk);
    sk_say(&kit->sk, 0, "\n");
    sk_hears(&kit->sk, 0, "old 1\n");
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));
    sk_say(&kit->sk, 1, "wait\n");
    sk_step(&kit->sk);
    struct kp_generation *old = kit->sk.script.live;

    rk_must_reject(kit,
                   KELPIE "return { on_load = function()\n"
                          "   kelpie.room('new'):join(kelpie.client(0))\n"
                          "   error('no start')\n"
                          "end, on_adopt = function() error('never') end }",
                   "reload rejected: on_load: ", "init.lua:4: no start; still serving",
                   NULL);

    assert_ptr_equal(kit->sk.script.live, old);
    assert_int_equal(old->phase, KP_SERVING);
    assert_null(kit->sk.script.retiring);
    assert_false(kp_timer_is_started(&kit->sk.script.retire_timer));
    sk_say(&kit->sk, 0, "\n");
    sk_hears(&kit->sk, 0, "old 2\n");
    fault_clock_advance(&kit->sk.sys, 2 * KP_NS_PER_S);
    sk_hears(&kit->sk, 1, "old 1\n");
}

static void
given_a_first_on_load_that_raises_when_loaded_then_nothing_serves(void **state)
{
    struct reload_kit *kit = *state;

    assert_int_equal(rk_load(kit, "return { on_load = function() error('no') end }"),
                     KELPIE_ESCRIPT);

    assert_null(kit->sk.script.live);
    rk_assert_has(kit->sk.script.error, "on_load: ");
    assert_int_equal(kit->sk.script.reloads_rejected, 1);
}

static void
given_an_on_load_that_sleeps_when_reloaded_then_it_serves_and_goes_on_later(void **state)
{
    struct reload_kit *kit = *state;
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));

    rk_must_load(kit, KELPIE "return { on_load = function()\n"
                             "   print('before') kelpie.sleep(1) print('after')\n"
                             "end }");
    assert_string_equal(kit->sk.printed, "before\n");

    fault_clock_advance(&kit->sk.sys, 2 * KP_NS_PER_S);
    sk_step(&kit->sk);
    assert_string_equal(kit->sk.printed, "before\nafter\n");
}

static void
given_connections_when_reloaded_then_each_is_adopted_once(void **state)
{
    struct reload_kit *kit = *state;
    const char *text =
        "return {\n"
        "   on_connect = function(conn) print('connect', conn.number) end,\n"
        "   on_adopt = function(conn) print('adopt', conn.number) end }";
    rk_must_load(kit, text);
    for (int i = 0; i < 3; i++)
        sk_connect(&kit->sk, i);
    sk_step(&kit->sk);
    rk_connect_unannounced(kit, 3);          /* its on_connect is to come */
    kp_conn_close(kit->sk.conns[1], "test"); /* only to be told of its end */
    kit->sk.printed[0] = '\0';

    rk_must_load(kit, text);
    assert_string_equal(kit->sk.printed, "adopt\t0\nadopt\t2\n");
    sk_step(&kit->sk);

    assert_string_equal(kit->sk.printed, "adopt\t0\nadopt\t2\nconnect\t3\n");
}

static void
given_an_on_adopt_that_raises_when_reloaded_then_the_others_are_adopted(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");
    for (int i = 0; i < 3; i++)
        sk_connect(&kit->sk, i);
    sk_step(&kit->sk);

    rk_must_load(kit, "return { on_adopt = function(conn)\n"
                      "   if conn.number == 1 then error('not this one') end\n"
                      "   print('adopt', conn.number)\n"
                      "end, on_message = function(conn) conn:send('here') end }");

    assert_string_equal(kit->sk.printed, "adopt\t0\nadopt\t2\n");
    rk_assert_has(kit->sk.log, "error: on_adopt: ");
    sk_say(&kit->sk, 1, "\n");
    sk_hears(&kit->sk, 1, "here\n");
}

/* --- what is suspended in old code ------------------------------------------------------- */

/* Answers with its version, after a second if asked to wait. */
static const char *
sleeper(const char *version)
{
    static char text[1024];

    snprintf(text, sizeof text,
             KELPIE "return { on_message = function(conn, line)\n"
                    "   if line == 'wait' then kelpie.sleep(1) end\n"
                    "   conn.data.last = line\n"
                    "   conn:send('%s ', line)\n"
                    "end, on_adopt = function(conn)\n"
                    "   print('%s adopts ' .. conn.number)\n"
                    "end, on_disconnect = function(conn)\n"
                    "   print('%s lost ' .. conn.number)\n"
                    "end }",
             version, version, version);
    return text;
}

static void
start_sleeper(struct reload_kit *kit)
{
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));
    rk_must_load(kit, sleeper("v1"));
    for (int i = 0; i < 2; i++)
        sk_connect(&kit->sk, i);
    sk_step(&kit->sk);
    sk_say(&kit->sk, 0, "wait\nnext\n");
    sk_step(&kit->sk);
    rk_must_load(kit, sleeper("v2"));
}

static void
given_a_suspended_handler_when_reloaded_then_it_finishes_in_old_code(void **state)
{
    struct reload_kit *kit = *state;
    start_sleeper(kit);
    assert_non_null(kit->sk.script.retiring);
    assert_int_equal(kit->sk.script.retiring->phase, KP_RETIRING);

    sk_say(&kit->sk, 1, "now\n");
    sk_hears(&kit->sk, 1, "v2 now\n");
    sk_hears(&kit->sk, 0, "");
    fault_clock_advance(&kit->sk.sys, 2 * KP_NS_PER_S);

    sk_hears(&kit->sk, 0, "v1 wait\nv2 next\n");
    assert_null(kit->sk.script.retiring);
    assert_false(kp_timer_is_started(&kit->sk.script.retire_timer));
}

static void
given_a_suspended_handler_when_it_has_ended_then_its_connection_is_adopted(void **state)
{
    struct reload_kit *kit = *state;
    start_sleeper(kit);
    assert_string_equal(kit->sk.printed, "v2 adopts 1\n");
    sk_step(&kit->sk);
    assert_string_equal(kit->sk.printed, "v2 adopts 1\n");

    fault_clock_advance(&kit->sk.sys, 2 * KP_NS_PER_S);
    sk_step(&kit->sk);
    sk_step(&kit->sk);
    sk_step(&kit->sk);

    assert_string_equal(kit->sk.printed, "v2 adopts 1\nv2 adopts 0\n");
}

static void
given_a_suspended_handler_when_its_connection_ends_then_it_is_told_after_it(void **state)
{
    struct reload_kit *kit = *state;
    start_sleeper(kit);
    sk_hang_up(&kit->sk, 0);
    sk_step(&kit->sk);
    fault_clock_advance(&kit->sk.sys, 2 * KP_NS_PER_S);
    for (int i = 0; i < 4; i++)
        sk_step(&kit->sk);

    assert_null(kit->sk.script.retiring);
    rk_assert_has(kit->sk.printed, "v2 lost 0\n");
    rk_assert_has_not(kit->sk.printed, "v1 lost 0\n");
}

static void
given_a_retiring_generation_when_reloaded_again_then_it_has_to_wait(void **state)
{
    struct reload_kit *kit = *state;
    start_sleeper(kit);

    assert_int_equal(rk_load(kit, sleeper("v3")), -EBUSY);
    rk_assert_has(kit->sk.script.error, "still finishes its handlers");
    assert_int_equal(kit->sk.script.reloads_rejected, 0);
    assert_int_equal(kp_reload_check(&kit->sk.script), 0);

    fault_clock_advance(&kit->sk.sys, 2 * KP_NS_PER_S);
    sk_hears(&kit->sk, 0, "v1 wait\nv2 next\n");
    rk_must_load(kit, sleeper("v3"));
    sk_say(&kit->sk, 0, "again\n");
    sk_hears(&kit->sk, 0, "v3 again\n");
}

/* One handler per connection, which goes round for ever. */
static const char *
looper(const char *version)
{
    static char text[1024];

    snprintf(text, sizeof text,
             "local function loop(conn)\n"
             "   while true do\n"
             "      local line, message, code = conn:receive()\n"
             "      if not line then print('%s ends', code) return end\n"
             "      conn.data.n = (conn.data.n or 0) + 1\n"
             "      conn:send('%s ', conn.data.n)\n"
             "   end\n"
             "end\n"
             "return { on_connect = loop, on_adopt = loop }",
             version, version);
    return text;
}

static void
given_handlers_that_loop_when_the_old_time_is_over_then_the_new_ones_go_on(void **state)
{
    struct reload_kit *kit = *state;
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));
    rk_must_load(kit, looper("v1"));
    sk_connect(&kit->sk, 0);
    sk_step(&kit->sk);
    sk_say(&kit->sk, 0, "\n");
    sk_hears(&kit->sk, 0, "v1 1\n");

    rk_must_load(kit, looper("v2"));
    sk_say(&kit->sk, 0, "\n");
    sk_hears(&kit->sk, 0, "v1 2\n");
    fault_clock_advance(&kit->sk.sys, 31 * KP_NS_PER_S);
    for (int i = 0; i < 3; i++)
        sk_step(&kit->sk);
    assert_string_equal(kit->sk.printed, "v1 ends\tretired\n");
    assert_null(kit->sk.script.retiring);

    sk_say(&kit->sk, 0, "\n");
    sk_hears(&kit->sk, 0, "v2 2\n"); /* the data as it was when the new one came */
}

static void
given_two_generations_when_the_server_ends_then_both_are_freed(void **state)
{
    struct reload_kit *kit = *state;

    start_sleeper(kit);

    assert_non_null(kit->sk.script.retiring); /* the rest is in the teardown */
}

/* --- timers ------------------------------------------------------------------------------ */

static void
given_timers_when_reloaded_then_only_named_ones_that_are_declared_again_go_on(
    void **state)
{
    struct reload_kit *kit = *state;
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));
    rk_must_load(kit, KELPIE
                 "return { on_load = function()\n"
                 "   kelpie.after(10, function() print('v1 anonymous') end)\n"
                 "   kelpie.after('kept', 10, function() print('v1 kept') end)\n"
                 "   kelpie.after('dropped', 10, function() print('v1 dropped') end)\n"
                 "end }");
    fault_clock_advance(&kit->sk.sys, 6 * KP_NS_PER_S);
    sk_step(&kit->sk);

    rk_must_load(kit,
                 KELPIE "return { on_load = function()\n"
                        "   kelpie.after('kept', 10, function() print('v2 kept') end)\n"
                        "end }");
    fault_clock_advance(&kit->sk.sys, 5 * KP_NS_PER_S);
    sk_step(&kit->sk);
    sk_step(&kit->sk);
    assert_string_equal(kit->sk.printed, "v2 kept\n");

    fault_clock_advance(&kit->sk.sys, 60 * KP_NS_PER_S);
    sk_step(&kit->sk);
    sk_step(&kit->sk);
    assert_string_equal(kit->sk.printed, "v2 kept\n");
}

static void
given_timers_when_the_swap_is_undone_then_they_fire_as_if_nothing_had_been(void **state)
{
    struct reload_kit *kit = *state;
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));
    rk_must_load(kit,
                 KELPIE "return { on_load = function()\n"
                        "   kelpie.after(10, function() print('v1 anonymous') end)\n"
                        "   kelpie.after('kept', 10, function() print('v1 kept') end)\n"
                        "end }");
    fault_clock_advance(&kit->sk.sys, 6 * KP_NS_PER_S);
    sk_step(&kit->sk);

    rk_must_reject(kit,
                   KELPIE "return { on_load = function()\n"
                          "   kelpie.after('kept', 1, function() print('v2 kept') end)\n"
                          "   kelpie.after(1, function() print('v2 anonymous') end)\n"
                          "   error('no start')\n"
                          "end }",
                   "no start", NULL);
    fault_clock_advance(&kit->sk.sys, 3 * KP_NS_PER_S);
    sk_step(&kit->sk);
    assert_string_equal(kit->sk.printed, "");
    fault_clock_advance(&kit->sk.sys, 2 * KP_NS_PER_S);
    sk_step(&kit->sk);
    sk_step(&kit->sk);

    rk_assert_has(kit->sk.printed, "v1 anonymous\n");
    rk_assert_has(kit->sk.printed, "v1 kept\n");
    rk_assert_has_not(kit->sk.printed, "v2");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_generation_when_it_serves_then_on_load_knows_why),
        TEST(given_an_on_load_that_raises_when_reloaded_then_the_swap_is_undone),
        TEST(given_a_first_on_load_that_raises_when_loaded_then_nothing_serves),
        TEST(given_an_on_load_that_sleeps_when_reloaded_then_it_serves_and_goes_on_later),
        TEST(given_connections_when_reloaded_then_each_is_adopted_once),
        TEST(given_an_on_adopt_that_raises_when_reloaded_then_the_others_are_adopted),
        TEST(given_a_suspended_handler_when_reloaded_then_it_finishes_in_old_code),
        TEST(given_a_suspended_handler_when_it_has_ended_then_its_connection_is_adopted),
        TEST(given_a_suspended_handler_when_its_connection_ends_then_it_is_told_after_it),
        TEST(given_a_retiring_generation_when_reloaded_again_then_it_has_to_wait),
        TEST(given_handlers_that_loop_when_the_old_time_is_over_then_the_new_ones_go_on),
        TEST(given_two_generations_when_the_server_ends_then_both_are_freed),
        TEST(
            given_timers_when_reloaded_then_only_named_ones_that_are_declared_again_go_on),
        TEST(given_timers_when_the_swap_is_undone_then_they_fire_as_if_nothing_had_been),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
