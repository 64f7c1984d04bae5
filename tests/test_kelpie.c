/*
 * test_kelpie.c - the public interface: a server's life, reloads, handlers in Lua and in C
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server_kit.h"

static const char *const echo_script = sv_echo_script;

/* ---- life --------------------------------------------------------------------------- */

static void
given_no_options_when_made_and_freed_then_nothing_is_left(void **state)
{
    (void)state;
    int before = sv_open_fds();
    kelpie *k;

    assert_int_equal(kelpie_new(&k, NULL), 0);
    kelpie_free(k);

    assert_int_equal(sv_open_fds(), before);
    kelpie_free(NULL);
}

static void
given_options_of_an_unknown_size_when_made_then_it_is_misuse(void **state)
{
    (void)state;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    kelpie *k = (kelpie *)&options;

    options.size = sizeof(options) + 8;
    assert_int_equal(kelpie_new(&k, &options), KELPIE_EMISUSE);
    assert_null(k);
    options.size = 0;
    assert_int_equal(kelpie_new(&k, &options), KELPIE_EMISUSE);

    const char *allow[] = {"io", "everything", NULL};
    options.size = sizeof(options);
    options.allow = allow;
    assert_int_equal(kelpie_new(&k, &options), KELPIE_EMISUSE);
}

static void
given_options_of_an_older_header_when_made_then_the_rest_is_default(void **state)
{
    (void)state;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    kelpie *k;

    options.size = offsetof(struct kelpie_options, max_per_ip);
    options.max_clients = 3;

    assert_int_equal(kelpie_new(&k, &options), 0);
    kelpie_free(k);
}

static void
given_a_script_when_a_client_talks_then_it_is_answered(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, echo_script);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "one\ntwo\r\nthr");
    sv_expect(&kit, fd, "echo one\necho two\n");
    sv_send(&kit, fd, "ee\n");

    sv_expect(&kit, fd, "echo three\n");
    assert_int_equal(sv_stats(&kit).messages_in, 3);
    close(fd);
    sv_expect_clients(&kit, 0);
    sv_stop(&kit);
}

static void
given_a_broken_script_when_loaded_then_the_message_has_file_and_line(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, NULL);
    static const char script[] = "local x = 1\nlocal y = = 2\nreturn {}\n";

    int rc = kelpie_load_string(kit.k, script, strlen(script), "=bad.lua");

    assert_int_equal(rc, KELPIE_ESCRIPT);
    assert_non_null(strstr(kelpie_errmsg(kit.k), "bad.lua:2:"));
    sv_stop(&kit);
}

static void
given_no_script_when_a_client_talks_then_nothing_happens_to_it(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, NULL);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "hello\n");
    sv_expect_clients(&kit, 1);
    shutdown(fd, SHUT_WR);

    sv_expect_end(&kit, fd);
    close(fd);
    sv_stop(&kit);
}

static void
given_addresses_that_make_no_sense_when_listening_then_the_sentence_says_so(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, NULL);
    char taken[64];

    assert_int_equal(kelpie_listen(kit.k, "localhost:80"), KELPIE_EADDRESS);
    assert_non_null(strstr(kelpie_errmsg(kit.k), "localhost"));
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", kit.port);
    assert_int_equal(kelpie_listen(kit.k, taken), -EADDRINUSE);

    assert_non_null(strstr(kelpie_errmsg(kit.k), taken));
    sv_stop(&kit);
}

static void
given_more_clients_than_slots_when_they_connect_then_the_last_is_refused(void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.max_clients = 2;
    sv_start(&kit, &options,
             "return { on_connect = function(conn) conn:send('#', conn.number) end }");
    int a = sv_connect(&kit), b = sv_connect(&kit);
    sv_expect(&kit, a, "#0\n");
    sv_expect(&kit, b, "#1\n");

    int c = sv_connect(&kit);
    sv_expect(&kit, c, "connection refused.\n");
    sv_expect_end(&kit, c);
    close(a);
    sv_expect_clients(&kit, 1);
    int d = sv_connect(&kit);

    sv_expect(&kit, d, "#0\n");
    assert_int_equal(sv_stats(&kit).refused, 1);
    close(b);
    close(c);
    close(d);
    sv_stop(&kit);
}

