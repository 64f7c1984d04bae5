/*
 * lua_timer.c - kelpie.after and kelpie.every
 *
 * A timer is a userdata with the heap's timer inside; its function is user value 1. While it
 * is started, gen->timers_ref anchors it, and it is in gen->timers. Each firing is a task of
 * its own, so a timer function may wait. One that is late fires once.
 *
 * The anchors are a sequence without holes: the last one moves to where one was taken away.
 * So one timer for another is one key for another that was there already. With the address as
 * key each would be a new one, and a table that is nearly full would be built anew for each.
 *
 * A function of kelpie.every that still waits when the next firing is due is not called a
 * second time beside itself: that firing is skipped. The timer keeps the coroutine of its
 * last call in user value 2 to see that; so the coroutine is not given to other tasks.
 *
 * A timer with a name replaces the one of that name. Across a reload: while the new
 * generation's on_load runs, gen->predecessor is the old one, whose timers still run; a
 * timer declared again takes over the deadline. What was not declared ends with the swap.
 */
#include <assert.h>
#include <string.h>

#include "bind.h"
#include "report.h"
#include "sandbox.h"
#include "task.h"

#define MIN_PERIOD_NS KP_NS_PER_MS /* more often is a busy loop */
#define MAX_SHOWN     128          /* of a name in a report, with NUL */

struct lua_timer {
    struct kp_timer timer;
    struct kp_node node; /* in gen->timers while started */
    struct kp_generation *gen;
    lua_Integer slot;   /* in the table of anchors; 0: it is not there */
    uint64_t period_ns; /* 0: once */
    size_t name_len;    /* 0: it has none */
    char name[];        /* name_len bytes and a NUL */
};

static const struct kp_lua_type timer_type;

static struct lua_timer *
timer_of_node(struct kp_node *node)
{
    return kp_container_of(node, struct lua_timer, node);
}

/* ---- starting and ending ------------------------------------------------------------- */

/* Anchors the timer on top of the stack. Raises without memory; then nothing has changed. */
static void
set_anchor(lua_State *L, struct lua_timer *timer)
{
    struct kp_generation *gen = timer->gen;

    lua_rawgeti(L, LUA_REGISTRYINDEX, gen->timers_ref);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, gen->n_anchors + 1);
    lua_pop(L, 1);
    timer->slot = ++gen->n_anchors;
}

/* Takes the anchor away. All keys that it uses are there: never raises. */
static void
clear_anchor(lua_State *L, struct lua_timer *timer)
{
    struct kp_generation *gen = timer->gen;

    lua_rawgeti(L, LUA_REGISTRYINDEX, gen->timers_ref);
    lua_rawgeti(L, -1, gen->n_anchors);
    struct lua_timer *last = lua_touserdata(L, -1);
    last->slot = timer->slot;
    lua_rawseti(L, -2, timer->slot);
    lua_pushnil(L);
    lua_rawseti(L, -2, gen->n_anchors--);
    lua_pop(L, 1);
    timer->slot = 0;
}

/* Ends a timer. The userdata may be collected afterwards. Never raises. */
static void
end_timer(lua_State *L, struct lua_timer *timer)
{
    kp_timer_cancel(timer->gen->script->timers, &timer->timer);
    kp_list_remove(&timer->node);
    clear_anchor(L, timer);
}

/* ---- firing -------------------------------------------------------------------------- */

/* One firing that is being prepared. */
struct firing {
    struct lua_timer *timer;
    struct kp_task *task; /* NULL: skipped */
};

/* Returns whether the last call of the timer at index waits for something. */
static bool
is_suspended(lua_State *L, int index)
{
    lua_getiuservalue(L, index, 2);
    lua_State *co = lua_tothread(L, -1);
    lua_pop(L, 1);
    return co != NULL && kp_coroutine_is_suspended(co);
}

