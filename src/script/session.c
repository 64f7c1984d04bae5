/*
 * session.c - what the script layer keeps per connection
 *
 * While a handler is suspended its connection must find it: to hand it a message, to know
 * which generation it lives in, and to make it forget the connection in the end. A handler
 * can be suspended beside another one (on_drain while on_message waits), hence a list.
 *
 * `gen` and `handler` follow from the list and the receiver; session_update is the only
 * place that sets them.
 */
#include "session.h"

#include <errno.h>
#include <string.h>

#include "task.h"

#define KILL_WINDOW_NS (60 * KP_NS_PER_S)

static void
session_update(struct kp_session *session)
{
    struct kp_node *first = session->tasks.next;

    session->handler = NULL;
    if (!kp_list_is_empty(&session->tasks))
        session->handler = kp_container_of(first, struct kp_task, of_conn);

    struct kp_task *task = session->handler ? session->handler : session->receiver;
    session->gen = task ? task->gen : NULL;
}

struct kp_session *
kp_session_get(struct kelpie_conn *conn)
{
    struct kp_session *session = conn->script;

    if (session)
        return session;
    session = kp_mem_zalloc(&conn->net->env->mem, sizeof *session);
    if (!session)
        return NULL;
    kp_list_init(&session->tasks);
    conn->script = session;
    return session;
}

void
kp_session_add(struct kp_task *task)
{
    struct kp_session *session = kp_session_of(task->conn);

    if (!session || kp_node_is_linked(&task->of_conn))
        return;
    kp_list_append(&session->tasks, &task->of_conn);
    session_update(session);
}

void
kp_session_remove(struct kp_task *task)
{
    kp_list_remove(&task->of_conn);
    if (task->conn && kp_session_of(task->conn))
        session_update(kp_session_of(task->conn));
}

void
kp_session_set_receiver(struct kelpie_conn *conn, struct kp_task *receiver)
{
    struct kp_session *session = kp_session_of(conn);

    session->receiver = receiver;
    session_update(session);
}

static void
forget_handlers(struct kelpie_conn *conn)
{
    struct kp_session *session = kp_session_of(conn);

    if (session->handlers)
        kp_mem_free(&conn->net->env->mem, session->handlers,
                    strlen(session->handlers) + 1);
    session->handlers = NULL;
}

int
kp_session_set_handlers(struct kelpie_conn *conn, const char *name)
{
    struct kp_session *session = kp_session_get(conn);
    char *copy = session ? kp_mem_dup(&conn->net->env->mem, name, strlen(name)) : NULL;

    if (!copy)
        return -ENOMEM;
    forget_handlers(conn);
    session->handlers = copy;
    return 0;
}

bool
kp_session_count_kill(struct kelpie_conn *conn, uint64_t now_ns)
{
    struct kp_session *session = kp_session_of(conn);

    if (!session)
        return false;
    if (session->kills == 0 || now_ns - session->first_kill_ns > KILL_WINDOW_NS) {
        session->kills = 0;
        session->first_kill_ns = now_ns;
    }
    session->kills++;
    return session->kills >= KP_SESSION_MAX_KILLS;
}

void
kp_session_free(struct kelpie_conn *conn)
{
    struct kp_session *session = kp_session_of(conn);

    if (!session)
        return;
    kp_list_each_safe(node, &session->tasks) {
        struct kp_task *task = kp_container_of(node, struct kp_task, of_conn);
        kp_list_remove(node);
        task->conn = NULL;
        task->holds = false;
    }
    forget_handlers(conn);
    kp_mem_free(&conn->net->env->mem, session, sizeof *session);
    conn->script = NULL;
}
