/*
 * conns.h - all connections of a server: the table, and what a step owes them
 */
#ifndef KP_CONNS_H
#define KP_CONNS_H

#include "conn.h"

/* Find a connection that is not CLOSED; NULL when there is none. O(1). By number only what
 * was announced is found; an id is known before that only to who opened it. */
struct kelpie_conn *kp_conns_find(const struct kp_net *net, uint64_t id);
struct kelpie_conn *kp_conns_client(const struct kp_net *net, uint32_t number);

/* Walks all connections that are OPEN and announced (nothing is sent to one before its
 * on_connect), in order of their numbers: start with *cursor 0; NULL at the end.
 * Connections may open and close meanwhile. */
struct kelpie_conn *kp_conns_next(const struct kp_net *net, size_t *cursor);

/* For conn.c: enters a connection in the table, with id and number; takes it out.
 * Returns   0; -ENOSPC when max_clients is reached; -ENOMEM: then nothing has changed. */
int kp_conns_enter(struct kelpie_conn *conn) KP_MUST_CHECK;
void kp_conns_leave(struct kelpie_conn *conn);

/* Takes a number for an outbound connection, and gives back one of any kind.
 * Returns   0; -ENOSPC when max_outbound is reached; -ENOMEM.
 * Gives     *out, for kp_conn_open_outbound or kp_conns_give_back. */
int kp_conns_reserve(struct kp_net *net, uint32_t *out) KP_MUST_CHECK;
void kp_conns_give_back(struct kp_net *net, uint32_t number);

/* Returns the connection with that number, of a client or outbound, in any state; or NULL. */
struct kelpie_conn *kp_conns_at(const struct kp_net *net, uint32_t number);

/* Walks all connections, in any state, outbound ones last: start with *cursor 0; NULL at the
 * end. None may open meanwhile. */
struct kelpie_conn *kp_conns_walk(const struct kp_net *net, size_t *cursor);

/* Returns how many connections exist, whatever their state. */
size_t kp_conns_count(const struct kp_net *net);

/* The phases of a step, in this order. Each works on what was there when it began, so that
 * a handler cannot keep a phase from ending. */
void kp_conns_announce(struct kp_net *net); /* on_connect of fresh ones; starts reading */
void kp_conns_deliver(struct kp_net *net);  /* ready ones: one budget of messages each */
/* Closed ones are told once; after share_ns the rest waits for the next step (KP_NEVER: all
 * are told). */
void kp_conns_notify(struct kp_net *net, uint64_t share_ns);
void kp_conns_flush(struct kp_net *net); /* one write per dirty connection */
void kp_conns_reap(struct kp_net *net);  /* frees what is closed and told */

/* Returns whether a phase has work left, so that the loop must not sleep. */
bool kp_conns_have_work(const struct kp_net *net);

/* Closes every OPEN connection (drain), or drops all (at once). */
void kp_conns_close_all(struct kp_net *net, const char *reason);
void kp_conns_drop_all(struct kp_net *net, const char *reason);

/* Sends one message (wrap), or bytes, to every connection that kp_conns_next walks over,
 * but except. A full outbox is skipped and counted.
 * Returns   how many took it; -ENOMEM when nobody did because there is no memory. */
int kp_conns_broadcast(struct kp_net *net, const struct iovec *parts, int n_parts,
                       bool wrap, const struct kelpie_conn *except);

#endif
