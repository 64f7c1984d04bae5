/*
 * conn.h - one connection
 *
 *     state     meaning                                            next
 *     OPEN      reads, delivers messages, takes output             DRAINING, CLOSED
 *     DRAINING  takes no more output; what is queued is written,   CLOSED
 *               then SHUT_WR, then input is discarded until the peer ends (lingering)
 *     CLOSED    on_disconnect, then freed at the end of the step
 *
 * Only conn_set_state in conn.c assigns the state, and there is always a reason.
 */
#ifndef KP_CONN_H
#define KP_CONN_H

#include <sys/uio.h>

#include "address.h"
#include "base/buf.h"
#include "kelpie.h"
#include "net.h"
#include "outbox.h"

struct kp_listener;

enum kp_conn_state { KP_CONN_OPEN, KP_CONN_DRAINING, KP_CONN_CLOSED };

/* Why a connection is not read; it is read when no bit is set. */
enum kp_conn_block {
    KP_BLOCK_FRESH = 1,  /* not announced yet */
    KP_BLOCK_PAUSED = 2, /* the script asked */
    KP_BLOCK_OUTBOX = 4, /* the outbox is, or was, above its soft limit */
    KP_BLOCK_INPUT = 8,  /* held, and enough waits in the input buffer */
    KP_BLOCK_END = 16,   /* the peer has ended */
};

#define KP_CONN_REASON_SIZE 64

/* What is asked for together is together. A broadcast looks at no more of each connection than
 * the first 64 bytes, state to framing.kind; writing its outbox needs what follows, up to the
 * clocks; then comes what input needs, and at last who it is. */
struct kelpie_conn {
    enum kp_conn_state state;
    int error;              /* 0, or the errno that ends it after its messages */
    bool aborted : 1;       /* close with a reset */
    bool announced : 1;     /* on_connect was called: on_disconnect is owed */
    bool told : 1;          /* on_disconnect was called */
    bool input_ended : 1;   /* on_input_end was called */
    bool host_told : 1;     /* of the server: its C handler has seen the disconnect */
    bool host_done : 1;     /* and kept it from the script */
    bool lingering : 1;     /* SHUT_WR is done */
    bool over_mark : 1;     /* outbox has no room until on_drain, which is owed */
    bool finishing : 1;     /* nothing more will be sent: SHUT_WR when all is written */
    bool finished : 1;      /* and that is done */
    bool wants : 1;         /* the next message is let through although it is held */
    bool readable : 1;      /* an event said so, and no recv has found it empty since */
    bool saw_eof : 1;       /* an event had EOF: read until 0, also after a short read */
    bool write_blocked : 1; /* the kernel took no more; KP_WRITE or retry_at_ns goes on */
    bool counted : 1;       /* in the count of its address */
    bool outbound : 1;      /* we have connected it: held, unless it is served */
    bool served : 1;     /* of an outbound one: handlers hear of it, kp_conn_set_served */
    bool turn_over : 1;  /* its handler took long: others have their turn now */
    bool has_once : 1;   /* once is the framing of the next message */
    bool reads_much : 1; /* its last recv has brought more than is read ahead */
    unsigned blocks;     /* enum kp_conn_block */
    struct kp_node dirty; /* in net->dirty, while there is output to write */
    struct kp_outbox outbox;
    struct kp_framing framing;
    struct kp_net *net;
    struct kp_detached *detached; /* instead of a descriptor; see transport.h */
    struct kp_source source;

    /* clocks: 0 means that it does not run */
    uint64_t last_active_ns;
    uint64_t over_soft_since_ns;
    uint64_t idle_timeout_ns;  /* 0: none */
    uint64_t frame_since_ns;   /* first byte of the unfinished message */
    uint64_t closing_since_ns; /* last progress while DRAINING */
    uint64_t retry_at_ns;      /* ENOBUFS: when to write again */
    struct kp_timer timer;     /* one for all of them: the earliest */

    /* input */
    struct kp_node work; /* in fresh, ready, closed or gone; in none while it waits */
    unsigned holds;      /* suspended handlers; messages wait while > 0 */
    uint32_t lingered;   /* bytes discarded while lingering */
    struct kp_buf input; /* what is not yet delivered; empty while idle */
    struct kp_frame_state frame;
    size_t max_message;
    void *own;                    /* of the server: handlers in C of its own, or NULL */
    void *script;                 /* of the script layer; it frees it in on_gone */
    struct kp_listener *listener; /* NULL for adopted ones without a name */
    struct kp_framing once;       /* of the next message only, when has_once */

    /* who it is */
    uint64_t id;
    struct kp_map_node by_id;
    struct kp_node rooms; /* memberships, struct kp_member.of_conn */
    void *user;           /* of kelpie_conn_set_user */
    uint32_t number;
    union kp_peer peer;
    char reason[KP_CONN_REASON_SIZE];
};

/* Returns "open", "draining", "closed". */
const char *kp_conn_state_str(enum kp_conn_state state);

/* Writes who it is, for people: "client #3 127.0.0.1:5312", "connection to 127.0.0.1:80". out
 * has KP_CONN_TEXT_SIZE bytes. */
#define KP_CONN_TEXT_SIZE (KP_ADDRESS_TEXT_SIZE + 32)
void kp_conn_format(char *out, const struct kelpie_conn *conn);

