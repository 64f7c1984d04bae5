/*
 * reload_kit.c - script files in a fresh folder, loaded by kp_reload
 */
#include "reload_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
rk_open(void *arg, const char *path, int flags, mode_t mode)
{
    struct reload_kit *kit = arg;

    if (kit->before_open)
        kit->before_open(kit, path);
    kit->n_opened++;
    if (kit->deny && strcmp(kit->deny, path) == 0)
        return -EACCES;
    return kp_sys_kernel.open(NULL, path, flags, mode);
}

int
rk_setup(void **state)
{
    struct reload_kit *kit = calloc(1, sizeof *kit);

    assert_non_null(kit);
    folder_make(kit->folder);

    sk_prepare(&kit->sk);
    kit->calls = kp_sys_kernel;
    kit->calls.open = rk_open;
    kit->sk.sys.behind = &kit->calls;
    kit->sk.sys.behind_arg = kit;
    kit->sk.sys.clock_is_fake = false;
    assert_int_equal(sk_open(&kit->sk), 0);

    struct kp_script *script = &kit->sk.script;
    script->limits.handler_timeout_ns = 500 * KP_NS_PER_MS; /* sanitizers are slow */
    script->path = kp_mem_dup(&kit->sk.env.mem, kit->folder, strlen(kit->folder));
    assert_non_null(script->path);
    *state = kit;
    return 0;
}

int
rk_teardown(void **state)
{
    struct reload_kit *kit = *state;

    sk_close(&kit->sk);
    folder_remove(kit->folder);
    free(kit);
    return 0;
}

void
rk_write_bytes(struct reload_kit *kit, const char *name, const void *bytes, size_t len)
{
    folder_write(kit->folder, name, bytes, len);
}

void
rk_write(struct reload_kit *kit, const char *name, const char *text)
{
    rk_write_bytes(kit, name, text, strlen(text));
}

void
rk_remove(struct reload_kit *kit, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", kit->folder, name);
    assert_int_equal(unlink(path), 0);
}

int
rk_load(struct reload_kit *kit, const char *text)
{
    rk_write(kit, "init.lua", text);
    return kp_reload(&kit->sk.script);
}

void
rk_must_load(struct reload_kit *kit, const char *text)
{
    int rc = rk_load(kit, text);

    if (rc != 0)
        print_message("%d: %s\n", rc, kit->sk.script.error);
    assert_int_equal(rc, 0);
}

void
rk_must_reject(struct reload_kit *kit, const char *text, ...)
{
    const struct kp_generation *live = kit->sk.script.live;
    uint64_t rejected = kit->sk.script.reloads_rejected;
    const char *words;
    va_list args;

    int rc = rk_load(kit, text);
    if (rc == 0)
        print_message("loaded, but should not:\n%s\n", text);
    assert_true(rc < 0);
    va_start(args, text);
    while ((words = va_arg(args, const char *)))
        rk_assert_has(kit->sk.script.error, words);
    va_end(args);
    assert_ptr_equal(kit->sk.script.live, live);
    assert_int_equal(kit->sk.script.reloads_rejected, rejected + 1);
}

void
rk_connect_unannounced(struct reload_kit *kit, int slot)
{
    union kp_peer peer = {.any = {.sa_family = AF_UNIX}};
    struct script_kit *sk = &kit->sk;
    int fds[2];

    fault_socketpair(fds);
    sk->peers[slot] = fds[1];
    assert_int_equal(kp_conn_open(&sk->net, &sk->conns[slot], fds[0], &peer, NULL), 0);
}

void
rk_assert_has(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("no \"%s\" in \"%s\"", words, text);
}

void
rk_assert_has_not(const char *text, const char *words)
{
    if (strstr(text, words))
        fail_msg("there is \"%s\" in \"%s\"", words, text);
}
