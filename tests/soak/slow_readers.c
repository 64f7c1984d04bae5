/*
 * slow_readers.c - ten thousand connections get every broadcast, a thousand never read
 *
 *     build/release/tests/soak_slow_readers [short]
 *
 * A thousand broadcasts of 1 KiB a second are asked for during ten seconds: that would be ten
 * gigabytes a second, which the loopback of a small machine does not carry. The script sends
 * as many as are due, as long as it may, and the rate that was really reached is shown.
 *
 *     memory      stays below the cap of all outboxes + 32 MiB
 *     readers     get every number in order; what they miss was skipped, and is counted
 *     the others  are closed with the reason "slow reader"
 *
 * Who never reads has small buffers, as over a real network: on the loopback the kernel alone
 * would keep some megabytes for each, and nobody would be slow in ten seconds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "host.h"

#define MIB        (1024L * 1024)
#define BLOCK      1024 /* a message with its newline */
#define DIGITS     11
#define SETTLE_S   30
#define SLOW_S     10
#define OUTBOX_MIB 256

enum { LAST, POSITION, VALUE }; /* of crowd_conn.numbers */

static const char script[] =
    "local kelpie = require('kelpie')\n"
    "local room = kelpie.room('all')\n"
    "local pad = ' ' .. ('x'):rep(1024 - 13)\n"
    "local sent, started, timer = 0, nil, nil\n"
    "local function tick()\n"
    "   local now = kelpie.now()\n"
    "   local due = (now - started) * 1000\n"
    "   repeat\n"
    "      if sent >= due then return end\n"
    "      sent = sent + 1\n"
    "      room:send(('%011d'):format(sent) .. pad)\n"
    "   until kelpie.now() - now > 0.04\n"
    "end\n"
    "return { on_message = function(conn, line)\n"
    "   if line == 'join' then room:join(conn)\n"
    "   elseif line == 'go' then\n"
    "      started = kelpie.now(); timer = kelpie.every(0.001, tick); conn:send('gone')\n"
    "   elseif line == 'stop' then timer:cancel(); conn:send(sent)\n"
    "   else conn:send(line) end\n"
    "end }\n";

/* Notes the number of each message; a gap shows later, as what was not received. */
static void
on_bytes(struct crowd_conn *conn, const char *bytes, size_t len)
{
    uint64_t *n = conn->numbers;

    for (size_t i = 0; i < len;) {
        size_t step = 1;

        if (n[POSITION] < DIGITS) {
            n[VALUE] = n[VALUE] * 10 + (uint64_t)(bytes[i] - '0');
        } else if (n[POSITION] == DIGITS) {
            conn->is_special |= n[VALUE] <= n[LAST]; /* doubled, or out of order */
            n[LAST] = n[VALUE];
            n[VALUE] = 0;
        } else {
            step = BLOCK - (size_t)n[POSITION];
            if (step > len - i)
                step = len - i;
        }
        i += step;
        n[POSITION] = (n[POSITION] + step) % BLOCK;
    }
}

static void
gather(struct crowd *crowd, int n, int n_stalled)
{
    crowd->on_bytes = on_bytes;
    crowd_connect(crowd, n_stalled, true);
    crowd_connect(crowd, n - n_stalled, false);
    for (int i = 0; i < crowd->n; i++)
        crowd_send(&crowd->conns[i], "join\n");
    for (int i = n_stalled; i < crowd->n; i++)
        crowd_watch(crowd, &crowd->conns[i]);
}

static void
read_for(struct crowd *crowd, double seconds)
{
    double until = crowd_now_s() + seconds;

    while (crowd_now_s() < until)
        crowd_turn(crowd, 10);
}

/* Reads on until all stalled ones are closed and everybody else has everything. */
static bool
settle(struct crowd *crowd, struct soak_server *server, struct soak_sample *sample,
       int n_stalled)
{
    double until = crowd_now_s() + SLOW_S + SETTLE_S;

    while (crowd_now_s() < until) {
        read_for(crowd, 0.5);
        if (!soak_look(server, sample))
            return false;
        if (soak_reason(sample, "slow reader") >= (unsigned long)n_stalled &&
            sample->stats.outbox_bytes == 0 && crowd_turn(crowd, 200) == 0)
            break;
    }
    return true;
}

static void
judge_readers(struct soak_verdict *verdict, const struct crowd *crowd, int n_stalled,
              uint64_t total, uint64_t skipped)
{
    uint64_t got = 0, missed = 0;
    int wrong = 0;

    for (int i = n_stalled; i < crowd->n; i++) {
        const struct crowd_conn *conn = &crowd->conns[i];

        wrong += conn->is_special || conn->n_bytes % BLOCK != 0;
        got += conn->n_bytes / BLOCK;
        missed += total - conn->n_bytes / BLOCK;
    }
    soak_judge(verdict, crowd->n_ended == 0, "%d of %d readers were closed",
               crowd->n_ended, crowd->n - n_stalled);
    soak_judge(verdict, wrong == 0 && got > 0, "%" PRIu64 " messages read, in order",
               got);
    soak_judge(verdict, missed <= skipped,
               "%" PRIu64 " missed by readers, %" PRIu64 " skipped and counted in all",
               missed, skipped);
}

int
main(int argc, char **argv)
{
    struct soak_verdict verdict;
    struct soak_setup setup = {.options = KELPIE_OPTIONS_INIT, .script = script};
    struct soak_server server;
    struct soak_sample before, after;
    struct crowd crowd;
    char answer[64];

    soak_begin(&verdict, argc, argv);
    int n = verdict.is_short ? 50 : 10000, n_stalled = n / 10;
    double seconds = verdict.is_short ? 1 : 10;
    setup.options.max_clients = n + 10;
    if (verdict.is_short)
        setup.options.slow_reader_ms = 1000;
    soak_start(&server, &setup);
    crowd_init(&crowd, server.port);
    gather(&crowd, n, n_stalled);
    int boss = crowd_dial(server.port, NULL, false);
    soak_look(&server, &before);

    crowd_talk(boss, "go\n", answer, sizeof(answer));
    double started = crowd_now_s();
    read_for(&crowd, seconds);
    crowd_talk(boss, "stop\n", answer, sizeof(answer));
    double took = crowd_now_s() - started;
    uint64_t total = strtoull(answer, NULL, 10);
    bool is_alive = settle(&crowd, &server, &after, n_stalled);

    printf("%d connections, %d of them never read; %" PRIu64
           " broadcasts of 1 KiB in %.1f s: %.0f a second, %.2f GB/s\n",
           n, n_stalled, total, took, (double)total / took,
           (double)total / took * 1024 * (n - n_stalled) / 1e9);
    soak_judge(&verdict, is_alive, "the server lives");
    soak_judge_figure(&verdict, after.peak_rss <= (OUTBOX_MIB + 32) * MIB,
                      "%ld MiB resident at most (%ld before), %zu MiB counted",
                      after.peak_rss / MIB, before.rss / MIB,
                      after.peak_counted / (size_t)MIB);
    soak_judge(&verdict, soak_reason(&after, "slow reader") == (unsigned long)n_stalled,
               "%lu closed as slow readers, %" PRIu64 " in the counter",
               soak_reason(&after, "slow reader"), after.stats.slow_readers);
    judge_readers(&verdict, &crowd, n_stalled, total, after.stats.broadcast_skipped);
    crowd_clear(&crowd);
    soak_stop(&server);
    return soak_end(&verdict);
}
