/*
 * test_coroutine.c - the coroutine library, pcall and xpcall, as scripts see them
 */
#include <string.h>

#include "script_kit.h"

/* A loop without end; the clock moves only when the script says so, hence inside. */
#define ENDLESS "local function endless() while true do test.advance(1) end end "

/* Runs a text that has to be killed, and asserts that it was, and that the state lives on. */
static void
must_be_killed(struct script_kit *kit, const char *text)
{
    uint64_t kills = kit->script.handler_kills;

    sk_run(kit, text);
    assert_int_equal(kit->script.handler_kills, kills + 1);
    sk_logged(kit, "ran longer than 100 ms");
    sk_printed(kit, "");
    sk_run(kit, "print(pcall(error, 'alive', 0))");
    sk_printed(kit, "false\talive\n");
}

/* --- as in the manual ------------------------------------------------------------------ */

static void
given_a_coroutine_when_it_yields_then_values_go_both_ways(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local co = coroutine.create(function(a, b)\n"
                "   local c = coroutine.yield(a + b)\n"
                "   local d, e = coroutine.yield(c * 2)\n"
                "   return d .. e, 'end'\n"
                "end)\n"
                "print(coroutine.resume(co, 1, 2))\n"
                "print(coroutine.status(co))\n"
                "print(coroutine.resume(co, 5))\n"
                "print(coroutine.resume(co, 'x', 'y'))\n"
                "print(coroutine.status(co))\n"
                "print(coroutine.resume(co))\n");

    sk_printed(kit, "true\t3\nsuspended\ntrue\t10\ntrue\txy\tend\ndead\n"
                    "false\tcannot resume dead coroutine\n");
}

static void
given_a_coroutine_when_it_raises_then_resume_gives_the_error_value(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local co = coroutine.create(function() error({ code = 7 }) end)\n"
                "local ok, e = coroutine.resume(co)\n"
                "print(ok, e.code, coroutine.status(co), coroutine.close(co) == false)\n"
                "print(coroutine.close(co))\n"
                "print(coroutine.resume(coroutine.create(function() error() end)))");

    sk_printed(kit, "false\t7\tdead\ttrue\ntrue\nfalse\tnil\n");
}

static void
given_wrap_when_it_iterates_and_raises_then_as_in_lua(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local f = coroutine.wrap(function() for i = 1, 3 do\n"
                "coroutine.yield(i) end end)\n"
                "print(f(), f(), f(), f())\n"
                "print(pcall(f))\n"
                "local g = coroutine.wrap(function() error('deep') end)\n"
                "print(pcall(g))\n"
                "local t = {}\n"
                "local h = coroutine.wrap(function() error(t) end)\n"
                "print(select(2, pcall(h)) == t)");

    sk_printed(kit, "1\t2\t3\nfalse\tcannot resume dead coroutine\n"
                    "false\trun.lua:5: deep\ntrue\n");
}

static void
given_wrap_when_it_raises_then_its_variables_are_closed(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local f = coroutine.wrap(function()\n"
                "   local x <close> = setmetatable({}, { __close = function(_, e)\n"
                "      print('closed', e) end })\n"
                "   error('oops', 0)\n"
                "end)\n"
                "print(pcall(f))");

    sk_printed(kit, "closed\toops\nfalse\toops\n");
}

static void
given_a_suspended_coroutine_when_closed_then_its_variables_are_closed(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local co = coroutine.create(function()\n"
                "   local x <close> = setmetatable({}, { __close = function()\n"
                "      print('closed') end })\n"
                "   coroutine.yield()\n"
                "end)\n"
                "coroutine.resume(co)\n"
                "print(coroutine.close(co), coroutine.status(co))\n"
                "local bad = coroutine.create(function()\n"
                "   local x <close> = setmetatable({}, { __close = function()\n"
                "      error('in close', 0) end })\n"
                "   coroutine.yield()\n"
                "end)\n"
                "coroutine.resume(bad)\n"
                "print(coroutine.close(bad))");

    sk_printed(kit, "closed\ntrue\tdead\nfalse\tin close\n");
}

