/*
 * kelpie.h - a server for stream sockets whose behaviour is a Lua script
 *
 * This header is the authority on how libkelpie behaves; what is not written here does
 * not exist. It needs nothing but C99 and compiles as C++.
 *
 * The life of a server:
 *
 *     kelpie *k;
 *     int rc = kelpie_new(&k, NULL);
 *     if (rc == 0)
 *         rc = kelpie_load(k, "scripts");
 *     if (rc == 0)
 *         rc = kelpie_listen(k, "127.0.0.1:8080");
 *     if (rc >= 0)
 *         rc = kelpie_run(k);
 *     if (rc < 0)
 *         fprintf(stderr, "%s\n", kelpie_errmsg(k));
 *     kelpie_free(k);
 *
 * Threads   A server belongs to the thread that runs it; different servers are independent.
 *           Only kelpie_stop, kelpie_reload, kelpie_rollback, kelpie_drain and kelpie_post
 *           may be called from other threads; all but the last also from signal handlers.
 *           The host sees to it that these have returned before it calls kelpie_free.
 *           Lua may nest 200 calls of C: a thread that runs scripts needs 2 MiB of stack
 *           (musl gives 128 KiB unless asked; see pthread_attr_setstacksize).
 * Calls     Inside a handler or callback everything is allowed except kelpie_run,
 *           kelpie_step, kelpie_check, kelpie_input and kelpie_free of the same server, which
 *           return KELPIE_EMISUSE (kelpie_free does nothing; kelpie_input is allowed in timers,
 *           watches and posted calls). Closing is a request: the connection is told and freed
 *           at the end of the step, so a pointer handed to a handler stays valid until that
 *           handler returns. What kelpie_free calls, such as on_disconnect, may call the same
 *           functions; those that would begin something new fail with KELPIE_ECLOSED.
 * Errors    Functions that can fail return 0 or a count, or a negative errno, or one of
 *           KELPIE_E* below. kelpie_errmsg gives the sentence for a human. On failure nothing
 *           has changed.
 * NULL      A connection that is NULL counts as closed, so kelpie_conn_send(kelpie_find(k, id),
 *           ...) is right: functions return KELPIE_ECLOSED, 0, "" or NULL for it (the number is
 *           UINT32_MAX), or do nothing. What is released or cancelled may be NULL. Any other
 *           pointer but k and a room may be NULL where it says so; elsewhere that is
 *           KELPIE_EMISUSE. Bytes may be NULL when there are 0 of them.
 * Units     Bytes, and milliseconds where the name ends in _ms. Strings are UTF-8 or ASCII
 *           and end in NUL; data are pointer and length, 8-bit clean, not terminated.
 * The library never exits, prints, reads the environment or changes signals, but for the one
 * that it is given (watchdog_signal).
 */
#ifndef KELPIE_H
#define KELPIE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
# define KELPIE_API __attribute__((visibility("default")))
#else
# define KELPIE_API
#endif

#define KELPIE_VERSION_MAJOR  0
#define KELPIE_VERSION_MINOR  1
#define KELPIE_VERSION_PATCH  0
#define KELPIE_VERSION_STRING "0.1.0"

/* ------------------------------------------------------------------------------------
 * Errors
 * ------------------------------------------------------------------------------------ */

#define KELPIE_ECLOSED (-10001) /* the connection is closed or closing */
#define KELPIE_EFULL   (-10002) /* the outbox is full; nothing was queued */
#define KELPIE_ESCRIPT                                                                   \
 (-10003) /* a script failed; kelpie_errmsg has file, line, reason */
#define KELPIE_EADDRESS (-10004) /* the text is not an address kelpie understands */
#define KELPIE_EPROTO   (-10005) /* bytes or a message do not fit the framing */
#define KELPIE_ETOOLONG (-10006) /* a message is longer than max_message */
#define KELPIE_EMISUSE                                                                   \
 (-10007) /* not allowed here: wrong order, inside a handler, bad size */
#define KELPIE_ENAME (-10008) /* the host name is not known */

/* Names the error in a few words, for example "connection closed".
 * Returns   a static string, also for unknown codes. Handles negative errno values.
 * Threads   any. */
KELPIE_API const char *kelpie_strerror(int error);

/* ------------------------------------------------------------------------------------
 * Types
 * ------------------------------------------------------------------------------------ */

typedef struct kelpie kelpie;                 /* a server: one loop, one thread */
typedef struct kelpie_conn kelpie_conn;       /* one stream socket */
typedef struct kelpie_room kelpie_room;       /* a named set of connections */
typedef struct kelpie_timer kelpie_timer;     /* a pending call */
typedef struct kelpie_attempt kelpie_attempt; /* a connection that is being opened */

struct lua_State;

enum kelpie_level {
    KELPIE_LOG_ERROR = 0,
    KELPIE_LOG_WARN = 1,
    KELPIE_LOG_INFO = 2,
    KELPIE_LOG_DEBUG = 3,
    KELPIE_LOG_TRACE = 4
};

