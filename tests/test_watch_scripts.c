/*
 * test_watch_scripts.c - scripts are loaded again when they have changed on disk
 *
 * Where "nothing happens" is to be shown, a canary is: a later change whose reload must be the
 * next one.
 */
#include <sys/stat.h>
#include <sys/time.h>

#include "watch_kit.h"

/* ---- ways to save ------------------------------------------------------------------- */

static void
given_a_file_when_written_in_place_then_it_is_loaded_and_said(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);

    put(f, "init.lua", 0, saying("two"));

    sv_expect_printed(&f->kit, "two");
    sv_expect_log(&f->kit, "/init.lua changed");
    sv_expect_log(&f->kit, "generation 2 serves");
    put(f, "init.lua", 0, saying("six"));
    sv_expect_printed(&f->kit, "six");
}

static void
given_a_file_when_written_in_two_parts_then_it_ends_with_the_right_one(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);

    save(f, "init.lua", "return { on_load = func");
    sv_expect_log(&f->kit, "reload rejected");
    put(f, "init.lua", O_APPEND, "tion() print('whole') end }");

    sv_expect_printed(&f->kit, "whole");
    step_until_quiet(f);
    assert_int_equal(sv_stats(&f->kit).reloads, 2);
}

static void
given_a_file_when_emptied_and_then_written_then_only_the_whole_is_loaded(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);

    sv_step(&f->kit);
    fault_clock_set(&f->sys, f->kit.k->loop.now_ns);

    save(f, "init.lua", "");
    pass(f, 3, 300);
    save(f, "init.lua", saying("two"));
    pass(f, 2, 100);

    assert_non_null(strstr(f->kit.printed, "two"));
    assert_log_lacks(f, "rejected");
}

static void
given_a_file_when_replaced_by_a_rename_then_it_is_loaded_each_time(void **state)
{
    struct fixture *f = *state;
    static const char *const words[] = {"two", "three", "four"};
    save(f, "init.lua", saying("one"));
    start(f);

    for (int i = 0; i < 3; i++) {
        save(f, "sedXyZ", saying(words[i]));
        move(f, "sedXyZ", "init.lua");
        sv_expect_printed(&f->kit, words[i]);
    }

    put(f, "init.lua", 0, saying("five")); /* it is the new file that is watched */
    sv_expect_printed(&f->kit, "five");
}

static void
given_a_file_when_saved_as_vim_does_then_it_is_loaded_once(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);

    save(f, "4913", "");
    delete (f, "4913");
    move(f, "init.lua", "init.lua~");
    save(f, "init.lua", saying("two"));
    delete (f, "init.lua~");

    sv_expect_printed(&f->kit, "two");
    step_until_quiet(f);
    assert_int_equal(sv_stats(&f->kit).reloads, 2);
    assert_log_lacks(f, "rejected");
}

static void
given_a_file_when_deleted_and_made_again_then_it_is_loaded(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);

    delete (f, "init.lua");
    sv_expect_log(&f->kit, "/init.lua is gone");
    sv_expect_log(&f->kit, "reload rejected: cannot read");
    save(f, "init.lua", saying("two"));

    sv_expect_log(&f->kit, "/init.lua is there now");
    sv_expect_printed(&f->kit, "two");
}

static void
given_a_folder_when_moved_away_and_made_again_then_its_scripts_are_loaded(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(mkdir(in_folder(f, "app"), 0700), 0);
    save(f, "app/init.lua", saying("one"));
    assert_int_equal(try_start(f, in_folder(f, "app")), 0);

    move(f, "app", "old");
    sv_expect_log(&f->kit, "reload rejected");
    assert_int_equal(mkdir(in_folder(f, "app"), 0700), 0);
    save(f, "app/init.lua", saying("two"));

    sv_expect_printed(&f->kit, "two");
    save(f, "app/init.lua", saying("three"));
    sv_expect_printed(&f->kit, "three");
}

/* ---- modules ------------------------------------------------------------------------ */

static void
given_a_missing_module_when_it_appears_then_the_rejected_load_is_repeated(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);

    save(f, "init.lua", asking);
    sv_expect_log(&f->kit, "module 'what' not found");
    save(f, "what.lua", "return 'new'");

    sv_expect_log(&f->kit, "/what.lua is there now");
    sv_expect_printed(&f->kit, "what is new");
    save(f, "what.lua", "return 'newer'");
    sv_expect_printed(&f->kit, "what is newer");
}

