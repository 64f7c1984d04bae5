/*
 * far.c - the far ends of a server's connections, without sockets
 *
 * A client is a detached connection (kelpie_detached); what a script connects to is one that
 * the server asks for (kelpie_options.connect), as soon as a test has said that something is
 * there. In both cases what the server sends is collected until the test looks at it. A far
 * end stays when its connection has gone: a test may still ask for what it had heard.
 */
#include "far.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a script can connect to. */
struct kt_upstream {
    char *address;
    bool is_open;
};

void
kt_text_append(struct kt_text *text, const void *bytes, size_t len)
{
    if (len > text->capacity - text->len) {
        size_t capacity = 2 * (text->len + len);
        char *grown = realloc(text->bytes, capacity);
        if (grown == NULL) {
            text->is_short = true;
            return;
        }
        text->bytes = grown;
        text->capacity = capacity;
    }
    if (len > 0)
        memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

/* ---- what the server calls ---------------------------------------------------------- */

static size_t
on_write(void *arg, const void *bytes, size_t len)
{
    struct kt_far_end *end = arg;

    if (end->is_paused)
        return 0;
    kt_text_append(&end->output, bytes, len);
    return len;
}

static void
on_closed(void *arg, const char *reason)
{
    struct kt_far_end *end = arg;

    end->conn = NULL;
    end->is_finished = true;
    snprintf(end->reason, sizeof(end->reason), "%s", reason);
}

static void
on_opened(void *arg, kelpie_conn *conn)
{
    struct kt_far_end *end = arg;

    end->conn = conn;
}

static void
on_finished(void *arg)
{
    struct kt_far_end *end = arg;

    end->is_finished = true;
}

/* ---- ends ---------------------------------------------------------------------------- */

/* Returns NULL when there is no memory. */
static struct kt_far_end *
add_end(struct kt_far *far)
{
    struct kt_far_end **ends =
        realloc(far->ends, (far->n_ends + 1) * sizeof(struct kt_far_end *));

    if (ends == NULL)
        return NULL;
    far->ends = ends;
    struct kt_far_end *end = calloc(1, sizeof(*end));
    if (end == NULL)
        return NULL;
    end->upstream = -1;
    far->ends[far->n_ends++] = end;
    return end;
}

static int
find_upstream(const struct kt_far *far, const char *address)
{
    for (int i = 0; i < far->n_upstreams; i++)
        if (strcmp(far->upstreams[i].address, address) == 0)
            return i;
    return -1;
}

void
kt_far_clear(struct kt_far *far)
{
    for (size_t i = 0; i < far->n_ends; i++) {
        free(far->ends[i]->output.bytes);
        free(far->ends[i]);
    }
    free(far->ends);
    for (int i = 0; i < far->n_upstreams; i++)
        free(far->upstreams[i].address);
    free(far->upstreams);
    *far = (struct kt_far){.ends = NULL};
}

/* ---- clients -------------------------------------------------------------------------- */

int
kt_far_connect(struct kt_far *far, kelpie *k, const char *listener)
{
    static const struct kelpie_transport transport = {.size = sizeof(transport),
                                                      .write = on_write,
                                                      .closed = on_closed,
                                                      .finished = on_finished};
    struct kt_far_end *end = add_end(far);

    return end != NULL ? kelpie_detached(k, listener, &transport, end, &end->conn)
                       : -ENOMEM;
}

/* ---- what scripts connect to ------------------------------------------------------------ */

int
kt_far_on_connect(void *arg, const char *address, struct kelpie_transport *out,
                  void **transport_arg)
{
    struct kt_far *far = arg;
    int upstream = find_upstream(far, address);

    if (upstream < 0 || !far->upstreams[upstream].is_open)
        return -ECONNREFUSED;
    struct kt_far_end *end = add_end(far);
    if (end == NULL)
        return -ENOMEM;
    end->upstream = upstream;
    out->write = on_write;
    out->closed = on_closed;
    out->opened = on_opened;
    out->finished = on_finished;
    *transport_arg = end;
    return 1;
}

static int
add_upstream(struct kt_far *far, const char *address)
{
    size_t n = (size_t)far->n_upstreams + 1;
    struct kt_upstream *grown = realloc(far->upstreams, n * sizeof(*grown));

    if (grown == NULL)
        return -ENOMEM;
    far->upstreams = grown;
    grown[n - 1].address = strdup(address);
    if (grown[n - 1].address == NULL)
        return -ENOMEM;
    return far->n_upstreams++;
}

int
kt_far_upstream(struct kt_far *far, const char *address, bool is_open)
{
    int number = find_upstream(far, address);

    if (number < 0)
        number = add_upstream(far, address);
    if (number >= 0)
        far->upstreams[number].is_open = is_open;
    return number;
}

int
kt_far_accept(struct kt_far *far, int upstream)
{
    for (size_t i = 0; i < far->n_ends; i++) {
        struct kt_far_end *end = far->ends[i];
        if (end->upstream == upstream && (end->conn != NULL || end->is_finished)) {
            end->upstream = -1;
            return (int)i;
        }
    }
    return -1;
}
