/*
 * test_lua_string.c - the string library as scripts see it
 *
 * What the manual of Lua 5.4 says in 6.4 and 6.4.1, with its own examples; that a pattern
 * which takes for ever is ended; and that lines of a client which were made to be slow are
 * not. That all else is as in Lua is shown by test_pattern_random.c.
 */
#include <stdio.h>
#include <string.h>

#include "bind_kit.h"

/* ---- as the manual says -------------------------------------------------------------- */

static void
given_find_and_match_when_called_then_they_do_as_the_manual_says(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "try(string.find, 'hello Lua user', 'Lua')\n"
           "try(string.find, 'hello', 'l+')\n"
           "try(string.find, 'hello', 'xyz')\n"
           "try(string.find, 'hello', '')\n"
           "try(string.find, 'hello', '', 6)\n"
           "try(string.find, 'hello', '', 7)\n"
           "try(string.find, 'a.b', '.', 2, true)\n"
           "try(string.find, 'key = value', '(%w+)%s*=%s*(%w+)')\n"
           "try(string.match, 'flaaap', '()aa()')\n"
           "try(string.match, 'THE (quick) fox', '%((%a+)%)')\n"
           "try(string.match, 'hello', '.-(l+)(.*)$')\n"
           "try(string.match, 'hello', 'l', -2)\n"
           "try(string.match, 'say \\'it\\' or \"so\"', '([\"\\'])(.-)%1')\n"
           "try(string.match, 'x(a(b)c)y', '%b()')\n"
           "try(string.find, 'THE (quick) fox', '%f[%a]%a+%f[%A]', 5)\n"
           "try(string.match, 'a\\0b', '%z(b)')\n"
           "print(('method'):match('^m'), ('x'):find('x'))",
           "7\t9\n3\t4\nnil\n1\t0\n6\t5\nnil\n2\t2\n1\t11\tkey\tvalue\n3\t5\nquick\n"
           "ll\to\nl\n'\tit\n(a(b)c)\n6\t10\nb\nm\t1\t1\n");
}

static void
given_gmatch_when_walked_then_it_gives_each_match(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "for w in string.gmatch('hello world from Lua', '%a+') do print(w) end\n"
           "for k, v in string.gmatch('from=world, to=Lua', '(%w+)=(%w+)') do\n"
           "   print(k, v) end\n"
           "for at in ('abc'):gmatch('()', 3) do print(at) end\n"
           "for w in ('^a^a'):gmatch('^a') do print(w) end\n"
           "local next = ('ab'):gmatch('.') print(next(), next(), next(), next())",
           "hello\nworld\nfrom\nLua\nfrom\tworld\nto\tLua\n3\n4\n^a\n^a\na\tb\tnil\n");
}

static void
given_gsub_when_called_then_it_replaces_as_the_manual_says(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "try(string.gsub, 'hello world', '(%w+)', '%1 %1')\n"
           "try(string.gsub, 'hello world', '%w+', '%0 %0', 1)\n"
           "try(string.gsub, 'hello world from Lua', '(%w+)%s*(%w+)', '%2 %1')\n"
           "try(string.gsub, '4+5 = $return 4+5$', '%$(.-)%$', function(s)\n"
           "   return load(s)() end)\n"
           "try(string.gsub, '$name-$version.tar.gz', '%$(%w+)',\n"
           "   { name = 'lua', version = 5.4 })\n"
           "try(string.gsub, 'abc', '%w', '%%%0')\n"
           "try(string.gsub, 'abc', '', '-')\n"
           "try(string.gsub, 'abc', 'b*', '-')\n"
           "try(string.gsub, 'abc', '^a', '')\n"
           "try(string.gsub, 'abc', 'b', false and 1 or function() end)",
           "hello hello world world\t2\nhello hello world\t1\nworld hello Lua from\t2\n"
           "4+5 = 9\t1\nlua-5.4.tar.gz\t2\n%a%b%c\t3\n-a-b-c-\t4\n-a-c-\t3\nbc\t1\n"
           "abc\t1\n");
}

