/*
 * test_host_state.c - what belongs to the host's process is after a session as it was before
 *
 * A session uses everything that could be tempted to change something: sockets of all kinds,
 * peers that leave while they are written to, handlers that are ended, reloads, a drain. What
 * is recorded: dispositions of all signals, the mask, interval timers, descriptors and their
 * flags, standard input and output, umask, working directory, locale, environment, the limit
 * of descriptors. Standard output and error are files meanwhile, and must be empty.
 */
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "server_kit.h"

enum { SIGNALS = 65, FDS = 64, TEXT = 4096 };

extern char **environ;

struct host_state {
    struct sigaction actions[SIGNALS];
    bool has_action[SIGNALS], is_blocked[SIGNALS];
    struct itimerval timers[3];
    int fd_flags[FDS], file_flags[FDS]; /* -1: not open */
    mode_t mask;
    char cwd[TEXT], locale[TEXT], first_variable[TEXT];
    char **environment;
    int n_variables;
    struct rlimit files;
};

static void
record_signals(struct host_state *s)
{
    sigset_t blocked;

    sigemptyset(&blocked);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
    for (int i = 1; i < SIGNALS; i++) {
        s->has_action[i] = sigaction(i, NULL, &s->actions[i]) == 0;
        s->is_blocked[i] = sigismember(&blocked, i) == 1;
    }
    assert_int_equal(getitimer(ITIMER_REAL, &s->timers[0]), 0);
    assert_int_equal(getitimer(ITIMER_VIRTUAL, &s->timers[1]), 0);
    assert_int_equal(getitimer(ITIMER_PROF, &s->timers[2]), 0);
}

static void
record(struct host_state *s)
{
    memset(s, 0, sizeof(*s));
    record_signals(s);
    for (int fd = 0; fd < FDS; fd++) {
        s->fd_flags[fd] = fcntl(fd, F_GETFD);
        s->file_flags[fd] = fcntl(fd, F_GETFL);
    }
    s->mask = umask(0);
    umask(s->mask);
    assert_non_null(getcwd(s->cwd, sizeof(s->cwd)));
    snprintf(s->locale, sizeof(s->locale), "%s", setlocale(LC_ALL, NULL));
    s->environment = environ;
    while (environ[s->n_variables] != NULL)
        s->n_variables++;
    snprintf(s->first_variable, sizeof(s->first_variable), "%s",
             environ[0] != NULL ? environ[0] : "");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &s->files), 0);
}

static bool
is_same_action(const struct sigaction *a, const struct sigaction *b)
{
    for (int i = 1; i < SIGNALS; i++) {
        if (sigismember(&a->sa_mask, i) != sigismember(&b->sa_mask, i))
            return false;
    }
    return a->sa_handler == b->sa_handler && a->sa_flags == b->sa_flags;
}

/* Asserts that nothing but the one signal (0: none) has changed. */
static void
compare(const struct host_state *before, const struct host_state *after, int except)
{
    for (int i = 1; i < SIGNALS; i++) {
        assert_int_equal(before->has_action[i], after->has_action[i]);
        if (i != except && before->has_action[i] &&
            !is_same_action(&before->actions[i], &after->actions[i]))
            fail_msg("the disposition of signal %d has changed", i);
        if (i != except && before->is_blocked[i] != after->is_blocked[i])
            fail_msg("the mask has changed at signal %d", i);
    }
    assert_memory_equal(before->timers, after->timers, sizeof(before->timers));
    for (int fd = 0; fd < FDS; fd++) {
        if (before->fd_flags[fd] != after->fd_flags[fd] ||
            before->file_flags[fd] != after->file_flags[fd])
            fail_msg("descriptor %d has changed", fd);
    }
    assert_int_equal(before->mask, after->mask);
    assert_string_equal(before->cwd, after->cwd);
    assert_string_equal(before->locale, after->locale);
    assert_ptr_equal(before->environment, after->environment);
    assert_int_equal(before->n_variables, after->n_variables);
    assert_string_equal(before->first_variable, after->first_variable);
    assert_int_equal(before->files.rlim_cur, after->files.rlim_cur);
    assert_int_equal(before->files.rlim_max, after->files.rlim_max);
}

