/*
 * torture_main.c - scenarios that make a server and use all that it has
 *
 * torture_main: start, load, listen, three clients, rooms, data, timers, suspended handlers, an
 * error, a reload that succeeds and one that is rejected, a half-close, a drain.
 *
 * torture_doors: what reaches into the file system, and other ways in: a watchdog with its
 * thread and signal, scripts of several files that are watched, a unix socket and a control
 * socket over what a dead server has left, a socket of an init system, an adopted connection,
 * an operator, a stalled reader, and a drain that has to end without it.
 *
 * In a disturbed run nothing is promised but this: no crash, no sanitizer report, no block and
 * no descriptor left.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "torture.h"

/* ---- the main scenario --------------------------------------------------------------- */

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

static int
load_text(struct torture *t, const char *text)
{
    return kelpie_load_string(t->kit.k, text, strlen(text), "=torture.lua");
}

static bool
start(struct torture *t)
{
    if (torture_server(t) < 0 || load_text(t, first_script) < 0)
        return false;
    t->kit.port = kelpie_listen(t->kit.k, "127.0.0.1:0");
    return t->kit.port > 0;
}

static void
talk(struct torture *t)
{
    for (int c = 0; c < TORTURE_CLIENTS; c++) {
        t->fds[c] = sv_connect_port(t->kit.port);
        torture_settle(t);
    }
    torture_say(t, 0, "say\nto all\n");
    torture_say(t, 1, "ask\n");
    torture_say(t, 1, "ann\n");
    torture_say(t, 2, "fail\nlater\nspawn\n");
    torture_say(t, 2, "big\n");
    (void)kelpie_input(t->kit.k, "from above", 10); /* may fail, when told to */
    torture_settle(t);
    torture_say(t, 0, "half a");
}

/* The reload happens while one handler waits in receive. */
static void
reload(struct torture *t)
{
    torture_say(t, 1, "ask\n");
    (void)load_text(t, second_script);
    torture_settle(t);
    torture_say(t, 1, "bob\n");
    torture_say(t, 0, " line\n");
    (void)load_text(t, third_script);
    torture_settle(t);
    torture_say(t, 2, "still\n");
}

static void
end(struct torture *t)
{
    if (t->fds[0] >= 0)
        shutdown(t->fds[0], SHUT_WR);
    torture_settle(t);
    kelpie_drain(t->kit.k);
    torture_settle(t);
}

static void
act_main(struct torture *t)
{
    if (!start(t))
        return;
    talk(t);
    reload(t);
    end(t);
}

const struct torture_scenario torture_main = {.name = "main", .act = act_main};

/* ---- all doors ----------------------------------------------------------------------- */

static const char doors_script[] =
    "local kelpie = require('kelpie')\n"
    "local word = require('lib.word')\n"
    "local handlers = { listeners = { admin = {\n"
    "   on_message = function(conn, line) conn:send('admin ', word, line) end } } }\n"
    "function handlers.on_message(conn, line)\n"
    "   if line == 'flood' then\n"
    "      for _ = 1, 300 do conn:send(('x'):rep(4000)) end\n"
    "   else conn:send(word, line) end\n"
    "end\n"
    "return handlers\n";

/* Puts a socket at path that nobody listens on: what a server leaves that was killed. */
static void
leave_socket(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    (void)unlink(path); /* of the run before */
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(close(fd), 0);
}

static void
prepare_doors(struct torture *t)
{
    static const char word[] = "return 'one '";

    folder_write(t->folder, "init.lua", doors_script, sizeof(doors_script) - 1);
    folder_write(t->folder, "lib/word.lua", word, sizeof(word) - 1);
    leave_socket(t->socket);
    leave_socket(t->control);
}

/* As systemd does. */
static void
inherit_listener(struct torture *t)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(listen(fd, 4), 0);
    if (kelpie_listen_fd(t->kit.k, fd, "inherited") < 0)
        close(fd);
}

static bool
open_doors(struct torture *t)
{
    char address[128];

    t->signal = SIGURG;
    if (torture_server(t) < 0 || kelpie_load(t->kit.k, t->folder) < 0)
        return false;
    snprintf(address, sizeof(address), "admin=unix:%s", t->socket);
    (void)kelpie_listen(t->kit.k, address); /* each of these may fail, when told to */
    (void)kelpie_control(t->kit.k, t->control);
    (void)kelpie_watch_scripts(t->kit.k, 1);
    inherit_listener(t);
    torture_settle(t);
    return true;
}

static void
act_doors(struct torture *t)
{
    if (!open_doors(t))
        return;
    torture_connect(t, 0, t->socket);
    torture_adopt(t, 1);
    torture_connect(t, TORTURE_OPERATOR, t->control);
    torture_say(t, 0, "hello\n");
    torture_say(t, 1, "hello\n");
    torture_say(t, TORTURE_OPERATOR, "status --json\nhelp\n");
    int stalled = t->fds[1];
    t->fds[1] = -1; /* it does not hear any more */
    if (stalled >= 0)
        (void)send(stalled, "flood\n", 6, MSG_NOSIGNAL);
    torture_settle(t);
    kelpie_drain(t->kit.k);
    torture_settle(t);
    torture_pass(t, 11000);
    if (stalled >= 0)
        close(stalled);
}

const struct torture_scenario torture_doors = {
    .name = "doors", .prepare = prepare_doors, .act = act_doors};
