/*
 * test_globals.c - the warnings of `kelpie check`: names that nobody defines, and kept tables
 * that nothing uses
 */
#include "reload_kit.h"
#include "script/reload.h"

static int
check(struct reload_kit *kit, const char *text)
{
    rk_write(kit, "init.lua", text);
    return kp_reload_check(&kit->sk.script);
}

static void
given_misspelt_globals_when_checked_then_each_is_told_once_with_its_line(void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "other.lua", "return { f = function(s) return strng.rep(s, 3) end }");

    int n = check(kit, "local other = require('other')\n"
                       "return { on_message = function(conn, line)\n"
                       "   prnt(line)\n"
                       "   prnt(other.f(line), nothing_like_it)\n"
                       "end }");

    assert_int_equal(n, 3);
    rk_assert_has(kit->sk.script.error, "/init.lua:3: warning: nobody defines the global "
                                        "'prnt' (did you mean 'print'?)");
    rk_assert_has_not(kit->sk.script.error, "/init.lua:4: warning: nobody defines the "
                                            "global 'prnt'");
    rk_assert_has(kit->sk.script.error, "/init.lua:4: warning: nobody defines the global "
                                        "'nothing_like_it'\n");
    rk_assert_has(kit->sk.script.error,
                  "/other.lua:1: warning: nobody defines the global "
                  "'strng' (did you mean 'string'?)");
}

static void
given_names_that_are_there_when_checked_then_there_is_no_warning(void **state)
{
    struct reload_kit *kit = *state;

    int n = check(kit, "limit = 3 -- a global of the script's own, made while it loads\n"
                       "local function f(...) return select('#', ...), limit end\n"
                       "return { on_message = function(conn, line)\n"
                       "   local t = { prnt = line, x = line.nothing }\n"
                       "   for k, v in pairs(t) do print(k, v, f(t.prnt, _VERSION)) end\n"
                       "   do local _ENV = { a = 1 } ; b = a ; c = d end\n"
                       "   goto done\n"
                       "   ::done::\n"
                       "end }");

    /* _ENV of the script's own is a local variable or an upvalue of that name. */
    assert_string_equal(kit->sk.script.error, "");
    assert_int_equal(n, 0);
}

static void
given_every_kind_of_constant_and_long_code_when_checked_then_lines_are_right(void **state)
{
    struct reload_kit *kit = *state;
    char *text = test_malloc(100000);
    size_t len =
        (size_t)sprintf(text, "local t = { 1.5, 1 << 40, true, false, nil,\n'%s',\n",
                        "a string that is longer than forty bytes, so a long one");

    for (int line = 3; line <= 402; line++) /* so many lines that differences do not do */
        len += (size_t)sprintf(text + len, "%d.25, %d,%s\n", line, line * 1000,
                               line == 300 ? "\n\n\n" : "");
    len += (size_t)sprintf(text + len, "} return { self_test = function() return t end,\n"
                                       "on_load = function()\n\n\n\n\n missng() end }");
    int n = check(kit, text);

    assert_int_equal(n, 1);
    rk_assert_has(kit->sk.script.error,
                  "/init.lua:412: warning: nobody defines the global "
                  "'missng'");
    test_free(text);
}

static void
given_kept_tables_when_checked_then_those_that_no_handler_holds_are_told(void **state)
{
    struct reload_kit *kit = *state;

    int n = check(kit, "local kelpie = require('kelpie')\n"
                       "kelpie.keep('dropped', {})\n"
                       "local unused = kelpie.keep('unused', {})\n"
                       "local used = kelpie.keep('used', { n = 0 })\n"
                       "local inner = kelpie.keep('inner', { list = {} }).list\n"
                       "return { on_message = function() used.n = used.n + 1\n"
                       "   return inner end }");

    assert_int_equal(n, 2);
    rk_assert_has(kit->sk.script.error, "/init.lua: warning: nothing uses the table of "
                                        "kelpie.keep 'dropped'");
    rk_assert_has(kit->sk.script.error, "kelpie.keep 'unused'");
    rk_assert_has_not(kit->sk.script.error, "kelpie.keep 'inner'");
    rk_assert_has_not(kit->sk.script.error, "kelpie.keep 'used'");
}

static void
given_no_memory_at_any_point_when_checked_then_it_is_an_error_or_no_warning(void **state)
{
    struct reload_kit *kit = *state;
    int n = 0;

    rk_write(kit, "init.lua", "return { on_load = function() prnt() end }");
    for (size_t at = 1;; at++) {
        size_t failures = kit->sk.mem.failures;
        fault_mem_fail_from(&kit->sk.mem, at);
        n = kp_reload_check(&kit->sk.script);
        fault_env_heal(&kit->sk.mem, NULL);
        if (kit->sk.mem.failures == failures)
            break;
        assert_true(n < 0 || n == 0 || n == 1);
    }

    assert_int_equal(n, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_misspelt_globals_when_checked_then_each_is_told_once_with_its_line),
        TEST(given_names_that_are_there_when_checked_then_there_is_no_warning),
        TEST(
            given_every_kind_of_constant_and_long_code_when_checked_then_lines_are_right),
        TEST(given_kept_tables_when_checked_then_those_that_no_handler_holds_are_told),
        TEST(given_no_memory_at_any_point_when_checked_then_it_is_an_error_or_no_warning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
