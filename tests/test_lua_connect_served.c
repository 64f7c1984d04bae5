/*
 * test_lua_connect_served.c - outbound connections in event style: their own handlers
 */
#include "connect_kit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "script/swap.h"

#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)

/* Handlers of `up`, which print what they hear; the main ones must hear of nothing. */
#define UP                                                                               \
 "on_message = function(c, m) print(c.data.name, m) end,\n"                              \
 "on_disconnect = function(c, reason) print(c.data.name, reason) end,\n"                 \
 "on_connect = function() print('no connect') end,\n"
#define MAIN                                                                             \
 "on_connect = function() print('no') end,\n"                                            \
 "on_message = function() print('no') end,\n"                                            \
 "on_drain = function() print('no') end,\n"                                              \
 "on_disconnect = function() print('no') end,\n"
#define SCRIPT(more) "return { " MAIN " listeners = { up = { " UP more " } } }"

#define CONNECT                                                                          \
 "local c = assert(kelpie.connect(address, { handlers = 'up' }))\n"                      \
 "c.data.name = 'up'\n"

/* Makes another text the live version, and adopts, as a reload does. */
static void
reload(struct script_kit *kit, const char *text)
{
    sk_load_beside(kit, text);
    kp_swap_adopt(&kit->script);
    sk_settle(kit);
}

/* ---- messages, and the end ------------------------------------------------------------ */

/* Loads the script of most tests and runs code in it, which connects.
 * Returns   the other end. */
static int
serve_and_run(struct script_kit *kit, struct ck_other *other, const char *code)
{
    sk_load(kit, SCRIPT(""));
    ck_run(kit, other->port, code);
    return ck_accept(kit, other);
}

static void
given_handlers_when_messages_come_then_they_are_called_and_told_of_the_end(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    int fd = serve_and_run(kit, &other,
                           CONNECT "c:send('hello') print(c.listener == '', c.number)");
    ck_hears(kit, fd, "hello\n");
    ck_say(fd, "one\ntwo\n");
    ck_prints(kit, "true\tnil\nup\tone\nup\ttwo\n");
    close(fd);

    ck_prints(kit, "up\teof\n");
    sk_settle(kit);
    assert_int_equal(kit->net.outbound.count, 0);
    close(other.fd);
}

static void
given_somebody_receives_when_messages_come_then_he_is_first(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    int fd = serve_and_run(kit, &other,
                           CONNECT "print('greeting', c:receive()) c.data.name = 'in'");
    ck_say(fd, "welcome\nnews\n");
    ck_prints(kit, "greeting\twelcome\nin\tnews\n");
    ck_say(fd, "rest");
    close(fd);

    ck_prints(kit, "in\teof\n");
    close(other.fd);
}

