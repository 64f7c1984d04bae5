/*
 * test_lua_kelpie.c - the module `kelpie`
 */
#include <stdio.h>
#include <string.h>

#include "bind_kit.h"

/* --- connections ------------------------------------------------------------------------- */

static void
given_connections_when_broadcast_then_all_but_one_get_it(void **state)
{
    struct script_kit *kit = *state;

    for (int i = 0; i < 3; i++)
        sk_connect(kit, i);

    bk_run(kit,
           "other:set_framing('crlf')\n"
           "print(kelpie.broadcast('all'), kelpie.broadcast(5, conn), "
           "kelpie.broadcast('', nil))\n"
           "conn:close() print(kelpie.broadcast('last'))",
           "3\t2\t3\n2\n");
    sk_hears(kit, 0, "all\n\n");
    sk_hears(kit, 1, "all\r\n5\r\n\r\nlast\r\n");
    sk_hears(kit, 2, "all\n5\n\nlast\n");
}

static void
given_what_is_no_message_when_broadcast_then_it_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);

    bk_run(kit,
           "try(function() kelpie.broadcast() end)\n"
           "try(function() kelpie.broadcast({}) end)\n"
           "try(function() kelpie.broadcast('x', 'conn') end)\n"
           "local broadcast, big = kelpie.broadcast, ('x'):rep(5000)\n"
           "test.fail(1) print(broadcast(big))",
           "run.lua:1: bad argument #1 to 'broadcast' (string or number expected, got no "
           "value)\n"
           "run.lua:2: bad argument #1 to 'broadcast' (string or number expected, got "
           "table)\n"
           "run.lua:3: bad argument #2 to 'broadcast' (conn expected, got string)\n"
           "nil\tout of memory\tmemory\n");
}

static void
given_connections_when_walked_then_they_come_by_number(void **state)
{
    struct script_kit *kit = *state;

    for (int i = 0; i < 5; i++)
        sk_connect(kit, i);

    bk_run(kit,
           "other:close()\n"
           "for c in kelpie.conns() do\n"
           "   print(c.number) if c.number == 2 then kelpie.client(3):abort() end\n"
           "end\n"
           "local next = kelpie.conns() for _ = 1, 3 do next() end print(next(), next())",
           "0\n2\n4\nnil\tnil\n");
}

static void
given_ids_and_numbers_when_asked_for_then_only_open_connections_are_found(void **state)
{
    struct script_kit *kit = *state;

    sk_connect(kit, 0);
    sk_connect(kit, 1);
    sk_hang_up(kit, 0);

    bk_run(kit,
           "print(kelpie.find(1), kelpie.find(2), kelpie.find(2.0) == kelpie.client(1))\n"
           "print(kelpie.client(0), kelpie.client(1), kelpie.client(1 << 40))\n"
           "print(kelpie.find(0), kelpie.find(-1), kelpie.client(-1), kelpie.find(1 << "
           "62))\n"
           "try(function() kelpie.find() end)\n"
           "try(function() kelpie.find(1.5) end)\n"
           "try(function() kelpie.client('x') end)\n"
           "kelpie.client(1):close() print(kelpie.client(1), kelpie.find(2))",
           "nil\tclient #1 (unix)\ttrue\n"
           "nil\tclient #1 (unix)\tnil\n"
           "nil\tnil\tnil\tnil\n"
           "run.lua:4: bad argument #1 to 'find' (number expected, got no value)\n"
           "run.lua:5: bad argument #1 to 'find' (number has no integer representation)\n"
           "run.lua:6: bad argument #1 to 'client' (number expected, got string)\n"
           "nil\tnil\n");
}

/* --- loading ----------------------------------------------------------------------------- */

static void
given_a_script_that_loads_when_it_acts_then_it_raises(void **state)
{
    static const char *const calls[] = {
        "broadcast('x')", "conns()",      "find(1)",  "client(0)",
        "sleep(1)",       "spawn(print)", "reload()", "shutdown()",
    };
    struct script_kit *kit = *state;
    char text[100], words[100];

    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        snprintf(text, sizeof text, "kelpie.%s return {}", calls[i]);
        snprintf(words, sizeof words,
                 "test.lua:1: kelpie.%.*s: not allowed while loading",
                 (int)strcspn(calls[i], "("), calls[i]);
        sk_refuse(kit, text, words);
    }
    sk_load(kit, "kelpie.log('info', 'loading') kelpie.stats() kelpie.trim('')\n"
                 "assert(kelpie.now() > 0) return {}");
    sk_logged(kit, "info: script 9: loading\n");
}

/* --- time and tasks ---------------------------------------------------------------------- */

static void
given_the_clock_when_it_moves_then_now_tells_seconds(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "local start = kelpie.now() test.advance(1500)\n"
           "print(kelpie.now() - start, math.type(start))",
           "1.5\tfloat\n");
}

static void
given_a_handler_when_it_sleeps_then_it_goes_on_after_that_time(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit, "print('a') print('slept', kelpie.sleep(0.5)) print(kelpie.sleep(0))",
           "a\n");
    sk_pass(kit, 499);
    sk_printed(kit, "");
    sk_pass(kit, 1);

    sk_printed(kit, "slept\n\n");
}

