/*
 * task.h - a Lua function running in a coroutine of its own, which may suspend
 *
 * Every handler call, timer function and spawned function is a task. A task that ends goes
 * back to the generation's pool with its coroutine. A task suspends by task_wait_* from a C
 * function of a binding; it is resumed by a timer, a message, or an end. Resuming never
 * happens inside another task: whoever wakes a task puts it on gen->ready, except the
 * delivery of a message, which runs it at once because no task runs then.
 */
#ifndef KP_TASK_H
#define KP_TASK_H

#include "generation.h"
#include "net/connect.h"
#include "session.h"

enum kp_wait {
    KP_WAIT_NOTHING, /* idle, running or ready */
    KP_WAIT_SLEEP,   /* kelpie.sleep */
    KP_WAIT_MESSAGE, /* conn:receive */
    KP_WAIT_CONNECT, /* kelpie.connect */
    KP_WAIT_OTHER,   /* something that calls kp_task_wake */
};

/* What a task answers to the call that suspended it. */
enum kp_wake {
    KP_WOKE_OK, /* the call's own result: nothing for sleep, the message for receive */
    KP_WOKE_TIMEOUT,   /* nil, "timed out", "timeout" */
    KP_WOKE_CONNECTED, /* of kelpie.connect: the connection, or nil, message, code */
    KP_WOKE_CLOSED,    /* nil, "connection closed", "closed" */
    KP_WOKE_RETIRED,   /* nil, "generation retired", "retired" */
    KP_WOKE_FAILED,    /* the call raises "not enough memory" */
};

struct kp_task {
    struct kp_generation *gen;
    struct kp_node node; /* in gen->suspended, ready or pool */
    lua_State *co;
    int co_ref;               /* registry reference of co */
    const char *what;         /* "on_message", "timer", "spawn": static, for reports */
    enum kp_handler handler;  /* KP_N_HANDLERS for timers and spawned functions */
    struct kelpie_conn *conn; /* whose handler it is, or NULL; forgotten in on_gone */
    struct kp_node of_conn;   /* in kp_session.tasks of conn, while suspended */
    bool holds;               /* it holds conn (kp_conn_hold) */
    bool exposed;             /* the script has its coroutine: not to be used again */
    bool started;             /* false: on gen->ready for its first run */
    int n_args;               /* on co's stack, before the first run */
    struct kp_call *call; /* what our main function is to call, until it does; or NULL */
    unsigned n_pcalls;    /* protected calls that it is suspended in */

    enum kp_wait wait;
    enum kp_wake woke;
    struct kelpie_conn *waits_for; /* of KP_WAIT_MESSAGE */
    bool is_late;                  /* its limit is over; input was there just then */
    bool has_once;                 /* `once` frames it, or the connection to be */
    struct kp_framing once;
    struct kp_connect *connect; /* of KP_WAIT_CONNECT, and until it is resumed; or NULL */
    size_t max_message;         /* of the connection to be; 0: as configured */
    const char *handlers;       /* their name, in gen->named; NULL: it has none */
    struct kp_timer timer;      /* of sleep, or the limit of receive */
};

#define KP_TASK_MAX      100000 /* a generation's that have not ended, to spawn more */
#define KP_TASK_BYTES    2048   /* at least, with its coroutine and its timer */
#define KP_TASK_FRACTION 2      /* of lua_memory they may have: one in so many */

/* Whether so many tasks have not ended that no function can be spawned: KP_TASK_MAX of them,
 * or fewer when lua_memory is small. Handlers and timers are made in any case. */
bool kp_task_is_full(const struct kp_generation *gen);

/* Takes a task from the pool, or makes one; its coroutine's stack is empty. Runs protected.
 * Raises    when there is no memory. */
struct kp_task *kp_task_new(lua_State *L, struct kp_generation *gen, const char *what);

/* Takes a task from the pool, without Lua.
 * Returns   NULL when the pool is empty. */
struct kp_task *kp_task_reuse(struct kp_generation *gen, const char *what);

/* Starts a task whose function and n_args arguments are on its stack, or resumes one with
 * n_args results: runs it until it ends or suspends, reports an error, returns it to the
 * pool.
 * Returns   0 ended or suspended; KELPIE_ESCRIPT it raised (reported); -ENOMEM. */
int kp_task_run(struct kp_task *task, int n_args);

/* Puts a task with its function and arguments on the stack onto gen->ready. */
void kp_task_start_later(struct kp_task *task, int n_args);

/* Runs the tasks that are ready now, for 20 ms at most; those that become ready meanwhile
 * wait. */
void kp_task_run_ready(struct kp_generation *gen);

/* Ends a suspended or ready task without running it; releases what it holds. Its
 * to-be-closed variables are closed, within a time budget. */
void kp_task_cancel(struct kp_task *task);

/* Cancels all tasks of a generation that will be freed. */
void kp_task_cancel_all(struct kp_generation *gen);

/* task_wait.c */

/* For C functions called by Lua: `return kp_task_sleep(L, ns)` suspends the running task.
 * The results that the Lua code sees are those of enum kp_wake.
 * Raises    outside a task (at load, in migrate), and when a coroutine of the script's own
 *           cannot be suspended through. */
int kp_task_sleep(lua_State *L, uint64_t duration_ns);

/* The same until the next message of conn arrives; timeout_ns KP_NEVER: no limit. once: as
 * kp_conn_want_message. Raises when another task waits for that connection's messages. */
int kp_task_receive(lua_State *L, struct kelpie_conn *conn, const struct kp_framing *once,
                    uint64_t timeout_ns);

/* The same until a connection is there, or is known not to come. wish says what it shall be;
 * it is copied. */
struct kp_connect_wish {
    const char *text; /* as the script wrote it; only while it is being begun */
    struct kp_address address;
    struct kp_host host; /* instead of the address, when it has a name */
    uint64_t timeout_ns;
    bool has_framing;
    struct kp_framing framing;
    size_t max_message;   /* 0: of the handlers table */
    const char *handlers; /* a name in gen->named; NULL: messages wait */
};
int kp_task_connect(lua_State *L, const struct kp_connect_wish *wish);

/* Makes a suspended task ready, with what it shall answer. */
void kp_task_wake(struct kp_task *task, enum kp_wake woke);

/* Hands a message to the task that waits for it and runs it. */
void kp_task_deliver(struct kp_task *task, const void *message, size_t len);

/* Runs a suspended task at once, with what it shall answer. Not inside a handler.
 * Returns   as kp_task_run. */
int kp_task_resume(struct kp_task *task, enum kp_wake woke);

/* For task.c: a new task waits for nothing; a task waits no longer, whatever for. */
void kp_task_init_wait(struct kp_task *task);
void kp_task_stop_waiting(struct kp_task *task);

#endif
