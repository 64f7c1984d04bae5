/*
 * host_connect.c - connections that the host opens, in C
 *
 * An attempt is one block for all of its life: when it has succeeded it belongs to the
 * connection (conn->own), with which it is freed. So the handlers of the connection are
 * there from its first message on, and there is nothing to allocate for them when the
 * kernel says that it is connected.
 *
 *     kelpie_connect -> pending -> on_result(conn) -> on_message ... on_disconnect -> gone
 *                          |----> on_result(NULL, error)
 *                          `----> kelpie_attempt_cancel: nobody is told
 *
 * How the connecting is done is in net/connect.c, for scripts as well.
 */
#include <errno.h>

#include "net/connect.h"
#include "server.h"

struct kelpie_attempt {
    struct kp_host_handlers own; /* first: conn->own points here */
    kelpie *k;
    struct kp_connect *connect; /* NULL when it is over */
    struct kp_framing framing;
    size_t max_message;
    void (*on_result)(kelpie *k, kelpie_conn *conn, int error, void *arg);
};

static void
free_attempt(kelpie *k, struct kelpie_attempt *attempt)
{
    kp_connect_free(attempt->connect);
    kp_mem_free(&k->env.mem, attempt, sizeof(*attempt));
}

/* ---- what comes of it ------------------------------------------------------------------ */

/* Errors of the net in the words of kelpie.h. */
static int
public_error(int error)
{
    if (error == KP_CONNECT_ENAME)
        return KELPIE_ENAME;
    return error == -ECANCELED ? KELPIE_ECLOSED : error;
}

static void
tell_result(struct kelpie_attempt *attempt, struct kelpie_conn *conn, int error)
{
    kelpie *k = attempt->k;

    k->in_handler = true;
    attempt->on_result(k, conn, error, attempt->own.arg);
    k->in_handler = false;
}

static void
fail_attempt(struct kelpie_attempt *attempt, int error)
{
    tell_result(attempt, NULL, public_error(error));
    free_attempt(attempt->k, attempt);
}

/* Events that have come already are served in this step, after this. */
static void
on_connected(void *arg, struct kp_connect *connect)
{
    struct kelpie_attempt *attempt = arg;
    struct kelpie_conn *conn;

    int rc = kp_connect_take(connect, &conn);
    kp_connect_free(connect);
    attempt->connect = NULL;
    if (rc < 0) {
        fail_attempt(attempt, rc);
        return;
    }
    conn->own = &attempt->own;
    conn->max_message = attempt->max_message;
    kp_conn_set_framing(conn, &attempt->framing);
    kp_conn_set_served(conn, true);
    tell_result(attempt, conn, 0);
}

void
kp_host_forget_conn(kelpie *k, struct kelpie_conn *conn)
{
    if (conn->own != NULL)
        free_attempt(k, kp_container_of(conn->own, struct kelpie_attempt, own));
    conn->own = NULL;
}

/* ---- the beginning --------------------------------------------------------------------- */

/* Fills an attempt from what the host wishes. */
static int
read_options(kelpie *k, struct kelpie_attempt *attempt,
             const struct kelpie_connect_options *options)
{
    attempt->framing = k->framing;
    attempt->max_message =
        options->max_message > 0 ? options->max_message : k->net.limits.max_message;
    attempt->on_result = options->on_result;
    attempt->own.calls = (struct kelpie_handlers){
        .on_message = options->on_message,
        .on_disconnect = options->on_disconnect,
        .on_drain = options->on_drain,
    };
    if (options->on_result == NULL || options->timeout_ms < -1)
        return kp_server_fail(k, KELPIE_EMISUSE,
                              "connect: on_result is missing, or "
                              "timeout_ms is below -1");
    if (options->framing == NULL)
        return 0;
    return kp_server_read_framing(k, &attempt->framing, options->framing,
                                  attempt->max_message);
}

static uint64_t
timeout_of(int timeout_ms)
{
    if (timeout_ms == 0)
        return KP_CONNECT_TIMEOUT_NS;
    return timeout_ms < 0 ? KP_NEVER : (uint64_t)timeout_ms * KP_NS_PER_MS;
}

static int
start_attempt(struct kelpie_attempt *attempt, const char *text, int timeout_ms)
{
    kelpie *k = attempt->k;
    struct kp_address address;
    struct kp_host name;

    int rc = kp_connect_address(&address, &name, text, k->error, sizeof(k->error));
    if (rc < 0)
        return rc;
    rc = kp_connect_start(&k->net, &attempt->connect, NULL, &address, &name,
                          timeout_of(timeout_ms), on_connected, attempt);
    if (rc == KELPIE_EFULL)
        return kp_server_fail(k, rc, "connect %s: max_outbound connections are open",
                              text);
    rc = public_error(rc);
    if (rc < 0)
        return kp_server_fail(k, rc, "connect %s: %s", text,
                              rc == KELPIE_ECLOSED ? "the server ends"
                                                   : kelpie_strerror(rc));
    return 0;
}

int
kelpie_connect(kelpie *k, kelpie_attempt **out, const char *address,
               const struct kelpie_connect_options *given, void *arg)
{
    struct kelpie_connect_options options;

    if (out != NULL)
        *out = NULL;
    if (address == NULL)
        return kp_server_fail_null(k, "connect: the address");
    int rc = kp_server_copy(k, &options, sizeof(options), given, "connect");
    if (rc < 0)
        return rc;
    struct kelpie_attempt *attempt = kp_mem_zalloc(&k->env.mem, sizeof(*attempt));
    if (attempt == NULL)
        return kp_server_fail(k, -ENOMEM, "connect %s: out of memory", address);
    attempt->k = k;
    attempt->own.arg = arg;
    rc = read_options(k, attempt, &options);
    if (rc == 0)
        rc = start_attempt(attempt, address, options.timeout_ms);
    if (rc < 0) {
        free_attempt(k, attempt);
        return rc;
    }
    if (out != NULL)
        *out = attempt;
    return 0;
}

void
kelpie_attempt_cancel(kelpie_attempt *attempt)
{
    if (attempt != NULL)
        free_attempt(attempt->k, attempt);
}
