/*
 * loop_watch.c - who watches what, and what the kernel is to be told about it
 *
 * Who: a source has a slot, a slot has a generation, and both together are the tag that the
 * kernel is given as udata. A tag whose slot is empty, or has another generation by now,
 * belongs to a source that is gone; its events are nobody's, even when the descriptor's
 * number, the slot and the struct are in use again.
 *
 * What: at most one change for each source and filter. A later wish replaces an earlier one
 * in place, and a wish that comes to nothing (watched and unwatched in the same step) is
 * taken out. So the order of the changes has no meaning, and any of them may be moved to
 * fill a gap. The life of one filter of a source:
 *
 *     mode         registered    pending change
 *     off          off           none
 *     edge         off           add            kp_loop_watch(KP_EDGE)
 *     edge         edge          none           after the wait
 *     off          edge          delete         kp_loop_watch(KP_OFF)
 *     edge         edge          add            on again before the wait: asks anew
 *
 * A delete carries udata 0, which is nobody's tag, and keeps its tag in `data` where the
 * kernel does not look. So the error of a delete is recognised: the descriptor was closed
 * before (ENOENT, EBADF), which is what was wanted. The error of an add is an event of its
 * source, with watch_failed.
 *
 * See       kqueue(2)
 */
#include "loop_watch.h"

#include <assert.h>
#include <errno.h>
#include <sys/event.h>

#include "compat/compat.h"

/* A tag is a slot and its generation in one pointer-sized number. */
#define TAG_BITS        (8 * sizeof(uintptr_t))
#define GENERATION_BITS (TAG_BITS >= 64 ? 32 : 12)
#define MAX_GENERATION  ((uint32_t)((UINT64_C(1) << GENERATION_BITS) - 1))
#define SLOT_BITS       (TAG_BITS >= 64 ? 30 : 20) /* three changes each: 32 bits count them */
#define MAX_SLOTS       ((size_t)((UINT64_C(1) << SLOT_BITS) - 1))

static const struct timespec no_wait = {0, 0};

/* ---- tags ---- */

static uintptr_t
tag_of(const struct kp_loop *loop, uint32_t slot)
{
    return (uintptr_t)slot << GENERATION_BITS | loop->slots[slot].generation;
}

struct kp_source *
kp_loop_find_source(const struct kp_loop *loop, uintptr_t tag)
{
    uintptr_t slot = tag >> GENERATION_BITS;

    if (slot >= loop->n_slots ||
        loop->slots[slot].generation != (uint32_t)(tag & MAX_GENERATION))
        return NULL;
    return loop->slots[slot].source;
}

/* ---- filters ---- */

static void
set_change(struct kevent *change, const struct kp_source *source, enum kp_filter filter,
           uintptr_t tag)
{
    bool is_edge = source->mode[filter] == KP_EDGE;
    unsigned short flags = (unsigned short)(is_edge ? EV_ADD | EV_CLEAR : EV_ADD);
    unsigned fflags = source->mode[filter] == KP_COUNT ? 0 : NOTE_NODATA;
    void *udata = (void *)tag;

    switch (filter) {
    case KP_READ:
        EV_SET(change, (uintptr_t)source->fd, EVFILT_READ, flags, fflags, 0, udata);
        break;
    case KP_WRITE:
        EV_SET(change, (uintptr_t)source->fd, EVFILT_WRITE, flags, fflags, 0, udata);
        break;
    case KP_VNODE:
        EV_SET(change, (uintptr_t)source->fd, EVFILT_VNODE, EV_ADD | EV_CLEAR,
               source->vnode_fflags, 0, udata);
        break;
    }
    if (source->mode[filter] == KP_OFF) {
        change->flags = EV_DELETE;
        change->fflags = 0;
        change->data = (intptr_t)tag;
        change->udata = NULL;
    }
}

enum kp_filter
kp_loop_filter_of(const struct kevent *entry)
{
    switch (entry->filter) {
    case EVFILT_READ:
        return KP_READ;
    case EVFILT_WRITE:
        return KP_WRITE;
    default:
        return KP_VNODE;
    }
}

/* ---- pending changes ---- */

static struct kp_source *
owner_of_change(const struct kp_loop *loop, const struct kevent *change)
{
    bool is_delete = (change->flags & EV_DELETE) != 0;

    return kp_loop_find_source(loop, is_delete ? (uintptr_t)change->data
                                               : (uintptr_t)change->udata);
}

static int
put_change(struct kp_loop *loop, struct kp_source *source, enum kp_filter filter)
{
    if (source->pending[filter] == 0) {
        int rc = kp_mem_grow(&loop->env->mem, &loop->changes, &loop->changes_capacity,
                             loop->n_changes + 1, sizeof(*loop->changes));
        if (rc < 0)
            return rc;
        source->pending[filter] = (uint32_t)++loop->n_changes;
    }
    set_change(&loop->changes[source->pending[filter] - 1], source, filter,
               tag_of(loop, source->slot));
    return 0;
}

/* Takes a pending change out; the last one moves to its place. */
static void
drop_change(struct kp_loop *loop, struct kp_source *source, enum kp_filter filter)
{
    uint32_t place = source->pending[filter];

    if (place == 0)
        return;
    source->pending[filter] = 0;
    if (place < loop->n_changes) {
        const struct kevent *last = &loop->changes[loop->n_changes - 1];
        struct kp_source *owner = owner_of_change(loop, last);
        assert(owner != NULL);
        owner->pending[kp_loop_filter_of(last)] = place;
        loop->changes[place - 1] = *last;
    }
    loop->n_changes--;
}

