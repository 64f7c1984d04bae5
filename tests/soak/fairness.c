/*
 * fairness.c - what one client notices while others flood
 *
 *     build/release/tests/soak_fairness [short]
 *
 * A witness sends a line, waits for it to come back, and again, in four phases:
 *
 *     0  nobody else is there
 *     1  ten clients send lines as fast as the server reads them
 *     2  the same, and they never read their answers
 *     3  clients connect and leave, as fast as they can
 *
 * Server, clients and witness share the processors of one machine, so in phases 1 to 3 a part
 * of each wait is theirs; what is judged is that nobody is locked out.
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

#define FLOODERS   10
#define LONGEST_MS 250

static const char script[] =
    "return { on_message = function(conn, line) conn:send(line) end }\n";

static const char *const names[WITNESS_PHASES] = {
    "alone", "ten pipeline lines", "ten flood and never read", "a storm of connects"};

/* Sends what the kernel takes, for so long; reads the answers if it reads. */
static void
flood(struct crowd *crowd, double seconds, bool reads)
{
    static char lines[64 * 1024];
    double until = crowd_now_s() + seconds;

    for (size_t i = 0; i < sizeof(lines); i++)
        lines[i] = i % 64 == 63 ? '\n' : 'x';
    while (crowd_now_s() < until) {
        for (int i = 0; i < crowd->n; i++) {
            int fd = crowd->conns[i].fd;
            if (fd >= 0 && send(fd, lines, sizeof(lines), MSG_NOSIGNAL) < 0 &&
                errno != EAGAIN && errno != EPIPE && errno != ECONNRESET)
                bench_give_up("send", strerror(errno));
        }
        if (crowd_turn(crowd, reads ? 0 : 1) < 0)
            break;
    }
}

static void
flood_with(int port, double seconds, bool reads, struct soak_verdict *verdict)
{
    struct crowd crowd;

    crowd_init(&crowd, port);
    crowd_connect(&crowd, FLOODERS, false);
    for (int i = 0; reads && i < crowd.n; i++)
        crowd_watch(&crowd, &crowd.conns[i]);
    flood(&crowd, seconds, reads);
    for (int i = 0; reads && i < crowd.n; i++)
        soak_judge(verdict, crowd.conns[i].n_bytes > 0, "flooder %d has read %.1f MiB", i,
                   (double)crowd.conns[i].n_bytes / 1048576);
    crowd_clear(&crowd);
}

static uint64_t
storm(int port, double seconds)
{
    double until = crowd_now_s() + seconds;
    struct linger at_once = {.l_onoff = 1};
    uint64_t n = 0;

    while (crowd_now_s() < until) {
        int fd = crowd_dial(port, NULL, false);
        /* With a reset no port is left waiting. */
        if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) < 0)
            bench_give_up("setsockopt", strerror(errno));
        close(fd);
        n++;
    }
    return n;
}

int
main(int argc, char **argv)
{
    struct soak_verdict verdict;
    struct soak_setup setup = {.options = KELPIE_OPTIONS_INIT, .script = script};
    struct soak_server server;
    struct soak_sample sample;
    struct witness witness;

    soak_begin(&verdict, argc, argv);
    double seconds = verdict.is_short ? 0.3 : 5;
    const struct timespec span = {.tv_sec = (time_t)seconds, .tv_nsec = 300000000};
    soak_start(&server, &setup);
    witness_start(&witness, server.port);
    (void)nanosleep(&span, NULL); /* phase 0 lasts so long */
    witness_phase(&witness, 1);
    flood_with(server.port, seconds, true, &verdict);
    witness_phase(&witness, 2);
    flood_with(server.port, seconds, false, &verdict);
    witness_phase(&witness, 3);
    uint64_t n = storm(server.port, seconds);
    bool is_right = witness_stop(&witness);
    soak_look(&server, &sample);

    soak_judge(&verdict, is_right, "the witness was answered, every time");
    for (int phase = 0; phase < WITNESS_PHASES; phase++) {
        const struct histogram *times = witness_times(&witness, phase);

        soak_judge(&verdict, times->n > 0, "%s: %" PRIu64 " answers", names[phase],
                   times->n);
        soak_judge_figure(&verdict, times->max < LONGEST_MS * 1000000ull,
                          "waits: %.3f ms at 50 %%, %.3f at 99 %%, %.3f at most",
                          (double)histogram_at(times, 0.5) / 1e6,
                          (double)histogram_at(times, 0.99) / 1e6,
                          (double)times->max / 1e6);
    }
    printf("%.0f lines a second in all; %.0f connects a second in the storm\n",
           (double)sample.stats.messages_in / (4 * seconds), (double)n / seconds);
    witness_clear(&witness);
    soak_stop(&server);
    return soak_end(&verdict);
}
