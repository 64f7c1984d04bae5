/*
 * conns.c - all connections of a server: the table, and what a step owes them
 *
 * The table finds a connection by id (never reused; a map) and by number (the smallest free
 * one; an array). Four lists say who needs something, so that a step costs nothing for
 * those who do not:
 *
 *     fresh    opened, on_connect not called yet
 *     ready    has input to deliver or to read
 *     dirty    has output to write
 *     closed   on_disconnect is to be asked;  gone: its descriptor is to be closed
 *
 * A connection is in at most one of fresh, ready, closed and gone (node `work`), and may be
 * dirty besides. A phase first takes the whole list: what handlers add meanwhile comes with
 * the next step, so a phase ends, and it stays safe to close any connection from any hook,
 * because that only moves its node.
 */
#include "conns.h"

#include <errno.h>
#include <string.h>

#include "cast.h"
#include "conn_read.h"
#include "conn_write.h"
#include "connect.h"
#include "listener.h"
#include "room.h"
#include "transport.h"

/* ---- the table --------------------------------------------------------------------- */

/* Makes sure that a table has a place with that index. */
static int
ensure_place(struct kp_net *net, struct kelpie_conn ***at, size_t *capacity, size_t index)
{
    size_t old = *capacity;

    if (index < old)
        return 0;
    int rc = kp_mem_grow(&net->env->mem, at, capacity, index + 1, sizeof(**at));
    if (rc < 0)
        return rc;
    for (size_t i = old; i < *capacity; i++)
        (*at)[i] = NULL;
    return 0;
}

int
kp_conns_reserve(struct kp_net *net, uint32_t *out)
{
    struct kp_outbound *outbound = &net->outbound;
    uint32_t number;

    int rc = kp_numbers_take(&outbound->numbers, &number);
    if (rc < 0)
        return rc;
    rc = ensure_place(net, &outbound->at, &outbound->capacity, number);
    if (rc < 0) {
        kp_numbers_give(&outbound->numbers, number);
        return rc;
    }
    *out = number | KP_OUTBOUND_NUMBER;
    return 0;
}

void
kp_conns_give_back(struct kp_net *net, uint32_t number)
{
    if ((number & KP_OUTBOUND_NUMBER) != 0)
        kp_numbers_give(&net->outbound.numbers, number & ~KP_OUTBOUND_NUMBER);
    else
        kp_numbers_give(&net->numbers, number);
}

/* Takes a number for an accepted connection; an outbound one brings its own. */
static int
take_number(struct kelpie_conn *conn)
{
    struct kp_net *net = conn->net;

    if (conn->outbound)
        return 0;
    int rc = kp_numbers_take(&net->numbers, &conn->number);
    if (rc < 0)
        return rc;
    rc = ensure_place(net, &net->by_number, &net->by_number_capacity, conn->number);
    if (rc < 0)
        kp_numbers_give(&net->numbers, conn->number);
    return rc;
}

static struct kelpie_conn **
place_of(const struct kp_net *net, uint32_t number)
{
    uint32_t index = number & ~KP_OUTBOUND_NUMBER;

    if ((number & KP_OUTBOUND_NUMBER) != 0)
        return index < net->outbound.capacity ? &net->outbound.at[index] : NULL;
    return index < net->by_number_capacity ? &net->by_number[index] : NULL;
}

int
kp_conns_enter(struct kelpie_conn *conn)
{
    struct kp_net *net = conn->net;

    int rc = take_number(conn);
    if (rc < 0)
        return rc;
    /* Ids count up: nobody chooses them, and as they are they spread perfectly. */
    rc = kp_map_add(&net->by_id, &conn->by_id, net->last_id + 1);
    if (rc < 0) {
        kp_conns_give_back(net, conn->number);
        return rc;
    }
    conn->id = ++net->last_id;
    *place_of(net, conn->number) = conn;
    net->outbound.count += conn->outbound;
    return 0;
}

void
kp_conns_leave(struct kelpie_conn *conn)
{
    struct kp_net *net = conn->net;

    kp_map_remove(&net->by_id, &conn->by_id);
    *place_of(net, conn->number) = NULL;
    net->outbound.count -= conn->outbound;
    kp_conns_give_back(net, conn->number);
}

struct kelpie_conn *
kp_conns_at(const struct kp_net *net, uint32_t number)
{
    struct kelpie_conn **place = place_of(net, number);

    return place != NULL ? *place : NULL;
}

