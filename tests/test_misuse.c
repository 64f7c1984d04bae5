/*
 * test_misuse.c - what a host does wrong, in every state of a server: it is told so, with a
 * sentence, and nothing has changed
 *
 * In tables: a call, and its result before the first load, while the server serves, and while
 * it drains.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "reentry_kit.h"

struct misuse {
    struct server_kit kit, other; /* the other one only lends its connection */
    kelpie *k;
    kelpie_conn *conn, *foreign,
        *fed; /* a client, one of the other server, a detached one */
    kelpie_room *room;
    int pipe[2], datagrams[2], plain; /* a socket that does nothing */
    int n_messages;
    char long_text[300];
};

static int
on_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    ((struct misuse *)arg)->n_messages++;
    return kelpie_conn_send(conn, message, len);
}

/* ---- calls ----------------------------------------------------------------------------- */

static int
handlers_of_size(struct misuse *m, size_t size)
{
    struct kelpie_handlers handlers = {.size = size};

    return kelpie_set_handlers(m->k, &handlers, NULL);
}

static int
detach(struct misuse *m, size_t size, size_t (*fn)(void *, const void *, size_t))
{
    struct kelpie_transport transport = {.size = size, .write = fn};
    kelpie_conn *conn;

    return kelpie_detached(m->k, NULL, &transport, NULL, &conn);
}

static int
adopt(struct misuse *m, int fd)
{
    return kelpie_adopt(m->k, fd, NULL, NULL);
}

static int
connect_to(struct misuse *m, const char *address)
{
    struct kelpie_connect_options wish = {.size = sizeof(wish)};

    return kelpie_connect(m->k, NULL, address, &wish, NULL);
}

static int
open_room(struct misuse *m, const char *name)
{
    kelpie_room *room;

    return kelpie_room_open(m->k, &room, name);
}

