/*
 * test_sandbox.c - the libraries that a script sees
 */
#include <errno.h>
#include <string.h>

#include "script_kit.h"

/* --- what is there --------------------------------------------------------------------- */

static void
given_a_script_when_it_looks_around_then_it_sees_what_is_harmless(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local names = {}\n"
                "for name in pairs(_G) do names[#names + 1] = name end\n"
                "table.sort(names) print(table.concat(names, ' '))\n"
                "names = {} for name in pairs(os) do names[#names + 1] = name end\n"
                "table.sort(names) print(table.concat(names, ' '))\n"
                "print(string.dump, io, debug, package, dofile, loadfile, warn)\n"
                "print(type(os.time()), type(os.date()), type(os.clock()))");

    sk_printed(
        kit, "_G _VERSION assert collectgarbage coroutine error getmetatable ipairs "
             "kelpie load math next os pairs pcall print rawequal rawget rawlen rawset "
             "require select setmetatable string table test tonumber tostring type utf8 "
             "xpcall\n"
             "clock date difftime time\n"
             "nil\tnil\tnil\tnil\tnil\tnil\tnil\n"
             "number\tstring\tnumber\n");
}

static void
given_allow_when_a_generation_is_made_then_just_that_is_open(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.allow = KP_ALLOW_IO | KP_ALLOW_OS;
    sk_run(kit, "print(type(io.open), type(os.getenv), os.exit, debug, package)\n"
                "print(require('os') == os)");
    sk_printed(kit, "function\tfunction\tnil\tnil\tnil\ntrue\n");

    kit->script.limits.allow = KP_ALLOW_DEBUG;
    sk_load(kit, "return {}");
    sk_run(kit, "print(io, type(debug.traceback), type(debug.getinfo), debug.sethook)\n"
                "print(debug.getregistry, debug.setmetatable, os.getenv)");
    sk_printed(kit, "nil\tfunction\tfunction\tnil\nnil\tnil\tnil\n");
    sk_logged_nothing(kit);

    kit->script.limits.allow = KP_ALLOW_CMODULES;
    sk_load(kit, "return {}");
    sk_run(kit, "print(type(package.loadlib), io, debug)");
    sk_printed(kit, "function\tnil\tnil\n");
    sk_logged(kit, "warn: C modules are allowed");
}

/* --- metatables ------------------------------------------------------------------------ */

static void
given_a_finalizer_when_set_then_it_is_refused(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(pcall(setmetatable, {}, { __gc = print }))\n"
                "print(pcall(setmetatable, {}, { __gc = false }))\n"
                "local inherited = setmetatable({}, { __index = { __gc = print } })\n"
                "print((pcall(setmetatable, {}, inherited)))\n"
                "local later = {} setmetatable({}, later)\n"
                "later.__gc = function() print('never') end\n"
                "later = nil for i = 1, 100000 do local t = {} end");

    sk_printed(kit, "false\t__gc is not available; use on_disconnect or close\n"
                    "false\t__gc is not available; use on_disconnect or close\n"
                    "true\n");
}

static void
given_setmetatable_when_used_as_usual_then_it_is_as_in_lua(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local t, m = {}, { __index = { x = 1 } }\n"
                "print(setmetatable(t, m) == t, t.x, getmetatable(t) == m)\n"
                "print(setmetatable(t, nil) == t, t.x)\n"
                "local p = setmetatable({}, { __metatable = 'mine' })\n"
                "print(getmetatable(p), pcall(setmetatable, p, {}))\n"
                "print(pcall(setmetatable, 1, {}))\n"
                "print(pcall(setmetatable, {}, 1))\n"
                "print(pcall(setmetatable, {}))");

    sk_printed(kit,
               "true\t1\ttrue\ntrue\tnil\n"
               "mine\tfalse\tcannot change a protected metatable\n"
               "false\tbad argument #1 to 'setmetatable' (table expected, got number)\n"
               "false\tbad argument #2 to 'setmetatable' (nil or table expected, "
               "got number)\n"
               "false\tbad argument #2 to 'setmetatable' (nil or table expected, got no "
               "value)\n");
}

