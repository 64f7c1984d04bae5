/*
 * loop_watch.h - what loop.c needs of loop_watch.c; for these two only
 *
 * The rest of loop_watch.c is in loop.h: kp_source_init, kp_loop_add, kp_loop_watch and
 * kp_loop_remove.
 */
#ifndef KP_LOOP_WATCH_H
#define KP_LOOP_WATCH_H

#include "loop.h"

/* Finds the source of a tag, which is the udata of an event; NULL when it is gone, and for
 * tags that never were. */
struct kp_source *kp_loop_find_source(const struct kp_loop *loop, uintptr_t tag);

/* Returns the filter that an event or a change is about. */
enum kp_filter kp_loop_filter_of(const struct kevent *entry);

/* Notes that the kernel has made the last n changes: they are not pending any more. */
void kp_loop_settle_changes(struct kp_loop *loop, size_t n);

/* Notes that the watch of an error entry was refused: it is off, so that it can be asked
 * for again. */
void kp_loop_note_refused(struct kp_loop *loop, const struct kevent *entry);

#endif
