/*
 * storm.c - sends a process SIGHUP, again and again, for test_reload_storm.sh
 *
 *     storm PID COUNT
 *
 * Sends COUNT signals, about ten in a millisecond, and says "sent COUNT". Waits for the end
 * of its standard input, and sends a hundred more: whatever was changed before that end has
 * to be seen. Exit code 1 if the process is gone.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LAST_ONES 100

static void
send_signals(pid_t pid, long count)
{
    const struct timespec breath = {.tv_nsec = 20000};

    for (long i = 0; i < count; i++) {
        if (kill(pid, SIGHUP) < 0) {
            fprintf(stderr, "storm: signal %ld: %s\n", i, strerror(errno));
            exit(1);
        }
        (void)nanosleep(&breath, NULL); /* a rate, not a wait */
    }
}

int
main(int argc, char **argv)
{
    char byte;

    if (argc != 3)
        return 64;
    pid_t pid = (pid_t)atol(argv[1]);
    long count = atol(argv[2]);
    send_signals(pid, count);
    printf("sent %ld\n", count);
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    send_signals(pid, LAST_ONES);
    return 0;
}
