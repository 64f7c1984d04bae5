/*
 * control_client.c - one client of the control socket: its lines and its answers
 *
 * A client is a place in an array (control.h). Its lines are obeyed one after the other;
 * behind one that waits for a reload the others wait, unread, so that its input stays
 * bounded as its output does. As with connections, no descriptor is closed inside a batch: a
 * client is marked as gone (drop), and reaped at the end of the step.
 */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- what clients read ---------------------------------------------------------------- */

/* No event reaches it any more; its descriptor is closed at the end of the step. */
static void
drop(struct kp_control_client *client)
{
    kp_loop_remove(&client->control->k->loop, &client->source);
    client->is_gone = true;
    client->ask = KP_ASK_NOTHING;
}

void
kp_control_put(struct kp_control_client *client, const void *bytes, size_t len)
{
    struct kp_env *env = &client->control->k->env;

    if (client->is_gone)
        return;
    bool is_full = kp_buf_len(&client->out) + len > KP_CONTROL_OUT;
    if (!is_full && kp_buf_append(&client->out, &env->mem, bytes, len) == 0)
        return;
    kp_log_write(&env->log, KELPIE_LOG_WARN, "control: a client was dropped: %s",
                 is_full ? "it does not read its answers" : "out of memory");
    drop(client);
}

/* Escapes in pieces, so that a line may be of any length. */
static void
put_escaped(struct kp_control_client *client, const char *text, size_t len)
{
    char escaped[4 * 128 + 8];

    for (size_t n; len > 0; text += n, len -= n) {
        n = len < 128 ? len : 128;
        kp_control_put(client, escaped, kp_log_escape(escaped, sizeof(escaped), text, n));
    }
}

void
kp_control_say(struct kp_control_client *client, const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    put_escaped(client, line, strlen(line));
    kp_control_put(client, "\n", 1);
}

void
kp_control_text(struct kp_control_client *client, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");

        kp_control_put(client, " ", 1);
        kp_control_put(client, text, len);
        kp_control_put(client, "\n", 1);
        text += text[len] == '\n' ? len + 1 : len;
    }
}

/* Sends what can be sent. */
static void
flush(struct kp_control_client *client)
{
    kelpie *k = client->control->k;
    size_t len = kp_buf_len(&client->out);

    if (client->is_gone)
        return;
    if (len > 0) {
        /* The bytes are only read; struct iovec has no const. */
        struct iovec iov = {.iov_base = client->out.data + client->out.start,
                            .iov_len = len};
        ssize_t n = kp_sys_send(&k->env.sys, client->source.fd, &iov, 1);
        if (n > 0)
            kp_buf_consume(&client->out, &k->env.mem, (size_t)n);
        else if (n != -EAGAIN) {
            drop(client);
            return;
        }
    }
    bool is_waiting = kp_buf_len(&client->out) > 0;
    if (kp_loop_watch(&k->loop, &client->source, KP_WRITE, is_waiting ? KP_LEVEL : KP_OFF,
                      0) < 0)
        drop(client);
    else if (client->is_ended && !is_waiting && client->ask == KP_ASK_NOTHING)
        drop(client);
}

/* ---- what clients write --------------------------------------------------------------- */

/* Takes the first line out of the input, into line. At the end of the input, what is left is
 * a line. */
static bool
take_line(struct kp_control_client *client, char line[KP_CONTROL_LINE])
{
    const char *newline = memchr(client->in, '\n', client->n_in);
    size_t len = newline != NULL ? (size_t)(newline - client->in) : client->n_in;

    if (client->n_in == 0 || (newline == NULL && !client->is_ended))
        return false;
    memcpy(line, client->in, len);
    line[len] = '\0';
    client->n_in -= newline != NULL ? len + 1 : len;
    memmove(client->in, client->in + len + 1, client->n_in);
    return true;
}

static void
obey_lines(struct kp_control_client *client)
{
    char line[KP_CONTROL_LINE];

    while (client->ask == KP_ASK_NOTHING && !client->is_gone && take_line(client, line))
        kp_control_obey(client, line);
    /* One place is for the NUL that ends a last line without newline. */
    if (!client->is_gone && client->n_in >= KP_CONTROL_LINE - 1 &&
        client->ask == KP_ASK_NOTHING) {
        kp_control_say(client, "error too long: a command has at most %d bytes",
                       KP_CONTROL_LINE - 2);
        client->n_in = 0;
        client->is_ended = true;
    }
}

/* Reads only while nothing is being waited for: then the input stays bounded. */
static void
watch_input(struct kp_control_client *client)
{
    bool wants = !client->is_ended && client->ask == KP_ASK_NOTHING;

    if (!client->is_gone && kp_loop_watch(&client->control->k->loop, &client->source,
                                          KP_READ, wants ? KP_LEVEL : KP_OFF, 0) < 0)
        drop(client);
}

static void
read_input(struct kp_control_client *client)
{
    struct kp_sys *sys = &client->control->k->env.sys;
    size_t room = KP_CONTROL_LINE - 1 - client->n_in;

    ssize_t n = kp_sys_recv(sys, client->source.fd, client->in + client->n_in, room);
    if (n == -EAGAIN)
        return;
    if (n < 0) {
        drop(client);
        return;
    }
    if (n == 0)
        client->is_ended = true;
    client->n_in += (size_t)n;
    obey_lines(client);
}

static void
on_client_event(void *arg, const struct kp_event *event)
{
    struct kp_control_client *client = arg;

    if (event->watch_failed)
        drop(client);
    else if (event->filter == KP_READ)
        read_input(client);
    /* KP_WRITE: the end of the step sends. */
}

/* ---- its life ------------------------------------------------------------------------- */

int
kp_control_client_open(struct kp_control_client *client, struct kp_control *control,
                       int fd)
{
    memset(client, 0, sizeof(*client));
    client->control = control;
    kp_source_init(&client->source);
    int rc = kp_loop_add(&control->k->loop, &client->source, fd, on_client_event, client);
    if (rc < 0)
        client->source.fd = -1;
    else
        watch_input(client);
    return rc;
}

static void
reap(struct kp_control_client *client)
{
    struct kp_env *env = &client->control->k->env;

    (void)kp_sys_close(&env->sys, client->source.fd);
    client->source.fd = -1;
    kp_buf_clear(&client->out, &env->mem);
}

void
kp_control_client_serve(struct kp_control_client *client)
{
    obey_lines(client);
    watch_input(client);
    flush(client);
    if (client->is_gone)
        reap(client);
}

void
kp_control_client_close(struct kp_control_client *client)
{
    flush(client);
    kp_loop_remove(&client->control->k->loop, &client->source);
    reap(client);
}
