/*
 * test_carry_graph.c - random values cross, and cross again, and are what they were
 *
 * The graphs are made in Lua from a seed, before the reload and after it, and the carried one
 * is compared with the new one: content, number subtypes, sharing and cycles, by walking both
 * with a table of twins.
 */
#include "reload_kit.h"

static const char graph_lua[] =
    "local M = {}\n"
    "local function random(seed)\n"
    "   local state = seed\n"
    "   return function(n)\n"
    "      state = state * 6364136223846793005 + 1442695040888963407\n"
    "      return (state >> 33) % n + 1\n"
    "   end\n"
    "end\n"
    "function M.make(seed)\n"
    "   local r = random(seed)\n"
    "   local nodes, n = {}, r(40)\n"
    "   for i = 1, n do nodes[i] = {} end\n"
    "   local makers = {\n"
    "      function() return r(1000) - 500 end,\n"
    "      function() return (r(1000) - 500) / 7 end,\n"
    "      function()\n"
    "         local b = {}\n"
    "         for i = 1, r(20) - 1 do b[i] = string.char(r(256) - 1) end\n"
    "         return table.concat(b)\n"
    "      end,\n"
    "      function() return r(2) == 1 end,\n"
    "      function() return math.mininteger + r(3) end,\n"
    "      function() return 1 / 0 end,\n"
    "      function() return 2 ^ 53 + r(10) end,\n"
    "      function() return ('x'):rep(r(200)) end,\n"
    "      function() return r(2) == 1 and -0.0 or 0 / 0 end,\n"
    "   }\n"
    "   local function scalar() return makers[r(#makers)]() end\n"
    "   for i = 1, n do\n"
    "      for _ = 1, r(12) - 1 do\n"
    "         local key = r(3) == 1 and nodes[r(n)] or scalar()\n"
    "         local value = r(2) == 1 and nodes[r(n)] or scalar()\n"
    "         if key == key then nodes[i][key] = value end\n"
    "      end\n"
    "      for j = 1, r(5) - 1 do nodes[i][j] = nodes[r(n)] end\n"
    "   end\n"
    "   return nodes\n"
    "end\n"
    "local function same(a, b, twin)\n"
    "   if type(a) == 'table' then return twin[a] == b end\n"
    "   if math.type(a) ~= math.type(b) then return false end\n"
    "   if a == 0 then return b == 0 and 1 / a == 1 / b end\n"
    "   return a == b or (a ~= a and b ~= b)\n"
    "end\n"
    "function M.compare(expected, actual)\n"
    "   local twin, used = {}, {}\n"
    "   assert(#expected == #actual)\n"
    "   for i, node in ipairs(expected) do\n"
    "      assert(not used[actual[i]])\n"
    "      used[actual[i]] = true\n"
    "      twin[node] = actual[i]\n"
    "   end\n"
    "   for i, node in ipairs(expected) do\n"
    "      local n = 0\n"
    "      for k, v in pairs(node) do\n"
    "         assert(same(v, actual[i][twin[k] or k], twin))\n"
    "         n = n + 1\n"
    "      end\n"
    "      for _ in pairs(actual[i]) do n = n - 1 end\n"
    "      assert(n == 0)\n"
    "   end\n"
    "end\n"
    "return M\n";

static void
given_random_graphs_when_carried_twice_then_they_are_what_they_were(void **state)
{
    struct reload_kit *kit = *state;
    static const char check[] =
        "local kelpie, graph = require('kelpie'), require('graph')\n"
        "for seed = 1, 150 do\n"
        "   local x = kelpie.keep('x' .. seed, {})\n"
        "   graph.compare(graph.make(seed), x.nodes)\n"
        "end\n"
        "return {}";
    rk_write(kit, "graph.lua", graph_lua);
    rk_must_load(kit, "local kelpie, graph = require('kelpie'), require('graph')\n"
                      "for seed = 1, 150 do\n"
                      "   kelpie.keep('x' .. seed, { nodes = graph.make(seed) })\n"
                      "end\n"
                      "return {}");

    rk_must_load(kit, check);
    rk_must_load(kit, check);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_random_graphs_when_carried_twice_then_they_are_what_they_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
