/*
 * test_control_reload.c - reloads and roll-backs asked for by the control socket, and the true
 * results
 */
#include "control_kit.h"

/* ---- reload --------------------------------------------------------------------------- */

static void
given_a_new_script_when_a_reload_is_asked_then_the_answer_comes_when_it_serves(
    void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);
    sv_send(&kit->server, client, "x\n");
    sv_expect(&kit->server, client, "one x\n");
    write_script(kit, second_script);

    const char *text = ask(kit, fd, "reload\n");

    assert_has(text, "ok loaded: generation 2 serves\n");
    assert_int_equal(sv_stats(&kit->server).generation, 2);
    sv_send(&kit->server, client, "x\n");
    sv_expect(&kit->server, client, "two x\n");
    close(client);
    close(fd);
}

static void
given_a_broken_script_when_a_reload_is_asked_then_the_whole_truth_is_told(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit);
    write_script(kit, "local x = = 1\nreturn {}\n");

    const char *text = ask(kit, fd, "reload\n");

    assert_has(text, " reload rejected: ");
    assert_has(text, "init.lua:1: unexpected symbol near '='");
    assert_has(text, "still serving generation 1");
    assert_has(text, "\nerror rejected: generation 1 serves on\n");
    write_script(kit, second_script);
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: ");
    close(fd);
}

static void
given_an_error_with_many_lines_when_told_then_none_of_them_looks_like_the_end(
    void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit);
    write_script(kit, "error('one\\nok loaded: no\\nerror \\27[31m', 0)\n");

    const char *text = ask(kit, fd, "reload\n");

    assert_has(text, "\n ok loaded: no\n error \\x1b[31m\n");
    assert_has(text, "\nerror rejected: ");
    close(fd);
}

static void
given_values_that_cannot_cross_when_a_reload_drops_them_then_it_is_loaded(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);
    write_script(kit, "return { on_connect = function(conn)\n"
                      "   conn.data.f = print conn:send('hello') end }\n");
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 2");
    sv_expect_clients(&kit->server, 1);
    int second = sv_connect(&kit->server);
    sv_expect(&kit->server, second, "hello\n");

    const char *text = ask(kit, fd, "reload\n");
    assert_has(text, "data.f is a function");
    assert_has(text, "error rejected: generation 2 serves on\n");

    assert_has(ask(kit, fd, "reload --drop\n"), "ok loaded: generation ");
    close(client);
    close(second);
    close(fd);
}

static void
given_several_who_ask_at_once_when_it_is_done_then_all_get_the_result_of_one(void **state)
{
    struct control_kit *kit = *state;
    int a = operator_of(kit), b = operator_of(kit), c = operator_of(kit);
    assert_string_equal(ask(kit, a, "ping\n"), "ok pong\n");
    assert_string_equal(ask(kit, b, "ping\n"), "ok pong\n");
    assert_string_equal(ask(kit, c, "ping\n"), "ok pong\n");
    write_script(kit, second_script);

    assert_int_equal(send(a, "reload\n", 7, 0), 7);
    assert_int_equal(send(b, "reload\n", 7, 0), 7);
    assert_int_equal(send(c, "reload\n", 7, 0), 7);
    kelpie_reload(kit->server.k);

    assert_has(answer(kit, a), "ok loaded: generation 2 serves\n");
    assert_has(answer(kit, b), "ok loaded: generation 2 serves\n");
    assert_has(answer(kit, c), "ok loaded: generation 2 serves\n");
    assert_int_equal(sv_stats(&kit->server).reloads, 2);
    close(a);
    close(b);
    close(c);
}

static void
given_a_generation_that_retires_when_a_reload_is_asked_then_the_answer_waits(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);
    write_script(kit, waiting_script);
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 2");
    sv_send(&kit->server, client, "wait\n");
    sv_expect(&kit->server, client, "waiting\n");
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 3");
    assert_has(ask(kit, fd, "status\n"), " state              retiring\n");

    sv_send(&kit->server, fd, "reload\nreload --drop\nping\n");
    for (int i = 0; i < 20; i++)
        sv_step(&kit->server);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), -1); /* no answer yet */
    sv_send(&kit->server, client, "go on\n");

    assert_has(answer(kit, fd), "ok loaded: generation 4");
    assert_has(answer(kit, fd), "ok loaded: generation 5");
    assert_string_equal(answer(kit, fd), "ok pong\n");
    sv_expect(&kit->server, client, "done\n");
    close(client);
    close(fd);
}

static void
given_a_drain_when_a_reload_waits_then_it_is_told_that_the_server_ends(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);
    write_script(kit, waiting_script);
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 2");
    sv_send(&kit->server, client, "wait\n");
    sv_expect(&kit->server, client, "waiting\n");
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 3");

    sv_send(&kit->server, fd, "reload\n");
    sv_step(&kit->server);
    kelpie_drain(kit->server.k);

    assert_string_equal(answer(kit, fd), "error ending: the server is about to end\n");
    assert_string_equal(ask(kit, fd, "reload --drop\n"),
                        "error ending: the server is about to end\n");
    assert_has(ask(kit, fd, "status\n"), " state              draining\n");
    close(client);
    close(fd);
}

