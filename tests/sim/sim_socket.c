/*
 * sim_socket.c - connections of the simulated kernel, seen from both of their ends
 *
 *     client                  link                      server
 *     sim_link_send     ->  [ to_server ]  ->           sim_recv
 *     sim_link_recv     <-  [ to_client ]  <-           sim_send
 *
 * An end that is over in one direction (fin) is told behind the bytes. A reset is told before
 * them, and what is on its way may be lost or not: both is seen on real systems, so the seed
 * says which. Closing over unread bytes is a reset, as is sending to someone who has closed.
 *
 * The server's first call after a reset says ECONNRESET; the next ones 0 or EPIPE. When the
 * event has told the error already, it may be gone from the socket: that is in sim_kqueue.c.
 */
#include "sim_kernel.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <sys/event.h>

static void
put(struct sim_kernel *kernel, struct kp_buf *buf, const void *bytes, size_t len)
{
    if (len > 0 && kp_buf_append(buf, &kernel->mem, bytes, len) < 0)
        abort(); /* the simulation's own memory */
    kernel->progress += len;
}

static size_t
take(struct sim_kernel *kernel, struct kp_buf *buf, void *bytes, size_t len)
{
    size_t n = kp_buf_len(buf) < len ? kp_buf_len(buf) : len;

    if (n > 0)
        memcpy(bytes, kp_buf_bytes(buf), n);
    kp_buf_consume(buf, &kernel->mem, n);
    kernel->progress += n;
    return n;
}

static size_t
room_of(const struct kp_buf *buf, size_t size)
{
    return kp_buf_len(buf) < size ? size - kp_buf_len(buf) : 0;
}

/* ---- readiness --------------------------------------------------------------------- */

void
sim_link_changed(struct sim_kernel *kernel, struct sim_link *link, bool can_read,
                 bool can_write)
{
    kernel->progress++;
    if (link->fd < 0)
        return;
    struct channel *channel = &kernel->fds[link->fd].channel;
    channel->n_unread = (int)kp_buf_len(&link->to_server);
    channel->is_peer_open = !link->client_fin && !link->reset;
    channel->is_full = !link->reset && !link->client_gone &&
                       room_of(&link->to_client, link->client_room) == 0;
    if (can_read)
        model_owe(channel, EVFILT_READ);
    if (can_write)
        model_owe(channel, EVFILT_WRITE);
    model_forgive(channel);
}

void
sim_listener_changed(struct sim_kernel *kernel)
{
    if (kernel->listener >= 0)
        kernel->fds[kernel->listener].channel.n_unread = kernel->n_backlog;
}

/* The connection dies; who has caused it does not hear of it. */
static void
kill_link(struct sim_kernel *kernel, struct sim_link *link, bool tell_client)
{
    if (link->reset)
        return;
    link->reset = true;
    link->error = ECONNRESET;
    link->client_was_reset = tell_client;
    if (sim_chance(kernel->random, 128))
        kp_buf_clear(&link->to_server, &kernel->mem);
    if (sim_chance(kernel->random, 128))
        kp_buf_clear(&link->to_client, &kernel->mem);
    sim_link_changed(kernel, link, true, true);
}

/* ---- the server's end -------------------------------------------------------------- */

/* What accept says of a client that has gone while it waited: by system. */
static bool
is_lost(struct sim_kernel *kernel, int index)
{
    struct sim_link *link = &kernel->links[index];

    if (!link->reset || sim_chance(kernel->random, 128))
        return false;
    link->server_gone = true;
    return true;
}

static int
accept_fault(struct sim_kernel *kernel)
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EAGAIN};

    if (!sim_fails(kernel, kernel->faults.accept))
        return 0;
    return errors[sim_below(kernel->random, sizeof(errors) / sizeof(errors[0]))];
}

