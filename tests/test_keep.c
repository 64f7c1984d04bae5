/*
 * test_keep.c - kelpie.keep and kelpie.class: what a script says about its state
 */
#include <string.h>

#include "reload_kit.h"

#define KELPIE "local kelpie = require('kelpie')\n"

static void
given_a_first_generation_when_it_keeps_then_the_default_is_kept(void **state)
{
    struct reload_kit *kit = *state;

    rk_must_load(kit, KELPIE "local default = { 1 }\n"
                             "local x = kelpie.keep('x', default)\n"
                             "assert(x == default)\n"
                             "assert(kelpie.keep('x', {}) == x)\n"
                             "assert(kelpie.keep('y', {}) ~= x)\n"
                             "return {}");
}

static void
given_kept_tables_when_reloaded_then_each_name_finds_its_own(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, KELPIE "kelpie.keep('a', {}).v = 1\n"
                             "kelpie.keep('b', {}).v = 2\n"
                             "kelpie.keep('', {}).v = 3\n"
                             "kelpie.keep('odd\\0name', {}).v = 4\n"
                             "return {}");

    rk_must_load(kit, KELPIE "local default = { v = 'default' }\n"
                             "local b = kelpie.keep('b', default)\n"
                             "assert(b.v == 2 and kelpie.keep('b', default) == b)\n"
                             "assert(kelpie.keep('a', default).v == 1)\n"
                             "assert(kelpie.keep('', default).v == 3)\n"
                             "assert(kelpie.keep('odd\\0name', default).v == 4)\n"
                             "assert(kelpie.keep('odd', default) == default)\n"
                             "return {}");

    rk_assert_has(kit->sk.log,
                  "generation 2 serves: 1 file, 0 connections, 4 kept roots, ");
}

static void
given_a_root_that_nobody_asks_for_when_reloaded_then_a_later_version_finds_it(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, KELPIE "kelpie.keep('x', {}).v = 42 return {}");

    rk_must_load(kit, "return {}");
    rk_must_load(kit, "return {}");
    rk_must_load(kit, KELPIE "assert(kelpie.keep('x', {}).v == 42) return {}");

    rk_assert_has(kit->sk.log,
                  "debug: keep 'x' is carried on, though the new script does not "
                  "ask for it\n");
    rk_assert_has_not(kit->sk.log, "warn: ");
}

static void
given_a_rejected_reload_when_its_script_changed_its_copy_then_the_original_is_untouched(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, KELPIE "kelpie.keep('x', {}).v = 'good' return {}");

    rk_must_reject(kit, KELPIE "kelpie.keep('x', {}).v = 'bad' error('no')", "no", NULL);

    rk_must_load(kit, KELPIE "assert(kelpie.keep('x', {}).v == 'good') return {}");
}

static void
given_a_serving_script_when_it_keeps_or_declares_then_it_raises(void **state)
{
    struct reload_kit *kit = *state;

    rk_must_load(kit, KELPIE "kelpie.keep('x', {})\n"
                             "local function try()\n"
                             "   print(pcall(kelpie.keep, 'x', {}))\n"
                             "   print(pcall(kelpie.class, 'x', {}))\n"
                             "end\n"
                             "return { on_load = try, on_input = try }");
    assert_int_equal(kp_script_on_input(&kit->sk.script, "", 0), 0);

    const char *expected =
        "false\tkelpie.keep: allowed only while the script loads; call it outside of "
        "handlers\n"
        "false\tkelpie.class: allowed only while the script loads; call it outside of "
        "handlers\n";
    assert_int_equal(strlen(kit->sk.printed), 2 * strlen(expected));
    rk_assert_has(kit->sk.printed, expected);
}

static void
given_wrong_arguments_when_kept_or_declared_then_they_are_named(void **state)
{
    struct reload_kit *kit = *state;

    assert_true(rk_load(kit, KELPIE "kelpie.keep('x')") < 0);
    rk_assert_has(kit->sk.script.error,
                  "bad argument #2 to 'keep' (table expected, got no value)");
    assert_true(rk_load(kit, KELPIE "kelpie.keep({}, {})") < 0);
    rk_assert_has(kit->sk.script.error,
                  "bad argument #1 to 'keep' (string expected, got table)");
    assert_true(rk_load(kit, KELPIE "kelpie.class('x')") < 0);
    rk_assert_has(kit->sk.script.error, "bad argument #2 to 'class' (table expected");
    assert_true(rk_load(kit, KELPIE "kelpie.class('x', { __gc = print })") < 0);
    rk_assert_has(kit->sk.script.error, "a metatable with __gc is not allowed");
}

