/*
 * settings.c - the table of everything that can be set, by flag or in a configuration file
 *
 * One row is one setting: its names, where its value goes, which values make sense, and its
 * line of help. Flags (options.c), the configuration file (config.c) and the help text are
 * made from this table, so they cannot disagree. Every refusal is a sentence that says what
 * to write instead.
 */
#include "settings.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "values.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static const char *const log_levels[] = {"error", "warn", "info", "debug", "trace", NULL};
static const char *const log_formats[] = {"text", "json", NULL};
static const char *const allowances[] = {"io", "os", "debug", "cmodules", NULL};

#define AT(member)     offsetof(struct kd_options, member)
#define SERVER(member) offsetof(struct kd_options, server.member)

const struct kd_setting kd_settings[] = {
    {.name = "listen",
     .letter = 'l',
     .kind = KD_KIND_LIST,
     .offset = AT(listen),
     .value = "ADDRESS",
     .help = "listen there: 127.0.0.1:8080 (the default), [::1]:8080, *:8080,\n"
             ":0 (a free port), unix:/path, fd:3, NAME=ADDRESS; may be repeated"},
    {.name = "port",
     .letter = 'p',
     .kind = KD_KIND_PORT,
     .offset = AT(listen),
     .max = 65535,
     .value = "PORT",
     .help = "listen on 127.0.0.1:PORT"},
    {.name = "config",
     .letter = 'c',
     .kind = KD_KIND_TEXT,
     .is_flag_only = true,
     .offset = AT(config),
     .value = "FILE",
     .help = "a Lua file that returns a table of these names, with _ for -;\n"
             "flags win over it"},
    {.name = "watch",
     .letter = 'w',
     .kind = KD_KIND_FLAG,
     .offset = AT(watch),
     .help = "reload whenever a file of the scripts changes; for development"},
    {.name = "max-clients",
     .kind = KD_KIND_COUNT,
     .offset = SERVER(max_clients),
     .min = 1,
     .max = 1000000,
     .value = "N",
     .help = "clients at a time (10000)"},
    {.name = "max-per-ip",
     .kind = KD_KIND_COUNT,
     .may_be_none = true,
     .offset = SERVER(max_per_ip),
     .min = 1,
     .max = 1000000,
     .value = "N",
     .help = "clients of one address, or none (256); loopback is exempt"},
    {.name = "max-message",
     .kind = KD_KIND_SIZE,
     .offset = SERVER(max_message),
     .min = 1,
     .max = GIB,
     .value = "SIZE",
     .help = "longest message (8K)"},
    {.name = "max-outbox",
     .kind = KD_KIND_SIZE,
     .offset = SERVER(max_outbox),
     .min = 1,
     .max = 16 * GIB,
     .value = "SIZE",
     .help = "unsent bytes of one client (1M, or four of the longest messages)"},
    {.name = "idle-timeout",
     .kind = KD_KIND_TIME_MS,
     .may_be_none = true,
     .offset = SERVER(idle_timeout_ms),
     .value = "TIME",
     .help = "close a client that is silent for so long (none)"},
    {.name = "frame-timeout",
     .kind = KD_KIND_TIME_MS,
     .may_be_none = true,
     .offset = SERVER(frame_timeout_ms),
     .value = "TIME",
     .help = "from the first byte of a message to its end (30s)"},
    {.name = "handler-timeout",
     .kind = KD_KIND_TIME_MS,
     .may_be_none = true,
     .offset = SERVER(handler_timeout_ms),
     .value = "TIME",
     .help = "end a handler that runs for so long (100ms)"},
    {.name = "drain-timeout",
     .kind = KD_KIND_TIME_MS,
     .may_be_none = true,
     .offset = SERVER(drain_timeout_ms),
     .value = "TIME",
     .help = "at the end, wait so long for output to be taken (10s)"},
    {.name = "lua-memory",
     .kind = KD_KIND_SIZE,
     .offset = SERVER(lua_memory),
     .min = MIB,
     .max = 1024 * GIB,
     .value = "SIZE",
     .help = "what the scripts may use (64M)"},
    {.name = "allow",
     .kind = KD_KIND_LIST,
     .offset = AT(allow),
     .choices = allowances,
     .value = "NAME",
     .help = "open a library to scripts: io, os, debug or cmodules; may be repeated"},
    {.name = "fastopen",
     .kind = KD_KIND_FLAG,
     .offset = AT(fastopen),
     .help = "TCP Fast Open: data in the first packet of a known client"},
    {.name = "control",
     .kind = KD_KIND_TEXT,
     .offset = AT(control),
     .value = "PATH",
     .help = "the control socket of the daemon, or none; by default one that\n"
             "reload, rollback and status find by themselves"},
    {.name = "drop",
     .kind = KD_KIND_FLAG,
     .is_flag_only = true,
     .offset = AT(drop),
     .help = "reload: leave behind what cannot cross, and list it"},
    {.name = "dry-run",
     .kind = KD_KIND_FLAG,
     .is_flag_only = true,
     .offset = AT(dry_run),
     .help = "reload: say what would happen, and change nothing"},
    {.name = "wait",
     .kind = KD_KIND_FLAG,
     .is_flag_only = true,
     .offset = AT(wait),
     .help = "reload: wait until the probation is over as well"},
    {.name = "json",
     .kind = KD_KIND_FLAG,
     .is_flag_only = true,
     .offset = AT(json),
     .help = "status, check: print JSON"},
    {.name = "no-stdin",
     .kind = KD_KIND_FLAG,
     .offset = AT(no_stdin),
     .help = "do not read lines from standard input"},
    {.name = "no-rollback",
     .kind = KD_KIND_FLAG,
     .offset = AT(no_rollback),
     .help = "after a reload that makes handlers fail, stay with the new version"},
    {.name = "user",
     .kind = KD_KIND_TEXT,
     .offset = AT(user),
     .value = "NAME",
     .help = "become this user once it listens (needs root)"},
    {.name = "log-level",
     .kind = KD_KIND_CHOICE,
     .offset = AT(log_level),
     .choices = log_levels,
     .value = "LEVEL",
     .help = "error, warn, info (the default), debug or trace"},
    {.name = "log-format",
     .kind = KD_KIND_CHOICE,
     .offset = AT(log_format),
     .choices = log_formats,
     .value = "FORMAT",
     .help = "text (the default) or json, one object a line"},
    {.name = "log-file",
     .kind = KD_KIND_TEXT,
     .offset = AT(log_file),
     .value = "PATH",
     .help = "log there instead of to standard error; USR1 opens it again"},
    {.name = "version",
     .letter = 'V',
     .kind = KD_KIND_COMMAND,
     .min = KD_VERSION,
     .help = "print the version"},
    {.name = "help",
     .letter = 'h',
     .kind = KD_KIND_COMMAND,
     .min = KD_HELP,
     .help = "print this"},
};

