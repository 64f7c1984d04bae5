/*
 * buf.c - bytes that arrive at the end and are taken from the front
 *
 * One block of memory with two marks in it:
 *
 *     data      start               end         capacity
 *      |  taken   |   what is in it   |    room    |
 *
 * Taking bytes moves `start`, which costs nothing. Room is made by the cheapest way that is
 * enough: there is room; or what is in it moves to the front of the block; or the block
 * grows by doubling. Moving to the front comes before growing, so the block of a connection
 * stays within twice of what was ever in it at once, however long the connection lives.
 *
 * An empty buffer has no block: most connections are idle most of the time, and those
 * shall cost nothing.
 */
#include "buf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define FIRST_CAPACITY 256

/* The capacity to grow to: need bytes at least, or 0 when there is no such size. */
static size_t
grown_capacity(size_t capacity, size_t need)
{
    size_t grown = capacity > 0 ? capacity : FIRST_CAPACITY;

    while (grown < need) {
        if (grown > SIZE_MAX / 2)
            return 0;
        grown *= 2;
    }
    return grown;
}

static void
move_to_front(struct kp_buf *buf)
{
    size_t len = kp_buf_len(buf);

    memmove(buf->data, buf->data + buf->start, len);
    buf->start = 0;
    buf->end = len;
}

/* A new block and not a resized one: only what is in the buffer is copied, and a failure
   leaves the buffer as it was. */
static int
grow(struct kp_buf *buf, struct kp_mem *mem, size_t need)
{
    size_t len = kp_buf_len(buf);
    size_t capacity = grown_capacity(buf->capacity, need);
    unsigned char *data = capacity > 0 ? kp_mem_alloc(mem, capacity) : NULL;

    if (data == NULL)
        return -ENOMEM;
    if (len > 0)
        memcpy(data, kp_buf_bytes(buf), len);
    kp_mem_free(mem, buf->data, buf->capacity);
    *buf = (struct kp_buf){.data = data, .end = len, .capacity = capacity};
    return 0;
}

int
kp_buf_reserve(struct kp_buf *buf, struct kp_mem *mem, size_t n)
{
    size_t len = kp_buf_len(buf);

    if (n <= buf->capacity - buf->end)
        return 0;
    if (n > SIZE_MAX - len)
        return -ENOMEM;
    if (len + n > buf->capacity)
        return grow(buf, mem, len + n);
    move_to_front(buf);
    return 0;
}

int
kp_buf_append(struct kp_buf *buf, struct kp_mem *mem, const void *bytes, size_t len)
{
    int rc = kp_buf_reserve(buf, mem, len);

    if (rc < 0 || len == 0)
        return rc;
    memcpy(buf->data + buf->end, bytes, len);
    buf->end += len;
    return 0;
}

void
kp_buf_consume(struct kp_buf *buf, struct kp_mem *mem, size_t n)
{
    assert(n <= kp_buf_len(buf));
    buf->start += n;
    if (buf->start == buf->end)
        kp_buf_clear(buf, mem);
}

void
kp_buf_clear(struct kp_buf *buf, struct kp_mem *mem)
{
    kp_mem_free(mem, buf->data, buf->capacity);
    *buf = (struct kp_buf){.data = NULL};
}