/* --- classes ---------------------------------------------------------------------------- */

#define ACCOUNT_1                                                                        \
 KELPIE "local Account = {} Account.__index = Account\n"                                 \
        "function Account:show() return 'v1 ' .. self.sum end\n"                         \
        "assert(kelpie.class('account', Account) == Account)\n"                          \
        "local accounts = kelpie.keep('accounts', {})\n"                                 \
        "for i = 1, 3 do accounts[i] = setmetatable({ sum = i }, Account) end\n"         \
        "accounts.again = accounts[2]\n"                                                 \
        "accounts[2].friend = accounts[1]\n"                                             \
        "return {}"

#define CHECK_ACCOUNTS                                                                   \
 "for i = 1, 3 do\n"                                                                     \
 "   assert(getmetatable(accounts[i]) == Account)\n"                                     \
 "   assert(accounts[i]:show() == 'v2 ' .. i)\n"                                         \
 "end\n"                                                                                 \
 "assert(accounts.again == accounts[2] and accounts[2].friend == accounts[1])\n"

static void
given_objects_when_their_class_is_declared_first_then_they_get_the_new_methods(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, ACCOUNT_1);

    rk_must_load(kit,
                 KELPIE "local Account = {} Account.__index = Account\n"
                        "function Account:show() return 'v2 ' .. self.sum end\n"
                        "kelpie.class('account', Account)\n"
                        "local accounts = kelpie.keep('accounts', {})\n" CHECK_ACCOUNTS
                        "return {}");
}

static void
given_objects_when_their_class_is_declared_later_then_they_get_the_new_methods(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, ACCOUNT_1);

    rk_must_load(kit,
                 KELPIE "local accounts = kelpie.keep('accounts', {})\n"
                        "assert(getmetatable(accounts[1]) == nil)\n"
                        "local Account = {} Account.__index = Account\n"
                        "function Account:show() return 'v2 ' .. self.sum end\n"
                        "kelpie.class('account', Account)\n" CHECK_ACCOUNTS "return {}");
    rk_must_load(kit,
                 KELPIE "local Account = {} Account.__index = Account\n"
                        "function Account:show() return 'v2 ' .. self.sum end\n"
                        "kelpie.class('account', Account)\n"
                        "return { self_test = function()\n"
                        "   local accounts = kelpie.keep('accounts', {})\n" CHECK_ACCOUNTS
                        "end }");
}

static void
given_objects_when_their_class_is_missing_then_it_is_told_once(void **state)
{
    struct reload_kit *kit = *state;
    const char *words =
        "keep 'accounts'[1] is an object of class 'account', which the new "
        "script does not declare with kelpie.class; still serving";
    rk_must_load(kit, ACCOUNT_1);

    rk_must_reject(kit, KELPIE "kelpie.keep('accounts', {}) return {}", words, NULL);
    rk_assert_has_not(kit->sk.script.error, "[2]");
    rk_must_reject(kit, "return {}", words, NULL);
}

static void
given_an_object_in_conn_data_when_reloaded_then_it_keeps_its_class(void **state)
{
    struct reload_kit *kit = *state;
    const char *text = KELPIE
        "local Player = {} Player.__index = Player\n"
        "function Player:show() return self.name .. ' %s' end\n"
        "kelpie.class('player', Player)\n"
        "return {\n"
        "   on_connect = function(conn)\n"
        "      conn.data.player = setmetatable({ name = 'p' .. conn.number }, Player)\n"
        "   end,\n"
        "   on_message = function(conn) conn:send(conn.data.player:show()) end,\n"
        "}";
    char version[1024];
    snprintf(version, sizeof version, text, "v1");
    rk_must_load(kit, version);
    sk_connect(&kit->sk, 0);
    sk_step(&kit->sk);

    snprintf(version, sizeof version, text, "v2");
    rk_must_load(kit, version);

    sk_say(&kit->sk, 0, "\n");
    sk_hears(&kit->sk, 0, "p0 v2\n");
}

