/*
 * source.c - the files of a generation: reading them all before they are believed
 *
 * A load must never mix two versions of a script. So every file is read once, into memory,
 * and what is compiled are these bytes. When the load has come to its end, whether well or
 * not, every file is looked at again: if one has changed meanwhile, the whole load counts
 * for nothing and is done again (reload.c).
 *
 * Looking again means stat(2) and a second reading. The times of files are kept in steps of
 * the kernel's tick; an editor that writes twice within one leaves the same time and perhaps
 * the same size, but not the same bytes.
 *
 * Paths are joined as text and never made absolute, so that messages show them as the user
 * wrote them: `kelpie scripts/` complains about scripts/chat.lua.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

void
kp_sources_init(struct kp_sources *sources, struct kp_script *script)
{
    memset(sources, 0, sizeof *sources);
    sources->script = script;
    kp_list_init(&sources->files);
    kp_list_init(&sources->missing);
}

static struct kp_mem *
sources_mem(const struct kp_sources *sources)
{
    return &sources->script->env->mem;
}

void
kp_source_file_free(struct kp_mem *mem, struct kp_source_file *file)
{
    if (file->chunk_name)
        kp_mem_free(mem, file->chunk_name, strlen(file->chunk_name) + 1);
    kp_mem_free(mem, file->bytes, file->len);
    kp_mem_free(mem, file, sizeof *file);
}

void
kp_sources_clear(struct kp_sources *sources)
{
    struct kp_mem *mem = sources_mem(sources);
    struct kp_node *node;

    while ((node = kp_list_pop(&sources->files)))
        kp_source_file_free(mem, kp_container_of(node, struct kp_source_file, node));
    while ((node = kp_list_pop(&sources->missing)))
        kp_source_file_free(mem, kp_container_of(node, struct kp_source_file, node));
    if (sources->folder)
        kp_mem_free(mem, sources->folder, strlen(sources->folder) + 1);
    kp_sources_init(sources, sources->script);
}

void
kp_sources_fail(struct kp_sources *sources, int code, const char *path)
{
    if (sources->failure != 0)
        return;
    sources->failure = code;
    snprintf(sources->failed_path, sizeof sources->failed_path, "%.*s",
             (int)sizeof sources->failed_path - 1, path);
}

static int
check_is_script(const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        return -EISDIR;
    if (!S_ISREG(st->st_mode))
        return -EINVAL;
    return st->st_size > (off_t)KP_SOURCE_MAX_SIZE ? -EFBIG : 0;
}

/* O_NONBLOCK keeps a named pipe from holding us up. */
int
kp_source_open(struct kp_sys *sys, const char *path, struct stat *st)
{
    int fd = kp_sys_open(sys, path, O_RDONLY | O_NONBLOCK, 0);

    if (fd < 0)
        return fd;

    int rc = kp_sys_fstat(sys, fd, st);
    if (rc == 0)
        rc = check_is_script(st);
    if (rc == 0)
        return fd;
    (void)kp_sys_close(sys, fd); /* only read from: nothing can be lost */
    return rc;
}

/* Reads up to len bytes.
 * Returns   how many there were, or negative errno. */
