/*
 * test_kelpie.c - the public interface: a server's life, handlers in Lua and in C, foreign
 * loops, other threads
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "server_kit.h"

static const char echo_script[] = "return { on_message = function(conn, line)\n"
                                  "   conn:send('echo ', line)\n"
                                  "end }\n";

/* ---- life --------------------------------------------------------------------------- */

static void
given_no_options_when_made_and_freed_then_nothing_is_left(void **state)
{
    (void)state;
    int before = sv_open_fds();
    kelpie *k;

    assert_int_equal(kelpie_new(&k, NULL), 0);
    kelpie_free(k);

    assert_int_equal(sv_open_fds(), before);
    kelpie_free(NULL);
}

static void
given_options_of_an_unknown_size_when_made_then_it_is_misuse(void **state)
{
    (void)state;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    kelpie *k = (kelpie *)&options;

    options.size = sizeof(options) + 8;
    assert_int_equal(kelpie_new(&k, &options), KELPIE_EMISUSE);
    assert_null(k);
    options.size = 0;
    assert_int_equal(kelpie_new(&k, &options), KELPIE_EMISUSE);

    const char *allow[] = {"io", "everything", NULL};
    options.size = sizeof(options);
    options.allow = allow;
    assert_int_equal(kelpie_new(&k, &options), KELPIE_EMISUSE);
}

static void
given_options_of_an_older_header_when_made_then_the_rest_is_default(void **state)
{
    (void)state;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    kelpie *k;

    options.size = offsetof(struct kelpie_options, max_per_ip);
    options.max_clients = 3;

    assert_int_equal(kelpie_new(&k, &options), 0);
    kelpie_free(k);
}

static void
given_a_script_when_a_client_talks_then_it_is_answered(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, echo_script);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "one\ntwo\r\nthr");
    sv_expect(&kit, fd, "echo one\necho two\n");
    sv_send(&kit, fd, "ee\n");

    sv_expect(&kit, fd, "echo three\n");
    assert_int_equal(sv_stats(&kit).messages_in, 3);
    close(fd);
    sv_expect_clients(&kit, 0);
    sv_stop(&kit);
}

static void
given_a_broken_script_when_loaded_then_the_message_has_file_and_line(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, NULL);
    static const char script[] = "local x = 1\nlocal y = = 2\nreturn {}\n";

    int rc = kelpie_load_string(kit.k, script, strlen(script), "=bad.lua");

    assert_int_equal(rc, KELPIE_ESCRIPT);
    assert_non_null(strstr(kelpie_errmsg(kit.k), "bad.lua:2:"));
    sv_stop(&kit);
}

static void
given_no_script_when_a_client_talks_then_nothing_happens_to_it(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, NULL);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "hello\n");
    sv_expect_clients(&kit, 1);
    shutdown(fd, SHUT_WR);

    sv_expect_end(&kit, fd);
    close(fd);
    sv_stop(&kit);
}

static void
given_addresses_that_make_no_sense_when_listening_then_the_sentence_says_so(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, NULL);
    char taken[64];

    assert_int_equal(kelpie_listen(kit.k, "localhost:80"), KELPIE_EADDRESS);
    assert_non_null(strstr(kelpie_errmsg(kit.k), "localhost"));
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", kit.port);
    assert_int_equal(kelpie_listen(kit.k, taken), -EADDRINUSE);

    assert_non_null(strstr(kelpie_errmsg(kit.k), taken));
    sv_stop(&kit);
}

/* ---- reload ------------------------------------------------------------------------- */

static void
given_connected_clients_when_a_new_script_is_loaded_then_they_stay(void **state)
{
    (void)state;
    struct server_kit kit;
    static const char second[] =
        "return { on_message = function(conn, line) conn:send('new ', line) end }";
    sv_start(&kit, NULL, echo_script);
    int fd = sv_connect(&kit);
    sv_send(&kit, fd, "a\nhalf");
    sv_expect(&kit, fd, "echo a\n");

    assert_int_equal(kelpie_load_string(kit.k, second, strlen(second), "=second.lua"), 0);
    sv_send(&kit, fd, " line\n");

    sv_expect(&kit, fd, "new half line\n");
    assert_int_equal(sv_stats(&kit).generation, 2);
    close(fd);
    sv_stop(&kit);
}

