/*
 * bind_kit.h - what the tests of the Lua bindings share, on top of script_kit.h
 */
#ifndef BIND_KIT_H
#define BIND_KIT_H

#include "script_kit.h"

/* Runs a text in which try(f, ...) prints what f returns, or the error that it raises, and
 * conn, other are the connections in slots 0 and 1, or nil. Asserts what it printed, and
 * that nothing was logged. */
void bk_run(struct script_kit *kit, const char *text, const char *expected);

/* Runs a text that does not end, with a clock that runs and a limit of 20 ms. Asserts that it
 * was ended, and that it printed nothing. */
void bk_run_endless(struct script_kit *kit, const char *text);

/* Adds test.stage(on) to the live generation: what it calls then is called as if it loaded. */
void bk_add_stage(struct script_kit *kit);

/* Collects all garbage of the live generation. */
void bk_collect(struct script_kit *kit);

/* Counts the entries of a table that the live generation refers to: gen->timers_ref, ... */
size_t bk_count(struct script_kit *kit, int ref);

/* Calls on_input of a script with two connections (slots 0 and 1), again and again: each
 * allocation that is made from then on fails, once, and then once more with all that follow
 * it. Whatever the script makes of it, afterwards it must still serve and every byte must be
 * given back. */
void bk_fail_each_allocation(const char *script);

#endif
