/*
 * wrap.c - a message and the bytes that its framing puts around it, as one array of parts
 *
 * A message comes as parts (conn:send("a", 1, "b")) and leaves as one run of bytes: the
 * framing's head, the parts, the framing's tail. Here the run is only described, by an
 * array of iovecs; the one copy is made by whoever queues it (outbox.c). Messages of a few
 * parts, which is nearly all of them, cost no memory.
 */
#include "wrap.h"

#include <errno.h>
#include <string.h>

static int
add_lengths(const struct iovec *parts, int n_parts, size_t *len)
{
    size_t sum = 0;

    for (int i = 0; i < n_parts; i++) {
        if (parts[i].iov_len > SIZE_MAX / 2 - sum)
            return KELPIE_EFULL;
        sum += parts[i].iov_len;
    }
    *len = sum;
    return 0;
}

static struct iovec *
take_array(struct kp_wrap *wrap, struct kp_mem *mem, int n_parts)
{
    wrap->many = NULL;
    if (n_parts <= KP_WRAP_FEW)
        return wrap->few;
    wrap->n_many = (size_t)n_parts + 2;
    wrap->many = kp_mem_alloc(mem, wrap->n_many * sizeof(struct iovec));
    return wrap->many;
}

int
kp_wrap_init(struct kp_wrap *wrap, struct kp_mem *mem, const struct kp_framing *framing,
             const struct iovec *parts, int n_parts)
{
    wrap->many = NULL;
    wrap->parts = parts;
    wrap->n_parts = n_parts;
    int rc = add_lengths(parts, n_parts, &wrap->len);
    if (rc < 0 || framing == NULL)
        return rc;

    size_t head_len, tail_len;
    const unsigned char *tail;
    rc = kp_frame_wrap(framing, wrap->len, wrap->head, &head_len, &tail, &tail_len);
    if (rc < 0)
        return rc;

    struct iovec *array = take_array(wrap, mem, n_parts);
    if (array == NULL)
        return -ENOMEM;
    int n = 0;
    if (head_len > 0)
        array[n++] = (struct iovec){wrap->head, head_len};
    for (int i = 0; i < n_parts; i++)
        array[n++] = parts[i];
    /* An iovec serves reading too, hence the cast; nobody writes through it. */
    if (tail_len > 0)
        array[n++] = (struct iovec){(void *)(uintptr_t)tail, tail_len};
    wrap->parts = array;
    wrap->n_parts = n;
    wrap->len += head_len + tail_len;
    return 0;
}

void
kp_wrap_clear(struct kp_wrap *wrap, struct kp_mem *mem)
{
    if (wrap->many != NULL)
        kp_mem_free(mem, wrap->many, wrap->n_many * sizeof(struct iovec));
    wrap->many = NULL;
}