static void
given_a_missing_folder_of_a_module_when_it_appears_then_it_is_loaded(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);
    save(f, "init.lua",
         "local x = require('a.b.c')\n"
         "return { on_load = function() print('c is ' .. x) end }");
    sv_expect_log(&f->kit, "module 'a.b.c' not found");

    assert_int_equal(mkdir(in_folder(f, "a"), 0700), 0);
    step_until_quiet(f);
    assert_int_equal(mkdir(in_folder(f, "a/b"), 0700), 0);
    step_until_quiet(f);
    save(f, "a/b/c.lua", "return 'deep'");

    sv_expect_printed(&f->kit, "c is deep");
    save(f, "a/b/c.lua", "return 'deeper'");
    sv_expect_printed(&f->kit, "c is deeper");
}

static void
given_a_rejected_file_when_another_of_the_serving_ones_changes_then_noticed(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", asking);
    save(f, "what.lua", "return 'old'");
    start(f);
    save(f, "init.lua", "error('before it requires')");
    sv_expect_log(&f->kit, "reload rejected");

    save(f, "what.lua", "return 'fixed'");
    sv_expect_log(&f->kit, "/what.lua changed");
    save(f, "init.lua", asking);

    sv_expect_printed(&f->kit, "what is fixed");
}

static void
given_a_module_that_is_no_more_required_when_it_changes_then_nothing(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", asking);
    save(f, "what.lua", "return 'old'");
    start(f);
    step_until_quiet(f);
    int fds = sv_open_fds();
    save(f, "init.lua", saying("alone"));
    sv_expect_printed(&f->kit, "alone");
    step_until_quiet(f);
    assert_int_equal(sv_open_fds(), fds - 1);

    save(f, "what.lua", "return 'unseen'");
    step_until_quiet(f);
    save(f, "init.lua", saying("canary"));

    sv_expect_printed(&f->kit, "canary");
    assert_int_equal(sv_stats(&f->kit).reloads, 3);
    assert_log_lacks(f, "what.lua changed");
}

/* ---- no reason to reload ------------------------------------------------------------ */

static void
given_unrelated_files_when_they_come_and_go_then_no_reload(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);
    step_until_quiet(f);

    save(f, "notes.txt", "a");
    save(f, "other.lua", "b");
    step_until_quiet(f);
    delete (f, "notes.txt");
    step_until_quiet(f);
    save(f, "init.lua", saying("canary"));

    sv_expect_printed(&f->kit, "canary");
    assert_int_equal(sv_stats(&f->kit).reloads, 2);
    assert_int_equal(count(f->kit.log, "watch: "), 1);
}

static void
given_a_file_when_touched_or_saved_unchanged_then_no_reload(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);
    step_until_quiet(f);

    assert_int_equal(utimes(in_folder(f, "init.lua"), NULL), 0);
    step_until_quiet(f);
    save(f, "init.lua", saying("one"));
    step_until_quiet(f);
    save(f, "new", saying("one"));
    move(f, "new", "init.lua");
    step_until_quiet(f);
    save(f, "init.lua", saying("canary"));

    sv_expect_printed(&f->kit, "canary");
    assert_int_equal(sv_stats(&f->kit).reloads, 2);
}

static void
given_a_burst_of_writes_when_it_is_over_then_few_reloads_and_the_last_wins(void **state)
{
    struct fixture *f = *state;
    char word[16];
    save(f, "init.lua", saying("one"));
    start(f);
    fault_clock_set(&f->sys, kp_sys_kernel.now_ns(NULL));

    for (int i = 0; i < 100; i++) { /* one each 50 ms: 5 s in all */
        snprintf(word, sizeof word, "w%d.", i);
        save(f, "init.lua", saying(word));
        sv_step(&f->kit);
        fault_clock_advance(&f->sys, 50 * KP_NS_PER_MS);
    }
    f->sys.clock_is_fake = false;

    sv_expect_printed(&f->kit, "w99.");
    step_until_quiet(f);
    uint64_t reloads = sv_stats(&f->kit).reloads - 1;
    assert_in_range(reloads, 4, 8); /* not later than a second after the first write */
}

