/*
 * test_report.c - what the operator reads when a script fails
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "script/report.h"
#include "script_kit.h"

/* Returns how often the words are in the log. */
static int
count_logged(const struct script_kit *kit, const char *words)
{
    int n = 0;

    for (const char *p = kit->log; (p = strstr(p, words)); p += strlen(words))
        n++;
    return n;
}

/* --- records --------------------------------------------------------------------------- */

static void
given_a_handler_when_it_raises_then_all_is_told_line_by_line(void **state)
{
    struct script_kit *kit = *state;
    static const char text[] = "local function check(m)\n"
                               "   error('bad ' .. m)\n"
                               "end\n"
                               "return { on_message = function(conn, m)\n"
                               "   check(m)\n"
                               "end }\n";

    kit->script.text = kp_mem_dup(&kit->env.mem, text, strlen(text));
    kit->script.text_len = strlen(text);
    sk_load(kit, text);
    sk_connect(kit, 0);
    sk_say(kit, 0, "word\27\n");

    assert_string_equal(kit->log,
                        "error: on_message: test.lua:2: bad word\\x17 (client #0 unix)\n"
                        "error:     error('bad ' .. m)\n"
                        "error: stack traceback:\n"
                        "error:     [C]: in function 'error'\n"
                        "error:     test.lua:2: in upvalue 'check'\n"
                        "error:     test.lua:5: in function <test.lua:4>\n");
    assert_true(kp_conn_is_open(kit->conns[0]));
    assert_int_equal(kit->script.handler_errors, 1);
    assert_int_equal(kit->script.live->errors, 1);
    assert_int_equal(kit->script.live->calls, 1);
    assert_non_null(strstr(kit->script.error, "on_message: test.lua:2: bad word"));
}

static void
given_odd_error_values_when_raised_then_each_is_told_as_text(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"error('plain', 0)", "error: run: plain\n"},
        {"error(42, 0)", "error: run: 42\n"},
        {"error(4.5)", "error: run: 4.5\n"},
        {"error()", "error: run: (error object is a nil value)\n"},
        {"error(true)", "error: run: (error object is a boolean value)\n"},
        {"error({})", "error: run: (error object is a table value)\n"},
        {"error(print)", "error: run: (error object is a function value)\n"},
        {"error(setmetatable({}, { __tostring = function() return 'own' end }))",
         "error: run: own\n"},
        {"error(setmetatable({}, { __tostring = function(t) error(t) end }))",
         "error: run: (error object is a table value)\n"},
        {"error(setmetatable({}, { __tostring = function() return 7 end }))",
         "error: run: (error object is a table value)\n"},
        {"error('zero\\0byte\\n', 0)", "error: run: zero?byte\\x0a\n"},
        {"error(('x'):rep(5000), 0)", "error: run: xxxxxxxxxx"},
        {"local t = nil; t.x = 1", "run.lua:1: attempt to index a nil value (local 't')"},
    };
    struct script_kit *kit = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kit->log[0] = '\0';
        sk_run(kit, cases[i].text);
        sk_logged(kit, cases[i].words);
    }
    sk_run(kit, "print('alive')");
    sk_printed(kit, "alive\n");
}

static void
given_an_endless_tostring_when_told_then_it_is_ended(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "error(setmetatable({}, { __tostring = function()\n"
                "   while true do test.advance(1) end end }))");

    sk_logged(kit, "error: run: ");
    sk_run(kit, "print('alive')");
    sk_printed(kit, "alive\n");
}

static void
given_the_same_error_when_it_repeats_then_ten_are_told_and_then_one_a_second(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c, m) error('text of ' .. m) end }");
    sk_connect(kit, 0);
    for (int i = 0; i < 30; i++) {
        char line[16];

        snprintf(line, sizeof line, "%d\n", i);
        sk_say(kit, 0, line);
    }

    assert_int_equal(count_logged(kit, "text of"), 10);
    sk_pass(kit, 1100);
    sk_say(kit, 0, "later\n");
    sk_say(kit, 0, "much later\n");
    assert_int_equal(count_logged(kit, "text of"), 11);
    sk_logged(kit, "text of later (client #0 unix) (repeated 20 times)\n");
    assert_int_equal(kit->script.handler_errors, 32);
}

static void
given_an_error_of_another_line_when_one_is_limited_then_it_is_told(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c, m)\n"
                 "   if m == 'a' then error('first') end\n"
                 "   error('second') end }");
    sk_connect(kit, 0);
    for (int i = 0; i < 20; i++)
        sk_say(kit, 0, "a\n");
    sk_say(kit, 0, "b\n");

    assert_int_equal(count_logged(kit, "test.lua:2: first"), 10);
    assert_int_equal(count_logged(kit, "test.lua:3: second"), 1);
}

/* --- on_error -------------------------------------------------------------------------- */