static void
given_any_error_number_when_named_then_there_are_words(void **state)
{
    (void)state;

    for (int error = KELPIE_EMISUSE; error <= KELPIE_ECLOSED; error++)
        assert_string_not_equal(kelpie_strerror(error), "unknown error");
    assert_string_equal(kelpie_strerror(KELPIE_EFULL), "outbox full");
    assert_string_equal(kelpie_strerror(-ENOENT), strerror(ENOENT));
    assert_string_equal(kelpie_strerror(0), "no error");
    assert_string_equal(kelpie_strerror(-20000), "unknown error");
    assert_string_equal(kelpie_errmsg(NULL), "");
    assert_string_equal(kelpie_version(), KELPIE_VERSION_STRING);
}

/* ---- reload ------------------------------------------------------------------------- */

static void
given_connected_clients_when_a_new_script_is_loaded_then_they_stay(void **state)
{
    (void)state;
    struct server_kit kit;
    static const char second[] =
        "return { on_message = function(conn, line) conn:send('new ', line) end }";
    sv_start(&kit, NULL, echo_script);
    int fd = sv_connect(&kit);
    sv_send(&kit, fd, "a\nhalf");
    sv_expect(&kit, fd, "echo a\n");

    assert_int_equal(kelpie_load_string(kit.k, second, strlen(second), "=second.lua"), 0);
    sv_send(&kit, fd, " line\n");

    sv_expect(&kit, fd, "new half line\n");
    assert_int_equal(sv_stats(&kit).generation, 2);
    close(fd);
    sv_stop(&kit);
}

static void
given_a_serving_script_when_a_broken_one_is_loaded_then_it_goes_on_serving(void **state)
{
    (void)state;
    struct server_kit kit;
    static const char broken[] = "error('not today')";
    sv_start(&kit, NULL, echo_script);
    int fd = sv_connect(&kit);
    sv_send(&kit, fd, "a\n");
    sv_expect(&kit, fd, "echo a\n");

    int rc = kelpie_load_string(kit.k, broken, strlen(broken), "=broken.lua");

    assert_int_equal(rc, KELPIE_ESCRIPT);
    assert_non_null(strstr(kelpie_errmsg(kit.k), "broken.lua:1: not today"));
    assert_non_null(strstr(kelpie_errmsg(kit.k), "still serving generation 1"));
    sv_send(&kit, fd, "b\n");
    sv_expect(&kit, fd, "echo b\n");
    kelpie_reload(kit.k); /* of what serves, not of what was rejected */
    sv_expect_log(&kit, "serves");
    sv_send(&kit, fd, "c\n");
    sv_expect(&kit, fd, "echo c\n");
    close(fd);
    sv_stop(&kit);
}

static void
given_a_handler_that_asks_for_a_reload_then_it_happens_after_the_step(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL,
             "local kelpie = require('kelpie')\n"
             "return { on_message = function(conn, line)\n"
             "   if line == 'reload' then kelpie.reload() end\n"
             "   conn:send(tostring(kelpie.generation))\n"
             "end }");
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "reload\n");
    sv_expect(&kit, fd, "1\n");
    sv_expect_log(&kit, "generation 2 serves");
    sv_send(&kit, fd, "x\n");

    sv_expect(&kit, fd, "2\n");
    close(fd);
    sv_stop(&kit);
}

static const char broken_later[] = "return { on_mesage = print }";

static int
load_broken(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    kelpie *k = kelpie_conn_server(conn);

    (void)arg;
    if (len != 4 || memcmp(message, "load", 4) != 0)
        return KELPIE_PASS;
    /* Asked for twice in one step: the last one counts. */
    assert_int_equal(kelpie_load_string(k, "return {}", 9, "=never.lua"), 0);
    assert_int_equal(
        kelpie_load_string(k, broken_later, strlen(broken_later), "=later.lua"), 0);
    assert_int_equal(kelpie_check(k, "scripts"), KELPIE_EMISUSE);
    return KELPIE_DONE;
}

