/*
 * watchdog.h - ends Lua code that runs too long
 *
 * While a deadline is set, late code is ended with an error that neither pcall nor a
 * coroutine can swallow: it is raised again at every instruction until C has taken over.
 * Whether a call was killed is told by the flag, never by the text of an error.
 */
#ifndef KP_WATCHDOG_H
#define KP_WATCHDOG_H

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/sys.h"

#define KP_WATCHDOG_SLOW_NS (20 * KP_NS_PER_MS) /* worth a warning */

struct kp_watchdog {
    struct kp_sys *sys;
    uint64_t started_ns;
    uint64_t deadline_ns; /* KP_NEVER: none */
    uint64_t budget_ns;
    uint64_t slow_ns; /* how long the running call took when it was seen to be slow; 0 */
    atomic_bool killed; /* the running call is to end */
    bool is_polled;     /* loops in C have to look at the clock themselves */
    unsigned countdown; /* checks until they do so again */
    lua_State
        *running; /* the coroutine that runs; kept by the coroutine library; NULL: no
                           call is watched */
};

void kp_watchdog_init(struct kp_watchdog *watchdog, struct kp_sys *sys);

/* Starts to watch a call on L, at most budget_ns (0: without limit). */
void kp_watchdog_start(struct kp_watchdog *watchdog, lua_State *L, uint64_t budget_ns);

/* The call has ended. Returns whether it was killed. */
bool kp_watchdog_stop(struct kp_watchdog *watchdog);

/* Puts a new coroutine under the watchdog. */
void kp_watchdog_cover(struct kp_watchdog *watchdog, lua_State *co);

/* Raises when the running call is late or killed; after something that may have taken long.
 */
void kp_watchdog_look(struct kp_watchdog *watchdog, lua_State *L);

/* What is left of kp_watchdog_check when there is something to do. */
void kp_watchdog_attend(struct kp_watchdog *watchdog, lua_State *L);

/* Raises when the running call is late or killed. Loops in C whose steps are short call it in
 * every step: it reads two flags. */
static inline void
kp_watchdog_check(struct kp_watchdog *watchdog, lua_State *L)
{
    if (watchdog->is_polled ||
        atomic_load_explicit(&watchdog->killed, memory_order_relaxed))
        kp_watchdog_attend(watchdog, L);
}

/* Raises the error of a killed call: "FILE:LINE: handler ran longer than 100 ms". level is
 * that of luaL_where. */
int kp_watchdog_raise(struct kp_watchdog *watchdog, lua_State *L, int level);

/* Raises in L too, after something that it called was killed: with the message on top of the
 * stack, if there is one. */
int kp_watchdog_raise_again(struct kp_watchdog *watchdog, lua_State *L);

#endif
