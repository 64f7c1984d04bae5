/*
 * outbox.c - bytes that wait to be written to one connection
 *
 *     outbox   first -> [piece: own bytes] -> [piece] -> [piece: own bytes] <- last
 *                                                |
 *                                             [chunk] <- pieces of other outboxes
 *
 * Most connections have an empty outbox most of the time, and then it costs nothing: pieces
 * come with the first byte and go with the last. A piece and its own bytes are one
 * allocation. What is appended together stays together: if the last piece has no room for it,
 * the next one is made, which is twice as large, up to a limit, so a stream of short lines needs
 * few allocations. What is larger than that limit gets a piece of exactly its size. Bytes are
 * copied once, when they are appended, and never moved.
 *
 * A chunk serves all members of a room: each outbox has a piece that refers to it, and the
 * last piece or creator that lets go frees it. A chunk may grow at its end while it is shared:
 * a piece refers to a range of it, and takes in what follows. A piece behind one that refers
 * starts small again, because no more than its first bytes may ever be used; and a range that
 * is shorter than what refers to it is copied when it is not the first in the queue. So an
 * outbox costs a few times the bytes that wait in it, whatever the order of short and shared
 * ones.
 *
 * Appending never writes, but for kp_outbox_send: much at a time goes straight from where it is,
 * and only what the kernel leaves is copied. Nobody is told:
 * limits, deadlines and what to do about a full socket are the connection's.
 */
#include "outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define SMALLEST_PIECE 256
#define LARGEST_PIECE  16384 /* of those with room for more */
#define SHORT_CHUNK    64    /* about what a piece costs that refers to it */

/* ---- chunks ---- */

/* Returns whether a block of that many bytes and its head can exist at all. */
static bool
is_size(size_t len)
{
    return len <= SIZE_MAX / 2;
}

struct kp_chunk *
kp_chunk_new(struct kp_mem *mem, size_t capacity)
{
    struct kp_chunk *chunk =
        is_size(capacity) ? kp_mem_alloc(mem, sizeof(*chunk) + capacity) : NULL;

    if (chunk != NULL)
        *chunk = (struct kp_chunk){.refs = 1, .capacity = capacity};
    return chunk;
}

unsigned char *
kp_chunk_grow(struct kp_chunk *chunk, size_t len)
{
    unsigned char *bytes = chunk->bytes + chunk->len;

    if (len > chunk->capacity - chunk->len)
        return NULL;
    chunk->len += len;
    return bytes;
}

void
kp_chunk_release(struct kp_mem *mem, struct kp_chunk *chunk)
{
    assert(chunk->refs > 0);
    if (--chunk->refs == 0)
        kp_mem_free(mem, chunk, sizeof(*chunk) + chunk->capacity);
}

/* ---- pieces ---- */

static struct kp_piece *
piece_new(struct kp_mem *mem, size_t capacity)
{
    struct kp_piece *piece =
        is_size(capacity) ? kp_mem_alloc(mem, sizeof(*piece) + capacity) : NULL;

    if (piece != NULL)
        *piece = (struct kp_piece){.capacity = capacity};
    return piece;
}

static void
piece_free(struct kp_mem *mem, struct kp_piece *piece)
{
    if (piece->chunk != NULL)
        kp_chunk_release(mem, piece->chunk);
    kp_mem_free(mem, piece, sizeof(*piece) + piece->capacity);
}

static unsigned char *
piece_bytes(struct kp_piece *piece)
{
    return piece->chunk != NULL ? piece->chunk->bytes : piece->bytes;
}

static size_t
piece_room(const struct kp_piece *piece)
{
    return piece->chunk != NULL ? 0 : piece->capacity - piece->end;
}

/* Chooses the capacity of a piece behind `last` (or NULL) that is to take len bytes now. */
static size_t
choose_capacity(size_t len, const struct kp_piece *last)
{
    size_t capacity = SMALLEST_PIECE;

    if (len > LARGEST_PIECE)
        return len;
    while (capacity < LARGEST_PIECE &&
           (capacity < len || (last != NULL && capacity <= last->capacity)))
        capacity *= 2;
    return capacity;
}

static void
link_last(struct kp_outbox *outbox, struct kp_piece *piece)
{
    if (outbox->last != NULL)
        outbox->last->next = piece;
    else
        outbox->first = piece;
    outbox->last = piece;
}

static void
drop_first(struct kp_outbox *outbox, struct kp_mem *mem)
{
    struct kp_piece *piece = outbox->first;

    outbox->first = piece->next;
    if (outbox->first == NULL)
        outbox->last = NULL;
    piece_free(mem, piece);
}

/* ---- the queue ---- */

/* Makes a piece for len bytes more. */
static struct kp_piece *
add_piece(struct kp_outbox *outbox, struct kp_mem *mem, size_t len)
{
    struct kp_piece *piece = piece_new(mem, choose_capacity(len, outbox->last));

    if (piece != NULL)
        link_last(outbox, piece);
    return piece;
}

unsigned char *
kp_outbox_grow(struct kp_outbox *outbox, struct kp_mem *mem, size_t len)
{
    struct kp_piece *piece = outbox->last;

    assert(len > 0);
    if (piece == NULL || piece_room(piece) < len)
        piece = add_piece(outbox, mem, len);
    if (piece == NULL)
        return NULL;
    unsigned char *bytes = piece->bytes + piece->end;
    piece->end += len;
    outbox->len += len;
    return bytes;
}

