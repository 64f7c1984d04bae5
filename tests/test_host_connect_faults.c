/*
 * test_host_connect_faults.c - a connection that the host opens, with everything failing once
 *
 * The server connects to itself and gets an answer. Allocation n fails, or system call n, for
 * every n. Whatever comes of it: a call that has succeeded is followed by one result, a
 * connection by one disconnect, and no block and no descriptor is left.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"
#include "server/server.h"

struct run {
    struct fault_mem mem;
    struct fault_sys sys;
    kelpie *k;
    int port, rc; /* of kelpie_connect */
    int n_results, n_connected, n_disconnects, n_answers;
};

static int
echo(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    (void)arg;
    return kelpie_conn_send(conn, message, len);
}

static void
on_result(kelpie *k, kelpie_conn *conn, int error, void *arg)
{
    struct run *run = arg;

    (void)k;
    assert_true((conn == NULL) == (error < 0));
    run->n_results++;
    run->n_connected += conn != NULL;
    if (conn != NULL && kelpie_conn_send(conn, "hello", 5) < 0)
        kelpie_conn_close(conn, "no memory");
}

static int
on_answer(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    struct run *run = arg;

    (void)conn;
    if (len != 5) /* the other side had no memory for a client */
        assert_int_equal(len, strlen("connection refused."));
    else
        assert_memory_equal(message, "hello", 5);
    run->n_answers++;
    return 0;
}

static int
on_disconnect(kelpie_conn *conn, const char *reason, void *arg)
{
    struct run *run = arg;

    (void)conn;
    assert_string_not_equal(reason, "");
    run->n_disconnects++;
    return 0;
}

static void
start(struct run *run)
{
    static const struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                                    .on_message = echo};
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    struct kp_env env;

    memset(run, 0, sizeof(*run));
    fault_env_init(&env, &run->mem, &run->sys);
    options.alloc = fault_alloc;
    options.alloc_arg = &run->mem;
    assert_int_equal(kp_server_new(&run->k, &options, &env.sys), 0);
    assert_int_equal(kelpie_set_handlers(run->k, &handlers, NULL), 0);
    run->port = kelpie_listen(run->k, "127.0.0.1:0");
    assert_true(run->port > 0);
    assert_true(kelpie_step(run->k, 0) >= 0);
}

/* Connects, by name or not, and steps until there is an answer or an end. */
static void
act(struct run *run, const char *format)
{
    static const struct kelpie_connect_options wish = {.size = sizeof(wish),
                                                       .on_result = on_result,
                                                       .on_message = on_answer,
                                                       .on_disconnect = on_disconnect};
    char address[40];
    int rc = 1;

    snprintf(address, sizeof(address), format, run->port);
    run->rc = kelpie_connect(run->k, NULL, address, &wish, run);
    for (int i = 0; i < 1000 && rc > 0 && run->rc == 0 && run->n_answers == 0 &&
                    run->n_disconnects == 0 && run->n_results == run->n_connected;
         i++)
        rc = kelpie_step(run->k, 1);
}

static void
finish(struct run *run)
{
    fault_env_heal(&run->mem, &run->sys);
    kelpie_free(run->k);
    assert_int_equal(run->n_results, run->rc == 0);
    assert_int_equal(run->n_disconnects, run->n_connected);
    assert_int_equal(run->mem.blocks, 0);
}

/* Runs it for n = 1, 2, ... until nothing fails any more. Returns how often that was. */
static size_t
fail_each(void (*arm)(struct run *run, size_t n), const char *format)
{
    size_t n = 0, failures;

    do {
        struct run run;
        size_t fds = fault_count_fds();
        start(&run);
        arm(&run, ++n);
        act(&run, format);
        failures = run.mem.failures + run.sys.failures;
        finish(&run);
        assert_int_equal(fault_count_fds(), fds);
        assert_true(n < 1000);
    } while (failures > 0);
    return n;
}

static void
fail_memory(struct run *run, size_t n)
{
    fault_mem_fail(&run->mem, n);
}

static void
fail_call(struct run *run, size_t n)
{
    fault_sys_fail(&run->sys, FAULT_ANY, n, ENOBUFS);
}

static void
given_no_memory_at_any_point_when_connecting_then_each_is_told_once(void **state)
{
    (void)state;
    assert_true(fail_each(fail_memory, "127.0.0.1:%d") > 3);
    assert_true(fail_each(fail_memory, "localhost:%d") > 3);
}

static void
given_a_call_that_fails_at_any_point_when_connecting_then_each_is_told_once(void **state)
{
    (void)state;
    assert_true(fail_each(fail_call, "127.0.0.1:%d") > 8);
    assert_true(fail_each(fail_call, "localhost:%d") > 8);
}

static void
given_nothing_that_fails_when_connecting_then_there_is_an_answer(void **state)
{
    struct run run;

    (void)state;
    start(&run);
    act(&run, "127.0.0.1:%d");
    assert_int_equal(run.n_answers, 1);
    finish(&run);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_nothing_that_fails_when_connecting_then_there_is_an_answer),
        cmocka_unit_test(
            given_no_memory_at_any_point_when_connecting_then_each_is_told_once),
        cmocka_unit_test(
            given_a_call_that_fails_at_any_point_when_connecting_then_each_is_told_once),
    };

    return cmocka_run_group_tests_name("host_connect_faults", tests, NULL, NULL);
}
