/*
 * globals.c - names that a script uses and nobody defines
 *
 * A misspelt name is a global that is nil, and is noticed when a client reaches that line.
 * The compiler knows all such names: code that reads one has an instruction GETTABUP, which
 * indexes the upvalue _ENV with a constant. So each file is compiled once more and its dump
 * is read: instructions, constants, line numbers. A name that is not in the table of globals
 * after the script has run is told, once per file.
 *
 *     dump      header, a byte, function
 *     function  source, 2 lines, 3 bytes, code, constants, upvalues, functions, debug
 *     code      iABC: opcode in bits 0-6, B in 16-23, C in 24-31
 *
 * The form of a dump is the same in all of Lua 5.4; its header is compared, and anything else
 * is left alone. What is not found: a name beyond the 256th constant of a function, and what
 * is read through another table or an _ENV of the script's own.
 */
#include "globals.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/nearest.h"

#define OP_GETTABUP      11
#define ABSOLUTE_LINE    (-128) /* in the differences of lines */
#define SIZE_OF_HEADER   31
#define MAX_NEAREST      128 /* names that a misspelt one is compared with */
#define DUMP_OF_LUA_5_4  "\x1bLua\x54\0\x19\x93\r\n\x1a\n"
#define SIZE_OF_DUMP_TAG 12

struct dump {
    const unsigned char *at, *end;
    bool is_bad;
};

/* A part of the dump: n elements from `at` on. */
struct part {
    const unsigned char *at;
    size_t n;
};

struct search {
    struct kp_stage *stage;
    const struct kp_source_file *file;
    struct kp_buf bytes; /* the dump of this file */
    int n_found;
};

struct text {
    const char *bytes;
    size_t len;
};

/* ---- reading a dump ------------------------------------------------------------------ */

static const unsigned char *
take(struct dump *dump, size_t n)
{
    const unsigned char *at = dump->at;

    if (dump->is_bad || n > (size_t)(dump->end - dump->at)) {
        dump->is_bad = true;
        return NULL;
    }
    dump->at += n;
    return at;
}

static unsigned
take_byte(struct dump *dump)
{
    const unsigned char *at = take(dump, 1);

    return at != NULL ? *at : 0;
}

/* Seven bits a byte, the highest first; the last byte has the eighth bit set. */
static size_t
take_size(struct dump *dump)
{
    size_t size = 0;
    unsigned byte;

    do {
        byte = take_byte(dump);
        size = size << 7 | (byte & 0x7f);
    } while (!dump->is_bad && (byte & 0x80) == 0);
    return size;
}

static struct text
take_text(struct dump *dump)
{
    size_t size = take_size(dump); /* 0: none; else one more than the length */
    struct text text = {.len = size > 0 ? size - 1 : 0};

    text.bytes = (const char *)take(dump, text.len);
    return text;
}

static struct part
take_part(struct dump *dump, size_t element_size)
{
    struct part part = {.n = take_size(dump)};

    if (part.n > (size_t)(dump->end - dump->at) / element_size)
        dump->is_bad = true;
    part.at = dump->is_bad ? NULL : take(dump, part.n * element_size);
    return part;
}

/* Takes one constant. Returns its text, if it is one. */
static struct text
take_constant(struct dump *dump)
{
    switch (take_byte(dump)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TBOOLEAN | 16:
        return (struct text){0};
    case LUA_TNUMBER:
        take(dump, sizeof(lua_Integer));
        return (struct text){0};
    case LUA_TNUMBER | 16:
        take(dump, sizeof(lua_Number));
        return (struct text){0};
    case LUA_TSTRING:
    case LUA_TSTRING | 16:
        return take_text(dump);
    default:
        dump->is_bad = true;
        return (struct text){0};
    }
}

static struct part
take_constants(struct dump *dump)
{
    struct part part = {.n = take_size(dump)};

    part.at = dump->at;
    for (size_t i = 0; i < part.n && !dump->is_bad; i++)
        take_constant(dump);
    return part;
}

static struct text
constant_of(const struct dump *dump, const struct part *constants, size_t index)
{
    struct dump again = {.at = constants->at, .end = dump->end};
    struct text text = {0};

    for (size_t i = 0; i <= index && i < constants->n; i++)
        text = take_constant(&again);
    return index < constants->n ? text : (struct text){0};
}

/* ---- one function of a dump ---------------------------------------------------------- */

struct function {
    int first_line;
    struct part code, constants, lines, absolute_lines, upvalue_names;
};

static bool
upvalue_is_env(const struct dump *dump, const struct function *function, size_t index)
{
    struct dump again = {.at = function->upvalue_names.at, .end = dump->end};
    struct text name = {0};

    if (index >= function->upvalue_names.n)
        return false;
    for (size_t i = 0; i <= index; i++)
        name = take_text(&again);
    return name.len == 4 && memcmp(name.bytes, "_ENV", 4) == 0;
}

/* Writes the line for one name. */
static void
tell(struct search *search, int line, const char *name, const char *nearest)
{
    struct kp_script *script = search->stage->script;
    size_t len = strlen(script->error);

    snprintf(script->error + len, KP_ERROR_SIZE - len,
             "%s%s:%d: warning: nobody defines the global '%s'%s%s%s",
             len > 0 ? "\n" : "", search->file->path, line, name,
             nearest != NULL ? " (did you mean '" : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "'?)" : "");
    search->n_found++;
}

