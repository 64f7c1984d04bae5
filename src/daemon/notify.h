/*
 * notify.h - telling the supervisor how the daemon is: the protocol of sd_notify(3)
 */
#ifndef KD_NOTIFY_H
#define KD_NOTIFY_H

#include <kelpie.h>
#include <stdbool.h>

#include "log.h"

struct kd_notify {
    char path[104]; /* of the supervisor's socket; "" when there is none */
    int alive_ms;   /* how often it wants a sign of life; 0: never */
    bool is_ready;  /* it was told */
    struct kd_log *log;
};

/* Reads and removes what the supervisor has put into the environment, so that no child of a
 * script takes it for its own. */
void kd_notify_init(struct kd_notify *notify, struct kd_log *log);

/* Says that the server listens and its scripts serve. From now on signs of life are sent as
 * often as the supervisor asks for them.
 * Returns   0; -ENOMEM. */
int kd_notify_ready(struct kd_notify *notify, kelpie *k);

/* Says how it goes: the first line of text, which is printable. */
void kd_notify_status(struct kd_notify *notify, const char *text);

/* Says that the end has begun. */
void kd_notify_stopping(struct kd_notify *notify);

#endif
