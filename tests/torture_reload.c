/*
 * torture_reload.c - reloads of all kinds, and what must hold when something in one fails
 *
 * All or nothing. Whatever has failed in whatever way, afterwards one generation serves, the
 * one before or the new one, and it serves completely: each connection has its data, with
 * their classes and their sharing, the kept data are there, the room has its members, and
 * the named timer fires once when it is due. The scripts say their version with everything,
 * so half of each would be heard.
 *
 * The two clients are adopted; a script is written anew for each run, with another version.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "script/reload.h"
#include "torture.h"

enum { N_TALKERS = 2, TICK_MS = 60000 };

/* ---- the scripts --------------------------------------------------------------------- */

static const char script_format[] =
    "local kelpie = require('kelpie')\n"
    "local names = require('lib.names')\n"
    "local version = %u\n"
    "local User = kelpie.class('user', { __index = {\n"
    "   name = function(user) return user.text end } })\n"
    "local lobby = kelpie.room('lobby')\n"
    "local seen = kelpie.keep('seen', { total = 0, users = {} })\n"
    "local h = { schema = %u }\n"
    "function h.migrate(old, keep) keep.seen.migrated = h.schema end\n"
    "function h.migrate_conn(old, data) data.schema = h.schema end\n"
    "function h.on_load()\n"
    "   kelpie.every('tick', 60, function() lobby:send('tick ' .. version) end)\n"
    "end\n"
    "function h.on_connect(conn)\n"
    "   local user = setmetatable({ text = names[1] .. conn.number }, User)\n"
    "   seen.total = seen.total + 1\n"
    "   seen.users[conn] = { user = user, room = lobby, back = { [user] = conn } }\n"
    "   conn.data.user, conn.data.list = user, { 2.5, user }\n"
    "   lobby:join(conn)\n"
    "end\n"
    "function h.on_message(conn, line)\n"
    "   local data = conn.data\n"
    "   if line == 'wait' then\n"
    "      conn:send(version, ' name?')\n"
    "      conn:send(version, ' hello ', conn:receive('line', 30))\n"
    "   elseif line == 'poison' then data.poison = print\n"
    "   elseif line == 'room' then lobby:send(version .. ' room')\n"
    "   else\n"
    "      local entry = seen.users[conn]\n"
    "      assert(data.list[2] == data.user and data.list[1] == 2.5)\n"
    "      assert(entry.back[entry.user] == conn and entry.room == lobby)\n"
    "      conn:send(version, ' ', entry.user:name(), ' ', data.user:name(),\n"
    "                ' of ', seen.total)\n"
    "   end\n"
    "end\n"
    "%s\n"
    "return h\n";

/* schema 0: another one each time, so that there is a migration. */
static void
write_script(struct torture *t, unsigned schema, const char *bad)
{
    char text[4096];
    unsigned version = ++t->version;
    int len = snprintf(text, sizeof(text), script_format, version,
                       schema != 0 ? schema : version, bad != NULL ? bad : "");

    assert_true(len > 0 && len < (int)sizeof(text));
    folder_write(t->folder, "init.lua", text, (size_t)len);
}

/* ---- what must hold ------------------------------------------------------------------ */

/* Asks one client for the version that answers it, and takes it out of the answer. */
static unsigned
version_of(struct torture *t, int client)
{
    char rest[64], expected[64];
    unsigned version = 0;

    torture_forget(t);
    torture_say(t, client, "who\n");
    if (sscanf(t->heard[client], "%u %63[^\n]", &version, rest) != 2)
        fail_msg("client %d heard '%s'; log:\n%s", client, t->heard[client], t->kit.log);
    snprintf(expected, sizeof(expected), "guest%d guest%d of 2", client, client);
    assert_string_equal(rest, expected);
    return version;
}

/* Every member hears it once. */
static void
all_hear(struct torture *t, const char *format, unsigned version)
{
    char expected[64];

    snprintf(expected, sizeof(expected), format, version);
    for (int c = 0; c < N_TALKERS; c++)
        torture_heard(t, c, expected);
}

/* Returns the version that serves, which does so completely. */
static unsigned
serving(struct torture *t)
{
    unsigned version = version_of(t, 0);

    assert_int_equal(version_of(t, 1), version);
    torture_forget(t);
    torture_say(t, 0, "room\n");
    all_hear(t, "%u room\n", version);
    torture_pass(t, TICK_MS);
    all_hear(t, "tick %u\n", version);
    return version;
}

