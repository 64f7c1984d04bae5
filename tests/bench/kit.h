/*
 * kit.h - what the programs of the benchmark share
 */
#ifndef BENCH_KIT_H
#define BENCH_KIT_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Ends the program with a sentence: "NAME: what: why". */
void bench_give_up(const char *what, const char *why) __attribute__((noreturn));

/* Returns the time of a clock in ns. */
uint64_t bench_clock_ns(clockid_t clock);

/* As malloc(3), realloc(3), but there is always memory. */
void *bench_alloc(size_t size);
void *bench_realloc(void *block, size_t size);

/* Returns the number in text; ends the program unless it is in [least, most]. */
long bench_number(const char *what, const char *text, long least, long most);

#endif
