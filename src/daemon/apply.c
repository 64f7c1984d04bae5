/*
 * apply.c - the value of one setting, from text
 *
 * Every refusal is a sentence that says what to write instead. Where the value goes, and what
 * makes sense for it, is in the table of settings.c.
 */
#include "settings.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "values.h"

int
kd_setting_fail(struct kd_options *options, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(options->why, sizeof(options->why), format, args);
    va_end(args);
    return -1;
}

/* Returns the index of text in choices, -1 with a sentence when it is not there. */
static int
find_choice(struct kd_options *options, const struct kd_setting *setting,
            const char *shown, const char *text)
{
    char all[128] = "";
    int n = 0;

    for (; setting->choices[n] != NULL; n++) {
        if (strcmp(setting->choices[n], text) == 0)
            return n;
        size_t len = strlen(all);
        snprintf(all + len, sizeof(all) - len, "%s%s", n > 0 ? ", " : "",
                 setting->choices[n]);
    }
    const char *near = kp_nearest(text, setting->choices, (size_t)n);
    if (near != NULL)
        return kd_setting_fail(options, "%s: '%s' is unknown; did you mean '%s'?", shown,
                               text, near);
    return kd_setting_fail(options, "%s: '%s' is unknown; write one of %s", shown, text,
                           all);
}

/* ---- lists -------------------------------------------------------------------------- */

void
kd_list_clear(struct kd_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    list->items = NULL;
    list->n = 0;
}

int
kd_list_add(struct kd_list *list, const char *text, enum kd_source source)
{
    if (source > list->source)
        kd_list_clear(list);
    list->source = source;
    char **items = realloc(list->items, (list->n + 2) * sizeof(*items));
    if (items == NULL)
        return -1;
    list->items = items;
    items[list->n + 1] = NULL;
    items[list->n] = strdup(text);
    if (items[list->n] == NULL)
        return -1;
    list->n++;
    return 0;
}

/* ---- values ------------------------------------------------------------------------- */

static int
out_of_memory(struct kd_options *options)
{
    return kd_setting_fail(options, "out of memory");
}

static void *
member_of(struct kd_options *options, const struct kd_setting *setting)
{
    return (char *)options + setting->offset;
}

static int
set_text(struct kd_options *options, const struct kd_setting *setting, const char *shown,
         const char *text)
{
    char **member = member_of(options, setting);

    if (*text == '\0')
        return kd_setting_fail(options, "%s: its value is empty", shown);
    char *copy = strdup(text);
    if (copy == NULL)
        return out_of_memory(options);
    free(*member);
    *member = copy;
    return 0;
}

static int
set_list(struct kd_options *options, const struct kd_setting *setting, const char *shown,
         const char *text)
{
    if (*text == '\0')
        return kd_setting_fail(options, "%s: its value is empty", shown);
    if (setting->choices != NULL && find_choice(options, setting, shown, text) < 0)
        return -1;
    if (kd_list_add(member_of(options, setting), text, options->source) < 0)
        return out_of_memory(options);
    return 0;
}

static int
set_port(struct kd_options *options, const struct kd_setting *setting, const char *shown,
         const char *text)
{
    uint64_t port;
    char address[32];

    if (kd_value_count(&port, text) != KD_VALUE_GOOD || port > setting->max)
        return kd_setting_fail(options,
                               "%s: '%s' is not a port; write a number from 0 (any "
                               "free one) to 65535, or use --listen for an address",
                               shown, text);
    snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)port);
    if (kd_list_add(member_of(options, setting), address, options->source) < 0)
        return out_of_memory(options);
    return 0;
}

static int
set_choice(struct kd_options *options, const struct kd_setting *setting,
           const char *shown, const char *text)
{
    int choice = find_choice(options, setting, shown, text);

    if (choice < 0)
        return -1;
    *(int *)member_of(options, setting) = choice;
    return 0;
}

