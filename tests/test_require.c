/*
 * test_require.c - require within the script's folder, and all syntax errors at once
 */
#include <string.h>

#include "reload_kit.h"

static void
given_modules_in_folders_when_required_then_each_is_run_once(void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "a.lua", "print('a', ...) return { name = 'a' }");
    rk_write(kit, "lib/b.lua", "print('b', (...)) return require('a')");
    rk_write(kit, "lib/c/init.lua", "print('c', (...)) return require 'lib.b'");

    rk_must_load(kit, "local c, b, a = require('lib.c'), require('lib/b'), require('a')\n"
                      "assert(a == b and b == c and a.name == 'a')\n"
                      "assert(require('lib.c') == c)\n"
                      "return {}");

    char expected[256];
    snprintf(expected, sizeof expected, "c\tlib.c\nb\tlib.b\na\ta\t%s/a.lua\n",
             kit->folder);
    assert_string_equal(kit->sk.printed, expected);
    rk_assert_has(kit->sk.log,
                  "info: generation 1 serves: 4 files, 0 connections, 0 kept");
}

static void
given_a_module_without_result_when_required_then_true(void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "quiet.lua", "print('once')");

    rk_must_load(kit, "assert(require('quiet') == true)\n"
                      "assert(require('quiet') == true) return {}");

    assert_string_equal(kit->sk.printed, "once\n");
}

static void
given_libraries_when_required_then_they_come_first(void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "kelpie.lua", "error('not this one')");
    rk_write(kit, "string.lua", "error('not this one')");

    rk_must_load(kit, "assert(require('kelpie').keep)\n"
                      "assert(require('string') == string) return {}");
}

static int
open_nothing(lua_State *L)
{
    lua_pushnil(L);
    return 1;
}

static int
open_host(lua_State *L)
{
    lua_pushfstring(L, "host module %s", lua_tostring(L, 1));
    return 1;
}

static void
given_a_preloaded_module_when_required_then_it_comes_before_files(void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "host.lua", "error('not this one')");
    assert_int_equal(kp_script_preload(&kit->sk.script, "host", open_host), 0);
    assert_int_equal(kp_script_preload(&kit->sk.script, "nothing", open_nothing), 0);

    rk_must_load(kit, "assert(require('host') == 'host module host')\n"
                      "assert(require('nothing') == true) return {}");
    rk_must_load(kit, "assert(require('host') == 'host module host') return {}");
}

static void
given_a_module_that_is_not_there_when_required_then_it_says_where_it_looked(void **state)
{
    struct reload_kit *kit = *state;
    char looked[512];
    rk_must_load(kit, "return {}");
    snprintf(looked, sizeof looked,
             "%s/init.lua:2: module 'no.such' not found: no file %s/no/such.lua, "
             "no file %s/no/such/init.lua",
             kit->folder, kit->folder, kit->folder);

    rk_must_reject(kit, "\nrequire('no.such')\nreturn {}", looked, NULL);
}

static void
given_modules_in_a_circle_when_required_then_the_chain_is_shown(void **state)
{
    struct reload_kit *kit = *state;
    char chain[512];
    rk_write(kit, "a.lua", "require('b')");
    rk_write(kit, "b.lua", "require('c')");
    rk_write(kit, "c.lua", "require('a')");
    snprintf(chain, sizeof chain,
             "circular require: %s/a.lua -> %s/b.lua -> %s/c.lua -> %s/a.lua",
             kit->folder, kit->folder, kit->folder, kit->folder);

    rk_must_load(kit, "return {}");
    rk_must_reject(kit, "require('a') return {}", chain, NULL);
    rk_must_reject(kit, "require('init') return {}", "circular require: ", NULL);
}

static void
given_a_caught_error_of_a_module_when_it_is_required_again_then_it_is_no_circle(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "moody.lua", "print('runs') error('not today')");

    rk_must_load(kit, "for _ = 1, 2 do\n"
                      "   local ok, message = pcall(require, 'moody')\n"
                      "   assert(not ok and message:find('not today'))\n"
                      "end return {}");

    assert_string_equal(kit->sk.printed, "runs\nruns\n");
}

