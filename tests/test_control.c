/*
 * test_control.c - the control socket: commands, answers, its limits and its file
 */
#include <sys/stat.h>

#include "control_kit.h"
#include "server/control.h"

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
        TEST(given_a_line_without_end_when_sent_then_it_is_refused),
        TEST(given_too_many_control_clients_when_one_more_comes_then_it_is_told),
        TEST(given_a_client_that_does_not_read_when_it_asks_on_then_it_is_dropped),
        TEST(given_a_path_in_use_when_opened_then_the_reason_is_told),
        TEST(given_a_stale_socket_when_opened_then_it_is_replaced),
        TEST(given_a_file_of_somebody_else_when_the_server_ends_then_it_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