static void
given_on_error_when_a_handler_raises_then_it_is_called(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return {\n"
                 "   on_message = function(c, m) error(m) end,\n"
                 "   on_input = function(m) error(m, 0) end,\n"
                 "   on_error = function(c, message, traceback)\n"
                 "      print(c and c.number, message, #traceback > 20)\n"
                 "      if c then c:send('sorry') end\n"
                 "   end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "oops\n");
    assert_int_equal(kp_script_on_input(&kit->script, "in", 2), KELPIE_ESCRIPT);

    sk_printed(kit, "0\ttest.lua:2: oops\ttrue\nnil\tin\ttrue\n");
    sk_hears(kit, 0, "sorry\n");
    assert_int_equal(count_logged(kit, "error: on_message: test.lua:2: oops"), 1);
}

/* In a step that is late it comes with the next one, also when there is no connection. */
static void
given_a_late_step_when_a_task_raises_then_on_error_comes_later(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_error = function(c, m) print(c, m) end }");
    kit->net.is_late = true;
    sk_run(kit, "error('oops', 0)");
    kit->net.is_late = false;
    sk_settle(kit);

    sk_printed(kit, "nil\toops\n");
}

static void
given_on_error_when_it_raises_itself_then_it_is_not_called_again(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c, m) error(m, 0) end,\n"
                 "   on_error = function(c, m) print(m) error('worse', 0) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "oops\n");

    sk_printed(kit, "oops\n");
    assert_int_equal(count_logged(kit, "error: on_error: worse"), 1);
    assert_int_equal(kit->script.handler_errors, 2);
}

static void
given_on_error_when_it_sleeps_then_it_goes_on_later(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_message = function(c, m) if m == 'x' then\n"
                 "   error(m, 0) end print(m) end,\n"
                 "   on_error = function(c, m) kelpie.sleep(1) print('late', m) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "x\nnext\n");
    sk_printed(kit, ""); /* it holds the connection like any handler of it */
    sk_pass(kit, 1000);

    sk_printed(kit, "late\tx\nnext\n");
}

/* --- source lines ---------------------------------------------------------------------- */

static void
given_a_text_when_a_position_is_asked_for_then_its_line_is_found(void **state)
{
    struct script_kit *kit = *state;
    static const char text[] = "first\n\t  second  \r\n\nfourth";
    char line[64], tiny[4];

    kit->script.text = kp_mem_dup(&kit->env.mem, text, strlen(text));
    kit->script.text_len = strlen(text);

    assert_true(kp_report_source_line(&kit->script, "x:1: e", line, sizeof line));
    assert_string_equal(line, "first");
    assert_true(kp_report_source_line(&kit->script, "x:2: e", line, sizeof line));
    assert_string_equal(line, "second");
    assert_false(kp_report_source_line(&kit->script, "x:3: e", line, sizeof line));
    assert_true(kp_report_source_line(&kit->script, "a:b:4: e", line, sizeof line));
    assert_string_equal(line, "fourth");
    assert_false(kp_report_source_line(&kit->script, "x:5: e", line, sizeof line));
    assert_false(kp_report_source_line(&kit->script, "x:0: e", line, sizeof line));
    assert_false(kp_report_source_line(&kit->script, "no position", line, sizeof line));
    assert_false(kp_report_source_line(&kit->script, ":1: e", line, sizeof line));
    assert_true(kp_report_source_line(&kit->script, "x:1: e", tiny, sizeof tiny));
    assert_string_equal(tiny, "fir");
}

static void
given_files_when_a_position_is_asked_for_then_only_those_of_the_script_are_read(
    void **state)
{
    struct script_kit *kit = *state;
    char folder[] = "/tmp/kelpie-report-XXXXXX";
    char path[64], message[128], line[64];

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/init.lua", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 1; i <= 500; i++)
        fprintf(file, "   line %d\n", i);
    fclose(file);
    snprintf(message, sizeof message, "%s:432: e", path);
    assert_false(kp_report_source_line(&kit->script, message, line, sizeof line));

    kit->script.path = kp_mem_dup(&kit->env.mem, path, strlen(path));
    assert_true(kp_report_source_line(&kit->script, message, line, sizeof line));
    assert_string_equal(line, "line 432");
    snprintf(message, sizeof message, "%s:501: e", path);
    assert_false(kp_report_source_line(&kit->script, message, line, sizeof line));
    snprintf(message, sizeof message, "%s/gone.lua:1: e", folder);
    assert_false(kp_report_source_line(&kit->script, message, line, sizeof line));
    snprintf(message, sizeof message, "%s/../x.lua:1: e", folder);
    assert_false(kp_report_source_line(&kit->script, message, line, sizeof line));
    assert_false(
        kp_report_source_line(&kit->script, "/etc/passwd:1: e", line, sizeof line));
    assert_false(
        kp_report_source_line(&kit->script, "/etc/x.lua:1: e", line, sizeof line));
    fault_sys_fail(&kit->sys, FAULT_READ, 1, EIO);
    snprintf(message, sizeof message, "%s:1: e", path);
    assert_false(kp_report_source_line(&kit->script, message, line, sizeof line));

    unlink(path);
    rmdir(folder);
}

