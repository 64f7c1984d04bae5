/*
 * test_lua_memory.c - every function of the Lua interface, with memory that runs out
 *
 * One scenario calls all of them. Each of its allocations fails once, and from each of them
 * on all fail. Lua collects garbage before it gives up, so a single failure in a script is
 * mostly a full collection at a strange moment, which the handles must live through too.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "script_kit.h"

/* try calls a method or function: what it raises, or says, is want of memory, or a connection
 * that was closed for it. */
static const char scenario[] =
    "local conns, lobby = {}, kelpie.room('lobby')\n"
    "local kept = kelpie.keep('kept', { n = 0 })\n"
    "local Thing = kelpie.class('thing', { __index = {} })\n"
    "local function try(f, ...)\n"
    "   local ok, value, why, code = pcall(f, ...)\n"
    "   if not ok then\n"
    "      if not tostring(value):find('not enough memory', 1, true) then\n"
    "         print('unexpected error', value) end\n"
    "   elseif code and code ~= 'memory' and code ~= 'closed' and code ~= 'timeout' "
    "then\n"
    "      print('unexpected code', code, why)\n"
    "   end\n"
    "   return ok and value\n"
    "end\n"
    "local function name_rooms()\n"
    "   for i = 1, 5 do kelpie.room('room' .. i) end\n"
    "end\n"
    "local function ask_all(c)\n"
    "   try(function() return c.id + c.number + c:queued(), c.peer .. c.listener end)\n"
    "   try(tostring, c) try(function() c.data.x = {} c.data = { y = 1 } end)\n"
    "   try(c.is_open, c) try(c.rooms, c) try(kelpie.find, c.id) try(kelpie.client, 1)\n"
    "   try(lobby.has, lobby, c) try(tostring, lobby)\n"
    "end\n"
    "local function send_all(c)\n"
    "   try(c.send, c, 'a', 1, ('x'):rep(500)) try(c.write, c, 'b')\n"
    "   try(lobby.send, lobby, 'to all') try(lobby.write, lobby, 'raw', c)\n"
    "   try(kelpie.broadcast, ('y'):rep(300), c)\n"
    "   try(function() for m in lobby:members() do m:send('member') end end)\n"
    "   try(function() for m in kelpie.conns() do m:send('conn') end end)\n"
    "end\n"
    "local function change_all(c)\n"
    "   try(c.join, c, 'den') try(c.leave, c, 'den') try(name_rooms)\n"
    "   try(c.pause, c) try(c.resume, c) try(c.set_timeout, c, 50)\n"
    "   try(c.set_framing, c, { 'length', bytes = 2 }) try(c.set_framing, c, 'line')\n"
    "end\n"
    "local function start_all()\n"
    "   try(kelpie.after, 1, function() kept.n = kept.n + 1 end)\n"
    "   try(kelpie.every, 'tick', 1, function() try(kelpie.sleep, 0.5) end)\n"
    "   local t = try(kelpie.every, 'tick', 1, print) if t then try(t.cancel, t) end\n"
    "   try(function() return tostring(kelpie.after('x', 1, name_rooms)) end)\n"
    "   try(kelpie.spawn, try, name_rooms, 1, 2, 3, table.unpack({}, 1, 60))\n"
    "end\n"
    "local function other(c)\n"
    "   try(kelpie.log, 'info', '%s %d', c, 1) try(kelpie.stats) try(kelpie.trim, ' x "
    "')\n"
    "   try(kelpie.now) try(setmetatable, {}, Thing) try(kelpie.reload)\n"
    "end\n"
    "return { on_connect = function(c) conns[c.number] = c try(lobby.join, lobby, c) "
    "end,\n"
    "   on_message = function(c, m)\n"
    "      ask_all(c) send_all(c) change_all(c) start_all() other(c)\n"
    "      try(c.receive, c, 3, 1) try(kelpie.sleep, 0.5)\n"
    "   end,\n"
    "   on_disconnect = function(c, why) ask_all(c) try(c.leave, c, lobby) try(c.send, "
    "c, 'x') end,\n"
    "   on_error = function(c, m)\n"
    "      if not m:find('not enough memory', 1, true) then print('unexpected', m) end "
    "end }";

static void
connect_some(struct script_kit *kit)
{
    union kp_peer peer = {.any = {.sa_family = AF_UNIX}};
    int fds[2];

    for (int i = 0; i < 3; i++) {
        fault_socketpair(fds);
        kit->peers[i] = fds[1];
        if (kp_conn_open(&kit->net, &kit->conns[i], fds[0], &peer, NULL) != 0)
            close(fds[0]);
        sk_settle(kit);
    }
}

