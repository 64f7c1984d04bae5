/*
 * connect.h - connections that we open ourselves
 */
#ifndef KP_CONNECT_H
#define KP_CONNECT_H

#include "address.h"
#include "event/loop.h"
#include "event/timer.h"
#include "net.h"

struct kp_connect;

/* Called once, from the loop or a timer, when connect->result is known. */
typedef void kp_connect_fn(void *arg, struct kp_connect *connect);

/* One attempt. Its owner frees it. */
struct kp_connect {
    struct kp_net *net;
    struct kp_node node; /* in net->outbound.connects, unless it has failed or is taken */
    struct kp_source source; /* fd -1: none */
    struct kp_timer timer;
    union kp_peer peer;
    uint32_t number; /* of the connection to be; 0: given back, or passed on */
    int result;      /* KP_CONNECT_PENDING; 0: connected; negative errno */
    kp_connect_fn *fn;
    void *arg;
};

#define KP_CONNECT_PENDING 1

/* Reads an address that can be connected to: "127.0.0.1:8080", "[::1]:8080", "unix:/path";
 * none of the shorthands and names that kp_address_parse takes for listeners.
 * Returns   0; KELPIE_EADDRESS with a sentence in why. */
int kp_connect_address(struct kp_address *out, const char *text, char *why,
                       size_t why_size) KP_MUST_CHECK;

/* Begins to connect; gives up after timeout_ns.
 * Returns   0; KELPIE_EFULL when max_outbound is reached; -ECANCELED when the server drains;
 *           -ENOMEM; negative errno of socket(2), connect(2).
 * Gives     *out, for kp_connect_free.
 * See       POSIX.1-2017 connect. */
int kp_connect_start(struct kp_net *net, struct kp_connect **out,
                     const struct kp_address *address, uint64_t timeout_ns,
                     kp_connect_fn *fn, void *arg) KP_MUST_CHECK;

/* Makes the connection of an attempt that has succeeded.
 * Calls     hooks.configure.
 * Returns   0; -ENOMEM; else its result, which is negative. */
int kp_connect_take(struct kp_connect *connect, struct kelpie_conn **out) KP_MUST_CHECK;

/* Gives up what is not taken. fn is not called any more. NULL is harmless. */
void kp_connect_free(struct kp_connect *connect);

/* The server drains: what is pending ends with -ECANCELED, which is told, and nothing more is
 * begun. kp_connects_end: the same without telling anybody, for kp_net_clear. */
void kp_connects_close(struct kp_net *net);
void kp_connects_end(struct kp_net *net);

#endif