/* Allocates, grows, shrinks or frees a block; the shape of lua_Alloc (Lua 5.4 manual, 4.6).
 * size 0 frees and returns NULL; ptr NULL allocates; old_size is what the block had.
 * Returns   the block, or NULL when there is no memory; then the old block is untouched.
 *           Shrinking must not fail. */
typedef void *kelpie_alloc_fn(void *arg, void *ptr, size_t old_size, size_t new_size);

/* Takes one log record: printable ASCII, one line, no newline at its end, NUL-terminated.
 * Calls     nothing of kelpie. */
typedef void kelpie_log_fn(void *arg, enum kelpie_level level, const char *line,
                           size_t len);

/* Takes what a script prints: one line without its newline, control characters escaped. */
typedef void kelpie_print_fn(void *arg, const char *line, size_t len);

struct kelpie_transport;

/*
 * Options. Start from KELPIE_OPTIONS_INIT; 0 or NULL in a member means its default, which
 * stands behind the colon. -1 in a time limit switches the limit off.
 */
struct kelpie_options {
    size_t size; /* sizeof this struct; set by KELPIE_OPTIONS_INIT */

    /* clients */
    int max_clients; /* connections at a time: 10000, at most RLIMIT_NOFILE - 64 */
    int max_per_ip;  /* per address, /64 for IPv6, loopback exempt: 256; -1: none */
    const char
        *refused_text;   /* sent to a client above max_clients: "connection refused.\n" */
    int idle_timeout_ms; /* nothing read or written: -1 (none) */
    int frame_timeout_ms;      /* first byte of a message to its end: 30000 */
    int half_close_timeout_ms; /* peer has ended, output makes no progress: 10000 */
    int fastopen;              /* TCP Fast Open queue length of listeners: 0 (off) */

    /* sizes in bytes */
    size_t max_message; /* longest message; the handlers table may set its own: 8192 */
    size_t max_outbox;  /* hard limit of one outbox: 1 MiB */
    size_t soft_outbox; /* above this for slow_reader_ms, and input waits: 256 KiB */
    size_t max_outbox_total; /* of all outboxes together: 256 MiB */
    int slow_reader_ms;      /* how long an outbox may stay above soft_outbox: 10000 */

    /* scripts */
    int handler_timeout_ms; /* a handler running longer is ended: 100 */
    int load_timeout_ms;    /* the same for loading: 5000 */
    int retire_timeout_ms;  /* handlers suspended in old code may go on: 30000 */
    int drain_timeout_ms;   /* after kelpie_drain: 10000 */
    size_t lua_memory;      /* cap of one generation: 64 MiB */
    const char *const
        *allow; /* NULL-terminated names: "io", "os", "debug", "cmodules"; NULL: none */

    /* doors to the host */
    kelpie_alloc_fn
        *alloc; /* all memory of this server, block by block: realloc and free,
                             * and small blocks of Lua from a pool */
    void *alloc_arg;
    kelpie_log_fn *log; /* NULL: no log */
    void *log_arg;
    enum kelpie_level log_level; /* records above it are not made: KELPIE_LOG_ERROR (0) */
    kelpie_print_fn *print;      /* print() of scripts; NULL: to the log at level info */
    void *print_arg;

    /* after a reload the generation before is kept so long, and for 200 handler calls, to be
     * rolled back to: 10000; -1: the same, but kelpie never rolls back by itself */
    int probation_ms;

    /* how late handlers are noticed, see below: 0 (by polling), or the number of a signal */
    int watchdog_signal;
    /* the last resort for a call that has not ended 2 s after it should have: it hangs in C.
     * Called once for it, on the watchdog's thread, whose only use is to say so and to end
     * the process; nothing of kelpie may be called. what: "on_message", or "a call"; place:
     * "FILE:LINE" where it was late, or "": NULL (it is waited for). Only with watchdog_signal */
    void (*on_stuck)(void *arg, const char *what, const char *place);
    void *on_stuck_arg;

    int max_outbound; /* connections that scripts and kelpie_connect have opened, apart from
                       * max_clients: 1000; -1: none may be opened */

    /* the server's clock, in nanoseconds, never going back: NULL (CLOCK_MONOTONIC). For tests
     * whose time the host moves: it steps with timeout 0, and kelpie_timeout says how far the
     * next timer is. How long a handler may run is measured in real time nevertheless */
    uint64_t (*now_ns)(void *arg);
    void *now_arg;

    /* asked first for each connection that a script opens: NULL. address: as the script wrote
     * it. Returns 1 for one without a socket, with *out (zeroed but for its size) and
     * *transport_arg set: opened is called when it is there, the rest is as with
     * kelpie_detached; 0: it becomes a socket; a negative errno: the script is told that */
    int (*connect)(void *arg, const char *address, struct kelpie_transport *out,
                   void **transport_arg);
    void *connect_arg;

    /* called first on the watchdog's thread, with on_stuck_arg, for what a host does to threads:
     * their name, their scheduling, their descriptors. NULL. Nothing of kelpie may be called */
    void (*on_watchdog)(void *arg);
};

