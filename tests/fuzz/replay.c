/*
 * replay.c - runs a fuzz target over the files of a corpus, as an ordinary test
 *
 *     replay_frame tests/fuzz/corpus/frame ...
 *
 * A fuzz target is a function; linked with libFuzzer it is fed with inputs that are invented
 * as it goes, linked with this it is fed with those that were kept: seeds, and whatever once
 * broke it. The target ends the program when something is broken; the name of the file is
 * printed before, so the last name is the culprit. Files are read in the order of their
 * names. A corpus without files is a mistake in the build, hence a failure.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
give_up(const char *path)
{
    fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
    exit(1);
}

/* The input lies in a block of exactly its size, so that a sanitizer sees both ends. */
static void
run_file(const char *path, size_t size)
{
    uint8_t *data = malloc(size > 0 ? size : 1);
    FILE *file = fopen(path, "rb");

    if (file == NULL || data == NULL || fread(data, 1, size, file) != size)
        give_up(path);
    fclose(file);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static int
is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int
run_folder(const char *folder)
{
    struct dirent **entries;
    int n_files = 0, n = scandir(folder, &entries, is_visible, alphasort);

    if (n < 0)
        give_up(folder);
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        free(entries[i]);
        if (stat(path, &st) != 0)
            give_up(path);
        if (!S_ISREG(st.st_mode))
            continue;
        run_file(path, (size_t)st.st_size);
        n_files++;
    }
    free(entries);
    return n_files;
}

int
main(int argc, char **argv)
{
    int n_files = 0;

    for (int i = 1; i < argc; i++)
        n_files += run_folder(argv[i]);
    printf("replay: %d files\n", n_files);
    return n_files > 0 ? 0 : 1;
}
