/*
 * test_generation.c - a lua_State and the door to it
 */
#include <errno.h>
#include <string.h>

#include "script_kit.h"

static struct kp_generation *
new_generation(struct script_kit *kit)
{
    struct kp_generation *gen;

    assert_int_equal(kp_generation_new(&kit->script, &gen, 7), 0);
    return gen;
}

/* --- making ---------------------------------------------------------------------------- */

static void
given_a_script_when_a_generation_is_made_then_it_is_staging_and_empty(void **state)
{
    struct script_kit *kit = *state;

    struct kp_generation *gen = new_generation(kit);
    lua_State *co = lua_newthread(gen->L);

    assert_int_equal(gen->number, 7);
    assert_int_equal(gen->phase, KP_STAGING);
    assert_ptr_equal(kp_generation_of(gen->L), gen);
    assert_ptr_equal(kp_generation_of(co), gen);
    assert_true(gen->lua_bytes > 0);
    assert_true(gen->lua_bytes < 100000);
    lua_pop(gen->L, 1);
    assert_int_equal(lua_gettop(gen->L), 0);
    kp_generation_free(gen);
    kp_generation_free(NULL);
}

static void
given_each_allocation_when_it_fails_then_new_fails_or_works(void **state)
{
    struct script_kit *kit = *state;

    for (int persistent = 0; persistent < 2; persistent++) {
        for (size_t n = 1;; n++) {
            struct kp_generation *gen;
            size_t blocks = kit->mem.blocks;

            kit->mem.failures = 0;
            if (persistent)
                fault_mem_fail_from(&kit->mem, n);
            else
                fault_mem_fail(&kit->mem, n);
            int rc = kp_generation_new(&kit->script, &gen, n);
            bool failed = kit->mem.failures > 0;
            fault_env_heal(&kit->mem, &kit->sys);

            assert_true(rc == 0 || rc == -ENOMEM || rc == KELPIE_ESCRIPT);
            assert_true((rc == 0) == (gen != NULL));
            kp_generation_free(gen);
            assert_int_equal(kit->mem.blocks, blocks);
            if (!failed) {
                assert_int_equal(rc, 0);
                break;
            }
        }
    }
}

static void
given_a_small_cap_when_a_generation_is_made_then_it_does_not_fit(void **state)
{
    struct script_kit *kit = *state;
    struct kp_generation *gen;

    kit->script.limits.lua_memory = 10000;
    assert_int_equal(kp_generation_new(&kit->script, &gen, 1), -ENOMEM);
    assert_null(gen);

    kit->script.limits.lua_memory = 100;
    assert_int_equal(kp_generation_new(&kit->script, &gen, 1), -ENOMEM);
}

static void
given_no_cap_when_a_script_grows_then_it_may(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.lua_memory = 0;
    sk_run(kit, "local s = ('x'):rep(80 << 20) print(#s)");

    sk_printed(kit, "83886080\n");
}

static void
given_a_cap_when_a_script_grows_then_it_ends_there_and_lives(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(pcall(string.rep, 'x', 65 << 20))\n"
                "local ok, e = pcall(function() local t = {}\n"
                "   while true do t[#t + 1] = ('y'):rep(1 << 20) .. #t end end)\n"
                "print(ok, e)");

    sk_printed(kit, "false\tnot enough memory\nfalse\tnot enough memory\n");
    assert_true(kit->script.live->lua_bytes <= 64u << 20);
}

static void
given_an_error_outside_of_every_call_when_lua_panics_then_it_is_logged(void **state)
{
    struct script_kit *kit = *state;
    struct kp_generation *gen = new_generation(kit);

    lua_CFunction panic = lua_atpanic(gen->L, NULL);
    lua_pushliteral(gen->L, "the reason");
    assert_int_equal(panic(gen->L), 0);
    sk_logged(kit, "error: unprotected error in a call to Lua: the reason\n");
    lua_pushnil(gen->L);
    assert_int_equal(panic(gen->L), 0);
    sk_logged(kit, "error: unprotected error in a call to Lua: ?\n");

    kp_generation_free(gen);
}

