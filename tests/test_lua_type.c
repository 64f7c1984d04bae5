/*
 * test_lua_type.c - userdata types: what a wrong name or value says
 */
#include "bind_kit.h"

static void
given_a_misspelt_name_when_read_then_the_nearest_is_named(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "try(function() return conn.sned end)\n"
           "try(function() conn:recieve() end)\n"
           "try(function() return conn.nubmer end)\n"
           "try(function() return kelpie.room('r').membres end)\n"
           "try(function() kelpie.after(1, print):cancle() end)\n",
           "run.lua:1: conn has no field 'sned' (did you mean 'send'?)\n"
           "run.lua:2: conn has no field 'recieve' (did you mean 'receive'?)\n"
           "run.lua:3: conn has no field 'nubmer' (did you mean 'number'?)\n"
           "run.lua:4: room has no field 'membres' (did you mean 'members'?)\n"
           "run.lua:5: timer has no field 'cancle' (did you mean 'cancel'?)\n");
}

static void
given_an_unknown_name_when_read_then_it_says_where_to_put_values(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "try(function() return conn.colour end)\n"
           "try(function() return conn[1] end)\n"
           "try(function() return conn[{}] end)\n"
           "try(function() return conn[nil] end)\n"
           "try(function() return conn['a\\0b'] end)\n"
           "try(function() return kelpie.room('r').colour end)\n"
           "try(function() return kelpie.after(1, print).colour end)\n",
           "run.lua:1: conn has no field 'colour'; keep your own values in conn.data\n"
           "run.lua:2: conn has no field '1'; keep your own values in conn.data\n"
           "run.lua:3: conn has no field '(a table)'; keep your own values in conn.data\n"
           "run.lua:4: conn has no field '(a nil)'; keep your own values in conn.data\n"
           "run.lua:5: conn has no field 'a'; keep your own values in conn.data\n"
           "run.lua:6: room has no field 'colour'; keep your own values in a table\n"
           "run.lua:7: timer has no field 'colour'; keep your own values in a table\n");
}

static void
given_a_field_when_set_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "try(function() conn.id = 1 end)\n"
           "try(function() conn.send = print end)\n"
           "try(function() conn.colour = 'red' end)\n"
           "try(function() conn[1] = 'red' end)\n"
           "try(function() kelpie.room('r').name = 'x' end)\n"
           "try(function() kelpie.room('r').x = 1 end)\n"
           "try(function() kelpie.after(1, print).x = 1 end)\n"
           "print(conn.id, kelpie.room('r').name)\n",
           "run.lua:1: conn.id cannot be set; keep your own values in conn.data\n"
           "run.lua:2: conn.send cannot be set; keep your own values in conn.data\n"
           "run.lua:3: conn has no field 'colour'; keep your own values in conn.data\n"
           "run.lua:4: conn has no field '1'; keep your own values in conn.data\n"
           "run.lua:5: room.name cannot be set; keep your own values in a table\n"
           "run.lua:6: room has no field 'x'; keep your own values in a table\n"
           "run.lua:7: timer has no field 'x'; keep your own values in a table\n"
           "1\tr\n");
}

static void
given_a_dot_instead_of_a_colon_when_called_then_it_says_so(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "try(function() conn.send('hello') end)\n"
           "try(function() conn.close() end)\n"
           "try(function() conn.is_open(kelpie.room('r')) end)\n"
           "try(function() kelpie.room('r').send('hello') end)\n"
           "try(function() kelpie.after(1, print).cancel() end)\n",
           "run.lua:1: bad argument #1 to 'send' (conn expected, got string; use "
           "conn:send(...))\n"
           "run.lua:2: bad argument #1 to 'close' (conn expected, got no value; use "
           "conn:close(...))\n"
           "run.lua:3: bad argument #1 to 'is_open' (conn expected, got userdata; use "
           "conn:is_open(...))\n"
           "run.lua:4: bad argument #1 to 'send' (room expected, got string; use "
           "room:send(...))\n"
           "run.lua:5: bad argument #1 to 'cancel' (timer expected, got no value; use "
           "timer:cancel(...))\n");
}

static void
given_a_value_of_another_type_when_an_argument_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "try(function() kelpie.room('r'):join('conn') end)\n"
           "try(function() kelpie.room('r'):join(kelpie.room('s')) end)\n"
           "try(function() conn:join(conn) end)\n"
           "try(function() conn:join(5) end)\n"
           "try(function() conn:join() end)\n",
           "run.lua:1: bad argument #1 to 'join' (conn expected, got string)\n"
           "run.lua:2: bad argument #1 to 'join' (conn expected, got kelpie.room)\n"
           "run.lua:3: bad argument #1 to 'join' (room or its name expected, got "
           "kelpie.conn)\n"
           "run.lua:4: bad argument #1 to 'join' (room or its name expected, got "
           "number)\n"
           "run.lua:5: bad argument #1 to 'join' (room or its name expected, got no "
           "value)\n");
}

static void
given_a_handle_when_its_metatable_is_asked_for_then_it_is_hidden(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    sk_connect(kit, 1);

    bk_run(kit,
           "print(getmetatable(conn), getmetatable(kelpie.room('r')),\n"
           "   getmetatable(kelpie.after(1, print)))\n"
           "try(setmetatable, conn, {})\n"
           "print(type(conn), conn.send == other.send, rawequal(conn, other))\n",
           "false\tfalse\tfalse\n"
           "bad argument #1 to 'setmetatable' (table expected, got kelpie.conn)\n"
           "userdata\ttrue\tfalse\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
        T(given_a_misspelt_name_when_read_then_the_nearest_is_named),
        T(given_an_unknown_name_when_read_then_it_says_where_to_put_values),
        T(given_a_field_when_set_then_it_raises),
        T(given_a_dot_instead_of_a_colon_when_called_then_it_says_so),
        T(given_a_value_of_another_type_when_an_argument_then_it_raises),
        T(given_a_handle_when_its_metatable_is_asked_for_then_it_is_hidden),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
