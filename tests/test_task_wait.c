/*
 * test_task_wait.c - what suspended tasks wait for: messages, time, others, and the end of their
 * connection
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "script/sandbox.h"
#include "script_kit.h"

/* --- receiving ------------------------------------------------------------------------- */

static void
given_a_handler_when_it_receives_then_messages_come_to_it_in_order(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function(c)\n"
                 "   print('name?', c:receive()) print('age?', c:receive()) end,\n"
                 "   on_message = function(c, m) print('message', m) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "jo\n");
    sk_printed(kit, "name?\tjo\n");
    sk_say(kit, 0, "\nrest\nmore\n");

    sk_printed(kit, "age?\t\nmessage\trest\nmessage\tmore\n");
    assert_int_equal(kit->conns[0]->holds, 0);
}

static void
given_a_handler_that_sleeps_when_messages_come_then_they_wait(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c, m)\n"
                 "   if m == 'wait' then kelpie.sleep(1) print('next', c:receive())\n"
                 "   else print(m) end end }");
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_say(kit, 0, "wait\na\nb\n");
    sk_say(kit, 1, "other\n");
    sk_printed(kit, "other\n");
    sk_pass(kit, 1000);

    sk_printed(kit, "next\ta\nb\n");
}

static void
given_receive_with_a_size_when_bytes_come_then_the_framing_is_for_once(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c, m)\n"
                 "   if m == 'five' then print(c:receive(5)) else print(m) end end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "five\nab");
    sk_say(kit, 0, "\ncdline\n");

    sk_printed(kit, "ab\ncd\nline\n");
}

static void
given_a_time_limit_when_nothing_comes_then_receive_says_timeout(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function(c)\n"
                 "   print(c:receive(nil, 2)) print(c:receive(nil, 2)) end,\n"
                 "   on_message = function(c, m) print('message', m) end }");
    sk_connect(kit, 0);
    sk_pass(kit, 1999);
    sk_printed(kit, "");
    sk_pass(kit, 1);
    sk_printed(kit, "nil\ttimed out\ttimeout\n");
    sk_say(kit, 0, "in time\n");
    sk_pass(kit, 5000);
    sk_say(kit, 0, "after\n");

    sk_printed(kit, "in time\nmessage\tafter\n");
}

static void
given_a_handler_that_receives_when_another_tries_then_that_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function(c)\n"
                 "   kelpie.spawn(function() print(pcall(c.receive, c)) end)\n"
                 "   print(c:receive()) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "mine\n");

    sk_printed(kit,
               "false\tanother handler waits for this connection's messages\nmine\n");
}

static void
given_a_spawned_function_when_it_receives_then_on_message_is_not_called(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function(c)\n"
                 "   kelpie.spawn(function()\n"
                 "      for i = 1, 2 do print('spawned', c:receive()) end end) end,\n"
                 "   on_message = function(c, m) print('message', m) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "a\nb\nc\n");

    sk_printed(kit, "spawned\ta\nspawned\tb\nmessage\tc\n");
}

static void
given_a_peer_that_ends_when_a_handler_receives_then_it_is_told_closed(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit,
            "return { on_connect = function(c)\n"
            "   repeat local m, e, code = c:receive() print(m, e, code) until not m\n"
            "   print(c:receive()) c:send('bye') kelpie.sleep(1) print('end') end,\n"
            "   on_disconnect = function(c, r) print('gone', r) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "last\n");
    sk_half_close(kit, 0);
    sk_printed(kit, "last\tnil\tnil\nnil\tconnection closed\tclosed\n"
                    "nil\tconnection closed\tclosed\n");
    sk_hears(kit, 0, "bye\n");
    sk_pass(kit, 1000);
    sk_hang_up(kit, 0);

    sk_printed(kit, "end\ngone\teof\n");
}

static void
given_no_memory_for_the_message_when_delivered_then_receive_raises(void **state)
{
    struct script_kit *kit = *state;
    char text[60000];

    memset(text, 'x', sizeof text);
    sk_load(kit, "return { on_connect = function(c)\n"
                 "   print(pcall(c.receive, c)) print(c:receive()) end }");
    sk_connect(kit, 0);
    kit->script.limits.lua_memory = kit->script.live->lua_bytes + 10000;
    kp_script_on_message(&kit->script, kit->conns[0], text, sizeof text);
    sk_say(kit, 0, "fine\n");

    sk_printed(kit, "false\tnot enough memory\nfine\n");
    sk_logged_nothing(kit);
}