/*
 * The watchdog ends handlers that run for longer than handler_timeout_ms, and loading after
 * load_timeout_ms. It works in one of two ways:
 *
 *     by signal    watchdog_signal is SIGURG, or another one that nobody needs. kelpie_new
 *                  starts a thread for the server, which sleeps while no Lua runs; when a call
 *                  is late it signals the thread that runs the server. Costs some 40
 *                  instructions a message, and what a second thread costs any process:
 *                  system calls are a little dearer, unless on_watchdog gives the thread
 *                  descriptors of its own (Linux: close_range with CLOSE_RANGE_UNSHARE). On a
 *                  machine with too much to do a limit counts once half of it was spent on a
 *                  processor, or when five times as much is over.
 *     by polling   watchdog_signal is 0, or the thread could not be made (a warning says so).
 *                  Lua looks at the clock every 1,000 instructions, which needs half more
 *                  instructions for a short handler, and twice as many for loops. It knows
 *                  only how late it is, not who had the processor meanwhile.
 *
 * A signal changes what else is the host's own: kelpie_new installs a handler for it (with
 * SA_RESTART) and fails with -EBUSY when the host has one there. It stays installed, also
 * after kelpie_free, because a signal may be late; it does nothing then. All servers of the
 * process may use the same one. The thread that runs the server has it unblocked; kelpie's own
 * thread has all others blocked. The thread does not live on in a child of fork(2): there,
 * make a new server. Both limits at -1 switch the watchdog off, which costs nothing at all.
 */

#ifdef __cplusplus
# define KELPIE_OPTIONS_INIT                                                             \
  {                                                                                      \
   sizeof(struct kelpie_options)                                                         \
  }
#else
# define KELPIE_OPTIONS_INIT                                                             \
  {                                                                                      \
   .size = sizeof(struct kelpie_options)                                                 \
  }
#endif

/* ------------------------------------------------------------------------------------
 * Server
 * ------------------------------------------------------------------------------------ */

/* Returns the version of the library that is linked, "MAJOR.MINOR.PATCH". */
KELPIE_API const char *kelpie_version(void);

/* Creates a server without listeners and without handlers.
 * options may be NULL: all defaults. Strings in it are copied.
 * Returns   0; -ENOMEM, -EMFILE and other errno of kqueue(2), pipe(2); KELPIE_EMISUSE when
 *           options->size is not a size this library knows; -EBUSY when the host has a handler
 *           for watchdog_signal, -EINVAL when that is none. *out is NULL on failure.
 * Gives     *out, to be released with kelpie_free. */
KELPIE_API int kelpie_new(kelpie **out, const struct kelpie_options *options);

/* Closes all listeners and connections at once (each on_disconnect is called with
 * "shutdown"), then frees the server. k may be NULL. */
KELPIE_API void kelpie_free(kelpie *k);

/* Returns the sentence that belongs to the last call that failed on k, or "".
 * Borrows   until the next call on k. */
KELPIE_API const char *kelpie_errmsg(const kelpie *k);

/* Makes `require(name)` in every generation from the next load on call open, as
 * luaL_requiref does (Lua 5.4 manual, 6.3). open must return one value on the stack.
 * Returns   0, -ENOMEM. */
KELPIE_API int kelpie_preload(kelpie *k, const char *name,
                              int (*open)(struct lua_State *L));

/* Loads a script: a file, or a folder, which means its init.lua. The first load starts
 * generation 1; a later one is a reload from that path, done at once if no handler runs,
 * else at the end of the step: then on_reload (struct kelpie_handlers) is called with what
 * came of it. All or nothing: on failure what served goes on serving.
 * Each load follows the path anew: a symbolic link may lead to another folder by then, and a
 * path that leads nowhere is a load that fails.
 * Returns   0; KELPIE_ESCRIPT; -ENOENT, -EACCES and other errno of open(2); -ENOMEM; -EBUSY
 *           while handlers are still suspended in the generation before the one that
 *           serves: nothing was read or counted, try again after a step. */
KELPIE_API int kelpie_load(kelpie *k, const char *path);

/* Loads a script from memory, under chunk_name (as luaL_loadbufferx, text only). require
 * then finds only preloaded modules. kelpie_reload runs the same text again.
 * Returns   as kelpie_load. */
KELPIE_API int kelpie_load_string(kelpie *k, const char *text, size_t len,
                                  const char *chunk_name);

/* Loads and checks a script without serving it: what kelpie_load would say, and warnings
 * of globals that are used and nobody defines, and of kept tables that nothing uses.
 * Returns   how many warnings, or an error as kelpie_load; kelpie_errmsg has all that were
 *           found, one a line. */
KELPIE_API int kelpie_check(kelpie *k, const char *path);

