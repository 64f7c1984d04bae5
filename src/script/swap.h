/*
 * swap.h - from one generation to the next, at the end of a step
 */
#ifndef KP_SWAP_H
#define KP_SWAP_H

#include "generation.h"

/* Makes gen the live generation and calls its on_load. The one that was live retires, and is
 * kept warm for a roll-back; the one that was kept until now is freed.
 * Returns   0; KELPIE_ESCRIPT when on_load raised, with script->error; -ENOMEM: then
 *           what was live is live again, as it was.
 * Takes     gen, unless it fails. */
int kp_swap(struct kp_script *script, struct kp_generation *gen) KP_MUST_CHECK;

/* The other way: makes script->previous, which is one, the live generation again and calls
 * its on_load("rollback"). The one that was live retires, or is freed.
 * Returns   as kp_swap. */
int kp_swap_back(struct kp_script *script) KP_MUST_CHECK;

/* Calls on_adopt for every connection that was there before the generation that serves,
 * unless a handler of it is still suspended in the old one: then task.c does it later. */
void kp_swap_adopt(struct kp_script *script);

#endif
