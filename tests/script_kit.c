/*
 * script_kit.c - one generation from a text, over a real net, without files
 */
#include "script_kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "script/handlers.h"
#include "script/probation.h"
#include "script/sandbox.h"

/* --- doors ----------------------------------------------------------------------------- */

static void
append(char *text, size_t size, const char *prefix, const char *line, size_t len)
{
    size_t used = strlen(text);

    snprintf(text + used, size - used, "%s%.*s\n", prefix, (int)len, line);
}

static void
keep_log(void *arg, enum kelpie_level level, const char *line, size_t len)
{
    static const char *const names[] = {
        "error: ", "warn: ", "info: ", "debug: ", "trace: "};
    struct script_kit *kit = arg;

    append(kit->log, sizeof kit->log, names[level], line, len);
}

static void
keep_printed(void *arg, const char *line, size_t len)
{
    struct script_kit *kit = arg;

    append(kit->printed, sizeof kit->printed, "", line, len);
}

/* --- hooks: what a server passes on ---------------------------------------------------- */

static void
configure(void *arg, struct kelpie_conn *conn)
{
    kp_script_configure(arg, conn);
}

static void
on_connect(void *arg, struct kelpie_conn *conn)
{
    kp_script_on_connect(arg, conn);
}

static void
on_message(void *arg, struct kelpie_conn *conn, const void *message, size_t len)
{
    struct kp_script *script = arg;

    kp_container_of(script, struct script_kit, script)->n_told++;
    kp_script_on_message(script, conn, message, len);
}

static void
on_input_end(void *arg, struct kelpie_conn *conn)
{
    kp_script_on_input_end(arg, conn);
}

static void
on_drain(void *arg, struct kelpie_conn *conn)
{
    kp_script_on_drain(arg, conn);
}

static bool
on_disconnect(void *arg, struct kelpie_conn *conn, const char *reason)
{
    return kp_script_on_disconnect(arg, conn, reason);
}

static void
on_gone(void *arg, struct kelpie_conn *conn)
{
    kp_script_on_gone(arg, conn);
}

static void
ignore(void *arg)
{
    (void)arg; /* reload and shutdown are not asked for in these tests */
}

static void
no_stats(void *arg, struct kelpie_stats *stats)
{
    (void)arg;
    memset((char *)stats + sizeof stats->size, 0, sizeof *stats - sizeof stats->size);
}

static bool
next_message(void *arg, struct kelpie_conn *conn, const void **message, size_t *len)
{
    (void)arg; /* there is no handler of a host before the script's */
    return kp_conn_next_message(conn, message, len);
}

/* --- up and down ----------------------------------------------------------------------- */

static int
open_net(struct script_kit *kit)
{
    struct kp_net_hooks hooks = {
        .arg = &kit->script,
        .configure = configure,
        .on_connect = on_connect,
        .on_message = on_message,
        .on_input_end = on_input_end,
        .on_drain = on_drain,
        .on_disconnect = on_disconnect,
        .on_gone = on_gone,
    };
    struct kp_net_limits limits = {
        .max_clients = 100,
        .max_outbound = 100,
        .max_message = 8192,
        .max_outbox = 1 << 20,
        .soft_outbox = 1 << 18,
        .max_outbox_total = 1 << 24,
        .refused_text = "refused\n",
    };

    return kp_net_init(&kit->net, &kit->env, &kit->loop, &kit->timers, &limits, &hooks);
}

static int
open_script(struct script_kit *kit)
{
    struct kp_script_hooks hooks = {
        .arg = kit,
        .reload = ignore,
        .shutdown = ignore,
        .stats = no_stats,
        .next_message = next_message,
        .print = keep_printed,
        .print_arg = kit,
    };
    struct kp_script_limits limits = {
        .handler_timeout_ns = 100 * KP_NS_PER_MS,
        .load_timeout_ns = 5 * KP_NS_PER_S,
        .retire_timeout_ns = 30 * KP_NS_PER_S,
        .lua_memory = 64u << 20,
        .watchdog_signal = kit->watchdog_signal,
    };

    return kp_script_init(&kit->script, &kit->net, &limits, &hooks, NULL);
}

void
sk_prepare(struct script_kit *kit)
{
    memset(kit, 0, sizeof *kit);
    for (int i = 0; i < SK_CONNS; i++)
        kit->peers[i] = -1;
    fault_env_init(&kit->env, &kit->mem, &kit->sys);
    fault_clock_set(&kit->sys, KP_NS_PER_S);
    kp_log_init(&kit->env.log, keep_log, kit, KELPIE_LOG_DEBUG);
}