static void
given_a_load_inside_a_handler_when_it_fails_later_then_the_old_place_stays(void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                       .on_message = load_broken};
    sv_start(&kit, NULL, echo_script);
    assert_int_equal(kelpie_set_handlers(kit.k, &handlers, NULL), 0);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "load\n");
    sv_expect_log(&kit, "did you mean 'on_message'");
    kelpie_reload(kit.k);
    sv_expect_log(&kit, "generation 3 serves");
    sv_send(&kit, fd, "a\n");

    sv_expect(&kit, fd, "echo a\n");
    sv_send(&kit, fd, "load\n"); /* and nothing is left when it is not tried any more */
    close(fd);
    sv_stop(&kit);
}

/* ---- handlers in C ------------------------------------------------------------------ */

struct seen {
    int connects, disconnects, inputs;
    char reason[64];
    int answer; /* what on_message returns */
};

static int
see_connect(kelpie_conn *conn, void *arg)
{
    struct seen *seen = arg;

    seen->connects++;
    kelpie_conn_set_user(conn, seen);
    return KELPIE_PASS;
}

static int
see_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    struct seen *seen = arg;

    assert_ptr_equal(kelpie_conn_user(conn), seen);
    if (seen->answer == KELPIE_DONE)
        assert_int_equal(kelpie_conn_send(conn, message, len), 0);
    return seen->answer;
}

static int
see_disconnect(kelpie_conn *conn, const char *reason, void *arg)
{
    struct seen *seen = arg;

    assert_int_equal(kelpie_conn_send(conn, "x", 1), KELPIE_ECLOSED);
    seen->disconnects++;
    snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
    return KELPIE_PASS;
}

static int
see_input(kelpie *k, const void *line, size_t len, void *arg)
{
    struct seen *seen = arg;

    seen->inputs++;
    return kelpie_broadcast(k, line, len, NULL) >= 0 ? KELPIE_DONE : KELPIE_PASS;
}

static const struct kelpie_handlers see_handlers = {
    .size = sizeof(see_handlers),
    .on_connect = see_connect,
    .on_message = see_message,
    .on_disconnect = see_disconnect,
    .on_input = see_input,
};

static void
given_handlers_in_c_when_they_pass_then_lua_answers(void **state)
{
    (void)state;
    struct server_kit kit;
    struct seen seen = {.answer = KELPIE_PASS};
    sv_start(&kit, NULL, echo_script);
    assert_int_equal(kelpie_set_handlers(kit.k, &see_handlers, &seen), 0);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "a\n");
    sv_expect(&kit, fd, "echo a\n");
    seen.answer = KELPIE_DONE;
    sv_send(&kit, fd, "b\n");
    sv_expect(&kit, fd, "b\n");
    assert_int_equal(kelpie_input(kit.k, "from c", 6), 0);
    sv_expect(&kit, fd, "from c\n");
    close(fd);
    sv_expect_clients(&kit, 0);

    assert_int_equal(seen.connects, 1);
    assert_int_equal(seen.disconnects, 1);
    assert_int_equal(seen.inputs, 1);
    assert_string_equal(seen.reason, "eof");
    sv_stop(&kit);
}

static int
send_and_pass(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    (void)arg;
    assert_int_equal(kelpie_conn_send(conn, message, len), 0);
    return KELPIE_PASS;
}

static void
given_many_messages_at_once_when_c_sees_them_then_it_sees_each_before_lua(void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                       .on_message = send_and_pass};
    sv_start(&kit, NULL, echo_script);
    assert_int_equal(kelpie_set_handlers(kit.k, &handlers, NULL), 0);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "a\nb\nc\n");

    sv_expect(&kit, fd, "a\necho a\nb\necho b\nc\necho c\n");
    close(fd);
    sv_stop(&kit);
}

static void
given_a_c_handler_that_fails_then_the_connection_is_closed_and_logged(void **state)
{
    (void)state;
    struct server_kit kit;
    struct seen seen = {.answer = -EIO};
    sv_start(&kit, NULL, NULL);
    assert_int_equal(kelpie_set_handlers(kit.k, &see_handlers, &seen), 0);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "a\n");
    sv_expect_end(&kit, fd);
    close(fd);
    sv_expect_clients(&kit, 0);

    assert_string_equal(seen.reason, "handler error");
    sv_expect_log(&kit, "on_message of the host");
    sv_stop(&kit);
}

