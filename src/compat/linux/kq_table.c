/*
 * kq_table.c - from the number of a kqueue to its record
 *
 * kqueue(2) hands its user nothing but an int, and kevent() gets nothing but that int back.
 * So the layer has to find its record by number, and the table that does it is the one piece
 * of state in the process that belongs to no object. It is an array indexed by the number,
 * with a mutex of its own, and it is given back with the last kqueue.
 *
 * Nobody tells the layer that a kqueue was closed: the number is the epoll descriptor itself,
 * and close(2) is the kernel's. A closed one is noticed when a call on it finds EBADF or
 * EINVAL, or when the next kqueue is created: then every record is looked at, with a change
 * of its epoll set that cannot succeed. The error says whether the set is still the same:
 *
 *   adding the eventfd that is in it   EEXIST         the same
 *                                      anything else  closed, or another file
 *
 * A kqueue without knotes has no eventfd, and nothing to lose: it counts as open while its
 * number is. Its record has no more than its own few bytes, and is replaced when the number
 * comes back as a kqueue.
 *
 * Locks: the table's, then the record's. A waiting thread holds neither, but is counted in
 * n_waiting, and the record of a dead kqueue lives until the last of them has left.
 */
#include "kq.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    struct kq **by_number;
    size_t size;
    size_t n_used;
} table = {PTHREAD_MUTEX_INITIALIZER, NULL, 0, 0};

static struct kq *
record_new(int epfd)
{
    struct kq *kq = KQ_CALL(malloc)(sizeof(*kq));
    if (kq == NULL)
        return NULL;
    *kq = (struct kq){.epfd = epfd, .bell_fd = -1, .inotify_fd = -1};
    if (pthread_mutex_init(&kq->lock, NULL) != 0) {
        KQ_CALL(free)(kq);
        return NULL;
    }
    TAILQ_INIT(&kq->ready);
    LIST_INIT(&kq->watches);
    return kq;
}

static void
record_free(struct kq *kq)
{
    kp_kq_fd_clear(kq);
    pthread_mutex_unlock(&kq->lock);
    pthread_mutex_destroy(&kq->lock);
    KQ_CALL(free)(kq);
}

/* Takes a record out of the table; both locks are held, the record's is released. */
static void
unlink_record(struct kq *kq)
{
    table.by_number[kq->epfd] = NULL;
    if (--table.n_used == 0) {
        KQ_CALL(free)(table.by_number);
        table.by_number = NULL;
        table.size = 0;
    }
    kq->is_closed = true;
    kq->is_unlinked = true;
    if (kq->n_waiting == 0)
        record_free(kq);
    else
        pthread_mutex_unlock(&kq->lock);
}

/*
 * Says whether the number of a locked kqueue still means this kqueue, as far as that matters.
 */
bool
kp_kq_table_is_open(const struct kq *kq)
{
    struct epoll_event none = {0};
    if (kq->bell_fd < 0)
        return KQ_CALL(fcntl)(kq->epfd, F_GETFD) >= 0;
    if (KQ_CALL(epoll_ctl)(kq->epfd, EPOLL_CTL_ADD, kq->bell_fd, &none) != 0)
        return errno == EEXIST;
    /* Somebody else's epoll set: leave it as it was. This cannot fail. */
    (void)KQ_CALL(epoll_ctl)(kq->epfd, EPOLL_CTL_DEL, kq->bell_fd, NULL);
    return false;
}

static void
drop_closed(int new_fd)
{
    for (size_t i = 0; i < table.size; i++) {
        struct kq *kq = table.by_number[i];
        if (kq == NULL)
            continue;
        pthread_mutex_lock(&kq->lock);
        if (kq->epfd != new_fd && kp_kq_table_is_open(kq))
            pthread_mutex_unlock(&kq->lock);
        else
            unlink_record(kq);
    }
}

static int
grow(size_t needed)
{
    size_t size = table.size > 0 ? table.size : 16;
    while (size < needed)
        size *= 2;
    if (size == table.size)
        return 0;
    struct kq **grown =
        KQ_CALL(realloc)(table.by_number, size * sizeof(*table.by_number));
    if (grown == NULL)
        return -ENOMEM;
    for (size_t i = table.size; i < size; i++)
        grown[i] = NULL;
    table.by_number = grown;
    table.size = size;
    return 0;
}

/*
 * Makes a record for a new epoll descriptor, and frees those of kqueues that were closed.
 *
 * Returns   0, or -ENOMEM.
 * Threads   any; no lock is held.
 */
int
kp_kq_table_insert(int epfd)
{
    struct kq *kq = record_new(epfd);
    if (kq == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&table.lock);
    drop_closed(epfd);
    int rc = grow((size_t)epfd + 1);
    if (rc == 0) {
        table.by_number[epfd] = kq;
        table.n_used++;
    } else {
        pthread_mutex_lock(&kq->lock);
        record_free(kq);
    }
    pthread_mutex_unlock(&table.lock);
    return rc;
}

/*
 * Finds a kqueue and locks it.
 *
 * Returns   the record, or NULL.
 * Gives     the lock, to be released with kp_kq_unlock() or kp_kq_table_drop().
 * Threads   any; no lock is held.
 */
struct kq *
kp_kq_table_lock(int epfd)
{
    struct kq *kq = NULL;
    pthread_mutex_lock(&table.lock);
    if (epfd >= 0 && (size_t)epfd < table.size)
        kq = table.by_number[epfd];
    if (kq != NULL)
        pthread_mutex_lock(&kq->lock);
    pthread_mutex_unlock(&table.lock);
    return kq;
}

/*
 * Releases a locked kqueue that was found to be closed, and forgets it.
 *
 * Takes     the lock and the record.
 */
void
kp_kq_table_drop(struct kq *kq)
{
    /* The table's lock comes first, so let go and look again. */
    kq->n_waiting++;
    pthread_mutex_unlock(&kq->lock);
    pthread_mutex_lock(&table.lock);
    pthread_mutex_lock(&kq->lock);
    kq->n_waiting--;
    if (kq->is_unlinked)
        kp_kq_unlock(kq);
    else
        unlink_record(kq);
    pthread_mutex_unlock(&table.lock);
}

/*
 * Releases a locked kqueue. Without a knote it gives back all that it has allocated and
 * opened; a dead one is freed by the last thread that leaves it.
 *
 * Takes     the lock.
 */
void
kp_kq_unlock(struct kq *kq)
{
    if (kq->is_unlinked) {
        if (kq->n_waiting == 0)
            record_free(kq);
        else
            pthread_mutex_unlock(&kq->lock);
        return;
    }
    if (kq->n_notes == 0)
        kp_kq_fd_clear(kq);
    pthread_mutex_unlock(&kq->lock);
}