static void
given_a_folder_as_path_when_a_position_is_asked_for_then_its_files_are_read(void **state)
{
    struct script_kit *kit = *state;
    char folder[] = "/tmp/kelpie-report-XXXXXX";
    char path[64], message[128], line[64];

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/chat.lua", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "only line\n");
    fclose(file);
    kit->script.path = kp_mem_dup(&kit->env.mem, folder, strlen(folder));

    snprintf(message, sizeof message, "%s:1: e", path);
    assert_true(kp_report_source_line(&kit->script, message, line, sizeof line));
    assert_string_equal(line, "only line");
    kp_mem_free(&kit->env.mem, kit->script.path, strlen(folder) + 1);
    snprintf(message, sizeof message, "%s//", folder);
    kit->script.path = kp_mem_dup(&kit->env.mem, message, strlen(message));
    snprintf(message, sizeof message, "%s:1: e", path);
    assert_true(kp_report_source_line(&kit->script, message, line, sizeof line));
    snprintf(message, sizeof message, "%s-beside.lua:1: e", folder);
    assert_false(kp_report_source_line(&kit->script, message, line, sizeof line));

    unlink(path);
    rmdir(folder);
}

static void
given_a_path_that_climbs_when_a_position_is_asked_for_then_its_files_are_read(
    void **state)
{
    struct script_kit *kit = *state;
    char folder[] = "/tmp/kelpie-report-XXXXXX";
    char script[96], message[192], line[64];

    assert_non_null(mkdtemp(folder));
    snprintf(script, sizeof script, "%s/../%s/chat.lua", folder,
             folder + strlen("/tmp/"));
    FILE *file = fopen(script, "w");
    assert_non_null(file);
    fprintf(file, "only line\n");
    fclose(file);
    kit->script.path = kp_mem_dup(&kit->env.mem, script, strlen(script));

    snprintf(message, sizeof message, "%s:1: e", script);
    assert_true(kp_report_source_line(&kit->script, message, line, sizeof line));
    assert_string_equal(line, "only line");
    snprintf(message, sizeof message, "%s/../%s/../%s/chat.lua:1: e", folder,
             folder + strlen("/tmp/"), folder + strlen("/tmp/"));
    assert_false(kp_report_source_line(&kit->script, message, line, sizeof line));

    unlink(script);
    rmdir(folder);
}

/* --- no memory ------------------------------------------------------------------------- */

static void
given_a_state_at_its_cap_when_a_handler_fails_then_that_is_told(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.lua_memory = 1 << 20;
    sk_load(kit, "local all = {} return { on_message = function(c, m)\n"
                 "   if m == 'grow' then while true do all[#all + 1] = {} end end\n"
                 "   error('small: ' .. m) end,\n"
                 "   on_error = function(c, m) print(m) end }");
    sk_connect(kit, 0);
    sk_say(kit, 0, "grow\n");
    sk_logged(kit, "on_message: not enough memory (client #0 unix)\n");
    sk_say(kit, 0, "still\n");

    assert_true(kp_conn_is_open(kit->conns[0]));
    assert_int_equal(kit->script.handler_errors >= 2, 1);
    assert_true(kit->script.live->lua_bytes <= (1 << 20) + (256 << 10));
}

static void
given_no_memory_at_all_when_a_handler_fails_then_its_text_is_told(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "");
    for (int n = 1; n < 30; n++) {
        kit->log[0] = '\0';
        sk_run(kit, "local e = 'the reason' kelpie.sleep(1) error(e, 0)");
        fault_mem_fail_from(&kit->mem, (size_t)n);
        sk_pass(kit, 2000);
        fault_env_heal(&kit->mem, &kit->sys);
        sk_logged(kit, "error: run: ");
    }

    sk_run(kit, "print('alive')");
    sk_printed(kit, "alive\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_handler_when_it_raises_then_all_is_told_line_by_line),
        TEST(given_odd_error_values_when_raised_then_each_is_told_as_text),
        TEST(given_an_endless_tostring_when_told_then_it_is_ended),
        TEST(
            given_the_same_error_when_it_repeats_then_ten_are_told_and_then_one_a_second),
        TEST(given_an_error_of_another_line_when_one_is_limited_then_it_is_told),
        TEST(given_on_error_when_a_handler_raises_then_it_is_called),
        TEST(given_a_late_step_when_a_task_raises_then_on_error_comes_later),
        TEST(given_on_error_when_it_raises_itself_then_it_is_not_called_again),
        TEST(given_on_error_when_it_sleeps_then_it_goes_on_later),
        TEST(given_a_text_when_a_position_is_asked_for_then_its_line_is_found),
        TEST(
            given_files_when_a_position_is_asked_for_then_only_those_of_the_script_are_read),
        TEST(given_a_folder_as_path_when_a_position_is_asked_for_then_its_files_are_read),
        TEST(
            given_a_path_that_climbs_when_a_position_is_asked_for_then_its_files_are_read),
        TEST(given_a_state_at_its_cap_when_a_handler_fails_then_that_is_told),
        TEST(given_no_memory_at_all_when_a_handler_fails_then_its_text_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
