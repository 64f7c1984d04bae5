/*
 * server.h - a server: everything it owns, and what its files share
 */
#ifndef KP_SERVER_H
#define KP_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/connect.h"
#include "net/conns.h"
#include "net/listener.h"
#include "net/room.h"
#include "script/script.h"

struct kp_control; /* control.h */

#define KP_SERVER_ERROR_SIZE KP_ERROR_SIZE

/* Calls that other threads want to be done here. */
struct kp_post_queue {
    pthread_mutex_t lock;
    struct kp_node calls; /* struct kp_post, private to post.c */
};

/* Where the scripts come from: a path, or a text with its name. */
struct kp_script_place {
    char *path, *text, *chunk_name;
    size_t text_len;
};

/* Handlers in C: of the server, or of a connection that the host has opened (conn->own). */
struct kp_host_handlers {
    struct kelpie_handlers calls;
    void *arg;
};

struct kelpie {
    struct kp_env env;
    struct kp_loop loop;
    struct kp_timers timers;
    struct kp_net net;
    struct kp_script script;

    struct kp_host_handlers host;
    struct kp_framing framing; /* where no handlers table sets another */
    char *refused_text;
    struct kp_script_place place_before; /* until a load inside a step was tried */
    bool has_place_before;
    uint64_t drain_timeout_ns;

    struct kp_node watches;     /* struct kp_watch, private to watch.c */
    struct kp_node host_timers; /* struct kelpie_timer, private to host_timer.c */
    struct kp_post_queue posts;
    struct kp_control *control; /* NULL: there is no control socket */
    uint64_t started_ns;
    struct kp_script_watch *script_watch; /* NULL: off; private to watch_scripts.c */

    /* Requests of other threads and signal handlers, served at the end of a step. */
    atomic_bool stop_wanted;
    atomic_bool reload_wanted;
    atomic_bool rollback_wanted;
    atomic_uint drains_wanted;

    bool in_step;     /* kelpie_step is on the stack, or kelpie_free */
    bool rest_is_due; /* the step before has left its second half to this one */
    bool in_handler;  /* and a C handler of the host */
    bool is_draining; /* a drain has begun */
    bool ends_now;    /* its time is over: nobody is waited for any more */
    bool is_finished; /* and ended */
    struct kp_timer drain_timer;

    char error[KP_SERVER_ERROR_SIZE];
    char peer_text[KP_ADDRESS_TEXT_SIZE]; /* of kelpie_conn_peer */
};

/* kelpie_new with a kernel of the caller's choice, for tests. */
int kp_server_new(kelpie **out, const struct kelpie_options *options,
                  const struct kp_sys *sys);

/* Returns whether something of the server is on the stack: a step, a handler, a callback, or
 * the end of it all. */
static inline bool
kp_server_is_inside(const kelpie *k)
{
    return k->in_step || k->in_handler || k->script.in_call || k->net.in_host;
}

/* Notes what failed, for kelpie_errmsg. Returns error. */
int kp_server_fail(kelpie *k, int error, const char *format, ...) KP_PRINTF(3, 4);

/* A pointer that must not be NULL is. what: which one. Returns KELPIE_EMISUSE. */
int kp_server_fail_null(kelpie *k, const char *what);

/* Copies a struct of the host, which begins with its size. What an older one does not have is
 * zero. what: for the sentence.
 * Returns   0; KELPIE_EMISUSE for NULL and for a size that this library does not know; *out is
 *           written only with 0. */
int kp_server_copy(kelpie *k, void *out, size_t out_size, const void *given,
                   const char *what) KP_MUST_CHECK;

/* Returns the bytes of a caller of the public interface as net/ takes them. */
static inline struct iovec
kp_server_part(const void *bytes, size_t len)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
}

/* options.c: options with the defaults filled in, and checked.
 * Returns   0, KELPIE_EMISUSE. */
int kp_options_read(struct kelpie_options *out, const struct kelpie_options *given);
void kp_options_to_net(const struct kelpie_options *options, struct kp_net_limits *out);
void kp_options_to_script(const struct kelpie_options *options,
                          struct kp_script_limits *out);

/* dispatch.c: what the net and the scripts call. */
extern const struct kp_net_hooks kp_dispatch_net_hooks; /* arg is NULL */
extern const struct kp_script_hooks kp_dispatch_script_hooks;

/* host_conn.c: reads a framing in words; 0 in max_message means any.
 * Returns   0; KELPIE_EPROTO; KELPIE_ETOOLONG for a fixed size above max_message. */
int kp_server_read_framing(kelpie *k, struct kp_framing *out, const char *text,
                           size_t max_message) KP_MUST_CHECK;

/* host_connect.c: a connection is gone; so are its own handlers, if it had any. */
void kp_host_forget_conn(kelpie *k, struct kelpie_conn *conn);

/* requests.c: the phase of the step that does what was asked for. */
void kp_requests_init(kelpie *k, const struct kelpie_options *options);
void kp_requests_serve(kelpie *k);

/* setup.c: a load that was asked for inside a step has been tried, or will not be; when it
 * did not succeed, the scripts come from where they came from before. */
void kp_setup_settle_load(kelpie *k, bool loaded);

/* post.c */
int kp_posts_init(struct kp_post_queue *posts);
void kp_posts_run(kelpie *k);
void kp_posts_clear(kelpie *k); /* drops what did not run */

/* watch_scripts.c. follow: after a load, whose files are the ones to watch from now on. */
void kp_script_watch_follow(kelpie *k);
void kp_script_watch_clear(kelpie *k);

/* watch.c and host_timer.c: drop all */
void kp_watches_clear(kelpie *k);
void kp_host_timers_clear(kelpie *k);

#endif
