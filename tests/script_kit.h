/*
 * script_kit.h - one generation from a text, over a real net, without files
 *
 * The kit loads a text as the live generation, without anything of reload, and does the steps
 * of a server. Scripts print what happens to them; a test compares what was printed:
 *
 *     sk_load(kit, "return { on_message = function(conn, m) print(m) end }");
 *     sk_connect(kit, 0);
 *     sk_say(kit, 0, "hello\n");
 *     sk_printed(kit, "hello\n");
 *
 * In a script, test.advance(ms) moves the clock, test.fail(n) lets the nth allocation from
 * then on fail, and test.kill() is a kill that comes at this moment. test.look(ms) moves the
 * clock and lets the guard look. Time stands still otherwise.
 */
#ifndef SCRIPT_KIT_H
#define SCRIPT_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fault.h"
#include "net/conns.h"
#include "script/generation.h"
#include "script/task.h"

#define SK_CONNS 8

struct script_kit {
    struct kp_env env;
    struct fault_mem mem;
    struct fault_sys sys;
    struct kp_loop loop;
    struct kp_timers timers;
    struct kp_net net;
    struct kp_script script;
    int watchdog_signal; /* with the guard's thread; between sk_prepare and sk_open */

    char log[64 * 1024]; /* "error: text\n", "info: text\n", ... */
    char printed[16 * 1024];
    int peers[SK_CONNS]; /* the other ends of the connections; -1: none */
    struct kelpie_conn *conns[SK_CONNS];
    unsigned n_told; /* calls of the net's on_message */
};

/* Builds and takes down a kit; for cmocka_unit_test_setup_teardown. The second half checks
 * that every byte was given back. */
int sk_setup(void **state);
int sk_teardown(void **state);

/* The same in signal mode, without the guard's thread: it looks when a script says so. */
int sk_setup_signal(void **state);

/* The same in pieces, where everything may fail. sk_open returns 0 or negative errno: then
 * nothing is left. */
void sk_prepare(struct script_kit *kit);
int sk_open(struct script_kit *kit);
void sk_close(struct script_kit *kit);

/* Makes a generation of a text; what was live is freed. Returns 0, KELPIE_ESCRIPT, -ENOMEM
 * as loading does. sk_load asserts 0; sk_refuse that script->error has the words. */
int sk_try_load(struct script_kit *kit, const char *text);
void sk_load(struct script_kit *kit, const char *text);
void sk_refuse(struct script_kit *kit, const char *text, const char *words);

/* Makes a second generation of a text the live one; the other one retires. */
void sk_load_beside(struct script_kit *kit, const char *text);

/* Runs a text as a spawned task of the live generation, after a local `kelpie`. */
void sk_run(struct script_kit *kit, const char *text);

/* Opens a connection in a slot, and announces it. */
void sk_connect(struct script_kit *kit, int slot);
/* Sends from the other end; the steps that follow deliver it. */
void sk_say(struct script_kit *kit, int slot, const char *bytes);
/* The other end stops sending, or is closed. */
void sk_half_close(struct script_kit *kit, int slot);
void sk_hang_up(struct script_kit *kit, int slot);
/* Asserts what the other end has got since the last time. */
void sk_hears(struct script_kit *kit, int slot, const char *expected);

/* Does one step, as a server without sleep; several, until nothing is left to be done. */
void sk_step(struct script_kit *kit);
void sk_settle(struct script_kit *kit);
/* Moves the clock, and settles. */
void sk_pass(struct script_kit *kit, uint64_t ms);

/* Assert what was printed, or logged, since the last time. sk_logged: its parts in order. */
void sk_printed(struct script_kit *kit, const char *expected);
void sk_logged(struct script_kit *kit, const char *words);
void sk_logged_nothing(struct script_kit *kit);

#endif