/* Moves the timer's function to a task. */
static int
prepare_firing(lua_State *L)
{
    struct firing *firing = lua_touserdata(L, 1);
    struct lua_timer *timer = firing->timer;
    struct kp_generation *gen = timer->gen;

    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, gen->timers_ref);
    lua_rawgeti(L, 1, timer->slot); /* stack: anchors timer */
    if (is_suspended(L, 2))
        return 0;
    struct kp_task *task = kp_task_new(L, gen, "timer");
    if (timer->period_ns > 0) {
        task->exposed = true;
        lua_pushthread(task->co);
        lua_xmove(task->co, L, 1);
        lua_setiuservalue(L, 2, 2);
    }
    lua_getiuservalue(L, 2, 1);
    lua_xmove(L, task->co, 1);
    firing->task = task;
    return 0;
}

/* Starts a timer again that is being called. */
static void
rearm(struct lua_timer *timer)
{
    struct kp_generation *gen = timer->gen;
    uint64_t now_ns = kp_sys_now_ns(&gen->script->env->sys);
    uint64_t next_ns = timer->timer.deadline_ns + timer->period_ns;

    if (next_ns <= now_ns)
        next_ns = now_ns + timer->period_ns;
    int rc = kp_timer_start(gen->script->timers, &timer->timer, next_ns);
    assert(rc == 0); /* nobody has taken its place in the heap since */
    (void)rc;
}

/* Whether clients have waited long enough in this step. */
static bool
has_waited_enough(const struct kp_net *net)
{
    return net->is_late || kp_net_share_is_over(net, net->loop->now_ns);
}

static void
on_timer(struct kp_timer *inner, void *arg)
{
    struct lua_timer *timer = arg;
    struct kp_generation *gen = timer->gen;
    struct firing firing = {.timer = timer};

    (void)inner; /* part of the timer */
    if (timer->period_ns > 0)
        rearm(timer);
    int rc = kp_generation_enter(gen, prepare_firing, &firing, 0);
    if (timer->period_ns == 0)
        end_timer(gen->L, timer);
    if (rc < 0)
        kp_report_failure(gen, "timer", NULL, gen->script->error);
    else if (firing.task != NULL && has_waited_enough(gen->script->net))
        kp_task_start_later(firing.task, 0);
    else if (firing.task != NULL)
        (void)kp_task_run(firing.task, 0); /* an error was reported */
}

/* ---- names --------------------------------------------------------------------------- */

/* Finds the started timer that has the same name as this one, and is another one. */
static struct lua_timer *
find_same(const struct kp_generation *gen, const struct lua_timer *timer)
{
    if (timer->name_len == 0)
        return NULL;
    kp_list_each(node, &gen->timers) {
        struct lua_timer *other = timer_of_node(node);
        if (other != timer && other->name_len == timer->name_len &&
            memcmp(other->name, timer->name, timer->name_len) == 0)
            return other;
    }
    return NULL;
}

/* The first deadline of a timer: its own, or that of the one it takes over. */
static uint64_t
choose_deadline(const struct lua_timer *timer, uint64_t delay_ns)
{
    const struct kp_generation *before = timer->gen->predecessor;
    const struct lua_timer *same = before != NULL ? find_same(before, timer) : NULL;

    if (same != NULL)
        return same->timer.deadline_ns;
    return kp_sys_now_ns(&timer->gen->script->env->sys) + delay_ns;
}

/* ---- functions ----------------------------------------------------------------------- */

/* Makes a timer that is not started. [-0, +1] */
static struct lua_timer *
new_timer(lua_State *L, const char *name, size_t name_len, int function)
{
    struct lua_timer *timer =
        kp_lua_new(L, &timer_type, sizeof(*timer) + name_len + 1, 2);

    timer->gen = kp_generation_of(L);
    timer->name_len = name_len;
    memcpy(timer->name, name, name_len);
    kp_list_init(&timer->node);
    kp_timer_init(&timer->timer, on_timer, timer);
    lua_pushvalue(L, function);
    lua_setiuservalue(L, -2, 1);
    return timer;
}

/* Starts the timer on top of the stack. Raises without memory; then nothing has changed. */
static void
start_timer(lua_State *L, struct lua_timer *timer, uint64_t delay_ns)
{
    set_anchor(L, timer);
    if (kp_timer_start(timer->gen->script->timers, &timer->timer,
                       choose_deadline(timer, delay_ns)) < 0) {
        clear_anchor(L, timer);
        luaL_error(L, "not enough memory");
    }
    kp_list_append(&timer->gen->timers, &timer->node);
}

