/*
 * mem.c - the one door to memory
 *
 * A server gets an allocator from its host, in the shape of lua_Alloc: one function that
 * allocates, resizes and frees, and that is told the old size of a block. So nobody has to
 * store sizes beside blocks: whoever owns a block knows how large it is, and says so when
 * it gives the block back.
 *
 * This file adds three things to that function: the count of bytes in use, checked size
 * arithmetic, and growing arrays. It never gives up: no memory is an answer, not an end.
 * All callers handle it, and tests make each of them prove it.
 *
 *     caller -> kp_mem_... -> kelpie_alloc_fn of the host
 *                          -> spare.c, malloc, realloc and free where it has none
 *
 * A host's allocator sees every single block, and so does the address sanitizer (KP_NO_POOL).
 * Without either, blocks that are freed wait for the next one, unless they are small or huge
 * (spare.c). Other caches are for whoever knows his blocks (script/pool.c).
 */
#include "mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An array starts with room for so many elements. */
#define FIRST_CAPACITY 8

/* ---- without an allocator of the host ---- */

static bool
is_kept(size_t size)
{
#ifdef KP_NO_POOL
    (void)size;
    return false;
#else
    return kp_spare_fits(size);
#endif
}

static void *
system_alloc(struct kp_mem *mem, size_t size)
{
    if (!is_kept(size))
        return malloc(size);
    void *block = kp_spare_take(&mem->spare, size);
    return block != NULL ? block : malloc(kp_spare_round(size));
}

static void
free_excess(struct kp_mem *mem, size_t max)
{
    void *block;

    while ((block = kp_spare_excess(&mem->spare, max)) != NULL)
        free(block);
}

static void
system_free(struct kp_mem *mem, void *ptr, size_t size)
{
    if (is_kept(size)) {
        kp_spare_put(&mem->spare, ptr, size);
        free_excess(mem, KP_SPARE_KEPT);
    } else {
        free(ptr);
    }
}

static void *
system_realloc(struct kp_mem *mem, void *ptr, size_t old_size, size_t new_size)
{
    if (ptr == NULL)
        return system_alloc(mem, new_size);
    if (!is_kept(old_size) && !is_kept(new_size))
        return realloc(ptr, new_size);
    if (is_kept(old_size) && is_kept(new_size) &&
        kp_spare_round(old_size) == kp_spare_round(new_size))
        return ptr;

    /* A block that shrinks may as well stay as large as it is: that never fails. */
    void *moved = system_alloc(mem, new_size);
    if (moved == NULL)
        return new_size < old_size ? ptr : NULL;
    memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
    system_free(mem, ptr, old_size);
    return moved;
}

/* ---- blocks ---- */

void
kp_mem_init(struct kp_mem *mem, kelpie_alloc_fn *alloc, void *arg)
{
    *mem = (struct kp_mem){.alloc = alloc, .arg = arg};
}

void
kp_mem_trim(struct kp_mem *mem)
{
    free_excess(mem, 0);
}

bool
kp_mem_is_system(const struct kp_mem *mem)
{
    return mem->alloc == NULL;
}

void *
kp_mem_alloc(struct kp_mem *mem, size_t size)
{
    return kp_mem_realloc(mem, NULL, 0, size);
}

void *
kp_mem_zalloc(struct kp_mem *mem, size_t size)
{
    void *block = kp_mem_alloc(mem, size);

    if (block != NULL)
        memset(block, 0, size);
    return block;
}

void *
kp_mem_realloc(struct kp_mem *mem, void *ptr, size_t old_size, size_t new_size)
{
    assert(new_size > 0 && (ptr != NULL || old_size == 0));
    void *block = mem->alloc != NULL ? mem->alloc(mem->arg, ptr, old_size, new_size)
                                     : system_realloc(mem, ptr, old_size, new_size);

    if (block != NULL)
        mem->used = mem->used - old_size + new_size;
    return block;
}

void
kp_mem_free(struct kp_mem *mem, void *ptr, size_t size)
{
    if (ptr == NULL)
        return;
    assert(mem->used >= size);
    mem->used -= size;
    if (mem->alloc != NULL)
        (void)mem->alloc(mem->arg, ptr, size, 0); /* NULL: it was freed */
    else
        system_free(mem, ptr, size);
}

char *
kp_mem_dup(struct kp_mem *mem, const void *bytes, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = kp_mem_alloc(mem, len + 1);

    if (copy == NULL)
        return NULL;
    if (len > 0) /* bytes may be NULL then, which memcpy does not allow */
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    return copy;
}

/* The next capacity that holds want elements, or 0 when its size is no size_t. */
static size_t
grown_capacity(size_t capacity, size_t want, size_t element_size)
{
    size_t max = SIZE_MAX / element_size;
    size_t grown = capacity > 0 ? capacity : FIRST_CAPACITY;

    while (grown < want) {
        if (grown > max / 2)
            return 0;
        grown *= 2;
    }
    return grown <= max ? grown : 0;
}

/* As kp_mem_realloc, but what an array has outgrown is nobody's next block: it is not kept. */
static void *
grow_block(struct kp_mem *mem, void *ptr, size_t old_size, size_t new_size)
{
    if (mem->alloc != NULL || !is_kept(old_size))
        return kp_mem_realloc(mem, ptr, old_size, new_size);
    void *moved = kp_mem_alloc(mem, new_size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, ptr, old_size);
    mem->used -= old_size;
    free(ptr);
    return moved;
}

int
kp_mem_grow(struct kp_mem *mem, void *array, size_t *capacity, size_t want,
            size_t element_size)
{
    if (want <= *capacity)
        return 0;
    size_t grown = grown_capacity(*capacity, want, element_size);
    if (grown == 0)
        return -ENOMEM;

    /* array points to a pointer of any type; memcpy reads and writes it as what it is. */
    void *block;
    memcpy(&block, array, sizeof(block));
    block = grow_block(mem, block, *capacity * element_size, grown * element_size);
    if (block == NULL)
        return -ENOMEM;
    memcpy(array, &block, sizeof(block));
    *capacity = grown;
    return 0;
}
