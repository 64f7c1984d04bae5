/*
 * test_lua_conn.c - handles of connections, and their fields
 */
#include <arpa/inet.h>
#include <string.h>

#include "bind_kit.h"
#include "net/listener.h"
#include "script/bind.h"

/* --- one handle per connection ----------------------------------------------------------- */

static void
given_a_connection_when_asked_for_twice_then_it_is_the_same_handle(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "local first = {}\n"
                 "return { on_connect = function(conn) first[conn.number] = conn end,\n"
                 "on_message = function(conn)\n"
                 "   print(conn == first[conn.number], conn == kelpie.client(0),\n"
                 "      conn == kelpie.find(conn.id), conn == first[1 - conn.number])\n"
                 "   local keys = { [conn] = 'found' }\n"
                 "   print(keys[kelpie.client(conn.number)])\n"
                 "end }");
    sk_connect(kit, 0);
    sk_connect(kit, 1);
    bk_collect(kit);
    sk_say(kit, 0, "hello\n");

    sk_printed(kit, "true\ttrue\ttrue\tfalse\nfound\n");
    assert_int_equal(bk_count(kit, kit->script.live->conns_ref), 2);
}

static void
given_a_handle_when_the_connection_is_gone_then_it_is_let_go(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function() end }");
    sk_connect(kit, 0);
    assert_int_equal(bk_count(kit, kit->script.live->conns_ref), 1);
    sk_hang_up(kit, 0);

    assert_int_equal(bk_count(kit, kit->script.live->conns_ref), 0);
}

static void
given_a_gone_connection_when_its_number_is_used_again_then_the_old_handle_is_another(
    void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit,
            "local seen = {}\n"
            "return { on_connect = function(conn)\n"
            "   conn.data.name = 'conn ' .. #seen\n"
            "   seen[#seen + 1] = conn\n"
            "end,\n"
            "on_message = function(conn)\n"
            "   local old = seen[1]\n"
            "   print(old == conn, old.number, conn.number, old.id, conn.id)\n"
            "   print(old.data.name, conn.data.name, old:is_open(), conn:is_open())\n"
            "   print(old:send('to nobody'))\n"
            "end }");
    sk_connect(kit, 0);
    sk_hang_up(kit, 0);
    sk_connect(kit, 1);
    sk_say(kit, 1, "hello\n");

    sk_printed(kit, "false\t0\t0\t1\t2\n"
                    "conn 0\tconn 1\tfalse\ttrue\n"
                    "nil\tconnection closed\tclosed\n");
    sk_hears(kit, 1, "");
}

static void
given_two_generations_when_a_connection_goes_then_both_forget_it(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { on_connect = function(conn) kelpie.spawn(function()\n"
                 "   kelpie.sleep(1) print(conn:is_open(), conn:send('x')) end) end }");
    sk_connect(kit, 0);
    sk_load_beside(kit, "return {}");
    bk_run(kit,
           "print(conn:is_open()) kelpie.sleep(2)\n"
           "print(conn:is_open(), conn.number, conn:send('x'))",
           "true\n");
    sk_hang_up(kit, 0);
    sk_pass(kit, 1000);
    sk_printed(kit, "false\tnil\tconnection closed\tclosed\n");
    sk_pass(kit, 1000);

    sk_printed(kit, "false\t0\tnil\tconnection closed\tclosed\n");
    assert_null(kit->script.retiring);
}

/* --- fields ------------------------------------------------------------------------------ */

static void
given_a_connection_when_its_fields_are_read_then_they_say_who_it_is(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    sk_connect(kit, 1);

    bk_run(kit,
           "print(conn.id, conn.number, conn.peer, conn.listener == '')\n"
           "print(other.id, other.number, tostring(other))\n"
           "print(math.type(conn.id), math.type(conn.number), type(conn.data))",
           "1\t0\tunix\ttrue\n2\t1\tclient #1 (unix)\ninteger\tinteger\ttable\n");
}

/* Opens a connection that says it came from an address, to a listener. */
static void
connect_from(struct script_kit *kit, int slot, const union kp_peer *peer,
             struct kp_listener *listener)
{
    int fds[2];

    fault_socketpair(fds);
    kit->peers[slot] = fds[1];
    assert_int_equal(kp_conn_open(&kit->net, &kit->conns[slot], fds[0], peer, listener),
                     0);
    sk_settle(kit);
}

static void
given_peers_and_a_named_listener_when_read_then_they_are_text(void **state)
{
    struct script_kit *kit = *state;
    union kp_peer v4 = {.in = {.sin_family = AF_INET, .sin_port = htons(5312)}};
    union kp_peer v6 = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)}};
    struct kp_address address;
    struct kp_listener *listener;
    char why[256];

    v4.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.in6.sin6_addr = in6addr_loopback;
    assert_int_equal(kp_address_parse(&address, "admin=127.0.0.1:0", why, sizeof why), 0);
    assert_int_equal(kp_listener_open(&kit->net, &listener, &address, why, sizeof why),
                     0);
    connect_from(kit, 0, &v4, listener);
    connect_from(kit, 1, &v6, NULL);

    bk_run(kit, "print(conn, conn.peer, conn.listener) print(other, other.peer)",
           "client #0 (127.0.0.1:5312)\t127.0.0.1:5312\tadmin\n"
           "client #1 ([::1]:80)\t[::1]:80\n");
}

