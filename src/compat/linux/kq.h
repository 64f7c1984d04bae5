/*
 * kq.h - what the files of the kqueue layer share
 *
 * A kqueue is an epoll descriptor and a record (struct kq). A knote, the registration of one
 * filter for one descriptor, is a struct kq_note; those of one descriptor are together in a
 * struct kq_fd, found by number. What the files do:
 *
 *   kqueue.c    the two calls: changes, the wait, handing out events
 *   kq_table.c  from the number of a kqueue to its record
 *   kq_note.c   one knote: its life and the ready queue
 *   kq_fd.c     the table of descriptors
 *   kq_epoll.c  EVFILT_READ and EVFILT_WRITE over epoll
 *   kq_data.c   what a ready descriptor has to say: bytes, room, error
 *   kq_file.c   EVFILT_READ and EVFILT_WRITE of what epoll refuses, such as regular files
 *   kq_watch.c  the inotify descriptor and what it watches
 *   kq_vnode.c  EVFILT_VNODE
 *   kq_wait.c   waiting with the resolution of a struct timespec
 *
 * Functions here return 0 or a negative errno, and expect kq->lock to be held unless the
 * comment says otherwise.
 */
#ifndef KP_COMPAT_KQ_H
#define KP_COMPAT_KQ_H

#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/queue.h>
#include <sys/stat.h>

/* Every allocation and every system call of the layer is written KQ_CALL(name)(...), so that
   a test can compile the sources once more with functions of its own that fail or count. */
#ifndef KQ_CALL
# define KQ_CALL(function) function
#endif

/* A knote. The embedded ones of an unused descriptor are zero. */
struct kq_note {
    TAILQ_ENTRY(kq_note) link; /* in kq->ready while is_queued */
    void *udata;
    int fd;
    unsigned fflags;  /* as registered */
    unsigned pending; /* what is to be reported: EPOLL bits, or NOTE bits of a vnode */
    short filter;     /* EVFILT_... */
    unsigned short flags; /* EV_CLEAR, EV_ONESHOT, EV_DISPATCH as first added */
    bool is_live;         /* registered */
    bool is_enabled;
    bool is_queued;
    bool is_stale;    /* queued by an earlier call: has to be looked at again */
    bool is_listener; /* it was one when its data was asked for (kq_data.c) */
};

/* A descriptor that is a file: watched by inotify for EVFILT_VNODE or for growth, or polled
   by ourselves because epoll refuses it. It belongs to its kq_fd. */
struct kq_watch {
    LIST_ENTRY(kq_watch) link; /* in kq->watches */
    struct kq_note vnode;      /* the knote of EVFILT_VNODE */
    int fd;
    int wd;            /* of inotify, shared by all watches of one inode; or -1 */
    int parent_wd;     /* the folder that a watched folder is in; or -1 */
    struct stat known; /* which file this is, and how it was when last looked at */
    bool is_file;      /* READ and WRITE are polled by kq_file.c */
    bool read_due; /* is_file: READ has to be looked at in every call until reported */
    bool write_due;
};

/* Everything about one descriptor number. */
struct kq_fd {
    struct kq_note read;
    struct kq_note write;
    struct kq_watch *watch; /* or NULL */
    uint32_t generation;    /* which use of the number this is; in the epoll data */
    uint32_t mask;          /* what epoll has been told; 0: not registered */
    int error; /* the socket's error, asked for once, reported by both filters */
};

TAILQ_HEAD(kq_queue, kq_note);
LIST_HEAD(kq_watches, kq_watch);

/* One kqueue. */
struct kq {
    pthread_mutex_t lock; /* for all that follows; not held while waiting */

    int epfd;           /* the kqueue's own number; belongs to the caller */
    unsigned n_waiting; /* threads in epoll_wait */
    bool is_closed;     /* it was noticed that epfd was closed */
    bool is_unlinked;   /* not in the table any more: the last waiting thread frees it */
    bool no_pwait2;     /* the kernel has no epoll_pwait2 */

