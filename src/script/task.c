/*
 * task.c - a Lua function running in a coroutine of its own
 *
 *     list        the task                                     leaves it by
 *     pool        is idle                                      kp_task_new
 *     made        is being given its function and arguments    run, start_later
 *     ready       will be run in this step                     kp_task_run_ready
 *     (none)      runs: it is gen->current                     end, suspension, error
 *     suspended   waits for time, a message, something         wake, resume, cancel
 *
 * A task is a userdata, referred to by the registry, with its coroutine as user value: when
 * memory runs out half way nothing has to be undone. A task left in `made` is one whose maker
 * was interrupted by an error; kp_task_new takes it again.
 *
 * How a task suspends and wakes is in task_wait.c.
 *
 * While the handler of a connection is suspended the task holds the connection, so that the
 * next messages wait (kp_conn_hold). on_disconnect does not: nothing comes after it.
 */
#include "task.h"

#include <assert.h>
#include <errno.h>

#include "bind.h"
#include "net/limit.h"
#include "report.h"
#include "sandbox.h"

#define POOL_SIZE 64 /* idle coroutines kept, about 1 KiB each */

static struct kp_task *
task_of_node(struct kp_node *node)
{
    return kp_container_of(node, struct kp_task, node);
}

/* --- making and dropping --------------------------------------------------------------- */

bool
kp_task_is_full(const struct kp_generation *gen)
{
    size_t memory = gen->script->limits.lua_memory;
    size_t limit = memory / KP_TASK_FRACTION / KP_TASK_BYTES;

    return gen->n_tasks >= KP_TASK_MAX || (memory > 0 && gen->n_tasks >= limit);
}

/* Makes a task with a fresh coroutine. [-0, +0] */
static struct kp_task *
task_make(lua_State *L, struct kp_generation *gen)
{
    struct kp_task *task = lua_newuserdatauv(L, sizeof *task, 1);

    *task = (struct kp_task){.gen = gen};
    task->co = lua_newthread(L);
    lua_setiuservalue(L, -2, 1);
    task->co_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    kp_list_init(&task->node);
    kp_list_init(&task->of_conn);
    kp_task_init_wait(task);
    gen->n_tasks++;
    return task;
}

static void
task_init(struct kp_task *task, const char *what)
{
    task->what = what;
    task->handler = KP_N_HANDLERS;
    task->conn = NULL;
    task->holds = task->started = false;
    task->call = NULL;
    task->n_pcalls = 0;
    task->wait = KP_WAIT_NOTHING;
    task->woke = KP_WOKE_OK;
}

struct kp_task *
kp_task_reuse(struct kp_generation *gen, const char *what)
{
    if (kp_list_is_empty(&gen->pool))
        return NULL;

    struct kp_task *task = task_of_node(gen->pool.prev); /* the one used last */
    kp_list_remove(&task->node);
    gen->n_pool--;
    gen->n_tasks++;
    task_init(task, what);
    return task;
}

struct kp_task *
kp_task_new(lua_State *L, struct kp_generation *gen, const char *what)
{
    struct kp_task *task;

    if (!kp_list_is_empty(&gen->made)) {
        task = task_of_node(gen->made.next);
        lua_settop(task->co, 0);
        kp_list_remove(&task->node);
        task_init(task, what);
    } else {
        task = kp_task_reuse(gen, what);
    }
    if (!task) {
        task = task_make(L, gen);
        task_init(task, what);
    }
    kp_list_append(&gen->made, &task->node);
    return task;
}

/* Leaves the task, which is in no list, to the garbage collector. */
static void
task_drop(struct kp_task *task)
{
    task->gen->n_tasks--;
    luaL_unref(task->gen->L, LUA_REGISTRYINDEX, task->co_ref);
}

/* Gives an ended task to the pool. */
static void
task_retire(struct kp_task *task)
{
    struct kp_generation *gen = task->gen;

    if (task->exposed || gen->n_pool >= POOL_SIZE) {
        task_drop(task);
        return;
    }
    lua_settop(task->co, 0);
    kp_list_append(&gen->pool, &task->node);
    gen->n_pool++;
    gen->n_tasks--;
}

/* The task does not belong to its connection any more.
 * Returns   the connection that has to be released, or NULL. */
static struct kelpie_conn *
task_leave_conn(struct kp_task *task)
{
    struct kelpie_conn *held = task->holds ? task->conn : NULL;

    kp_session_remove(task);
    task->conn = NULL;
    task->holds = false;
    return held;
}

