/*
 * control.c - the control socket: who may come in, and when who waits is answered
 *
 * A unix socket beside the listeners, for the operator and for programs that deploy. Who is
 * connected here is no client of the server: it is not counted, scripts do not see it, and
 * it works while a script is broken.
 *
 *     command\n   ->    zero or more lines that begin with a blank
 *                       ok WORDS\n    or    error WORDS\n
 *
 * So the end of an answer is found by its first letter. A reload is done at the end of the
 * step, where all reloads are, or later if a generation still retires; only then the client
 * is answered, with the true result. Its further commands wait behind it. Clients who ask for
 * the same in one step get the result of one reload.
 *
 * The socket is bound, then made mode 0600, and only then listens: there is no moment in
 * which somebody else can connect.
 *
 * The clients are places in a fixed array (control_client.c).
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "script/reload.h"

#define ACCEPTS   4                              /* per step */
#define PAUSE_NS  (UINT64_C(200) * KP_NS_PER_MS) /* after an accept without descriptors */
#define SOCK_MODE 0600

/* ---- accepting ------------------------------------------------------------------------ */

static struct kp_control_client *
find_place(struct kp_control *control)
{
    for (size_t i = 0; i < KP_CONTROL_CLIENTS; i++)
        if (control->clients[i].source.fd < 0)
            return &control->clients[i];
    return NULL;
}

static void
refuse(struct kp_sys *sys, int fd)
{
    char text[] = "error busy: too many control clients\n";
    struct iovec iov = {.iov_base = text, .iov_len = sizeof(text) - 1};

    (void)kp_sys_send(sys, fd, &iov, 1); /* a courtesy */
    (void)kp_sys_close(sys, fd);
}

/* Takes fd. */
static void
welcome(struct kp_control *control, int fd)
{
    kelpie *k = control->k;
    struct kp_control_client *client = find_place(control);

    if (client == NULL) {
        refuse(&k->env.sys, fd);
        return;
    }
    if (kp_control_client_open(client, control, fd) < 0)
        (void)kp_sys_close(&k->env.sys, fd); /* it was in no batch yet */
}

static void
on_accept_timer(struct kp_timer *timer, void *arg)
{
    struct kp_control *control = arg;

    (void)timer;
    if (kp_loop_watch(&control->k->loop, &control->source, KP_READ, KP_LEVEL, 0) < 0 &&
        kp_timer_start(&control->k->timers, &control->accept_timer,
                       control->k->loop.now_ns + PAUSE_NS) < 0)
        kp_log_write(&control->k->env.log, KELPIE_LOG_ERROR,
                     "control: out of memory; no further clients");
}

/* Without descriptors the socket would be ready in every step: it rests for a moment. */
static void
pause_accepting(struct kp_control *control)
{
    kelpie *k = control->k;

    if (kp_timer_start(&k->timers, &control->accept_timer, k->loop.now_ns + PAUSE_NS) ==
        0)
        (void)kp_loop_watch(&k->loop, &control->source, KP_READ, KP_OFF, 0);
}

static void
on_acceptable(void *arg, const struct kp_event *event)
{
    struct kp_control *control = arg;
    struct kp_env *env = &control->k->env;

    if (event->watch_failed) {
        kp_log_write(&env->log, KELPIE_LOG_ERROR, "control: cannot be watched: %s",
                     kelpie_strerror(-event->error));
        return;
    }
    for (int i = 0; i < ACCEPTS; i++) {
        int fd = kp_sys_accept(&env->sys, control->source.fd, NULL, NULL);
        if (fd == -EAGAIN)
            return;
        if (fd == -ECONNABORTED)
            continue;
        if (fd < 0) {
            pause_accepting(control);
            return;
        }
        welcome(control, fd);
    }
}

/* ---- the end of the step -------------------------------------------------------------- */

void
kp_control_answer(kelpie *k, enum kp_ask ask, int rc)
{
    if (k->control == NULL)
        return;
    for (size_t i = 0; i < KP_CONTROL_CLIENTS; i++) {
        struct kp_control_client *client = &k->control->clients[i];
        if (client->source.fd >= 0 && client->ask == ask)
            kp_control_tell(client, rc);
    }
}

static bool
is_asked(const struct kp_control *control, enum kp_ask ask)
{
    for (size_t i = 0; i < KP_CONTROL_CLIENTS; i++)
        if (control->clients[i].source.fd >= 0 && control->clients[i].ask == ask)
            return true;
    return false;
}

static void
serve_ask(kelpie *k, enum kp_ask ask, int (*fn)(struct kp_script *script))
{
    if (!is_asked(k->control, ask))
        return;
    int rc = fn(&k->script);
    if (rc == -EBUSY)
        return;
    if (ask == KP_ASK_DRY_RUN)
        kp_control_answer(k, ask, rc);
    else
        kp_requests_done(k, ask, rc);
}

static void
look_at_probations(struct kp_control *control)
{
    for (size_t i = 0; i < KP_CONTROL_CLIENTS; i++) {
        struct kp_control_client *client = &control->clients[i];
        if (client->source.fd >= 0 && client->ask == KP_ASK_PROBATION)
            kp_control_tell_probation(client);
    }
}

