/*
 * test_outbox_model.c - an outbox against a plain buffer
 *
 * Random appends of bytes and of shared chunks, and writes of which the kernel takes a part,
 * or nothing; without failures, and with memory failing at every place where it can.
 */
#include "outbox_kit.h"

#include <errno.h>
#include <stdbool.h>

#define N_CHUNKS 4

static size_t
pick_size(struct outbox_kit *f)
{
    static const size_t below[] = {4, 60, 80, 300, 3000, 20000};

    return ok_pick(f, below[ok_pick(f, sizeof(below) / sizeof(below[0]))]);
}

static size_t
pick_takes(struct outbox_kit *f)
{
    static const size_t takes[] = {0, 1, 10, 255, 256, 257, 5000, 100000};

    return takes[ok_pick(f, sizeof(takes) / sizeof(takes[0]))];
}

/* Appends bytes, or has parts of them written at once if that may be. */
static int
append(struct outbox_kit *f, const struct iovec *parts, int n_parts,
       const unsigned char *bytes, size_t total, bool *is_written)
{
    ssize_t n = 0;

    *is_written = n_parts > 0 && f->outbox.len == 0 && ok_pick(f, 2) == 0;
    if (!*is_written)
        return kp_outbox_append(&f->outbox, &f->env.mem, bytes, total);
    f->sink.takes = pick_takes(f);
    size_t len = f->sink.len;
    int rc = kp_outbox_send(&f->outbox, &n, &f->env.mem, &f->env.sys, 7, parts, n_parts,
                            total);
    assert_int_equal(f->sink.len - len, n > 0 ? n : 0);
    return rc;
}

/* Appends parts of random sizes, some of them empty. */
static void
append_random(struct outbox_kit *f)
{
    struct iovec parts[5];
    int n_parts = (int)ok_pick(f, 6);
    size_t total = pick_size(f), len = 0, before = f->outbox.len;
    bool is_written;
    const unsigned char *bytes = ok_bytes(f, total);

    for (int i = 0; i < n_parts; i++) {
        size_t n = ok_pick(f, total - len + 1);
        parts[i] = ok_part(n > 0 ? bytes + len : NULL, n);
        len += n;
    }
    int rc = append(f, parts, n_parts, bytes, len, &is_written);
    if (rc == 0)
        ok_note(f, bytes, len);
    else
        assert_int_equal(rc, -ENOMEM);
    if (!is_written || rc < 0)
        assert_int_equal(f->outbox.len, before + (rc == 0 ? len : 0));
}

/* Appends more to a chunk, if there is room, and that to the outbox. */
static void
extend_chunk(struct outbox_kit *f, struct kp_chunk *chunk)
{
    size_t start = chunk->len, len = pick_size(f), before = f->outbox.len;
    const unsigned char *bytes = ok_bytes(f, len);

    if (!ok_grow_chunk(chunk, bytes, len)) {
        assert_true(len > chunk->capacity - start);
        return;
    }
    assert_int_equal(chunk->len, start + len);
    int rc = kp_outbox_append_chunk(&f->outbox, &f->env.mem, chunk, start);
    if (rc == 0)
        ok_note(f, bytes, len);
    else
        assert_int_equal(rc, -ENOMEM);
    assert_int_equal(f->outbox.len, before + (rc == 0 ? len : 0));
}

/* Puts another chunk into a place, or appends the one that is there, or more of it. */
static void
use_chunk(struct outbox_kit *f, struct kp_chunk **chunk)
{
    if (*chunk == NULL || ok_pick(f, 4) == 0) {
        size_t len = pick_size(f), room = ok_pick(f, 2) * pick_size(f);
        const unsigned char *bytes = ok_bytes(f, len);
        if (*chunk != NULL)
            kp_chunk_release(&f->env.mem, *chunk);
        *chunk = kp_chunk_new(&f->env.mem, len + room);
        if (*chunk != NULL)
            assert_true(ok_grow_chunk(*chunk, bytes, len));
        return;
    }
    if (ok_pick(f, 2) == 0) {
        extend_chunk(f, *chunk);
        return;
    }
    size_t refs = (*chunk)->refs, before = f->outbox.len;
    int rc = ok_append_chunk(f, *chunk);
    assert_true(rc == 0 || rc == -ENOMEM);
    assert_int_equal(f->outbox.len, before + (rc == 0 ? (*chunk)->len : 0));
    assert_in_range((*chunk)->refs, refs, rc == 0 ? refs + 1 : refs);
}

static void
flush_random(struct outbox_kit *f)
{
    f->sink.takes = pick_takes(f);
    size_t before = f->outbox.len;
    ssize_t n = ok_flush(f);
    if (before == 0)
        assert_int_equal(n, 0);
    else if (f->sink.takes == 0)
        assert_int_equal(n, -EAGAIN);
    else
        assert_true(n > 0);
    assert_int_equal(f->outbox.len, before - (n > 0 ? (size_t)n : 0));
}

/* Does n_steps random things; everything is gone at the end. */
static void
do_random_things(struct outbox_kit *f, int n_steps)
{
    struct kp_chunk *chunks[N_CHUNKS] = {NULL};

    for (int i = 0; i < n_steps; i++) {
        size_t what = ok_pick(f, 10);
        if (what < 4)
            append_random(f);
        else if (what < 7)
            use_chunk(f, &chunks[ok_pick(f, N_CHUNKS)]);
        else
            flush_random(f);
        ok_assert_in_order(f);
    }

    fault_env_heal(&f->mem, &f->sys);
    ok_flush_all(f);
    for (int i = 0; i < N_CHUNKS; i++)
        if (chunks[i] != NULL) {
            assert_int_equal(chunks[i]->refs, 1);
            kp_chunk_release(&f->env.mem, chunks[i]);
        }
    fault_env_check(&f->env, &f->mem);
}

static void
given_random_appends_and_writes_when_compared_with_a_plain_buffer_then_same_bytes(
    void **state)
{
    struct outbox_kit *f = *state;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        ok_start(f);
        f->random = seed * 0x9e3779b97f4a7c15;

        do_random_things(f, 300);
    }
}

static void
given_memory_fails_at_every_allocation_once_when_appending_then_all_or_nothing(
    void **state)
{
    struct outbox_kit *f = *state;
    size_t n = 1;

    for (;; n++) {
        ok_start(f);
        fault_mem_fail(&f->mem, n);

        do_random_things(f, 200);

        if (f->mem.failures == 0)
            break;
    }
    assert_true(n > 50);
}

static void
given_memory_fails_from_some_allocation_on_when_appending_then_all_or_nothing(
    void **state)
{
    struct outbox_kit *f = *state;

    for (size_t n = 1;; n++) {
        ok_start(f);
        fault_mem_fail_from(&f->mem, n);

        do_random_things(f, 200);

        if (f->mem.failures == 0)
            break;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ok_setup, ok_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(
            given_random_appends_and_writes_when_compared_with_a_plain_buffer_then_same_bytes),
        TEST(
            given_memory_fails_at_every_allocation_once_when_appending_then_all_or_nothing),
        TEST(
            given_memory_fails_from_some_allocation_on_when_appending_then_all_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
