/*
 * test_carry.c - values cross from one lua_State to the next exactly, or not at all
 */
#include <string.h>

#include "reload_kit.h"

/* Makes a kept value with the text `make`, which is a function body, and looks at it with
 * `check` in the next two generations: what crossed once crosses again. */
static void
carry_and_check(struct reload_kit *kit, const char *make, const char *check)
{
    static char text[16 * 1024];

    snprintf(text, sizeof text,
             "local kelpie = require('kelpie')\n"
             "local function make() %s end\n"
             "kelpie.keep('x', {}).v = make()\n"
             "return {}",
             make);
    rk_must_load(kit, text);
    snprintf(text, sizeof text,
             "local kelpie = require('kelpie')\n"
             "local x = kelpie.keep('x', {})\n"
             "local v = x.v\n"
             "%s\n"
             "return {}",
             check);
    rk_must_load(kit, text);
    rk_must_load(kit, text);
}

/* Makes a kept value that cannot cross; asserts that the reload says why. */
static void
carry_and_fail(struct reload_kit *kit, const char *make, const char *words)
{
    static char text[4 * 1024];

    snprintf(text, sizeof text,
             "local kelpie = require('kelpie')\n"
             "local x = kelpie.keep('x', {})\n"
             "local _, light = pcall(require, 'light')\n"
             "return { on_input = function() x.v = (function() %s end)() end,\n"
             "   on_shutdown = function() x.v = nil end }", /* for the next case */
             make);
    rk_must_load(kit, text);
    assert_int_equal(kp_script_on_input(&kit->sk.script, "", 0), 0);

    rk_must_reject(kit, "require('kelpie').keep('x', {}) return {}", words, NULL);

    assert_int_equal(lua_gettop(kit->sk.script.live->L), 0);
    rk_must_reject(kit, "return {}", words, NULL); /* also when nobody asks for it */
    kp_script_on_shutdown(&kit->sk.script);
}

static void
given_scalars_when_carried_then_they_are_exact(void **state)
{
    carry_and_check(
        *state,
        "return { math.maxinteger, math.mininteger, 1, 1.0, 2^53, -0.0, 0.0, 1/0, -1/0,\n"
        "   0/0, 5e-324, true, false, '', 'a\\0b\\0', ('x'):rep(100000), 0.1 }",
        "assert(v[1] == math.maxinteger and v[2] == math.mininteger)\n"
        "assert(math.type(v[1]) == 'integer' and math.type(v[3]) == 'integer')\n"
        "assert(v[4] == 1 and math.type(v[4]) == 'float')\n"
        "assert(v[5] == 2^53 and math.type(v[5]) == 'float')\n"
        "assert(1 / v[6] == -1/0 and 1 / v[7] == 1/0)\n"
        "assert(v[8] == 1/0 and v[9] == -1/0 and v[10] ~= v[10] and v[11] == 5e-324)\n"
        "assert(v[12] == true and v[13] == false and v[14] == '')\n"
        "assert(v[15] == 'a\\0b\\0' and v[16] == ('x'):rep(100000) and v[17] == 0.1)\n"
        "assert(#v == 17)");
}

static void
given_keys_of_all_kinds_when_carried_then_they_find_their_values(void **state)
{
    carry_and_check(
        *state,
        "local k = { name = 'key' }\n"
        "return { [1] = 'one', [-1] = 'minus', [1.5] = 'float', [1/0] = 'inf',\n"
        "   [true] = 'yes', [false] = 'no', [''] = 'empty', ['a\\0'] = 'zero',\n"
        "   [k] = 'table', key = k, [math.mininteger] = 'min' }",
        "assert(v[1] == 'one' and v[-1] == 'minus' and v[1.5] == 'float')\n"
        "assert(v[1/0] == 'inf' and v[true] == 'yes' and v[false] == 'no')\n"
        "assert(v[''] == 'empty' and v['a\\0'] == 'zero' and v[math.mininteger] == "
        "'min')\n"
        "assert(v.key.name == 'key' and v[v.key] == 'table')");
}

static void
given_shared_tables_and_cycles_when_carried_then_they_are_kept(void **state)
{
    carry_and_check(*state,
                    "local a, b = {}, {}\n"
                    "a.b, b.a, a.self = b, a, a\n"
                    "a[a], a[b] = b, a\n"
                    "return { a, a, b, { b } }",
                    "local a, b = v[1], v[3]\n"
                    "assert(a ~= b and v[2] == a and v[4][1] == b)\n"
                    "assert(a.b == b and b.a == a and a.self == a)\n"
                    "assert(a[a] == b and a[b] == a)");
}

