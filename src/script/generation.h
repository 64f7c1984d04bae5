/*
 * generation.h - one loaded version of the scripts: one lua_State and what C knows of it
 *
 * kp_generation_enter is the only way from C into Lua. Handlers never run on the main thread
 * of the state, they run in tasks (task.h).
 */
#ifndef KP_GENERATION_H
#define KP_GENERATION_H

#include <lauxlib.h>
#include <lua.h>

#include "collector.h"
#include "content.h"
#include "handlers.h"
#include "pool.h"
#include "script.h"
#include "watchdog.h"

enum kp_phase {
    KP_STAGING,  /* its main chunk runs: side effects are errors */
    KP_SERVING,  /* live */
    KP_RETIRING, /* gets no events: finishes suspended handlers, or is kept warm */
};

struct kp_task;
struct kp_carry;

/* Types of userdata: bind.h. */
enum kp_lua_kind {
    KP_LUA_CONN,
    KP_LUA_ROOM,
    KP_LUA_TIMER,
    KP_N_LUA_KINDS,
};

struct kp_generation {
    struct kp_script *script;
    lua_State *L; /* its extra space holds the generation: kp_generation_of */
    uint64_t number;
    enum kp_phase phase;
    struct kp_pool blocks; /* of L */
    size_t lua_bytes;      /* allocated by L */
    uint64_t n_refused;    /* blocks for which there was no room under the cap */
    struct kp_collector collector;
    bool memory_reserve;       /* the cap is lifted a little, to report an error */
    bool has_no_cap;           /* it holds its data twice for a moment: giveback.c */
    struct kp_content content; /* what it was loaded from */
    struct kp_watchdog watchdog;

    struct kp_handlers handlers; /* of the main table */
    struct kp_handlers *named;   /* of handlers.listeners, n_named of them */
    size_t n_named;
    struct kp_handlers no_handlers; /* of an outbound connection that asks for none */
    lua_Integer schema;             /* handlers.schema; 0 without */

    /* Addresses of the metatables of our userdata, to know them by; and that of the handle which
     * the running handler was called with, or has received from: it is there meanwhile, and
     * needs no look. lua_type.c */
    const void *metatables[KP_N_LUA_KINDS];
    const void *own_handle; /* NULL: none */

    /* Registry references of tables (luaL_ref). */
    int conns_ref;   /* [conn.number + 1] = handle of that connection */
    int rooms_ref;   /* [name] = handle, weak values */
    int keeps_ref;   /* [name] = kept root */
    int classes_ref; /* [name] = metatable, [metatable] = name */
    int timers_ref;  /* [1 .. n_anchors] = timer userdata, while it is started */
    int files_ref;   /* [path] = true of every file that was loaded */

    struct kp_node suspended; /* kp_task.node: waiting for something */
    struct kp_node ready;     /* kp_task.node: to be started or resumed in this step */
    struct kp_node pool;      /* kp_task.node: idle, with their coroutine */
    struct kp_node made;      /* kp_task.node: taken from the pool, being filled */
    size_t n_pool;
    size_t n_tasks;          /* that have not ended: all but those of the pool */
    struct kp_task *current; /* the task that runs, or NULL */
    struct kp_node timers;   /* timers of scripts that are started: lua_timer.c */
    lua_Integer n_anchors;   /* in the table of timers_ref */
    bool overdue;            /* its time is over: who suspends is cancelled */
    const void *message;     /* what the running handler was called with, or NULL */
    size_t message_len;

    /* Kept by the coroutine library. */
    unsigned n_blocked;   /* running coroutines that cannot be suspended through */
    unsigned close_depth; /* coroutine.close within coroutine.close */
    unsigned n_pcalls; /* of the running coroutine: protected calls within each other */
    int n_pcalls_ref;  /* [coroutine] = n_pcalls, of those suspended in one; LUA_NOREF */

    /* While on_load runs: the generation whose named timers it may take over; or NULL. */
    struct kp_generation *predecessor;

    /* While loading: where kept values come from; NULL for the first generation. */
    struct kp_carry *carry;

    /* Calls of handlers, timers and spawned functions, and those that raised or were killed.
     * on_error is not counted: its calls are the echo of others. */
    uint64_t calls, errors;
    char first_error[256]; /* one line; "" without errors */
};

/* Makes a state with the sandbox, the kelpie module and the preloads, and no script.
 * Returns   0; -ENOMEM, KELPIE_ESCRIPT with script->error.
 * Gives     *out, for kp_generation_free. */
int kp_generation_new(struct kp_script *script, struct kp_generation **out,
                      uint64_t number) KP_MUST_CHECK;

/* Cancels tasks and timers, invalidates handles, closes the state. gen may be NULL. Tasks
 * that held a connection release it. */
void kp_generation_free(struct kp_generation *gen);

/* Calls fn(L) in protected mode with `arg` as light userdata at index 1, within a time
 * budget (0: none). What fn returns is dropped.
 * Returns   0; -ENOMEM; KELPIE_ESCRIPT: script->error is "message", the traceback's lines
 *           follow it after newlines. */
int kp_generation_enter(struct kp_generation *gen, lua_CFunction fn, void *arg,
                        uint64_t budget_ns) KP_MUST_CHECK;

/* Makes a table and a registry reference to it. mode is as __mode, for weak tables, or NULL.
 * Raises    when there is no memory. */
void kp_generation_make_table(lua_State *L, int *ref, const char *mode);

/* Returns the generation that owns a state or any of its coroutines. */
struct kp_generation *kp_generation_of(lua_State *L);

/* Raises "NAME: not allowed while loading; ..." when the generation is being staged. */
void kp_generation_check_serving(lua_State *L, const char *name);

/* Returns the handlers of that name in handlers.listeners, or NULL. */
struct kp_handlers *kp_generation_named(struct kp_generation *gen, const char *name);

/* Returns the handlers for a connection (NULL: none): those of its listener's name, or the
 * main ones; for an outbound one those of its own name, or gen->no_handlers. */
struct kp_handlers *kp_generation_handlers(struct kp_generation *gen,
                                           const struct kelpie_conn *conn);

/* generation_call.c */

/* Calls a handler in a pooled coroutine; a handler that is absent counts as success. conn is
 * NULL for those without one. The arguments after conn: text (len bytes; NULL: none).
 * If the handler suspends, the connection is held until it has ended. on_message is called
 * for the messages that follow, too, as long as hooks.next_message has one; text and result are
 * those of the first, and of the last.
 * Returns   0, also when it was suspended; KELPIE_ESCRIPT when it raised (reported);
 *           -ENOMEM. */
int kp_generation_call(struct kp_generation *gen, enum kp_handler handler,
                       struct kelpie_conn *conn, const void *text, size_t len);

/* Inside a task that handles a message of conn: goes on to the next one if it has come
 * together with that, as if the task had ended or been suspended, and been called anew. The
 * next one has a budget of its own. After a handler that was slow there is none.
 * Returns   whether there is one.
 * Borrows   *message, len bytes, as kp_conn_next_message. */
bool kp_generation_next_message(lua_State *L, struct kelpie_conn *conn,
                                const void **message, size_t *len);

/* Calls on_error(conn, message, traceback) of the connection's handlers, else of the main
 * ones; conn NULL is nil.
 * Returns   as kp_generation_call. */
int kp_generation_call_on_error(struct kp_generation *gen, struct kelpie_conn *conn,
                                const char *message, const char *traceback);

#endif
