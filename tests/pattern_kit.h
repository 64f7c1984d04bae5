/*
 * pattern_kit.h - our pattern functions beside those of Lua
 *
 * Two states, one with the library of Lua, one with ours on top. Each case is called in both,
 * and all that a script could see must be the same: results, captures, errors.
 */
#ifndef PATTERN_KIT_H
#define PATTERN_KIT_H

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

enum pk_function { PK_FIND, PK_MATCH, PK_GMATCH, PK_GSUB, PK_N_FUNCTIONS };

/* What gsub gets as its third argument. */
enum pk_replacement { PK_TEXT, PK_TABLE, PK_CALL, PK_N_REPLACEMENTS };

struct pk_bytes {
    const char *bytes;
    size_t len;
};

struct pk_case {
    enum pk_function function;
    enum pk_replacement replacement;
    struct pk_bytes subject, pattern;
    struct pk_bytes text;        /* the replacement, for PK_TEXT */
    const lua_Integer *position; /* where to begin, or how often; NULL: not given */
    int is_plain;
};

struct pk_pair {
    lua_State *system, *ours;
    struct kp_generation *gen; /* of ours: an empty one */
};

/* Opens both states, with all libraries. Return 0 or -1: no memory. */
int pk_open(struct pk_pair *pair);
void pk_close(struct pk_pair *pair);

/* Runs a case in both. Returns whether they agree; if not, it has printed how not. */
int pk_agree(const struct pk_pair *pair, const struct pk_case *c);

/* Compares what is above the index `base` in both stacks. Returns whether it is the same. */
int pk_same_values(lua_State *a, lua_State *b, int base);

/* Prints the values above `base`, after a word. */
void pk_print_values(const char *word, lua_State *L, int base);

#endif
