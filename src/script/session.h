/*
 * session.h - what the script layer keeps per connection, in conn->script
 *
 * Made when the first handler of the connection is called, freed in on_gone. It knows the
 * suspended tasks of the connection, so that nothing points to a connection that is gone.
 */
#ifndef KP_SESSION_H
#define KP_SESSION_H

#include "net/conn.h"

struct kp_generation;
struct kp_task;

struct kp_session {
    struct kp_generation
        *gen; /* where its suspended handler or receiver lives; NULL: none */
    struct kp_task *handler;  /* the first of its suspended handlers, or NULL */
    struct kp_task *receiver; /* task in receive, or NULL */
    struct kp_node tasks;     /* kp_task.of_conn: all its suspended handlers */
    char *handlers;           /* of an outbound one: the name of its handlers, or NULL */
    uint32_t kills;           /* killed handlers in the minute since first_kill_ns */
    uint64_t first_kill_ns;
};

#define KP_SESSION_MAX_KILLS 3 /* in a minute; then the connection is closed */

/* Returns the session of a connection, or NULL when it has none yet. */
static inline struct kp_session *
kp_session_of(const struct kelpie_conn *conn)
{
    return conn->script;
}

/* Finds or makes the session of a connection.
 * Returns   NULL when there is no memory. */
struct kp_session *kp_session_get(struct kelpie_conn *conn) KP_MUST_CHECK;

/* A handler of task->conn has been suspended; it is over, or goes on running. Both are
 * harmless without a session. */
void kp_session_add(struct kp_task *task);
void kp_session_remove(struct kp_task *task);

/* Sets who waits for the next message; NULL: nobody. */
void kp_session_set_receiver(struct kelpie_conn *conn, struct kp_task *receiver);

/* Notes the name of an outbound connection's handlers.
 * Returns   0; -ENOMEM. */
int kp_session_set_handlers(struct kelpie_conn *conn, const char *name) KP_MUST_CHECK;

/* Counts a killed handler.
 * Returns   whether it was one too many. */
bool kp_session_count_kill(struct kelpie_conn *conn, uint64_t now_ns);

/* The connection is gone, and nobody receives from it: its handlers forget it. */
void kp_session_free(struct kelpie_conn *conn);

#endif
