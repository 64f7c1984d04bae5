/*
 * content.c - what a generation was loaded from
 *
 * The bytes of the files are gone when a generation serves; what stays is a hash of each
 * file under its path. It answers two questions: what has changed since (kelpie reload
 * --dry-run), and whether these are the scripts that were rolled back from (--watch). Both
 * are about accidents, not about attackers, who could edit the script itself; so 64 bits of
 * FNV-1a are enough.
 */
#include "content.h"

#include <errno.h>
#include <string.h>

#include "source.h"

uint64_t
kp_content_hash(uint64_t hash, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) /* FNV-1a */
        hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t
hash_of(const struct kp_source_file *file)
{
    return kp_content_hash(KP_CONTENT_HASH, file->bytes, file->len);
}

void
kp_content_init(struct kp_content *content)
{
    kp_list_init(&content->files);
}

void
kp_content_clear(struct kp_content *content, struct kp_mem *mem)
{
    struct kp_node *node;

    while ((node = kp_list_pop(&content->files))) {
        struct kp_content_file *file =
            kp_container_of(node, struct kp_content_file, node);
        kp_mem_free(mem, file, sizeof *file + strlen(file->path) + 1);
    }
}

int
kp_content_take(struct kp_content *content, const struct kp_sources *sources)
{
    struct kp_mem *mem = &sources->script->env->mem;

    kp_list_each(node, &sources->files) {
        const struct kp_source_file *source =
            kp_container_of(node, struct kp_source_file, node);
        size_t path_size = strlen(source->path) + 1;
        struct kp_content_file *file = kp_mem_alloc(mem, sizeof *file + path_size);

        if (!file) {
            kp_content_clear(content, mem);
            return -ENOMEM;
        }
        file->hash = hash_of(source);
        memcpy(file->path, source->path, path_size);
        kp_list_init(&file->node);
        kp_list_append(&content->files, &file->node);
    }
    return 0;
}

void
kp_content_move(struct kp_content *to, struct kp_content *from, struct kp_mem *mem)
{
    kp_content_clear(to, mem);
    kp_list_splice(&to->files, &from->files);
}

int
kp_content_compare(const struct kp_content *content, const struct kp_source_file *file)
{
    kp_list_each(node, &content->files) {
        const struct kp_content_file *known =
            kp_container_of(node, struct kp_content_file, node);

        if (strcmp(known->path, file->path) == 0)
            return known->hash != hash_of(file);
    }
    return -1;
}