static void
given_a_retired_generation_when_it_sleeps_too_long_then_it_is_told(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit, "print(kelpie.sleep(math.huge))", "");
    sk_load_beside(kit, "return {}");
    sk_pass(kit, 30000);

    sk_printed(kit, "nil\tgeneration retired\tretired\n");
}

static void
given_a_function_when_spawned_then_it_runs_beside_with_its_arguments(void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit,
           "print(select('#', kelpie.spawn(function(...) print('spawned', ...)\n"
           "   kelpie.sleep(1) print('later') end, 1, nil, 'x', nil)))\n"
           "kelpie.spawn(print)\n"
           "local many = {} for i = 1, 250 do many[i] = i end\n"
           "kelpie.spawn(function(...) print(select('#', ...)) end, table.unpack(many))\n"
           "print('first')",
           "1\nfirst\nspawned\t1\tnil\tx\tnil\n\n250\n");
    sk_pass(kit, 1000);

    sk_printed(kit, "later\n");
}

static void
given_too_many_functions_when_one_more_is_spawned_then_full(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.lua_memory = 2u << 20;
    sk_run(kit, "local function f() kelpie.sleep(1) end\n"
                "local n = 0 while kelpie.spawn(f) do n = n + 1 end\n"
                "print(n, kelpie.spawn(f))");
    sk_printed(kit, "511\tnil\ttoo many functions have not ended\tfull\n");
    assert_int_equal(kit->net.counters.spawn_full, 2);
    sk_logged(kit, "kelpie.spawn: too many functions have not ended");

    kit->log[0] = '\0';
    sk_pass(kit, 1000);
    assert_int_equal(kit->script.live->n_tasks, 0);
    bk_run(kit, "print(kelpie.spawn(print))", "true\n\n");
}

static void
given_what_is_no_function_when_spawned_then_it_raises(void **state)
{
    bk_run(*state,
           "try(function() kelpie.spawn() end)\n"
           "try(function() kelpie.spawn('print') end)",
           "run.lua:1: bad argument #1 to 'spawn' (function expected, got no value)\n"
           "run.lua:2: bad argument #1 to 'spawn' (function expected, got string)\n");
}

/* --- the operator ------------------------------------------------------------------------ */

static void
given_levels_when_logged_then_records_have_the_generation(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "kelpie.log('error', 'e') kelpie.log('warn', '%d%%', 50)\n"
                "kelpie.log('info', '%s %q', {} ~= nil, 'x') kelpie.log('debug', 'd')");

    assert_string_equal(kit->log, "error: script 1: e\nwarn: script 1: 50%\n"
                                  "info: script 1: true \"x\"\ndebug: script 1: d\n");
    kit->log[0] = '\0';
    kit->env.log.level = KELPIE_LOG_WARN;
    sk_run(kit, "kelpie.log('info', '%d', 'never formatted') kelpie.log('warn', 'w')");
    assert_string_equal(kit->log, "warn: script 1: w\n");
}

static void
given_bytes_of_clients_when_logged_then_they_are_escaped_and_cut(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "kelpie.log('info', '%s', 'a\\nb\\0c\\27[2J\\\\')\n"
                "kelpie.log('info', ('x'):rep(5000))");

    sk_logged(kit, "info: script 1: a\\x0ab\\x00c\\x1b[2J\\x5c\n");
    sk_logged(kit, "xxx...\n");
    assert_true(strlen(kit->log) < 1200);
}

static void
given_wrong_arguments_when_logged_then_it_raises_at_the_call(void **state)
{
    bk_run(*state,
           "try(function() kelpie.log('wran', 'x') end)\n"
           "try(function() kelpie.log('horrible', 'x') end)\n"
           "try(function() kelpie.log() end)\n"
           "try(function() kelpie.log('info') end)\n"
           "try(function() kelpie.log('info', {}) end)\n"
           "try(function() kelpie.log('info', '%d', 'x') end)\n"
           "try(function() kelpie.log('info', '100%') end)\n"
           "local own = setmetatable({}, { __tostring = function() error({}) end })\n"
           "print(type(select(2, pcall(kelpie.log, 'info', '%s', own))))",
           "run.lua:1: bad argument #1 to 'log' (unknown level 'wran' (did you mean "
           "'warn'?))\n"
           "run.lua:2: bad argument #1 to 'log' (unknown level 'horrible'; it is "
           "\"error\", \"warn\", \"info\" or \"debug\")\n"
           "run.lua:3: bad argument #1 to 'log' (string expected, got no value)\n"
           "run.lua:4: bad argument #2 to 'log' (string expected, got no value)\n"
           "run.lua:5: bad argument #2 to 'log' (string expected, got table)\n"
           "run.lua:6: kelpie.log: bad argument #2 to 'string.format' (number "
           "expected, got string)\n"
           "run.lua:7: kelpie.log: bad argument #2 to 'string.format' (no value)\n"
           "table\n");
}