static void
given_a_serving_script_when_a_broken_one_is_loaded_then_it_goes_on_serving(void **state)
{
    (void)state;
    struct server_kit kit;
    static const char broken[] = "error('not today')";
    sv_start(&kit, NULL, echo_script);
    int fd = sv_connect(&kit);
    sv_send(&kit, fd, "a\n");
    sv_expect(&kit, fd, "echo a\n");

    int rc = kelpie_load_string(kit.k, broken, strlen(broken), "=broken.lua");

    assert_int_equal(rc, KELPIE_ESCRIPT);
    assert_non_null(strstr(kelpie_errmsg(kit.k), "broken.lua:1: not today"));
    assert_non_null(strstr(kelpie_errmsg(kit.k), "still serving generation 1"));
    sv_send(&kit, fd, "b\n");
    sv_expect(&kit, fd, "echo b\n");
    kelpie_reload(kit.k); /* of what serves, not of what was rejected */
    sv_expect_log(&kit, "serves");
    sv_send(&kit, fd, "c\n");
    sv_expect(&kit, fd, "echo c\n");
    close(fd);
    sv_stop(&kit);
}

static void
given_a_handler_that_asks_for_a_reload_then_it_happens_after_the_step(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL,
             "local kelpie = require('kelpie')\n"
             "return { on_message = function(conn, line)\n"
             "   if line == 'reload' then kelpie.reload() end\n"
             "   conn:send(tostring(kelpie.generation))\n"
             "end }");
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "reload\n");
    sv_expect(&kit, fd, "1\n");
    sv_expect_log(&kit, "generation 2 serves");
    sv_send(&kit, fd, "x\n");

    sv_expect(&kit, fd, "2\n");
    close(fd);
    sv_stop(&kit);
}

static const char broken_later[] = "return { on_mesage = print }";

static int
load_broken(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    kelpie *k = kelpie_conn_server(conn);

    (void)arg;
    if (len != 4 || memcmp(message, "load", 4) != 0)
        return KELPIE_PASS;
    /* Asked for twice in one step: the last one counts. */
    assert_int_equal(kelpie_load_string(k, "return {}", 9, "=never.lua"), 0);
    assert_int_equal(
        kelpie_load_string(k, broken_later, strlen(broken_later), "=later.lua"), 0);
    assert_int_equal(kelpie_check(k, "scripts"), KELPIE_EMISUSE);
    return KELPIE_DONE;
}

static void
given_a_load_inside_a_handler_when_it_fails_later_then_the_old_place_stays(void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                       .on_message = load_broken};
    sv_start(&kit, NULL, echo_script);
    assert_int_equal(kelpie_set_handlers(kit.k, &handlers, NULL), 0);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "load\n");
    sv_expect_log(&kit, "did you mean 'on_message'");
    kelpie_reload(kit.k);
    sv_expect_log(&kit, "generation 3 serves");
    sv_send(&kit, fd, "a\n");

    sv_expect(&kit, fd, "echo a\n");
    sv_send(&kit, fd, "load\n"); /* and nothing is left when it is not tried any more */
    close(fd);
    sv_stop(&kit);
}

/* ---- handlers in C ------------------------------------------------------------------ */

struct seen {
    int connects, disconnects, inputs;
    char reason[64];
    int answer; /* what on_message returns */
};

static int
see_connect(kelpie_conn *conn, void *arg)
{
    struct seen *seen = arg;

    seen->connects++;
    kelpie_conn_set_user(conn, seen);
    return KELPIE_PASS;
}

static int
see_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    struct seen *seen = arg;

    assert_ptr_equal(kelpie_conn_user(conn), seen);
    if (seen->answer == KELPIE_DONE)
        assert_int_equal(kelpie_conn_send(conn, message, len), 0);
    return seen->answer;
}

static int
see_disconnect(kelpie_conn *conn, const char *reason, void *arg)
{
    struct seen *seen = arg;

    assert_int_equal(kelpie_conn_send(conn, "x", 1), KELPIE_ECLOSED);
    seen->disconnects++;
    snprintf(seen->reason, sizeof(seen->reason), "%s", reason);
    return KELPIE_PASS;
}

