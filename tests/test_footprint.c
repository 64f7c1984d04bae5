/*
 * test_footprint.c - what a load has looked at, and what has become of it
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "reload_kit.h"
#include "script/footprint.h"

static const char two_files[] = "local a = require('a')\nreturn {}\n";

static struct kp_footprint_change
compare(struct reload_kit *kit, bool thoroughly)
{
    struct kp_footprint_change change;

    kp_footprint_compare(&kit->sk.script, thoroughly, &change);
    return change;
}

/* Loads two files, and lets all that stat(2) may say be known. */
static void
load_two(struct reload_kit *kit)
{
    rk_write(kit, "a.lua", "return 'old'");
    rk_must_load(kit, two_files);
    assert_int_equal(compare(kit, true).n, 0);
}

/* Writes all paths, without the folder, in their order. */
static const char *
paths(struct reload_kit *kit, char out[512])
{
    struct kp_node *cursor = NULL;
    const char *path;

    out[0] = '\0';
    while ((path = kp_footprint_next(&kit->sk.script.footprint, &cursor))) {
        size_t len = strlen(out);
        snprintf(out + len, 512 - len, "%s ", path + strlen(kit->folder) + 1);
    }
    return out;
}

static void
given_nothing_loaded_when_compared_then_no_change(void **state)
{
    struct reload_kit *kit = *state;
    char out[512];

    assert_int_equal(compare(kit, true).n, 0);
    assert_string_equal(paths(kit, out), "");
}

static void
given_a_load_when_done_then_files_and_places_tried_in_vain_are_known(void **state)
{
    struct reload_kit *kit = *state;
    char out[512];
    rk_write(kit, "a/init.lua", "return 1");

    rk_must_load(kit, "require('a')\npcall(require, 'b')\nreturn {}\n");

    assert_string_equal(paths(kit, out), "init.lua a/init.lua a.lua b.lua b/init.lua ");
    assert_int_equal(compare(kit, true).n, 0);
}

static void
given_a_rejected_load_when_done_then_the_files_of_before_stay_known(void **state)
{
    struct reload_kit *kit = *state;
    char out[512];
    load_two(kit);
    uint64_t n_loads = kit->sk.script.footprint.n_loads;

    rk_must_reject(kit, "require('b')", "module 'b' not found", NULL);

    assert_string_equal(paths(kit, out), "init.lua b.lua b/init.lua a.lua ");
    assert_int_equal(kit->sk.script.footprint.n_loads, n_loads + 1);
    rk_must_load(kit, "return {}");
    assert_string_equal(paths(kit, out), "init.lua ");
}

static void
given_a_first_load_that_fails_when_done_then_nothing_is_known(void **state)
{
    struct reload_kit *kit = *state;
    char out[512];

    rk_write(kit, "init.lua", "return {");
    assert_int_equal(kp_reload(&kit->sk.script), KELPIE_ESCRIPT);

    assert_string_equal(paths(kit, out), "");
}

static void
given_a_check_or_dry_run_when_done_then_changes_are_still_changes(void **state)
{
    struct reload_kit *kit = *state;
    load_two(kit);

    rk_write(kit, "a.lua", "return 'new'");
    assert_int_equal(kp_reload_dry_run(&kit->sk.script), 0);
    assert_int_equal(kp_reload_check(&kit->sk.script), 0);

    assert_int_equal(compare(kit, true).n, 1);
}

static void
given_changes_when_compared_then_they_are_counted_and_the_first_is_named(void **state)
{
    struct reload_kit *kit = *state;
    load_two(kit);

    rk_write(kit, "a.lua", "return 'new'"); /* of the same length */
    struct kp_footprint_change change = compare(kit, true);
    assert_int_equal(change.n, 1);
    assert_int_equal(change.n_half, 0);
    rk_assert_has(change.path, "/a.lua");
    assert_string_equal(change.become, "changed");

    rk_write(kit, "a.lua", "");
    change = compare(kit, true);
    assert_int_equal(change.n_half, 1);
    assert_string_equal(change.become, "changed");

    rk_remove(kit, "a.lua");
    change = compare(kit, true);
    assert_int_equal(change.n_half, 1);
    assert_string_equal(change.become, "is gone");

    rk_remove(kit, "init.lua");
    change = compare(kit, true);
    assert_int_equal(change.n, 2);
    rk_assert_has(change.path, "/init.lua");
}

