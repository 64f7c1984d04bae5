/*
 * options.c - what a host asks for, with the defaults filled in
 *
 * An options struct begins with its size, so that a host compiled against an older header
 * goes on working: members that it does not know are zero here, and zero means the default.
 */
#include "server.h"

#include <string.h>

#define KIB (size_t)1024
#define MIB (1024 * KIB)

static const struct kelpie_options default_options = {
    .size = sizeof(struct kelpie_options),
    .max_clients = 10000,
    .max_per_ip = 256,
    .refused_text = "connection refused.\n",
    .idle_timeout_ms = -1,
    .frame_timeout_ms = 30000,
    .half_close_timeout_ms = 10000,
    .max_message = 8 * KIB,
    .max_outbox = 1 * MIB,
    .soft_outbox = 256 * KIB,
    .max_outbox_total = 256 * MIB,
    .slow_reader_ms = 10000,
    .handler_timeout_ms = 100,
    .load_timeout_ms = 5000,
    .retire_timeout_ms = 30000,
    .drain_timeout_ms = 10000,
    .lua_memory = 64 * MIB,
    .probation_ms = 10000,
    .max_outbound = 1000,
};

static const struct {
    const char *name;
    enum kp_allow bit;
} allow_names[] = {
    {"io", KP_ALLOW_IO},
    {"os", KP_ALLOW_OS},
    {"debug", KP_ALLOW_DEBUG},
    {"cmodules", KP_ALLOW_CMODULES},
};

/* Returns the bit of one name in `allow`, 0 for one that is not known. */
static unsigned
allow_bit(const char *name)
{
    for (size_t i = 0; i < sizeof(allow_names) / sizeof(allow_names[0]); i++)
        if (strcmp(name, allow_names[i].name) == 0)
            return allow_names[i].bit;
    return 0;
}

static unsigned
allow_bits(const char *const *names)
{
    unsigned bits = 0;

    for (; names != NULL && *names != NULL; names++)
        bits |= allow_bit(*names);
    return bits;
}

static bool
names_are_known(const char *const *names)
{
    for (; names != NULL && *names != NULL; names++)
        if (allow_bit(*names) == 0)
            return false;
    return true;
}

#define FILL(member)                                                                     \
 do {                                                                                    \
  if (out->member == 0)                                                                  \
   out->member = default_options.member;                                                 \
 } while (0)

static void
fill_defaults(struct kelpie_options *out)
{
    FILL(max_clients);
    FILL(max_per_ip);
    FILL(refused_text);
    FILL(idle_timeout_ms);
    FILL(frame_timeout_ms);
    FILL(half_close_timeout_ms);
    FILL(max_message);
    FILL(max_outbox);
    FILL(soft_outbox);
    FILL(max_outbox_total);
    FILL(slow_reader_ms);
    FILL(handler_timeout_ms);
    FILL(load_timeout_ms);
    FILL(retire_timeout_ms);
    FILL(drain_timeout_ms);
    FILL(lua_memory);
    FILL(probation_ms);
    FILL(max_outbound);
    if (out->soft_outbox > out->max_outbox)
        out->soft_outbox = out->max_outbox;
}

int
kp_options_read(struct kelpie_options *out, const struct kelpie_options *given)
{
    *out = default_options;
    if (given == NULL)
        return 0;
    if (given->size < sizeof(given->size) || given->size > sizeof(*out))
        return KELPIE_EMISUSE;
    memset(out, 0, sizeof(*out));
    memcpy(out, given, given->size);
    fill_defaults(out);
    if (out->max_clients < 0 || out->fastopen < 0 || out->watchdog_signal < 0 ||
        !names_are_known(out->allow))
        return KELPIE_EMISUSE;
    return 0;
}

/* Milliseconds as options give them (-1: no limit) to nanoseconds (0: no limit). */
static uint64_t
limit_ns(int ms)
{
    return ms < 0 ? 0 : (uint64_t)ms * KP_NS_PER_MS;
}

void
kp_options_to_net(const struct kelpie_options *options, struct kp_net_limits *out)
{
    *out = (struct kp_net_limits){
        .max_clients = (uint32_t)options->max_clients,
        .max_per_ip = options->max_per_ip < 0 ? 0 : (uint32_t)options->max_per_ip,
        .max_outbound = options->max_outbound < 0 ? 0 : (uint32_t)options->max_outbound,
        .max_message = options->max_message,
        .max_outbox = options->max_outbox,
        .soft_outbox = options->soft_outbox,
        .max_outbox_total = options->max_outbox_total,
        .idle_timeout_ns = limit_ns(options->idle_timeout_ms),
        .frame_timeout_ns = limit_ns(options->frame_timeout_ms),
        .half_close_timeout_ns = limit_ns(options->half_close_timeout_ms),
        .slow_reader_ns = limit_ns(options->slow_reader_ms),
        .fastopen = options->fastopen,
    };
}

void
kp_options_to_script(const struct kelpie_options *options, struct kp_script_limits *out)
{
    bool rolls_back_itself = options->probation_ms > 0;
    int probation_ms =
        rolls_back_itself ? options->probation_ms : default_options.probation_ms;

    *out = (struct kp_script_limits){
        .handler_timeout_ns = limit_ns(options->handler_timeout_ms),
        .load_timeout_ns = limit_ns(options->load_timeout_ms),
        .retire_timeout_ns = limit_ns(options->retire_timeout_ms),
        .probation_ns = (uint64_t)probation_ms * KP_NS_PER_MS,
        .rolls_back_itself = rolls_back_itself,
        .lua_memory = options->lua_memory,
        .watchdog_signal = options->watchdog_signal,
        .on_watchdog = options->on_watchdog,
        .on_stuck = options->on_stuck,
        .stuck_arg = options->on_stuck_arg,
        .allow = allow_bits(options->allow),
    };
}
