/*
 * witness.c - what somebody else notices; see crowd.h
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/kit.h"
#include "crowd.h"

#define PAUSE_NS 1000000 /* between an answer and the next line */

struct witness_page {
    atomic_int phase;
    atomic_bool stop_wanted;
    struct histogram times[WITNESS_PHASES]; /* the child's until it has ended */
};

static void
ask_on(struct witness_page *page, int port)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    char line[64], answer[64];
    int fd = crowd_dial(port, NULL, false);

    for (unsigned long i = 0; !atomic_load(&page->stop_wanted); i++) {
        int phase = atomic_load(&page->phase);
        int len = snprintf(line, sizeof(line), "ping %lu\n", i);
        uint64_t sent_ns = bench_clock_ns(CLOCK_MONOTONIC);

        crowd_talk(fd, line, answer, sizeof(answer));
        histogram_add(&page->times[phase], bench_clock_ns(CLOCK_MONOTONIC) - sent_ns);
        line[len - 1] = '\0';
        if (strcmp(line, answer) != 0)
            bench_give_up("witness", "a wrong answer");
        (void)nanosleep(&pause, NULL); /* a rate, not a wait */
    }
    close(fd);
}

void
witness_start(struct witness *witness, int port)
{
    witness->page = mmap(NULL, sizeof(*witness->page), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANON, -1, 0);
    if (witness->page == MAP_FAILED)
        bench_give_up("mmap", strerror(errno));
    fflush(stdout);
    witness->pid = fork();
    if (witness->pid < 0)
        bench_give_up("fork", strerror(errno));
    if (witness->pid > 0)
        return;
    ask_on(witness->page, port);
    _exit(0);
}

void
witness_phase(struct witness *witness, int phase)
{
    atomic_store(&witness->page->phase, phase);
}

bool
witness_stop(struct witness *witness)
{
    int status;

    atomic_store(&witness->page->stop_wanted, true);
    while (waitpid(witness->pid, &status, 0) < 0)
        if (errno != EINTR)
            bench_give_up("waitpid", strerror(errno));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

const struct histogram *
witness_times(const struct witness *witness, int phase)
{
    return &witness->page->times[phase];
}

void
witness_clear(struct witness *witness)
{
    munmap(witness->page, sizeof(*witness->page));
}
