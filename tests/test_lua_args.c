/*
 * test_lua_args.c - arguments and results that all bindings share
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "bind_kit.h"
#include "script/bind.h"

/* Calls kp_lua_check_seconds of its argument; gives whole milliseconds. */
static int
l_seconds(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)(kp_lua_check_seconds(L, 1) / KP_NS_PER_MS));
    return 1;
}

static void
check_seconds(struct script_kit *kit, lua_Number seconds, lua_Integer ms)
{
    lua_State *L = kit->script.live->L;

    lua_pushcfunction(L, l_seconds);
    lua_pushnumber(L, seconds);
    assert_int_equal(lua_pcall(L, 1, 1, 0), LUA_OK);
    assert_int_equal(lua_tointeger(L, -1), ms);
    lua_pop(L, 1);
}

static void
given_seconds_when_read_then_they_are_nanoseconds_without_overflow(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return {}");

    check_seconds(kit, 0, 0);
    check_seconds(kit, 0.25, 250);
    check_seconds(kit, 86400, 86400000);
    check_seconds(kit, 1e10, (lua_Integer)10000000000000);
    check_seconds(kit, 1e11, (lua_Integer)10000000000000);
    check_seconds(kit, HUGE_VAL, (lua_Integer)10000000000000);
}

static void
given_seconds_that_make_no_sense_when_read_then_it_raises(void **state)
{
    bk_run(*state,
           "for _, s in ipairs { -1, -math.huge, 0/0 } do try(kelpie.sleep, s) end\n"
           "try(kelpie.sleep, 'soon') try(kelpie.sleep, {}) try(kelpie.sleep)",
           "bad argument #1 to 'kelpie.sleep' (a number of seconds expected, 0 or more)\n"
           "bad argument #1 to 'kelpie.sleep' (a number of seconds expected, 0 or more)\n"
           "bad argument #1 to 'kelpie.sleep' (a number of seconds expected, 0 or more)\n"
           "bad argument #1 to 'kelpie.sleep' (number expected, got string)\n"
           "bad argument #1 to 'kelpie.sleep' (number expected, got table)\n"
           "bad argument #1 to 'kelpie.sleep' (number expected, got no value)\n");
}

/* Joins its arguments, by way of parts. */
static int
l_parts(lua_State *L)
{
    struct kp_lua_parts parts;
    luaL_Buffer joined;

    kp_lua_check_parts(L, 1, &parts);
    luaL_buffinit(L, &joined);
    for (int i = 0; i < parts.n; i++)
        luaL_addlstring(&joined, parts.iov[i].iov_base, parts.iov[i].iov_len);
    luaL_pushresult(&joined);
    return 1;
}

static void
given_numbers_as_parts_when_read_then_they_are_what_tostring_says(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return {}");
    lua_State *L = kit->script.live->L;
    lua_pushglobaltable(L);
    lua_pushliteral(L, "parts");
    lua_pushcfunction(L, l_parts);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    sk_run(kit,
           "for _, n in ipairs { 0, 1, -1, 9, 10, -10, 1234567890, math.maxinteger,\n"
           "                     math.mininteger, 1.5, -0.0, 2^53, 1e100, 1/0 } do\n"
           "   assert(parts(n) == tostring(n), n)\n"
           "end\n"
           "print(parts('a', 1, 'b', -2, '', 3.0))\n"
           "print((pcall(parts, 1, {})))");

    sk_printed(kit, "a1b-23.0\nfalse\n");
}

/* Asserts what a result is for Lua: code NULL for one that succeeds. */
static void
check_result(struct script_kit *kit, int (*push)(lua_State *L, int result), int result,
             const char *first, const char *code)
{
    lua_State *L = kit->script.live->L;
    int n = push(L, result);

    assert_int_equal(n, code ? 3 : 1);
    assert_string_equal(luaL_tolstring(L, -n, NULL), first);
    lua_pop(L, 1);
    if (code) {
        assert_string_equal(lua_tostring(L, -1), code);
        assert_true(strlen(lua_tostring(L, -2)) > 5);
    }
    lua_pop(L, n);
}

static void
given_results_when_pushed_then_failures_are_nil_message_code(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return {}");

    check_result(kit, kp_lua_push_result, 0, "true", NULL);
    check_result(kit, kp_lua_push_result, 7, "true", NULL);
    check_result(kit, kp_lua_push_count, 0, "0", NULL);
    check_result(kit, kp_lua_push_count, 7, "7", NULL);
    check_result(kit, kp_lua_push_changed, 0, "false", NULL);
    check_result(kit, kp_lua_push_changed, 1, "true", NULL);

    static const struct {
        int result;
        const char *code;
    } failures[] = {
        {KELPIE_ECLOSED, "closed"}, {KELPIE_EFULL, "full"}, {KELPIE_EPROTO, "protocol"},
        {-ENOMEM, "memory"},        {-EPERM, "failed"},
    };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        int result = failures[i].result;
        const char *code = failures[i].code;
        check_result(kit, kp_lua_push_result, result, "nil", code);
        check_result(kit, kp_lua_push_count, result, "nil", code);
        check_result(kit, kp_lua_push_changed, result, "nil", code);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
        T(given_seconds_when_read_then_they_are_nanoseconds_without_overflow),
        T(given_seconds_that_make_no_sense_when_read_then_it_raises),
        T(given_numbers_as_parts_when_read_then_they_are_what_tostring_says),
        T(given_results_when_pushed_then_failures_are_nil_message_code),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
