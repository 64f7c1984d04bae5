/*
 * outbox.h - bytes that wait to be written to one connection
 *
 * A queue of pieces. A piece has bytes of its own, to which small writes are appended while
 * it has room, or refers to a chunk, a counted block of bytes that several outboxes may
 * share: a broadcast is stored once.
 */
#ifndef KP_OUTBOX_H
#define KP_OUTBOX_H

#include <stdbool.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "base/sys.h"

#define KP_OUTBOX_IOVECS 64 /* of one write: all of most outboxes, 1 KiB of stack */

/* A shared block. refs counts the pieces and creators that hold it. What is in it does not
 * change, but more may be appended. */
struct kp_chunk {
    size_t refs;
    size_t len, capacity; /* of bytes */
    unsigned char bytes[];
};

/* A range of bytes, and a link; private to outbox.c and kp_outbox_extend. */
struct kp_piece {
    struct kp_piece *next;
    size_t start, end;      /* of the bytes still to be written */
    struct kp_chunk *chunk; /* a reference: the bytes are there; NULL: they are here */
    size_t capacity;        /* of bytes; 0 with a chunk */
    unsigned char bytes[];
};

struct kp_outbox {
    struct kp_piece *first, *last;
    size_t len; /* bytes queued */
};

/* Makes an empty chunk with room for that many bytes.
 * Returns   NULL when there is no memory.
 * Gives     one reference, for kp_chunk_release. */
struct kp_chunk *kp_chunk_new(struct kp_mem *mem, size_t capacity) KP_MUST_CHECK;
void kp_chunk_release(struct kp_mem *mem, struct kp_chunk *chunk);

/* Makes a chunk longer by len bytes, which the caller writes now.
 * Returns   where they are to be; NULL when there is no room for them. */
unsigned char *kp_chunk_grow(struct kp_chunk *chunk, size_t len) KP_MUST_CHECK;

/* Makes the queue longer by len bytes in a row, at least one, which the caller writes now.
 * Returns   where they are to be; NULL when there is no memory. */
unsigned char *kp_outbox_grow(struct kp_outbox *outbox, struct kp_mem *mem,
                              size_t len) KP_MUST_CHECK;

/* Appends a copy of bytes.
 * Returns   0, -ENOMEM. */
int kp_outbox_append(struct kp_outbox *outbox, struct kp_mem *mem, const void *bytes,
                     size_t len) KP_MUST_CHECK;

/* Takes in what a chunk has from start on, if it follows the last bytes of the outbox in the
 * same chunk. Returns whether it does. */
static inline bool
kp_outbox_extend(struct kp_outbox *outbox, const struct kp_chunk *chunk, size_t start)
{
    struct kp_piece *last = outbox->last;

    if (last == NULL || last->chunk != chunk || last->end != start)
        return false;
    outbox->len += chunk->len - start;
    last->end = chunk->len;
    return true;
}

/* Appends a reference to what a chunk has from start on, or a copy when that is cheaper; the
 * creator keeps its own reference. Where kp_outbox_extend serves, that is all.
 * Returns   0, -ENOMEM. */
int kp_outbox_append_chunk(struct kp_outbox *outbox, struct kp_mem *mem,
                           struct kp_chunk *chunk, size_t start) KP_MUST_CHECK;

/* Writes what the kernel takes with one call, and leaves it in the queue, for kp_outbox_drop.
 * Call both again when it wrote less than was queued: a full window of iovecs, or a full socket.
 * The outbox is not empty. With `ends` SHUT_WR must follow as soon as it is: the last bytes may
 * wait for it.
 * Returns   bytes written; negative errno (-EAGAIN: nothing was taken now). */
ssize_t kp_outbox_write(const struct kp_outbox *outbox, struct kp_sys *sys, int fd,
                        bool ends) KP_MUST_CHECK;

/* Drops what was written: so many bytes from the first on; a negative errno: nothing. */
void kp_outbox_drop(struct kp_outbox *outbox, struct kp_mem *mem, ssize_t written);

/* Both of them; an empty outbox makes no call.
 * Returns   as kp_outbox_write. */
ssize_t kp_outbox_flush(struct kp_outbox *outbox, struct kp_mem *mem, struct kp_sys *sys,
                        int fd, bool ends) KP_MUST_CHECK;

/* The same with another way out than a socket. out writes what it can of the parts.
 * Returns   what out returned: bytes, or a negative errno. */
typedef ssize_t kp_outbox_send_fn(void *arg, const struct iovec *iov, int n_iov);
ssize_t kp_outbox_flush_to(struct kp_outbox *outbox, struct kp_mem *mem,
                           kp_outbox_send_fn *out, void *arg) KP_MUST_CHECK;

/* Appends parts of len bytes in all to an empty outbox and flushes it, without copying what the
 * kernel takes at once. 1 to KP_OUTBOX_IOVECS parts.
 * Returns   0, and in *written what kp_outbox_flush would return; -ENOMEM: nothing was
 *           appended, nothing written. */
int kp_outbox_send(struct kp_outbox *outbox, ssize_t *written, struct kp_mem *mem,
                   struct kp_sys *sys, int fd, const struct iovec *parts, int n_parts,
                   size_t len) KP_MUST_CHECK;

/* Drops everything. */
void kp_outbox_clear(struct kp_outbox *outbox, struct kp_mem *mem);

#endif
