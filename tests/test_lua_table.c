/*
 * test_lua_table.c - our loops of the table library: as Lua's, but they can be ended
 *
 * The comparison runs one script in two states, with Lua's own table library and with ours.
 * It draws calls and tables from one seed, writes down what came of each, and both must have
 * written the same. Where Lua promises no order (sort of what is equal, or cannot be compared)
 * only what is promised is written down.
 */
#include "bind_kit.h"
#include "pattern_kit.h"

#include <lauxlib.h>

/* ---- as Lua's ------------------------------------------------------------------------ */

static const char helpers[] =
    "local state = 88172645463325252\n"
    "local function below(n)\n"
    "   state = state ~ (state << 13) state = state ~ (state >> 7)\n"
    "   state = state ~ (state << 17) return (state >> 33) % n\n"
    "end\n"
    "local function pick(t) return t[below(#t) + 1] end\n"
    "local function pick_n(t, n) return t[below(n) + 1] end\n"
    "local function number() return below(20) == 0 and (below(100) / 4) or below(50) "
    "end\n"
    "local max, min = math.maxinteger, math.mininteger\n"
    "local function place()\n"
    "   local kind = below(12)\n"
    "   if kind == 0 then return pick({ max, min, max - 1, min + 1 }) end\n"
    "   if kind == 1 then return pick({ 1.0, 1.5, '2', 'x', '0x3' }) end\n"
    "   return below(9) - 2\n"
    "end\n"
    /* A table with holes now and then; sometimes one behind metamethods. */
    "local function list()\n"
    "   local t = {}\n"
    "   for i = 1, below(7) do\n"
    "      t[i] = below(25) == 0 and pick_n({ nil, true, {} }, 3) or number()\n"
    "   end\n"
    "   if below(6) == 0 then t[below(9) - 1] = number() end\n"
    "   if below(20) == 0 then t[max] = 1 t[min] = 2 t[max - 1] = 3 end\n"
    "   local kind = below(16)\n"
    "   if kind == 0 then\n"
    "      return setmetatable({}, { __index = t, __newindex = t, __len = function()\n"
    "         return #t end }), t\n"
    "   elseif kind == 1 then\n"
    "      local length = pick({ 3, 0, -1, 5, 1.5, 'x', '2', max, min, 2.0 })\n"
    "      if length == max and below(2) == 0 then t[max] = 5 end\n"
    "      return setmetatable(t, { __len = function() return length end }), t\n"
    "   elseif kind == 2 then\n"
    "      return setmetatable({}, { __index = function(_, i) return i end,\n"
    "         __newindex = function(_, k) error('no ' .. k, 0) end,\n"
    "         __len = function() return 3 end }), t, true\n"
    "   elseif kind == 3 and below(4) == 0 then\n"
    "      return pick({ 1, 'text', true, print }), t\n"
    "   end\n"
    "   return t, t\n"
    "end\n"
    "local log, n = {}, 0\n"
    "local function write(...)\n"
    "   for i = 1, select('#', ...) do\n"
    "      local value = select(i, ...)\n"
    "      if type(value) == 'table' or type(value) == 'function' then\n"
    "         value = type(value) end\n"
    "      n = n + 1 log[n] = tostring(value)\n"
    "   end\n"
    "   n = n + 1 log[n] = '\\n'\n"
    "end\n"
    "local function content(t)\n"
    "   local keys = {}\n"
    "   for k in next, t do if math.type(k) == 'integer' then keys[#keys + 1] = k end "
    "end\n"
    "   local text = {}\n"
    "   for i = 1, #keys do for j = i + 1, #keys do\n"
    "      if keys[j] < keys[i] then keys[i], keys[j] = keys[j], keys[i] end\n"
    "   end end\n"
    "   for i, k in ipairs(keys) do\n"
    "      local value = rawget(t, k)\n"
    "      text[i] = k .. '=' .. (type(value) == 'table' and '{}' or tostring(value))\n"
    "   end\n"
    "   local all = '' for i = 1, #text do all = all .. text[i] .. ' ' end\n"
    "   return all\n"
    "end\n"
    "local function finish() local all = {} for i = 1, n, 200 do local part = ''\n"
    "   for j = i, i + 199 do part = part .. (log[j] or '') .. ' ' end all[#all + 1] = "
    "part\n"
    "   end return all end\n";

