/*
 * test_control.c - the control socket: commands, answers, true results, and what it bears
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "server/control.h"
#include "server_kit.h"

static const char first_script[] = "return { on_message = function(conn, line)\n"
                                   "   conn:send('one ', line)\n"
                                   "end }\n";
static const char second_script[] = "return { on_message = function(conn, line)\n"
                                    "   conn:send('two ', line)\n"
                                    "end }\n";
static const char waiting_script[] =
    "local kelpie = require('kelpie')\n"
    "return { on_message = function(conn, line)\n"
    "   if line == 'wait' then conn:send('waiting') conn:receive('line', 30) end\n"
    "   conn:send('done')\n"
    "end }\n";

/* ---- the kit -------------------------------------------------------------------------- */

struct control_kit {
    struct server_kit server;
    char folder[64], path[96], script[96];
};

static void
write_script(struct control_kit *kit, const char *text)
{
    FILE *file = fopen(kit->script, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
make_folder(struct control_kit *kit)
{
    snprintf(kit->folder, sizeof(kit->folder), "/tmp/kelpie-control.XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    snprintf(kit->path, sizeof(kit->path), "%s/sock", kit->folder);
    snprintf(kit->script, sizeof(kit->script), "%s/init.lua", kit->folder);
}

static int
setup(void **state)
{
    struct control_kit *kit = calloc(1, sizeof(*kit));

    assert_non_null(kit);
    make_folder(kit);
    write_script(kit, first_script);
    sv_start(&kit->server, NULL, NULL);
    assert_int_equal(kelpie_load(kit->server.k, kit->script), 0);
    assert_int_equal(kelpie_control(kit->server.k, kit->path), 0);
    *state = kit;
    return 0;
}

static int
teardown(void **state)
{
    struct control_kit *kit = *state;

    sv_stop(&kit->server);
    unlink(kit->script);
    /* Fails when anything else is left, the socket for example. */
    assert_int_equal(rmdir(kit->folder), 0);
    free(kit);
    return 0;
}

/* Connects to path. Returns a nonblocking descriptor, or a negative errno. */
static int
connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static int
operator_of(struct control_kit *kit)
{
    int fd = connect_to(kit->path);

    assert_true(fd >= 0);
    return fd;
}

/* Reads an answer: up to and with its last line. */
static const char *
answer(struct control_kit *kit, int fd)
{
    static char text[65536]; /* of this test program only */
    size_t len = 0, line = 0;

    for (int i = 0; i < 5000; i++) {
        ssize_t n = recv(fd, text + len, 1, 0);
        if (n == 0)
            break;
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            (void)kelpie_step(kit->server.k, 1);
            continue;
        }
        i = 0;
        text[++len] = '\0';
        assert_true(len < sizeof(text) - 1);
        if (text[len - 1] != '\n')
            continue;
        if (text[line] != ' ')
            return text;
        line = len;
    }
    fail_msg("no whole answer, but '%s'; log:\n%s", text, kit->server.log);
    return NULL;
}

static const char *
ask(struct control_kit *kit, int fd, const char *command)
{
    sv_send(&kit->server, fd, command);
    return answer(kit, fd);
}

static void
assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, text);
}

/* ---- commands ------------------------------------------------------------------------- */

static void
given_a_control_socket_when_pinged_then_it_answers_and_is_no_client(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit);

    assert_string_equal(ask(kit, fd, "ping\n"), "ok pong\n");
    assert_string_equal(ask(kit, fd, "  ping \r\n"), "ok pong\n");

    assert_int_equal(sv_stats(&kit->server).clients, 0);
    assert_int_equal(sv_stats(&kit->server).accepted, 0);
    close(fd);
}

