/*
 * handlers.c - the table that the main script returns, checked and turned into references
 *
 * The table is walked once with next, so that a misspelt field is found: it would otherwise
 * be a handler that is silently never called. What is wrong is said with the field's name,
 * for the handlers of a listener with their place: "listeners.admin: 'on_mesage' ...".
 *
 * Handlers are kept as registry references, so that a call is one array access, and a script
 * that changes its table later changes nothing.
 */
#include "handlers.h"

#include <stdint.h>
#include <string.h>

#include "base/nearest.h"
#include "generation.h"

#define MAX_MESSAGE_LIMIT (1 << 30) /* above this a size is a mistake */
#define PLACE_SIZE        64

static const char *const handler_names[KP_N_HANDLERS] = {
    [KP_ON_LOAD] = "on_load",           [KP_ON_CONNECT] = "on_connect",
    [KP_ON_MESSAGE] = "on_message",     [KP_ON_DISCONNECT] = "on_disconnect",
    [KP_ON_DRAIN] = "on_drain",         [KP_ON_ADOPT] = "on_adopt",
    [KP_ON_INPUT] = "on_input",         [KP_ON_ERROR] = "on_error",
    [KP_ON_SHUTDOWN] = "on_shutdown",   [KP_MIGRATE] = "migrate",
    [KP_MIGRATE_CONN] = "migrate_conn", [KP_SELF_TEST] = "self_test",
};

/* What a handlers table may hold beside handlers. */
static const char *const other_names[] = {
    "framing", "max_message", "partial_at_eof", "schema", "listeners",
};
#define N_OTHERS (sizeof other_names / sizeof *other_names)

/* What is being read: one handlers table. */
struct reading {
    struct kp_generation *gen;
    struct kp_handlers *into;
    const char *place; /* "" for the main table, "listeners.admin: " */
    bool deliver_partial;
};

const char *
kp_handler_name(enum kp_handler handler)
{
    return handler_names[handler];
}

void
kp_handlers_init(struct kp_handlers *handlers)
{
    *handlers = (struct kp_handlers){.has_framing = false};
    for (int i = 0; i < KP_N_HANDLERS; i++)
        handlers->refs[i] = LUA_NOREF;
}

/* --- framings -------------------------------------------------------------------------- */

static int
framing_error(lua_State *L, const char *what)
{
    return luaL_error(L,
                      "framing: %s; it is \"line\", \"crlf\", \"raw\", \"netstring\", "
                      "{\"length\", bytes=4, order=\"big\"}, {\"delimiter\", \"\\0\"} or "
                      "{\"fixed\", 16}",
                      what);
}

/* Reads the framings that are a word. */
static void
read_framing_word(lua_State *L, const char *word, struct kp_framing *out)
{
    if (strcmp(word, "line") == 0)
        out->kind = KP_FRAME_LINE;
    else if (strcmp(word, "crlf") == 0)
        out->kind = KP_FRAME_CRLF;
    else if (strcmp(word, "raw") == 0)
        out->kind = KP_FRAME_RAW;
    else if (strcmp(word, "netstring") == 0)
        out->kind = KP_FRAME_NETSTRING;
    else
        framing_error(L, lua_pushfstring(L, "unknown framing '%s'", word));
}

/* { "length", bytes = 1|2|4, order = "big"|"little" } */
static void
read_length(lua_State *L, int index, struct kp_framing *out)
{
    lua_Integer size = 4;
    const char *order = "big";

    if (lua_getfield(L, index, "bytes") != LUA_TNIL)
        size = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    if (size != 1 && size != 2 && size != 4)
        framing_error(L, "bytes must be 1, 2 or 4");
    if (lua_getfield(L, index, "order") != LUA_TNIL)
        order = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
    if (strcmp(order, "big") != 0 && strcmp(order, "little") != 0)
        framing_error(L, "order must be \"big\" or \"little\"");
    out->kind = KP_FRAME_LENGTH;
    out->length_size = (uint8_t)size;
    out->little_endian = order[0] == 'l';
    lua_pop(L, 2);
}

/* { "delimiter", "\0" } */
static void
read_delimiter(lua_State *L, int index, struct kp_framing *out)
{
    size_t len = 0;
    const char *bytes = NULL;

    if (lua_geti(L, index, 2) == LUA_TSTRING)
        bytes = lua_tolstring(L, -1, &len);
    if (!bytes || len < 1 || len > KP_FRAME_MAX_DELIMITER)
        framing_error(L, "the delimiter must be a string of 1 to 16 bytes");
    out->kind = KP_FRAME_DELIMITER;
    out->delimiter_len = (uint8_t)len;
    memcpy(out->delimiter, bytes, len);
    lua_pop(L, 1);
}

