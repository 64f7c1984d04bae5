/*
 * values.c - sizes, times and counts as people write them
 *
 * strtol(3) and strtod(3) take more than anybody means: blanks in front, signs, hexadecimal,
 * "inf", and a decimal comma in some locales. Here a number is digits, and a time may have
 * a point. What does not fit in 64 bits is out of range, never wrapped.
 */
#include "values.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", UINT64_C(1) << 10},
    {"KB", UINT64_C(1) << 10},
    {"KiB", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"MB", UINT64_C(1) << 20},
    {"MiB", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"GB", UINT64_C(1) << 30},
    {"GiB", UINT64_C(1) << 30},
};

/* In milliseconds. */
static const struct unit time_units[] = {
    {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct unit *
find_unit(const struct unit *units, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(units[i].name, name) == 0)
            return &units[i];
    return NULL;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits and moves *text behind them. */
static enum kd_value
read_digits(uint64_t *out, const char **text)
{
    uint64_t value = 0;
    const char *p = *text;

    if (!is_digit(*p))
        return KD_VALUE_MALFORMED;
    for (; is_digit(*p); p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return KD_VALUE_OUT_OF_RANGE;
        value = value * 10 + digit;
    }
    *out = value;
    *text = p;
    return KD_VALUE_GOOD;
}

enum kd_value
kd_value_count(uint64_t *out, const char *text)
{
    enum kd_value result = read_digits(out, &text);

    if (result == KD_VALUE_GOOD && *text != '\0')
        return KD_VALUE_MALFORMED;
    return result;
}

enum kd_value
kd_value_size(uint64_t *out, const char *text)
{
    uint64_t number;
    enum kd_value result = read_digits(&number, &text);

    if (result != KD_VALUE_GOOD)
        return result;
    const struct unit *unit = find_unit(size_units, COUNT_OF(size_units), text);
    if (unit == NULL)
        return KD_VALUE_MALFORMED;
    if (number > UINT64_MAX / unit->factor)
        return KD_VALUE_OUT_OF_RANGE;
    *out = number * unit->factor;
    return KD_VALUE_GOOD;
}

/* Reads ".25" as a number of millionths; finer digits only round up. */
static void
read_fraction(uint64_t *millionths, const char **text)
{
    const char *p = *text;
    uint64_t place = 100000;

    *millionths = 0;
    if (p[0] != '.' || !is_digit(p[1]))
        return;
    for (p++; is_digit(*p); p++, place /= 10)
        *millionths += place > 0 ? (uint64_t)(*p - '0') * place : (*p != '0');
    *text = p;
}

enum kd_value
kd_value_time(uint64_t *out_ms, const char *text)
{
    uint64_t whole = 0, millionths;
    enum kd_value result = KD_VALUE_GOOD;

    if (*text != '.')
        result = read_digits(&whole, &text);
    if (result != KD_VALUE_GOOD)
        return result;
    read_fraction(&millionths, &text);
    const struct unit *unit = find_unit(time_units, COUNT_OF(time_units), text);
    if (unit == NULL)
        return KD_VALUE_MALFORMED;
    if (whole > UINT64_MAX / unit->factor - 1)
        return KD_VALUE_OUT_OF_RANGE;
    *out_ms = whole * unit->factor + (millionths * unit->factor + 999999) / 1000000;
    return KD_VALUE_GOOD;
}

void
kd_value_size_format(char *out, uint64_t bytes)
{
    static const char letters[] = {'K', 'M', 'G'};
    size_t power = 0;

    while (power < COUNT_OF(letters) && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        power++;
    }
    int n = snprintf(out, KD_VALUE_TEXT_SIZE, "%" PRIu64, bytes);
    if (power > 0)
        snprintf(out + n, (size_t)(KD_VALUE_TEXT_SIZE - n), "%c", letters[power - 1]);
}

void
kd_value_time_format(char *out, uint64_t ms)
{
    if (ms < 1000)
        snprintf(out, KD_VALUE_TEXT_SIZE, "%" PRIu64 "ms", ms);
    else if (ms % 3600000 == 0)
        snprintf(out, KD_VALUE_TEXT_SIZE, "%" PRIu64 "h", ms / 3600000);
    else if (ms % 1000 == 0)
        snprintf(out, KD_VALUE_TEXT_SIZE, "%" PRIu64 "s", ms / 1000);
    else
        snprintf(out, KD_VALUE_TEXT_SIZE, "%" PRIu64 ".%03us", ms / 1000,
                 (unsigned)(ms % 1000));
}
