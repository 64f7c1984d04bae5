/*
 * env.h - what a server has of the outside: memory, kernel, log
 *
 * One per server, owned by it, handed down to every layer. There is no other way out.
 */
#ifndef KP_ENV_H
#define KP_ENV_H

#include "log.h"
#include "mem.h"
#include "sys.h"

struct kp_env {
    struct kp_mem mem;
    struct kp_sys sys;
    struct kp_log log;
};

#endif
