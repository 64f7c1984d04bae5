/*
 * test_reload.c - all or nothing, nobody is dropped, nothing is lost, and the truth is told
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "reload_kit.h"

/* A chat whose state is of all kinds that cross; version is what it answers with. */
static const char *
chat(const char *version)
{
    static char text[2048];

    snprintf(text, sizeof text,
             "local kelpie = require('kelpie')\n"
             "local names = require('names')\n"
             "local lobby = kelpie.room('lobby')\n"
             "local seen = kelpie.keep('seen', { total = 0, conns = {} })\n"
             "local handlers = {}\n"
             "function handlers.on_connect(conn)\n"
             "   seen.total = seen.total + 1\n"
             "   seen.conns[conn] = { id = conn.id, room = lobby }\n"
             "   conn.data.name = names[1] .. conn.number\n"
             "   conn.data.me = conn\n"
             "   lobby:join(conn)\n"
             "end\n"
             "function handlers.on_message(conn, line)\n"
             "   assert(conn.data.me == conn and seen.conns[conn].room == lobby)\n"
             "   conn:send('%s ', conn.data.name, ' ', seen.total, ' ', line)\n"
             "end\n"
             "return handlers",
             version);
    return text;
}

static void
start_chat(struct reload_kit *kit)
{
    rk_write(kit, "names.lua", "return { 'guest' }");
    rk_must_load(kit, chat("v1"));
    sk_connect(&kit->sk, 0);
    sk_connect(&kit->sk, 1);
    sk_step(&kit->sk);
}

static void
assert_serves(struct reload_kit *kit, const char *version)
{
    char expected[128];

    for (int i = 0; i < 2; i++) {
        sk_say(&kit->sk, i, "hi\n");
        snprintf(expected, sizeof expected, "%s guest%d 2 hi\n", version, i);
        sk_hears(&kit->sk, i, expected);
    }
}

static void
given_a_script_when_loaded_then_generation_1_serves(void **state)
{
    struct reload_kit *kit = *state;

    rk_must_load(kit, "return {}");

    assert_int_equal(kit->sk.script.live->number, 1);
    assert_int_equal(kit->sk.script.live->phase, KP_SERVING);
    assert_int_equal(kit->sk.script.reloads, 1);
    rk_assert_has(kit->sk.log, "info: generation 1 serves: 1 file, 0 connections, "
                               "0 kept roots, ");
    assert_string_equal(kit->sk.script.error, "");
}

static void
given_clients_when_the_script_changes_then_they_keep_place_and_data(void **state)
{
    struct reload_kit *kit = *state;
    start_chat(kit);
    assert_serves(kit, "v1");

    rk_must_load(kit, chat("v2"));

    assert_serves(kit, "v2");
    rk_assert_has(kit->sk.log, "info: generation 2 serves: 2 files, 2 connections, "
                               "1 kept root, ");
    rk_must_load(kit, chat("v3"));
    assert_serves(kit, "v3");
}

static void
given_half_a_message_when_reloaded_then_the_new_generation_gets_all_of_it(void **state)
{
    struct reload_kit *kit = *state;
    start_chat(kit);
    sk_say(&kit->sk, 0, "hal");
    sk_step(&kit->sk);

    rk_must_load(kit, chat("v2"));
    sk_say(&kit->sk, 0, "f\n");

    sk_hears(&kit->sk, 0, "v2 guest0 2 half\n");
}

/* Each kind of script that must not come into service. */
static const struct {
    const char *text;
    const char *words; /* in the sentence */
} rejected[] = {
    {"local x = = 1", "/init.lua:1: unexpected symbol near '='"},
    {"return { on_message = fun",
     "/init.lua:1: '}' expected near <eof>"}, /* half written */
    {"", "must return its table of handlers, not nil"},
    {"return 42", "must return its table of handlers, not number"},
    {"\nerror('broken')", "/init.lua:2: broken"},
    {"error({ code = 1 })", "reload rejected: "},
    {"error()", "reload rejected: "},
    {"while true do end", "/init.lua:1: "},
    {"local ok = pcall(function() while true do end end) return {}", "/init.lua:1: "},
    {"local s = 'x' while true do s = s .. s end", "not enough memory"},
    {"require('missing')", "module 'missing' not found"},
    {"require('circle')", "circular require"},
    {"require('/etc/passwd')", "is no module name"},
    {"return { on_mesage = function() end }", "on_message"},
    {"return { on_message = 42 }", "on_message"},
    {"return { framing = 'lines' }", "framing"},
    {"\x1bLua", "compiled Lua code"},
    {"require('kelpie').broadcast('x') return {}", "not allowed while loading"},
    {"require('kelpie').after(1, print) return {}", "not allowed while loading"},
    {"return { self_test = function() error('not fit') end }", "self_test: "},
    {"return { self_test = function() while true do end end }", "self_test: "},
    {"return { on_load = function() error('no start') end }", "no start"},
    {"return { schema = 1, migrate = function() error('no way') end }", "migrate: "},
    {"return { schema = 1, migrate_conn = function() error('no way') end }",
     "migrate_conn of conn 1: "},
    {"return { schema = 1, migrate = function(_, k) k.seen = 1 end }",
     "keep['seen'] must be a table"},
    {"return { schema = 1, migrate = function(_, k) k[1] = {} end }",
     "names of kept tables are strings, not number"},
};

