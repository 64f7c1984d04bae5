/*
 * thread.c - a thread of the library's own, beside that of a server
 *
 * There are two uses for it, the guard (script/guard.c) and look-ups of names (resolver.c);
 * this file has what is about threads
 * and signals of POSIX, and nothing about Lua.
 *
 * A new thread inherits the signal mask of the one that makes it. So all signals are blocked
 * for the moment in which it is made: none of the host's can land in a thread that the host
 * does not know of.
 *
 * See       POSIX.1-2017, 2.4; pthread_create(3), pthread_sigmask(3), sigaction(2)
 */
#include "thread.h"

#include <errno.h>
#include <stdbool.h>

int
kp_thread_start(struct kp_sys *sys, pthread_t *out, void *(*fn)(void *arg), void *arg,
                int signal)
{
    sigset_t all, before;

    sigfillset(&all);
    if (signal != 0)
        sigdelset(&all, signal);
    int rc = -pthread_sigmask(SIG_SETMASK, &all, &before);
    if (rc < 0)
        return rc;
    rc = kp_sys_thread(sys, out, fn, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* as it worked a moment ago */
    return rc;
}

void
kp_thread_nap(uint64_t duration_ns)
{
    struct timespec duration = {
        .tv_sec = (time_t)(duration_ns / KP_NS_PER_S),
        .tv_nsec = (long)(duration_ns % KP_NS_PER_S),
    };

    (void)nanosleep(&duration, NULL); /* a signal may cut it short: as promised */
}

void
kp_thread_unblock(int signal)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signal);
    (void)pthread_sigmask(SIG_UNBLOCK, &set,
                          NULL); /* fails only for a bad first argument */
}

int
kp_thread_catch(struct kp_sys *sys, int signal, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct sigaction before;

    sigemptyset(&action.sa_mask);
    int rc = kp_sys_sigaction(sys, signal, NULL, &before);
    if (rc < 0)
        return rc;
    bool is_ours = !(before.sa_flags & SA_SIGINFO) && before.sa_handler == handler;
    bool is_free = !(before.sa_flags & SA_SIGINFO) &&
                   (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN);
    if (is_ours)
        return 0;
    return is_free ? kp_sys_sigaction(sys, signal, &action, NULL) : -EBUSY;
}
