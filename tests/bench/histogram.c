/*
 * histogram.c - see histogram.h
 *
 * Values below 64 have a bucket each; above, each power of two has 32 of them. What is longer
 * than a quarter of an hour is in the last bucket; max is exact.
 */
#include "histogram.h"

#include <string.h>

enum { HALF = 32 }; /* buckets for a power of two */

void
histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
}

static unsigned
bucket_of(uint64_t ns)
{
    unsigned shift = 0;

    while ((ns >> shift) >= 2 * HALF)
        shift++;
    unsigned bucket = shift * HALF + (unsigned)(ns >> shift);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* Returns the largest value that bucket_of puts there. */
static uint64_t
top_of(unsigned bucket)
{
    if (bucket < 2 * HALF)
        return bucket;
    unsigned shift = bucket / HALF - 1;
    return ((uint64_t)(bucket % HALF + HALF + 1) << shift) - 1;
}

void
histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->counts[bucket_of(ns)]++;
    histogram->n++;
    if (histogram->max < ns)
        histogram->max = ns;
}

uint64_t
histogram_at(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)((double)histogram->n * share), seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > wanted || (seen == histogram->n && seen > 0))
            return top_of(i) < histogram->max ? top_of(i) : histogram->max;
    }
    return 0;
}
