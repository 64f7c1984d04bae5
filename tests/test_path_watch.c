/*
 * test_path_watch.c - paths whose changes are told
 */
#include "event/path_watch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop_kit.h"

struct paths {
    struct fixture *f;
    struct kp_path_watch watch;
    int n_news, error;
    bool closes; /* in its callback */
    char folder[64], file[96], other[96];
};

static void
on_news(void *arg, struct kp_path_watch *watch, int error)
{
    struct paths *p = arg;

    p->n_news++;
    p->error = error;
    if (error != 0)
        assert_false(kp_path_watch_is_open(watch));
    if (p->closes)
        kp_path_watch_close(watch);
}

static void
put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static struct paths *
begin(void **state)
{
    struct paths *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->f = *state;
    strcpy(p->folder, "/tmp/kelpie-path-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->file, sizeof p->file, "%s/file", p->folder);
    snprintf(p->other, sizeof p->other, "%s/other", p->folder);
    put(p->file, "one");
    kp_path_watch_init(&p->watch, &p->f->loop, on_news, p);
    return p;
}

static void
end(struct paths *p)
{
    kp_path_watch_close(&p->watch);
    (void)unlink(p->file);
    (void)unlink(p->other);
    assert_int_equal(rmdir(p->folder), 0);
    free(p);
}

/* Waits for news since the last time. */
static void
assert_news(struct paths *p)
{
    int before = p->n_news;

    for (int i = 0; i < 100 && p->n_news == before; i++)
        loop_kit_step(p->f);
    assert_true(p->n_news > before);
    loop_kit_step_now(p->f); /* what is left of them */
}

static void
given_a_file_when_anything_is_done_to_it_then_there_are_news(void **state)
{
    struct paths *p = begin(state);
    assert_int_equal(kp_path_watch_open(&p->watch, p->file), 0);
    loop_kit_step_now(p->f);
    assert_int_equal(p->n_news, 0);

    put(p->file, "two");
    assert_news(p);
    assert_int_equal(truncate(p->file, 1), 0);
    assert_news(p);
    assert_int_equal(rename(p->file, p->other), 0);
    assert_news(p);
    assert_int_equal(unlink(p->other), 0);
    assert_news(p);
    assert_int_equal(p->error, 0);
    end(p);
}

static void
given_a_folder_when_entries_come_and_go_then_there_are_news(void **state)
{
    struct paths *p = begin(state);
    assert_int_equal(kp_path_watch_open(&p->watch, p->folder), 0);
    loop_kit_step_now(p->f);

    put(p->other, "");
    assert_news(p);
    assert_int_equal(rename(p->other, p->file), 0);
    assert_news(p);
    assert_int_equal(unlink(p->file), 0);
    assert_news(p);
    end(p);
}

static void
given_a_replaced_file_when_asked_then_the_watch_is_not_at_its_path(void **state)
{
    struct paths *p = begin(state);
    assert_false(kp_path_watch_is_at(&p->watch, p->file));
    assert_int_equal(kp_path_watch_open(&p->watch, p->file), 0);
    assert_true(kp_path_watch_is_at(&p->watch, p->file));

    put(p->other, "two");
    assert_int_equal(rename(p->other, p->file), 0);

    assert_false(kp_path_watch_is_at(&p->watch, p->file));
    kp_path_watch_close(&p->watch);
    assert_int_equal(kp_path_watch_open(&p->watch, p->file), 0);
    assert_true(kp_path_watch_is_at(&p->watch, p->file));
    assert_int_equal(unlink(p->file), 0);
    assert_false(kp_path_watch_is_at(&p->watch, p->file));
    end(p);
}

static void
given_what_is_no_file_when_opened_then_it_says_why(void **state)
{
    struct paths *p = begin(state);

    assert_int_equal(kp_path_watch_open(&p->watch, p->other), -ENOENT);
    assert_int_equal(kp_path_watch_open(&p->watch, "/dev/null"), -EINVAL);
    assert_false(kp_path_watch_is_open(&p->watch));
    end(p);
}

static void
given_a_watch_when_closed_in_its_callback_then_it_is_silent(void **state)
{
    struct paths *p = begin(state);
    p->closes = true;
    assert_int_equal(kp_path_watch_open(&p->watch, p->file), 0);
    loop_kit_step_now(p->f);

    put(p->file, "two");
    assert_news(p);
    put(p->file, "three");
    loop_kit_step_now(p->f);

    assert_int_equal(p->n_news, 1);
    assert_false(kp_path_watch_is_open(&p->watch));
    end(p);
}

static void
given_a_kernel_that_refuses_when_waited_then_told_and_closed(void **state)
{
    struct paths *p = begin(state);
    size_t fds = fault_count_fds();
    assert_int_equal(kp_path_watch_open(&p->watch, p->file), 0);
    assert_int_equal(close(p->watch.source.fd), 0); /* EBADF, as good as any other */
    int null = open("/dev/null", O_RDONLY);         /* is no file to be watched: EINVAL */
    assert_int_equal(null, p->watch.source.fd);

    loop_kit_step(p->f);

    assert_int_equal(p->n_news, 1);
    assert_int_equal(p->error, -EINVAL);
    assert_int_equal(fault_count_fds(), fds);
    end(p);
}

static void
given_any_failing_call_or_allocation_when_opened_then_nothing_is_left(void **state)
{
    struct fixture *f = *state;
    struct paths *p = begin(state);
    size_t fds = fault_count_fds();

    for (size_t n = 1;; n++) {
        size_t failures = f->sys.failures;
        fault_sys_fail(&f->sys, FAULT_ANY, n, EMFILE);
        int rc = kp_path_watch_open(&p->watch, p->file);
        fault_env_heal(NULL, &f->sys);
        if (f->sys.failures == failures)
            break;
        assert_int_equal(rc, -EMFILE);
        assert_int_equal(fault_count_fds(), fds);
    }
    kp_path_watch_close(&p->watch);
    for (size_t n = 1;; n++) {
        size_t failures = f->mem.failures;
        fault_mem_fail(&f->mem, n);
        int rc = kp_path_watch_open(&p->watch, p->file);
        f->mem.fail_at = 0;
        if (f->mem.failures == failures)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_int_equal(fault_count_fds(), fds);
    }
    end(p);
}

#define TEST(name)                                                                       \
 cmocka_unit_test_setup_teardown(name, loop_kit_setup, loop_kit_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_a_file_when_anything_is_done_to_it_then_there_are_news),
        TEST(given_a_folder_when_entries_come_and_go_then_there_are_news),
        TEST(given_a_replaced_file_when_asked_then_the_watch_is_not_at_its_path),
        TEST(given_what_is_no_file_when_opened_then_it_says_why),
        TEST(given_a_watch_when_closed_in_its_callback_then_it_is_silent),
        TEST(given_a_kernel_that_refuses_when_waited_then_told_and_closed),
        TEST(given_any_failing_call_or_allocation_when_opened_then_nothing_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