/* name, call, result: fresh, serving, draining */
#define CALLS(X)                                                                         \
 X(load_null, kelpie_load(m->k, NULL), MISUSE, MISUSE, MISUSE)                           \
 X(load_nowhere, kelpie_load(m->k, "/nowhere"), -ENOENT, -ENOENT, -ENOENT)               \
 X(text_null, kelpie_load_string(m->k, NULL, 0, "=x"), MISUSE, MISUSE, MISUSE)           \
 X(text_unnamed, kelpie_load_string(m->k, "", 0, NULL), MISUSE, MISUSE, MISUSE)          \
 X(check_null, kelpie_check(m->k, NULL), MISUSE, MISUSE, MISUSE)                         \
 X(preload_null, kelpie_preload(m->k, NULL, NULL), MISUSE, MISUSE, MISUSE)               \
 X(preload_nothing, kelpie_preload(m->k, "x", NULL), MISUSE, MISUSE, MISUSE)             \
 X(listen_null, kelpie_listen(m->k, NULL), MISUSE, MISUSE, MISUSE)                       \
 X(listen_words, kelpie_listen(m->k, "here"), EADDR, EADDR, CLOSED)                      \
 X(listen_late, kelpie_listen(m->k, "fd:-1"), EADDR, EADDR, CLOSED)                      \
 X(listen_no_fd, kelpie_listen_fd(m->k, -1, NULL), -EINVAL, -EINVAL, CLOSED)             \
 X(listen_pipe, kelpie_listen_fd(m->k, m->pipe[0], NULL), -EINVAL, -EINVAL, CLOSED)      \
 X(listen_idle, kelpie_listen_fd(m->k, m->plain, NULL), -EINVAL, -EINVAL, CLOSED)        \
 X(control_null, kelpie_control(m->k, NULL), MISUSE, MISUSE, MISUSE)                     \
 X(control_empty, kelpie_control(m->k, ""), EADDR, EADDR, CLOSED)                        \
 X(control_long, kelpie_control(m->k, m->long_text), EADDR, EADDR, CLOSED)               \
 X(control_lost, kelpie_control(m->k, "/nowhere/x"), -ENOENT, -ENOENT, CLOSED)           \
 X(adopt_no_fd, adopt(m, -1), -EBADF, -EBADF, CLOSED)                                    \
 X(adopt_pipe, adopt(m, m->pipe[0]), -ENOTSOCK, -ENOTSOCK, CLOSED)                       \
 X(adopt_idle, adopt(m, m->plain), -ENOTCONN, -ENOTCONN, CLOSED)                         \
 X(adopt_datagrams, adopt(m, m->datagrams[0]), -EPROTOTYPE, -EPROTOTYPE, CLOSED)         \
 X(input_null, kelpie_input(m->k, NULL, 1), MISUSE, MISUSE, MISUSE)                      \
 X(watch_null, kelpie_watch(m->k, m->pipe[1], NULL, m), MISUSE, MISUSE, MISUSE)          \
 X(watch_no_fd, kelpie_watch(m->k, -1, reentry_nothing_with, m), -EBADF, -EBADF, -EBADF) \
 X(watch_again, kelpie_watch(m->k, m->pipe[0], reentry_nothing_with, m), -EEXIST,        \
   -EEXIST, -EEXIST)                                                                     \
 X(unwatch, kelpie_unwatch(m->k, m->pipe[1]), -ENOENT, -ENOENT, -ENOENT)                 \
 X(handlers_0, handlers_of_size(m, 0), MISUSE, MISUSE, MISUSE)                           \
 X(handlers_7, handlers_of_size(m, 7), MISUSE, MISUSE, MISUSE)                           \
 X(handlers_big, handlers_of_size(m, 4096), MISUSE, MISUSE, MISUSE)                      \
 X(framing_null, kelpie_set_framing(m->k, NULL, 0), MISUSE, MISUSE, MISUSE)              \
 X(framing_words, kelpie_set_framing(m->k, "words", 1), EPROTO_, EPROTO_, EPROTO_)       \
 X(framing_fixed, kelpie_set_framing(m->k, "fixed:9", 8), LONG, LONG, LONG)              \
 X(framing_huge, kelpie_set_framing(m->k, "fixed:8193", 0), LONG, LONG, LONG)            \
 X(detached_out, kelpie_detached(m->k, NULL, NULL, m, NULL), MISUSE, MISUSE, MISUSE)     \
 X(detached_0, detach(m, 0, reentry_take_all), MISUSE, MISUSE, CLOSED)                   \
 X(detached_big, detach(m, 4096, reentry_take_all), MISUSE, MISUSE, CLOSED)              \
 X(detached_deaf, detach(m, sizeof(struct kelpie_transport), NULL), MISUSE, MISUSE,      \
   CLOSED)                                                                               \
 X(detached_late, detach(m, 4096, NULL), MISUSE, MISUSE, CLOSED)                         \
 X(connect_null, connect_to(m, NULL), MISUSE, MISUSE, MISUSE)                            \
 X(connect_deaf, connect_to(m, "127.0.0.1:1"), MISUSE, MISUSE, MISUSE)                   \
 X(room_null, open_room(m, NULL), MISUSE, MISUSE, MISUSE)                                \
 X(room_nowhere, kelpie_room_open(m->k, NULL, "x"), MISUSE, MISUSE, MISUSE)              \
 X(room_long, open_room(m, m->long_text), FULL, FULL, FULL)                              \
 X(after_null, kelpie_after(m->k, NULL, 1, NULL, m), MISUSE, MISUSE, MISUSE)             \
 X(after_past, kelpie_after(m->k, NULL, -1, reentry_nothing, m), MISUSE, MISUSE, MISUSE) \
 X(every_0, kelpie_every(m->k, NULL, 0, reentry_nothing, m), MISUSE, MISUSE, MISUSE)     \
 X(broadcast_null, kelpie_broadcast(m->k, NULL, 1, NULL), MISUSE, MISUSE, MISUSE)

#define MISUSE  KELPIE_EMISUSE
#define CLOSED  KELPIE_ECLOSED
#define EADDR   KELPIE_EADDRESS
#define EPROTO_ KELPIE_EPROTO
#define LONG    KELPIE_ETOOLONG
#define FULL    KELPIE_EFULL

#define MAKE_CALL(name, expression, fresh, serving, draining)                            \
 static int call_##name(struct misuse *m)                                                \
 {                                                                                       \
  return expression;                                                                     \
 }
CALLS(MAKE_CALL)

enum state { FRESH, SERVING, DRAINING };

