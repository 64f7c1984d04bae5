/*
 * rollback.h - back to the generation before
 */
#ifndef KP_ROLLBACK_H
#define KP_ROLLBACK_H

#include "script.h"

/* Goes back to script->previous. why: why kelpie does it by itself, one line; NULL: somebody
 * has asked for it.
 * Returns   as kp_reload_rollback. */
int kp_rollback(struct kp_script *script, const char *why) KP_MUST_CHECK;

#endif
