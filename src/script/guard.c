/*
 * guard.c - the thread that notices when a server's thread is late in Lua
 *
 * A hook that is always on costs a third of the speed, and reading the clock in each call
 * costs too. So the server's thread only says that it is in Lua, by a number that is another
 * one for each call, and a thread beside it looks every 10 ms whether it is still the same:
 *
 *     since the guard first saw this number     it
 *     20 ms                                     sends the signal, once: the call is slow
 *     the call's budget                         sends the signal, every 10 ms until it ended
 *     2 s more                                  calls on_stuck, once
 *
 * Time is that of the wall, which all others wait for. On a machine with too much to do it
 * passes without the call's doing: so the first two count only if the thread has used half of
 * them on a processor, or when five times as much is over, for a call that waits in the
 * kernel. The thread's clock is read at the first look and when the call seems late, never by
 * a call; a system without one goes by the wall alone.
 *
 * A signal handler on the server's thread then arms the hook, which Lua allows (lua_sethook in
 * Lua's ldebug.c); from another thread that is not allowed. The handler looks whether the
 * number that is late is the one that runs, so a signal that comes late, to another server or
 * to another thread does nothing. A call may take up to two ticks longer than its budget,
 * never less.
 *
 * While no Lua runs the guard sleeps for good. Two orders matter, and both are of the kind "I
 * write mine, then I read yours", where at least one of the two must see what the other one
 * wrote. They need sequentially consistent accesses; once a shift, not once a call:
 *
 *     to fall asleep    guard: is_asleep = true, reads shift
 *                       server: shift = odd, reads is_asleep, wakes it
 *     to strike         guard: is_striking = true, reads shift, sends the signal
 *                       server: shift = even, reads is_striking, waits for it
 *
 * The second one is why a server may move to another thread between two steps and the old
 * thread may end: no signal is sent to a thread after its shift. The stores of a call need no
 * order among threads but release: seen a microsecond late they cost a microsecond.
 *
 * A shift is a step that runs Lua, from its first call on, or a call outside of a step.
 *
 * `here` is the one mutable variable of the library that belongs to no server: a signal
 * handler gets no argument. It is the thread's own, the guard whose shift it is; a server that
 * runs within a handler of another one is in front of it for that time.
 *
 * See       POSIX.1-2017 sigaction, pthread_kill; Lua 5.4 manual, 4.7
 */
#include "guard.h"

#include <lua.h>
#include <stdio.h>
#include <string.h>

#include "base/thread.h"
#include "watchdog.h"

#define PATIENCE 5 /* so many times its limit a call may wait for a processor */

static KP_SIGNAL_SAFE_LOCAL _Atomic(struct kp_guard *) here;

static struct kp_guard *
get_here(void)
{
    return atomic_load_explicit(&here, memory_order_relaxed);
}

static void
set_here(struct kp_guard *guard)
{
    atomic_store_explicit(&here, guard, memory_order_relaxed);
}

/* --- on the server's thread, in the signal handler ---------------------------------------- */

/* Reads and writes what belongs to this very thread, and atomics. */
static void
obey(struct kp_guard *guard)
{
    uint64_t call = atomic_load_explicit(&guard->call, memory_order_relaxed);
    struct kp_watchdog *watchdog =
        atomic_load_explicit(&guard->watchdog, memory_order_relaxed);

    if (call == 0)
        return;
    bool is_late = atomic_load(&guard->late_call) == call;
    if (is_late || atomic_load(&guard->slow_call) == call)
        kp_watchdog_arm(watchdog, is_late);
}

static void
on_signal(int signal)
{
    (void)signal;
    for (struct kp_guard *guard = get_here(); guard; guard = guard->outer)
        obey(guard);
}

/* --- on the server's thread ---------------------------------------------------------------- */

static void
wake(struct kp_guard *guard)
{
    pthread_mutex_lock(&guard->lock);
    atomic_store(&guard->is_asleep, false);
    pthread_cond_signal(&guard->woken);
    pthread_mutex_unlock(&guard->lock);
}

/* Tells the guard whom to signal from now on. */
static void
move_here(struct kp_guard *guard)
{
    kp_thread_unblock(guard->signal);
    pthread_mutex_lock(&guard->lock);
    guard->has_server = true;
    guard->server = pthread_self();
    pthread_mutex_unlock(&guard->lock);
}

static bool
is_on_duty(const struct kp_guard *guard)
{
    return atomic_load_explicit(&guard->shift, memory_order_relaxed) % 2 != 0;
}

static void
begin_shift(struct kp_guard *guard)
{
    guard->outer = get_here();
    set_here(guard);
    if (!guard->has_server || !pthread_equal(guard->server, pthread_self()))
        move_here(guard);
    atomic_fetch_add(&guard->shift, 1);
    if (atomic_load(&guard->is_asleep))
        wake(guard);
}

static void
end_shift(struct kp_guard *guard)
{
    atomic_fetch_add(&guard->shift, 1);
    if (atomic_load(&guard->is_striking)) { /* it holds the lock meanwhile */
        pthread_mutex_lock(&guard->lock);
        pthread_mutex_unlock(&guard->lock);
    }
    set_here(guard->outer);
}

