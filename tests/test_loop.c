/*
 * test_loop.c - events on real descriptors, delivered to their owners and to nobody else
 */
#include "event/loop.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop_kit.h"

/* ---- opening and closing ---- */

static void
given_each_call_failing_once_when_opened_then_its_error_and_nothing_is_left(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;

    do {
        f->sys.failures = 0;
        fault_sys_fail(&f->sys, FAULT_ANY, ++n, EMFILE);
        int rc = kp_loop_open(&f->loop, &f->env);
        assert_int_equal(rc, f->sys.failures > 0 ? -EMFILE : 0);
        fault_env_heal(NULL, &f->sys);
        if (rc == 0)
            kp_loop_close(&f->loop);
        fault_env_check(&f->env, &f->mem);
        assert_int_equal(fault_count_fds(), f->fds_before);
    } while (n < 3 || f->sys.failures > 0); /* kqueue, pipe, kevent */
    assert_int_equal(n, 4);
}

static void
given_each_allocation_failing_once_when_opened_then_enomem_and_nothing_is_left(
    void **state)
{
    struct fixture *f = *state;
    size_t n = 0;

    do {
        f->mem.failures = 0;
        fault_mem_fail(&f->mem, ++n);
        int rc = kp_loop_open(&f->loop, &f->env);
        assert_int_equal(rc, f->mem.failures > 0 ? -ENOMEM : 0);
        if (rc == 0)
            kp_loop_close(&f->loop);
        fault_env_check(&f->env, &f->mem);
        assert_int_equal(fault_count_fds(), f->fds_before);
    } while (f->mem.failures > 0);
    assert_true(n > 3);
}

static void
given_sources_that_are_added_when_closed_then_they_count_as_removed(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(kp_loop_open(&f->loop, &f->env), 0);
    struct owner *a = owner_reading(f, 0);
    struct owner *b = owner_open(f, 1);
    owner_put(a, "x");
    loop_kit_step(f);

    kp_loop_close(&f->loop);

    assert_int_equal(a->source.slot, KP_NO_SLOT);
    assert_int_equal(b->source.slot, KP_NO_SLOT);
    owner_close(a);
    owner_close(b);
}

/* ---- events of real descriptors ---- */

static void
given_an_edge_watch_when_data_arrives_then_told_once(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);

    loop_kit_step_now(f);
    assert_int_equal(a->n_events, 0);
    owner_put(a, "x");
    loop_kit_step(f);
    assert_int_equal(a->n_events, 1);
    assert_int_equal(a->last.filter, KP_READ);
    assert_false(a->last.eof || a->last.watch_failed || a->last.error != 0);

    loop_kit_step_now(f);
    assert_int_equal(a->n_events, 1);
    owner_put(a, "y");
    loop_kit_step(f);
    assert_int_equal(a->n_events, 2);
}

static void
given_a_level_watch_when_data_stays_then_told_in_every_step(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_open(f, 0);
    owner_watch(a, KP_READ, KP_LEVEL);
    owner_put(a, "abc");

    loop_kit_step(f);
    loop_kit_step(f);
    assert_int_equal(a->n_events, 2);

    assert_int_equal(fault_drain(a->fds[0]), 3);
    loop_kit_step_now(f);
    assert_int_equal(a->n_events, 2);
}

static void
given_both_filters_when_both_are_ready_then_one_event_of_each(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);
    owner_watch(a, KP_WRITE, KP_EDGE);
    owner_put(a, "x");

    loop_kit_step(f);

    assert_int_equal(a->n_of[KP_READ], 1);
    assert_int_equal(a->n_of[KP_WRITE], 1);
}

static void
remove_self(struct owner *owner, const struct kp_event *event)
{
    (void)event;
    kp_loop_remove(&owner->f->loop, &owner->source);
}

static void
given_both_filters_ready_when_the_first_handler_removes_then_no_second_event(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);
    owner_watch(a, KP_WRITE, KP_EDGE);
    owner_put(a, "x");
    a->then = remove_self;

    assert_int_equal(kp_loop_wait(&f->loop, WAIT_NS), 2);
    kp_loop_dispatch(&f->loop);

    assert_int_equal(a->n_events, 1);
}

static void
turn_all_off(struct owner *owner, const struct kp_event *event)
{
    (void)event;
    owner_watch(owner, KP_READ, KP_OFF);
    owner_watch(owner, KP_WRITE, KP_OFF);
}

static void
given_both_filters_ready_when_the_first_handler_turns_off_then_no_second_event(
    void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);
    owner_watch(a, KP_WRITE, KP_EDGE);
    owner_put(a, "x");
    a->then = turn_all_off;

    assert_int_equal(kp_loop_wait(&f->loop, WAIT_NS), 2);
    kp_loop_dispatch(&f->loop);

    assert_int_equal(a->n_events, 1);
    owner_put(a, "y");
    loop_kit_step_now(f);
    assert_int_equal(a->n_events, 1);
}

