/*
 * test_loop_random.c - random changes of watches, and failures, against a kqueue on paper
 */
#include "event/loop.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "loop_kit.h"

enum { N_RANDOM = 600 };

struct random_use {
    struct fixture *f;
    struct owner owners[N_RANDOM];
    bool is_watched[N_RANDOM][2];
    int n_expected[N_RANDOM][2];
    uint32_t random;
};

static uint32_t
next_random(struct random_use *use)
{
    use->random = use->random * 1664525 + 1013904223;
    return use->random >> 8;
}

static void
random_change(struct random_use *use)
{
    int i = (int)(next_random(use) % N_RANDOM);
    enum kp_filter filter = next_random(use) % 2 == 0 ? KP_READ : KP_WRITE;
    struct owner *owner = &use->owners[i];

    if (owner->source.slot == KP_NO_SLOT) {
        owner_add(owner, i);
        return;
    }
    if (next_random(use) % 8 == 0) {
        kp_loop_remove(&use->f->loop, &owner->source);
        use->is_watched[i][KP_READ] = use->is_watched[i][KP_WRITE] = false;
        return;
    }
    enum kp_mode mode = next_random(use) % 2 == 0 ? KP_EDGE : KP_OFF;
    bool may_fail = next_random(use) % 16 == 0;
    if (may_fail)
        fault_mem_fail(&use->f->mem, 1);
    int rc = kp_loop_watch(&use->f->loop, &owner->source, filter, mode, 0);
    fault_env_heal(&use->f->mem, NULL);
    assert_true(rc == 0 || (may_fail && rc == -ENOMEM && mode == KP_EDGE));
    if (rc == 0)
        use->is_watched[i][filter] = mode == KP_EDGE;
}

static void
random_wait(struct random_use *use)
{
    struct fixture *f = use->f;

    if (next_random(use) % 4 == 0) {
        fault_sys_fail(&f->sys, FAULT_KEVENT, 1, ENOMEM);
        assert_int_equal(kp_loop_wait(&f->loop, 0), -ENOMEM);
    }
    while (kp_loop_has_changes(&f->loop))
        loop_kit_step_now(f);
    for (int i = 0; i < N_RANDOM; i++)
        for (int filter = 0; filter < 2; filter++)
            if (paper_knows(f, i, (enum kp_filter)filter) != use->is_watched[i][filter])
                fail_msg("source %d, filter %d: is wrong in the kernel", i, filter);
}

static void
random_events(struct random_use *use)
{
    struct fixture *f = use->f;

    for (int n = 0; n < 300; n++) {
        int i = (int)(next_random(use) % N_RANDOM);
        enum kp_filter filter = next_random(use) % 2 == 0 ? KP_READ : KP_WRITE;
        if (paper_knows(f, i, filter)) {
            paper_ready(f, i, filter, EV_CLEAR, 0, 0);
            use->n_expected[i][filter]++;
        }
    }
    while (f->paper.n_ready > 0)
        loop_kit_step_now(f);
    for (int i = 0; i < N_RANDOM; i++) {
        assert_int_equal(use->owners[i].n_of[KP_READ], use->n_expected[i][KP_READ]);
        assert_int_equal(use->owners[i].n_of[KP_WRITE], use->n_expected[i][KP_WRITE]);
    }
}

static void
given_random_changes_and_failures_when_waited_then_the_kernel_knows_what_is_wanted(
    void **state)
{
    static struct random_use use;
    memset(&use, 0, sizeof(use));
    use.f = *state;
    use.random = 5;
    for (int i = 0; i < N_RANDOM; i++) {
        use.owners[i].f = use.f;
        kp_source_init(&use.owners[i].source);
    }

    for (int round = 0; round < 200; round++) {
        for (uint32_t n = next_random(&use) % 2000; n > 0; n--)
            random_change(&use);
        random_wait(&use);
        random_events(&use);
    }

    assert_int_equal(use.f->paper.n_deletes_failed, 0);
    for (int i = 0; i < N_RANDOM; i++)
        kp_loop_remove(&use.f->loop, &use.owners[i].source);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PAPER(
            given_random_changes_and_failures_when_waited_then_the_kernel_knows_what_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