static int
turn_away(kelpie_conn *conn, void *arg)
{
    const int *result = arg;

    kelpie_conn_close(conn, "not you");
    return *result;
}

static void
given_a_c_handler_that_closes_on_connect_then_lua_hears_nothing_of_the_client(
    void **state)
{
    (void)state;
    struct server_kit kit;
    int result = KELPIE_PASS;
    struct kelpie_handlers handlers = {.size = sizeof(handlers), .on_connect = turn_away};
    sv_start(&kit, NULL,
             "return { on_connect = function() print('connect') end,\n"
             "   on_disconnect = function() print('disconnect') end }");
    assert_int_equal(kelpie_set_handlers(kit.k, &handlers, &result), 0);
    int a = sv_connect(&kit);
    sv_expect_end(&kit, a);
    result = -EACCES;
    int b = sv_connect(&kit);
    sv_expect_end(&kit, b);
    close(a);
    close(b);
    sv_expect_clients(&kit, 0);

    assert_string_equal(kit.printed, "");
    sv_stop(&kit);
}

static int
misuse_everything(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    kelpie *k = kelpie_conn_server(conn);
    int *misused = arg;

    (void)message;
    (void)len;
    *misused += kelpie_step(k, 0) == KELPIE_EMISUSE;
    *misused += kelpie_run(k) == KELPIE_EMISUSE;
    *misused += kelpie_input(k, "x", 1) == KELPIE_EMISUSE;
    kelpie_free(k); /* does nothing here */
    kelpie_conn_send(conn, "alive", 5);
    return KELPIE_DONE;
}

static void
given_a_handler_that_runs_and_frees_the_server_then_it_is_refused(void **state)
{
    (void)state;
    struct server_kit kit;
    int misused = 0;
    struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                       .on_message = misuse_everything};
    sv_start(&kit, NULL, NULL);
    kelpie_set_handlers(kit.k, &handlers, &misused);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "x\n");

    sv_expect(&kit, fd, "alive\n");
    assert_int_equal(misused, 3);
    close(fd);
    sv_stop(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_no_options_when_made_and_freed_then_nothing_is_left),
        cmocka_unit_test(given_options_of_an_unknown_size_when_made_then_it_is_misuse),
        cmocka_unit_test(
            given_options_of_an_older_header_when_made_then_the_rest_is_default),
        cmocka_unit_test(given_a_script_when_a_client_talks_then_it_is_answered),
        cmocka_unit_test(
            given_a_broken_script_when_loaded_then_the_message_has_file_and_line),
        cmocka_unit_test(given_no_script_when_a_client_talks_then_nothing_happens_to_it),
        cmocka_unit_test(
            given_addresses_that_make_no_sense_when_listening_then_the_sentence_says_so),
        cmocka_unit_test(
            given_connected_clients_when_a_new_script_is_loaded_then_they_stay),
        cmocka_unit_test(
            given_a_serving_script_when_a_broken_one_is_loaded_then_it_goes_on_serving),
        cmocka_unit_test(
            given_a_handler_that_asks_for_a_reload_then_it_happens_after_the_step),
        cmocka_unit_test(
            given_a_load_inside_a_handler_when_it_fails_later_then_the_old_place_stays),
        cmocka_unit_test(
            given_many_messages_at_once_when_c_sees_them_then_it_sees_each_before_lua),
        cmocka_unit_test(given_handlers_in_c_when_they_pass_then_lua_answers),
        cmocka_unit_test(
            given_a_c_handler_that_fails_then_the_connection_is_closed_and_logged),
        cmocka_unit_test(
            given_a_c_handler_that_closes_on_connect_then_lua_hears_nothing_of_the_client),
        cmocka_unit_test(
            given_a_handler_that_runs_and_frees_the_server_then_it_is_refused),
        cmocka_unit_test(
            given_more_clients_than_slots_when_they_connect_then_the_last_is_refused),
        cmocka_unit_test(given_any_error_number_when_named_then_there_are_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