static void
given_a_peer_that_ends_when_data_is_left_then_eof_and_the_data(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);
    owner_put(a, "last");
    assert_int_equal(shutdown(a->fds[1], SHUT_WR), 0);

    loop_kit_step(f);

    assert_true(a->last.eof);
    assert_int_equal(a->last.error, 0);
    assert_int_equal(fault_drain(a->fds[0]), 4);
}

static void
given_a_peer_that_resets_when_watched_then_eof_with_the_error(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0];
    struct sockaddr_in addr = {.sin_family = AF_INET};
    struct linger abort_on_close = {.l_onoff = 1, .l_linger = 0};
    socklen_t len = sizeof(addr);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&addr, len), 0);
    a->fds[0] = accept(listener, NULL, NULL);
    close(listener);
    owner_add(a, a->fds[0]);
    owner_watch(a, KP_READ, KP_EDGE);

    setsockopt(client, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
    close(client);
    loop_kit_step(f);

    assert_true(a->last.eof);
    assert_int_equal(a->last.error, ECONNRESET);
    assert_false(a->last.watch_failed);
}

static void
given_more_ready_sources_than_places_when_waited_then_each_is_told_once(void **state)
{
    struct fixture *f = *state;
    enum { N = KP_LOOP_EVENTS + 44 };
    static struct owner many[N];
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * N + 50) {
        limit.rlim_cur = 2 * N + 50;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    memset(many, 0, sizeof(many));
    for (int i = 0; i < N; i++) {
        many[i].f = f;
        kp_source_init(&many[i].source);
        fault_socketpair(many[i].fds);
        owner_add(&many[i], many[i].fds[0]);
        owner_watch(&many[i], KP_READ, KP_EDGE);
        owner_put(&many[i], "x");
    }

    for (int steps = 0; steps < 4; steps++)
        loop_kit_step_now(f);

    for (int i = 0; i < N; i++) {
        assert_int_equal(many[i].n_events, 1);
        owner_close(&many[i]);
    }
}

static void
given_a_file_when_it_is_written_and_removed_then_notes(void **state)
{
    struct fixture *f = *state;
    struct owner *a = &f->owners[0];
    char path[64];
    snprintf(path, sizeof(path), "/tmp/kelpie_test_loop.%ld", (long)getpid());
    a->fds[0] = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    a->fds[1] = open(path, O_WRONLY | O_CLOEXEC);
    owner_add(a, a->fds[0]);
    struct kp_loop *loop = &f->loop;
    assert_int_equal(kp_loop_watch(loop, &a->source, KP_VNODE, KP_EDGE, NOTE_WRITE), 0);
    loop_kit_step_now(f);

    owner_put(a, "changed");
    loop_kit_step(f);
    assert_int_equal(a->last.filter, KP_VNODE);
    assert_true(a->last.fflags & NOTE_WRITE);
    loop_kit_step_now(f);
    int n_before = a->n_events;

    assert_int_equal(kp_loop_watch(loop, &a->source, KP_VNODE, KP_EDGE, NOTE_DELETE), 0);
    assert_true(kp_loop_has_changes(loop));
    loop_kit_step_now(f);
    unlink(path);
    close(a->fds[1]);
    a->fds[1] = -1;
    loop_kit_step(f);
    assert_int_equal(a->n_events, n_before + 1);
    assert_true(a->last.fflags & NOTE_DELETE);
}

/* ---- stale events ---- */

/* Removes and closes the other owner, whose event is in the batch too, and lets a third take
   its number, its slot, and even its struct. */
static void
replace_other(struct owner *owner, const struct kp_event *event)
{
    struct fixture *f = owner->f;
    struct owner *victim = owner == &f->owners[0] ? &f->owners[1] : &f->owners[0];
    struct owner *heir = &f->owners[2];
    int number = victim->fds[0];
    uint32_t slot = victim->source.slot;

    (void)event;
    owner_close(victim); /* really closed, within the batch: the other guard is off */
    fault_socketpair(heir->fds);
    if (heir->fds[0] != number) {
        assert_int_equal(dup2(heir->fds[0], number), number);
        if (heir->fds[1] == number)
            fail_msg("number %d is in use", number);
        close(heir->fds[0]);
        heir->fds[0] = number;
    }
    owner_add(heir, number);
    owner_watch(heir, KP_READ, KP_EDGE);
    assert_int_equal(heir->source.slot, slot);
}

