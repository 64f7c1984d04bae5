/*
 * test_script.c - which generation gets what, and how the old one ends
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/listener.h"
#include "script_kit.h"

/* --- without a script ------------------------------------------------------------------ */

static void
given_no_generation_when_things_happen_then_nothing_does(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    sk_say(kit, 0, "hello\n");
    assert_int_equal(kp_script_on_input(&kit->script, NULL, 0), 0);
    kp_script_on_shutdown(&kit->script);
    kp_script_on_drain(&kit->script, kit->conns[0]);
    sk_hang_up(kit, 0);

    assert_false(kp_script_has_work(&kit->script));
    assert_int_equal(kp_script_lua_bytes(&kit->script), 0);
    sk_logged_nothing(kit);
}

/* --- events ---------------------------------------------------------------------------- */

static void
given_handlers_when_a_client_comes_and_goes_then_each_is_called_once(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function(c) print('connect', c.number) end,\n"
                 "   on_message = function(c, m) print('message', c.number, m) end,\n"
                 "   on_disconnect = function(c, r) print('gone', c.number, r) end }");
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_say(kit, 1, "hi\n\n");
    sk_hang_up(kit, 0);
    sk_hang_up(kit, 1);

    sk_printed(kit, "connect\t0\nconnect\t1\nmessage\t1\thi\nmessage\t1\t\n"
                    "gone\t0\teof\ngone\t1\teof\n");
    assert_int_equal(kit->script.live->calls, 6);
}

static void
given_operator_input_and_shutdown_when_told_then_their_handlers_run(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_input = function(line) print('input', #line, line)\n"
                 "      if line == 'x' then error('no', 0) end end,\n"
                 "   on_shutdown = function() print('shutdown') end }");
    assert_int_equal(kp_script_on_input(&kit->script, "a\0b", 3), 0);
    assert_int_equal(kp_script_on_input(&kit->script, NULL, 0), 0);
    assert_int_equal(kp_script_on_input(&kit->script, "x", 1), KELPIE_ESCRIPT);
    kp_script_on_shutdown(&kit->script);

    sk_printed(kit, "input\t3\ta\\x00b\ninput\t0\t\ninput\t1\tx\nshutdown\n");
    assert_int_equal(strncmp(kit->script.error, "on_input: no\n", 13), 0);
}

static void
given_a_full_outbox_when_it_is_empty_again_then_on_drain_is_called(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_drain = function(c) print('drained', c.number) end }");
    sk_connect(kit, 0);
    kp_script_on_drain(&kit->script, kit->conns[0]);

    sk_printed(kit, "drained\t0\n");
}

static void
given_a_suspended_handler_when_drained_then_on_drain_runs_beside_it(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c, m) print(m) kelpie.sleep(2)\n"
                 "      print('slept') end,\n"
                 "   on_drain = function(c) kelpie.sleep(1) print('drained') end,\n"
                 "   on_disconnect = function(c, r) print(r) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "a\nb\n");
    kp_script_on_drain(&kit->script, kit->conns[0]);
    assert_int_equal(kit->conns[0]->holds, 2);
    sk_pass(kit, 1000);
    sk_printed(kit, "a\ndrained\n");
    sk_pass(kit, 1000);
    sk_printed(kit, "slept\nb\n");
    sk_pass(kit, 2000);
    sk_hang_up(kit, 0);

    sk_printed(kit, "slept\neof\n");
}