static void
given_tables_as_keys_of_keys_when_carried_then_their_content_follows(void **state)
{
    carry_and_check(
        *state,
        "local k = { [{ deep = 1 }] = { [{ deeper = { 2 } }] = 3 } }\n"
        "return { [k] = { [k] = k }, [{ last = {} }] = {} }",
        "local n = 0\n"
        "for key, value in pairs(v) do\n"
        "   n = n + 1\n"
        "   if key.last then assert(next(value) == nil) else\n"
        "      assert(value[key] == key)\n"
        "      local k1, v1 = next(key) assert(k1.deep == 1)\n"
        "      local k2, v2 = next(v1) assert(k2.deeper[1] == 2 and v2 == 3)\n"
        "   end\n"
        "end\n"
        "assert(n == 2)");
}

static void
given_nesting_of_100000_levels_when_carried_then_it_needs_no_c_stack(void **state)
{
    carry_and_check(*state,
                    "local t = {} for i = 1, 100000 do t = { next = t, i = i } end\n"
                    "return t",
                    "local n = 0\n"
                    "while v.next do assert(v.i == 100000 - n) v = v.next n = n + 1 end\n"
                    "assert(n == 100000)");
    carry_and_check(*state,
                    "local t = {} for i = 1, 100000 do t = { [t] = true } end return t",
                    "local n = 0\n"
                    "while next(v) do v = next(v) n = n + 1 end assert(n == 100000)");
}

static void
given_nesting_beyond_the_stack_of_lua_when_carried_then_it_is_a_problem(void **state)
{
    struct reload_kit *kit = *state;

    kit->sk.script.limits.lua_memory = 512u << 20;
    kit->sk.script.limits.handler_timeout_ns = 0;
    kit->sk.script.limits.load_timeout_ns = 0;

    carry_and_fail(kit, "local t = {} for i = 1, 600000 do t = { t } end return t",
                   "... is nested too deeply");
}

static void
given_an_array_and_a_wide_table_when_carried_then_all_entries_cross(void **state)
{
    carry_and_check(
        *state,
        "local t = { h = {} } for i = 1, 50000 do t[i] = { i }\n"
        "   t.h['k' .. i] = i end\n"
        "return t",
        "assert(#v == 50000)\n"
        "for i = 1, 50000 do assert(v[i][1] == i and v.h['k' .. i] == i) end");
}

static void
given_an_array_with_a_border_that_lies_when_carried_then_it_costs_nothing(void **state)
{
    carry_and_check(*state, "local t = {} for i = 0, 40 do t[1 << i] = i end return t",
                    "for i = 0, 40 do assert(v[1 << i] == i) end");
}

