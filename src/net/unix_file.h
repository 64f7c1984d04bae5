/*
 * unix_file.h - the file that a listening unix socket has in the file system
 */
#ifndef KP_UNIX_FILE_H
#define KP_UNIX_FILE_H

#include <sys/types.h>

#include "address.h"
#include "base/env.h"

/* The file that we made; without one, path is NULL. */
struct kp_unix_file {
    char *path;
    dev_t dev;
    ino_t ino;
};

/* Binds fd to an address of AF_UNIX, replaces the file that a dead server has left there, sets
 * its mode (0: as the umask has it), and listens. All of it is done under a lock, so that of
 * several servers that start at once one gets the address and the others hear so.
 * Returns   0; -EADDRINUSE, perhaps with a better reason than its own in *cause, which else
 *           is untouched; negative errno of bind(2), listen(2), open(2), flock(2), stat(2),
 *           unlink(2), chmod(2), socket(2): then no file of ours is left. */
int kp_unix_listen(struct kp_sys *sys, int fd, const struct kp_address *address,
                   mode_t mode, int backlog, const char **cause) KP_MUST_CHECK;

/* Remembers the file that a bind to address has made.
 * Returns   0; -ENOMEM, negative errno of stat(2): then nothing is remembered.
 * Gives     *file, for kp_unix_file_clear. */
int kp_unix_file_init(struct kp_unix_file *file, struct kp_env *env,
                      const struct kp_address *address) KP_MUST_CHECK;

/* Unlinks the file if it is still the one that we made. To be called before the socket is
 * closed: afterwards a new server could own the name already. */
void kp_unix_file_unlink(const struct kp_unix_file *file, struct kp_env *env);

/* Forgets the file. */
void kp_unix_file_clear(struct kp_unix_file *file, struct kp_env *env);

#endif