const size_t kd_n_settings = sizeof(kd_settings) / sizeof(kd_settings[0]);

int
kd_setting_fail(struct kd_options *options, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(options->why, sizeof(options->why), format, args);
    va_end(args);
    return -1;
}

/* ---- names -------------------------------------------------------------------------- */

static bool
names_are_same(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++)
        if (*a != *b && !(*a == '-' && *b == '_') && !(*a == '_' && *b == '-'))
            return false;
    return *a == *b;
}

#define MAX_NAMES 64

static const char *
nearest_setting(const char *name)
{
    const char *names[MAX_NAMES];
    size_t n = 0;

    for (; n < kd_n_settings && n < MAX_NAMES; n++)
        names[n] = kd_settings[n].name;
    return kp_nearest(name, names, n);
}

const struct kd_setting *
kd_setting_find(const char *name, const char **nearest)
{
    *nearest = NULL;
    for (size_t i = 0; i < kd_n_settings; i++)
        if (names_are_same(kd_settings[i].name, name))
            return &kd_settings[i];
    *nearest = nearest_setting(name);
    return NULL;
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
    return kd_setting_fail(options, "%s: '%s' is out of range; write %s to %s%s", shown,
                           text, low, high,
                           setting->may_be_none ? ", or none for no limit" : "");
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

    if (setting->may_be_none && strcmp(text, "none") == 0) {
        *(int *)member = -1;
        return 0;
    }
    enum kd_value result = read_number(&number, setting->kind, text);
    if (result == KD_VALUE_MALFORMED)
        return kd_setting_fail(options, "%s: '%s' is not understood; write %s%s", shown,
                               text, kind_examples[setting->kind],
                               setting->may_be_none ? ", or none" : "");
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
