/*
 * sim_world.c - one simulated run, from the seed to the verdict
 *
 *     live    clients and handlers do random things, calls go wrong, time passes
 *     rest    nothing new happens and nothing goes wrong; clients send the rest of what they
 *             have begun and read all. The server works until it has nothing to do. Then
 *             whatever is still unread, unsent or unknown to a handler is lost, and wrong
 *     end     the clients leave, or the server drains, or is freed in the middle of it
 *
 * The seed chooses the profile: limits, sizes, framing, what goes wrong how often, and whether
 * the handlers are those in C (sim_handlers.c) or in Lua (handlers.lua).
 */
#include "sim_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/conns.h"

enum {
    MAX_IDLE_STEPS = 300, /* without sleep and without progress: it spins */
    MAX_REST_STEPS = 4000,
    SIM_SCRIPT_EVERY = 2, /* such seeds have a script; the others are cheaper */
};

/* Longer than any limit of a profile. */
#define REST_NS (100 * KP_NS_PER_S)

/* ---- the profile ------------------------------------------------------------------- */

static void
choose_faults(struct sim_world *world)
{
    struct sim_random *random = &world->random;
    struct sim_faults *faults = &world->kernel.faults;
    unsigned *const all[] = {
        &faults->accept,      &faults->cut,        &faults->again,
        &faults->interrupted, &faults->no_buffers, &faults->broken,
        &faults->no_memory,   &faults->open,       &faults->spurious,
    };
    static const unsigned rates[] = {0, 0, 0, 4, 16, 64, 140};

    if (sim_chance(random, 64)) /* a healthy system */
        return;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        *all[i] = rates[sim_below(random, sizeof(rates) / sizeof(rates[0]))];
    /* These end connections, or loads: seldom enough that others live. */
    faults->no_memory /= 8;
    faults->broken /= 4;
    faults->open /= 4;
}

static void
choose_kernel(struct sim_world *world)
{
    struct sim_random *random = &world->random;
    static const uint32_t sizes[] = {1, 8, 64, 300, 1500};
    static const uint32_t naps_ms[] = {0, 1, 3, 40, 3000};
    static const unsigned ticks_ns[] = {0, 0, 1000, 400000, 3000000};

    world->kernel.client_bytes = sizes[sim_below(random, 5)];
    world->kernel.nap_ns = naps_ms[sim_below(random, 5)] * KP_NS_PER_MS;
    world->kernel.tick_ns =
        ticks_ns[sim_below(random, world->script_source != NULL ? 3 : 5)];
    if (sim_chance(random, 64))
        world->kernel.n_fds = (int)sim_between(random, 9, 14);
}

static const char *
choose_framing(struct sim_world *world)
{
    static const char *const framings[] = {
        "line",         "line",         "line",
        "crlf",         "raw",          "netstring",
        "length:1",     "length:4:big", "length:2:little",
        "delimiter:ab", "fixed:7",
    };

    return framings[sim_below(&world->random, sizeof(framings) / sizeof(framings[0]))];
}

/* The server logs in every run, since what it does for a record draws from the seed too. */
static void
trace_log(void *arg, enum kelpie_level level, const char *line, size_t len)
{
    (void)level;
    sim_trace(arg, "  log: %.*s", (int)len, line);
}

