/*
 * test_guard_thread.c - the thread that notices late calls, as a thread
 *
 * The clock is the real one, and the thread looks when it likes; test_guard.c has the cases
 * in which the moment matters.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "script_kit.h"

/* A kit in signal mode with its thread, and the real clock. */
static int
setup_thread(void **state)
{
    struct script_kit *kit = malloc(sizeof *kit);

    assert_non_null(kit);
    sk_prepare(kit);
    kit->sys.clock_is_fake = false;
    kit->watchdog_signal = SIGURG;
    assert_int_equal(sk_open(kit), 0);
    *state = kit;
    return 0;
}

/* The thread sanitizer hands on a signal only when its own code runs: in an allocation. */
static const char endless[] = "while true do pcall(function() while true do\n"
                              "   local t = {} end end) end";

static bool
is_asleep(void *arg)
{
    struct kp_guard *guard = arg;

    return atomic_load(&guard->is_asleep);
}

static void
given_a_thread_when_nothing_runs_then_it_sleeps_until_a_call(void **state)
{
    struct script_kit *kit = *state;

    for (uint64_t i = 1; i <= 3; i++) {
        sk_run(kit, endless);
        assert_int_equal(kit->script.handler_kills, i);
        fault_wait_until(is_asleep, &kit->script.guard, "the guard to sleep");
    }
}

/* Without a limit these would be a hundred thousand protected calls deep, and the kill on its
 * way up for minutes. */
static void
given_protected_calls_without_end_when_killed_then_the_kill_comes_through(void **state)
{
    static const char *const texts[] = {
        "local function f() local t = {} pcall(f) f() end f()",
        "local function f() local t = {} xpcall(f, type) f() end f()",
        "while true do local co = coroutine.wrap(function() local function f()\n"
        "   coroutine.yield() pcall(f) f() end f() end)\n"
        "   for i = 1, 10000 do pcall(co) end end",
    };
    struct script_kit *kit = *state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sk_run(kit, texts[i]);
        assert_int_equal(kit->script.handler_kills, i + 1);
    }
    sk_run(kit, "print('alive')");
    sk_printed(kit, "alive\n");
}

static void *
run_endless(void *arg)
{
    for (int i = 0; i < 3; i++)
        sk_run(arg, endless);
    return NULL;
}

static void
given_servers_in_threads_when_all_are_late_then_each_is_killed(void **state)
{
    struct script_kit *kits[4];
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        void *kit;
        setup_thread(&kit);
        kits[i] = kit;
        sk_run(kits[i], ""); /* here, then in a thread of its own */
        assert_int_equal(pthread_create(&threads[i], NULL, run_endless, kit), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(kits[i]->script.handler_kills, 3);
        sk_run(kits[i], endless); /* and here again: its thread is gone */
        assert_int_equal(kits[i]->script.handler_kills, 4);
        void *kit = kits[i];
        sk_teardown(&kit);
    }
}

static void
given_a_thread_that_blocks_the_signal_when_it_runs_a_server_then_it_gets_it(void **state)
{
    struct script_kit *kit = *state;
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    sk_run(kit, endless);
    pthread_sigmask(SIG_SETMASK, &before, NULL);

    assert_int_equal(kit->script.handler_kills, 1);
}

/* Where on_start was called. */
struct start {
    atomic_bool is_over;
    pthread_t thread;
};

static void
note_start(void *arg)
{
    struct start *start = arg;

    start->thread = pthread_self();
    atomic_store(&start->is_over, true);
}

static bool
has_started(void *arg)
{
    struct start *start = arg;

    return atomic_load(&start->is_over);
}

static void
given_what_to_do_first_when_the_thread_starts_then_it_does_that(void **state)
{
    struct start start = {0};
    struct kp_guard guard;
    struct kp_sys sys = {.calls = &kp_sys_kernel};

    (void)state;
    kp_guard_init(&guard, &sys);
    guard.on_start = note_start;
    guard.stuck_arg = &start;
    assert_int_equal(kp_guard_use_signal(&guard, SIGURG), 0);
    assert_int_equal(kp_guard_start(&guard), 0);
    fault_wait_until(has_started, &start, "the guard to start");

    assert_true(pthread_equal(start.thread, guard.thread));
    kp_guard_clear(&guard);
}

static void
given_no_thread_when_a_server_is_made_then_it_polls_and_says_so_once(void **state)
{
    struct script_kit *kit = malloc(sizeof *kit);

    (void)state;
    assert_non_null(kit);
    sk_prepare(kit);
    kit->watchdog_signal = SIGURG;
    fault_sys_fail(&kit->sys, FAULT_THREAD, 1, EAGAIN);
    assert_int_equal(sk_open(kit), 0);
    sk_logged(kit, "warn: no thread for the watchdog (");
    kit->log[0] = '\0';
    sk_run(kit, "while true do test.advance(1) end");
    sk_logged(kit, "handler ran longer than 100 ms");

    sk_close(kit);
    free(kit);
}

static void
given_no_handler_when_a_server_is_made_then_it_fails(void **state)
{
    struct script_kit *kit = malloc(sizeof *kit);

    (void)state;
    assert_non_null(kit);
    sk_prepare(kit);
    kit->watchdog_signal = SIGKILL;
    assert_int_equal(sk_open(kit), -EINVAL);
    fault_env_check(&kit->env, &kit->mem);
    free(kit);
}

int
main(void)
{
#define THREAD(name) cmocka_unit_test_setup_teardown(name, setup_thread, sk_teardown)
    const struct CMUnitTest tests[] = {
        THREAD(given_a_thread_when_nothing_runs_then_it_sleeps_until_a_call),
        THREAD(given_protected_calls_without_end_when_killed_then_the_kill_comes_through),
        cmocka_unit_test(given_servers_in_threads_when_all_are_late_then_each_is_killed),
        THREAD(
            given_a_thread_that_blocks_the_signal_when_it_runs_a_server_then_it_gets_it),
        cmocka_unit_test(given_what_to_do_first_when_the_thread_starts_then_it_does_that),
        cmocka_unit_test(
            given_no_thread_when_a_server_is_made_then_it_polls_and_says_so_once),
        cmocka_unit_test(given_no_handler_when_a_server_is_made_then_it_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
