/*
 * kq_fd.c - the table of descriptors
 *
 * A kqueue finds what it knows about a descriptor by its number: an array of pages, each with
 * the entries of 64 numbers, so that entries do not move when the table grows and a few high
 * numbers do not cost much. It only grows, until the last knote is deleted: then all of it is
 * given back.
 */
#include "kq.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define KQ_PAGE 64u

/*
 * Finds the entry of a descriptor.
 *
 * Returns   the entry, or NULL.
 * Borrows   until the lock is released.
 */
struct kq_fd *
kp_kq_fd_find(struct kq *kq, int fd)
{
    size_t page = (size_t)fd / KQ_PAGE;
    if (fd < 0 || page >= kq->n_pages || kq->pages[page] == NULL)
        return NULL;
    return &kq->pages[page][(size_t)fd % KQ_PAGE];
}

static int
grow_pages(struct kq *kq, size_t needed)
{
    size_t n = kq->n_pages > 0 ? kq->n_pages : 4;
    while (n < needed)
        n *= 2;
    struct kq_fd **grown = KQ_CALL(realloc)(kq->pages, n * sizeof(struct kq_fd *));
    if (grown == NULL)
        return -ENOMEM;
    for (size_t i = kq->n_pages; i < n; i++)
        grown[i] = NULL;
    kq->pages = grown;
    kq->n_pages = n;
    return 0;
}

/*
 * Finds or makes the entry of a descriptor, and all that a kqueue with a knote needs.
 *
 * Returns   0, or -ENOMEM, -EMFILE, -ENFILE, -EBADF, -EINVAL.
 * Borrows   *out until the lock is released.
 */
int
kp_kq_fd_need(struct kq_fd **out, struct kq *kq, int fd)
{
    size_t page = (size_t)fd / KQ_PAGE;
    int rc = 0;
    if (kq->bell_fd < 0) {
        /* A closed descriptor must not come alive because the bell gets its number. */
        rc = KQ_CALL(fcntl)(fd, F_GETFD) < 0 ? -EBADF : kp_kq_bell_open(kq);
    }
    if (rc == 0 && page >= kq->n_pages)
        rc = grow_pages(kq, page + 1);
    if (rc == 0 && kq->pages[page] == NULL) {
        kq->pages[page] = KQ_CALL(calloc)(KQ_PAGE, sizeof(struct kq_fd));
        if (kq->pages[page] == NULL)
            rc = -ENOMEM;
    }
    *out = rc == 0 ? kp_kq_fd_find(kq, fd) : NULL;
    return rc;
}

/*
 * Says why there is no knote for a descriptor.
 *
 * Returns   -EBADF or -ENOENT.
 */
int
kp_kq_fd_missing(int fd)
{
    return KQ_CALL(fcntl)(fd, F_GETFD) < 0 ? -EBADF : -ENOENT;
}

/*
 * Drops all knotes of a number whose open file is gone, as close(2) does with a native
 * kqueue.
 */
void
kp_kq_fd_forget(struct kq *kq, struct kq_fd *entry)
{
    kp_kq_note_stop(kq, &entry->read);
    kp_kq_note_stop(kq, &entry->write);
    if (entry->watch != NULL) {
        kp_kq_note_stop(kq, &entry->watch->vnode);
        kp_kq_watch_settle(kq, entry);
    }
    entry->mask = 0;
}

/*
 * Gives back everything that a kqueue without knotes does not need, and drops the knotes
 * that there are.
 */
void
kp_kq_fd_clear(struct kq *kq)
{
    for (size_t i = 0; i < kq->n_pages && kq->n_notes > 0; i++)
        for (size_t j = 0; kq->pages[i] != NULL && j < KQ_PAGE; j++)
            kp_kq_fd_forget(kq, &kq->pages[i][j]);
    for (size_t i = 0; i < kq->n_pages; i++)
        KQ_CALL(free)(kq->pages[i]);
    KQ_CALL(free)(kq->pages);
    kp_kq_watch_close_unused(kq);
    kq->pages = NULL;
    kq->n_pages = 0;
    if (kq->bell_fd >= 0)
        (void)KQ_CALL(close)(kq->bell_fd); /* nothing is lost with it */
    kq->bell_fd = -1;
}
