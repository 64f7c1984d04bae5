/*
 * privileges.h - becoming another user, and other things a process asks of its system
 */
#ifndef KD_PRIVILEGES_H
#define KD_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>

/* Opens descriptors 0, 1 and 2 to /dev/null where they are closed: else the first socket
 * would become one of them, and a client would get the log. */
void kd_privileges_fill_std_fds(void);

/* Raises the soft limit of open files to the hard one, as far as the system lets us.
 * Returns   the limit; 0 when there is none. */
size_t kd_privileges_raise_files(void);

bool kd_privileges_is_root(void);

/* Becomes `user`, a name or a number, with its groups, and makes sure that there is no way
 * back.
 * Returns   0; EX_NOUSER, EX_NOPERM, EX_OSERR with a sentence in why (size bytes). */
int kd_privileges_drop(const char *user, char *why, size_t size);

#endif
