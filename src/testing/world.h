/*
 * world.h - a server for tests: clients without sockets, time that tests move
 */
#ifndef KT_WORLD_H
#define KT_WORLD_H

#include <kelpie.h>
#include <lua.h>

/* Pushes the table of functions that test.lua is given. Servers get these options; they must
 * outlive L. */
void kt_world_open(lua_State *L, const struct kelpie_options *options);

#endif
