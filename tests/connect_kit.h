/*
 * connect_kit.h - another server for scripts that connect, on top of script_kit.h
 *
 * It is a listening socket of the test, on a free port of the loopback.
 */
#ifndef CONNECT_KIT_H
#define CONNECT_KIT_H

#include "bind_kit.h"

struct ck_other {
    int fd;
    int port;
};

struct ck_other ck_open(void);

/* Accepts what the script connects; does steps meanwhile. Returns a blocking socket. */
int ck_accept(struct script_kit *kit, const struct ck_other *other);

/* Does steps until a descriptor can be read, ten seconds at most. */
void ck_wait_readable(struct script_kit *kit, int fd);

/* Sends a text; reads exactly one ("" is the end). */
void ck_say(int fd, const char *text);
void ck_hears(struct script_kit *kit, int fd, const char *text);

/* Does steps until that was printed, and no more. */
void ck_prints(struct script_kit *kit, const char *text);

/* Runs a text as sk_run does, with a local `address`, that of a port. */
void ck_run(struct script_kit *kit, int port, const char *text);

#endif