static void
given_names_that_lead_out_of_the_folder_when_required_then_they_are_refused(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");

    rk_must_reject(kit, "require('../secret') return {}", "'../secret' is no module name",
                   NULL);
    rk_must_reject(kit, "require('/etc/passwd') return {}", "is no module name", NULL);
    rk_must_reject(kit, "require('a\\0b') return {}", "is no module name", NULL);
    rk_must_reject(kit, "require('') return {}", "is no module name", NULL);
    rk_must_reject(kit, "require({}) return {}", "string expected", NULL);
}

static void
given_a_serving_script_when_it_requires_a_new_module_then_it_is_told_how(void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "early.lua", "return 1");
    rk_write(kit, "late.lua", "return 2");
    rk_must_load(kit, "require('early') return { on_input = function()\n"
                      "   print(require('early'))\n"
                      "   print(select(2, pcall(require, 'late')))\n"
                      "end }");

    assert_int_equal(kp_script_on_input(&kit->sk.script, "", 0), 0);

    rk_assert_has(kit->sk.printed, "1\n");
    rk_assert_has(kit->sk.printed, "module 'late' was not loaded with the script");
}

static void
given_a_byte_order_mark_and_a_shell_line_when_loaded_then_lines_keep_their_numbers(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "shell.lua", "#!/usr/bin/env lua\nreturn 1");
    rk_write(kit, "mark.lua", "\xEF\xBB\xBFreturn 2");
    rk_write(kit, "both.lua", "\xEF\xBB\xBF#!/usr/bin/lua\nreturn 3");
    rk_write(kit, "only.lua", "#!/usr/bin/lua");
    rk_must_load(kit, "assert(require('shell') == 1 and require('mark') == 2)\n"
                      "assert(require('both') == 3 and require('only') == true)\n"
                      "return {}");

    rk_must_reject(kit, "#!/usr/bin/env kelpie\n\nerror('third line')",
                   "init.lua:3: third line", NULL);
}

static void
given_bytecode_when_loaded_then_it_is_refused(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");
    rk_write_bytes(kit, "code.lua", "\x1bLua\x54\x00", 6);

    rk_must_reject(kit, "require('code') return {}",
                   "code.lua: compiled Lua code, but only text is loaded", NULL);
    rk_must_reject(kit, "\x1bLua", "init.lua: compiled Lua code", NULL);
    rk_must_reject(kit, "#!/bin/lua\n\x1bLua", "init.lua:2:", NULL);
}

#define LONG_NAME                                                                        \
 "a_name_of_300_bytes________________________________________________________________"   \
 "___________________________________________________________________________________"   \
 "___________________________________________________________________________________"   \
 "___________________________________________________"

static void
given_several_files_with_syntax_errors_when_loaded_then_all_are_reported(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");
    rk_write(kit, "good.lua", "require('deep.er')");
    rk_write(kit, "deep/er.lua", "\n\nlocal = 3");
    rk_write(kit, "bad.lua", "for in pairs");
    rk_write(kit, "string.lua", "never compiled (");
    rk_write(kit, "comment.lua", "never compiled (");

    rk_must_reject(kit,
                   "require 'good'\n"
                   "local bad = require ( \"bad\" )\n"
                   "local missing = require [[missing]]\n"
                   "local s = 'require(\"comment\")' -- require('comment')\n"
                   "--[==[ require('comment') ]==]\n"
                   "local name = require('" LONG_NAME "')\n"
                   "local x = = 1\n",
                   "reload rejected: ", "/init.lua:7: unexpected symbol near '='", "\n",
                   "/deep/er.lua:3:", "/bad.lua:1:", NULL);

    rk_assert_has_not(kit->sk.script.error, "comment.lua");
    rk_assert_has_not(kit->sk.script.error, "string.lua");
    rk_assert_has(kit->sk.log, "\nerror: ");
    rk_assert_has_not(kit->sk.log, "\\x0a");
}

static void
given_brackets_that_never_close_when_loaded_then_the_rest_is_not_looked_at(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");
    rk_write(kit, "bad.lua", "local = 1");

    rk_must_reject(kit, "local = 1 --[==[ ]=] require('bad')", "/init.lua:1: ", NULL);
    rk_assert_has_not(kit->sk.script.error, "bad.lua");
    rk_must_reject(kit, "local s = 'never ends \\' require \"bad\"\nreturn",
                   "/init.lua:1: ", NULL);
    rk_assert_has_not(kit->sk.script.error, "bad.lua");
}

