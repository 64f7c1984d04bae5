/*
 * test_detached.c - connections without a socket, and a clock that the host moves
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server_kit.h"

/* The host's end of one connection. */
struct far_end {
    char text[4096];
    size_t len;
    size_t room; /* what it takes at most */
    int closes;
    char reason[64];
};

static size_t
far_write(void *arg, const void *bytes, size_t len)
{
    struct far_end *far = arg;
    size_t n = len < far->room - far->len ? len : far->room - far->len;

    memcpy(far->text + far->len, bytes, n);
    far->len += n;
    far->text[far->len] = '\0';
    return n;
}

static void
far_closed(void *arg, const char *reason)
{
    struct far_end *far = arg;

    far->closes++;
    snprintf(far->reason, sizeof(far->reason), "%s", reason);
}

static const struct kelpie_transport transport = {
    .size = sizeof(transport), .write = far_write, .closed = far_closed};

static const char script[] =
    "local kelpie = require('kelpie')\n"
    "return {\n"
    "   on_connect = function(conn) conn:send('hello') end,\n"
    "   on_message = function(conn, line)\n"
    "      if line == 'bye' then conn:send('bye') conn:close('left') return end\n"
    "      if line == 'spin' then while true do end end\n"
    "      if line == 'sleep' then kelpie.sleep(3600) end\n"
    "      conn:send('echo ', line)\n"
    "   end,\n"
    "   on_disconnect = function(_, reason) print(reason) end,\n"
    "}\n";

static void
steps(struct server_kit *kit, int n)
{
    while (n-- > 0)
        sv_step(kit);
}

static kelpie_conn *
open_far(struct server_kit *kit, struct far_end *far)
{
    kelpie_conn *conn;

    memset(far, 0, sizeof(*far));
    far->room = sizeof(far->text) - 1;
    assert_int_equal(kelpie_detached(kit->k, NULL, &transport, far, &conn), 0);
    return conn;
}

static void
given_a_detached_connection_when_fed_then_it_is_served_as_any_other(void **state)
{
    (void)state;
    struct server_kit kit;
    struct far_end far;
    sv_start(&kit, NULL, script);
    kelpie_conn *conn = open_far(&kit, &far);
    assert_string_equal(kelpie_conn_peer(conn), "unix");

    /* before it is announced, and a message in two parts */
    assert_int_equal(kelpie_conn_feed(conn, "one\ntw", 6), 0);
    steps(&kit, 3);
    assert_string_equal(far.text, "hello\necho one\n");
    assert_int_equal(kelpie_conn_feed(conn, "o\nrest\n", 7), 0);
    assert_int_equal(kelpie_conn_feed_end(conn), 0);
    assert_int_equal(kelpie_conn_feed(conn, "x", 1), KELPIE_EMISUSE);
    steps(&kit, 4);

    assert_string_equal(far.text, "hello\necho one\necho two\necho rest\n");
    assert_int_equal(far.closes, 1);
    assert_string_equal(far.reason, "eof");
    assert_int_equal(sv_stats(&kit).clients, 0);
    sv_stop(&kit);
}

static void
given_a_handler_that_closes_when_all_is_written_then_the_host_is_told(void **state)
{
    (void)state;
    struct server_kit kit;
    struct far_end far;
    sv_start(&kit, NULL, script);
    kelpie_conn *conn = open_far(&kit, &far);

    assert_int_equal(kelpie_conn_feed(conn, "bye\nnever\n", 10), 0);
    steps(&kit, 4);

    assert_string_equal(far.text, "hello\nbye\n");
    assert_string_equal(far.reason, "left");
    sv_stop(&kit);
}

/* As tests of handlers do it: a name chooses handlers, and nothing is opened for it. */
static void
given_a_name_that_no_listener_has_when_opened_then_its_handlers_serve(void **state)
{
    struct server_kit kit = {0};
    struct far_end far[3];
    static const char *const names[] = {"admin", "admin", "other"};
    kelpie_conn *conn;

    (void)state;
    sv_start(
        &kit, NULL,
        "return { on_connect = function(conn) conn:send('main ', conn.listener) end,\n"
        "   listeners = { admin = {\n"
        "      on_connect = function(conn) conn:send('admin') end } } }");
    int fds = sv_open_fds();
    for (int i = 0; i < 3; i++) {
        memset(&far[i], 0, sizeof(far[i]));
        far[i].room = sizeof(far[i].text) - 1;
        assert_int_equal(kelpie_detached(kit.k, names[i], &transport, &far[i], &conn), 0);
        assert_string_equal(kelpie_conn_listener(conn), names[i]);
    }
    assert_int_equal(kelpie_detached(kit.k, "a name that is too long for a listener",
                                     &transport, &far[0], &conn),
                     KELPIE_EADDRESS);
    steps(&kit, 2);

    assert_string_equal(far[0].text, "admin\n");
    assert_string_equal(far[1].text, "admin\n");
    assert_string_equal(far[2].text, "main other\n");
    assert_int_equal(sv_open_fds(), fds);
    assert_true(kelpie_listen(kit.k, "admin=127.0.0.1:0") >
                0); /* the name is not taken */
    sv_stop(&kit);
}