/* Lets a connection go on. One whose last handler lived in a retiring generation has not
 * been adopted by the live one, which would have been too early; so it is done now. */
static void
release(struct kp_generation *gen, struct kelpie_conn *conn)
{
    struct kp_script *script = gen->script;

    if (!conn)
        return;
    kp_conn_release(conn);
    if (gen->phase == KP_RETIRING && gen == script->retiring && script->live &&
        conn->holds == 0 && kp_conn_is_open(conn) && !script->in_call)
        (void)kp_generation_call(script->live, KP_ON_ADOPT, conn, NULL, 0);
}

/* --- running --------------------------------------------------------------------------- */

static uint64_t
task_budget_ns(const struct kp_task *task)
{
    const struct kp_script_limits *limits = &task->gen->script->limits;

    return task->handler == KP_ON_LOAD ? limits->load_timeout_ns
                                       : limits->handler_timeout_ns;
}

/* Closes the to-be-closed variables of a coroutine that was not killed.
 * Returns   its status afterwards, with an error value on top. */
static int
task_close_variables(struct kp_task *task)
{
    struct kp_script *script = task->gen->script;

    script->in_call = true;
    kp_watchdog_start(&task->gen->watchdog, task->co, task_budget_ns(task));
    int status = lua_resetthread(task->co);
    if (kp_watchdog_stop(&task->gen->watchdog))
        script->handler_kills++;
    script->in_call = false;
    return status;
}

/* What a failed handler means for its connection. */
static void
punish(struct kp_task *task, bool killed)
{
    struct kp_script *script = task->gen->script;
    struct kelpie_conn *conn = task->conn;

    if (killed)
        script->handler_kills++;
    if (!conn)
        return;
    if (task->handler == KP_ON_CONNECT) {
        kp_conn_close(conn, task->call ? "out of memory" : "handler error");
    } else if (killed && kp_session_count_kill(conn, kp_sys_now_ns(&script->env->sys))) {
        kp_limit_hit(conn->net, KP_LIMIT_KILLS, &conn->peer, conn);
        kp_conn_close(conn, "script killed");
    }
}

/* The coroutine raised, with the error value on top of its stack. */
static int
task_fail(struct kp_task *task, int status, bool killed)
{
    struct kp_generation *gen = task->gen;

    if (status == LUA_OK || status == LUA_YIELD)
        lua_pushnil(task->co); /* killed, but nothing was raised, or not our yield */
    if (!killed)
        gen->message = NULL; /* its text matters only when it took too long */
    kp_report_error(gen, task->what, task->conn, task->co);
    if (!killed)
        (void)task_close_variables(task); /* a second error is not worth a report */
    punish(task, killed);

    struct kelpie_conn *held = task_leave_conn(task);
    task_drop(task);
    release(gen, held);
    return status == LUA_ERRMEM && !killed ? -ENOMEM : KELPIE_ESCRIPT;
}

static int
task_end(struct kp_task *task)
{
    struct kp_generation *gen = task->gen;
    struct kelpie_conn *held = task_leave_conn(task);

    task_retire(task);
    release(gen, held);
    return 0;
}

static int
task_suspend(struct kp_task *task)
{
    struct kp_generation *gen = task->gen;

    kp_list_append(&gen->suspended, &task->node);
    if (task->wait == KP_WAIT_NOTHING)
        task->wait = KP_WAIT_OTHER;
    if (task->conn && !kp_session_of(task->conn))
        task->conn =
            NULL; /* on_disconnect without memory: nobody could tell us it is gone */
    if (task->conn) {
        kp_session_add(task);
        if (!task->holds && task->handler != KP_ON_DISCONNECT) {
            task->holds = true;
            kp_conn_hold(task->conn);
        }
    }
    if (gen->overdue)
        kp_task_cancel(task);
    else if (task->wait == KP_WAIT_MESSAGE)
        kp_conn_want_message(task->waits_for, task->has_once ? &task->once : NULL);
    return 0;
}