struct kelpie_conn *
kp_conns_walk(const struct kp_net *net, size_t *cursor)
{
    size_t n = net->by_number_capacity;

    while (*cursor < n + net->outbound.capacity) {
        size_t i = (*cursor)++;
        struct kelpie_conn *conn = i < n ? net->by_number[i] : net->outbound.at[i - n];
        if (conn != NULL)
            return conn;
    }
    return NULL;
}

struct kelpie_conn *
kp_conns_find(const struct kp_net *net, uint64_t id)
{
    struct kp_map_node *node = kp_map_first(&net->by_id, id);

    for (; node != NULL; node = kp_map_next(node)) {
        struct kelpie_conn *conn = kp_container_of(node, struct kelpie_conn, by_id);
        if (conn->id == id)
            return conn->state != KP_CONN_CLOSED ? conn : NULL;
    }
    return NULL;
}

struct kelpie_conn *
kp_conns_client(const struct kp_net *net, uint32_t number)
{
    struct kelpie_conn *conn = kp_conns_at(net, number);

    return conn != NULL && conn->announced && conn->state != KP_CONN_CLOSED ? conn : NULL;
}

struct kelpie_conn *
kp_conns_next(const struct kp_net *net, size_t *cursor)
{
    while (*cursor < net->by_number_capacity) {
        struct kelpie_conn *conn = net->by_number[(*cursor)++];
        if (conn != NULL && conn->announced && kp_conn_is_open(conn))
            return conn;
    }
    return NULL;
}

size_t
kp_conns_count(const struct kp_net *net)
{
    return net->by_id.count;
}

/* ---- the phases of a step ---------------------------------------------------------- */

static void
take_list(struct kp_node *local, struct kp_node *list)
{
    kp_list_init(local);
    kp_list_splice(local, list);
}

/* Puts back what is left, in front of what has come since. */
static void
put_back(struct kp_node *local, struct kp_node *list)
{
    kp_list_splice(local, list);
    kp_list_splice(list, local);
}

static struct kelpie_conn *
pop_work(struct kp_node *list)
{
    struct kp_node *node = kp_list_pop(list);

    return node == NULL ? NULL : kp_container_of(node, struct kelpie_conn, work);
}

static void
announce(struct kelpie_conn *conn)
{
    struct kp_net *net = conn->net;

    /* Closed before anybody knew it: it drains, and nobody hears of it. */
    if (!kp_conn_is_open(conn))
        return;
    conn->announced = true;
    conn->blocks &= ~(unsigned)KP_BLOCK_FRESH;
    net->hooks.on_connect(net->hooks.arg, conn);
    if (conn->state == KP_CONN_CLOSED)
        return;
    if (kp_transport_watch(conn, KP_READ) < 0)
        kp_conn_drop(conn, "out of memory", false);
}

void
kp_conns_announce(struct kp_net *net)
{
    struct kp_node fresh;
    struct kelpie_conn *conn;

    kp_connects_resolve(net);
    take_list(&fresh, &net->fresh);
    do { /* at least one, or slow timers would keep everybody out */
        if ((conn = pop_work(&fresh)) != NULL)
            announce(conn);
    } while (conn != NULL && !net->is_late);
    put_back(&fresh, &net->fresh);
}

/* Takes the first ones from a list, and reads ahead for them. Returns how many. */
static int
take_some(struct kp_net *net, struct kp_node *ready, struct kp_ahead *some)
{
    int max = net->is_late ? 1 : KP_AHEAD_MAX, n = 0;
    struct kelpie_conn *conn;

    while (n < max && (conn = pop_work(ready)) != NULL) {
        if (conn->turn_over) { /* who took long waits until what others get is written */
            conn->turn_over = false;
            kp_list_append(&net->ready, &conn->work);
            continue;
        }
        some[n] = (struct kp_ahead){conn, .bytes = net->ahead + n * KP_AHEAD_SIZE};
        kp_conn_read_ahead(&some[n++]);
    }
    return n;
}

/* At least the first one has its turn; who has not is in front of the others again. */
static void
serve_some(const struct kp_net *net, const struct kp_ahead *some, int n,
           struct kp_node *ready)
{
    struct kp_node rest;

