/*
 * syntax.c - all syntax errors of a script at once
 *
 * Loading stops at the first file that does not compile, because what it would have required
 * is not known by then. A person who has changed five files wants all five answers. So after
 * a syntax error every file is compiled that was read, and every one that these name in
 * require("name") or require "name". The scanner below knows as much of Lua as it takes not
 * to be fooled by comments and strings.
 */
#include <lauxlib.h>
#include <string.h>

#include "generation.h"
#include "source.h"

#define MAX_FILES 1000 /* so that a tree of generated files cannot hold up the server */

struct scanner {
    const char *at, *end;
};

static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

/* Measures the bracket that opens a long string or comment.
 * Returns   the number of its = signs, -1 when it is none. */
static int
long_bracket(const struct scanner *s)
{
    const char *p = s->at;
    int level = 0;

    if (p == s->end || *p++ != '[')
        return -1;
    while (p < s->end && *p == '=') {
        p++;
        level++;
    }
    return p < s->end && *p == '[' ? level : -1;
}

/* Passes a long string.
 * Returns   its content; *len is its length. */
static const char *
skip_long(struct scanner *s, int level, size_t *len)
{
    const char *start = s->at + level + 2;

    for (const char *p = start; p < s->end; p++) {
        const char *q = p + 1;

        if (*p != ']')
            continue;
        while (q < s->end && *q == '=')
            q++;
        if (q < s->end && *q == ']' && q - p - 1 == level) {
            s->at = q + 1;
            *len = (size_t)(p - start);
            return start;
        }
    }
    s->at = s->end;
    *len = 0;
    return start;
}

/* Passes a string in quotes; the line's end ends it too. */
static const char *
skip_quoted(struct scanner *s, size_t *len)
{
    char quote = *s->at;
    const char *start = ++s->at;

    while (s->at < s->end && *s->at != quote && *s->at != '\n')
        s->at += *s->at == '\\' && s->end - s->at > 1 ? 2 : 1;
    *len = (size_t)(s->at - start);
    if (s->at < s->end)
        s->at++;
    return start;
}

/* Passes the string here, if there is one.
 * Returns   its content with *len, or NULL. */
static const char *
skip_string(struct scanner *s, size_t *len)
{
    if (s->at < s->end && (*s->at == '"' || *s->at == '\''))
        return skip_quoted(s, len);
    int level = long_bracket(s);
    return level >= 0 ? skip_long(s, level, len) : NULL;
}

static void
skip_comment(struct scanner *s)
{
    size_t len;

    s->at += 2;
    int level = long_bracket(s);
    if (level >= 0) {
        skip_long(s, level, &len);
        return;
    }
    while (s->at < s->end && *s->at != '\n')
        s->at++;
}

static void
skip_space(struct scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || (*s->at >= '\t' && *s->at <= '\r')))
        s->at++;
}

/* Passes a word.
 * Returns   the name in `require "name"`, with *len, or NULL. */
static const char *
skip_word(struct scanner *s, size_t *len)
{
    const char *start = s->at;

    while (s->at < s->end && is_word(*s->at))
        s->at++;
    if (s->at - start != 7 || memcmp(start, "require", 7) != 0)
        return NULL;
    skip_space(s);
    if (s->at < s->end && *s->at == '(')
        s->at++;
    skip_space(s);
    return skip_string(s, len);
}

/* Returns the next name that is required, with *len; NULL at the end. */
static const char *
next_required(struct scanner *s, size_t *len)
{
    while (s->at < s->end) {
        if (s->end - s->at >= 2 && memcmp(s->at, "--", 2) == 0) {
            skip_comment(s);
        } else if (is_word(*s->at)) {
            const char *name = skip_word(s, len);
            if (name)
                return name;
        } else if (!skip_string(s, len)) {
            s->at++;
        }
    }
    return NULL;
}

/* Reads what a file requires. Names of libraries and of missing files lead nowhere: that
 * is for the run to tell. */
static void
read_required(struct kp_sources *sources, const struct kp_source_file *file)
{
    struct scanner s = {file->bytes, file->bytes + file->len};
    const struct kp_source_file *found;
    const char *start;
    size_t len;

    while (file->len > 0 && (start = next_required(&s, &len))) {
        char name[256], path[4096];

        if (len >= sizeof name)
            continue;
        memcpy(name, start, len);
        name[len] = '\0';
        for (int i = 0; kp_source_module_path(sources, name, i, path, sizeof path); i++)
            if (kp_sources_read(sources, path, &found) == 0)
                break;
    }
}

int
kp_source_syntax_errors(lua_State *L, struct kp_sources *sources)
{
    struct kp_watchdog *watchdog = &kp_generation_of(L)->watchdog;
    int n_errors = 0;

    lua_pushliteral(L, "");
    kp_list_each(node, &sources->files) { /* reading makes the list longer */
        const struct kp_source_file *file =
            kp_container_of(node, struct kp_source_file, node);
        int status = kp_source_compile(L, file); /* stack: errors, function or message */

        if (status == LUA_ERRMEM)
            lua_error(L);
        if (status == LUA_OK) {
            lua_pop(L, 1);
        } else {
            lua_pushstring(L, n_errors++ > 0 ? "\n" : "");
            lua_insert(L, -2);
            lua_concat(L, 3);
        }
        if (sources->n_files < MAX_FILES)
            read_required(sources, file);
        kp_watchdog_look(watchdog, L);
    }
    return n_errors;
}
