/*
 * sockopt.h - options of stream sockets
 */
#ifndef KP_SOCKOPT_H
#define KP_SOCKOPT_H

#include "address.h"
#include "base/sys.h"

/* Prepares a connected socket: no delay, keep-alive, no SIGPIPE. Failures are ignored: a
 * socket that was reset before we had it answers EINVAL on some systems, and it will say
 * so itself when it is read. inherits, if not NULL, is of all sockets of one listener, false
 * at first: set when one has been seen to have what the listener has; then they all do. */
void kp_sockopt_tune(struct kp_sys *sys, int fd, const union kp_peer *peer,
                     bool *inherits);

/* Gives a TCP listener what accepted sockets may inherit from it. */
void kp_sockopt_tune_tcp(struct kp_sys *sys, int fd);

/* Makes close send a reset and drop what the kernel still holds. */
void kp_sockopt_reset_on_close(struct kp_sys *sys, int fd);

#endif
