/*
 * generation_call.c - calling a handler
 *
 * A handler runs in the coroutine of a task, which lua_resume protects. The coroutine's main
 * function is ours: serve. It pushes the handler and its arguments, which may raise, and
 * calls it.
 *
 *     kp_generation_call   a task from the pool; made, protected, when the pool is empty
 *     kp_task_run          starts the watchdog, resumes the coroutine
 *     serve                the handler, the connection's handle, the text; and again for the
 *                          next message of the connection: a call more, not all of the above
 *     kp_task_run          stops the watchdog; the end, a suspension, an error
 *
 * What holds for a message holds for each: its budget, what is said of it when it is killed,
 * the counts. The series ends early when that needs the end of the coroutine (an error, a
 * suspension, a kill), when a handler was slow, which others have waited for, and when the
 * script has taken the coroutine (coroutine.running). The net then calls anew, or not at all.
 *
 * struct kp_call lives in kp_generation_call, so serve must not look at it after a suspension;
 * nor is there a reason: the messages that follow wait for the end of the task.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bind.h"
#include "report.h"
#include "task.h"

/* One call, or a series of them. */
struct kp_call {
    enum kp_handler handler;
    int ref;
    struct kelpie_conn *conn; /* NULL: no argument, but nil for on_error */
    const void *text[2];      /* NULL: none. The second one is of on_error */
    size_t len[2];
    struct kp_task *task;
};

/* --- in the coroutine ------------------------------------------------------------------ */

static int
end_after_suspension(lua_State *L, int status, lua_KContext context)
{
    (void)L;
    (void)status;
    (void)context;
    return 0;
}

bool
kp_generation_next_message(lua_State *L, struct kelpie_conn *conn, const void **message,
                           size_t *len)
{
    struct kp_generation *gen = kp_generation_of(L);
    const struct kp_script_hooks *hooks = &gen->script->hooks;
    bool has_next = false;

    if (kp_watchdog_pause(&gen->watchdog)) {
        kp_collector_follow(&gen->collector, L, gen->lua_bytes,
                            gen->script->limits.lua_memory);
        has_next = hooks->next_message(hooks->arg, conn, message, len);
    }
    if (has_next) {
        gen->message = *message;
        gen->message_len = *len;
    }
    kp_watchdog_resume(&gen->watchdog);
    return has_next;
}

/* Takes the next message, when the handler has returned from the last one.
 * Returns   whether there is one; if not, the task is to end. */
static bool
take_next(lua_State *L, struct kp_generation *gen, struct kp_call *call)
{
    if (call->handler != KP_ON_MESSAGE || gen->current->exposed ||
        !kp_generation_next_message(L, call->conn, &call->text[0], &call->len[0]))
        return false;
    gen->calls++;
    gen->current->call = call;
    return true;
}

/* The main function of a handler's coroutine. stack: handler [handles conn] */
static int
serve(lua_State *L)
{
    struct kp_generation *gen = kp_generation_of(L);
    struct kp_call *call = gen->current ? gen->current->call : NULL;

    if (!call)
        return luaL_error(L, "not for scripts"); /* which may have found it by getinfo */
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->ref);
    if (call->conn)
        gen->own_handle = kp_lua_push_own_conn(L, call->conn);
    do {
        lua_pushvalue(L, 1);
        if (call->conn)
            lua_pushvalue(L, 3);
        if (call->text[0])
            lua_pushlstring(L, call->text[0], call->len[0]);
        gen->current->call = NULL;
        lua_callk(L, (call->conn != NULL) + (call->text[0] != NULL), 0, 0,
                  end_after_suspension);
    } while (take_next(L, gen, call));
    return 0;
}

/* --- from outside ---------------------------------------------------------------------- */

/* Sees to it that the connection will find the handler when it is suspended; on_disconnect
 * need not be found.
 * Returns   0; -ENOMEM: reported. */