static void
given_framing_of_the_handlers_when_a_client_comes_then_it_has_it(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { framing = 'netstring', max_message = 7,\n"
                 "   on_message = function(c, m) print(m) c:send(m) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "5:hello,0:,");

    sk_printed(kit, "hello\n\n");
    sk_hears(kit, 0, "5:hello,0:,");
    assert_int_equal(kit->conns[0]->max_message, 7);
}

static void
given_handlers_of_a_listener_when_its_client_comes_then_they_serve_it(void **state)
{
    struct script_kit *kit = *state;
    struct kp_listener admin = {.name = "admin"};

    sk_load(kit, "return { on_message = function(c, m) print('main', m) end,\n"
                 "   on_error = function(c, m) print('main error', m) end,\n"
                 "   on_connect = function(c) print('main connect') end,\n"
                 "   listeners = { admin = { on_message = function(c, m)\n"
                 "      print('admin', m) error(m, 0) end } } }");
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    kit->conns[1]->listener = &admin;
    sk_say(kit, 0, "a\n");
    sk_say(kit, 1, "b\n");
    kit->conns[1]->listener = NULL;

    sk_printed(kit, "main connect\nmain connect\nmain\ta\nadmin\tb\nmain error\tb\n");
}

static void
given_no_memory_for_on_connect_when_a_client_comes_then_it_is_closed(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function(c) print('connect') end,\n"
                 "   on_disconnect = function(c, r) print(r) end }");
    sk_connect(kit, 0);
    sk_printed(kit, "connect\n");
    kp_script_on_gone(&kit->script, kit->conns[0]); /* as if it were new */
    fault_mem_fail(&kit->mem, 1);
    kp_script_on_connect(&kit->script, kit->conns[0]);
    sk_hang_up(kit, 0);

    sk_printed(kit, "out of memory\n");
    sk_logged(kit, "error: on_connect: not enough memory (client #0 unix)\n");
}

static void
given_no_memory_for_a_message_when_it_comes_then_the_connection_stays(void **state)
{
    struct script_kit *kit = *state;
    char text[60000];

    memset(text, 'x', sizeof text);
    sk_load(kit, "return { on_message = function(c, m) print(#m) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "a\n");
    kit->script.limits.lua_memory = kit->script.live->lua_bytes + 10000;
    kp_script_on_message(&kit->script, kit->conns[0], text, sizeof text);
    sk_say(kit, 0, "bc\n");

    sk_printed(kit, "1\n2\n");
    sk_logged(kit, "error: on_message: not enough memory (client #0 unix)\n");
}

static void
given_a_handle_when_its_connection_is_gone_then_it_is_harmless(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "local kept return {\n"
                 "   on_connect = function(c) kept = kept or c end,\n"
                 "   on_input = function() print(kept.number, kept:send('x')) end }");
    sk_connect(kit, 0);
    sk_hang_up(kit, 0);
    sk_connect(kit, 1); /* gets the same number */
    kp_script_on_input(&kit->script, "", 0);

    sk_printed(kit, "0\tnil\tconnection closed\tclosed\n");
    sk_hears(kit, 1, "");
}

/* --- preloads -------------------------------------------------------------------------- */

static int
open_answer(lua_State *L)
{
    lua_pushinteger(L, 42);
    return 1;
}

static void
given_a_preload_when_a_generation_is_made_then_it_is_there(void **state)
{
    struct script_kit *kit = *state;

    assert_int_equal(kp_script_preload(&kit->script, "answer", open_answer), 0);
    fault_mem_fail(&kit->mem, 1);
    assert_int_equal(kp_script_preload(&kit->script, "x", open_answer), -ENOMEM);
    fault_mem_fail(&kit->mem, 2);
    assert_int_equal(kp_script_preload(&kit->script, "x", open_answer), -ENOMEM);
    sk_load(kit, "return {}");

    lua_State *L = kit->script.live->L;
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    assert_int_equal(lua_getfield(L, -1, "answer"), LUA_TFUNCTION);
    assert_int_equal(lua_getfield(L, -2, "x"), LUA_TNIL);
    lua_pop(L, 3);
}

/* --- retiring -------------------------------------------------------------------------- */

#define OLD                                                                              \
 "return { on_message = function(c, m) print('old', m)\n"                                \
 "      if m == 'sleep' then kelpie.sleep(5) print('old slept')\n"                       \
 "      elseif m == 'loop' then repeat local m, e, code = c:receive()\n"                 \
 "         print('old got', m, e, code)\n"                                               \
 "         if not m then kelpie.sleep(1) print('never') end\n"                           \
 "      until m == 'stop' end end,\n"                                                    \
 "   on_drain = function() print('old drain') end,\n"                                    \
 "   on_disconnect = function(c, r) print('old gone', r) end }"