static void
given_a_control_socket_when_looked_at_then_only_its_user_may_use_it(void **state)
{
    struct control_kit *kit = *state;
    struct stat st;

    assert_int_equal(stat(kit->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void
given_wrong_words_when_said_then_the_nearest_ones_are_named(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit);

    assert_string_equal(ask(kit, fd, "relod\n"),
                        "error unknown command 'relod' (did you mean 'reload'?)\n");
    assert_string_equal(ask(kit, fd, "reload --dorp\n"),
                        "error unknown option '--dorp' (did you mean '--drop'?)\n");
    assert_string_equal(ask(kit, fd, "ping --json\n"),
                        "error unknown option '--json' of ping (help lists them)\n");
    assert_string_equal(ask(kit, fd, "\033[31m\n"),
                        "error unknown command '\\x1b[31m' (help lists them)\n");
    assert_string_equal(ask(kit, fd, "\n \nping\n"), "ok pong\n");
    close(fd);
}

static void
given_help_when_asked_then_every_command_is_in_it(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit);

    const char *text = ask(kit, fd, "help\n");

    assert_has(text, " reload");
    assert_has(text, "[--drop]");
    assert_has(text, " status [--json]");
    assert_has(text, "\nok help\n");
    close(fd);
}

static void
given_a_server_when_asked_for_its_status_then_the_numbers_are_there(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);
    char wanted[200];

    sv_send(&kit->server, client, "x\n");
    sv_expect(&kit->server, client, "one x\n");
    const char *text = ask(kit, fd, "status\n");

    assert_has(text, " generation         1\n");
    assert_has(text, " clients            1\n");
    assert_has(text, " messages_in        1\n");
    assert_has(text, " state              serving\n");
    snprintf(wanted, sizeof(wanted), " listener           127.0.0.1:%d\n",
             kit->server.port);
    assert_has(text, wanted);
    snprintf(wanted, sizeof(wanted), " script             %s\n", kit->script);
    assert_has(text, wanted);
    assert_has(text, "\nok status\n");

    text = ask(kit, fd, "status --json\n");
    assert_has(text, " {\"version\":\"");
    assert_has(text, ",\"generation\":1,\"uptime_s\":");
    snprintf(
        wanted, sizeof(wanted),
        ",\"listeners\":[{\"name\":\"\",\"address\":\"127.0.0.1:%d\"}],\"clients\":1,",
        kit->server.port);
    assert_has(text, wanted);
    assert_has(text, "}\nok status\n");
    close(client);
    close(fd);
}

static void
given_quit_or_an_end_when_said_then_what_was_asked_is_answered_first(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit);

    sv_send(&kit->server, fd, "ping\nquit\nping\n");
    sv_expect(&kit->server, fd, "ok pong\nok bye\n");
    sv_expect_end(&kit->server, fd);
    close(fd);

    fd = operator_of(kit);
    sv_send(&kit->server, fd, "ping\nreload\nping"); /* the last one without a newline */
    shutdown(fd, SHUT_WR);
    sv_expect(&kit->server, fd, "ok pong\n");
    assert_has(answer(kit, fd), "ok loaded: generation 2 serves\n");
    sv_expect(&kit->server, fd, "ok pong\n");
    sv_expect_end(&kit->server, fd);
    close(fd);
}

/* ---- reload --------------------------------------------------------------------------- */

static void
given_a_new_script_when_a_reload_is_asked_then_the_answer_comes_when_it_serves(
    void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);
    sv_send(&kit->server, client, "x\n");
    sv_expect(&kit->server, client, "one x\n");
    write_script(kit, second_script);

    const char *text = ask(kit, fd, "reload\n");

    assert_has(text, "ok loaded: generation 2 serves\n");
    assert_int_equal(sv_stats(&kit->server).generation, 2);
    sv_send(&kit->server, client, "x\n");
    sv_expect(&kit->server, client, "two x\n");
    close(client);
    close(fd);
}

static void
given_a_broken_script_when_a_reload_is_asked_then_the_whole_truth_is_told(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit);
    write_script(kit, "local x = = 1\nreturn {}\n");

    const char *text = ask(kit, fd, "reload\n");

    assert_has(text, " reload rejected: ");
    assert_has(text, "init.lua:1: unexpected symbol near '='");
    assert_has(text, "still serving generation 1");
    assert_has(text, "\nerror rejected: generation 1 serves on\n");
    write_script(kit, second_script);
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: ");
    close(fd);
}

static void
given_an_error_with_many_lines_when_told_then_none_of_them_looks_like_the_end(
    void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit);
    write_script(kit, "error('one\\nok loaded: no\\nerror \\27[31m', 0)\n");

    const char *text = ask(kit, fd, "reload\n");

    assert_has(text, "\n ok loaded: no\n error \\x1b[31m\n");
    assert_has(text, "\nerror rejected: ");
    close(fd);
}

static void
given_values_that_cannot_cross_when_a_reload_drops_them_then_it_is_loaded(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);
    write_script(kit, "return { on_connect = function(conn)\n"
                      "   conn.data.f = print conn:send('hello') end }\n");
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 2");
    sv_expect_clients(&kit->server, 1);
    int second = sv_connect(&kit->server);
    sv_expect(&kit->server, second, "hello\n");

    const char *text = ask(kit, fd, "reload\n");
    assert_has(text, "data.f is a function");
    assert_has(text, "error rejected: generation 2 serves on\n");

    assert_has(ask(kit, fd, "reload --drop\n"), "ok loaded: generation ");
    close(client);
    close(second);
    close(fd);
}

