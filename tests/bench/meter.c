/*
 * meter.c - see meter.h
 *
 * The processor time of the server is the kernel's own account of that process: user and
 * system time of all its threads, by its CPU clock (clock_getcpuclockid(3)), in ns. It is read
 * at both ends of the measured part, so the start of the server and the warm-up are not in it.
 * macOS has no such clock: there bench_load works without --server only.
 */
#include "meter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"

#define PATIENCE_NS 30000000000u

static uint64_t
server_cpu_ns(const struct meter *meter)
{
    clockid_t clock = CLOCK_MONOTONIC;
    int error = ENOTSUP;

    if (meter->server == 0)
        return 0;
#if !defined(__APPLE__)
    error = clock_getcpuclockid(meter->server, &clock);
#endif
    if (error != 0)
        bench_give_up("the server's CPU clock", strerror(error));
    return bench_clock_ns(clock);
}

void
meter_start(struct meter *meter)
{
    meter->part = METER_WARM_UP;
    meter->n_messages = meter->last_messages = 0;
    meter->part_ns = meter->last_ns = bench_clock_ns(CLOCK_MONOTONIC);
    histogram_clear(&meter->latencies);
}

void
meter_count(struct meter *meter, uint64_t took_ns)
{
    meter->n_messages++;
    if (meter->part == METER_MEASURES)
        histogram_add(&meter->latencies, took_ns);
}

static void
begin_measuring(struct meter *meter)
{
    meter->part = METER_MEASURES;
    meter->first_message = meter->n_messages;
    meter->first_cpu_ns = server_cpu_ns(meter);
    meter->part_ns = bench_clock_ns(CLOCK_MONOTONIC);
}

static void
end_measuring(struct meter *meter)
{
    meter->part = METER_DONE;
    meter->took_cpu_ns = server_cpu_ns(meter) - meter->first_cpu_ns;
    meter->took_messages = meter->n_messages - meter->first_message;
    meter->took_ns = bench_clock_ns(CLOCK_MONOTONIC) - meter->part_ns;
}

static bool
has_enough(const struct meter *meter, uint64_t now_ns)
{
    uint64_t n = meter->n_messages - meter->first_message;

    return (meter->max_messages > 0 && n >= meter->max_messages) ||
           (now_ns - meter->part_ns >= meter->measure_ns && n > 0);
}

bool
meter_turn(struct meter *meter, uint64_t now_ns)
{
    if (meter->n_messages != meter->last_messages) {
        meter->last_messages = meter->n_messages;
        meter->last_ns = now_ns;
    } else if (now_ns > meter->last_ns && now_ns - meter->last_ns > PATIENCE_NS) {
        bench_give_up("waited 30 s", "no answer came");
    }
    if (meter->part == METER_WARM_UP && now_ns - meter->part_ns >= meter->warm_up_ns)
        begin_measuring(meter);
    else if (meter->part == METER_MEASURES && has_enough(meter, now_ns))
        end_measuring(meter);
    return meter->part != METER_DONE;
}

long
meter_resident_kib(pid_t pid)
{
    char command[64];
    long kib = 0;

    if (pid == 0)
        return 0;
    snprintf(command, sizeof(command), "ps -o rss= -p %ld", (long)pid);
    FILE *ps = popen(command, "r");
    if (ps == NULL)
        return 0;
    if (fscanf(ps, "%ld", &kib) != 1)
        kib = 0;
    (void)pclose(ps);
    return kib;
}