static void
given_conn_data_when_used_then_it_is_one_table(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    sk_connect(kit, 1);

    bk_run(kit,
           "conn.data.x = 1\n"
           "print(conn.data.x, conn.data == conn.data, other.data.x)\n"
           "local mine = { y = 2 }\n"
           "conn.data = mine\n"
           "print(conn.data == mine, conn.data.y, conn.data.x)\n"
           "try(function() conn.data = nil end)\n"
           "try(function() conn.data = 'text' end)\n"
           "try(function() conn.data = conn end)\n"
           "print(conn.data == mine)\n",
           "1\ttrue\tnil\n"
           "true\t2\tnil\n"
           "run.lua:6: conn.data must be a table, not a nil\n"
           "run.lua:7: conn.data must be a table, not a string\n"
           "run.lua:8: conn.data must be a table, not a userdata\n"
           "true\n");
    bk_collect(kit);
    bk_run(kit, "print(conn.data.y)", "2\n");
}

static void
given_a_closed_or_gone_connection_when_its_fields_are_read_then_they_are_there(
    void **state)
{
    struct script_kit *kit = *state;
    static const char show[] =
        "local kept\n"
        "local function show(c) print(c.id, c.number, c.peer, c.listener, c, c.data.x) "
        "end\n"
        "return { on_connect = function(conn) kept = conn conn.data.x = 'data' end,\n"
        "on_disconnect = function(conn) show(conn) end,\n"
        "on_message = function(conn) conn:close() show(conn) end,\n"
        "on_input = function() show(kept) kept.data.x = 'new' show(kept) end }";

    sk_load(kit, show);
    sk_connect(kit, 0);
    sk_say(kit, 0, "end\n");
    sk_printed(kit, "1\t0\tunix\t\tclient #0 (unix)\tdata\n");
    sk_hang_up(kit, 0);
    sk_printed(kit, "1\t0\tunix\t\tclient #0 (unix)\tdata\n");
    kp_script_on_input(&kit->script, "", 0);

    sk_printed(kit, "1\t0\tunix\t\tclient #0 (unix)\tdata\n"
                    "1\t0\tunix\t\tclient #0 (unix)\tnew\n");
    sk_logged_nothing(kit);
}

/* --- from C ------------------------------------------------------------------------------ */

