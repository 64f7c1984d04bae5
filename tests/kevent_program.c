/*
 * kevent_program.c - random programs for kqueue(2), compared with a model
 *
 * The world: a kqueue and a few channels, each a unix pair or a pipe. The first end of a
 * channel is the one with the knotes: one for EVFILT_READ and one for EVFILT_WRITE (a pipe's
 * first end has only one of them). The program changes knotes, moves bytes, closes ends and
 * opens them again, so that numbers are used again, and takes events with arrays that are
 * often too short.
 *
 * As EV_DELETE and EV_DISABLE need not notice that a number was closed (sys/event.h), what
 * was registered for it is a ghost: it may be deleted or disabled with success, but never
 * fires. What the knotes have to do is in kevent_model.c.
 */
#include "kevent_program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <sys/event.h>

#include "kevent_model.h"

#define N_CHANNELS   5
#define MAX_FD       256
#define MAX_UNREAD   64 /* far below what any channel takes */
#define MAX_EVENTS   (2 * N_CHANNELS)
#define MAX_DRAIN    64 /* calls of kevent() that have to be enough for what is owed */
#define N_MODES      5
#define N_OPERATIONS 12

struct ghosts {
    bool read, write;
};

struct world {
    int kq;
    struct channel channels[N_CHANNELS];
    struct ghosts ghosts[MAX_FD]; /* by number */
    int last_tag;
    const uint8_t *at, *end;
    size_t step;
    char *message;
    size_t message_size;
    bool is_failed;
};

static const unsigned all_modes[N_MODES] = {0, EV_CLEAR, EV_ONESHOT, EV_DISPATCH,
                                            EV_CLEAR | EV_DISPATCH};

static const struct timespec no_time = {0, 0};

static void disagree(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
disagree(struct world *world, const char *format, ...)
{
    char what[128];
    va_list args;
    if (world->is_failed)
        return;
    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    (void)snprintf(world->message, world->message_size, "step %zu: %s", world->step,
                   what);
    world->is_failed = true;
}

static unsigned
next_byte(struct world *world)
{
    return world->at < world->end ? *world->at++ : 0;
}

/* ---- the descriptors -------------------------------------------------------------------- */

static bool
open_ends(struct channel *channel)
{
    int fds[2];
    int rc =
        channel->kind == UNIX_PAIR ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds);
    if (rc != 0)
        return false;
    channel->fd = channel->kind == PIPE_WRITE ? fds[1] : fds[0];
    channel->peer = channel->kind == PIPE_WRITE ? fds[0] : fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0;
}

static void
open_channel(struct world *world, struct channel *channel, enum kind kind)
{
    if (channel->is_open || channel->is_peer_open)
        return;
    channel->kind = kind;
    if (!open_ends(channel) || channel->fd >= MAX_FD) {
        disagree(world, "cannot open a channel: %s", strerror(errno));
        return;
    }
    channel->is_open = true;
    channel->is_peer_open = true;
    channel->n_unread = 0;
}

static void
close_end(struct world *world, struct channel *channel)
{
    if (!channel->is_open)
        return;
    if (close(channel->fd) != 0)
        disagree(world, "close: %s", strerror(errno));
    channel->is_open = false;
    world->ghosts[channel->fd].read |= channel->read.is_registered;
    world->ghosts[channel->fd].write |= channel->write.is_registered;
    memset(&channel->read, 0, sizeof(channel->read));
    memset(&channel->write, 0, sizeof(channel->write));
}

static void
close_peer(struct world *world, struct channel *channel)
{
    if (!channel->is_peer_open)
        return;
    if (close(channel->peer) != 0)
        disagree(world, "close: %s", strerror(errno));
    channel->is_peer_open = false;
    if (!channel->is_open)
        return;
    model_owe(channel, EVFILT_READ);
    model_owe(channel, EVFILT_WRITE);
}

static void
put(struct world *world, struct channel *channel, int n)
{
    char bytes[MAX_UNREAD] = {0};
    if (channel->kind == PIPE_WRITE || !channel->is_open || !channel->is_peer_open ||
        channel->n_unread + n > MAX_UNREAD)
        return;
    if (write(channel->peer, bytes, (size_t)n) != n)
        disagree(world, "write: %s", strerror(errno));
    channel->n_unread += n;
    model_owe(channel, EVFILT_READ);
}

