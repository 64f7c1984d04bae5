/*
 * host_conn.c - connections for the host, in C
 *
 * The public names of what net/ does; nothing is decided here, but that NULL is a connection
 * that is gone: so what kelpie_find returns can be handed on as it is.
 */
#include "server.h"

static kelpie *
server_of(const struct kp_net *net)
{
    return kp_container_of(net, kelpie, net);
}

static int
send_bytes(kelpie_conn *conn, const void *bytes, size_t len,
           int (*fn)(struct kelpie_conn *, const struct iovec *, int))
{
    struct iovec part = kp_server_part(bytes, len);

    if (conn == NULL)
        return KELPIE_ECLOSED;
    if (bytes == NULL && len > 0)
        return kp_server_fail_null(server_of(conn->net), "send: the bytes");
    return fn(conn, &part, 1);
}

int
kelpie_conn_send(kelpie_conn *conn, const void *message, size_t len)
{
    return send_bytes(conn, message, len, kp_conn_send);
}

int
kelpie_conn_write(kelpie_conn *conn, const void *bytes, size_t len)
{
    return send_bytes(conn, bytes, len, kp_conn_write);
}

void
kelpie_conn_finish(kelpie_conn *conn)
{
    if (conn != NULL)
        kp_conn_finish(conn);
}

void
kelpie_conn_close(kelpie_conn *conn, const char *reason)
{
    if (conn != NULL)
        kp_conn_close(conn, reason != NULL ? reason : "closed");
}

void
kelpie_conn_abort(kelpie_conn *conn)
{
    if (conn != NULL)
        kp_conn_drop(conn, "aborted", true);
}

void
kelpie_conn_pause(kelpie_conn *conn)
{
    if (conn != NULL)
        kp_conn_pause(conn);
}

void
kelpie_conn_resume(kelpie_conn *conn)
{
    if (conn != NULL)
        kp_conn_resume(conn);
}

void
kelpie_conn_set_timeout(kelpie_conn *conn, int idle_timeout_ms)
{
    if (conn == NULL)
        return;
    uint64_t ns = idle_timeout_ms < 0 ? 0 : (uint64_t)idle_timeout_ms * KP_NS_PER_MS;

    if (idle_timeout_ms == 0)
        ns = conn->net->limits.idle_timeout_ns;
    kp_conn_set_idle_timeout(conn, ns);
}

int
kp_server_read_framing(kelpie *k, struct kp_framing *out, const char *text,
                       size_t max_message)
{
    struct kp_framing parsed;

    if (text == NULL)
        return kp_server_fail_null(k, "framing");
    int rc = kp_framing_parse(&parsed, text);
    if (rc < 0)
        return kp_server_fail(k, rc,
                              "framing '%s' is not known; one of line, crlf, raw, "
                              "netstring, length:4:big, delimiter:TEXT, fixed:16",
                              text);
    if (parsed.kind == KP_FRAME_FIXED && max_message > 0 &&
        parsed.fixed_size > max_message)
        return kp_server_fail(k, KELPIE_ETOOLONG,
                              "framing '%s': more bytes than max_message allows", text);
    *out = parsed;
    return 0;
}

int
kelpie_conn_set_framing(kelpie_conn *conn, const char *framing)
{
    struct kp_framing parsed;

    if (conn == NULL || !kp_conn_is_open(conn))
        return KELPIE_ECLOSED;
    int rc =
        kp_server_read_framing(server_of(conn->net), &parsed, framing, conn->max_message);
    if (rc < 0)
        return rc;
    parsed.deliver_partial = conn->framing.deliver_partial; /* of the handlers table */
    kp_conn_set_framing(conn, &parsed);
    return 0;
}

uint64_t
kelpie_conn_id(const kelpie_conn *conn)
{
    return conn != NULL ? conn->id : 0;
}

uint32_t
kelpie_conn_number(const kelpie_conn *conn)
{
    return conn != NULL ? conn->number : UINT32_MAX;
}

const char *
kelpie_conn_listener(const kelpie_conn *conn)
{
    return conn != NULL && conn->listener != NULL ? conn->listener->name : "";
}

kelpie *
kelpie_conn_server(const kelpie_conn *conn)
{
    return conn != NULL ? server_of(conn->net) : NULL;
}

const char *
kelpie_conn_peer(const kelpie_conn *conn)
{
    if (conn == NULL)
        return "";
    kelpie *k = server_of(conn->net);
    kp_peer_format(k->peer_text, &conn->peer);
    return k->peer_text;
}

int
kelpie_conn_is_open(const kelpie_conn *conn)
{
    return conn != NULL && kp_conn_is_open(conn);
}

size_t
kelpie_conn_queued(const kelpie_conn *conn)
{
    return conn != NULL ? conn->outbox.len : 0;
}

void
kelpie_conn_set_user(kelpie_conn *conn, void *user)
{
    if (conn != NULL)
        conn->user = user;
}

void *
kelpie_conn_user(const kelpie_conn *conn)
{
    return conn != NULL ? conn->user : NULL;
}

static kelpie_conn *
if_open(kelpie_conn *conn)
{
    return conn != NULL && kp_conn_is_open(conn) ? conn : NULL;
}

kelpie_conn *
kelpie_find(const kelpie *k, uint64_t id)
{
    return if_open(kp_conns_find(&k->net, id));
}

kelpie_conn *
kelpie_client(const kelpie *k, uint32_t number)
{
    return if_open(kp_conns_client(&k->net, number));
}

size_t
kelpie_conns(const kelpie *k, kelpie_conn **out, size_t max)
{
    struct kelpie_conn *conn;
    size_t cursor = 0, n = 0;

    for (; (conn = kp_conns_next(&k->net, &cursor)) != NULL; n++) {
        if (n < max && out != NULL)
            out[n] = conn;
    }
    return n;
}

int
kelpie_broadcast(kelpie *k, const void *message, size_t len, const kelpie_conn *except)
{
    struct iovec part = kp_server_part(message, len);

    if (message == NULL && len > 0)
        return kp_server_fail_null(k, "broadcast: the message");
    return kp_conns_broadcast(&k->net, &part, 1, true, except);
}