/* ---- dry run, roll-back, probation ---------------------------------------------------- */

static void
given_a_dry_run_when_asked_then_it_is_told_and_nothing_changes(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit);
    write_script(kit, "return { on_drain = print }\n");

    const char *text = ask(kit, fd, "reload --dry-run\n");
    assert_has(text, " dry run: generation 2 would serve");
    assert_has(text, "\n handler added: on_drain\n");
    assert_has(text, "\nok would load: generation 1 serves on\n");

    write_script(kit, "return {\n");
    text = ask(kit, fd, "reload --dry-run\n");
    assert_has(text, " dry run: the reload would be rejected: ");
    assert_has(text, "\nerror rejected: generation 1 serves on\n");
    assert_has(ask(kit, fd, "reload --dry-run --drop\n"), "error usage: ");
    assert_int_equal(sv_stats(&kit->server).generation, 1);
    close(fd);
}

static void
given_a_generation_before_when_a_roll_back_is_asked_then_it_serves_again(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);

    assert_has(ask(kit, fd, "rollback\n"), "error rejected: generation 1 serves on\n");
    write_script(kit, second_script);
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 2 serves\n");
    assert_has(ask(kit, fd, "status\n"), " state              on probation\n");

    assert_has(ask(kit, fd, "rollback\n"), "ok rolled back: generation 1 serves\n");
    sv_send(&kit->server, client, "x\n");
    sv_expect(&kit->server, client, "one x\n");
    assert_has(ask(kit, fd, "status --json\n"), "\"rollbacks\":1,");
    close(client);
    close(fd);
}

static void
given_a_generation_that_fails_when_a_reload_waits_then_it_is_told_the_roll_back(
    void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);
    sv_send(&kit->server, client, "x\n");
    sv_expect(&kit->server, client, "one x\n");
    write_script(kit, "return { on_message = function() error('broken') end }\n");

    sv_send(&kit->server, fd, "reload --wait\nping\n");
    while (sv_stats(&kit->server).generation != 2)
        sv_step(&kit->server);
    for (int i = 0; i < 20; i++)
        sv_send(&kit->server, client, "x\n");

    const char *text = answer(kit, fd);
    assert_has(text, " generation 2 serves: ");
    assert_has(text, "broken");
    assert_has(text, "\nerror rolled back: generation 1 serves\n");
    assert_string_equal(answer(kit, fd), "ok pong\n");
    close(client);
    close(fd);
}

static void
given_a_generation_that_is_good_when_a_reload_waits_then_its_probation_is_awaited(
    void **state)
{
    struct control_kit *kit = *state;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.probation_ms = 20;
    sv_stop(&kit->server);
    sv_start(&kit->server, &options, NULL);
    assert_int_equal(kelpie_load(kit->server.k, kit->script), 0);
    assert_int_equal(kelpie_control(kit->server.k, kit->path), 0);
    int fd = operator_of(kit), other = operator_of(kit);

    assert_has(ask(kit, fd, "reload --wait\n"),
               "\nok loaded: generation 2 serves, its probation is over\n");

    sv_send(&kit->server, fd, "reload --wait\n");
    while (sv_stats(&kit->server).generation != 3)
        sv_step(&kit->server);
    assert_has(ask(kit, other, "reload\n"), "ok loaded: generation 4");
    assert_has(answer(kit, fd), "ok loaded: generation ");
    close(fd);
    close(other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(
            given_a_new_script_when_a_reload_is_asked_then_the_answer_comes_when_it_serves),
        TEST(given_a_broken_script_when_a_reload_is_asked_then_the_whole_truth_is_told),
        TEST(
            given_an_error_with_many_lines_when_told_then_none_of_them_looks_like_the_end),
        TEST(given_values_that_cannot_cross_when_a_reload_drops_them_then_it_is_loaded),
        TEST(
            given_several_who_ask_at_once_when_it_is_done_then_all_get_the_result_of_one),
        TEST(
            given_a_generation_that_retires_when_a_reload_is_asked_then_the_answer_waits),
        TEST(given_a_drain_when_a_reload_waits_then_it_is_told_that_the_server_ends),
        TEST(given_a_dry_run_when_asked_then_it_is_told_and_nothing_changes),
        TEST(given_a_generation_before_when_a_roll_back_is_asked_then_it_serves_again),
        TEST(
            given_a_generation_that_fails_when_a_reload_waits_then_it_is_told_the_roll_back),
        TEST(
            given_a_generation_that_is_good_when_a_reload_waits_then_its_probation_is_awaited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
