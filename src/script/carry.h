/*
 * carry.h - values from one lua_State to another, by value
 *
 * The old state is only read: nothing is created in it and nothing of it can raise, so one
 * protected call, on the new state, is enough. What cannot cross is collected with its path.
 */
#ifndef KP_CARRY_H
#define KP_CARRY_H

#include "base/list.h"
#include "generation.h"
#include "seen.h"

#define KP_CARRY_MAX_PROBLEMS 20 /* kept with their text; the count is exact */

struct kp_carry_problem {
    struct kp_node node;
    char text[256]; /* "conn 42: data.on_reply is a function" */
};

struct kp_carry {
    struct kp_generation *from, *to;
    bool drop;                /* leave out what cannot cross, list it, go on */
    struct kp_node problems;  /* kp_carry_problem */
    size_t n_problems;        /* all, also those beyond the first 20 that are kept */
    size_t n_values, n_bytes; /* carried: tables and strings' bytes, for reports */
    size_t n_roots;           /* kept roots that came from the old generation */
    struct kp_node
        unasked; /* kp_carry_problem: roots that the new script did not ask for */
    size_t n_unasked;

    /* For the next value: where in the new state's stack is the table that its content is for,
     * or 0. References to the root become references to that one, and what cannot cross is
     * taken from the same place in it. */
    int target;

    struct kp_seen seen; /* tables of the value that is being copied */
    int from_top;        /* height of the old state's stack, to be restored */
};

/* Starts to carry.
 * Returns   0, or an errno of the system's random source. */
int kp_carry_init(struct kp_carry *carry, struct kp_generation *from,
                  struct kp_generation *to, bool drop) KP_MUST_CHECK;
void kp_carry_clear(struct kp_carry *carry);

/* Copies the value at `index` of the old state's main stack to the top of L, the new state
 * or one of its coroutines: nil, booleans, numbers, strings, tables (shared references and
 * cycles within this value kept), handles of connections and rooms, objects with a metatable
 * known to kelpie.class. Anything else is a problem and becomes nil. Runs protected on the
 * new state. [-0, +1]
 * root names the value in problems: "conn 42: data", "keep 'seen'". */
void kp_carry_value(struct kp_carry *carry, lua_State *L, int index, const char *root);

/* carry_report.c */

/* Adds a problem. Needs memory only for its text: it is counted in any case. */
void kp_carry_report(struct kp_carry *carry, const char *format, ...) KP_PRINTF(2, 3);

/* The same for a root that the new script did not ask for, which is no problem. */
void kp_carry_note_unasked(struct kp_carry *carry, const char *format, ...)
    KP_PRINTF(2, 3);

/* For kp_carry_clear: frees the texts. */
void kp_carry_clear_texts(struct kp_carry *carry);

/* carry_live.c */

/* Pushes a copy of the old generation's kept root of that name. Runs protected on the new
 * state. [-0, +0 or +1]
 * Returns   whether there was one. */
bool kp_carry_root(struct kp_carry *carry, lua_State *L, const char *name, size_t len);

/* Carries what the new script has not asked for by itself: the other kept roots and the data
 * of every connection. Classes that are missing then are problems. Runs protected. */
void kp_carry_live(struct kp_carry *carry, lua_State *L);

/* Walks all connections that have not been told of their end, in order of their numbers:
 * start with *cursor 0; NULL at the end. */
struct kelpie_conn *kp_carry_next_conn(const struct kp_net *net, size_t *cursor);

/* migrate.c */

/* Calls migrate and migrate_conn of the new script. Runs protected; raises what they raise.
 * *where is set to a few words that say what is running: "migrate", "migrate_conn of
 * conn 42"; where has 64 bytes. */
void kp_carry_migrate(struct kp_carry *carry, lua_State *L, char *where);

#endif