static void
given_a_kill_within_a_log_when_it_comes_then_it_ends_the_handler(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit,
           "local own = setmetatable({}, { __tostring = function() test.kill() end })\n"
           "pcall(kelpie.log, 'info', '%s', own) print('never')");

    sk_printed(kit, "");
    assert_int_equal(kit->script.handler_kills, 1);
}

static void
given_string_format_replaced_when_logged_then_the_original_is_used(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "string.format = nil kelpie.log('info', '%d', 5)");

    assert_string_equal(kit->log, "info: script 1: 5\n");
}

static void
fill_stats(void *arg, struct kelpie_stats *stats)
{
    (void)arg;
    stats->generation = 3;
    stats->clients = 2;
    stats->accept_pauses = 1;
    stats->bytes_in = UINT64_C(1) << 40;
}

static void
given_counters_when_read_then_they_are_integers_with_their_names(void **state)
{
    struct script_kit *kit = *state;

    kit->script.hooks.stats = fill_stats;
    bk_run(kit,
           "local s, n = kelpie.stats(), 0\n"
           "for name, value in pairs(s) do n = n + 1\n"
           "   assert(type(name) == 'string' and math.type(value) == 'integer') end\n"
           "print(n, s.generation, s.clients, s.accept_pauses, s.bytes_in, s.closed)",
           "34\t3\t2\t1\t1099511627776\t0\n");
    assert_int_equal(sizeof(struct kelpie_stats), sizeof(size_t) + 34 * sizeof(uint64_t));
}

static void
note_reload(void *arg)
{
    strcat(((struct script_kit *)arg)->printed, "reload\n");
}

static void
note_shutdown(void *arg)
{
    strcat(((struct script_kit *)arg)->printed, "shutdown\n");
}

static void
given_requests_when_made_then_the_server_is_asked(void **state)
{
    struct script_kit *kit = *state;

    kit->script.hooks.reload = note_reload;
    kit->script.hooks.shutdown = note_shutdown;
    bk_run(kit, "print(select('#', kelpie.reload(), kelpie.shutdown()))",
           "reload\nshutdown\n1\n");
    kit->script.hooks.reload = kit->script.hooks.shutdown = NULL;
    kit->script.hooks.stats = NULL;
    bk_run(kit, "kelpie.reload() kelpie.shutdown() print(kelpie.stats().clients)", "0\n");
}

/* --- strings and fields ------------------------------------------------------------------ */

static void
given_the_module_when_its_fields_are_read_then_they_tell_version_and_generation(
    void **state)
{
    struct script_kit *kit = *state;

    bk_run(kit, "print(kelpie.generation, kelpie.version)",
           "1\t" KELPIE_VERSION_STRING "\n");
    sk_load(kit, "return {}");
    bk_run(kit, "print(kelpie.generation, math.type(kelpie.generation))", "2\tinteger\n");
}

/* --- no memory --------------------------------------------------------------------------- */

static void
given_no_memory_when_the_module_is_used_then_nothing_breaks(void **state)
{
    (void)state;

    bk_fail_each_allocation(
        "return { on_input = function()\n"
        "   pcall(kelpie.broadcast, 'hello') pcall(kelpie.stats)\n"
        "   pcall(kelpie.log, 'info', '%s %s', 'x', {}) pcall(kelpie.log, 'wran', 'x')\n"
        "   pcall(function() for conn in kelpie.conns() do conn:send(conn.peer) end "
        "end)\n"
        "   pcall(kelpie.spawn, kelpie.sleep, 0.5) pcall(kelpie.trim, ' text ' .. 1)\n"
        "   pcall(kelpie.spawn, function(...) return { ... } end, 1, 2, 3)\n"
        "   pcall(kelpie.sleep, 0.2)\n"
        "end }");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
        T(given_connections_when_broadcast_then_all_but_one_get_it),
        T(given_what_is_no_message_when_broadcast_then_it_raises),
        T(given_connections_when_walked_then_they_come_by_number),
        T(given_ids_and_numbers_when_asked_for_then_only_open_connections_are_found),
        T(given_a_script_that_loads_when_it_acts_then_it_raises),
        T(given_the_clock_when_it_moves_then_now_tells_seconds),
        T(given_a_handler_when_it_sleeps_then_it_goes_on_after_that_time),
        T(given_a_retired_generation_when_it_sleeps_too_long_then_it_is_told),
        T(given_too_many_functions_when_one_more_is_spawned_then_full),
        T(given_a_function_when_spawned_then_it_runs_beside_with_its_arguments),
        T(given_what_is_no_function_when_spawned_then_it_raises),
        T(given_levels_when_logged_then_records_have_the_generation),
        T(given_bytes_of_clients_when_logged_then_they_are_escaped_and_cut),
        T(given_wrong_arguments_when_logged_then_it_raises_at_the_call),
        T(given_a_kill_within_a_log_when_it_comes_then_it_ends_the_handler),
        T(given_string_format_replaced_when_logged_then_the_original_is_used),
        T(given_counters_when_read_then_they_are_integers_with_their_names),
        T(given_requests_when_made_then_the_server_is_asked),
        T(given_the_module_when_its_fields_are_read_then_they_tell_version_and_generation),
        cmocka_unit_test(given_no_memory_when_the_module_is_used_then_nothing_breaks),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
