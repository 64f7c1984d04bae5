/*
 * globals.h - names that a script uses and nobody defines
 */
#ifndef KP_GLOBALS_H
#define KP_GLOBALS_H

#include "stage.h"

/* Looks through all files of a stage that was run, and writes a line for each global that is
 * read and not there to script->error: "FILE:LINE: warning: ...".
 * Returns   how many lines; 0 also when they could not be looked through (no memory, a Lua
 *           whose compiled code is not that of 5.4). */
int kp_globals_check(struct kp_stage *stage);

#endif
