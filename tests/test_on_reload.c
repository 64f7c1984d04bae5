/*
 * test_on_reload.c - a host is told what has come of each change of the scripts, once
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder_kit.h"
#include "server_kit.h"

#define GOOD                                                                             \
 "local kelpie = require('kelpie')\n"                                                    \
 "return { on_message = function(conn, line)\n"                                          \
 "   if line == 'sleep' then kelpie.sleep(0.05) end\n"                                   \
 "   if line == 'reload' then kelpie.reload() end\n"                                     \
 "   conn:send(kelpie.generation)\n"                                                     \
 "end }"
#define BAD  "return { on_message = function() error('broken') end }"
#define UGLY "return {"

struct host {
    struct server_kit kit;
    int n_told, loads_inside;
    struct kelpie_change last;
    char text[512];
};

static void
on_reload(kelpie *k, const struct kelpie_change *change, void *arg)
{
    struct host *host = arg;

    host->n_told++;
    host->last = *change;
    snprintf(host->text, sizeof(host->text), "%s", change->text);
    if (change->result < 0)
        assert_non_null(strstr(host->text, kelpie_errmsg(k)));
    while (host->loads_inside-- > 0)
        assert_int_equal(kelpie_load_string(k, GOOD, strlen(GOOD), "=inside"), 0);
}

static void
start(struct host *host, const struct kelpie_options *options)
{
    static const struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                                    .on_reload = on_reload};

    memset(host, 0, sizeof(*host));
    sv_start(&host->kit, options, GOOD);
    assert_int_equal(kelpie_set_handlers(host->kit.k, &handlers, host), 0);
}

static int
load(struct host *host, const char *text)
{
    return kelpie_load_string(host->kit.k, text, strlen(text), "=script");
}

/* Runs steps until it was told n times in all, 10 s at most. */
static void
expect_told(struct host *host, int n, enum kelpie_change_kind kind, int result,
            unsigned generation, const char *text)
{
    for (int i = 0; i < 10000 && host->n_told < n; i++)
        assert_true(kelpie_step(host->kit.k, 1) >= 0);
    sv_step(&host->kit);
    assert_int_equal(host->n_told, n);
    assert_int_equal(host->last.kind, kind);
    assert_int_equal(host->last.result, result);
    assert_int_equal(host->last.generation, generation);
    if (strncmp(host->text, text, strlen(text)) != 0)
        fail_msg("told \"%s\", not \"%s\"", host->text, text);
}

/* ---- tests --------------------------------------------------------------------------- */

static void
given_requests_in_one_step_when_it_ends_then_one_reload_is_told(void **state)
{
    struct host host;

    (void)state;
    start(&host, NULL);
    assert_int_equal(host.n_told, 0); /* kelpie_load has returned its own result */
    kelpie_reload(host.kit.k);
    kelpie_reload(host.kit.k);
    assert_int_equal(host.n_told, 0);

    expect_told(&host, 1, KELPIE_RELOADED, 0, 2, "generation 2 serves: 1 file, ");
    sv_stop(&host.kit);
}

static void
given_a_script_that_asks_when_it_reloads_then_the_host_is_told(void **state)
{
    struct host host;

    (void)state;
    start(&host, NULL);
    int fd = sv_connect(&host.kit);
    sv_send(&host.kit, fd, "reload\n");

    expect_told(&host, 1, KELPIE_RELOADED, 0, 2, "generation 2 serves: ");
    close(fd);
    sv_stop(&host.kit);
}

static void
given_a_broken_script_when_it_is_reloaded_then_the_sentence_says_why(void **state)
{
    struct host host;
    char folder[FOLDER_SIZE];

    (void)state;
    start(&host, NULL);
    folder_make(folder);
    folder_write(folder, "init.lua", GOOD, strlen(GOOD));
    assert_int_equal(kelpie_load(host.kit.k, folder), 0);
    folder_write(folder, "init.lua", UGLY, strlen(UGLY));
    kelpie_reload(host.kit.k);

    expect_told(&host, 1, KELPIE_RELOADED, KELPIE_ESCRIPT, 2, "reload rejected: ");
    assert_non_null(strstr(host.text, "still serving generation 2"));
    folder_remove(folder);
    kelpie_reload(host.kit.k);
    expect_told(&host, 2, KELPIE_RELOADED, -ENOENT, 2, "reload rejected: ");
    sv_stop(&host.kit);
}

static void
given_a_load_inside_the_call_when_the_next_step_ends_then_it_is_told_as_well(void **state)
{
    struct host host;

    (void)state;
    start(&host, NULL);
    host.loads_inside = 2;
    kelpie_reload(host.kit.k);

    expect_told(&host, 2, KELPIE_RELOADED, 0, 3, "generation 3 serves: ");
    sv_stop(&host.kit);
}