#define CALL_ROW(name, expression, fresh, serving, draining)                             \
 {#name, call_##name, {fresh, serving, draining}},

static const struct {
    const char *name;
    int (*fn)(struct misuse *m);
    int results[3];
} calls[] = {CALLS(CALL_ROW)};

/* ---- the world ------------------------------------------------------------------------- */

static void
start(struct misuse *m, bool with_script)
{
    static const char script[] = "return {}";
    const struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                             .on_message = on_message};
    const struct kelpie_transport transport = {.size = sizeof(transport),
                                               .write = reentry_take_all};

    memset(m, 0, sizeof(*m));
    sv_start(&m->other, NULL, NULL);
    assert_int_equal(kelpie_detached(m->other.k, NULL, &transport, NULL, &m->foreign), 0);
    sv_step(&m->other);
    memset(m->long_text, 'x', sizeof(m->long_text) - 1);
    assert_int_equal(pipe(m->pipe), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, m->datagrams), 0);
    m->plain = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(m->plain >= 0);
    sv_start(&m->kit, NULL, with_script ? script : NULL);
    m->k = m->kit.k;
    assert_int_equal(kelpie_set_handlers(m->k, &handlers, m), 0);
    assert_int_equal(kelpie_watch(m->k, m->pipe[0], reentry_nothing_with, m), 0);
    assert_int_equal(kelpie_detached(m->k, NULL, &transport, NULL, &m->fed), 0);
    assert_int_equal(kelpie_room_open(m->k, &m->room, "room"), 0);
    sv_step(&m->kit);
}

static void
stop(struct misuse *m)
{
    kelpie_room_close(m->room);
    sv_stop(&m->kit);
    close(m->plain);
    for (int i = 0; i < 2; i++) {
        close(m->pipe[i]);
        close(m->datagrams[i]);
    }
    sv_stop(&m->other);
}

/* Is the server in all that can be seen as it was? */
static void
expect_unchanged(struct misuse *m, const struct kelpie_stats *before, const char *name)
{
    struct kelpie_stats now = sv_stats(&m->kit);

    now.reloads_rejected = before->reloads_rejected; /* what a load is for */
    now.lua_bytes = before->lua_bytes;
    if (memcmp(&now, before, sizeof(now)) != 0)
        fail_msg("%s has changed a counter", name);
}

static void
try_all(struct misuse *m, enum state state)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        struct kelpie_stats before = sv_stats(&m->kit);
        int rc = calls[i].fn(m);
        if (rc != calls[i].results[state])
            fail_msg("%s in state %d is %d (%s), not %d", calls[i].name, (int)state, rc,
                     kelpie_strerror(rc), calls[i].results[state]);
        if (kelpie_errmsg(m->k)[0] == '\0')
            fail_msg("%s has no sentence", calls[i].name);
        expect_unchanged(m, &before, calls[i].name);
    }
}

/* Handlers and framing are still those of before. */
static void
expect_echo(struct misuse *m)
{
    int fd = sv_connect(&m->kit);
    int n_before = m->n_messages;

    sv_send(&m->kit, fd, "hello\n");
    assert_true(sv_expect(&m->kit, fd, "hello\n"));
    assert_int_equal(m->n_messages, n_before + 1);
    close(fd);
}

/* ---- tests --------------------------------------------------------------------------- */

static void
given_a_fresh_server_when_misused_then_it_says_so_and_is_as_before(void **state)
{
    struct misuse m;

    (void)state;
    start(&m, false);
    try_all(&m, FRESH);
    expect_echo(&m);
    stop(&m);
}

static void
given_a_server_that_serves_when_misused_then_it_says_so_and_is_as_before(void **state)
{
    struct misuse m;

    (void)state;
    start(&m, true);
    try_all(&m, SERVING);
    expect_echo(&m);
    stop(&m);
}

static void
given_a_server_that_drains_when_misused_then_it_says_so_and_begins_nothing(void **state)
{
    struct misuse m;

    (void)state;
    start(&m, true);
    int fd = sv_connect(&m.kit); /* it does not read: the drain goes on */
    sv_expect_clients(&m.kit, 2);
    kelpie_drain(m.k);
    sv_step(&m.kit);

    try_all(&m, DRAINING);
    close(fd);
    stop(&m);
}

static void
given_no_connection_when_asked_then_it_counts_as_closed(void **state)
{
    struct misuse m;

    (void)state;
    start(&m, false);
    assert_null(kelpie_find(m.k, 4711));

    assert_int_equal(kelpie_conn_send(NULL, "x", 1), KELPIE_ECLOSED);
    assert_int_equal(kelpie_conn_write(NULL, "x", 1), KELPIE_ECLOSED);
    assert_int_equal(kelpie_conn_set_framing(NULL, "line"), KELPIE_ECLOSED);
    assert_int_equal(kelpie_conn_feed(NULL, "x", 1), KELPIE_ECLOSED);
    assert_int_equal(kelpie_conn_feed_end(NULL), KELPIE_ECLOSED);
    assert_int_equal(kelpie_room_join(m.room, NULL), KELPIE_ECLOSED);
    assert_int_equal(kelpie_room_leave(m.room, NULL), 0);
    assert_int_equal(kelpie_room_has(m.room, NULL), 0);
    assert_int_equal(kelpie_conn_rooms(NULL, NULL, 1), 0);
    assert_int_equal(kelpie_conn_is_open(NULL), 0);
    assert_int_equal(kelpie_conn_id(NULL), 0);
    assert_int_equal(kelpie_conn_number(NULL), UINT32_MAX);
    assert_int_equal(kelpie_conn_queued(NULL), 0);
    assert_string_equal(kelpie_conn_peer(NULL), "");
    assert_string_equal(kelpie_conn_listener(NULL), "");
    assert_null(kelpie_conn_server(NULL));
    assert_null(kelpie_conn_user(NULL));
    stop(&m);
}

