/*
 * sim_random.h - where all chance in a simulation comes from: one number, the seed
 *
 * splitmix64: small, fast, and the same everywhere. Whoever draws from it in another order
 * makes another run of the same seed, so nothing that differs between two runs (addresses,
 * time, whether a trace is printed) may decide what is drawn.
 */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

static inline uint64_t
sim_next(struct sim_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number in [0, n); n is > 0. */
static inline uint32_t
sim_below(struct sim_random *random, uint32_t n)
{
    return (uint32_t)((sim_next(random) >> 32) * n >> 32);
}

/* A number in [low, high]. */
static inline uint32_t
sim_between(struct sim_random *random, uint32_t low, uint32_t high)
{
    return low + sim_below(random, high - low + 1);
}

/* True of_256 times out of 256. Draws nothing when the answer is certain. */
static inline bool
sim_chance(struct sim_random *random, unsigned of_256)
{
    return of_256 > 0 && sim_below(random, 256) < of_256;
}

#endif
