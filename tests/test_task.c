/*
 * test_task.c - Lua functions in coroutines of their own, which may suspend
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "script_kit.h"

static size_t
count(const struct kp_node *list)
{
    size_t n = 0;

    kp_list_each(node, list)
        n++;
    return n;
}

/* --- running --------------------------------------------------------------------------- */

static void
given_many_calls_when_they_end_then_one_coroutine_serves_them_all(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c, m) print(m) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "1\n2\n3\n4\n5\n");

    sk_printed(kit, "1\n2\n3\n4\n5\n");
    assert_int_equal(kit->script.live->n_pool, 1);
    assert_int_equal(count(&kit->script.live->pool), 1);
    assert_int_equal(kit->script.live->calls, 5);
}

static void
given_many_tasks_at_a_time_when_they_end_then_the_pool_is_bounded(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "for i = 1, 200 do kelpie.spawn(kelpie.sleep, 1) end");
    assert_int_equal(count(&kit->script.live->suspended), 200);
    sk_pass(kit, 1000);

    assert_true(kp_list_is_empty(&kit->script.live->suspended));
    assert_int_equal(kit->script.live->n_pool, 64);
    assert_int_equal(count(&kit->script.live->pool), 64);
}

static void
given_a_spawned_function_when_the_handler_has_ended_then_it_runs(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "kelpie.spawn(function(...)\n"
                "   print('spawned', ...)\n"
                "   kelpie.spawn(print, 'inner')\n"
                "   kelpie.sleep(1) print('later') end, 1, nil, 3)\n"
                "print('handler')");
    sk_printed(kit, "handler\nspawned\t1\tnil\t3\ninner\n");
    sk_pass(kit, 1000);

    sk_printed(kit, "later\n");
}

static void
given_a_spawned_function_when_it_raises_then_only_it_ends(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "kelpie.spawn(error, 'spawned', 0) kelpie.spawn(print, 'other')");

    sk_printed(kit, "other\n");
    sk_logged(kit, "error: spawn: spawned\n");
}

static void
given_a_task_that_spawns_itself_when_stepping_then_each_step_runs_one(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "n = 0 return { on_input = function()\n"
                 "   local function again() n = n + 1 kelpie.spawn(again) end\n"
                 "   again() end }");
    kp_script_on_input(&kit->script, "", 0);
    for (int i = 0; i < 5; i++) {
        assert_true(kp_script_has_work(&kit->script));
        sk_step(kit);
    }

    assert_int_equal(lua_getglobal(kit->script.live->L, "n"), LUA_TNUMBER);
    assert_int_equal(lua_tointeger(kit->script.live->L, -1), 6);
    lua_pop(kit->script.live->L, 1);
}

static int
make_and_fail(lua_State *L)
{
    struct kp_task *task = kp_task_new(L, kp_generation_of(L), "lost");

    lua_pushliteral(task->co, "left over");
    return luaL_error(L, "no");
}

static void
given_a_task_whose_maker_failed_when_the_next_is_made_then_it_is_taken(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "");
    for (int i = 0; i < 10; i++)
        assert_int_equal(kp_generation_enter(kit->script.live, make_and_fail, NULL, 0),
                         KELPIE_ESCRIPT);
    assert_int_equal(count(&kit->script.live->made), 1);
    sk_run(kit, "print('fine')");

    sk_printed(kit, "fine\n");
    assert_int_equal(count(&kit->script.live->made), 0);
}

/* --- sleeping -------------------------------------------------------------------------- */

static void
given_sleepers_when_time_passes_then_they_wake_in_order(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "for _, s in ipairs { 3, 1, 2 } do\n"
                "   kelpie.spawn(function() print('slept', s, kelpie.sleep(s)) end) end");
    sk_pass(kit, 999);
    sk_printed(kit, "");
    sk_pass(kit, 1);
    sk_printed(kit, "slept\t1\n");
    sk_pass(kit, 5000);

    sk_printed(kit, "slept\t2\nslept\t3\n");
}

static int
sleep_for_ever(lua_State *L)
{
    return kp_task_sleep(L, KP_NEVER);
}

static int
spawn_sleeper(lua_State *L)
{
    struct kp_task *task = kp_task_new(L, kp_generation_of(L), "sleeper");

    lua_pushcfunction(task->co, sleep_for_ever);
    kp_task_start_later(task, 0);
    return 0;
}