static void
given_no_memory_for_a_session_when_a_spawned_function_receives_then_it_raises(
    void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "shared = false return { on_connect = function(c) shared = c end }");
    sk_connect(kit, 0);
    struct kp_session *session = kp_session_of(kit->conns[0]);
    kit->conns[0]->script = NULL; /* as if it had never had a handler */
    sk_run(kit, "pcall(pcall, pcall, type, 1) test.fail(1)\n"
                "print(pcall(shared.receive, shared))");
    assert_null(kit->conns[0]->script);
    assert_false(kp_session_count_kill(kit->conns[0], 1));
    kit->conns[0]->script = session;

    sk_printed(kit, "false\tnot enough memory\n");
}

/* --- other things to wait for ---------------------------------------------------------- */

static int
count_results(lua_State *L, int status, lua_KContext base)
{
    (void)status;
    lua_pushinteger(L, lua_gettop(L) - (int)base);
    return 1;
}

static int
wait_for_something(lua_State *L)
{
    return kp_coroutine_suspend(L, lua_gettop(L), count_results);
}

/* A task that waits in C, and prints what the continuation returns. */
static int
spawn_waiter(lua_State *L)
{
    luaL_loadstring(L, "local wait = ... print('woken', wait())");
    lua_pushcfunction(L, wait_for_something);
    struct kp_task *task = kp_task_new(L, kp_generation_of(L), "waiter");
    lua_xmove(L, task->co, 2);
    kp_task_start_later(task, 1);
    return 0;
}

static void
given_a_binding_that_suspends_when_woken_then_its_continuation_runs(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kp_generation_enter(kit->script.live, spawn_waiter, NULL, 0), 0);
        sk_settle(kit);
        struct kp_task *task =
            kp_container_of(kit->script.live->suspended.next, struct kp_task, node);
        assert_int_equal(task->wait, KP_WAIT_OTHER);
        kp_task_wake(task, i == 0 ? KP_WOKE_OK : KP_WOKE_CLOSED);
        sk_settle(kit);
    }

    sk_printed(kit, "woken\t0\nwoken\t3\n");
}

/* --- the end of a connection ----------------------------------------------------------- */

static void
given_a_sleeping_handler_when_its_connection_ends_then_disconnect_comes_after(
    void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c, m)\n"
                 "   kelpie.sleep(1) print('slept', c:send('x')) end,\n"
                 "   on_disconnect = function(c, r) print('gone', r) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "hi\n");
    kp_conn_drop(kit->conns[0], "test", true);
    sk_settle(kit);
    sk_printed(kit, "");
    sk_pass(kit, 1000);

    sk_printed(kit, "slept\tnil\tconnection closed\tclosed\ngone\ttest\n");
    assert_int_equal(kp_conns_count(&kit->net), 0);
}

static void
given_a_receiving_handler_when_its_connection_is_reset_then_it_is_told_first(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function(c)\n"
                 "   print('got', c:receive()) kelpie.sleep(1) print('more') end,\n"
                 "   on_disconnect = function(c, r) print('gone', r) end }");
    sk_connect(kit, 0);
    kp_conn_drop(kit->conns[0], "test", true);
    sk_settle(kit);
    sk_printed(kit, "got\tnil\tconnection closed\tclosed\n");
    sk_pass(kit, 1000);

    sk_printed(kit, "more\ngone\ttest\n");
}

static void
given_on_disconnect_when_it_sleeps_then_the_connection_is_gone_meanwhile(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_disconnect = function(c, r)\n"
                 "   print(r, c:receive()) kelpie.sleep(1)\n"
                 "   print('later', c.number, c:send('x')) end }");
    sk_connect(kit, 0);
    sk_hang_up(kit, 0);
    assert_int_equal(kp_conns_count(&kit->net), 0);
    sk_pass(kit, 1000);

    sk_printed(kit, "eof\tnil\tconnection closed\tclosed\n"
                    "later\t0\tnil\tconnection closed\tclosed\n");
}

