/*
 * test_host_connect.c - connections that the host opens, in C
 *
 * The server connects to itself: its own clients get an echo from its script.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server_kit.h"

static const char script[] =
    "local handlers = {}\n"
    "function handlers.on_connect(conn) print('client ' .. conn.number) end\n"
    "function handlers.on_message(conn, m)\n"
    "   if m == 'bye' then return conn:close() end\n"
    "   conn:send(m)\n"
    "end\n"
    "function handlers.on_disconnect(conn, why) print('client gone: ' .. why) end\n"
    "function handlers.on_drain() print('lua drain') end\n"
    "return handlers\n";

/* What a connection of ours was told, as text. */
struct host {
    struct server_kit kit;
    kelpie_conn *conn;
    int error, n_results, n_drains, server_calls;
    int message_result;
    size_t received;
    char messages[256], reason[64];
};

static void
on_result(kelpie *k, kelpie_conn *conn, int error, void *arg)
{
    struct host *host = arg;

    assert_ptr_equal(k, host->kit.k);
    assert_true((conn == NULL) == (error < 0));
    host->conn = conn;
    host->error = error;
    host->n_results++;
    if (conn != NULL)
        assert_int_equal(kelpie_conn_send(conn, "hello", 5), 0);
}

static int
on_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    struct host *host = arg;
    size_t used = strlen(host->messages);

    assert_ptr_equal(conn, host->conn);
    host->received += len;
    snprintf(host->messages + used, sizeof(host->messages) - used, "%.*s;", (int)len,
             (const char *)message);
    return host->message_result;
}

static int
on_disconnect(kelpie_conn *conn, const char *reason, void *arg)
{
    struct host *host = arg;

    assert_ptr_equal(conn, host->conn);
    assert_string_equal(host->reason, "");
    snprintf(host->reason, sizeof(host->reason), "%s", reason);
    return KELPIE_PASS;
}

static int
on_drain(kelpie_conn *conn, void *arg)
{
    struct host *host = arg;

    assert_ptr_equal(conn, host->conn);
    host->n_drains++;
    return KELPIE_PASS;
}

static const struct kelpie_connect_options wish = {
    .size = sizeof(wish),
    .on_result = on_result,
    .on_message = on_message,
    .on_disconnect = on_disconnect,
    .on_drain = on_drain,
};

/* Handlers of the server: each call must be one of a client. */
static int
on_client_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    struct host *host = arg;

    (void)message;
    (void)len;
    assert_ptr_not_equal(conn, host->conn);
    host->server_calls++;
    return KELPIE_PASS;
}

static int
on_client_disconnect(kelpie_conn *conn, const char *reason, void *arg)
{
    return on_client_message(conn, reason, 0, arg);
}

static int
on_client_drain(kelpie_conn *conn, void *arg)
{
    return on_client_message(conn, NULL, 0, arg);
}

static void
start(struct host *host, const struct kelpie_options *options)
{
    static const struct kelpie_handlers handlers = {
        .size = sizeof(handlers),
        .on_message = on_client_message,
        .on_disconnect = on_client_disconnect,
        .on_drain = on_client_drain,
    };

    memset(host, 0, sizeof(*host));
    sv_start(&host->kit, options, script);
    assert_int_equal(kelpie_set_handlers(host->kit.k, &handlers, host), 0);
}

static int
connect_to(struct host *host, kelpie_attempt **out, const char *format, int port)
{
    char address[64];

    snprintf(address, sizeof(address), format, port);
    return kelpie_connect(host->kit.k, out, address, &wish, host);
}

/* Runs steps until a text is there, 10 s at most. */
static void
wait_for(struct host *host, const char *where, const char *text)
{
    for (int i = 0; i < 10000 && strcmp(where, text) != 0; i++)
        assert_true(kelpie_step(host->kit.k, 1) >= 0);
    assert_string_equal(where, text);
}

static void
wait_for_result(struct host *host)
{
    for (int i = 0; i < 10000 && host->n_results == 0; i++)
        assert_true(kelpie_step(host->kit.k, 1) >= 0);
    assert_int_equal(host->n_results, 1);
}

/* ---- tests --------------------------------------------------------------------------- */

