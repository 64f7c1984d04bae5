/*
 * test_world.h - a server for tests: clients without sockets, time that tests move
 */
#ifndef KD_TEST_WORLD_H
#define KD_TEST_WORLD_H

#include <kelpie.h>
#include <lua.h>

/* Pushes the table of functions that test.lua is given. Servers get these options; they must
 * outlive L. */
void kd_test_world_open(lua_State *L, const struct kelpie_options *options);

#endif