int
sk_open(struct script_kit *kit)
{
    int rc = kp_loop_open(&kit->loop, &kit->env);

    if (rc < 0)
        return rc;
    kp_timers_init(&kit->timers, &kit->env.mem);
    rc = open_net(kit);
    if (rc == 0) {
        rc = open_script(kit);
        if (rc == 0)
            return 0;
        kp_net_clear(&kit->net);
    }
    kp_timers_clear(&kit->timers);
    kp_loop_close(&kit->loop);
    return rc;
}

void
sk_close(struct script_kit *kit)
{
    fault_env_heal(&kit->mem, &kit->sys);
    for (int i = 0; i < SK_CONNS; i++) {
        if (kit->peers[i] >= 0)
            close(kit->peers[i]);
    }
    kp_net_clear(&kit->net);
    kp_script_clear(&kit->script);
    kp_timers_clear(&kit->timers);
    kp_loop_close(&kit->loop);
    fault_env_check(&kit->env, &kit->mem);
}

int
sk_setup(void **state)
{
    struct script_kit *kit = malloc(sizeof *kit);

    assert_non_null(kit);
    sk_prepare(kit);
    assert_int_equal(sk_open(kit), 0);
    *state = kit;
    return 0;
}

int
sk_setup_signal(void **state)
{
    struct script_kit *kit;

    sk_setup(state);
    kit = *state;
    assert_int_equal(kp_guard_use_signal(&kit->script.guard, SIGURG), 0);
    return 0;
}

int
sk_teardown(void **state)
{
    sk_close(*state);
    free(*state);
    return 0;
}

/* --- loading --------------------------------------------------------------------------- */

static struct script_kit *
kit_of(lua_State *L)
{
    return kp_generation_of(L)->script->hooks.arg;
}

static int
l_advance(lua_State *L)
{
    fault_clock_advance(&kit_of(L)->sys,
                        (uint64_t)luaL_checkinteger(L, 1) * KP_NS_PER_MS);
    return 0;
}

static int
l_fail(lua_State *L)
{
    fault_mem_fail(&kit_of(L)->mem, (size_t)luaL_checkinteger(L, 1));
    return 0;
}

static int
l_kill(lua_State *L)
{
    kp_generation_of(L)->watchdog.killed = true;
    return 0;
}

static int
l_look(lua_State *L)
{
    struct script_kit *kit = kit_of(L);

    l_advance(L);
    kp_guard_look(&kit->script.guard, kp_sys_now_ns(&kit->env.sys));
    return 0;
}

static int
l_require(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, 1);
    lua_gettable(L, -2);
    return 1;
}

static void
add_globals(lua_State *L)
{
    static const luaL_Reg test_functions[] = {
        {"advance", l_advance}, {"look", l_look}, {"fail", l_fail},
        {"kill", l_kill},       {NULL, NULL},
    };

    lua_pushcfunction(L, l_require);
    lua_setglobal(L, "require");
    luaL_newlib(L, test_functions);
    lua_setglobal(L, "test");
    lua_pushcfunction(L, l_require);
    lua_pushliteral(L, "kelpie");
    lua_call(L, 1, 1);
    lua_setglobal(L, "kelpie");
}

static int
load_text(lua_State *L)
{
    const char *text = lua_touserdata(L, 1);
    struct kp_generation *gen = kp_generation_of(L);

    add_globals(L);
    if (luaL_loadbufferx(L, text, strlen(text), "@test.lua", "t") != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 1);
    kp_handlers_read(L, gen);
    kp_sandbox_lock_globals(L);
    return 0;
}

/* Makes a generation of a text, ready to serve. */
static int
make_generation(struct script_kit *kit, struct kp_generation **out, const char *text)
{
    struct kp_script *script = &kit->script;
    union {
        const char *read;
        void *light;
    } arg = {text};

    int rc = kp_generation_new(script, out, ++script->last_generation);
    if (rc < 0)
        return rc;
    rc = kp_generation_enter(*out, load_text, arg.light, script->limits.load_timeout_ns);
    if (rc < 0) {
        kp_generation_free(*out);
        *out = NULL;
    } else {
        (*out)->phase = KP_SERVING;
    }
    return rc;
}

int
sk_try_load(struct script_kit *kit, const char *text)
{
    struct kp_generation *gen;
    int rc = make_generation(kit, &gen, text);

    if (rc == 0) {
        kp_generation_free(kit->script.live);
        kit->script.live = gen;
    }
    return rc;
}

void
sk_load(struct script_kit *kit, const char *text)
{
    int rc = sk_try_load(kit, text);

    if (rc != 0)
        fail_msg("%d: %s", rc, kit->script.error);
}

