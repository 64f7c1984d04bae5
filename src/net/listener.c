/*
 * listener.c - an address that accepts connections
 *
 * Opening is socket, options, bind, listen; each failure becomes a sentence that names the
 * address and the cause. Taking the connections is accept.c.
 *
 * The file of a unix socket, which may be there from a server that has died, is the business
 * of unix_file.c.
 *
 * A closed listener keeps its struct until the net is cleared, because connections know
 * where they came from (conn.listener).
 */
#include "listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "accept.h"
#include "sockopt.h"

/* What the kernel lets wait; it cuts the number to its own maximum. */
#define BACKLOG SOMAXCONN

/* ---- sentences --------------------------------------------------------------------- */

/* Writes "listen ADDRESS: cause"; the cause in lower case, as the second half of it. */
static int
explain(char *why, size_t why_size, const char *text, int error, const char *cause)
{
    char words[128];

    snprintf(words, sizeof(words), "%s", cause != NULL ? cause : strerror(-error));
    if (words[0] >= 'A' && words[0] <= 'Z' && words[1] >= 'a' && words[1] <= 'z')
        words[0] = (char)(words[0] - 'A' + 'a');
    snprintf(why, why_size, "listen %s: %s", text, words);
    return error;
}

/* ---- the socket -------------------------------------------------------------------- */