static int
see_input(kelpie *k, const void *line, size_t len, void *arg)
{
    struct seen *seen = arg;

    seen->inputs++;
    return kelpie_broadcast(k, line, len, NULL) >= 0 ? KELPIE_DONE : KELPIE_PASS;
}

static const struct kelpie_handlers see_handlers = {
    .size = sizeof(see_handlers),
    .on_connect = see_connect,
    .on_message = see_message,
    .on_disconnect = see_disconnect,
    .on_input = see_input,
};

static void
given_handlers_in_c_when_they_pass_then_lua_answers(void **state)
{
    (void)state;
    struct server_kit kit;
    struct seen seen = {.answer = KELPIE_PASS};
    sv_start(&kit, NULL, echo_script);
    assert_int_equal(kelpie_set_handlers(kit.k, &see_handlers, &seen), 0);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "a\n");
    sv_expect(&kit, fd, "echo a\n");
    seen.answer = KELPIE_DONE;
    sv_send(&kit, fd, "b\n");
    sv_expect(&kit, fd, "b\n");
    assert_int_equal(kelpie_input(kit.k, "from c", 6), 0);
    sv_expect(&kit, fd, "from c\n");
    close(fd);
    sv_expect_clients(&kit, 0);

    assert_int_equal(seen.connects, 1);
    assert_int_equal(seen.disconnects, 1);
    assert_int_equal(seen.inputs, 1);
    assert_string_equal(seen.reason, "eof");
    sv_stop(&kit);
}

static int
send_and_pass(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    (void)arg;
    assert_int_equal(kelpie_conn_send(conn, message, len), 0);
    return KELPIE_PASS;
}

static void
given_many_messages_at_once_when_c_sees_them_then_it_sees_each_before_lua(void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                       .on_message = send_and_pass};
    sv_start(&kit, NULL, echo_script);
    assert_int_equal(kelpie_set_handlers(kit.k, &handlers, NULL), 0);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "a\nb\nc\n");

    sv_expect(&kit, fd, "a\necho a\nb\necho b\nc\necho c\n");
    close(fd);
    sv_stop(&kit);
}

static void
given_a_c_handler_that_fails_then_the_connection_is_closed_and_logged(void **state)
{
    (void)state;
    struct server_kit kit;
    struct seen seen = {.answer = -EIO};
    sv_start(&kit, NULL, NULL);
    assert_int_equal(kelpie_set_handlers(kit.k, &see_handlers, &seen), 0);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "a\n");
    sv_expect_end(&kit, fd);
    close(fd);
    sv_expect_clients(&kit, 0);

    assert_string_equal(seen.reason, "handler error");
    sv_expect_log(&kit, "on_message of the host");
    sv_stop(&kit);
}

static int
turn_away(kelpie_conn *conn, void *arg)
{
    const int *result = arg;

    kelpie_conn_close(conn, "not you");
    return *result;
}

static void
given_a_c_handler_that_closes_on_connect_then_lua_hears_nothing_of_the_client(
    void **state)
{
    (void)state;
    struct server_kit kit;
    int result = KELPIE_PASS;
    struct kelpie_handlers handlers = {.size = sizeof(handlers), .on_connect = turn_away};
    sv_start(&kit, NULL,
             "return { on_connect = function() print('connect') end,\n"
             "   on_disconnect = function() print('disconnect') end }");
    assert_int_equal(kelpie_set_handlers(kit.k, &handlers, &result), 0);
    int a = sv_connect(&kit);
    sv_expect_end(&kit, a);
    result = -EACCES;
    int b = sv_connect(&kit);
    sv_expect_end(&kit, b);
    close(a);
    close(b);
    sv_expect_clients(&kit, 0);

    assert_string_equal(kit.printed, "");
    sv_stop(&kit);
}

