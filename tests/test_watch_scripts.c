/*
 * test_watch_scripts.c - scripts are loaded again when they have changed on disk
 *
 * A server in this process, and files in a folder of its own. Nothing sleeps: steps run until
 * the log says what is waited for. Where "nothing happens" is to be shown, a canary is: a
 * later change whose reload must be the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "folder_kit.h"
#include "server/server.h"
#include "server_kit.h"

#define PATH_SIZE 256

struct fixture {
    struct server_kit kit;
    struct fault_mem mem;
    struct fault_sys sys;
    struct kp_sys_calls calls; /* behind the fault kit; see refuse_vnodes */
    int vnode_error;           /* 0, or what an EVFILT_VNODE ends with */
    char folder[FOLDER_SIZE];
    int fds_before;
};

/* ---- files -------------------------------------------------------------------------- */

static const char *
in_folder(struct fixture *f, const char *name)
{
    static char paths[4][PATH_SIZE];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, PATH_SIZE, "%s/%s", f->folder, name);
    return path;
}

static void
put(struct fixture *f, const char *name, int flags, const char *text)
{
    int fd = open(in_folder(f, name), O_WRONLY | O_CREAT | flags, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void
save(struct fixture *f, const char *name, const char *text)
{
    put(f, name, O_TRUNC, text);
}

static void
move(struct fixture *f, const char *from, const char *to)
{
    assert_int_equal(rename(in_folder(f, from), in_folder(f, to)), 0);
}

static void delete (struct fixture *f, const char *name)
{
    assert_int_equal(unlink(in_folder(f, name)), 0);
}

/* A script that says its name when it serves. */
static const char *
saying(const char *word)
{
    static char text[512];

    snprintf(text, sizeof text, "return { on_load = function() print('%s') end }\n",
             word);
    return text;
}

/* A script that says what the module `what` returns. */
static const char asking[] =
    "local what = require('what')\n"
    "return { on_load = function() print('what is ' .. what) end }\n";

/* ---- a server that watches ---------------------------------------------------------- */

/* As the kernel of a file system that cannot be watched. */
static int
kevent_without_vnodes(void *arg, int kq, const struct kevent *changes, int n_changes,
                      struct kevent *events, int n_events, const struct timespec *timeout)
{
    struct fixture *f = arg;
    struct kevent rest[64];
    int n_rest = 0, n_refused = 0;

    for (int i = 0; i < n_changes; i++) {
        bool is_watch = changes[i].filter == EVFILT_VNODE && changes[i].flags & EV_ADD;

        assert_true(i < 64);
        if (f->vnode_error == 0 || !is_watch) {
            rest[n_rest++] = changes[i];
            continue;
        }
        assert_true(n_refused < n_events);
        events[n_refused] = changes[i];
        events[n_refused].flags = EV_ERROR;
        events[n_refused++].data = f->vnode_error;
    }
    if (n_refused == 0)
        return kp_sys_kernel.kevent(NULL, kq, changes, n_changes, events, n_events,
                                    timeout);
    int rc = kp_sys_kernel.kevent(NULL, kq, rest, n_rest, NULL, 0, timeout);
    return rc < 0 ? rc : n_refused;
}

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    folder_make(f->folder);
    f->fds_before = sv_open_fds();
    fault_mem_init(&f->mem);
    fault_sys_init(&f->sys);
    f->calls = kp_sys_kernel;
    f->calls.kevent = kevent_without_vnodes;
    f->sys.behind = &f->calls;
    f->sys.behind_arg = f;
    *state = f;
    return 0;
}

static void
stop(struct fixture *f)
{
    kelpie_free(f->kit.k);
    f->kit.k = NULL;
    assert_int_equal(f->mem.blocks, 0);
    assert_int_equal(sv_open_fds(), f->fds_before);
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    stop(f);
    folder_remove(f->folder);
    free(f);
    return 0;
}

static int
try_start(struct fixture *f, const char *path)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    struct kp_sys sys = {.calls = &fault_sys_calls, .arg = &f->sys};

    sv_doors(&f->kit, &options);
    options.alloc = fault_alloc;
    options.alloc_arg = &f->mem;
    options.handler_timeout_ms = 5000; /* sanitizers are slow */
    int rc = kp_server_new(&f->kit.k, &options, &sys);
    if (rc == 0)
        rc = kelpie_load(f->kit.k, path);
    if (rc == 0)
        rc = kelpie_watch_scripts(f->kit.k, 1);
    return rc;
}

/* Starts with the folder's init.lua. */
static void
start(struct fixture *f)
{
    int rc = try_start(f, f->folder);

    if (rc != 0)
        fail_msg("start: %s", f->kit.k != NULL ? kelpie_errmsg(f->kit.k) : "no server");
}

/* Steps until what is there to be told has been told, and forgotten: the reload itself, and
 * the looks after it. */
static void
step_until_quiet(struct fixture *f)
{
    struct kelpie *k = f->kit.k;

    do
        assert_true(kelpie_step(k, 1) >= 0);
    while (kp_timers_next(&k->timers) < k->loop.now_ns + 500 * KP_NS_PER_MS);
}

/* Makes steps, each of them some time after the one before. */
static void
pass(struct fixture *f, int n_steps, uint64_t ms)
{
    for (int i = 0; i < n_steps; i++) {
        sv_step(&f->kit);
        fault_clock_advance(&f->sys, ms * KP_NS_PER_MS);
    }
    sv_step(&f->kit);
}

static size_t
count(const char *text, const char *word)
{
    size_t n = 0;

    for (; (text = strstr(text, word)) != NULL; text += strlen(word))
        n++;
    return n;
}

static void
forget_log(struct fixture *f)
{
    f->kit.log_len = f->kit.printed_len = 0;
    f->kit.log[0] = f->kit.printed[0] = '\0';
}

static void
assert_log_lacks(struct fixture *f, const char *text)
{
    if (strstr(f->kit.log, text) != NULL)
        fail_msg("'%s' in the log:\n%s", text, f->kit.log);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
