/*
 * cmd_init.c - kelpie init: the files of a new server
 *
 * They are in src/lua/init of the sources, compiled in. All or nothing: when one of them is
 * there already, nothing is written.
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

#define PATH_SIZE 4096

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

/* Returns 0, -1 with errno. */
static int
write_file(const char *path, const struct template *template)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    if (fd < 0)
        return -1;
    FILE *file = fdopen(fd, "w");
    if (file == NULL) {
        close(fd);
        return -1;
    }
    bool is_written = fwrite(template->bytes, 1, template->len, file) == template->len;
    return fclose(file) == 0 && is_written ? 0 : -1;
}

static int
write_all(const char *folder)
{
    char path[PATH_SIZE];

    for (size_t i = 0; i < N_TEMPLATES; i++) {
        if (!join(path, folder, &templates[i]))
            errno = ENAMETOOLONG;
        else if (write_file(path, &templates[i]) == 0)
            continue;
        complain(path, strerror(errno));
        return EX_CANTCREAT;
    }
    return EX_OK;
}

int
kd_cmd_init(const struct kd_options *options)
{
    const char *folder = options->script;
    char line[PATH_SIZE];

    if (mkdir(folder, 0777) < 0 && errno != EEXIST) {
        complain(folder, strerror(errno));
        return EX_CANTCREAT;
    }
    if (count_existing(folder) > 0) {
        fputs("kelpie: nothing was written\n", stderr);
        return EX_CANTCREAT;
    }
    int code = write_all(folder);
    if (code != EX_OK)
        return code;
    (void)kd_log_escape(line, sizeof(line), folder);
    printf("%s: a server, its tests, and settings for editors are there. Next:\n"
           "  kelpie test %s      run the tests\n"
           "  kelpie -w %s        serve it on 127.0.0.1:8080; every change is loaded at "
           "once\n"
           "  nc 127.0.0.1 8080   be a client, in another terminal\n",
           line, line, line);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
