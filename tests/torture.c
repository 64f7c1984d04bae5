/*
 * torture.c - a scenario, run once for each thing in it that can fail: the driver
 *
 * See torture.h for the idea. A server that lives through many runs makes this affordable:
 * starting one costs more than most of what is tortured. What it leaks is found when it is
 * freed, after MAX_AGE runs; with KELPIE_TORTURE_AGE=1 after each, to find the culprit.
 */
#include "torture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_AGE      24
#define SETTLE_STEPS 8

/* ---- up and down --------------------------------------------------------------------- */

int
torture_setup(void **state)
{
    struct torture *t = calloc(1, sizeof(*t));

    assert_non_null(t);
    folder_make(t->folder);
    snprintf(t->script, sizeof(t->script), "%s/init.lua", t->folder);
    snprintf(t->socket, sizeof(t->socket), "%s/socket", t->folder);
    snprintf(t->control, sizeof(t->control), "%s/control", t->folder);
    for (int c = 0; c < TORTURE_CLIENTS; c++)
        t->fds[c] = -1;
    *state = t;
    return 0;
}

int
torture_teardown(void **state)
{
    struct torture *t = *state;

    folder_remove(t->folder);
    free(t);
    return 0;
}

int
torture_server(struct torture *t)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    struct kp_sys sys = {.calls = &fault_sys_calls, .arg = &t->sys};

    sv_doors(&t->kit, &options);
    options.alloc = fault_alloc;
    options.alloc_arg = &t->mem;
    options.watchdog_signal = t->signal;
    return kp_server_new(&t->kit.k, &options, &sys);
}

static void
fresh(struct torture *t)
{
    memset(&t->kit, 0, sizeof(t->kit));
    t->kit.quiet = true;
    fault_mem_init(&t->mem);
    fault_sys_init(&t->sys);
    fault_clock_set(&t->sys, kp_sys_kernel.now_ns(NULL));
    t->age = 0;
    t->signal = 0;
    t->steps_each = SETTLE_STEPS;
    t->fds_before = sv_open_fds();
    torture_forget(t);
}

void
torture_close(struct torture *t)
{
    fault_env_heal(&t->mem, &t->sys);
    kelpie_free(t->kit.k);
    t->kit.k = NULL;
    for (int c = 0; c < TORTURE_CLIENTS; c++)
        torture_hang_up(t, c);
    assert_int_equal(t->mem.blocks, 0);
    assert_int_equal(t->mem.bytes, 0);
    assert_int_equal(sv_open_fds(), t->fds_before);
}

/* ---- the driver ---------------------------------------------------------------------- */

/* What is to fail. */
struct order {
    bool is_memory, on;
    enum fault_call call;
    int error;
    size_t nth;
};

static void
give_order(struct torture *t, const struct order *order)
{
    if (order->is_memory && order->on)
        fault_mem_fail_from(&t->mem, order->nth);
    else if (order->is_memory)
        fault_mem_fail(&t->mem, order->nth);
    else if (order->on)
        fault_sys_fail_from(&t->sys, order->call, order->nth, order->error);
    else
        fault_sys_fail(&t->sys, order->call, order->nth, order->error);
}

static int
max_age(void)
{
    const char *text = getenv("KELPIE_TORTURE_AGE");

    return text != NULL && atoi(text) > 0 ? atoi(text) : MAX_AGE;
}

/* Returns   whether anything failed. */
static bool
run_once(struct torture *t, const struct torture_scenario *scenario,
         const struct order *order)
{
    if (t->kit.k == NULL) {
        fresh(t);
        if (scenario->open != NULL)
            scenario->open(t);
    }
    if (scenario->prepare != NULL)
        scenario->prepare(t);
    size_t before = t->mem.failures + t->sys.failures;

    if (order != NULL)
        give_order(t, order);
    scenario->act(t);
    fault_env_heal(&t->mem, &t->sys);
    bool has_failed = t->mem.failures + t->sys.failures > before;

    if (scenario->check != NULL)
        scenario->check(t);
    if (order != NULL && (scenario->open == NULL || ++t->age >= max_age()))
        torture_close(t);
    return has_failed;
}

void
torture_run(struct torture *t, const struct torture_scenario *scenario)
{
    assert_false(run_once(t, scenario, NULL));
}