/* ---- the session ----------------------------------------------------------------------- */

/* The endless loop calls into the C library: the thread sanitizer puts a signal off until code
 * that it knows is entered, and a loop of Lua alone never does. */
static const char script[] =
    "local kelpie = require('kelpie')\n"
    "return { on_load = function() kelpie.every('tick', 0.01, function() end) end,\n"
    "   on_connect = function(conn) conn:join('all') end,\n"
    "   on_message = function(conn, line)\n"
    "   print(line)\n"
    /* It allocates, because the thread sanitizer keeps signals back until then. */
    "   if line == 'loop' then while true do local _ = ('x'):rep(1000) end end\n"
    "   if line == 'fail' then error('failed') end\n"
    "   if line == 'much' then conn:write(('x'):rep(500000)) return end\n"
    "   conn:send(line:upper(), os and os.setlocale and '!' or '')\n"
    "end }\n";

/* Ends with a reset while there is much to be written to it. */
static void
leave_in_the_middle(struct server_kit *kit)
{
    struct linger now = {.l_onoff = 1};
    int fd = sv_connect(kit);

    sv_send(kit, fd, "much\n");
    sv_step(kit);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(fd);
    sv_expect_clients(kit, 1);
}

/* A client of the unix socket at path asks something and does not wait for the answer. */
static void
ask_and_leave(struct server_kit *kit, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(write(fd, "status\nmuch\n", 12), 12);
    close(fd);
    for (int i = 0; i < 20; i++)
        sv_step(kit);
}

static void
ignore_readable(void *arg, int fd)
{
    char c;

    (void)arg;
    if (read(fd, &c, 1) < 0)
        return;
}

static void
note_call(void *arg)
{
    ++*(int *)arg;
}

static void
note_result(kelpie *k, kelpie_conn *conn, int error, void *arg)
{
    (void)k;
    assert_int_equal(error, 0);
    kelpie_conn_close(conn, "enough");
    note_call(arg);
}

/* To the server itself, by name: a thread looks that up. */
static void
reach_out(struct server_kit *kit)
{
    const struct kelpie_connect_options wish = {.size = sizeof(wish),
                                                .on_result = note_result};
    char address[32];
    int called = 0;

    snprintf(address, sizeof(address), "localhost:%d", kit->port);
    assert_int_equal(kelpie_connect(kit->k, NULL, address, &wish, &called), 0);
    for (int i = 0; i < 10000 && called == 0; i++)
        assert_true(kelpie_step(kit->k, 1) >= 0);
    assert_int_equal(called, 1);
    sv_expect_clients(kit, 1);
}

static void
use_everything(struct server_kit *kit, const char *folder)
{
    char control[128], address[160];
    int called = 0;
    int fd = sv_connect(kit);

    snprintf(control, sizeof(control), "%s/control", folder);
    snprintf(address, sizeof(address), "second=unix:%s/socket", folder);
    assert_int_equal(kelpie_control(kit->k, control), 0);
    assert_int_equal(kelpie_listen(kit->k, address), 0);
    assert_int_equal(kelpie_watch(kit->k, STDIN_FILENO, ignore_readable, NULL), 0);
    sv_send(kit, fd, "hello\n");
    sv_expect(kit, fd, "HELLO\n");
    leave_in_the_middle(kit);
    reach_out(kit);
    ask_and_leave(kit, control);
    ask_and_leave(kit, strchr(address, ':') + 1);

    sv_send(kit, fd, "loop\nfail\n");
    sv_expect_log(kit, "failed");
    assert_int_equal(kelpie_post(kit->k, note_call, &called), 0);
    kelpie_reload(kit->k);
    sv_expect_log(kit, "generation 2 serves");
    assert_int_equal(called, 1);
    assert_int_equal(sv_stats(kit).handler_kills, 1);
    sv_send(kit, fd, "still\n");
    sv_expect(kit, fd, "STILL\n");

    assert_int_equal(kelpie_unwatch(kit->k, STDIN_FILENO), 0);
    kelpie_drain(kit->k);
    sv_expect_end(kit, fd);
    close(fd);
}

