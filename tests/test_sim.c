/*
 * test_sim.c - simulates seeds, and says which of them break an invariant
 *
 *     test_sim                   100,000 seeds
 *     test_sim FROM COUNT        the seeds that once failed, then FROM, FROM + 1, ...
 *     test_sim --seed N          one seed
 *     test_sim --seed N --trace  and all that happens in it
 *
 * Nothing but the seed decides what happens, so a failure is repeated by the command that is
 * printed with it; also one that ends the program, by a sanitizer or an assertion.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_script.h"

#if defined(__SANITIZE_ADDRESS__)
# include <sanitizer/common_interface_defs.h>
#endif

/* Seeds that have found something; what they found is mended. */
static const uint64_t once_failed[] = {6, 20, 76, 305, 310};

enum { MAX_FAILURES = 10, DEFAULT_SEEDS = 100000 };

#define SCRIPT KELPIE_SOURCE_DIR "/tests/sim/handlers.lua"

/* What runs, for those who report its sudden end. */
static uint64_t running;

static void
print_replay(void)
{
    fprintf(stderr, "seed %" PRIu64 ": test_sim --seed %" PRIu64 " --trace\n", running,
            running);
}

static void
on_abort(int number)
{
    print_replay();
    signal(number, SIG_DFL);
    raise(number);
}

static bool
run(struct sim_world *world, uint64_t seed, const char *script, bool has_trace)
{
    running = seed;
    if (sim_run(world, seed, script, has_trace))
        return true;
    fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, world->kernel.violation);
    print_replay();
    return false;
}

static int
run_many(struct sim_world *world, uint64_t from, uint64_t count, const char *script)
{
    int failures = 0;
    uint64_t steps = 0, calls = 0;

    for (size_t i = 0; i < sizeof(once_failed) / sizeof(once_failed[0]); i++)
        failures += !run(world, once_failed[i], script, false);
    for (uint64_t seed = from; seed < from + count && failures < MAX_FAILURES; seed++) {
        failures += !run(world, seed, script, false);
        steps += world->steps;
        calls += world->kernel.calls;
    }
    printf("%" PRIu64 " seeds from %" PRIu64 ": %" PRIu64 " steps, %" PRIu64
           " system calls, %d failed\n",
           count, from, steps, calls, failures);
    return failures > 0;
}

int
main(int argc, char **argv)
{
    struct sim_world *world = calloc(1, sizeof(*world));
    bool has_trace = argc > 3 && strcmp(argv[3], "--trace") == 0;
    char *script = sim_script_read(SCRIPT);
    int status = 2;

    if (world == NULL)
        return 2;
    signal(SIGABRT, on_abort);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_set_death_callback(print_replay);
#endif
    if (argc >= 3 && strcmp(argv[1], "--seed") == 0)
        status = !run(world, strtoull(argv[2], NULL, 10), script, has_trace);
    else if (argc == 3)
        status = run_many(world, strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10),
                          script);
    else
        fprintf(stderr, "usage: test_sim [FROM COUNT] | --seed N [--trace]\n");
    free(world);
    free(script);
    return status;
}
