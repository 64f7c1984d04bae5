/*
 * test_stubs.c - src/lua/kelpie.d.lua describes exactly what scripts have
 *
 * The names in the stub file and those that are registered are compared as sorted lists, in
 * both directions. What the stub file says of them is for people to check; that it says
 * something of each function and of each of its parameters is checked here.
 */
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind_kit.h"
#include "script/bind.h"

#define STUBS       KELPIE_SOURCE_DIR "/src/lua/kelpie.d.lua"
#define SOURCE_SIZE (64 * 1024)

/* Reads the stub file. Fills `names`: by class, a set of its fields and functions; and
 * `bad`: what is not described. */
static const char reader[] =
    "local names, bad, class, block = {}, {}, nil, {}\n"
    "local file = assert(io.open(...))\n"
    "for line in file:lines() do\n"
    "   local owner, name, params = line:match('^function (%w+)[.:]([%w_]+)%((.-)%) "
    "end$')\n"
    "   if line:match('^%-%-%-@class ') then\n"
    "      class = line:match('^%-%-%-@class ([%w_.]+)$') names[class] = {}\n"
    "   elseif line:match('^%-%-%-@field ') then\n"
    "      names[class][line:match('^%-%-%-@field ([%w_]+)')] = true\n"
    "   elseif line:match('^function') and not owner then\n"
    "      bad[#bad + 1] = line\n"
    "   elseif owner then\n"
    "      names[owner == 'kelpie' and owner or 'kelpie.' .. owner][name] = true\n"
    "      local text = table.concat(block, '\\n')\n"
    "      local described = text:match('^%-%-%-[%w]')\n"
    "      for param in params:gmatch('[%w_.]+') do\n"
    "         local word = param:gsub('%.', '%%.')\n"
    "         described = described and text:match('@param ' .. word .. '%??%s')\n"
    "      end\n"
    "      if not described then bad[#bad + 1] = line end\n"
    "   end\n"
    "   if line:match('^%-%-%-') then block[#block + 1] = line else block = {} end\n"
    "end\n"
    "file:close()\n"
    "for class, set in pairs(names) do\n"
    "   local list = {}\n"
    "   for name in pairs(set) do list[#list + 1] = name end\n"
    "   table.sort(list) names[class] = table.concat(list, '\\n')\n"
    "end\n"
    "return names, table.concat(bad, '\\n')\n";

struct stubs {
    lua_State *L; /* a plain one; its stack: names bad */
    struct script_kit kit;
};

static int
setup(void **state)
{
    struct stubs *stubs = test_malloc(sizeof *stubs);

    sk_prepare(&stubs->kit);
    assert_int_equal(sk_open(&stubs->kit), 0);
    sk_load(&stubs->kit, "return {}");
    stubs->L = luaL_newstate();
    luaL_openlibs(stubs->L);
    assert_int_equal(luaL_loadstring(stubs->L, reader), LUA_OK);
    lua_pushstring(stubs->L, STUBS);
    if (lua_pcall(stubs->L, 1, 2, 0) != LUA_OK)
        fail_msg("%s", lua_tostring(stubs->L, -1));
    *state = stubs;
    return 0;
}

static int
teardown(void **state)
{
    struct stubs *stubs = *state;

    lua_close(stubs->L);
    sk_close(&stubs->kit);
    test_free(stubs);
    return 0;
}

/* --- lists of names ---------------------------------------------------------------------- */

#define MAX_NAMES 100

struct names {
    const char *list[MAX_NAMES];
    size_t n;
};

/* Adds the keys of the table at the top, and pops it. They stay alive with that table. */
static void
add_keys(struct names *names, lua_State *L)
{
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        assert_int_equal(lua_type(L, -2), LUA_TSTRING);
        assert_true(names->n < MAX_NAMES);
        names->list[names->n++] = lua_tostring(L, -2);
    }
    lua_pop(L, 1);
}

static int
compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Asserts that a class of the stub file has these names. */
static void
check_class(struct stubs *stubs, const char *class, struct names *names)
{
    char text[4096] = "";

    qsort(names->list, names->n, sizeof *names->list, compare);
    for (size_t i = 0; i < names->n; i++)
        strcat(strcat(text, i > 0 ? "\n" : ""), names->list[i]);
    assert_int_equal(lua_getfield(stubs->L, 1, class), LUA_TSTRING);
    assert_string_equal(lua_tostring(stubs->L, -1), text);
    lua_pop(stubs->L, 1);
}

/* Asserts that a class has the methods and fields of the userdata at the top, and pops it. */
static void
check_type(struct stubs *stubs, const char *class)
{
    lua_State *L = stubs->kit.script.live->L;
    struct names names = {.n = 0};

    assert_true(lua_getmetatable(L, -1));
    assert_int_equal(lua_getfield(L, -1, "__name"), LUA_TSTRING);
    assert_string_equal(lua_tostring(L, -1), class);
    lua_getfield(L, -2, "__index");
    assert_non_null(lua_getupvalue(L, -1, 2)); /* the table of names: lua_type.c */
    add_keys(&names, L);
    lua_pop(L, 4);
    check_class(stubs, class, &names);
}