static void
given_a_source_replaced_in_the_batch_when_its_event_comes_then_not_to_the_heir(
    void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);
    struct owner *b = owner_reading(f, 1);
    owner_put(a, "x");
    owner_put(b, "x");
    a->then = b->then = replace_other;

    assert_int_equal(kp_loop_wait(&f->loop, WAIT_NS), 2);
    kp_loop_dispatch(&f->loop);

    assert_int_equal(a->n_events + b->n_events, 1);
    assert_int_equal(f->owners[2].n_events, 0);
    loop_kit_step_now(f);
    assert_int_equal(f->owners[2].n_events, 0);
    owner_put(&f->owners[2], "for the heir");
    loop_kit_step(f);
    assert_int_equal(f->owners[2].n_events, 1);
}

static void
readd_other(struct owner *owner, const struct kp_event *event)
{
    struct fixture *f = owner->f;
    struct owner *other = owner == &f->owners[0] ? &f->owners[1] : &f->owners[0];

    (void)event;
    other->then = NULL;
    kp_loop_remove(&f->loop, &other->source);
    owner_add(other, other->fds[0]);
    owner_watch(other, KP_WRITE, KP_EDGE); /* not what the event in the batch is about */
}

static void
given_a_source_removed_and_added_again_when_its_old_event_comes_then_dropped(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);
    struct owner *b = owner_reading(f, 1);
    owner_put(a, "x");
    owner_put(b, "x");
    a->then = b->then = readd_other;

    assert_int_equal(kp_loop_wait(&f->loop, WAIT_NS), 2);
    kp_loop_dispatch(&f->loop);

    assert_int_equal(a->n_events + b->n_events, 1);
}

static void
given_a_removed_source_when_its_open_descriptor_gets_data_then_no_event(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);
    loop_kit_step_now(f);

    kp_loop_remove(&f->loop, &a->source);
    kp_loop_remove(&f->loop, &a->source);
    owner_put(a, "x");

    assert_int_equal(kp_loop_wait(&f->loop, 0), 0);
    assert_int_equal(a->source.fd, a->fds[0]);
}

static void
given_a_duplicated_descriptor_when_the_source_is_removed_and_closed_then_no_event(
    void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_reading(f, 0);
    loop_kit_step_now(f);
    int copy = dup(a->fds[0]);
    int peer = dup(a->fds[1]);

    owner_close(a);
    assert_int_equal(write(peer, "x", 1), 1);

    assert_int_equal(kp_loop_wait(&f->loop, 0), 0);
    close(copy);
    close(peer);
}

static void
given_the_last_generation_of_a_slot_when_freed_then_the_first_again(void **state)
{
    struct fixture *f = *state;
    struct owner *a = owner_open(f, 0);
    uint32_t slot = a->source.slot;
    f->loop.slots[slot].generation = sizeof(uintptr_t) >= 8 ? UINT32_MAX : 4095;

    kp_loop_remove(&f->loop, &a->source);
    owner_add(a, a->fds[0]);

    assert_int_equal(a->source.slot, slot);
    assert_int_equal(f->loop.slots[slot].generation, 1);
    owner_watch(a, KP_READ, KP_EDGE);
    owner_put(a, "x");
    loop_kit_step(f);
    assert_int_equal(a->n_events, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CLOSED(
            given_each_call_failing_once_when_opened_then_its_error_and_nothing_is_left),
        CLOSED(
            given_each_allocation_failing_once_when_opened_then_enomem_and_nothing_is_left),
        CLOSED(given_sources_that_are_added_when_closed_then_they_count_as_removed),
        REAL(given_an_edge_watch_when_data_arrives_then_told_once),
        REAL(given_a_level_watch_when_data_stays_then_told_in_every_step),
        REAL(given_both_filters_when_both_are_ready_then_one_event_of_each),
        REAL(
            given_both_filters_ready_when_the_first_handler_removes_then_no_second_event),
        REAL(
            given_both_filters_ready_when_the_first_handler_turns_off_then_no_second_event),
        REAL(given_a_peer_that_ends_when_data_is_left_then_eof_and_the_data),
        REAL(given_a_peer_that_resets_when_watched_then_eof_with_the_error),
        REAL(given_more_ready_sources_than_places_when_waited_then_each_is_told_once),
        REAL(given_a_file_when_it_is_written_and_removed_then_notes),
        REAL(
            given_a_source_replaced_in_the_batch_when_its_event_comes_then_not_to_the_heir),
        REAL(
            given_a_source_removed_and_added_again_when_its_old_event_comes_then_dropped),
        REAL(given_a_removed_source_when_its_open_descriptor_gets_data_then_no_event),
        REAL(
            given_a_duplicated_descriptor_when_the_source_is_removed_and_closed_then_no_event),
        REAL(given_the_last_generation_of_a_slot_when_freed_then_the_first_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