int
kp_outbox_append(struct kp_outbox *outbox, struct kp_mem *mem, const void *bytes,
                 size_t len)
{
    unsigned char *copy = len > 0 ? kp_outbox_grow(outbox, mem, len) : NULL;

    if (copy != NULL)
        memcpy(copy, bytes, len);
    return copy != NULL || len == 0 ? 0 : -ENOMEM;
}

/* Returns whether a few bytes of a chunk are to be copied. Not behind many of another chunk:
 * then they are likely to be the first of many more. */
static bool
is_copied(const struct kp_outbox *outbox, size_t len)
{
    const struct kp_piece *last = outbox->last;

    return len <= SHORT_CHUNK && last != NULL &&
           (last->chunk == NULL || last->end - last->start <= SHORT_CHUNK);
}

int
kp_outbox_append_chunk(struct kp_outbox *outbox, struct kp_mem *mem,
                       struct kp_chunk *chunk, size_t start)
{
    size_t len = chunk->len - start;

    if (len == 0 || kp_outbox_extend(outbox, chunk, start))
        return 0;
    if (is_copied(outbox, len))
        return kp_outbox_append(outbox, mem, chunk->bytes + start, len);
    struct kp_piece *piece = piece_new(mem, 0);
    if (piece == NULL)
        return -ENOMEM;
    chunk->refs++;
    piece->chunk = chunk;
    piece->start = start;
    piece->end = chunk->len;
    link_last(outbox, piece);
    outbox->len += len;
    return 0;
}

static int
fill_window(const struct kp_outbox *outbox, struct iovec *window)
{
    int n = 0;

    for (struct kp_piece *piece = outbox->first; piece != NULL && n < KP_OUTBOX_IOVECS;
         piece = piece->next)
        window[n++] = (struct iovec){.iov_base = piece_bytes(piece) + piece->start,
                                     .iov_len = piece->end - piece->start};
    return n;
}

void
kp_outbox_drop(struct kp_outbox *outbox, struct kp_mem *mem, ssize_t written)
{
    size_t n = written > 0 ? (size_t)written : 0;

    assert(n <= outbox->len);
    outbox->len -= n;
    while (n > 0) {
        struct kp_piece *piece = outbox->first;
        size_t rest = piece->end - piece->start;

        if (n < rest) {
            piece->start += n;
            return;
        }
        n -= rest;
        drop_first(outbox, mem);
    }
}

ssize_t
kp_outbox_write(const struct kp_outbox *outbox, struct kp_sys *sys, int fd, bool ends)
{
    struct iovec window[KP_OUTBOX_IOVECS];
    int n = fill_window(outbox, window);

    if (ends && n < KP_OUTBOX_IOVECS) /* a full window is perhaps not all */
        return kp_sys_send_more(sys, fd, window, n);
    return kp_sys_send(sys, fd, window, n);
}

ssize_t
kp_outbox_flush(struct kp_outbox *outbox, struct kp_mem *mem, struct kp_sys *sys, int fd,
                bool ends)
{
    ssize_t n = outbox->len > 0 ? kp_outbox_write(outbox, sys, fd, ends) : 0;

    kp_outbox_drop(outbox, mem, n);
    return n;
}

ssize_t
kp_outbox_flush_to(struct kp_outbox *outbox, struct kp_mem *mem, kp_outbox_send_fn *out,
                   void *arg)
{
    struct iovec window[KP_OUTBOX_IOVECS];

    if (outbox->len == 0)
        return 0;
    ssize_t n = out(arg, window, fill_window(outbox, window));
    kp_outbox_drop(outbox, mem, n);
    return n;
}

/* Copies what is left of the parts behind their first skip bytes. */
static void
copy_rest(unsigned char *out, const struct iovec *parts, int n_parts, size_t skip)
{
    for (int i = 0; i < n_parts; i++) {
        size_t n = skip < parts[i].iov_len ? skip : parts[i].iov_len;
        size_t rest = parts[i].iov_len - n;
        if (rest > 0)
            memcpy(out, (const unsigned char *)parts[i].iov_base + n, rest);
        out += rest;
        skip -= n;
    }
}

int
kp_outbox_send(struct kp_outbox *outbox, ssize_t *written, struct kp_mem *mem,
               struct kp_sys *sys, int fd, const struct iovec *parts, int n_parts,
               size_t len)
{
    assert(outbox->len == 0 && n_parts <= KP_OUTBOX_IOVECS);
    /* Room for the rest comes first: what is written cannot be taken back. */
    struct kp_piece *piece = piece_new(mem, choose_capacity(len, NULL));
    if (piece == NULL)
        return -ENOMEM;
    *written = kp_sys_send(sys, fd, parts, n_parts);
    size_t skip = *written > 0 ? (size_t)*written : 0;
    if (skip == len) {
        piece_free(mem, piece);
        return 0;
    }
    copy_rest(piece->bytes, parts, n_parts, skip);
    piece->end = outbox->len = len - skip;
    link_last(outbox, piece);
    return 0;
}

void
kp_outbox_clear(struct kp_outbox *outbox, struct kp_mem *mem)
{
    while (outbox->first != NULL)
        drop_first(outbox, mem);
    outbox->len = 0;
}
