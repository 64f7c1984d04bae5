/*
 * bind.h - the Lua types of kelpie: one file each, opened by lua_kelpie.c
 */
#ifndef KP_BIND_H
#define KP_BIND_H

#include <sys/uio.h>

#include "generation.h"
#include "net/room.h"

/* Opens the module table `kelpie` (lua_kelpie.c): pushes it. [-0, +1] */
int kp_lua_open_kelpie(lua_State *L);

/* Each registers its metatable and adds its functions to the module table on top. */
void kp_lua_open_conn(lua_State *L);
void kp_lua_open_room(lua_State *L);
void kp_lua_open_timer(lua_State *L);
void kp_lua_open_keep(lua_State *L);
void kp_lua_open_connect(lua_State *L);
void kp_lua_open_text(lua_State *L);

/* Pushes the one handle of a connection in this generation. [-0, +1] */
void kp_lua_push_conn(lua_State *L, struct kelpie_conn *conn);

/* The same on a stack with room for it, with something below that is of no use: quicker.
 * [-0, +2]
 * Returns   the handle. */
void *kp_lua_push_own_conn(lua_State *L, struct kelpie_conn *conn);

/* Pushes a handle for a connection known by its id: its handle if it lives, else a new one
 * of a gone connection. [-0, +1] */
void kp_lua_push_conn_id(lua_State *L, uint64_t id, uint32_t number);

/* Gives the handle on top what the one at index of another state knows of its peer, which a
 * connection that is gone cannot tell any more. Never raises. */
void kp_lua_copy_peer(lua_State *L, lua_State *from, int index);

/* Returns the connection of the handle at index, or NULL when it is gone; raises when the
 * value is no connection (opt: nil and none are NULL, too). kp_lua_test_conn never raises:
 * false when it is no handle. */
struct kelpie_conn *kp_lua_check_conn(lua_State *L, int index);
struct kelpie_conn *kp_lua_opt_conn(lua_State *L, int index);
bool kp_lua_test_conn(lua_State *L, int index, uint64_t *id, uint32_t *number);

/* conn.data of a connection in this generation: pushes the table, or nil when the script
 * never touched it. Never allocates. [-0, +1] */
void kp_lua_push_conn_data(lua_State *L, struct kelpie_conn *conn);
/* Pops a table and makes it conn.data. [-1, +0] */
void kp_lua_set_conn_data(lua_State *L, struct kelpie_conn *conn);

/* Makes the handle of a connection one of a gone connection. Never raises. */
void kp_lua_forget_conn(struct kp_generation *gen, struct kelpie_conn *conn);

/* Pushes the handle of a room in this generation. [-0, +1] */
void kp_lua_push_room(lua_State *L, struct kelpie_room *room);
/* Returns the room of the handle at index, or NULL when it is none. Never raises. */
struct kelpie_room *kp_lua_test_room(lua_State *L, int index);
/* Returns the room at index, a handle or a name; the handle takes the name's place on the
 * stack. Returns NULL when there can be no room of that name; raises for anything else. */
struct kelpie_room *kp_lua_check_room(lua_State *L, int index);

/* Push what a script is told of rooms beyond the limits, and of joining one. Return how many
 * values. */
int kp_lua_push_no_room(lua_State *L);
int kp_lua_push_joined(lua_State *L, int result);

/* Cancels the timers of a generation (swap, free). Never raises. */
void kp_lua_cancel_timers(struct kp_generation *gen);

/* Calls fn with the name of each timer of a generation that is started and has one; bytes
 * that do not print are escaped.
 * Returns   how many have none. */
size_t kp_lua_list_timers(const struct kp_generation *gen,
                          void (*fn)(void *arg, const char *name), void *arg);

/* ---- what the bindings share: lua_args.c -------------------------------------------- */

/* The string and number arguments from `first` on, as parts of one message, without joining
 * them in Lua, and without making strings of integers.
 * Raises    for other types, for none, and for more than KP_LUA_MAX_PARTS.
 * Borrows   the strings on the stack; out points into itself, too. */
#define KP_LUA_MAX_PARTS    64
#define KP_LUA_INTEGER_SIZE 20 /* of -9223372036854775808, not terminated */
struct kp_lua_parts {
    struct iovec iov[KP_LUA_MAX_PARTS];
    char integers[KP_LUA_MAX_PARTS][KP_LUA_INTEGER_SIZE];
    int n;
};
void kp_lua_check_parts(lua_State *L, int first, struct kp_lua_parts *out);

/* One string or number argument. Borrows the string on the stack. */
struct iovec kp_lua_check_part(lua_State *L, int index);

/* A number of seconds, in nanoseconds; more than 300 years, also math.huge, are 300 years.
 * Raises    for what is no number, for nan, and for less than 0. */
uint64_t kp_lua_check_seconds(lua_State *L, int index);

/* Push the results of an operation; all return how many. [-0, +1 or +3]
 * result: true, or nil, message, code; count: a number or the same; changed: a boolean or
 * the same; closed: nil, "connection closed", "closed"; failure: nil, message, code. */
int kp_lua_push_failure(lua_State *L, const char *message, const char *code);
int kp_lua_push_result(lua_State *L, int result);
int kp_lua_push_count(lua_State *L, int result);
int kp_lua_push_changed(lua_State *L, int result);
int kp_lua_push_closed(lua_State *L);

/* Pushes why there is no outbound connection: nil, message, code. */
int kp_lua_push_unconnected(lua_State *L, int error);

/* ---- userdata types: lua_type.c ------------------------------------------------------ */

/* One type. Its address is the registry's key of its metatable. */
struct kp_lua_type {
    enum kp_lua_kind kind;
    const char *name; /* "kelpie.conn" */
    const char *word; /* "conn", in messages */
    const char *hint; /* after "conn has no field 'x'", when no name is near */
    const luaL_Reg *methods;
    const luaL_Reg *fields; /* called with the userdata at index 1; push one value */
    const luaL_Reg *metamethods;
};

/* Registers the metatable of a type. */
void kp_lua_open_type(lua_State *L, const struct kp_lua_type *type);

/* Makes a userdata of the type, zeroed. [-0, +1] */
void *kp_lua_new(lua_State *L, const struct kp_lua_type *type, size_t size,
                 int n_uservalues);

/* Return the userdata at index. test: NULL when it is none of the type, never raises; check:
 * raises; check_self: the same for index 1 of a method, which is named "conn:send". */
void *kp_lua_test(lua_State *L, int index, const struct kp_lua_type *type);
void *kp_lua_check(lua_State *L, int index, const struct kp_lua_type *type);
void *kp_lua_check_self(lua_State *L, const struct kp_lua_type *type, const char *method);

/* Makes it an error to read a name that the module on top does not have. */
void kp_lua_guard_names(lua_State *L, const char *word);

/* Raises that the field named at index 2 cannot be set. */
int kp_lua_refuse_field(lua_State *L, const struct kp_lua_type *type);

#endif
