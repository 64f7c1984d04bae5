/*
 * test_lua_connect_limits.c - kelpie.connect when something is in the way
 *
 * Names are looked up on threads. Here they wait at a gate until a test opens it, so that an
 * attempt is pending for as long as a test wants.
 */
#include "connect_kit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/connect.h"

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- the gate ------------------------------------------------------------------------- */

static struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_open;
    int n_threads;
    struct kp_sys_calls calls;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct gated {
    void *(*fn)(void *arg);
    void *arg;
};

static void *
run_gated(void *arg)
{
    struct gated *gated = arg;

    pthread_mutex_lock(&gate.lock);
    while (!gate.is_open)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    gated->fn(gated->arg);
    free(gated);
    pthread_mutex_lock(&gate.lock);
    gate.n_threads--;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    return NULL;
}

static int
start_gated(void *arg, pthread_t *out, void *(*fn)(void *arg), void *fn_arg)
{
    struct gated *gated = malloc(sizeof *gated);

    (void)arg;
    assert_non_null(gated);
    *gated = (struct gated){fn, fn_arg};
    pthread_mutex_lock(&gate.lock);
    gate.n_threads++;
    pthread_mutex_unlock(&gate.lock);
    assert_int_equal(pthread_create(out, NULL, run_gated, gated), 0);
    return 0;
}

static void
open_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.is_open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static int
setup(void **state)
{
    sk_setup(state);

    struct script_kit *kit = *state;
    gate.is_open = false;
    gate.calls = *kit->sys.behind;
    gate.calls.thread = start_gated;
    kit->sys.behind = &gate.calls;
    return 0;
}

static int
teardown(void **state)
{
    int rc = sk_teardown(state);

    open_gate();
    pthread_mutex_lock(&gate.lock);
    while (gate.n_threads > 0)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    return rc;
}

/* As ck_run, with a local `name`: the same address, to be looked up. */
static void
run(struct script_kit *kit, const struct ck_other *other, const char *text)
{
    char all[2000];

    snprintf(all, sizeof all, "local name = 'localhost:%d'\n%s", other->port, text);
    ck_run(kit, other->port, all);
}

/* ---- looking up ----------------------------------------------------------------------- */

static void
given_many_names_when_looking_up_one_more_then_it_is_full_until_they_are_done(
    void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    run(kit, &other,
        "local n = 0\n"
        "for i = 1, 16 do kelpie.spawn(function()\n"
        "   assert(kelpie.connect(name)):abort() n = n + 1\n"
        "   if n == 16 then print('all') print((kelpie.connect(name)):is_open()) end\n"
        "end) end\n"
        "kelpie.sleep(0) print(kelpie.connect(name)) "
        "print(kelpie.connect(address):is_open())");
    ck_prints(kit, "nil\ttoo many names are being looked up\tfull\ntrue\n");
    assert_int_equal(kit->net.outbound.n_lookups, KP_CONNECT_LOOKUPS);
    assert_int_equal(listen(other.fd, 32), 0);
    open_gate();

    ck_prints(kit, "all\ntrue\n");
    assert_int_equal(kit->net.outbound.n_lookups, 0);
    close(other.fd);
}

static void
given_no_thread_when_looking_up_then_it_says_why(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    fault_sys_fail(&kit->sys, FAULT_THREAD, 1, EAGAIN);
    run(kit, &other, "print(kelpie.connect(name))");
    ck_prints(kit, "nil\tout of memory\tmemory\n");
    fault_sys_fail(&kit->sys, FAULT_THREAD, 1, EPERM);
    run(kit, &other, "print(select(3, kelpie.connect(name)))");
    ck_prints(kit, "failed\n");

    assert_true(kp_list_is_empty(&kit->net.outbound.connects));
    assert_true(kp_list_is_empty(&kit->net.outbound.lookups));
    close(other.fd);
}

static void
given_a_name_that_takes_long_when_the_time_is_over_then_it_is_told(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    run(kit, &other,
        "print(kelpie.connect(name, { timeout = 2.5 })) print(kelpie.connect(name))");
    sk_pass(kit, 2499);
    sk_printed(kit, "");
    sk_pass(kit, 1);
    sk_printed(kit, "nil\ttimed out\ttimeout\n");
    sk_pass(kit, 9999);
    sk_printed(kit, "");
    sk_pass(kit, 1);

    sk_printed(kit, "nil\ttimed out\ttimeout\n");
    assert_int_equal(kit->net.outbound.n_lookups, 2); /* their threads are not back */
    assert_true(kp_list_is_empty(&kit->net.outbound.connects));
    close(other.fd);
}

/* ---- who waits goes ------------------------------------------------------------------- */

