/*
 * lua_timer.c - kelpie.after and kelpie.every
 *
 * A timer is a userdata with the heap's timer inside; its function is the user value. While
 * it is started, gen->timers_ref anchors it under its address, and it is in gen->timers.
 * Each firing is a task of its own, so a timer function may sleep; one that takes longer
 * than its period runs beside its next firing. One that is late fires once.
 *
 * A timer with a name replaces the one of that name. Across a reload: while the new
 * generation's on_load runs, gen->predecessor names the old one, whose timers still run; a
 * timer declared again takes over the deadline. What was not declared ends with the swap.
 */
#include <string.h>

#include "bind.h"
#include "report.h"
#include "task.h"

struct lua_timer {
    struct kp_timer timer;
    struct kp_node node; /* in gen->timers while started */
    struct kp_generation *gen;
    uint64_t period_ns; /* 0: once */
    char name[];        /* "" without */
};

static const char metatable_key; /* its address is the registry's key */

static struct lua_timer *
timer_of_node(struct kp_node *node)
{
    return kp_container_of(node, struct lua_timer, node);
}

/* ---- starting and ending ------------------------------------------------------------- */

/* Sets or clears the anchor of a timer; the key is there when it is cleared. [-1, +0] */
static void
set_anchor(lua_State *L, struct lua_timer *timer)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, timer->gen->timers_ref);
    lua_insert(L, -2);
    lua_rawsetp(L, -2, timer);
    lua_pop(L, 1);
}

/* Ends a timer. The userdata may be collected afterwards. Never raises. */
static void
end_timer(lua_State *L, struct lua_timer *timer)
{
    kp_timer_cancel(timer->gen->script->timers, &timer->timer);
    kp_list_remove(&timer->node);
    lua_pushnil(L);
    set_anchor(L, timer);
}

/* One firing that is being prepared. */
struct firing {
    struct lua_timer *timer;
    struct kp_task *task;
};

/* Moves the timer's function to a task; ends a timer that fires once. */
static int
prepare_firing(lua_State *L)
{
    struct firing *firing = lua_touserdata(L, 1);
    struct lua_timer *timer = firing->timer;
    struct kp_generation *gen = timer->gen;

    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, gen->timers_ref);
    lua_rawgetp(L, 1, timer);
    lua_getiuservalue(L, 2, 1); /* stack: anchors timer function */
    firing->task = kp_task_new(L, gen, "timer");
    lua_xmove(L, firing->task->co, 1);
    return 0;
}

static void
rearm(struct lua_timer *timer, uint64_t due_ns)
{
    struct kp_generation *gen = timer->gen;
    uint64_t now_ns = kp_sys_now_ns(&gen->script->env->sys);
    uint64_t next_ns = due_ns + timer->period_ns;

    if (next_ns <= now_ns)
        next_ns = now_ns + timer->period_ns;
    if (kp_timer_start(gen->script->timers, &timer->timer, next_ns) == 0)
        return;
    kp_log_write(&gen->script->env->log, KELPIE_LOG_ERROR, "timer %s ends: out of memory",
                 timer->name);
    end_timer(gen->L, timer);
}

static void
on_timer(struct kp_timer *inner, void *arg)
{
    struct lua_timer *timer = arg;
    struct kp_generation *gen = timer->gen;
    struct firing firing = {.timer = timer};
    int rc = kp_generation_enter(gen, prepare_firing, &firing, 0);

    if (timer->period_ns > 0)
        rearm(timer, inner->deadline_ns);
    else
        end_timer(gen->L, timer);
    if (rc < 0)
        kp_report_failure(gen, "timer", NULL, gen->script->error);
    else
        (void)kp_task_run(firing.task, 0); /* an error was reported */
}

/* ---- names --------------------------------------------------------------------------- */

static struct lua_timer *
find_named(struct kp_generation *gen, const char *name)
{
    kp_list_each(node, &gen->timers) {
        struct lua_timer *timer = timer_of_node(node);
        if (strcmp(timer->name, name) == 0)
            return timer;
    }
    return NULL;
}

/* The deadline of a timer: its own, or that of the one it takes over. */
static uint64_t
choose_deadline(struct lua_timer *timer, uint64_t delay_ns)
{
    const struct lua_timer *before =
        timer->gen->predecessor != NULL && timer->name[0] != '\0'
            ? find_named(timer->gen->predecessor, timer->name)
            : NULL;

    if (before != NULL)
        return before->timer.deadline_ns;
    return kp_sys_now_ns(&timer->gen->script->env->sys) + delay_ns;
}