static void
choose_options(struct sim_world *world)
{
    struct sim_random *random = &world->random;
    struct kelpie_options *options = &world->options;
    static const int limits_ms[] = {-1, 20000, 1000, 30};
    static const int idle_ms[] = {-1, -1, -1, 20000, 500};

    *options = (struct kelpie_options)KELPIE_OPTIONS_INIT;
    options->max_clients = sim_chance(random, 64) ? 3 : 20;
    options->max_per_ip = sim_chance(random, 64) ? 2 : -1;
    options->idle_timeout_ms = idle_ms[sim_below(random, 5)];
    options->frame_timeout_ms = limits_ms[sim_below(random, 3)];
    options->half_close_timeout_ms = limits_ms[1 + sim_below(random, 3)];
    options->slow_reader_ms = limits_ms[1 + sim_below(random, 3)];
    options->drain_timeout_ms = limits_ms[1 + sim_below(random, 3)];
    options->retire_timeout_ms = limits_ms[1 + sim_below(random, 3)];
    options->handler_timeout_ms = 100;
    options->max_message = sim_chance(random, 64) ? 30 : 128;
    options->max_outbox = sim_chance(random, 96) ? 3000 : 120;
    options->soft_outbox = options->max_outbox / sim_between(random, 1, 6);
    options->max_outbox_total = sim_chance(random, 64) ? 300 : 100000;
    options->refused_text = "no room\n";
    options->log = trace_log;
    options->log_arg = &world->kernel;
    options->log_level = KELPIE_LOG_INFO;
    options->alloc = fault_alloc;
    options->alloc_arg = &world->mem;
}

/* ---- steps ------------------------------------------------------------------------- */

static bool
holds(const struct sim_world *world)
{
    return world->kernel.violation[0] == '\0';
}

static int
step(struct sim_world *world)
{
    int timeout_ms = sim_chance(&world->random, 40) ? 0 : -1;
    int rc = kelpie_step(world->k, timeout_ms);

    if (rc < 0 && world->kernel.faults.broken == 0)
        VIOLATE("a step has failed: %d", rc);
    if (world->is_woken && world->kernel.slept)
        VIOLATE("a wake-up was lost: the server sleeps");
    world->is_woken = false;
    if (holds(world))
        sim_check_step(world);
    return rc;
}

static void
maybe_fail_memory(struct sim_world *world)
{
    if (world->memory_fails && sim_chance(&world->random, 24))
        fault_mem_fail(&world->mem, 1 + sim_below(&world->random, 20));
}

static void
live(struct sim_world *world)
{
    for (size_t i = 0; i < world->actions && holds(world); i++) {
        sim_clients_act(world);
        sim_operator_acts(world);
        if (world->has_devices)
            sim_devices_act(world);
        maybe_fail_memory(world);
        for (uint32_t n = sim_below(&world->random, 3); n > 0 && holds(world); n--)
            (void)step(world);
    }
}

/* Steps until the server sleeps for ever, or has slept long enough; who needs many steps
 * without a sleep and without moving a byte spins. */
static void
settle(struct sim_world *world)
{
    struct sim_kernel *kernel = &world->kernel;
    uint64_t end_ns = kernel->now_ns + REST_NS, progress = 0;
    int idle = 0;

    for (int i = 0; holds(world); i++) {
        sim_clients_send_rest(world);
        sim_clients_read_all(world);
        int rc = step(world);
        if (rc == 0 || kernel->slept_long || kernel->now_ns > end_ns)
            return;
        idle = kernel->slept || kernel->progress != progress ? 0 : idle + 1;
        progress = kernel->progress;
        if (idle > MAX_IDLE_STEPS)
            sim_violate(kernel, "I9: it spins: %d steps without sleep or progress", idle);
        if (i > MAX_REST_STEPS)
            sim_violate(kernel, "I9: it does not come to rest in %d steps", i);
    }
}

static void
resume_all(struct sim_world *world)
{
    kelpie_conn *conn;
    size_t cursor = 0;

    while ((conn = kp_conns_next(&world->k->net, &cursor)) != NULL)
        kelpie_conn_resume(conn);
}

static void
rest(struct sim_world *world)
{
    world->is_resting = world->kernel.is_calm = true;
    world->kernel.tick_ns = 0;
    world->kernel.nap_ns = KP_NEVER;
    fault_env_heal(&world->mem, NULL);
    for (int i = 0; i < SIM_TIMERS; i++)
        if (world->timers[i] != NULL) {
            kelpie_timer_cancel(world->timers[i]);
            world->timers[i] = NULL;
        }
    for (int i = 0; i < SIM_MAX_LINKS; i++)
        world->peers[i].waits_since = 0; /* the bounds are narrower from now on */
    resume_all(world);
    sim_trace(&world->kernel, "---- rest");
    settle(world);
    if (holds(world))
        sim_check_rest(world);
}

