/*
 * fuzz_carry.c - any values, carried from one generation to the next
 *
 * Two generations live as long as the program. Both have the same builder: a function in Lua
 * that makes a graph of tables out of the bytes of the input,
 *
 *     byte 0    the lowest bit: leave behind what cannot cross
 *     byte 1    how many tables
 *     the rest  operations: which table, and a key and a value, each a kind and its bytes
 *
 * with scalars of all kinds, strings, handles, objects of classes, deep nests, sharing and
 * cycles, and what cannot cross. The old generation builds it; it is carried; the new one
 * builds it as well and compares: content, number subtypes, which tables are the same. What
 * cannot cross must be reported, and nothing else; if it is left behind, all else is there.
 */
#include "input.h"
#include "net/room.h"
#include "script/carry.h"
#include "script/classes.h"
#include "script_kit.h"

#define LONGEST_INPUT 512

static const char builder[] =
    "local classes = { kelpie.class('a', { __index = {} }), kelpie.class('b', {}) }\n"
    "local gone = has_gone and kelpie.class('gone', {})\n"
    "local foreign = setmetatable({}, { __index = {} })\n"
    "local room = kelpie.room('r')\n"
    "local function bad(v)\n"
    "   local t, mt = type(v), type(v) == 'table' and getmetatable(v)\n"
    "   return t == 'function' or t == 'thread' or\n"
    "      (mt and mt ~= classes[1] and mt ~= classes[2] and mt ~= gone)\n"
    "end\n"
    "local function reader(bytes)\n"
    "   local at = 0\n"
    "   local function byte() at = at + 1 return bytes:byte(at) or 0 end\n"
    "   local function take(n)\n"
    "      at = at + n\n"
    "      return bytes:sub(at - n + 1, at) .. ('\\0'):rep(at - #bytes)\n"
    "   end\n"
    "   return byte, take, function() return at >= #bytes end\n"
    "end\n"
    "function build(bytes)\n"
    "   local byte, take, is_over = reader(bytes)\n"
    "   local drop, nodes, n_bad, lost = byte() % 2 == 1, {}, 0, {}\n"
    "   for i = 1, byte() % 16 + 1 do nodes[i] = {} end\n"
    "   local function node() return nodes[byte() % #nodes + 1] end\n"
    "   local function nest(depth)\n"
    "      local t = {}\n"
    "      for _ = 1, depth do t = { t } end\n"
    "      return t\n"
    "   end\n"
    "   local kinds = {\n"
    "      byte, node, node,\n"
    "      function() return (string.unpack('<i8', take(8))) end,\n"
    "      function() return (string.unpack('<d', take(8))) end,\n"
    "      function() return take(byte()) end,\n"
    "      function() return byte() % 2 == 0 end,\n"
    "      function() return kelpie.client(0) end,\n"
    "      function() return room end,\n"
    "      function() return nest(byte()) end,\n"
    "      function() return print end,\n"
    "      function() return foreign end,\n"
    "      function() return coroutine.create(print) end,\n"
    "   }\n"
    "   local function value() return kinds[byte() % #kinds + 1]() end\n"
    "   local marks = {\n"
    "      function(t) setmetatable(t, classes[1]) end,\n"
    "      function(t) setmetatable(t, classes[2]) end,\n"
    "      function(t) lost[t] = true if gone then setmetatable(t, gone) end end,\n"
    "   }\n"
    "   while not is_over() do\n"
    "      local what, t = byte(), node()\n"
    "      if what % 8 == 7 and not getmetatable(t) and not lost[t] then\n"
    "         marks[what // 8 % 3 + 1](t)\n"
    "      else\n"
    "         local key = value()\n"
    "         if key == key and key ~= nil then rawset(t, key, value()) end\n"
    "      end\n"
    "   end\n"
    "   for _, t in ipairs(nodes) do\n"
    "      if lost[t] then n_bad = n_bad + 1 end\n"
    "      for k, v in next, t do\n"
    "         if bad(k) or bad(v) then\n"
    "            n_bad = n_bad + 1\n"
    "            if not has_gone then t[k] = nil end\n"
    "         end\n"
    "      end\n"
    "   end\n"
    "   return nodes, n_bad, drop\n"
    "end\n"
    "local function same(a, b, twin)\n"
    "   while type(a) == 'table' and not twin[a] do\n"
    "      if type(b) ~= 'table' or #a ~= #b or getmetatable(b) then return false end\n"
    "      a, b = a[1], b[1]\n"
    "   end\n"
    "   if type(a) == 'table' then return twin[a] == b end\n"
    "   if math.type(a) ~= math.type(b) then return false end\n"
    "   if a == 0 then return b == 0 and 1 / a == 1 / b end\n"
    "   return a == b or (a ~= a and b ~= b)\n"
    "end\n"
    "local function has(t, k, v, twin, used)\n"
    "   if type(k) ~= 'table' or twin[k] then\n"
    "      return same(v, rawget(t, twin[k] or k), twin)\n"
    "   end\n"
    "   for other, value in next, t do\n" /* a nest is nobody's twin: look for it */
    "      if type(other) == 'table' and not used[other] and\n"
    "         same(v, value, twin) and same(k, other, twin) then return true end\n"
    "   end\n"
    "end\n"
    "function compare(expected, actual)\n"
    "   local twin, used = {}, {}\n"
    "   assert(#expected == #actual)\n"
    "   for i, t in ipairs(expected) do\n"
    "      assert(not used[actual[i]])\n"
    "      used[actual[i]], twin[t] = true, actual[i]\n"
    "   end\n"
    "   for i, t in ipairs(expected) do\n"
    "      local n = 0\n"
    "      assert(getmetatable(t) == getmetatable(actual[i]))\n"
    "      for k, v in next, t do\n"
    "         assert(has(actual[i], k, v, twin, used))\n"
    "         n = n + 1\n"
    "      end\n"
    "      for _ in next, actual[i] do n = n - 1 end\n"
    "      assert(n == 0)\n"
    "   end\n"
    "end\n"
    "return {}\n";

