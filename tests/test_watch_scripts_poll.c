/*
 * test_watch_scripts_poll.c - scripts that cannot be watched are looked at, and what becomes of
 * it when memory ends
 */
#include <sys/stat.h>
#include <sys/time.h>

#include "watch_kit.h"

/* ---- what cannot be watched --------------------------------------------------------- */

static void
given_a_file_system_that_does_not_tell_when_a_file_changes_then_a_poll_sees_it(
    void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", asking);
    save(f, "what.lua", "return 'old'");
    f->vnode_error = EOPNOTSUPP;
    start(f);
    sv_expect_log(&f->kit, "cannot be watched");

    save(f, "what.lua", "return 'new'");
    sv_expect_printed(&f->kit, "what is new");
    delete (f, "what.lua");
    sv_expect_log(&f->kit, "reload rejected");
    save(f, "what.lua", "return 'again'");

    sv_expect_printed(&f->kit, "what is again");
    assert_int_equal(count(f->kit.log, "cannot be watched"), 1);
    assert_int_equal(count(f->kit.log, "reload rejected"), 1);
}

static void
given_a_poll_when_nothing_changes_then_files_are_not_even_opened(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    f->vnode_error = ENOTSUP;
    start(f);
    sv_expect_log(&f->kit, "cannot be watched");
    fault_clock_set(&f->sys, kp_sys_kernel.now_ns(NULL));
    for (int i = 0; i < 5; i++) {
        fault_clock_advance(&f->sys, KP_NS_PER_S);
        sv_step(&f->kit);
    }

    size_t opened = f->sys.calls[FAULT_OPEN], stats = f->sys.calls[FAULT_STAT];
    for (int i = 0; i < 5; i++) {
        fault_clock_advance(&f->sys, KP_NS_PER_S);
        sv_step(&f->kit);
    }

    assert_int_equal(f->sys.calls[FAULT_OPEN], opened);
    assert_true(f->sys.calls[FAULT_STAT] >= stats + 5);
    assert_int_equal(sv_stats(&f->kit).reloads, 1);
}

static void
given_a_poll_when_stat_hides_a_change_of_the_last_second_then_it_is_found(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    save(f, "init.lua", asking);
    save(f, "what.lua", "return 'old'");
    assert_int_equal(stat(in_folder(f, "what.lua"), &st), 0);
    f->vnode_error = EOPNOTSUPP;
    start(f);
    sv_expect_log(&f->kit, "cannot be watched");
    fault_clock_set(&f->sys, f->kit.k->loop.now_ns);
    pass(f, 1, 500); /* the look after the watches were to begin */

    const struct timeval times[2] = {{st.st_mtime, 0}, {st.st_mtime, 0}};
    put(f, "what.lua", 0, "return 'new'");
    assert_int_equal(utimes(in_folder(f, "what.lua"), times), 0);
    pass(f, 2, 1000);

    assert_non_null(strstr(f->kit.printed, "what is new"));
}

static void
given_a_poll_when_a_load_stays_rejected_then_it_is_tried_once_for_each_change(
    void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", asking);
    save(f, "what.lua", "return 'old'");
    f->vnode_error = EOPNOTSUPP;
    start(f);
    sv_expect_log(&f->kit, "cannot be watched");
    fault_clock_set(&f->sys, f->kit.k->loop.now_ns);

    delete (f, "init.lua");
    pass(f, 6, 1000);
    assert_int_equal(count(f->kit.log, "reload rejected"), 1);
    save(f, "what.lua", "return 'longer'");
    pass(f, 6, 1000);

    assert_int_equal(count(f->kit.log, "reload rejected"), 2);
}

static void
given_no_descriptors_when_files_change_then_they_are_polled(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", asking);
    save(f, "what.lua", "return 'old'");
    start(f);
    assert_int_equal(kelpie_watch_scripts(f->kit.k, 0), 0);

    fault_sys_fail(&f->sys, FAULT_OPEN, 2, EMFILE); /* one of the places */
    assert_int_equal(kelpie_watch_scripts(f->kit.k, 1), 0);
    sv_expect_log(&f->kit, "cannot be watched");
    save(f, "what.lua", "return 'new'");
    sv_expect_printed(&f->kit, "what is new");

    fault_env_heal(NULL, &f->sys); /* the reload has tried again: all is watched */
    step_until_quiet(f);
    assert_true(kp_timers_next(&f->kit.k->timers) >
                f->kit.k->loop.now_ns + 2 * KP_NS_PER_S);
}

