/*
 * test_control_faults.c - the control socket while memory and calls fail, each once
 */
#include "control_kit.h"
#include "fault.h"
#include "server/server.h"

/* ---- everything that can fail --------------------------------------------------------- */

struct scenario {
    struct control_kit kit;
    struct fault_mem mem;
    struct fault_sys sys;
    int n_pongs;
};

static void
hear_and_close(struct scenario *s, int fd)
{
    char text[4096];

    for (int i = 0; i < 6; i++)
        (void)kelpie_step(s->kit.server.k, 0);
    ssize_t n = fd >= 0 ? recv(fd, text, sizeof(text) - 1, 0) : -1;
    if (n > 0) {
        text[n] = '\0';
        s->n_pongs += strstr(text, "ok pong\n") != NULL;
    }
    if (fd >= 0)
        close(fd);
}

/* A client that asks for all, one that hangs up while it waits, and one at the end. */
static void
use(struct scenario *s)
{
    static const char commands[] =
        "help\nstatus --json\nreload\nrollback\nreload --drop\n"
        "reload --dry-run\nping\n";
    int fd = connect_to(s->kit.path);

    if (fd >= 0)
        (void)send(fd, commands, strlen(commands), MSG_NOSIGNAL);
    hear_and_close(s, fd);
    fd = connect_to(s->kit.path);
    if (fd >= 0) {
        (void)send(fd, "reload\n", 7, MSG_NOSIGNAL);
        close(fd);
    }
    for (int i = 0; i < 4; i++)
        (void)kelpie_step(s->kit.server.k, 0);
}

/* Runs all of it; disturb() has said what fails. */
static void
run(struct scenario *s, void (*disturb)(struct scenario *s, size_t nth), size_t nth)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    struct kp_sys sys = {.calls = &fault_sys_calls, .arg = &s->sys};
    int fds_before = sv_open_fds();

    fault_mem_init(&s->mem);
    fault_sys_init(&s->sys);
    sv_doors(&s->kit.server, &options);
    options.alloc = fault_alloc;
    options.alloc_arg = &s->mem;
    assert_int_equal(kp_server_new(&s->kit.server.k, &options, &sys), 0);
    assert_int_equal(kelpie_load(s->kit.server.k, s->kit.script), 0);
    disturb(s, nth);
    int rc = kelpie_control(s->kit.server.k, s->kit.path);
    if (rc == 0)
        use(s);
    else
        assert_int_not_equal(kelpie_errmsg(s->kit.server.k)[0], '\0');

    fault_env_heal(&s->mem, &s->sys);
    if (rc == 0) { /* it serves as before, at the latest when its pause is over */
        fault_clock_set(&s->sys, kp_sys_now_ns(&sys) + UINT64_C(1000000000));
        s->n_pongs = 0;
        for (int i = 0; i < 4; i++)
            (void)kelpie_step(s->kit.server.k, 0);
        int fd = connect_to(s->kit.path);
        assert_true(fd >= 0);
        (void)send(fd, "ping\n", 5, MSG_NOSIGNAL);
        hear_and_close(s, fd);
        assert_int_equal(s->n_pongs, 1);
    }
    kelpie_free(s->kit.server.k);
    assert_int_equal(s->mem.blocks, 0);
    assert_int_equal(sv_open_fds(), fds_before);
    unlink(s->kit.path); /* a failed unlink may have left it */
}

static void
fail_mem(struct scenario *s, size_t nth)
{
    fault_mem_fail(&s->mem, nth);
}

static void
fail_all_mem(struct scenario *s, size_t nth)
{
    fault_mem_fail_from(&s->mem, nth);
}

static void
fail_call(struct scenario *s, size_t nth)
{
    fault_sys_fail(&s->sys, FAULT_ANY, nth, EIO);
}

static void
fail_with_emfile(struct scenario *s, size_t nth)
{
    fault_sys_fail(&s->sys, FAULT_ANY, nth, EMFILE);
}

static void
run_each(void (*disturb)(struct scenario *s, size_t nth))
{
    struct scenario *s = calloc(1, sizeof(*s));
    size_t failures = 1;

    assert_non_null(s);
    make_folder(&s->kit);
    write_script(&s->kit, first_script);
    for (size_t n = 1; failures > 0; n++) {
        run(s, disturb, n);
        failures = s->mem.failures + s->sys.failures;
        assert_true(n < 5000);
    }
    unlink(s->kit.script);
    assert_int_equal(rmdir(s->kit.folder), 0);
    free(s);
}

static void
given_each_allocation_when_it_fails_then_the_server_lives(void **state)
{
    (void)state;
    run_each(fail_mem);
    run_each(fail_all_mem);
}

static void
given_each_call_when_it_fails_then_the_server_lives(void **state)
{
    (void)state;
    run_each(fail_call);
    run_each(fail_with_emfile);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_each_allocation_when_it_fails_then_the_server_lives),
        cmocka_unit_test(given_each_call_when_it_fails_then_the_server_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
