/*
 * test_torture.c - the main scenario, with everything that can fail made to fail
 *
 * One scenario: start, load, listen, three clients, rooms, data, timers, suspended
 * handlers, an error, a reload that succeeds and one that is rejected, a half-close, a
 * drain. It runs once undisturbed and must do all of it; then once for every allocation,
 * which fails once, and again with all later ones failing; then once for every system call,
 * with each errno that its manual documents. In a disturbed run nothing is promised but
 * this: no crash, no sanitizer report, no block and no descriptor left.
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

#include "fault.h"
#include "server/server.h"
#include "server_kit.h"

static const char first_script[] =
    "local kelpie = require('kelpie')\n"
    "local lobby = kelpie.room('lobby')\n"
    "local seen = kelpie.keep('seen', { total = 0, names = {} })\n"
    "local handlers = {}\n"
    "function handlers.on_load() kelpie.every('tick', 60, function() end) end\n"
    "function handlers.on_connect(conn)\n"
    "   seen.total = seen.total + 1\n"
    "   seen.names[conn.number] = 'guest' .. conn.number\n"
    "   conn.data.name = seen.names[conn.number]\n"
    "   lobby:join(conn)\n"
    "   conn:send('welcome ', conn.number)\n"
    "end\n"
    "function handlers.on_message(conn, line)\n"
    "   if line == 'say' then lobby:send(conn.data.name .. ' says', conn)\n"
    "   elseif line == 'fail' then error('on purpose')\n"
    "   elseif line == 'ask' then\n"
    "      conn:send('name?')\n"
    "      local name = conn:receive('line', 30)\n"
    "      conn:send('hello ', name or 'nobody')\n"
    "   elseif line == 'later' then kelpie.after(0, function() conn:send('now') end)\n"
    "   elseif line == 'spawn' then kelpie.spawn(conn.send, conn, 'spawned')\n"
    "   elseif line == 'big' then conn:send(('x'):rep(50000))\n"
    "   elseif line == 'bye' then conn:close('bye')\n"
    "   else kelpie.broadcast(line) end\n"
    "end\n"
    "function handlers.on_disconnect(conn, reason) print(conn.number, reason) end\n"
    "function handlers.on_input(line) kelpie.broadcast(line) end\n"
    "function handlers.on_shutdown() print('shutdown') end\n"
    "return handlers\n";

static const char second_script[] =
    "local kelpie = require('kelpie')\n"
    "local seen = kelpie.keep('seen', {})\n"
    "return {\n"
    "   on_load = function() kelpie.every('tick', 60, function() end) end,\n"
    "   on_message = function(conn, line)\n"
    "      conn:send(conn.data.name or '?', ' of ', seen.total or 0, ': ', line)\n"
    "   end,\n"
    "   on_connect = function(conn) conn:send('second') end,\n"
    "}\n";

static const char third_script[] = "return { on_mesage = print }\n";

enum { N_CLIENTS = 3, SETTLE_STEPS = 8 };

struct scenario {
    struct server_kit kit;
    struct fault_mem mem;
    struct fault_sys sys;
    int fds[N_CLIENTS];
    char heard[N_CLIENTS][70000];
    size_t heard_len[N_CLIENTS];
    int fds_before;
};

/* Hears what a client gets; one that reads the end closes. */
static void
hear(struct scenario *s, int c)
{
    if (s->fds[c] < 0)
        return;
    size_t room = sizeof(s->heard[c]) - 1 - s->heard_len[c];
    ssize_t n = recv(s->fds[c], s->heard[c] + s->heard_len[c], room, 0);
    if (n == 0) {
        close(s->fds[c]);
        s->fds[c] = -1;
    }
    if (n > 0)
        s->heard_len[c] += (size_t)n;
    s->heard[c][s->heard_len[c]] = '\0';
}

static void
settle(struct scenario *s)
{
    for (int i = 0; i < SETTLE_STEPS; i++) {
        if (s->kit.k != NULL)
            (void)kelpie_step(s->kit.k, 0); /* may fail, when told to */
        for (int c = 0; c < N_CLIENTS; c++)
            hear(s, c);
    }
}

static void
say(struct scenario *s, int client, const char *text)
{
    if (s->fds[client] >= 0)
        (void)send(s->fds[client], text, strlen(text), MSG_NOSIGNAL);
    settle(s);
}

static int
load(struct scenario *s, const char *text)
{
    return kelpie_load_string(s->kit.k, text, strlen(text), "=torture.lua");
}

static bool
start(struct scenario *s)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    struct kp_sys sys = {.calls = &fault_sys_calls, .arg = &s->sys};

    sv_doors(&s->kit, &options);
    options.alloc = fault_alloc;
    options.alloc_arg = &s->mem;
    if (kp_server_new(&s->kit.k, &options, &sys) < 0)
        return false;
    if (load(s, first_script) < 0)
        return false;
    s->kit.port = kelpie_listen(s->kit.k, "127.0.0.1:0");
    return s->kit.port > 0;
}

