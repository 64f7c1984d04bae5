/*
 * signals.c - what signals ask for, brought into the server's loop
 *
 * A handler counts its signal and writes one byte to a pipe that the server watches; all the
 * rest happens in the loop. The counts are the truth and the byte only wakes: a pipe that is
 * full of bytes of a thousand SIGHUPs cannot swallow a SIGTERM.
 *
 *     HUP          load the scripts again; requests that pile up are one
 *     TERM, INT    the first one drains, the second one ends it at once
 *     USR1         open the log file again
 *     USR2         log the status
 *     PIPE         ignored: a peer that is gone is an error of write(2)
 *     TTIN, TTOU   ignored: a server in the background does not stop at its terminal
 */
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static const int caught[KD_N_SIGNALS] = {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGUSR2};

/* The one mutable global of the program: a signal handler gets no argument, so this is the
 * only way to tell it anything. Lock-free atomics, because handlers may run in any thread. */
static struct {
    atomic_int pipe_fd; /* where to write the byte; -1: nowhere */
    atomic_uint count[KD_N_SIGNALS];
} raised = {.pipe_fd = -1};

static void
on_signal(int signal)
{
    int saved_errno = errno;
    int fd = atomic_load(&raised.pipe_fd);

    for (int i = 0; i < KD_N_SIGNALS; i++)
        if (caught[i] == signal)
            atomic_fetch_add(&raised.count[i], 1);
    if (fd >= 0)
        (void)!write(fd, "", 1); /* full: then the loop is being woken already */
    errno = saved_errno;
}

static void
set_action(int signal, void (*handler)(int))
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    (void)sigaction(signal, &action, NULL); /* fails only for numbers that do not exist */
}

/* Signals that whoever started us had blocked would never arrive. */
static void
unblock(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (int i = 0; i < KD_N_SIGNALS; i++)
        sigaddset(&set, caught[i]);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int
kd_signals_open(struct kd_signals *signals)
{
    memset(signals, 0, sizeof(*signals));
    if (pipe(signals->fds) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        (void)fcntl(signals->fds[i], F_SETFD,
                    FD_CLOEXEC); /* cannot fail for our own fd */
        (void)fcntl(signals->fds[i], F_SETFL, O_NONBLOCK);
    }
    atomic_store(&raised.pipe_fd, signals->fds[1]);
    for (int i = 0; i < KD_N_SIGNALS; i++)
        signals->seen[i] = atomic_load(&raised.count[i]);

    set_action(SIGPIPE, SIG_IGN);
    set_action(SIGTTIN, SIG_IGN);
    set_action(SIGTTOU, SIG_IGN);
    for (int i = 0; i < KD_N_SIGNALS; i++)
        set_action(caught[i], on_signal);
    unblock();
    return 0;
}

/* Acts on one signal that was raised n times since the last look. */
static void
act(struct kd_signals *signals, int signal, unsigned n)
{
    switch (signal) {
    case SIGHUP:
        kelpie_reload(signals->k);
        break;
    case SIGUSR1:
        signals->on_reopen(signals->arg);
        break;
    case SIGUSR2:
        signals->on_status(signals->arg);
        break;
    default:
        for (; n > 0; n--)
            signals->on_end(signals->arg, ++signals->n_ends);
    }
}

static void
on_readable(void *arg, int fd)
{
    struct kd_signals *signals = arg;
    char bytes[64];

    /* First the bytes, then the counts: a signal in between writes a byte that wakes again. */
    while (read(fd, bytes, sizeof(bytes)) > 0)
        ;
    for (int i = 0; i < KD_N_SIGNALS; i++) {
        unsigned n = atomic_load(&raised.count[i]) - signals->seen[i];
        signals->seen[i] += n;
        if (n > 0)
            act(signals, caught[i], n);
    }
}

int
kd_signals_watch(struct kd_signals *signals, kelpie *k)
{
    signals->k = k;
    return kelpie_watch(k, signals->fds[0], on_readable, signals);
}

void
kd_signals_close(struct kd_signals *signals)
{
    atomic_store(&raised.pipe_fd, -1);
    (void)close(signals->fds[0]); /* a pipe: nothing can be lost */
    (void)close(signals->fds[1]);
}
