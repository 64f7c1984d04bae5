/*
 * buf.h - bytes that arrive at the end and are taken from the front
 *
 * data[start, end) is what is in it. A cleared buffer holds no memory.
 */
#ifndef KP_BUF_H
#define KP_BUF_H

#include "mem.h"

struct kp_buf {
    unsigned char *data;
    size_t start, end, capacity;
};

static inline size_t
kp_buf_len(const struct kp_buf *buf)
{
    return buf->end - buf->start;
}

/* What is in the buffer; NULL when it holds no memory. */
static inline const unsigned char *
kp_buf_bytes(const struct kp_buf *buf)
{
    return buf->data != NULL ? buf->data + buf->start : NULL;
}

/* Makes room for n more bytes at the end: moves what is there to the front, or grows by
 * doubling from 256 bytes.
 * Returns   0; -ENOMEM: then the buffer is as it was. */
int kp_buf_reserve(struct kp_buf *buf, struct kp_mem *mem, size_t n) KP_MUST_CHECK;

/* Appends len bytes. Returns 0; -ENOMEM: then the buffer is as it was. */
int kp_buf_append(struct kp_buf *buf, struct kp_mem *mem, const void *bytes,
                  size_t len) KP_MUST_CHECK;

/* Takes n bytes from the front; gives the memory back when nothing is left. */
void kp_buf_consume(struct kp_buf *buf, struct kp_mem *mem, size_t n);

/* Empties the buffer and gives its memory back. */
void kp_buf_clear(struct kp_buf *buf, struct kp_mem *mem);

#endif
