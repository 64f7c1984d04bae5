/*
 * pipe2.c - pipe2(2) for macOS
 *
 * Elsewhere this file is empty.
 */
#include "compat.h"

#ifdef __APPLE__

# include <errno.h>

static int
set_flags(int fd, int flags)
{
    if (flags & O_CLOEXEC && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -1;
    return flags & O_NONBLOCK ? fcntl(fd, F_SETFL, O_NONBLOCK) : 0;
}

int
pipe2(int fds[2], int flags)
{
    if (flags & ~(O_CLOEXEC | O_NONBLOCK)) {
        errno = EINVAL;
        return -1;
    }
    int made[2];
    if (pipe(made) != 0)
        return -1;
    if (set_flags(made[0], flags) < 0 || set_flags(made[1], flags) < 0) {
        int error = errno;
        (void)close(made[0]); /* the first error is the one that counts */
        (void)close(made[1]);
        errno = error;
        return -1;
    }
    fds[0] = made[0];
    fds[1] = made[1];
    return 0;
}

#else

/* ISO C wants a declaration in every file. */
typedef int kp_pipe2_is_native;

#endif
