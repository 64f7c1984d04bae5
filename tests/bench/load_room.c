/*
 * load_room.c - one speaks, a room of members hears it
 *
 * A message counts when a member has heard it: a line to 200 members is 200 messages. Who
 * speaks is no member. window lines are on the way; the next is said when the slowest member
 * has heard the oldest, so that all are kept busy and nobody's output piles up.
 *
 * After joining, a line is said that all members must hear before anything is measured.
 */
#include <stdlib.h>
#include <string.h>

#include "kit.h"
#include "load.h"

struct room {
    struct stream *speaker;
    unsigned *n_missing; /* members that have not heard message n, at n % window */
    uint64_t n_heard;    /* messages that all have heard */
    uint64_t ack_bytes;  /* of the answers to who speaks that have come */
};

/* ---- before -------------------------------------------------------------------------------- */

static void
join_all(struct load *load)
{
    const struct bytes *answer = &load->dialect.join_answer;

    for (unsigned i = 1; i <= load->n_conns; i++) {
        struct bytes join = dialect_numbered(&load->dialect.join, i);
        stream_say(&load->streams[i], join.data, join.len);
        stream_await(&load->streams[i], answer->data, answer->len);
    }
}

/* Says one line that is not counted, and waits until all have heard it. */
static void
try_room(struct load *load)
{
    const struct dialect *d = &load->dialect;
    char *payload = load->expected;

    dialect_payload(payload, d->payload_size, 99999, 0);
    stream_say(&load->streams[0], d->ask_before.data, d->ask_before.len);
    stream_say(&load->streams[0], payload, d->payload_size);
    if (d->ask_after.len > 0)
        stream_say(&load->streams[0], d->ask_after.data, d->ask_after.len);
    memcpy(payload + d->payload_size, d->answer_after.data, d->answer_after.len);
    for (unsigned i = 1; i <= load->n_conns; i++)
        stream_await(&load->streams[i], payload, d->payload_size + d->answer_after.len);
    if (d->ack.len > 0)
        stream_await(&load->streams[0], d->ack.data, d->ack.len);
}

/* ---- while it runs -------------------------------------------------------------------------- */

static void
on_heard(struct load *load, struct stream *member, uint64_t now_ns)
{
    struct room *room = load->arg;
    size_t slot = (size_t)(member->n_got % load->window);

    meter_count(&load->meter, now_ns - room->speaker->sent_ns[slot]);
    room->n_missing[slot]--;
    while (room->n_heard < room->speaker->n_sent &&
           room->n_missing[room->n_heard % load->window] == 0)
        room->n_heard++;
}

static void
check_acks(struct load *load, const char *bytes, size_t len)
{
    struct room *room = load->arg;
    const struct bytes *ack = &load->dialect.ack;

    for (size_t i = 0; i < len; i++)
        if (!stream_is_noise(room->speaker, &load->dialect, bytes[i]) &&
            (ack->len == 0 || bytes[i] != ack->data[room->ack_bytes++ % ack->len]))
            bench_give_up("who speaks", "got an answer that is not expected");
}

static void
speak(struct load *load)
{
    struct room *room = load->arg;
    uint64_t now_ns = bench_clock_ns(CLOCK_MONOTONIC);

    while (room->speaker->n_sent - room->n_heard < load->window) {
        room->n_missing[room->speaker->n_sent % load->window] = load->n_conns;
        stream_ask(room->speaker, &load->dialect, now_ns, load->window);
    }
    stream_flush(room->speaker, &load->poller);
}

static uint64_t
turn(struct load *load)
{
    struct room *room = load->arg;
    uint64_t now_ns = load_wait(load);

    for (int i = 0; i < load->poller.n; i++) {
        const struct poller_event *event = &load->poller.events[i];
        struct stream *stream = event->arg;
        if (event->writable)
            stream_flush(stream, &load->poller);
        if (!event->readable)
            continue;
        size_t n = stream_read(stream, load->in, LOAD_BUFFER_SIZE);
        now_ns = bench_clock_ns(CLOCK_MONOTONIC);
        if (stream == room->speaker)
            check_acks(load, load->in, n);
        else
            load_verify(load, stream, room->speaker, load->in, n, on_heard, now_ns);
    }
    return now_ns;
}

static bool
is_complete(const struct load *load)
{
    const struct room *room = load->arg;

    return room->n_heard == room->speaker->n_sent &&
           room->ack_bytes == room->speaker->n_sent * load->dialect.ack.len;
}

void
load_room(struct load *load)
{
    struct room room = {.n_heard = 0};

    if (!dialect_make(&load->dialect, load->dialect_name, DIALECT_ROOM, load->size,
                      load->n_conns))
        bench_give_up(load->dialect_name, "no such dialect");
    load_open(load, load->n_conns + 1);
    room.speaker = &load->streams[0];
    room.n_missing = bench_alloc(load->window * sizeof(*room.n_missing));
    load->arg = &room;
    join_all(load);
    try_room(load);
    for (unsigned i = 0; i <= load->n_conns; i++)
        stream_watch(&load->streams[i], &load->poller);
    meter_start(&load->meter);
    do
        speak(load);
    while (meter_turn(&load->meter, turn(load)));
    while (!is_complete(load))
        (void)meter_turn(&load->meter, turn(load));
    load_close(load, load->n_conns + 1);
    free(room.n_missing);
}
