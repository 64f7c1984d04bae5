/*
 * net_kit.c - see net_kit.h
 *
 * A step here is the step of the server without scripts: wait, events, timers, phases. It
 * never sleeps, because a socket pair and loopback deliver at once; where a system is
 * slower, nk_until goes on stepping. Time stands still unless a test lets it pass.
 */
#include "net_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_STEPS 100000 /* of settling; more is a loop that does not end */

/* ---- what is told ------------------------------------------------------------------ */

static void
note(struct net_kit *kit, const char *what, const struct kelpie_conn *conn,
     const char *detail, size_t len)
{
    size_t room = sizeof(kit->text) - kit->len;
    char clean[1024];

    /* One record is one line here too, whatever a message brings. */
    kp_log_escape(clean, sizeof(clean), detail, len);
    int n = snprintf(kit->text + kit->len, room, "%s %u%s%s\n", what,
                     (unsigned)conn->number, len > 0 ? " " : "", clean);
    if ((size_t)n < room)
        kit->len += (size_t)n;
    else
        kit->text[kit->len] = '\0';
}

static void
keep_log(void *arg, enum kelpie_level level, const char *line, size_t len)
{
    struct net_kit *kit = arg;
    size_t room = sizeof(kit->log) - kit->log_len;

    (void)level;
    if (len + 2 > room)
        return;
    kit->log_len += (size_t)snprintf(kit->log + kit->log_len, room, "%s\n", line);
}

static void
hook_configure(void *arg, struct kelpie_conn *conn)
{
    struct net_kit *kit = arg;

    conn->framing = kit->framing;
}

static void
hook_connect(void *arg, struct kelpie_conn *conn)
{
    struct net_kit *kit = arg;

    assert_int_equal(kit->depth++, 0);
    note(kit, "connect", conn, "", 0);
    if (kit->on_connect != NULL)
        kit->on_connect(kit, conn);
    kit->depth--;
}

static void
hook_message(void *arg, struct kelpie_conn *conn, const void *message, size_t len)
{
    struct net_kit *kit = arg;

    assert_int_equal(kit->depth++, 0);
    assert_int_equal(conn->state, KP_CONN_OPEN);
    note(kit, "message", conn, message, len);
    if (kit->on_message != NULL)
        kit->on_message(kit, conn, message, len);
    kit->depth--;
}

static void
hook_input_end(void *arg, struct kelpie_conn *conn)
{
    struct net_kit *kit = arg;

    assert_int_equal(kit->depth++, 0);
    note(kit, "input_end", conn, "", 0);
    if (kit->on_input_end != NULL)
        kit->on_input_end(kit, conn);
    kit->depth--;
}

static void
hook_drain(void *arg, struct kelpie_conn *conn)
{
    struct net_kit *kit = arg;

    assert_int_equal(kit->depth++, 0);
    note(kit, "drain", conn, "", 0);
    if (kit->on_drain != NULL)
        kit->on_drain(kit, conn);
    kit->depth--;
}

static bool
hook_disconnect(void *arg, struct kelpie_conn *conn, const char *reason)
{
    struct net_kit *kit = arg;

    assert_int_equal(kit->depth++, 0);
    assert_int_equal(conn->state, KP_CONN_CLOSED);
    bool told = kit->on_disconnect == NULL || kit->on_disconnect(kit, conn);
    if (told)
        note(kit, "disconnect", conn, reason, strlen(reason));
    kit->depth--;
    return told;
}

static void
hook_gone(void *arg, struct kelpie_conn *conn)
{
    note(arg, "gone", conn, "", 0);
}

/* ---- setting up -------------------------------------------------------------------- */

void
nk_prepare(struct net_kit *kit)
{
    memset(kit, 0, sizeof(*kit));
    kit->fds_before = fault_count_fds();
    fault_env_init(&kit->env, &kit->mem, &kit->sys);
    fault_clock_set(&kit->sys, 1000 * KP_NS_PER_S);
    kp_log_init(&kit->env.log, keep_log, kit, KELPIE_LOG_TRACE);
    kit->framing.kind = KP_FRAME_LINE;
    kit->limits = (struct kp_net_limits){
        .max_clients = 100,
        .max_outbound = 100,
        .max_message = 8192,
        .max_outbox = 1024 * 1024,
        .soft_outbox = 256 * 1024,
        .max_outbox_total = 16 * 1024 * 1024,
        .refused_text = "connection refused.\n",
    };
}

int
nk_open(struct net_kit *kit)
{
    struct kp_net_hooks hooks = {
        .arg = kit,
        .configure = hook_configure,
        .on_connect = hook_connect,
        .on_message = hook_message,
        .on_input_end = hook_input_end,
        .on_drain = hook_drain,
        .on_disconnect = hook_disconnect,
        .on_gone = hook_gone,
    };

    kp_timers_init(&kit->timers, &kit->env.mem);
    int rc = kp_loop_open(&kit->loop, &kit->env);
    if (rc < 0)
        return rc;
    kit->loop.now_ns = kp_sys_now_ns(&kit->env.sys);
    rc =
        kp_net_init(&kit->net, &kit->env, &kit->loop, &kit->timers, &kit->limits, &hooks);
    if (rc < 0)
        kp_loop_close(&kit->loop);
    return rc;
}