static void
given_a_bad_script_when_reloaded_then_the_old_one_serves_and_the_reason_is_told(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "circle.lua", "require('circle')");
    start_chat(kit);
    kit->sk.script.limits.load_timeout_ns = 200 * KP_NS_PER_MS;
    kit->sk.script.limits.lua_memory = 8u << 20;

    for (size_t i = 0; i < sizeof rejected / sizeof rejected[0]; i++) {
        kit->sk.log[0] = '\0';
        rk_must_reject(kit, rejected[i].text, "reload rejected: ", rejected[i].words,
                       "; still serving generation 1, 2 connections unaffected", NULL);
        rk_assert_has(kit->sk.log, "error: reload rejected: ");
        rk_assert_has(kit->sk.log,
                      "still serving generation 1, 2 connections unaffected\n");
        assert_serves(kit, "v1");
    }

    assert_int_equal(kit->sk.script.reloads, 1);
    rk_must_load(kit, chat("v2"));
    assert_serves(kit, "v2");
    assert_int_equal(kit->sk.script.live->number,
                     2 + sizeof rejected / sizeof rejected[0]);
}

static void
given_state_that_cannot_cross_when_reloaded_then_it_is_rejected(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "local kelpie = require('kelpie')\n"
                      "local jobs = kelpie.keep('jobs', {})\n"
                      "return { on_message = function(conn, line)\n"
                      "   if line == 'job' then jobs.on_done = print end\n"
                      "   if line == 'data' then conn.data.on_reply = print end\n"
                      "   if line == 'clean' then\n"
                      "      jobs.on_done, conn.data.on_reply = nil, nil\n"
                      "   end\n"
                      "   conn:send('ok')\n"
                      "end }");
    sk_connect(&kit->sk, 0);
    sk_step(&kit->sk);

    sk_say(&kit->sk, 0, "data\n");
    sk_hears(&kit->sk, 0, "ok\n");
    rk_must_reject(kit, "return {}",
                   "reload rejected: conn 1: data.on_reply is a function;",
                   "1 connection unaffected", NULL);
    sk_say(&kit->sk, 0, "job\n");
    sk_hears(&kit->sk, 0, "ok\n");
    rk_must_reject(kit,
                   "local j = require('kelpie').keep('jobs', {})\n"
                   "j.on_done() return {}",
                   "attempt to call a nil value", "\nkeep 'jobs'.on_done is a function",
                   NULL);

    sk_say(&kit->sk, 0, "clean\n");
    sk_hears(&kit->sk, 0, "ok\n");
    rk_must_load(kit, "return {}");
}

static void
given_a_long_reason_when_rejected_then_the_log_has_the_whole_sentence(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");

    rk_must_reject(kit, "error(('long '):rep(1000))", "init.lua:1: long long ", NULL);

    rk_assert_has(kit->sk.log,
                  "...; still serving generation 1, 0 connections unaffected\n");
}

static void
given_no_generation_when_the_first_load_fails_then_the_reason_alone(void **state)
{
    struct reload_kit *kit = *state;

    assert_int_equal(kp_reload(&kit->sk.script), -ENOENT);
    rk_assert_has(kit->sk.script.error, "cannot read ");
    rk_assert_has(kit->sk.script.error, "/init.lua: No such file or directory");
    assert_int_equal(rk_load(kit, "local = 1"), KELPIE_ESCRIPT);

    rk_assert_has_not(kit->sk.script.error, "reload rejected");
    rk_assert_has(kit->sk.log, "error: ");
    assert_null(kit->sk.script.live);
    assert_int_equal(kit->sk.script.reloads_rejected, 2);
}

/* --- files that change while they are read --------------------------------------------- */

/* An editor that writes init.lua again whenever somebody has opened names.lua. */
static void
edit_once(struct reload_kit *kit, const char *path)
{
    if (strstr(path, "names.lua")) {
        kit->before_open = NULL;
        rk_write(kit, "init.lua", chat("v3"));
    }
}

static void
edit_always(struct reload_kit *kit, const char *path)
{
    if (strstr(path, "names.lua")) {
        char version[16];

        snprintf(version, sizeof version, "v%u", 1000 + kit->n_opened);
        rk_write(kit, "init.lua", chat(version));
    }
}

