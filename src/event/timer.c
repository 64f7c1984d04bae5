/*
 * timer.c - deadlines in a binary heap
 *
 * The heap is an array of pointers, ordered so that no timer is later than its two children:
 * of the one at i these are at 2i + 1 and 2i + 2. The earliest is at 0. Each timer knows its
 * place, so it can be moved and taken out from the middle.
 *
 * Why not a timer of the kernel for each: some systems allow 4096 in all, some tick in steps
 * of 10 ms. One deadline, the earliest, becomes the timeout of kevent() instead.
 *
 * A run collects first and calls then:
 *
 *     heap  --- all that are due, in order --->  due list  --- one by one --->  fn
 *
 * That is what makes a run end: whatever a callback starts goes to the heap, which this run
 * does not look at again. A timer in the due list is still started. It can be cancelled, or
 * get a new deadline, by the callback of one before it; then it is taken out of the list. So
 * every callback may free every timer.
 *
 * The heap keeps room for those in the due list. Moving a timer back cannot fail, as a
 * change of a running timer's deadline must not.
 */
#include "timer.h"

#include <assert.h>

void
kp_timers_init(struct kp_timers *timers, struct kp_mem *mem)
{
    *timers = (struct kp_timers){.mem = mem};
    kp_list_init(&timers->due);
}

/* ---- the heap ---- */

static void
put(struct kp_timers *timers, size_t index, struct kp_timer *timer)
{
    timers->heap[index] = timer;
    timer->place = index + 1;
}

/* Moves a timer towards the top until its parent is not later. */
static void
sift_up(struct kp_timers *timers, size_t index, struct kp_timer *timer)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (timers->heap[parent]->deadline_ns <= timer->deadline_ns)
            break;
        put(timers, index, timers->heap[parent]);
        index = parent;
    }
    put(timers, index, timer);
}

/* Moves a timer away from the top until no child is earlier. */
static void
sift_down(struct kp_timers *timers, size_t index, struct kp_timer *timer)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= timers->count)
            break;
        if (child + 1 < timers->count &&
            timers->heap[child + 1]->deadline_ns < timers->heap[child]->deadline_ns)
            child++;
        if (timer->deadline_ns <= timers->heap[child]->deadline_ns)
            break;
        put(timers, index, timers->heap[child]);
        index = child;
    }
    put(timers, index, timer);
}

/* Brings a timer whose deadline was set to the right place, starting from index. */
static void
settle(struct kp_timers *timers, size_t index, struct kp_timer *timer)
{
    if (index > 0 && timer->deadline_ns < timers->heap[(index - 1) / 2]->deadline_ns)
        sift_up(timers, index, timer);
    else
        sift_down(timers, index, timer);
}

static void
heap_remove(struct kp_timers *timers, struct kp_timer *timer)
{
    size_t index = timer->place - 1;

    assert(index < timers->count && timers->heap[index] == timer);
    struct kp_timer *last = timers->heap[--timers->count];
    timer->place = 0;
    if (last != timer)
        settle(timers, index, last);
}

/* ---- the due list ---- */

static void
due_append(struct kp_timers *timers, struct kp_timer *timer)
{
    kp_list_append(&timers->due, &timer->due);
    timer->place = KP_TIMER_DUE;
    timers->n_due++;
}

static void
due_remove(struct kp_timers *timers, struct kp_timer *timer)
{
    kp_list_remove(&timer->due);
    timer->place = 0;
    timers->n_due--;
}

static struct kp_timer *
due_first(const struct kp_timers *timers)
{
    if (kp_list_is_empty(&timers->due))
        return NULL;
    return kp_container_of(timers->due.next, struct kp_timer, due);
}

/* ---- the interface ---- */

void
kp_timers_clear(struct kp_timers *timers)
{
    struct kp_timer *timer;

    while ((timer = due_first(timers)) != NULL)
        due_remove(timers, timer);
    for (size_t i = 0; i < timers->count; i++)
        timers->heap[i]->place = 0;
    kp_mem_free(timers->mem, timers->heap, timers->capacity * sizeof(*timers->heap));
    kp_timers_init(timers, timers->mem);
}

void
kp_timer_init(struct kp_timer *timer, kp_timer_fn *fn, void *arg)
{
    *timer = (struct kp_timer){.fn = fn, .arg = arg};
    kp_list_init(&timer->due);
}

int
kp_timer_start(struct kp_timers *timers, struct kp_timer *timer, uint64_t deadline_ns)
{
    if (timer->place == KP_TIMER_DUE)
        due_remove(timers, timer); /* leaves the room that it needs below */
    if (timer->place != 0) {
        timer->deadline_ns = deadline_ns;
        settle(timers, timer->place - 1, timer);
        return 0;
    }
    int rc = kp_mem_grow(timers->mem, &timers->heap, &timers->capacity,
                         timers->count + timers->n_due + 1, sizeof(*timers->heap));
    if (rc < 0)
        return rc;
    timer->deadline_ns = deadline_ns;
    sift_up(timers, timers->count++, timer);
    return 0;
}

void
kp_timer_cancel(struct kp_timers *timers, struct kp_timer *timer)
{
    if (timer->place == KP_TIMER_DUE)
        due_remove(timers, timer);
    else if (timer->place != 0)
        heap_remove(timers, timer);
}

uint64_t
kp_timers_next(const struct kp_timers *timers)
{
    const struct kp_timer *due = due_first(timers);

    if (due != NULL)
        return due->deadline_ns;
    return timers->count > 0 ? timers->heap[0]->deadline_ns : KP_NEVER;
}

size_t
kp_timers_run(struct kp_timers *timers, uint64_t now_ns)
{
    struct kp_timer *timer;
    size_t n_called = 0;

    while (timers->count > 0 && timers->heap[0]->deadline_ns <= now_ns) {
        timer = timers->heap[0];
        heap_remove(timers, timer);
        due_append(timers, timer);
    }
    while ((timer = due_first(timers)) != NULL) {
        due_remove(timers, timer);
        timer->fn(timer, timer->arg); /* the timer may be gone afterwards */
        n_called++;
    }
    return n_called;
}
