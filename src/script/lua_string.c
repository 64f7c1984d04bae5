/*
 * lua_string.c - the string library of a script
 *
 * find, match, gmatch and gsub are our own (pattern.c), because those of Lua can be made to
 * run for ever by a client who knows the pattern, and nothing can end a loop in C. They do
 * what Lua 5.4 does, with the same errors; only "pattern too complex" does not happen.
 *
 * The other functions are Lua's. Each is one pass over its arguments or its result, and those
 * are bounded by the memory cap: at a cap of 64 MiB upper, reverse, rep, format, byte, pack,
 * unpack and those of utf8 take a tenth of a second at most. Two exceptions: rep, which loops
 * n times even over nothing, is asked before; and dump makes bytecode, it is absent.
 */
#include "sandbox.h"

#include <lualib.h>
#include <stddef.h>
#include <string.h>

#include "pattern.h"

#define MEMORY_SIZE  4096 /* patterns of some 50 characters need no memory of Lua */
#define FEW_CAPTURES 8    /* for these there is always room on the stack */

enum { ON_TOP = 0, IN_UPVALUE = -1 };

/* A pattern at work for one call. What Lua must free is kept by Lua, because any step may
 * raise. */
struct matcher {
    struct kp_pattern pattern;
    struct kp_match match;
    lua_State *L;
    int memory_slot; /* where what the match remembers is kept: an index, or ON_TOP, IN_UPVALUE */
    union {
        struct kp_item aligned;
        char bytes[MEMORY_SIZE];
    } memory;
};

static void
on_step(void *arg)
{
    struct matcher *m = arg;

    kp_watchdog_check(&kp_generation_of(m->L)->watchdog, m->L);
}

static void *
on_alloc(void *arg, size_t size)
{
    struct matcher *m = arg;
    void *memory = lua_newuserdatauv(m->L, size, 0);

    memset(memory, 0, size);
    if (m->memory_slot > 0)
        lua_replace(m->L, m->memory_slot);
    else if (m->memory_slot == IN_UPVALUE)
        lua_setiuservalue(m->L, lua_upvalueindex(2), 1);
    return memory;
}

/* Prepares a matcher; a long pattern gets its memory on top of the stack. */
static void
matcher_init(struct matcher *m, lua_State *L, const char *subject, size_t len,
             const char *text, size_t text_len)
{
    struct kp_match_hooks hooks = {on_step, on_alloc, m};
    size_t size = kp_pattern_size(text_len);
    void *memory = &m->memory;

    if (size > sizeof(m->memory))
        memory = lua_newuserdatauv(L, size, 0);
    m->L = L;
    m->memory_slot = ON_TOP;
    kp_pattern_compile(&m->pattern, memory, text, text_len, true);
    kp_match_init(&m->match, &m->pattern, subject, len, &hooks);
}

/* Finds the next match, or raises what is wrong with the pattern. */
static bool
find_next(struct matcher *m, const char *from)
{
    int rc = kp_match_find(&m->match, from);

    if (rc < 0)
        luaL_error(m->L, m->pattern.problem, m->pattern.problem_index);
    return rc > 0;
}

/* --- captures -------------------------------------------------------------------------- */

struct text {
    const char *start;
    size_t len;
};

/* Returns the text of capture i, counted from 0; without captures 0 is the whole match. A
 * position has start NULL, and len is it. */
static struct text
capture(struct matcher *m, int i)
{
    const struct kp_match *match = &m->match;

    if (i >= m->pattern.n_captures) {
        if (i > 0)
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        return (struct text){match->start, (size_t)(match->end - match->start)};
    }
    const char *start = match->captures[i].start;
    if (m->pattern.captures[i] == KP_CAPTURE_OPEN)
        luaL_error(m->L, "unfinished capture");
    if (m->pattern.captures[i] == KP_CAPTURE_POSITION)
        return (struct text){NULL, (size_t)(start - match->subject) + 1};
    return (struct text){start, (size_t)(match->captures[i].end - start)};
}

static void
push_capture(struct matcher *m, int i)
{
    struct text text = capture(m, i);

    if (text.start != NULL)
        lua_pushlstring(m->L, text.start, text.len);
    else
        lua_pushinteger(m->L, (lua_Integer)text.len);
}