static void
given_a_host_that_takes_little_when_it_takes_more_then_nothing_is_lost(void **state)
{
    (void)state;
    struct server_kit kit;
    struct far_end far;
    sv_start(&kit, NULL, script);
    kelpie_conn *conn = open_far(&kit, &far);
    far.room = 2;

    steps(&kit, 4);
    assert_string_equal(far.text, "he");
    assert_int_equal(kelpie_conn_queued(conn), 4);
    far.room = 100;
    steps(&kit, 2);
    assert_string_equal(far.text, "he");
    kelpie_conn_writable(conn);
    steps(&kit, 2);

    assert_string_equal(far.text, "hello\n");
    sv_stop(&kit);
    assert_string_equal(far.reason, "shutdown");
}

static void
given_more_than_may_wait_when_fed_then_it_is_refused_whole(void **state)
{
    (void)state;
    struct server_kit kit;
    struct far_end far;
    char *much = calloc(1, (1 << 20) + 1);
    assert_non_null(much);
    sv_start(&kit, NULL, script);
    kelpie_conn *conn = open_far(&kit, &far);

    assert_int_equal(kelpie_conn_feed(conn, much, (1 << 20) + 1), KELPIE_EFULL);
    assert_int_equal(kelpie_conn_feed(conn, much, 1 << 20), 0);
    assert_int_equal(kelpie_conn_feed(conn, much, 1), KELPIE_EFULL);
    steps(&kit, 4);

    assert_string_equal(far.reason, "message too long");
    free(much);
    sv_stop(&kit);
}

static void
given_bad_transports_when_opened_then_it_is_misuse(void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_transport bad = {.size = sizeof(bad)};
    kelpie_conn *conn;
    sv_start(&kit, NULL, script);

    assert_int_equal(kelpie_detached(kit.k, NULL, &bad, NULL, &conn), KELPIE_EMISUSE);
    bad = transport;
    bad.size = sizeof(bad) + 1;
    assert_int_equal(kelpie_detached(kit.k, NULL, &bad, NULL, &conn), KELPIE_EMISUSE);
    assert_null(conn);
    sv_stop(&kit);
}

/* ---- the clock ---------------------------------------------------------------------- */

static uint64_t
read_clock(void *arg)
{
    return *(uint64_t *)arg;
}

static void
start_with_clock(struct server_kit *kit, uint64_t *now)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;

    options.now_ns = read_clock;
    options.now_arg = now;
    sv_start(kit, &options, script);
}

static void
given_a_clock_of_the_host_when_it_moves_an_hour_then_a_sleeper_wakes(void **state)
{
    (void)state;
    struct server_kit kit;
    struct far_end far;
    uint64_t now = 1;
    start_with_clock(&kit, &now);
    kelpie_conn *conn = open_far(&kit, &far);

    assert_int_equal(kelpie_conn_feed(conn, "sleep\n", 6), 0);
    steps(&kit, 4);
    assert_string_equal(far.text, "hello\n");
    assert_int_equal(kelpie_timeout(kit.k), 3600 * 1000);
    now += (uint64_t)3600 * 1000000000;
    steps(&kit, 4);

    assert_string_equal(far.text, "hello\necho sleep\n");
    sv_stop(&kit);
}

static void
given_a_clock_that_stands_when_a_handler_spins_then_it_is_ended(void **state)
{
    (void)state;
    struct server_kit kit;
    struct far_end far;
    uint64_t now = 1;
    start_with_clock(&kit, &now);
    kelpie_conn *conn = open_far(&kit, &far);

    assert_int_equal(kelpie_conn_feed(conn, "spin\n", 5), 0);
    steps(&kit, 4);

    assert_int_equal(sv_stats(&kit).handler_kills, 1);
    sv_stop(&kit);
}

/* ---- without memory ----------------------------------------------------------------- */

/* realloc, but the call that counts down to 0 fails. */
static void *
failing(void *arg, void *ptr, size_t old_size, size_t new_size)
{
    int *left = arg;

    (void)old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    if (new_size > old_size && *left > 0 && --*left == 0)
        return NULL;
    return realloc(ptr, new_size);
}