static void
given_a_file_that_changes_while_it_is_read_when_reloaded_then_the_last_content_serves(
    void **state)
{
    struct reload_kit *kit = *state;
    start_chat(kit);

    kit->before_open = edit_once;
    rk_must_load(kit, chat("v2"));

    assert_serves(kit, "v3");
    assert_int_equal(kit->sk.script.live->number, 2);
}

static void
given_a_half_written_file_when_it_is_finished_in_time_then_it_serves(void **state)
{
    struct reload_kit *kit = *state;
    start_chat(kit);

    kit->before_open = edit_once;
    rk_must_load(kit, "require('names') return { on_mess");

    assert_serves(kit, "v3");
}

static void
given_a_file_that_never_rests_when_reloaded_then_it_is_rejected(void **state)
{
    struct reload_kit *kit = *state;
    start_chat(kit);

    kit->before_open = edit_always;
    rk_must_reject(kit, chat("v2"), "kept changing while it was read", NULL);
    kit->before_open = NULL;

    assert_serves(kit, "v1");
    rk_must_load(kit, chat("v2"));
    assert_serves(kit, "v2");
}

/* --- when it may not even begin --------------------------------------------------------- */

static void
given_a_running_handler_when_reloaded_then_it_is_refused(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");

    kit->sk.script.in_call = true;
    assert_int_equal(kp_reload(&kit->sk.script), KELPIE_EMISUSE);
    assert_int_equal(kp_reload_check(&kit->sk.script), KELPIE_EMISUSE);
    kit->sk.script.in_call = false;

    rk_assert_has(kit->sk.script.error, "inside a handler");
    assert_int_equal(kit->sk.script.reloads_rejected, 0);
}

static void
given_many_reloads_when_done_then_memory_and_descriptors_are_flat(void **state)
{
    struct reload_kit *kit = *state;
    start_chat(kit);
    rk_must_load(kit, chat("v2"));
    size_t used = kit->sk.env.mem.used, fds = fault_count_fds();

    for (int i = 0; i < 100; i++) {
        rk_must_load(kit, chat("v2"));
        assert_true(rk_load(kit, "local = 1") < 0);
        kit->sk.log[0] = '\0';
    }
    rk_must_load(kit, chat("v2"));

    assert_in_range(kit->sk.env.mem.used, used - 4096, used + 4096);
    assert_int_equal(fault_count_fds(), fds);
    assert_serves(kit, "v2");
}

/* --- check ------------------------------------------------------------------------------ */

static void
given_a_good_script_when_checked_then_nothing_serves(void **state)
{
    struct reload_kit *kit = *state;
    rk_write(kit, "init.lua",
             "local k = require('kelpie').keep('x', {})\n"
             "return { on_load = function() error('never called', k.level) end,\n"
             "   self_test = function() print('tested') end }");

    assert_int_equal(kp_reload_check(&kit->sk.script), 0);

    assert_null(kit->sk.script.live);
    assert_string_equal(kit->sk.printed, "tested\n");
    assert_string_equal(kit->sk.script.error, "");
    assert_int_equal(kit->sk.script.reloads, 0);
}

static void
given_bad_files_when_checked_then_all_errors_one_a_line(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");
    rk_write(kit, "init.lua", "require('bad')\nlocal = 1");
    rk_write(kit, "bad.lua", "local = 2");

    assert_int_equal(kp_reload_check(&kit->sk.script), KELPIE_ESCRIPT);

    rk_assert_has(kit->sk.script.error, "/init.lua:2: ");
    rk_assert_has(kit->sk.script.error, "\n");
    rk_assert_has(kit->sk.script.error, "/bad.lua:1: ");
    rk_assert_has_not(kit->sk.script.error, "reload rejected");
    assert_int_equal(kit->sk.script.reloads_rejected, 0);
    assert_int_equal(kit->sk.script.live->number, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_script_when_loaded_then_generation_1_serves),
        TEST(given_clients_when_the_script_changes_then_they_keep_place_and_data),
        TEST(given_half_a_message_when_reloaded_then_the_new_generation_gets_all_of_it),
        TEST(
            given_a_bad_script_when_reloaded_then_the_old_one_serves_and_the_reason_is_told),
        TEST(given_state_that_cannot_cross_when_reloaded_then_it_is_rejected),
        TEST(given_a_long_reason_when_rejected_then_the_log_has_the_whole_sentence),
        TEST(given_no_generation_when_the_first_load_fails_then_the_reason_alone),
        TEST(
            given_a_file_that_changes_while_it_is_read_when_reloaded_then_the_last_content_serves),
        TEST(given_a_half_written_file_when_it_is_finished_in_time_then_it_serves),
        TEST(given_a_file_that_never_rests_when_reloaded_then_it_is_rejected),
        TEST(given_a_running_handler_when_reloaded_then_it_is_refused),
        TEST(given_many_reloads_when_done_then_memory_and_descriptors_are_flat),
        TEST(given_a_good_script_when_checked_then_nothing_serves),
        TEST(given_bad_files_when_checked_then_all_errors_one_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