static void
take(struct world *world, struct channel *channel, int n)
{
    char bytes[MAX_UNREAD];
    if (channel->kind == PIPE_WRITE || !channel->is_open || channel->n_unread == 0)
        return;
    n = n < channel->n_unread ? n : channel->n_unread;
    if (read(channel->fd, bytes, (size_t)n) != n)
        disagree(world, "read: %s", strerror(errno));
    channel->n_unread -= n;
    model_forgive(channel);
}

/* ---- changes ---------------------------------------------------------------------------- */

/* Whether a ghost excuses what a change has said; and what becomes of the ghost. */
static bool
is_excused(struct world *world, const struct channel *channel, int filter, unsigned flags)
{
    struct ghosts *ghosts = &world->ghosts[channel->fd];
    bool *ghost = filter == EVFILT_READ ? &ghosts->read : &ghosts->write;
    bool is_excused = *ghost && !(flags & (EV_ADD | EV_ENABLE));
    if (flags & EV_ADD || (flags & EV_ENABLE && *ghost))
        memset(ghosts, 0, sizeof(*ghosts));
    if (flags & EV_DELETE)
        *ghost = false;
    return is_excused;
}

static bool
is_any_owed(struct world *world)
{
    for (int i = 0; i < N_CHANNELS; i++) {
        struct channel *channel = &world->channels[i];
        if (!channel->is_open)
            continue;
        if ((channel->read.is_owed && model_may_fire(channel, EVFILT_READ)) ||
            (channel->write.is_owed && model_may_fire(channel, EVFILT_WRITE)))
            return true;
    }
    return false;
}

static bool
is_in_use(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void
change(struct world *world, struct channel *channel, int filter, unsigned flags)
{
    struct kevent kev;
    int tag = flags & EV_ADD ? ++world->last_tag : model_knote(channel, filter)->tag;
    if (!model_has_filter(channel, filter) ||
        (!channel->is_open && is_in_use(channel->fd)))
        return; /* another channel has the number, or the kqueue itself */

    int expected = model_change(channel, filter, flags, tag);
    memset(&kev, 0, sizeof(kev));
    EV_SET(&kev, (uintptr_t)channel->fd, filter, flags, 0, 0, (void *)(intptr_t)tag);
    int got = kevent(world->kq, &kev, 1, NULL, 0, NULL) == 0 ? 0 : errno;

    if (is_excused(world, channel, filter, flags))
        return;
    if (got != expected)
        disagree(world, "change %x of filter %d: got %d, expected %d", flags, filter, got,
                 expected);
}

/* ---- events ----------------------------------------------------------------------------- */

static struct channel *
channel_of(struct world *world, uintptr_t ident)
{
    for (int i = 0; i < N_CHANNELS; i++)
        if (world->channels[i].is_open && (uintptr_t)world->channels[i].fd == ident)
            return &world->channels[i];
    return NULL;
}

static void
check_data(struct world *world, const struct channel *channel, const struct kevent *event)
{
    bool is_eof = (event->flags & EV_EOF) != 0;
    if (is_eof == channel->is_peer_open)
        disagree(world, "descriptor %d: EV_EOF is %d", channel->fd, is_eof);
    if ((int)event->filter == EVFILT_READ && event->data != channel->n_unread)
        disagree(world, "descriptor %d: data %ld for %d bytes", channel->fd,
                 (long)event->data, channel->n_unread);
    if ((int)event->filter == EVFILT_WRITE && !is_eof && event->data <= 0)
        disagree(world, "descriptor %d: no room", channel->fd);
}

static void
check_event(struct world *world, const struct kevent *event)
{
    struct channel *channel = channel_of(world, event->ident);
    int filter = (int)event->filter;
    if (channel == NULL || !model_may_fire(channel, filter)) {
        disagree(world, "descriptor %d, filter %d must not fire", (int)event->ident,
                 filter);
        return;
    }
    struct knote *knote = model_knote(channel, filter);
    if ((intptr_t)event->udata != knote->tag)
        disagree(world, "descriptor %d: udata of another life", channel->fd);
    check_data(world, channel, event);
    knote->is_owed = false;
    if (knote->mode & EV_ONESHOT)
        memset(knote, 0, sizeof(*knote));
    else if (knote->mode & EV_DISPATCH)
        knote->is_enabled = false;
}

static int
take_events(struct world *world, int room)
{
    struct kevent events[MAX_EVENTS];
    int n = kevent(world->kq, NULL, 0, events, room, &no_time);
    if (n < 0 || n > room) {
        disagree(world, "kevent: %d, %s", n, strerror(errno));
        return 0;
    }
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++)
            if (events[i].ident == events[j].ident &&
                events[i].filter == events[j].filter)
                disagree(world, "one knote twice in one array");
        check_event(world, &events[i]);
    }
    return n;
}