static void
given_several_who_ask_at_once_when_it_is_done_then_all_get_the_result_of_one(void **state)
{
    struct control_kit *kit = *state;
    int a = operator_of(kit), b = operator_of(kit), c = operator_of(kit);
    assert_string_equal(ask(kit, a, "ping\n"), "ok pong\n");
    assert_string_equal(ask(kit, b, "ping\n"), "ok pong\n");
    assert_string_equal(ask(kit, c, "ping\n"), "ok pong\n");
    write_script(kit, second_script);

    assert_int_equal(send(a, "reload\n", 7, 0), 7);
    assert_int_equal(send(b, "reload\n", 7, 0), 7);
    assert_int_equal(send(c, "reload\n", 7, 0), 7);
    kelpie_reload(kit->server.k);

    assert_has(answer(kit, a), "ok loaded: generation 2 serves\n");
    assert_has(answer(kit, b), "ok loaded: generation 2 serves\n");
    assert_has(answer(kit, c), "ok loaded: generation 2 serves\n");
    assert_int_equal(sv_stats(&kit->server).reloads, 2);
    close(a);
    close(b);
    close(c);
}

static void
given_a_generation_that_retires_when_a_reload_is_asked_then_the_answer_waits(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);
    write_script(kit, waiting_script);
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 2");
    sv_send(&kit->server, client, "wait\n");
    sv_expect(&kit->server, client, "waiting\n");
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 3");
    assert_has(ask(kit, fd, "status\n"), " state              retiring\n");

    sv_send(&kit->server, fd, "reload\nreload --drop\nping\n");
    for (int i = 0; i < 20; i++)
        sv_step(&kit->server);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), -1); /* no answer yet */
    sv_send(&kit->server, client, "go on\n");

    assert_has(answer(kit, fd), "ok loaded: generation 4");
    assert_has(answer(kit, fd), "ok loaded: generation 5");
    assert_string_equal(answer(kit, fd), "ok pong\n");
    sv_expect(&kit->server, client, "done\n");
    close(client);
    close(fd);
}

static void
given_a_drain_when_a_reload_waits_then_it_is_told_that_the_server_ends(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);
    write_script(kit, waiting_script);
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 2");
    sv_send(&kit->server, client, "wait\n");
    sv_expect(&kit->server, client, "waiting\n");
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 3");

    sv_send(&kit->server, fd, "reload\n");
    sv_step(&kit->server);
    kelpie_drain(kit->server.k);

    assert_string_equal(answer(kit, fd), "error ending: the server is about to end\n");
    assert_string_equal(ask(kit, fd, "reload --drop\n"),
                        "error ending: the server is about to end\n");
    assert_has(ask(kit, fd, "status\n"), " state              draining\n");
    close(client);
    close(fd);
}

/* ---- dry run, roll-back, probation ---------------------------------------------------- */

static void
given_a_dry_run_when_asked_then_it_is_told_and_nothing_changes(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit);
    write_script(kit, "return { on_drain = print }\n");

    const char *text = ask(kit, fd, "reload --dry-run\n");
    assert_has(text, " dry run: generation 2 would serve");
    assert_has(text, "\n handler added: on_drain\n");
    assert_has(text, "\nok would load: generation 1 serves on\n");

    write_script(kit, "return {\n");
    text = ask(kit, fd, "reload --dry-run\n");
    assert_has(text, " dry run: the reload would be rejected: ");
    assert_has(text, "\nerror rejected: generation 1 serves on\n");
    assert_has(ask(kit, fd, "reload --dry-run --drop\n"), "error usage: ");
    assert_int_equal(sv_stats(&kit->server).generation, 1);
    close(fd);
}

static void
given_a_generation_before_when_a_roll_back_is_asked_then_it_serves_again(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);

    assert_has(ask(kit, fd, "rollback\n"), "error rejected: generation 1 serves on\n");
    write_script(kit, second_script);
    assert_has(ask(kit, fd, "reload\n"), "ok loaded: generation 2 serves\n");
    assert_has(ask(kit, fd, "status\n"), " state              on probation\n");

    assert_has(ask(kit, fd, "rollback\n"), "ok rolled back: generation 1 serves\n");
    sv_send(&kit->server, client, "x\n");
    sv_expect(&kit->server, client, "one x\n");
    assert_has(ask(kit, fd, "status --json\n"), "\"rollbacks\":1,");
    close(client);
    close(fd);
}