int
sim_accept(struct sim_kernel *kernel, struct sockaddr *addr, socklen_t *len)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    int error = accept_fault(kernel);

    if (kernel->n_backlog == 0)
        return -EAGAIN;
    if (error != 0)
        return -error;
    int index = kernel->backlog[0];
    int fd = sim_fd_new(kernel, SIM_STREAM, index);
    if (fd < 0)
        return fd;
    kernel->n_backlog--;
    memmove(kernel->backlog, kernel->backlog + 1,
            (size_t)kernel->n_backlog * sizeof(kernel->backlog[0]));
    sim_listener_changed(kernel);
    if (is_lost(kernel, index)) {
        memset(&kernel->fds[fd], 0, sizeof(kernel->fds[fd]));
        return -ECONNABORTED;
    }
    kernel->links[index].fd = fd;
    kernel->links[index].accepted = true;
    in.sin_port = htons((uint16_t)(SIM_FIRST_PORT + index));
    in.sin_addr.s_addr = htonl(0x0a000001 + (uint32_t)index % 3);
    if (addr != NULL && *len >= sizeof(in)) {
        memcpy(addr, &in, sizeof(in));
        *len = sizeof(in);
    }
    sim_link_changed(kernel, &kernel->links[index], false, false);
    sim_trace(kernel, "  accept link %d: fd %d", index, fd);
    return fd;
}

static int
take_error(struct sim_link *link)
{
    int error = link->error;

    link->error = 0;
    return error;
}

ssize_t
sim_recv(struct sim_kernel *kernel, struct sim_link *link, void *buf, size_t len)
{
    size_t there = kp_buf_len(&link->to_server);

    if (there == 0 && link->reset)
        return -take_error(link);
    if (there == 0)
        return link->client_fin ? 0 : -EAGAIN;
    if (sim_fails(kernel, kernel->faults.again)) {
        /* The readiness that was told of is not gone; so it is told once more. */
        sim_link_changed(kernel, link, true, false);
        return -EAGAIN;
    }
    if (len > 1 && sim_fails(kernel, kernel->faults.cut)) {
        /* A short read means that there is no more, unless an event follows. */
        len = sim_between(kernel->random, 1, len < 8 ? (uint32_t)len : 8);
        size_t n = take(kernel, &link->to_server, buf, len);
        sim_link_changed(kernel, link, true, false);
        return (ssize_t)n;
    }
    size_t n = take(kernel, &link->to_server, buf, len);
    sim_link_changed(kernel, link, false, false);
    return (ssize_t)n;
}

static ssize_t
send_fault(struct sim_kernel *kernel, struct sim_link *link)
{
    if (sim_fails(kernel, kernel->faults.no_buffers))
        return sim_chance(kernel->random, 192) ? -ENOBUFS : -ENOMEM;
    if (sim_fails(kernel, kernel->faults.again)) {
        sim_link_changed(kernel, link, false, true);
        return -EAGAIN;
    }
    return 0;
}

static size_t
gather(struct sim_kernel *kernel, struct sim_link *link, const struct iovec *iov,
       int n_iov, size_t limit)
{
    size_t total = 0;

    for (int i = 0; i < n_iov && total < limit; i++) {
        size_t n = iov[i].iov_len < limit - total ? iov[i].iov_len : limit - total;
        if (!link->client_gone)
            put(kernel, &link->to_client, iov[i].iov_base, n);
        total += n;
    }
    return total;
}

ssize_t
sim_send(struct sim_kernel *kernel, struct sim_link *link, const struct iovec *iov,
         int n_iov)
{
    size_t limit =
        link->client_gone ? SIZE_MAX : room_of(&link->to_client, link->client_room);

    if (link->server_fin)
        sim_violate(kernel, "send after shutdown");
    if (link->reset)
        return link->error != 0 ? -take_error(link) : -EPIPE;
    ssize_t fault = send_fault(kernel, link);
    if (fault < 0)
        return fault;
    if (limit == 0) {
        link->wants_room = true;
        return -EAGAIN;
    }
    if (limit > 1 && sim_fails(kernel, kernel->faults.cut))
        limit = sim_between(kernel->random, 1, limit < 8 ? (uint32_t)limit : 8);
    size_t n = gather(kernel, link, iov, n_iov, limit);
    link->server_wrote += n;
    if (room_of(&link->to_client, link->client_room) == 0)
        link->wants_room = true;
    sim_link_changed(kernel, link, false, false);
    if (link->client_gone)
        kill_link(kernel, link, false);
    return (ssize_t)n;
}