static void
given_the_string_metatable_when_asked_for_then_it_is_locked(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(getmetatable(''), ('x'):upper())\n"
                "print((pcall(function() getmetatable('').__index = nil end)))");

    sk_printed(kit, "false\tX\nfalse\n");
}

/* --- load ------------------------------------------------------------------------------ */

static void
given_text_when_loaded_then_it_runs_also_in_its_own_environment(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(load('return 1 + 1')())\n"
                "local env = { y = 5 }\n"
                "print(load('x = y return x', 'chunk', 't', env)(), env.x)\n"
                "print(pcall(load('return y', 'c', 't', nil)))\n"
                "print(load('return', 'c', 'bt', env)())\n"
                "local parts = { 'return ', '4', '2' }\n"
                "print(load(function() return table.remove(parts, 1) end)())\n"
                "parts = { 'return 7', '' , 'garbage' }\n"
                "print(load(function() return table.remove(parts, 1) end)())\n"
                "print(load('x ='))\n"
                "print(load('x =', '=name'))\n"
                "print(load('error(\"at\")', '@file.lua') ~= nil)");

    sk_printed(kit, "2\n5\t5\n"
                    "false\t[string \"c\"]:1: attempt to index a nil value (upvalue "
                    "'_ENV')\n\n42\n7\n"
                    "nil\t[string \"x =\"]:1: unexpected symbol near <eof>\n"
                    "nil\tname:1: unexpected symbol near <eof>\ntrue\n");
}

static void
given_bytecode_or_too_much_text_when_loaded_then_it_is_refused(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(load('\\27Lua'))\n"
                "print(load('\\27Lua', 'x', 'b'))\n"
                "print(load('return 1', 'x', 'b'))\n"
                "print(load((' '):rep(65537)))\n"
                "print(load((' '):rep(65536)) ~= nil)\n"
                "print(load(function() return (' '):rep(1000) end))\n"
                "print(pcall(load, function() error('reader', 0) end))\n"
                "print(pcall(load, function() return 1 end))\n"
                "print(pcall(load, 1))");

    sk_printed(kit, "nil\tonly text can be loaded\nnil\tonly text can be loaded\n"
                    "nil\tonly text can be loaded\n"
                    "nil\tchunk is longer than 64 KiB\ntrue\n"
                    "nil\tchunk is longer than 64 KiB\n"
                    "false\treader\n"
                    "false\treader function must return a string\n"
                    "false\tbad argument #1 to 'load' (function expected, got number)\n");
}

/* --- print ----------------------------------------------------------------------------- */

static void
given_any_bytes_when_printed_then_lines_are_escaped(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print() print('') print('a', 1, 2.5, nil, true)\n"
                "print('two\\nlines', 'more\\n')\n"
                "print('\\27[31mred\\7\\0end\\r\\n')\n"
                "print(setmetatable({}, { __tostring = function() return 'obj' end }))\n"
                "print(('x'):rep(3000):len(), (('y'):rep(3000)):sub(-1))\n"
                "print((pcall(print, setmetatable({}, { __tostring = error }))))");

    sk_printed(kit, "\n\na\t1\t2.5\tnil\ttrue\ntwo\nlines\tmore\n\n"
                    "\\x1b[31mred\\x07\\x00end\\x0d\n\nobj\n3000\ty\nfalse\n");
}

static void
given_a_long_line_when_printed_then_nothing_is_cut(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(('ab\\t'):rep(1000) .. 'end')");

    assert_int_equal(strlen(kit->printed), 6 * 1000 + 4);
}

static void
given_no_print_function_when_printing_then_the_log_has_it(void **state)
{
    struct script_kit *kit = *state;

    kit->script.hooks.print = NULL;
    sk_run(kit, "print('to the log\\27', 1)");
    sk_logged(kit, "info: to the log\\x1b\t1\n");

    kit->env.log.level = KELPIE_LOG_ERROR;
    sk_run(kit, "print('not wanted')");
    assert_null(strstr(kit->log, "not wanted"));
}

/* --- the rest -------------------------------------------------------------------------- */

