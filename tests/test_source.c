/*
 * test_source.c - files are read once, and looked at again before they are believed
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reload_kit.h"
#include "script/source.h"

static const char *
path_of(struct reload_kit *kit, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", kit->folder, name);
    return out;
}

static int
read_name(struct reload_kit *kit, struct kp_sources *sources, const char *name,
          const struct kp_source_file **out)
{
    char path[256];

    return kp_sources_read(sources, path_of(kit, name, path), out);
}

static void
set_path(struct reload_kit *kit, const char *path)
{
    struct kp_mem *mem = &kit->sk.env.mem;

    kp_mem_free(mem, kit->sk.script.path, strlen(kit->sk.script.path) + 1);
    kit->sk.script.path = kp_mem_dup(mem, path, strlen(path));
    assert_non_null(kit->sk.script.path);
}

static void
given_a_file_when_read_twice_then_the_bytes_are_those_of_the_first_time(void **state)
{
    struct reload_kit *kit = *state;
    const struct kp_source_file *first, *second;
    struct kp_sources sources;
    kp_sources_init(&sources, &kit->sk.script);
    rk_write_bytes(kit, "a.lua", "one\0two", 7);

    assert_int_equal(read_name(kit, &sources, "a.lua", &first), 0);
    rk_write(kit, "a.lua", "something else");
    assert_int_equal(read_name(kit, &sources, "a.lua", &second), 0);

    assert_ptr_equal(first, second);
    assert_int_equal(second->len, 7);
    assert_memory_equal(second->bytes, "one\0two", 7);
    assert_int_equal(sources.n_files, 1);
    kp_sources_clear(&sources);
}

static void
given_an_empty_file_when_read_then_it_has_no_bytes(void **state)
{
    struct reload_kit *kit = *state;
    const struct kp_source_file *file;
    struct kp_sources sources;
    kp_sources_init(&sources, &kit->sk.script);
    rk_write(kit, "a.lua", "");

    assert_int_equal(read_name(kit, &sources, "a.lua", &file), 0);

    assert_int_equal(file->len, 0);
    assert_true(kp_sources_are_unchanged(&sources));
    kp_sources_clear(&sources);
}

static void
given_what_is_no_script_file_when_read_then_its_own_error(void **state)
{
    struct reload_kit *kit = *state;
    const struct kp_source_file *file;
    struct kp_sources sources;
    char path[256];
    kp_sources_init(&sources, &kit->sk.script);
    rk_write(kit, "folder.lua/x", "");
    assert_int_equal(mkfifo(path_of(kit, "pipe.lua", path), 0600), 0);
    rk_write(kit, "big.lua", "");
    assert_int_equal(truncate(path_of(kit, "big.lua", path), KP_SOURCE_MAX_SIZE + 1), 0);
    rk_write(kit, "denied.lua", "");
    kit->deny = path_of(kit, "denied.lua", path);

    assert_int_equal(read_name(kit, &sources, "none.lua", &file), -ENOENT);
    assert_int_equal(read_name(kit, &sources, "folder.lua", &file), -EISDIR);
    assert_int_equal(read_name(kit, &sources, "pipe.lua", &file), -EINVAL);
    assert_int_equal(read_name(kit, &sources, "big.lua", &file), -EFBIG);
    assert_int_equal(read_name(kit, &sources, "denied.lua", &file), -EACCES);

    assert_null(file);
    assert_int_equal(sources.n_files, 0);
    kp_sources_clear(&sources);
}

static void
given_system_calls_that_fail_when_read_then_each_error_is_returned(void **state)
{
    static const enum fault_call calls[] = {FAULT_OPEN, FAULT_FSTAT, FAULT_READ};
    struct reload_kit *kit = *state;
    rk_write(kit, "a.lua", "return 1");
    size_t fds = fault_count_fds();

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        const struct kp_source_file *file;
        struct kp_sources sources;
        kp_sources_init(&sources, &kit->sk.script);
        fault_sys_fail(&kit->sk.sys, calls[i], 1, EIO);
        assert_int_equal(read_name(kit, &sources, "a.lua", &file), -EIO);
        kp_sources_clear(&sources);
    }

    assert_int_equal(fault_count_fds(), fds);
}

static void
given_no_memory_when_read_then_it_fails_cleanly(void **state)
{
    struct reload_kit *kit = *state;
    const struct kp_source_file *file;
    int rc = -ENOMEM;
    rk_write(kit, "init.lua", "return {}");
    size_t fds = fault_count_fds();

    for (size_t n = 1; rc != 0; n++) {
        struct kp_sources sources;
        kp_sources_init(&sources, &kit->sk.script);
        fault_mem_fail(&kit->sk.mem, n);
        rc = kp_sources_read_main(&sources, &file);
        assert_true(rc == 0 || rc == -ENOMEM);
        kp_sources_clear(&sources);
        assert_true(n < 100);
    }

    assert_int_equal(fault_count_fds(), fds);
}

static void
given_a_folder_when_the_main_file_is_read_then_its_init_lua(void **state)
{
    struct reload_kit *kit = *state;
    static const char *const endings[] = {"", "/", "//", "/init.lua"};
    rk_write(kit, "init.lua", "return {}");

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const struct kp_source_file *file;
        struct kp_sources sources;
        char path[256];
        kp_sources_init(&sources, &kit->sk.script);
        snprintf(path, sizeof path, "%s%s", kit->folder, endings[i]);
        set_path(kit, path);
        assert_int_equal(kp_sources_read_main(&sources, &file), 0);

        snprintf(path, sizeof path, "%s/init.lua", kit->folder);
        assert_string_equal(file->path, path);
        snprintf(path, sizeof path, "%s/", kit->folder);
        assert_string_equal(sources.folder, path);
        kp_sources_clear(&sources);
    }
}

static void
given_a_bare_name_when_the_main_file_is_read_then_paths_stay_bare(void **state)
{
    struct reload_kit *kit = *state;
    const struct kp_source_file *file;
    struct kp_sources sources;
    char before[512], path[64];
    rk_write(kit, "main.lua", "return {}");
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(kit->folder), 0);
    set_path(kit, "main.lua");
    kp_sources_init(&sources, &kit->sk.script);

    assert_int_equal(kp_sources_read_main(&sources, &file), 0);

    assert_string_equal(file->path, "main.lua");
    assert_true(kp_source_module_path(&sources, "chat", 0, path, sizeof path));
    assert_string_equal(path, "chat.lua");
    kp_sources_clear(&sources);
    assert_int_equal(chdir(before), 0);
}

static void
given_no_main_file_when_it_is_read_then_the_error_and_its_path(void **state)
{
    struct reload_kit *kit = *state;
    const struct kp_source_file *file;
    struct kp_sources sources;
    kp_sources_init(&sources, &kit->sk.script);

    assert_int_equal(kp_sources_read_main(&sources, &file), -ENOENT);

    rk_assert_has(sources.failed_path, "/init.lua");
    assert_null(file);
    kp_sources_clear(&sources);
}

static void
given_files_without_end_when_all_are_missing_then_a_thousand_are_remembered(void **state)
{
    struct reload_kit *kit = *state;
    const struct kp_source_file *file;
    struct kp_sources sources;
    char name[32];

    kp_sources_init(&sources, &kit->sk.script);
    for (int i = 0; i < KP_SOURCE_MAX_MISSING + 10; i++) {
        snprintf(name, sizeof(name), "missing%d.lua", i);
        assert_int_equal(read_name(kit, &sources, name, &file), -ENOENT);
    }

    int n = 0;
    kp_list_each(node, &sources.missing)
        n++;
    assert_int_equal(n, KP_SOURCE_MAX_MISSING);
    kp_sources_clear(&sources);
}

/* What a person or an editor may do to a file that was read. */
static void
overwrite(struct reload_kit *kit)
{
    rk_write(kit, "a.lua", "return 2 + 2");
}

