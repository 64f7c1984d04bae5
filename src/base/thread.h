/*
 * thread.h - a thread of the library's own, beside that of a server
 */
#ifndef KP_THREAD_H
#define KP_THREAD_H

#include "compat/compat.h" /* KP_SIGNAL_SAFE_LOCAL */
#include "sys.h"

/* Starts a thread that runs fn(arg) and gets no signal but `signal` (0: none), so that those of the
 * host go where they went before.
 * Returns   0; -EAGAIN and other errno of pthread_create(3).
 * Gives     *out, for pthread_join or pthread_detach. */
int kp_thread_start(struct kp_sys *sys, pthread_t *out, void *(*fn)(void *arg), void *arg,
                    int signal) KP_MUST_CHECK;

/* Sleeps so long, or until a signal comes. */
void kp_thread_nap(uint64_t duration_ns);

/* Lets the calling thread get a signal. */
void kp_thread_unblock(int signal);

/* Makes handler the process's one for a signal, with SA_RESTART; it may be that already.
 * Returns   0; -EBUSY when there is another handler, which stays; -EINVAL for what is no
 *           signal, or one that cannot be caught. */
int kp_thread_catch(struct kp_sys *sys, int signal, void (*handler)(int)) KP_MUST_CHECK;

#endif