static int
misuse_everything(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    kelpie *k = kelpie_conn_server(conn);
    int *misused = arg;

    (void)message;
    (void)len;
    *misused += kelpie_step(k, 0) == KELPIE_EMISUSE;
    *misused += kelpie_run(k) == KELPIE_EMISUSE;
    *misused += kelpie_input(k, "x", 1) == KELPIE_EMISUSE;
    kelpie_free(k); /* does nothing here */
    kelpie_conn_send(conn, "alive", 5);
    return KELPIE_DONE;
}

static void
given_a_handler_that_runs_and_frees_the_server_then_it_is_refused(void **state)
{
    (void)state;
    struct server_kit kit;
    int misused = 0;
    struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                       .on_message = misuse_everything};
    sv_start(&kit, NULL, NULL);
    kelpie_set_handlers(kit.k, &handlers, &misused);
    int fd = sv_connect(&kit);

    sv_send(&kit, fd, "x\n");

    sv_expect(&kit, fd, "alive\n");
    assert_int_equal(misused, 3);
    close(fd);
    sv_stop(&kit);
}

/* ---- rooms, timers, adopted sockets ------------------------------------------------- */

static void
given_a_room_in_c_when_sent_then_all_but_one_get_it(void **state)
{
    (void)state;
    struct server_kit kit;
    kelpie_room *room;
    sv_start(&kit, NULL, NULL);
    int a = sv_connect(&kit), b = sv_connect(&kit);
    sv_expect_clients(&kit, 2);
    assert_int_equal(kelpie_room_open(kit.k, &room, "lobby"), 0);
    kelpie_conn *first = kelpie_client(kit.k, 0), *second = kelpie_client(kit.k, 1);

    assert_int_equal(kelpie_room_join(room, first), 1);
    assert_int_equal(kelpie_room_join(room, first), 0);
    assert_int_equal(kelpie_room_join(room, second), 1);
    assert_int_equal(kelpie_room_count(room), 2);
    assert_int_equal(kelpie_room_send(room, "hi", 2, first), 1);
    sv_expect(&kit, b, "hi\n");
    assert_int_equal(kelpie_room_leave(room, second), 1);
    assert_int_equal(kelpie_room_send(room, "you", 3, NULL), 1);

    sv_expect(&kit, a, "you\n");
    kelpie_room_close(room);
    close(a);
    close(b);
    sv_stop(&kit);
}

static void
count_call(void *arg)
{
    ++*(int *)arg;
}

static void
given_timers_in_c_when_due_then_they_fire_and_can_be_cancelled(void **state)
{
    (void)state;
    struct server_kit kit;
    kelpie_timer *every, *never;
    int fired = 0, repeated = 0, cancelled = 0;
    sv_start(&kit, NULL, NULL);
    assert_int_equal(kelpie_after(kit.k, NULL, 1, count_call, &fired), 0);
    assert_int_equal(kelpie_every(kit.k, &every, 1, count_call, &repeated), 0);
    assert_int_equal(kelpie_after(kit.k, &never, 1, count_call, &cancelled), 0);
    assert_int_equal(kelpie_every(kit.k, NULL, 0, count_call, NULL), KELPIE_EMISUSE);
    assert_int_equal(kelpie_after(kit.k, NULL, -1, count_call, NULL), KELPIE_EMISUSE);

    kelpie_timer_cancel(never);
    while (repeated < 3)
        assert_int_equal(kelpie_step(kit.k, 1000), 1);
    kelpie_timer_cancel(every);

    assert_int_equal(fired, 1);
    assert_int_equal(cancelled, 0);
    assert_int_equal(sv_stats(&kit).timers, 0);
    sv_stop(&kit);
}

static void
given_a_socketpair_when_adopted_then_it_is_a_client(void **state)
{
    (void)state;
    struct server_kit kit;
    int fds[2];
    kelpie_conn *conn;
    sv_start(&kit, NULL, echo_script);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);

    assert_int_equal(kelpie_adopt(kit.k, fds[0], NULL, &conn), 0);
    assert_string_equal(kelpie_conn_peer(conn), "unix");
    assert_int_equal(kelpie_conn_number(conn), 0);
    assert_int_equal(kelpie_adopt(kit.k, 9999, NULL, NULL), -EBADF);
    sv_send(&kit, fds[1], "x\n");

    sv_expect(&kit, fds[1], "echo x\n");
    close(fds[1]);
    sv_stop(&kit);
}