/* Returns   at how many points something failed. */
static size_t
torture_each(struct torture *t, const struct torture_scenario *scenario,
             struct order order, size_t max)
{
    for (order.nth = 1; order.nth <= max; order.nth++)
        if (!run_once(t, scenario, &order))
            break;
    if (t->kit.k != NULL)
        torture_close(t);
    return order.nth - 1;
}

void
torture_memory(struct torture *t, const struct torture_scenario *scenario,
               struct torture_count *count)
{
    struct order order = {.is_memory = true};

    size_t once = torture_each(t, scenario, order, SIZE_MAX);
    order.on = true;
    size_t on = torture_each(t, scenario, order, SIZE_MAX);
    print_message("%-40s %5zu allocations failed once, %5zu from then on\n",
                  scenario->name, once, on);
    count->once += once;
    count->on += on;
}

void
torture_call(struct torture *t, const struct torture_scenario *scenario,
             enum fault_call call, int error, size_t max, struct torture_count *count)
{
    struct order order = {.call = call, .error = error};

    count->once += torture_each(t, scenario, order, max);
    order.on = true;
    if (error != EINTR) /* an interrupted call is made again, for ever */
        count->on += torture_each(t, scenario, order, max);
}

/* ---- clients ------------------------------------------------------------------------- */

/* One that reads the end closes. Returns whether there was anything. */
static bool
hear(struct torture *t, int c)
{
    size_t *len = &t->heard_len[c];

    if (t->fds[c] < 0)
        return false;
    ssize_t n = recv(t->fds[c], t->heard[c] + *len, sizeof(t->heard[c]) - 1 - *len, 0);
    if (n == 0)
        torture_hang_up(t, c);
    if (n > 0)
        *len += (size_t)n;
    t->heard[c][*len] = '\0';
    return n >= 0;
}

/* Returns whether there was anything to do. */
static bool
step(struct torture *t)
{
    bool is_busy = t->kit.k != NULL && kelpie_timeout(t->kit.k) == 0;

    if (t->kit.k != NULL)
        (void)kelpie_step(t->kit.k, 0); /* may fail, when told to */
    for (int c = 0; c < TORTURE_CLIENTS; c++)
        is_busy |= hear(t, c);
    return is_busy;
}

/* A few quiet steps in a row mean that there is nothing more to come. */
void
torture_settle(struct torture *t)
{
    int quiet = 0;

    for (int i = 0; i < t->steps_each && quiet <= t->steps_each / 4; i++)
        quiet = step(t) ? 0 : quiet + 1;
}

void
torture_pass(struct torture *t, unsigned ms)
{
    fault_clock_advance(&t->sys, ms * KP_NS_PER_MS);
    torture_settle(t);
}

void
torture_connect(struct torture *t, int client, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd); /* the server may be without this socket */
        return;
    }
    assert_int_equal(kp_sys_kernel.set_flags(NULL, fd), 0);
    t->fds[client] = fd;
    torture_settle(t);
}

void
torture_adopt(struct torture *t, int client)
{
    int fds[2];

    fault_socketpair(fds);
    t->fds[client] = fds[1];
    if (kelpie_adopt(t->kit.k, fds[0], NULL, NULL) < 0)
        close(fds[0]);
    torture_settle(t);
}

void
torture_hang_up(struct torture *t, int client)
{
    if (t->fds[client] >= 0)
        close(t->fds[client]);
    t->fds[client] = -1;
}

void
torture_say(struct torture *t, int client, const char *text)
{
    if (t->fds[client] >= 0)
        (void)send(t->fds[client], text, strlen(text), MSG_NOSIGNAL); /* may be closed */
    torture_settle(t);
}

void
torture_heard_part(const struct torture *t, int client, const char *part)
{
    if (strstr(t->heard[client], part) == NULL)
        fail_msg("client %d did not hear '%s', but '%.300s'; log:\n%s", client, part,
                 t->heard[client], t->kit.log);
}

void
torture_heard(struct torture *t, int client, const char *all)
{
    if (strcmp(t->heard[client], all) != 0)
        fail_msg("client %d heard '%.300s' instead of '%s'; log:\n%s", client,
                 t->heard[client], all, t->kit.log);
    t->heard_len[client] = 0;
    t->heard[client][0] = '\0';
}

void
torture_forget(struct torture *t)
{
    for (int c = 0; c < TORTURE_CLIENTS; c++) {
        t->heard_len[c] = 0;
        t->heard[c][0] = '\0';
    }
}