/* Only a configuration file gives a text: "true" or "false". */
static int
set_flag(struct kd_options *options, const struct kd_setting *setting, const char *shown,
         const char *text)
{
    bool is_on = text == NULL || strcmp(text, "true") == 0;

    if (!is_on && strcmp(text, "false") != 0)
        return kd_setting_fail(options, "%s: '%s' is not understood; write true or false",
                               shown, text);
    *(bool *)member_of(options, setting) = is_on;
    return 0;
}

static const char *const kind_examples[] = {
    [KD_KIND_COUNT] = "a whole number, such as 100",
    [KD_KIND_SIZE] = "a number of bytes, such as 8192, 64K or 1M",
    [KD_KIND_TIME_MS] = "seconds, such as 30, 0.5, 30s, or 500ms",
};

static void
format_number(char *out, enum kd_kind kind, uint64_t number)
{
    if (kind == KD_KIND_SIZE)
        kd_value_size_format(out, number);
    else if (kind == KD_KIND_TIME_MS)
        kd_value_time_format(out, number);
    else
        snprintf(out, KD_VALUE_TEXT_SIZE, "%llu", (unsigned long long)number);
}

static int
refuse_number(struct kd_options *options, const struct kd_setting *setting,
              const char *shown, const char *text, uint64_t min, uint64_t max)
{
    char low[KD_VALUE_TEXT_SIZE], high[KD_VALUE_TEXT_SIZE];

    format_number(low, setting->kind, min);
    format_number(high, setting->kind, max);
    return kd_setting_fail(options, "%s: '%s' is out of range; write %s to %s%s%s", shown,
                           text, low, high, setting->none != NULL ? ", or none " : "",
                           setting->none != NULL ? setting->none : "");
}

static enum kd_value
read_number(uint64_t *out, enum kd_kind kind, const char *text)
{
    if (kind == KD_KIND_SIZE)
        return kd_value_size(out, text);
    return kind == KD_KIND_TIME_MS ? kd_value_time(out, text) : kd_value_count(out, text);
}

#define DAY_MS UINT64_C(86400000)

/* 0 is refused, because it is "the default" to the library and "at once", or "never", to
 * people. */
static int
set_number(struct kd_options *options, const struct kd_setting *setting,
           const char *shown, const char *text)
{
    bool is_time = setting->kind == KD_KIND_TIME_MS;
    uint64_t min = is_time ? 1 : setting->min;
    uint64_t max = is_time ? 24 * DAY_MS : setting->max;
    uint64_t number = 0;
    void *member = member_of(options, setting);

    if (setting->none != NULL && strcmp(text, "none") == 0) {
        *(int *)member = -1;
        return 0;
    }
    enum kd_value result = read_number(&number, setting->kind, text);
    if (result == KD_VALUE_MALFORMED)
        return kd_setting_fail(options, "%s: '%s' is not understood; write %s%s", shown,
                               text, kind_examples[setting->kind],
                               setting->none != NULL ? ", or none" : "");
    if (setting->kind == KD_KIND_SIZE && max > SIZE_MAX / 2)
        max = SIZE_MAX / 2 + 1; /* half of what can be addressed with 32 bits */
    if (result != KD_VALUE_GOOD || number < min || number > max)
        return refuse_number(options, setting, shown, text, min, max);
    if (setting->kind == KD_KIND_SIZE)
        *(size_t *)member = (size_t)number;
    else
        *(int *)member = (int)number;
    return 0;
}

int
kd_setting_apply(struct kd_options *options, const struct kd_setting *setting,
                 const char *shown, const char *text)
{
    switch (setting->kind) {
    case KD_KIND_FLAG:
        return set_flag(options, setting, shown, text);
    case KD_KIND_COMMAND:
        options->command = (enum kd_command)setting->min;
        return 0;
    case KD_KIND_TEXT:
        return set_text(options, setting, shown, text);
    case KD_KIND_LIST:
        return set_list(options, setting, shown, text);
    case KD_KIND_PORT:
        return set_port(options, setting, shown, text);
    case KD_KIND_CHOICE:
        return set_choice(options, setting, shown, text);
    default:
        return set_number(options, setting, shown, text);
    }
}