/* { "fixed", 16 } */
static void
read_fixed(lua_State *L, int index, struct kp_framing *out)
{
    lua_geti(L, index, 2);
    lua_Integer size = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    if (size < 1 || size > MAX_MESSAGE_LIMIT)
        framing_error(L, "the fixed size must be a whole number of bytes, at least 1");
    out->kind = KP_FRAME_FIXED;
    out->fixed_size = (size_t)size;
    lua_pop(L, 1);
}

/* Refuses fields that the framing does not have: { "length", byte = 2 }. */
static void
check_framing_fields(lua_State *L, int index, bool is_length)
{
    lua_pushnil(L);
    while (lua_next(L, index)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL;
        bool is_known = !key && lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 &&
                        lua_tointeger(L, -2) <= (is_length ? 1 : 2);
        if (key && is_length)
            is_known = strcmp(key, "bytes") == 0 || strcmp(key, "order") == 0;
        if (!is_known)
            framing_error(
                L, lua_pushfstring(L, "unknown field '%s'", luaL_tolstring(L, -2, NULL)));
        lua_pop(L, 1);
    }
}

static void
read_framing_table(lua_State *L, int index, struct kp_framing *out)
{
    bool has_word = lua_geti(L, index, 1) == LUA_TSTRING;
    const char *word = has_word ? lua_tostring(L, -1) : "";
    bool is_length = strcmp(word, "length") == 0;

    if (is_length)
        read_length(L, index, out);
    else if (strcmp(word, "delimiter") == 0)
        read_delimiter(L, index, out);
    else if (strcmp(word, "fixed") == 0)
        read_fixed(L, index, out);
    else if (has_word)
        read_framing_word(L, word, out);
    else
        framing_error(L, "its first value must be a word");
    check_framing_fields(L, index, is_length);
    lua_pop(L, 1);
}

void
kp_framing_check(lua_State *L, int index, struct kp_framing *out)
{
    struct kp_framing framing = {.kind = KP_FRAME_LINE};

    index = lua_absindex(L, index);
    luaL_checkstack(L, 10, NULL);
    if (lua_type(L, index) == LUA_TSTRING)
        read_framing_word(L, lua_tostring(L, index), &framing);
    else if (lua_type(L, index) == LUA_TTABLE)
        read_framing_table(L, index, &framing);
    else
        framing_error(L, lua_pushfstring(L, "got %s", luaL_typename(L, index)));
    *out = framing;
}

/* --- fields ---------------------------------------------------------------------------- */

/* Each reads the value on top of the stack, and leaves it there. */

