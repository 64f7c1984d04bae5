/*
 * accept4.c - accept4(2) for macOS
 *
 * Elsewhere this file is empty. On macOS an accepted socket inherits O_NONBLOCK from its
 * listener, so the flag is set or cleared, whatever it was.
 */
#include "compat.h"

#ifdef __APPLE__

# include <errno.h>

static int
set_flags(int fd, int flags)
{
    int status = fcntl(fd, F_GETFL);
    if (status < 0)
        return -1;
    status = flags & SOCK_NONBLOCK ? status | O_NONBLOCK : status & ~O_NONBLOCK;
    if (fcntl(fd, F_SETFL, status) < 0)
        return -1;
    return fcntl(fd, F_SETFD, flags & SOCK_CLOEXEC ? FD_CLOEXEC : 0);
}

int
accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict size, int flags)
{
    if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) {
        errno = EINVAL;
        return -1;
    }
    int accepted = accept(fd, address, size);
    if (accepted < 0)
        return -1;
    if (set_flags(accepted, flags) != 0) {
        int error = errno;
        (void)close(accepted); /* the first error is the one that counts */
        errno = error;
        return -1;
    }
    return accepted;
}

#else

/* ISO C wants a declaration in every file. */
typedef int kp_accept4_is_native;

#endif
