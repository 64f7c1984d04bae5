/*
 * signals.h - what signals ask for, brought into the server's loop
 */
#ifndef KD_SIGNALS_H
#define KD_SIGNALS_H

#include <kelpie.h>

#define KD_N_SIGNALS 5

struct kd_signals {
    int fds[2];                  /* self-pipe; [0] is watched by the server */
    unsigned seen[KD_N_SIGNALS]; /* how many of each were acted upon */
    unsigned n_ends;             /* TERM and INT so far */
    kelpie *k;

    /* Called in the loop; arg is theirs. */
    void (*on_end)(void *arg, unsigned nth); /* TERM or INT, the nth of them, from 1 */
    void (*on_reopen)(void *arg);            /* USR1 */
    void (*on_status)(void *arg);            /* USR2 */
    void *arg;
};

/* Ignores SIGPIPE, SIGTTIN and SIGTTOU and takes HUP, TERM, INT, USR1 and USR2 over. From
 * here on none of them ends the program; they are remembered until kd_signals_watch.
 * Returns   0, or negative errno of pipe(2). */
int kd_signals_open(struct kd_signals *signals);

/* Acts on signals, also those that came before, in the loop of k. HUP is kelpie_reload; the
 * functions of *signals have to be set.
 * Returns   as kelpie_watch. */
int kd_signals_watch(struct kd_signals *signals, kelpie *k);

/* Forgets the pipe; signals that come now do nothing. The server must be gone. */
void kd_signals_close(struct kd_signals *signals);

#endif