static void
given_all_states_when_asked_then_status_and_running_tell(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local outer\n"
                "outer = coroutine.create(function()\n"
                "   local inner = coroutine.create(function()\n"
                "      print(coroutine.status(outer), coroutine.isyieldable())\n"
                "      print(coroutine.resume(outer))\n"
                "      print(pcall(coroutine.close, outer))\n"
                "      print(select(2, coroutine.running()))\n"
                "   end)\n"
                "   print(coroutine.status(coroutine.running()))\n"
                "   coroutine.resume(inner)\n"
                "end)\n"
                "print(coroutine.status(outer), coroutine.isyieldable(outer))\n"
                "coroutine.resume(outer)\n"
                "print(select(2, coroutine.running()), coroutine.isyieldable())\n"
                "print(pcall(coroutine.close, (coroutine.running())))");

    sk_printed(kit, "suspended\ttrue\nrunning\nnormal\ttrue\n"
                    "false\tcannot resume non-suspended coroutine\n"
                    "false\tcannot close a normal coroutine\nfalse\ntrue\tfalse\n"
                    "false\tcannot close a running coroutine\n");
}

static void
given_a_handler_when_it_yields_itself_then_that_raises(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(pcall(coroutine.yield, 1))");

    sk_printed(kit, "false\tattempt to yield from outside a coroutine\n");
}

static void
given_wrong_arguments_when_called_then_they_raise(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(pcall(coroutine.create, 1))\n"
                "print(pcall(coroutine.resume, 1))\n"
                "print(pcall(coroutine.wrap))\n"
                "print(pcall(pcall))\n"
                "print(pcall(xpcall, print))");

    sk_printed(
        kit,
        "false\tbad argument #1 to 'coroutine.create' (function expected, got number)\n"
        "false\tbad argument #1 to 'coroutine.resume' (coroutine expected, got number)\n"
        "false\tbad argument #1 to 'coroutine.wrap' (function expected, got no value)\n"
        "false\tbad argument #1 to 'pcall' (value expected)\n"
        "false\tbad argument #2 to 'xpcall' (function expected, got no value)\n");
}

static void
given_too_many_values_when_passed_then_resume_says_so(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit,
           "local big = {}\n"
           "for i = 1, 600000 do big[i] = i end\n"
           "local full = coroutine.create(function()\n"
           "   (function(...) coroutine.yield() end)(table.unpack(big, 1, 600000)) end)\n"
           "print(coroutine.resume(full))\n"
           "print(coroutine.resume(full, table.unpack(big, 1, 500000)))\n"
           "local giver = coroutine.create(function()\n"
           "   return table.unpack(big, 1, 600000) end)\n"
           "local function many(...)\n"
           "   local ok, e = coroutine.resume(giver) return ok, e end\n"
           "print(many(table.unpack(big, 1, 500000)))");

    sk_printed(kit, "true\nfalse\ttoo many arguments to resume\n"
                    "false\ttoo many results to resume\n");
}

/* --- protected calls ------------------------------------------------------------------- */

static void
given_pcall_when_it_ends_or_raises_then_as_in_lua(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(pcall(function(...) return ... end, 1, nil, 3))\n"
                "print(pcall(error))\n"
                "print(pcall(error, 'x', 0))\n"
                "print(select('#', pcall(function() end)))\n"
                "print(xpcall(function(a) return a * 2 end, print, 21))\n"
                "print(xpcall(error, function(e) return 'handled ' .. e end, 'x'))\n"
                "print(xpcall(error, function(e) return e end, nil))");

    sk_printed(kit, "true\t1\tnil\t3\nfalse\tnil\nfalse\tx\n1\ntrue\t42\n"
                    "false\thandled x\nfalse\tnil\n");
}

static void
given_a_message_handler_that_raises_when_called_then_the_error_ends_somewhere(
    void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local ok = xpcall(error, function(e) error('again') end, 'x')\n"
                "print(ok)");

    sk_printed(kit, "false\n");
}

/* --- suspension ------------------------------------------------------------------------ */

static void
given_nested_coroutines_when_the_inner_sleeps_then_the_handler_is_suspended(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local f = coroutine.wrap(function()\n"
                "   local g = coroutine.create(function(a)\n"
                "      kelpie.sleep(1)\n"
                "      local b = coroutine.yield(a + 1)\n"
                "      kelpie.sleep(1)\n"
                "      return b .. '!'\n"
                "   end)\n"
                "   print(coroutine.resume(g, 1))\n"
                "   kelpie.sleep(1)\n"
                "   print(coroutine.resume(g, 'x'))\n"
                "   return 'done'\n"
                "end)\n"
                "print(f())");
    sk_printed(kit, "");

    sk_pass(kit, 1000);
    sk_printed(kit, "true\t2\n");
    sk_pass(kit, 1000);
    sk_printed(kit, "");
    sk_pass(kit, 1000);
    sk_printed(kit, "true\tx!\ndone\n");
}