/* Listens on an address: "127.0.0.1:8080", "[::1]:8080", "*:8080" (all IPv4), ":0" (a free
 * port of 127.0.0.1), "unix:/path", "fd:3" (an inherited listening socket); with a name for
 * handlers.listeners in front: "admin=127.0.0.1:9000". Never a host name.
 * The socket file that a dead server has left is replaced; of several servers that start at
 * the same moment one gets it (they lock PATH.lock meanwhile, and remove it).
 * Returns   the port (0 for unix sockets); KELPIE_EADDRESS; -EADDRINUSE, -EACCES and other
 *           errno of socket(2), bind(2), listen(2); -ENOMEM; KELPIE_ECLOSED when a drain has
 *           begun. */
KELPIE_API int kelpie_listen(kelpie *k, const char *address);

/* Takes over a listening socket. name may be NULL.
 * Returns   the port (0 for unix sockets); -EINVAL when fd is nothing that listens; -ENOMEM;
 *           KELPIE_ECLOSED when a drain has begun.
 * Takes     fd, unless it fails; it may be nonblocking then. */
KELPIE_API int kelpie_listen_fd(kelpie *k, int fd, const char *name);

/* Opens the control socket of the server: a unix socket at path, mode 0600, that takes one
 * command a line, for example from nc -U. `help` lists them: ping, status, reload, rollback, quit. An
 * answer is any number of lines that begin with a blank, then one that begins with "ok " or
 * "error "; a reload is answered when it is done, with its result. Who is connected there is
 * no client: no handler, limit or counter knows of it. A file that a dead server has left at
 * path is replaced; kelpie_free unlinks ours.
 * Returns   0; -EEXIST when there is one already; KELPIE_EADDRESS for a path that is empty or
 *           too long; -EADDRINUSE, -EACCES and other errno of socket(2), bind(2), chmod(2),
 *           listen(2); -ENOMEM; KELPIE_ECLOSED when a drain has begun. */
KELPIE_API int kelpie_control(kelpie *k, const char *path);

/* Takes over a connected stream socket, which then behaves like an accepted connection:
 * on_connect is called in the next step. listener_name may be NULL; it chooses the handlers of
 * a script, as for what the listener of that name accepts, and there need not be one.
 * Returns   0 with *out set (out may be NULL); -ENOMEM; -EBADF, -ENOTSOCK, -ENOTCONN;
 *           -EPROTOTYPE for a socket without a stream; KELPIE_EFULL above max_clients and
 *           max_per_ip; KELPIE_ECLOSED when a drain has begun; KELPIE_EADDRESS for a name of
 *           more than 31 bytes.
 * Takes     fd, unless it fails; it may be nonblocking then. */
KELPIE_API int kelpie_adopt(kelpie *k, int fd, const char *listener_name,
                            kelpie_conn **out);

/* Runs steps until kelpie_stop, or until a drain has ended.
 * Returns   0; an errno of kevent(2) that leaves no way to go on. */
KELPIE_API int kelpie_run(kelpie *k);

/* Makes kelpie_run return at the end of its step; nothing is flushed or closed.
 * Threads   any; also signal handlers. */
KELPIE_API void kelpie_stop(kelpie *k);

/* Asks for a reload of what was loaded, at the end of the step; requests that arrive before
 * it are one. It waits while handlers are still suspended in the generation before the one
 * that serves. The result is a log record and a call of on_reload (struct kelpie_handlers).
 * Threads   any; also signal handlers. */
KELPIE_API void kelpie_reload(kelpie *k);

/* Asks to go back to the generation before the last reload, at the end of the step. It is kept
 * after a reload for probation_ms, and until there were 200 handler calls if that takes
 * longer. It serves again under its own number, with the kept data and conn.data as they are
 * now; values that cannot cross stay as they were before the reload, as do all data when the
 * two have different schemas. Its on_load gets "rollback", then on_adopt is called for each
 * connection. If on_load raises, nothing has changed. The result is a log record and a call of
 * on_reload (struct kelpie_handlers).
 * kelpie does this by itself when more than 5 and more than 20 % of the new generation's
 * handler calls have raised or were ended, and the rate before was below half of that.
 * Threads   any; also signal handlers. */
KELPIE_API void kelpie_rollback(kelpie *k);

/* Switches on (on is not 0) or off: a reload whenever a file of the scripts has changed on
 * disk, for people who write them. Watched are the main file, all that it requires, and the
 * places where a module was looked for and not found, also those of a load that was rejected.
 * The reload comes when nothing has happened for 60 ms, at the latest 1 s after the first
 * change, and only when bytes are different; a file that is gone or empty has the whole second
 * to come back. The log says which file has changed, then what came of the reload. A version
 * that was rolled back is not loaded again before a file changes. What cannot be watched, for
 * want of descriptors or because its file system does not tell, is looked at once a second.
 * It takes one descriptor for each file and folder, at most 256. Text that was loaded from
 * memory does not change.
 * Returns   0, also when it was on or off already; -ENOMEM. */
KELPIE_API int kelpie_watch_scripts(kelpie *k, int on);

/* Stops accepting, calls on_shutdown, lets handlers finish and outboxes empty, closes all
 * connections with reason "shutdown", at the latest after drain_timeout_ms; then kelpie_run
 * returns 0. A second call closes what is left at once.
 * Threads   any; also signal handlers. */
