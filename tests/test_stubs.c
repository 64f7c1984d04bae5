/*
 * test_stubs.c - src/lua/kelpie.d.lua names exactly what the bindings have
 *
 * The stub is read as text: "function TYPE:NAME(" and "---@field NAME" below "---@class TYPE".
 * What the bindings have is asked from them; the fields of the handlers table that are no
 * functions are read from their source.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script/bind.h"
#include "script_kit.h"

#define STUB      KELPIE_SOURCE_DIR "/src/lua/kelpie.d.lua"
#define MAX_NAMES 64

struct names {
    char names[MAX_NAMES][32];
    size_t n;
};

static bool
has(const struct names *set, const char *name)
{
    for (size_t i = 0; i < set->n; i++) {
        if (strcmp(set->names[i], name) == 0)
            return true;
    }
    return false;
}

static void
add(struct names *set, const char *name, size_t len)
{
    char copy[sizeof set->names[0]];

    assert_true(len > 0 && len < sizeof copy);
    memcpy(copy, name, len);
    copy[len] = '\0';
    if (has(set, copy))
        return;
    assert_true(set->n < MAX_NAMES);
    memcpy(set->names[set->n++], copy, sizeof copy);
}

static void
assert_all_in(const struct names *these, const struct names *those, const char *what)
{
    for (size_t i = 0; i < these->n; i++) {
        if (!has(those, these->names[i]))
            fail_msg("%s: %s", what, these->names[i]);
    }
}

static void
assert_same(const struct names *bound, const struct names *stub, const char *type)
{
    char what[64];

    assert_true(bound->n > 0);
    snprintf(what, sizeof what, "%s: not in the stub", type);
    assert_all_in(bound, stub, what);
    snprintf(what, sizeof what, "%s: only in the stub", type);
    assert_all_in(stub, bound, what);
}

/* --- texts ----------------------------------------------------------------------------- */

static char *
read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 128 * 1024);

    if (!file)
        fail_msg("cannot open %s", path);
    assert_non_null(text);
    assert_true(fread(text, 1, 128 * 1024 - 1, file) > 0);
    fclose(file);
    return text;
}

static size_t
name_len(const char *text)
{
    return strspn(text,
                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
}

static bool
skip_text(const char **line, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(*line, prefix, len) != 0)
        return false;
    *line += len;
    return true;
}

static void
add_line_of_stub(struct names *set, const char *line, const char *type, bool *in_class)
{
    if (skip_text(&line, "---@class kelpie")) {
        line += *line == '.';
        *in_class = strcspn(line, " \n") == strlen(type) &&
                    strncmp(line, type, strlen(type)) == 0;
    } else if (skip_text(&line, "---@field ") && *in_class && name_len(line) > 0) {
        add(set, line, name_len(line));
    } else if (skip_text(&line, "function ") &&
               skip_text(&line, type[0] ? type : "kelpie") &&
               (*line == ':' || *line == '.')) {
        add(set, line + 1, name_len(line + 1));
    }
}

/* The names that the stub has for a type: "conn", or "" for the module. */
static struct names
names_of_stub(const char *type)
{
    char *text = read_text(STUB);
    struct names set = {.n = 0};
    bool in_class = false;

    for (const char *line = text; *line; line++) {
        add_line_of_stub(&set, line, type, &in_class);
        line += strcspn(line, "\n");
    }
    free(text);
    return set;
}

/* The strings of an array in a C file of the bindings. */
static void
add_from_source(struct names *set, const char *file, const char *array)
{
    char path[256];

    snprintf(path, sizeof path, "%s/src/script/%s", KELPIE_SOURCE_DIR, file);
    char *text = read_text(path);
    const char *at = strstr(text, array);
    assert_non_null(at);
    while (*(at += strcspn(at, "\"}")) == '"') {
        add(set, at + 1, name_len(at + 1));
        at += name_len(at + 1) + 2;
    }
    free(text);
}

