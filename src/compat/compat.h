/*
 * compat.h - what the systems do not all have, under its standard name
 *
 * The code above this folder is written as if every system had accept4(2), pipe2(2) and the
 * constants below. Systems are named here and nowhere else. <sys/event.h> is one of these
 * things too: on Linux, linux/sys/event.h takes its place.
 */
#ifndef KP_COMPAT_H
#define KP_COMPAT_H

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* kevent(): "data is not wanted", which saves a system call per event on Linux. Natively it
   costs nothing. */
#ifndef __linux__
# define NOTE_NODATA 0
#endif

/* open(): to watch a file with EVFILT_VNODE, without keeping its volume from being ejected. */
#ifndef O_EVTONLY
# define O_EVTONLY O_RDONLY
#endif

/* sendmsg(): no SIGPIPE. Only macOS before 11 has no such flag; there SO_NOSIGPIPE does it. */
#ifndef MSG_NOSIGNAL
# define MSG_NOSIGNAL 0
#endif

/* send(): more bytes, or the end, follow at once. Only Linux lets them share a segment. */
#ifndef MSG_MORE
# define MSG_MORE 0
#endif

/* setsockopt(): no SIGPIPE, however it is written to. Where it is -1 (Linux, OpenBSD) there is
   no such option, and MSG_NOSIGNAL has to do. */
#ifndef SO_NOSIGPIPE
# define SO_NOSIGPIPE (-1)
#endif

/* For a variable of the thread that a signal handler reads. In a library that dlopen(3) has
   brought in, glibc would allocate an ordinary one at the first access of each thread. */
#ifdef __GLIBC__
# define KP_SIGNAL_SAFE_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
# define KP_SIGNAL_SAFE_LOCAL _Thread_local
#endif

#ifdef __APPLE__

/* For accept4() only: socket() does not know them there. */
# define SOCK_CLOEXEC  0x10000000
# define SOCK_NONBLOCK 0x20000000

#endif

/* macOS has neither of the two calls; glibc has them, but shows them to _GNU_SOURCE only. */
#if defined(__APPLE__) || (defined(__linux__) && !defined(_GNU_SOURCE))

/*
 * Accepts a connection whose descriptor has exactly the given ones of SOCK_CLOEXEC and
 * SOCK_NONBLOCK.
 *
 * Returns   the descriptor, or -1 and errno.
 * Gives     the descriptor.
 * Threads   any. On macOS a descriptor without close-on-exec exists for a moment.
 * See       accept4(2) of FreeBSD
 */
int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict size,
            int flags);

/*
 * Makes a pipe whose ends have the given ones of O_CLOEXEC and O_NONBLOCK.
 *
 * Returns   0, or -1 and errno.
 * Gives     both descriptors.
 * Threads   any. On macOS descriptors without close-on-exec exist for a moment.
 * See       pipe2(2) of FreeBSD
 */
int pipe2(int fds[2], int flags);

#endif

#endif
