/*
 * pattern_random.h - random patterns and subjects, in Lua's functions and in ours
 */
#ifndef PATTERN_RANDOM_H
#define PATTERN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Runs n cases that follow from a seed; stops after a few differences, which it prints.
 * Returns how many there were, or -1: no memory. */
int pattern_random_run(uint64_t seed, size_t n);

#endif
