/*
 * watchdog.c - ends Lua code that runs too long
 *
 * A count hook raises the error. It is armed in one of two ways:
 *
 *     signal mode   the guard's signal handler sets `killed` and arms it on the coroutine
 *                   that runs, again every 10 ms until the call has ended. Else there is no
 *                   hook, and Lua runs at its full speed
 *     polled mode   it is armed on every coroutine that runs in a call with a limit, and
 *                   looks at the clock each CHECK_EVERY instructions: half more instructions for a short handler, and twice as
 *                   many for loops. For hosts without a signal to spare, and tests
 *
 * From then on it is the same:
 *
 *     state      hook fires                            leaves it by
 *     in time    never, or every CHECK_EVERY instr.    the deadline
 *     killed     at every instruction, raising         kp_watchdog_stop, called by C
 *
 * so that a script which catches the error is ended again at once. A hook belongs to one
 * coroutine. The coroutine library says which one runs, and raises again in the parent when a
 * child was killed; so only the running one needs the hook. What is left of it on a coroutine
 * is taken away when it fires without `killed`. A call that is only slow fires the hook once,
 * to note its place.
 *
 * Lua switches hooks off while a hook runs, and switches them on again only when the error
 * is caught by a protected call. A coroutine whose main function was killed therefore keeps
 * them off: running it again, even to close its variables, could not be ended. Such a
 * coroutine is dropped, never closed.
 *
 * C code of ours is never interrupted: a signal only sets flags, the hook fires in Lua code.
 */
#include "watchdog.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "generation.h"
#include "task.h"

#define CHECK_EVERY     1000 /* instructions, about 10 us: fine enough for limits in ms */
#define CHECKS_PER_LOOK 256  /* steps of a loop in C, some us too */

static bool
is_killed(const struct kp_watchdog *watchdog)
{
    return atomic_load_explicit(&watchdog->killed, memory_order_relaxed);
}

/* --- raising --------------------------------------------------------------------------- */

int
kp_watchdog_raise(struct kp_watchdog *watchdog, lua_State *L, int level)
{
    bool loading = kp_generation_of(L)->phase == KP_STAGING;

    luaL_where(L, level);
    lua_pushfstring(L, "%s ran longer than %d ms", loading ? "loading" : "handler",
                    (int)(watchdog->budget_ns / KP_NS_PER_MS));
    lua_concat(L, 2);
    return lua_error(L);
}

int
kp_watchdog_raise_again(struct kp_watchdog *watchdog, lua_State *L)
{
    if (lua_gettop(L) > 0 && lua_type(L, -1) == LUA_TSTRING)
        return lua_error(L);
    return kp_watchdog_raise(watchdog, L, 1);
}

/* --- looking at the clock --------------------------------------------------------------- */

static bool
is_late(struct kp_watchdog *watchdog)
{
    if (is_killed(watchdog))
        return true;
    if (!watchdog->is_polled || watchdog->deadline_ns == KP_NEVER)
        return false;

    uint64_t now_ns = kp_sys_real_ns(watchdog->guard->sys);
    uint64_t elapsed_ns = now_ns - watchdog->started_ns;
    if (elapsed_ns >= KP_GUARD_SLOW_NS) {
        watchdog->slow_ns = elapsed_ns;
        watchdog->is_slow = true;
    }
    watchdog->killed = now_ns >= watchdog->deadline_ns;
    return watchdog->killed;
}

void
kp_watchdog_look(struct kp_watchdog *watchdog, lua_State *L)
{
    if (is_late(watchdog))
        kp_watchdog_raise(watchdog, L, 1);
}

void
kp_watchdog_attend(struct kp_watchdog *watchdog, lua_State *L)
{
    if (!is_killed(watchdog) && --watchdog->countdown > 0)
        return;
    watchdog->countdown = CHECKS_PER_LOOK;
    kp_watchdog_look(watchdog, L);
}

/* --- the hook ---------------------------------------------------------------------------- */

static void
note_place(struct kp_watchdog *watchdog, lua_State *L, lua_Debug *ar)
{
    if (!watchdog->is_slow || watchdog->place[0] != '\0' || !lua_getinfo(L, "Sl", ar))
        return;
    snprintf(watchdog->place, sizeof watchdog->place, "%s:%d", ar->short_src,
             ar->currentline);
    if (!watchdog->is_polled)
        kp_guard_set_place(watchdog->guard, watchdog->place);
}

static void
on_count(lua_State *L, lua_Debug *ar)
{
    struct kp_watchdog *watchdog = &kp_generation_of(L)->watchdog;
    bool late = is_late(watchdog);

    note_place(watchdog, L, ar);
    if (late) {
        lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
        kp_watchdog_raise(watchdog, L, 0);
    } else if (watchdog->deadline_ns == KP_NEVER) {
        lua_sethook(L, NULL, 0, 0);
    } else if (lua_gethookcount(L) != CHECK_EVERY) {
        lua_sethook(L, on_count, LUA_MASKCOUNT, CHECK_EVERY);
    }
}