void
sk_refuse(struct script_kit *kit, const char *text, const char *words)
{
    assert_int_equal(sk_try_load(kit, text), KELPIE_ESCRIPT);
    if (!strstr(kit->script.error, words))
        fail_msg("no \"%s\" in \"%s\"", words, kit->script.error);
}

void
sk_load_beside(struct script_kit *kit, const char *text)
{
    struct kp_script *script = &kit->script;
    struct kp_generation *gen;

    assert_null(script->retiring);
    assert_int_equal(make_generation(kit, &gen, text), 0);
    script->retiring = script->live;
    script->retiring->phase = KP_RETIRING;
    script->live = gen;
    assert_int_equal(
        kp_timer_start(&kit->timers, &script->retire_timer,
                       kp_sys_now_ns(&kit->env.sys) + script->limits.retire_timeout_ns),
        0);
}

static int
spawn_text(lua_State *L)
{
    const char *text = lua_touserdata(L, 1);

    if (luaL_loadbufferx(L, text, strlen(text), "@run.lua", "t") != LUA_OK)
        return lua_error(L);
    struct kp_task *task = kp_task_new(L, kp_generation_of(L), "run");
    lua_xmove(L, task->co, 1);
    kp_task_start_later(task, 0);
    return 0;
}

void
sk_run(struct script_kit *kit, const char *text)
{
    union {
        const char *read;
        void *light;
    } arg = {text};

    if (!kit->script.live)
        sk_load(kit, "return {}");
    if (kp_generation_enter(kit->script.live, spawn_text, arg.light, 0) != 0)
        fail_msg("%s", kit->script.error);
    sk_settle(kit);
}

/* --- connections ----------------------------------------------------------------------- */

void
sk_connect(struct script_kit *kit, int slot)
{
    union kp_peer peer = {.any = {.sa_family = AF_UNIX}};
    int fds[2];

    fault_socketpair(fds);
    kit->peers[slot] = fds[1];
    assert_int_equal(kp_conn_open(&kit->net, &kit->conns[slot], fds[0], &peer, NULL), 0);
    sk_settle(kit);
}

void
sk_say(struct script_kit *kit, int slot, const char *bytes)
{
    ssize_t len = (ssize_t)strlen(bytes);

    assert_int_equal(send(kit->peers[slot], bytes, (size_t)len, MSG_NOSIGNAL), len);
    sk_settle(kit);
}

void
sk_half_close(struct script_kit *kit, int slot)
{
    assert_int_equal(shutdown(kit->peers[slot], SHUT_WR), 0);
    sk_settle(kit);
}

void
sk_hang_up(struct script_kit *kit, int slot)
{
    close(kit->peers[slot]);
    kit->peers[slot] = -1;
    sk_settle(kit);
}

void
sk_hears(struct script_kit *kit, int slot, const char *expected)
{
    char heard[4096];

    sk_settle(kit);
    ssize_t n = recv(kit->peers[slot], heard, sizeof heard - 1, MSG_DONTWAIT);
    heard[n > 0 ? n : 0] = '\0';
    assert_string_equal(heard, expected);
}

/* --- steps ----------------------------------------------------------------------------- */

void
sk_step(struct script_kit *kit)
{
    assert_true(kp_loop_wait(&kit->loop, 0) >= 0);
    kp_loop_dispatch(&kit->loop);
    kp_timers_run(&kit->timers, kit->loop.now_ns);
    kp_conns_announce(&kit->net);
    kp_conns_deliver(&kit->net);
    kp_script_run_ready(&kit->script);
    kp_conns_notify(&kit->net, KP_NEVER);
    kp_conns_flush(&kit->net);
    kp_conns_reap(&kit->net);
    kp_script_retire(&kit->script);
    (void)kp_probation_run(&kit->script); /* the log says what it did */
}

void
sk_settle(struct script_kit *kit)
{
    for (int i = 0; i < 4; i++) /* what comes through a socket needs a second step */
        sk_step(kit);
    for (int i = 0; kp_conns_have_work(&kit->net) || kp_script_has_work(&kit->script);
         i++) {
        assert_true(i < 1000);
        sk_step(kit);
    }
}

void
sk_pass(struct script_kit *kit, uint64_t ms)
{
    fault_clock_advance(&kit->sys, ms * KP_NS_PER_MS);
    sk_settle(kit);
}

/* --- what came of it ------------------------------------------------------------------- */

void
sk_printed(struct script_kit *kit, const char *expected)
{
    assert_string_equal(kit->printed, expected);
    kit->printed[0] = '\0';
}

void
sk_logged(struct script_kit *kit, const char *words)
{
    if (!strstr(kit->log, words))
        fail_msg("no \"%s\" in \"%s\"", words, kit->log);
}

void
sk_logged_nothing(struct script_kit *kit)
{
    assert_string_equal(kit->log, "");
}
