/*
 * test_outbox.c - bytes that wait to be written to one connection
 *
 * Single cases; what random things done in a row come to is in test_outbox_model.c.
 */
#include "outbox_kit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- appending ---- */

static void
given_an_empty_outbox_when_flushed_then_no_call_and_no_memory(void **state)
{
    struct outbox_kit *f = *state;

    ssize_t n = ok_flush(f);

    assert_int_equal(n, 0);
    assert_int_equal(f->sys.calls[FAULT_SEND], 0);
    assert_int_equal(f->mem.calls, 0);
}

static void
given_a_small_append_when_done_then_one_allocation_and_one_iovec(void **state)
{
    struct outbox_kit *f = *state;

    assert_int_equal(ok_append_text(f, "hello\n"), 0);

    assert_int_equal(f->mem.calls, 1);
    assert_int_equal(ok_flush(f), 6);
    assert_int_equal(f->sink.last_n_iov, 1);
    ok_assert_in_order(f);
    assert_int_equal(f->mem.bytes, 0);
}

static void
given_nothing_when_appended_then_nothing_is_queued(void **state)
{
    struct outbox_kit *f = *state;

    assert_int_equal(kp_outbox_append(&f->outbox, &f->env.mem, NULL, 0), 0);

    assert_int_equal(f->outbox.len, 0);
    assert_int_equal(f->mem.calls, 0);
    ok_assert_in_order(f);
}

static void
given_many_short_lines_when_appended_then_few_allocations_and_one_write(void **state)
{
    struct outbox_kit *f = *state;

    for (int i = 0; i < 5000; i++)
        assert_int_equal(ok_append_text(f, "a line of a chat\n"), 0);

    assert_in_range(f->mem.calls, 2, 15);
    assert_true(f->mem.bytes < f->outbox.len + 2 * 16384);
    assert_int_equal(ok_flush(f), 5000 * 17);
    ok_assert_in_order(f);
}

static void
given_a_large_append_when_done_then_it_is_stored_once_in_a_block_of_its_size(void **state)
{
    struct outbox_kit *f = *state;

    assert_int_equal(ok_append(f, ok_bytes(f, 90000), 90000), 0);

    assert_int_equal(f->mem.calls, 1);
    assert_in_range(f->mem.bytes, 90000, 90100);
    ok_flush_all(f);
}

static void
given_too_little_room_in_the_last_piece_when_more_is_appended_then_it_stays_together(
    void **state)
{
    struct outbox_kit *f = *state;

    assert_int_equal(ok_append(f, ok_bytes(f, 200), 200), 0);
    assert_int_equal(ok_append(f, ok_bytes(f, 200), 200), 0);
    f->sink.takes = 200;

    assert_int_equal(ok_flush(f), 200);
    assert_int_equal(f->mem.blocks, 1);
    ok_flush_all(f);
    assert_int_equal(f->sink.last_n_iov, 1);
}

static void
given_lengths_beyond_all_memory_when_asked_for_then_there_is_none(void **state)
{
    struct outbox_kit *f = *state;

    assert_null(kp_outbox_grow(&f->outbox, &f->env.mem, SIZE_MAX));
    assert_null(kp_chunk_new(&f->env.mem, SIZE_MAX - 8));

    assert_int_equal(f->mem.calls, 0);
    assert_int_equal(f->outbox.len, 0);
}

/* ---- writing ---- */

static void
given_a_full_socket_when_flushed_then_eagain_and_everything_is_still_queued(void **state)
{
    struct outbox_kit *f = *state;
    assert_int_equal(ok_append_text(f, "patience"), 0);
    f->sink.takes = 0;

    ssize_t n = ok_flush(f);

    assert_int_equal(n, -EAGAIN);
    assert_int_equal(f->outbox.len, 8);
    ok_flush_all(f);
}

static void
given_any_error_of_the_kernel_when_flushed_then_it_is_returned_and_nothing_is_lost(
    void **state)
{
    struct outbox_kit *f = *state;
    static const int errors[] = {ENOBUFS, ENOMEM, EPIPE, ECONNRESET, EIO};
    assert_int_equal(ok_append_text(f, "still here"), 0);

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_sys_fail(&f->sys, FAULT_SEND, 1, errors[i]);

        assert_int_equal(ok_flush(f), -errors[i]);
        assert_int_equal(f->outbox.len, 10);
    }

    ok_flush_all(f);
}

