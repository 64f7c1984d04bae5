/*
 * folder_kit.c - a fresh folder with files, and the end of it
 */
#include "folder_kit.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define MAX_OPEN_FOLDERS 8

void
folder_make(char *folder)
{
    snprintf(folder, FOLDER_SIZE, "/tmp/kelpie-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

void
folder_write(const char *folder, const char *name, const void *bytes, size_t len)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (char *p = path + strlen(folder) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        (void)mkdir(path, 0700); /* it may be there */
        *p = '/';
    }

    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void
folder_read(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    size_t len = fread(out, 1, size, file);
    assert_int_equal(fclose(file), 0);
    assert_in_range(len, 1, size - 1);
    out[len] = '\0';
}

void
folder_remove(const char *folder)
{
    assert_int_equal(nftw(folder, remove_entry, MAX_OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS),
                     0);
}