static void
given_a_generation_that_fails_when_a_reload_waits_then_it_is_told_the_roll_back(
    void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), client = sv_connect(&kit->server);
    sv_send(&kit->server, client, "x\n");
    sv_expect(&kit->server, client, "one x\n");
    write_script(kit, "return { on_message = function() error('broken') end }\n");

    sv_send(&kit->server, fd, "reload --wait\nping\n");
    while (sv_stats(&kit->server).generation != 2)
        sv_step(&kit->server);
    for (int i = 0; i < 20; i++)
        sv_send(&kit->server, client, "x\n");

    const char *text = answer(kit, fd);
    assert_has(text, " generation 2 serves: ");
    assert_has(text, "broken");
    assert_has(text, "\nerror rolled back: generation 1 serves\n");
    assert_string_equal(answer(kit, fd), "ok pong\n");
    close(client);
    close(fd);
}

static void
given_a_generation_that_is_good_when_a_reload_waits_then_its_probation_is_awaited(
    void **state)
{
    struct control_kit *kit = *state;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.probation_ms = 20;
    sv_stop(&kit->server);
    sv_start(&kit->server, &options, NULL);
    assert_int_equal(kelpie_load(kit->server.k, kit->script), 0);
    assert_int_equal(kelpie_control(kit->server.k, kit->path), 0);
    int fd = operator_of(kit), other = operator_of(kit);

    assert_has(ask(kit, fd, "reload --wait\n"),
               "\nok loaded: generation 2 serves, its probation is over\n");

    sv_send(&kit->server, fd, "reload --wait\n");
    while (sv_stats(&kit->server).generation != 3)
        sv_step(&kit->server);
    assert_has(ask(kit, other, "reload\n"), "ok loaded: generation 4");
    assert_has(answer(kit, fd), "ok loaded: generation ");
    close(fd);
    close(other);
}

/* ---- limits --------------------------------------------------------------------------- */

static void
given_a_line_without_end_when_sent_then_it_is_refused(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit);
    char line[KP_CONTROL_LINE * 2];
    memset(line, 'x', sizeof(line));

    sv_send_bytes(&kit->server, fd, line, sizeof(line));

    assert_has(answer(kit, fd), "error too long: a command has at most ");
    close(fd);
    fd = operator_of(kit);
    memset(line, ' ', sizeof(line));
    memcpy(line + KP_CONTROL_LINE - 6, "ping\n", 5); /* the longest one */
    sv_send_bytes(&kit->server, fd, line, KP_CONTROL_LINE - 1);
    assert_string_equal(answer(kit, fd), "ok pong\n");
    close(fd);
}

static void
given_too_many_control_clients_when_one_more_comes_then_it_is_told(void **state)
{
    struct control_kit *kit = *state;
    int fds[KP_CONTROL_CLIENTS];
    for (size_t i = 0; i < KP_CONTROL_CLIENTS; i++) {
        fds[i] = operator_of(kit);
        assert_string_equal(ask(kit, fds[i], "ping\n"), "ok pong\n");
    }

    int fd = operator_of(kit);
    assert_has(answer(kit, fd), "error busy: ");
    sv_expect_end(&kit->server, fd);
    close(fd);

    close(fds[3]);
    sv_step(&kit->server);
    sv_step(&kit->server);
    fds[3] = operator_of(kit);
    assert_string_equal(ask(kit, fds[3], "ping\n"), "ok pong\n");
    for (size_t i = 0; i < KP_CONTROL_CLIENTS; i++)
        close(fds[i]);
}

static void
given_a_client_that_does_not_read_when_it_asks_on_then_it_is_dropped(void **state)
{
    struct control_kit *kit = *state;
    int fd = operator_of(kit), size = 1;
    assert_string_equal(ask(kit, fd, "ping\n"), "ok pong\n");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));

    for (int i = 0; i < 20000; i++) {
        if (send(fd, "status\n", 7, MSG_NOSIGNAL) < 0 && errno == EPIPE)
            break;
        sv_step(&kit->server);
    }

    sv_expect_log(&kit->server, "control: a client was dropped: it does not read");
    close(fd);
    fd = operator_of(kit);
    assert_string_equal(ask(kit, fd, "ping\n"), "ok pong\n");
    close(fd);
}

/* ---- the file ------------------------------------------------------------------------- */