/* The version before or the new one; the new one if act said so, else the one before. */
static void
check_all_or_nothing(struct torture *t)
{
    unsigned version = serving(t);

    assert_int_equal(version, t->rc == 0 ? t->version : t->before);
    assert_null(t->kit.k->script.retiring);
    t->before = version;
    t->kit.log_len = 0;
}

/* Nothing was to change, whatever act said. */
static void
check_nothing(struct torture *t)
{
    assert_true(t->rc < 0);
    check_all_or_nothing(t);
}

static void
check_dry_run(struct torture *t)
{
    t->rc = -1;
    check_all_or_nothing(t);
}

/* One of both; there is nobody who was told which. */
static void
check_one(struct torture *t)
{
    unsigned version = serving(t);

    assert_true(version == t->before || version == t->version);
    t->before = version;
    t->kit.log_len = 0;
}

/* ---- how it begins ------------------------------------------------------------------- */

static void
open_server(struct torture *t)
{
    static const char names[] = "return { 'guest' }";

    folder_write(t->folder, "lib/names.lua", names, sizeof(names) - 1);
    write_script(t, 1, NULL);
    assert_int_equal(torture_server(t), 0);
    assert_int_equal(kelpie_load(t->kit.k, t->folder), 0);
    for (int c = 0; c < N_TALKERS; c++)
        torture_adopt(t, c);
    t->before = t->version;
    assert_int_equal(serving(t), t->before);
}

static void
prepare_same_schema(struct torture *t)
{
    write_script(t, 1, NULL);
}

static void
prepare_other_schema(struct torture *t)
{
    write_script(t, 0, NULL);
}

static void
prepare_poison(struct torture *t)
{
    torture_say(t, 0, "poison\n");
    write_script(t, 1, NULL);
}

static void
prepare_suspended(struct torture *t)
{
    torture_forget(t);
    torture_say(t, 1, "wait\n");
    torture_heard_part(t, 1, " name?\n");
    write_script(t, 1, NULL);
}

/* ---- what is disturbed --------------------------------------------------------------- */

static void
act_reload(struct torture *t)
{
    t->rc = kelpie_load(t->kit.k, t->folder);
}

static void
act_dry_run(struct torture *t)
{
    t->rc = kp_reload_dry_run(&t->kit.k->script);
}

static void
act_drop(struct torture *t)
{
    t->rc = kp_reload_drop(&t->kit.k->script);
}

/* ---- rejected for a reason of its own ------------------------------------------------- */

#define REJECTED(what, line)                                                             \
 static void prepare_##what(struct torture *t)                                           \
 {                                                                                       \
  write_script(t, 1, line);                                                              \
 }

REJECTED(syntax_error, "local = 1")
REJECTED(error_at_load, "error('on purpose')")
REJECTED(unknown_field, "h.on_mesage = print")
REJECTED(failing_self_test, "function h.self_test() error('no') end")
REJECTED(missing_module, "require('lib.missing')")
REJECTED(failing_migration,
         "h.schema = 2 function h.migrate(_, keep) keep.seen = nil error('no') end")
REJECTED(failing_on_load,
         "function h.on_load() kelpie.every('tick', 1, print) error('no') end")

/* ---- roll-back ----------------------------------------------------------------------- */

/* The version before is kept; so it is `version` that comes back. */
static void
reload_to_go_back(struct torture *t, unsigned schema)
{
    unsigned back = t->before;

    write_script(t, schema, NULL);
    assert_int_equal(kelpie_load(t->kit.k, t->folder), 0);
    assert_int_equal(serving(t), t->version);
    t->before = t->version;
    t->back = back;
}

static void
prepare_rollback(struct torture *t)
{
    reload_to_go_back(t, 1);
}

static void
prepare_rollback_of_schema(struct torture *t)
{
    reload_to_go_back(t, 0);
}

static void
act_rollback(struct torture *t)
{
    t->rc = kp_reload_rollback(&t->kit.k->script);
}

static void
check_rollback(struct torture *t)
{
    unsigned version = serving(t);

    assert_int_equal(version, t->rc == 0 ? t->back : t->before);
    t->before = version;
    t->kit.log_len = 0;
}

/* ---- a handler that is suspended ------------------------------------------------------ */

