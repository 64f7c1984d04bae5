/*
 * kevent_model.c - a knote as kqueue(2) has it
 *
 * What a random program (kevent_program.c) may expect of one:
 *
 *   condition   bytes to read, room to write, or an end
 *   may fire    registered, enabled, condition
 *   owed        must be reported soon. Level-triggered: while it may fire. Else: since it was
 *               added or enabled, or something has happened, until it was reported or the
 *               condition has ended
 *
 * An EV_CLEAR knote that is not owed may fire all the same while its condition holds: the
 * layer for Linux does that.
 */
#include "kevent_model.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

#include <sys/event.h>

/*
 * Says whether the first end can have a knote of this filter at all.
 */
bool
model_has_filter(const struct channel *channel, int filter)
{
    return channel->kind != (filter == EVFILT_READ ? PIPE_WRITE : PIPE_READ);
}

/*
 * The knote of a filter.
 */
struct knote *
model_knote(struct channel *channel, int filter)
{
    return filter == EVFILT_READ ? &channel->read : &channel->write;
}

static bool
has_condition(const struct channel *channel, int filter)
{
    if (filter == EVFILT_WRITE)
        return !channel->is_full;
    return channel->n_unread > 0 || !channel->is_peer_open;
}

/*
 * Says whether a knote may be reported now.
 */
bool
model_may_fire(struct channel *channel, int filter)
{
    const struct knote *knote = model_knote(channel, filter);
    return knote->is_registered && knote->is_enabled && has_condition(channel, filter);
}

/*
 * Says whether a knote must be reported by a call that has room for all.
 */
bool
model_is_owed(struct channel *channel, int filter)
{
    const struct knote *knote = model_knote(channel, filter);
    return model_may_fire(channel, filter) && (knote->mode == 0 || knote->is_owed);
}

/*
 * Notes that something has happened that a knote of this filter has to tell.
 */
void
model_owe(struct channel *channel, int filter)
{
    if (model_may_fire(channel, filter))
        model_knote(channel, filter)->is_owed = true;
}

/*
 * Notes that there may be nothing to read any more.
 */
void
model_forgive(struct channel *channel)
{
    if (!has_condition(channel, EVFILT_READ))
        channel->read.is_owed = false;
}

/*
 * Applies a change.
 *
 * Returns   what kevent() has to say: 0 or an errno.
 */
int
model_change(struct channel *channel, int filter, unsigned flags, int tag)
{
    struct knote *knote = model_knote(channel, filter);
    if (!channel->is_open)
        return EBADF;
    if (flags & EV_ADD) {
        if (!knote->is_registered) {
            knote->is_registered = true;
            knote->is_enabled = true;
            knote->mode = flags & (EV_CLEAR | EV_ONESHOT | EV_DISPATCH);
        }
        knote->tag = tag;
    } else if (!knote->is_registered) {
        return ENOENT;
    }
    if (flags & EV_DELETE) {
        memset(knote, 0, sizeof(*knote));
        return 0;
    }
    if (flags & EV_ENABLE)
        knote->is_enabled = true;
    else if (flags & EV_DISABLE)
        knote->is_enabled = false;
    if (!knote->is_enabled)
        knote->is_owed = false;
    else if (flags & (EV_ADD | EV_ENABLE))
        model_owe(channel, filter);
    return 0;
}
