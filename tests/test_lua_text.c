/*
 * test_lua_text.c - trim, split, escape, hexdump
 */
#include "bind_kit.h"

#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)

static void
given_texts_when_trimmed_then_both_ends_are_without_space(void **state)
{
    bk_run(
        *state,
        "local function t(s) print('[' .. kelpie.trim(s) .. ']') end\n"
        "t('') t(' ') t(' \\t\\r\\n\\v\\f') t('a') t('  a b\\t') t('a ') t(' a') t(5)\n"
        "print(#kelpie.trim(' \\0 '), #kelpie.trim('\\160a\\160'))\n"
        "print(#kelpie.trim((' '):rep(1 << 20) .. 'x' .. (' '):rep(1 << 20)))\n"
        "try(function() kelpie.trim() end) try(function() kelpie.trim({}) end)",
        "[]\n[]\n[]\n[a]\n[a b]\n[a]\n[a]\n[5]\n1\t3\n1\n"
        "run.lua:5: bad argument #1 to 'trim' (string expected, got no value)\n"
        "run.lua:5: bad argument #1 to 'trim' (string expected, got table)\n");
}

static void
given_texts_when_split_then_pieces_may_be_empty(void **state)
{
    bk_run(
        *state,
        "local function t(...) print(table.concat(kelpie.split(...), '|')) end\n"
        "t('', ',') t('a', ',') t(',', ',') t('a,b,,c', ',') t(',a,', ',')\n"
        "t('a--b---c', '--') t('aaa', 'aa') t('a.b', '.') t('ab', 'abc')\n"
        "t('a b c', ' ', 2) t('a b c', ' ', 1) t('a b', ' ', 5) t('a\\0b\\0', '\\0')\n"
        "t(125, 2)\n"
        "print(#kelpie.split(('x,'):rep(1000), ','))\n"
        "try(kelpie.split, 'a') try(kelpie.split, 'a', '') try(kelpie.split, 'a', 'b', "
        "0)",
        "\na\n|\na|b||c\n|a|\na|b|-c\n|a\na|b\nab\na|b c\na b c\na|b\na|b|\n1|5\n1001\n"
        "bad argument #2 to 'kelpie.split' (string expected, got no value)\n"
        "bad argument #2 to 'kelpie.split' (a separator of at least one byte expected)\n"
        "bad argument #3 to 'kelpie.split' (a number of pieces, at least 1, expected)\n");
}

static void
given_bytes_when_escaped_then_they_are_printable(void **state)
{
    bk_run(*state,
           "print(kelpie.escape('a~ b\\\\\\n\\0\\127\\200') ==\n"
           "      'a~ b\\\\x5c\\\\x0a\\\\x00\\\\x7f\\\\xc8', kelpie.escape(''))\n"
           "print(#kelpie.escape(('\\255'):rep(10000)))\n"
           "try(kelpie.escape)",
           "true\t\n40000\n"
           "bad argument #1 to 'kelpie.escape' (string expected, got no value)\n");
}

static void
given_bytes_when_dumped_then_lines_have_offset_hex_and_text(void **state)
{
    bk_run(
        *state,
        "print(kelpie.hexdump(''))\n"
        "for line in kelpie.hexdump('Hello world\\0\\255 16b'):gmatch('[^\\n]+') do\n"
        "   print(line) end\n"
        "for line in kelpie.hexdump('ABCDEFGHIJKLMNOP'):gmatch('[^\\n]+') do\n"
        "   print(line) end",
        "\n"
        "00000000  48 65 6c 6c 6f 20 77 6f  72 6c 64 00 ff 20 31 36  |Hello world.. 16|\n"
        "00000010  62                                                |b|\n"
        "00000000  41 42 43 44 45 46 47 48  49 4a 4b 4c 4d 4e 4f 50  "
        "|ABCDEFGHIJKLMNOP|\n");
}

static void
given_long_texts_when_split_again_and_again_then_the_handler_is_ended(void **state)
{
    bk_run_endless(*state, "local s = ('ab'):rep(50000)\n"
                           "while true do kelpie.split(s, 'ac') kelpie.escape(s) end");
}

static void
given_no_memory_when_texts_are_handled_then_nothing_breaks(void **state)
{
    (void)state;

    bk_fail_each_allocation("return { on_input = function()\n"
                            "   local s = ('a,b'):rep(600)\n"
                            "   kelpie.split(s, ',') kelpie.escape(s) kelpie.hexdump(s)\n"
                            "end }");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(given_texts_when_trimmed_then_both_ends_are_without_space),
        T(given_texts_when_split_then_pieces_may_be_empty),
        T(given_bytes_when_escaped_then_they_are_printable),
        T(given_bytes_when_dumped_then_lines_have_offset_hex_and_text),
        T(given_long_texts_when_split_again_and_again_then_the_handler_is_ended),
        cmocka_unit_test(given_no_memory_when_texts_are_handled_then_nothing_breaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
