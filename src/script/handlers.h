/*
 * handlers.h - the table that the main script returns, checked and turned into references
 */
#ifndef KP_HANDLERS_H
#define KP_HANDLERS_H

#include <stdbool.h>

#include "base/base.h"
#include "net/address.h"
#include "net/frame.h"

struct lua_State;
struct kp_generation;

enum kp_handler {
    KP_ON_LOAD,
    KP_ON_CONNECT,
    KP_ON_MESSAGE,
    KP_ON_DISCONNECT,
    KP_ON_DRAIN,
    KP_ON_ADOPT,
    KP_ON_INPUT,
    KP_ON_ERROR,
    KP_ON_SHUTDOWN,
    KP_MIGRATE,
    KP_MIGRATE_CONN,
    KP_SELF_TEST,
    KP_N_HANDLERS
};

struct kp_handlers {
    char listener[KP_ADDRESS_NAME_SIZE]; /* its name; "" for the main table */
    int refs[KP_N_HANDLERS];             /* registry references; LUA_NOREF when absent */
    bool has_framing;
    struct kp_framing framing;
    size_t max_message; /* 0: the server's */
};

/* Makes handlers without any handler. */
void kp_handlers_init(struct kp_handlers *handlers);

/* Returns the field's name, "on_load" and so on. */
const char *kp_handler_name(enum kp_handler handler);

/* Reads the handlers table at the top of the stack into gen->handlers, gen->named and
 * gen->schema; pops it. Runs protected (kp_generation_enter).
 * Raises    for an unknown field, with the nearest known name, for a handler that is not a
 *           function, for a framing or size that makes no sense: sentences that name the
 *           field. */
void kp_handlers_read(struct lua_State *L, struct kp_generation *gen);

/* Reads a framing at `index`: a string or a table, as in the handlers table and in
 * conn:set_framing. partial_at_eof is a field of the handlers table and not read here.
 * Raises    a sentence that says what a framing looks like. */
void kp_framing_check(struct lua_State *L, int index, struct kp_framing *out);

#endif
