/*
 * footprint.h - the files that the last load has looked at, and what has become of them
 */
#ifndef KP_FOOTPRINT_H
#define KP_FOOTPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/mem.h"

struct kp_script;
struct kp_sources;

struct kp_footprint {
    struct kp_node
        files; /* kp_source_file; no bytes, but hash and seen; see kp_footprint_next */
    uint64_t n_loads; /* goes up with each load */
};

/* How the files on disk differ from what is known of them. */
struct kp_footprint_change {
    size_t n;      /* files that are another than they were */
    size_t n_half; /* of these, gone or empty: perhaps half of a change */
    bool
        was_touched; /* the time of a file is another, or something else that stat(2) says */
    const char *path;   /* the first of n; borrowed until the next load */
    const char *become; /* what it has done: "changed", "is gone", "is there now" */
};

void kp_footprint_init(struct kp_footprint *footprint);
void kp_footprint_clear(struct kp_footprint *footprint, struct kp_mem *mem);

/* Takes the files of a load out of its sources, and lets go of their bytes. After a load that
 * failed before it had looked at everything (is_whole is false), files of the loads before
 * stay known. Cannot fail. */
void kp_footprint_take(struct kp_footprint *footprint, struct kp_sources *sources,
                       bool is_whole);

/* Looks at the files on disk, without changing what is known. Without `thoroughly` a file
 * for which stat(2) says the same as the last time is not read.
 * A file that cannot be looked at for want of descriptors or memory counts as unchanged. */
void kp_footprint_compare(struct kp_script *script, bool thoroughly,
                          struct kp_footprint_change *out);

/* Makes what the last comparison has seen what is known: it is no change any more. */
void kp_footprint_accept(struct kp_footprint *footprint);

/* Walks over the paths: *cursor is NULL for the first one.
 * Returns   a path, NULL at the end.
 * Borrows   the path until the next load. */
const char *kp_footprint_next(const struct kp_footprint *footprint,
                              struct kp_node **cursor);

#endif