static void
see_readable(void *arg, int fd)
{
    char byte;

    if (read(fd, &byte, 1) == 1)
        ++*(int *)arg;
}

static void
given_a_watched_descriptor_when_readable_then_the_host_is_called(void **state)
{
    (void)state;
    struct server_kit kit;
    int fds[2], calls = 0;
    sv_start(&kit, NULL, NULL);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(kelpie_watch(kit.k, fds[0], see_readable, &calls), 0);
    assert_int_equal(kelpie_watch(kit.k, fds[0], see_readable, &calls), -EEXIST);

    assert_int_equal(write(fds[1], "ab", 2), 2);
    while (calls < 2)
        assert_int_equal(kelpie_step(kit.k, 1000), 1);
    assert_int_equal(kelpie_unwatch(kit.k, fds[0]), 0);
    assert_int_equal(kelpie_unwatch(kit.k, fds[0]), -ENOENT);
    assert_int_equal(write(fds[1], "c", 1), 1);
    sv_step(&kit);

    assert_int_equal(calls, 2);
    close(fds[0]);
    close(fds[1]);
    sv_stop(&kit);
}

/* ---- loops and threads -------------------------------------------------------------- */

static void
given_a_foreign_loop_when_polled_then_the_server_serves(void **state)
{
    (void)state;
    struct server_kit kit;
    char answer[16] = "";
    sv_start(&kit, NULL, echo_script);
    int fd = sv_connect(&kit);
    assert_int_equal(send(fd, "x\n", 2, 0), 2);

    for (int i = 0; i < 100 && answer[0] == '\0'; i++) {
        struct pollfd polled[2] = {{.fd = kelpie_fd(kit.k), .events = POLLIN},
                                   {.fd = fd, .events = POLLIN}};
        int timeout = kelpie_timeout(kit.k);
        assert_true(poll(polled, 2, timeout < 0 ? 5000 : timeout) >= 0);
        if (polled[1].revents != 0)
            assert_true(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
        assert_int_equal(kelpie_step(kit.k, 0), 1);
    }

    assert_string_equal(answer, "echo x\n");
    close(fd);
    sv_stop(&kit);
}

static void
reload_server(void *arg)
{
    kelpie_reload(arg);
}

static void
stop_server(void *arg)
{
    kelpie_stop(arg);
}

static void *
post_from_thread(void *arg)
{
    for (int i = 0; i < 100; i++)
        if (kelpie_post(arg, i < 99 ? reload_server : stop_server, arg) < 0)
            return arg;
    return NULL;
}

static void
given_another_thread_when_it_posts_then_the_calls_run_here_in_order(void **state)
{
    (void)state;
    struct server_kit kit;
    pthread_t thread;
    void *failed;
    sv_start(&kit, NULL, echo_script);

    assert_int_equal(pthread_create(&thread, NULL, post_from_thread, kit.k), 0);
    assert_int_equal(kelpie_run(kit.k), 0);
    pthread_join(thread, &failed);

    assert_null(failed);
    assert_true(sv_stats(&kit).reloads >= 1);
    sv_stop(&kit);
}

static void
given_a_posted_call_when_the_server_is_freed_first_then_it_is_dropped(void **state)
{
    (void)state;
    struct server_kit kit;
    int calls = 0;
    sv_start(&kit, NULL, NULL);

    assert_int_equal(kelpie_post(kit.k, count_call, &calls), 0);
    sv_stop(&kit);

    assert_int_equal(calls, 0);
}

/* ---- the end ------------------------------------------------------------------------ */

static void
given_clients_with_queued_output_when_drained_then_they_get_all_of_it(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(
        &kit, NULL,
        "return { on_message = function(conn) conn:send(('x'):rep(100000)) end,\n"
        "         on_shutdown = function() print('closing time') end,\n"
        "         on_disconnect = function(_, reason) print('left: ' .. reason) end }");
    int fd = sv_connect(&kit), idle = sv_connect(&kit);
    sv_expect_clients(&kit, 2);
    sv_send(&kit, fd, "go\n");
    sv_step(&kit);

    kelpie_drain(kit.k);
    char *all = malloc(100001);
    memset(all, 'x', 100000);
    all[100000] = '\n';
    sv_expect_bytes(&kit, fd, all, 100001);
    sv_expect_end(&kit, fd);
    sv_expect_end(&kit, idle);
    free(all);
    close(fd);
    close(idle);

    assert_int_equal(kelpie_run(kit.k), 0);
    sv_expect_printed(&kit, "closing time");
    sv_expect_printed(&kit, "left: shutdown");
    sv_stop(&kit);
}

static void
given_a_client_that_never_reads_when_drained_twice_then_it_ends_at_once(void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.max_outbox = 64 << 20;
    options.lua_memory = 256 << 20;
    options.handler_timeout_ms = 10000;
    sv_start(&kit, &options,
             "return { on_message = function(conn) conn:send(('x'):rep(30000000)) end }");
    int fd = sv_connect(&kit);
    sv_send(&kit, fd, "go\n");
    while (sv_stats(&kit).outbox_bytes == 0)
        sv_step(&kit);

    kelpie_drain(kit.k);
    sv_step(&kit);
    assert_int_equal(sv_stats(&kit).clients, 1);
    kelpie_drain(kit.k);

    assert_int_equal(kelpie_run(kit.k), 0);
    assert_true(sv_stats(&kit).dropped_bytes > 0);
    close(fd);
    sv_stop(&kit);
}

static const char sleeper_script[] =
    "local kelpie = require('kelpie')\n"
    "return { on_connect = function(conn)\n"
    "   local guard <close> = setmetatable({}, { __close = function()\n"
    "      print('guard ' .. #kelpie.room('late')) end })\n"
    "   print('sleeps') kelpie.sleep(3600) print('slept') end,\n"
    "   on_disconnect = function(_, reason) print('left: ' .. reason)\n"
    "      kelpie.sleep(3600) end }";

/* Runs steps until the server says that it has ended. */
static bool
has_ended_soon(struct server_kit *kit)
{
    for (int i = 0; i < 2000; i++)
        if (kelpie_step(kit->k, 1) == 0)
            return true;
    return false;
}

static void
given_a_script_that_asks_for_the_end_twice_when_drained_then_output_is_still_sent(
    void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.max_outbox = 64 << 20;
    options.lua_memory = 256 << 20;
    options.handler_timeout_ms = 10000;
    size_t len = 16000000; /* more than the kernel takes at once */
    sv_start(
        &kit, &options,
        "local kelpie = require('kelpie')\n"
        "return { on_message = function(conn)\n"
        "      conn:send(('x'):rep(15999999)) kelpie.shutdown() kelpie.shutdown() end,\n"
        "   on_shutdown = kelpie.shutdown }");
    int fd = sv_connect(&kit);
    sv_send(&kit, fd, "go\n");
    sv_expect_log(&kit, "drain: ");
    sv_step(&kit);

    char *all = malloc(len);
    memset(all, 'x', len - 1);
    all[len - 1] = '\n';
    sv_expect_bytes(&kit, fd, all, len);
    free(all);
    close(fd);

    assert_true(has_ended_soon(&kit));
    assert_int_equal(sv_stats(&kit).dropped_bytes, 0);
    sv_stop(&kit);
}

static void
given_a_drain_when_a_socket_is_adopted_then_it_stays_the_callers(void **state)
{
    (void)state;
    struct server_kit kit;
    kelpie_conn *conn;
    int fds[2];
    sv_start(&kit, NULL, echo_script);
    int fd = sv_connect(&kit);
    sv_expect_clients(&kit, 1);
    kelpie_drain(kit.k);
    sv_step(&kit);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);

    assert_int_equal(kelpie_adopt(kit.k, fds[0], NULL, &conn), KELPIE_ECLOSED);

    assert_null(conn);
    close(fds[0]);
    close(fds[1]);
    close(fd);
    assert_true(has_ended_soon(&kit));
    sv_stop(&kit);
}

