/*
 * fault.h - everything that can fail, made to fail
 *
 * A server has two doors to the outside, memory and the kernel (base/mem.h, base/sys.h).
 * This kit stands in both of them. It lets everything through, counts, and fails what it was
 * told to fail:
 *
 *     struct fault_mem mem;
 *     struct fault_sys sys;
 *     struct kp_env env;
 *     fault_env_init(&env, &mem, &sys);
 *
 *     fault_mem_fail(&mem, 3);                       the third allocation from now, once
 *     fault_mem_fail_from(&mem, 3);                  it and all later ones
 *     fault_sys_fail(&sys, FAULT_KEVENT, 1, ENOMEM); the next kevent, once
 *     fault_sys_fail(&sys, FAULT_ANY, 7, EIO);       the seventh call, whatever it is
 *     fault_env_heal(&mem, &sys);                    nothing fails from now on
 *
 *     fault_env_check(&env, &mem);                   no block is left
 *
 * "Each of them once" is a loop that ends when a whole run meets no failure:
 *
 *     for (size_t n = 1;; n++) {
 *         fault_env_init(&env, &mem, &sys);
 *         fault_mem_fail(&mem, n);
 *         ... the scenario; it may fail, but cleanly ...
 *         fault_env_check(&env, &mem);
 *         if (mem.failures == 0)
 *             break;
 *     }
 *
 * The allocator gives every block its own malloc, moves it whenever it is resized, and
 * knows its size: whoever frees a block as another size than it has, or one that is none,
 * ends the whole test program with a message. Shrinking does not fail, as promised to hosts.
 *
 * A failed call has not been made, with two exceptions that real systems make as well: a
 * close closes, and a kevent that fails with EINTR makes its changes. EINTR "from now on"
 * hangs: the wrappers of sys.h make an interrupted call again.
 *
 * Two failures are none of a call's errno: FAULT_WATCH counts the changes that ask for a
 * watch, of which one is refused while its kevent succeeds; and with FAULT_ONE_BYTE in the
 * place of an errno, a recv, send, read or write transfers one byte of several.
 *
 * Beyond failures, struct fault_sys has switches for a slow network and a clock that stands
 * still until it is moved. Counters may be touched by several threads and signal handlers.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/env.h"

/* ---- memory ---- */

struct fault_mem {
    atomic_size_t calls;    /* blocks asked for, and growths */
    atomic_size_t failures; /* of these, refused */
    atomic_size_t blocks;   /* outstanding now */
    atomic_size_t bytes;    /* outstanding now */
    atomic_size_t peak;     /* most bytes outstanding at a time */
    size_t fail_at;         /* value of `calls` to fail at; 0: never */
    bool fail_on;           /* and all after it */
};

void fault_mem_init(struct fault_mem *mem);

/* Fails the nth allocation from now (1 is the next one): that one, or it and all after it. */
void fault_mem_fail(struct fault_mem *mem, size_t nth);
void fault_mem_fail_from(struct fault_mem *mem, size_t nth);

/* The allocator: a kelpie_alloc_fn, for kp_mem_init and struct kelpie_options; arg is the
 * struct fault_mem. */
void *fault_alloc(void *arg, void *ptr, size_t old_size, size_t new_size);

/* ---- the kernel ---- */

enum fault_call {
    FAULT_SOCKET,
    FAULT_BIND,
    FAULT_LISTEN,
    FAULT_ACCEPT,
    FAULT_CONNECT,
    FAULT_SHUTDOWN,
    FAULT_CLOSE,
    FAULT_SETSOCKOPT,
    FAULT_GETSOCKOPT,
    FAULT_GETSOCKNAME,
    FAULT_GETPEERNAME,
    FAULT_SET_FLAGS,
    FAULT_RECV,
    FAULT_SEND,
    FAULT_READ,
    FAULT_WRITE,
    FAULT_PIPE,
    FAULT_OPEN,
    FAULT_FSTAT,
    FAULT_STAT,
    FAULT_UNLINK,
    FAULT_CHMOD,
    FAULT_LOCK,
    FAULT_KQUEUE,
    FAULT_KEVENT,
    FAULT_RANDOM,
    FAULT_MAX_FILES,
    FAULT_THREAD,
    FAULT_SIGACTION,
    FAULT_WATCH, /* a change with EV_ADD: no call, hence not one of FAULT_ANY */
    FAULT_ANY, /* all of them together; reading the clock cannot fail and is not counted */
    FAULT_N_CALLS,
};