/* A whole session; what it has printed would be in the files. */
static void
have_a_session(int watchdog_signal)
{
    char folder[] = "/tmp/kelpie-host-XXXXXX";
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    struct server_kit kit;
    char path[64];

    assert_non_null(mkdtemp(folder));
    options.watchdog_signal = watchdog_signal;
    options.log_level = KELPIE_LOG_INFO;
    sv_start(&kit, &options, script);
    use_everything(&kit, folder);
    sv_stop(&kit);
    snprintf(path, sizeof(path), "%s/control.lock", folder);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* the sockets are gone, too */
}

/* Puts files of its own in the place of descriptors 0 to 2 for the length of a session. */
static void
have_a_session_unheard(int watchdog_signal, struct host_state *before,
                       struct host_state *after)
{
    int saved[3], ends[2];
    struct stat st[3];
    FILE *said = tmpfile();

    assert_non_null(said);
    fflush(NULL);
    assert_int_equal(pipe(ends), 0);
    for (int fd = 0; fd < 3; fd++) {
        saved[fd] = fcntl(fd, F_DUPFD, FDS);
        assert_true(saved[fd] >= 0);
        assert_int_equal(dup2(fd == 0 ? ends[0] : fileno(said), fd), fd);
    }
    record(before);
    have_a_session(watchdog_signal);
    record(after);
    fflush(NULL);
    for (int fd = 0; fd < 3; fd++) {
        assert_int_equal(fstat(fd, &st[fd]), 0);
        assert_int_equal(dup2(saved[fd], fd), fd);
        close(saved[fd]);
    }
    close(ends[0]);
    close(ends[1]);
    fclose(said);
    assert_int_equal(st[1].st_size, 0);
    assert_int_equal(st[2].st_size, 0);
}

/* ---- tests ----------------------------------------------------------------------------- */

static void
ignore_signal(int number)
{
    (void)number;
}

/* A host that has settings of its own everywhere, and SIGPIPE as it is by default. */
static void
settle_in(void)
{
    if (setlocale(LC_ALL, "C.UTF-8") == NULL)
        setlocale(LC_ALL, "C");
    umask(027);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, ignore_signal);
    signal(SIGURG, SIG_DFL);
}

static void
given_a_host_when_a_session_polls_then_nothing_of_the_host_has_changed(void **state)
{
    (void)state;
    struct host_state before, after;
    settle_in();

    have_a_session_unheard(0, &before, &after);

    compare(&before, &after, 0);
}

static void
given_a_host_when_a_session_has_a_signal_then_only_that_one_is_taken(void **state)
{
    (void)state;
    struct host_state before, after;
    sigset_t urgent;
    settle_in();
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    pthread_sigmask(SIG_BLOCK, &urgent, NULL);

    have_a_session_unheard(SIGURG, &before, &after);

    compare(&before, &after, SIGURG);
    assert_true(after.actions[SIGURG].sa_handler != SIG_DFL);
    assert_true(after.actions[SIGURG].sa_flags & SA_RESTART);
    assert_true(before.is_blocked[SIGURG]);
    assert_false(after.is_blocked[SIGURG]); /* as the header says */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_a_host_when_a_session_polls_then_nothing_of_the_host_has_changed),
        cmocka_unit_test(
            given_a_host_when_a_session_has_a_signal_then_only_that_one_is_taken),
    };

    return cmocka_run_group_tests_name("host_state", tests, NULL, NULL);
}