static void
given_a_very_long_sleep_when_asked_for_then_it_is_one(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "kelpie.spawn(function() kelpie.sleep(0) print('at once') end)");
    assert_int_equal(kp_generation_enter(kit->script.live, spawn_sleeper, NULL, 0), 0);
    sk_pass(kit, UINT64_C(1000) << 20);

    sk_printed(kit, "at once\n");
    assert_int_equal(count(&kit->script.live->suspended), 1);
}

static void
given_no_handler_when_sleeping_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_refuse(kit, "kelpie.sleep(1) return {}", "test.lua:1: ");
}

static void
given_no_memory_for_a_timer_when_sleeping_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_run(
        kit,
        "pcall(pcall, pcall, type, 1) test.fail(1) local ok, e = pcall(kelpie.sleep, 1)\n"
        "print(ok, e) kelpie.sleep(1) print('slept')");
    sk_pass(kit, 1000);

    sk_printed(kit, "false\tnot enough memory\nslept\n");
}

/* --- errors ---------------------------------------------------------------------------- */

static void
given_on_connect_when_it_raises_then_the_connection_is_closed(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function(c)\n"
                 "   if c.number == 1 then kelpie.sleep(1) end error('no') end,\n"
                 "   on_disconnect = function(c, r) print(c.number, r) end }");
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_hang_up(kit, 0);
    sk_printed(kit, "0\thandler error\n");
    sk_pass(kit, 1000);
    sk_hang_up(kit, 1);

    sk_printed(kit, "1\thandler error\n");
}

static void
given_a_suspended_handler_when_it_raises_then_the_next_message_comes(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c, m) print(m)\n"
                 "   local x <close> = setmetatable({}, { __close = function(_, e)\n"
                 "      print('closed', e) end })\n"
                 "   kelpie.sleep(1) error('after ' .. m, 0) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "a\nb\n");
    sk_printed(kit, "a\n");
    sk_pass(kit, 1000);

    sk_printed(kit, "closed\tafter a\nb\n");
    sk_logged(kit, "error: on_message: after a (client #0 unix)\n");
    assert_int_equal(kit->conns[0]->holds, 1);
}

