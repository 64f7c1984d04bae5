/*
 * test_reentry.c - every function of kelpie.h, called inside every callback
 *
 * For each pair there is a fresh server. The callback is provoked, the call is made in it
 * once, for the callback's own connection and for another one, and the server has to go on:
 * a new client gets its answer, and each connect is followed by one disconnect. What else
 * could be wrong, the sanitizers find.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "reentry_kit.h"

static struct world *the_world; /* for the C module, which has no argument */

/* Called by every callback: makes the call, if this is the place, once. */
static void
inside(struct world *w, enum place place, kelpie_conn *conn)
{
    if (w->place != place || w->is_done)
        return;
    w->is_done = true;
    w->call(w, conn);
    w->call(w, w->other);
    w->call(w, NULL);
    if (place >= FREE_DISCONNECT)
        reentry_close_room(w); /* the last chance */
}

/* ---- callbacks ------------------------------------------------------------------------- */

static int
on_connect(kelpie_conn *conn, void *arg)
{
    struct world *w = arg;

    w->n_connects++;
    inside(w, ON_CONNECT, conn);
    return KELPIE_PASS;
}

static int
on_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    (void)message;
    (void)len;
    inside(arg, ON_MESSAGE, conn);
    return KELPIE_PASS;
}

static int
on_disconnect(kelpie_conn *conn, const char *reason, void *arg)
{
    struct world *w = arg;

    (void)reason;
    w->n_disconnects++;
    inside(w, ON_DISCONNECT, conn);
    inside(w, FREE_DISCONNECT, conn);
    return KELPIE_PASS;
}

static int
on_drain(kelpie_conn *conn, void *arg)
{
    inside(arg, ON_DRAIN, conn);
    return KELPIE_PASS;
}

static int
on_input(kelpie *k, const void *line, size_t len, void *arg)
{
    (void)k;
    (void)line;
    (void)len;
    inside(arg, ON_INPUT, NULL);
    return KELPIE_PASS;
}

static void
on_reload(kelpie *k, const struct kelpie_change *change, void *arg)
{
    (void)k;
    (void)change;
    inside(arg, ON_RELOAD, NULL);
}

static const struct kelpie_handlers handlers = {sizeof(handlers), on_connect, on_message,
                                                on_disconnect,    on_input,   on_drain,
                                                on_reload};

static void
on_result(kelpie *k, kelpie_conn *conn, int error, void *arg)
{
    (void)k;
    (void)error;
    kelpie_conn_send(conn, "hello", 5);
    inside(arg, ON_RESULT, conn);
    inside(arg, FREE_RESULT, conn);
}

static int
on_own_message(kelpie_conn *conn, const void *message, size_t len, void *arg)
{
    (void)message;
    (void)len;
    inside(arg, OWN_MESSAGE, conn);
    kelpie_conn_close(conn, "enough");
    return 0;
}

static int
on_own_disconnect(kelpie_conn *conn, const char *reason, void *arg)
{
    (void)reason;
    inside(arg, OWN_DISCONNECT, conn);
    return 0;
}

static const struct kelpie_connect_options wish = {.size = sizeof(wish),
                                                   .on_result = on_result,
                                                   .on_message = on_own_message,
                                                   .on_disconnect = on_own_disconnect};

static void
on_once(void *arg)
{
    inside(arg, TIMER_ONCE, NULL);
}

static void
on_again(void *arg)
{
    inside(arg, TIMER_EVERY, NULL);
}

static void
on_posted(void *arg)
{
    inside(arg, POSTED, NULL);
}

static void
on_watched(void *arg, int fd)
{
    char byte;

    assert_int_equal(read(fd, &byte, 1), 1);
    inside(arg, WATCHED, NULL);
}

static size_t
on_write(void *arg, const void *bytes, size_t len)
{
    struct world *w = arg;

    (void)bytes;
    inside(w, WRITE, w->far);
    inside(w, WRITE_OUTSIDE, w->far);
    return w->is_full ? 0 : len;
}

static void
on_far_closed(void *arg, const char *reason)
{
    struct world *w = arg;

    (void)reason;
    w->far = NULL;
    inside(w, CLOSED, NULL);
}

static void
on_other_closed(void *arg, const char *reason)
{
    (void)reason;
    ((struct world *)arg)->other = NULL;
}

static int
run_inside(lua_State *L)
{
    (void)L;
    inside(the_world, C_MODULE, NULL);
    return 0;
}

static int
open_host(lua_State *L)
{
    lua_pushcfunction(L, run_inside);
    return 1;
}

/* ---- the world ------------------------------------------------------------------------- */

static void
start(struct world *w, const char *folder)
{
    static const struct kelpie_transport far = {
        .size = sizeof(far), .write = on_write, .closed = on_far_closed};
    static const struct kelpie_transport other = {
        .size = sizeof(other), .write = reentry_take_all, .closed = on_other_closed};
    struct kelpie_options options = KELPIE_OPTIONS_INIT;

    options.soft_outbox = 1000;
    options.max_outbox = 4000;
    options.max_message = 1000;
    sv_start(&w->kit, &options, NULL);
    w->k = w->kit.k;
    w->wish = &wish;
    w->is_done = true; /* nothing happens yet */
    snprintf(w->control, sizeof(w->control), "%s/control", folder);
    assert_int_equal(pipe(w->pipe), 0);
    assert_int_equal(pipe(w->watched), 0);
    assert_int_equal(kelpie_preload(w->k, "host", open_host), 0);
    assert_int_equal(
        kelpie_load_string(w->k, reentry_script, strlen(reentry_script), "=script"), 0);
    assert_int_equal(kelpie_set_handlers(w->k, &handlers, w), 0);
    assert_int_equal(kelpie_detached(w->k, NULL, &far, w, &w->far), 0);
    assert_int_equal(kelpie_detached(w->k, NULL, &other, w, &w->other), 0);
    assert_int_equal(kelpie_room_open(w->k, &w->room, "room"), 0);
    assert_int_equal(kelpie_room_join(w->room, w->far), 1);
    assert_int_equal(kelpie_watch(w->k, w->watched[0], on_watched, w), 0);
    assert_int_equal(kelpie_after(w->k, &w->timer, 3600000, reentry_nothing, w), 0);
    sv_step(&w->kit);
    w->is_done = false;
}

