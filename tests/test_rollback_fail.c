/*
 * test_rollback_fail.c - a roll-back that fails changes nothing, whatever it is that fails
 */
#include <errno.h>
#include <string.h>

#include "rollback_kit.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_an_on_load_that_raises_when_rolled_back_then_nothing_has_changed),
        TEST(given_a_roll_back_when_allocations_fail_from_the_nth_on_then_all_or_nothing),
        TEST(
            given_swap_and_roll_back_when_each_allocation_fails_once_then_a_version_serves),
        TEST(
            given_swap_and_roll_back_when_allocations_fail_from_the_nth_on_then_a_version_serves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