static int
set_inet_options(struct kp_sys *sys, int fd, int family)
{
    int rc = kp_sys_set_option(sys, fd, SOL_SOCKET, SO_REUSEADDR, 1);

    /* [::] is not also 0.0.0.0: who wants both says so, and gets the same everywhere. */
    if (rc == 0 && family == AF_INET6)
        rc = kp_sys_set_option(sys, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    return rc;
}

/* An extra that most kernels have switched off: without it everything works as well. */
static void
try_fastopen(struct kp_net *net, int fd, const char *text)
{
    int rc = -ENOTSUP;

    if (net->limits.fastopen <= 0)
        return;
#ifdef TCP_FASTOPEN
    rc = kp_sys_set_option(&net->env->sys, fd, IPPROTO_TCP, TCP_FASTOPEN,
                           net->limits.fastopen);
#endif
    if (rc < 0)
        kp_log_write(&net->env->log, KELPIE_LOG_WARN,
                     "listen %s: TCP Fast Open is not available: %s", text,
                     strerror(-rc));
}

/* Takes back what bind has made in the file system. */
static void
unlink_address(struct kp_sys *sys, const struct kp_address *address)
{
    /* Should it fail, the next start takes the file for the stale one that it is. */
    if (address->addr.any.sa_family == AF_UNIX)
        (void)kp_sys_unlink(sys, address->addr.un.sun_path);
}

static int
listen_inet(struct kp_net *net, int fd, const struct kp_address *address,
            const char *text)
{
    struct kp_sys *sys = &net->env->sys;

    int rc = set_inet_options(sys, fd, address->addr.any.sa_family);
    if (rc == 0)
        rc = kp_sys_bind(sys, fd, &address->addr.any, address->len);
    if (rc < 0)
        return rc;
    try_fastopen(net, fd, text);
    return kp_sys_listen(sys, fd, BACKLOG);
}

/* Makes a bound, listening socket. Returns it, or a negative errno. */
static int
open_socket(struct kp_net *net, const struct kp_address *address, const char *text,
            const char **cause)
{
    struct kp_sys *sys = &net->env->sys;
    int family = address->addr.any.sa_family;

    int fd = kp_sys_socket(sys, family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    int rc = family == AF_UNIX ? kp_unix_listen(sys, fd, address, 0, BACKLOG, cause)
                               : listen_inet(net, fd, address, text);
    if (rc == 0)
        return fd;
    (void)kp_sys_close(sys, fd);
    return rc;
}

/* ---- the listener ------------------------------------------------------------------ */

static void
on_acceptable(void *arg, const struct kp_event *event)
{
    struct kp_listener *listener = arg;

    if (event->watch_failed)
        kp_accept_fail_watch(listener, event->error);
    else
        kp_accept(listener, event->count);
}

static void
free_listener(struct kp_listener *listener)
{
    struct kp_env *env = listener->net->env;

    kp_unix_file_clear(&listener->file, env);
    kp_mem_free(&env->mem, listener, sizeof(*listener));
}

static struct kp_listener *
new_listener(struct kp_net *net, const char *name)
{
    struct kp_listener *listener = kp_mem_zalloc(&net->env->mem, sizeof(*listener));

    if (listener == NULL)
        return NULL;
    listener->net = net;
    kp_list_init(&listener->node);
    kp_source_init(&listener->source);
    snprintf(listener->name, sizeof(listener->name), "%s", name != NULL ? name : "");
    return listener;
}

/* Fills in what the socket knows: its true address and port. */
static int
describe(struct kp_listener *listener, int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr);

    memset(&addr, 0, sizeof(addr));
    int rc =
        kp_sys_getsockname(&listener->net->env->sys, fd, (struct sockaddr *)&addr, &len);
    if (rc < 0)
        return rc;
    kp_address_format(listener->text, (struct sockaddr *)&addr, len);
    listener->port = kp_address_port((struct sockaddr *)&addr);
    listener->is_inet = addr.ss_family == AF_INET || addr.ss_family == AF_INET6;
    return 0;
}

/* Starts accepting. Takes fd, unless it fails. */
static int
start(struct kp_listener *listener, int fd)
{
    struct kp_net *net = listener->net;

    int rc = describe(listener, fd);
    if (rc == 0)
        rc = kp_loop_add(net->loop, &listener->source, fd, on_acceptable, listener);
    if (rc < 0)
        return rc;
    rc =
        kp_loop_watch(net->loop, &listener->source, KP_READ, kp_accept_mode(listener), 0);
    if (rc < 0) {
        kp_loop_remove(net->loop, &listener->source);
        return rc;
    }
    if (listener->is_inet)
        kp_sockopt_tune_tcp(&net->env->sys, fd);
    kp_list_append(&net->listeners, &listener->node);
    return 0;
}

static int
open_bound(struct kp_net *net, struct kp_listener **out, const struct kp_address *address,
           char *why, size_t why_size)
{
    char text[KP_ADDRESS_TEXT_SIZE];
    const char *cause = NULL;

    kp_address_format(text, &address->addr.any, address->len);
    struct kp_listener *listener = new_listener(net, address->name);
    if (listener == NULL)
        return explain(why, why_size, text, -ENOMEM, NULL);
    int fd = open_socket(net, address, text, &cause);
    if (fd < 0) {
        free_listener(listener);
        return explain(why, why_size, text, fd, cause);
    }
    bool has_file = address->addr.any.sa_family == AF_UNIX;
    int rc = has_file ? kp_unix_file_init(&listener->file, net->env, address) : 0;
    if (rc == 0)
        rc = start(listener, fd);
    if (rc < 0) {
        unlink_address(&net->env->sys, address);
        (void)kp_sys_close(&net->env->sys, fd);
        free_listener(listener);
        return explain(why, why_size, text, rc, NULL);
    }
    *out = listener;
    return 0;
}

int
kp_listener_open(struct kp_net *net, struct kp_listener **out,
                 const struct kp_address *address, char *why, size_t why_size)
{
    *out = NULL;
    if (address->inherited_fd >= 0)
        return kp_listener_open_fd(net, out, address->inherited_fd, address->name, why,
                                   why_size);
    return open_bound(net, out, address, why, why_size);
}

/* Returns 0 when fd is a socket that listens; *cause says what it is instead. */
static int
check_listening(struct kp_sys *sys, int fd, const char **cause)
{
    int accepts = 0;
    socklen_t len = sizeof(accepts);

    int rc = kp_sys_getsockopt(sys, fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &len);
    if (rc == -EBADF)
        *cause = "not an open descriptor";
    else if (rc < 0)
        *cause = "not a socket";
    else if (!accepts)
        *cause = "the socket does not listen";
    return *cause == NULL ? 0 : -EINVAL;
}

int
kp_listener_open_fd(struct kp_net *net, struct kp_listener **out, int fd,
                    const char *name, char *why, size_t why_size)
{
    char text[32];
    const char *cause = NULL;

    *out = NULL;
    snprintf(text, sizeof(text), "fd:%d", fd);
    int rc = check_listening(&net->env->sys, fd, &cause);
    if (rc == 0)
        rc = kp_sys_set_flags(&net->env->sys, fd);
    if (rc < 0)
        return explain(why, why_size, text, rc, cause);
    struct kp_listener *listener = new_listener(net, name);
    rc = listener != NULL ? start(listener, fd) : -ENOMEM;
    if (rc < 0) {
        if (listener != NULL)
            free_listener(listener);
        return explain(why, why_size, text, rc, NULL);
    }
    *out = listener;
    return 0;
}

void
kp_listener_close(struct kp_listener *listener)
{
    struct kp_net *net = listener->net;
    int fd = listener->source.fd;

    if (fd < 0)
        return;
    kp_loop_remove(net->loop, &listener->source);
    /* Before the close: afterwards a new server could own the name already. */
    kp_unix_file_unlink(&listener->file, net->env);
    (void)kp_sys_close(&net->env->sys, fd);
    listener->source.fd = -1;
}

struct kp_listener *
kp_listener_find(const struct kp_net *net, const char *name)
{
    kp_list_each(node, &net->listeners) {
        struct kp_listener *listener = kp_container_of(node, struct kp_listener, node);
        if (listener->source.fd >= 0 && strcmp(listener->name, name) == 0)
            return listener;
    }
    return NULL;
}

/* A closed one will do: it is a name all the same. */
static struct kp_listener *
find_any(const struct kp_net *net, const char *name)
{
    struct kp_listener *found = kp_listener_find(net, name);

    kp_list_each(node, &net->listeners) {
        struct kp_listener *listener = kp_container_of(node, struct kp_listener, node);
        if (found == NULL && strcmp(listener->name, name) == 0)
            found = listener;
    }
    return found;
}

int
kp_listener_named(struct kp_net *net, struct kp_listener **out, const char *name)
{
    *out = NULL;
    if (name == NULL)
        return 0;
    if (strlen(name) >= sizeof((*out)->name))
        return KELPIE_EADDRESS;
    *out = find_any(net, name);
    if (*out != NULL || name[0] == '\0')
        return 0;
    *out = new_listener(net, name);
    if (*out == NULL)
        return -ENOMEM;
    kp_list_append(&net->listeners, &(*out)->node);
    return 0;
}

void
kp_listeners_stop(struct kp_net *net)
{
    kp_list_each(node, &net->listeners)
        kp_listener_close(kp_container_of(node, struct kp_listener, node));
}

void
kp_listeners_free(struct kp_net *net)
{
    struct kp_node *node;

    kp_listeners_stop(net);
    while ((node = kp_list_pop(&net->listeners)) != NULL)
        free_listener(kp_container_of(node, struct kp_listener, node));
}
