/*
 * lua_conn.h - what lua_conn.c and lua_conn_methods.c share; for these two only
 */
#ifndef KP_LUA_CONN_H
#define KP_LUA_CONN_H

#include "bind.h"

/* The userdata of a connection; user value 1 is conn.data. */
struct kp_lua_conn {
    struct kelpie_conn *conn; /* NULL: gone */
    uint64_t id;
    uint32_t number;
    union kp_peer peer;
    char listener[KP_ADDRESS_NAME_SIZE]; /* "" without a name */
};

extern const struct kp_lua_type kp_lua_conn_type;
extern const luaL_Reg kp_lua_conn_methods[];

#endif