int
sim_shutdown(struct sim_kernel *kernel, struct sim_link *link)
{
    if (link->reset)
        return -ENOTCONN;
    link->server_fin = true;
    kernel->progress++;
    return 0;
}

void
sim_close_stream(struct sim_kernel *kernel, struct sim_link *link)
{
    bool is_rude = link->lingers_not || kp_buf_len(&link->to_server) > 0;

    link->cut_off = is_rude && !link->lingers_not && !link->server_fin &&
                    !link->client_gone && kp_buf_len(&link->to_client) > 0;
    kernel->progress++;
    link->fd = -1;
    link->server_gone = true;
    link->server_fin = true;
    if (link->lingers_not)
        kp_buf_clear(&link->to_client, &kernel->mem);
    if (is_rude && !link->client_gone)
        kill_link(kernel, link, true);
}

/* ---- the client's end -------------------------------------------------------------- */

int
sim_link_connect(struct sim_kernel *kernel)
{
    if (kernel->listener < 0 || kernel->n_backlog == SIM_BACKLOG ||
        kernel->n_links == SIM_MAX_LINKS)
        return -1;
    int index = kernel->n_links++;
    kernel->links[index] = (struct sim_link){
        .fd = -1,
        .server_room = sim_between(kernel->random, 1, (uint32_t)kernel->client_bytes),
        .client_room = sim_between(kernel->random, 1, (uint32_t)kernel->client_bytes)};
    kernel->backlog[kernel->n_backlog++] = index;
    sim_listener_changed(kernel);
    kernel->progress++;
    return index;
}

ssize_t
sim_link_send(struct sim_kernel *kernel, int index, const void *bytes, size_t len)
{
    struct sim_link *link = &kernel->links[index];
    size_t room = room_of(&link->to_server, link->server_room);

    if (link->reset)
        return -ECONNRESET;
    if (link->server_gone) {
        kill_link(kernel, link, true);
        return (ssize_t)len;
    }
    if (room == 0)
        return -EAGAIN;
    if (len > room)
        len = room;
    put(kernel, &link->to_server, bytes, len);
    sim_link_changed(kernel, link, true, false);
    return (ssize_t)len;
}

ssize_t
sim_link_recv(struct sim_kernel *kernel, int index, void *bytes, size_t len)
{
    struct sim_link *link = &kernel->links[index];
    size_t n = take(kernel, &link->to_client, bytes, len);

    if (n == 0 && link->client_was_reset)
        return -ECONNRESET;
    if (n == 0)
        return link->server_fin ? 0 : -EAGAIN;
    /* Who was refused is told of the room, at once or when there is enough of it. */
    size_t room = room_of(&link->to_client, link->client_room);
    bool is_enough = room >= (link->client_room + 2) / 3;
    bool tells = link->wants_room && is_enough;
    if (tells)
        link->wants_room = false;
    sim_link_changed(kernel, link, false, tells);
    return (ssize_t)n;
}

void
sim_link_half_close(struct sim_kernel *kernel, int index)
{
    struct sim_link *link = &kernel->links[index];

    if (link->client_fin || link->reset)
        return;
    link->client_fin = true;
    sim_link_changed(kernel, link, true, false);
}

void
sim_link_reset(struct sim_kernel *kernel, int index)
{
    struct sim_link *link = &kernel->links[index];

    link->client_fin = link->client_gone = true;
    kill_link(kernel, link, false);
}

void
sim_link_close(struct sim_kernel *kernel, int index)
{
    struct sim_link *link = &kernel->links[index];

    if (kp_buf_len(&link->to_client) > 0) {
        sim_link_reset(kernel, index);
        return;
    }
    link->client_gone = true;
    link->client_fin = true;
    sim_link_changed(kernel, link, true, true);
}
