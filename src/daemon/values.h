/*
 * values.h - sizes, times and counts as people write them
 */
#ifndef KD_VALUES_H
#define KD_VALUES_H

#include <stddef.h>
#include <stdint.h>

enum kd_value {
    KD_VALUE_GOOD,
    KD_VALUE_MALFORMED, /* not such a thing at all */
    KD_VALUE_OUT_OF_RANGE,
};

/* Reads a whole number: "100". */
enum kd_value kd_value_count(uint64_t *out, const char *text);

/* Reads a number of bytes: "8192", "64K", "1M", "2GiB"; K is 1024. */
enum kd_value kd_value_size(uint64_t *out, const char *text);

/* Reads a time: seconds, perhaps with a fraction, perhaps with a unit: "30", "0.5", "30s",
 * "500ms", "5m", "2h". Gives milliseconds, rounded up. */
enum kd_value kd_value_time(uint64_t *out_ms, const char *text);

/* Write a value as these functions read it, as short as it gets: "64K", "1.5s", "100ms".
 * out has KD_VALUE_TEXT_SIZE bytes. */
#define KD_VALUE_TEXT_SIZE 32
void kd_value_size_format(char *out, uint64_t bytes);
void kd_value_time_format(char *out, uint64_t ms);

#endif
