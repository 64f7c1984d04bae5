/*
 * test_lua_room.c - rooms, as scripts see them
 */
#include <stdio.h>
#include <string.h>

#include "bind_kit.h"
#include "script/bind.h"

/* --- handles ----------------------------------------------------------------------------- */

static void
given_a_name_when_asked_for_twice_then_it_is_the_same_room(void **state)
{
    struct script_kit *kit = *state;

    bk_run(
        kit,
        "local r = kelpie.room('r')\n"
        "print(r == kelpie.room('r'), r == kelpie.room('s'), r.name, tostring(r), #r)\n"
        "print(({ [r] = 'found' })[kelpie.room('r')])\n"
        "print(kelpie.room('a\\0b') == kelpie.room('a'), #kelpie.room('a\\0b').name)\n"
        "print(kelpie.room('').name == '', kelpie.room(5).name, kelpie.room('5') == "
        "kelpie.room(5))",
        "true\tfalse\tr\troom r\t0\nfound\nfalse\t3\ntrue\t5\ttrue\n");
}

static void
given_what_is_no_name_when_a_room_is_asked_for_then_it_raises(void **state)
{
    bk_run(*state,
           "try(function() kelpie.room() end)\n"
           "try(function() kelpie.room(nil) end)\n"
           "try(function() kelpie.room(kelpie.room('r')) end)",
           "run.lua:1: bad argument #1 to 'room' (string expected, got no value)\n"
           "run.lua:2: bad argument #1 to 'room' (string expected, got nil)\n"
           "run.lua:3: bad argument #1 to 'room' (string expected, got kelpie.room)\n");
}

static void
given_a_script_that_loads_when_it_names_rooms_then_it_may(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "local lobby = kelpie.room('lobby')\n"
                 "print(lobby.name, #lobby)\n"
                 "return { on_connect = function(conn) lobby:join(conn) end }");
    sk_connect(kit, 0);

    bk_run(kit, "print(#kelpie.room('lobby'))", "lobby\t0\n1\n");
}

static void
given_a_script_that_loads_when_it_uses_rooms_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    bk_add_stage(kit);
    sk_run(
        kit,
        "local conn, room = kelpie.client(0), kelpie.room('r')\n"
        "for _, m in ipairs { 'join', 'leave', 'send', 'write', 'members', 'has' } do\n"
        "   local send = m == 'send' or m == 'write'\n"
        "   test.stage(true) local ok, e = pcall(room[m], room, send and 'x' or conn)\n"
        "   test.stage(false) print(ok, e)\n"
        "end");

    sk_printed(
        kit,
        "false\troom:join: not allowed while loading; do it in on_load or a handler\n"
        "false\troom:leave: not allowed while loading; do it in on_load or a "
        "handler\n"
        "false\troom:send: not allowed while loading; do it in on_load or a handler\n"
        "false\troom:write: not allowed while loading; do it in on_load or a "
        "handler\n"
        "false\troom:members: not allowed while loading; do it in on_load or a "
        "handler\n"
        "true\tfalse\n");
    sk_hears(kit, 0, "");
}

static void
given_a_room_that_nobody_holds_when_collected_then_it_is_freed(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    bk_run(kit, "for i = 1, 100 do kelpie.room('room ' .. i) end conn:join('kept')", "");
    bk_collect(kit);
    assert_int_equal(kit->net.n_rooms, 1);
    assert_int_equal(bk_count(kit, kit->script.live->rooms_ref), 0);

    bk_run(kit, "print(#kelpie.room('kept'), kelpie.room('kept'):leave(conn))",
           "1\ttrue\n");
    bk_collect(kit);
    assert_int_equal(kit->net.n_rooms, 0);
}

static void
given_a_room_that_is_held_when_collected_then_it_stays_the_same(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit,
            "local held = kelpie.room('held')\n"
            "return { on_input = function() print(held == kelpie.room('held')) end }");
    bk_collect(kit);
    assert_int_equal(kit->net.n_rooms, 1);
    kp_script_on_input(&kit->script, "", 0);

    sk_printed(kit, "true\n");
}