/* --- the door -------------------------------------------------------------------------- */

static int
do_nothing(lua_State *L)
{
    *(int *)lua_touserdata(L, 1) += 1;
    lua_pushinteger(L, 1); /* is dropped */
    return 1;
}

static int
raise_text(lua_State *L)
{
    return luaL_error(L, "%s", (const char *)lua_touserdata(L, 1));
}

static int
raise_nil(lua_State *L)
{
    lua_pushnil(L);
    return lua_error(L);
}

static int
raise_bytes(lua_State *L)
{
    lua_pushlstring(L, "with\0zero", 9);
    return lua_error(L);
}

static int
raise_memory(lua_State *L)
{
    lua_newuserdatauv(L, SIZE_MAX >> 3, 0);
    return 0;
}

static void
given_functions_when_entered_then_the_result_says_how_they_ended(void **state)
{
    struct script_kit *kit = *state;
    struct kp_generation *gen = new_generation(kit);
    int calls = 0;
    char reason[] = "the reason";

    lua_pushinteger(gen->L, 1); /* what is on the stack stays there */
    assert_int_equal(kp_generation_enter(gen, do_nothing, &calls, 0), 0);
    assert_int_equal(calls, 1);
    assert_int_equal(kp_generation_enter(gen, raise_text, reason, KP_NS_PER_S),
                     KELPIE_ESCRIPT);
    assert_string_equal(kit->script.error, "the reason");
    assert_int_equal(kp_generation_enter(gen, raise_nil, NULL, 0), KELPIE_ESCRIPT);
    assert_int_equal(strncmp(kit->script.error, "(error object is a nil value)", 29), 0);
    assert_int_equal(kp_generation_enter(gen, raise_bytes, NULL, 0), KELPIE_ESCRIPT);
    assert_int_equal(strncmp(kit->script.error, "with?zero", 9), 0);
    assert_int_equal(kp_generation_enter(gen, raise_memory, NULL, 0), -ENOMEM);
    assert_string_equal(kit->script.error, "not enough memory");

    assert_int_equal(lua_gettop(gen->L), 1);
    assert_false(gen->memory_reserve);
    kp_generation_free(gen);
}

static void
given_a_full_stack_when_entered_then_there_is_no_memory(void **state)
{
    struct script_kit *kit = *state;
    struct kp_generation *gen = new_generation(kit);
    int calls = 0;

    /* The first refusal of newer releases makes room for an error message. */
    for (int refusals = 0; refusals < 2; refusals++)
        while (lua_checkstack(gen->L, 1))
            lua_pushnil(gen->L);
    int rc = kp_generation_enter(gen, do_nothing, &calls, 0);

    assert_int_equal(rc, -ENOMEM);
    assert_int_equal(calls, 0);
    kp_generation_free(gen);
}

static void
given_a_very_long_message_when_raised_then_it_is_cut(void **state)
{
    struct script_kit *kit = *state;

    sk_refuse(kit, "error(('long '):rep(1000))", "test.lua:1: long long");

    assert_int_equal(strlen(kit->script.error), KP_ERROR_SIZE - 1);
}

static int
enter_again(lua_State *L)
{
    struct kp_generation *gen = kp_generation_of(L);
    int calls = 0;
    char reason[] = "inner";

    assert_int_equal(kp_generation_enter(gen, do_nothing, &calls, 1), 0);
    assert_int_equal(kp_generation_enter(gen, raise_text, reason, 1), KELPIE_ESCRIPT);
    assert_int_equal(gen->watchdog.budget_ns, KP_NS_PER_S); /* the outer call's */
    lua_pushinteger(L, calls);
    return 1;
}

