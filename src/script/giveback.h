/*
 * giveback.h - the state of a generation goes back to the one before it
 */
#ifndef KP_GIVEBACK_H
#define KP_GIVEBACK_H

#include "generation.h"

struct kp_giveback {
    size_t n_roots, n_conns; /* kept roots, and connections whose data went back */
    size_t n_kept;           /* values that could not cross */
};

/* Fills the kept roots and the data of connections of `to`, a generation that was live before
 * `from`, with those of `from`, by value. The tables stay the same, since modules of `to`
 * hold them. What cannot cross keeps the value that it has, and is told in script->report.
 * Returns   0; -ENOMEM, KELPIE_ESCRIPT with script->error: then nothing has changed. */
int kp_giveback(struct kp_generation *from, struct kp_generation *to,
                struct kp_giveback *out) KP_MUST_CHECK;

/* Counts what kp_giveback would give back; changes nothing. */
void kp_giveback_count(struct kp_generation *from, struct kp_giveback *out);

#endif