static void
given_a_suspended_handler_when_the_peer_ends_then_it_still_sends_and_all_is_in_order(
    void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return { listeners = { up = {\n"
                 "   on_message = function(c, m) kelpie.sleep(1)\n"
                 "      print(m, c:send('got ' .. m)) end,\n"
                 "   on_disconnect = function(_, reason) print(reason) end } } }");
    ck_run(kit, other.port, CONNECT "print('there')");
    int fd = ck_accept(kit, &other);
    ck_prints(kit, "there\n");
    ck_say(fd, "one\ntwo\n");
    shutdown(fd, SHUT_WR);
    sk_settle(kit);
    sk_printed(kit, "");
    for (int i = 0; i < 100 && strlen(kit->printed) < 22; i++)
        sk_pass(kit, 1000);

    sk_printed(kit, "one\ttrue\ntwo\ttrue\neof\n");
    ck_hears(kit, fd, "got one\ngot two\n");
    ck_hears(kit, fd, "");
    close(fd);
    close(other.fd);
}

/* Without handlers nobody hears of the end: who still sends is told "closed". */
static void
given_no_handlers_when_the_peer_has_ended_then_what_is_queued_is_sent(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    int fd = serve_and_run(
        kit, &other,
        "local c = assert(kelpie.connect(address)) c:send('question')\n"
        "print(c:receive()) print(c:send('still heard')) print(c:receive())\n"
        "print(c:is_open(), (c:send('in time')))\n"
        "kelpie.sleep(0) print(select(3, c:send('too late')))");
    ck_hears(kit, fd, "question\n");
    ck_say(fd, "answer\n");
    shutdown(fd, SHUT_WR);

    ck_prints(kit, "answer\ntrue\nnil\tconnection closed\tclosed\ntrue\ttrue\nclosed\n");
    ck_hears(kit, fd, "still heard\nin time\n");
    ck_hears(kit, fd, "");
    close(fd);
    close(other.fd);
}

static void
given_a_full_outbox_when_it_is_read_then_on_drain_is_called(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();
    char bytes[65536];

    sk_load(kit, SCRIPT("on_drain = function(c) print('drained', c:queued()) end,\n"));
    ck_run(kit, other.port,
           CONNECT "while c:queued() < 600 * 1024 do c:write(('x'):rep(65536))\n"
                   "   if c:queued() < 200 * 1024 then kelpie.sleep(0) end end\n"
                   "c:write('end') print('full')");
    int fd = ck_accept(kit, &other);
    ck_prints(kit, "full\n");
    ssize_t n;
    do {
        ck_wait_readable(kit, fd);
        n = recv(fd, bytes, sizeof bytes, 0);
        assert_true(n > 0);
    } while (bytes[n - 1] == 'x');

    ck_prints(kit, "drained\t0\n");
    close(fd);
    ck_prints(kit, "up\teof\n");
    close(other.fd);
}

static void
given_a_handler_that_raises_when_a_message_comes_then_the_peer_is_named(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();
    char words[100];

    sk_load(kit,
            "return { on_error = function(c) print(tostring(c):match('^%S+ %S+')) end,\n"
            "   listeners = { up = { on_message = function(c, m)\n"
            "   if m == 'kill' then test.kill() end error('not ' .. m) end,\n"
            "   on_disconnect = function(_, reason) print(reason) end } } }");
    ck_run(kit, other.port, CONNECT);
    int fd = ck_accept(kit, &other);
    ck_say(fd, "good\n");
    ck_prints(kit, "connection to\n");
    snprintf(words, sizeof words, "not good (connection to 127.0.0.1:%d)", other.port);
    sk_logged(kit, words);

    ck_say(fd, "kill\nkill\nkill\n");
    ck_prints(kit, "connection to\nconnection to\nconnection to\n");
    close(fd); /* it lingers until then */
    ck_prints(kit, "script killed\n");
    close(other.fd);
}

/* ---- options -------------------------------------------------------------------------- */

static void
given_handlers_with_a_framing_when_connecting_then_it_holds_unless_told_otherwise(
    void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    sk_load(kit, "return { framing = 'raw', listeners = { up = { framing = 'netstring',\n"
                 "   on_message = function(_, m) print(m) end } } }");
    ck_run(kit, other.port,
           CONNECT
           "c:send('x')\n"
           "kelpie.connect(address, { handlers = 'up', framing = 'line' }):send('y')");
    int first = ck_accept(kit, &other);
    int second = ck_accept(kit, &other);
    ck_hears(kit, first, "1:x,");
    ck_hears(kit, second, "y\n");
    ck_say(first, "5:hello,");
    ck_prints(kit, "hello\n");
    ck_say(second, "line\n");
    ck_prints(kit, "line\n");

    close(first);
    close(second);
    close(other.fd);
}

static void
given_handlers_that_there_are_not_when_connecting_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "try(kelpie.connect, '127.0.0.1:1', { handlers = 'up' })\n"
           "try(kelpie.connect, '127.0.0.1:1', { handlers = {} })",
           "bad argument #2 to 'kelpie.connect' (handlers: there is no 'listeners.up')\n"
           "bad argument #2 to 'kelpie.connect' (handlers: a name in 'listeners' of the "
           "handlers table expected)\n");
}

