/*
 * accept.h - takes new connections from a listening socket; for listener.c and net.c
 */
#ifndef KP_ACCEPT_H
#define KP_ACCEPT_H

#include "listener.h"

#define KP_ACCEPT_RETRY_NS (100 * KP_NS_PER_MS) /* pause when no descriptor is free */

/* Prepares the retry timer of the net. */
void kp_accept_init(struct kp_net *net);

/* Returns how a listener is to be watched now. */
enum kp_mode kp_accept_mode(const struct kp_listener *listener);

/* The listener has n_waiting connections (0: unknown): takes at most KP_LISTENER_ACCEPTS of
 * them.
 * Calls     hooks.configure. */
void kp_accept(struct kp_listener *listener, size_t n_waiting);

/* The kernel cannot watch a listener just now: all of them pause, and try again later. */
void kp_accept_fail_watch(struct kp_listener *listener, int error);

#endif
