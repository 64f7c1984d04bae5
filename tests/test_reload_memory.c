/*
 * test_reload_memory.c - every allocation of a load is made to fail, without a server
 *
 * After a first load, or a check, that fails there is not a block more than before it. (What
 * serves, and a whole server: test_torture_reload.c.)
 */
#include <errno.h>
#include <string.h>

#include "reload_kit.h"

static void
write_script(struct reload_kit *kit)
{
    rk_write(kit, "lib/names.lua", "return { 'guest' }");
    rk_write(kit, "init.lua",
             "local kelpie = require('kelpie')\n"
             "local names = require('lib.names')\n"
             "local User = kelpie.class('user', { __index = {} })\n"
             "local lobby = kelpie.room('lobby')\n"
             "local seen = kelpie.keep('seen', { setmetatable({}, User), lobby })\n"
             "local h = { schema = 2, framing = 'line' }\n"
             "function h.migrate(old, keep) end\n"
             "function h.self_test() assert(#seen == 2 and names[1] == 'guest') end\n"
             "function h.on_load(reason) assert(type(reason) == 'string') end\n"
             "function h.on_connect(conn) lobby:join(conn) end\n"
             "return h\n");
}

static void
given_a_first_load_when_each_allocation_fails_then_nothing_is_left(void **state)
{
    struct reload_kit *kit = *state;
    size_t before;
    write_script(kit);
    assert_int_equal(kp_reload_check(&kit->sk.script),
                     0); /* the net's maps are made now */

    for (size_t n = 1;; n++) {
        size_t blocks = kit->sk.mem.blocks;
        before = kit->sk.mem.failures;
        fault_mem_fail_from(&kit->sk.mem, n);
        int rc = kp_reload(&kit->sk.script);
        fault_env_heal(&kit->sk.mem, &kit->sk.sys);
        kit->sk.log[0] = '\0';
        if (rc == 0)
            break;
        assert_null(kit->sk.script.live);
        assert_int_equal(kit->sk.mem.blocks, blocks);
        assert_true(kit->sk.script.error[0] != '\0');
    }

    assert_int_equal(kit->sk.mem.failures, before);
}

static void
given_a_script_from_memory_when_each_allocation_fails_then_nothing_is_left(void **state)
{
    struct reload_kit *kit = *state;
    int rc = -ENOMEM;
    kit->sk.script.chunk_name = kp_mem_dup(&kit->sk.env.mem, "=demo", 5);
    kit->sk.script.text = kp_mem_dup(&kit->sk.env.mem, "return {}", 9);
    kit->sk.script.text_len = 9;

    for (size_t n = 1; rc != 0; n++) {
        size_t blocks = kit->sk.mem.blocks;
        fault_mem_fail_from(&kit->sk.mem, n);
        rc = kp_reload(&kit->sk.script);
        fault_env_heal(&kit->sk.mem, &kit->sk.sys);
        kit->sk.log[0] = '\0';
        assert_true(rc == 0 || kit->sk.mem.blocks == blocks);
    }

    assert_non_null(kit->sk.script.live);
}

static void
given_a_check_when_each_allocation_fails_then_nothing_is_left(void **state)
{
    struct reload_kit *kit = *state;
    int rc = -ENOMEM;
    write_script(kit);
    assert_int_equal(kp_reload_check(&kit->sk.script),
                     0); /* the net's maps are made now */

    for (size_t n = 1; rc != 0; n++) {
        size_t blocks = kit->sk.mem.blocks;
        fault_mem_fail_from(&kit->sk.mem, n);
        rc = kp_reload_check(&kit->sk.script);
        fault_env_heal(&kit->sk.mem, &kit->sk.sys);
        assert_int_equal(kit->sk.mem.blocks, blocks);
    }

    assert_null(kit->sk.script.live);
}

static void
given_a_suspended_handler_when_each_allocation_of_a_reload_fails_then_it_still_ends(
    void **state)
{
    struct reload_kit *kit = *state;
    const char *text = "local kelpie = require('kelpie')\n"
                       "return { on_message = function(conn, line)\n"
                       "   kelpie.sleep(1)\n"
                       "   conn:send('woke')\n"
                       "end }";
    fault_clock_set(&kit->sk.sys, kp_sys_now_ns(&kit->sk.env.sys));
    rk_must_load(kit, text);
    sk_connect(&kit->sk, 0);
    sk_step(&kit->sk);
    sk_say(&kit->sk, 0, "\n");
    sk_step(&kit->sk);
    struct kp_timer others[7]; /* so that one more needs memory */
    for (int i = 0; i < 7; i++) {
        kp_timer_init(&others[i], NULL, NULL);
        assert_int_equal(kp_timer_start(&kit->sk.timers, &others[i], KP_NEVER - 1), 0);
    }
    int rc = -ENOMEM;

    for (size_t n = 1; rc != 0; n++) {
        fault_mem_fail_from(&kit->sk.mem, n);
        rc = kp_reload(&kit->sk.script);
        fault_env_heal(&kit->sk.mem, &kit->sk.sys);
        kit->sk.log[0] = '\0';
        assert_true(rc == 0 || !kp_timer_is_started(&kit->sk.script.retire_timer));
    }
    assert_non_null(kit->sk.script.retiring);
    fault_clock_advance(&kit->sk.sys, 2 * KP_NS_PER_S);

    sk_hears(&kit->sk, 0, "woke\n");
    assert_null(kit->sk.script.retiring);
    for (int i = 0; i < 7; i++)
        kp_timer_cancel(&kit->sk.timers, &others[i]);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_first_load_when_each_allocation_fails_then_nothing_is_left),
        TEST(given_a_script_from_memory_when_each_allocation_fails_then_nothing_is_left),
        TEST(given_a_check_when_each_allocation_fails_then_nothing_is_left),
        TEST(
            given_a_suspended_handler_when_each_allocation_of_a_reload_fails_then_it_still_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