static void
given_values_when_tested_from_c_then_only_handles_are_connections(void **state)
{
    struct script_kit *kit = *state;
    uint64_t id = 0;
    uint32_t number = 0;

    sk_load(kit, "return {}");
    sk_connect(kit, 0);
    lua_State *L = kit->script.live->L;
    kp_lua_push_conn(L, kit->conns[0]);
    assert_true(kp_lua_test_conn(L, -1, &id, &number));
    assert_int_equal(id, 1);
    assert_int_equal(number, 0);
    assert_ptr_equal(kp_lua_check_conn(L, -1), kit->conns[0]);
    assert_ptr_equal(kp_lua_opt_conn(L, -1), kit->conns[0]);
    lua_pop(L, 1);

    lua_pushnil(L);
    assert_false(kp_lua_test_conn(L, -1, &id, &number));
    assert_null(kp_lua_opt_conn(L, -1));
    lua_pushlightuserdata(L, kit);
    assert_false(kp_lua_test_conn(L, -1, &id, &number));
    (void)lua_newuserdatauv(L, 1, 0);
    assert_false(kp_lua_test_conn(L, -1, &id, &number));
    lua_newtable(L);
    assert_false(kp_lua_test_conn(L, -1, &id, &number));
    assert_null(kp_lua_test_room(L, -1));
    lua_pop(L, 4);
}

static void
given_an_id_when_pushed_then_it_is_the_live_handle_or_one_of_nobody(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return {}");
    sk_connect(kit, 0);
    lua_State *L = kit->script.live->L;
    kp_lua_push_conn(L, kit->conns[0]);

    kp_lua_push_conn_id(L, 1, 0);
    assert_true(lua_rawequal(L, -1, -2));
    kp_lua_push_conn_id(L, 7, 0);
    assert_false(lua_rawequal(L, -1, -3));
    assert_null(kp_lua_check_conn(L, -1));
    kp_lua_push_conn_id(L, 9, 1000000);
    assert_null(kp_lua_check_conn(L, -1));
    assert_string_equal(luaL_tolstring(L, -1, NULL), "client #1000000 (unknown)");
    lua_pop(L, 5);
}

static void
given_conn_data_when_set_from_c_then_scripts_see_it(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return {}");
    sk_connect(kit, 0);
    lua_State *L = kit->script.live->L;
    kp_lua_push_conn_data(L, kit->conns[0]);
    assert_true(lua_isnil(L, -1)); /* no handle yet */
    kp_lua_push_conn(L, kit->conns[0]);
    kp_lua_push_conn_data(L, kit->conns[0]);
    assert_true(lua_isnil(L, -1)); /* never asked for */
    lua_pop(L, 3);

    lua_newtable(L);
    lua_pushinteger(L, 42);
    lua_setfield(L, -2, "answer");
    kp_lua_set_conn_data(L, kit->conns[0]);
    kp_lua_push_conn_data(L, kit->conns[0]);
    assert_true(lua_istable(L, -1));
    lua_pop(L, 1);

    bk_run(kit, "print(conn.data.answer)", "42\n");
}

/* --- no memory --------------------------------------------------------------------------- */

static void
given_no_memory_when_handles_are_made_then_nothing_breaks(void **state)
{
    (void)state;

    bk_fail_each_allocation(
        "return { on_input = function()\n"
        "   for n = 0, 1 do\n"
        "      local ok, conn = pcall(kelpie.client, n)\n"
        "      if ok and conn then\n"
        "         assert(conn == kelpie.client(n))\n"
        "         pcall(function() conn.data.x = tostring(conn) .. conn.peer end)\n"
        "         pcall(function() conn.data = {} end)\n"
        "         pcall(function() return conn.listener .. conn.nothing end)\n"
        "      end\n"
        "   end\n"
        "end }");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
        T(given_a_connection_when_asked_for_twice_then_it_is_the_same_handle),
        T(given_a_handle_when_the_connection_is_gone_then_it_is_let_go),
        T(given_a_gone_connection_when_its_number_is_used_again_then_the_old_handle_is_another),
        T(given_two_generations_when_a_connection_goes_then_both_forget_it),
        T(given_a_connection_when_its_fields_are_read_then_they_say_who_it_is),
        T(given_peers_and_a_named_listener_when_read_then_they_are_text),
        T(given_conn_data_when_used_then_it_is_one_table),
        T(given_a_closed_or_gone_connection_when_its_fields_are_read_then_they_are_there),
        T(given_values_when_tested_from_c_then_only_handles_are_connections),
        T(given_an_id_when_pushed_then_it_is_the_live_handle_or_one_of_nobody),
        T(given_conn_data_when_set_from_c_then_scripts_see_it),
#undef T
        cmocka_unit_test(given_no_memory_when_handles_are_made_then_nothing_breaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