static void
given_a_call_when_it_enters_again_then_the_outer_budget_holds(void **state)
{
    struct script_kit *kit = *state;
    struct kp_generation *gen = new_generation(kit);

    assert_int_equal(kp_generation_enter(gen, enter_again, NULL, KP_NS_PER_S), 0);

    assert_null(gen->watchdog.running);
    kp_generation_free(gen);
}

static int
try_to_send(lua_State *L)
{
    kp_generation_check_serving(L, "conn:send");
    return 0;
}

static void
given_a_staging_generation_when_it_acts_then_that_raises(void **state)
{
    struct script_kit *kit = *state;
    struct kp_generation *gen = new_generation(kit);

    assert_int_equal(kp_generation_enter(gen, try_to_send, NULL, 0), KELPIE_ESCRIPT);
    assert_int_equal(strncmp(kit->script.error,
                             "conn:send: not allowed while loading; do it in on_load",
                             54),
                     0);
    gen->phase = KP_SERVING;
    assert_int_equal(kp_generation_enter(gen, try_to_send, NULL, 0), 0);

    kp_generation_free(gen);
}

/* --- calling handlers ------------------------------------------------------------------ */

static void
given_a_handler_that_is_absent_when_called_then_that_is_success(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return {}");

    assert_int_equal(kp_generation_call(kit->script.live, KP_ON_LOAD, NULL, "start", 5),
                     0);
    assert_int_equal(kit->script.live->calls, 0);
}

static void
given_on_load_when_called_then_it_may_take_as_long_as_loading(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_load = function(reason) test.advance(4000)\n"
                 "   for i = 1, 5000 do end print(reason)\n"
                 "   if reason == 'reload' then error('no', 0) end end }");
    int first = kp_generation_call(kit->script.live, KP_ON_LOAD, NULL, "start", 5);
    int second = kp_generation_call(kit->script.live, KP_ON_LOAD, NULL, "reload", 6);

    assert_int_equal(first, 0);
    assert_int_equal(second, KELPIE_ESCRIPT);
    sk_printed(kit, "start\nreload\n");
    assert_int_equal(strncmp(kit->script.error, "on_load: no\n", 12), 0);
}

static void
given_a_handler_when_a_message_has_any_bytes_then_they_arrive(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(...)\n"
                 "   local c, m = ... print(select('#', ...), #m, m:byte(1, -1)) end,\n"
                 "   on_connect = function(...) print(select('#', ...)) end,\n"
                 "   on_shutdown = function(...) print(select('#', ...)) end }");
    sk_connect(kit, 0);
    kp_script_on_message(&kit->script, kit->conns[0], "\0\xff\n", 3);
    kp_script_on_message(&kit->script, kit->conns[0], NULL, 0);
    kp_script_on_shutdown(&kit->script);

    sk_printed(kit, "1\n2\t3\t0\t255\t10\n2\t0\n0\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_script_when_a_generation_is_made_then_it_is_staging_and_empty),
        TEST(given_each_allocation_when_it_fails_then_new_fails_or_works),
        TEST(given_a_small_cap_when_a_generation_is_made_then_it_does_not_fit),
        TEST(given_no_cap_when_a_script_grows_then_it_may),
        TEST(given_a_cap_when_a_script_grows_then_it_ends_there_and_lives),
        TEST(given_an_error_outside_of_every_call_when_lua_panics_then_it_is_logged),
        TEST(given_a_full_stack_when_entered_then_there_is_no_memory),
        TEST(given_functions_when_entered_then_the_result_says_how_they_ended),
        TEST(given_a_very_long_message_when_raised_then_it_is_cut),
        TEST(given_a_call_when_it_enters_again_then_the_outer_budget_holds),
        TEST(given_a_staging_generation_when_it_acts_then_that_raises),
        TEST(given_a_handler_that_is_absent_when_called_then_that_is_success),
        TEST(given_on_load_when_called_then_it_may_take_as_long_as_loading),
        TEST(given_a_handler_when_a_message_has_any_bytes_then_they_arrive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