static void
given_no_descriptor_to_read_with_when_looking_then_it_is_no_change(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);
    step_until_quiet(f);

    fault_sys_fail_from(&f->sys, FAULT_OPEN, 1, EMFILE);
    assert_int_equal(utimes(in_folder(f, "init.lua"), NULL), 0);
    step_until_quiet(f);
    fault_env_heal(NULL, &f->sys);
    save(f, "init.lua", saying("canary"));

    sv_expect_printed(&f->kit, "canary");
    assert_int_equal(sv_stats(&f->kit).reloads, 2);
}

/* ---- no memory ---------------------------------------------------------------------- */

/* Starts, changes a module, then the main file so that it wants another folder. */
static void
run_scenario(struct fixture *f)
{
    static const char main_two[] =
        "local what = require('lib.deep')\n"
        "return { on_load = function() print('deep is ' .. what) end }\n";

    save(f, "init.lua", asking);
    save(f, "what.lua", "return 'old'");
    (void)mkdir(in_folder(f, "lib"), 0700); /* it is there from the second time on */
    save(f, "lib/deep.lua", "return 'far'");
    if (try_start(f, f->folder) != 0)
        return;
    save(f, "what.lua", "return 'new'");
    for (int i = 0; i < 4; i++) {
        (void)kelpie_step(f->kit.k, 0);
        fault_clock_advance(&f->sys, KP_NS_PER_S);
    }
    save(f, "init.lua", main_two);
    for (int i = 0; i < 4; i++) {
        (void)kelpie_step(f->kit.k, 0);
        fault_clock_advance(&f->sys, KP_NS_PER_S);
    }
}

static void
given_memory_that_ends_anywhere_when_files_change_then_it_recovers(void **state)
{
    struct fixture *f = *state;
    f->kit.quiet = true;
    fault_clock_set(&f->sys, KP_NS_PER_S);

    for (size_t n = 1;; n++) {
        size_t failures = f->mem.failures;
        fault_mem_fail(&f->mem, n);
        run_scenario(f);
        bool has_failed = f->mem.failures > failures;
        fault_env_heal(&f->mem, &f->sys);

        /* Whatever it was, the next change is noticed, if it had started at all. */
        if (f->kit.k != NULL && f->kit.k->script_watch != NULL) {
            char word[32];
            snprintf(word, sizeof word, "after %zu.", n);
            save(f, "init.lua", saying(word));
            for (int i = 0; i < 50 && strstr(f->kit.printed, word) == NULL; i++) {
                (void)kelpie_step(f->kit.k, 0);
                fault_clock_advance(&f->sys, 100 * KP_NS_PER_MS);
            }
            if (strstr(f->kit.printed, word) == NULL)
                fail_msg("allocation %zu: not noticed; log:\n%s", n, f->kit.log);
        }
        stop(f);
        forget_log(f);
        if (!has_failed)
            break;
        n += n / 50; /* most of them are Lua's, and alike */
    }
}

static void
given_memory_that_ends_when_switched_on_then_nothing_is_left(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", asking);
    save(f, "what.lua", "return 'old'");
    start(f);
    assert_int_equal(kelpie_watch_scripts(f->kit.k, 0), 0);

    for (size_t n = 1;; n++) {
        size_t failures = f->mem.failures, blocks = f->mem.blocks;
        int fds = sv_open_fds();
        char word[32];

        fault_mem_fail(&f->mem, n);
        int rc = kelpie_watch_scripts(f->kit.k, 1);
        fault_env_heal(&f->mem, NULL);
        if (f->mem.failures == failures)
            break;
        if (rc == 0) { /* as well as it can */
            snprintf(word, sizeof word, "return 'n%zu.'", n);
            save(f, "what.lua", word);
            snprintf(word, sizeof word, "what is n%zu.", n);
            sv_expect_printed(&f->kit, word);
        } else {
            assert_int_equal(rc, -ENOMEM);
            assert_int_equal(f->mem.blocks, blocks);
            assert_int_equal(sv_open_fds(), fds);
        }
        assert_int_equal(kelpie_watch_scripts(f->kit.k, 0), 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(
            given_a_file_system_that_does_not_tell_when_a_file_changes_then_a_poll_sees_it),
        TEST(given_a_poll_when_nothing_changes_then_files_are_not_even_opened),
        TEST(given_a_poll_when_stat_hides_a_change_of_the_last_second_then_it_is_found),
        TEST(
            given_a_poll_when_a_load_stays_rejected_then_it_is_tried_once_for_each_change),
        TEST(given_no_descriptors_when_files_change_then_they_are_polled),
        TEST(given_no_descriptor_to_read_with_when_looking_then_it_is_no_change),
        TEST(given_memory_that_ends_anywhere_when_files_change_then_it_recovers),
        TEST(given_memory_that_ends_when_switched_on_then_nothing_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
