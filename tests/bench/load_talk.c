/*
 * load_talk.c - every connection keeps window messages on the way
 *
 * The part that load_echo.c and load_chat.c share: as soon as answers come, as many new
 * messages are sent, in one write. What the answers are, they know.
 */
#include "kit.h"
#include "load.h"

static void
fill(struct load *load, struct stream *stream, uint64_t now_ns)
{
    while (stream->n_sent - stream->n_got < load->window)
        stream_ask(stream, &load->dialect, now_ns, load->window);
    stream_flush(stream, &load->poller);
}

/* Serves the events of one turn; refills the windows if is_sending. Returns the time. */
static uint64_t
turn(struct load *load, const struct load_talk *talk, bool is_sending)
{
    uint64_t now_ns = load_wait(load);

    for (int i = 0; i < load->poller.n; i++) {
        const struct poller_event *event = &load->poller.events[i];
        struct stream *stream = event->arg;
        if (event->readable) {
            size_t n = stream_read(stream, load->in, LOAD_BUFFER_SIZE);
            now_ns = bench_clock_ns(CLOCK_MONOTONIC);
            talk->check(load, stream, load->in, n, now_ns);
        }
        if (is_sending)
            fill(load, stream, now_ns);
        else
            stream_flush(stream, &load->poller);
    }
    return now_ns;
}

void
load_talk(struct load *load, const struct load_talk *talk)
{
    for (unsigned i = 0; i < load->n_conns; i++)
        stream_watch(&load->streams[i], &load->poller);
    meter_start(&load->meter);
    for (unsigned i = 0; i < load->n_conns; i++)
        fill(load, &load->streams[i], bench_clock_ns(CLOCK_MONOTONIC));
    while (meter_turn(&load->meter, turn(load, talk, true)))
        ;
    while (!talk->is_complete(load))
        (void)meter_turn(&load->meter, turn(load, talk, false));
    load_close(load, load->n_conns);
}