/* Pushes all captures; at least n of them. Returns how many. */
static int
push_captures(struct matcher *m, int at_least)
{
    int n = m->pattern.n_captures > at_least ? m->pattern.n_captures : at_least;

    if (n > FEW_CAPTURES)
        luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i);
    return n;
}

/* --- find, match ----------------------------------------------------------------------- */

/* Returns the offset that a position means, counted from the end if it is negative. */
static size_t
offset_of(lua_Integer position, size_t len)
{
    if (position > 0)
        return (size_t)position - 1;
    if (position == 0 || position < -(lua_Integer)len)
        return 0;
    return len - (size_t)-position;
}

static bool
has_specials(const char *pattern, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        switch (pattern[i]) {
        case '^':
        case '$':
        case '*':
        case '+':
        case '?':
        case '.':
        case '(':
        case '[':
        case '%':
        case '-':
            return true;
        }
    }
    return false;
}

/* The results of find before the captures. */
static void
push_range(lua_State *L, const char *subject, const char *start, const char *end)
{
    lua_pushinteger(L, start - subject + 1);
    lua_pushinteger(L, end - subject);
}

static int
find_plain(lua_State *L, const char *subject, size_t len, size_t offset,
           const char *bytes, size_t n)
{
    struct matcher m;
    struct kp_match_hooks hooks = {on_step, on_alloc, &m};

    m.L = L;
    kp_match_init(&m.match, NULL, subject, len, &hooks);
    const char *found = kp_match_plain(&m.match, subject + offset, bytes, n);
    if (found == NULL) {
        lua_pushnil(L);
        return 1;
    }
    push_range(L, subject, found, found + n);
    return 2;
}

static int
find_or_match(lua_State *L, bool is_find)
{
    size_t len, text_len;
    const char *subject = luaL_checklstring(L, 1, &len);
    const char *text = luaL_checklstring(L, 2, &text_len);
    size_t offset = offset_of(luaL_optinteger(L, 3, 1), len);
    struct matcher m;

    if (offset > len) {
        lua_pushnil(L);
        return 1;
    }
    if (is_find && (lua_toboolean(L, 4) || !has_specials(text, text_len)))
        return find_plain(L, subject, len, offset, text, text_len);
    matcher_init(&m, L, subject, len, text, text_len);
    if (!find_next(&m, subject + offset)) {
        lua_pushnil(L);
        return 1;
    }
    if (!is_find)
        return push_captures(&m, 1);
    push_range(L, subject, m.match.start, m.match.end);
    return 2 + push_captures(&m, 0);
}

static int
l_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int
l_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* --- gmatch ---------------------------------------------------------------------------- */

/* upvalues: the subject, and a matcher in a userdata that is as long as the pattern needs;
 * its user value keeps what the match remembers */
static int
gmatch_next(lua_State *L)
{
    struct matcher *m = lua_touserdata(L, lua_upvalueindex(2));
    struct kp_match *match = &m->match;

    m->L = L;
    if (match->end == NULL || !find_next(m, match->end))
        return 0;
    match->rejected_end = match->end;
    return push_captures(m, 1);
}

static int
l_gmatch(lua_State *L)
{
    size_t len, text_len;
    const char *subject = luaL_checklstring(L, 1, &len);
    const char *text = luaL_checklstring(L, 2, &text_len);
    size_t offset = offset_of(luaL_optinteger(L, 3, 1), len);
    size_t size = offsetof(struct matcher, memory) + kp_pattern_size(text_len);

    lua_settop(L, 2);
    lua_pushvalue(L, 1);
    struct matcher *m = lua_newuserdatauv(L, size, 1);
    struct kp_match_hooks hooks = {on_step, on_alloc, m};
    m->memory_slot = IN_UPVALUE;
    kp_pattern_compile(&m->pattern, &m->memory, text, text_len, false);
    kp_match_init(&m->match, &m->pattern, subject, len, &hooks);
    m->match.end = offset <= len ? subject + offset : NULL; /* where it goes on */
    lua_pushcclosure(L, gmatch_next, 2);
    return 1;
}

