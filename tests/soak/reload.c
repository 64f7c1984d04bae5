/*
 * reload.c - reloads for a long time: memory and descriptors stay as they are
 *
 *     build/release/tests/soak_reload [RELOADS]        KELPIE_RELOADS; default 10,000
 *
 * The load of test_reload_load.c, ten times as long or more. After the first thousand
 * reloads memory has found its size; from there on the process may not grow by a MiB, nor
 * what the Lua states hold, nor may a descriptor be left. Not part of ctest: run it by hand
 * in a build without sanitizers, whose own memory grows.
 *
 * Exit status: 0 all is well, 1 it is not, and the last line says what.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fault.h"
#include "load_kit.h"

enum { WARM_UP = 1000, REPORT_EVERY = 1000, MESSAGES_BETWEEN = 100 };

#define MAX_GROWTH (1024L * 1024)

struct sample {
    long rss, lua_bytes;
    size_t fds;
};

/* Returns the bytes of the process that are in memory; 0 where there is no /proc. */
static long
resident_bytes(void)
{
    long pages = 0, ignored;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file)
        return 0;
    if (fscanf(file, "%ld %ld", &ignored, &pages) != 2)
        pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static struct sample
measure(const struct load_kit *kit)
{
    struct kelpie_stats stats = {.size = sizeof stats};

    kelpie_get_stats(kit->k, &stats);
    return (struct sample){.rss = resident_bytes(),
                           .lua_bytes = (long)stats.lua_bytes,
                           .fds = fault_count_fds()};
}

static void
show(const struct load_kit *kit, const struct sample *sample)
{
    printf("%7u reloads, %7u rejected, %7.1f s: %5ld KiB resident, %4ld KiB in Lua, "
           "%zu descriptors\n",
           kit->n_reloads, kit->n_rejected, kit->seconds, sample->rss / 1024,
           sample->lua_bytes / 1024, sample->fds);
    fflush(stdout);
}

/* Returns whether nothing has grown. */
static bool
compare(const struct sample *first, const struct sample *last)
{
    long rss = last->rss - first->rss, lua = last->lua_bytes - first->lua_bytes;

    printf("growth: %ld KiB resident, %ld KiB in Lua\n", rss / 1024, lua / 1024);
    if (rss > MAX_GROWTH || lua > MAX_GROWTH)
        printf("FAILED: memory grows\n");
    else if (last->fds != first->fds)
        printf("FAILED: %zu descriptors at first, %zu at the end\n", first->fds,
               last->fds);
    else
        return true;
    return false;
}

static bool
reload_all(struct load_kit *kit, unsigned n)
{
    struct sample first, last;

    if (!lk_open(kit, LK_MESSAGES) || !lk_run(kit, WARM_UP, MESSAGES_BETWEEN))
        return false;
    first = measure(kit);
    show(kit, &first);
    for (unsigned left = n; left > 0;) {
        unsigned some = left < REPORT_EVERY ? left : REPORT_EVERY;

        if (!lk_run(kit, some, MESSAGES_BETWEEN))
            return false;
        left -= some;
        last = measure(kit);
        show(kit, &last);
    }
    if (!lk_stop(kit))
        return false;
    printf("%" PRIu64 " messages, %.0f a second; every answer was right\n",
           kit->n_messages, (double)kit->n_messages / kit->seconds);
    return compare(&first, &last);
}

int
main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : getenv("KELPIE_RELOADS");
    long n = wanted ? strtol(wanted, NULL, 10) : 10000;
    struct load_kit kit;

    if (n < 1 || n > LC_GENERATIONS - WARM_UP - 2) {
        fprintf(stderr, "usage: %s [RELOADS], 1 to %d\n", argv[0],
                LC_GENERATIONS - WARM_UP - 2);
        return 64;
    }
    size_t fds = fault_count_fds();
    bool is_right = reload_all(&kit, (unsigned)n);
    lk_close(&kit);
    if (is_right && fault_count_fds() != fds) {
        printf("FAILED: descriptors are left open\n");
        is_right = false;
    } else if (kit.why[0] != '\0') {
        printf("FAILED: %s\n", kit.why);
    }
    return is_right ? 0 : 1;
}
