/*
 * watchdog.c - ends Lua code that runs too long
 *
 * A count hook is set on every coroutine and looks at the clock each CHECK_EVERY
 * instructions. When the call is late it sets `killed` and makes itself fire at every
 * instruction, so that a script which catches the error is ended again at once:
 *
 *     state      hook fires                      leaves it by
 *     in time    every CHECK_EVERY instructions  the deadline
 *     killed     at every instruction, raising   kp_watchdog_stop, called by C
 *
 * A hook belongs to one coroutine. The coroutine library covers new ones, and raises again
 * in the parent when a child was killed; so only the running one needs the fast hook. What
 * is left of a fast hook on a coroutine is turned back when it fires without `killed`.
 *
 * Lua switches hooks off while a hook runs, and switches them on again only when the error
 * is caught by a protected call. A coroutine whose main function was killed therefore keeps
 * them off: running it again, even to close its variables, could not be ended. Such a
 * coroutine is dropped, never closed.
 */
#include "watchdog.h"

#include <lauxlib.h>

#include "generation.h"

#define CHECK_EVERY     1000 /* instructions, about 10 us: fine enough for limits in ms */
#define CHECKS_PER_LOOK 256  /* steps of a loop in C, some us too */

static bool
is_late(struct kp_watchdog *watchdog)
{
    if (watchdog->killed)
        return true;
    if (!watchdog->running || watchdog->deadline_ns == KP_NEVER)
        return false;

    uint64_t now_ns = kp_sys_now_ns(watchdog->sys);
    uint64_t elapsed_ns = now_ns - watchdog->started_ns;
    if (elapsed_ns >= KP_WATCHDOG_SLOW_NS)
        watchdog->slow_ns = elapsed_ns;
    watchdog->killed = now_ns >= watchdog->deadline_ns;
    return watchdog->killed;
}

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

static void
on_count(lua_State *L, lua_Debug *ar)
{
    struct kp_watchdog *watchdog = &kp_generation_of(L)->watchdog;

    (void)ar; /* the event can only be a count */
    if (is_late(watchdog)) {
        lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
        kp_watchdog_raise(watchdog, L, 0);
    } else if (lua_gethookcount(L) != CHECK_EVERY) {
        lua_sethook(L, on_count, LUA_MASKCOUNT, CHECK_EVERY);
    }
}

void
kp_watchdog_init(struct kp_watchdog *watchdog, struct kp_sys *sys)
{
    *watchdog = (struct kp_watchdog){.sys = sys,
                                     .deadline_ns = KP_NEVER,
                                     .is_polled = true,
                                     .countdown = CHECKS_PER_LOOK};
}

void
kp_watchdog_start(struct kp_watchdog *watchdog, lua_State *L, uint64_t budget_ns)
{
    watchdog->killed = false;
    watchdog->slow_ns = 0;
    watchdog->running = L;
    watchdog->budget_ns = budget_ns;
    watchdog->deadline_ns = KP_NEVER;
    if (budget_ns == 0)
        return;
    watchdog->started_ns = kp_sys_now_ns(watchdog->sys);
    watchdog->deadline_ns = watchdog->started_ns + budget_ns;
    lua_sethook(L, on_count, LUA_MASKCOUNT, CHECK_EVERY);
}

bool
kp_watchdog_stop(struct kp_watchdog *watchdog)
{
    bool killed = watchdog->killed;

    watchdog->killed = false;
    watchdog->running = NULL;
    watchdog->deadline_ns = KP_NEVER;
    return killed;
}

void
kp_watchdog_cover(struct kp_watchdog *watchdog, lua_State *co)
{
    lua_sethook(co, on_count, LUA_MASKCOUNT, watchdog->killed ? 1 : CHECK_EVERY);
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
    if (!watchdog->killed && --watchdog->countdown > 0)
        return;
    watchdog->countdown = CHECKS_PER_LOOK;
    kp_watchdog_look(watchdog, L);
}