static void
given_no_memory_at_any_point_when_opened_and_fed_then_nothing_is_taken(void **state)
{
    (void)state;
    int rc = -ENOMEM, n_failed = 0;

    for (int n = 1; rc != 0; n++) {
        struct server_kit kit;
        struct far_end far = {.room = sizeof(far.text) - 1};
        struct kelpie_options options = KELPIE_OPTIONS_INIT;
        kelpie_conn *conn;
        int left = 0;
        options.alloc = failing;
        options.alloc_arg = &left;
        sv_start(&kit, &options, NULL);

        left = n;
        rc = kelpie_detached(kit.k, NULL, &transport, &far, &conn);
        if (rc == 0)
            rc = kelpie_conn_feed(conn, "x\n", 2);
        assert_true(rc == 0 || rc == -ENOMEM);
        n_failed += rc != 0;
        left = 0;
        sv_stop(&kit);
        assert_true(far.closes <= 1);
        assert_true(n < 100);
    }
    assert_true(n_failed >= 3);
}

/* A host that sends more in its write: once, as much as fits. */
struct talkative {
    kelpie_conn *conn;
    char text[64];
    bool has_sent, drops;
};

static size_t
talk(void *arg, const void *bytes, size_t len)
{
    struct talkative *host = arg;

    strncat(host->text, bytes, len);
    if (host->drops)
        kelpie_conn_abort(host->conn);
    else if (!host->has_sent) {
        host->has_sent = true;
        assert_int_equal(kelpie_conn_write(host->conn, "1234567", 7), KELPIE_EFULL);
        assert_int_equal(kelpie_conn_write(host->conn, "3", 1), 0);
    }
    return len;
}

static kelpie_conn *
open_talkative(struct server_kit *kit, struct talkative *host)
{
    static const struct kelpie_transport talking = {.size = sizeof(talking),
                                                    .write = talk};
    struct kelpie_options options = KELPIE_OPTIONS_INIT;

    options.max_outbox = 10;
    options.max_message = 10;
    sv_start(kit, &options, NULL);
    assert_int_equal(kelpie_detached(kit->k, NULL, &talking, host, &host->conn), 0);
    sv_step(kit);
    return host->conn;
}

static void
given_a_host_that_sends_in_its_write_when_flushed_then_nothing_is_written_twice(
    void **state)
{
    struct server_kit kit;
    struct talkative host = {.text = ""};

    (void)state;
    kelpie_conn *conn = open_talkative(&kit, &host);
    assert_int_equal(kelpie_conn_write(conn, "1111", 4), 0);
    assert_int_equal(kelpie_conn_write(conn, "22222222", 8), 0); /* the 1111 go first */

    steps(&kit, 2);

    assert_string_equal(host.text, "1111322222222");
    assert_int_equal(kelpie_conn_queued(conn), 0);
    sv_stop(&kit);
}

static void
given_a_host_that_aborts_in_its_write_when_flushed_then_it_is_gone(void **state)
{
    struct server_kit kit;
    struct talkative host = {.drops = true};

    (void)state;
    kelpie_conn *conn = open_talkative(&kit, &host);
    assert_int_equal(kelpie_conn_write(conn, "1111", 4), 0);
    assert_int_equal(kelpie_conn_write(conn, "22222222", 8), KELPIE_ECLOSED);

    steps(&kit, 2);

    assert_string_equal(host.text, "1111");
    assert_int_equal(sv_stats(&kit).clients, 0);
    sv_stop(&kit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_a_detached_connection_when_fed_then_it_is_served_as_any_other),
        cmocka_unit_test(
            given_a_handler_that_closes_when_all_is_written_then_the_host_is_told),
        cmocka_unit_test(
            given_a_name_that_no_listener_has_when_opened_then_its_handlers_serve),
        cmocka_unit_test(
            given_a_host_that_takes_little_when_it_takes_more_then_nothing_is_lost),
        cmocka_unit_test(given_more_than_may_wait_when_fed_then_it_is_refused_whole),
        cmocka_unit_test(given_bad_transports_when_opened_then_it_is_misuse),
        cmocka_unit_test(
            given_a_clock_of_the_host_when_it_moves_an_hour_then_a_sleeper_wakes),
        cmocka_unit_test(given_a_clock_that_stands_when_a_handler_spins_then_it_is_ended),
        cmocka_unit_test(
            given_a_host_that_sends_in_its_write_when_flushed_then_nothing_is_written_twice),
        cmocka_unit_test(
            given_a_host_that_aborts_in_its_write_when_flushed_then_it_is_gone),
        cmocka_unit_test(
            given_no_memory_at_any_point_when_opened_and_fed_then_nothing_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