static void
read_handler(lua_State *L, struct reading *reading, int handler)
{
    const char *name = handler_names[handler];

    if (lua_type(L, -1) != LUA_TFUNCTION)
        luaL_error(L, "handlers table: %s'%s' must be a function, got %s", reading->place,
                   name, luaL_typename(L, -1));
    lua_pushvalue(L, -1);
    reading->into->refs[handler] = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void
read_max_message(lua_State *L, struct reading *reading)
{
    lua_Integer size = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;

    if (size < 1 || size > MAX_MESSAGE_LIMIT)
        luaL_error(L,
                   "handlers table: %s'max_message' must be a whole number of bytes, "
                   "from 1 to %d",
                   reading->place, MAX_MESSAGE_LIMIT);
    reading->into->max_message = (size_t)size;
}

static void
read_partial(lua_State *L, struct reading *reading)
{
    const char *what = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";

    if (strcmp(what, "deliver") != 0 && strcmp(what, "drop") != 0)
        luaL_error(L,
                   "handlers table: %s'partial_at_eof' must be \"drop\" or \"deliver\"",
                   reading->place);
    reading->deliver_partial = what[1] == 'e';
}

static void
read_schema(lua_State *L, struct reading *reading)
{
    if (!lua_isinteger(L, -1))
        luaL_error(L, "handlers table: 'schema' must be a whole number, got %s",
                   luaL_typename(L, -1));
    reading->gen->schema = lua_tointeger(L, -1);
}

/* Only in the main table: there is one of it for the whole server. */
static bool
is_for_main(const char *name)
{
    static const char *const names[] = {
        "on_load",      "on_input",  "on_shutdown", "migrate",
        "migrate_conn", "self_test", "schema",      "listeners",
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static int
unknown_field(lua_State *L, const struct reading *reading, const char *name)
{
    const char *known[KP_N_HANDLERS + N_OTHERS];

    memcpy(known, handler_names, sizeof handler_names);
    memcpy(known + KP_N_HANDLERS, other_names, sizeof other_names);

    const char *nearest = kp_nearest(name, known, KP_N_HANDLERS + N_OTHERS);
    if (!nearest)
        return luaL_error(L, "handlers table: %sunknown field '%s'", reading->place,
                          name);
    return luaL_error(L, "handlers table: %sunknown field '%s' (did you mean '%s'?)",
                      reading->place, name, nearest);
}

static void read_listeners(lua_State *L, struct reading *reading);

static void
read_field(lua_State *L, struct reading *reading, const char *name)
{
    if (reading->place[0] && is_for_main(name))
        luaL_error(L, "handlers table: %s'%s' belongs in the main handlers table",
                   reading->place, name);
    for (int i = 0; i < KP_N_HANDLERS; i++) {
        if (strcmp(name, handler_names[i]) == 0) {
            read_handler(L, reading, i);
            return;
        }
    }
    if (strcmp(name, "framing") == 0) {
        kp_framing_check(L, -1, &reading->into->framing);
        reading->into->has_framing = true;
    } else if (strcmp(name, "max_message") == 0) {
        read_max_message(L, reading);
    } else if (strcmp(name, "partial_at_eof") == 0) {
        read_partial(L, reading);
    } else if (strcmp(name, "schema") == 0) {
        read_schema(L, reading);
    } else if (strcmp(name, "listeners") == 0) {
        read_listeners(L, reading);
    } else {
        unknown_field(L, reading, name);
    }
}

/* --- tables ---------------------------------------------------------------------------- */

/* A framing whose messages are longer than the limit could never deliver one. */
static void
check_sizes(lua_State *L, const struct reading *reading)
{
    const struct kp_handlers *handlers = reading->into;
    size_t max = handlers->max_message;

    if (max == 0)
        max = reading->gen->script->net->limits.max_message;
    if (handlers->framing.kind == KP_FRAME_FIXED && handlers->framing.fixed_size > max)
        luaL_error(L,
                   "handlers table: %smessages of %I bytes are longer than max_message, "
                   "which is %I",
                   reading->place, (LUAI_UACINT)handlers->framing.fixed_size,
                   (LUAI_UACINT)max);
}

/* Reads the table on top of the stack, and leaves it there. */
static void
read_table(lua_State *L, struct reading *reading)
{
    luaL_checkstack(L, 20, NULL);
    lua_pushnil(L);
    while (lua_next(L, -2)) { /* stack: handlers name value */
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "handlers table: %sunknown field [%s]", reading->place,
                       luaL_tolstring(L, -2, NULL));
        read_field(L, reading, lua_tostring(L, -2));
        lua_pop(L, 1);
    }
    if (reading->deliver_partial) {
        reading->into->framing.deliver_partial = true;
        reading->into->has_framing = true; /* "line", the default, if none was given */
    }
    check_sizes(L, reading);
}

/* Returns the number of entries of the table on top of the stack. */
static size_t
count_entries(lua_State *L)
{
    size_t n = 0;

    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        n++;
    }
    return n;
}

/* Makes room for the handlers of n listeners, which the generation owns at once. */
static void
make_named(lua_State *L, struct kp_generation *gen, size_t n)
{
    if (n == 0)
        return;
    gen->named = kp_mem_alloc(&gen->script->env->mem, n * sizeof *gen->named);
    if (!gen->named)
        luaL_error(L, "not enough memory");
    gen->n_named = n;
    for (size_t i = 0; i < n; i++)
        kp_handlers_init(&gen->named[i]);
}

/* Reads one entry of listeners. stack: ... listeners name handlers */
static void
read_listener(lua_State *L, struct kp_generation *gen, struct kp_handlers *into)
{
    char place[PLACE_SIZE];
    size_t len = 0;
    const char *name = NULL;

    if (lua_type(L, -2) == LUA_TSTRING)
        name = lua_tolstring(L, -2, &len);
    if (!name || len == 0 || len >= sizeof into->listener || strlen(name) != len)
        luaL_error(L,
                   "handlers table: the keys of 'listeners' must be names of "
                   "listeners, up to %d bytes long",
                   (int)sizeof into->listener - 1);
    if (lua_type(L, -1) != LUA_TTABLE)
        luaL_error(L, "handlers table: listeners.%s must be a table of handlers, got %s",
                   name, luaL_typename(L, -1));
    memcpy(into->listener, name, len + 1);
    snprintf(place, sizeof place, "listeners.%s: ", name);
    read_table(L, &(struct reading){.gen = gen, .into = into, .place = place});
}

static void
read_listeners(lua_State *L, struct reading *reading)
{
    struct kp_generation *gen = reading->gen;
    size_t i = 0;

    if (lua_type(L, -1) != LUA_TTABLE)
        luaL_error(L, "handlers table: 'listeners' must be a table, got %s",
                   luaL_typename(L, -1));
    make_named(L, gen, count_entries(L));
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        read_listener(L, gen, &gen->named[i++]);
        lua_pop(L, 1);
    }
}

void
kp_handlers_read(lua_State *L, struct kp_generation *gen)
{
    if (lua_type(L, -1) != LUA_TTABLE)
        luaL_error(L,
                   "the main script must return its table of handlers, got %s; "
                   "end it with 'return handlers'",
                   luaL_typename(L, -1));
    read_table(L, &(struct reading){.gen = gen, .into = &gen->handlers, .place = ""});
    lua_pop(L, 1);
}