static void
given_a_wrong_pattern_when_it_is_reached_then_it_raises_as_in_lua(void **state)
{
    struct script_kit *kit = *state;

    bk_run(
        kit,
        "print(pcall(string.find, 'a', '%'))\n"
        "print(pcall(string.find, 'b', 'a%'))\n"
        "print(pcall(string.find, 'a', '[a'))\n"
        "print(pcall(string.find, 'a', '%f'))\n"
        "print(pcall(string.find, 'a', '%bx'))\n"
        "print(pcall(string.find, 'a', '(a'))\n"
        "print(pcall(string.match, 'a', 'a)'))\n"
        "print(pcall(string.find, 'a', '%1'))\n"
        "print(pcall(string.find, 'a', ('()'):rep(33)))\n"
        "print(pcall(string.gsub, 'a', 'a', '%2'))\n"
        "print(pcall(string.gsub, 'a', 'a', '%'))\n"
        "print(pcall(string.gsub, 'a', 'a', function() return {} end))\n"
        "print(pcall(string.gsub, 'a', 'a'))\n"
        "print(pcall(string.gmatch, 'a'))",
        "false\tmalformed pattern (ends with '%')\ntrue\tnil\n"
        "false\tmalformed pattern (missing ']')\n"
        "false\tmissing '[' after '%f' in pattern\n"
        "false\tmalformed pattern (missing arguments to '%b')\n"
        "false\tunfinished capture\nfalse\tinvalid pattern capture\n"
        "false\tinvalid capture index %1\nfalse\ttoo many captures\n"
        "false\tinvalid capture index %2\n"
        "false\tinvalid use of '%' in replacement string\n"
        "false\tinvalid replacement value (a table)\n"
        "false\tbad argument #3 to 'string.gsub' (string/function/table expected, got no "
        "value)\n"
        "false\tbad argument #2 to 'string.gmatch' (string expected, got no value)\n");
}

static void
given_long_patterns_when_used_then_there_is_no_limit(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "local a = ('a'):rep(5000)\n"
           "print(#a:match(('a?'):rep(5000)), #a:match(('a'):rep(4000) .. '+'))\n"
           "print(a:match(('[ab]'):rep(999) .. 'c'), select('#', "
           "a:match(('(.)'):rep(32))))\n"
           "local n = 0 for x in a:gmatch(('[ab]'):rep(1000)) do n = n + #x end print(n)",
           "5000\t5000\nnil\t32\n5000\n");
}

/* ---- callbacks ----------------------------------------------------------------------- */

static void
given_a_callback_when_it_raises_or_waits_then_that_is_an_error_as_in_lua(void **state)
{
    struct script_kit *kit = *state;

    bk_run(
        kit,
        "print(pcall(string.gsub, 'a', 'a', function() error('mine', 0) end))\n"
        "local ok, why = pcall(string.gsub, 'a', 'a', function() kelpie.sleep(1) end)\n"
        "print(ok, (why:gsub('^.-: ', '')))\n"
        "print(('abc'):gsub('.', function(c) return (c:gsub('b', 'x'):upper()) end))",
        "false\tmine\n"
        "false\tcannot wait here: called by a C function such as table.sort or "
        "kelpie.critical\n"
        "AXC\t3\n");
}

/* ---- what a client can do ------------------------------------------------------------ */

static void
given_lines_made_to_be_slow_when_matched_then_the_handler_is_in_time(void **state)
{
    struct script_kit *kit = *state;

    /* Without an end to what they cost these took hours. */
    bk_run(kit,
           "local spaces = (' '):rep(65536)\n"
           "local line = 'x' .. spaces .. 'x'\n"
           "print(#line:match('^%s*(.-)%s*$'), #line:gsub('%s+$', ''))\n"
           "print(#spaces:gsub('%s+$', ''), (spaces:find('.-.-.-b')))\n"
           "local a = ('a'):rep(65536)\n"
           "print(a:find('a*a*a*b'), a:find('.-.-.-b'), (a:gsub('a-b', '')) == a)\n"
           "for w in a:gmatch('(a*)(a*)b') do print(w) end\n"
           "print(('('):rep(65536):find('%b()'))",
           "65538\t65538\n0\tnil\nnil\tnil\ttrue\nnil\n");
}

static void
given_a_pattern_that_takes_for_ever_when_it_is_late_then_it_is_ended(void **state)
{
    static const char *const calls[] = {
        "a:find('(.*).*%1.*b')",
        "a:gsub('(.*).*%1.*b', '')",
        "for w in a:gmatch('(.*).*%1.*b') do end",
        "pcall(string.find, a, '(.*).*%1.*b') pcall(string.find, a, '(.*).*%1.*b')",
    };
    struct script_kit *kit = *state;

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "local a = ('a'):rep(65536) %s print('not ended')",
                 calls[i]);
        bk_run_endless(kit, text);
    }
    sk_run(kit, "print(('state is usable'):match('%a+$'))");
    sk_printed(kit, "usable\n");
}

#define STRING_TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STRING_TEST(given_find_and_match_when_called_then_they_do_as_the_manual_says),
        STRING_TEST(given_gmatch_when_walked_then_it_gives_each_match),
        STRING_TEST(given_gsub_when_called_then_it_replaces_as_the_manual_says),
        STRING_TEST(given_a_wrong_pattern_when_it_is_reached_then_it_raises_as_in_lua),
        STRING_TEST(given_long_patterns_when_used_then_there_is_no_limit),
        STRING_TEST(
            given_a_callback_when_it_raises_or_waits_then_that_is_an_error_as_in_lua),
        STRING_TEST(given_lines_made_to_be_slow_when_matched_then_the_handler_is_in_time),
        STRING_TEST(given_a_pattern_that_takes_for_ever_when_it_is_late_then_it_is_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