static void
given_a_change_when_accepted_then_it_is_told_once(void **state)
{
    struct reload_kit *kit = *state;
    load_two(kit);
    rk_remove(kit, "a.lua");
    assert_int_equal(compare(kit, true).n, 1);

    kp_footprint_accept(&kit->sk.script.footprint);

    assert_int_equal(compare(kit, true).n, 0);
    rk_write(kit, "a.lua", "return 'old'");
    assert_string_equal(compare(kit, true).become, "is there now");
}

static void
given_a_file_that_becomes_a_folder_when_compared_then_it_has_changed(void **state)
{
    struct reload_kit *kit = *state;
    load_two(kit);

    rk_remove(kit, "a.lua");
    rk_write(kit, "a.lua/b", "");

    struct kp_footprint_change change = compare(kit, true);
    assert_int_equal(change.n, 1);
    assert_string_equal(change.become, "changed");
}

static void
given_a_touched_file_when_compared_then_only_touched(void **state)
{
    struct reload_kit *kit = *state;
    const struct timeval times[2] = {{1000, 0}, {1000, 0}};
    char path[256];
    load_two(kit);
    snprintf(path, sizeof path, "%s/a.lua", kit->folder);

    assert_int_equal(utimes(path, times), 0);

    struct kp_footprint_change change = compare(kit, false);
    assert_int_equal(change.n, 0);
    assert_true(change.was_touched);
    assert_false(compare(kit, true).was_touched); /* once */
}

static void
given_an_unchanged_stat_when_not_thorough_then_no_file_is_opened(void **state)
{
    struct reload_kit *kit = *state;
    load_two(kit);
    unsigned n_opened = kit->n_opened;

    assert_int_equal(compare(kit, false).n, 0);
    assert_int_equal(kit->n_opened, n_opened);
    assert_int_equal(compare(kit, true).n, 0);
    assert_int_equal(kit->n_opened, n_opened + 2);
}

static void
given_any_failing_call_when_compared_then_it_is_clean(void **state)
{
    struct reload_kit *kit = *state;
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, EIO, EACCES};
    load_two(kit);

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        for (size_t n = 1;; n++) {
            size_t failures = kit->sk.sys.failures, fds = fault_count_fds();
            bool is_want = errors[i] != EIO && errors[i] != EACCES;

            fault_sys_fail(&kit->sk.sys, FAULT_ANY, n, errors[i]);
            struct kp_footprint_change change = compare(kit, true);
            fault_env_heal(NULL, &kit->sk.sys);

            assert_int_equal(fault_count_fds(), fds);
            assert_true(change.n <= (is_want ? 0 : 1));
            if (kit->sk.sys.failures == failures)
                break;
        }
    }
    assert_int_equal(compare(kit, true).n, 0);
}

static void
given_a_script_from_memory_when_loaded_then_there_is_nothing_on_disk(void **state)
{
    struct reload_kit *kit = *state;
    struct kp_script *script = &kit->sk.script;
    static const char text[] = "return {}";
    char out[512];

    script->text = kp_mem_dup(&kit->sk.env.mem, text, sizeof text - 1);
    script->text_len = sizeof text - 1;
    assert_int_equal(kp_reload(script), 0);

    assert_string_equal(paths(kit, out), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_nothing_loaded_when_compared_then_no_change),
        TEST(given_a_load_when_done_then_files_and_places_tried_in_vain_are_known),
        TEST(given_a_rejected_load_when_done_then_the_files_of_before_stay_known),
        TEST(given_a_first_load_that_fails_when_done_then_nothing_is_known),
        TEST(given_a_check_or_dry_run_when_done_then_changes_are_still_changes),
        TEST(given_changes_when_compared_then_they_are_counted_and_the_first_is_named),
        TEST(given_a_change_when_accepted_then_it_is_told_once),
        TEST(given_a_file_that_becomes_a_folder_when_compared_then_it_has_changed),
        TEST(given_a_touched_file_when_compared_then_only_touched),
        TEST(given_an_unchanged_stat_when_not_thorough_then_no_file_is_opened),
        TEST(given_any_failing_call_when_compared_then_it_is_clean),
        TEST(given_a_script_from_memory_when_loaded_then_there_is_nothing_on_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