/* Takes events until nothing is owed any more. */
static void
drain(struct world *world, int room)
{
    for (int i = 0; i < MAX_DRAIN && !world->is_failed && is_any_owed(world); i++)
        (void)take_events(world, room);
    if (!world->is_failed && is_any_owed(world))
        disagree(world, "an event is lost");
}

/* With room for all: each level-triggered knote must be there. */
static void
check_level(struct world *world)
{
    int n_owed = 0;
    drain(world, MAX_EVENTS);
    for (int i = 0; i < N_CHANNELS; i++) {
        struct channel *channel = &world->channels[i];
        n_owed += channel->is_open && model_is_owed(channel, EVFILT_READ);
        n_owed += channel->is_open && model_is_owed(channel, EVFILT_WRITE);
    }
    int n = take_events(world, MAX_EVENTS);
    if (n < n_owed)
        disagree(world, "%d events, %d knotes are level-triggered and ready", n, n_owed);
}

/* ---- programs --------------------------------------------------------------------------- */

/* The mode of a new knote; now and then it is disabled from the start. */
static unsigned
add_flags(unsigned detail)
{
    return all_modes[detail % N_MODES] | (detail / N_MODES == 2 ? EV_DISABLE : 0);
}

static void
run_step(struct world *world)
{
    unsigned operation = next_byte(world);
    unsigned argument = next_byte(world);
    struct channel *channel = &world->channels[argument % N_CHANNELS];
    unsigned detail = argument / N_CHANNELS;
    int filter = detail % 2 == 0 ? EVFILT_READ : EVFILT_WRITE;

    switch (operation % N_OPERATIONS) {
    case 0:
        open_channel(world, channel, (enum kind)(detail % 3));
        break;
    case 1:
        close_end(world, channel);
        break;
    case 2:
        close_peer(world, channel);
        break;
    case 3:
    case 4:
        change(world, channel, filter, EV_ADD | add_flags(detail / 2));
        break;
    case 5:
        change(world, channel, filter, EV_DELETE);
        break;
    case 6:
        change(world, channel, filter, EV_ENABLE);
        break;
    case 7:
        change(world, channel, filter, EV_DISABLE);
        break;
    case 8:
        put(world, channel, (int)(1 + detail % 8));
        break;
    case 9:
        take(world, channel, (int)(1 + detail % 16));
        break;
    case 10:
        (void)take_events(world, (int)(1 + argument % 3));
        break;
    default:
        if (argument % 4 == 0)
            check_level(world);
        else
            drain(world, (int)(argument % 4));
        break;
    }
}

bool
kevent_program_run(const uint8_t *program, size_t len, char *message, size_t message_size)
{
    struct world world;
    memset(&world, 0, sizeof(world));
    world.at = program;
    world.end = program + len;
    world.message = message;
    world.message_size = message_size;
    world.kq = kqueue();
    if (world.kq < 0) {
        disagree(&world, "kqueue: %s", strerror(errno));
        return false;
    }
    for (int i = 0; i < N_CHANNELS; i++) {
        world.channels[i].fd = -1;
        open_channel(&world, &world.channels[i], (enum kind)(i % 3));
    }
    while (world.at < world.end && !world.is_failed) {
        run_step(&world);
        world.step++;
    }
    if (!world.is_failed)
        check_level(&world);
    for (int i = 0; i < N_CHANNELS; i++) {
        close_end(&world, &world.channels[i]);
        close_peer(&world, &world.channels[i]);
    }
    (void)close(world.kq); /* it was used until now */
    return !world.is_failed;
}