static void
given_a_syntax_error_that_the_script_catches_when_loaded_then_it_is_rejected(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");
    rk_write(kit, "bad.lua", "local = 1");

    rk_must_reject(kit, "local ok = pcall(require, 'bad') return {}",
                   "/bad.lua:1:", NULL);
}

static void
given_a_file_that_cannot_be_read_when_loaded_then_it_is_rejected(void **state)
{
    struct reload_kit *kit = *state;
    char path[256];
    rk_must_load(kit, "return {}");
    rk_write(kit, "closed.lua", "return 1");
    snprintf(path, sizeof path, "%s/closed.lua", kit->folder);
    kit->deny = path;

    rk_must_reject(kit, "require('closed') return {}", "cannot read ",
                   "closed.lua: ", "ermission denied", NULL);
    rk_must_reject(kit, "pcall(require, 'closed') return {}", "cannot read ", NULL);
    rk_write(kit, "folder.lua/x", "");
    rk_must_reject(kit, "require('folder') return {}", "cannot read ", "irectory", NULL);
}

static void
given_c_modules_are_allowed_when_required_then_the_searchers_for_c_are_asked(void **state)
{
    struct reload_kit *kit = *state;
    kit->sk.script.limits.allow = KP_ALLOW_CMODULES;
    rk_write(kit, "mine.lua", "return 'from the folder'");

    rk_must_load(kit,
                 "package.searchers[2] = function() error('not for Lua files') end\n"
                 "package.searchers[3] = function(name)\n"
                 "   if name ~= 'c' then return 'no such' end\n"
                 "   return function(n, data) return n .. ' ' .. data end, 'loaded'\n"
                 "end\n"
                 "assert(require('c') == 'c loaded')\n"
                 "assert(require('mine') == 'from the folder')\n"
                 "local ok, message = pcall(require, 'neither')\n"
                 "assert(not ok and message:find(\"'neither' not found: no file\"))\n"
                 "return {}");
}

static void
given_a_script_from_memory_when_it_requires_a_file_then_it_is_not_found(void **state)
{
    struct reload_kit *kit = *state;
    kit->sk.script.chunk_name = kp_mem_dup(&kit->sk.env.mem, "=demo", 5);
    kit->sk.script.text = kp_mem_dup(&kit->sk.env.mem, "require('kelpie') return {}", 27);
    kit->sk.script.text_len = 27;
    assert_non_null(kit->sk.script.text);
    assert_int_equal(kp_reload(&kit->sk.script), 0);

    memcpy(kit->sk.script.text, "require('nofile')          ", 27);
    assert_int_equal(kp_reload(&kit->sk.script), KELPIE_ESCRIPT);

    rk_assert_has(kit->sk.script.error,
                  "demo:1: module 'nofile' not found: a script from "
                  "memory finds only preloaded modules");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_modules_in_folders_when_required_then_each_is_run_once),
        TEST(given_a_module_without_result_when_required_then_true),
        TEST(given_libraries_when_required_then_they_come_first),
        TEST(given_a_preloaded_module_when_required_then_it_comes_before_files),
        TEST(given_a_module_that_is_not_there_when_required_then_it_says_where_it_looked),
        TEST(given_modules_in_a_circle_when_required_then_the_chain_is_shown),
        TEST(
            given_a_caught_error_of_a_module_when_it_is_required_again_then_it_is_no_circle),
        TEST(given_names_that_lead_out_of_the_folder_when_required_then_they_are_refused),
        TEST(given_a_serving_script_when_it_requires_a_new_module_then_it_is_told_how),
        TEST(
            given_a_byte_order_mark_and_a_shell_line_when_loaded_then_lines_keep_their_numbers),
        TEST(given_bytecode_when_loaded_then_it_is_refused),
        TEST(given_several_files_with_syntax_errors_when_loaded_then_all_are_reported),
        TEST(given_brackets_that_never_close_when_loaded_then_the_rest_is_not_looked_at),
        TEST(
            given_c_modules_are_allowed_when_required_then_the_searchers_for_c_are_asked),
        TEST(
            given_a_syntax_error_that_the_script_catches_when_loaded_then_it_is_rejected),
        TEST(given_a_file_that_cannot_be_read_when_loaded_then_it_is_rejected),
        TEST(given_a_script_from_memory_when_it_requires_a_file_then_it_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