/* --- gsub ------------------------------------------------------------------------------ */

/* Adds a capture, or %0, the whole match. */
static void
add_capture(struct matcher *m, luaL_Buffer *out, char digit)
{
    const struct kp_match *match = &m->match;
    struct text text = {match->start, (size_t)(match->end - match->start)};

    if (digit != '0')
        text = capture(m, digit - '1');
    if (text.start != NULL) {
        luaL_addlstring(out, text.start, text.len);
    } else {
        lua_pushinteger(m->L, (lua_Integer)text.len);
        luaL_addvalue(out);
    }
}

static void
add_replacement(struct matcher *m, luaL_Buffer *out)
{
    size_t len;
    const char *p = lua_tolstring(m->L, 3, &len), *end = p + len, *escape;

    while ((escape = memchr(p, '%', (size_t)(end - p))) != NULL) {
        char c = escape + 1 < end ? escape[1] : '\0';
        luaL_addlstring(out, p, (size_t)(escape - p));
        if (c == '%')
            luaL_addchar(out, '%');
        else if (c >= '0' && c <= '9')
            add_capture(m, out, c);
        else
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        p = escape + 2;
    }
    luaL_addlstring(out, p, (size_t)(end - p));
}

/* Adds what a function or a table has for the match; false or nil: the match as it is. */
static void
add_looked_up(struct matcher *m, luaL_Buffer *out, int type)
{
    lua_State *L = m->L;

    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, 1), 1);
    } else {
        push_capture(m, 0);
        lua_gettable(L, 3);
    }
    if (lua_isstring(L, -1)) {
        luaL_addvalue(out);
    } else if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        add_capture(m, out, '0');
    } else {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
}

/* Replaces, from a matcher that is ready. Pushes the result, returns how many. */
static lua_Integer
replace_all(struct matcher *m, lua_Integer most, int type)
{
    struct kp_match *match = &m->match;
    const char *copied = match->subject;
    lua_Integer n = 0;
    luaL_Buffer out;

    luaL_buffinit(m->L, &out);
    while (n < most && find_next(m, copied)) {
        n++;
        luaL_addlstring(&out, copied, (size_t)(match->start - copied));
        if (type == LUA_TSTRING)
            add_replacement(m, &out);
        else
            add_looked_up(m, &out, type);
        copied = match->rejected_end = match->end;
        if (m->pattern.is_anchored)
            break;
    }
    luaL_addlstring(&out, copied, (size_t)(match->subject_end - copied));
    luaL_pushresult(&out);
    return n;
}

static int
l_gsub(lua_State *L)
{
    size_t len, text_len;
    const char *subject = luaL_checklstring(L, 1, &len);
    const char *text = luaL_checklstring(L, 2, &text_len);
    int type = lua_type(L, 3);
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)len + 1);
    struct matcher m;

    if (type == LUA_TNUMBER)
        type = LUA_TSTRING;
    luaL_argexpected(L,
                     type == LUA_TSTRING || type == LUA_TTABLE || type == LUA_TFUNCTION,
                     3, "string/function/table");
    lua_settop(L, 4);
    matcher_init(&m, L, subject, len, text, text_len);
    m.memory_slot = 4; /* the buffer that follows must stay on top */
    lua_Integer n = replace_all(&m, most, type);
    lua_pushinteger(L, n);
    return 2;
}

/* --- the library ----------------------------------------------------------------------- */

/* string.rep, which otherwise loops n times over nothing. Upvalue 1: the original. */
static int
l_rep(lua_State *L)
{
    size_t len, separator_len;

    luaL_checklstring(L, 1, &len);
    luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &separator_len);
    if (len == 0 && separator_len == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static const luaL_Reg pattern_functions[] = {
    {"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch},
    {"gsub", l_gsub}, {NULL, NULL},
};

void
kp_string_open(lua_State *L)
{
    luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
    luaL_setfuncs(L, pattern_functions, 0);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_getfield(L, -1, "rep");
    lua_pushcclosure(L, l_rep, 1);
    lua_setfield(L, -2, "rep");
    lua_pop(L, 1);

    /* Its metatable is locked: changing it would change every string. */
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}