void
kp_watchdog_arm(struct kp_watchdog *watchdog, bool is_late)
{
    lua_State *L = atomic_load_explicit(&watchdog->running, memory_order_relaxed);

    if (!L)
        return;
    const struct kp_task *task = kp_generation_of(L)->current;
    atomic_store(&watchdog->guard->what, task ? task->what : "loading");
    atomic_store(&watchdog->is_slow, true);
    if (is_late)
        atomic_store(&watchdog->killed, true);
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
}

void
kp_watchdog_poll(struct kp_watchdog *watchdog, lua_State *L)
{
    bool is_watched = watchdog->deadline_ns != KP_NEVER;
    bool has_hook = lua_gethook(L) != NULL;

    if (is_watched && !has_hook)
        lua_sethook(L, on_count, LUA_MASKCOUNT, CHECK_EVERY);
    else if (!is_watched && has_hook)
        lua_sethook(L, NULL, 0, 0);
}

/* --- one call ---------------------------------------------------------------------------- */

void
kp_watchdog_init(struct kp_watchdog *watchdog, struct kp_guard *guard)
{
    *watchdog = (struct kp_watchdog){.guard = guard,
                                     .is_polled = guard->signal == 0,
                                     .deadline_ns = KP_NEVER,
                                     .countdown = CHECKS_PER_LOOK};
}

static void
set_deadline(struct kp_watchdog *watchdog)
{
    watchdog->started_ns = kp_sys_real_ns(watchdog->guard->sys);
    watchdog->deadline_ns = watchdog->started_ns + watchdog->budget_ns;
}

void
kp_watchdog_start(struct kp_watchdog *watchdog, lua_State *L, uint64_t budget_ns)
{
    atomic_store_explicit(&watchdog->killed, false, memory_order_relaxed);
    atomic_store_explicit(&watchdog->is_slow, false, memory_order_relaxed);
    watchdog->slow_ns = 0;
    watchdog->place[0] = '\0';
    watchdog->extended_ns = 0;
    watchdog->budget_ns = budget_ns;
    if (watchdog->is_polled && budget_ns > 0)
        set_deadline(watchdog);
    kp_watchdog_set_running(watchdog, L);
    if (!watchdog->is_polled && budget_ns > 0)
        kp_guard_begin_call(watchdog->guard, &watchdog->call, watchdog, budget_ns);
}

/* Begins the running call anew, or the next one, with another budget. */
static void
restart(struct kp_watchdog *watchdog, uint64_t budget_ns)
{
    watchdog->budget_ns = budget_ns;
    if (watchdog->is_polled)
        set_deadline(watchdog);
    else
        kp_guard_restart_call(watchdog->guard, budget_ns);
}

void
kp_watchdog_limit(struct kp_watchdog *watchdog, uint64_t budget_ns)
{
    uint64_t now_ns = kp_sys_real_ns(watchdog->guard->sys);
    uint64_t left_ns =
        now_ns < watchdog->extended_ns ? watchdog->extended_ns - now_ns : 1;

    if (watchdog->budget_ns > 0)
        restart(watchdog, budget_ns < left_ns ? budget_ns : left_ns);
}

void
kp_watchdog_extend(struct kp_watchdog *watchdog, uint64_t limit_ns)
{
    if (watchdog->extended_ns == 0)
        watchdog->extended_ns = kp_sys_real_ns(watchdog->guard->sys) + limit_ns;
    kp_watchdog_limit(watchdog, limit_ns);
}

bool
kp_watchdog_pause(struct kp_watchdog *watchdog)
{
    if (!watchdog->is_polled && watchdog->budget_ns > 0)
        kp_guard_pause_call(watchdog->guard); /* no signal from now on */
    return !is_killed(watchdog) && watchdog->slow_ns == 0 &&
           !atomic_load_explicit(&watchdog->is_slow, memory_order_relaxed);
}

void
kp_watchdog_resume(struct kp_watchdog *watchdog)
{
    watchdog->extended_ns = 0;
    if (watchdog->budget_ns > 0)
        restart(watchdog, watchdog->budget_ns);
}

bool
kp_watchdog_stop(struct kp_watchdog *watchdog)
{
    if (watchdog->is_polled) {
        watchdog->deadline_ns = KP_NEVER;
    } else if (watchdog->budget_ns > 0) {
        kp_guard_end_call(watchdog->guard, &watchdog->call); /* no signal from now on */
        if (atomic_load_explicit(&watchdog->is_slow, memory_order_relaxed))
            watchdog->slow_ns = atomic_load(&watchdog->guard->elapsed_ns);
    }
    bool killed = is_killed(watchdog);
    atomic_store_explicit(&watchdog->killed, false, memory_order_relaxed);
    atomic_store_explicit(&watchdog->running, NULL, memory_order_relaxed);
    return killed;
}