static void
given_classes_when_declared_twice_then_only_the_same_again_is_allowed(void **state)
{
    struct reload_kit *kit = *state;

    rk_must_load(
        kit, KELPIE
        "local A, B = {}, {}\n"
        "kelpie.class('a', A) kelpie.class('a', A) kelpie.class('b', B)\n"
        "local ok, message = pcall(kelpie.class, 'a', {})\n"
        "assert(not ok and message:find(\"there is a class 'a' already\", 1, true))\n"
        "ok, message = pcall(kelpie.class, 'c', A)\n"
        "assert(not ok and message:find(\"is the class 'a' already\", 1, true))\n"
        "return {}");
}

static void
given_a_class_with_a_late_finaliser_when_objects_cross_then_it_is_refused(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, ACCOUNT_1);

    rk_must_reject(kit,
                   KELPIE "local Account = kelpie.class('account', {})\n"
                          "Account.__gc = function() while true do end end\n"
                          "kelpie.keep('accounts', {}) return {}",
                   "a metatable with __gc is not allowed", NULL);
}

static void
given_metamethods_of_a_class_when_objects_cross_then_none_is_called(void **state)
{
    struct reload_kit *kit = *state;
    const char *text = KELPIE
        "local function no() error('called') end\n"
        "local C = kelpie.class('c', { __index = no, __newindex = no, __len = no,\n"
        "   __pairs = no, __eq = no, __metatable = 'hidden', __name = 'C' })\n"
        "local x = kelpie.keep('x', {})\n"
        "if not x.v then x.v = setmetatable({ 1, 2, [C.__name] = 3 }, C) end\n"
        "assert(rawlen(x.v) == 2 and rawget(x.v, 'C') == 3)\n"
        "assert(getmetatable(x.v) == 'hidden')\n"
        "return {}";
    rk_must_load(kit, text);

    rk_must_load(kit, text);
    rk_must_load(kit, text);
}

static void
given_weak_tables_of_a_class_when_objects_cross_then_strong_references_keep_them(
    void **state)
{
    struct reload_kit *kit = *state;
    const char *text =
        KELPIE "local Weak = kelpie.class('weak', { __mode = 'k' })\n"
               "local x = kelpie.keep('x', {})\n"
               "if not x.weak then\n"
               "   x.weak, x.keys = setmetatable({}, Weak), {}\n"
               "   for i = 1, 2000 do x.keys[i] = {} x.weak[x.keys[i]] = { i } end\n"
               "end\n"
               "for i = 1, 2000 do assert(x.weak[x.keys[i]][1] == i) end\n"
               "return {}";
    rk_must_load(kit, text);

    rk_must_load(kit, text);
    rk_must_load(kit, text);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_first_generation_when_it_keeps_then_the_default_is_kept),
        TEST(given_kept_tables_when_reloaded_then_each_name_finds_its_own),
        TEST(
            given_a_root_that_nobody_asks_for_when_reloaded_then_a_later_version_finds_it),
        TEST(
            given_a_rejected_reload_when_its_script_changed_its_copy_then_the_original_is_untouched),
        TEST(given_a_serving_script_when_it_keeps_or_declares_then_it_raises),
        TEST(given_wrong_arguments_when_kept_or_declared_then_they_are_named),
        TEST(
            given_objects_when_their_class_is_declared_first_then_they_get_the_new_methods),
        TEST(
            given_objects_when_their_class_is_declared_later_then_they_get_the_new_methods),
        TEST(given_objects_when_their_class_is_missing_then_it_is_told_once),
        TEST(given_an_object_in_conn_data_when_reloaded_then_it_keeps_its_class),
        TEST(given_classes_when_declared_twice_then_only_the_same_again_is_allowed),
        TEST(given_a_class_with_a_late_finaliser_when_objects_cross_then_it_is_refused),
        TEST(given_metamethods_of_a_class_when_objects_cross_then_none_is_called),
        TEST(
            given_weak_tables_of_a_class_when_objects_cross_then_strong_references_keep_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