int
kp_task_run(struct kp_task *task, int n_args)
{
    struct kp_generation *gen = task->gen;
    struct kp_script *script = gen->script;
    int n_results;

    assert(!script->in_call && !gen->current);
    kp_list_remove(&task->node);
    if (!task->started && task->handler != KP_ON_ERROR)
        gen->calls++;
    task->started = true;
    gen->current = task;
    script->in_call = true;
    gen->n_pcalls = task->n_pcalls;
    gen->memory_reserve = task->handler == KP_ON_ERROR; /* it may be there to make room */
    kp_watchdog_start(&gen->watchdog, task->co, task_budget_ns(task));
    int status = lua_resume(task->co, NULL, n_args, &n_results);
    bool killed = kp_watchdog_stop(&gen->watchdog);
    gen->memory_reserve = false;
    task->n_pcalls = gen->n_pcalls;
    gen->n_pcalls = 0;
    kp_collector_follow(&gen->collector, gen->L, gen->lua_bytes,
                        script->limits.lua_memory);
    script->in_call = false;
    gen->current = NULL;
    gen->own_handle = NULL;

    bool is_suspended =
        status == LUA_YIELD && !killed && kp_coroutine_is_suspended(task->co);
    if (!is_suspended)
        kp_task_stop_waiting(task); /* it did not come to that */
    if (gen->watchdog.slow_ns > 0 && !killed)
        kp_report_slow(gen, task->what, task->conn);
    if (killed || gen->watchdog.slow_ns > 0) {
        script->net->is_late = true;
        if (task->conn)
            kp_conn_end_turn(task->conn);
    }
    if (is_suspended)
        return task_suspend(task);
    if (status == LUA_OK && !killed)
        return task_end(task);
    return task_fail(task, status, killed);
}

void
kp_task_start_later(struct kp_task *task, int n_args)
{
    kp_list_remove(&task->node);
    task->n_args = n_args;
    kp_list_append(&task->gen->ready, &task->node);
}

/* --- many of them ---------------------------------------------------------------------- */

void
kp_task_run_ready(struct kp_generation *gen)
{
    const struct kp_net *net = gen->script->net;
    struct kp_node due;
    struct kp_node *node;

    if (kp_list_is_empty(&gen->ready))
        return;
    uint64_t began_ns = kp_sys_now_ns(&gen->script->env->sys);
    kp_list_init(&due);
    kp_list_splice(&due, &gen->ready);
    while (!kp_list_is_empty(&due) && !kp_net_share_is_over(net, began_ns)) {
        node = kp_list_pop(&due);
        struct kp_task *task = task_of_node(node);
        if (task->started)
            (void)kp_task_resume(task, task->woke); /* errors were reported */
        else
            (void)kp_task_run(task, task->n_args);
    }
    kp_list_splice(&due, &gen->ready); /* what is left comes before what is new */
    kp_list_splice(&gen->ready, &due);
}

/* close: to-be-closed variables are closed. Returns whether that was killed. */
static bool
cancel(struct kp_task *task, bool close)
{
    struct kp_generation *gen = task->gen;
    uint64_t kills = gen->script->handler_kills;

    assert(gen->current != task);
    kp_task_stop_waiting(task);
    kp_list_remove(&task->node);
    if (close && task->started && task_close_variables(task) != LUA_OK)
        kp_report_error(gen, task->what, task->conn, task->co);

    struct kelpie_conn *held = task_leave_conn(task);
    task_drop(task);
    release(gen, held);
    return gen->script->handler_kills > kills;
}

void
kp_task_cancel(struct kp_task *task)
{
    (void)cancel(task, !task->gen->script->in_call);
}

void
kp_task_cancel_all(struct kp_generation *gen)
{
    uint64_t started_ns = kp_sys_now_ns(&gen->script->env->sys);
    uint64_t limit_ns = gen->script->limits.handler_timeout_ns;
    bool close = !gen->script->in_call;
    struct kp_node all;
    struct kp_node *node;

    kp_list_init(&all);
    kp_list_splice(&all, &gen->suspended);
    kp_list_splice(&all, &gen->ready);
    while (!kp_list_is_empty(&all)) {
        bool was_killed = cancel(task_of_node(all.next), close);
        uint64_t now_ns = close ? kp_sys_now_ns(&gen->script->env->sys) : 0;
        if (was_killed || (close && limit_ns > 0 && now_ns - started_ns >= limit_ns))
            close = false; /* one of them may hold up the server, not all of them */
    }

    /* What closing variables has spawned is not started any more. */
    while ((node = kp_list_pop(&gen->ready))) {
        (void)task_leave_conn(task_of_node(node)); /* who has not begun holds nothing */
        task_drop(task_of_node(node));
    }
}