static void
end(struct sim_world *world)
{
    world->ended_early = world->k->is_draining;
    sim_trace(&world->kernel, "---- end");
    if (sim_chance(&world->random, 128)) {
        sim_clients_leave(world);
        settle(world);
    }
    sim_devices_drop(world);
    sim_drop_handles(world);
    kelpie_drain(world->k);
    settle(world);
    sim_clients_read_all(world);
    if (!holds(world))
        return;
    if (!world->k->is_finished)
        VIOLATE("I7: the drain does not end");
    sim_check_end(world);
    if (world->script_source != NULL)
        sim_script_check_end(world);
}

/* ---- a run ------------------------------------------------------------------------- */

static bool
start(struct sim_world *world)
{
    struct kp_sys sys = {.calls = &sim_kernel_calls, .arg = &world->kernel};
    int rc = kp_server_new(&world->k, &world->options, &sys);

    if (rc == 0 && sim_chance(&world->random, 128))
        world->k->net.much =
            sim_between(&world->random, 1, 60); /* as sim's messages are */
    if (rc == 0)
        rc = kelpie_set_handlers(world->k, &sim_handlers, world);
    if (rc == 0)
        rc = kelpie_set_framing(world->k, choose_framing(world), 0);
    for (int i = 0; i < SIM_ROOMS && rc == 0; i++)
        rc = kelpie_room_open(world->k, &world->rooms[i], i == 0 ? "hall" : "den");
    if (rc == 0 && world->script_source != NULL)
        rc = sim_script_load(world);
    if (rc == 0)
        rc = kelpie_listen(world->k, "127.0.0.1:8080");
    if (rc < 0)
        VIOLATE("the server does not start: %d", rc);
    return rc >= 0;
}

static void
finish(struct sim_world *world)
{
    /* Its clients are told "shutdown" by kelpie_free itself, in runs that end early. */
    world->is_resting = true;
    fault_env_heal(&world->mem, NULL);
    sim_devices_drop(world);
    sim_drop_handles(world);
    kelpie_free(world->k);
    if (holds(world) && sim_kernel_count_all(&world->kernel) != 0)
        VIOLATE("I6: %d descriptors are left", sim_kernel_count_all(&world->kernel));
    if (holds(world) && world->mem.blocks != 0)
        VIOLATE("I7: %zu blocks of memory are left", (size_t)world->mem.blocks);
    for (int i = 0; i < world->kernel.n_links; i++)
        sim_peer_clear(world, &world->peers[i]);
    sim_script_clear(world);
    sim_kernel_clear(&world->kernel);
}

bool
sim_run(struct sim_world *world, uint64_t seed, const char *script, bool has_trace)
{
    memset(world, 0, sizeof(*world));
    world->seed = seed;
    world->random.state = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
    sim_kernel_init(&world->kernel, &world->random);
    world->kernel.has_trace = has_trace;
    if (seed % SIM_SCRIPT_EVERY == 0)
        world->script_source = script;
    fault_mem_init(&world->mem);
    sim_devices_init(world);
    world->has_devices = sim_chance(&world->random, 64);
    choose_kernel(world);
    choose_options(world);
    world->actions = sim_between(&world->random, 5, 60);

    world->kernel.is_calm = true;
    if (start(world)) {
        world->kernel.is_calm = false;
        choose_faults(world);
        world->memory_fails = sim_chance(&world->random, 48);
        live(world);
        if (holds(world) && sim_chance(&world->random, 230)) {
            rest(world);
            if (holds(world))
                end(world);
        }
    }
    finish(world);
    return holds(world);
}
