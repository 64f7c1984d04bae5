/*
 * activation.h - listeners that were opened by whoever has started the daemon
 */
#ifndef KD_ACTIVATION_H
#define KD_ACTIVATION_H

#include "settings.h"

/* Reads and removes what the supervisor has put into the environment: appends an address to
 * *out for each inherited descriptor, "fd:3" or "NAME=fd:4".
 * Returns   0; -1 without memory. */
int kd_activation_read(struct kd_list *out);

#endif