/* Finds the global that is most like name. The names stay on the stack while it is used. */
static const char *
nearest_global(lua_State *L, const char *name)
{
    const char *names[MAX_NEAREST];
    size_t n = 0;

    lua_pushglobaltable(L);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
        if (n < MAX_NEAREST && lua_type(L, -2) == LUA_TSTRING)
            names[n++] = lua_tostring(L, -2);
    lua_pop(L, 1);
    return kp_nearest(name, names, n);
}

/* stack: told */
static void
look_at_name(lua_State *L, struct search *search, struct text text, int line)
{
    if (text.bytes == NULL)
        return;
    lua_pushlstring(L, text.bytes, text.len);
    lua_pushglobaltable(L);
    lua_pushvalue(L, -2);
    bool is_there = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 2);
    lua_pushvalue(L, -1);
    bool was_told = lua_rawget(L, 2) != LUA_TNIL;
    lua_pop(L, 1);
    if (!is_there && !was_told) {
        tell(search, line, lua_tostring(L, -1), nearest_global(L, lua_tostring(L, -1)));
        lua_pushvalue(L, -1);
        lua_pushboolean(L, 1);
        lua_rawset(L, 2);
    }
    lua_pop(L, 1);
}

static void
look_at_code(lua_State *L, struct search *search, const struct dump *dump,
             const struct function *function)
{
    struct dump absolute = {.at = function->absolute_lines.at, .end = dump->end};
    int line = function->first_line;

    for (size_t pc = 0; pc < function->code.n; pc++) {
        int by = pc < function->lines.n ? (signed char)function->lines.at[pc] : 0;
        if (by == ABSOLUTE_LINE) {
            take_size(&absolute); /* of which instruction: this one */
            line = (int)take_size(&absolute);
        } else {
            line += by;
        }

        uint32_t code;
        memcpy(&code, function->code.at + pc * sizeof(code), sizeof(code));
        if ((code & 0x7f) == OP_GETTABUP &&
            upvalue_is_env(dump, function, code >> 16 & 0xff))
            look_at_name(L, search, constant_of(dump, &function->constants, code >> 24),
                         line);
    }
}

/* Takes `n` elements of two sizes each, with a text before them if has_text. */
static struct part
take_pairs(struct dump *dump, bool has_text)
{
    struct part part = {.n = take_size(dump)};

    part.at = dump->at;
    for (size_t i = 0; i < part.n && !dump->is_bad; i++) {
        if (has_text)
            take_text(dump);
        take_size(dump);
        take_size(dump);
    }
    return part;
}

static void
take_debug(struct dump *dump, struct function *function)
{
    function->lines = take_part(dump, 1);
    function->absolute_lines = take_pairs(dump, false);
    take_pairs(dump, true); /* local variables */
    function->upvalue_names = (struct part){.n = take_size(dump)};
    function->upvalue_names.at = dump->at;
    for (size_t i = 0; i < function->upvalue_names.n && !dump->is_bad; i++)
        take_text(dump);
}

static void
look_at_function(lua_State *L, struct search *search, struct dump *dump)
{
    struct function function;

    take_text(dump); /* source */
    function.first_line = (int)take_size(dump);
    take_size(dump); /* last line */
    take(dump, 3);
    function.code = take_part(dump, sizeof(uint32_t));
    function.constants = take_constants(dump);
    take_part(dump, 3); /* upvalues */
    for (size_t n = take_size(dump); n > 0 && !dump->is_bad; n--)
        look_at_function(L, search, dump);
    take_debug(dump, &function);
    if (!dump->is_bad)
        look_at_code(L, search, dump, &function);
}

/* ---- all files ----------------------------------------------------------------------- */

static int
keep_bytes(lua_State *L, const void *bytes, size_t len, void *arg)
{
    struct search *search = arg;

    (void)L;
    return kp_buf_append(&search->bytes, &search->stage->script->env->mem, bytes, len);
}

static int
look_at_file(lua_State *L)
{
    struct search *search = lua_touserdata(L, 1);

    lua_newtable(L); /* what was told of this file; stack: search told */
    if (kp_source_compile(L, search->file) != 0 ||
        lua_dump(L, keep_bytes, search, 0) != 0)
        return 0;
    struct dump dump = {.at = kp_buf_bytes(&search->bytes)};
    dump.end = dump.at + kp_buf_len(&search->bytes);
    const unsigned char *header = take(&dump, SIZE_OF_HEADER + 1);
    if (header != NULL && memcmp(header, DUMP_OF_LUA_5_4, SIZE_OF_DUMP_TAG) == 0)
        look_at_function(L, search, &dump);
    return 0;
}

int
kp_globals_check(struct kp_stage *stage)
{
    struct kp_script *script = stage->script;
    struct search search = {.stage = stage};

    script->error[0] = '\0';
    kp_list_each(node, &stage->sources.files) {
        search.file = kp_container_of(node, struct kp_source_file, node);
        int rc = kp_generation_enter(stage->gen, look_at_file, &search, 0);
        kp_buf_clear(&search.bytes, &script->env->mem);
        if (rc < 0) { /* no memory: the check itself was good */
            script->error[0] = '\0';
            return 0;
        }
    }
    return search.n_found;
}
