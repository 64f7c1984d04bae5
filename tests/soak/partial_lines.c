/*
 * partial_lines.c - five thousand clients begin a line and never end it
 *
 *     build/release/tests/soak_partial_lines [short]
 *
 * Each sends a hundred bytes, then one more whenever it is its turn, so that none is silent.
 * A line that is not finished costs what was sent, at most 2 KiB each with all that belongs
 * to a connection; frame_timeout runs from its first byte and ends every one of them, with
 * one second for the machine. A witness who ends its lines notices nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "crowd.h"
#include "host.h"

#define FRAME_TIMEOUT_MS 5000
#define LIMIT_S          60

static const char script[] =
    "return { on_message = function(conn, line) conn:send(line) end }\n";

/* Sends one byte more; who is closed meanwhile is noticed by reading. */
static void
trickle(struct crowd *crowd, int *next, int n)
{
    for (int i = 0; i < n; i++) {
        struct crowd_conn *conn = &crowd->conns[*next];

        if (conn->fd >= 0 && send(conn->fd, "x", 1, MSG_NOSIGNAL) < 0)
            conn->is_special = true;
        *next = (*next + 1) % crowd->n;
    }
}

int
main(int argc, char **argv)
{
    struct soak_verdict verdict;
    struct soak_setup setup = {.options = KELPIE_OPTIONS_INIT, .script = script};
    struct soak_server server;
    struct soak_sample idle, partial, after;
    struct crowd crowd;
    struct witness witness;
    char text[101] = "";
    int next = 0;

    soak_begin(&verdict, argc, argv);
    int n = verdict.is_short ? 50 : 5000;
    int timeout_ms = verdict.is_short ? 1000 : FRAME_TIMEOUT_MS;
    setup.options.frame_timeout_ms = timeout_ms;
    soak_start(&server, &setup);
    crowd_init(&crowd, server.port);
    crowd_connect(&crowd, n, false);
    witness_start(&witness, server.port);
    do
        soak_look(&server, &idle);
    while (idle.stats.clients < (uint64_t)n + 1);

    memset(text, 'x', sizeof(text) - 1);
    double started = crowd_now_s(), memory_at = started + timeout_ms / 2000.0;
    for (int i = 0; i < n; i++) {
        crowd_watch(&crowd, &crowd.conns[i]);
        crowd_send(&crowd.conns[i], text);
    }
    double begun = crowd_now_s();
    while (crowd_now_s() < memory_at) {
        crowd_turn(&crowd, 20);
        trickle(&crowd, &next, n / 50);
    }
    soak_look(&server, &partial);
    while (crowd.n_ended < n && crowd_now_s() < started + LIMIT_S) {
        trickle(&crowd, &next, n / 50);
        crowd_turn(&crowd, 20);
    }
    double gone = crowd_now_s() - begun;
    soak_look(&server, &after);
    bool is_right = witness_stop(&witness);
    const struct histogram *times = witness_times(&witness, 0);

    long counted = (long)(partial.counted - idle.counted) / n;
    soak_judge(&verdict, partial.stats.clients == (uint64_t)n + 1, "%d half lines", n);
    soak_judge_figure(&verdict, counted <= 2048 && partial.rss - idle.rss <= 2048L * n,
                      "each costs %ld bytes, counted; %ld, resident; a silent one %ld",
                      counted, (partial.rss - idle.rss) / n, (long)idle.counted / n);
    soak_judge(&verdict, soak_reason(&after, "frame timeout") == (unsigned long)n,
               "%lu were closed for \"frame timeout\"",
               soak_reason(&after, "frame timeout"));
    soak_judge_figure(&verdict, gone <= timeout_ms / 1000.0 + 1,
                      "all gone %.2f s after the last began; the limit is %.1f s", gone,
                      timeout_ms / 1000.0);
    soak_judge(&verdict, is_right && times->n > 0,
               "the witness got all of %" PRIu64 " answers", times->n);
    soak_judge_figure(&verdict, times->max < 250000000,
                      "it waited %.2f ms at 99 %%, %.2f ms at most",
                      (double)histogram_at(times, 0.99) / 1e6, (double)times->max / 1e6);
    witness_clear(&witness);
    crowd_clear(&crowd);
    soak_stop(&server);
    return soak_end(&verdict);
}
