/*
 * probation.h - a new generation has to prove itself while the one before is kept warm
 */
#ifndef KP_PROBATION_H
#define KP_PROBATION_H

#include "script.h"

#define KP_PROBATION_CALLS 200 /* and no fewer, however long it takes */

/* The new generation is worse when more than so many of its calls have failed, and more than
 * so many in a hundred, while the rate of the one before was below half of that. */
#define KP_PROBATION_MAX_ERRORS  5
#define KP_PROBATION_MAX_PERCENT 20

void kp_probation_init(struct kp_script *script);

/* Starts the time of a probation, or starts it anew (which cannot fail).
 * Returns   0, -ENOMEM. */
int kp_probation_start(struct kp_script *script) KP_MUST_CHECK;

/* Ends it: script->previous is freed, unless handlers are still suspended in it. */
void kp_probation_end(struct kp_script *script);

/* A phase of the step, when no handler runs: rolls back when the new generation is worse than
 * the one before, and ends a probation that is over.
 * Returns   1 when it has rolled back; 0 when there was no reason to; why that failed. */
int kp_probation_run(struct kp_script *script);

#endif