static void
given_short_writes_when_flushed_again_and_again_then_all_bytes_in_order(void **state)
{
    struct outbox_kit *f = *state;
    struct kp_chunk *chunk = ok_chunk(f, ok_bytes(f, 100), 100);
    assert_int_equal(ok_append(f, ok_bytes(f, 300), 300), 0);
    assert_int_equal(ok_append_chunk(f, chunk), 0);
    assert_int_equal(ok_append(f, ok_bytes(f, 50), 50), 0);
    kp_chunk_release(&f->env.mem, chunk);
    f->sys.send_one_byte = true;

    for (size_t n = 1; n <= 450; n++) {
        assert_int_equal(ok_flush(f), 1);
        assert_int_equal(f->sink.len, n);
    }

    ok_assert_in_order(f);
    assert_int_equal(f->mem.bytes, 0);
}

static void
given_more_pieces_than_a_write_takes_when_flushed_then_a_full_window_at_a_time(
    void **state)
{
    struct outbox_kit *f = *state;
    struct kp_chunk *chunk = ok_chunk(f, ok_bytes(f, 100), 100);
    for (int i = 0; i < KP_OUTBOX_IOVECS + 6; i++)
        assert_int_equal(ok_append_chunk(f, chunk), 0);
    kp_chunk_release(&f->env.mem, chunk);

    ssize_t first = ok_flush(f);
    int n_first = f->sink.last_n_iov;
    ssize_t second = ok_flush(f);

    assert_int_equal(first, KP_OUTBOX_IOVECS * 100);
    assert_int_equal(n_first, KP_OUTBOX_IOVECS);
    assert_int_equal(second, 600);
    assert_int_equal(f->sink.last_n_iov, 6);
    ok_assert_in_order(f);
}

static void
given_a_partly_written_piece_when_more_is_appended_then_its_room_is_used(void **state)
{
    struct outbox_kit *f = *state;
    assert_int_equal(ok_append_text(f, "first "), 0);
    f->sink.takes = 3;
    assert_int_equal(ok_flush(f), 3);

    assert_int_equal(ok_append_text(f, "second"), 0);

    assert_int_equal(f->mem.calls, 1);
    ok_flush_all(f);
}

static void
given_a_real_socket_when_it_is_full_and_read_again_then_every_byte_arrives(void **state)
{
    struct outbox_kit *f = *state;
    int fds[2];
    size_t received = 0;
    unsigned char buffer[65536];
    fault_socketpair(fds);
    f->sys.behind = &kp_sys_kernel;
    f->sys.behind_arg = NULL;
    for (int i = 0; i < 30; i++)
        assert_int_equal(ok_append(f, ok_bytes(f, 70000), 70000), 0);

    while (f->outbox.len > 0) {
        ssize_t n = kp_outbox_flush(&f->outbox, &f->env.mem, &f->env.sys, fds[0], false);
        assert_true(n > 0 || n == -EAGAIN);
        ssize_t got = read(fds[1], buffer, sizeof(buffer));
        assert_true(got > 0);
        assert_memory_equal(buffer, f->appended + received, (size_t)got);
        received += (size_t)got;
    }

    assert_int_equal(received + fault_drain(fds[1]), f->n_appended);
    close(fds[0]);
    close(fds[1]);
}

/* Sends three parts of 20,000 bytes in all to an empty outbox. */
static int
send_parts(struct outbox_kit *f, ssize_t *written)
{
    const unsigned char *bytes = ok_bytes(f, 20000);
    struct iovec parts[] = {ok_part(bytes, 4), ok_part(NULL, 0), ok_part(bytes + 4, 9996),
                            ok_part(bytes + 10000, 10000)};

    int rc =
        kp_outbox_send(&f->outbox, written, &f->env.mem, &f->env.sys, 7, parts, 4, 20000);
    if (rc == 0)
        ok_note(f, bytes, 20000);
    return rc;
}

static void
given_an_empty_outbox_when_much_is_sent_then_it_is_written_and_nothing_is_kept(
    void **state)
{
    struct outbox_kit *f = *state;
    ssize_t n;

    assert_int_equal(send_parts(f, &n), 0);

    assert_int_equal(n, 20000);
    assert_int_equal(f->sys.calls[FAULT_SEND], 1);
    assert_int_equal(f->mem.blocks, 0);
    ok_assert_in_order(f);
}