/* --- tests ------------------------------------------------------------------------------- */

static void
given_the_module_when_compared_then_the_stubs_have_the_same_names(void **state)
{
    struct stubs *stubs = *state;
    lua_State *L = stubs->kit.script.live->L;
    struct names names = {.n = 0};

    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "kelpie");
    add_keys(&names, L);
    lua_pop(L, 1);

    check_class(stubs, "kelpie", &names);
}

static void
given_the_types_when_compared_then_the_stubs_have_the_same_names(void **state)
{
    struct stubs *stubs = *state;
    struct script_kit *kit = &stubs->kit;
    lua_State *L = kit->script.live->L;
    struct kelpie_room *room;

    sk_connect(kit, 0);
    kp_lua_push_conn(L, kit->conns[0]);
    check_type(stubs, "kelpie.conn");
    assert_int_equal(kp_room_open(&kit->net, &room, "r", 1), 0);
    kp_lua_push_room(L, room);
    kp_room_unref(room);
    check_type(stubs, "kelpie.room");
    sk_run(kit, "kelpie.after(1, print)");
    lua_rawgeti(L, LUA_REGISTRYINDEX, kit->script.live->timers_ref);
    lua_pushnil(L);
    assert_true(lua_next(L, -2));
    check_type(stubs, "kelpie.timer");
    lua_pop(L, 2);
}

static void
given_the_counters_when_compared_then_the_stubs_have_the_same_names(void **state)
{
    struct stubs *stubs = *state;
    lua_State *L = stubs->kit.script.live->L;
    struct names names = {.n = 0};

    lua_getglobal(L, "kelpie");
    lua_getfield(L, -1, "stats");
    lua_call(L, 0, 1);
    add_keys(&names, L);
    lua_pop(L, 1);

    check_class(stubs, "kelpie.statistics", &names);
}

/* Adds the strings of other_names[] in handlers.c: fields of the handlers table that are no
 * functions, and have no name that C could ask for. */
static void
add_other_fields(struct names *names, char *text, size_t size)
{
    FILE *file = fopen(KELPIE_SOURCE_DIR "/src/script/handlers.c", "r");

    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
    char *at = strstr(text, "other_names[]");
    assert_non_null(at);
    char *end = strchr(at, '}');
    for (char *name = strtok(at, "\""); (name = strtok(NULL, "\"")) && name < end;
         (void)strtok(NULL, "\""))
        names->list[names->n++] = name;
}

static void
given_the_handlers_when_compared_then_the_stubs_have_the_same_names(void **state)
{
    struct stubs *stubs = *state;
    struct names names = {.n = 0};
    char *source = test_malloc(SOURCE_SIZE), text[100];

    for (int i = 0; i < KP_N_HANDLERS; i++)
        names.list[names.n++] = kp_handler_name((enum kp_handler)i);
    add_other_fields(&names, source, SOURCE_SIZE);
    assert_true(names.n > KP_N_HANDLERS);
    check_class(stubs, "kelpie.handlers", &names);

    for (size_t i = 0; i < names.n; i++) {
        snprintf(text, sizeof text, "return { %s = print }", names.list[i]);
        if (sk_try_load(&stubs->kit, text) != 0)
            assert_null(strstr(stubs->kit.script.error, "unknown field"));
    }
    test_free(source);
}

static void
given_the_framings_of_the_stubs_when_used_then_all_are_known(void **state)
{
    struct stubs *stubs = *state;

    sk_connect(&stubs->kit, 0);
    sk_load(&stubs->kit, "return {}");
    bk_run(
        &stubs->kit,
        "for _, framing in ipairs { 'line', 'crlf', 'raw', 'netstring', { 'length' },\n"
        "   { 'length', bytes = 2, order = 'little' }, { 'delimiter', '\\0' },\n"
        "   { 'fixed', 16 } } do print(conn:set_framing(framing)) end",
        "true\ntrue\ntrue\ntrue\ntrue\ntrue\ntrue\ntrue\n");
}

static void
given_the_stubs_when_read_then_every_function_and_parameter_is_described(void **state)
{
    struct stubs *stubs = *state;

    assert_string_equal(lua_tostring(stubs->L, 2), "");
}

static void
given_the_stubs_when_compiled_then_they_are_lua_and_give_the_module(void **state)
{
    struct stubs *stubs = *state;

    assert_int_equal(luaL_dofile(stubs->L, STUBS), LUA_OK);
    assert_int_equal(lua_getfield(stubs->L, -1, "room"), LUA_TFUNCTION);
    lua_pop(stubs->L, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(given_the_module_when_compared_then_the_stubs_have_the_same_names),
        T(given_the_types_when_compared_then_the_stubs_have_the_same_names),
        T(given_the_counters_when_compared_then_the_stubs_have_the_same_names),
        T(given_the_handlers_when_compared_then_the_stubs_have_the_same_names),
        T(given_the_framings_of_the_stubs_when_used_then_all_are_known),
        T(given_the_stubs_when_read_then_every_function_and_parameter_is_described),
        T(given_the_stubs_when_compiled_then_they_are_lua_and_give_the_module),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
