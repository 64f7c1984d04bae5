/*
 * bind_kit.c - what the tests of the Lua bindings share
 */
#include "bind_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENOUGH 20000 /* a scenario makes fewer allocations */

void
bk_run(struct script_kit *kit, const char *text, const char *expected)
{
    static const char head[] =
        "local function try(f, ...) print(select(2, pcall(f, ...))) end "
        "local conn, other = kelpie.client(0), kelpie.client(1) "
        "local _ = try, conn, other ";
    size_t size = sizeof head + strlen(text);
    char *whole = test_malloc(size);

    snprintf(whole, size, "%s%s", head, text);
    sk_run(kit, whole);
    test_free(whole);
    sk_logged_nothing(kit);
    sk_printed(kit, expected);
}

static int
l_stage(lua_State *L)
{
    kp_generation_of(L)->phase = lua_toboolean(L, 1) ? KP_STAGING : KP_SERVING;
    return 0;
}

void
bk_run_endless(struct script_kit *kit, const char *text)
{
    uint64_t limit_ns = kit->script.limits.handler_timeout_ns;

    kit->sys.clock_is_fake = false;
    kit->script.limits.handler_timeout_ns = 20 * KP_NS_PER_MS;
    sk_run(kit, text);
    sk_printed(kit, "");
    sk_logged(kit, "ran longer than 20 ms");
    kit->script.limits.handler_timeout_ns = limit_ns;
    kit->sys.clock_is_fake = true;
}

void
bk_add_stage(struct script_kit *kit)
{
    if (!kit->script.live)
        sk_load(kit, "return {}");
    lua_State *L = kit->script.live->L;
    lua_getglobal(L, "test");
    lua_pushcfunction(L, l_stage);
    lua_setfield(L, -2, "stage");
    lua_pop(L, 1);
}

void
bk_collect(struct script_kit *kit)
{
    lua_gc(kit->script.live->L, LUA_GCCOLLECT);
    lua_gc(kit->script.live->L, LUA_GCCOLLECT); /* what finalizers have let go */
}

size_t
bk_count(struct script_kit *kit, int ref)
{
    lua_State *L = kit->script.live->L;
    size_t n = 0;

    lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        n++;
    lua_pop(L, 1);
    return n;
}

/* Returns whether an allocation has failed. */
static bool
fail_allocation(struct script_kit *kit, const char *script, size_t n, bool all_after)
{
    sk_prepare(kit);
    assert_int_equal(sk_open(kit), 0);
    sk_load(kit, script);
    sk_connect(kit, 0);
    sk_connect(kit, 1);

    if (all_after)
        fault_mem_fail_from(&kit->mem, n);
    else
        fault_mem_fail(&kit->mem, n);
    size_t before = kit->mem.failures;
    (void)kp_script_on_input(&kit->script, "", 0);
    sk_settle(kit);
    sk_pass(kit, 1000);
    bool failed = kit->mem.failures > before;

    fault_env_heal(&kit->mem, &kit->sys);
    sk_run(kit, "print('alive')");
    assert_non_null(strstr(kit->printed, "alive\n"));
    sk_close(kit);
    return failed;
}

void
bk_fail_each_allocation(const char *script)
{
    struct script_kit *kit = test_malloc(sizeof *kit);
    size_t n;

    for (n = 1; fail_allocation(kit, script, n, false); n++)
        assert_true(n < ENOUGH);
    assert_true(n > 1);
    for (n = 1; fail_allocation(kit, script, n, true); n++)
        assert_true(n < ENOUGH);
    test_free(kit);
}
