/*
 * sandbox.h - the libraries that a script sees
 *
 * Kept: base, string, table, math, utf8, and of os the clock. Replaced: pcall, xpcall,
 * coroutine, setmetatable, patterns, loops of table, load, require, print, collectgarbage.
 * Absent unless allowed: io,
 * the rest of os, debug, C modules; bytecode always.
 */
#ifndef KP_SANDBOX_H
#define KP_SANDBOX_H

#include "generation.h"

/* Opens the libraries in a fresh state. Runs protected. */
void kp_sandbox_open(lua_State *L, struct kp_generation *gen);

/* Forbids new globals, from the end of loading on: assigning one raises an error that says
 * how to do it instead. Runs protected. */
void kp_sandbox_lock_globals(lua_State *L);

/* The libraries string, with our own pattern functions (lua_string.c), and table, with our own
 * loops (lua_table.c). Run protected. */
void kp_string_open(lua_State *L);
void kp_table_open(lua_State *L);

/* Our own coroutine library (coroutine.c), pcall and xpcall (pcall.c). Run protected. */
void kp_coroutine_open(lua_State *L);
void kp_pcall_open(lua_State *L);

/* Raises unless the running coroutine can be suspended by kp_coroutine_suspend. */
void kp_coroutine_check_suspend(lua_State *L);

/* Yields out of every coroutine of the script up to the running task, which is suspended;
 * k continues when it is resumed. The value is told apart from the script's own yields. */
int kp_coroutine_suspend(lua_State *L, lua_KContext context, lua_KFunction k);

/* Returns whether co was suspended so; then a mark is on top of its stack, which has to be
 * popped before co is resumed. */
bool kp_coroutine_is_suspended(lua_State *co);

#endif