static void
given_a_socket_that_takes_a_part_when_much_is_sent_then_the_rest_is_queued(void **state)
{
    static const size_t takes[] = {1, 4, 5, 10000, 19999};
    struct outbox_kit *f = *state;
    ssize_t n;

    for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++) {
        f->sink.takes = takes[i];
        assert_int_equal(send_parts(f, &n), 0);
        assert_int_equal(n, takes[i]);
        assert_int_equal(f->outbox.len, 20000 - takes[i]);
        assert_int_equal(ok_append_text(f, "and more"), 0);
        ok_flush_all(f);
    }
}

static void
given_an_error_when_much_is_sent_then_it_is_returned_and_all_is_queued(void **state)
{
    struct outbox_kit *f = *state;
    ssize_t n;

    fault_sys_fail(&f->sys, FAULT_SEND, 1, EPIPE);
    assert_int_equal(send_parts(f, &n), 0);

    assert_int_equal(n, -EPIPE);
    assert_int_equal(f->outbox.len, 20000);
    ok_flush_all(f);
}

static void
given_no_memory_when_much_is_sent_then_nothing_is_written(void **state)
{
    struct outbox_kit *f = *state;
    ssize_t n;

    fault_mem_fail(&f->mem, 1);
    assert_int_equal(send_parts(f, &n), -ENOMEM);

    assert_int_equal(f->sys.calls[FAULT_SEND], 0);
    assert_int_equal(f->outbox.len, 0);
}

static void
given_a_socket_whose_peer_is_gone_when_flushed_then_epipe_and_no_signal(void **state)
{
    struct outbox_kit *f = *state;
    int fds[2];
    fault_socketpair(fds);
    f->sys.behind = &kp_sys_kernel;
    close(fds[1]);
    assert_int_equal(ok_append_text(f, "anybody?"), 0);

    ssize_t n = kp_outbox_flush(&f->outbox, &f->env.mem, &f->env.sys, fds[0], false);

    assert_int_equal(n, -EPIPE);
    assert_int_equal(f->outbox.len, 8);
    close(fds[0]);
}

/* What is in the window may be all, or not: only then the end follows it. */
static void
given_the_end_follows_when_flushed_then_only_a_write_of_all_may_wait_for_it(void **state)
{
    struct outbox_kit *f = *state;
    struct kp_outbox *outbox = &f->outbox;
    for (int i = 0; i < KP_OUTBOX_IOVECS + 5; i++)
        assert_int_equal(ok_append(f, ok_bytes(f, 20000), 20000), 0);

    ssize_t n = kp_outbox_flush(outbox, &f->env.mem, &f->env.sys, 7, true);
    assert_int_equal(n, KP_OUTBOX_IOVECS * 20000);
    assert_false(f->sink.last_more);

    n = kp_outbox_flush(outbox, &f->env.mem, &f->env.sys, 7, true);
    assert_int_equal(n, 5 * 20000);
    assert_true(f->sink.last_more);

    assert_int_equal(ok_append_text(f, "no end"), 0);
    assert_int_equal(ok_flush(f), 6);
    assert_false(f->sink.last_more);
    ok_assert_in_order(f);
}

/* ---- sharing ---- */

static void
given_a_chunk_when_made_then_it_is_empty_and_has_one_reference(void **state)
{
    struct outbox_kit *f = *state;

    struct kp_chunk *chunk = kp_chunk_new(&f->env.mem, 7);

    assert_non_null(chunk);
    assert_int_equal(chunk->refs, 1);
    assert_int_equal(chunk->len, 0);
    assert_ptr_equal(kp_chunk_grow(chunk, 7), chunk->bytes);
    assert_null(kp_chunk_grow(chunk, 1));
    assert_int_equal(chunk->len, 7);
    kp_chunk_release(&f->env.mem, chunk);
    assert_int_equal(f->mem.bytes, 0);
}

static void
given_a_chunk_in_many_outboxes_when_all_have_written_it_then_it_is_freed(void **state)
{
    struct outbox_kit *f = *state;
    enum { N = 100 };
    struct kp_outbox outboxes[N] = {{0}};
    struct kp_chunk *chunk = ok_chunk(f, ok_bytes(f, 10000), 10000);

    for (int i = 0; i < N; i++)
        assert_int_equal(kp_outbox_append_chunk(&outboxes[i], &f->env.mem, chunk, 0), 0);
    kp_chunk_release(&f->env.mem, chunk);

    assert_int_equal(chunk->refs, N);
    assert_true(f->mem.bytes < 10000 + N * 100);
    for (int i = 0; i < N - 1; i++)
        assert_int_equal(
            kp_outbox_flush(&outboxes[i], &f->env.mem, &f->env.sys, 7, false), 10000);
    assert_int_equal(chunk->refs, 1);
    kp_outbox_clear(&outboxes[N - 1], &f->env.mem);
    assert_int_equal(f->mem.bytes, 0);
}

