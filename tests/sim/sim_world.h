/*
 * sim_world.h - one simulated run: a server, its kernel, its clients, and what must hold
 *
 * A run is decided by its seed alone. It begins with a server that listens, lets clients and
 * handlers do random things for a while, then lets everything come to rest and looks whether
 * anything is missing.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "fault.h"
#include "kelpie.h"
#include "net/framing.h"
#include "server/server.h"
#include "sim_kernel.h"

enum {
    SIM_ROOMS = 2,
    SIM_TIMERS = 4,
    SIM_MAX_MESSAGE = 300,
    SIM_MAX_VERSIONS = 64,
    SIM_DEVICES = 3
};

/* A message about to be sent to the members of room (NULL: to all). */
struct sim_cast {
    struct kelpie_room *room;
    const kelpie_conn *except;
    const void *message;
    size_t len;
    bool wrapped;
    uint64_t skipped;
    uint32_t addressed; /* a bit for each link that it is for */
};

/* A client, and what is known of its connection. Its index is that of its link. */
struct sim_peer {
    /* the client */
    struct kp_buf unsent;      /* made up, and not sent yet */
    struct kp_framing framing; /* what it believes its messages are framed in */
    unsigned reads;            /* how eagerly it reads, out of 256 */
    bool closed;               /* it has closed, or seen a reset */
    bool saw_end, saw_reset;

    /* from the client to the handlers */
    struct kp_buf sent;   /* all that the kernel has taken from it */
    size_t delivered;     /* of these, bytes in messages that were delivered */
    uint64_t waits_since; /* the step since which a complete message waits; 0: none */
    uint64_t waits_at;    /* `delivered` then */

    /* from the handlers to the client */
    struct kp_buf queued; /* all that a send has taken for it */
    size_t received;      /* of these, bytes the client has read */

    /* the connection */
    uint64_t id; /* 0: no handler has met it */
    bool connected, disconnected;
    char reason[KP_CONN_REASON_SIZE];
    size_t max_message;

    /* as the script knows it */
    struct kp_buf for_script; /* messages the host saw first: size_t len, bytes; ... */
    bool script_connected, script_disconnected;
    uint64_t generation, rollbacks; /* when it handled the last message */
    long long remembered;           /* in conn.data */
};

/* A descriptor of the host that the server watches for it. */
struct sim_device {
    struct sim_world *world;
    int fd; /* -1: none */
};

struct sim_world {
    uint64_t seed;
    struct sim_random random;
    struct sim_kernel kernel;
    struct fault_mem mem;
    bool memory_fails;

    /* handlers in Lua; NULL: those in C */
    const char *script_source;
    char *script; /* the text of its file */
    unsigned version;
    bool is_bad[SIM_MAX_VERSIONS];
    long long kept; /* in kelpie.keep */
    bool is_forked; /* an old version has changed what it remembers */
    struct sim_cast cast;
    char cast_text[SIM_MAX_MESSAGE];

    struct kelpie_options options;
    kelpie *k;
    struct kelpie_room *rooms[SIM_ROOMS];
    struct kelpie_timer *timers[SIM_TIMERS];
    bool repeats[SIM_TIMERS];

    bool has_devices;
    struct sim_device devices[SIM_DEVICES];
    struct sim_peer peers[SIM_MAX_LINKS];
    unsigned depth;    /* handlers on the stack */
    uint64_t steps;    /* done */
    bool is_resting;   /* nobody does anything new */
    bool is_uncertain; /* somebody was closed by a cast: it may have taken it or not */
    bool is_woken;    /* the host has asked for something: the next wait must not sleep */
    bool ended_early; /* it was drained before all came to rest */
    size_t actions;   /* how many the clients may do */
};

/* Runs a seed; script is the source of handlers.lua.
 * Returns   whether all invariants held; kernel.violation says which did not. */
bool sim_run(struct sim_world *world, uint64_t seed, const char *script, bool has_trace);

/* ---- sim_client.c ---- */
void sim_clients_act(struct sim_world *world);
void sim_clients_read_all(struct sim_world *world);
void sim_clients_send_rest(struct sim_world *world);
void sim_clients_leave(struct sim_world *world);
void sim_peer_clear(struct sim_world *world, struct sim_peer *peer);

/* ---- sim_handlers.c: handlers in C, which do random things ---- */
extern const struct kelpie_handlers sim_handlers; /* arg is the world */
void sim_operator_acts(struct sim_world *world);  /* between two steps */
void sim_drop_handles(struct sim_world *world);

/* Makes up a message, at most SIM_MAX_MESSAGE bytes, that conn (or NULL) can send. */
size_t sim_make_message(struct sim_world *world, const kelpie_conn *conn, char *out);

/* ---- sim_devices.c: descriptors that the host watches ---- */
void sim_devices_init(struct sim_world *world);
void sim_devices_act(struct sim_world *world);
void sim_devices_drop(struct sim_world *world);

/* ---- sim_check.c, sim_account.c: what must hold ---- */
#define VIOLATE(...) sim_violate(&world->kernel, __VA_ARGS__)

struct sim_peer *sim_peer_of(struct sim_world *world, const kelpie_conn *conn);
struct sim_link *sim_link_of(struct sim_world *world, const struct sim_peer *peer);
int sim_index_of(const struct sim_world *world, const struct sim_peer *peer);
void sim_check_connect(struct sim_world *world, kelpie_conn *conn);
void sim_check_message(struct sim_world *world, kelpie_conn *conn, const void *message,
                       size_t len);
void sim_check_disconnect(struct sim_world *world, kelpie_conn *conn, const char *reason);

/* A send or write to one connection has returned rc. */
void sim_check_sent(struct sim_world *world, kelpie_conn *conn, const void *message,
                    size_t len, bool wrapped, int rc);

/* A cast is about to be made, and has returned rc. */
void sim_check_before_cast(struct sim_world *world, struct sim_cast *cast);
void sim_check_after_cast(struct sim_world *world, const struct sim_cast *cast, int rc);

/* What the kernel has taken and the outbox holds is what was sent. */
void sim_check_account(struct sim_world *world, struct sim_peer *peer,
                       const kelpie_conn *conn);

/* A client has read. */
void sim_check_received(struct sim_world *world, struct sim_peer *peer,
                        const unsigned char *bytes, size_t len);

/* A step has ended; all has come to rest; the last connection has gone. */
void sim_check_step(struct sim_world *world);
void sim_check_rest(struct sim_world *world);
void sim_check_end(struct sim_world *world);

void sim_append(struct sim_world *world, struct kp_buf *buf, const void *bytes,
                size_t len);

#endif
