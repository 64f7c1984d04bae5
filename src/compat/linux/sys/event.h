/*
 * event.h - kqueue(2) on Linux: the interface
 *
 * On every other system this header comes with the kernel. Here src/compat/linux implements
 * its two calls over epoll(7) and inotify(7), for three filters: EVFILT_READ, EVFILT_WRITE
 * and EVFILT_VNODE, with all flags below. Every other filter, flag or fflag is refused with
 * EINVAL. The numbers are FreeBSD's, so that a trace reads the same on both systems.
 *
 * Where a program can tell the difference from a native kqueue:
 *
 * - An error of a socket is in fflags of both filters, as it should be; but asking for it
 *   has consumed it, so that a later recv(2) or SO_ERROR does not see it any more.
 * - An EV_CLEAR event may come again while its condition still holds and something else
 *   happens on the descriptor: epoll reports all conditions of a descriptor together. It
 *   never comes too seldom.
 * - Registered descriptors are found by their open file. One that was duplicated, or was
 *   inherited by a child, is still known after close(2) here; EV_DELETE it before. EV_DELETE
 *   and EV_DISABLE of an EV_CLEAR knote cost no system call, hence do not notice that the
 *   descriptor was closed meanwhile.
 * - A socket that is neither connected, connecting nor listening reports EV_EOF.
 * - A kqueue is shared with a child after fork(2). Create it afterwards. It is always
 *   close-on-exec.
 * - EV_DELETE before close(2) of the kqueue gives back what belongs to it at once; else
 *   that happens in the next call of kqueue().
 */
#ifndef KP_COMPAT_SYS_EVENT_H
#define KP_COMPAT_SYS_EVENT_H

#include <stdint.h>
#include <time.h>

#define EVFILT_READ  (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_VNODE (-4)

/* Actions. */
#define EV_ADD     0x0001 /* register, or replace udata and fflags of what is registered */
#define EV_DELETE  0x0002
#define EV_ENABLE  0x0004
#define EV_DISABLE 0x0008

/* How a knote behaves; fixed when it is added. */
#define EV_ONESHOT  0x0010 /* deleted when it has been reported */
#define EV_CLEAR    0x0020 /* reported once for each change of state */
#define EV_RECEIPT  0x0040 /* this change yields an EV_ERROR entry, data 0 for success */
#define EV_DISPATCH 0x0080 /* disabled when it has been reported */

/* Returned only. */
#define EV_ERROR 0x4000 /* data is an errno, or 0 for a receipt */
#define EV_EOF   0x8000 /* end of file; fflags is an errno or 0, data what can be read */

/* EVFILT_VNODE: what is asked for, and what has happened. */
#define NOTE_DELETE 0x0001
#define NOTE_WRITE  0x0002 /* on a directory: an entry was added or removed */
#define NOTE_EXTEND 0x0004 /* comes with every NOTE_WRITE of a file */
#define NOTE_ATTRIB 0x0008
#define NOTE_LINK   0x0010
#define NOTE_RENAME 0x0020
#define NOTE_REVOKE 0x0040 /* never happens on Linux */

/* EVFILT_READ and EVFILT_WRITE, only here: data is not wanted and will be 0. It saves the
   system call that finds it out. compat.h defines it as 0 where there is no such thing. */
#define NOTE_NODATA 0x01000000

struct kevent {
    uintptr_t ident;      /* a descriptor */
    short filter;         /* EVFILT_... */
    unsigned short flags; /* EV_... */
    unsigned int fflags;  /* NOTE_..., or an errno beside EV_EOF */
    intptr_t data;        /* bytes that can be read or written, connections that wait */
    void *udata;          /* the caller's */
};

#define EV_SET(kevp, ident_, filter_, flags_, fflags_, data_, udata_)                    \
 do {                                                                                    \
  struct kevent *kevp_ = (kevp);                                                         \
  kevp_->ident = (uintptr_t)(ident_);                                                    \
  kevp_->filter = (short)(filter_);                                                      \
  kevp_->flags = (unsigned short)(flags_);                                               \
  kevp_->fflags = (unsigned int)(fflags_);                                               \
  kevp_->data = (intptr_t)(data_);                                                       \
  kevp_->udata = (udata_);                                                               \
 } while (0)

/*
 * Opens a kqueue. The descriptor can itself be watched with poll(2), select(2), epoll(7) or
 * another kqueue: it is readable while kevent() would report something.
 *
 * Returns   the descriptor, close-on-exec; or -1 and errno EMFILE, ENFILE, ENOMEM.
 * Gives     the descriptor, to be closed with close(2).
 * Threads   any.
 */
int kqueue(void);

/*
 * Makes changes and waits for events, as kqueue(2) says: changes in order; if any of them
 * fails, or has EV_RECEIPT, the entries for these and nothing else are returned, at once.
 * eventlist and changelist may be the same array.
 *
 * Returns   the number of entries in eventlist; 0 after the timeout, or with nevents 0; or
 *           -1 and errno: EBADF, EINVAL, EINTR, ENOMEM, or the error of a change for which
 *           eventlist has no room (the changes after it are not made).
 * Borrows   both arrays and timeout during the call.
 * Threads   any; a call that waits does not block the others.
 * See       kqueue(2)
 */
int kevent(int kq, const struct kevent *changelist, int nchanges,
           struct kevent *eventlist, int nevents, const struct timespec *timeout);

#endif
