/*
 * setup.c - what a host gives a server: scripts, handlers, listeners, sockets
 */
#include <errno.h>
#include <string.h>

#include "script/reload.h"
#include "server.h"

/* ---- scripts ------------------------------------------------------------------------ */

static struct kp_script_place
take_place(struct kp_script *script)
{
    struct kp_script_place place = {script->path, script->text, script->chunk_name,
                                    script->text_len};

    script->path = script->text = script->chunk_name = NULL;
    script->text_len = 0;
    return place;
}

static void
put_place(struct kp_script *script, const struct kp_script_place *place)
{
    script->path = place->path;
    script->text = place->text;
    script->chunk_name = place->chunk_name;
    script->text_len = place->text_len;
}

static void
free_text(kelpie *k, char *text, size_t len)
{
    if (text != NULL)
        kp_mem_free(&k->env.mem, text, len + 1);
}

static void
free_place(kelpie *k, struct kp_script_place *place)
{
    free_text(k, place->path, place->path != NULL ? strlen(place->path) : 0);
    free_text(k, place->text, place->text_len);
    free_text(k, place->chunk_name,
              place->chunk_name != NULL ? strlen(place->chunk_name) : 0);
}

/* The scripts come from a new place, which was asked for inside a step and is tried at its
 * end. The old place is kept until then; of several new ones the last counts. */
static void
load_later(kelpie *k, struct kp_script_place *old)
{
    if (k->has_place_before)
        free_place(k, old);
    else
        k->place_before = *old;
    k->has_place_before = true;
    kelpie_reload(k);
}

void
kp_setup_settle_load(kelpie *k, bool loaded)
{
    if (!k->has_place_before)
        return;
    k->has_place_before = false;
    if (!loaded) {
        struct kp_script_place failed = take_place(&k->script);
        put_place(&k->script, &k->place_before);
        k->place_before = failed;
    }
    free_place(k, &k->place_before);
}

/* Loads from a new place; the old one comes back when that fails. Inside a handler or a
 * step the load is only asked for. */
static int
load_from(kelpie *k, struct kp_script_place *place, int (*load)(struct kp_script *script))
{
    struct kp_script_place old = take_place(&k->script);

    put_place(&k->script, place);
    if (kp_server_is_inside(k)) {
        load_later(k, &old);
        return 0;
    }
    int rc = load(&k->script);
    if (rc != 0)
        kp_server_fail(k, rc, "%s", k->script.error);
    if (rc < 0) {
        take_place(&k->script);
        put_place(&k->script, &old);
        free_place(k, place);
    } else {
        free_place(k, &old);
    }
    kp_script_watch_follow(k);
    return rc;
}

static int
load_path(kelpie *k, const char *path, int (*load)(struct kp_script *script))
{
    if (path == NULL)
        return kp_server_fail_null(k, "load: the path");

    struct kp_script_place place = {.path = kp_mem_dup(&k->env.mem, path, strlen(path))};
    if (place.path == NULL)
        return kp_server_fail(k, -ENOMEM, "load %s: out of memory", path);
    return load_from(k, &place, load);
}

int
kelpie_load(kelpie *k, const char *path)
{
    return load_path(k, path, kp_reload);
}

int
kelpie_check(kelpie *k, const char *path)
{
    if (kp_server_is_inside(k))
        return kp_server_fail(k, KELPIE_EMISUSE, "kelpie_check inside a handler");
    return load_path(k, path, kp_reload_check);
}

int
kelpie_load_string(kelpie *k, const char *text, size_t len, const char *chunk_name)
{
    if (text == NULL || chunk_name == NULL)
        return kp_server_fail_null(k, "load: the text or its name");

    struct kp_script_place place = {
        .text = kp_mem_dup(&k->env.mem, text, len),
        .chunk_name = kp_mem_dup(&k->env.mem, chunk_name, strlen(chunk_name)),
        .text_len = len,
    };
    if (place.text == NULL || place.chunk_name == NULL) {
        free_place(k, &place);
        return kp_server_fail(k, -ENOMEM, "load %s: out of memory", chunk_name);
    }
    return load_from(k, &place, kp_reload);
}

int
kelpie_preload(kelpie *k, const char *name, int (*open)(struct lua_State *L))
{
    if (name == NULL || open == NULL)
        return kp_server_fail_null(k, "preload: the name or the function");
    int rc = kp_script_preload(&k->script, name, open);
    return rc < 0 ? kp_server_fail(k, rc, "preload %s: out of memory", name) : 0;
}

