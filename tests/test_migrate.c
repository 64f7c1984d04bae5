/*
 * test_migrate.c - state of an old schema becomes state of the new one, once
 */
#include <string.h>

#include "reload_kit.h"

#define KELPIE "local kelpie = require('kelpie')\n"

static void
given_another_schema_when_reloaded_then_migrate_sees_all_roots_once(void **state)
{
    struct reload_kit *kit = *state;
    const char *text = KELPIE
        "local users = kelpie.keep('users', {})\n"
        "local function migrate(old_schema, keep)\n"
        "   assert(keep.users == users and keep.forgotten.v == 1)\n"
        "   print('migrate', old_schema)\n"
        "   for i, name in ipairs(keep.users) do keep.users[i] = { name = name } end\n"
        "end\n"
        "return { schema = 2, migrate = migrate, on_load = function()\n"
        "   assert(users[1].name == 'ann' and users[2].name == 'bob')\n"
        "end }";
    rk_must_load(kit, KELPIE "kelpie.keep('users', { 'ann', 'bob' })\n"
                             "kelpie.keep('forgotten', { v = 1 })\n"
                             "return {}");

    rk_must_load(kit, text);
    rk_must_load(kit, text);

    assert_string_equal(kit->sk.printed, "migrate\t0\n");
}

static void
given_the_same_schema_when_reloaded_then_migrate_is_not_called(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return { schema = 7 }");

    rk_must_load(kit, "local function no() error('called') end\n"
                      "return { schema = 7, migrate = no, migrate_conn = no }");
}

static void
given_a_first_generation_when_loaded_then_migrate_is_not_called(void **state)
{
    struct reload_kit *kit = *state;

    rk_must_load(kit, "local function no() error('called') end\n"
                      "return { schema = 7, migrate = no, migrate_conn = no }");
}

static void
given_another_schema_without_migrate_when_reloaded_then_state_crosses_as_it_is(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, KELPIE "kelpie.keep('x', { 1 }) return { schema = 1 }");

    rk_must_load(kit,
                 KELPIE "assert(kelpie.keep('x', {})[1] == 1) return { schema = 2 }");
}

static void
given_a_root_that_is_replaced_when_migrated_then_the_script_sees_it_in_its_table(
    void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, KELPIE "kelpie.keep('a', { 1, 2, x = 'old' })\n"
                             "kelpie.keep('b', { 'b' }) kelpie.keep('c', { 'c' })\n"
                             "kelpie.keep('gone', { 1 })\n"
                             "return { schema = 1 }");

    rk_must_load(kit, KELPIE "local C = kelpie.class('c', {})\n"
                             "local a = kelpie.keep('a', {})\n"
                             "local b, c = kelpie.keep('b', {}), kelpie.keep('c', {})\n"
                             "return { schema = 2,\n"
                             "   migrate = function(_, keep)\n"
                             "      keep.a = setmetatable({ y = 'new' }, C)\n"
                             "      keep.a.self = keep.a\n"
                             "      keep.b, keep.c = keep.c, keep.b\n"
                             "      keep.gone = nil\n"
                             "      keep.fresh = { 'fresh' }\n"
                             "   end,\n"
                             "   on_load = function()\n"
                             "      assert(a.y == 'new' and a.x == nil and #a == 0)\n"
                             "      assert(getmetatable(a) == C)\n"
                             "      assert(b[1] == 'c' and c[1] == 'b')\n"
                             "   end }");
    rk_must_load(kit, KELPIE "kelpie.class('c', {})\n"
                             "assert(kelpie.keep('a', {}).y == 'new')\n"
                             "assert(kelpie.keep('b', {})[1] == 'c')\n"
                             "assert(kelpie.keep('fresh', {})[1] == 'fresh')\n"
                             "assert(#kelpie.keep('gone', {}) == 0)\n"
                             "return { schema = 2 }");
}

static void
given_connections_when_migrated_then_each_data_once_in_place_or_replaced(void **state)
{
    struct reload_kit *kit = *state;
    const char *text = "return { schema = 2, migrate_conn = function(old_schema, data)\n"
                       "   print(old_schema, data.name)\n"
                       "   if not data.name then data.name = 'nobody' return end\n"
                       "   return { name = data.name:upper(), was = data }\n"
                       "end,\n"
                       "on_message = function(conn) conn:send(conn.data.name) end }";
    rk_must_load(kit, "return { schema = 1, on_message = function(conn, line)\n"
                      "   conn.data.name = line\n"
                      "end }");
    for (int i = 0; i < 3; i++)
        sk_connect(&kit->sk, i);
    sk_step(&kit->sk);
    sk_say(&kit->sk, 0, "ann\n");
    sk_say(&kit->sk, 2, "bob\n");
    sk_step(&kit->sk);

    rk_must_load(kit, text);
    rk_must_load(kit, text);

    assert_string_equal(kit->sk.printed, "1\tann\n1\tnil\n1\tbob\n");
    sk_say(&kit->sk, 0, "\n");
    sk_hears(&kit->sk, 0, "ANN\n");
    sk_say(&kit->sk, 1, "\n");
    sk_hears(&kit->sk, 1, "nobody\n");
}

