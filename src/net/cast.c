/*
 * cast.c - one message to many connections
 *
 * A message to a thousand connections is stored once: the chunk is counted, and every
 * outbox holds a reference. Connections with different framings need different bytes, so
 * there is one chunk for each framing met; should more than KP_CAST_COPIES alternate, the
 * last one is made anew, which is slower but not wrong.
 *
 * Casting only queues. No handler runs and no connection is freed inside, so whoever walks
 * a list of connections may simply walk it: who left is no longer in it, who joins later
 * was not. Memory that lacks for one outbox costs that one connection the message, like a
 * full outbox; memory that lacks for the message itself costs it everybody.
 */
#include "cast.h"

#include <errno.h>

#include "wrap.h"

static int
make_chunk(struct kp_cast *cast, const struct kp_framing *framing, struct kp_chunk **out)
{
    struct kp_mem *mem = &cast->net->env->mem;
    struct kp_wrap wrap;

    *out = NULL;
    int rc = kp_wrap_init(&wrap, mem, framing, cast->parts, cast->n_parts);
    if (rc == KELPIE_EPROTO || rc == KELPIE_EFULL)
        return 0;
    if (rc < 0)
        return rc;
    *out = kp_chunk_new(mem, wrap.parts, wrap.n_parts);
    kp_wrap_clear(&wrap, mem);
    return *out != NULL ? 0 : -ENOMEM;
}

static struct kp_cast_copy *
find_copy(struct kp_cast *cast, const struct kp_framing *framing)
{
    for (int i = 0; i < cast->n_copies; i++)
        if (!cast->wrap || kp_framing_equal(&cast->copies[i].framing, framing))
            return &cast->copies[i];
    return NULL;
}

static int
add_copy(struct kp_cast *cast, const struct kp_framing *framing,
         struct kp_cast_copy **out)
{
    struct kp_chunk *chunk;

    int rc = make_chunk(cast, cast->wrap ? framing : NULL, &chunk);
    if (rc < 0)
        return rc;
    if (cast->n_copies < KP_CAST_COPIES)
        cast->n_copies++;
    else if (cast->copies[KP_CAST_COPIES - 1].chunk != NULL)
        kp_chunk_release(&cast->net->env->mem, cast->copies[KP_CAST_COPIES - 1].chunk);
    *out = &cast->copies[cast->n_copies - 1];
    (*out)->framing = *framing;
    (*out)->chunk = chunk;
    return 0;
}

int
kp_cast_to(struct kp_cast *cast, struct kelpie_conn *conn)
{
    if (!kp_conn_is_open(conn))
        return 0;
    struct kp_cast_copy *copy = find_copy(cast, &conn->framing);
    if (copy == NULL) {
        int rc = add_copy(cast, &conn->framing, &copy);
        if (rc < 0)
            return rc;
    }
    if (copy->chunk == NULL || kp_conn_write_chunk(conn, copy->chunk) < 0) {
        cast->net->counters.broadcast_skipped++;
        return 0;
    }
    if (cast->wrap)
        cast->net->counters.messages_out++;
    cast->taken++;
    return 0;
}

void
kp_cast_end(struct kp_cast *cast)
{
    for (int i = 0; i < cast->n_copies; i++)
        if (cast->copies[i].chunk != NULL)
            kp_chunk_release(&cast->net->env->mem, cast->copies[i].chunk);
    cast->n_copies = 0;
}
