/*
 * unused.h - kept tables that nothing of the script holds
 */
#ifndef KP_UNUSED_H
#define KP_UNUSED_H

#include "stage.h"

/* Adds a line to script->error for each kelpie.keep of a stage that was run whose table no
 * handler can reach. The generation is of no use afterwards: its kept tables are let go.
 * Returns   how many lines; 0 also when there is no memory to find out. */
int kp_unused_check(struct kp_stage *stage);

#endif