#define NEW                                                                              \
 "return { on_message = function(c, m) print('new', m) end,\n"                           \
 "   on_adopt = function(c) print('adopt', c.number) end,\n"                             \
 "   on_drain = function() print('new drain') end,\n"                                    \
 "   on_disconnect = function(c, r) print('new gone', r) end }"

static void
given_a_handler_suspended_in_old_code_when_it_ends_then_the_new_code_goes_on(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, OLD);
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_say(kit, 0, "sleep\n");
    sk_load_beside(kit, NEW);
    sk_say(kit, 0, "a\n");
    sk_say(kit, 1, "b\n");
    kp_script_on_drain(&kit->script, kit->conns[0]);
    kp_script_on_drain(&kit->script, kit->conns[1]);
    sk_printed(kit, "old\tsleep\nnew\tb\nold drain\nnew drain\n");
    assert_non_null(kit->script.retiring);
    assert_true(kp_script_lua_bytes(&kit->script) > kit->script.live->lua_bytes);
    sk_pass(kit, 5000);

    sk_printed(kit, "old slept\nadopt\t0\nnew\ta\n");
    assert_null(kit->script.retiring);
    assert_false(kp_timer_is_started(&kit->script.retire_timer));
    assert_int_equal(kp_script_lua_bytes(&kit->script), kit->script.live->lua_bytes);
}

static void
given_a_loop_of_receive_in_old_code_when_it_goes_on_then_it_gets_the_messages(
    void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, OLD);
    sk_connect(kit, 0);
    sk_say(kit, 0, "loop\n");
    sk_load_beside(kit, NEW);
    sk_say(kit, 0, "one\ntwo\nstop\nthree\n");

    sk_printed(kit, "old\tloop\nold got\tone\tnil\tnil\nold got\ttwo\tnil\tnil\n"
                    "old got\tstop\tnil\tnil\nadopt\t0\nnew\tthree\n");
    assert_null(kit->script.retiring);
}

static void
given_a_retire_timeout_when_it_is_over_then_old_handlers_are_told_then_ended(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, OLD);
    sk_connect(kit, 0);
    sk_say(kit, 0, "loop\n");
    sk_load_beside(kit, NEW);
    sk_pass(kit, 29000);
    assert_non_null(kit->script.retiring);
    sk_pass(kit, 1000);

    sk_printed(kit, "old\tloop\nold got\tnil\tgeneration retired\tretired\nadopt\t0\n");
    assert_null(kit->script.retiring);
    sk_say(kit, 0, "hi\n");
    sk_printed(kit, "new\thi\n");
}

static void
given_old_code_that_spawns_without_end_when_its_time_is_over_then_it_ends(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "local function again() kelpie.spawn(again) end\n"
                 "return { on_message = again }");
    sk_connect(kit, 0);
    assert_int_equal(write(kit->peers[0], "hi\n", 3), 3);
    for (int i = 0; i < 4; i++)
        sk_step(kit);
    sk_load_beside(kit, NEW);
    for (int i = 0; i < 4; i++)
        sk_step(kit);
    assert_non_null(kit->script.retiring);

    fault_clock_advance(&kit->sys, 30 * KP_NS_PER_S);
    for (int i = 0; i < 4; i++)
        sk_step(kit);

    assert_null(kit->script.retiring);
}

static void
given_a_retire_timer_when_nothing_retires_any_more_then_nothing_happens(void **state)
{
    struct script_kit *kit = *state;

    assert_int_equal(kp_timer_start(&kit->timers, &kit->script.retire_timer, 1), 0);
    sk_pass(kit, 1000);

    assert_false(kp_timer_is_started(&kit->script.retire_timer));
}

