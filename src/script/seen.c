/*
 * seen.c - which tables and handles of the old state have been met, and the number each was given
 *
 * A hash map from addresses to numbers. Its nodes come in blocks, because a big state has a
 * million tables and a small one, of which there are ten thousand (one per connection), has
 * one or two: the last block is kept from one value to the next.
 */
#include "seen.h"

#include <errno.h>
#include <string.h>

#define BLOCK_NODES 64

struct kp_seen_block {
    struct kp_seen_block *next;
    size_t used;
    struct kp_seen_node nodes[BLOCK_NODES];
};

int
kp_seen_init(struct kp_seen *seen, struct kp_mem *mem, struct kp_sys *sys)
{
    memset(seen, 0, sizeof *seen);
    seen->mem = mem;
    return kp_map_init(&seen->map, mem, sys);
}

void
kp_seen_reset(struct kp_seen *seen)
{
    struct kp_seen_block *block = seen->blocks;

    kp_map_clear(&seen->map);
    seen->count = 0;
    if (!block)
        return;
    while (block->next) {
        struct kp_seen_block *next = block->next->next;

        kp_mem_free(seen->mem, block->next, sizeof *block);
        block->next = next;
    }
    block->used = 0;
}

void
kp_seen_clear(struct kp_seen *seen)
{
    kp_seen_reset(seen);
    kp_mem_free(seen->mem, seen->blocks, sizeof *seen->blocks);
    seen->blocks = NULL;
}

/* Mixes the bits of an address (the finaliser of MurmurHash3): allocators give neighbours. */
static uint64_t
hash_address(const void *table)
{
    uint64_t x = (uint64_t)(uintptr_t)table;

    x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

struct kp_seen_node *
kp_seen_find(const struct kp_seen *seen, const void *table)
{
    struct kp_map_node *node = kp_map_first(&seen->map, hash_address(table));

    for (; node; node = kp_map_next(node)) {
        struct kp_seen_node *found = kp_container_of(node, struct kp_seen_node, by_table);

        if (found->table == table)
            return found;
    }
    return NULL;
}

/* Returns a free node, or NULL when there is no memory. */
static struct kp_seen_node *
take_node(struct kp_seen *seen)
{
    struct kp_seen_block *block = seen->blocks;

    if (!block || block->used == BLOCK_NODES) {
        block = kp_mem_alloc(seen->mem, sizeof *block);
        if (!block)
            return NULL;
        block->next = seen->blocks;
        block->used = 0;
        seen->blocks = block;
    }
    return &block->nodes[block->used++];
}

struct kp_seen_node *
kp_seen_add(struct kp_seen *seen, const void *table)
{
    struct kp_seen_node *node = take_node(seen);

    if (!node)
        return NULL;
    if (kp_map_add(&seen->map, &node->by_table, hash_address(table)) != 0) {
        seen->blocks->used--;
        return NULL;
    }
    node->table = table;
    node->number = ++seen->count;
    node->entered = false;
    return node;
}