static void
replace(struct reload_kit *kit)
{
    char from[256], to[256];

    rk_write(kit, "a.lua~", "return 1");
    assert_int_equal(rename(path_of(kit, "a.lua~", from), path_of(kit, "a.lua", to)), 0);
}

static void
take_away(struct reload_kit *kit)
{
    rk_remove(kit, "a.lua");
}

static void
overwrite_secretly(struct reload_kit *kit)
{
    char path[256];
    struct stat st;

    assert_int_equal(stat(path_of(kit, "a.lua", path), &st), 0);
    rk_write(kit, "a.lua", "return 9");
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void
cut(struct reload_kit *kit)
{
    char path[256];

    assert_int_equal(truncate(path_of(kit, "a.lua", path), 3), 0);
}

static void
given_a_read_file_when_it_is_changed_then_it_is_seen(void **state)
{
    static void (*const changes[])(struct reload_kit *) = {overwrite, replace, take_away,
                                                           overwrite_secretly, cut};
    struct reload_kit *kit = *state;

    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const struct kp_source_file *file;
        struct kp_sources sources;
        kp_sources_init(&sources, &kit->sk.script);
        rk_write(kit, "a.lua", "return 1");
        assert_int_equal(read_name(kit, &sources, "a.lua", &file), 0);
        assert_true(kp_sources_are_unchanged(&sources));

        changes[i](kit);

        assert_false(kp_sources_are_unchanged(&sources));
        kp_sources_clear(&sources);
    }
}