static void
say(struct script_kit *kit, int slot, const char *bytes)
{
    (void)send(kit->peers[slot], bytes, strlen(bytes), MSG_NOSIGNAL);
    sk_settle(kit);
}

/* Everything may fail, nothing may break. */
static void
play(struct script_kit *kit)
{
    if (sk_try_load(kit, scenario) != 0)
        return;
    connect_some(kit);
    say(kit, 0, "first\n");
    say(kit, 1, "second\n");
    sk_pass(kit, 600);
    say(kit, 0, "123");
    sk_pass(kit, 600);
    close(kit->peers[1]);
    kit->peers[1] = -1;
    sk_settle(kit);
    sk_pass(kit, 1000);
}

/* The bindings work again when there is memory. */
static void
assert_alive(struct script_kit *kit)
{
    assert_null(strstr(kit->printed, "unexpected"));
    kit->printed[0] = '\0';
    sk_run(
        kit,
        "local room, n = kelpie.room('lobby'), 0\n"
        "for c in kelpie.conns() do\n"
        "   n = n + 1 room:join(c) assert(room:has(c) and kelpie.find(c.id) == c) end\n"
        "assert(#room == n and kelpie.broadcast('alive') == n)\n"
        "kelpie.after('alive', 1, function() print('alive') end)");
    sk_pass(kit, 1000);
    sk_printed(kit, "alive\n");
}

static void
play_with_failures(void (*fail_at)(struct fault_mem *mem, size_t nth))
{
    struct script_kit *kit = test_malloc(sizeof *kit);
    bool failed = true;

    for (size_t n = 1; failed; n++) {
        sk_prepare(kit);
        assert_int_equal(sk_open(kit), 0);
        fail_at(&kit->mem, n);
        play(kit);
        failed = kit->mem.failures > 0;
        fault_env_heal(&kit->mem, &kit->sys);
        assert_alive(kit);
        sk_close(kit);
    }
    test_free(kit);
}

static void
given_all_bindings_when_memory_is_there_then_nothing_is_unexpected(void **state)
{
    struct script_kit *kit = *state;

    play(kit);

    sk_printed(kit, "");
    assert_int_equal(kit->script.handler_errors, 0);
    assert_true(kit->net.counters.messages_out > 20);
    assert_alive(kit);
}

static void
given_all_bindings_when_each_allocation_fails_once_then_nothing_breaks(void **state)
{
    (void)state;

    play_with_failures(fault_mem_fail);
}

static void
given_all_bindings_when_allocations_fail_from_then_on_then_nothing_breaks(void **state)
{
    (void)state;

    play_with_failures(fault_mem_fail_from);
}

/* --- what needs more than a scenario ---------------------------------------------------- */

static int
l_fail_from(lua_State *L)
{
    struct script_kit *kit = kp_generation_of(L)->script->hooks.arg;

    fault_mem_fail_from(&kit->mem, (size_t)luaL_checkinteger(L, 1));
    return 0;
}

static void
given_no_memory_for_the_arguments_when_spawned_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "t = {} for i = 1, 500 do t[i] = i end return {}");
    lua_State *L = kit->script.live->L;
    lua_getglobal(L, "test");
    lua_pushcfunction(L, l_fail_from);
    lua_setfield(L, -2, "fail_from");
    lua_pop(L, 1);
    sk_run(kit, "local function spawn() kelpie.spawn(select, '#', table.unpack(t)) end\n"
                "pcall(spawn)\n" /* the stack of this coroutine has grown */
                "for n = 1, 16 do\n"
                "   test.fail_from(n) local ok, why = pcall(spawn) test.fail(0)\n"
                "   if not ok then print(why) end end\n"
                "print('alive')");

    assert_non_null(strstr(kit->printed, "not enough memory\n"));
    assert_non_null(strstr(kit->printed, "alive\n"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            given_all_bindings_when_memory_is_there_then_nothing_is_unexpected, sk_setup,
            sk_teardown),
        cmocka_unit_test(
            given_all_bindings_when_each_allocation_fails_once_then_nothing_breaks),
        cmocka_unit_test(
            given_all_bindings_when_allocations_fail_from_then_on_then_nothing_breaks),
        cmocka_unit_test_setup_teardown(
            given_no_memory_for_the_arguments_when_spawned_then_it_raises, sk_setup,
            sk_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