static void
given_a_handler_that_is_suspended_when_reloading_twice_then_the_second_waits(void **state)
{
    struct host host;

    (void)state;
    start(&host, NULL);
    int fd = sv_connect(&host.kit);
    sv_send(&host.kit, fd, "sleep\n");
    while (sv_stats(&host.kit).messages_in < 1)
        sv_step(&host.kit);
    kelpie_reload(host.kit.k);
    expect_told(&host, 1, KELPIE_RELOADED, 0, 2, "generation 2 serves: ");

    kelpie_reload(host.kit.k);
    expect_told(&host, 2, KELPIE_RELOADED, 0, 3, "generation 3 serves: ");

    assert_true(sv_expect(&host.kit, fd, "1\n")); /* it has ended in its generation */
    close(fd);
    sv_stop(&host.kit);
}

static void
given_two_versions_when_rolled_back_then_that_is_told_and_what_has_none_as_well(
    void **state)
{
    struct host host;

    (void)state;
    start(&host, NULL);
    kelpie_rollback(host.kit.k);
    expect_told(&host, 1, KELPIE_ROLLED_BACK, -ENOENT, 1,
                "there is no generation to roll back to");
    assert_int_equal(load(&host, GOOD), 0);

    kelpie_rollback(host.kit.k);
    expect_told(&host, 2, KELPIE_ROLLED_BACK, 0, 1, "generation 2 rolled back to 1: ");
    sv_stop(&host.kit);
}

static void
given_a_version_that_fails_when_kelpie_goes_back_by_itself_then_it_is_told(void **state)
{
    struct host host;

    (void)state;
    start(&host, NULL);
    int fd = sv_connect(&host.kit);
    sv_expect_clients(&host.kit, 1);
    assert_int_equal(load(&host, BAD), 0);
    sv_send(&host.kit, fd, "1\n2\n3\n4\n5\n6\n");

    expect_told(&host, 1, KELPIE_ROLLED_BACK, 0, 1,
                "generation 2 rolled back to 1: 6 of 6 handler calls raised");
    close(fd);
    sv_stop(&host.kit);
}

static void
given_a_drain_when_a_reload_is_asked_for_then_it_is_refused(void **state)
{
    struct host host;

    (void)state;
    start(&host, NULL);
    int fd = sv_connect(&host.kit); /* it does not end: the drain goes on */
    sv_expect_clients(&host.kit, 1);
    kelpie_drain(host.kit.k);
    kelpie_reload(host.kit.k);

    expect_told(&host, 1, KELPIE_RELOADED, KELPIE_ECLOSED, 1,
                "the server is about to end");
    close(fd);
    sv_stop(&host.kit);
}

static void
send_commands(kelpie *k, kelpie_conn *conn, int error, void *arg)
{
    static const char commands[] = "reload --dry-run\nreload --drop";

    (void)k;
    (void)arg;
    assert_int_equal(error, 0);
    assert_int_equal(kelpie_conn_send(conn, commands, sizeof(commands) - 1), 0);
}

static void
given_the_control_socket_when_it_reloads_and_drops_then_the_host_is_told(void **state)
{
    struct host host;
    struct kelpie_connect_options wish = {.size = sizeof(wish),
                                          .on_result = send_commands};
    char folder[FOLDER_SIZE], address[FOLDER_SIZE + 16];

    (void)state;
    start(&host, NULL);
    folder_make(folder);
    snprintf(address, sizeof(address), "unix:%s/control", folder);
    assert_int_equal(kelpie_control(host.kit.k, address + 5), 0);
    assert_int_equal(kelpie_connect(host.kit.k, NULL, address, &wish, NULL), 0);

    /* of the dry run the host hears nothing */
    expect_told(&host, 1, KELPIE_RELOADED, 0, 2, "generation 2 serves: ");
    sv_stop(&host.kit);
    folder_remove(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_requests_in_one_step_when_it_ends_then_one_reload_is_told),
        cmocka_unit_test(given_a_script_that_asks_when_it_reloads_then_the_host_is_told),
        cmocka_unit_test(
            given_a_broken_script_when_it_is_reloaded_then_the_sentence_says_why),
        cmocka_unit_test(
            given_a_load_inside_the_call_when_the_next_step_ends_then_it_is_told_as_well),
        cmocka_unit_test(
            given_a_handler_that_is_suspended_when_reloading_twice_then_the_second_waits),
        cmocka_unit_test(
            given_two_versions_when_rolled_back_then_that_is_told_and_what_has_none_as_well),
        cmocka_unit_test(
            given_a_version_that_fails_when_kelpie_goes_back_by_itself_then_it_is_told),
        cmocka_unit_test(given_a_drain_when_a_reload_is_asked_for_then_it_is_refused),
        cmocka_unit_test(
            given_the_control_socket_when_it_reloads_and_drops_then_the_host_is_told),
    };

    return cmocka_run_group_tests_name("on_reload", tests, NULL, NULL);
}
