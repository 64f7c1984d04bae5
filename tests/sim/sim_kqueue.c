/*
 * sim_kqueue.c - the kqueue of the simulated kernel, and its clock
 *
 * What a knote may and must report is decided by the model that the kqueue tests use
 * (kevent_model.c). What is left open by kqueue(2) is decided by the seed: the order of the
 * events, whether one comes with this call or with a later one (not later than MAX_SKIPPED
 * calls), whether an edge is told twice, and whether an event with an error takes the error
 * out of the socket.
 *
 * A wait that finds nothing lets time pass: up to its end, or up to nap_ns, when "something
 * else" ends it, as a signal would. So a simulation never blocks, and the clients have their
 * turn.
 */
#include "sim_kernel.h"

#include <errno.h>

#include <sys/event.h>

enum { MAX_SKIPPED = 3 };

/* ---- changes ----------------------------------------------------------------------- */

/* Returns 0 or the errno of the change. */
static int
apply(struct sim_kernel *kernel, const struct kevent *change)
{
    struct sim_fd *open = sim_fd_get(kernel, (int)change->ident, "kevent");
    bool is_read = change->filter == EVFILT_READ;

    if (open == NULL)
        return EBADF;
    if (!is_read && change->filter != EVFILT_WRITE)
        return EINVAL;
    int filter = is_read ? EVFILT_READ : EVFILT_WRITE;
    bool is_new = !model_knote(&open->channel, filter)->is_registered;
    if ((change->flags & EV_ADD) != 0 && is_new &&
        sim_fails(kernel, kernel->faults.no_memory))
        return ENOMEM;
    if ((change->flags & EV_ADD) != 0)
        open->udata[!is_read] = change->udata;
    return model_change(&open->channel, filter, change->flags, 0);
}

/* Applies all changes. Returns the number of entries for errors; negative errno. */
static int
apply_all(struct sim_kernel *kernel, const struct kevent *changes, int n_changes,
          struct kevent *events, int n_events)
{
    int n = 0;

    for (int i = 0; i < n_changes; i++) {
        int error = apply(kernel, &changes[i]);
        if (error == 0)
            continue;
        if (n == n_events)
            return -error;
        events[n] = changes[i];
        events[n].flags = EV_ERROR;
        events[n].data = error;
        n++;
    }
    return n;
}

/* ---- events ------------------------------------------------------------------------ */

static bool
is_reported(struct sim_kernel *kernel, struct sim_fd *open, int filter)
{
    unsigned *skipped = &open->skipped[filter == EVFILT_WRITE];
    bool is_due = model_is_owed(&open->channel, filter);

    if (!is_due)
        return model_may_fire(&open->channel, filter) &&
               sim_fails(kernel, kernel->faults.spurious);
    if (*skipped < MAX_SKIPPED && sim_fails(kernel, kernel->faults.spurious)) {
        ++*skipped;
        return false;
    }
    *skipped = 0;
    return true;
}

static void
fill(struct sim_kernel *kernel, int fd, int filter, struct kevent *out)
{
    struct sim_fd *open = &kernel->fds[fd];
    struct knote *knote = model_knote(&open->channel, filter);

    EV_SET(out, (uintptr_t)fd, EVFILT_READ, 0, 0, open->channel.n_unread,
           open->udata[filter == EVFILT_WRITE]);
    if (filter == EVFILT_WRITE)
        out->filter = EVFILT_WRITE;
    if ((knote->mode & EV_CLEAR) != 0)
        knote->is_owed = false;
    if (open->kind != SIM_STREAM)
        return;
    struct sim_link *link = &kernel->links[open->index];
    if (link->reset || (link->client_fin && filter == EVFILT_READ))
        out->flags |= EV_EOF;
    if (link->reset && link->error != 0) {
        out->fflags = (unsigned)link->error;
        if (sim_chance(kernel->random, 128))
            link->error = 0;
    }
}

static void
shuffle(struct sim_kernel *kernel, struct kevent *events, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int j = (int)sim_below(kernel->random, (uint32_t)i + 1);
        struct kevent other = events[i];
        events[i] = events[j];
        events[j] = other;
    }
}

static int
collect(struct sim_kernel *kernel, struct kevent *events, int n_events)
{
    static const int filters[] = {EVFILT_READ, EVFILT_WRITE};
    int n = 0;

    for (int fd = 0; fd < SIM_MAX_FDS; fd++)
        for (int f = 0; f < 2; f++) {
            struct sim_fd *open = &kernel->fds[fd];
            if (open->kind == SIM_CLOSED || n == n_events ||
                !is_reported(kernel, open, filters[f]))
                continue;
            fill(kernel, fd, filters[f], &events[n++]);
        }
    shuffle(kernel, events, n);
    return n;
}

/* ---- waiting ----------------------------------------------------------------------- */

static bool
is_anything_owed(struct sim_kernel *kernel)
{
    for (int fd = 0; fd < SIM_MAX_FDS; fd++) {
        struct sim_fd *open = &kernel->fds[fd];
        if (open->kind != SIM_CLOSED && (model_is_owed(&open->channel, EVFILT_READ) ||
                                         model_is_owed(&open->channel, EVFILT_WRITE)))
            return true;
    }
    return false;
}

static void
sleep_for(struct sim_kernel *kernel, const struct timespec *timeout)
{
    uint64_t limit_ns = KP_NEVER, nap_ns = kernel->nap_ns;

    if (timeout != NULL)
        limit_ns = (uint64_t)timeout->tv_sec * KP_NS_PER_S + (uint64_t)timeout->tv_nsec;
    if (limit_ns == 0)
        return;
    kernel->slept = true;
    kernel->slept_long = limit_ns == KP_NEVER;
    if (!kernel->is_calm)
        nap_ns = sim_below(kernel->random, (uint32_t)(nap_ns / KP_NS_PER_MS) + 1) *
                 KP_NS_PER_MS;
    kernel->now_ns += limit_ns < nap_ns ? limit_ns : nap_ns;
}

int
sim_kevent(struct sim_kernel *kernel, const struct kevent *changes, int n_changes,
           struct kevent *events, int n_events, const struct timespec *timeout)
{
    kernel->slept = kernel->slept_long = false;
    /* A mere deletion needs no memory. */
    if (n_events > 0 && sim_fails(kernel, kernel->faults.broken))
        return -ENOMEM;
    int n = apply_all(kernel, changes, n_changes, events, n_events);
    if (n < 0 || n_events == 0)
        return n;
    if (n > 0) /* errors are reported at once, and alone */
        return n;
    if (sim_fails(kernel, kernel->faults.interrupted))
        return -EINTR;
    n = collect(kernel, events, n_events);
    if (n == 0 && !is_anything_owed(kernel))
        sleep_for(kernel, timeout);
    return n;
}