static void
given_a_rolled_back_version_when_touched_then_it_is_not_loaded_again(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("good"));
    start(f);
    save(f, "init.lua", saying("bad"));
    sv_expect_log(&f->kit, "generation 2 serves");
    kelpie_rollback(f->kit.k);
    sv_expect_log(&f->kit, "rolled back to 1");
    step_until_quiet(f);
    forget_log(f);

    save(f, "init.lua", "return {");
    sv_expect_log(&f->kit, "reload rejected");
    save(f, "init.lua", saying("bad"));
    sv_expect_log(&f->kit, "these are the scripts that were rolled back");
    step_until_quiet(f);
    assert_log_lacks(f, "serves");
    save(f, "init.lua", saying("better"));

    sv_expect_printed(&f->kit, "better");
}

/* ---- on and off --------------------------------------------------------------------- */

static void
given_watching_when_switched_off_then_no_reload_and_no_descriptor(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);
    assert_int_equal(kelpie_watch_scripts(f->kit.k, 0), 0);
    int fds = sv_open_fds();
    assert_int_equal(kelpie_watch_scripts(f->kit.k, 1), 0);
    assert_int_equal(kelpie_watch_scripts(f->kit.k, 1), 0);
    step_until_quiet(f);
    assert_true(sv_open_fds() > fds);

    assert_int_equal(kelpie_watch_scripts(f->kit.k, 0), 0);
    assert_int_equal(kelpie_watch_scripts(f->kit.k, 0), 0);
    sv_step(&f->kit);
    assert_int_equal(sv_open_fds(), fds);
    save(f, "init.lua", saying("unseen"));
    for (int i = 0; i < 10; i++)
        sv_step(&f->kit);
    assert_int_equal(sv_stats(&f->kit).reloads, 1);

    /* On again: what changed meanwhile is noticed. */
    assert_int_equal(kelpie_watch_scripts(f->kit.k, 1), 0);
    sv_expect_printed(&f->kit, "unseen");
}

static void
given_watching_before_the_load_when_loaded_then_changes_are_noticed(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", saying("one"));
    start(f);
    save(f, "other.lua", saying("other"));

    assert_int_equal(kelpie_load(f->kit.k, in_folder(f, "other.lua")), 0);
    save(f, "other.lua", saying("other two"));

    sv_expect_printed(&f->kit, "other two");
}

static void
given_many_reloads_when_over_then_as_many_descriptors_as_before(void **state)
{
    struct fixture *f = *state;
    save(f, "init.lua", asking);
    save(f, "what.lua", "return 'nothing'");
    start(f);
    step_until_quiet(f);
    int fds = sv_open_fds();

    for (int i = 0; i < 10; i++) {
        char text[32], expected[32];
        snprintf(text, sizeof text, "return 'n%d.'", i);
        snprintf(expected, sizeof expected, "what is n%d.", i);
        save(f, "new", text);
        move(f, "new", "what.lua");
        sv_expect_printed(&f->kit, expected);
    }

    step_until_quiet(f);
    assert_int_equal(sv_open_fds(), fds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_a_file_when_written_in_place_then_it_is_loaded_and_said),
        TEST(given_a_file_when_written_in_two_parts_then_it_ends_with_the_right_one),
        TEST(given_a_file_when_emptied_and_then_written_then_only_the_whole_is_loaded),
        TEST(given_a_file_when_replaced_by_a_rename_then_it_is_loaded_each_time),
        TEST(given_a_file_when_saved_as_vim_does_then_it_is_loaded_once),
        TEST(given_a_file_when_deleted_and_made_again_then_it_is_loaded),
        TEST(given_a_folder_when_moved_away_and_made_again_then_its_scripts_are_loaded),
        TEST(given_a_missing_module_when_it_appears_then_the_rejected_load_is_repeated),
        TEST(given_a_missing_folder_of_a_module_when_it_appears_then_it_is_loaded),
        TEST(given_a_rejected_file_when_another_of_the_serving_ones_changes_then_noticed),
        TEST(given_a_module_that_is_no_more_required_when_it_changes_then_nothing),
        TEST(given_unrelated_files_when_they_come_and_go_then_no_reload),
        TEST(given_a_file_when_touched_or_saved_unchanged_then_no_reload),
        TEST(given_a_burst_of_writes_when_it_is_over_then_few_reloads_and_the_last_wins),
        TEST(given_a_rolled_back_version_when_touched_then_it_is_not_loaded_again),
        TEST(given_watching_when_switched_off_then_no_reload_and_no_descriptor),
        TEST(given_watching_before_the_load_when_loaded_then_changes_are_noticed),
        TEST(given_many_reloads_when_over_then_as_many_descriptors_as_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
