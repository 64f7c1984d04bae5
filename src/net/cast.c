/*
 * cast.c - one message to many connections
 *
 * A message to a thousand connections is stored once: the chunk is counted, and every
 * outbox holds a reference. Connections with different framings need different bytes, so
 * there is one chunk for each framing met; should more than KP_CAST_COPIES alternate, the
 * last one is made anew, which is slower but not wrong.
 *
 * A burst is what is cast to the same ones, one message after the other, in one step. Its
 * messages are joined in one chunk, so that each outbox has one piece of it and not one for
 * each message:
 *
 *     chunk      [ first | second | third | room ... ]
 *     outbox 1   refers to all of it; 2 as well; 3, which did not get the second, has two pieces
 *
 * So the usual member costs next to nothing (kp_cast_to): it is open, its framing is that of
 * the one before, its outbox ends where the message begins, and no limit is near. Everybody
 * else takes the long way; so do all of them with the first message of a chunk, and the first
 * one with each message, for whom it is stored.
 *
 * How large the chunk is to be is learned from the burst before: alone, a message gets no
 * more than it needs. A burst that outgrows its chunk goes on in one that is as large as all
 * before it. kp_cast_settle ends it before the outboxes are written.
 *
 * Casting only queues. No handler runs and no connection is freed inside, so whoever walks
 * a list of connections may simply walk it: who left is no longer in it, who joins later
 * was not. Memory that lacks for one outbox costs that one connection the message, like a
 * full outbox; memory that lacks for the message itself costs it everybody.
 */
#include "cast.h"

#include <errno.h>

#include "wrap.h"

/* Messages beyond this are not joined: writing them costs more than their pieces. */
#define BURST_MAX 16384

/* ---- bursts ---- */

static void
let_go(struct kp_net *net, struct kp_chunk **chunk)
{
    if (*chunk != NULL)
        kp_chunk_release(&net->env->mem, *chunk);
    *chunk = NULL;
}

void
kp_cast_settle(struct kp_net *net)
{
    struct kp_burst *burst = &net->burst;

    let_go(net, &burst->chunk);
    if (burst->n_casts > 0)
        burst->expected = burst->n_casts > 1 ? burst->len : 0;
    burst->len = 0;
    burst->n_casts = 0;
}

static bool
is_same(const struct kp_burst *burst, const struct kp_cast *cast,
        const struct kp_framing *framing)
{
    return burst->to == cast->to && burst->wrap == cast->wrap &&
           (!cast->wrap || kp_framing_equal(&burst->framing, framing));
}

/* Makes it the burst of this cast: the one that goes on, or another one. */
static struct kp_burst *
choose_burst(const struct kp_cast *cast, const struct kp_framing *framing)
{
    struct kp_burst *burst = &cast->net->burst;

    if (is_same(burst, cast, framing))
        return burst;
    let_go(cast->net, &burst->chunk);
    *burst = (struct kp_burst){.to = cast->to, .framing = *framing, .wrap = cast->wrap};
    return burst;
}

/* How large a chunk is to be that begins with len bytes of a burst. */
static size_t
choose_capacity(const struct kp_burst *burst, size_t len)
{
    size_t want = burst->n_casts > 0 ? burst->len + len : burst->expected;

    if (want > BURST_MAX)
        want = BURST_MAX;
    return len > want ? len : want;
}

/* Makes room for len bytes behind what was cast before, or in a chunk of their own, which is
 * the burst's then. Returns NULL when there is no memory. */
static unsigned char *
grow_burst(struct kp_net *net, struct kp_burst *burst, size_t len)
{
    unsigned char *bytes = burst->chunk != NULL ? kp_chunk_grow(burst->chunk, len) : NULL;

    if (bytes != NULL)
        return bytes;
    struct kp_chunk *chunk = kp_chunk_new(&net->env->mem, choose_capacity(burst, len));
    if (chunk == NULL)
        return NULL;
    let_go(net, &burst->chunk);
    burst->chunk = chunk;
    return kp_chunk_grow(chunk, len);
}

static int
store(struct kp_cast *cast, const struct kp_framing *framing, const struct kp_wrap *wrap,
      struct kp_cast_copy *out)
{
    struct kp_burst *burst = choose_burst(cast, framing);
    unsigned char *bytes = grow_burst(cast->net, burst, wrap->len);

    if (bytes == NULL)
        return -ENOMEM;
    kp_wrap_copy(wrap, bytes);
    burst->len += wrap->len;
    burst->n_casts++;
    burst->chunk->refs++;
    out->chunk = burst->chunk;
    out->start = burst->chunk->len - wrap->len;
    out->headroom = kp_conn_headroom(cast->net, wrap->len);
    return 0;
}

/* ---- copies ---- */

static int
make_copy(struct kp_cast *cast, const struct kp_framing *framing,
          struct kp_cast_copy *out)
{
    struct kp_wrap wrap;

    *out = (struct kp_cast_copy){.framing = *framing};
    if (kp_wrap_init(&wrap, cast->wrap ? framing : NULL, cast->parts, cast->n_parts) < 0)
        return 0; /* it does not fit */
    return store(cast, framing, &wrap, out);
}

static struct kp_cast_copy *
find_copy(struct kp_cast *cast, const struct kp_framing *framing)
{
    for (int i = 0; i < cast->n_copies; i++)
        if (!cast->wrap || kp_framing_equal(&cast->copies[i].framing, framing))
            return &cast->copies[i];
    return NULL;
}

/* Makes the bytes for another framing: once for most casts. */
static KP_SELDOM int
add_copy(struct kp_cast *cast, const struct kp_framing *framing,
         struct kp_cast_copy **out)
{
    struct kp_cast_copy copy;

    int rc = make_copy(cast, framing, &copy);
    if (rc < 0)
        return rc;
    if (cast->n_copies < KP_CAST_COPIES)
        cast->n_copies++;
    else
        let_go(cast->net, &cast->copies[KP_CAST_COPIES - 1].chunk);
    *out = &cast->copies[cast->n_copies - 1];
    **out = copy;
    return 0;
}

int
kp_cast_with_care(struct kp_cast *cast, struct kelpie_conn *conn)
{
    if (!kp_conn_is_open(conn))
        return 0;
    struct kp_cast_copy *copy = find_copy(cast, &conn->framing);
    if (copy == NULL) {
        int rc = add_copy(cast, &conn->framing, &copy);
        if (rc < 0)
            return rc;
    }
    cast->last = copy->start > 0 ? copy : NULL; /* no outbox ends where a chunk begins */
    if (copy->chunk == NULL || kp_conn_write_chunk(conn, copy->chunk, copy->start) < 0) {
        cast->net->counters.broadcast_skipped++;
        return 0;
    }
    cast->taken++;
    return 0;
}

void
kp_cast_end(struct kp_cast *cast)
{
    if (cast->wrap && cast->taken > 0) /* a room may have survived its net */
        cast->net->counters.messages_out += (uint64_t)cast->taken;
    for (int i = 0; i < cast->n_copies; i++)
        let_go(cast->net, &cast->copies[i].chunk);
    cast->n_copies = 0;
}
