/*
 * limit.c - a limit was hit: it is counted, and said
 *
 * Whoever sets limits wants to know that they bite, and whom; and whoever is attacked does not
 * want his log to be the next thing that is full. So every limit has a counter in the
 * statistics, and its records pass kp_log_allow, each limit for itself: a flood of the one
 * does not hide the first record of another.
 *
 * What touches the service of others, or says that the machine is too small, is a warning;
 * what only ends a client that brought it upon itself is information.
 */
#include "limit.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

/* Keys of the log's rate limit; those of scripts are hashes of 64 bits. */
#define KEY_BASE 1

#define COUNTER(name) offsetof(struct kp_net_counters, name)

static const struct {
    const char *text;
    enum kelpie_level level;
    size_t counter;
} limits[KP_N_LIMITS] = {
    [KP_LIMIT_CLIENTS] = {"refused: max_clients is reached", KELPIE_LOG_WARN,
                          COUNTER(refused_clients)},
    [KP_LIMIT_PER_IP] = {"refused: max_per_ip is reached", KELPIE_LOG_WARN,
                         COUNTER(refused_per_ip)},
    [KP_LIMIT_IDLE] = {"idle timeout", KELPIE_LOG_INFO, COUNTER(idle_timeouts)},
    [KP_LIMIT_FRAME] = {"frame timeout", KELPIE_LOG_INFO, COUNTER(frame_timeouts)},
    [KP_LIMIT_MESSAGE] = {"message too long", KELPIE_LOG_INFO, COUNTER(too_long)},
    [KP_LIMIT_PROTOCOL] = {"protocol error", KELPIE_LOG_INFO, COUNTER(protocol_errors)},
    [KP_LIMIT_SLOW] = {"slow reader", KELPIE_LOG_WARN, COUNTER(slow_readers)},
    [KP_LIMIT_TOTAL] =
        {"slow reader: max_outbox_total is reached, and this is the largest",
         KELPIE_LOG_WARN, COUNTER(slow_readers)},
    [KP_LIMIT_OUTBOX] = {"outbox full", KELPIE_LOG_INFO, COUNTER(outbox_full)},
    [KP_LIMIT_KILLS] = {"script killed: its handlers were ended too often",
                        KELPIE_LOG_WARN, COUNTER(script_killed)},
    [KP_LIMIT_SPAWN] = {"kelpie.spawn: too many functions have not ended",
                        KELPIE_LOG_WARN, COUNTER(spawn_full)},
    [KP_LIMIT_OUTBOUND] = {"connect: max_outbound is reached", KELPIE_LOG_WARN,
                           COUNTER(outbound_full)},
};

void
kp_limit_hit(struct kp_net *net, enum kp_limit limit, const union kp_peer *peer,
             const struct kelpie_conn *conn)
{
    struct kp_log *log = &net->env->log;
    char who[KP_CONN_TEXT_SIZE] = "", times[48] = "";
    uint32_t repeated;

    ++*(uint64_t *)(void *)((char *)&net->counters + limits[limit].counter);
    if (!kp_log_wants(log, limits[limit].level) ||
        !kp_log_allow(log, KEY_BASE + limit, net->loop->now_ns, &repeated))
        return;
    if (conn != NULL)
        kp_conn_format(who, conn);
    else if (peer != NULL)
        kp_peer_format(who, peer);
    if (repeated > 0)
        snprintf(times, sizeof(times), " (repeated %" PRIu32 " times)", repeated);
    kp_log_write(log, limits[limit].level, "%s%s%s%s", who, who[0] != '\0' ? ": " : "",
                 limits[limit].text, times);
}
