/*
 * watch_kit.h - a server that watches its scripts, and files in a folder of its own
 *
 * Nothing sleeps: steps run until the log says what is waited for.
 */
#ifndef WATCH_KIT_H
#define WATCH_KIT_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
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
    struct kp_sys_calls calls; /* behind the fault kit; see kevent_without_vnodes */
    int vnode_error;           /* 0, or what an EVFILT_VNODE ends with */
    char folder[FOLDER_SIZE];
    int fds_before;
};

/* ---- files -------------------------------------------------------------------------- */

static inline const char *
in_folder(struct fixture *f, const char *name)
{
    static char paths[4][PATH_SIZE];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, PATH_SIZE, "%s/%s", f->folder, name);
    return path;
}

static inline void
put(struct fixture *f, const char *name, int flags, const char *text)
{
    int fd = open(in_folder(f, name), O_WRONLY | O_CREAT | flags, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static inline void
save(struct fixture *f, const char *name, const char *text)
{
    put(f, name, O_TRUNC, text);
}

static inline void
move(struct fixture *f, const char *from, const char *to)
{
    assert_int_equal(rename(in_folder(f, from), in_folder(f, to)), 0);
}

static inline void delete (struct fixture *f, const char *name)
{
    assert_int_equal(unlink(in_folder(f, name)), 0);
}

/* A script that says its name when it serves. */
static inline const char *
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
static inline int
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

static inline int
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

static inline void
stop(struct fixture *f)
{
    kelpie_free(f->kit.k);
    f->kit.k = NULL;
    assert_int_equal(f->mem.blocks, 0);
    assert_int_equal(sv_open_fds(), f->fds_before);
}

static inline int
teardown(void **state)
{
    struct fixture *f = *state;

    stop(f);
    folder_remove(f->folder);
    free(f);
    return 0;
}

static inline int
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
static inline void
start(struct fixture *f)
{
    int rc = try_start(f, f->folder);

    if (rc != 0)
        fail_msg("start: %s", f->kit.k != NULL ? kelpie_errmsg(f->kit.k) : "no server");
}

/* Steps until what is there to be told has been told, and forgotten: the reload itself, and
 * the looks after it. */
static inline void
step_until_quiet(struct fixture *f)
{
    struct kelpie *k = f->kit.k;

    do
        assert_true(kelpie_step(k, 1) >= 0);
    while (kp_timers_next(&k->timers) < k->loop.now_ns + 500 * KP_NS_PER_MS);
}

/* Makes steps, each of them some time after the one before. */
static inline void
pass(struct fixture *f, int n_steps, uint64_t ms)
{
    for (int i = 0; i < n_steps; i++) {
        sv_step(&f->kit);
        fault_clock_advance(&f->sys, ms * KP_NS_PER_MS);
    }
    sv_step(&f->kit);
}

static inline size_t
count(const char *text, const char *word)
{
    size_t n = 0;

    for (; (text = strstr(text, word)) != NULL; text += strlen(word))
        n++;
    return n;
}

static inline void
forget_log(struct fixture *f)
{
    f->kit.log_len = f->kit.printed_len = 0;
    f->kit.log[0] = f->kit.printed[0] = '\0';
}

static inline void
assert_log_lacks(struct fixture *f, const char *text)
{
    if (strstr(f->kit.log, text) != NULL)
        fail_msg("'%s' in the log:\n%s", text, f->kit.log);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
