/*
 * script.c - the scripts of one server: which generation gets what
 *
 * Messages of a connection are handled one at a time, in order. Where a message goes:
 *
 *     somebody waits in conn:receive    to that task, in whatever generation it lives
 *     a handler is suspended            nowhere: the net holds the connection
 *     else                              on_message of the live generation
 *
 * The end of a connection is told in the same order. Who waits in receive is woken and runs
 * on at once; while a handler is still suspended after that, the net is told "not yet", and
 * asks again when the handler has released the connection. So on_disconnect is the last thing
 * that a script hears of it.
 *
 * A retiring generation is closed in kp_script_retire, a phase of the step, because nothing
 * of it may be running then; unless it is still kept for a roll-back (probation.c).
 */
#include "script.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bind.h"
#include "probation.h"
#include "task.h"

/* --- life ------------------------------------------------------------------------------ */

/* retire_timeout is over: what is suspended in old code gets an answer, once. */
static void
on_retire_timeout(struct kp_timer *timer, void *arg)
{
    struct kp_script *script = arg;
    struct kp_generation *gen = script->retiring;

    (void)timer; /* the script's own */
    if (!gen)
        return;
    gen->overdue = true;
    while (!kp_list_is_empty(&gen->suspended))
        kp_task_wake(kp_container_of(gen->suspended.next, struct kp_task, node),
                     KP_WOKE_RETIRED);
}

/* Without a thread the watchdog polls: that is worse, but all limits hold. */
static int
open_guard(struct kp_script *script)
{
    const struct kp_script_limits *limits = &script->limits;
    struct kp_guard *guard = &script->guard;

    kp_guard_init(guard, &script->env->sys);
    guard->on_start = limits->on_watchdog;
    guard->on_stuck = limits->on_stuck;
    guard->stuck_arg = limits->stuck_arg;
    if (limits->watchdog_signal == 0)
        return 0;
    int rc = kp_guard_use_signal(guard, limits->watchdog_signal);
    if (rc < 0)
        return rc;
    rc = kp_guard_start(guard);
    if (rc < 0)
        kp_log_write(&script->env->log, KELPIE_LOG_WARN,
                     "no thread for the watchdog (%s): it polls, scripts run slower",
                     strerror(-rc));
    return 0;
}

int
kp_script_init(struct kp_script *script, struct kp_net *net,
               const struct kp_script_limits *limits, const struct kp_script_hooks *hooks,
               void *server)
{
    *script = (struct kp_script){
        .env = net->env,
        .net = net,
        .timers = net->timers,
        .limits = *limits,
        .hooks = *hooks,
        .server = server,
    };
    int rc = open_guard(script);
    if (rc < 0)
        return rc;
    kp_list_init(&script->preloads);
    kp_timer_init(&script->retire_timer, on_retire_timeout, script);
    kp_probation_init(script);
    kp_content_init(&script->rolled_back);
    kp_footprint_init(&script->footprint);
    return 0;
}

static void
free_string(struct kp_script *script, char *text)
{
    if (text)
        kp_mem_free(&script->env->mem, text, strlen(text) + 1);
}

void
kp_script_clear(struct kp_script *script)
{
    struct kp_mem *mem = &script->env->mem;
    struct kp_generation *live = script->live;
    struct kp_node *node;

    script->live = NULL; /* nothing is called any more */
    kp_probation_end(script);
    kp_content_clear(&script->rolled_back, mem);
    kp_footprint_clear(&script->footprint, mem);
    kp_timer_cancel(script->timers, &script->retire_timer);
    kp_generation_free(script->retiring);
    script->retiring = NULL;
    kp_generation_free(live);
    while ((node = kp_list_pop(&script->preloads))) {
        struct kp_preload *preload = kp_container_of(node, struct kp_preload, node);
        free_string(script, preload->name);
        kp_mem_free(mem, preload, sizeof *preload);
    }
    free_string(script, script->path);
    free_string(script, script->chunk_name);
    if (script->text)
        kp_mem_free(mem, script->text, script->text_len + 1);
    script->path = script->chunk_name = script->text = NULL;
    kp_guard_clear(&script->guard);
}

int
kp_script_preload(struct kp_script *script, const char *name,
                  int (*open)(struct lua_State *L))
{
    struct kp_mem *mem = &script->env->mem;
    struct kp_preload *preload = kp_mem_zalloc(mem, sizeof *preload);

    if (!preload)
        return -ENOMEM;
    preload->open = open;
    preload->name = kp_mem_dup(mem, name, strlen(name));
    if (!preload->name) {
        kp_mem_free(mem, preload, sizeof *preload);
        return -ENOMEM;
    }
    kp_list_append(&script->preloads, &preload->node);
    return 0;
}

/* --- what the net tells ---------------------------------------------------------------- */

/* The generation in which a handler of the connection is suspended, else the live one. */
static struct kp_generation *
generation_for(struct kp_script *script, const struct kelpie_conn *conn)
{
    const struct kp_session *session = kp_session_of(conn);

    return session && session->gen ? session->gen : script->live;
}

static struct kp_task *
receiver_of(const struct kelpie_conn *conn)
{
    const struct kp_session *session = kp_session_of(conn);

    return session ? session->receiver : NULL;
}

/* Who waits for a message need not wait any more. */
static void
end_receiver(struct kelpie_conn *conn)
{
    struct kp_task *receiver = receiver_of(conn);

    if (receiver)
        (void)kp_task_resume(receiver, KP_WOKE_CLOSED); /* errors were reported */
}

