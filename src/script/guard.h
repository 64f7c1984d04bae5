/*
 * guard.h - the thread that notices when a server's thread is late in Lua
 *
 * One guard a server, in signal mode only: without it, or when no thread could be made, the
 * watchdog polls the clock itself (watchdog.h). What the server's thread does for it while
 * nothing is late is two stores a call and two a step.
 */
#ifndef KP_GUARD_H
#define KP_GUARD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/sys.h"

struct kp_watchdog;

#define KP_GUARD_TICK_NS  (10 * KP_NS_PER_MS) /* between two looks */
#define KP_GUARD_SLOW_NS  (20 * KP_NS_PER_MS) /* worth a warning */
#define KP_GUARD_STUCK_NS (2 * KP_NS_PER_S)   /* from the first kill to the last resort */

/* Called once for a call that has not ended KP_GUARD_STUCK_NS after it was killed, on the
 * guard's thread. what: "on_message", "a call" when it never came to the signal; place: "FILE:LINE" where it was seen to be slow, "" when
 * it was in C. */
typedef void kp_guard_stuck_fn(void *arg, const char *what, const char *place);

struct kp_guard {
    struct kp_sys *sys;
    int signal;                        /* 0: there is no guard, the watchdog polls */
    void (*on_start)(void *stuck_arg); /* called first on the guard's thread; or NULL */
    kp_guard_stuck_fn *on_stuck;
    void *stuck_arg;

    /* Written by the server's thread. */
    _Atomic uint64_t shift; /* odd: the thread may run Lua; goes up by one each time */
    _Atomic uint64_t call;  /* number of the running call; 0: none */
    _Atomic uint64_t budget_ns;             /* of that call */
    _Atomic(struct kp_watchdog *) watchdog; /* of that call's generation */
    uint64_t last_call;
    bool is_in_step;
    _Atomic(const char *) what; /* what the slow call is: "on_message" */
    struct kp_guard *outer; /* of the server in whose handler this one runs, or NULL */

    /* Written by the guard's thread. */
    _Atomic uint64_t slow_call;  /* the call that is worth a warning */
    _Atomic uint64_t late_call;  /* the call that is to end */
    _Atomic uint64_t elapsed_ns; /* of the slow call, when it was last looked at */
    atomic_bool is_asleep;       /* until somebody wakes it */
    atomic_bool is_striking;     /* about to send the signal */

    /* The guard's own. */
    uint64_t seen_call, seen_ns; /* the running call, and when it was first seen */
    uint64_t seen_cpu_ns;        /* what the server's thread had used then, or KP_NEVER */
    uint64_t told_call;          /* the last one that got the signal */
    uint64_t late_ns;            /* when it was first found late; 0: it was not */
    bool is_given_up;            /* on_stuck was called for it */

    pthread_mutex_t lock; /* of what follows, and of falling asleep */
    pthread_cond_t woken;
    bool is_ending;
    bool has_server;
    pthread_t server; /* the thread that runs the server, if has_server */
    char place[96];   /* where the slow call was seen; "" */
    bool has_thread;
    pthread_t thread; /* its own */
};

/* Makes a guard that is none yet. */
void kp_guard_init(struct kp_guard *guard, struct kp_sys *sys);

/* Ends the thread, if there is one. The server runs no Lua any more. */
void kp_guard_clear(struct kp_guard *guard);

/* From now on generations are made for signal mode; installs the handler.
 * Returns   0; -EBUSY when the host has a handler for that signal, -EINVAL. */
int kp_guard_use_signal(struct kp_guard *guard, int signal) KP_MUST_CHECK;

/* Starts the thread.
 * Returns   0; errno of pthread_create(3): then the guard is none again. */
int kp_guard_start(struct kp_guard *guard) KP_MUST_CHECK;

/* A step of the server begins, ends: its calls are one shift. Outside of a step each call is
 * one. A step without calls costs nothing. */
void kp_guard_begin_step(struct kp_guard *guard);
void kp_guard_end_step(struct kp_guard *guard);

/* A call begins, ends. Between them another one may begin and end: it stands for both. */
struct kp_guard_call {
    struct kp_watchdog *outer; /* whose call this one interrupts, or NULL */
    uint64_t outer_call, outer_budget_ns;
    bool ends_shift; /* it began one, outside of a step */
};

void kp_guard_begin_call(struct kp_guard *guard, struct kp_guard_call *call,
                         struct kp_watchdog *watchdog, uint64_t budget_ns);
void kp_guard_end_call(struct kp_guard *guard, const struct kp_guard_call *call);

/* The running call is over, and another one may follow, which kp_guard_restart_call begins. */
void kp_guard_pause_call(struct kp_guard *guard);

/* The running call begins anew, or the next one, with another budget. */
void kp_guard_restart_call(struct kp_guard *guard, uint64_t budget_ns);

/* Notes where the slow call is, for on_stuck. Cut to fit.
 * Threads   that of the call. */
void kp_guard_set_place(struct kp_guard *guard, const char *place);

/* Looks at the running call at the time now_ns, and sends the signal if there is a reason.
 * Threads   the guard's; or a test's, when there is none. */
void kp_guard_look(struct kp_guard *guard, uint64_t now_ns);

#endif