    size_t n_notes;        /* live ones; at 0 everything below is given back */
    struct kq_queue ready; /* knotes to be reported, oldest first */
    int bell_fd;  /* eventfd: makes epfd readable while ready is not empty; or -1 */
    bool is_rung; /* it was rung, and no wait has heard it yet */

    struct kq_fd *
        *pages; /* kq_fd by number, KQ_PAGE to a page; NULL where none is used */
    size_t n_pages;
    uint32_t generation; /* the last one given out; never 0 */

    struct kq_watches watches;
    size_t n_files; /* of these, how many are is_file */
    int inotify_fd; /* while there is a watch that needs it; or -1 */
};

/* kq_table.c */
int kp_kq_table_insert(int epfd);
struct kq *kp_kq_table_lock(int epfd);
bool kp_kq_table_is_open(const struct kq *kq);
void kp_kq_table_drop(struct kq *kq);
void kp_kq_unlock(struct kq *kq);

/* kq_note.c */
void kp_kq_note_start(struct kq *kq, struct kq_note *note, const struct kevent *change);
void kp_kq_note_stop(struct kq *kq, struct kq_note *note);
void kp_kq_note_push(struct kq *kq, struct kq_note *note, unsigned pending);
void kp_kq_note_pull(struct kq *kq, struct kq_note *note);
void kp_kq_note_fill(const struct kq_note *note, struct kevent *out);
int kp_kq_bell_open(struct kq *kq);
void kp_kq_bell_ring(struct kq *kq);

/* kq_fd.c */
struct kq_fd *kp_kq_fd_find(struct kq *kq, int fd);
int kp_kq_fd_need(struct kq_fd **out, struct kq *kq, int fd);
int kp_kq_fd_missing(int fd);
void kp_kq_fd_forget(struct kq *kq, struct kq_fd *entry);
void kp_kq_fd_clear(struct kq *kq);

/* kq_epoll.c */
int kp_kq_epoll_change(struct kq *kq, const struct kevent *change);
void kp_kq_epoll_event(struct kq *kq, const struct epoll_event *event);
bool kp_kq_epoll_recheck(struct kq *kq, struct kq_note *note);
bool kp_kq_epoll_report(struct kq *kq, struct kq_note *note, struct kevent *out);
void kp_kq_epoll_reported(struct kq *kq, struct kq_note *note);

/* kq_data.c */
uint32_t kp_kq_data_error(int fd, uint32_t revents, int *error);
int kp_kq_data_readable(intptr_t *out, int fd, bool *is_listener);
int kp_kq_data_writable(intptr_t *out, int fd);

/* kq_file.c */
int kp_kq_file_start(struct kq *kq, struct kq_fd *entry, struct kq_note *note);
bool kp_kq_file_is(const struct kq_fd *entry);
void kp_kq_file_due(struct kq_fd *entry, const struct kq_note *note);
void kp_kq_file_collect(struct kq *kq);
bool kp_kq_file_recheck(struct kq *kq, struct kq_note *note);
bool kp_kq_file_report(struct kq *kq, struct kq_note *note, struct kevent *out);

/* kq_watch.c */
int kp_kq_watch_need(struct kq_watch **out, struct kq *kq, struct kq_fd *entry, int fd);
int kp_kq_watch_start(struct kq *kq, struct kq_watch *watch);
void kp_kq_watch_parent(struct kq *kq, struct kq_watch *watch);
void kp_kq_watch_settle(struct kq *kq, struct kq_fd *entry);
void kp_kq_watch_close_unused(struct kq *kq);
bool kp_kq_watch_is_current(const struct kq_watch *watch);
void kp_kq_watch_verify(struct kq *kq, struct kq_fd *entry);
bool kp_kq_watch_read(struct kq *kq);

/* kq_vnode.c */
int kp_kq_vnode_change(struct kq *kq, const struct kevent *change);
void kp_kq_vnode_event(struct kq *kq, struct kq_watch *watch, uint32_t mask,
                       bool has_name);
bool kp_kq_vnode_report(struct kq *kq, struct kq_note *note, struct kevent *out);

/* kq_wait.c */
int kp_kq_wait(struct kq *kq, struct epoll_event *events, int max, int64_t timeout_ns);

#endif
