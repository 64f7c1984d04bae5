/*
 * outbox_kit.c - an outbox, a kernel that takes what it is told to, and a record of both
 *
 * The sink stands behind the fault kit, so that its errors and short writes work as well.
 */
#include "outbox_kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static ssize_t
sink_send(void *arg, int fd, const struct iovec *iov, int n_iov, bool more)
{
    struct sink *sink = arg;
    size_t left = sink->takes, before = sink->len;

    assert_int_equal(fd, 7);
    assert_in_range(n_iov, 1, KP_OUTBOX_IOVECS);
    sink->last_n_iov = n_iov;
    sink->last_more = more;
    if (left == 0)
        return -EAGAIN;
    for (int i = 0; i < n_iov && left > 0; i++) {
        size_t n = iov[i].iov_len < left ? iov[i].iov_len : left;
        assert_true(sink->len + n <= SINK_SIZE);
        if (n > 0) /* an empty part may have no address */
            memcpy(sink->bytes + sink->len, iov[i].iov_base, n);
        sink->len += n;
        left -= n;
    }
    return (ssize_t)(sink->len - before);
}

static const struct kp_sys_calls sink_calls = {.send = sink_send};

void
ok_start(struct outbox_kit *f)
{
    fault_env_init(&f->env, &f->mem, &f->sys);
    f->sys.behind = &sink_calls;
    f->sys.behind_arg = &f->sink;
    f->sink.len = 0;
    f->sink.takes = SINK_SIZE;
    f->outbox = (struct kp_outbox){0};
    f->n_appended = 0;
    f->random = 0x9e3779b97f4a7c15;
}

int
ok_setup(void **state)
{
    struct outbox_kit *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->sink.bytes = malloc(SINK_SIZE);
    f->appended = malloc(SINK_SIZE);
    assert_non_null(f->sink.bytes);
    assert_non_null(f->appended);
    ok_start(f);
    *state = f;
    return 0;
}

int
ok_teardown(void **state)
{
    struct outbox_kit *f = *state;

    kp_outbox_clear(&f->outbox, &f->env.mem);
    fault_env_check(&f->env, &f->mem);
    free(f->sink.bytes);
    free(f->appended);
    free(f);
    return 0;
}

/* xorshift64 */
size_t
ok_pick(struct outbox_kit *f, size_t below)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return (size_t)((f->random >> 16) % below); /* the same with words of any size */
}

struct iovec
ok_part(const void *bytes, size_t len)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
}

void
ok_note(struct outbox_kit *f, const void *bytes, size_t len)
{
    assert_true(f->n_appended + len <= SINK_SIZE);
    memcpy(f->appended + f->n_appended, bytes, len);
    f->n_appended += len;
}

const unsigned char *
ok_bytes(struct outbox_kit *f, size_t len)
{
    unsigned char next = (unsigned char)ok_pick(f, 256);

    assert_true(len <= sizeof(f->some));
    for (size_t i = 0; i < len; i++)
        f->some[i] = next = (unsigned char)(next * 5 + 1);
    return f->some;
}

int
ok_append(struct outbox_kit *f, const void *bytes, size_t len)
{
    int rc = kp_outbox_append(&f->outbox, &f->env.mem, bytes, len);
    if (rc == 0)
        ok_note(f, bytes, len);
    return rc;
}

int
ok_append_text(struct outbox_kit *f, const char *text)
{
    return ok_append(f, text, strlen(text));
}

struct kp_chunk *
ok_chunk(struct outbox_kit *f, const void *bytes, size_t len)
{
    struct kp_chunk *chunk = kp_chunk_new(&f->env.mem, len);

    assert_true(chunk != NULL && ok_grow_chunk(chunk, bytes, len));
    return chunk;
}

bool
ok_grow_chunk(struct kp_chunk *chunk, const void *bytes, size_t len)
{
    unsigned char *copy = kp_chunk_grow(chunk, len);

    if (copy != NULL && len > 0)
        memcpy(copy, bytes, len);
    return copy != NULL;
}

int
ok_append_chunk(struct outbox_kit *f, struct kp_chunk *chunk)
{
    int rc = kp_outbox_append_chunk(&f->outbox, &f->env.mem, chunk, 0);
    if (rc == 0)
        ok_note(f, chunk->bytes, chunk->len);
    return rc;
}

ssize_t
ok_flush(struct outbox_kit *f)
{
    return kp_outbox_flush(&f->outbox, &f->env.mem, &f->env.sys, 7, false);
}

void
ok_assert_in_order(const struct outbox_kit *f)
{
    assert_int_equal(f->sink.len + f->outbox.len, f->n_appended);
    assert_memory_equal(f->sink.bytes, f->appended, f->sink.len);
    assert_int_equal(f->outbox.len == 0, f->outbox.first == NULL);
    assert_int_equal(f->outbox.len == 0, f->outbox.last == NULL);
}

void
ok_flush_all(struct outbox_kit *f)
{
    f->sink.takes = SINK_SIZE;
    while (f->outbox.len > 0)
        assert_true(ok_flush(f) > 0);
    ok_assert_in_order(f);
}