static void
given_a_generation_when_freed_then_its_rooms_stay_with_their_members(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "local lobby = kelpie.room('lobby')\n"
                 "return { on_connect = function(conn) lobby:join(conn) end }");
    sk_connect(kit, 0);
    sk_load(kit, "return {}");
    assert_int_equal(kit->net.n_rooms, 1);

    bk_run(kit, "print(kelpie.room('lobby'):send('still here'))", "1\n");
    sk_hears(kit, 0, "still here\n");
}

static void
given_the_net_is_gone_when_a_script_ends_then_rooms_are_empty_names(void **state)
{
    struct script_kit kit;
    (void)state;

    sk_prepare(&kit);
    assert_int_equal(sk_open(&kit), 0);
    sk_connect(&kit, 0);
    sk_run(&kit,
           "local room, conn = kelpie.room('r'), kelpie.client(0) room:join(conn)\n"
           "kelpie.spawn(function()\n"
           "   local _ <close> = setmetatable({}, { __close = function()\n"
           "      print(room.name, #room, room:send('x'), room:has(conn), conn)\n"
           "      print(room:join(conn)) print(room:members()())\n"
           "      print(kelpie.room('r') == room, pcall(kelpie.room, 'new'))\n"
           "      print(kelpie.broadcast('x'), kelpie.client(0), kelpie.conns()())\n"
           "      kelpie.after(1, print) kelpie.spawn(print, 'never')\n"
           "   end })\n"
           "   kelpie.sleep(60)\n"
           "end)");
    sk_close(&kit); /* the net first */

    sk_printed(&kit, "r\t0\t0\tfalse\tclient #0 (unix)\n"
                     "nil\tconnection closed\tclosed\nnil\n"
                     "true\tfalse\tthe server has ended; there are no rooms any more\n"
                     "0\tnil\tnil\n");
    sk_logged_nothing(&kit);
}

/* --- members ----------------------------------------------------------------------------- */

static void
given_a_room_when_joined_and_left_then_it_says_what_changed(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    sk_connect(kit, 1);

    bk_run(kit,
           "local r = kelpie.room('r')\n"
           "print(r:join(conn), r:join(conn), r:join(other), #r, r:has(conn))\n"
           "print(r:leave(conn), r:leave(conn), #r, r:has(conn), r:has(other))\n"
           "try(function() r:join() end) try(function() r:has('x') end)\n"
           "try(function() r:leave(nil) end)",
           "true\tfalse\ttrue\t2\ttrue\n"
           "true\tfalse\t1\tfalse\ttrue\n"
           "run.lua:4: bad argument #1 to 'join' (conn expected, got no value)\n"
           "run.lua:4: bad argument #1 to 'has' (conn expected, got string)\n"
           "run.lua:5: bad argument #1 to 'leave' (conn expected, got nil)\n");
}

static void
given_a_closed_or_gone_member_when_asked_about_then_it_counts_no_more(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit,
            "local r, kept = kelpie.room('r')\n"
            "local function show(conn)\n"
            "   local n = 0 for _ in r:members() do n = n + 1 end\n"
            "   print(#r, n, r:send('x'), r:has(conn))\n"
            "   print(r:join(conn)) print(r:leave(conn))\n"
            "end\n"
            "return { on_connect = function(conn) kept = kept or conn r:join(conn) end,\n"
            "on_disconnect = show, on_input = function() show(kept) end }");
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_hang_up(kit, 0);
    sk_printed(kit, "1\t1\t1\ttrue\nnil\tconnection closed\tclosed\ntrue\n");
    kp_script_on_input(&kit->script, "", 0);

    sk_printed(kit, "1\t1\t1\tfalse\nnil\tconnection closed\tclosed\n"
                    "nil\tconnection closed\tclosed\n");
    sk_logged_nothing(kit);
}

