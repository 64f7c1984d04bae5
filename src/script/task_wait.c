/*
 * task_wait.c - how a task suspends, and what wakes it
 *
 *     kp_task_sleep, kp_task_receive,  called by Lua, through the bindings: note what the
 *     kp_task_connect                  task waits for, and yield (kp_coroutine_suspend)
 *     take_at_once                     a message that is there already: no suspension at all
 *     kp_task_wake                     puts it on gen->ready, to be resumed in this step
 *     kp_task_resume, kp_task_deliver  resume it at once
 *
 * What the suspended call returns is pushed onto the task's stack, before lua_resume, by a
 * protected call of its own. When that fails for want of memory the call raises instead, so
 * that a task is never left behind.
 */
#include "bind.h"
#include "sandbox.h"
#include "task.h"

static struct kp_timers *
timers_of(const struct kp_task *task)
{
    return task->gen->script->timers;
}

void
kp_task_stop_waiting(struct kp_task *task)
{
    kp_timer_cancel(timers_of(task), &task->timer);
    if (task->waits_for) {
        kp_session_set_receiver(task->waits_for, NULL);
        kp_conn_unwant_message(task->waits_for);
    }
    kp_connect_free(task->connect);
    task->connect = NULL;
    task->waits_for = NULL;
    task->wait = KP_WAIT_NOTHING;
}

/* --- suspending: called by Lua, through the bindings ----------------------------------- */

/* Continues the C function that suspended: its results are what the task was resumed with. */
static int
answer(lua_State *L, int status, lua_KContext base)
{
    (void)status; /* it can only be LUA_YIELD */
    if (kp_generation_of(L)->current->woke == KP_WOKE_FAILED)
        return luaL_error(L, "not enough memory");
    return lua_gettop(L) - (int)base;
}

static int
suspend(lua_State *L, struct kp_task *task, enum kp_wait wait)
{
    task->wait = wait;
    return kp_coroutine_suspend(L, lua_gettop(L), answer);
}

static void
start_timer(lua_State *L, struct kp_task *task, uint64_t duration_ns)
{
    uint64_t now_ns = kp_sys_now_ns(&task->gen->script->env->sys);
    uint64_t longest_ns = KP_NEVER - 1 - now_ns;
    uint64_t deadline_ns = now_ns + (duration_ns < longest_ns ? duration_ns : longest_ns);

    if (kp_timer_start(timers_of(task), &task->timer, deadline_ns) < 0)
        luaL_error(L, "not enough memory");
}

int
kp_task_sleep(lua_State *L, uint64_t duration_ns)
{
    kp_coroutine_check_suspend(L);

    struct kp_task *task = kp_generation_of(L)->current;
    start_timer(L, task, duration_ns);
    return suspend(L, task, KP_WAIT_SLEEP);
}

/* Receives the next message if it has come together with the one that the task is at now: as
 * if it had been suspended and resumed, without the price of that.
 * Returns   whether the message was pushed. */
static bool
take_at_once(lua_State *L, struct kelpie_conn *conn, const struct kp_framing *once)
{
    const void *message;
    size_t len;

    kp_conn_set_wish(conn, true, once);
    if (!kp_generation_next_message(L, conn, &message, &len)) {
        kp_conn_set_wish(conn, false, NULL);
        return false;
    }
    lua_pushlstring(L, message, len);
    return true;
}

int
kp_task_receive(lua_State *L, struct kelpie_conn *conn, const struct kp_framing *once,
                uint64_t timeout_ns)
{
    kp_coroutine_check_suspend(L);
    if (!kp_conn_is_open(conn) || conn->input_ended)
        return kp_lua_push_closed(L);

    struct kp_task *task = kp_generation_of(L)->current;
    struct kp_session *session = kp_session_get(conn);
    if (!session)
        return luaL_error(L, "not enough memory");
    if (session->receiver)
        return luaL_error(L, "another handler waits for this connection's messages");
    if (take_at_once(L, conn, once))
        return 1;
    if (timeout_ns != KP_NEVER)
        start_timer(L, task, timeout_ns);
    task->waits_for = conn;
    task->is_late = false;
    task->has_once = once != NULL;
    if (once)
        task->once = *once;
    kp_session_set_receiver(conn, task);
    return suspend(L, task, KP_WAIT_MESSAGE);
}

/* The end of an attempt. It stays with the task until that runs: only then a connection is
 * made of it, so that nobody has to close one that no script has ever seen. */
static void
on_connected(void *arg, struct kp_connect *connect)
{
    struct kp_task *task = arg;

    task->connect = NULL;
    kp_task_wake(task, KP_WOKE_CONNECTED);
    task->connect = connect;
}

int
kp_task_connect(lua_State *L, const struct kp_connect_wish *wish)
{
    kp_coroutine_check_suspend(L);

    struct kp_task *task = kp_generation_of(L)->current;
    int rc = kp_connect_start(task->gen->script->net, &task->connect, wish->text,
                              &wish->address, &wish->host, wish->timeout_ns, on_connected,
                              task);
    if (rc < 0)
        return kp_lua_push_unconnected(L, rc);
    task->has_once = wish->has_framing;
    task->once = wish->framing;
    task->max_message = wish->max_message;
    task->handlers = wish->handlers;
    return suspend(L, task, KP_WAIT_CONNECT);
}