static void
given_a_partly_written_chunk_when_others_write_it_then_each_is_at_its_own_place(
    void **state)
{
    struct outbox_kit *f = *state;
    struct kp_outbox other = {0};
    struct kp_chunk *chunk = ok_chunk(f, ok_bytes(f, 1000), 1000);
    assert_int_equal(ok_append_chunk(f, chunk), 0);
    assert_int_equal(kp_outbox_append_chunk(&other, &f->env.mem, chunk, 0), 0);
    f->sink.takes = 300;

    assert_int_equal(ok_flush(f), 300);
    f->sink.len = 0;
    f->sink.takes = SINK_SIZE;
    assert_int_equal(kp_outbox_flush(&other, &f->env.mem, &f->env.sys, 7, false), 1000);

    assert_memory_equal(f->sink.bytes, chunk->bytes, 1000);
    assert_int_equal(chunk->refs, 2);
    f->sink.len = 300;
    ok_flush_all(f);
    assert_int_equal(chunk->refs, 1);
    kp_chunk_release(&f->env.mem, chunk);
}

static void
given_a_shared_chunk_when_bytes_are_appended_behind_it_then_the_chunk_is_unchanged(
    void **state)
{
    struct outbox_kit *f = *state;
    struct kp_chunk *chunk = ok_chunk(f, "shared", 6);
    assert_int_equal(ok_append_chunk(f, chunk), 0);

    assert_int_equal(ok_append_text(f, " and own"), 0);

    assert_int_equal(chunk->len, 6);
    assert_memory_equal(chunk->bytes, "shared", 6);
    assert_int_equal(chunk->refs, 2);
    ok_flush_all(f);
    kp_chunk_release(&f->env.mem, chunk);
}

static void
given_a_chunk_that_grows_when_it_is_appended_bit_by_bit_then_one_piece_refers_to_it(
    void **state)
{
    struct outbox_kit *f = *state;
    struct kp_chunk *chunk = kp_chunk_new(&f->env.mem, 5 * 100);
    assert_true(ok_grow_chunk(chunk, "line\n", 5));
    assert_int_equal(ok_append_chunk(f, chunk), 0);
    size_t calls = f->mem.calls;

    for (size_t i = 1; i < 100; i++) {
        assert_true(ok_grow_chunk(chunk, "line\n", 5));
        assert_int_equal(kp_outbox_append_chunk(&f->outbox, &f->env.mem, chunk, i * 5),
                         0);
        ok_note(f, "line\n", 5);
    }
    assert_false(ok_grow_chunk(chunk, "line\n", 5));

    assert_int_equal(f->mem.calls, calls);
    assert_int_equal(chunk->refs, 2);
    ok_flush_all(f);
    assert_int_equal(f->sink.last_n_iov, 1);
    kp_chunk_release(&f->env.mem, chunk);
}

static void
given_an_empty_chunk_when_appended_then_nothing_is_queued(void **state)
{
    struct outbox_kit *f = *state;
    struct kp_chunk *chunk = kp_chunk_new(&f->env.mem, 0);
    assert_non_null(chunk);

    int rc = ok_append_chunk(f, chunk);

    assert_int_equal(rc, 0);
    assert_int_equal(chunk->refs, 1);
    assert_int_equal(f->outbox.len, 0);
    kp_chunk_release(&f->env.mem, chunk);
}

static void
given_a_short_chunk_when_the_queue_is_not_empty_then_it_is_copied(void **state)
{
    struct outbox_kit *f = *state;
    struct kp_chunk *chunk = ok_chunk(f, "short\n", 6);

    for (int i = 0; i < 1000; i++)
        assert_int_equal(ok_append_chunk(f, chunk), 0);

    assert_int_equal(chunk->refs, 2);
    assert_in_range(f->mem.calls, 2, 12);
    ok_flush_all(f);
    kp_chunk_release(&f->env.mem, chunk);
}

