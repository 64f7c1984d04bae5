/*
 * resolver.h - host names to addresses, on a thread of their own
 */
#ifndef KP_RESOLVER_H
#define KP_RESOLVER_H

#include <stdbool.h>
#include <sys/socket.h>

#include "sys.h"

#define KP_RESOLVER_ADDRESSES 8 /* of one name; the rest is not tried */

struct kp_host {
    char name[256]; /* "" for none */
    char port[8];
};

/* One look-up, shared by its thread and who asked; both hold it. */
struct kp_lookup;

/* Starts to look up a host. wake(arg) is called when kp_lookup_is_done, on the thread of the
 * look-up, unless it was let go before.
 * Returns   0; -ENOMEM; -EAGAIN and other errno of pthread_create(3).
 * Gives     *out, for kp_lookup_let_go. */
int kp_lookup_start(struct kp_sys *sys, struct kp_lookup **out,
                    const struct kp_host *host, void (*wake)(void *arg),
                    void *arg) KP_MUST_CHECK;

bool kp_lookup_is_done(const struct kp_lookup *lookup);

/* The addresses of one that is done. Returns their number, 0 when the name is not known. */
int kp_lookup_count(const struct kp_lookup *lookup);
const struct sockaddr *kp_lookup_address(const struct kp_lookup *lookup, int index,
                                         socklen_t *len);

/* Gives it up, done or not; does not wait. wake is not called any more. */
void kp_lookup_let_go(struct kp_lookup *lookup);

#endif
