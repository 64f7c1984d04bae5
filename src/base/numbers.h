/*
 * numbers.h - hands out the smallest free number
 *
 * A tree of 64-bit words: a bit of a leaf says "taken", a bit of an upper word says "all
 * below are taken". Taking and giving back cost one word per level: log64(n).
 */
#ifndef KP_NUMBERS_H
#define KP_NUMBERS_H

#include "mem.h"

#define KP_NUMBERS_LEVELS 5 /* 64^5 numbers, more than 2^29 */

struct kp_numbers {
    struct kp_mem *mem;
    uint64_t *words[KP_NUMBERS_LEVELS]; /* [0] are the leaves */
    size_t capacity[KP_NUMBERS_LEVELS]; /* allocated words of a level */
    uint32_t limit;                     /* numbers handed out are below it */
};

/* Starts with all numbers of [0, limit) free; takes no memory. */
void kp_numbers_init(struct kp_numbers *numbers, struct kp_mem *mem, uint32_t limit);
void kp_numbers_clear(struct kp_numbers *numbers);

/* Takes the smallest free number.
 * Returns   0 with *out set; -ENOSPC when all are taken; -ENOMEM. */
int kp_numbers_take(struct kp_numbers *numbers, uint32_t *out) KP_MUST_CHECK;

/* Gives back a number that is taken. */
void kp_numbers_give(struct kp_numbers *numbers, uint32_t number);

#endif