static void
given_a_sleeping_handler_when_the_drain_takes_too_long_then_it_ends_all_the_same(
    void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.drain_timeout_ms = 20;
    sv_start(&kit, &options, sleeper_script);
    int fd = sv_connect(&kit);
    sv_expect_printed(&kit, "sleeps");

    kelpie_drain(kit.k);

    assert_true(has_ended_soon(&kit));
    assert_string_equal(kit.printed, "sleeps\nguard 0\nleft: shutdown\n");
    close(fd);
    sv_stop(&kit);
}

static void
given_a_sleeping_handler_of_a_gone_client_when_drained_twice_then_it_ends_at_once(
    void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.drain_timeout_ms = -1;
    sv_start(&kit, &options, sleeper_script);
    int fd = sv_connect(&kit);
    sv_expect_printed(&kit, "sleeps");
    close(fd);

    kelpie_drain(kit.k);
    for (int i = 0; i < 10; i++)
        sv_step(&kit);
    assert_int_equal(sv_stats(&kit).clients, 1);
    kelpie_drain(kit.k);

    assert_true(has_ended_soon(&kit));
    assert_non_null(strstr(kit.printed, "guard 0\nleft: "));
    sv_stop(&kit);
}

static void
given_a_sleeping_handler_when_the_server_is_freed_then_its_client_is_told(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL, sleeper_script);
    int fd = sv_connect(&kit);
    sv_expect_printed(&kit, "sleeps");

    kelpie_free(kit.k);

    assert_string_equal(kit.printed, "sleeps\nguard 0\nleft: shutdown\n");
    close(fd);
    assert_int_equal(sv_open_fds(), kit.fds_before);
}