static void
given_pcall_when_a_suspension_is_inside_then_it_works_and_errors_are_caught(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(pcall(function() kelpie.sleep(1) return 'slept' end))\n"
                "print(pcall(function() kelpie.sleep(1) error('after', 0) end))\n"
                "print(xpcall(function() kelpie.sleep(1) error('third', 0) end,\n"
                "   function(e) return 'seen ' .. e end))\n"
                "print(pcall(coroutine.wrap(function()\n"
                "   pcall(kelpie.sleep, 1) error('fourth', 0) end)))");
    for (int i = 0; i < 4; i++)
        sk_pass(kit, 1000);

    sk_printed(kit, "true\tslept\nfalse\tafter\nfalse\tseen third\nfalse\tfourth\n");
}

static void
given_metamethods_and_iterators_when_they_sleep_then_they_go_on(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local t = setmetatable({}, { __index = function(_, k)\n"
                "   kelpie.sleep(1) return k .. k end })\n"
                "print(t.a)\n"
                "for x in function(_, i) kelpie.sleep(1)\n"
                "   if not i then return 1 end end do print(x) end\n"
                "do\n"
                "   local x <close> = setmetatable({}, { __close = function()\n"
                "      kelpie.sleep(1) print('closed') end })\n"
                "end\n");
    for (int i = 0; i < 4; i++)
        sk_pass(kit, 1000);

    sk_printed(kit, "aa\n1\nclosed\n");
}

static void
given_a_c_function_in_between_when_suspending_then_it_raises_there(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "print(pcall(table.sort, { 2, 1 }, function(a, b)\n"
                "   kelpie.sleep(1) return a < b end))\n"
                "print((string.gsub('x', 'x', function()\n"
                "   local co = coroutine.wrap(function()\n"
                "      return tostring(select(2, pcall(kelpie.sleep, 1))) end)\n"
                "   return co() end)))\n"
                "kelpie.sleep(1) print('still able to')");
    sk_pass(kit, 1000);

    sk_printed(
        kit,
        "false\trun.lua:2: cannot wait here: called by a C function such as table.sort "
        "or kelpie.critical\n"
        "cannot wait here: called by a C function such as table.sort or kelpie.critical\n"
        "still able to\n");
}

static void
given_a_coroutine_that_waits_when_another_handler_touches_it_then_it_is_busy(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "shared = false return {}");
    sk_run(kit, "shared = coroutine.create(function() kelpie.sleep(1) return 'own' end)\n"
                "print(coroutine.resume(shared))");
    sk_run(kit, "print(coroutine.status(shared))\n"
                "print(coroutine.resume(shared))\n"
                "print(pcall(coroutine.close, shared))");
    sk_pass(kit, 1000);

    sk_printed(kit, "normal\nfalse\tcannot resume non-suspended coroutine\n"
                    "false\tcannot close a normal coroutine\ntrue\town\n");
}

static void
given_a_handlers_own_coroutine_when_kept_then_nobody_can_use_it(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "shared = false return {}");
    sk_run(kit, "shared = coroutine.running() kelpie.sleep(1) print('first')");
    sk_run(kit, "print(coroutine.status(shared), coroutine.resume(shared))");
    sk_pass(kit, 1000);
    sk_run(kit, "kelpie.spawn(function(...) print(...) end, 1, 2)\n"
                "print(coroutine.status(shared), coroutine.resume(shared))\n"
                "print(coroutine.close(shared))");

    sk_printed(kit, "normal\tfalse\tcannot resume non-suspended coroutine\nfirst\n"
                    "dead\tfalse\tcannot resume dead coroutine\ntrue\n1\t2\n");
}

/* --- kills ----------------------------------------------------------------------------- */