void
kp_guard_begin_step(struct kp_guard *guard)
{
    guard->is_in_step = true;
}

void
kp_guard_end_step(struct kp_guard *guard)
{
    guard->is_in_step = false;
    if (is_on_duty(guard))
        end_shift(guard);
}

void
kp_guard_begin_call(struct kp_guard *guard, struct kp_guard_call *call,
                    struct kp_watchdog *watchdog, uint64_t budget_ns)
{
    bool begins_shift = !is_on_duty(guard);

    if (begins_shift)
        begin_shift(guard);
    call->ends_shift = begins_shift && !guard->is_in_step;
    call->outer = atomic_load_explicit(&guard->watchdog, memory_order_relaxed);
    call->outer_call = atomic_load_explicit(&guard->call, memory_order_relaxed);
    call->outer_budget_ns = atomic_load_explicit(&guard->budget_ns, memory_order_relaxed);
    if (call->outer_call != 0)
        atomic_store_explicit(&guard->call, 0, memory_order_relaxed);
    atomic_store_explicit(&guard->watchdog, watchdog, memory_order_relaxed);
    atomic_store_explicit(&guard->budget_ns, budget_ns, memory_order_release);
    atomic_store_explicit(&guard->call, ++guard->last_call, memory_order_release);
}

/* What the signal handler has written is read after this. */
void
kp_guard_pause_call(struct kp_guard *guard)
{
    atomic_store_explicit(&guard->call, 0, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}

void
kp_guard_restart_call(struct kp_guard *guard, uint64_t budget_ns)
{
    atomic_store_explicit(&guard->call, 0, memory_order_relaxed);
    atomic_store_explicit(&guard->budget_ns, budget_ns, memory_order_release);
    atomic_store_explicit(&guard->call, ++guard->last_call, memory_order_release);
}

void
kp_guard_end_call(struct kp_guard *guard, const struct kp_guard_call *call)
{
    atomic_store_explicit(&guard->call, 0, memory_order_release);
    if (call->outer_call != 0) {
        atomic_store_explicit(&guard->watchdog, call->outer, memory_order_relaxed);
        atomic_store_explicit(&guard->budget_ns, call->outer_budget_ns,
                              memory_order_release);
        atomic_store_explicit(&guard->call, call->outer_call, memory_order_release);
    }
    if (call->ends_shift)
        end_shift(guard);
}

void
kp_guard_set_place(struct kp_guard *guard, const char *place)
{
    pthread_mutex_lock(&guard->lock);
    snprintf(guard->place, sizeof guard->place, "%s", place);
    pthread_mutex_unlock(&guard->lock);
}

/* --- on the guard's thread ------------------------------------------------------------------ */

/* Holds the server's thread back at the end of its shift, so that it lives: see above.
 * Returns   whether the call still runs. */
static bool
hold_back(struct kp_guard *guard, uint64_t call)
{
    pthread_mutex_lock(&guard->lock);
    atomic_store(&guard->is_striking, true);
    return is_on_duty(guard) && atomic_load(&guard->call) == call;
}

static void
let_go(struct kp_guard *guard)
{
    atomic_store(&guard->is_striking, false);
    pthread_mutex_unlock(&guard->lock);
}

/* Sends the signal, unless the call has ended. */
static void
strike(struct kp_guard *guard, uint64_t call, bool is_first)
{
    bool runs = hold_back(guard, call);

    if (is_first) { /* of an earlier call */
        guard->place[0] = '\0';
        atomic_store(&guard->what, NULL);
    }
    if (runs)
        (void)pthread_kill(guard->server, guard->signal);
    let_go(guard);
}

/* Reads what the server's thread has used so far, KP_NEVER when nobody knows.
 * Returns   whether the call still runs; if not, nothing was read. */
static bool
read_cpu(struct kp_guard *guard, uint64_t call, uint64_t *out_ns)
{
    bool runs = hold_back(guard, call);

    if (runs)
        *out_ns = kp_sys_cpu_ns(guard->sys, guard->server);
    let_go(guard);
    return runs;
}

/* The signal has not ended the call: it does not come back from C. */
static void
give_up(struct kp_guard *guard)
{
    char place[sizeof guard->place];
    const char *what = atomic_load(&guard->what);

    guard->is_given_up = true;
    pthread_mutex_lock(&guard->lock);
    memcpy(place, guard->place, sizeof place);
    pthread_mutex_unlock(&guard->lock);
    if (guard->on_stuck)
        guard->on_stuck(guard->stuck_arg, what ? what : "a call", place);
}

/* A call that was not there at the last look. */
static void
first_look(struct kp_guard *guard, uint64_t call, uint64_t now_ns)
{
    bool runs = call != 0 && read_cpu(guard, call, &guard->seen_cpu_ns);

    guard->seen_call = runs ? call : 0;
    guard->seen_ns = now_ns;
    guard->late_ns = 0;
    guard->is_given_up = false;
}

static bool
is_over(uint64_t elapsed_ns, uint64_t used_ns, uint64_t limit_ns)
{
    return elapsed_ns >= limit_ns &&
           (used_ns >= limit_ns / 2 || elapsed_ns / PATIENCE >= limit_ns);
}

void
kp_guard_look(struct kp_guard *guard, uint64_t now_ns)
{
    uint64_t call = atomic_load_explicit(&guard->call, memory_order_acquire);
    uint64_t budget_ns = atomic_load_explicit(&guard->budget_ns, memory_order_acquire);

    if (call == 0 || call != guard->seen_call) {
        first_look(guard, call, now_ns);
        return;
    }
    if (atomic_load_explicit(&guard->call, memory_order_relaxed) != call)
        return; /* the budget may be that of the next one */

    uint64_t elapsed_ns = now_ns - guard->seen_ns;
    uint64_t cpu_ns;
    if (elapsed_ns < budget_ns && elapsed_ns < KP_GUARD_SLOW_NS)
        return;
    if (!read_cpu(guard, call, &cpu_ns))
        return;

    bool is_known = cpu_ns != KP_NEVER && guard->seen_cpu_ns != KP_NEVER;
    uint64_t used_ns = is_known ? cpu_ns - guard->seen_cpu_ns : elapsed_ns;
    bool is_late = is_over(elapsed_ns, used_ns, budget_ns);
    bool is_slow = is_over(elapsed_ns, used_ns, KP_GUARD_SLOW_NS);
    bool is_first = (is_slow || is_late) && guard->told_call != call;

    if (is_slow || is_late) {
        atomic_store(&guard->elapsed_ns, elapsed_ns);
        atomic_store(&guard->slow_call, call);
    }
    if (is_late) {
        atomic_store(&guard->late_call, call);
        if (guard->late_ns == 0)
            guard->late_ns = now_ns;
        if (now_ns - guard->late_ns >= KP_GUARD_STUCK_NS && !guard->is_given_up)
            give_up(guard);
    }
    if (is_first || is_late)
        strike(guard, call, is_first);
    if (is_first)
        guard->told_call = call;
}

/* Sleeps until the server's thread runs Lua again, if there was nothing since `shift`. Holds
 * the lock. */
static void
fall_asleep(struct kp_guard *guard, uint64_t shift)
{
    atomic_store(&guard->is_asleep, true);
    if (atomic_load(&guard->shift) == shift)
        while (atomic_load(&guard->is_asleep) && !guard->is_ending)
            pthread_cond_wait(&guard->woken, &guard->lock);
    atomic_store(&guard->is_asleep, false);
}

static void *
run(void *arg)
{
    struct kp_guard *guard = arg;
    uint64_t shift = 1; /* not over */

    if (guard->on_start)
        guard->on_start(guard->stuck_arg);
    pthread_mutex_lock(&guard->lock);
    while (!guard->is_ending) {
        uint64_t now_shift = atomic_load(&guard->shift);
        if (now_shift == shift && shift % 2 == 0)
            fall_asleep(guard, shift);
        shift = now_shift;
        pthread_mutex_unlock(&guard->lock);
        kp_thread_nap(KP_GUARD_TICK_NS);
        kp_guard_look(guard, kp_sys_real_ns(guard->sys));
        pthread_mutex_lock(&guard->lock);
    }
    pthread_mutex_unlock(&guard->lock);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------ */

void
kp_guard_init(struct kp_guard *guard, struct kp_sys *sys)
{
    memset(guard, 0, sizeof *guard);
    guard->sys = sys;
}

int
kp_guard_use_signal(struct kp_guard *guard, int signal)
{
    int rc = kp_thread_catch(guard->sys, signal, on_signal);

    if (rc < 0)
        return rc;
    rc = -pthread_mutex_init(&guard->lock, NULL);
    if (rc < 0)
        return rc;
    rc = -pthread_cond_init(&guard->woken, NULL);
    if (rc < 0) {
        pthread_mutex_destroy(&guard->lock);
        return rc;
    }
    guard->signal = signal;
    return 0;
}

/* Makes it none again. */
static void
dismiss(struct kp_guard *guard)
{
    pthread_cond_destroy(&guard->woken);
    pthread_mutex_destroy(&guard->lock);
    guard->signal = 0;
}

int
kp_guard_start(struct kp_guard *guard)
{
    int rc = kp_thread_start(guard->sys, &guard->thread, run, guard, guard->signal);

    if (rc < 0)
        dismiss(guard);
    else
        guard->has_thread = true;
    return rc;
}

void
kp_guard_clear(struct kp_guard *guard)
{
    if (guard->signal == 0)
        return;
    if (guard->has_thread) {
        pthread_mutex_lock(&guard->lock);
        guard->is_ending = true;
        pthread_cond_signal(&guard->woken);
        pthread_mutex_unlock(&guard->lock);
        (void)pthread_kill(guard->thread, guard->signal); /* cuts a nap short */
        pthread_join(guard->thread, NULL);
        guard->has_thread = false;
    }
    dismiss(guard);
}