static void
end(struct world *w)
{
    int fds[] = {w->pipe[0], w->pipe[1], w->watched[0], w->watched[1]};

    if (w->place < FREE_DISCONNECT)
        reentry_close_room(w);
    kelpie_free(w->k);
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
    for (int i = 0; i < w->n_extra; i++)
        close(w->extra[i]);
    assert_int_equal(sv_open_fds(), w->kit.fds_before);
}

/* Does what leads to the callback. */
static void
provoke(struct world *w)
{
    const char *line = w->place == C_MODULE ? "c\n" : "hello\n";
    int fd;

    switch (w->place) {
    case C_MODULE:
    case ON_CONNECT:
    case ON_MESSAGE:
    case ON_DISCONNECT:
        fd = sv_connect(&w->kit);
        assert_true(write(fd, line, strlen(line)) > 0);
        close(fd);
        break;
    case ON_DRAIN:
        w->is_full = true;
        kelpie_conn_write(w->far, w->much, sizeof(w->much));
        sv_step(&w->kit);
        w->is_full = false;
        kelpie_conn_writable(w->far);
        break;
    case ON_INPUT:
        kelpie_input(w->k, "typed", 5);
        break;
    case ON_RELOAD:
        kelpie_reload(w->k);
        break;
    case ON_RESULT:
    case OWN_MESSAGE:
    case OWN_DISCONNECT:
    case FREE_RESULT:
        reentry_connect(w);
        break;
    case TIMER_ONCE:
        kelpie_after(w->k, NULL, 0, on_once, w);
        break;
    case TIMER_EVERY:
        kelpie_timer_cancel(w->timer);
        kelpie_every(w->k, &w->timer, 1, on_again, w);
        break;
    case POSTED:
        kelpie_post(w->k, on_posted, w);
        break;
    case WATCHED:
        assert_int_equal(write(w->watched[1], "x", 1), 1);
        break;
    case WRITE:
        kelpie_conn_feed(w->far, "hello\n", 6);
        break;
    case WRITE_OUTSIDE:
        kelpie_conn_write(w->far, w->much, sizeof(w->much));
        kelpie_conn_write(w->far, w->much, sizeof(w->much));
        assert_true(w->is_done);
        break;
    case CLOSED:
        kelpie_conn_close(w->far, "enough");
        break;
    case FREE_DISCONNECT:
    case N_PLACES:
        break;
    }
}

static void
expect_alive(struct world *w)
{
    int fd = sv_connect(&w->kit);

    sv_send(&w->kit, fd, "ping\r\n");
    assert_true(sv_expect(&w->kit, fd, "ping"));
    close(fd);
}

static void
try_pair(const char *folder, enum place place, size_t call)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    the_world = w;
    w->place = place;
    w->call = reentry_calls[call].fn;
    start(w, folder);
    provoke(w);
    for (int i = 0; i < 10000 && place < FREE_DISCONNECT && (i < 5 || !w->is_done); i++)
        assert_true(kelpie_step(w->k, i < 5 ? 0 : 1) >= 0);
    if (place < FREE_DISCONNECT && !reentry_is(w, "kelpie_drain"))
        expect_alive(w);
    end(w);

    if (!w->is_done)
        fail_msg("place %d was never reached, for %s", (int)place,
                 reentry_calls[call].name);
    if (!reentry_is(w, "kelpie_set_handlers"))
        assert_int_equal(w->n_connects, w->n_disconnects);
    free(w);
}

/* ---- tests --------------------------------------------------------------------------- */

static void
given_a_callback_when_any_function_is_called_in_it_then_the_server_goes_on(void **state)
{
    char folder[FOLDER_SIZE];

    (void)state;
    folder_make(folder);
    for (int place = 0; place < N_PLACES; place++)
        for (size_t call = 0; call < reentry_n_calls; call++)
            try_pair(folder, (enum place)place, call);
    folder_remove(folder);
}

static void
given_the_header_when_its_functions_are_counted_then_each_is_called_here(void **state)
{
    static char text[1 << 17];
    size_t n = 0;

    (void)state;
    folder_read(KELPIE_SOURCE_DIR "/include/kelpie.h", text, sizeof(text));
    for (char *at = text; (at = strstr(at, "\nKELPIE_API ")) != NULL; n++) {
        char *name = strchr(at, '(');
        assert_non_null(name);
        *name = '\0';
        while (name[-1] == '_' || (name[-1] >= 'a' && name[-1] <= 'z'))
            name--;
        size_t i = 0;
        while (i < reentry_n_calls && strcmp(reentry_calls[i].name, name) != 0)
            i++;
        if (i == reentry_n_calls)
            fail_msg("%s is in kelpie.h, and not in every_call.h", name);
        at = name + strlen(name) + 1;
    }

    assert_int_equal(n, reentry_n_calls);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            given_a_callback_when_any_function_is_called_in_it_then_the_server_goes_on),
        cmocka_unit_test(
            given_the_header_when_its_functions_are_counted_then_each_is_called_here),
    };

    return cmocka_run_group_tests_name("reentry", tests, NULL, NULL);
}
