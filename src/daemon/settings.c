/*
 * settings.c - the table of everything that can be set, by flag or in a configuration file
 *
 * One row is one setting: its names, where its value goes, which values make sense, and its
 * line of help. Flags (options.c), the configuration file (config.c) and the help text are
 * made from this table, so they cannot disagree. How a value is read is in apply.c. What
 * struct kelpie_options has for a server and no row sets is the daemon's own business, such
 * as its log; test_options.c has the list of that.
 */
#include "settings.h"

#include <string.h>

#include "base/nearest.h"

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
     .none = "for no limit",
     .offset = SERVER(max_per_ip),
     .min = 1,
     .max = 1000000,
     .value = "N",
     .help = "clients of one address, or none (256); loopback is exempt"},
    {.name = "max-outbound",
     .kind = KD_KIND_COUNT,
     .none = "if scripts may open none",
     .offset = SERVER(max_outbound),
     .min = 1,
     .max = 1000000,
     .value = "N",
     .help = "connections that scripts have opened, or none (1000)"},
    {.name = "refused-text",
     .kind = KD_KIND_TEXT,
     .offset = AT(refused_text),
     .value = "TEXT",
     .help = "the line that a client above the limits reads (connection refused.)"},
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
    {.name = "soft-outbox",
     .kind = KD_KIND_SIZE,
     .offset = SERVER(soft_outbox),
     .min = 1,
     .max = 16 * GIB,
     .value = "SIZE",
     .help = "above this its input waits, and it is a slow reader (256K)"},
    {.name = "slow-reader",
     .kind = KD_KIND_TIME_MS,
     .none = "for no limit",
     .offset = SERVER(slow_reader_ms),
     .value = "TIME",
     .help = "close a slow reader after so long (10s)"},
    {.name = "max-outbox-total",
     .kind = KD_KIND_SIZE,
     .offset = SERVER(max_outbox_total),
     .min = 1,
     .max = 1024 * GIB,
     .value = "SIZE",
     .help = "unsent bytes of all clients together (256M)"},
    {.name = "idle-timeout",
     .kind = KD_KIND_TIME_MS,
     .none = "for no limit",
     .offset = SERVER(idle_timeout_ms),
     .value = "TIME",
     .help = "close a client that is silent for so long (none)"},
    {.name = "frame-timeout",
     .kind = KD_KIND_TIME_MS,
     .none = "for no limit",
     .offset = SERVER(frame_timeout_ms),
     .value = "TIME",
     .help = "from the first byte of a message to its end (30s)"},
    {.name = "half-close-timeout",
     .kind = KD_KIND_TIME_MS,
     .none = "for no limit",
     .offset = SERVER(half_close_timeout_ms),
     .value = "TIME",
     .help = "a client that has ended takes no output for so long (10s)"},
    {.name = "handler-timeout",
     .kind = KD_KIND_TIME_MS,
     .none = "for no limit",
     .offset = SERVER(handler_timeout_ms),
     .value = "TIME",
     .help = "end a handler that runs for so long (100ms)"},
    {.name = "load-timeout",
     .kind = KD_KIND_TIME_MS,
     .none = "for no limit",
     .offset = SERVER(load_timeout_ms),
     .value = "TIME",
     .help = "the same for loading, and for kelpie.critical (5s)"},
    {.name = "retire-timeout",
     .kind = KD_KIND_TIME_MS,
     .none = "for no limit",
     .offset = SERVER(retire_timeout_ms),
     .value = "TIME",
     .help = "after a reload, handlers of before may wait so long (30s)"},
    {.name = "probation",
     .kind = KD_KIND_TIME_MS,
     .offset = SERVER(probation_ms),
     .value = "TIME",
     .help = "after a reload, keep the version before for so long (10s)"},
    {.name = "drain-timeout",
     .kind = KD_KIND_TIME_MS,
     .none = "for no limit",
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
     .help = "open a library to scripts: io, os, debug, cmodules; may be repeated"},
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
    {.name = "filter",
     .kind = KD_KIND_TEXT,
     .is_flag_only = true,
     .offset = AT(filter),
     .value = "PATTERN",
     .help = "test: only tests whose names match this pattern of Lua"},
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
