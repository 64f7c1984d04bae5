/*
 * net.h - what the connections of one server share
 *
 * The net knows bytes, messages and sockets; it does not know Lua. What happens on connect,
 * message and disconnect is told to the layer above through struct kp_net_hooks.
 */
#ifndef KP_NET_H
#define KP_NET_H

#include "base/env.h"
#include "base/list.h"
#include "base/map.h"
#include "base/numbers.h"
#include "event/loop.h"
#include "event/timer.h"
#include "frame.h"

struct kelpie_conn;
struct kp_delivery;
struct kelpie_transport;

/* Numbers of outbound connections have this bit, and a place in net->outbound; they are not
 * numbers of clients. */
#define KP_OUTBOUND_NUMBER (UINT32_C(1) << 31)

/* The limits of struct kelpie_options, with defaults filled in. Times: 0 is no limit. */
struct kp_net_limits {
    uint32_t max_clients;
    uint32_t max_per_ip; /* 0: none */
    uint32_t max_outbound;
    size_t max_message;
    size_t max_outbox, soft_outbox, max_outbox_total;
    uint64_t idle_timeout_ns, frame_timeout_ns, half_close_timeout_ns, slow_reader_ns;
    int fastopen;
    const char *refused_text; /* owned by the server */
};

/* Called by the net, from kp_conn_open (configure) and from the phases of a step (conns.h),
 * never from within a kp_conn_* function that a hook may call: no hook runs inside a hook.
 * Inside a hook every kp_conn_* function may be called on any connection; nothing is freed
 * before kp_conns_reap. on_gone may call none. */
struct kp_net_hooks {
    void *arg;
    /* A connection was accepted or adopted: choose framing and max_message. */
    void (*configure)(void *arg, struct kelpie_conn *conn);
    /* It is announced. */
    void (*on_connect)(void *arg, struct kelpie_conn *conn);
    /* A message; valid until the hook returns, or asks for the next one itself with
     * kp_conn_next_message. */
    void (*on_message)(void *arg, struct kelpie_conn *conn, const void *message,
                       size_t len);
    /* The peer has ended and every message was delivered, but the connection is held (a
     * handler is suspended): who waits for a message need not wait any more. Once, and
     * once more for each kp_conn_want_message that comes after it. */
    void (*on_input_end)(void *arg, struct kelpie_conn *conn);
    /* The outbox had passed half of soft_outbox, or was full, and is empty again. */
    void (*on_drain)(void *arg, struct kelpie_conn *conn);
    /* For each connection that is to be opened, before a socket is: see kelpie_options.connect.
     * NULL: all become sockets. */
    int (*dial)(void *arg, const char *address, struct kelpie_transport *out,
                void **transport_arg);
    void *dial_arg;
    /* It is CLOSED. Returns whether it was told; if not (a handler is suspended), it is
     * asked again after kp_conn_release. Told at most once. */
    bool (*on_disconnect)(void *arg, struct kelpie_conn *conn, const char *reason);
    /* Last chance to forget the pointer. */
    void (*on_gone)(void *arg, struct kelpie_conn *conn);
};

#define KP_NET_SCRATCH_SIZE                                                              \
 65536 /* one recv; measured best for 1 KiB to 64 KiB messages */

/* So many bytes are much for one connection: they are not kept until the end of the step. A
 * write of half as many costs nearly as much. */
#define KP_NET_MUCH 16384

/* How long phases of a step that may run many handlers go on, before others are served. */
#define KP_NET_SHARE_NS (20 * KP_NS_PER_MS)

struct kp_net {
    struct kp_env *env;
    struct kp_loop *loop;
    struct kp_timers *timers;
    struct kp_net_limits limits;
    struct kp_net_hooks hooks;

    struct kp_node listeners; /* kp_listener.node */
    bool accept_paused;       /* no descriptor is free: all listeners wait */
    struct kp_timer accept_retry;
    int spare_fd; /* /dev/null, given up to refuse a client politely; -1 when lent */
    uint64_t refusal_logged_ns; /* last "out of descriptors" record */

    struct kp_map by_id;            /* connections */
    struct kelpie_conn **by_number; /* by_number[n]: connection, or NULL */
    size_t by_number_capacity;
    struct kp_numbers numbers;
    struct kp_outbound {
        struct kelpie_conn **at; /* [number & ~KP_OUTBOUND_NUMBER], or NULL */
        size_t capacity;
        struct kp_numbers numbers; /* also of those that are being connected */
        size_t count;              /* of connections */
        struct kp_node connects;   /* struct kp_connect.node */
        struct kp_node lookups;    /* struct kp_name_job, private to connect.c */
        int n_lookups;
        bool is_closed; /* the server drains: no more of them */
    } outbound;
    uint64_t last_id;
    struct kp_map by_ip; /* struct kp_ip_count, private to ip_limit.c */

    /* Connections that need something before the end of the step; see conns.h. */
    struct kp_node fresh;  /* to be announced */
    struct kp_node ready;  /* have input to deliver or to read */
    struct kp_node dirty;  /* have output to write */
    struct kp_node closed; /* on_disconnect is to be asked */
    struct kp_node gone;   /* asked: the descriptor is closed; freed as well if told */

    /* What was cast last in this step, to be continued: see cast.c. */
    struct kp_burst {
        const void *to;            /* whom; NULL: nobody yet */
        struct kp_framing framing; /* of messages */
        bool wrap;
        struct kp_chunk *chunk; /* a reference, until kp_cast_settle; or NULL */
        size_t len, n_casts;    /* what was cast to them, and how often */
        size_t expected;        /* what it came to the last time, if it was several */
    } burst;

    /* A handler of this step, or of the one before until this one has begun, took long: what
     * is left waits, so that the answers that are queued go out. Set by the script layer. */
    bool is_late;
    struct kp_delivery *delivery; /* while on_message runs; private to conn_deliver.c */

    bool in_host; /* a function of struct kelpie_transport is on the stack */

    struct kp_map rooms;
    size_t n_rooms;
    size_t room_bytes;   /* of all rooms and memberships */
    size_t outbox_total; /* bytes in all outboxes */
    size_t much;         /* KP_NET_MUCH */
    unsigned char
        *scratch; /* KP_NET_SCRATCH_SIZE; the input of the connection being read */
    unsigned char *ahead; /* KP_AHEAD_MAX times KP_AHEAD_SIZE: conn_read.h */

    struct kp_net_counters {
        uint64_t accepted, refused, closed;
        uint64_t messages_in, bytes_in, messages_out, bytes_out;
        uint64_t dropped_bytes, partial_at_eof, slow_readers, broadcast_skipped;
        uint64_t accept_pauses;
        uint64_t refused_clients, refused_per_ip;
        uint64_t idle_timeouts, frame_timeouts, too_long, protocol_errors;
        uint64_t outbox_full, script_killed, spawn_full, outbound_full;
    } counters;
};

/* Sets up a net without listeners.
 * Returns   0; -ENOMEM, or an errno of opening the spare descriptor or the random source. */
int kp_net_init(struct kp_net *net, struct kp_env *env, struct kp_loop *loop,
                struct kp_timers *timers, const struct kp_net_limits *limits,
                const struct kp_net_hooks *hooks) KP_MUST_CHECK;

/* Returns whether a phase that runs handlers, and began then, has gone on for its share. */
bool kp_net_share_is_over(const struct kp_net *net, uint64_t began_ns);

/* Closes listeners and connections; every connection is told "shutdown" and freed. */
void kp_net_clear(struct kp_net *net);

#endif
