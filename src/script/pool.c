/*
 * pool.c - the small blocks of a Lua state
 *
 * Nearly every message makes a string and drops another one, each a block of less than a
 * hundred bytes: malloc and free are a tenth of what the message costs. Here they are a few
 * instructions.
 *
 *     slabs    blocks of 16, 32, ... 256 bytes, in the order in which they were first needed
 *     unused   one list for each size, the block freed last first
 *
 * A block is cut from the newest slab, given back to the list of its size, and taken from
 * there from then on. It never becomes one of another size. Slabs are freed with the state, not
 * before: a state that has shrunk keeps what it had for its small blocks. Lua says how large a
 * block is when it frees it, so nothing is stored beside it.
 *
 * Where the host has an allocator of its own, and in a build with the address sanitizer
 * (KP_POOL_LUA_MAX), `max` is 0: then all blocks are the allocator's, and it sees each of them.
 */
#include "pool.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define SLAB_SIZE ((size_t)16 * 1024) /* with its header */

struct kp_pool_slab {
    struct kp_pool_slab *next;
    void *padding; /* so that blocks are aligned to 16 bytes */
};

struct kp_pool_block {
    struct kp_pool_block *next;
};

void
kp_pool_init(struct kp_pool *pool, struct kp_mem *mem, size_t max)
{
    assert(max <= KP_POOL_MAX);
    *pool = (struct kp_pool){.mem = mem, .max = max};
}

void
kp_pool_clear(struct kp_pool *pool)
{
    while (pool->slabs != NULL) {
        struct kp_pool_slab *slab = pool->slabs;
        pool->slabs = slab->next;
        kp_mem_free(pool->mem, slab, SLAB_SIZE);
    }
    kp_pool_init(pool, pool->mem, pool->max);
}

static bool
is_small(const struct kp_pool *pool, size_t size)
{
    return size <= pool->max;
}

/* Which list blocks of a size are in, for a size of at least 1. */
static size_t
class_of(size_t size)
{
    return (size - 1) / KP_POOL_STEP;
}

static void
put(struct kp_pool *pool, size_t class, void *ptr)
{
    struct kp_pool_block *block = ptr;

    block->next = pool->unused[class];
    pool->unused[class] = block;
}

/* Begins a slab. What is left of the last one becomes a block: it is smaller than the one that
 * did not fit. */
static bool
add_slab(struct kp_pool *pool)
{
    struct kp_pool_slab *slab = kp_mem_alloc(pool->mem, SLAB_SIZE);

    if (slab == NULL)
        return false;
    if (pool->n_fresh > 0)
        put(pool, class_of(pool->n_fresh), pool->fresh);
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->fresh = (char *)(slab + 1);
    pool->n_fresh = (SLAB_SIZE - sizeof(*slab)) / KP_POOL_STEP * KP_POOL_STEP;
    return true;
}

static void *
take(struct kp_pool *pool, size_t class)
{
    struct kp_pool_block *block = pool->unused[class];
    size_t size = (class + 1) * KP_POOL_STEP;

    if (block != NULL) {
        pool->unused[class] = block->next;
        return block;
    }
    if (pool->n_fresh < size && !add_slab(pool))
        return NULL;
    void *ptr = pool->fresh;
    pool->fresh += size;
    pool->n_fresh -= size;
    return ptr;
}

void
kp_pool_free(struct kp_pool *pool, void *ptr, size_t size)
{
    if (ptr == NULL)
        return;
    if (is_small(pool, size))
        put(pool, class_of(size), ptr);
    else
        kp_mem_free(pool->mem, ptr, size);
}

static void *
pool_alloc(struct kp_pool *pool, size_t size)
{
    return is_small(pool, size) ? take(pool, class_of(size))
                                : kp_mem_alloc(pool->mem, size);
}

void *
kp_pool_realloc(struct kp_pool *pool, void *ptr, size_t old_size, size_t new_size)
{
    if (ptr == NULL)
        return pool_alloc(pool, new_size);
    if (!is_small(pool, old_size) && !is_small(pool, new_size))
        return kp_mem_realloc(pool->mem, ptr, old_size, new_size);
    if (is_small(pool, old_size) && is_small(pool, new_size) &&
        class_of(old_size) == class_of(new_size))
        return ptr;

    /* A small block that shrinks may as well stay: that never fails. */
    void *moved = pool_alloc(pool, new_size);
    if (moved == NULL)
        return new_size < old_size && is_small(pool, old_size) ? ptr : NULL;
    memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
    kp_pool_free(pool, ptr, old_size);
    return moved;
}
