/*
 * watchdog.h - what the daemon does on the thread of the watchdog
 */
#ifndef KD_WATCHDOG_H
#define KD_WATCHDOG_H

#include "log.h"

struct kd_watchdog {
    struct kd_log *log;
    bool has_own_files; /* its thread has descriptors of its own; only that thread asks */
};

/* Sets the watchdog of a server that is to be made: its signal, and what its thread does at the
 * beginning and as the last resort. watchdog and its log live as long as the server. */
void kd_watchdog_configure(struct kd_watchdog *watchdog, struct kelpie_options *server);

#endif
