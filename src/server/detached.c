/*
 * detached.c - connections without a socket, for the host
 */
#include <errno.h>

#include "net/conn_write.h"
#include "net/transport.h"
#include "server.h"

int
kelpie_detached(kelpie *k, const char *listener_name,
                const struct kelpie_transport *transport, void *arg, kelpie_conn **out)
{
    struct kelpie_transport calls;

    if (out == NULL)
        return kp_server_fail_null(k, "detached: out");
    *out = NULL;
    if (k->is_draining)
        return kp_server_fail(k, KELPIE_ECLOSED, "detached: the server ends");
    int rc = kp_server_copy(k, &calls, sizeof(calls), transport, "detached");
    if (rc < 0)
        return rc;
    if (calls.write == NULL)
        return kp_server_fail(k, KELPIE_EMISUSE, "detached: write is missing");
    struct kp_listener *listener;
    rc = kp_listener_named(&k->net, &listener, listener_name);
    if (rc == 0)
        rc = kp_detached_open(&k->net, out, &calls, arg, listener);
    if (rc == -ENOSPC)
        return kp_server_fail(k, KELPIE_EFULL, "detached: too many clients");
    return rc < 0 ? kp_server_fail(k, rc, "detached: %s", kelpie_strerror(rc)) : 0;
}

int
kelpie_conn_feed(kelpie_conn *conn, const void *bytes, size_t len)
{
    if (conn == NULL)
        return KELPIE_ECLOSED;
    if (bytes == NULL && len > 0)
        return kp_server_fail_null(kelpie_conn_server(conn), "feed: the bytes");
    return kp_detached_feed(conn, bytes, len);
}

int
kelpie_conn_feed_end(kelpie_conn *conn)
{
    return conn != NULL ? kp_detached_end(conn) : KELPIE_ECLOSED;
}

void
kelpie_conn_writable(kelpie_conn *conn)
{
    if (conn != NULL)
        kp_conn_note_writable(conn);
}