struct job {
    struct input input;
    struct kp_generation *from, *to;
    struct kp_carry carry;
    lua_Integer n_bad;
    bool drop;
};

static const char root_key; /* its address is the key of the value in the registry */

/* Pushes what builder's function returns, three values. [-0, +3] */
static void
call_build(lua_State *L, const struct job *job)
{
    lua_getglobal(L, "build");
    lua_pushlstring(L, (const char *)job->input.data, job->input.size);
    lua_call(L, 1, 3);
}

static int
build(lua_State *L)
{
    struct job *job = lua_touserdata(L, 1);

    call_build(L, job);
    job->n_bad = lua_tointeger(L, -2);
    job->drop = lua_toboolean(L, -1);
    lua_pushvalue(L, -3);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &root_key);
    return 0;
}

static int
carry_and_compare(lua_State *L)
{
    struct job *job = lua_touserdata(L, 1);

    kp_carry_value(&job->carry, L, lua_gettop(job->from->L), "root");
    kp_class_report_missing(L, &job->carry);
    must((job->carry.n_problems > 0) == (job->n_bad > 0));
    if (job->carry.n_problems > 0 && !job->drop)
        return 0;
    int actual = lua_gettop(L);
    lua_getglobal(L, "compare");
    call_build(L, job);
    lua_pop(L, 2);
    lua_pushvalue(L, actual);
    lua_call(L, 2, 0);
    return 0;
}

static struct script_kit *
start(struct kp_generation **from, struct kp_generation **to)
{
    static char text[sizeof(builder) + 64];
    struct script_kit *kit = calloc(1, sizeof(*kit));

    must(kit != NULL);
    sk_prepare(kit);
    must(sk_open(kit) == 0);
    snprintf(text, sizeof(text), "has_gone = true\n%s", builder);
    sk_load(kit, text);
    sk_connect(kit, 0);
    *from = kit->script.live;
    snprintf(text, sizeof(text), "has_gone = false\n%s", builder);
    sk_load_beside(kit, text);
    *to = kit->script.live;
    return kit;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct script_kit
        *kit; /* of this program; starting costs more than an input */
    static struct job job;

    if (kit == NULL)
        kit = start(&job.from, &job.to);
    if (size > LONGEST_INPUT)
        return 0;
    job.input = (struct input){.data = data, .size = size};

    must(kp_generation_enter(job.from, build, &job, 0) == 0);
    lua_rawgetp(job.from->L, LUA_REGISTRYINDEX, &root_key);
    must(kp_carry_init(&job.carry, job.from, job.to, job.drop) == 0);
    int rc = kp_generation_enter(job.to, carry_and_compare, &job, 0);
    kp_carry_clear(&job.carry);
    lua_pop(job.from->L, 1);
    if (rc != 0) {
        fprintf(stderr, "fuzz_carry: %s\n", kit->script.error);
        abort();
    }
    return 0;
}
