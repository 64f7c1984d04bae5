/*
 * connect.h - connections that we open ourselves
 */
#ifndef KP_CONNECT_H
#define KP_CONNECT_H

#include "address.h"
#include "base/resolver.h"
#include "event/loop.h"
#include "event/timer.h"
#include "kelpie.h"
#include "net.h"

#define KP_CONNECT_TIMEOUT_NS (10 * KP_NS_PER_S) /* when nobody says how long */

struct kp_connect;
struct kp_name_job;

/* Called once, from the loop or a timer, when connect->result is known. */
typedef void kp_connect_fn(void *arg, struct kp_connect *connect);

/* One attempt. Its owner frees it. */
struct kp_connect {
    struct kp_net *net;
    struct kp_node node; /* in net->outbound.connects, unless it has failed or is taken */
    struct kp_source source; /* fd -1: none */
    struct kp_timer timer;
    union kp_peer peer;
    uint32_t number;         /* of the connection to be; 0: given back, or passed on */
    struct kp_name_job *job; /* its name is looked up, or was and has more addresses */
    int n_tried;             /* of them */
    bool is_dialed;          /* the host has it: transport, until that is passed on */
    struct kelpie_transport transport;
    void *transport_arg;
    int verdict; /* the result when the timer runs out: of the host, or -ETIMEDOUT */
    int result;  /* KP_CONNECT_PENDING; 0: connected; negative errno */
    kp_connect_fn *fn;
    void *arg;
};

#define KP_CONNECT_PENDING 1
#define KP_CONNECT_ENAME   (-20000) /* the name is not known; no errno */
#define KP_CONNECT_LOOKUPS 16       /* names looked up at a time, each on a thread */

/* Reads an address that can be connected to: "127.0.0.1:8080", "[::1]:8080", "unix:/path";
 * none of the shorthands and names that kp_address_parse takes for listeners.
 * "HOST:8080" with a host name is read into host, whose name is "" otherwise.
 * Returns   0; KELPIE_EADDRESS with a sentence in why. */
int kp_connect_address(struct kp_address *out, struct kp_host *host, const char *text,
                       char *why, size_t why_size) KP_MUST_CHECK;

/* Begins to connect to an address, or, when host has a name, to the first address of it that
 * answers; gives up after timeout_ns. Before that the host is asked whether it has one for
 * text, the address as it was written (hooks.dial), unless text is NULL. result may be KP_CONNECT_ENAME besides.
 * Returns   0; -EBUSY when KP_CONNECT_LOOKUPS names are being looked up; KELPIE_EFULL when
 *           max_outbound is reached; -ECANCELED when the server drains; -ENOMEM; negative
 *           errno of socket(2), connect(2).
 * Gives     *out, for kp_connect_free.
 * See       POSIX.1-2017 connect. */
int kp_connect_start(struct kp_net *net, struct kp_connect **out, const char *text,
                     const struct kp_address *address, const struct kp_host *host,
                     uint64_t timeout_ns, kp_connect_fn *fn, void *arg) KP_MUST_CHECK;

/* Makes the connection of an attempt that has succeeded.
 * Calls     hooks.configure; transport.opened.
 * Returns   0; -ENOMEM; else its result, which is negative. */
int kp_connect_take(struct kp_connect *connect, struct kelpie_conn **out) KP_MUST_CHECK;

/* Gives up what is not taken. fn is not called any more. NULL is harmless. */
void kp_connect_free(struct kp_connect *connect);

/* In each step: goes on with names that have been looked up. */
void kp_connects_resolve(struct kp_net *net);

/* The server drains: what is pending ends with -ECANCELED, which is told, and nothing more is
 * begun. kp_connects_end: the same without telling anybody, for kp_net_clear. */
void kp_connects_close(struct kp_net *net);
void kp_connects_end(struct kp_net *net);

#endif