int
kelpie_input(kelpie *k, const void *line, size_t len)
{
    if (k->in_handler || k->script.in_call || k->net.in_host)
        return kp_server_fail(k, KELPIE_EMISUSE, "kelpie_input inside a handler");
    if (line == NULL && len > 0)
        return kp_server_fail_null(k, "input: the line");
    if (k->host.calls.on_input != NULL) {
        k->in_handler = true;
        int result = k->host.calls.on_input(k, line, len, k->host.arg);
        k->in_handler = false;
        if (result < 0)
            return kp_server_fail(k, result, "on_input of the host: %s",
                                  kelpie_strerror(result));
        if (result == KELPIE_DONE)
            return 0;
    }
    int rc = kp_script_on_input(&k->script, line, len);
    return rc < 0 ? kp_server_fail(k, rc, "%s", k->script.error) : 0;
}

/* ---- handlers in C ------------------------------------------------------------------ */

int
kelpie_set_handlers(kelpie *k, const struct kelpie_handlers *handlers, void *arg)
{
    static const struct kelpie_handlers none = {.size = sizeof(none)};

    int rc = kp_server_copy(k, &k->host.calls, sizeof(k->host.calls),
                            handlers != NULL ? handlers : &none, "handlers");
    if (rc == 0)
        k->host.arg = arg;
    return rc;
}

int
kelpie_set_framing(kelpie *k, const char *framing, size_t max_message)
{
    if (max_message == 0)
        max_message = k->net.limits.max_message;
    int rc = kp_server_read_framing(k, &k->framing, framing, max_message);
    if (rc == 0)
        k->net.limits.max_message = max_message;
    return rc;
}

/* ---- sockets ------------------------------------------------------------------------ */

int
kelpie_listen(kelpie *k, const char *address)
{
    struct kp_address parsed;
    struct kp_listener *listener;

    if (address == NULL)
        return kp_server_fail_null(k, "listen: the address");
    if (k->is_draining)
        return kp_server_fail(k, KELPIE_ECLOSED, "listen %s: the server ends", address);
    int rc = kp_address_parse(&parsed, address, k->error, sizeof(k->error));
    if (rc < 0)
        return rc;
    rc = kp_listener_open(&k->net, &listener, &parsed, k->error, sizeof(k->error));
    return rc < 0 ? rc : listener->port;
}

int
kelpie_listen_fd(kelpie *k, int fd, const char *name)
{
    struct kp_listener *listener;

    if (k->is_draining)
        return kp_server_fail(k, KELPIE_ECLOSED, "listen fd:%d: the server ends", fd);
    int rc = kp_listener_open_fd(&k->net, &listener, fd, name != NULL ? name : "",
                                 k->error, sizeof(k->error));
    return rc < 0 ? rc : listener->port;
}

/* Fills peer of a connected stream socket. Returns 0; -ENOTCONN, -ENOTSOCK, -EBADF,
 * -EPROTOTYPE. */
static int
read_peer(kelpie *k, int fd, union kp_peer *peer)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof(addr), type_len = sizeof(int);
    int type = 0;

    int rc = kp_sys_getpeername(&k->env.sys, fd, (struct sockaddr *)&addr, &len);
    if (rc == 0)
        rc = kp_sys_getsockopt(&k->env.sys, fd, SOL_SOCKET, SO_TYPE, &type, &type_len);
    if (rc == 0 && type != SOCK_STREAM)
        rc = -EPROTOTYPE;
    if (rc == 0)
        kp_peer_set(peer, (struct sockaddr *)&addr, len);
    return rc;
}

int
kelpie_adopt(kelpie *k, int fd, const char *listener_name, kelpie_conn **out)
{
    union kp_peer peer;
    kelpie_conn *conn;

    if (out != NULL)
        *out = NULL;
    if (k->is_draining)
        return kp_server_fail(k, KELPIE_ECLOSED, "adopt descriptor %d: the server ends",
                              fd);
    int rc = read_peer(k, fd, &peer);
    if (rc == 0)
        rc = kp_sys_set_flags(&k->env.sys, fd);
    if (rc < 0)
        return kp_server_fail(k, rc, "adopt descriptor %d: %s", fd, kelpie_strerror(rc));

    struct kp_listener *listener;
    rc = kp_listener_named(&k->net, &listener, listener_name);
    if (rc == 0)
        rc = kp_conn_open(&k->net, &conn, fd, &peer, listener);
    if (rc == -ENOSPC || rc == -EUSERS)
        return kp_server_fail(k, KELPIE_EFULL, "adopt descriptor %d: too many clients",
                              fd);
    if (rc < 0)
        return kp_server_fail(k, rc, "adopt descriptor %d: %s", fd, kelpie_strerror(rc));
    if (out != NULL)
        *out = conn;
    return 0;
}
