/*
 * sim_script.c - the versions of the script, and how they replace each other
 *
 * The script is handlers.lua, read from the source tree once and put into a file of the
 * simulated kernel, behind a line that says which version it is and what kind. A third of
 * the kinds must be rejected; the checker sees to it that none of those ever handles anything.
 * Reloads are asked for as a host does it, and by the script itself.
 */
#include "sim_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/scripts/init.lua"

/* The kinds of versions; "syntax" is made here, the others are in handlers.lua. */
static const struct {
    const char *name;
    bool is_good;
} kinds[] = {
    {"good", true},       {"good", true},     {"good", true},     {"framing", true},
    {"schema", true},     {"syntax", false},  {"on_load", false}, {"unknown", false},
    {"self_test", false}, {"missing", false}, {"effect", false},  {"bad migrate", false},
};

static const size_t n_good = 5;

char *
sim_script_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size = 64 * 1024;
    char *text = malloc(size);

    if (file == NULL || text == NULL) {
        perror(path);
        exit(2);
    }
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

static void
write_version(struct sim_world *world, size_t kind)
{
    size_t size = strlen(world->script_source) + 128;

    free(world->script);
    world->script = malloc(size);
    if (world->script == NULL || world->version + 1 == SIM_MAX_VERSIONS)
        abort();
    world->version++;
    world->is_bad[world->version] = !kinds[kind].is_good;
    bool is_broken = strcmp(kinds[kind].name, "syntax") == 0;
    snprintf(world->script, size, "local VERSION, KIND = %u, \"%s\" %s\n%s",
             world->version, kinds[kind].name, is_broken ? "local =" : "",
             world->script_source);
    sim_trace(&world->kernel, "version %u of the script: %s", world->version,
              kinds[kind].name);
    sim_file_write(&world->kernel, 0, PATH, world->script);
}

int
sim_script_load(struct sim_world *world)
{
    int rc = kelpie_preload(world->k, "sim", sim_module_open);

    write_version(world, sim_below(&world->random, (uint32_t)n_good));
    return rc < 0 ? rc : kelpie_load(world->k, PATH);
}

void
sim_script_change(struct sim_world *world)
{
    uint32_t what = sim_below(&world->random, 100);

    if (world->version + 2 < SIM_MAX_VERSIONS && what < 80)
        write_version(world, sim_below(&world->random, sizeof(kinds) / sizeof(kinds[0])));
    world->is_woken = what < 92;
    if (what < 85)
        kelpie_reload(world->k);
    else if (what < 92)
        kelpie_rollback(world->k);
    else if (what < 95)
        sim_file_write(&world->kernel, 0, PATH, NULL); /* and the next reload fails */
}

void
sim_script_clear(struct sim_world *world)
{
    free(world->script);
    world->script = NULL;
}
