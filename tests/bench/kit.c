/*
 * kit.c - see kit.h
 *
 * A benchmark that cannot do what it should has no result: every failure ends the program.
 */
#include "kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
bench_give_up(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

uint64_t
bench_clock_ns(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) < 0)
        bench_give_up("clock_gettime", strerror(errno));
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void *
bench_realloc(void *block, size_t size)
{
    void *grown = realloc(block, size);

    if (grown == NULL)
        bench_give_up("realloc", "out of memory");
    return grown;
}

void *
bench_alloc(size_t size)
{
    return bench_realloc(NULL, size);
}

long
bench_number(const char *what, const char *text, long least, long most)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (end == text || *end != '\0' || number < least || number > most)
        bench_give_up(what, "is not a number in its range");
    return number;
}