KELPIE_API void kelpie_drain(kelpie *k);

/* Calls fn(arg) on the server's thread in its next step. After kelpie_free starts, posted
 * calls that did not run yet are dropped.
 * Returns   0, -ENOMEM.
 * Threads   any. */
KELPIE_API int kelpie_post(kelpie *k, void (*fn)(void *arg), void *arg);

/* Hands one line from the operator to handlers.on_input, without its newline.
 * Returns   0; KELPIE_ESCRIPT when the handler raised (it was logged). */
KELPIE_API int kelpie_input(kelpie *k, const void *line, size_t len);

/*
 * Foreign loops. A host that has a loop of its own does three things in it: watch kelpie_fd for
 * reading, sleep no longer than kelpie_timeout, then call kelpie_step(k, 0). examples/ shows it
 * with poll(2), libuv, libevent, GLib and another kqueue.
 *
 * One descriptor and one time-out are the whole seam. There are no functions of the host that
 * watch each connection in kelpie's place: the loop hands all changes of a step to the kernel
 * in one kevent(2), together with the wait, and reads an event once, edge-triggered. Foreign
 * watches would be a second path for each of these, level-triggered and one call a change,
 * that only such hosts ever run. A nested kqueue costs one system call a step instead.
 */

/* The descriptor that is readable when kelpie_step has work. Watch it with poll(2) or what is
 * built on that; some systems cannot nest one kqueue in another. */
KELPIE_API int kelpie_fd(const kelpie *k);

/* How long a foreign loop may sleep, in milliseconds; 0: not at all; -1: for ever. Ask again
 * after every step, and after whatever else was done with the server, such as a send. */
KELPIE_API int kelpie_timeout(const kelpie *k);

/* Does one turn: waits at most timeout_ms (-1: for ever), then events, timers, disconnects,
 * output, reload.
 * Returns   1: go on; 0: kelpie_stop was called or the drain has ended; negative errno;
 *           KELPIE_EMISUSE inside a handler. */
KELPIE_API int kelpie_step(kelpie *k, int timeout_ms);

/* Calls fn(arg, fd) whenever fd is readable or at its end, until kelpie_unwatch. fd may be a
 * terminal, pipe, socket or file; it stays the caller's.
 * Returns   0; -EEXIST when it is watched already; -EBADF; -ENOMEM. What cannot be watched is
 *           known in the next step only: then it is a log record, and not watched. */
KELPIE_API int kelpie_watch(kelpie *k, int fd, void (*fn)(void *arg, int fd), void *arg);

/* Stops watching fd; to be called before fd is closed, also in fn itself.
 * Returns   0, -ENOENT. */
KELPIE_API int kelpie_unwatch(kelpie *k, int fd);

/* Counters, all since kelpie_new. */
struct kelpie_stats {
    size_t size; /* set by the caller: sizeof this struct */
    uint64_t generation;
    uint64_t clients; /* now */
    uint64_t accepted, refused, closed;
    uint64_t messages_in, bytes_in, messages_out, bytes_out;
    uint64_t outbox_bytes;   /* now, all together */
    uint64_t dropped_bytes;  /* queued, but the connection ended first */
    uint64_t partial_at_eof; /* unfinished last messages dropped */
    uint64_t slow_readers;   /* closed for it */
    uint64_t broadcast_skipped;
    uint64_t handler_errors, handler_kills;
    uint64_t reloads, reloads_rejected;
    uint64_t lua_bytes; /* now, all generations */
    uint64_t timers;    /* now */
    uint64_t rooms;     /* now */
    uint64_t accept_pauses;
    uint64_t rollbacks; /* to the generation before, by itself or on request */
    /* what limits have done; each hit is a log record, too, but not by the thousand */
    uint64_t refused_clients, refused_per_ip; /* of refused: max_clients, max_per_ip */
    uint64_t idle_timeouts, frame_timeouts;   /* closed for them */
    uint64_t too_long, protocol_errors;       /* closed for max_message, bad framing */
    uint64_t outbox_full;                     /* sends that failed with KELPIE_EFULL */
    uint64_t script_killed; /* closed because their handlers were ended too often */
    uint64_t spawn_full;    /* calls of kelpie.spawn that failed with "full" */
    uint64_t outbound;      /* now, connections that scripts and the host have opened */
    uint64_t outbound_full; /* that were not opened, for max_outbound */
};

/* Fills at most stats->size bytes of *stats; stats may not be NULL. */
KELPIE_API void kelpie_get_stats(const kelpie *k, struct kelpie_stats *stats);

/* ------------------------------------------------------------------------------------
 * Handlers in C: they run before the Lua ones
 * ------------------------------------------------------------------------------------ */

#define KELPIE_PASS 0 /* go on with the Lua handler */
#define KELPIE_DONE 1 /* handled; Lua does not see this event, but may see later ones */

enum kelpie_change_kind { KELPIE_RELOADED = 0, KELPIE_ROLLED_BACK = 1 };