static void
given_what_cannot_cross_when_carried_then_it_is_named_with_its_path(void **state)
{
    static const struct {
        const char *make, *words;
    } cases[] = {
        {"return print", "keep 'x'.v is a function"},
        {"return { f = function() end }", "keep 'x'.v.f is a function"},
        {"return { { {} , { name = coroutine.create(print) } } }",
         "keep 'x'.v[1][2].name is a coroutine"},
        {"return { ['odd key'] = print }", "keep 'x'.v[\"odd key\"] is a function"},
        {"return { ['9lives'] = print }", "keep 'x'.v[\"9lives\"] is a function"},
        {"return { ['\\27[2J\"\\\\'] = print }", "keep 'x'.v[\"?[2J??\"] is a function"},
        {"return { [('k'):rep(60)] = print }",
         "keep 'x'.v[\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...\"] is a function"},
        {"return { [1.5] = { [true] = { [{}] = print } } }",
         "keep 'x'.v[1.5][true][table] is a function"},
        {"return { [print] = 1 }", "keep 'x'.v has a key that is a function"},
        {"return { a = { [coroutine.create(print)] = 1 } }",
         "keep 'x'.v.a has a key that is a coroutine"},
        {"return { [{ f = print }] = 1 }", "keep 'x'.v[table].f is a function"},
        {"return setmetatable({}, {})",
         "keep 'x'.v is a table with a metatable that has no name; see kelpie.class"},
        {"return { [setmetatable({}, {})] = 1 }",
         "keep 'x'.v has a key that is a table with a metatable"},
        {"return kelpie.after(1000, print)", "keep 'x'.v is a userdata"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        carry_and_fail(*state, cases[i].make, cases[i].words);
}

static int
open_light(lua_State *L)
{
    lua_pushlightuserdata(L, L);
    return 1;
}

static void
given_values_of_the_host_when_carried_then_they_are_named(void **state)
{
    struct reload_kit *kit = *state;

    assert_int_equal(kp_script_preload(&kit->sk.script, "light", open_light), 0);

    carry_and_fail(kit, "return light", "keep 'x'.v is a light userdata");
}

static void
given_conn_data_with_a_metatable_when_carried_then_it_is_named(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return { on_connect = function(conn)\n"
                      "   setmetatable(conn.data, {})\n"
                      "end }");
    sk_connect(&kit->sk, 0);
    sk_step(&kit->sk);

    rk_must_reject(kit, "return {}",
                   "conn 1: data is a table with a metatable that has no name", NULL);
}

static void
given_a_long_path_when_reported_then_it_is_cut(void **state)
{
    carry_and_fail(*state,
                   "local t = { f = print }\n"
                   "for i = 1, 1000 do t = { level = t } end return t",
                   ".level.level... is a function");
}

static void
given_more_than_20_problems_when_reported_then_20_are_listed_and_all_are_counted(
    void **state)
{
    struct reload_kit *kit = *state;
    unsigned n_lines = 0;

    carry_and_fail(kit, "local t = {} for i = 1, 1234 do t[i] = print end return t",
                   "and 1214 more values cannot cross");

    rk_assert_has(kit->sk.script.error, "keep 'x'.v[1] is a function; still serving");
    rk_assert_has(kit->sk.script.error, "\nkeep 'x'.v[20] is a function\n");
    rk_assert_has_not(kit->sk.script.error, "[21]");
    for (const char *p = kit->sk.script.error; (p = strchr(p, '\n')); p++)
        n_lines++;
    assert_int_equal(n_lines, 20);
}

static void
given_connections_and_rooms_when_carried_then_handles_of_the_new_generation(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "local kelpie = require('kelpie')\n"
                      "local seen = kelpie.keep('seen', { by = {} })\n"
                      "return { on_connect = function(conn)\n"
                      "   seen[#seen + 1] = conn\n"
                      "   seen.by[conn] = kelpie.room('r' .. conn.number)\n"
                      "   seen.by[conn]:join(conn)\n"
                      "end }");
    for (int i = 0; i < 3; i++)
        sk_connect(&kit->sk, i);
    sk_step(&kit->sk);
    sk_hang_up(&kit->sk, 1);
    sk_step(&kit->sk);
    sk_step(&kit->sk);

    rk_must_load(kit, "local kelpie = require('kelpie')\n"
                      "local seen = kelpie.keep('seen', {})\n"
                      "return { on_input = function()\n"
                      "   assert(#seen == 3)\n"
                      "   for i, conn in ipairs(seen) do\n"
                      "      local room = seen.by[conn]\n"
                      "      assert(room == kelpie.room('r' .. i - 1))\n"
                      "      assert(conn.number == i - 1)\n"
                      "      assert(conn:is_open() == (i ~= 2))\n"
                      "      if i ~= 2 then assert(conn == kelpie.client(i - 1)) end\n"
                      "      print(#room)\n"
                      "   end\n"
                      "   seen[1]:send('hello')\n"
                      "end }");
    assert_int_equal(kp_script_on_input(&kit->sk.script, "", 0), 0);

    assert_string_equal(kit->sk.printed, "1\n0\n1\n");
    sk_hears(&kit->sk, 0, "hello\n");
}

static void
given_a_kept_handle_when_its_connection_is_gone_then_it_still_knows_its_peer(void **state)
{
    struct reload_kit *kit = *state;
    static const char script[] =
        "local kelpie = require('kelpie')\n"
        "local kept = kelpie.keep('kept', {})\n"
        "return { on_connect = function(c) kept.c = c kept.peer = c.peer end,\n"
        "   on_load = function() if kept.c then\n"
        "      print(kept.c.number, kept.c.peer == kept.peer, kept.c:is_open()) end end "
        "}";

    rk_must_load(kit, script);
    sk_connect(&kit->sk, 0);
    sk_hang_up(&kit->sk, 0);
    rk_must_load(kit, script);
    rk_must_load(kit, script);

    sk_printed(&kit->sk, "0\ttrue\tfalse\n0\ttrue\tfalse\n");
}

static void
given_a_carried_value_when_looked_at_then_the_old_state_has_not_grown(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "local t = require('kelpie').keep('x', { 1, 'two', { 3 } })\n"
                      "t.self = t return {}");
    struct kp_generation *old = kit->sk.script.live;
    size_t bytes = old->lua_bytes;

    rk_must_reject(kit, "require('kelpie').keep('x', {}) error('no')", "no", NULL);

    assert_int_equal(old->lua_bytes, bytes);
    assert_int_equal(lua_gettop(old->L), 0);
}