static int
cut_after_fstat(void *arg, int fd, struct stat *st)
{
    struct reload_kit *kit = arg;
    int rc = kp_sys_kernel.fstat(NULL, fd, st);

    cut(kit);
    return rc;
}

static void
given_a_file_that_is_cut_while_it_is_read_when_asked_then_it_counts_as_changed(
    void **state)
{
    struct reload_kit *kit = *state;
    const struct kp_source_file *file;
    struct kp_sources sources;
    kp_sources_init(&sources, &kit->sk.script);
    rk_write(kit, "a.lua", "return 1");

    kit->calls.fstat = cut_after_fstat;
    assert_int_equal(read_name(kit, &sources, "a.lua", &file), 0);
    kit->calls.fstat = kp_sys_kernel.fstat;

    assert_int_equal(file->len, 3);
    assert_memory_equal(file->bytes, "ret", 3);
    assert_false(kp_sources_are_unchanged(&sources));
    kp_sources_clear(&sources);
}

static void
given_read_files_when_looking_again_fails_then_they_count_as_changed(void **state)
{
    static const enum fault_call calls[] = {FAULT_STAT, FAULT_OPEN, FAULT_FSTAT,
                                            FAULT_READ};
    struct reload_kit *kit = *state;
    const struct kp_source_file *file;
    struct kp_sources sources;
    kp_sources_init(&sources, &kit->sk.script);
    rk_write(kit, "a.lua", "return 1");
    assert_int_equal(read_name(kit, &sources, "a.lua", &file), 0);

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        fault_sys_fail(&kit->sk.sys, calls[i], 1, EIO);
        assert_false(kp_sources_are_unchanged(&sources));
    }

    assert_true(kp_sources_are_unchanged(&sources));
    kp_sources_clear(&sources);
}

static void
given_a_module_name_when_its_path_is_made_then_it_stays_in_the_folder(void **state)
{
    static const char *const refused[] = {"",     ".",      "..",   "../x", "/etc/passwd",
                                          "a..b", "a//b",   "a/",   "a.",   ".a",
                                          "./a",  "a/../b", "a/./b"};
    struct reload_kit *kit = *state;
    const struct kp_source_file *file;
    struct kp_sources sources;
    char path[256], expected[256];
    rk_write(kit, "init.lua", "return {}");
    kp_sources_init(&sources, &kit->sk.script);
    assert_int_equal(kp_sources_read_main(&sources, &file), 0);

    assert_true(kp_source_module_path(&sources, "a.b_c.d", 0, path, sizeof path));
    assert_string_equal(path, path_of(kit, "a/b_c/d.lua", expected));
    assert_true(kp_source_module_path(&sources, "a/b", 1, path, sizeof path));
    assert_string_equal(path, path_of(kit, "a/b/init.lua", expected));

    assert_false(kp_source_module_path(&sources, "a", 2, path, sizeof path));
    assert_false(kp_source_module_path(&sources, "a", 0, path, 8));
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_false(kp_source_module_path(&sources, refused[i], 0, path, sizeof path));
    kp_sources_clear(&sources);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rk_setup, rk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_a_file_when_read_twice_then_the_bytes_are_those_of_the_first_time),
        TEST(given_an_empty_file_when_read_then_it_has_no_bytes),
        TEST(given_what_is_no_script_file_when_read_then_its_own_error),
        TEST(given_system_calls_that_fail_when_read_then_each_error_is_returned),
        TEST(given_no_memory_when_read_then_it_fails_cleanly),
        TEST(given_a_folder_when_the_main_file_is_read_then_its_init_lua),
        TEST(given_a_bare_name_when_the_main_file_is_read_then_paths_stay_bare),
        TEST(given_no_main_file_when_it_is_read_then_the_error_and_its_path),
        TEST(given_a_read_file_when_it_is_changed_then_it_is_seen),
        TEST(
            given_a_file_that_is_cut_while_it_is_read_when_asked_then_it_counts_as_changed),
        TEST(given_read_files_when_looking_again_fails_then_they_count_as_changed),
        TEST(given_files_without_end_when_all_are_missing_then_a_thousand_are_remembered),
        TEST(given_a_module_name_when_its_path_is_made_then_it_stays_in_the_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
