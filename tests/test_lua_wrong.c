/*
 * test_lua_wrong.c - every function of the interface, used in a wrong way
 *
 * What it says must be of use to who has written the line: its place, the function as it was
 * called, and what was expected. The table is complete: each name that a script can call is in
 * it, which is asked of the live modules.
 */
#include "bind_kit.h"

#include <stdio.h>
#include <string.h>

#include "script/bind.h"

#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)

struct wrong {
    const char *code;
    const char *says; /* after the place */
};

#define SECONDS            "a number of seconds expected, 0 or more"
#define BAD(n, name, what) "bad argument #" n " to '" name "' (" what ")"

static const struct wrong wrongs[] = {
    /* conn */
    {"conn:send()", BAD("1", "send", "string or number expected, got no value")},
    {"conn:send('a', {})", BAD("2", "send", "string or number expected, got table")},
    {"conn.send('a')", BAD("1", "send", "conn expected, got string; use conn:send(...)")},
    {"conn:write(true)", BAD("1", "write", "string or number expected, got boolean")},
    {"conn:write(conn)", BAD("1", "write", "string or number expected, got kelpie.conn")},
    {"conn:receive(0)",
     BAD("1", "receive", "nil, \"line\" or a number of bytes, at least 1, expected")},
    {"conn:receive('lines')",
     BAD("1", "receive", "nil, \"line\" or a number of bytes, at least 1, expected")},
    {"conn:receive(nil, 'soon')", BAD("2", "receive", "number expected, got string")},
    {"conn:receive(nil, -1)", BAD("2", "receive", SECONDS)},
    {"conn:receive(100000)", BAD("1", "receive", "more bytes than max_message allows")},
    {"conn:close({})", BAD("1", "close", "string expected, got table")},
    {"conn.abort()",
     BAD("1", "abort", "conn expected, got no value; use conn:abort(...)")},
    {"conn.pause()",
     BAD("1", "pause", "conn expected, got no value; use conn:pause(...)")},
    {"conn.resume({})",
     BAD("1", "resume", "conn expected, got table; use conn:resume(...)")},
    {"conn:set_timeout('soon')", BAD("1", "set_timeout", "number expected, got string")},
    {"conn:set_timeout(0/0)", BAD("1", "set_timeout", SECONDS)},
    {"conn:set_framing()", "framing: got no value; it is \"line\", \"crlf\", \"raw\", "},
    {"conn:set_framing('lin')",
     "framing: unknown framing 'lin'; it is \"line\", \"crlf\", "},
    {"conn:set_framing { 'fixed', 100000 }",
     BAD("1", "set_framing", "more bytes than max_message allows")},
    {"conn:join(5)", BAD("1", "join", "room or its name expected, got number")},
    {"conn:leave()", BAD("1", "leave", "room or its name expected, got no value")},
    {"conn.rooms()",
     BAD("1", "rooms", "conn expected, got no value; use conn:rooms(...)")},
    {"conn.is_open(room)",
     BAD("1", "is_open", "conn expected, got userdata; use conn:is_open(...)")},
    {"conn.queued(5)",
     BAD("1", "queued", "conn expected, got number; use conn:queued(...)")},
    {"conn.has_room(5)",
     BAD("1", "has_room", "conn expected, got number; use conn:has_room(...)")},
    {"conn.finish()",
     BAD("1", "finish", "conn expected, got no value; use conn:finish(...)")},
    {"conn:sned('x')", "conn has no field 'sned' (did you mean 'send'?)"},
    {"local x = conn.nmae",
     "conn has no field 'nmae'; keep your own values in conn.data"},
    {"conn.name = 'x'", "conn has no field 'name'; keep your own values in conn.data"},
    {"conn.id = 5", "conn.id cannot be set; keep your own values in conn.data"},
    {"conn.data = 5", "conn.data must be a table, not a number"},
    /* room */
    {"room:join('ann')", BAD("1", "join", "conn expected, got string")},
    {"room:leave()", BAD("1", "leave", "conn expected, got no value")},
    {"room:has({})", BAD("1", "has", "conn expected, got table")},
    {"room:send()", BAD("1", "send", "string or number expected, got no value")},
    {"room:send('x', 'ann')", BAD("2", "send", "conn expected, got string")},
    {"room:write({})", BAD("1", "write", "string or number expected, got table")},
    {"room.members()",
     BAD("1", "members", "room expected, got no value; use room:members(...)")},
    {"room:sned()", "room has no field 'sned' (did you mean 'send'?)"},
    {"room.name = 'x'", "room.name cannot be set; keep your own values in a table"},
    /* timer */
    {"timer.cancel()",
     BAD("1", "cancel", "timer expected, got no value; use timer:cancel(...)")},
    {"timer:cancle()", "timer has no field 'cancle' (did you mean 'cancel'?)"},
    /* kelpie */
    {"kelpie.room({})", BAD("1", "room", "string expected, got table")},
    {"kelpie.broadcast()",
     BAD("1", "broadcast", "string or number expected, got no value")},
    {"kelpie.broadcast('x', 'ann')", BAD("2", "broadcast", "conn expected, got string")},
    {"kelpie.find('x')", BAD("1", "find", "number expected, got string")},
    {"kelpie.find(1.5)", BAD("1", "find", "number has no integer representation")},
    {"kelpie.client()", BAD("1", "client", "number expected, got no value")},
    {"kelpie.after(-1, print)", BAD("1", "after", SECONDS)},
    {"kelpie.after(1)", BAD("2", "after", "function expected, got no value")},
    {"kelpie.after('name', 1, 'x')", BAD("3", "after", "function expected, got string")},
    {"kelpie.every(0, print)", BAD("1", "every", "at least 0.001 seconds expected")},
    {"kelpie.every('name', print)", BAD("2", "every", "number expected, got function")},
    {"kelpie.sleep()", BAD("1", "sleep", "number expected, got no value")},
    {"kelpie.spawn('x')", BAD("1", "spawn", "function expected, got string")},
    {"kelpie.critical()", BAD("1", "critical", "function expected, got no value")},
    {"kelpie.critical(function() kelpie.sleep(1) end)",
     "cannot wait here: called by a C function such as table.sort or kelpie.critical"},
    {"kelpie.connect({})", BAD("1", "connect", "string expected, got table")},
    {"kelpie.connect('x', 5)", BAD("2", "connect", "table expected, got number")},
    {"kelpie.connect('x', { 5 })", BAD("2", "connect", "options have names")},
    {"kelpie.connect('x', { timeot = 5 })",
     BAD("2", "connect", "unknown option 'timeot' (did you mean 'timeout'?)")},
    {"kelpie.connect('x', { timeout = '5' })",
     BAD("2", "connect", "timeout: a number of seconds expected, 0 or more")},
    {"kelpie.connect('x', { handlers = 'up' })",
     BAD("2", "connect", "handlers: there is no 'listeners.up'")},
    {"kelpie.log()", BAD("1", "log", "string expected, got no value")},
    {"kelpie.log('warning', 'x')",
     BAD("1", "log", "unknown level 'warning' (did you mean 'warn'?)")},
    {"kelpie.log('info', '%d', 'x')",
     "kelpie.log: bad argument #2 to 'string.format' (number expected, got string)"},
    {"kelpie.trim({})", BAD("1", "trim", "string expected, got table")},
    {"kelpie.split('x', '')",
     BAD("2", "split", "a separator of at least one byte expected")},
    {"kelpie.split('x', ',', 0)",
     BAD("3", "split", "a number of pieces, at least 1, expected")},
    {"kelpie.escape()", BAD("1", "escape", "string expected, got no value")},
    {"kelpie.hexdump({})", BAD("1", "hexdump", "string expected, got table")},
    {"kelpie.keep('x', {})",
     "kelpie.keep: allowed only while the script loads; call it outside of handlers"},
    {"kelpie.class('x', {})",
     "kelpie.class: allowed only while the script loads; call it outside of handlers"},
    {"kelpie.brodcast('x')",
     "kelpie.brodcast does not exist (did you mean 'broadcast'?)"},
    {"local x = kelpie.http", "kelpie.http does not exist"},
    {"local x = kelpie[{}]", "kelpie.(a table) does not exist"},
    /* and Lua itself */
    {"count = 1", "assign to undeclared global 'count'; write 'local count'"},
    {"handlers.x = 1", "attempt to index a nil value (global 'handlers')"},
};

