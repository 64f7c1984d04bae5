/*
 * churn.c - clients come and go as fast as the machine can
 *
 *     build/release/tests/soak_churn [short]
 *
 * Ten seconds long: connect, one line, its answer, the end. Several are on the way at a time.
 * The client ends first, so the ports that wait for stragglers are its own; it has sixteen
 * addresses, for ten thousand a second would use up the ports of one. Memory is looked at
 * after the first second, and at the end: it stays.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/kit.h"
#include "crowd.h"
#include "host.h"

#define AT_A_TIME 64
#define ADDRESSES 16
#define MIB       (1024L * 1024)

static const char script[] =
    "return { on_message = function(conn, line) conn:send(line) end }\n";

/* Lets AT_A_TIME clients come, be answered and go. */
static void
wave(int port, uint64_t *n)
{
    int fds[AT_A_TIME];
    char answer[16], source[32];

    for (int i = 0; i < AT_A_TIME; i++) {
        snprintf(source, sizeof(source), "127.0.1.%d", (int)(*n % ADDRESSES) + 1);
        fds[i] = crowd_dial(port, source, false);
        if (send(fds[i], "hello\n", 6, MSG_NOSIGNAL) != 6)
            bench_give_up("send", strerror(errno));
        ++*n;
    }
    for (int i = 0; i < AT_A_TIME; i++) {
        if (recv(fds[i], answer, 6, MSG_WAITALL) != 6 ||
            memcmp(answer, "hello\n", 6) != 0)
            bench_give_up("recv", "not the answer");
        close(fds[i]);
    }
}

static void
churn_for(int port, double seconds, uint64_t *n)
{
    double until = crowd_now_s() + seconds;

    while (crowd_now_s() < until)
        wave(port, n);
}

static void
wait_for_nobody(struct soak_server *server, struct soak_sample *sample)
{
    double until = crowd_now_s() + 30;

    do
        soak_look(server, sample);
    while (sample->stats.clients > 0 && crowd_now_s() < until);
}

int
main(int argc, char **argv)
{
    struct soak_verdict verdict;
    struct soak_setup setup = {.options = KELPIE_OPTIONS_INIT, .script = script};
    struct soak_server server;
    struct soak_sample warm, after;
    uint64_t n = 0;

    soak_begin(&verdict, argc, argv);
    double seconds = verdict.is_short ? 0.3 : 10;
    soak_start(&server, &setup);
    churn_for(server.port, seconds / 10, &n);
    wait_for_nobody(&server, &warm);
    uint64_t n_warm = n;
    double started = crowd_now_s();
    churn_for(server.port, seconds, &n);
    double took = crowd_now_s() - started;
    wait_for_nobody(&server, &after);

    printf("%" PRIu64
           " clients in %.1f s: %.0f a second; %.1f us of the server's time each\n",
           n - n_warm, took, (double)(n - n_warm) / took,
           (double)(after.cpu_ns - warm.cpu_ns) / 1e3 / (double)(n - n_warm));
    soak_judge(&verdict, after.stats.accepted == n && after.stats.closed == n,
               "%" PRIu64 " accepted, %" PRIu64 " closed, all of them answered",
               after.stats.accepted, after.stats.closed);
    soak_judge(&verdict, after.stats.clients == 0 && soak_reason(&after, "eof") == n,
               "nobody is left, all for \"eof\"");
    soak_judge_figure(&verdict, after.rss - warm.rss < MIB,
                      "resident: %ld KiB warm, %ld KiB at the end", warm.rss / 1024,
                      after.rss / 1024);
    soak_judge_figure(&verdict, after.counted < warm.counted + MIB,
                      "counted: %zu KiB warm, %zu KiB at the end, %zu KiB at most",
                      warm.counted / 1024, after.counted / 1024,
                      after.peak_counted / 1024);
    soak_stop(&server);
    return soak_end(&verdict);
}