static void
given_members_when_walked_then_changes_meanwhile_do_no_harm(void **state)
{
    struct script_kit *kit = *state;

    for (int i = 0; i < 5; i++)
        sk_connect(kit, i);

    bk_run(kit,
           "local r = kelpie.room('r')\n"
           "for i = 0, 3 do r:join(kelpie.client(i)) end\n"
           "local seen = {}\n"
           "for c in r:members() do\n"
           "   seen[#seen + 1] = c.number\n"
           "   r:leave(c) r:join(kelpie.client(4))\n"
           "   if c.number == 0 then kelpie.client(2):close() r:leave(kelpie.client(1)) "
           "end\n"
           "end\n"
           "print(table.concat(seen, ' '), #r)\n"
           "print(r:members()(), kelpie.room('empty'):members()())\n"
           "local next = r:members() next() print(next(), next())",
           "0 1 3\t1\nclient #4 (unix)\tnil\nnil\tnil\n");
}

/* --- sending ----------------------------------------------------------------------------- */

static void
given_members_when_sent_to_then_each_gets_it_in_its_framing(void **state)
{
    struct script_kit *kit = *state;

    for (int i = 0; i < 4; i++)
        sk_connect(kit, i);

    bk_run(kit,
           "local r = kelpie.room('r')\n"
           "for i = 0, 2 do r:join(kelpie.client(i)) end\n"
           "other:set_framing('netstring')\n"
           "print(r:send('hello'), r:send(42, conn), r:send('x', nil), r:write('raw', "
           "other))\n"
           "print(r:send('all', kelpie.client(3)), kelpie.room('empty'):send('x'))",
           "3\t2\t3\t2\n3\t0\n");
    sk_hears(kit, 0, "hello\nx\nrawall\n");
    sk_hears(kit, 1, "5:hello,2:42,1:x,3:all,");
    sk_hears(kit, 2, "hello\n42\nx\nrawall\n");
    sk_hears(kit, 3, "");
}

static void
given_arguments_that_are_no_message_when_sent_to_a_room_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(
        kit,
        "local r = kelpie.room('r')\n"
        "try(function() r:send() end)\n"
        "try(function() r:send({}) end)\n"
        "try(function() r:send('x', 'y') end)\n"
        "try(function() r:write(nil) end)\n"
        "try(function() r:write('x', r) end)",
        "run.lua:2: bad argument #1 to 'send' (string or number expected, got no value)\n"
        "run.lua:3: bad argument #1 to 'send' (string or number expected, got table)\n"
        "run.lua:4: bad argument #2 to 'send' (conn expected, got string)\n"
        "run.lua:5: bad argument #1 to 'write' (string or number expected, got nil)\n"
        "run.lua:6: bad argument #2 to 'write' (conn expected, got kelpie.room)\n");
}

static void
given_a_gone_exception_or_a_full_member_when_sent_then_the_others_get_it(void **state)
{
    struct script_kit *kit = *state;

    sk_load(
        kit,
        "local gone\n"
        "return { on_connect = function(conn) conn:join('r') gone = gone or conn end,\n"
        "on_input = function()\n"
        "   local r = kelpie.room('r')\n"
        "   print(#r, r:send('not to the gone', gone), r:send(('x'):rep(2 << 20)))\n"
        "end }");
    for (int i = 0; i < 3; i++)
        sk_connect(kit, i);
    sk_hang_up(kit, 0);
    kp_script_on_input(&kit->script, "", 0);

    sk_printed(kit, "2\t2\t0\n");
    assert_int_equal(kit->net.counters.broadcast_skipped, 2);
    sk_hears(kit, 2, "not to the gone\n");
}