/* A drain ends what was asked and not done. */
static void
refuse_all(kelpie *k)
{
    for (size_t i = 0; i < KP_CONTROL_CLIENTS; i++) {
        struct kp_control_client *client = &k->control->clients[i];
        if (client->source.fd < 0 || client->ask == KP_ASK_NOTHING)
            continue;
        client->ask = KP_ASK_NOTHING;
        kp_control_say(client, "error ending: the server is about to end");
    }
}

void
kp_control_serve(kelpie *k)
{
    struct kp_control *control = k->control;

    if (control == NULL)
        return;
    if (k->is_draining) {
        refuse_all(k);
    } else {
        serve_ask(k, KP_ASK_RELOAD_DROP, kp_reload_drop);
        serve_ask(k, KP_ASK_DRY_RUN, kp_reload_dry_run);
        look_at_probations(control);
    }
    for (size_t i = 0; i < KP_CONTROL_CLIENTS; i++)
        if (control->clients[i].source.fd >= 0)
            kp_control_client_serve(&control->clients[i]);
}

/* ---- open and close ------------------------------------------------------------------- */

/* Makes a bound, listening socket that only our user may connect to. Returns it, or a
 * negative errno. */
static int
open_socket(struct kp_control *control, const struct kp_address *address,
            const char **cause)
{
    struct kp_env *env = &control->k->env;
    int fd = kp_sys_socket(&env->sys, AF_UNIX, SOCK_STREAM, 0);

    if (fd < 0)
        return fd;
    int rc = kp_unix_listen(&env->sys, fd, address, SOCK_MODE, KP_CONTROL_CLIENTS, cause);
    if (rc < 0)
        goto fail_close;
    rc = kp_unix_file_init(&control->file, env, address);
    if (rc == 0)
        return fd;
    (void)kp_sys_unlink(&env->sys, address->addr.un.sun_path); /* we have just made it */

fail_close:
    (void)kp_sys_close(&env->sys, fd);
    return rc;
}

static int
start(struct kp_control *control, int fd)
{
    struct kp_loop *loop = &control->k->loop;

    int rc = kp_loop_add(loop, &control->source, fd, on_acceptable, control);
    if (rc < 0)
        return rc;
    rc = kp_loop_watch(loop, &control->source, KP_READ, KP_LEVEL, 0);
    if (rc < 0)
        kp_loop_remove(loop, &control->source);
    return rc;
}

static struct kp_control *
new_control(kelpie *k)
{
    struct kp_control *control = kp_mem_zalloc(&k->env.mem, sizeof(*control));

    if (control == NULL)
        return NULL;
    control->k = k;
    kp_source_init(&control->source);
    kp_timer_init(&control->accept_timer, on_accept_timer, control);
    for (size_t i = 0; i < KP_CONTROL_CLIENTS; i++)
        control->clients[i].source.fd = -1;
    return control;
}

static int
open_control(kelpie *k, const struct kp_address *address, const char **cause)
{
    struct kp_control *control = new_control(k);

    if (control == NULL)
        return -ENOMEM;
    int fd = open_socket(control, address, cause);
    int rc = fd < 0 ? fd : start(control, fd);
    if (rc < 0) {
        if (fd >= 0) {
            kp_unix_file_unlink(&control->file, &k->env);
            (void)kp_sys_close(&k->env.sys, fd);
        }
        kp_unix_file_clear(&control->file, &k->env);
        kp_mem_free(&k->env.mem, control, sizeof(*control));
        return rc;
    }
    k->control = control;
    return 0;
}

int
kelpie_control(kelpie *k, const char *path)
{
    char text[KP_ADDRESS_TEXT_SIZE], why[512];
    const char *cause = NULL;
    struct kp_address address;

    if (path == NULL)
        return kp_server_fail_null(k, "control: the path");
    if (k->is_draining)
        return kp_server_fail(k, KELPIE_ECLOSED, "control %s: the server ends", path);
    if (k->control != NULL)
        return kp_server_fail(k, -EEXIST, "control %s: there is a control socket already",
                              path);
    int len = snprintf(text, sizeof(text), "unix:%s", path);
    if (len >= (int)sizeof(text))
        return kp_server_fail(k, KELPIE_EADDRESS, "control: the path is too long: %s",
                              path);
    int rc = kp_address_parse(&address, text, why, sizeof(why));
    if (rc < 0)
        return kp_server_fail(k, rc, "control: %s", why);
    rc = open_control(k, &address, &cause);
    if (rc < 0)
        return kp_server_fail(k, rc, "control %s: %s", path,
                              cause != NULL ? cause : kelpie_strerror(rc));
    return 0;
}

void
kp_control_close(kelpie *k)
{
    struct kp_control *control = k->control;

    if (control == NULL)
        return;
    refuse_all(k);
    for (size_t i = 0; i < KP_CONTROL_CLIENTS; i++)
        if (control->clients[i].source.fd >= 0)
            kp_control_client_close(&control->clients[i]);
    kp_timer_cancel(&k->timers, &control->accept_timer);
    kp_loop_remove(&k->loop, &control->source);
    kp_unix_file_unlink(&control->file, &k->env);
    (void)kp_sys_close(&k->env.sys, control->source.fd);
    kp_unix_file_clear(&control->file, &k->env);
    kp_mem_free(&k->env.mem, control, sizeof(*control));
    k->control = NULL;
}