static void
given_a_connection_that_drains_when_migrated_then_its_data_crosses_too(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return { on_connect = function(conn) conn.data.v = 1 end }");
    sk_connect(&kit->sk, 0);
    sk_step(&kit->sk);
    kp_conn_close(kit->sk.conns[0], "test");

    rk_must_load(kit, "return { schema = 1,\n"
                      "   migrate_conn = function(_, data) data.v = data.v + 1 end,\n"
                      "   on_disconnect = function(conn, reason)\n"
                      "      print(conn.data.v, reason)\n"
                      "   end }");
    sk_hang_up(&kit->sk, 0);
    for (int i = 0; i < 4; i++)
        sk_step(&kit->sk);

    assert_string_equal(kit->sk.printed, "2\ttest\n");
}

static void
given_a_migration_when_it_wants_side_effects_or_sleep_then_it_is_refused(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, "return {}");

    rk_must_reject(kit,
                   KELPIE "return { schema = 1,\n"
                          "   migrate = function() kelpie.broadcast('x') end }",
                   "migrate: ", "not allowed while loading", NULL);
    rk_must_reject(kit,
                   KELPIE "return { schema = 1,\n"
                          "   migrate = function() kelpie.sleep(1) end }",
                   "migrate: ", NULL);
    rk_must_reject(kit,
                   "return { schema = 1, migrate = function()\n"
                   "   while true do end end }",
                   "migrate: ", "init.lua:2:", NULL);
}

static void
given_a_failed_migration_when_repaired_then_it_runs_on_the_unchanged_state(void **state)
{
    struct reload_kit *kit = *state;
    const char *text = KELPIE "local x = kelpie.keep('x', {})\n"
                              "return { schema = 2, migrate = function(_, keep)\n"
                              "   keep.x.n = keep.x.n + 1\n"
                              "   keep.y = {}\n"
                              "   %s\n"
                              "end, on_load = function() assert(x.n == 2) end }";
    char version[512];
    rk_must_load(kit, KELPIE "kelpie.keep('x', { n = 1 }) return {}");

    snprintf(version, sizeof version, text, "error('half way')");
    rk_must_reject(kit, version, "migrate: ", "init.lua:6: half way", NULL);

    snprintf(version, sizeof version, text, "");
    rk_must_load(kit, version);
}

/* Lua would run it where no hook can end it. */
static void
given_a_class_that_gets_a_finaliser_when_migrated_then_it_never_runs(void **state)
{
    struct reload_kit *kit = *state;
    rk_must_load(kit, KELPIE "kelpie.keep('x', { 1 }) return { schema = 1 }");

    rk_must_load(kit, KELPIE "local class = kelpie.class('object', {})\n"
                             "kelpie.keep('x', {})\n"
                             "local function migrate(_, keep)\n"
                             "   keep.x = setmetatable({ 2 }, class)\n"
                             "   class.__gc = function() print('finaliser') end\n"
                             "end\n"
                             "return { schema = 2, migrate = migrate }");
    lua_gc(kit->sk.script.live->L, LUA_GCCOLLECT);
    for (int i = 0; i < 3; i++) /* the generation is closed */
        rk_must_load(kit,
                     KELPIE "kelpie.class('object', {})\n"
                            "assert(kelpie.keep('x', {})[1] == 2) return { schema = 2 }");

    assert_string_equal(kit->sk.printed, "");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_class_that_gets_a_finaliser_when_migrated_then_it_never_runs),
        TEST(given_another_schema_when_reloaded_then_migrate_sees_all_roots_once),
        TEST(given_the_same_schema_when_reloaded_then_migrate_is_not_called),
        TEST(given_a_first_generation_when_loaded_then_migrate_is_not_called),
        TEST(
            given_another_schema_without_migrate_when_reloaded_then_state_crosses_as_it_is),
        TEST(
            given_a_root_that_is_replaced_when_migrated_then_the_script_sees_it_in_its_table),
        TEST(given_connections_when_migrated_then_each_data_once_in_place_or_replaced),
        TEST(given_a_connection_that_drains_when_migrated_then_its_data_crosses_too),
        TEST(given_a_migration_when_it_wants_side_effects_or_sleep_then_it_is_refused),
        TEST(given_a_failed_migration_when_repaired_then_it_runs_on_the_unchanged_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
