/*
 * test_kelpie_host.c - the public interface: rooms, timers, adopted sockets, foreign loops,
 * other threads
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server_kit.h"

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
    sv_start(&kit, NULL, sv_echo_script);
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
    sv_start(&kit, NULL, sv_echo_script);
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
    sv_start(&kit, NULL, sv_echo_script);

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

static void
given_many_servers_in_one_process_then_each_has_its_own_clients(void **state)
{
    (void)state;
    enum { N = 10 };
    static struct server_kit kits[N];
    int fds[N], before = sv_open_fds();

    for (int i = 0; i < N; i++) {
        sv_start(&kits[i], NULL, sv_echo_script);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(given_many_servers_in_one_process_then_each_has_its_own_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