static void
given_clients_when_the_server_is_freed_then_each_is_told_shutdown(void **state)
{
    (void)state;
    struct server_kit kit;
    sv_start(&kit, NULL,
             "return { on_disconnect = function(conn, reason)\n"
             "   print('client ' .. conn.number .. ' ' .. reason) end }");
    int a = sv_connect(&kit), b = sv_connect(&kit);
    sv_expect_clients(&kit, 2);
    sv_step(&kit);

    kelpie_free(kit.k);

    assert_non_null(strstr(kit.printed, "client 0 shutdown"));
    assert_non_null(strstr(kit.printed, "client 1 shutdown"));
    close(a);
    close(b);
    assert_int_equal(sv_open_fds(), kit.fds_before);
}

static void
given_more_clients_than_slots_when_they_connect_then_the_last_is_refused(void **state)
{
    (void)state;
    struct server_kit kit;
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    options.max_clients = 2;
    sv_start(&kit, &options,
             "return { on_connect = function(conn) conn:send('#', conn.number) end }");
    int a = sv_connect(&kit), b = sv_connect(&kit);
    sv_expect(&kit, a, "#0\n");
    sv_expect(&kit, b, "#1\n");

    int c = sv_connect(&kit);
    sv_expect(&kit, c, "connection refused.\n");
    sv_expect_end(&kit, c);
    close(a);
    sv_expect_clients(&kit, 1);
    int d = sv_connect(&kit);

    sv_expect(&kit, d, "#0\n");
    assert_int_equal(sv_stats(&kit).refused, 1);
    close(b);
    close(c);
    close(d);
    sv_stop(&kit);
}

static void
given_many_servers_in_one_process_then_each_has_its_own_clients(void **state)
{
    (void)state;
    enum { N = 10 };
    static struct server_kit kits[N];
    int fds[N], before = sv_open_fds();

    for (int i = 0; i < N; i++) {
        sv_start(&kits[i], NULL, echo_script);
        fds[i] = sv_connect(&kits[i]);
    }
    for (int i = 0; i < N; i++) {
        sv_send(&kits[i], fds[i], "x\n");
        sv_expect(&kits[i], fds[i], "echo x\n");
        assert_int_equal(sv_stats(&kits[i]).clients, 1);
    }
    for (int i = 0; i < N; i++) {
        close(fds[i]);
        kelpie_free(kits[i].k);
    }

    assert_int_equal(sv_open_fds(), before);
}

