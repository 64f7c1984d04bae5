/*
 * reentry_kit.c - see reentry_kit.h
 */
#include "reentry_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "every_call.h"

const char reentry_script[] = "local handlers = {}\n"
                              "function handlers.on_message(conn, line)\n"
                              "   if line == 'c' then require('host')() end\n"
                              "   conn:send(line)\n"
                              "end\n"
                              "return handlers\n";

void
reentry_nothing(void *arg)
{
    (void)arg;
}

void
reentry_nothing_with(void *arg, int fd)
{
    (void)arg;
    (void)fd;
}

static int
open_nothing(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

static void
expect_misuse(int rc)
{
    assert_int_equal(rc, KELPIE_EMISUSE);
}

static void
make_another(void)
{
    kelpie *another;

    assert_int_equal(kelpie_new(&another, NULL), 0);
    kelpie_free(another);
}

static void
adopt_one(struct world *w)
{
    int fds[2];

    if (w->n_extra + 2 > 4)
        return;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    w->extra[w->n_extra++] = fds[0];
    if (kelpie_adopt(w->k, fds[1], NULL, NULL) < 0)
        w->extra[w->n_extra++] = fds[1];
}

static int
begin_to_connect(struct world *w, kelpie_attempt **out)
{
    char address[32];

    snprintf(address, sizeof(address), "127.0.0.1:%d", w->kit.port);
    return kelpie_connect(w->k, out, address, w->wish, w);
}

void
reentry_connect(struct world *w)
{
    (void)begin_to_connect(w, NULL); /* in some states it is refused */
}

static void
cancel_attempt(struct world *w)
{
    kelpie_attempt *attempt;

    begin_to_connect(w, &attempt);
    kelpie_attempt_cancel(attempt);
}

size_t
reentry_take_all(void *arg, const void *bytes, size_t len)
{
    (void)arg;
    (void)bytes;
    return len;
}

static void
detach_one(struct world *w)
{
    static const struct kelpie_transport plain = {.size = sizeof(plain),
                                                  .write = reentry_take_all};
    kelpie_conn *conn;

    kelpie_detached(w->k, NULL, &plain, w, &conn);
}

static void
join_another_room(struct world *w, kelpie_conn *conn)
{
    kelpie_room *room;

    assert_int_equal(kelpie_room_open(w->k, &room, "another"), 0);
    kelpie_room_join(room, conn);
    kelpie_room_close(room);
}

void
reentry_close_room(struct world *w)
{
    kelpie_room_close(w->room);
    w->room = NULL;
}

static void
cancel_timer(struct world *w)
{
    kelpie_timer_cancel(w->timer);
    w->timer = NULL;
}

#define MAKE_CALL(name, expression)                                                      \
 static void do_##name(struct world *w, kelpie_conn *c)                                  \
 {                                                                                       \
  (void)w;                                                                               \
  (void)c;                                                                               \
  (void)(expression);                                                                    \
 }
EVERY_CALL(MAKE_CALL)

#define CALL_ROW(name, expression) {#name, do_##name},

const struct reentry_call reentry_calls[] = {EVERY_CALL(CALL_ROW)};
const size_t reentry_n_calls = sizeof(reentry_calls) / sizeof(reentry_calls[0]);

bool
reentry_is(const struct world *w, const char *name)
{
    for (size_t i = 0; i < reentry_n_calls; i++)
        if (reentry_calls[i].fn == w->call)
            return strcmp(reentry_calls[i].name, name) == 0;
    return false;
}