#define FAULT_ONE_BYTE (-1) /* instead of an errno */

struct fault_rule {
    size_t at; /* value of the counter to fail at; 0: never */
    int error;
    bool on; /* and all after it */
};

#define FAULT_MAX_FD 1024 /* descriptors whose watches are remembered */

struct fault_sys {
    /* What is behind the kit: the kernel, or what a test puts here. */
    const struct kp_sys_calls *behind;
    void *behind_arg;

    atomic_size_t calls[FAULT_N_CALLS]; /* made, or refused */
    atomic_size_t more_sends;           /* of bytes that something follows at once */
    atomic_size_t failures;
    struct fault_rule rules[FAULT_N_CALLS];

    /* A slow network. After a spurious EAGAIN of recv its readiness is reported again. */
    bool send_one_byte;  /* each send takes one byte */
    bool recv_one_byte;  /* each recv gives one byte */
    size_t eagain_every; /* each nth of accept, recv, send says EAGAIN; 0: none */
    size_t eagain_calls;
    struct {
        void *udata;
        bool is_watched, is_owed;
    } reads[FAULT_MAX_FD];

    /* A clock that tests move. */
    bool clock_is_fake;
    _Atomic uint64_t clock_ns;
    _Atomic uint64_t starved_ns; /* of it, what no thread has used */
};

/* The table; its arg is the struct fault_sys. */
extern const struct kp_sys_calls fault_sys_calls;

void fault_sys_init(struct fault_sys *sys);

/* Fails the nth call of a kind from now (1 is the next one) with an errno: that one, or it
 * and all after it. One rule per kind; FAULT_ANY is a kind. */
void fault_sys_fail(struct fault_sys *sys, enum fault_call call, size_t nth, int error);
void fault_sys_fail_from(struct fault_sys *sys, enum fault_call call, size_t nth,
                         int error);

/* Stops the clock at a time, and moves it on. */
void fault_clock_set(struct fault_sys *sys, uint64_t now_ns);
void fault_clock_advance(struct fault_sys *sys, uint64_t by_ns);

/* Moves it on while every thread waits for a processor. */
void fault_clock_starve(struct fault_sys *sys, uint64_t by_ns);

/* ---- both ---- */

/* Makes an env whose doors lead through the kit; either may be NULL. Nothing is logged. */
void fault_env_init(struct kp_env *env, struct fault_mem *mem, struct fault_sys *sys);

/* Takes back all orders to fail; the counters go on. Either may be NULL. */
void fault_env_heal(struct fault_mem *mem, struct fault_sys *sys);

/* Fails the test when a block is outstanding, or when env counts otherwise than the kit. */
void fault_env_check(const struct kp_env *env, const struct fault_mem *mem);

/* ---- helpers ---- */

/* Counts the open descriptors of the process. */
size_t fault_count_fds(void);

/* Makes two connected stream sockets, nonblocking and close-on-exec. */
void fault_socketpair(int fds[2]);

/* Writes until the socket is full, and reads until it is empty. Return how many bytes. */
size_t fault_fill(int fd);
size_t fault_drain(int fd);

/* Waits until is_so(arg); after ten seconds it fails the test with "waited for <what>". */
void fault_wait_until(bool (*is_so)(void *arg), void *arg, const char *what);

#endif
