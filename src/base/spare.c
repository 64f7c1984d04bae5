/*
 * spare.c - blocks that were freed, kept for the next one
 *
 * An answer waits in an outbox until the end of its step, in a block that is free again then:
 * with hundreds of connections in a step these are more than the quick lists of malloc(3) hold,
 * and it divides and joins blocks for each of them.
 *
 * A message of 64 KiB is a string that is garbage a moment later, and bytes in an outbox that
 * are written at the end of the step. malloc(3) gives such blocks back to the kernel when
 * they end at the top of the heap, and asks for them anew for the next message: a system call,
 * and a page fault for every 4 KiB, which cost more than the message. So both wait here.
 *
 *     first[class]   blocks of 288, 320, ... 512, 576, ... 131,072 bytes; the one
 *                    freed last comes first: the processor's cache has its bytes still
 *
 * Sizes are rounded up to that of their class, so that messages of nearly the same length find
 * each other's blocks. It is not stored: whoever frees a block says how large it is. What waits
 * is bounded; beyond that the classes give up a block in turn, so that sizes which nobody wants
 * any more do not keep out the others.
 *
 * It does not know where blocks come from: mem.c allocates and frees.
 */
#include "spare.h"

#include <assert.h>

struct kp_spare_block {
    struct kp_spare_block *next;
};

/* The size of all blocks of a class. */
static size_t
size_of(size_t class)
{
    size_t begin = KP_SPARE_MIN << (class / KP_SPARE_STEPS);

    return begin + (class % KP_SPARE_STEPS + 1) * (begin / KP_SPARE_STEPS);
}

static size_t
class_of(size_t size)
{
    size_t begin = KP_SPARE_MIN, class = 0;

    assert(kp_spare_fits(size));
    for (; size > 2 * begin; begin *= 2)
        class += KP_SPARE_STEPS;
    return class + (size - begin - 1) / (begin / KP_SPARE_STEPS);
}

static void *
take_from(struct kp_spare *spare, size_t class)
{
    struct kp_spare_block *block = spare->first[class];

    if (block == NULL)
        return NULL;
    spare->first[class] = block->next;
    spare->bytes -= size_of(class);
    return block;
}

size_t
kp_spare_round(size_t size)
{
    return size_of(class_of(size));
}

void *
kp_spare_take(struct kp_spare *spare, size_t size)
{
    return take_from(spare, class_of(size));
}

void
kp_spare_put(struct kp_spare *spare, void *block, size_t size)
{
    size_t class = class_of(size);
    struct kp_spare_block *first = block;

    first->next = spare->first[class];
    spare->first[class] = first;
    spare->bytes += size_of(class);
}

void *
kp_spare_excess(struct kp_spare *spare, size_t max)
{
    void *block = NULL;

    while (spare->bytes > max && block == NULL) {
        block = take_from(spare, spare->turn);
        spare->turn = (spare->turn + 1) % KP_SPARE_CLASSES;
    }
    return block;
}