static int
check_session(struct kp_generation *gen, const struct kp_call *call)
{
    if (!call->conn || kp_session_get(call->conn) || call->handler == KP_ON_DISCONNECT)
        return 0;
    kp_report_failure(gen, kp_handler_name(call->handler), call->conn,
                      "not enough memory");
    return -ENOMEM;
}

/* Runs `make`, which makes call->task, protected.
 * Returns   0; -ENOMEM, KELPIE_ESCRIPT: reported. */
static int
make_task(struct kp_generation *gen, struct kp_call *call, lua_CFunction make)
{
    int rc = kp_generation_enter(gen, make, call, 0);

    if (rc < 0)
        kp_report_failure(gen, kp_handler_name(call->handler), call->conn,
                          gen->script->error);
    return rc;
}

/* [-0, +0] */
static int
new_task(lua_State *L)
{
    struct kp_call *call = lua_touserdata(L, 1);

    call->task = kp_task_new(L, kp_generation_of(L), kp_handler_name(call->handler));
    call->task->handler = call->handler;
    call->task->conn = call->conn;
    return 0;
}

int
kp_generation_call(struct kp_generation *gen, enum kp_handler handler,
                   struct kelpie_conn *conn, const void *text, size_t len)
{
    struct kp_call call = {
        .handler = handler,
        .ref = kp_generation_handlers(gen, conn)->refs[handler],
        .conn = conn,
        .text = {text},
        .len = {len},
    };

    assert(!gen->script->in_call);
    if (call.ref == LUA_NOREF)
        return 0;
    int rc = check_session(gen, &call);
    if (rc < 0)
        return rc;
    call.task = kp_task_reuse(gen, kp_handler_name(handler));
    rc = call.task ? 0 : make_task(gen, &call, new_task);
    if (rc < 0)
        return rc;
    call.task->handler = handler;
    call.task->conn = conn;
    call.task->call = &call;
    lua_pushcfunction(call.task->co, serve);
    gen->message = text;
    gen->message_len = len;
    rc = kp_task_run(call.task, 0);
    gen->message = NULL;
    return rc;
}

/* --- on_error -------------------------------------------------------------------------- */

/* Pushes handler, conn, message and traceback, and moves them to a new task. [-0, +0] */
static int
new_on_error(lua_State *L)
{
    struct kp_call *call = lua_touserdata(L, 1);

    new_task(L);
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, call->ref);
    if (call->conn)
        kp_lua_push_conn(L, call->conn);
    else
        lua_pushnil(L);
    for (int i = 0; i < 2; i++)
        lua_pushlstring(L, call->text[i], call->len[i]);
    lua_xmove(L, call->task->co, 4);
    return 0;
}

/* Its texts are on the task's stack from the beginning, because it may be called later, when
 * the ones here are gone. */
int
kp_generation_call_on_error(struct kp_generation *gen, struct kelpie_conn *conn,
                            const char *message, const char *traceback)
{
    struct kp_call call = {
        .handler = KP_ON_ERROR,
        .ref = kp_generation_handlers(gen, conn)->refs[KP_ON_ERROR],
        .conn = conn,
        .text = {message, traceback},
        .len = {strlen(message), strlen(traceback)},
    };

    assert(!gen->script->in_call);
    if (call.ref == LUA_NOREF)
        call.ref = gen->handlers.refs[KP_ON_ERROR];
    if (call.ref == LUA_NOREF)
        return 0;
    int rc = check_session(gen, &call);
    if (rc < 0)
        return rc;
    gen->memory_reserve = true;
    rc = make_task(gen, &call, new_on_error);
    if (rc == 0 && gen->script->net->is_late) {
        if (conn)
            kp_session_add(call.task); /* which must hear of it when conn goes */
        kp_task_start_later(call.task, 3);
    } else if (rc == 0) {
        gen->message = message;
        gen->message_len = call.len[0];
        rc = kp_task_run(call.task, 3);
        gen->message = NULL;
    }
    gen->memory_reserve = false;
    return rc;
}