/* [name,] seconds, function -> timer */
static int
declare(lua_State *L, const char *function, bool repeats)
{
    kp_generation_check_serving(L, function);
    size_t name_len = 0;
    bool is_named = lua_type(L, 1) == LUA_TSTRING;
    const char *name = is_named ? lua_tolstring(L, 1, &name_len) : "";
    if (is_named && name_len == 0)
        luaL_argerror(L, 1, "a name must not be empty");
    int first = is_named ? 2 : 1;
    uint64_t delay_ns = kp_lua_check_seconds(L, first);
    if (repeats && delay_ns < MIN_PERIOD_NS)
        luaL_argerror(L, first, "at least 0.001 seconds expected");
    luaL_checktype(L, first + 1, LUA_TFUNCTION);

    struct lua_timer *timer = new_timer(L, name, name_len, first + 1);
    timer->period_ns = repeats ? delay_ns : 0;
    start_timer(L, timer, delay_ns);
    struct lua_timer *replaced = find_same(timer->gen, timer);
    if (replaced != NULL)
        end_timer(L, replaced);
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
    return declare(L, "kelpie.after", false);
}

/***
Calls a function again and again.
@function every
@string[opt] name a timer of the same name ends; after a reload the deadline is kept
@number seconds at least 0.001
@func fn runs like a handler: it may suspend; while it is suspended firings are skipped
@treturn kelpie.timer
@usage kelpie.every("save", 60, save)
*/
static int
l_every(lua_State *L)
{
    return declare(L, "kelpie.every", true);
}

/***
Ends the timer.
@function timer:cancel
@treturn boolean whether it was still to fire
@usage timer:cancel()
*/
static int
l_cancel(lua_State *L)
{
    struct lua_timer *timer = kp_lua_check_self(L, &timer_type, "timer:cancel");
    bool was_started = kp_node_is_linked(&timer->node);

    if (was_started)
        end_timer(L, timer);
    lua_pushboolean(L, was_started);
    return 1;
}

static int
l_tostring(lua_State *L)
{
    const struct lua_timer *timer = kp_lua_check(L, 1, &timer_type);

    lua_pushstring(L, timer->name_len > 0 ? "timer " : "timer");
    lua_pushlstring(L, timer->name, timer->name_len);
    lua_pushstring(L, kp_timer_is_started(&timer->timer) ? "" : " (ended)");
    lua_concat(L, 3);
    return 1;
}

void
kp_lua_cancel_timers(struct kp_generation *gen)
{
    while (!kp_list_is_empty(&gen->timers))
        end_timer(gen->L, timer_of_node(gen->timers.next));
}

size_t
kp_lua_list_timers(const struct kp_generation *gen,
                   void (*fn)(void *arg, const char *name), void *arg)
{
    char shown[MAX_SHOWN];
    size_t n_anonymous = 0;

    kp_list_each(node, &gen->timers) {
        const struct lua_timer *timer = timer_of_node(node);

        if (timer->name_len == 0) {
            n_anonymous++;
        } else {
            kp_log_escape(shown, sizeof shown, timer->name, timer->name_len);
            fn(arg, shown);
        }
    }
    return n_anonymous;
}

static const luaL_Reg methods[] = {
    {"cancel", l_cancel},
    {NULL, NULL},
};

static const luaL_Reg no_fields[] = {
    {NULL, NULL},
};

static const luaL_Reg metamethods[] = {
    {"__tostring", l_tostring},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"after", l_after},
    {"every", l_every},
    {NULL, NULL},
};

static const struct kp_lua_type timer_type = {
    .kind = KP_LUA_TIMER,
    .name = "kelpie.timer",
    .word = "timer",
    .hint = "keep your own values in a table",
    .methods = methods,
    .fields = no_fields,
    .metamethods = metamethods,
};

void
kp_lua_open_timer(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
    kp_lua_open_type(L, &timer_type);
}