/* It ends in the version in which it began, and then the other one serves. */
static void
check_suspended(struct torture *t)
{
    char expected[64];

    snprintf(expected, sizeof(expected), "%u hello bob\n", t->before);
    torture_forget(t);
    torture_say(t, 1, "bob\n");
    torture_heard(t, 1, expected);
    check_all_or_nothing(t);
}

/* ---- asked for by the operator ---------------------------------------------------------- */

static void
open_controlled_server(struct torture *t)
{
    open_server(t);
    assert_int_equal(kelpie_control(t->kit.k, t->control), 0);
}

static void
prepare_operator(struct torture *t)
{
    prepare_poison(t);
    torture_connect(t, TORTURE_OPERATOR, t->control);
}

static void
act_operator(struct torture *t)
{
    torture_say(t, TORTURE_OPERATOR, "status\nreload --dry-run\nreload\nreload --drop\n");
}

/* Whoever was served was served well; whoever comes now is. */
static void
check_operator(struct torture *t)
{
    const char *ok = strstr(t->heard[TORTURE_OPERATOR], "ok loaded: ");

    if (ok != NULL)
        assert_int_equal(version_of(t, 0), t->version);
    torture_hang_up(t, TORTURE_OPERATOR);
    torture_pass(t, 250); /* accepting may have paused */
    torture_connect(t, TORTURE_OPERATOR, t->control);
    torture_forget(t);
    torture_say(t, TORTURE_OPERATOR, "ping\n");
    torture_heard(t, TORTURE_OPERATOR, "ok pong\n");
    torture_hang_up(t, TORTURE_OPERATOR);
    torture_settle(t);
    check_one(t);
}

/* ---- because a file has changed ---------------------------------------------------------- */

static void
open_watching_server(struct torture *t)
{
    open_server(t);
    assert_int_equal(kelpie_watch_scripts(t->kit.k, 1), 0);
    torture_settle(t);
}

static void
act_watch(struct torture *t)
{
    torture_settle(t);
    torture_pass(t, 70);
    torture_pass(t, 1000);
}

static void
wait_for_watch(struct torture *t)
{
    for (int i = 0; i < 3; i++) {
        torture_pass(t, 70);
        torture_pass(t, 1000);
    }
}

/* What was missed is seen at the latest with the next change. */
static void
check_watch(struct torture *t)
{
    wait_for_watch(t);
    check_one(t);
    write_script(t, 1, NULL);
    wait_for_watch(t);
    assert_int_equal(serving(t), t->version);
    t->before = t->version;
}

/* ---- all of them ---------------------------------------------------------------------- */

#define REJECT(what)                                                                     \
 {                                                                                       \
  .name = #what, .open = open_server, .prepare = prepare_##what, .act = act_reload,      \
  .check = check_nothing                                                                 \
 }

const struct torture_scenario torture_reloads[] = {
    {.name = "reload",
     .open = open_server,
     .prepare = prepare_same_schema,
     .act = act_reload,
     .check = check_all_or_nothing},
    {.name = "reload with migration",
     .open = open_server,
     .prepare = prepare_other_schema,
     .act = act_reload,
     .check = check_all_or_nothing},
    REJECT(syntax_error),
    REJECT(error_at_load),
    REJECT(unknown_field),
    REJECT(failing_self_test),
    REJECT(missing_module),
    REJECT(failing_migration),
    REJECT(failing_on_load),
    REJECT(poison),
    {.name = "reload --drop",
     .open = open_server,
     .prepare = prepare_poison,
     .act = act_drop,
     .check = check_all_or_nothing},
    {.name = "dry run",
     .open = open_server,
     .prepare = prepare_other_schema,
     .act = act_dry_run,
     .check = check_dry_run},
    {.name = "roll-back",
     .open = open_server,
     .prepare = prepare_rollback,
     .act = act_rollback,
     .check = check_rollback},
    {.name = "roll-back to another schema",
     .open = open_server,
     .prepare = prepare_rollback_of_schema,
     .act = act_rollback,
     .check = check_rollback},
    {.name = "reload beside a suspended handler",
     .open = open_server,
     .prepare = prepare_suspended,
     .act = act_reload,
     .check = check_suspended},
    {.name = "control socket",
     .open = open_controlled_server,
     .prepare = prepare_operator,
     .act = act_operator,
     .check = check_operator},
    {.name = "watch",
     .open = open_watching_server,
     .prepare = prepare_same_schema,
     .act = act_watch,
     .check = check_watch},
    {.name = NULL},
};