/* ---- functions ----------------------------------------------------------------------- */

/* Makes a timer of name, seconds and function at first, first + 1; pushes it. [-0, +1] */
static struct lua_timer *
new_timer(lua_State *L, const char *name, int function_index, bool repeats,
          uint64_t delay_ns)
{
    size_t name_len = strlen(name);
    struct lua_timer *timer = lua_newuserdatauv(L, sizeof(*timer) + name_len + 1, 1);

    memset(timer, 0, sizeof(*timer));
    memcpy(timer->name, name, name_len + 1);
    timer->gen = kp_generation_of(L);
    timer->period_ns = repeats ? delay_ns : 0;
    kp_list_init(&timer->node);
    kp_timer_init(&timer->timer, on_timer, timer);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, function_index);
    lua_setiuservalue(L, -2, 1);
    return timer;
}

/* [name,] seconds, function -> timer */
static int
start(lua_State *L, const char *function, bool repeats)
{
    kp_generation_check_serving(L, function);
    bool is_named = lua_type(L, 1) == LUA_TSTRING && !lua_isnumber(L, 1);
    int first = is_named ? 2 : 1;
    const char *name = is_named ? lua_tostring(L, 1) : "";
    uint64_t delay_ns = kp_lua_check_seconds(L, first);
    luaL_checktype(L, first + 1, LUA_TFUNCTION);
    if (repeats && delay_ns < KP_NS_PER_MS)
        luaL_argerror(L, first, "every 0.001 seconds at the most");

    struct lua_timer *timer = new_timer(L, name, first + 1, repeats, delay_ns);
    struct lua_timer *same = is_named ? find_named(timer->gen, name) : NULL;
    lua_pushvalue(L, -1);
    set_anchor(L, timer);
    if (kp_timer_start(timer->gen->script->timers, &timer->timer,
                       choose_deadline(timer, delay_ns)) < 0) {
        lua_pushnil(L);
        set_anchor(L, timer);
        return luaL_error(L, "not enough memory");
    }
    kp_list_append(&timer->gen->timers, &timer->node);
    if (same != NULL)
        end_timer(L, same);
    return 1;
}

/***
Calls a function once, later.
@function after
@string[opt] name a timer of the same name ends; after a reload the deadline is kept
@number seconds
@func fn runs like a handler: it may suspend
@treturn kelpie.timer
@usage kelpie.after(5, function() conn:send("time is up") end)
*/
static int
l_after(lua_State *L)
{
    return start(L, "kelpie.after", false);
}

/***
Calls a function again and again.
@function every
@string[opt] name a timer of the same name ends; after a reload the deadline is kept
@number seconds at least 0.001
@func fn runs like a handler: it may suspend; the next firing does not wait for it
@treturn kelpie.timer
@usage kelpie.every("save", 60, save)
*/
static int
l_every(lua_State *L)
{
    return start(L, "kelpie.every", true);
}

static struct lua_timer *
check_self(lua_State *L)
{
    struct lua_timer *timer = lua_touserdata(L, 1);

    if (timer != NULL && lua_getmetatable(L, 1)) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
        if (lua_rawequal(L, -1, -2)) {
            lua_pop(L, 2);
            return timer;
        }
    }
    luaL_argerror(L, 1,
                  lua_pushfstring(L,
                                  "a timer expected, got %s; methods are called with a "
                                  "colon, timer:cancel()",
                                  luaL_typename(L, 1)));
    return NULL;
}

/***
Ends the timer.
@function timer:cancel
@treturn boolean whether it was still to fire
*/
static int
l_cancel(lua_State *L)
{
    struct lua_timer *timer = check_self(L);
    bool was_started = kp_node_is_linked(&timer->node);

    if (was_started)
        end_timer(L, timer);
    lua_pushboolean(L, was_started);
    return 1;
}

static int
l_tostring(lua_State *L)
{
    const struct lua_timer *timer = check_self(L);

    lua_pushfstring(L, "timer%s%s%s", timer->name[0] != '\0' ? " " : "", timer->name,
                    kp_timer_is_started(&timer->timer) ? "" : " (ended)");
    return 1;
}

void
kp_lua_cancel_timers(struct kp_generation *gen)
{
    while (!kp_list_is_empty(&gen->timers))
        end_timer(gen->L, timer_of_node(gen->timers.next));
}

static const luaL_Reg methods[] = {
    {"cancel", l_cancel},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"after", l_after},
    {"every", l_every},
    {NULL, NULL},
};

void
kp_lua_open_timer(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
    lua_newtable(L);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushstring(L, "kelpie.timer");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
}
