/*
 * dispatch.c - from the net to the handlers: those of the host in C first, then Lua
 *
 *     result of a C handler   what happens
 *     KELPIE_PASS             the Lua handler is called
 *     KELPIE_DONE             it is not
 *     negative                logged; the connection is closed, "handler error"
 *
 * Where the host wants messages itself, each of them begins in the net; else Lua goes on to
 * the next one without leaving the handler's coroutine (next_message).
 *
 * A connection that the host has opened has handlers of its own (host_connect.c), and no
 * script hears of it; one that a script has opened is no business of the host.
 *
 * A connection that the host closes in on_connect is none for the script: it hears neither of
 * the connect nor of the disconnect.
 *
 * A disconnect can be put off by a handler that is suspended. The host is told at the first
 * time, the script when it is ready, each exactly once.
 */
#include "server.h"

/* Logs what a C handler returned. Returns whether Lua shall see the event. */
static bool
host_passes(kelpie *k, const char *handler, struct kelpie_conn *conn, int result)
{
    char who[KP_CONN_TEXT_SIZE];

    if (result == KELPIE_PASS)
        return true;
    if (result >= 0)
        return false;
    kp_conn_format(who, conn);
    kp_log_write(&k->env.log, KELPIE_LOG_ERROR, "%s of the host: %s (%s)", handler,
                 kelpie_strerror(result), who);
    kp_conn_close(conn, "handler error");
    return false;
}

/* Returns the handlers in C of a connection: one that the host has opened has its own, of one
 * that a script has opened the host hears nothing. */
static const struct kp_host_handlers *
host_of(const kelpie *k, const struct kelpie_conn *conn)
{
    static const struct kp_host_handlers none = {.arg = NULL};

    if (conn->own != NULL)
        return conn->own;
    return conn->outbound ? &none : &k->host;
}

static void
dispatch_configure(void *arg, struct kelpie_conn *conn)
{
    kelpie *k = arg;

    conn->framing = k->framing;
    conn->max_message = k->net.limits.max_message;
    kp_script_configure(&k->script, conn);
}

static void
dispatch_connect(void *arg, struct kelpie_conn *conn)
{
    kelpie *k = arg;

    if (k->host.calls.on_connect != NULL) {
        k->in_handler = true;
        int result = k->host.calls.on_connect(conn, k->host.arg);
        k->in_handler = false;
        if (!host_passes(k, "on_connect", conn, result) && kp_conn_is_open(conn))
            return;
    }
    if (kp_conn_is_open(conn))
        kp_script_on_connect(&k->script, conn);
    else
        conn->host_done = true; /* the script never met it, so it hears of no end */
}

static void
dispatch_message(void *arg, struct kelpie_conn *conn, const void *message, size_t len)
{
    kelpie *k = arg;
    const struct kp_host_handlers *host = host_of(k, conn);

    if (host->calls.on_message != NULL) {
        k->in_handler = true;
        int result = host->calls.on_message(conn, message, len, host->arg);
        k->in_handler = false;
        if (!host_passes(k, "on_message", conn, result))
            return;
    }
    if (kp_conn_is_open(conn) && conn->own == NULL)
        kp_script_on_message(&k->script, conn, message, len);
}

static void
dispatch_input_end(void *arg, struct kelpie_conn *conn)
{
    kelpie *k = arg;

    kp_script_on_input_end(&k->script, conn);
}

static void
dispatch_drain(void *arg, struct kelpie_conn *conn)
{
    kelpie *k = arg;
    const struct kp_host_handlers *host = host_of(k, conn);

    if (host->calls.on_drain != NULL) {
        k->in_handler = true;
        int result = host->calls.on_drain(conn, host->arg);
        k->in_handler = false;
        if (!host_passes(k, "on_drain", conn, result))
            return;
    }
    if (kp_conn_is_open(conn) && conn->own == NULL)
        kp_script_on_drain(&k->script, conn);
}

static void
tell_host_of_disconnect(kelpie *k, struct kelpie_conn *conn, const char *reason)
{
    const struct kp_host_handlers *host = host_of(k, conn);

    conn->host_told = true;
    if (host->calls.on_disconnect == NULL)
        return;
    k->in_handler = true;
    int result = host->calls.on_disconnect(conn, reason, host->arg);
    k->in_handler = false;
    if (!host_passes(k, "on_disconnect", conn, result))
        conn->host_done = true;
}

static bool
dispatch_disconnect(void *arg, struct kelpie_conn *conn, const char *reason)
{
    kelpie *k = arg;

    if (!conn->host_told)
        tell_host_of_disconnect(k, conn, reason);
    return conn->host_done || conn->own != NULL ||
           kp_script_on_disconnect(&k->script, conn, reason);
}

static void
dispatch_gone(void *arg, struct kelpie_conn *conn)
{
    kelpie *k = arg;

    kp_script_on_gone(&k->script, conn);
    kp_host_forget_conn(k, conn);
}

static bool
next_message(void *arg, struct kelpie_conn *conn, const void **message, size_t *len)
{
    const kelpie *k = arg;

    return host_of(k, conn)->calls.on_message == NULL &&
           kp_conn_next_message(conn, message, len);
}

static void
ask_for_reload(void *arg)
{
    kelpie_reload(arg);
}

/* Asking a second time, as a handler may for every message, is not the second call of
 * kelpie_drain, which cuts off the output that is queued. */
static void
ask_for_shutdown(void *arg)
{
    kelpie *k = arg;

    if (!k->is_draining && atomic_load(&k->drains_wanted) == 0)
        kelpie_drain(k);
}

static void
read_stats(void *arg, struct kelpie_stats *stats)
{
    kelpie_get_stats(arg, stats);
}

const struct kp_net_hooks kp_dispatch_net_hooks = {
    .configure = dispatch_configure,
    .on_connect = dispatch_connect,
    .on_message = dispatch_message,
    .on_input_end = dispatch_input_end,
    .on_drain = dispatch_drain,
    .on_disconnect = dispatch_disconnect,
    .on_gone = dispatch_gone,
};

const struct kp_script_hooks kp_dispatch_script_hooks = {
    .reload = ask_for_reload,
    .shutdown = ask_for_shutdown,
    .stats = read_stats,
    .next_message = next_message,
};