void
kp_script_configure(struct kp_script *script, struct kelpie_conn *conn)
{
    if (!script->live)
        return;

    const struct kp_handlers *handlers = kp_generation_handlers(script->live, conn);
    if (handlers == &script->live->no_handlers)
        handlers = &script->live->handlers;
    if (handlers->has_framing)
        kp_conn_set_framing(conn, &handlers->framing);
    if (handlers->max_message > 0)
        conn->max_message = handlers->max_message;
}

int
kp_script_serve(struct kp_script *script, struct kelpie_conn *conn, const char *name)
{
    int rc = kp_session_set_handlers(conn, name);

    if (rc < 0)
        return rc;
    kp_script_configure(script, conn);
    kp_conn_set_served(conn, script->live && kp_generation_named(script->live, name));
    return 0;
}

void
kp_script_on_connect(struct kp_script *script, struct kelpie_conn *conn)
{
    if (!script->live)
        return;
    /* An error has closed it already (task.c); this is for memory that ran out earlier. */
    if (kp_generation_call(script->live, KP_ON_CONNECT, conn, NULL, 0) == -ENOMEM)
        kp_conn_close(conn, "out of memory");
}

void
kp_script_on_message(struct kp_script *script, struct kelpie_conn *conn,
                     const void *message, size_t len)
{
    struct kp_task *receiver = receiver_of(conn);
    const void *text = message ? message : "";

    if (receiver)
        kp_task_deliver(receiver, text, len);
    else if (script->live)
        (void)kp_generation_call(generation_for(script, conn), KP_ON_MESSAGE, conn, text,
                                 len); /* errors were reported */
}

void
kp_script_on_input_end(struct kp_script *script, struct kelpie_conn *conn)
{
    (void)script; /* the task knows its generation */
    end_receiver(conn);
}

void
kp_script_on_drain(struct kp_script *script, struct kelpie_conn *conn)
{
    if (script->live)
        (void)kp_generation_call(generation_for(script, conn), KP_ON_DRAIN, conn, NULL,
                                 0); /* errors were reported */
}

bool
kp_script_on_disconnect(struct kp_script *script, struct kelpie_conn *conn,
                        const char *reason)
{
    end_receiver(conn);
    if (conn->holds > 0)
        return false;
    if (script->live)
        (void)kp_generation_call(generation_for(script, conn), KP_ON_DISCONNECT, conn,
                                 reason, strlen(reason)); /* told, whatever it did */
    return true;
}

void
kp_script_on_gone(struct kp_script *script, struct kelpie_conn *conn)
{
    if (receiver_of(conn))
        kp_task_wake(receiver_of(conn), KP_WOKE_CLOSED);
    if (script->live)
        kp_lua_forget_conn(script->live, conn);
    if (script->retiring)
        kp_lua_forget_conn(script->retiring, conn);
    if (script->previous && script->previous != script->retiring)
        kp_lua_forget_conn(script->previous, conn);
    kp_session_free(conn);
}

/* --- what the server tells ------------------------------------------------------------- */

int
kp_script_on_input(struct kp_script *script, const void *line, size_t len)
{
    if (!script->live)
        return 0;
    return kp_generation_call(script->live, KP_ON_INPUT, NULL, line ? line : "", len);
}

void
kp_script_on_shutdown(struct kp_script *script)
{
    if (script->live)
        (void)kp_generation_call(script->live, KP_ON_SHUTDOWN, NULL, NULL, 0);
}

/* --- phases of the step ---------------------------------------------------------------- */

void
kp_script_run_ready(struct kp_script *script)
{
    if (script->retiring)
        kp_task_run_ready(script->retiring);
    if (script->live)
        kp_task_run_ready(script->live);
}

static bool
has_tasks(const struct kp_generation *gen)
{
    return !kp_list_is_empty(&gen->suspended) || !kp_list_is_empty(&gen->ready);
}

/* Whether a handler was woken, to hear that its time is over, and did not run yet. */
static bool
has_woken_tasks(const struct kp_generation *gen)
{
    kp_list_each(node, &gen->ready)
        if (kp_container_of(node, struct kp_task, node)->started)
            return true;
    return false;
}

void
kp_script_retire(struct kp_script *script)
{
    struct kp_generation *gen = script->retiring;

    assert(!script->in_call);
    /* Who was told that the time is over runs first; not what is spawned by then: a function
     * that spawns the next one each time would keep the old code for ever. */
    if (!gen || (has_tasks(gen) && !gen->overdue) || has_woken_tasks(gen) ||
        (has_tasks(gen) && script->net->is_late))
        return;
    kp_task_cancel_all(gen);
    script->retiring = NULL;
    kp_timer_cancel(script->timers, &script->retire_timer);
    if (gen == script->previous)
        kp_lua_cancel_timers(gen); /* which its last handlers have started */
    else
        kp_generation_free(gen);
}

bool
kp_script_has_work(const struct kp_script *script)
{
    const struct kp_generation *retiring = script->retiring;

    if (retiring && (!has_tasks(retiring) || !kp_list_is_empty(&retiring->ready)))
        return true;
    return script->live && !kp_list_is_empty(&script->live->ready);
}

void
kp_script_end_tasks(struct kp_script *script)
{
    struct kp_generation *generations[] = {script->retiring, script->live};

    assert(!script->in_call);
    for (size_t i = 0; i < 2; i++) {
        if (!generations[i])
            continue;
        generations[i]->overdue = true;
        kp_task_cancel_all(generations[i]);
    }
}

size_t
kp_script_lua_bytes(const struct kp_script *script)
{
    size_t bytes = script->live ? script->live->lua_bytes : 0;

    if (script->previous && script->previous != script->retiring)
        bytes += script->previous->lua_bytes;
    return bytes + (script->retiring ? script->retiring->lua_bytes : 0);
}
