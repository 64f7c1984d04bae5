/*
 * test_kelpie_rollback.c - a whole server goes back to the version before
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server_kit.h"

#define GOOD                                                                             \
 "local kelpie = require('kelpie')\n"                                                    \
 "return { on_message = function(conn, line)\n"                                          \
 "   conn:send(kelpie.generation, ' ', line, ' ', kelpie.stats().rollbacks)\n"           \
 "end }"
#define BAD "return { on_message = function() error('broken') end }"

static void
load(struct server_kit *kit, const char *text)
{
    assert_int_equal(kelpie_load_string(kit->k, text, strlen(text), "=script"), 0);
}

static void
given_two_versions_when_rolled_back_then_the_first_serves_again(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, GOOD);
    int fd = sv_connect(&kit);
    load(&kit, GOOD);
    sv_send(&kit, fd, "a\n");
    sv_expect(&kit, fd, "2 a 0\n");

    kelpie_rollback(kit.k);
    sv_expect_log(&kit, "generation 2 rolled back to 1: somebody asked for it");

    sv_send(&kit, fd, "b\n");
    sv_expect(&kit, fd, "1 b 1\n");
    assert_int_equal(sv_stats(&kit).rollbacks, 1);
    assert_int_equal(sv_stats(&kit).generation, 1);
    close(fd);
    sv_stop(&kit);
}

static void
given_no_version_before_when_rolled_back_then_the_message_says_so(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, GOOD);

    kelpie_rollback(kit.k);
    sv_step(&kit);

    assert_string_equal(kelpie_errmsg(kit.k), "there is no generation to roll back to");
    assert_int_equal(sv_stats(&kit).rollbacks, 0);
    sv_stop(&kit);
}

static void
given_a_version_that_fails_when_clients_meet_it_then_kelpie_goes_back(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, GOOD);
    int fd = sv_connect(&kit);
    sv_expect_clients(&kit, 1);
    load(&kit, BAD);

    sv_send(&kit, fd, "1\n2\n3\n4\n5\n6\n");
    sv_expect_log(&kit,
                  "generation 2 rolled back to 1: 6 of 6 handler calls raised; first: "
                  "script:1: broken");

    sv_send(&kit, fd, "x\n");
    sv_expect(&kit, fd, "1 x 1\n");
    close(fd);
    sv_stop(&kit);
}

static void
given_no_probation_when_a_version_fails_then_it_stays_until_somebody_asks(void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.probation_ms = -1;
    sv_start(&kit, &options, GOOD);
    int fd = sv_connect(&kit);
    sv_expect_clients(&kit, 1);
    load(&kit, BAD);

    sv_send(&kit, fd, "1\n2\n3\n4\n5\n6\n7\n");
    while (sv_stats(&kit).handler_errors < 7)
        sv_step(&kit);
    sv_step(&kit);
    assert_int_equal(sv_stats(&kit).generation, 2);
    kelpie_rollback(kit.k);
    sv_step(&kit);

    assert_int_equal(sv_stats(&kit).generation, 1);
    close(fd);
    sv_stop(&kit);
}

static void
given_a_drain_when_a_version_fails_then_it_ends_with_that_version(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, GOOD);
    int fds[7];
    for (int i = 0; i < 7; i++)
        fds[i] = sv_connect(&kit);
    sv_expect_clients(&kit, 7);
    load(&kit, "return { on_disconnect = function() error('broken') end }");

    kelpie_drain(kit.k);
    assert_int_equal(kelpie_run(kit.k), 0);

    assert_int_equal(sv_stats(&kit).handler_errors, 7);
    assert_int_equal(sv_stats(&kit).generation, 2);
    for (int i = 0; i < 7; i++)
        close(fds[i]);
    sv_stop(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_two_versions_when_rolled_back_then_the_first_serves_again),
        cmocka_unit_test(
            given_no_version_before_when_rolled_back_then_the_message_says_so),
        cmocka_unit_test(
            given_a_version_that_fails_when_clients_meet_it_then_kelpie_goes_back),
        cmocka_unit_test(
            given_no_probation_when_a_version_fails_then_it_stays_until_somebody_asks),
        cmocka_unit_test(
            given_a_drain_when_a_version_fails_then_it_ends_with_that_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