static void
given_a_path_in_use_when_opened_then_the_reason_is_told(void **state)
{
    struct control_kit *kit = *state;
    kelpie *other;
    char path[300];

    assert_int_equal(kelpie_control(kit->server.k, "/tmp/other"), -EEXIST);
    assert_int_equal(kelpie_new(&other, NULL), 0);
    assert_int_equal(kelpie_control(other, kit->path), -EADDRINUSE);
    assert_has(kelpie_errmsg(other), "address in use by a running server");
    assert_has(kelpie_errmsg(other), kit->path);
    assert_int_equal(kelpie_control(other, kit->script), -EADDRINUSE);
    assert_has(kelpie_errmsg(other), "not a socket");
    assert_int_equal(kelpie_control(other, "/nowhere/at/all"), -ENOENT);
    assert_int_equal(kelpie_control(other, ""), KELPIE_EADDRESS);
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(kelpie_control(other, path), KELPIE_EADDRESS);
    path[130] = '\0';
    assert_int_equal(kelpie_control(other, path), KELPIE_EADDRESS);
    kelpie_free(other);

    int fd = operator_of(kit);
    assert_string_equal(ask(kit, fd, "ping\n"), "ok pong\n");
    close(fd);
}

static void
given_a_stale_socket_when_opened_then_it_is_replaced(void **state)
{
    struct control_kit *kit = *state;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    kelpie *other;
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/stale", kit->folder);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(fd);

    assert_int_equal(kelpie_new(&other, NULL), 0);
    assert_int_equal(kelpie_control(other, addr.sun_path), 0);
    fd = connect_to(addr.sun_path);
    assert_true(fd >= 0);

    close(fd);
    kelpie_free(other);
    assert_int_equal(access(addr.sun_path, F_OK), -1);
}

static void
given_a_file_of_somebody_else_when_the_server_ends_then_it_stays(void **state)
{
    struct control_kit *kit = *state;
    char path[128];
    kelpie *other;
    snprintf(path, sizeof(path), "%s/mine", kit->folder);
    assert_int_equal(kelpie_new(&other, NULL), 0);
    assert_int_equal(kelpie_control(other, path), 0);
    assert_int_equal(unlink(path), 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);

    kelpie_free(other);

    assert_int_equal(unlink(path), 0);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_a_control_socket_when_pinged_then_it_answers_and_is_no_client),
        TEST(given_a_control_socket_when_looked_at_then_only_its_user_may_use_it),
        TEST(given_wrong_words_when_said_then_the_nearest_ones_are_named),
        TEST(given_help_when_asked_then_every_command_is_in_it),
        TEST(given_a_server_when_asked_for_its_status_then_the_numbers_are_there),
        TEST(given_quit_or_an_end_when_said_then_what_was_asked_is_answered_first),
        TEST(
            given_a_new_script_when_a_reload_is_asked_then_the_answer_comes_when_it_serves),
        TEST(given_a_broken_script_when_a_reload_is_asked_then_the_whole_truth_is_told),
        TEST(
            given_an_error_with_many_lines_when_told_then_none_of_them_looks_like_the_end),
        TEST(given_values_that_cannot_cross_when_a_reload_drops_them_then_it_is_loaded),
        TEST(
            given_several_who_ask_at_once_when_it_is_done_then_all_get_the_result_of_one),
        TEST(
            given_a_generation_that_retires_when_a_reload_is_asked_then_the_answer_waits),
        TEST(given_a_drain_when_a_reload_waits_then_it_is_told_that_the_server_ends),
        TEST(given_a_dry_run_when_asked_then_it_is_told_and_nothing_changes),
        TEST(given_a_generation_before_when_a_roll_back_is_asked_then_it_serves_again),
        TEST(
            given_a_generation_that_fails_when_a_reload_waits_then_it_is_told_the_roll_back),
        TEST(
            given_a_generation_that_is_good_when_a_reload_waits_then_its_probation_is_awaited),
        TEST(given_a_line_without_end_when_sent_then_it_is_refused),
        TEST(given_too_many_control_clients_when_one_more_comes_then_it_is_told),
        TEST(given_a_client_that_does_not_read_when_it_asks_on_then_it_is_dropped),
        TEST(given_a_path_in_use_when_opened_then_the_reason_is_told),
        TEST(given_a_stale_socket_when_opened_then_it_is_replaced),
        TEST(given_a_file_of_somebody_else_when_the_server_ends_then_it_stays),
        cmocka_unit_test(given_each_allocation_when_it_fails_then_the_server_lives),
        cmocka_unit_test(given_each_call_when_it_fails_then_the_server_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
