/*
 * test_reload_memory.c - every allocation and system call of a reload is made to fail
 *
 * The old generation must be intact each time, nothing may leak, and the reload must work
 * once there is memory again.
 */
#include <errno.h>
#include <string.h>

#include "reload_kit.h"

/* State of all kinds that cross: shared tables, a class, handles, conn.data; a migration
 * runs each time, since every version has another schema. */
static void
write_script(struct reload_kit *kit, unsigned version)
{
    static char text[4096];

    rk_write(kit, "lib/names.lua", "return { 'guest' }");
    snprintf(
        text, sizeof text,
        "local kelpie = require('kelpie')\n"
        "local names = require('lib.names')\n"
        "local User = kelpie.class('user', { __index = { ok = function() return true end "
        "} })\n"
        "local lobby = kelpie.room('lobby')\n"
        "local seen = kelpie.keep('seen', { by_conn = {}, users = {} })\n"
        "local h = { schema = %u, framing = 'line' }\n"
        "function h.migrate(old, keep) keep.seen = keep.seen end\n"
        "function h.migrate_conn(old, data) data.version = h.schema end\n"
        "function h.self_test() assert(seen.by_conn) end\n"
        "function h.on_load(reason) assert(type(reason) == 'string') end\n"
        "function h.on_connect(conn)\n"
        "   local user = setmetatable({ name = names[1] .. conn.number }, User)\n"
        "   seen.users[#seen.users + 1] = user\n"
        "   seen.by_conn[conn] = { user = user, room = lobby, key = { [user] = conn } }\n"
        "   conn.data.user, conn.data.list = user, { 1, 2.5, 'three', user }\n"
        "   conn.data.version = 0\n"
        "   lobby:join(conn)\n"
        "end\n"
        "function h.on_message(conn, line)\n"
        "   local entry = seen.by_conn[conn]\n"
        "   assert(entry.user == seen.users[conn.number + 1] and entry.user:ok())\n"
        "   assert(entry.key[entry.user] == conn and entry.room == lobby)\n"
        "   assert(conn.data.list[4] == conn.data.user and conn.data.user:ok())\n"
        "   conn:send(conn.data.user.name, ' ', line)\n"
        "end\n"
        "return h\n",
        version);
    rk_write(kit, "init.lua", text);
}

static void
start(struct reload_kit *kit)
{
    write_script(kit, 0);
    assert_int_equal(kp_reload(&kit->sk.script), 0);
    for (int i = 0; i < 2; i++)
        sk_connect(&kit->sk, i);
    sk_step(&kit->sk);
}

static void
assert_serves(struct reload_kit *kit)
{
    char expected[64];

    for (int i = 0; i < 2; i++) {
        sk_say(&kit->sk, i, "hi\n");
        snprintf(expected, sizeof expected, "guest%d hi\n", i);
        sk_hears(&kit->sk, i, expected);
    }
}

/* One reload under a fault that has been ordered; whatever comes of it, the state is whole.
 * Returns   its result. */
static int
reload_and_check(struct reload_kit *kit)
{
    struct kp_generation *live = kit->sk.script.live;
    size_t fds = fault_count_fds();

    int rc = kp_reload(&kit->sk.script);
    fault_env_heal(&kit->sk.mem, &kit->sk.sys);

    if (rc != 0) {
        assert_ptr_equal(kit->sk.script.live, live);
        assert_int_equal(live->phase, KP_SERVING);
        assert_int_equal(lua_gettop(live->L), 0);
        rk_assert_has(kit->sk.script.error, "reload rejected: ");
        rk_assert_has(kit->sk.script.error, "2 connections unaffected");
    }
    assert_null(kit->sk.script.retiring);
    assert_int_equal(fault_count_fds(), fds);
    kit->sk.log[0] = '\0';
    return rc;
}