static void
given_endless_loops_when_protected_in_any_way_then_they_are_killed(void **state)
{
    static const char *const attacks[] = {
        "endless()",
        "pcall(endless) print('swallowed')",
        "while true do pcall(endless) end",
        "while true do pcall(pcall, pcall, endless) end",
        "xpcall(endless, function() print('handler') end) print('swallowed')",
        "xpcall(endless, endless)",
        "xpcall(error, endless, 'x') print('swallowed')",
        "local function again() return xpcall(error, again, 1) end again() endless()",
        "coroutine.resume(coroutine.create(endless)) print('swallowed')",
        "coroutine.wrap(endless)() print('swallowed')",
        "while true do pcall(coroutine.wrap(endless)) end",
        "coroutine.wrap(function() coroutine.wrap(endless)() end)() print('no')",
        "while true do coroutine.wrap(function() test.advance(1) end)() end",
        "local co = coroutine.create(endless) pcall(coroutine.resume, co)\n"
        "coroutine.close(co) print('swallowed')",
        "local co = coroutine.wrap(function()\n"
        "   local x <close> = setmetatable({}, { __close = endless })\n"
        "   endless() end) pcall(co) print('swallowed')",
        "do local x <close> = setmetatable({}, { __close = endless }) end",
        "local co = coroutine.create(function()\n"
        "   local x <close> = setmetatable({}, { __close = endless })\n"
        "   coroutine.yield() end)\n"
        "coroutine.resume(co) coroutine.close(co) print('swallowed')",
        "local co = coroutine.wrap(function()\n"
        "   local x <close> = setmetatable({}, { __close = endless })\n"
        "   error('x') end) pcall(co) print('swallowed')",
        "local t = setmetatable({}, { __index = endless }) pcall(function()\n"
        "   return t.x end) print('swallowed')",
        "pcall(table.sort, { 3, 2, 1 }, endless) print('swallowed')",
        "pcall(string.gsub, 'xxx', 'x', endless) print('swallowed')",
        "load(endless) print('swallowed')",
        "error(setmetatable({}, { __tostring = endless })) print('no')",
        "print(setmetatable({}, { __tostring = endless }))",
        "local function f() return pcall(f) end while true do f() test.advance(1) end",
        "for _ in coroutine.wrap(function() while true do test.advance(1)\n"
        "   coroutine.yield(1) end end) do end",
        "kelpie.spawn(print) local x <close> = setmetatable({}, { __close =\n"
        "   function() pcall(endless) endless() end }) pcall(endless)",
        "while true do pcall(error, setmetatable({}, { __tostring = error })) "
        "test.advance(1) end",
        "goto a ::a:: test.advance(1) pcall(coroutine.wrap(function() end)) goto a",
    };
    struct script_kit *kit = *state;

    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        char text[1024];

        sk_pass(kit, 2000); /* past the limit of equal records */
        kit->log[0] = '\0';
        snprintf(text, sizeof text, "%s%s", ENDLESS, attacks[i]);
        if (strstr(attacks[i], "kelpie.spawn") || strstr(attacks[i], "error(setm")) {
            sk_run(kit, text); /* the kill comes while it is reported or closed */
            kit->printed[0] = '\0';
            continue;
        }
        must_be_killed(kit, text);
    }
}

static void
given_a_killed_coroutine_when_its_owner_comes_back_then_it_is_dead(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "shared = false return {}");
    must_be_killed(kit, ENDLESS "shared = coroutine.create(function()\n"
                                "   local x <close> = setmetatable({}, { __close =\n"
                                "      endless })\n"
                                "   endless() end)\n"
                                "coroutine.resume(shared)");
    sk_run(kit, "print(coroutine.status(shared))\n"
                "print(coroutine.close(shared))\n"
                "print(coroutine.resume(shared))");

    sk_printed(kit, "dead\nfalse\tthe coroutine ran too long\n"
                    "false\tcannot resume dead coroutine\n");
}

static void
given_a_kill_when_there_are_other_coroutines_then_they_still_work(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "shared = coroutine.wrap(function() for i = 1, 3000 do\n"
                 "   coroutine.yield(i) end end) return {}");
    sk_run(kit, "print(shared())");
    sk_printed(kit, "1\n");
    must_be_killed(kit, ENDLESS "shared() endless()");
    sk_run(kit, "for i = 1, 2000 do shared() end print(shared())");

    sk_printed(kit, "2003\n");
}

/* --- depth ----------------------------------------------------------------------------- */

static void
given_a_chain_of_closes_when_closed_then_its_depth_is_limited(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.handler_timeout_ns = 0;
    sk_run(kit, "local last\n"
                "for i = 1, 5000 do\n"
                "   local before = last\n"
                "   last = coroutine.create(function()\n"
                "      local x <close> = setmetatable({}, { __close = function()\n"
                "         if not before then return end\n"
                "         local ok, e = coroutine.close(before)\n"
                "         if not ok then error(e, 0) end end })\n"
                "      coroutine.yield()\n"
                "   end)\n"
                "   coroutine.resume(last)\n"
                "end\n"
                "local ok, e = coroutine.close(last)\n"
                "print(ok, e)");

    sk_printed(kit, "false\trun.lua:7: too many coroutines closed within each other\n");
}

