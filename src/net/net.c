/*
 * net.c - what the connections of one server share
 *
 * Setting up and clearing. A net owns its listeners and connections; the loop and the
 * timers are its server's, because other things use them too.
 */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "accept.h"
#include "cast.h"
#include "conn_read.h"
#include "connect.h"
#include "conns.h"
#include "listener.h"
#include "room.h"

static void
init_lists(struct kp_net *net)
{
    kp_list_init(&net->listeners);
    kp_list_init(&net->fresh);
    kp_list_init(&net->ready);
    kp_list_init(&net->dirty);
    kp_list_init(&net->closed);
    kp_list_init(&net->gone);
    kp_list_init(&net->outbound.connects);
    kp_list_init(&net->outbound.lookups);
}

static int
init_maps(struct kp_net *net)
{
    struct kp_env *env = net->env;
    int rc = kp_map_init(&net->by_id, &env->mem, &env->sys);

    if (rc == 0)
        rc = kp_map_init(&net->by_ip, &env->mem, &env->sys);
    if (rc == 0)
        rc = kp_map_init(&net->rooms, &env->mem, &env->sys);
    return rc;
}

int
kp_net_init(struct kp_net *net, struct kp_env *env, struct kp_loop *loop,
            struct kp_timers *timers, const struct kp_net_limits *limits,
            const struct kp_net_hooks *hooks)
{
    memset(net, 0, sizeof(*net));
    int spare_fd = kp_sys_open(&env->sys, "/dev/null", O_RDONLY, 0);
    if (spare_fd < 0)
        return spare_fd;
    net->env = env;
    net->loop = loop;
    net->timers = timers;
    net->limits = *limits;
    net->hooks = *hooks;
    net->spare_fd = spare_fd;
    net->much = KP_NET_MUCH;
    init_lists(net);
    kp_numbers_init(&net->numbers, &env->mem, limits->max_clients);
    kp_numbers_init(&net->outbound.numbers, &env->mem, limits->max_outbound);
    kp_accept_init(net);
    int rc = init_maps(net);
    if (rc < 0)
        goto fail;
    rc = -ENOMEM;
    net->ahead = kp_mem_alloc(&env->mem, KP_AHEAD_MAX * KP_AHEAD_SIZE);
    if (net->ahead == NULL)
        goto fail;
    net->scratch = kp_mem_alloc(&env->mem, KP_NET_SCRATCH_SIZE);
    if (net->scratch == NULL)
        goto fail;
    return 0;

fail:
    kp_mem_free(&env->mem, net->ahead, KP_AHEAD_MAX * KP_AHEAD_SIZE);
    (void)kp_sys_close(&env->sys, spare_fd);
    memset(net, 0, sizeof(*net));
    return rc;
}

bool
kp_net_share_is_over(const struct kp_net *net, uint64_t began_ns)
{
    return kp_sys_now_ns(&net->env->sys) - began_ns >= KP_NET_SHARE_NS;
}

/* Tells and frees every connection. The hooks may open and close others meanwhile, and a
 * handler may still be suspended: after one round nobody is asked any more. */
static void
end_connections(struct kp_net *net)
{
    struct kelpie_conn *conn;
    size_t cursor = 0;

    kp_connects_end(net);
    kp_conns_drop_all(net, "shutdown");
    kp_conns_notify(net, KP_NEVER);
    kp_conns_reap(net);
    kp_conns_drop_all(net, "shutdown");
    while ((conn = kp_conns_walk(net, &cursor)) != NULL) {
        kp_room_leave_all(conn);
        kp_conn_close_fd(conn);
        kp_conn_free(conn);
    }
}

void
kp_net_clear(struct kp_net *net)
{
    if (net->scratch == NULL) /* it is clear */
        return;
    kp_listeners_stop(net);
    end_connections(net);
    kp_cast_settle(net);
    /* Connections know where they came from, so listeners go last. */
    kp_listeners_free(net);
    kp_rooms_detach(net);
    kp_timer_cancel(net->timers, &net->accept_retry);
    if (net->spare_fd >= 0)
        (void)kp_sys_close(&net->env->sys, net->spare_fd);
    kp_mem_free(&net->env->mem, net->scratch, KP_NET_SCRATCH_SIZE);
    kp_mem_free(&net->env->mem, net->ahead, KP_AHEAD_MAX * KP_AHEAD_SIZE);
    kp_mem_free(&net->env->mem, net->by_number,
                net->by_number_capacity * sizeof(*net->by_number));
    kp_mem_free(&net->env->mem, net->outbound.at,
                net->outbound.capacity * sizeof(*net->outbound.at));
    kp_numbers_clear(&net->numbers);
    kp_numbers_clear(&net->outbound.numbers);
    kp_map_clear(&net->by_id);
    kp_map_clear(&net->by_ip);
    kp_map_clear(&net->rooms);
    /* Scripts are closed after the net, and cancel their timers then. */
    *net = (struct kp_net){.env = net->env, .timers = net->timers, .spare_fd = -1};
}