/* What has come of it when other scripts were to serve. */
struct kelpie_change {
    enum kelpie_change_kind kind; /* what was tried */
    int result; /* 0; else an error as of kelpie_load: nothing has changed; KELPIE_ECLOSED: not
                 * even tried, the server ends; -ENOENT: nothing to roll back to */
    uint64_t generation; /* that serves now; 0: none */
    const char
        *text; /* for a human, printable ASCII: a sentence; details in further lines */
};

/* Every member may be NULL. A negative result is logged and closes the connection with
 * reason "handler error". */
struct kelpie_handlers {
    size_t size; /* sizeof this struct */
    int (*on_connect)(kelpie_conn *conn, void *arg);
    /* message: len bytes, valid until the handler returns */
    int (*on_message)(kelpie_conn *conn, const void *message, size_t len, void *arg);
    /* exactly one for each connect; reason is valid until it returns */
    int (*on_disconnect)(kelpie_conn *conn, const char *reason, void *arg);
    int (*on_input)(kelpie *k, const void *line, size_t len, void *arg);
    /* an outbox that was above half of soft_outbox, or full, is empty again: go on sending */
    int (*on_drain)(kelpie_conn *conn, void *arg);
    /* A reload or roll-back is done, or was rejected: once for each that kelpie_reload,
     * kelpie_rollback, a kelpie_load inside a step, a script, the control socket or
     * kelpie_watch_scripts has asked for (several requests that are served together are one),
     * and for each roll-back that kelpie has decided upon. Called at the end of a step. A
     * kelpie_load outside of a step is not told: it returns its result. change is valid until
     * this returns. */
    void (*on_reload)(kelpie *k, const struct kelpie_change *change, void *arg);
};

/* Sets the C handlers; NULL removes them. Copied.
 * Returns   0; KELPIE_EMISUSE for an unknown size: then those of before stay. */
KELPIE_API int kelpie_set_handlers(kelpie *k, const struct kelpie_handlers *handlers,
                                   void *arg);

/* Sets framing and longest message of connections accepted from now on, where no Lua
 * handlers table does. framing: "line", "crlf", "raw", "netstring", "length:4:big",
 * "delimiter:;", "fixed:16". max_message 0 keeps what it was.
 * Returns   0; KELPIE_EPROTO for a framing it does not know; KELPIE_ETOOLONG for a fixed size
 *           above max_message. */
KELPIE_API int kelpie_set_framing(kelpie *k, const char *framing, size_t max_message);

/* ------------------------------------------------------------------------------------
 * Connections
 * ------------------------------------------------------------------------------------ */

/* Queue one message in the connection's framing, or bytes as they are. They are written at
 * the end of the step, earlier only when the outbox would be full otherwise, or when it is
 * much, some 16 KiB: then at once if nothing is queued, else when all messages of the step
 * from this connection were handled.
 * Returns   0; KELPIE_ECLOSED; KELPIE_EFULL, -ENOMEM (nothing was queued); KELPIE_EPROTO
 *           when the message does not fit the framing. */
KELPIE_API int kelpie_conn_send(kelpie_conn *conn, const void *message, size_t len);
KELPIE_API int kelpie_conn_write(kelpie_conn *conn, const void *bytes, size_t len);

/* Nothing more will be sent: when all that is queued is written the peer sees the end of the
 * stream. What it sends is delivered as before. */
KELPIE_API void kelpie_conn_finish(kelpie_conn *conn);

/* Closes after what is queued is sent. reason is copied (at most 63 bytes); NULL: "closed". */
KELPIE_API void kelpie_conn_close(kelpie_conn *conn, const char *reason);

/* Closes at once with a reset; what is queued is lost. */
KELPIE_API void kelpie_conn_abort(kelpie_conn *conn);

/* Stop and go on reading. What a paused peer does is not looked at: that it has ended is
 * noticed after resume, or when something is written to it. Its idle limit runs on. */
KELPIE_API void kelpie_conn_pause(kelpie_conn *conn);
KELPIE_API void kelpie_conn_resume(kelpie_conn *conn);

/* Sets this connection's idle limit; -1: none; 0: idle_timeout_ms of the server. */
KELPIE_API void kelpie_conn_set_timeout(kelpie_conn *conn, int idle_timeout_ms);

/* Cuts messages in another way, from the next byte on that was not delivered yet. framing: as
 * for kelpie_set_framing.
 * Returns   0; KELPIE_EPROTO for a framing it does not know; KELPIE_ETOOLONG for a fixed size
 *           above max_message; KELPIE_ECLOSED. */
KELPIE_API int kelpie_conn_set_framing(kelpie_conn *conn, const char *framing);

KELPIE_API uint64_t kelpie_conn_id(const kelpie_conn *conn); /* never reused, from 1 */
KELPIE_API uint32_t
kelpie_conn_number(const kelpie_conn *conn); /* of a client: smallest free, from 0 */
/* "127.0.0.1:5312", "unix". Borrows until the next kelpie_conn_peer of this server. */
KELPIE_API const char *kelpie_conn_peer(const kelpie_conn *conn);
KELPIE_API const char *
kelpie_conn_listener(const kelpie_conn *conn); /* its name, or "" */
KELPIE_API kelpie *kelpie_conn_server(const kelpie_conn *conn);
KELPIE_API int kelpie_conn_is_open(const kelpie_conn *conn);
KELPIE_API size_t kelpie_conn_queued(const kelpie_conn *conn); /* bytes in the outbox */