/* Up to 5.4.4 Lua blames remove's first argument for the second one. */
static const char renumber[] =
    "local function renumbered(ok, value)\n"
    "   if ok then return ok, value end\n"
    "   return ok, (value:gsub('#1( .* %(position out of bounds%))', '#2%1'))\n"
    "end\n";

/* A move, insert or remove over 2^62 places would not end in Lua's own functions. */
static const char calls[] =
    "local function is_small(i) return i and i > -100 and i < 100 end\n"
    "for i = 1, N do\n"
    "   local t, raw, endless = list()\n"
    "   local what = below(5)\n"
    "   if what == 0 then\n"
    "      local from, to = pick_n({ nil, place() }, 2), pick_n({ nil, place() }, 2)\n"
    "      if endless then\n"
    "         from = is_small(tonumber(from)) and from or 1\n"
    "         to = is_small(tonumber(to)) and to or 4\n"
    "      end\n"
    "      write('concat', pcall(table.concat, t, pick_n({ nil, ',', '', 7, {} }, 5), "
    "from,\n"
    "         to))\n"
    "   elseif what == 1 then\n"
    "      local ok, size = pcall(function() return #t end)\n"
    "      local at = place()\n"
    "      if ok and (size == max or size == min) then at = size == max and max or 1 "
    "end\n"
    "      if below(3) == 0 then write('insert', pcall(table.insert, t, at))\n"
    "      elseif below(20) == 0 then write('insert', pcall(table.insert, t, at, 1, 2))\n"
    "      elseif size ~= max then write('insert', pcall(table.insert, t, at, "
    "number()))\n"
    "      end\n"
    "   elseif what == 2 then\n"
    "      local ok, size = pcall(function() return #t end)\n"
    "      local at = place()\n"
    "      if ok and (size == max or size == -1) then at = size end\n"
    "      if below(2) == 0 then write('remove', pcall(table.remove, t))\n"
    "      else write('remove', renumbered(pcall(table.remove, t, at))) end\n"
    "   elseif what == 3 then\n"
    "      local from, to, at = place(), place(), place()\n"
    "      local a, b = tonumber(from), tonumber(to)\n"
    "      if not a or not b or b - a < 100 or b - a ~= b - a then\n"
    "         local other, raw2 = list()\n"
    "         if below(2) == 0 then other, raw2 = nil, nil end\n"
    "         local results = { pcall(table.move, t, from, to, at, other) }\n"
    "         write('move', results[1], results[2] == t, results[2] == other,\n"
    "            not results[1] and results[2])\n"
    "         if raw2 then write(content(raw2)) end\n"
    "      end\n"
    "   elseif not endless then\n"
    "      local order = pick_n({ nil, function(a, b) return a > b end, 3 }, below(20) "
    "== 0\n"
    "         and 3 or 2)\n"
    "      local ok, size = pcall(function() return #t end)\n"
    "      if not ok or math.type(size) ~= 'integer' or size < 100 or size == max then\n"
    "         local ok, text = pcall(table.sort, t, order)\n"
    "         write('sort', ok)\n"
    "         if ok then write((content(raw):gsub('%.0', ''))) raw = {} else raw = {}\n"
    "            write((text:gsub('compare.*', ''))) end\n"
    "      end\n"
    "   end\n"
    "   write(content(raw))\n"
    "end\n"
    "return finish()\n";

static void
run_calls(lua_State *L, int n)
{
    lua_settop(L, 0);
    lua_pushinteger(L, n);
    lua_setglobal(L, "N");
    lua_pushstring(L, helpers);
    lua_pushstring(L, renumber);
    lua_pushstring(L, calls);
    lua_concat(L, 3);
    if (luaL_dostring(L, lua_tostring(L, -1)) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
}

/* Fails with the first lines that differ. */
static void
assert_same_lines(const char *ours, const char *system)
{
    size_t i = 0, line = 0;

    for (; ours[i] != '\0' && ours[i] == system[i]; i++) {
        if (ours[i] == '\n')
            line = i + 1;
    }
    if (ours[i] != system[i])
        fail_msg("ours: %.300s\nLua's: %.300s", ours + line, system + line);
}

static void
given_random_calls_when_made_then_ours_and_those_of_lua_agree(void **state)
{
    struct pk_pair pair;

    (void)state;
    assert_int_equal(pk_open(&pair), 0);

    run_calls(pair.system, 60000);
    run_calls(pair.ours, 60000);

    lua_Integer n = luaL_len(pair.system, -1);
    assert_int_equal(luaL_len(pair.ours, -1), n);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(pair.system, -1, i);
        lua_geti(pair.ours, -1, i);
        assert_same_lines(lua_tostring(pair.ours, -1), lua_tostring(pair.system, -1));
        lua_pop(pair.system, 1);
        lua_pop(pair.ours, 1);
    }
    assert_true(n > 1000);
    pk_close(&pair);
}

