/*
 * wrap.c - a message and the bytes that its framing puts around it
 *
 * A message comes as parts (conn:send("a", 1, "b")) and leaves as one run of bytes: the
 * framing's head, the parts, the framing's tail. Here the run is only described, which costs
 * no memory; the one copy is made to where the bytes wait (outbox.c), or none at all when the
 * kernel takes them from where they are.
 */
#include "wrap.h"

#include <string.h>

#include "kelpie.h"

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

int
kp_wrap_init(struct kp_wrap *wrap, const struct kp_framing *framing,
             const struct iovec *parts, int n_parts)
{
    wrap->parts = parts;
    wrap->n_parts = n_parts;
    wrap->head_len = wrap->tail_len = 0;
    int rc = add_lengths(parts, n_parts, &wrap->len);
    if (rc < 0 || framing == NULL)
        return rc;
    rc = kp_frame_wrap(framing, wrap->len, wrap->head, &wrap->head_len, &wrap->tail,
                       &wrap->tail_len);
    wrap->len += wrap->head_len + wrap->tail_len;
    return rc;
}

void
kp_wrap_copy(const struct kp_wrap *wrap, unsigned char *out)
{
    for (size_t i = 0; i < wrap->head_len; i++)
        *out++ = wrap->head[i];
    for (int i = 0; i < wrap->n_parts; i++) {
        if (wrap->parts[i].iov_len > 0) /* an empty part may have no address */
            memcpy(out, wrap->parts[i].iov_base, wrap->parts[i].iov_len);
        out += wrap->parts[i].iov_len;
    }
    for (size_t i = 0; i < wrap->tail_len; i++)
        *out++ = wrap->tail[i];
}

int
kp_wrap_list(const struct kp_wrap *wrap, struct iovec *out)
{
    int n = 0;

    /* An iovec serves reading too, hence the casts; nobody writes through these. */
    if (wrap->head_len > 0)
        out[n++] = (struct iovec){(void *)(uintptr_t)wrap->head, wrap->head_len};
    for (int i = 0; i < wrap->n_parts; i++)
        out[n++] = wrap->parts[i];
    if (wrap->tail_len > 0)
        out[n++] = (struct iovec){(void *)(uintptr_t)wrap->tail, wrap->tail_len};
    return n;
}