static void
given_a_chain_with_deep_calls_when_closed_then_the_c_stack_holds(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.handler_timeout_ns = 0;
    sk_run(kit, "local last\n"
                "local function deep(n, f)\n"
                "   if n == 0 then return f() end\n"
                "   string.gsub('x', 'x', function() deep(n - 1, f) end)\n"
                "end\n"
                "for i = 1, 200 do\n"
                "   local before = last\n"
                "   last = coroutine.create(function()\n"
                "      local x <close> = setmetatable({}, { __close = function()\n"
                "         deep(60, function()\n"
                "            if before then coroutine.close(before) end end) end })\n"
                "      coroutine.yield()\n"
                "   end)\n"
                "   coroutine.resume(last)\n"
                "end\n"
                "print((coroutine.close(last)))");

    sk_printed(kit, "true\n");
}

static void
given_endless_nesting_when_run_then_it_is_an_error_and_no_crash(void **state)
{
    struct script_kit *kit = *state;

    kit->script.limits.handler_timeout_ns = 0;
    sk_run(kit, "local function f() return coroutine.wrap(f)() end\n"
                "print((pcall(f)))\n"
                "local function g() return (pcall(g)) end\n"
                "print(g())\n"
                "local function h() local ok = xpcall(h, h) return ok end\n"
                "print(type(h()))");

    sk_printed(kit, "false\ntrue\nboolean\n");
}

static void
given_protected_calls_within_each_other_when_two_hundred_then_the_next_one_raises(
    void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit,
           "local co local deepest = 0\n"
           "local function f(n) deepest = math.max(deepest, n)\n"
           "   coroutine.yield() local ok, e = pcall(f, n + 1)\n"
           "   if not ok then print(n, e) end return n end\n"
           "co = coroutine.create(f) local ok, n coroutine.resume(co, 0)\n"
           "repeat ok, n = coroutine.resume(co) until coroutine.status(co) == 'dead'\n"
           "print(ok, n, deepest) print(pcall(pcall, pcall, error, 1))");

    sk_printed(kit, "199\trun.lua:3: too many protected calls within each other\n"
                    "true\t0\t200\ntrue\ttrue\tfalse\t1\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(
            given_protected_calls_within_each_other_when_two_hundred_then_the_next_one_raises),
        TEST(given_a_coroutine_when_it_yields_then_values_go_both_ways),
        TEST(given_a_coroutine_when_it_raises_then_resume_gives_the_error_value),
        TEST(given_wrap_when_it_iterates_and_raises_then_as_in_lua),
        TEST(given_wrap_when_it_raises_then_its_variables_are_closed),
        TEST(given_a_suspended_coroutine_when_closed_then_its_variables_are_closed),
        TEST(given_all_states_when_asked_then_status_and_running_tell),
        TEST(given_a_handler_when_it_yields_itself_then_that_raises),
        TEST(given_wrong_arguments_when_called_then_they_raise),
        TEST(given_too_many_values_when_passed_then_resume_says_so),
        TEST(given_pcall_when_it_ends_or_raises_then_as_in_lua),
        TEST(
            given_a_message_handler_that_raises_when_called_then_the_error_ends_somewhere),
        TEST(given_nested_coroutines_when_the_inner_sleeps_then_the_handler_is_suspended),
        TEST(given_pcall_when_a_suspension_is_inside_then_it_works_and_errors_are_caught),
        TEST(given_metamethods_and_iterators_when_they_sleep_then_they_go_on),
        TEST(given_a_c_function_in_between_when_suspending_then_it_raises_there),
        TEST(
            given_a_coroutine_that_waits_when_another_handler_touches_it_then_it_is_busy),
        TEST(given_a_handlers_own_coroutine_when_kept_then_nobody_can_use_it),
        TEST(given_endless_loops_when_protected_in_any_way_then_they_are_killed),
        TEST(given_a_killed_coroutine_when_its_owner_comes_back_then_it_is_dead),
        TEST(given_a_kill_when_there_are_other_coroutines_then_they_still_work),
        TEST(given_a_chain_of_closes_when_closed_then_its_depth_is_limited),
        TEST(given_a_chain_with_deep_calls_when_closed_then_the_c_stack_holds),
        TEST(given_endless_nesting_when_run_then_it_is_an_error_and_no_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
