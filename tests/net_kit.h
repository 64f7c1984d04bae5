/*
 * net_kit.h - a net without scripts, and what its hooks were told, as text
 *
 * The hooks write one line each: "connect 0", "message 0 hello", "input_end 0", "drain 0",
 * "disconnect 0 eof", "gone 0", where 0 is the client's number. A test does something, lets
 * the net settle, and compares the text. What a handler would do is a function in the kit.
 * Peers are the other ends of socket pairs, where nothing takes time, or of connections to
 * a listener.
 */
#ifndef NET_KIT_H
#define NET_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault.h"
#include "net/accept.h"
#include "net/conns.h"
#include "net/room.h"

#define NK_TEXT_SIZE 65536

struct net_kit {
    struct fault_mem mem;
    struct fault_sys sys;
    struct kp_env env;
    struct kp_loop loop;
    struct kp_timers timers;
    struct kp_net_limits limits; /* may be changed before nk_open */
    struct kp_framing framing;   /* of connections from now on */
    struct kp_net net;
    size_t fds_before;

    char text[NK_TEXT_SIZE]; /* what the hooks were told; cut off at the end */
    size_t len;
    char log[NK_TEXT_SIZE];
    size_t log_len;
    char heard[NK_TEXT_SIZE]; /* by nk_hear */
    int depth;                /* of hooks: one never runs inside another */

    /* What handlers do; NULL: nothing. on_disconnect returns whether it was told. */
    void (*on_connect)(struct net_kit *kit, struct kelpie_conn *conn);
    void (*on_message)(struct net_kit *kit, struct kelpie_conn *conn, const char *message,
                       size_t len);
    void (*on_input_end)(struct net_kit *kit, struct kelpie_conn *conn);
    void (*on_drain)(struct net_kit *kit, struct kelpie_conn *conn);
    bool (*on_disconnect)(struct net_kit *kit, struct kelpie_conn *conn);
    void *user; /* of the test */
};

/* Prepares a kit with generous limits, the line framing and nothing that fails; then opens
 * its net. nk_prepare and nk_open are its two halves. */
void nk_prepare(struct net_kit *kit);
int nk_open(struct net_kit *kit);

/* Clears everything; asserts that no descriptor and no byte is left. */
void nk_close(struct net_kit *kit);

/* cmocka setup and teardown with a fresh kit in *state. */
int nk_setup(void **state);
int nk_teardown(void **state);

/* One step that does not sleep. */
void nk_step(struct net_kit *kit);

/* Steps until nothing is left to do. */
void nk_settle(struct net_kit *kit);

/* Lets time pass, and settles. */
void nk_pass(struct net_kit *kit, uint64_t ns);

/* Opens a connection of a socket pair, announced and with the events forgotten. Returns the
 * peer's end, nonblocking. */
int nk_pair(struct net_kit *kit, struct kelpie_conn **out);

/* Opens n of them; closes the ends of n peers. */
void nk_pairs(struct net_kit *kit, int n, struct kelpie_conn *conns[], int peers[]);
void nk_hang_up(const int peers[], int n);

/* Listens on an address (must work), and connects to it. */
struct kp_listener *nk_listen(struct net_kit *kit, const char *address);
int nk_connect(const struct kp_listener *listener);

/* The peer's side. nk_hear takes what is there now, ended by a NUL, and is "" when nothing
 * is; nk_has_ended asserts nothing more comes, and tells whether an end or a reset does. */
void nk_say(int fd, const char *text);
void nk_say_bytes(int fd, const void *bytes, size_t len);
const char *nk_hear(struct net_kit *kit, int fd);
bool nk_has_ended(int fd);
void nk_reset(int fd);

/* Sends text as a message. Returns as kp_conn_send. */
int nk_send(struct kelpie_conn *conn, const char *text);
/* Queues len bytes 'x'. Returns as kp_conn_write. */
int nk_write(struct kelpie_conn *conn, size_t len);

/* Asserts what the hooks were told since the last time. */
#define nk_told(kit, expected)                                                           \
 do {                                                                                    \
  assert_string_equal((kit)->text, expected);                                            \
  (kit)->text[(kit)->len = 0] = '\0';                                                    \
 } while (0)

/* Steps until text contains part, with a limit. Returns whether it came. */
bool nk_until(struct net_kit *kit, const char *part);

#endif
