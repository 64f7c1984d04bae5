/*
 * listener.h - an address that accepts connections
 */
#ifndef KP_LISTENER_H
#define KP_LISTENER_H

#include "address.h"
#include "net.h"
#include "unix_file.h"

#define KP_LISTENER_ACCEPTS 64 /* per step; a storm of clients must not starve old ones */

struct kp_listener {
    struct kp_net *net;
    struct kp_node node;
    struct kp_source source;
    char name[KP_ADDRESS_NAME_SIZE];
    char text[KP_ADDRESS_TEXT_SIZE]; /* the address, for people */
    int port;                        /* 0 for unix sockets */
    bool is_inet;                    /* TCP options apply */
    bool inherits;                   /* accepted sockets have them; see sockopt.h */
    struct kp_unix_file file;        /* of a unix socket that we made */
};

/* Opens a listener and starts accepting with the next step.
 * Returns   0; KELPIE_EADDRESS or negative errno with a sentence in why, which names the
 *           address and the cause: "listen 127.0.0.1:80: permission denied".
 * Gives     *out, which the net owns; kp_listener_close, or kp_net_clear. */
int kp_listener_open(struct kp_net *net, struct kp_listener **out,
                     const struct kp_address *address, char *why,
                     size_t why_size) KP_MUST_CHECK;

/* The same with a socket that listens already. Takes fd, unless it fails. */
int kp_listener_open_fd(struct kp_net *net, struct kp_listener **out, int fd,
                        const char *name, char *why, size_t why_size) KP_MUST_CHECK;

void kp_listener_close(struct kp_listener *listener);

/* Finds the listener of that name, or NULL. */
struct kp_listener *kp_listener_find(const struct kp_net *net, const char *name);

/* Finds the listener of that name (NULL: none) for a connection that it has not accepted. When
 * there is none, makes one that has no socket: the name alone decides upon handlers.
 * Returns   0; -ENOMEM; KELPIE_EADDRESS for a name that is too long. */
int kp_listener_named(struct kp_net *net, struct kp_listener **out,
                      const char *name) KP_MUST_CHECK;

/* Closes all listeners (a drain begins). Connections keep working, so the struct of a
 * listener stays until kp_net_clear. */
void kp_listeners_stop(struct kp_net *net);

/* A connection has closed: a descriptor is free again. */
void kp_listeners_resume(struct kp_net *net);

/* Returns whether accepting has paused without a timer that ends the pause (there was no
 * memory for it): then the loop must not sleep. */
bool kp_listeners_need_resume(const struct kp_net *net);

/* For kp_net_clear: closes and frees all of them. */
void kp_listeners_free(struct kp_net *net);

#endif