    kp_list_init(&rest);
    for (int i = 0; i < n; i++) {
        struct kelpie_conn *conn = some[i].conn;
        if (i == 0 || !net->is_late) {
            kp_conn_serve(&some[i]);
            kp_conn_flush_much(conn);
            continue;
        }
        kp_conn_put_off(&some[i]);
        if (!kp_node_is_linked(&conn->work))
            kp_list_append(&rest, &conn->work);
    }
    put_back(&rest, ready);
}

void
kp_conns_deliver(struct kp_net *net)
{
    struct kp_ahead some[KP_AHEAD_MAX];
    struct kp_node ready;
    int n;

    take_list(&ready, &net->ready);
    do {
        n = take_some(net, &ready, some);
        serve_some(net, some, n, &ready);
    } while (n > 0 && !net->is_late);
    put_back(&ready, &net->ready);
}

/* Asks on_disconnect, unless it is not owed. A handler that ends inside the hook releases
 * the connection, which may put it on the closed list again. */
static void
notify(struct kelpie_conn *conn)
{
    struct kp_net *net = conn->net;

    if (conn->announced || conn->served)
        conn->told = net->hooks.on_disconnect(net->hooks.arg, conn, conn->reason);
    else
        conn->told = true;
    if (conn->told) {
        kp_room_leave_all(conn);
        kp_list_remove(&conn->work);
    }
    if (!kp_node_is_linked(&conn->work))
        kp_list_append(&net->gone, &conn->work);
}

void
kp_conns_notify(struct kp_net *net, uint64_t share_ns)
{
    struct kp_node closed;
    struct kelpie_conn *conn;

    uint64_t started_ns = 0; /* looked at when there is a second one */
    take_list(&closed, &net->closed);
    while ((conn = pop_work(&closed)) != NULL) {
        if (!kp_list_is_empty(&closed) && share_ns != KP_NEVER && started_ns == 0)
            started_ns = kp_sys_now_ns(&net->env->sys);
        notify(conn);
        if (started_ns != 0 && kp_sys_now_ns(&net->env->sys) - started_ns >= share_ns)
            break;
    }
    put_back(&closed, &net->closed);
}

void
kp_conns_flush(struct kp_net *net)
{
    struct kp_node dirty;

    kp_cast_settle(net);
    take_list(&dirty, &net->dirty);
    kp_conn_flush_turns(&dirty);
}

void
kp_conns_reap(struct kp_net *net)
{
    struct kp_node gone;
    struct kelpie_conn *conn;

    take_list(&gone, &net->gone);
    bool any = !kp_list_is_empty(&gone);
    while ((conn = pop_work(&gone)) != NULL) {
        kp_conn_close_fd(conn);
        if (conn->told)
            kp_conn_free(conn);
    }
    if (any || kp_listeners_need_resume(net))
        kp_listeners_resume(net);
}

bool
kp_conns_have_work(const struct kp_net *net)
{
    return !kp_list_is_empty(&net->fresh) || !kp_list_is_empty(&net->ready) ||
           !kp_list_is_empty(&net->dirty) || !kp_list_is_empty(&net->closed) ||
           !kp_list_is_empty(&net->gone) || kp_listeners_need_resume(net);
}

/* ---- all of them ------------------------------------------------------------------- */

void
kp_conns_close_all(struct kp_net *net, const char *reason)
{
    struct kelpie_conn *conn;
    size_t cursor = 0;

    while ((conn = kp_conns_walk(net, &cursor)) != NULL)
        kp_conn_close(conn, reason);
}

void
kp_conns_drop_all(struct kp_net *net, const char *reason)
{
    struct kelpie_conn *conn;
    size_t cursor = 0;

    while ((conn = kp_conns_walk(net, &cursor)) != NULL)
        kp_conn_drop(conn, reason, false);
}

int
kp_conns_broadcast(struct kp_net *net, const struct iovec *parts, int n_parts, bool wrap,
                   const struct kelpie_conn *except)
{
    struct kp_cast cast = {
        .net = net, .to = net, .parts = parts, .n_parts = n_parts, .wrap = wrap};
    struct kelpie_conn *conn;
    size_t cursor = 0;
    int rc = 0;

    while (rc == 0 && (conn = kp_conns_next(net, &cursor)) != NULL)
        if (conn != except)
            rc = kp_cast_to(&cast, conn);
    kp_cast_end(&cast);
    return cast.taken > 0 ? cast.taken : rc;
}