/* ---- sort ---------------------------------------------------------------------------- */

static void
given_any_length_when_sorted_then_it_is_sorted(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local function check(n, range, order)\n"
                "   local t, sum = {}, 0\n"
                "   for i = 1, n do t[i] = math.random(range) sum = sum + t[i] end\n"
                "   local compares = 0\n"
                "   table.sort(t, function(a, b) compares = compares + 1\n"
                "      return order(a, b) end)\n"
                "   for i = 1, n do sum = sum - t[i]\n"
                "      assert(i == 1 or not order(t[i], t[i - 1])) end\n"
                "   assert(sum == 0 and #t == n)\n"
                "   assert(compares <= n * (math.log(n + 1, 2) + 1))\n"
                "end\n"
                "for n = 0, 70 do\n"
                "   check(n, 1000, function(a, b) return a < b end)\n"
                "   check(n, 3, function(a, b) return a > b end)\n"
                "end\n"
                "local words = { 'pear', 'fig', 'apple' } table.sort(words)\n"
                "print(table.concat(words, ' '))");

    sk_printed(kit, "apple fig pear\n");
    sk_logged_nothing(kit);
}

static void
given_an_order_that_is_none_when_sorting_then_it_ends_with_the_same_values(void **state)
{
    struct script_kit *kit = *state;

    sk_run(kit, "local t = {} for i = 1, 100 do t[i] = i end\n"
                "table.sort(t, function() return true end)\n"
                "table.sort(t, function() return math.random(2) == 1 end)\n"
                "table.sort(t) print(t[1], t[50], t[100], #t)\n"
                "local u = { 3, 1, 2 }\n"
                "print(pcall(table.sort, u, function() error('no', 0) end))\n"
                "print(table.concat(u, ' '))\n"
                "print(pcall(table.sort, { 2, 1 }, function() kelpie.sleep(1) end))");

    sk_printed(kit, "1\t50\t100\t100\nfalse\tno\n3 1 2\n"
                    "false\trun.lua:8: cannot wait here: called by a C function such as "
                    "table.sort or kelpie.critical\n");
}

/* ---- they can be ended --------------------------------------------------------------- */

static void
given_an_endless_loop_when_it_is_late_then_it_is_ended(void **state)
{
    struct script_kit *kit = *state;

    bk_run_endless(kit, "table.move({}, 1, 1 << 62, 2)");
    bk_run_endless(kit, "local long = { __len = function() return 1 << 62 end }\n"
                        "table.insert(setmetatable({}, long), 1, 0)");
    bk_run_endless(kit, "local long = { __len = function() return 1 << 62 end }\n"
                        "table.remove(setmetatable({}, long), 1)");
    bk_run_endless(kit,
                   "local t = setmetatable({}, { __index = function() return '' end })\n"
                   "table.concat(t, '', 1, 1 << 62)");
    bk_run_endless(kit, "local many = {} for i = 1, 1000 do many[i] = i end\n"
                        "while true do table.sort(many, rawequal) end");

    sk_run(kit, "print(table.concat({ 1, 2 }, '+'))");
    sk_printed(kit, "1+2\n");
}

#define TABLE_TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_random_calls_when_made_then_ours_and_those_of_lua_agree),
        TABLE_TEST(given_any_length_when_sorted_then_it_is_sorted),
        TABLE_TEST(
            given_an_order_that_is_none_when_sorting_then_it_ends_with_the_same_values),
        TABLE_TEST(given_an_endless_loop_when_it_is_late_then_it_is_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