/* The same while the script loads. */
static const struct wrong loading[] = {
    {"kelpie.keep()", BAD("1", "keep", "string expected, got no value")},
    {"kelpie.keep('x', 5)", BAD("2", "keep", "table expected, got number")},
    {"kelpie.class('x')", BAD("2", "class", "table expected, got no value")},
    {"kelpie.room()", BAD("1", "room", "string expected, got no value")},
    {"kelpie.broadcast('x')",
     "kelpie.broadcast: not allowed while loading; do it in on_load or a handler"},
    {"kelpie.conns()",
     "kelpie.conns: not allowed while loading; do it in on_load or a handler"},
    {"kelpie.reload()",
     "kelpie.reload: not allowed while loading; do it in on_load or a handler"},
    {"kelpie.shutdown()",
     "kelpie.shutdown: not allowed while loading; do it in on_load or a handler"},
    {"kelpie.sleep(1)",
     "kelpie.sleep: not allowed while loading; do it in on_load or a handler"},
    {"kelpie.after(1, print)",
     "kelpie.after: not allowed while loading; do it in on_load or a handler"},
    {"kelpie.connect('127.0.0.1:1')",
     "kelpie.connect: not allowed while loading; do it in on_load or a handler"},
};

static void
check_all(struct script_kit *kit, const struct wrong *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char text[1000], *said = kit->printed;
        size_t len;

        snprintf(
            text, sizeof text,
            "local fn = assert(load(\"local conn, room, timer, kelpie = ...\\n\" ..\n"
            "   [==[%s]==], '@user.lua'))\n"
            "local timer = kelpie.after(100, print)\n"
            "print(select(2, pcall(fn, kelpie.client(0), kelpie.room('r'), timer, "
            "kelpie)))",
            cases[i].code);
        sk_run(kit, text);
        if (strncmp(said, "user.lua:2: ", 12) != 0)
            fail_msg("%s: no place: %s", cases[i].code, said);
        said += 12;
        len = strlen(cases[i].says);
        if (strncmp(said, cases[i].says, len) != 0 ||
            (said[len] != '\n' && cases[i].says[len - 1] != ' '))
            fail_msg("%s:\nexpected: %s\n     got: %s", cases[i].code, cases[i].says,
                     said);
        kit->printed[0] = '\0';
    }
}