static void
talk(struct scenario *s)
{
    for (int c = 0; c < N_CLIENTS; c++) {
        s->fds[c] = sv_connect_port(s->kit.port);
        settle(s);
    }
    say(s, 0, "say\nto all\n");
    say(s, 1, "ask\n");
    say(s, 1, "ann\n");
    say(s, 2, "fail\nlater\nspawn\n");
    say(s, 2, "big\n");
    (void)kelpie_input(s->kit.k, "from above", 10); /* may fail, when told to */
    settle(s);
    (void)send(s->fds[0], "half a", 6, MSG_NOSIGNAL);
    settle(s);
}

/* The reload happens while one handler waits in receive. */
static void
reload(struct scenario *s)
{
    say(s, 1, "ask\n");
    (void)load(s, second_script);
    settle(s);
    say(s, 1, "bob\n");
    say(s, 0, " line\n");
    (void)load(s, third_script);
    settle(s);
    say(s, 2, "still\n");
}

static void
end(struct scenario *s)
{
    if (s->fds[0] >= 0)
        shutdown(s->fds[0], SHUT_WR);
    settle(s);
    kelpie_drain(s->kit.k);
    settle(s);
}

static void
run_scenario(struct scenario *s)
{
    if (!start(s))
        return;
    talk(s);
    reload(s);
    end(s);
}

static void
clean_up(struct scenario *s)
{
    kelpie_free(s->kit.k);
    s->kit.k = NULL;
    for (int c = 0; c < N_CLIENTS; c++)
        if (s->fds[c] >= 0)
            close(s->fds[c]);
    assert_int_equal(s->mem.blocks, 0);
    assert_int_equal(sv_open_fds(), s->fds_before);
}

static void
prepare(struct scenario *s)
{
    memset(s, 0, sizeof(*s));
    s->kit.quiet = true;
    s->fds_before = sv_open_fds();
    for (int c = 0; c < N_CLIENTS; c++)
        s->fds[c] = -1;
    fault_mem_init(&s->mem);
    fault_sys_init(&s->sys);
}

static struct scenario *
new_scenario(void)
{
    struct scenario *s = malloc(sizeof(*s));

    assert_non_null(s);
    return s;
}

static void
hears(const struct scenario *s, int client, const char *text)
{
    if (strstr(s->heard[client], text) == NULL)
        fail_msg("client %d did not hear '%s', but: %.300s\nlog: %s", client, text,
                 s->heard[client], s->kit.log);
}

static void
given_nothing_that_fails_when_the_scenario_runs_then_all_of_it_happens(void **state)
{
    (void)state;
    struct scenario *s = new_scenario();
    prepare(s);

    run_scenario(s);

    hears(s, 0, "welcome 0\n");
    hears(s, 1, "guest0 says\n");
    hears(s, 1, "to all\n");
    hears(s, 1, "name?\nhello ann\n");
    hears(s, 2, "now\n");
    hears(s, 2, "spawned\n");
    hears(s, 2, "xxxxxxxxxxxxxxx\n");
    hears(s, 2, "from above\n");
    hears(s, 1, "hello bob\n");
    hears(s, 0, "guest0 of 3: half a line\n");
    hears(s, 2, "guest2 of 3: still\n");
    assert_non_null(strstr(s->kit.log, "on purpose"));
    assert_non_null(strstr(s->kit.log, "did you mean 'on_message'"));
    assert_non_null(strstr(s->kit.log, "still serving generation 2"));
    assert_true(s->kit.k->is_finished);
    clean_up(s);
    free(s);
}

/* ---- memory ------------------------------------------------------------------------- */

static size_t
allocations_of_the_scenario(struct scenario *s)
{
    prepare(s);
    run_scenario(s);
    size_t calls = s->mem.calls;
    clean_up(s);
    return calls;
}

/* Every point by default; a stride leaves some out where time is short (valgrind). */
static size_t
stride(void)
{
    const char *text = getenv("KELPIE_TORTURE_STRIDE");

    return text != NULL && atoi(text) > 0 ? (size_t)atoi(text) : 1;
}

static void
given_allocation_n_when_it_fails_once_then_the_server_survives(void **state)
{
    (void)state;
    struct scenario *s = new_scenario();
    size_t total = allocations_of_the_scenario(s);
    size_t points = 0;

    for (size_t n = 1; n <= total; n += stride()) {
        prepare(s);
        fault_mem_fail(&s->mem, n);
        run_scenario(s);
        points += s->mem.failures;
        clean_up(s);
    }

    assert_true(points > total / stride() / 2);
    print_message("%zu allocations failed once\n", points);
    free(s);
}

static void
given_all_allocations_from_n_on_when_they_fail_then_the_server_survives(void **state)
{
    (void)state;
    struct scenario *s = new_scenario();
    size_t total = allocations_of_the_scenario(s);
    size_t points = 0;

    for (size_t n = 1; n <= total; n += stride()) {
        prepare(s);
        fault_mem_fail_from(&s->mem, n);
        run_scenario(s);
        points += s->mem.failures > 0;
        clean_up(s);
    }

    assert_true(points > total / stride() / 2);
    print_message("%zu points from which all allocations failed\n", points);
    free(s);
}

