/*
 * watchdog.h - ends Lua code that runs too long
 *
 * While a deadline is set, late code is ended with an error that neither pcall nor a
 * coroutine can swallow: it is raised again at every instruction until C has taken over.
 * Whether a call was killed is told by the flag, never by the text of an error.
 *
 * One watchdog a generation. Who tells it that a call is late is the server's guard
 * (guard.h), or without one the clock, at which it looks itself.
 */
#ifndef KP_WATCHDOG_H
#define KP_WATCHDOG_H

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "guard.h"

struct kp_watchdog {
    struct kp_guard *guard;
    bool is_polled; /* there is no guard */

    /* The running call. What is atomic is written by a signal handler too. */
    uint64_t budget_ns;
    atomic_bool killed; /* it is to end */
    atomic_bool is_slow;
    uint64_t slow_ns;             /* how long it took when it was seen to be slow; 0 */
    char place[80];               /* "FILE:LINE" where that was; "" in C */
    _Atomic(lua_State *) running; /* the coroutine that runs; NULL: no call is watched */
    uint64_t extended_ns;         /* when its extensions end; 0: it had none */
    struct kp_guard_call call;    /* for the guard */

    /* When it is polled. */
    uint64_t started_ns;
    uint64_t deadline_ns; /* KP_NEVER: none */
    unsigned countdown;   /* checks of loops in C until they look at the clock again */
};

void kp_watchdog_init(struct kp_watchdog *watchdog, struct kp_guard *guard);

/* Starts to watch a call on L, at most budget_ns (0: without limit). */
void kp_watchdog_start(struct kp_watchdog *watchdog, lua_State *L, uint64_t budget_ns);

/* From now on the running call may take as long as limit_ns, counted from the first time that
 * this is called in it; then kp_watchdog_limit gives it budget_ns again, what it had before,
 * but no time after that limit. So a call that does both for ever ends too. */
void kp_watchdog_extend(struct kp_watchdog *watchdog, uint64_t limit_ns);
void kp_watchdog_limit(struct kp_watchdog *watchdog, uint64_t budget_ns);

/* Where one call follows another without an end between them: pause tells that the first one
 * is over; resume that the next one begins, with the same budget.
 * Returns   false: the first one was slow or killed; it is to be stopped, not resumed. */
bool kp_watchdog_pause(struct kp_watchdog *watchdog);
void kp_watchdog_resume(struct kp_watchdog *watchdog);

/* The call has ended; slow_ns and place are those of it until the next one starts.
 * Returns   whether it was killed. */
bool kp_watchdog_stop(struct kp_watchdog *watchdog);

/* What is left of kp_watchdog_set_running when the clock is polled: sets the hook of L, or
 * takes it away when no call is watched. */
void kp_watchdog_poll(struct kp_watchdog *watchdog, lua_State *L);

/* For the coroutine library: another coroutine runs now. */
static inline void
kp_watchdog_set_running(struct kp_watchdog *watchdog, lua_State *L)
{
    atomic_store_explicit(&watchdog->running, L, memory_order_relaxed);
    if (watchdog->is_polled)
        kp_watchdog_poll(watchdog, L);
}

/* For the guard's signal handler: the running call is slow, or is to end.
 * Threads   that of the call, also in the middle of anything. */
void kp_watchdog_arm(struct kp_watchdog *watchdog, bool is_late);

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