static void
given_no_memory_for_a_session_when_on_disconnect_suspends_then_it_forgets_the_connection(
    void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_disconnect = function(c)\n"
                 "   print('gone') kelpie.sleep(1) error('late') end }");
    sk_connect(kit, 0);
    kp_conn_drop(kit->conns[0], "test", false);
    fault_mem_fail(&kit->mem, 1);
    sk_settle(kit);
    sk_printed(kit, "gone\n");
    assert_int_equal(kp_conns_count(&kit->net), 0);
    sk_pass(kit, 1000);

    sk_logged(kit, "on_disconnect: test.lua:2: late\n");
}

static void
given_a_spawned_receiver_when_the_connection_goes_then_it_is_told(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function(c)\n"
                 "   kelpie.spawn(function() print(c:receive()) end) end,\n"
                 "   on_disconnect = function(c, r) print('gone', r) end }");
    sk_connect(kit, 0);
    sk_hang_up(kit, 0);

    sk_printed(kit, "nil\tconnection closed\tclosed\ngone\teof\n");
}

/* The process was stopped, say: the clock passes the limit while bytes wait in the socket. */
static void
given_input_that_is_there_when_the_limit_of_receive_is_over_then_it_is_not_late(
    void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit,
            "return { on_connect = function(c)\n"
            "   print('got', c:receive(nil, 1)) print('got', c:receive(nil, 1)) end }");
    sk_connect(kit, 0);
    assert_int_equal(write(kit->peers[0], "hi\n", 3), 3);
    sk_pass(kit, 1000);
    sk_printed(kit, "got\thi\n");

    assert_int_equal(write(kit->peers[0], "half", 4), 4);
    sk_pass(kit, 1000);
    sk_printed(kit, "got\tnil\ttimed out\ttimeout\n");
}

/* The handler of the first one is still suspended when its own end is told; the end of the
 * second one, told right after it, lets it finish. */
static void
given_a_handler_that_receives_from_another_when_both_end_in_a_step_then_both_are_told(
    void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c)\n"
                 "   print('got', kelpie.client(1):receive()) end,\n"
                 "   on_disconnect = function(c, r) print('gone', c.number, r) end }");
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_say(kit, 0, "hi\n");
    kp_conn_drop(kit->conns[0], "test", true);
    kp_conn_drop(kit->conns[1], "test", true);
    sk_settle(kit);

    sk_printed(kit, "got\tnil\tconnection closed\tclosed\ngone\t1\ttest\n"
                    "gone\t0\ttest\n");
    assert_int_equal(kp_conns_count(&kit->net), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_handler_when_it_receives_then_messages_come_to_it_in_order),
        TEST(given_a_handler_that_sleeps_when_messages_come_then_they_wait),
        TEST(given_receive_with_a_size_when_bytes_come_then_the_framing_is_for_once),
        TEST(given_a_time_limit_when_nothing_comes_then_receive_says_timeout),
        TEST(given_a_handler_that_receives_when_another_tries_then_that_raises),
        TEST(given_a_spawned_function_when_it_receives_then_on_message_is_not_called),
        TEST(given_a_peer_that_ends_when_a_handler_receives_then_it_is_told_closed),
        TEST(given_no_memory_for_the_message_when_delivered_then_receive_raises),
        TEST(
            given_a_sleeping_handler_when_its_connection_ends_then_disconnect_comes_after),
        TEST(
            given_a_receiving_handler_when_its_connection_is_reset_then_it_is_told_first),
        TEST(given_on_disconnect_when_it_sleeps_then_the_connection_is_gone_meanwhile),
        TEST(given_a_spawned_receiver_when_the_connection_goes_then_it_is_told),
        TEST(
            given_no_memory_for_a_session_when_on_disconnect_suspends_then_it_forgets_the_connection),
        TEST(
            given_input_that_is_there_when_the_limit_of_receive_is_over_then_it_is_not_late),
        TEST(
            given_a_handler_that_receives_from_another_when_both_end_in_a_step_then_both_are_told),
        TEST(
            given_no_memory_for_a_session_when_a_spawned_function_receives_then_it_raises),
        TEST(given_a_binding_that_suspends_when_woken_then_its_continuation_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
