/*
 * lua_dir.h - where the definitions for editors are
 */
#ifndef KD_LUA_DIR_H
#define KD_LUA_DIR_H

#include <stdbool.h>
#include <stddef.h>

/* Finds the folder of kelpie.d.lua from argv[0].
 * Returns   whether it is there; else *out is where it was to be installed. */
bool kd_lua_dir(char *out, size_t out_size, const char *program);

#endif
