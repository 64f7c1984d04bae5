/*
 * outbox.c - bytes that wait to be written to one connection
 *
 *     outbox   first -> [piece: own bytes] -> [piece] -> [piece: own bytes] <- last
 *                                                |
 *                                             [chunk] <- pieces of other outboxes
 *
 * Most connections have an empty outbox most of the time, and then it costs nothing: pieces
 * come with the first byte and go with the last. A piece and its own bytes are one
 * allocation. A piece is filled before the next one is made, which is twice as large, up to a
 * limit: a stream of short lines needs few allocations. What is larger than that limit gets
 * a piece of exactly its size. Bytes are copied once, when they are appended, and never
 * moved.
 *
 * A chunk serves all members of a room: each outbox has a piece that refers to it, and the
 * last piece or creator that lets go frees it. A chunk may grow at its end while it is shared:
 * a piece refers to a range of it, and takes in what follows. A piece behind one that refers
 * starts small again, because no more than its first bytes may ever be used; and a range that
 * is shorter than what refers to it is copied when it is not the first in the queue. So an
 * outbox costs a few times the bytes that wait in it, whatever the order of short and shared
 * ones.
 *
 * Nothing is written here before kp_outbox_flush, but for kp_outbox_send: much at a time goes
 * straight from where it is, and only what the kernel leaves is copied. Nobody is told:
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

/* Adds up the lengths of the parts.
 * Returns   whether that many bytes, and the head of their block, can exist at all. */
static bool
add_up(const struct iovec *parts, int n_parts, size_t *out)
{
    size_t len = 0;

    for (int i = 0; i < n_parts; i++) {
        if (parts[i].iov_len > SIZE_MAX / 2 - len)
            return false;
        len += parts[i].iov_len;
    }
    *out = len;
    return true;
}

/* ---- chunks ---- */

struct kp_chunk *
kp_chunk_new(struct kp_mem *mem, const struct iovec *parts, int n_parts,
             size_t min_capacity)
{
    size_t len;

    if (!add_up(parts, n_parts, &len))
        return NULL;
    size_t capacity = len > min_capacity ? len : min_capacity;
    struct kp_chunk *chunk = kp_mem_alloc(mem, sizeof(*chunk) + capacity);
    if (chunk == NULL)
        return NULL;
    *chunk = (struct kp_chunk){.refs = 1, .capacity = capacity};
    (void)kp_chunk_extend(chunk, parts, n_parts, len); /* there is room */
    return chunk;
}

bool
kp_chunk_extend(struct kp_chunk *chunk, const struct iovec *parts, int n_parts,
                size_t len)
{
    if (len > chunk->capacity - chunk->len)
        return false;
    for (int i = 0; i < n_parts; i++) {
        if (parts[i].iov_len > 0) /* an empty part may have no address */
            memcpy(chunk->bytes + chunk->len, parts[i].iov_base, parts[i].iov_len);
        chunk->len += parts[i].iov_len;
    }
    return true;
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
    struct kp_piece *piece = kp_mem_alloc(mem, sizeof(*piece) + capacity);

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

/* Copies bytes to the end: into the piece `into`, and what does not fit into `more`. */
static void
copy_part(struct kp_piece *into, struct kp_piece *more, const unsigned char *bytes,
          size_t len)
{
    size_t fits = into != NULL ? piece_room(into) : 0;

    if (fits > len)
        fits = len;
    if (fits > 0) {
        memcpy(into->bytes + into->end, bytes, fits);
        into->end += fits;
    }
    if (fits < len) {
        memcpy(more->bytes + more->end, bytes + fits, len - fits);
        more->end += len - fits;
    }
}

int
kp_outbox_append(struct kp_outbox *outbox, struct kp_mem *mem, const struct iovec *parts,
                 int n_parts)
{
    struct kp_piece *last = outbox->last, *more = NULL;
    size_t room = last != NULL ? piece_room(last) : 0, len;

    if (!add_up(parts, n_parts, &len))
        return -ENOMEM;
    if (len > room) {
        more = piece_new(mem, choose_capacity(len - room, last));
        if (more == NULL)
            return -ENOMEM;
        link_last(outbox, more);
    }
    for (int i = 0; i < n_parts; i++)
        copy_part(last, more, parts[i].iov_base, parts[i].iov_len);
    outbox->len += len;
    return 0;
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
    if (is_copied(outbox, len)) {
        struct iovec part = {.iov_base = chunk->bytes + start, .iov_len = len};
        return kp_outbox_append(outbox, mem, &part, 1);
    }
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

static void
consume(struct kp_outbox *outbox, struct kp_mem *mem, size_t n)
{
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
kp_outbox_flush_to(struct kp_outbox *outbox, struct kp_mem *mem, kp_outbox_send_fn *out,
                   void *arg)
{
    struct iovec window[KP_OUTBOX_IOVECS];

    if (outbox->len == 0)
        return 0;
    ssize_t n = out(arg, window, fill_window(outbox, window));
    if (n > 0)
        consume(outbox, mem, (size_t)n);
    return n;
}

struct socket {
    struct kp_sys *sys;
    int fd;
};

static ssize_t
send_to_socket(void *arg, const struct iovec *iov, int n_iov)
{
    const struct socket *socket = arg;

    return kp_sys_send(socket->sys, socket->fd, iov, n_iov);
}

ssize_t
kp_outbox_flush(struct kp_outbox *outbox, struct kp_mem *mem, struct kp_sys *sys, int fd)
{
    struct socket socket = {sys, fd};

    return kp_outbox_flush_to(outbox, mem, send_to_socket, &socket);
}

int
kp_outbox_send(struct kp_outbox *outbox, ssize_t *written, struct kp_mem *mem,
               struct kp_sys *sys, int fd, const struct iovec *parts, int n_parts)
{
    size_t len, skip;

    assert(outbox->len == 0 && n_parts <= KP_OUTBOX_IOVECS);
    if (!add_up(parts, n_parts, &len))
        return -ENOMEM;
    /* Room for the rest comes first: what is written cannot be taken back. */
    struct kp_piece *piece = piece_new(mem, choose_capacity(len, NULL));
    if (piece == NULL)
        return -ENOMEM;
    *written = kp_sys_send(sys, fd, parts, n_parts);
    skip = *written > 0 ? (size_t)*written : 0;
    if (skip == len) {
        piece_free(mem, piece);
        return 0;
    }
    outbox->len = len - skip;
    for (int i = 0; i < n_parts; i++) {
        size_t n = skip < parts[i].iov_len ? skip : parts[i].iov_len;
        if (n < parts[i].iov_len)
            copy_part(NULL, piece, (const unsigned char *)parts[i].iov_base + n,
                      parts[i].iov_len - n);
        skip -= n;
    }
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
