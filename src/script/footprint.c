/*
 * footprint.c - the files that the last load has looked at, and what has become of them
 *
 * As far as the disk is concerned, the result of a load, good or bad, depends on the bytes of
 * the files that it has looked at, and on nothing else; also on files that it has looked for
 * and not found. So these are what there is to watch, and as long as none of them has changed
 * no file is a reason for a further load. This holds for a rejected load as well: the answer
 * to "module 'chat' not found" is a file that is not there yet.
 *
 * What is known of a file is that it could not be read and why, or its length and a hash of
 * its bytes. A look at the disk fills `seen`; kp_footprint_accept makes that what is known,
 * so that each change is told once, whatever comes of it.
 *
 * stat(2) saves reading a file again, but its times may come in whole seconds: a change of
 * the same length within the second of the last look hides from it. So whoever looks without
 * reading has to read once more two seconds after anything has happened.
 */
#include "footprint.h"

#include <errno.h>
#include <string.h>

#include "source.h"

void
kp_footprint_init(struct kp_footprint *footprint)
{
    kp_list_init(&footprint->files);
    footprint->n_loads = 0;
}

void
kp_footprint_clear(struct kp_footprint *footprint, struct kp_mem *mem)
{
    struct kp_node *node;

    while ((node = kp_list_pop(&footprint->files)))
        kp_source_file_free(mem, kp_container_of(node, struct kp_source_file, node));
}

/* --- taking ----------------------------------------------------------------------------- */

static void
forget_bytes(struct kp_mem *mem, struct kp_source_file *file)
{
    file->hash = kp_content_hash(KP_CONTENT_HASH, file->bytes, file->len);
    kp_mem_free(mem, file->bytes, file->len);
    file->bytes = NULL;
    file->seen = (struct kp_sighting){file->error, file->len, file->hash};
}

static bool
is_known(const struct kp_footprint *footprint, const char *path)
{
    kp_list_each(node, &footprint->files) {
        if (strcmp(kp_container_of(node, struct kp_source_file, node)->path, path) == 0)
            return true;
    }
    return false;
}

/* Moves files to the footprint; those that are known already, and texts from memory, which
 * cannot change, are freed. */
static void
take_files(struct kp_footprint *footprint, struct kp_node *files, struct kp_mem *mem)
{
    struct kp_node *node;

    while ((node = kp_list_pop(files))) {
        struct kp_source_file *file = kp_container_of(node, struct kp_source_file, node);

        if (!file->on_disk || is_known(footprint, file->path)) {
            kp_source_file_free(mem, file);
            continue;
        }
        if (file->bytes || file->len == 0)
            forget_bytes(mem, file);
        kp_list_append(&footprint->files, node);
    }
}

void
kp_footprint_take(struct kp_footprint *footprint, struct kp_sources *sources,
                  bool is_whole)
{
    struct kp_mem *mem = &sources->script->env->mem;
    struct kp_node before;

    kp_list_init(&before);
    kp_list_splice(&before, &footprint->files);
    take_files(footprint, &sources->files, mem);
    sources->n_files = 0;
    take_files(footprint, &sources->missing, mem);
    sources->n_missing = 0;
    if (!is_whole)
        take_files(footprint, &before, mem);
    while (!kp_list_is_empty(&before))
        kp_source_file_free(
            mem, kp_container_of(kp_list_pop(&before), struct kp_source_file, node));
    footprint->n_loads++;
}

/* --- looking ---------------------------------------------------------------------------- */

static bool
is_same_stat(const struct kp_source_file *file, const struct stat *st)
{
    return st->st_dev == file->dev && st->st_ino == file->ino &&
           st->st_size == file->size && st->st_mtime == file->mtime;
}

static void
remember_stat(struct kp_source_file *file, const struct stat *st)
{
    file->dev = st->st_dev;
    file->ino = st->st_ino;
    file->size = st->st_size;
    file->mtime = st->st_mtime;
}

/* Reads a file to its end.
 * Returns   0, negative errno of read(2). */
static int
hash_bytes(struct kp_sys *sys, int fd, struct kp_sighting *out)
{
    char piece[4096];
    ssize_t n;

    *out = (struct kp_sighting){.hash = KP_CONTENT_HASH};
    while ((n = kp_sys_read(sys, fd, piece, sizeof piece)) > 0) {
        out->hash = kp_content_hash(out->hash, piece, (size_t)n);
        out->len += (size_t)n;
    }
    return (int)n;
}

/* Reads a file, and fills in what was seen. */
static void
look_at_bytes(struct kp_sys *sys, struct kp_source_file *file, bool *was_touched)
{
    struct stat st;
    int rc = kp_source_open(sys, file->path, &st);

    if (rc >= 0) {
        int fd = rc;

        rc = hash_bytes(sys, fd, &file->seen);
        (void)kp_sys_close(sys, fd); /* only read from: nothing can be lost */
    }
    if (rc == 0 && !is_same_stat(file, &st)) {
        *was_touched = true;
        remember_stat(file, &st);
    }
    if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM)
        file->seen = (struct kp_sighting){file->error, file->len, file->hash};
    else if (rc != 0)
        file->seen = (struct kp_sighting){.error = rc == -ENOTDIR ? -ENOENT : rc};
}

static void
look(struct kp_sys *sys, struct kp_source_file *file, bool thoroughly, bool *was_touched)
{
    struct stat st;

    if (!thoroughly && file->error == 0 && kp_sys_stat(sys, file->path, &st) == 0 &&
        is_same_stat(file, &st))
        file->seen = (struct kp_sighting){0, file->len, file->hash};
    else
        look_at_bytes(sys, file, was_touched);
}

/* Says in words how a file differs from what is known of it.
 * Returns   NULL when it does not. */
static const char *
name_change(const struct kp_source_file *file)
{
    const struct kp_sighting *seen = &file->seen;
    int error = file->error == -ENOTDIR ? -ENOENT : file->error;

    if (seen->error == -ENOENT && error != -ENOENT)
        return "is gone";
    if (seen->error == 0 && error == -ENOENT)
        return "is there now";
    if (seen->error != error ||
        (error == 0 && (seen->len != file->len || seen->hash != file->hash)))
        return "changed";
    return NULL;
}

void
kp_footprint_compare(struct kp_script *script, bool thoroughly,
                     struct kp_footprint_change *out)
{
    *out = (struct kp_footprint_change){0};
    kp_list_each(node, &script->footprint.files) {
        struct kp_source_file *file = kp_container_of(node, struct kp_source_file, node);

        look(&script->env->sys, file, thoroughly, &out->was_touched);
        const char *become = name_change(file);
        if (!become)
            continue;
        if (out->n++ == 0) {
            out->path = file->path;
            out->become = become;
        }
        if (file->seen.error == -ENOENT || (file->seen.error == 0 && file->seen.len == 0))
            out->n_half++;
    }
}

void
kp_footprint_accept(struct kp_footprint *footprint)
{
    kp_list_each(node, &footprint->files) {
        struct kp_source_file *file = kp_container_of(node, struct kp_source_file, node);

        file->error = file->seen.error;
        file->len = file->seen.len;
        file->hash = file->seen.hash;
    }
}

const char *
kp_footprint_next(const struct kp_footprint *footprint, struct kp_node **cursor)
{
    struct kp_node *next = *cursor ? (*cursor)->next : footprint->files.next;

    if (next == &footprint->files)
        return NULL;
    *cursor = next;
    return kp_container_of(next, struct kp_source_file, node)->path;
}