static void
given_own_and_shared_bytes_in_turn_when_many_wait_then_memory_is_a_few_times_their_size(
    void **state)
{
    struct outbox_kit *f = *state;
    static const size_t sizes[] = {1, 2, 64, 65, 300};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct kp_chunk *chunk = ok_chunk(f, ok_bytes(f, sizes[i]), sizes[i]);
        assert_int_equal(ok_append(f, ok_bytes(f, 40000), 40000), 0);
        for (int n = 0; n < 2000; n++) {
            assert_int_equal(ok_append_chunk(f, chunk), 0);
            assert_int_equal(ok_append_text(f, "x"), 0);
        }

        assert_true(f->mem.bytes < 6 * f->outbox.len);

        ok_flush_all(f);
        kp_chunk_release(&f->env.mem, chunk);
        assert_int_equal(f->mem.bytes, 0);
    }
}

static void
given_a_queue_of_everything_when_cleared_then_no_memory_and_no_reference_is_left(
    void **state)
{
    struct outbox_kit *f = *state;
    struct kp_chunk *chunk = ok_chunk(f, ok_bytes(f, 100), 100);
    assert_int_equal(ok_append(f, ok_bytes(f, 1000), 1000), 0);
    assert_int_equal(ok_append_chunk(f, chunk), 0);
    assert_int_equal(ok_append(f, ok_bytes(f, 50000), 50000), 0);

    kp_outbox_clear(&f->outbox, &f->env.mem);

    assert_int_equal(f->outbox.len, 0);
    assert_null(f->outbox.first);
    assert_null(f->outbox.last);
    assert_int_equal(chunk->refs, 1);
    kp_chunk_release(&f->env.mem, chunk);
    assert_int_equal(f->mem.bytes, 0);
    kp_outbox_clear(&f->outbox, &f->env.mem);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ok_setup, ok_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_an_empty_outbox_when_flushed_then_no_call_and_no_memory),
        TEST(given_a_small_append_when_done_then_one_allocation_and_one_iovec),
        TEST(given_nothing_when_appended_then_nothing_is_queued),
        TEST(given_many_short_lines_when_appended_then_few_allocations_and_one_write),
        TEST(
            given_a_large_append_when_done_then_it_is_stored_once_in_a_block_of_its_size),
        TEST(
            given_too_little_room_in_the_last_piece_when_more_is_appended_then_it_stays_together),
        TEST(given_lengths_beyond_all_memory_when_asked_for_then_there_is_none),
        TEST(given_a_full_socket_when_flushed_then_eagain_and_everything_is_still_queued),
        TEST(
            given_any_error_of_the_kernel_when_flushed_then_it_is_returned_and_nothing_is_lost),
        TEST(given_short_writes_when_flushed_again_and_again_then_all_bytes_in_order),
        TEST(
            given_more_pieces_than_a_write_takes_when_flushed_then_a_full_window_at_a_time),
        TEST(given_a_partly_written_piece_when_more_is_appended_then_its_room_is_used),
        TEST(given_a_real_socket_when_it_is_full_and_read_again_then_every_byte_arrives),
        TEST(
            given_an_empty_outbox_when_much_is_sent_then_it_is_written_and_nothing_is_kept),
        TEST(given_a_socket_that_takes_a_part_when_much_is_sent_then_the_rest_is_queued),
        TEST(given_an_error_when_much_is_sent_then_it_is_returned_and_all_is_queued),
        TEST(given_no_memory_when_much_is_sent_then_nothing_is_written),
        TEST(given_a_socket_whose_peer_is_gone_when_flushed_then_epipe_and_no_signal),
        TEST(given_a_chunk_when_made_then_it_is_empty_and_has_one_reference),
        TEST(given_the_end_follows_when_flushed_then_only_a_write_of_all_may_wait_for_it),
        TEST(given_a_chunk_in_many_outboxes_when_all_have_written_it_then_it_is_freed),
        TEST(
            given_a_partly_written_chunk_when_others_write_it_then_each_is_at_its_own_place),
        TEST(
            given_a_shared_chunk_when_bytes_are_appended_behind_it_then_the_chunk_is_unchanged),
        TEST(
            given_a_chunk_that_grows_when_it_is_appended_bit_by_bit_then_one_piece_refers_to_it),
        TEST(given_an_empty_chunk_when_appended_then_nothing_is_queued),
        TEST(given_a_short_chunk_when_the_queue_is_not_empty_then_it_is_copied),
        TEST(
            given_own_and_shared_bytes_in_turn_when_many_wait_then_memory_is_a_few_times_their_size),
        TEST(
            given_a_queue_of_everything_when_cleared_then_no_memory_and_no_reference_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
