/*
 * load_idle.c - what connections cost that do nothing
 *
 * Each connects, sends one line and gets it back, so that the server has met it; then it is
 * silent. What the server's resident memory has grown by since the tenth, divided by those
 * that came after, is the result, once it does not change any more: some servers give memory
 * back after a while. The kernel's own memory for sockets is not in it.
 */
#include <string.h>
#include <time.h>

#include "kit.h"
#include "load.h"

enum { FIRST = 10, MAX_LOOKS = 10 };

static void
greet(struct load *load, unsigned begin, unsigned end)
{
    const struct dialect *d = &load->dialect;

    for (unsigned i = begin; i < end; i++) {
        struct stream *stream = &load->streams[i];
        char *line = load->expected;
        stream_open(stream, load->port, i);
        dialect_payload(line, d->payload_size, i, 0);
        stream_say(stream, d->ask_before.data, d->ask_before.len);
        memcpy(line + d->payload_size, d->ask_after.data, d->ask_after.len);
        stream_say(stream, line, d->payload_size + d->ask_after.len);
        stream_await(stream, line, d->payload_size + d->answer_after.len);
        meter_count(&load->meter, 0);
    }
}

/* Returns the server's memory once it stays as it is for ten times the warm-up, or at least
 * has had the time of MAX_LOOKS of those. */
static long
settled_kib(const struct load *load)
{
    uint64_t wait_ns = load->meter.warm_up_ns * 10;
    const struct timespec a_while = {.tv_sec = (time_t)(wait_ns / 1000000000u),
                                     .tv_nsec = (long)(wait_ns % 1000000000u)};
    long kib = meter_resident_kib(load->meter.server), before = -1;

    for (int i = 0; i < MAX_LOOKS && kib != before; i++) {
        before = kib;
        (void)nanosleep(&a_while, NULL);
        kib = meter_resident_kib(load->meter.server);
    }
    return kib;
}

void
load_idle(struct load *load)
{
    unsigned n = load->n_conns;

    if (n <= FIRST ||
        !dialect_make(&load->dialect, load->dialect_name, DIALECT_ECHO, load->size, 0))
        bench_give_up("idle", "more than ten connections, and a dialect");
    load->streams = bench_alloc(n * sizeof(*load->streams));
    meter_start(&load->meter);
    greet(load, 0, FIRST);
    long first_kib = settled_kib(load);
    (void)meter_turn(&load->meter, bench_clock_ns(CLOCK_MONOTONIC));
    greet(load, FIRST, n);
    load->meter.measure_ns = 0;
    (void)meter_turn(&load->meter, bench_clock_ns(CLOCK_MONOTONIC));
    long kib = settled_kib(load);
    if (first_kib > 0 && kib > 0)
        load->bytes_per_conn = (double)(kib - first_kib) * 1024 / (n - FIRST);
    load_close(load, n);
}
