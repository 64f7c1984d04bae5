/*
 * collector.h - when the garbage of a generation is collected
 */
#ifndef KP_COLLECTOR_H
#define KP_COLLECTOR_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct kp_collector {
    size_t begin_at; /* bytes of the state at which a cycle is begun */
    bool is_small;   /* it may grow more before Lua begins one */
};

/* Sets up the collector of a new state. */
void kp_collector_init(struct kp_collector *collector, lua_State *L);

/* A call has ended, and the state holds `bytes` of at most `cap` (0: no cap): begins a cycle
 * if there will be no room to wait for. Cheap when there is nothing to do. Runs finalizers,
 * which are in C. */
void kp_collector_follow(struct kp_collector *collector, lua_State *L, size_t bytes,
                         size_t cap);

#endif