static void
given_wrong_arguments_when_called_then_the_message_helps(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return {}");
    sk_connect(kit, 0);
    check_all(kit, wrongs, sizeof wrongs / sizeof *wrongs);
}

static void
given_a_script_that_loads_when_it_goes_wrong_then_the_message_helps(void **state)
{
    for (size_t i = 0; i < sizeof loading / sizeof *loading; i++) {
        struct script_kit *kit = *state;
        char text[500], words[300];

        snprintf(text, sizeof text, "local x\n%s\nreturn {}", loading[i].code);
        snprintf(words, sizeof words, "test.lua:2: %s", loading[i].says);
        sk_refuse(kit, text, words);
    }
}

/* Asserts that a name is in a table, as "conn:send(" or "conn.send(". */
static void
check_named(const char *word, const char *name)
{
    char starts[4][64];
    const struct wrong *lists[] = {wrongs, loading};
    const size_t lens[] = {sizeof wrongs / sizeof *wrongs,
                           sizeof loading / sizeof *loading};

    snprintf(starts[0], sizeof starts[0], "%s:%s(", word, name);
    snprintf(starts[1], sizeof starts[1], "%s.%s(", word, name);
    for (size_t list = 0; list < 2; list++)
        for (size_t i = 0; i < lens[list]; i++)
            if (strstr(lists[list][i].code, starts[0]) ||
                strstr(lists[list][i].code, starts[1]))
                return;
    fail_msg("no wrong use of %s.%s is in the table", word, name);
}

/* The same for the methods of the userdata at the top, which is popped: of all its names those
 * that are functions. */
static void
check_methods(lua_State *L, const char *word)
{
    size_t n = 0;

    assert_int_equal(luaL_getmetafield(L, -1, "__index"), LUA_TFUNCTION);
    assert_non_null(lua_getupvalue(L, -1, 2));
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const char *name = lua_tostring(L, -2);
        if (lua_getfield(L, -5, name) == LUA_TFUNCTION) {
            check_named(word, name);
            n++;
        }
        lua_pop(L, 1);
    }
    assert_true(n > 0);
    lua_pop(L, 3);
}

static void
given_the_table_when_compared_with_what_there_is_then_no_name_is_missing(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "room, timer = 1, 1 return {}");
    lua_State *L = kit->script.live->L;
    sk_run(kit, "for name, fn in pairs(kelpie) do\n"
                "   if type(fn) == 'function' then print(name) end end");
    char *rest = NULL;
    size_t n = 0;
    for (char *name = strtok_r(kit->printed, "\n", &rest); name;
         name = strtok_r(NULL, "\n", &rest), n++)
        /* these take no argument that could be wrong, and may be called at any time */
        if (strcmp(name, "now") != 0 && strcmp(name, "stats") != 0)
            check_named("kelpie", name);
    assert_true(n > 20);
    kit->printed[0] = '\0';

    sk_connect(kit, 0);
    kp_lua_push_conn(L, kit->conns[0]);
    check_methods(L, "conn");
    sk_run(kit, "room, timer = kelpie.room('r'), kelpie.after(1, print)");
    lua_getglobal(L, "room");
    check_methods(L, "room");
    lua_getglobal(L, "timer");
    check_methods(L, "timer");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(given_wrong_arguments_when_called_then_the_message_helps),
        T(given_a_script_that_loads_when_it_goes_wrong_then_the_message_helps),
        T(given_the_table_when_compared_with_what_there_is_then_no_name_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