static void
given_a_server_when_the_host_connects_then_its_own_handlers_get_the_answers(void **state)
{
    struct host host;

    (void)state;
    start(&host, NULL);

    assert_int_equal(connect_to(&host, NULL, "127.0.0.1:%d", host.kit.port), 0);
    assert_int_equal(host.n_results, 0); /* not before kelpie_connect has returned */
    wait_for(&host, host.messages, "hello;");

    assert_int_equal(sv_stats(&host.kit).clients, 1);
    assert_int_equal(sv_stats(&host.kit).outbound, 1);
    assert_int_equal(kelpie_conns(host.kit.k, NULL, 0), 1);
    assert_null(kelpie_client(host.kit.k, kelpie_conn_number(host.conn)));
    assert_ptr_equal(kelpie_find(host.kit.k, kelpie_conn_id(host.conn)), host.conn);
    assert_true(kelpie_conn_number(host.conn) >= UINT32_C(1) << 31);
    assert_int_equal(kelpie_conn_send(host.conn, "bye", 3), 0);
    wait_for(&host, host.reason, "eof");
    assert_true(sv_expect_printed(&host.kit, "client gone: closed\n"));
    assert_int_equal(host.server_calls, 3); /* hello, bye, the disconnect of the client */
    assert_string_equal(host.kit.printed, "client 0\nclient gone: closed\n");
    sv_stop(&host.kit);
}

static void
given_a_host_name_when_the_host_connects_then_it_is_looked_up(void **state)
{
    struct host host;

    (void)state;
    start(&host, NULL);
    assert_int_equal(connect_to(&host, NULL, "localhost:%d", host.kit.port), 0);
    wait_for(&host, host.messages, "hello;");
    sv_stop(&host.kit);
    assert_string_equal(host.reason, "shutdown");
}

static void
given_a_framing_of_its_own_when_messages_come_then_they_are_cut_by_it(void **state)
{
    struct kelpie_connect_options fixed = wish;
    struct host host;
    char address[64];

    (void)state;
    start(&host, NULL);
    fixed.framing = "fixed:5";
    fixed.max_message = 5;
    snprintf(address, sizeof(address), "127.0.0.1:%d", host.kit.port);

    assert_int_equal(kelpie_connect(host.kit.k, NULL, address, &fixed, &host), 0);
    wait_for_result(&host);
    assert_int_equal(kelpie_conn_write(host.conn, "\nand\n", 5), 0);

    /* hello, and, each with its newline: "hello\nand\n" in pieces of five */
    wait_for(&host, host.messages, "hello;\nand\n;");
    sv_stop(&host.kit);
}

static void
given_nobody_listens_when_the_host_connects_then_it_is_told_why(void **state)
{
    struct host host;

    (void)state;
    start(&host, NULL);
    int fd = sv_connect(&host.kit); /* a port that nobody listens at: that of a client */
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    int port = ntohs(addr.sin_port);
    close(fd);

    int rc = connect_to(&host, NULL, "127.0.0.1:%d", port);
    if (rc == 0) {
        wait_for_result(&host);
        rc = host.error;
    }

    assert_int_equal(rc, -ECONNREFUSED);
    assert_string_equal(host.reason, "");
    sv_stop(&host.kit);
}

static void
given_pending_attempts_when_one_is_cancelled_and_the_server_freed_then_one_is_told(
    void **state)
{
    struct host host, other = {.n_results = 0};
    kelpie_attempt *attempt;
    char address[64];

    (void)state;
    start(&host, NULL);
    other.kit.k = host.kit.k;
    snprintf(address, sizeof(address), "127.0.0.1:%d", host.kit.port);
    assert_int_equal(kelpie_connect(host.kit.k, &attempt, address, &wish, &other), 0);
    assert_non_null(attempt);
    assert_int_equal(connect_to(&host, NULL, "127.0.0.1:%d", host.kit.port), 0);

    kelpie_attempt_cancel(attempt);
    kelpie_attempt_cancel(NULL);
    sv_stop(&host.kit);

    assert_int_equal(other.n_results, 0);
    assert_int_equal(host.n_results, 1);
    assert_int_equal(host.error, KELPIE_ECLOSED);
}

static void
given_an_open_one_when_the_server_drains_then_it_is_closed_and_no_more_are_opened(
    void **state)
{
    struct host host;
    int rc;

    (void)state;
    start(&host, NULL);
    assert_int_equal(connect_to(&host, NULL, "127.0.0.1:%d", host.kit.port), 0);
    wait_for(&host, host.messages, "hello;");

    kelpie_drain(host.kit.k);
    do
        rc = kelpie_step(host.kit.k, 1);
    while (rc > 0);

    assert_int_equal(rc, 0);
    assert_string_equal(host.reason, "shutdown");
    assert_int_equal(connect_to(&host, NULL, "127.0.0.1:%d", host.kit.port),
                     KELPIE_ECLOSED);
    sv_stop(&host.kit);
}

