/*
 * stats.c - the counters of all layers in one struct
 */
#include <string.h>

#include "script/generation.h"
#include "server.h"

void
kelpie_get_stats(const kelpie *k, struct kelpie_stats *stats)
{
    const struct kp_net_counters *net = &k->net.counters;
    struct kelpie_stats all = {
        .size = stats->size,
        .generation = k->script.live != NULL ? k->script.live->number : 0,
        .clients = kp_conns_count(&k->net) - k->net.outbound.count,
        .accepted = net->accepted,
        .refused = net->refused,
        .closed = net->closed,
        .messages_in = net->messages_in,
        .bytes_in = net->bytes_in,
        .messages_out = net->messages_out,
        .bytes_out = net->bytes_out,
        .outbox_bytes = k->net.outbox_total,
        .dropped_bytes = net->dropped_bytes,
        .partial_at_eof = net->partial_at_eof,
        .slow_readers = net->slow_readers,
        .broadcast_skipped = net->broadcast_skipped,
        .handler_errors = k->script.handler_errors,
        .handler_kills = k->script.handler_kills,
        .reloads = k->script.reloads,
        .reloads_rejected = k->script.reloads_rejected,
        .lua_bytes = kp_script_lua_bytes(&k->script),
        .timers = k->timers.count,
        .rooms = k->net.n_rooms,
        .accept_pauses = net->accept_pauses,
        .rollbacks = k->script.rollbacks,
        .refused_clients = net->refused_clients,
        .refused_per_ip = net->refused_per_ip,
        .idle_timeouts = net->idle_timeouts,
        .frame_timeouts = net->frame_timeouts,
        .too_long = net->too_long,
        .protocol_errors = net->protocol_errors,
        .outbox_full = net->outbox_full,
        .script_killed = net->script_killed,
        .spawn_full = net->spawn_full,
        .outbound = k->net.outbound.count,
        .outbound_full = net->outbound_full,
    };

    memcpy(stats, &all, stats->size < sizeof(all) ? stats->size : sizeof(all));
}