static ssize_t
read_full(struct kp_sys *sys, int fd, char *bytes, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = kp_sys_read(sys, fd, bytes + done, len - done);

        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* Fills file->bytes. A file that is shorter than fstat(2) said is being changed: it is kept
 * as it is, and kp_sources_are_unchanged will find it out. */
static int
read_bytes(struct kp_mem *mem, struct kp_sys *sys, int fd, struct kp_source_file *file)
{
    size_t size = (size_t)file->size;
    if (size == 0)
        return 0;

    char *bytes = kp_mem_alloc(mem, size);
    if (!bytes)
        return -ENOMEM;

    ssize_t n = read_full(sys, fd, bytes, size);
    if (n > 0 && (size_t)n < size) {
        char *smaller = kp_mem_realloc(mem, bytes, size, (size_t)n);
        if (smaller) {
            bytes = smaller;
            size = (size_t)n;
        } else {
            n = -ENOMEM;
        }
    }
    if (n <= 0) {
        kp_mem_free(mem, bytes, size);
        return (int)n;
    }
    file->bytes = bytes;
    file->len = size;
    return 0;
}

static struct kp_source_file *
file_new(struct kp_mem *mem, const char *prefix, const char *name)
{
    size_t size = strlen(prefix) + strlen(name) + 1;
    struct kp_source_file *file = kp_mem_zalloc(mem, sizeof *file);

    if (!file)
        return NULL;
    kp_list_init(&file->node);
    file->chunk_name = kp_mem_alloc(mem, size);
    if (!file->chunk_name) {
        kp_source_file_free(mem, file);
        return NULL;
    }
    snprintf(file->chunk_name, size, "%s%s", prefix, name);
    file->path = file->chunk_name + strlen(prefix);
    return file;
}

static void
sources_add(struct kp_sources *sources, struct kp_source_file *file)
{
    kp_list_append(&sources->files, &file->node);
    sources->n_files++;
}

static const struct kp_source_file *
find_file(const struct kp_node *files, const char *path)
{
    kp_list_each(node, files) {
        const struct kp_source_file *file =
            kp_container_of(node, struct kp_source_file, node);

        if (strcmp(file->path, path) == 0)
            return file;
    }
    return NULL;
}

/* Remembers a place where a file was looked for in vain: who watches the script wants to know
 * when it is there.
 * Returns   error, or -ENOMEM. */
static int
add_missing(struct kp_sources *sources, const char *path, int error)
{
    if (error == -ENOMEM || sources->n_missing >= KP_SOURCE_MAX_MISSING ||
        find_file(&sources->missing, path))
        return error;

    struct kp_source_file *file = file_new(sources_mem(sources), "@", path);
    if (!file)
        return -ENOMEM;
    file->on_disk = true;
    file->error = error;
    kp_list_append(&sources->missing, &file->node);
    sources->n_missing++;
    return error;
}

int
kp_sources_read(struct kp_sources *sources, const char *path,
                const struct kp_source_file **out)
{
    struct kp_mem *mem = sources_mem(sources);
    struct kp_sys *sys = &sources->script->env->sys;
    struct stat st;

    if ((*out = find_file(&sources->files, path)))
        return 0;

    int fd = kp_source_open(sys, path, &st);
    if (fd < 0)
        return add_missing(sources, path, fd);

    int rc = -ENOMEM;
    struct kp_source_file *file = file_new(mem, "@", path);
    if (file) {
        file->on_disk = true;
        file->dev = st.st_dev;
        file->ino = st.st_ino;
        file->size = st.st_size;
        file->mtime = st.st_mtime;
        rc = read_bytes(mem, sys, fd, file);
    }
    (void)kp_sys_close(sys, fd); /* only read from: nothing can be lost */
    if (rc != 0) {
        if (file)
            kp_source_file_free(mem, file);
        return add_missing(sources, path, rc);
    }
    sources_add(sources, file);
    *out = file;
    return 0;
}

static int
add_text(struct kp_sources *sources, const struct kp_source_file **out)
{
    const struct kp_script *script = sources->script;
    struct kp_mem *mem = sources_mem(sources);
    struct kp_source_file *file =
        file_new(mem, "", script->chunk_name ? script->chunk_name : "=text");

    if (!file)
        return -ENOMEM;
    if (script->text_len > 0) {
        file->bytes = kp_mem_alloc(mem, script->text_len);
        if (!file->bytes) {
            kp_source_file_free(mem, file);
            return -ENOMEM;
        }
        memcpy(file->bytes, script->text, script->text_len);
        file->len = script->text_len;
    }
    if (file->path[0] == '@' || file->path[0] == '=')
        file->path++;
    sources_add(sources, file);
    *out = file;
    return 0;
}

/* Makes the path of the main file: script->path, or its init.lua when it is a folder.
 * Returns   0, negative errno of stat(2), -ENAMETOOLONG. */
static int
find_main(struct kp_sources *sources, char *out, size_t size)
{
    const char *path = sources->script->path ? sources->script->path : "";
    size_t len = strlen(path);
    struct stat st;

    snprintf(out, size, "%s", path);
    int rc = kp_sys_stat(&sources->script->env->sys, path, &st);
    if (rc < 0)
        return add_missing(sources, path, rc);
    if (!S_ISDIR(st.st_mode))
        return 0;
    while (len > 0 && path[len - 1] == '/')
        len--;
    int n = snprintf(out, size, "%.*s/init.lua", (int)len, path);
    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int
kp_sources_read_main(struct kp_sources *sources, const struct kp_source_file **out)
{
    char path[4096];

    *out = NULL;
    if (sources->script->text)
        return add_text(sources, out);

    int rc = find_main(sources, path, sizeof path);
    if (rc == 0)
        rc = kp_sources_read(sources, path, out);
    if (rc != 0) {
        kp_sources_fail(sources, rc, path);
        return rc;
    }

    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) + 1 : 0;
    sources->folder = kp_mem_dup(sources_mem(sources), path, len);
    return sources->folder ? 0 : -ENOMEM;
}

/* Reads the file again in pieces, and compares. */
static bool
has_same_bytes(struct kp_sys *sys, int fd, const struct kp_source_file *file)
{
    char piece[4096];
    size_t done = 0;

    for (;;) {
        ssize_t n = kp_sys_read(sys, fd, piece, sizeof piece);

        if (n <= 0)
            return n == 0 && done == file->len;
        if ((size_t)n > file->len - done ||
            memcmp(piece, file->bytes + done, (size_t)n) != 0)
            return false;
        done += (size_t)n;
    }
}

static bool
file_is_unchanged(struct kp_sys *sys, const struct kp_source_file *file)
{
    struct stat st;

    if (!file->on_disk)
        return true;
    if (kp_sys_stat(sys, file->path, &st) < 0 || st.st_dev != file->dev ||
        st.st_ino != file->ino || st.st_size != file->size || st.st_mtime != file->mtime)
        return false;

    int fd = kp_source_open(sys, file->path, &st);
    if (fd < 0)
        return false;
    bool is_same = has_same_bytes(sys, fd, file);
    (void)kp_sys_close(sys, fd); /* only read from: nothing can be lost */
    return is_same;
}

bool
kp_sources_are_unchanged(struct kp_sources *sources)
{
    struct kp_sys *sys = &sources->script->env->sys;

    kp_list_each(node, &sources->files)
        if (!file_is_unchanged(sys, kp_container_of(node, struct kp_source_file, node)))
            return false;
    return true;
}
