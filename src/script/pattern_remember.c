/*
 * pattern_remember.c - what a match knows about its subject
 *
 * Of each choice a bit per position: the items behind it do not match there. Of each %b where
 * it ends, for all positions. It is made when a match turns out to be slow, and filled by
 * pattern.c; the essay there says why this makes patterns linear. A choice in front of a
 * back reference has none: whether the rest matches depends on what was captured.
 *
 * The memory is bounded. The last items have it first, they fail most.
 */
#include "pattern.h"
#include "pattern_inside.h"

#define PIECE         (1024 * 1024) /* bytes between two calls of the hook */
#define MEMORY_BASE   (1024 * 1024) /* bytes of memory */
#define MEMORY_FACTOR 8             /* and so many for a byte of the subject */

/* Brackets that are the same: what begins at one ends at the next. */
static void
find_same_partners(struct kp_match *m, const struct kp_item *item, uint32_t *partner)
{
    uint32_t next = 0;

    for (size_t i = (size_t)(m->subject_end - m->subject); i-- > 0;) {
        if ((unsigned char)m->subject[i] == item->c) {
            partner[i] = next;
            next = (uint32_t)i + 1;
        }
        if (i % PIECE == 0)
            m->hooks.step(m->hooks.arg);
    }
}

/* The open brackets are a stack that is linked through the array itself. */
static void
find_partners(struct kp_match *m, const struct kp_item *item, uint32_t *partner)
{
    size_t len = (size_t)(m->subject_end - m->subject);
    uint32_t top = 0; /* the last bracket that is open, counted from 1 */

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)m->subject[i];
        if (c == item->closer && top > 0) {
            uint32_t opened = top - 1;
            top = partner[opened];
            partner[opened] = (uint32_t)i + 1;
        } else if (c == item->c) {
            partner[i] = top;
            top = (uint32_t)i + 1;
        }
        if (i % PIECE == 0)
            m->hooks.step(m->hooks.arg);
    }
    while (top > 0) {
        uint32_t opened = top - 1;
        top = partner[opened];
        partner[opened] = 0;
    }
}

/* Returns how much memory what is known of an item needs; a multiple of that of a number. */
static size_t
memory_of(const struct kp_pattern *pattern, const struct kp_item *item, size_t len)
{
    if (kp_item_is_choice(item) && item >= pattern->free_of)
        return (len / 8 + 1 + 3) / 4 * 4;
    return item->kind == KP_ITEM_BALANCE ? len * sizeof(uint32_t) : 0;
}

/* From now on failures are remembered, of as many items as there is memory for. */
void
kp_match_remember(struct kp_match *m)
{
    struct kp_item *items = m->pattern->items, *item = m->pattern->done;
    size_t len = (size_t)(m->subject_end - m->subject);
    size_t size = 0, left = MEMORY_BASE + MEMORY_FACTOR * len;

    m->remembers = true;
    if (len >= UINT32_MAX)
        return;
    for (; item > items; item--) {
        size_t more = memory_of(m->pattern, item - 1, len);
        if (more > left)
            break;
        left -= more;
        size += more;
    }
    if (size == 0)
        return;
    char *memory = m->hooks.alloc(m->hooks.arg, size);
    for (; item < m->pattern->done; item++) {
        size_t needed = memory_of(m->pattern, item, len);
        if (needed == 0)
            continue;
        if (item->kind == KP_ITEM_BALANCE && item->c == item->closer)
            find_same_partners(m, item, (uint32_t *)(void *)memory);
        else if (item->kind == KP_ITEM_BALANCE)
            find_partners(m, item, (uint32_t *)(void *)memory);
        if (item->kind == KP_ITEM_BALANCE)
            item->partner = (uint32_t *)(void *)memory;
        else
            item->failed = (uint8_t *)memory;
        memory += needed;
    }
}

void
kp_match_forget(struct kp_match *m)
{
    for (struct kp_item *item = m->pattern->items; item < m->pattern->done; item++)
        item->failed = NULL; /* or partner */
    m->remembers = false;
    m->n_failures = 0;
}
