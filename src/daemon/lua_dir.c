/*
 * lua_dir.c - where the definitions for editors are
 *
 * kelpie may be installed, moved since then, linked to from another folder, or be run where
 * it was built. So the folder is looked for from the program's own file:
 *
 *     ../share/kelpie/lua     where it is installed, wherever that is now
 *     lua                     where it was built
 *     (an absolute path)      where it was to be installed
 *
 * No system tells the path of the program in the same way; argv[0] and PATH do, as long as
 * it was started by a shell or as one would.
 *
 * See       POSIX.1-2017, 8.3 (PATH); realpath(3)
 */
#include "lua_dir.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "embedded.h"

/* Returns whether "FOLDER/NAME" fits into out. */
static bool
join(char *out, size_t out_size, const char *folder, size_t folder_len, const char *name)
{
    int n = snprintf(out, out_size, "%.*s/%s", (int)folder_len, folder, name);

    return n >= 0 && (size_t)n < out_size;
}

/* Looks for a program without a slash in its name, as the shell has done. */
static bool
search_path(char *out, size_t out_size, const char *program)
{
    const char *path = getenv("PATH");

    while (path != NULL) {
        size_t len = strcspn(path, ":");
        const char *folder = len > 0 ? path : ".";
        if (join(out, out_size, folder, len > 0 ? len : 1, program) &&
            access(out, X_OK) == 0)
            return true;
        path = path[len] == ':' ? path + len + 1 : NULL;
    }
    return false;
}

/* Finds the folder of the program, links followed. Gives *out, for free. */
static bool
find_folder(char **out, const char *program)
{
    char path[PATH_MAX];

    if (strchr(program, '/') == NULL) {
        if (!search_path(path, sizeof(path), program))
            return false;
        program = path;
    }
    *out = realpath(program, NULL);
    if (*out == NULL)
        return false;
    *strrchr(*out, '/') = '\0';
    return true;
}

static bool
has_definitions(const char *folder)
{
    char path[PATH_MAX];

    return join(path, sizeof(path), folder, strlen(folder), "kelpie.d.lua") &&
           access(path, R_OK) == 0;
}

/* Takes the folder if it has the definitions, without the ".." in it. */
static bool
take(char *out, size_t out_size, const char *folder, const char *below)
{
    char path[PATH_MAX];

    if (!join(path, sizeof(path), folder, strlen(folder), below))
        return false;
    char *real = realpath(path, NULL);
    bool fits = real != NULL && strlen(real) < out_size && has_definitions(real);
    if (fits)
        memcpy(out, real, strlen(real) + 1);
    free(real);
    return fits;
}

bool
kd_lua_dir(char *out, size_t out_size, const char *program)
{
    char *folder = NULL;
    bool is_found =
        find_folder(&folder, program) && (take(out, out_size, folder, KELPIE_LUA_BELOW) ||
                                          take(out, out_size, folder, "lua"));

    free(folder);
    if (is_found)
        return true;
    snprintf(out, out_size, "%s", KELPIE_LUA_DIR);
    return has_definitions(out);
}