/* A pointer for the host; NULL at first. kelpie does nothing with it. */
KELPIE_API void kelpie_conn_set_user(kelpie_conn *conn, void *user);
KELPIE_API void *kelpie_conn_user(const kelpie_conn *conn);

/* Find an open connection. Returns NULL when there is none.
 * Borrows   until the end of the step. */
KELPIE_API kelpie_conn *kelpie_find(const kelpie *k, uint64_t id);
KELPIE_API kelpie_conn *kelpie_client(const kelpie *k, uint32_t number);

/* Lists all open connections, in order of their numbers: the first max of them in out, which
 * may be NULL when max is 0. What happens while the list is walked over does not change it.
 * Returns   how many there are, also when that is more than max.
 * Borrows   until the end of the step. */
KELPIE_API size_t kelpie_conns(const kelpie *k, kelpie_conn **out, size_t max);

/* Sends to every open connection but except (may be NULL).
 * Returns   how many took it; -ENOMEM. */
KELPIE_API int kelpie_broadcast(kelpie *k, const void *message, size_t len,
                                const kelpie_conn *except);

/* What a host wishes for a connection that it opens, and the handlers of that connection. They
 * return 0, or a negative error: it is logged and closes the connection with reason "handler
 * error". Every member but size and on_result may be 0 or NULL. */
struct kelpie_connect_options {
    size_t size;         /* sizeof this struct */
    int timeout_ms;      /* until it is connected, its name looked up: 10000; -1: none */
    const char *framing; /* as for kelpie_set_framing, whose framing is the default */
    size_t
        max_message; /* longest message: that of kelpie_set_framing, or of the options */
    /* What has come of it; called once, in a step, in kelpie_free at the latest, and not after
     * kelpie_attempt_cancel. error 0: conn is open. Else conn is NULL and error is -ECONNREFUSED,
     * -ETIMEDOUT, -EHOSTUNREACH or another errno of connect(2); KELPIE_ENAME; KELPIE_ECLOSED
     * when the server ends; -ENOMEM. Neither conn nor its handlers are known to scripts. */
    void (*on_result)(kelpie *k, kelpie_conn *conn, int error, void *arg);
    /* as in struct kelpie_handlers; on_disconnect exactly once after an on_result with conn */
    int (*on_message)(kelpie_conn *conn, const void *message, size_t len, void *arg);
    int (*on_disconnect)(kelpie_conn *conn, const char *reason, void *arg);
    int (*on_drain)(kelpie_conn *conn, void *arg);
};

/* Opens a connection to another server, without waiting for it: "127.0.0.1:8080",
 * "[::1]:8080", "unix:/path", or "host.example:80" with a host name, which a thread of its own
 * looks up; of several addresses the first that answers is taken. All kelpie_conn_ functions
 * work on it as on a client, and it can be in rooms; but it is none: kelpie_set_handlers,
 * kelpie_conns, kelpie_client, kelpie_broadcast and the count of clients leave it out, and its
 * kelpie_conn_number is 2147483648 or more. A drain closes it, too. options is copied.
 * Returns   0; KELPIE_EADDRESS; KELPIE_EFULL when max_outbound connections are open or being
 *           opened; -EBUSY while 16 names are being looked up; KELPIE_ECLOSED when a drain has
 *           begun; KELPIE_EPROTO, KELPIE_ETOOLONG for the framing; KELPIE_EMISUSE for an
 *           unknown size, and without on_result; -ENOMEM, or an errno of socket(2) and
 *           connect(2) that comes at once. On failure on_result is not called.
 * Gives     *out (may be NULL): valid until on_result is called or it is cancelled. */
KELPIE_API int kelpie_connect(kelpie *k, kelpie_attempt **out, const char *address,
                              const struct kelpie_connect_options *options, void *arg);

/* Gives an attempt up: on_result is not called. attempt may be NULL. */
KELPIE_API void kelpie_attempt_cancel(kelpie_attempt *attempt);

/* The host in place of a socket. */
struct kelpie_transport {
    size_t size; /* sizeof this struct */
    /* Takes output. Returns how many of the bytes it took; what it did not take is kept, and
     * written after kelpie_conn_writable. bytes are valid until it returns, or until it calls
     * kelpie_conn_abort for this connection. */
    size_t (*write)(void *arg, const void *bytes, size_t len);
    /* It has ended (may be NULL). Called once, the last use of arg; from here on the
     * connection must not be used. reason is valid until it returns. */
    void (*closed)(void *arg, const char *reason);
    /* What was asked of kelpie_options.connect is there (may be NULL): conn may be used from
     * now on. If the script has given up before, only closed is called. */
    void (*opened)(void *arg, kelpie_conn *conn);
    /* Nothing more will be written, though it may still be fed (may be NULL). */
    void (*finished)(void *arg);
};

