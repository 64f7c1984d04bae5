/*
 * meter.h - what a run has cost: messages, time, the server's processor time, latencies
 *
 * A run has three parts: warm-up, which does not count; the measured part; and the rest, in
 * which nothing more is sent and all outstanding answers are waited for and checked.
 */
#ifndef METER_H
#define METER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "histogram.h"

enum meter_part { METER_WARM_UP, METER_MEASURES, METER_DONE };

struct meter {
    pid_t server; /* 0: its processor time is not measured */
    uint64_t warm_up_ns, measure_ns;
    uint64_t max_messages; /* ends the measured part earlier; 0: does not */

    enum meter_part part;
    uint64_t n_messages;             /* verified, all */
    uint64_t part_ns;                /* when this part has begun */
    uint64_t last_ns, last_messages; /* when the last message came, as far as is known */

    /* results, when the part is METER_DONE */
    uint64_t first_message, first_cpu_ns;
    uint64_t took_messages, took_ns, took_cpu_ns;
    struct histogram latencies;
};

void meter_start(struct meter *meter);

/* Counts one verified message that took so long. */
void meter_count(struct meter *meter, uint64_t took_ns);

/* To be called after each turn: goes on to the next part when it is time. Ends the program
 * when no message has come for 30 s. Returns whether there is more to be sent. */
bool meter_turn(struct meter *meter, uint64_t now_ns);

/* Returns the resident memory of a process in KiB; 0 when it cannot be known. */
long meter_resident_kib(pid_t pid);

#endif
