/*
 * seen.h - which tables and handles of the old state have been met, and the number each was given
 *
 * Objects are told apart by lua_topointer. That is sound while nothing runs in the old state:
 * no object of it can die, hence no address can be used twice.
 */
#ifndef KP_SEEN_H
#define KP_SEEN_H

#include <stdbool.h>

#include "base/map.h"

struct kp_seen_block; /* nodes are allocated by the block */

struct kp_seen_node {
    struct kp_map_node by_table;
    const void *table;
    long long number; /* from 1, in order of adding */
    bool entered;     /* its content is copied, or being copied */
};

struct kp_seen {
    struct kp_mem *mem;
    struct kp_map map;
    struct kp_seen_block *blocks; /* the newest first */
    long long count;
};

/* Starts empty; takes no memory.
 * Returns   0, or an errno of the system's random source. */
int kp_seen_init(struct kp_seen *seen, struct kp_mem *mem,
                 struct kp_sys *sys) KP_MUST_CHECK;

/* Forgets all tables; keeps a little memory for the next ones. */
void kp_seen_reset(struct kp_seen *seen);
void kp_seen_clear(struct kp_seen *seen);

/* Returns the node of a table, or NULL. */
struct kp_seen_node *kp_seen_find(const struct kp_seen *seen, const void *table);

/* Adds a table that is not there, with the next number.
 * Returns   NULL when there is no memory. */
struct kp_seen_node *kp_seen_add(struct kp_seen *seen, const void *table) KP_MUST_CHECK;

#endif
