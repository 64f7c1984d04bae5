/*
 * content.h - what a generation was loaded from: the path of each file, and a hash
 */
#ifndef KP_CONTENT_H
#define KP_CONTENT_H

#include <stdint.h>

#include "base/list.h"
#include "base/mem.h"

struct kp_sources;
struct kp_source_file;

struct kp_content_file {
    struct kp_node node;
    uint64_t hash; /* of its bytes */
    char path[];   /* as messages show it, with a NUL */
};

struct kp_content {
    struct kp_node files; /* kp_content_file; the first is the main one */
};

#define KP_CONTENT_HASH UINT64_C(14695981039346656037) /* of no bytes */

/* Continues a hash over the next len bytes. */
uint64_t kp_content_hash(uint64_t hash, const char *bytes, size_t len);

void kp_content_init(struct kp_content *content);
void kp_content_clear(struct kp_content *content, struct kp_mem *mem);

/* Fills an empty content.
 * Returns   0, -ENOMEM: then it is empty. */
int kp_content_take(struct kp_content *content,
                    const struct kp_sources *sources) KP_MUST_CHECK;

/* Moves what is in `from` to `to`, whose own is freed. Cannot fail. */
void kp_content_move(struct kp_content *to, struct kp_content *from, struct kp_mem *mem);

/* How a file differs: compared with the content, or -1 when it is not in there, 0 when it is
 * the same, 1 when it has changed. */
int kp_content_compare(const struct kp_content *content,
                       const struct kp_source_file *file);

#endif
