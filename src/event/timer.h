/*
 * timer.h - deadlines in a binary heap
 *
 * Time is a parameter: nobody here asks a clock. A timer is a struct in its owner; the heap
 * holds pointers. Start and cancel are O(log n), the next deadline is O(1).
 */
#ifndef KP_TIMER_H
#define KP_TIMER_H

#include <stdbool.h>

#include "base/list.h"
#include "base/mem.h"

struct kp_timer;

/* Called when the timer is due. The timer is no longer started; it may be started again. */
typedef void kp_timer_fn(struct kp_timer *timer, void *arg);

struct kp_timer {
    uint64_t deadline_ns;
    size_t place; /* 1 + index in the heap; 0: not started; or KP_TIMER_DUE */
    kp_timer_fn *fn;
    void *arg;
    struct kp_node due; /* in kp_timers.due, while it waits for its call */
};

#define KP_TIMER_DUE SIZE_MAX /* in kp_timers.due */

struct kp_timers {
    struct kp_mem *mem;
    struct kp_timer **heap;
    size_t count, capacity; /* of the heap */
    struct kp_node due;     /* taken out by kp_timers_run, not yet called */
    size_t n_due;
};

void kp_timers_init(struct kp_timers *timers, struct kp_mem *mem);

/* Forgets all timers; they count as cancelled. */
void kp_timers_clear(struct kp_timers *timers);

/* Sets up a timer that is not started. */
void kp_timer_init(struct kp_timer *timer, kp_timer_fn *fn, void *arg);

/* Starts a timer, or moves the deadline of one that runs (which cannot fail).
 * Returns   0, -ENOMEM. */
int kp_timer_start(struct kp_timers *timers, struct kp_timer *timer,
                   uint64_t deadline_ns) KP_MUST_CHECK;

/* Cancels a timer; harmless when it is not started. */
void kp_timer_cancel(struct kp_timers *timers, struct kp_timer *timer);

static inline bool
kp_timer_is_started(const struct kp_timer *timer)
{
    return timer->place != 0;
}

/* Returns the earliest deadline, or KP_NEVER. */
uint64_t kp_timers_next(const struct kp_timers *timers);

/* Calls every timer whose deadline is <= now_ns, each once and in order of deadlines. One
 * that is started by a callback for a time <= now_ns waits for the next call, so that it
 * cannot hold up the loop. Callbacks may start, cancel and free any timer.
 * Returns   how many were called. */
size_t kp_timers_run(struct kp_timers *timers, uint64_t now_ns);

#endif
