/*
 * fd_limit.c - no descriptor is left: refused politely, at rest, and back at once
 *
 *     build/release/tests/soak_fd_limit [short]
 *
 * First the limit of descriptors itself: clients connect until there are none, and more come.
 * They are refused with a sentence, by the spare descriptor. Then accept(2) fails as it does
 * when the whole system has none, where the spare one does not help: the clients wait in the
 * kernel's queue, and a naive loop would spin. In both cases
 *
 *     the server rests           less than 5 % of a processor
 *     those who are in           are answered as before
 *     when one leaves            the next one is in within 200 ms
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/kit.h"
#include "crowd.h"
#include "host.h"

#define WAITING 50

static const char script[] =
    "return { on_connect = function(conn) conn:send('in') end,\n"
    "   on_message = function(conn, line) conn:send(line) end }\n";

static void
rest(double seconds)
{
    const struct timespec span = {.tv_sec = (time_t)seconds,
                                  .tv_nsec =
                                      (long)((seconds - (double)(time_t)seconds) * 1e9)};

    (void)nanosleep(&span, NULL); /* the span that is measured */
}

/* Measures for some seconds how much of a processor the server uses. */
static void
judge_rest(struct soak_verdict *verdict, struct soak_server *server, const char *when)
{
    struct soak_sample first, last;
    double started = crowd_now_s();

    soak_look(server, &first);
    rest(verdict->is_short ? 0.2 : 3);
    soak_look(server, &last);
    double share =
        (double)(last.cpu_ns - first.cpu_ns) / 1e9 / (crowd_now_s() - started) * 100;
    soak_judge_figure(verdict, share < 5, "%s: %.2f %% of a processor", when, share);
}

/* Reads what a new connection is told first. Returns whether it is in. */
static bool
is_let_in(int fd)
{
    char line[64];
    size_t len = 0;

    while (len == 0 || line[len - 1] != '\n') {
        ssize_t n = recv(fd, line + len, sizeof(line) - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
    }
    line[len] = '\0';
    return strcmp(line, "in\n") == 0;
}

/* Connects clients until one is refused. */
static int
fill(struct crowd *crowd)
{
    for (;;) {
        int fd = crowd_dial(crowd->port, NULL, false);
        if (!is_let_in(fd)) {
            close(fd);
            return crowd->n;
        }
        crowd->conns =
            bench_realloc(crowd->conns, (size_t)(crowd->n + 1) * sizeof(*crowd->conns));
        crowd->conns[crowd->n++] = (struct crowd_conn){.fd = fd};
    }
}

static void
judge_spare(struct soak_verdict *verdict, struct soak_server *server, struct crowd *crowd)
{
    struct soak_sample sample;
    int n_refused = 0, n_in = fill(crowd);

    for (int i = 0; i < WAITING; i++) {
        int fd = crowd_dial(crowd->port, NULL, false);
        n_refused += !is_let_in(fd);
        close(fd);
    }
    soak_judge(verdict, n_in > 0 && n_refused == WAITING,
               "%d clients are in, %d of %d more were refused", n_in, n_refused, WAITING);
    judge_rest(verdict, server, "without a descriptor");

    double left = crowd_now_s();
    int fd, tries = 0;
    close(crowd->conns[--crowd->n].fd);
    while (fd = crowd_dial(crowd->port, NULL, false), !is_let_in(fd) && tries < 10000) {
        close(fd);
        tries++;
    }
    double took = crowd_now_s() - left;
    close(fd);
    soak_judge(verdict, tries < 10000, "one has left, and the next one is in");
    soak_judge_figure(verdict, took < 0.2, "after %.1f ms", took * 1000);
    soak_look(server, &sample);
    soak_judge(verdict, sample.stats.refused >= WAITING,
               "%" PRIu64 " refused in the counter", sample.stats.refused);
}

static void
judge_pause(struct soak_verdict *verdict, struct soak_server *server, struct crowd *crowd)
{
    struct soak_sample before, after;
    char answer[64];
    int waiting[WAITING];

    soak_look(server, &before);
    soak_fail_accept(server, ENFILE);
    for (int i = 0; i < WAITING; i++)
        waiting[i] = crowd_dial(crowd->port, NULL, false);
    judge_rest(verdict, server, "accept fails, clients wait");
    crowd_talk(crowd->conns[0].fd, "still there?\n", answer, sizeof(answer));
    soak_judge(verdict, strcmp(answer, "still there?") == 0, "who is in is answered");
    soak_look(server, &after);
    soak_judge(verdict, after.stats.accept_pauses > before.stats.accept_pauses,
               "%" PRIu64 " pauses in the counter",
               after.stats.accept_pauses - before.stats.accept_pauses);

    double free_again = crowd_now_s();
    soak_fail_accept(server, 0);
    soak_judge(verdict, is_let_in(waiting[0]),
               "it works again, and who has waited is in");
    double took = crowd_now_s() - free_again;
    soak_judge_figure(verdict, took < 0.2, "after %.1f ms", took * 1000);
    for (int i = 0; i < WAITING; i++)
        close(waiting[i]);
}

int
main(int argc, char **argv)
{
    struct soak_verdict verdict;
    struct soak_setup setup = {
        .options = KELPIE_OPTIONS_INIT, .script = script, .max_files = 200};
    struct soak_server server;
    struct crowd crowd;

    soak_begin(&verdict, argc, argv);
    soak_start(&server, &setup);
    crowd_init(&crowd, server.port);
    judge_spare(&verdict, &server, &crowd);
    for (int i = 0; i < 100; i++) /* so that descriptors are not what is missing next */
        close(crowd.conns[--crowd.n].fd);
    judge_pause(&verdict, &server, &crowd);
    crowd_clear(&crowd);
    soak_stop(&server);
    return soak_end(&verdict);
}