/* Makes a connection of a connected, nonblocking socket (-1: none); announced by kp_conns_announce.
 * Calls     hooks.configure.
 * Returns   0; -ENOMEM; -ENOSPC when max_clients is reached; -EUSERS when max_per_ip is.
 * Takes     fd, unless it fails. */
int kp_conn_open(struct kp_net *net, struct kelpie_conn **out, int fd,
                 const union kp_peer *peer, struct kp_listener *listener) KP_MUST_CHECK;

/* Makes an outbound connection of a connected, nonblocking socket. It is not announced, and
 * held until it is served, so its messages wait to be wanted; at the end of its input it is
 * closed then, and nobody is told.
 * number comes from kp_conns_reserve.
 * Calls     hooks.configure.
 * Returns   0; -ENOMEM.
 * Takes     number, also when it fails; fd, unless it fails. */
int kp_conn_open_outbound(struct kp_net *net, struct kelpie_conn **out, int fd,
                          const union kp_peer *peer, uint32_t number) KP_MUST_CHECK;

/* Says whether handlers hear of an outbound connection. If so, it is as an accepted one from
 * the next deliver phase on: messages that nobody wants, drain and disconnect go to the
 * hooks; never a connect, since who has connected it knows. */
void kp_conn_set_served(struct kelpie_conn *conn, bool served);

/* Queues one message, joined from parts and wrapped in the framing, or bytes as they are.
 * When the hard limit is in the way, what is queued is written first, unless the socket
 * is known to be full. From net->much bytes on they are written at once, if nothing is queued
 * and they do not pass the soft limit: only what the socket does not take is copied.
 * Returns   0; KELPIE_ECLOSED unless OPEN; KELPIE_EFULL, -ENOMEM: nothing was queued;
 *           KELPIE_EPROTO. */
int kp_conn_send(struct kelpie_conn *conn, const struct iovec *parts, int n_parts);
int kp_conn_write(struct kelpie_conn *conn, const struct iovec *parts, int n_parts);

/* Queues a reference to what a chunk, wrapped already, has from start on; its creator keeps
 * its own.
 * Returns   as kp_conn_write. */
int kp_conn_write_chunk(struct kelpie_conn *conn, struct kp_chunk *chunk, size_t start);

/* Nothing more will be sent: when all that is queued is written the peer is told so. It stays
 * OPEN, and messages that come are delivered. */
void kp_conn_finish(struct kelpie_conn *conn);

/* Asks for the end: OPEN becomes DRAINING. The first reason stays. reason is copied. */
void kp_conn_close(struct kelpie_conn *conn, const char *reason);

/* Ends it now: CLOSED, what is queued is dropped and counted; with a reset if asked, and if
 * anything was queued. */
void kp_conn_drop(struct kelpie_conn *conn, const char *reason, bool with_reset);

/* Stop and go on reading (KP_BLOCK_PAUSED). */
void kp_conn_pause(struct kelpie_conn *conn);
void kp_conn_resume(struct kelpie_conn *conn);

/* A handler is suspended: no message is delivered until it is released as often. The
 * release makes the connection ready, or asks on_disconnect again. */
void kp_conn_hold(struct kelpie_conn *conn);
void kp_conn_release(struct kelpie_conn *conn);

/* Lets exactly one message through although the connection is held (receive). The hook
 * gets it from the next kp_conns_deliver, in this step if it is there already; at the end
 * of input on_input_end is called. once may be NULL: the connection's framing, in which
 * what is left at the end of input is cut in any case. */
void kp_conn_want_message(struct kelpie_conn *conn, const struct kp_framing *once);
/* For who asks kp_conn_next_message at once: the same without waking it; wants false: the
 * wish is withdrawn. */
void kp_conn_set_wish(struct kelpie_conn *conn, bool wants,
                      const struct kp_framing *once);
/* The wish is withdrawn (a time-out): what has come is cut in conn's framing again. */
void kp_conn_unwant_message(struct kelpie_conn *conn);

/* Inside hooks.on_message of this connection: goes on to its next message, as if the hook had
 * returned and were called again. So who has the dear part of a call still at hand need not
 * do it anew. Outside of it there is none.
 * Returns   whether there is a message that the connection may get in this turn.
 * Borrows   *message, len bytes, until the hook returns or this is called again. */
bool kp_conn_next_message(struct kelpie_conn *conn, const void **message, size_t *len);

/* Switches the framing at the next byte not yet delivered. */
void kp_conn_set_framing(struct kelpie_conn *conn, const struct kp_framing *framing);

/* A handler of this connection took long: what it has still sent waits for the next step, so
 * that others do not wait for as many handlers as there are messages. */
void kp_conn_end_turn(struct kelpie_conn *conn);

/* Sets the idle limit; 0: none. */
void kp_conn_set_idle_timeout(struct kelpie_conn *conn, uint64_t timeout_ns);

/* For conns.c, after the batch: closes the descriptor (harmless a second time); frees a
 * connection that was told, after hooks.on_gone. */
void kp_conn_close_fd(struct kelpie_conn *conn);
void kp_conn_free(struct kelpie_conn *conn);

static inline bool
kp_conn_is_open(const struct kelpie_conn *conn)
{
    return conn->state == KP_CONN_OPEN;
}

#endif