/* Takes a watch out of the kernel at once, for those who have no place to remember it. An
   error means that it is not there. */
static void
delete_now(struct kp_loop *loop, const struct kp_source *source, enum kp_filter filter)
{
    struct kevent change;
    struct kp_source wanted = *source;

    wanted.mode[filter] = KP_OFF;
    set_change(&change, &wanted, filter, 0);
    (void)kp_sys_kevent(&loop->env->sys, loop->kq, &change, 1, NULL, 0, &no_wait);
}

/* ---- slots ---- */

/* Adds slots and chains them in the order of their numbers. */
static int
grow_slots(struct kp_loop *loop)
{
    size_t before = loop->n_slots;
    size_t n_slots = before;

    if (before >= MAX_SLOTS / 2)
        return -ENOMEM;
    int rc = kp_mem_grow(&loop->env->mem, &loop->slots, &n_slots, before + 1,
                         sizeof(*loop->slots));
    if (rc < 0)
        return rc;
    for (size_t i = n_slots; i-- > before;) {
        loop->slots[i] = (struct kp_slot){.generation = 1, .next_free = loop->free_slot};
        loop->free_slot = (uint32_t)i;
    }
    loop->n_slots = n_slots;
    return 0;
}

static void
free_slot(struct kp_loop *loop, uint32_t number)
{
    struct kp_slot *slot = &loop->slots[number];

    slot->source = NULL;
    slot->generation = slot->generation < MAX_GENERATION ? slot->generation + 1 : 1;
    slot->next_free = loop->free_slot;
    loop->free_slot = number;
}

/* ---- sources ---- */

void
kp_source_init(struct kp_source *source)
{
    *source = (struct kp_source){.fd = -1, .slot = KP_NO_SLOT};
}

int
kp_loop_add(struct kp_loop *loop, struct kp_source *source, int fd, kp_source_fn *fn,
            void *arg)
{
    assert(source->slot == KP_NO_SLOT);
    if (loop->free_slot == KP_NO_SLOT) {
        int rc = grow_slots(loop);
        if (rc < 0)
            return rc;
    }
    uint32_t slot = loop->free_slot;
    loop->free_slot = loop->slots[slot].next_free;
    loop->slots[slot].source = source;
    *source = (struct kp_source){.fd = fd, .slot = slot, .fn = fn, .arg = arg};
    return 0;
}

static void
watch_off(struct kp_loop *loop, struct kp_source *source, enum kp_filter filter)
{
    if (source->registered[filter] == KP_OFF) {
        drop_change(loop, source, filter);
    } else if (put_change(loop, source, filter) < 0) {
        delete_now(loop, source, filter);
        source->registered[filter] = KP_OFF;
    }
}

int
kp_loop_watch(struct kp_loop *loop, struct kp_source *source, enum kp_filter filter,
              enum kp_mode mode, unsigned vnode_fflags)
{
    uint8_t mode_before = source->mode[filter];
    unsigned fflags_before = source->vnode_fflags;

    if (mode == mode_before && (filter != KP_VNODE || vnode_fflags == fflags_before))
        return 0;
    assert(source->slot != KP_NO_SLOT);
    source->mode[filter] = (uint8_t)mode;
    if (mode == KP_OFF) {
        watch_off(loop, source, filter);
        return 0;
    }
    /* The kernel does not change how a known one is reported. */
    assert(source->registered[filter] == KP_OFF || source->registered[filter] == mode);
    if (filter == KP_VNODE)
        source->vnode_fflags = vnode_fflags;
    int rc = put_change(loop, source, filter);
    if (rc < 0) {
        source->mode[filter] = mode_before;
        source->vnode_fflags = fflags_before;
    }
    return rc;
}

void
kp_loop_remove(struct kp_loop *loop, struct kp_source *source)
{
    /* close(2) would do it too, but not for a descriptor that was duplicated, and not for
       what the layer for Linux keeps. There this costs no system call with EV_CLEAR. */
    if (source->slot == KP_NO_SLOT)
        return;
    for (int i = 0; i < KP_N_FILTERS; i++) {
        enum kp_filter filter = (enum kp_filter)i;
        drop_change(loop, source, filter);
        if (source->registered[filter] != KP_OFF)
            delete_now(loop, source, filter);
    }
    free_slot(loop, source->slot);
    *source = (struct kp_source){.fd = source->fd, .slot = KP_NO_SLOT};
}

/* ---- what came of the changes ---- */

void
kp_loop_settle_changes(struct kp_loop *loop, size_t n)
{
    for (size_t i = loop->n_changes - n; i < loop->n_changes; i++) {
        const struct kevent *change = &loop->changes[i];
        enum kp_filter filter = kp_loop_filter_of(change);
        struct kp_source *source = owner_of_change(loop, change);
        assert(source != NULL && source->pending[filter] == i + 1);
        source->pending[filter] = 0;
        source->registered[filter] = source->mode[filter];
    }
    loop->n_changes -= n;
}

void
kp_loop_note_refused(struct kp_loop *loop, const struct kevent *entry)
{
    enum kp_filter filter = kp_loop_filter_of(entry);
    struct kp_source *source = kp_loop_find_source(loop, (uintptr_t)entry->udata);

    if (source == NULL)
        return;
    source->registered[filter] = KP_OFF;
    source->mode[filter] = KP_OFF;
}
