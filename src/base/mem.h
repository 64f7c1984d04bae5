/*
 * mem.h - the one door to memory
 *
 * Every allocation of a server goes through its struct kp_mem, hence through the host's
 * allocator, and is counted. Tests put an allocator behind it that fails when told to.
 */
#ifndef KP_MEM_H
#define KP_MEM_H

#include <stdbool.h>

#include "base.h"
#include "kelpie.h"
#include "spare.h"

struct kp_mem {
    kelpie_alloc_fn *alloc; /* of the host; NULL: malloc(3), realloc(3) and free(3) */
    void *arg;
    size_t used;           /* bytes allocated now */
    struct kp_spare spare; /* without an allocator of the host */
};

/* Makes mem allocate with alloc(arg, ...); NULL means malloc(3), realloc(3) and free(3). */
void kp_mem_init(struct kp_mem *mem, kelpie_alloc_fn *alloc, void *arg);

/* Gives back what is kept for later; mem may still be used. */
void kp_mem_trim(struct kp_mem *mem);

/* Returns whether memory comes from malloc(3) and free(3), not from an allocator of the host,
 * which gets every single block. */
bool kp_mem_is_system(const struct kp_mem *mem);

/* Allocates size > 0 bytes; zalloc clears them.
 * Returns   NULL when there is no memory.
 * Gives     a block for kp_mem_free with the same size. */
void *kp_mem_alloc(struct kp_mem *mem, size_t size) KP_MUST_CHECK;
void *kp_mem_zalloc(struct kp_mem *mem, size_t size) KP_MUST_CHECK;

/* Changes a block's size; ptr may be NULL (old_size 0 then), new_size is > 0.
 * Returns   the block; NULL when there is no memory: then ptr is as it was. */
void *kp_mem_realloc(struct kp_mem *mem, void *ptr, size_t old_size,
                     size_t new_size) KP_MUST_CHECK;

/* Frees a block of size bytes. ptr may be NULL. */
void kp_mem_free(struct kp_mem *mem, void *ptr, size_t size);

/* Copies len bytes and appends a NUL.
 * Gives     a block of len + 1 bytes. */
char *kp_mem_dup(struct kp_mem *mem, const void *bytes, size_t len) KP_MUST_CHECK;

/* Grows an array so that it can hold want elements: doubles *capacity, at least to 8.
 * Returns   0; -ENOMEM, also when the size overflows: then array and capacity are as they
 *           were. array is the address of a pointer to elements of element_size bytes. */
int kp_mem_grow(struct kp_mem *mem, void *array, size_t *capacity, size_t want,
                size_t element_size) KP_MUST_CHECK;

#endif