static void
given_a_failed_handler_when_its_variables_take_for_ever_then_they_are_ended(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local x <close> = setmetatable({}, { __close = function()\n"
                "   while true do test.advance(1) end end })\n"
                "error('first', 0)");
    sk_run(kit, "local x <close> = setmetatable({}, { __close = function()\n"
                "   error('second', 0) end })\n"
                "error('first', 0)");
    sk_run(kit, "print('alive')");

    sk_printed(kit, "alive\n");
}

static void
given_an_error_in_the_cap_when_a_handler_grows_then_the_next_one_works(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.lua_memory = 1 << 20;
    sk_load(kit,
            "return { on_message = function(c, m)\n"
            "   if m == 'grow' then local t = {} while true do t[#t + 1] = {} end end\n"
            "   print(m) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "grow\nfine\n");

    sk_printed(kit, "fine\n");
    sk_logged(kit, "error: on_message: not enough memory");
    assert_int_equal(kit->script.handler_kills, 0);
}

/* --- cancelling ------------------------------------------------------------------------ */

static void
given_suspended_tasks_when_cancelled_then_their_variables_are_closed(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "local function guard(what) return setmetatable({}, {\n"
                 "   __close = function() print('closed', what) end }) end\n"
                 "return { on_message = function(c, m)\n"
                 "   local x <close> = guard(m) kelpie.sleep(1) print('never') end,\n"
                 "   on_input = function()\n"
                 "   local x <close> = guard('input') kelpie.sleep(1) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "a\nb\n");
    kp_script_on_input(&kit->script, "", 0);
    assert_int_equal(kit->conns[0]->holds, 1);
    while (!kp_list_is_empty(&kit->script.live->suspended))
        kp_task_cancel(
            kp_container_of(kit->script.live->suspended.next, struct kp_task, node));

    sk_printed(kit, "closed\ta\nclosed\tinput\n");
    assert_int_equal(kit->conns[0]->holds, 0);
    sk_settle(kit); /* the connection goes on with the next message */
    assert_int_equal(kit->conns[0]->holds, 1);
}

static void
given_cancelled_tasks_when_closing_raises_or_spawns_then_that_is_told(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local x <close> = setmetatable({}, { __close = function()\n"
                "   error('in close', 0) end }) kelpie.sleep(1)");
    sk_run(kit, "local x <close> = setmetatable({}, { __close = function()\n"
                "   kelpie.spawn(print, 'never')\n"
                "   print(pcall(kelpie.sleep, 1)) end }) kelpie.sleep(1)");
    kp_task_cancel_all(kit->script.live);

    sk_logged(kit, "error: run: in close\n");
    sk_printed(kit, "false\tonly a handler can wait\n");
    assert_true(kp_list_is_empty(&kit->script.live->ready));
}

static void
given_cancelled_tasks_when_closing_takes_for_ever_then_one_of_them_is_waited_for(
    void **state)
{
    struct script_kit *kit = *state;

    for (int i = 0; i < 10; i++)
        sk_run(kit, "local x <close> = setmetatable({}, { __close = function()\n"
                    "   while true do test.advance(1) end end }) kelpie.sleep(1)");
    uint64_t before_ns = kp_sys_now_ns(&kit->env.sys);
    kp_task_cancel_all(kit->script.live);

    sk_logged(kit, "error: run: run.lua:2: handler ran longer than 100 ms\n");
    assert_int_equal(kit->script.handler_kills, 1);
    assert_true(kp_sys_now_ns(&kit->env.sys) - before_ns < 3000 * KP_NS_PER_MS);
    assert_true(kp_list_is_empty(&kit->script.live->suspended));
}

static void
given_a_spawned_function_when_its_generation_goes_then_it_is_forgotten(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_input = function() kelpie.spawn(print, 'never') end }");
    kp_script_on_input(&kit->script, "", 0);
    sk_load(kit, "return {}");
    sk_settle(kit);

    sk_printed(kit, "");
}

static void
given_woken_tasks_when_woken_again_then_the_first_answer_counts(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(kelpie.sleep(1))");
    struct kp_task *task =
        kp_container_of(kit->script.live->suspended.next, struct kp_task, node);
    kp_task_wake(task, KP_WOKE_CLOSED);
    kp_task_wake(task, KP_WOKE_TIMEOUT);
    sk_pass(kit, 2000);

    sk_printed(kit, "nil\tconnection closed\tclosed\n");
}

static void
given_a_ready_task_when_cancelled_then_it_does_not_run(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(kelpie.sleep(1))");
    struct kp_task *task =
        kp_container_of(kit->script.live->suspended.next, struct kp_task, node);
    kp_task_wake(task, KP_WOKE_OK);
    kp_task_cancel(task);
    sk_pass(kit, 2000);

    sk_printed(kit, "");
}

/* --- no memory ------------------------------------------------------------------------- */

static const char scenario[] =
    "local n = 0\n"
    "return { on_connect = function(c) c.data.n = 0\n"
    "   kelpie.spawn(function() kelpie.sleep(1) n = n + 1 end) end,\n"
    "on_message = function(c, m)\n"
    "   if m == 'sleep' then kelpie.sleep(1)\n"
    "   elseif m == 'receive' then c.data.m = c:receive(nil, 5)\n"
    "   elseif m == 'wrap' then coroutine.wrap(function() pcall(kelpie.sleep, 1) end)()\n"
    "   elseif m == 'error' then error({}) end\n"
    "   c:send(m) end,\n"
    "on_error = function(c, m, t) print(#m, #t) end }";

/* Does a bit of everything; anything may fail, nothing may break. */
static void
play(struct script_kit *kit)
{
    static const char *const lines[] = {"hello\n", "sleep\n", "receive\n",
                                        "x\n",     "wrap\n",  "error\n"};
    union kp_peer peer = {.any = {.sa_family = AF_UNIX}};
    int fds[2];

    if (sk_try_load(kit, scenario) != 0)
        return;
    fault_socketpair(fds);
    kit->peers[0] = fds[1];
    if (kp_conn_open(&kit->net, &kit->conns[0], fds[0], &peer, NULL) != 0) {
        close(fds[0]);
        return;
    }
    sk_settle(kit);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        (void)send(kit->peers[0], lines[i], strlen(lines[i]), MSG_NOSIGNAL);
        sk_settle(kit);
        sk_pass(kit, 1000);
    }
}

static void
given_a_scenario_when_each_allocation_fails_once_then_nothing_breaks(void **state)
{
    struct script_kit *kit = test_malloc(sizeof *kit);
    (void)state;

    for (size_t n = 1;; n++) {
        sk_prepare(kit);
        assert_int_equal(sk_open(kit), 0);
        fault_mem_fail(&kit->mem, n);
        play(kit);
        bool failed = kit->mem.failures > 0;
        fault_env_heal(&kit->mem, &kit->sys);
        sk_run(kit, "print('alive')");
        assert_non_null(strstr(kit->printed, "alive\n"));
        sk_close(kit);
        if (!failed)
            break;
    }
    test_free(kit);
}

static void
given_a_scenario_when_allocations_fail_from_then_on_then_nothing_breaks(void **state)
{
    struct script_kit *kit = test_malloc(sizeof *kit);
    (void)state;

    for (size_t n = 1;; n++) {
        sk_prepare(kit);
        assert_int_equal(sk_open(kit), 0);
        fault_mem_fail_from(&kit->mem, n);
        play(kit);
        bool failed = kit->mem.failures > 0;
        fault_env_heal(&kit->mem, &kit->sys);
        sk_run(kit, "print('alive')");
        assert_non_null(strstr(kit->printed, "alive\n"));
        sk_close(kit);
        if (!failed)
            break;
    }
    test_free(kit);
}

static void
given_many_tasks_when_they_take_long_then_a_step_leaves_some_for_the_next(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_input = function()\n"
                 "   for i = 1, 5 do kelpie.spawn(function() test.advance(15)\n"
                 "      print(i) kelpie.spawn(print, 'of', i) end) end end }");
    kp_script_on_input(&kit->script, "", 0);
    sk_step(kit);
    sk_printed(kit, "1\n2\n");
    sk_step(kit);
    sk_printed(kit, "3\n4\n");
    sk_settle(kit);

    sk_printed(kit, "5\nof\t1\nof\t2\nof\t3\nof\t4\nof\t5\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_many_tasks_when_they_take_long_then_a_step_leaves_some_for_the_next),
        TEST(given_many_calls_when_they_end_then_one_coroutine_serves_them_all),
        TEST(given_many_tasks_at_a_time_when_they_end_then_the_pool_is_bounded),
        TEST(given_a_spawned_function_when_the_handler_has_ended_then_it_runs),
        TEST(given_a_spawned_function_when_it_raises_then_only_it_ends),
        TEST(given_a_task_that_spawns_itself_when_stepping_then_each_step_runs_one),
        TEST(given_sleepers_when_time_passes_then_they_wake_in_order),
        TEST(given_a_very_long_sleep_when_asked_for_then_it_is_one),
        TEST(given_no_handler_when_sleeping_then_it_raises),
        TEST(given_no_memory_for_a_timer_when_sleeping_then_it_raises),
        TEST(given_a_task_whose_maker_failed_when_the_next_is_made_then_it_is_taken),
        TEST(given_on_connect_when_it_raises_then_the_connection_is_closed),
        TEST(given_a_suspended_handler_when_it_raises_then_the_next_message_comes),
        TEST(given_a_failed_handler_when_its_variables_take_for_ever_then_they_are_ended),
        TEST(given_an_error_in_the_cap_when_a_handler_grows_then_the_next_one_works),
        TEST(given_suspended_tasks_when_cancelled_then_their_variables_are_closed),
        TEST(given_cancelled_tasks_when_closing_raises_or_spawns_then_that_is_told),
        TEST(
            given_cancelled_tasks_when_closing_takes_for_ever_then_one_of_them_is_waited_for),
        TEST(given_a_spawned_function_when_its_generation_goes_then_it_is_forgotten),
        TEST(given_woken_tasks_when_woken_again_then_the_first_answer_counts),
        TEST(given_a_ready_task_when_cancelled_then_it_does_not_run),
        cmocka_unit_test(
            given_a_scenario_when_each_allocation_fails_once_then_nothing_breaks),
        cmocka_unit_test(
            given_a_scenario_when_allocations_fail_from_then_on_then_nothing_breaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