/* ---- the kernel --------------------------------------------------------------------- */

/* What POSIX and the manuals document for each call, as far as the net can meet it. */
static const struct {
    enum fault_call call;
    const char *name;
    int errors[8]; /* ends with 0 */
} documented[] = {
    {FAULT_SOCKET, "socket", {EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES}},
    {FAULT_BIND, "bind", {EADDRINUSE, EADDRNOTAVAIL, EACCES}},
    {FAULT_LISTEN, "listen", {EADDRINUSE, EOPNOTSUPP}},
    {FAULT_ACCEPT,
     "accept",
     {EAGAIN, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM}},
    {FAULT_SHUTDOWN, "shutdown", {ENOTCONN, EINVAL}},
    {FAULT_CLOSE, "close", {EINTR, EIO}},
    {FAULT_SETSOCKOPT, "setsockopt", {EINVAL, ENOPROTOOPT, ENOMEM}},
    {FAULT_GETSOCKNAME, "getsockname", {ENOBUFS}},
    {FAULT_SET_FLAGS, "fcntl", {EBADF}},
    {FAULT_RECV, "recv", {EAGAIN, EINTR, ECONNRESET, ETIMEDOUT, ENOMEM, ENOBUFS}},
    {FAULT_SEND, "sendmsg", {EAGAIN, EINTR, ECONNRESET, EPIPE, ENOBUFS, ENOMEM}},
    {FAULT_READ, "read", {EAGAIN, EIO}},
    {FAULT_WRITE, "write", {EAGAIN, EIO}},
    {FAULT_PIPE, "pipe", {EMFILE, ENFILE}},
    {FAULT_OPEN, "open", {EMFILE, ENFILE, ENOENT, EACCES}},
    {FAULT_FSTAT, "fstat", {EIO}},
    {FAULT_KQUEUE, "kqueue", {EMFILE, ENFILE, ENOMEM}},
    {FAULT_KEVENT, "kevent", {EINTR, ENOMEM}},
    {FAULT_RANDOM, "getentropy", {EIO, ENOSYS}},
    {FAULT_MAX_FILES, "getrlimit", {EINVAL}},
};

enum { MAX_OCCURRENCES = 20 };

/* Fails the nth call of a kind, once or from then on.
 * Returns   whether there was an nth call. */
static bool
fail_call(struct scenario *s, enum fault_call call, size_t nth, int error, bool on)
{
    prepare(s);
    if (on)
        fault_sys_fail_from(&s->sys, call, nth, error);
    else
        fault_sys_fail(&s->sys, call, nth, error);
    run_scenario(s);
    bool failed = s->sys.failures > 0;
    clean_up(s);
    return failed;
}

static size_t
fail_every_call(bool on)
{
    struct scenario *s = new_scenario();
    size_t points = 0;

    for (size_t i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
        for (const int *error = documented[i].errors; *error != 0; error++) {
            if (on && *error == EINTR)
                continue; /* an interrupted call is made again, for ever */
            for (size_t nth = 1; nth <= MAX_OCCURRENCES; nth++) {
                if (!fail_call(s, documented[i].call, nth, *error, on))
                    break;
                points++;
            }
        }
    free(s);
    return points;
}

static void
given_a_system_call_when_it_fails_once_then_the_server_survives(void **state)
{
    (void)state;

    size_t points = fail_every_call(false);

    print_message("%zu system calls failed once\n", points);
    assert_true(points > 300);
}

static void
given_a_system_call_when_it_fails_from_then_on_then_the_server_survives(void **state)
{
    (void)state;

    size_t points = fail_every_call(true);

    print_message("%zu points from which a system call failed\n", points);
    assert_true(points > 300);
}

static void
given_one_byte_at_a_time_when_the_scenario_runs_then_the_same_is_said(void **state)
{
    (void)state;
    struct scenario *s = new_scenario();
    prepare(s);
    s->sys.recv_one_byte = true;
    s->sys.eagain_every = 3;

    assert_true(start(s));
    for (int c = 0; c < N_CLIENTS; c++) {
        s->fds[c] = sv_connect_port(s->kit.port);
        for (int i = 0; i < 20; i++)
            settle(s);
    }
    say(s, 0, "say\nto all\n");
    for (int i = 0; i < 50; i++)
        settle(s);

    hears(s, 0, "welcome 0\nto all\n");
    hears(s, 2, "welcome 2\nguest0 says\nto all\n");
    clean_up(s);
    free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_nothing_that_fails_when_the_scenario_runs_then_all_of_it_happens),
        cmocka_unit_test(
            given_one_byte_at_a_time_when_the_scenario_runs_then_the_same_is_said),
        cmocka_unit_test(given_allocation_n_when_it_fails_once_then_the_server_survives),
        cmocka_unit_test(
            given_all_allocations_from_n_on_when_they_fail_then_the_server_survives),
        cmocka_unit_test(given_a_system_call_when_it_fails_once_then_the_server_survives),
        cmocka_unit_test(
            given_a_system_call_when_it_fails_from_then_on_then_the_server_survives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