static void
given_a_big_state_and_little_time_when_carried_then_the_reload_is_rejected(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "local t = require('kelpie').keep('x', {})\n"
                      "for i = 1, 300000 do t[i] = { i } end return {}");
    kit->sk.script.limits.load_timeout_ns = 5 * KP_NS_PER_MS;

    rk_must_reject(kit, "require('kelpie').keep('x', {}) return {}", "5 ms", NULL);
    rk_must_reject(kit, "return {}", "5 ms", NULL);
}

static void
given_a_state_that_fills_the_memory_when_carried_then_the_reload_is_rejected(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "local t = require('kelpie').keep('x', {})\n"
                      "for i = 1, 100000 do t[i] = { i } end return {}");
    kit->sk.script.limits.lua_memory = 4u << 20;

    rk_must_reject(kit, "return {}", "not enough memory", NULL);
}

static void
given_what_cannot_cross_when_it_may_be_dropped_then_the_rest_crosses(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit,
                 "local kelpie = require('kelpie')\n"
                 "local C = kelpie.class('c', {})\n"
                 "local x = kelpie.keep('x', {})\n"
                 "return { on_connect = function(conn)\n"
                 "   conn.data.f, conn.data.name = print, 'ann'\n"
                 "   x.list = { 1, print, 3, [print] = 4, c = setmetatable({ 5 }, C) }\n"
                 "   for i = 1, 30 do x[i] = print end\n"
                 "end }");
    sk_connect(&kit->sk, 0);
    sk_step(&kit->sk);
    rk_write(kit, "init.lua",
             "local x = require('kelpie').keep('x', {})\n"
             "assert(x.list[1] == 1 and x.list[2] == nil and x.list[3] == 3)\n"
             "assert(x.list.c[1] == 5 and #x == 0)\n"
             "return { on_message = function(conn)\n"
             "   conn:send(conn.data.name, ' ', tostring(conn.data.f))\n"
             "end }");

    assert_int_equal(kp_reload(&kit->sk.script), KELPIE_ESCRIPT);
    assert_int_equal(kp_reload_drop(&kit->sk.script), 0);

    rk_assert_has(kit->sk.log, "warn: left behind: keep 'x'[1] is a function\n");
    rk_assert_has(kit->sk.log, "warn: left behind: 34 values in all\n");
    sk_say(&kit->sk, 0, "\n");
    sk_hears(&kit->sk, 0, "ann nil\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_scalars_when_carried_then_they_are_exact),
        TEST(given_keys_of_all_kinds_when_carried_then_they_find_their_values),
        TEST(given_shared_tables_and_cycles_when_carried_then_they_are_kept),
        TEST(given_tables_as_keys_of_keys_when_carried_then_their_content_follows),
        TEST(given_nesting_of_100000_levels_when_carried_then_it_needs_no_c_stack),
        TEST(given_nesting_beyond_the_stack_of_lua_when_carried_then_it_is_a_problem),
        TEST(given_an_array_and_a_wide_table_when_carried_then_all_entries_cross),
        TEST(given_an_array_with_a_border_that_lies_when_carried_then_it_costs_nothing),
        TEST(given_what_cannot_cross_when_carried_then_it_is_named_with_its_path),
        TEST(given_values_of_the_host_when_carried_then_they_are_named),
        TEST(given_conn_data_with_a_metatable_when_carried_then_it_is_named),
        TEST(given_a_long_path_when_reported_then_it_is_cut),
        TEST(
            given_more_than_20_problems_when_reported_then_20_are_listed_and_all_are_counted),
        TEST(
            given_a_kept_handle_when_its_connection_is_gone_then_it_still_knows_its_peer),
        TEST(given_connections_and_rooms_when_carried_then_handles_of_the_new_generation),
        TEST(given_a_carried_value_when_looked_at_then_the_old_state_has_not_grown),
        TEST(given_a_big_state_and_little_time_when_carried_then_the_reload_is_rejected),
        TEST(
            given_a_state_that_fills_the_memory_when_carried_then_the_reload_is_rejected),
        TEST(given_what_cannot_cross_when_it_may_be_dropped_then_the_rest_crosses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
