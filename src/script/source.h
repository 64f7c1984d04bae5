/*
 * source.h - the files of a generation: reading them all before they are believed
 */
#ifndef KP_SOURCE_H
#define KP_SOURCE_H

#include <lua.h>

#include "script.h"

#define KP_SOURCE_MAX_SIZE (16u << 20) /* a larger file is no script */

/* What one look at a file has found. */
struct kp_sighting {
    int error; /* 0; negative errno of reading it */
    size_t len;
    uint64_t hash;
};

/* One script file as it was read. */
struct kp_source_file {
    struct kp_node node;
    char *chunk_name; /* for luaL_loadbufferx: "@" and the path, or that of a text */
    const char *path; /* into chunk_name: as it is shown in messages, FOLDER/name.lua */
    char *bytes;      /* len bytes; NULL when len is 0 */
    size_t len;
    bool on_disk; /* false: a text from memory, which cannot change */
    dev_t dev;    /* what fstat(2) said before reading */
    ino_t ino;
    off_t size;
    time_t mtime;
    int error;     /* 0; negative errno: it could not be read, is in `missing` */
    uint64_t hash; /* kept by footprint.c, as the next */
    struct kp_sighting seen; /* what is on disk now */
};

/* So many places without a file are remembered for who watches: a script that asks for others
 * without end must not make lists without end, outside of its own memory. */
#define KP_SOURCE_MAX_MISSING 1000

/* The files of one load. */
struct kp_sources {
    struct kp_script *script;
    struct kp_node files; /* in order of reading; the first is the main one */
    size_t n_files;
    struct kp_node
        missing; /* kp_source_file: looked for, but not there or not readable */
    size_t n_missing;
    char *
        folder; /* of the main file, with its slash: where require looks; NULL for text */

    /* The first file that could not be believed although it is there: the generation must
     * not serve, even when the script has caught the error. */
    int failure; /* 0; KELPIE_ESCRIPT: a syntax error; negative errno of reading */
    char failed_path[256];
};

void kp_sources_init(struct kp_sources *sources, struct kp_script *script);
void kp_sources_clear(struct kp_sources *sources);

/* Opens a script file for reading, and says what it is.
 * Returns   a descriptor; negative errno of open(2), -EISDIR, -EINVAL for a pipe or device,
 *           -EFBIG above KP_SOURCE_MAX_SIZE. */
int kp_source_open(struct kp_sys *sys, const char *path, struct stat *st) KP_MUST_CHECK;

void kp_source_file_free(struct kp_mem *mem, struct kp_source_file *file);

/* Reads a file once; asks for the same path again find the same bytes.
 * Returns   0; negative errno (-ENOENT, -EACCES, -EISDIR, -EINVAL for a pipe or device,
 *           -EFBIG above KP_SOURCE_MAX_SIZE, -ENOMEM).
 * Borrows   *out until kp_sources_clear. */
int kp_sources_read(struct kp_sources *sources, const char *path,
                    const struct kp_source_file **out) KP_MUST_CHECK;

/* Reads the main file, script->path (a folder means its init.lua) or script->text, and
 * learns the folder from it.
 * Returns   as kp_sources_read; sources->failed_path is what was tried. */
int kp_sources_read_main(struct kp_sources *sources,
                         const struct kp_source_file **out) KP_MUST_CHECK;

/* Returns whether all files are on disk what they were when they were read: same file, same
 * size, same time, same bytes (a clock that is too coarse hides nothing). */
bool kp_sources_are_unchanged(struct kp_sources *sources);

/* Remembers the first failure. code: as sources->failure. */
void kp_sources_fail(struct kp_sources *sources, int code, const char *path);

/* require.c */

/* Writes where the module `name` would be: NAME.lua for choice 0, NAME/init.lua for 1.
 * Returns   whether there is such a choice. */
bool kp_source_module_path(const struct kp_sources *sources, const char *name, int choice,
                           char *out, size_t size);

/* Compiles a file, text only; a byte order mark and a first line that begins with # are
 * skipped. Pushes the function, or the message. Runs protected. [-0, +1]
 * Returns   LUA_OK, LUA_ERRSYNTAX, LUA_ERRMEM. */
int kp_source_compile(lua_State *L, const struct kp_source_file *file);

/* Compiles and runs a file with its module name (NULL: the main file) and its path as
 * arguments; pushes its result. Raises. [-0, +1] */
void kp_source_run(lua_State *L, struct kp_sources *sources,
                   const struct kp_source_file *file, const char *name);

/* The function `require` of a generation: preloads and libraries first, then NAME.lua and
 * NAME/init.lua in the script's folder (dots are folders). Upvalue 1: light userdata, the
 * struct kp_sources, valid while loading; later calls find only what is loaded, and say so. */
int kp_source_require(lua_State *L);

/* syntax.c */

/* Compiles every file that was read, and those that they require in so many words, and
 * pushes all errors, one a line. Runs protected. [-0, +1]
 * Returns   how many. */
int kp_source_syntax_errors(lua_State *L, struct kp_sources *sources);

#endif