static void
given_rep_when_the_result_is_empty_then_it_returns_at_once(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit,
           "print(#string.rep('', 1 << 62), #(''):rep(math.maxinteger, ''))\n"
           "print(('ab'):rep(3), ('ab'):rep(3, '-'), (''):rep(3, '-'), #('x'):rep(-1))\n"
           "print((pcall(string.rep, 'x', 1 << 62)))\n"
           "print((pcall(string.rep)))");

    sk_printed(kit, "0\t0\nababab\tab-ab-ab\t--\t0\nfalse\nfalse\n");
}

static void
given_collectgarbage_when_called_then_it_only_counts(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local n = collectgarbage('count') print(n > 10 and n < 10000)\n"
                "print(pcall(collectgarbage))\n"
                "print(pcall(collectgarbage, 'stop'))");

    sk_printed(kit, "true\nfalse\tcollectgarbage: only \"count\" is available\n"
                    "false\tcollectgarbage: only \"count\" is available\n");
}

static void
given_two_generations_when_they_draw_numbers_then_they_differ(void **state)
{
    struct script_kit *kit = *state;
    char first[256];

    sk_run(kit, "print(math.random(0), math.random(0))");
    snprintf(first, sizeof first, "%.255s", kit->printed);
    kit->printed[0] = '\0';
    sk_load(kit, "return {}");
    sk_run(kit, "print(math.random(0), math.random(0))");

    assert_string_not_equal(kit->printed, first);
}

static void
given_no_random_source_when_a_generation_is_made_then_it_fails(void **state)
{
    struct script_kit *kit = *state;

    fault_sys_fail(&kit->sys, FAULT_RANDOM, 1, EIO);
    sk_refuse(kit, "return {}", "no random seed");
}

/* --- globals --------------------------------------------------------------------------- */

static void
given_a_loaded_script_when_it_makes_globals_then_that_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "known = 1 return {}");
    sk_run(kit, "known = 2 print(known, unknown)\n"
                "print(pcall(function() speling = 1 end))\n"
                "print(pcall(load('other = 1', '=text')))\n"
                "print((pcall(function() _G[{}] = 1 end)))\n"
                "rawset(_G, 'forced', 1) print(forced)");

    sk_printed(kit,
               "2\tnil\n"
               "false\trun.lua:2: assign to undeclared global 'speling'; write 'local "
               "speling'\n"
               "false\ttext:1: assign to undeclared global 'other'; write 'local other'\n"
               "false\n1\n");
}

static void
given_globals_with_a_metatable_when_locked_then_it_is_kept(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "setmetatable(_G, { __index = function(_, k) return k end }) return {}");
    sk_run(kit, "print(whatever) print((pcall(function() x = 1 end)))");
    sk_printed(kit, "whatever\nfalse\n");

    sk_load(kit, "setmetatable(_G, { __newindex = function(t, k, v)\n"
                 "   rawset(t, k, v + 1) end }) return {}");
    sk_run(kit, "x = 1 print(x)");
    sk_printed(kit, "2\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_script_when_it_looks_around_then_it_sees_what_is_harmless),
        TEST(given_allow_when_a_generation_is_made_then_just_that_is_open),
        TEST(given_a_finalizer_when_set_then_it_is_refused),
        TEST(given_setmetatable_when_used_as_usual_then_it_is_as_in_lua),
        TEST(given_the_string_metatable_when_asked_for_then_it_is_locked),
        TEST(given_text_when_loaded_then_it_runs_also_in_its_own_environment),
        TEST(given_bytecode_or_too_much_text_when_loaded_then_it_is_refused),
        TEST(given_any_bytes_when_printed_then_lines_are_escaped),
        TEST(given_a_long_line_when_printed_then_nothing_is_cut),
        TEST(given_no_print_function_when_printing_then_the_log_has_it),
        TEST(given_rep_when_the_result_is_empty_then_it_returns_at_once),
        TEST(given_collectgarbage_when_called_then_it_only_counts),
        TEST(given_two_generations_when_they_draw_numbers_then_they_differ),
        TEST(given_no_random_source_when_a_generation_is_made_then_it_fails),
        TEST(given_a_loaded_script_when_it_makes_globals_then_that_raises),
        TEST(given_globals_with_a_metatable_when_locked_then_it_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
