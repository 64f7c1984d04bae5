/*
 * script.h - the scripts of one server: which generation serves, and what reaches it
 *
 * The face of this layer for the server above. Connections, rooms and timers live in the
 * layers below and are used from here directly; what only the server can do is asked for
 * through struct kp_script_hooks.
 */
#ifndef KP_SCRIPT_H
#define KP_SCRIPT_H

#include "content.h"
#include "footprint.h"
#include "guard.h"
#include "net/conn.h"

struct kp_generation;
struct kp_source_text;

struct kp_script_limits {
    uint64_t handler_timeout_ns, load_timeout_ns, retire_timeout_ns; /* 0: none */
    uint64_t probation_ns;  /* how long a generation is kept for a roll-back; 0: not */
    bool rolls_back_itself; /* when the new one is worse; else only when asked */
    size_t lua_memory;
    unsigned allow;                       /* enum kp_allow */
    int watchdog_signal;                  /* 0: none, the watchdog polls */
    void (*on_watchdog)(void *stuck_arg); /* on its thread, at first; or NULL */
    kp_guard_stuck_fn *on_stuck;
    void *stuck_arg;
};

enum kp_allow {
    KP_ALLOW_IO = 1,
    KP_ALLOW_OS = 2,
    KP_ALLOW_DEBUG = 4,
    KP_ALLOW_CMODULES = 8,
};

struct kp_script_hooks {
    void *arg;
    void (*reload)(void *arg);   /* kelpie.reload() */
    void (*shutdown)(void *arg); /* kelpie.shutdown() */
    void (*stats)(void *arg, struct kelpie_stats *stats);
    /* In on_message, when its handler has returned: goes on to the next message that Lua is to
     * have (kp_conn_next_message). False: leave. */
    bool (*next_message)(void *arg, struct kelpie_conn *conn, const void **message,
                         size_t *len);
    kelpie_print_fn *print; /* with its own arg; NULL: to the log */
    void *print_arg;
};

/* A module that every generation can require. */
struct kp_preload {
    struct kp_node node;
    int (*open)(struct lua_State *L);
    char *name;
};

#define KP_ERROR_SIZE  2048 /* of a sentence for the operator, with NUL */
#define KP_REPORT_SIZE 8192 /* of the report of a reload, with NUL */

struct kp_script {
    struct kp_env *env;
    struct kp_net *net;
    struct kp_timers *timers; /* the net's; they outlive it */
    struct kp_script_limits limits;
    struct kp_script_hooks hooks;
    void *server; /* the kelpie object, for C modules of the host */
    struct kp_guard guard;

    struct kp_node preloads;
    char *path; /* of the main script; NULL: none, or loaded from memory */
    char *text; /* of kelpie_load_string; NULL: from path */
    size_t text_len;
    char *chunk_name; /* of text */

    struct kp_generation *live;     /* receives events; NULL before the first load */
    struct kp_generation *retiring; /* finishes what was suspended; at most one */
    struct kp_generation
        *previous;            /* kept warm for a roll-back; it may be `retiring` too */
    uint64_t last_generation; /* numbers are not reused, not even of rejected ones */
    struct kp_timer retire_timer;
    struct kp_timer probation_timer; /* runs while `previous` is kept in any case */
    bool roll_back_failed;           /* of itself; not tried again in this probation */
    struct kp_content rolled_back;   /* what the generation rolled back from was */
    struct kp_footprint footprint;   /* the files that the last load has looked at */

    /* What dispatch needs to know quickly. */
    bool in_call;                /* a handler is running: no other may start */
    char error[KP_ERROR_SIZE];   /* of the last load, call, reload that failed */
    char report[KP_REPORT_SIZE]; /* of the last reload, dry run, roll-back, good or bad */

    uint64_t handler_errors, handler_kills, reloads, reloads_rejected, rollbacks;
};

int kp_script_init(struct kp_script *script, struct kp_net *net,
                   const struct kp_script_limits *limits,
                   const struct kp_script_hooks *hooks, void *server) KP_MUST_CHECK;

/* Closes all generations. The net's connections must be gone. */
void kp_script_clear(struct kp_script *script);

int kp_script_preload(struct kp_script *script, const char *name,
                      int (*open)(struct lua_State *L)) KP_MUST_CHECK;

/* What the net tells, passed on to the right generation: the live one, or the one in which a
 * handler of this connection is suspended. All of them do nothing without a generation. */
void kp_script_configure(struct kp_script *script, struct kelpie_conn *conn);
/* Gives an outbound connection the handlers of that name, in this generation and those that
 * follow; in one that has none its messages wait until they are received.
 * Returns   0; -ENOMEM. */
int kp_script_serve(struct kp_script *script, struct kelpie_conn *conn,
                    const char *name) KP_MUST_CHECK;
void kp_script_on_connect(struct kp_script *script, struct kelpie_conn *conn);
void kp_script_on_message(struct kp_script *script, struct kelpie_conn *conn,
                          const void *message, size_t len);
void kp_script_on_input_end(struct kp_script *script, struct kelpie_conn *conn);
void kp_script_on_drain(struct kp_script *script, struct kelpie_conn *conn);
/* Returns whether it was told (as kp_net_hooks.on_disconnect). */
bool kp_script_on_disconnect(struct kp_script *script, struct kelpie_conn *conn,
                             const char *reason);
/* Forgets the connection: handles of all generations become those of a gone one. */
void kp_script_on_gone(struct kp_script *script, struct kelpie_conn *conn);

/* What the server tells. on_input: 0, KELPIE_ESCRIPT. */
int kp_script_on_input(struct kp_script *script, const void *line, size_t len);
void kp_script_on_shutdown(struct kp_script *script);

/* A phase of the step: starts spawned functions and resumes those that are ready. */
void kp_script_run_ready(struct kp_script *script);
/* A phase of the step: ends the retiring generation when nothing of it is suspended. */
void kp_script_retire(struct kp_script *script);
bool kp_script_has_work(const struct kp_script *script);
/* The server ends: cancels what is suspended, and from now on who suspends. Connections are
 * released, so that their on_disconnect can be called. Not inside a handler. */
void kp_script_end_tasks(struct kp_script *script);

/* Returns the bytes that all generations hold. */
size_t kp_script_lua_bytes(const struct kp_script *script);

#endif