static void
given_nothing_when_it_is_released_then_that_is_harmless(void **state)
{
    (void)state;
    kelpie_free(NULL);
    kelpie_room_close(NULL);
    kelpie_timer_cancel(NULL);
    kelpie_attempt_cancel(NULL);
    assert_string_equal(kelpie_errmsg(NULL), "");
}

static void
given_connections_of_the_wrong_kind_when_used_then_they_are_refused(void **state)
{
    struct misuse m;

    (void)state;
    start(&m, false);
    int fd = sv_connect(&m.kit);
    sv_expect_clients(&m.kit, 2);
    kelpie_conn *conn = kelpie_client(m.k, 1);
    assert_non_null(conn);

    assert_int_equal(kelpie_room_join(m.room, m.foreign), KELPIE_EMISUSE);
    assert_int_equal(kelpie_room_count(m.room), 0);
    assert_int_equal(kelpie_conn_feed(conn, "x", 1), KELPIE_EMISUSE);
    assert_int_equal(kelpie_conn_feed_end(conn), KELPIE_EMISUSE);
    assert_int_equal(kelpie_conn_feed(m.fed, NULL, 1), KELPIE_EMISUSE);
    assert_int_equal(kelpie_conn_feed(m.fed, NULL, 0), 0);
    assert_int_equal(kelpie_conn_send(conn, NULL, 1), KELPIE_EMISUSE);
    assert_int_equal(kelpie_room_send(m.room, NULL, 1, NULL), KELPIE_EMISUSE);
    assert_int_equal(kelpie_post(m.k, NULL, NULL), KELPIE_EMISUSE);
    assert_int_equal(kelpie_conn_feed_end(m.fed), 0);
    assert_int_equal(kelpie_conn_feed(m.fed, "x", 1), KELPIE_EMISUSE);
    kelpie_conn_close(conn, NULL);
    assert_int_equal(kelpie_conn_send(conn, "x", 1), KELPIE_ECLOSED);
    assert_int_equal(kelpie_room_join(m.room, conn), KELPIE_ECLOSED);
    close(fd);
    stop(&m);
}

static void
given_options_that_cannot_be_meant_when_a_server_is_made_then_there_is_none(void **state)
{
    static const char *const unknown[] = {"io", "everything", NULL};
    struct kelpie_options all[6];

    (void)state;
    for (size_t i = 0; i < 6; i++)
        all[i] = (struct kelpie_options)KELPIE_OPTIONS_INIT;
    all[0].size = 0;
    all[1].size = sizeof(all[1]) + 8;
    all[2].max_clients = -1;
    all[3].fastopen = -1;
    all[4].watchdog_signal = -1;
    all[5].allow = unknown;
    for (size_t i = 0; i < 6; i++) {
        kelpie *k = (void *)all;
        assert_int_equal(kelpie_new(&k, &all[i]), KELPIE_EMISUSE);
        assert_null(k);
    }
    assert_int_equal(kelpie_new(NULL, NULL), KELPIE_EMISUSE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_a_fresh_server_when_misused_then_it_says_so_and_is_as_before),
        cmocka_unit_test(
            given_a_server_that_serves_when_misused_then_it_says_so_and_is_as_before),
        cmocka_unit_test(
            given_a_server_that_drains_when_misused_then_it_says_so_and_begins_nothing),
        cmocka_unit_test(given_no_connection_when_asked_then_it_counts_as_closed),
        cmocka_unit_test(given_nothing_when_it_is_released_then_that_is_harmless),
        cmocka_unit_test(
            given_connections_of_the_wrong_kind_when_used_then_they_are_refused),
        cmocka_unit_test(
            given_options_that_cannot_be_meant_when_a_server_is_made_then_there_is_none),
    };

    return cmocka_run_group_tests_name("misuse", tests, NULL, NULL);
}