static void
given_no_memory_when_sent_to_a_room_then_it_says_so(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "local r, r2, big = kelpie.room('r'), kelpie.room('s'), ('x'):rep(5000)\n"
           "r:join(conn) local send, write, join = r.send, r.write, r.join\n"
           "test.fail(1) print(send(r, big))\n"
           "test.fail(1) print(write(r, big))\n"
           "test.fail(1) print(join(r2, conn))\n"
           "print(r:send('x'), r2:join(conn))",
           "nil\tout of memory\tmemory\nnil\tout of memory\tmemory\n"
           "nil\tout of memory\tmemory\n1\ttrue\n");
    sk_hears(kit, 0, "x\n");
}

static void
given_no_memory_when_rooms_are_used_then_nothing_breaks(void **state)
{
    (void)state;

    bk_fail_each_allocation(
        "return { on_input = function()\n"
        "   for i = 1, 3 do\n"
        "      local ok, room = pcall(kelpie.room, 'room ' .. i)\n"
        "      for n = 0, 1 do local conn = kelpie.client(n)\n"
        "         if ok then pcall(room.join, room, conn) pcall(room.send, room, "
        "'hello')\n"
        "            pcall(room.write, room, 'hello') pcall(room.members, room)\n"
        "            pcall(tostring, room) pcall(room.has, room, conn) end\n"
        "         pcall(conn.rooms, conn) pcall(conn.join, conn, 'by name')\n"
        "         pcall(conn.leave, conn, 'room 1')\n"
        "      end\n"
        "   end\n"
        "end }");
}

/* --- from C ------------------------------------------------------------------------------ */

static void
given_a_room_of_c_when_pushed_then_it_is_the_one_that_scripts_know(void **state)
{
    struct script_kit *kit = *state;
    struct kelpie_room *room;

    sk_load(kit, "return {}");
    assert_int_equal(kp_room_open(&kit->net, &room, "r", 1), 0);
    lua_State *L = kit->script.live->L;

    kp_lua_push_room(L, room);
    kp_lua_push_room(L, room);
    assert_true(lua_rawequal(L, -1, -2));
    assert_ptr_equal(kp_lua_test_room(L, -1), room);
    lua_pushliteral(L, "r");
    assert_ptr_equal(kp_lua_check_room(L, lua_gettop(L)), room);
    assert_true(lua_rawequal(L, -1, -2));
    lua_pop(L, 3);

    assert_int_equal(room->refs, 2);
    bk_collect(kit);
    assert_int_equal(room->refs, 1);
    kp_room_unref(room);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
        T(given_a_name_when_asked_for_twice_then_it_is_the_same_room),
        T(given_what_is_no_name_when_a_room_is_asked_for_then_it_raises),
        T(given_a_script_that_loads_when_it_names_rooms_then_it_may),
        T(given_a_script_that_loads_when_it_uses_rooms_then_it_raises),
        T(given_a_room_that_nobody_holds_when_collected_then_it_is_freed),
        T(given_a_room_that_is_held_when_collected_then_it_stays_the_same),
        T(given_a_generation_when_freed_then_its_rooms_stay_with_their_members),
        cmocka_unit_test(
            given_the_net_is_gone_when_a_script_ends_then_rooms_are_empty_names),
        T(given_a_room_when_joined_and_left_then_it_says_what_changed),
        T(given_a_closed_or_gone_member_when_asked_about_then_it_counts_no_more),
        T(given_members_when_walked_then_changes_meanwhile_do_no_harm),
        T(given_members_when_sent_to_then_each_gets_it_in_its_framing),
        T(given_arguments_that_are_no_message_when_sent_to_a_room_then_it_raises),
        T(given_a_gone_exception_or_a_full_member_when_sent_then_the_others_get_it),
        T(given_no_memory_when_sent_to_a_room_then_it_says_so),
        cmocka_unit_test(given_no_memory_when_rooms_are_used_then_nothing_breaks),
        T(given_a_room_of_c_when_pushed_then_it_is_the_one_that_scripts_know),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
