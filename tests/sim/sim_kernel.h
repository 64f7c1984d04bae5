/*
 * sim_kernel.h - a kernel that exists only in memory, behind struct kp_sys_calls
 *
 * A table of descriptors, stream connections with bounded buffers, one kqueue, a pipe, a few
 * files and a clock. Everything that a real kernel may decide as it likes is decided by the
 * seed: how much a call takes, in which order events come, when a call is interrupted, when
 * there is no memory. Descriptor numbers are reused at once, the smallest first.
 *
 * A link is a connection with both of its ends. The server's end is a descriptor; a client
 * acts on its own end through sim_link_*, which are not system calls and never fail by chance.
 *
 * What a correct server never does is a violation: a call on a descriptor that is not open,
 * a kevent for one. The first violation stays in `violation`.
 */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/env.h"
#include "kevent_model.h"
#include "sim_random.h"

enum {
    SIM_MAX_FDS = 48,
    SIM_MAX_LINKS = 32,
    SIM_MAX_FILES = 3,
    SIM_BACKLOG = 4,
    SIM_FIRST_PORT = 20000, /* of link 0; link n has this + n */
};

enum sim_kind {
    SIM_CLOSED,
    SIM_NULL,   /* /dev/null */
    SIM_FILE,   /* .index of files */
    SIM_KQUEUE, /* the only one */
    SIM_PIPE_OUT,
    SIM_PIPE_IN,
    SIM_PLAIN, /* a socket that is nothing yet */
    SIM_LISTENER,
    SIM_STREAM, /* .index of links */
    SIM_DEVICE, /* the host's */
};

struct sim_fd {
    enum sim_kind kind;
    int index;
    size_t offset;          /* in a file */
    struct channel channel; /* its two knotes, and what their conditions are made of */
    void *udata[2];         /* of the knotes: read, write */
    unsigned skipped[2];    /* calls that could have reported it and did not */
};

struct sim_link {
    struct kp_buf to_server, to_client; /* written and not read yet */
    size_t server_room, client_room;    /* how many bytes they may hold */
    int fd;                             /* the server's; -1: not accepted, or closed */
    bool accepted;
    bool client_fin;       /* the client sends no more */
    bool client_gone;      /* it has closed */
    bool server_fin;       /* the server sends no more */
    bool server_gone;      /* it has closed */
    bool reset;            /* the connection is dead */
    bool client_was_reset; /* and the client is to be told */
    bool lingers_not;      /* SO_LINGER 0: close is a reset */
    bool cut_off;          /* closed over unread input, with bytes still on their way */
    bool wants_room;       /* a send was refused or cut: tell when there is room */
    int error;             /* what the server's next call says */
    size_t server_wrote;   /* bytes, all in all */
};

struct sim_file {
    const char *path;
    const char *text; /* NULL: there is no such file */
    size_t len;
    uint64_t version; /* its inode and time */
};

/* How likely, out of 256, a call goes wrong. */
struct sim_faults {
    unsigned accept, cut, again, interrupted, no_buffers, broken, no_memory, open,
        spurious;
};

struct sim_kernel {
    struct sim_random *random;
    struct kp_mem mem; /* the simulation's own */
    struct sim_faults faults;
    bool is_calm; /* nothing goes wrong any more */
    bool has_trace;

    uint64_t now_ns;
    uint64_t nap_ns;  /* a wait is ended by something else after at most so long */
    unsigned tick_ns; /* a look at the clock takes up to so long */

    struct sim_fd fds[SIM_MAX_FDS];
    int n_fds;           /* numbers that may be in use */
    size_t client_bytes; /* default of sim_link.*_room */
    struct sim_link links[SIM_MAX_LINKS];
    int n_links;
    int listener;  /* its descriptor; -1: none */
    int corked_fd; /* its last bytes wait for its end, which must be next; -1: none do */
    int backlog[SIM_BACKLOG];
    int n_backlog;
    size_t pipe_bytes;
    struct sim_file files[SIM_MAX_FILES];

    uint64_t calls;    /* of all kinds but the clock */
    uint64_t progress; /* bytes and ends that have gone through: who spins makes none */
    bool slept; /* the last kevent had nothing to report and was not told to return */
    bool slept_long; /* and had no limit */
    char violation[256];
};

/* The table; its arg is the struct sim_kernel. */
extern const struct kp_sys_calls sim_kernel_calls;

void sim_kernel_init(struct sim_kernel *kernel, struct sim_random *random);
void sim_kernel_clear(struct sim_kernel *kernel);

/* Counts the descriptors in use. */
int sim_kernel_count(const struct sim_kernel *kernel, enum sim_kind kind);
int sim_kernel_count_all(const struct sim_kernel *kernel);

/* Replaces a file's contents; text stays the caller's and NULL removes it. */
void sim_file_write(struct sim_kernel *kernel, int index, const char *path,
                    const char *text);

void sim_violate(struct sim_kernel *kernel, const char *format, ...) KP_PRINTF(2, 3);

/* Prints a line of the trace, if there is one. */
void sim_trace(const struct sim_kernel *kernel, const char *format, ...) KP_PRINTF(2, 3);

/* ---- the clients' end of a link ---- */

/* Returns the new link; -1: nobody listens, or nobody else may wait. */
int sim_link_connect(struct sim_kernel *kernel);

/* As send(2) and recv(2): bytes, 0 (recv: the end), -EAGAIN, -ECONNRESET. */
ssize_t sim_link_send(struct sim_kernel *kernel, int link, const void *bytes, size_t len);
ssize_t sim_link_recv(struct sim_kernel *kernel, int link, void *bytes, size_t len);
void sim_link_half_close(struct sim_kernel *kernel, int link);
void sim_link_close(struct sim_kernel *kernel, int link);
void sim_link_reset(struct sim_kernel *kernel, int link);

/* ---- shared by sim_kernel.c, sim_socket.c and sim_kqueue.c ---- */

/* Draws whether something goes wrong. */
bool sim_fails(struct sim_kernel *kernel, unsigned of_256);

/* Returns the open descriptor, or NULL after a violation. */
struct sim_fd *sim_fd_get(struct sim_kernel *kernel, int fd, const char *call);
int sim_fd_new(struct sim_kernel *kernel, enum sim_kind kind, int index);

/* Tells the kqueue that something has changed at the server's end of a link, and whether it
 * is news for its filters. */
void sim_link_changed(struct sim_kernel *kernel, struct sim_link *link, bool can_read,
                      bool can_write);
void sim_listener_changed(struct sim_kernel *kernel);

int sim_accept(struct sim_kernel *kernel, struct sockaddr *addr, socklen_t *len);
ssize_t sim_recv(struct sim_kernel *kernel, struct sim_link *link, void *buf, size_t len);
ssize_t sim_send(struct sim_kernel *kernel, struct sim_link *link,
                 const struct iovec *iov, int n_iov);
int sim_shutdown(struct sim_kernel *kernel, struct sim_link *link);
void sim_close_stream(struct sim_kernel *kernel, struct sim_link *link);
int sim_kevent(struct sim_kernel *kernel, const struct kevent *changes, int n_changes,
               struct kevent *events, int n_events, const struct timespec *timeout);

#endif
