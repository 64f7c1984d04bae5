/*
 * spare.h - blocks that were freed, kept for the next one
 */
#ifndef KP_SPARE_H
#define KP_SPARE_H

#include <stdbool.h>
#include <stddef.h>

#define KP_SPARE_MIN  ((size_t)1 << 8)  /* smaller ones are seldom asked for */
#define KP_SPARE_MAX  ((size_t)1 << 17) /* larger ones are rare, and pages of their own */
#define KP_SPARE_KEPT ((size_t)4 << 20) /* bytes that wait at most */

#define KP_SPARE_STEPS   8 /* sizes in each doubling: an eighth is lost at most */
#define KP_SPARE_CLASSES (9 * KP_SPARE_STEPS)

struct kp_spare_block;

/* All zero: nothing is kept. */
struct kp_spare {
    struct kp_spare_block *first[KP_SPARE_CLASSES]; /* by size */
    size_t bytes;                                   /* of all of them */
    size_t turn; /* the class that gives up a block next, when there are too many */
};

/* Returns whether blocks of this size are kept at all. */
static inline bool
kp_spare_fits(size_t size)
{
    return size > KP_SPARE_MIN && size <= KP_SPARE_MAX;
}

/* Returns what to allocate instead of a size that fits: the size of its class. */
size_t kp_spare_round(size_t size);

/* Takes a block for a size that fits. Returns NULL when none is kept. */
void *kp_spare_take(struct kp_spare *spare, size_t size);

/* Keeps a block of kp_spare_round(size) bytes. */
void kp_spare_put(struct kp_spare *spare, void *block, size_t size);

/* Takes out a block if more than max bytes are kept: to be freed, and asked again.
 * Returns   NULL when it is not more. */
void *kp_spare_excess(struct kp_spare *spare, size_t max);

#endif