/* --- what is bound --------------------------------------------------------------------- */

/* Adds the keys of the table on top of the stack, and pops it. */
static void
add_keys(struct names *set, lua_State *L)
{
    assert_true(lua_istable(L, -1));
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        add(set, lua_tostring(L, -1), strlen(lua_tostring(L, -1)));
    }
    lua_pop(L, 1);
}

/* Compares the type of the object on top of the stack, which it pops. Its methods and fields
 * are upvalues of its __index. */
static void
check_type(lua_State *L, const char *type)
{
    struct names stub = names_of_stub(type), bound = {.n = 0};

    assert_int_equal(luaL_getmetafield(L, -1, "__index"), LUA_TFUNCTION);
    for (int i = 1; lua_getupvalue(L, -1, i) != NULL; i++) {
        if (lua_istable(L, -1))
            add_keys(&bound, L);
        else
            lua_pop(L, 1);
    }
    lua_pop(L, 2);

    assert_same(&bound, &stub, type);
}

static void
given_the_module_when_compared_with_the_stub_then_the_names_are_the_same(void **state)
{
    struct script_kit *kit = *state;
    struct names bound = {.n = 0};
    struct names stub = names_of_stub("");

    sk_load(kit, "return {}");
    lua_State *L = kit->script.live->L;
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "kelpie");
    add_keys(&bound, L);
    lua_pop(L, 1);

    assert_same(&bound, &stub, "kelpie");
}

static void
given_a_connection_when_compared_with_the_stub_then_the_names_are_the_same(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return {}");
    sk_connect(kit, 0);
    kp_lua_push_conn(kit->script.live->L, kit->conns[0]);

    check_type(kit->script.live->L, "conn");
}

static void
given_a_room_when_compared_with_the_stub_then_the_names_are_the_same(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "x = kelpie.room('x') return {}");
    lua_getglobal(kit->script.live->L, "x");

    check_type(kit->script.live->L, "room");
}

static void
given_a_timer_when_compared_with_the_stub_then_the_names_are_the_same(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit,
            "x = {} return { on_input = function() x[1] = kelpie.after(1, print) end }");
    assert_int_equal(kp_script_on_input(&kit->script, "", 0), 0);
    lua_State *L = kit->script.live->L;
    lua_getglobal(L, "x");
    lua_geti(L, -1, 1);

    check_type(L, "timer");
    lua_pop(L, 1);
}

static void
given_the_counters_when_compared_with_the_stub_then_the_names_are_the_same(void **state)
{
    struct script_kit *kit = *state;
    struct names bound = {.n = 0};
    struct names stub = names_of_stub("statistics");

    sk_load(kit, "x = kelpie.stats() return {}");
    lua_getglobal(kit->script.live->L, "x");
    add_keys(&bound, kit->script.live->L);

    assert_same(&bound, &stub, "statistics");
}

static void
given_the_handlers_when_compared_with_the_stub_then_the_names_are_the_same(void **state)
{
    struct names bound = {.n = 0};
    struct names stub = names_of_stub("handlers");
    (void)state;

    for (int i = 0; i < KP_N_HANDLERS; i++)
        add(&bound, kp_handler_name((enum kp_handler)i),
            strlen(kp_handler_name((enum kp_handler)i)));
    add_from_source(&bound, "handlers.c", "other_names[]");

    assert_same(&bound, &stub, "handlers");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_the_module_when_compared_with_the_stub_then_the_names_are_the_same),
        TEST(given_a_connection_when_compared_with_the_stub_then_the_names_are_the_same),
        TEST(given_a_room_when_compared_with_the_stub_then_the_names_are_the_same),
        TEST(given_a_timer_when_compared_with_the_stub_then_the_names_are_the_same),
        TEST(given_the_counters_when_compared_with_the_stub_then_the_names_are_the_same),
        TEST(given_the_handlers_when_compared_with_the_stub_then_the_names_are_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