/* ---- reloads -------------------------------------------------------------------------- */

static void
given_a_reload_when_messages_come_then_the_new_handlers_get_them(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    int fd = serve_and_run(kit, &other, CONNECT "print('there')");
    ck_prints(kit, "there\n");
    reload(kit, "return { listeners = { up = {\n"
                "   on_adopt = function(c) c.data.name = 'new' print('adopted') end,\n" UP
                "} } }");
    ck_prints(kit, "adopted\n");
    ck_say(fd, "news\n");

    ck_prints(kit, "new\tnews\n");
    close(fd);
    ck_prints(kit, "new\teof\n");
    close(other.fd);
}

static void
given_a_version_without_the_handlers_when_messages_come_then_they_wait(void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    int fd = serve_and_run(kit, &other, CONNECT "print(c.id)");
    ck_prints(kit, "1\n");
    reload(kit, "return { " MAIN " }");
    sk_logged(kit, "handlers of 1 outbound connection are not in this version");
    ck_say(fd, "one\ntwo\n");
    sk_settle(kit);
    sk_run(kit, "print(kelpie.find(1):receive())");
    ck_prints(kit, "one\n");

    reload(kit, "return { listeners = { up = {\n"
                "   on_message = function(_, m) print('back', m) end } } }");
    ck_prints(kit, "back\ttwo\n");
    close(fd);
    close(other.fd);
}

static void
given_a_version_without_the_handlers_when_the_peer_ends_then_it_closes_by_itself(
    void **state)
{
    struct script_kit *kit = *state;
    struct ck_other other = ck_open();

    int fd = serve_and_run(kit, &other, CONNECT "print('there')");
    ck_prints(kit, "there\n");
    reload(kit, "return { " MAIN " }");
    close(fd);
    for (int i = 0; i < 1000 && kit->net.outbound.count > 0; i++) {
        sk_settle(kit);
        usleep(1000);
    }

    assert_int_equal(kit->net.outbound.count, 0);
    sk_printed(kit, "");
    close(other.fd);
}

static void
given_no_memory_when_connecting_with_handlers_then_nothing_breaks(void **state)
{
    char text[1000];
    struct ck_other other = ck_open();

    (void)state;
    assert_int_equal(listen(other.fd, 1000), 0);
    snprintf(text, sizeof text,
             "return { on_input = function()\n"
             "   local c = kelpie.connect('127.0.0.1:%d', { handlers = 'up' })\n"
             "   if c then c.data.x = 1 c:send('x') c:receive(nil, 0.1) c:abort() end\n"
             "end, listeners = { up = { on_message = print,\n"
             "   on_disconnect = function(c, m) print(c.data.x, m) end } } }",
             other.port);
    bk_fail_each_allocation(text);
    close(other.fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(given_handlers_when_messages_come_then_they_are_called_and_told_of_the_end),
        T(given_somebody_receives_when_messages_come_then_he_is_first),
        T(given_a_suspended_handler_when_the_peer_ends_then_it_still_sends_and_all_is_in_order),
        T(given_no_handlers_when_the_peer_has_ended_then_what_is_queued_is_sent),
        T(given_a_full_outbox_when_it_is_read_then_on_drain_is_called),
        T(given_a_handler_that_raises_when_a_message_comes_then_the_peer_is_named),
        T(given_handlers_with_a_framing_when_connecting_then_it_holds_unless_told_otherwise),
        T(given_handlers_that_there_are_not_when_connecting_then_it_raises),
        T(given_a_reload_when_messages_come_then_the_new_handlers_get_them),
        T(given_a_version_without_the_handlers_when_messages_come_then_they_wait),
        T(given_a_version_without_the_handlers_when_the_peer_ends_then_it_closes_by_itself),
        cmocka_unit_test(
            given_no_memory_when_connecting_with_handlers_then_nothing_breaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