static void
given_a_handler_that_fails_when_it_returns_then_the_connection_is_closed(void **state)
{
    struct host host;

    (void)state;
    start(&host, NULL);
    host.message_result = KELPIE_EPROTO;
    assert_int_equal(connect_to(&host, NULL, "127.0.0.1:%d", host.kit.port), 0);

    wait_for(&host, host.reason, "handler error");

    assert_true(sv_expect_log(&host.kit, "on_message of the host: protocol error "
                                         "(connection to 127.0.0.1:"));
    sv_stop(&host.kit);
}

static void
given_much_output_when_it_is_written_then_its_own_drain_is_told(void **state)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    static char line[6000];
    struct host host;

    (void)state;
    options.soft_outbox = 4096;
    start(&host, &options);
    assert_int_equal(connect_to(&host, NULL, "127.0.0.1:%d", host.kit.port), 0);
    wait_for(&host, host.messages, "hello;");
    memset(line, 'x', sizeof(line));

    assert_int_equal(kelpie_conn_send(host.conn, line, sizeof(line)), 0);
    for (int i = 0; i < 10000 && host.received < 5 + sizeof(line); i++)
        sv_step(&host.kit);

    assert_int_equal(host.received, 5 + sizeof(line));
    assert_int_equal(host.n_drains, 1);
    sv_stop(&host.kit);
}

static void
given_what_cannot_be_meant_when_the_host_connects_then_nothing_has_begun(void **state)
{
    static const struct {
        const char *address, *framing;
        size_t size, max_message;
        int timeout_ms, error;
    } cases[] = {
        {"localhost", NULL, sizeof(wish), 0, 0, KELPIE_EADDRESS},
        {"127.0.0.1", NULL, sizeof(wish), 0, 0, KELPIE_EADDRESS},
        {"", NULL, sizeof(wish), 0, 0, KELPIE_EADDRESS},
        {"127.0.0.1:9", "words", sizeof(wish), 0, 0, KELPIE_EPROTO},
        {"127.0.0.1:9", "fixed:100", sizeof(wish), 99, 0, KELPIE_ETOOLONG},
        {"127.0.0.1:9", NULL, 0, 0, 0, KELPIE_EMISUSE},
        {"127.0.0.1:9", NULL, sizeof(wish) + 8, 0, 0, KELPIE_EMISUSE},
        {"127.0.0.1:9", NULL, sizeof(size_t), 0, 0, KELPIE_EMISUSE}, /* no on_result */
        {"127.0.0.1:9", NULL, sizeof(wish), 0, -2, KELPIE_EMISUSE},
        {"127.0.0.1:9", NULL, sizeof(wish), 0, 0, KELPIE_EFULL},
    };
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    struct host host;

    (void)state;
    options.max_outbound = -1;
    start(&host, &options);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kelpie_connect_options mine = wish;
        kelpie_attempt *attempt = (void *)&host;
        mine.size = cases[i].size;
        mine.framing = cases[i].framing;
        mine.max_message = cases[i].max_message;
        mine.timeout_ms = cases[i].timeout_ms;

        int rc = kelpie_connect(host.kit.k, &attempt, cases[i].address, &mine, &host);

        assert_int_equal(rc, cases[i].error);
        assert_null(attempt);
        assert_string_not_equal(kelpie_errmsg(host.kit.k), "");
    }
    assert_int_equal(kelpie_connect(host.kit.k, NULL, "127.0.0.1:9", NULL, NULL),
                     KELPIE_EMISUSE);
    assert_int_equal(sv_stats(&host.kit).outbound_full, 1);
    assert_true(sv_expect_log(&host.kit, "connect: max_outbound is reached"));
    sv_stop(&host.kit);
    assert_int_equal(host.n_results, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_a_server_when_the_host_connects_then_its_own_handlers_get_the_answers),
        cmocka_unit_test(given_a_host_name_when_the_host_connects_then_it_is_looked_up),
        cmocka_unit_test(
            given_a_framing_of_its_own_when_messages_come_then_they_are_cut_by_it),
        cmocka_unit_test(given_nobody_listens_when_the_host_connects_then_it_is_told_why),
        cmocka_unit_test(
            given_pending_attempts_when_one_is_cancelled_and_the_server_freed_then_one_is_told),
        cmocka_unit_test(
            given_an_open_one_when_the_server_drains_then_it_is_closed_and_no_more_are_opened),
        cmocka_unit_test(
            given_a_handler_that_fails_when_it_returns_then_the_connection_is_closed),
        cmocka_unit_test(given_much_output_when_it_is_written_then_its_own_drain_is_told),
        cmocka_unit_test(
            given_what_cannot_be_meant_when_the_host_connects_then_nothing_has_begun),
    };

    return cmocka_run_group_tests_name("host_connect", tests, NULL, NULL);
}