/* Runs a reload for each n with an order to fail, until one meets no failure. */
static void
fail_each(struct reload_kit *kit, void (*order)(struct fault_mem *mem, size_t n))
{
    size_t n_rejected = 0, blocks = 0;

    for (size_t n = 1;; n++) {
        size_t before = kit->sk.mem.failures;

        order(&kit->sk.mem, n);
        int rc = reload_and_check(kit);
        if (kit->sk.mem.failures == before) {
            assert_int_equal(rc, 0);
            break;
        }
        if (rc != 0) {
            n_rejected++;
            assert_true(rc == -ENOMEM || rc == KELPIE_ESCRIPT);
            /* What the old state let go of in need of memory may be less; never more. */
            if (blocks > 0)
                assert_true(kit->sk.mem.blocks <= blocks);
            blocks = kit->sk.mem.blocks;
        } else {
            blocks = 0;
        }
        if (n % 50 == 0)
            assert_serves(kit), blocks = 0;
        write_script(kit, (unsigned)n);
    }

    assert_true(n_rejected > 20);
    assert_serves(kit);
}

static void
given_a_reload_when_each_allocation_fails_once_then_all_or_nothing(void **state)
{
    struct reload_kit *kit = *state;

    start(kit);

    fail_each(kit, fault_mem_fail);
}

static void
given_a_reload_when_allocations_fail_from_the_nth_on_then_nothing_has_changed(
    void **state)
{
    struct reload_kit *kit = *state;

    start(kit);

    fail_each(kit, fault_mem_fail_from);
}

static void
given_a_first_load_when_each_allocation_fails_then_nothing_is_left(void **state)
{
    struct reload_kit *kit = *state;
    size_t before;
    write_script(kit, 0);
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
    write_script(kit, 0);
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
given_values_that_cannot_cross_when_each_allocation_fails_then_it_is_rejected_all_the_same(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "local x = require('kelpie').keep('x', {})\n"
                      "return { on_input = function()\n"
                      "   for i = 1, 30 do x[i] = print end\n"
                      "end }");
    assert_int_equal(kp_script_on_input(&kit->sk.script, "", 0), 0);
    struct kp_generation *live = kit->sk.script.live;
    rk_write(kit, "init.lua", "return {}");

    for (size_t n = 1, before = 0;; n++) {
        before = kit->sk.mem.failures;
        fault_mem_fail(&kit->sk.mem, n);
        int rc = kp_reload(&kit->sk.script);
        fault_env_heal(&kit->sk.mem, &kit->sk.sys);
        kit->sk.log[0] = '\0';
        assert_true(rc == -ENOMEM || rc == KELPIE_ESCRIPT);
        assert_ptr_equal(kit->sk.script.live, live);
        if (kit->sk.mem.failures == before)
            break;
    }

    rk_assert_has(kit->sk.script.error, "keep 'x'[1] is a function");
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

static void
given_a_reload_when_each_system_call_fails_once_then_all_or_nothing(void **state)
{
    struct reload_kit *kit = *state;
    start(kit);
    struct fault_sys *sys = &kit->sk.sys;

    for (size_t n = 1;; n++) {
        size_t before = sys->failures;
        fault_sys_fail(sys, FAULT_ANY, n, EIO);
        int rc = reload_and_check(kit);
        write_script(kit, (unsigned)n);
        if (sys->failures == before) {
            assert_int_equal(rc, 0);
            assert_true(n > 10);
            break;
        }
    }

    assert_serves(kit);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_reload_when_each_allocation_fails_once_then_all_or_nothing),
        TEST(
            given_a_reload_when_allocations_fail_from_the_nth_on_then_nothing_has_changed),
        TEST(given_a_first_load_when_each_allocation_fails_then_nothing_is_left),
        TEST(given_a_script_from_memory_when_each_allocation_fails_then_nothing_is_left),
        TEST(given_a_check_when_each_allocation_fails_then_nothing_is_left),
        TEST(
            given_values_that_cannot_cross_when_each_allocation_fails_then_it_is_rejected_all_the_same),
        TEST(
            given_a_suspended_handler_when_each_allocation_of_a_reload_fails_then_it_still_ends),
        TEST(given_a_reload_when_each_system_call_fails_once_then_all_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
