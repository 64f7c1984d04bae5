/*
 * test_reload_load.c - a thousand reloads under load: nothing lost, doubled, out of order
 *
 * What load_client.h and load_kit.h promise, for every line of fifty pipelined connections,
 * while a third of the reloads is rejected, each kind of fault with its own sentence. The
 * rate is shown, not judged. tests/soak/reload.c is the long form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fault.h"
#include "load_kit.h"

enum { RELOADS = 1000, SEQUENTIAL_RELOADS = 100, MESSAGES_BETWEEN = 150 };

static int
setup(void **state)
{
    static struct load_kit kit;

    *state = &kit;
    return 0;
}

static void
given_clients_under_load_when_reloaded_1000_times_then_every_answer_is_right(void **state)
{
    struct load_kit *kit = *state;
    size_t fds = fault_count_fds();

    bool is_right = lk_open(kit, LK_MESSAGES) && lk_run(kit, RELOADS, MESSAGES_BETWEEN);
    is_right = is_right && lk_stop(kit);
    struct kelpie_stats stats = {.size = sizeof stats};
    if (is_right)
        kelpie_get_stats(kit->k, &stats);
    lk_close(kit);

    if (!is_right)
        fail_msg("%s", kit->why);
    print_message("%u reloads, %u of them rejected for %u reasons; %llu messages in "
                  "%.2f s, %.0f a second\n",
                  kit->n_reloads, kit->n_rejected, kit->n_kinds,
                  (unsigned long long)kit->n_messages, kit->seconds,
                  (double)kit->n_messages / kit->seconds);
    assert_int_equal(kit->n_reloads, RELOADS);
    assert_int_equal(kit->n_rejected, RELOADS / 3);
    assert_true(kit->n_kinds >= 12);
    assert_true(kit->n_messages >= (uint64_t)RELOADS * MESSAGES_BETWEEN);
    assert_int_equal(stats.reloads, 1 + RELOADS - RELOADS / 3);
    assert_int_equal(stats.reloads_rejected, RELOADS / 3);
    assert_int_equal(stats.handler_errors, kit->n_raised);
    assert_int_equal(stats.accepted, LC_CONNS);
    assert_int_equal(fault_count_fds(), fds);
}

static void
given_handlers_that_wait_in_receive_when_reloaded_under_load_then_nothing_is_lost(
    void **state)
{
    struct load_kit *kit = *state;
    size_t fds = fault_count_fds();

    bool is_right =
        lk_open(kit, LK_SEQUENTIAL) && lk_run(kit, SEQUENTIAL_RELOADS, MESSAGES_BETWEEN);
    is_right = is_right && lk_stop(kit);
    lk_close(kit);

    if (!is_right)
        fail_msg("after %u reloads: %s", kit->n_reloads, kit->why);
    print_message("%u reloads; %llu messages in %.2f s, %.0f a second\n", kit->n_reloads,
                  (unsigned long long)kit->n_messages, kit->seconds,
                  (double)kit->n_messages / kit->seconds);
    assert_int_equal(kit->n_reloads, SEQUENTIAL_RELOADS);
    assert_int_equal(fault_count_fds(), fds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(
            given_clients_under_load_when_reloaded_1000_times_then_every_answer_is_right,
            setup),
        cmocka_unit_test_setup(
            given_handlers_that_wait_in_receive_when_reloaded_under_load_then_nothing_is_lost,
            setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