static void
given_an_attempt_when_its_generation_is_retired_then_it_is_told(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    run(kit, &other, "print(kelpie.connect(name, { timeout = 60 }))");
    sk_settle(kit);
    sk_load_beside(kit, "return {}");
    sk_pass(kit, 29999);
    sk_printed(kit, "");
    sk_pass(kit, 1);

    sk_printed(kit, "nil\tgeneration retired\tretired\n");
    assert_true(kp_list_is_empty(&kit->net.outbound.connects));
    assert_null(kit->script.retiring);
    close(other.fd);
}

static void
given_an_attempt_when_the_tasks_are_ended_then_it_is_given_up(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    run(kit, &other,
        "local guard <close> = setmetatable({}, { __close = function() print('closed') "
        "end })\n"
        "kelpie.connect(name) print('no')");
    sk_settle(kit);
    assert_false(kp_list_is_empty(&kit->net.outbound.connects));
    kp_script_end_tasks(&kit->script);

    sk_printed(kit, "closed\n");
    assert_true(kp_list_is_empty(&kit->net.outbound.connects));
    close(other.fd);
}

static void
given_a_killed_handler_when_it_has_connected_then_nothing_hangs(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    open_gate();
    run(kit, &other,
        "local c = assert(kelpie.connect(name)) c:send('x') print('there')\n"
        "test.kill() error('ended')");
    int fd = ck_accept(kit, &other);
    ck_prints(kit, "there\n");
    sk_logged(kit, "ended");

    ck_hears(kit, fd,
             "x\n"); /* who keeps no handle has left it open: it ends with the peer */
    close(fd);
    for (int i = 0; i < 1000 && kit->net.outbound.count > 0; i++) {
        sk_settle(kit);
        usleep(1000);
    }
    assert_int_equal(kit->net.outbound.count, 0);
    close(other.fd);
}

static void
given_a_client_that_leaves_when_its_handler_connects_then_the_end_is_told_after(
    void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();
    char text[500];

    snprintf(text, sizeof text,
             "return { on_message = function(conn)\n"
             "   local c = kelpie.connect('localhost:%d')\n"
             "   print(conn:is_open(), c:is_open(), (conn:send('late'))) c:close() end,\n"
             "on_disconnect = function(_, reason) print(reason == 'eof' or reason == "
             "'reset') end }",
             other.port);
    sk_load(kit, text);
    sk_connect(kit, 0);
    sk_say(kit, 0, "go\n");
    sk_hang_up(kit, 0);
    sk_settle(kit);
    sk_printed(kit, "");
    open_gate();
    int fd = ck_accept(kit, &other);

    ck_prints(kit, "true\ttrue\ttrue\ntrue\n");
    close(fd);
    close(other.fd);
}

/* ---- the other server ----------------------------------------------------------------- */

static void
reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(fd);
}

static void
given_a_peer_that_resets_when_it_is_at_once_then_nobody_gets_the_connection(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    run(kit, &other, "kelpie.sleep(1) print(kelpie.connect(address))");
    fault_clock_advance(&kit->sys, KP_NS_PER_S);
    sk_step(kit); /* connects; what has become of it is looked at in the next one */
    int fd = accept(other.fd, NULL, NULL);
    assert_true(fd >= 0);
    reset(fd);

    ck_prints(kit, "nil\tthe server has closed the connection at once\trefused\n");
    assert_int_equal(kit->net.outbound.count, 0);
    close(other.fd);
}

static void
given_a_peer_that_resets_when_it_is_received_from_then_it_is_closed(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return {}");
    run(kit, &other,
        "local c = assert(kelpie.connect(address)) print('there')\n"
        "print(c:receive()) print(c:send('x')) print(c:is_open(), c:queued())");
    int fd = ck_accept(kit, &other);
    ck_prints(kit, "there\n");
    reset(fd);

    ck_prints(kit, "nil\tconnection closed\tclosed\nnil\tconnection closed\tclosed\n"
                   "false\t0\n");
    sk_settle(kit);
    assert_int_equal(kit->net.outbound.count, 0);
    close(other.fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(given_many_names_when_looking_up_one_more_then_it_is_full_until_they_are_done),
        T(given_no_thread_when_looking_up_then_it_says_why),
        T(given_a_name_that_takes_long_when_the_time_is_over_then_it_is_told),
        T(given_an_attempt_when_its_generation_is_retired_then_it_is_told),
        T(given_an_attempt_when_the_tasks_are_ended_then_it_is_given_up),
        T(given_a_killed_handler_when_it_has_connected_then_nothing_hangs),
        T(given_a_client_that_leaves_when_its_handler_connects_then_the_end_is_told_after),
        T(given_a_peer_that_resets_when_it_is_at_once_then_nobody_gets_the_connection),
        T(given_a_peer_that_resets_when_it_is_received_from_then_it_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