void
nk_close(struct net_kit *kit)
{
    fault_env_heal(&kit->mem, &kit->sys);
    if (kit->net.env != NULL) {
        kp_net_clear(&kit->net);
        kp_loop_close(&kit->loop);
    }
    kp_timers_clear(&kit->timers);
    fault_env_check(&kit->env, &kit->mem);
    assert_int_equal(fault_count_fds(), kit->fds_before);
}

int
nk_setup(void **state)
{
    struct net_kit *kit = malloc(sizeof(*kit));

    assert_non_null(kit);
    nk_prepare(kit);
    *state = kit;
    return nk_open(kit);
}

int
nk_teardown(void **state)
{
    nk_close(*state);
    free(*state);
    return 0;
}

/* ---- steps ------------------------------------------------------------------------- */

static int
step(struct net_kit *kit, uint64_t timeout_ns)
{
    int n = kp_loop_wait(&kit->loop, timeout_ns);
    kp_loop_dispatch(&kit->loop);
    n += (int)kp_timers_run(&kit->timers, kit->loop.now_ns);
    kp_conns_announce(&kit->net);
    kp_conns_deliver(&kit->net);
    kp_conns_notify(&kit->net, KP_NEVER);
    kp_conns_flush(&kit->net);
    kp_conns_reap(&kit->net);
    return n;
}

void
nk_step(struct net_kit *kit)
{
    (void)step(kit, 0);
}

void
nk_settle(struct net_kit *kit)
{
    int quiet = 0;

    /* A change handed in by one wait is answered by it or by the next one. */
    for (int i = 0; i < MAX_STEPS && quiet < 3; i++) {
        uint64_t bytes = kit->net.counters.bytes_in;
        int n = step(kit, 0);
        bool idle =
            n <= 0 || (kit->sys.recv_one_byte && bytes == kit->net.counters.bytes_in);
        quiet = idle && !kp_conns_have_work(&kit->net) ? quiet + 1 : 0;
    }
    if (quiet < 3)
        fail_msg("it does not settle; told so far:\n%s", kit->text);
}

void
nk_pass(struct net_kit *kit, uint64_t ns)
{
    fault_clock_advance(&kit->sys, ns);
    nk_settle(kit);
}

bool
nk_until(struct net_kit *kit, const char *part)
{
    for (int i = 0; i < 1000; i++) {
        if (strstr(kit->text, part) != NULL)
            return true;
        (void)step(kit, kp_conns_have_work(&kit->net) ? 0 : 10 * KP_NS_PER_MS);
    }
    print_message("waited for \"%s\"; told so far:\n%s", part, kit->text);
    return false;
}

/* ---- connections and peers --------------------------------------------------------- */

int
nk_pair(struct net_kit *kit, struct kelpie_conn **out)
{
    union kp_peer peer = {.any = {.sa_family = AF_UNIX}};
    int fds[2];

    fault_socketpair(fds);
    assert_int_equal(kp_conn_open(&kit->net, out, fds[0], &peer, NULL), 0);
    nk_settle(kit);
    kit->text[kit->len = 0] = '\0';
    return fds[1];
}

void
nk_pairs(struct net_kit *kit, int n, struct kelpie_conn *conns[], int peers[])
{
    for (int i = 0; i < n; i++)
        peers[i] = nk_pair(kit, &conns[i]);
}

void
nk_hang_up(const int peers[], int n)
{
    for (int i = 0; i < n; i++)
        close(peers[i]);
}

struct kp_listener *
nk_listen(struct net_kit *kit, const char *address)
{
    struct kp_address parsed;
    struct kp_listener *listener;
    char why[300] = "";

    assert_int_equal(kp_address_parse(&parsed, address, why, sizeof(why)), 0);
    if (kp_listener_open(&kit->net, &listener, &parsed, why, sizeof(why)) < 0)
        fail_msg("%s", why);
    return listener;
}

int
nk_connect(const struct kp_listener *listener)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    assert_int_equal(getsockname(listener->source.fd, (struct sockaddr *)&addr, &len), 0);
    int fd = socket(addr.ss_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

void
nk_say_bytes(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

void
nk_say(int fd, const char *text)
{
    nk_say_bytes(fd, text, strlen(text));
}

const char *
nk_hear(struct net_kit *kit, int fd)
{
    ssize_t n = recv(fd, kit->heard, sizeof(kit->heard) - 1, 0);

    kit->heard[n > 0 ? n : 0] = '\0';
    return kit->heard;
}

bool
nk_has_ended(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);

    assert_true(n <= 0);
    return n == 0 || errno == ECONNRESET;
}

void
nk_reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
}

int
nk_send(struct kelpie_conn *conn, const char *text)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};

    return kp_conn_send(conn, &part, 1);
}

int
nk_write(struct kelpie_conn *conn, size_t len)
{
    struct iovec part = {.iov_base = malloc(len), .iov_len = len};

    assert_non_null(part.iov_base);
    memset(part.iov_base, 'x', len);
    int rc = kp_conn_write(conn, &part, 1);
    free(part.iov_base);
    return rc;
}