/* --- waking ---------------------------------------------------------------------------- */

void
kp_task_wake(struct kp_task *task, enum kp_wake woke)
{
    if (task->wait == KP_WAIT_NOTHING)
        return; /* somebody else was faster */
    kp_task_stop_waiting(task);
    task->woke = woke;
    kp_list_remove(&task->node);
    kp_list_append(&task->gen->ready, &task->node);
}

/* Timers come before messages in a step. What is there already, perhaps since before the
 * limit, is delivered in this step: the limit is looked at once more with the next one. */
static bool
is_put_off(struct kp_task *task)
{
    if (task->wait != KP_WAIT_MESSAGE || task->is_late ||
        !kp_node_is_linked(&task->waits_for->work))
        return false;
    task->is_late = true;
    return kp_timer_start(timers_of(task), &task->timer, task->timer.deadline_ns) == 0;
}

static void
on_timer(struct kp_timer *timer, void *arg)
{
    struct kp_task *task = arg;

    (void)timer; /* it is the task's own */
    if (is_put_off(task))
        return;
    kp_task_wake(task, task->wait == KP_WAIT_SLEEP ? KP_WOKE_OK : KP_WOKE_TIMEOUT);
}

void
kp_task_init_wait(struct kp_task *task)
{
    task->wait = KP_WAIT_NOTHING;
    kp_timer_init(&task->timer, on_timer, task);
}

/* What a suspended task is resumed with. */
struct resumption {
    struct kp_task *task;
    const void *message;
    size_t len;
    struct kp_connect *connect; /* of KP_WOKE_CONNECTED */
    struct kelpie_conn *conn;   /* made of it */
    int n_args;
};

/* [KP_WOKE_...] = message, code */
static const char *const failures[][2] = {
    [KP_WOKE_TIMEOUT] = {"timed out", "timeout"},
    [KP_WOKE_CLOSED] = {"connection closed", "closed"},
    [KP_WOKE_RETIRED] = {"generation retired", "retired"},
};

/* Makes the connection and pushes it, or why there is none. */
static int
push_connected(lua_State *L, struct resumption *resumption)
{
    struct kp_task *task = resumption->task;
    int rc = kp_connect_take(resumption->connect, &resumption->conn);

    if (rc < 0)
        return kp_lua_push_unconnected(L, rc);
    if (task->handlers &&
        kp_script_serve(task->gen->script, resumption->conn, task->handlers) < 0)
        return luaL_error(L, "not enough memory");
    if (task->has_once)
        kp_conn_set_framing(resumption->conn, &task->once);
    if (task->max_message > 0)
        resumption->conn->max_message = task->max_message;
    kp_lua_push_conn(L, resumption->conn);
    return 1;
}

/* Pushes the results of the suspended call onto the task's stack. */
static int
push_resumption(lua_State *L)
{
    struct resumption *resumption = lua_touserdata(L, 1);
    struct kp_task *task = resumption->task;
    int n = 1;

    luaL_checkstack(task->co, 3, "too many values");
    if (task->woke == KP_WOKE_CONNECTED)
        n = push_connected(L, resumption);
    else if (task->woke == KP_WOKE_OK)
        lua_pushlstring(L, resumption->message, resumption->len);
    else
        n = kp_lua_push_failure(L, failures[task->woke][0], failures[task->woke][1]);
    lua_xmove(L, task->co, n);
    resumption->n_args = n;
    return 0;
}

static int
resume_with(struct kp_task *task, const void *message, size_t len,
            struct kp_connect *connect)
{
    struct resumption resumption = {task, message, len, connect, NULL, 0};
    bool has_results = message || task->woke != KP_WOKE_OK;

    lua_pop(task->co, 1); /* the mark of the suspension */
    if (has_results &&
        kp_generation_enter(task->gen, push_resumption, &resumption, 0) < 0) {
        task->woke = KP_WOKE_FAILED;
        if (resumption.conn)
            kp_conn_drop(resumption.conn, "out of memory", false);
    }
    kp_connect_free(connect);
    return kp_task_run(task, resumption.n_args);
}

void
kp_task_deliver(struct kp_task *task, const void *message, size_t len)
{
    struct kp_generation *gen = task->gen;

    kp_task_stop_waiting(task);
    task->woke = KP_WOKE_OK;
    gen->message = message ? message : "";
    gen->message_len = len;
    (void)resume_with(task, gen->message, len, NULL); /* an error was reported */
    gen->message = NULL;
}

int
kp_task_resume(struct kp_task *task, enum kp_wake woke)
{
    struct kp_connect *connect = task->connect;

    if (woke == KP_WOKE_CONNECTED)
        task->connect = NULL; /* it is not given up */
    else
        connect = NULL;
    kp_task_stop_waiting(task);
    task->woke = woke;
    return resume_with(task, NULL, 0, connect);
}
