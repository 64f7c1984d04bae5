/*
 * cmd_init.c - kelpie init: the files of a new server
 *
 * They are in src/lua/init of the sources, compiled in. All or nothing: when one of them is
 * there already, nothing is written. In .luarc.json a mark stands for the folder with the
 * definitions, which is only known here.
 */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "embedded.h"
#include "log.h"
#include "lua_dir.h"

#define PATH_SIZE 4096
#define MARK      "@KELPIE_LUA_DIR@"

static const struct template
{
    const char *name;
    const unsigned char *bytes;
    size_t len;
}
templates[] = {
    {"init.lua", kd_embedded_init, sizeof(kd_embedded_init)},
    {"init_test.lua", kd_embedded_init_test, sizeof(kd_embedded_init_test)},
    {".luarc.json", kd_embedded_luarc, sizeof(kd_embedded_luarc)},
    {".luacheckrc", kd_embedded_luacheckrc, sizeof(kd_embedded_luacheckrc)},
    {"README.md", kd_embedded_readme, sizeof(kd_embedded_readme)},
};
#define N_TEMPLATES (sizeof(templates) / sizeof(templates[0]))

static void
complain(const char *path, const char *why)
{
    char line[PATH_SIZE];

    (void)kd_log_escape(line, sizeof(line), path);
    fprintf(stderr, "kelpie: %s: %s\n", line, why);
}

/* Fills path. Returns whether it fits. */
static bool
join(char *path, const char *folder, const struct template *template)
{
    return snprintf(path, PATH_SIZE, "%s/%s", folder, template->name) < PATH_SIZE;
}

/* Names all files that are there already. Returns how many; they are left alone. */
static int
count_existing(const char *folder)
{
    char path[PATH_SIZE];
    struct stat st;
    int n = 0;

    for (size_t i = 0; i < N_TEMPLATES; i++) {
        if (join(path, folder, &templates[i]) && lstat(path, &st) == 0) {
            complain(path, "is there already");
            n++;
        }
    }
    return n;
}

/* Writes a path as the inside of a string of JSON. */
static void
put_json(FILE *file, const char *path)
{
    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;
        if (c < 0x20)
            fprintf(file, "\\u%04x", c);
        else
            fprintf(file, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
    }
}

/* Writes a template. Errors are those of the file. */
static void
put_template(FILE *file, const struct template *template, const char *lua_dir)
{
    const unsigned char *bytes = template->bytes, *end = bytes + template->len;
    size_t len = strlen(MARK);

    while (bytes < end) {
        if ((size_t)(end - bytes) >= len && memcmp(bytes, MARK, len) == 0) {
            put_json(file, lua_dir);
            bytes += len;
        } else {
            putc(*bytes++, file);
        }
    }
}

/* Returns 0, -1 with errno. */
static int
write_file(const char *path, const struct template *template, const char *lua_dir)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    if (fd < 0)
        return -1;
    FILE *file = fdopen(fd, "w");
    if (file == NULL) {
        close(fd);
        return -1;
    }
    put_template(file, template, lua_dir);
    bool is_written = fflush(file) == 0 && !ferror(file);
    return fclose(file) == 0 && is_written ? 0 : -1;
}

static int
write_all(const char *folder, const char *lua_dir)
{
    char path[PATH_SIZE];

    for (size_t i = 0; i < N_TEMPLATES; i++) {
        if (!join(path, folder, &templates[i]))
            errno = ENAMETOOLONG;
        else if (write_file(path, &templates[i], lua_dir) == 0)
            continue;
        complain(path, strerror(errno));
        return EX_CANTCREAT;
    }
    return EX_OK;
}

/* Says what to type next: this very program, which need not be in the path. */
static void
say_what_is_next(const struct kd_options *options)
{
    char program[PATH_SIZE], folder[PATH_SIZE];

    (void)kd_log_escape(program, sizeof(program), options->program);
    (void)kd_log_escape(folder, sizeof(folder), options->script);
    printf("%s: a server, its tests, and settings for editors are there. Next:\n"
           "  run the tests                     %s test %s\n"
           "  serve it, load every change       %s -w %s\n"
           "  be a client, in another terminal  nc 127.0.0.1 8080\n",
           folder, program, folder, program, folder);
}

int
kd_cmd_init(const struct kd_options *options)
{
    const char *folder = options->script;
    char lua_dir[PATH_SIZE];

    if (mkdir(folder, 0777) < 0 && errno != EEXIST) {
        complain(folder, strerror(errno));
        return EX_CANTCREAT;
    }
    if (count_existing(folder) > 0) {
        fputs("kelpie: nothing was written\n", stderr);
        return EX_CANTCREAT;
    }
    bool has_definitions = kd_lua_dir(lua_dir, sizeof(lua_dir), options->program);
    int code = write_all(folder, lua_dir);
    if (code != EX_OK)
        return code;
    if (!has_definitions)
        complain(lua_dir, "kelpie.d.lua is not there; .luarc.json says it is");
    say_what_is_next(options);
    return kd_end_output(EX_OK);
}