/* Makes a connection without a socket: the host feeds it, and takes its output. Everything
 * else is as for an accepted one, limits and counters as well; its peer is "unix". It costs no
 * descriptor. on_connect is called in the next step. listener_name is as for kelpie_adopt.
 * transport is copied.
 * Returns   0; -ENOMEM; KELPIE_EFULL above max_clients; KELPIE_ECLOSED when a drain has begun;
 *           KELPIE_EADDRESS for a name of more than 31 bytes; KELPIE_EMISUSE for an unknown
 *           size, and without write.
 * Gives     *out, to be used until closed is called. */
KELPIE_API int kelpie_detached(kelpie *k, const char *listener_name,
                               const struct kelpie_transport *transport, void *arg,
                               kelpie_conn **out);

/* Bytes have come, or their end, for a detached connection; they are copied and served in
 * the next step. At most 1 MiB waits.
 * Returns   0; KELPIE_EFULL when more would wait, -ENOMEM: nothing was taken;
 *           KELPIE_ECLOSED; KELPIE_EMISUSE after the end, and for one that has a socket. */
KELPIE_API int kelpie_conn_feed(kelpie_conn *conn, const void *bytes, size_t len);
KELPIE_API int kelpie_conn_feed_end(kelpie_conn *conn);

/* The write of a detached connection, which took less than it got, takes more again. */
KELPIE_API void kelpie_conn_writable(kelpie_conn *conn);

/* ------------------------------------------------------------------------------------
 * Rooms
 * ------------------------------------------------------------------------------------ */

/* Finds or makes the room of that name: at most 255 bytes. All rooms and memberships of a
 * server take 256 MiB at most, and a connection is in 1,000 rooms at most.
 * Returns   0; KELPIE_EFULL beyond these limits; -ENOMEM.
 * Gives     *out, to be released with kelpie_room_close before kelpie_free; its members stay in it,
 *           and a room lives as long as it has members. */
KELPIE_API int kelpie_room_open(kelpie *k, kelpie_room **out, const char *name);
KELPIE_API void kelpie_room_close(kelpie_room *room);

/* Returns   1 joined or left, 0 nothing to do; KELPIE_ECLOSED, KELPIE_EFULL, -ENOMEM;
 *           KELPIE_EMISUSE for a connection of another server. */
KELPIE_API int kelpie_room_join(kelpie_room *room, kelpie_conn *conn);
KELPIE_API int kelpie_room_leave(kelpie_room *room, kelpie_conn *conn);

/* Returns   1 when conn is in the room, or 0; also in its on_disconnect. */
KELPIE_API int kelpie_room_has(const kelpie_room *room, const kelpie_conn *conn);

/* Takes conn out of all rooms; after its on_disconnect that is done anyway. */
KELPIE_API void kelpie_conn_leave_all(kelpie_conn *conn);

/* Send one message, or bytes as they are, to every open member but except (may be NULL). It
 * is stored once, however many they are; a member whose outbox is full is skipped.
 * Returns   how many took it; -ENOMEM. */
KELPIE_API int kelpie_room_send(kelpie_room *room, const void *message, size_t len,
                                const kelpie_conn *except);
KELPIE_API int kelpie_room_write(kelpie_room *room, const void *bytes, size_t len,
                                 const kelpie_conn *except);

/* Its name; rooms that scripts made may have NUL bytes in it. Borrows as the room. */
KELPIE_API const char *kelpie_room_name(const kelpie_room *room);

/* List the open members of a room, and the rooms of a connection (also in its on_disconnect),
 * in no particular order; out, max and the result are as for kelpie_conns.
 * Borrows   connections until the end of the step; rooms as long as conn is in them:
 *           kelpie_room_open with the name holds one. */
KELPIE_API size_t kelpie_room_members(const kelpie_room *room, kelpie_conn **out,
                                      size_t max);
KELPIE_API size_t kelpie_conn_rooms(const kelpie_conn *conn, kelpie_room **out,
                                    size_t max);
KELPIE_API size_t kelpie_room_count(const kelpie_room *room); /* open members */

/* ------------------------------------------------------------------------------------
 * Timers
 * ------------------------------------------------------------------------------------ */

/* Calls fn(arg) once after delay_ms, or every delay_ms.
 * Returns   0, -ENOMEM; KELPIE_EMISUSE for a delay below 0, or below 1 of kelpie_every.
 * Gives     *out (may be NULL): valid until it is called (after) or cancelled. kelpie_every may
 *           be cancelled in fn itself. */
KELPIE_API int kelpie_after(kelpie *k, kelpie_timer **out, int delay_ms,
                            void (*fn)(void *arg), void *arg);
KELPIE_API int kelpie_every(kelpie *k, kelpie_timer **out, int delay_ms,
                            void (*fn)(void *arg), void *arg);
KELPIE_API void kelpie_timer_cancel(kelpie_timer *timer);

#ifdef __cplusplus
}
#endif

#endif
