/*
 * drain.c - the end, while ten thousand clients have output queued and a hundred never read
 *
 *     build/release/tests/soak_drain [short]
 *
 * Nobody reads until the drain has begun, and the kernels between keep little: most of what
 * was sent waits in the server. Then all but the stalled ones read. Each of them gets every
 * byte and an orderly end; the stalled ones get a reset, which tells them that bytes are
 * missing; and the process ends at most a second after drain_timeout.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crowd.h"
#include "host.h"

#define KIB        1024
#define QUEUED_KIB 128
#define DRAIN_S    10

static const char script[] =
    "local kelpie = require('kelpie')\n"
    "local room = kelpie.room('all')\n"
    "return { on_message = function(conn, line)\n"
    "   if line == 'join' then room:join(conn)\n"
    "   else room:write(('x'):rep(128 * 1024)); conn:send('queued') end\n"
    "end }\n";

static void
judge_clients(struct soak_verdict *verdict, const struct crowd *crowd, int n_stalled)
{
    int n_complete = 0, n_reset = 0;

    for (int i = n_stalled; i < crowd->n; i++) {
        const struct crowd_conn *conn = &crowd->conns[i];

        n_complete += conn->n_bytes == QUEUED_KIB * KIB && conn->fd < 0;
        n_reset += conn->was_reset;
    }
    soak_judge(verdict, n_complete == crowd->n - n_stalled && n_reset == 0,
               "%d of %d readers got every byte, %d were reset", n_complete,
               crowd->n - n_stalled, n_reset);
}

int
main(int argc, char **argv)
{
    struct soak_verdict verdict;
    struct soak_setup setup = {.options = KELPIE_OPTIONS_INIT, .script = script};
    struct soak_server server;
    struct soak_sample sample;
    struct crowd crowd;
    char answer[64];

    soak_begin(&verdict, argc, argv);
    int n = verdict.is_short ? 50 : 10000, n_stalled = verdict.is_short ? 5 : 100;
    int drain_s = verdict.is_short ? 3 : DRAIN_S;
    setup.options.max_clients = n + 10;
    setup.options.drain_timeout_ms = drain_s * 1000;
    setup.options.handler_timeout_ms = 5000; /* one call writes to all of them */
    setup.options.max_outbox_total = (size_t)4 << 30;
    soak_start(&server, &setup);
    crowd_init(&crowd, server.port);
    crowd_connect(&crowd, n, true);
    for (int i = 0; i < n; i++)
        crowd_send(&crowd.conns[i], "join\n");
    int boss = crowd_dial(server.port, NULL, false);
    crowd_talk(boss, "write\n", answer, sizeof(answer));
    soak_look(&server, &sample);
    printf("%d clients, %.1f MiB queued for them; %ld MiB resident, %zu MiB counted\n", n,
           (double)sample.stats.outbox_bytes / 1048576, sample.rss / 1048576,
           sample.counted / 1048576);

    for (int i = n_stalled; i < n; i++)
        crowd_watch(&crowd, &crowd.conns[i]);
    soak_drain(&server);
    double started = crowd_now_s(), all_read = 0;
    bool has_ended = false;
    while (!has_ended && crowd_now_s() < started + drain_s + 30) {
        crowd_turn(&crowd, 10);
        if (all_read == 0 && crowd.n_ended == n - n_stalled)
            all_read = crowd_now_s() - started;
        has_ended = soak_wait(&server, 0);
    }
    double took = crowd_now_s() - started;
    while (crowd.n_ended < n - n_stalled && crowd_turn(&crowd, 1000) > 0)
        ; /* what the kernel still has */

    judge_clients(&verdict, &crowd, n_stalled);
    soak_judge(&verdict, has_ended, "the server has ended, and all its memory was freed");
    soak_judge_figure(
        &verdict, took <= drain_s + 1,
        "readers had everything after %.1f s; the end after %.1f s, the limit "
        "is %d s",
        all_read, took, drain_s);
    crowd_clear(&crowd);
    soak_stop(&server);
    return soak_end(&verdict);
}