static void
given_any_error_number_when_named_then_there_are_words(void **state)
{
    (void)state;

    for (int error = KELPIE_EMISUSE; error <= KELPIE_ECLOSED; error++)
        assert_string_not_equal(kelpie_strerror(error), "unknown error");
    assert_string_equal(kelpie_strerror(KELPIE_EFULL), "outbox full");
    assert_string_equal(kelpie_strerror(-ENOENT), strerror(ENOENT));
    assert_string_equal(kelpie_strerror(0), "no error");
    assert_string_equal(kelpie_strerror(-20000), "unknown error");
    assert_string_equal(kelpie_errmsg(NULL), "");
    assert_string_equal(kelpie_version(), KELPIE_VERSION_STRING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_no_options_when_made_and_freed_then_nothing_is_left),
        cmocka_unit_test(given_options_of_an_unknown_size_when_made_then_it_is_misuse),
        cmocka_unit_test(
            given_options_of_an_older_header_when_made_then_the_rest_is_default),
        cmocka_unit_test(given_a_script_when_a_client_talks_then_it_is_answered),
        cmocka_unit_test(
            given_a_broken_script_when_loaded_then_the_message_has_file_and_line),
        cmocka_unit_test(given_no_script_when_a_client_talks_then_nothing_happens_to_it),
        cmocka_unit_test(
            given_addresses_that_make_no_sense_when_listening_then_the_sentence_says_so),
        cmocka_unit_test(
            given_connected_clients_when_a_new_script_is_loaded_then_they_stay),
        cmocka_unit_test(
            given_a_serving_script_when_a_broken_one_is_loaded_then_it_goes_on_serving),
        cmocka_unit_test(
            given_a_handler_that_asks_for_a_reload_then_it_happens_after_the_step),
        cmocka_unit_test(
            given_a_load_inside_a_handler_when_it_fails_later_then_the_old_place_stays),
        cmocka_unit_test(
            given_many_messages_at_once_when_c_sees_them_then_it_sees_each_before_lua),
        cmocka_unit_test(given_handlers_in_c_when_they_pass_then_lua_answers),
        cmocka_unit_test(
            given_a_c_handler_that_fails_then_the_connection_is_closed_and_logged),
        cmocka_unit_test(
            given_a_c_handler_that_closes_on_connect_then_lua_hears_nothing_of_the_client),
        cmocka_unit_test(
            given_a_handler_that_runs_and_frees_the_server_then_it_is_refused),
        cmocka_unit_test(given_a_room_in_c_when_sent_then_all_but_one_get_it),
        cmocka_unit_test(given_timers_in_c_when_due_then_they_fire_and_can_be_cancelled),
        cmocka_unit_test(given_a_socketpair_when_adopted_then_it_is_a_client),
        cmocka_unit_test(
            given_a_watched_descriptor_when_readable_then_the_host_is_called),
        cmocka_unit_test(given_a_foreign_loop_when_polled_then_the_server_serves),
        cmocka_unit_test(
            given_another_thread_when_it_posts_then_the_calls_run_here_in_order),
        cmocka_unit_test(
            given_a_posted_call_when_the_server_is_freed_first_then_it_is_dropped),
        cmocka_unit_test(
            given_clients_with_queued_output_when_drained_then_they_get_all_of_it),
        cmocka_unit_test(
            given_a_client_that_never_reads_when_drained_twice_then_it_ends_at_once),
        cmocka_unit_test(
            given_a_script_that_asks_for_the_end_twice_when_drained_then_output_is_still_sent),
        cmocka_unit_test(
            given_a_drain_when_a_socket_is_adopted_then_it_stays_the_callers),
        cmocka_unit_test(
            given_a_sleeping_handler_when_the_drain_takes_too_long_then_it_ends_all_the_same),
        cmocka_unit_test(
            given_a_sleeping_handler_of_a_gone_client_when_drained_twice_then_it_ends_at_once),
        cmocka_unit_test(
            given_a_sleeping_handler_when_the_server_is_freed_then_its_client_is_told),
        cmocka_unit_test(
            given_clients_when_the_server_is_freed_then_each_is_told_shutdown),
        cmocka_unit_test(
            given_more_clients_than_slots_when_they_connect_then_the_last_is_refused),
        cmocka_unit_test(given_many_servers_in_one_process_then_each_has_its_own_clients),
        cmocka_unit_test(given_any_error_number_when_named_then_there_are_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
