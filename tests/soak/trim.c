/*
 * trim.c - one client makes handlers slow
 *
 *     build/release/tests/soak_trim [short]
 *
 * The handler cuts blanks as everybody writes it, line:match("^%s*(.-)%s*$"), and one client
 * sends 64 KiB of blanks between two letters, for which that pattern takes quadratic time when
 * it is matched naively: half a minute. The matcher has to be clever enough to answer at once.
 *
 * Another client knows how to send the handler into an endless loop. Each such call is ended
 * after handler_timeout, and the third time its connection is closed. Nobody else waits longer
 * than that time and 50 ms.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/kit.h"
#include "crowd.h"
#include "host.h"

#define SPACES     65536
#define TIMEOUT_MS 100
#define ATTACKS    20

static const char script[] =
    "return { max_message = 100000, on_message = function(conn, line)\n"
    "   while line == 'loop' do end\n"
    "   local text = line:match('^%s*(.-)%s*$')\n"
    "   if #text > 1000 then conn:send('cut ', #text) else conn:send(text) end\n"
    "end }\n";

/* Sends all of it, and reads an answer. Returns false when the connection has ended. */
static bool
attack(int fd, const char *line, size_t len, char *answer, size_t size)
{
    size_t n_answer = 0;

    while (len > 0) {
        ssize_t n = send(fd, line, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        line += n;
        len -= (size_t)n;
    }
    while (n_answer == 0 || answer[n_answer - 1] != '\n') {
        ssize_t n = recv(fd, answer + n_answer, size - 1 - n_answer, 0);
        if (n <= 0)
            return false;
        n_answer += (size_t)n;
    }
    answer[n_answer] = '\0';
    return true;
}

int
main(int argc, char **argv)
{
    static char line[SPACES + 3];
    struct soak_verdict verdict;
    struct soak_setup setup = {.options = KELPIE_OPTIONS_INIT, .script = script};
    struct soak_server server;
    struct soak_sample sample;
    struct witness witness;
    char answer[64], expected[64];
    int n_answers = 0;

    soak_begin(&verdict, argc, argv);
    setup.options.handler_timeout_ms = TIMEOUT_MS;
    soak_start(&server, &setup);
    witness_start(&witness, server.port);
    memset(line, ' ', sizeof(line));
    line[0] = line[SPACES + 1] = 'x';
    line[SPACES + 2] = '\n';
    snprintf(expected, sizeof(expected), "cut %d\n", SPACES + 2);

    int fd = crowd_dial(server.port, NULL, false);
    double started = crowd_now_s();
    bool is_open = true;
    for (int i = 0; i < ATTACKS && is_open; i++) {
        is_open = attack(fd, line, sizeof(line), answer, sizeof(answer));
        n_answers += is_open && strcmp(answer, expected) == 0;
        if (is_open && strcmp(answer, expected) != 0)
            bench_give_up("a wrong answer", answer);
    }
    double took = crowd_now_s() - started;
    close(fd);
    fd = crowd_dial(server.port, NULL, false);
    witness_phase(&witness, 1);
    bool was_answered =
        attack(fd, "loop\nloop\nloop\nloop\n", 20, answer, sizeof(answer));
    close(fd);
    do
        soak_look(&server, &sample);
    while (sample.stats.clients > 1);
    soak_look(&server, &sample);
    bool is_right = witness_stop(&witness);
    soak_judge(&verdict, n_answers == ATTACKS, "%d of %d patterns answered in %.3f s",
               n_answers, ATTACKS, took);
    soak_judge(&verdict,
               !was_answered && sample.stats.handler_kills == 3 &&
                   sample.stats.script_killed == 1 &&
                   soak_reason(&sample, "script killed") == 1,
               "%" PRIu64 " endless loops ended, then their connection for it",
               sample.stats.handler_kills);
    soak_judge(&verdict, is_right, "the witness got all of its answers");
    for (int phase = 0; phase < 2; phase++) {
        const struct histogram *times = witness_times(&witness, phase);

        soak_judge_figure(&verdict, times->max <= (TIMEOUT_MS + 50) * 1000000ull,
                          "%s: it waited %.2f ms at 99 %%, %.2f ms at most",
                          phase == 0 ? "patterns" : "loops",
                          (double)histogram_at(times, 0.99) / 1e6,
                          (double)times->max / 1e6);
    }
    witness_clear(&witness);
    soak_stop(&server);
    return soak_end(&verdict);
}
