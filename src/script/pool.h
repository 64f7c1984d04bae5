/*
 * pool.h - the small blocks of a Lua state
 */
#ifndef KP_POOL_H
#define KP_POOL_H

#include "base/mem.h"

#define KP_POOL_MAX 256 /* bytes of the largest block that a pool can hold */
#ifdef KP_NO_POOL
# define KP_POOL_LUA_MAX 0
#else
# define KP_POOL_LUA_MAX KP_POOL_MAX
#endif
#define KP_POOL_STEP    16 /* sizes are rounded up to it */
#define KP_POOL_CLASSES (KP_POOL_MAX / KP_POOL_STEP)

struct kp_pool_slab;
struct kp_pool_block;

struct kp_pool {
    struct kp_mem *mem;
    size_t max; /* bytes of the largest block that is taken from here */
    struct kp_pool_block *unused[KP_POOL_CLASSES]; /* by size */
    char *fresh;                                   /* of the newest slab: not given yet */
    size_t n_fresh;                                /* bytes */
    struct kp_pool_slab *slabs;
};

/* Makes an empty pool whose slabs are allocated from mem. max: as above; at most KP_POOL_MAX,
 * 0: it takes no block itself. */
void kp_pool_init(struct kp_pool *pool, struct kp_mem *mem, size_t max);

/* Frees the slabs, with all blocks that are still in use. */
void kp_pool_clear(struct kp_pool *pool);

/* As kp_mem_realloc and kp_mem_free, for blocks of any size: the large ones are mem's own. */
void *kp_pool_realloc(struct kp_pool *pool, void *ptr, size_t old_size,
                      size_t new_size) KP_MUST_CHECK;
void kp_pool_free(struct kp_pool *pool, void *ptr, size_t size);

#endif
