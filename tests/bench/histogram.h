/*
 * histogram.h - how long answers took, in buckets that are at most 3 % wide
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 37 * 32 };

struct histogram {
    uint64_t n, max;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t ns);

/* Returns what a share of all values (0.99) does not pass; 0 when there are none. */
uint64_t histogram_at(const struct histogram *histogram, double share);

#endif