static void
given_a_receiver_when_its_connection_is_just_gone_then_it_is_told(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function(c)\n"
                 "   kelpie.spawn(function() print(c:receive()) end) end }");
    sk_connect(kit, 0);
    kp_script_on_gone(&kit->script, kit->conns[0]);
    sk_settle(kit);

    sk_printed(kit, "nil\tconnection closed\tclosed\n");
    assert_null(kp_session_of(kit->conns[0]));
}

static void
given_a_connection_that_ends_when_old_code_waits_then_the_new_one_is_told(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, OLD);
    sk_connect(kit, 0);
    sk_say(kit, 0, "sleep\n");
    sk_load_beside(kit, NEW);
    kp_conn_drop(kit->conns[0], "test", false);
    sk_settle(kit);
    sk_printed(kit, "old\tsleep\n");
    sk_pass(kit, 5000);

    sk_printed(kit, "old slept\nnew gone\ttest\n");
}

static void
given_nothing_suspended_when_a_generation_retires_then_it_is_closed_at_once(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, OLD);
    sk_load_beside(kit, NEW);
    assert_true(kp_script_has_work(&kit->script));
    kp_script_retire(&kit->script);

    assert_null(kit->script.retiring);
    assert_false(kp_script_has_work(&kit->script));
}

static void
given_a_handle_in_old_code_when_its_connection_goes_then_it_is_harmless(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "local kept return { on_connect = function(c)\n"
                 "   kelpie.spawn(function() kelpie.sleep(5)\n"
                 "      print(c.number, c:send('x')) end) end }");
    sk_connect(kit, 0);
    sk_load_beside(kit, NEW);
    sk_hang_up(kit, 0);
    sk_pass(kit, 5000);

    sk_printed(kit, "new gone\teof\n0\tnil\tconnection closed\tclosed\n");
}

static void
given_both_generations_with_tasks_when_cleared_then_all_is_given_back(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, OLD);
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_say(kit, 0, "sleep\n");
    sk_say(kit, 1, "loop\n");
    sk_load_beside(kit, OLD);
    sk_connect(kit, 2);
    sk_say(kit, 2, "sleep\n");

    /* The teardown clears the net first, then the scripts, and counts the bytes. */
    assert_int_equal(kit->conns[2]->holds, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_no_generation_when_things_happen_then_nothing_does),
        TEST(given_handlers_when_a_client_comes_and_goes_then_each_is_called_once),
        TEST(given_operator_input_and_shutdown_when_told_then_their_handlers_run),
        TEST(given_a_full_outbox_when_it_is_empty_again_then_on_drain_is_called),
        TEST(given_a_suspended_handler_when_drained_then_on_drain_runs_beside_it),
        TEST(given_framing_of_the_handlers_when_a_client_comes_then_it_has_it),
        TEST(given_handlers_of_a_listener_when_its_client_comes_then_they_serve_it),
        TEST(given_no_memory_for_on_connect_when_a_client_comes_then_it_is_closed),
        TEST(given_no_memory_for_a_message_when_it_comes_then_the_connection_stays),
        TEST(given_a_handle_when_its_connection_is_gone_then_it_is_harmless),
        TEST(given_a_preload_when_a_generation_is_made_then_it_is_there),
        TEST(
            given_a_handler_suspended_in_old_code_when_it_ends_then_the_new_code_goes_on),
        TEST(
            given_a_loop_of_receive_in_old_code_when_it_goes_on_then_it_gets_the_messages),
        TEST(
            given_a_retire_timeout_when_it_is_over_then_old_handlers_are_told_then_ended),
        TEST(given_old_code_that_spawns_without_end_when_its_time_is_over_then_it_ends),
        TEST(given_a_retire_timer_when_nothing_retires_any_more_then_nothing_happens),
        TEST(given_a_receiver_when_its_connection_is_just_gone_then_it_is_told),
        TEST(given_a_connection_that_ends_when_old_code_waits_then_the_new_one_is_told),
        TEST(given_nothing_suspended_when_a_generation_retires_then_it_is_closed_at_once),
        TEST(given_a_handle_in_old_code_when_its_connection_goes_then_it_is_harmless),
        TEST(given_both_generations_with_tasks_when_cleared_then_all_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
