/*
 * report.h - what the operator reads when a script fails
 */
#ifndef KP_REPORT_H
#define KP_REPORT_H

#include "generation.h"

/* Message handler for protected calls and failed coroutines: turns any error value into a
 * string (as lua.c does: strings as they are, __tostring, else its type). */
int kp_report_message_handler(lua_State *L);

/* The last line of a traceback: our own C function, below those of the script. */
#define KP_REPORT_MAIN_LINE "\n\t[C]: in ?"

/* Returns the length of text without the ending, if it has that. */
size_t kp_report_without(const char *ending, const char *text, size_t len);

/* Reports that a handler raised: counts it; logs "on_message: scripts/chat.lua:12: ...
 * (client #3 127.0.0.1:5312)", the source line and the traceback, one record a line, at most
 * ten of a kind and then one a second; sets script->error; calls handlers.on_error if there is one (not for an
 * error in on_error itself). co is the failed coroutine with the error value on top. */
void kp_report_error(struct kp_generation *gen, const char *what,
                     struct kelpie_conn *conn, lua_State *co);

/* Reports a failure that has no Lua value, for example that memory ran out before the
 * handler could be called: one log record and the counters. */
void kp_report_failure(struct kp_generation *gen, const char *what,
                       struct kelpie_conn *conn, const char *message);

/* Warns that a call took long. */
void kp_report_slow(struct kp_generation *gen, const char *what,
                    struct kelpie_conn *conn);

/* Finds "FILE:LINE:" at the beginning of a message and reads that line of the script.
 * Returns   whether out (size bytes) holds the line, without indentation. */
bool kp_report_source_line(struct kp_script *script, const char *message, char *out,
                           size_t size);

#endif
