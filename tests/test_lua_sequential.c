/*
 * test_lua_sequential.c - one coroutine per connection that loops over receive, beside event
 * style and across reloads
 */
#include <stdio.h>
#include <string.h>

#include "reload_kit.h"
#include "script/rollback.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)

/* Who says "loop" first is served by a loop, everybody else by on_message. "events" ends a
 * loop, "loop" begins one, in both styles. */
static const char *
both_styles(const char *version)
{
    static char text[1500];

    snprintf(text, sizeof text,
             "local kelpie = require('kelpie')\n"
             "local function loop(conn)\n"
             "   conn.data.loops = true\n"
             "   for line in function() return conn:receive() end do\n"
             "      if line == 'events' then conn.data.loops = nil return end\n"
             "      conn:send('%s loop ', line)\n"
             "   end\n"
             "end\n"
             "return {\n"
             "   on_message = function(conn, line)\n"
             "      if line == 'loop' then return loop(conn) end\n"
             "      conn:send('%s event ', line)\n"
             "   end,\n"
             "   on_adopt = function(conn)\n"
             "      print('%s adopts', conn.number, conn.data.loops)\n"
             "      if conn.data.loops then loop(conn) end\n"
             "   end,\n"
             "}",
             version, version, version);
    return text;
}

static void
start(struct reload_kit *kit)
{
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));
    rk_must_load(kit, both_styles("v1"));
    for (int i = 0; i < 2; i++)
        sk_connect(&kit->sk, i);
    sk_say(&kit->sk, 0, "loop\n");
}

static void
given_both_styles_when_messages_come_then_each_is_served_in_its_own(void **state)
{
    struct reload_kit *kit = *state;
    start(kit);

    sk_say(&kit->sk, 0, "a\nb\n");
    sk_say(&kit->sk, 1, "a\n");
    sk_hears(&kit->sk, 0, "v1 loop a\nv1 loop b\n");
    sk_hears(&kit->sk, 1, "v1 event a\n");

    sk_say(&kit->sk, 0, "c\nevents\nd\nloop\ne\n");
    sk_say(&kit->sk, 1, "loop\nb\n");
    sk_hears(&kit->sk, 0, "v1 loop c\nv1 event d\nv1 loop e\n");
    sk_hears(&kit->sk, 1, "v1 loop b\n");
}

static void
given_both_styles_when_reloaded_then_events_are_new_at_once_and_the_loop_when_it_ends(
    void **state)
{
    struct reload_kit *kit = *state;
    start(kit);
    rk_must_load(kit, both_styles("v2"));
    sk_printed(&kit->sk, "v2 adopts\t1\tnil\n");

    sk_say(&kit->sk, 0, "a\n");
    sk_say(&kit->sk, 1, "a\n");
    sk_hears(&kit->sk, 0, "v1 loop a\n");
    sk_hears(&kit->sk, 1, "v2 event a\n");
    sk_say(&kit->sk, 0, "events\nb\n");
    sk_hears(&kit->sk, 0,
             "v2 loop b\n"); /* its data say that it loops: as of the reload */
    sk_printed(&kit->sk, "v2 adopts\t0\ttrue\n");
    assert_null(kit->sk.script.retiring);
}

static void
given_a_loop_when_its_time_is_over_then_on_adopt_starts_it_again_and_nothing_is_lost(
    void **state)
{
    struct reload_kit *kit = *state;
    start(kit);
    rk_must_load(kit, both_styles("v2"));
    sk_say(&kit->sk, 0, "a\nhal");
    sk_hears(&kit->sk, 0, "v1 loop a\n");
    sk_pass(&kit->sk, 30000);
    sk_printed(&kit->sk, "v2 adopts\t1\tnil\nv2 adopts\t0\ttrue\n");

    sk_say(&kit->sk, 0, "f\nb\n");
    sk_hears(&kit->sk, 0, "v2 loop half\nv2 loop b\n");
    rk_must_load(kit, both_styles("v3")); /* and once more */
    sk_pass(&kit->sk, 30000);
    sk_say(&kit->sk, 0, "c\n");
    sk_hears(&kit->sk, 0, "v3 loop c\n");
}

static void
given_a_loop_when_rolled_back_then_it_is_a_loop_of_the_live_version_again(void **state)
{
    struct reload_kit *kit = *state;
    kit->sk.script.limits.probation_ns = 100 * KP_NS_PER_S;
    start(kit);
    rk_must_load(kit, both_styles("v2"));
    sk_say(&kit->sk, 1, "loop\n");
    assert_int_equal(kp_rollback(&kit->sk.script, NULL), 0);
    sk_settle(&kit->sk);

    sk_say(&kit->sk, 0, "a\n");
    sk_say(&kit->sk, 1, "a\n");
    sk_hears(&kit->sk, 0, "v1 loop a\n");
    sk_hears(&kit->sk, 1, "v2 loop a\n"); /* it finishes there */
    sk_pass(&kit->sk, 30000);
    sk_say(&kit->sk, 0, "b\n");
    sk_say(&kit->sk, 1, "b\n");
    sk_hears(&kit->sk, 0, "v1 loop b\n");
    sk_hears(&kit->sk, 1, "v1 loop b\n"); /* conn.data is the newest */
}

static void
given_another_framing_when_reloaded_then_it_is_that_of_connections_from_then_on(
    void **state)
{
    struct reload_kit *kit = *state;

    rk_must_load(kit, "return { on_message = function(conn, m) conn:send(m) end }");
    sk_connect(&kit->sk, 0);
    rk_must_load(kit, "return { framing = 'netstring', max_message = 3,\n"
                      "   on_message = function(conn, m) conn:send(m) end }");
    sk_connect(&kit->sk, 1);
    sk_say(&kit->sk, 0, "as before\n");
    sk_say(&kit->sk, 1, "3:new,4:long,");

    sk_hears(&kit->sk, 0, "as before\n");
    sk_hears(&kit->sk, 1, "3:new,");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_both_styles_when_messages_come_then_each_is_served_in_its_own),
        TEST(
            given_both_styles_when_reloaded_then_events_are_new_at_once_and_the_loop_when_it_ends),
        TEST(
            given_a_loop_when_its_time_is_over_then_on_adopt_starts_it_again_and_nothing_is_lost),
        TEST(given_a_loop_when_rolled_back_then_it_is_a_loop_of_the_live_version_again),
        TEST(
            given_another_framing_when_reloaded_then_it_is_that_of_connections_from_then_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
