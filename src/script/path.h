/*
 * path.h - where in a state a value is, in words: keep 'users'[3].name
 */
#ifndef KP_PATH_H
#define KP_PATH_H

#include <lua.h>

#define KP_PATH_SIZE 180 /* leaves room for a reason in a sentence of 256 bytes */

/* Writes root and the keys that lead from it to a value. They are on the stack of L at
 * first, first + 2, ... (n of them). Creates nothing in L and never raises; what does not
 * print is shown as ?, since keys may have come from clients. out has KP_PATH_SIZE bytes;
 * a path that is longer ends with "...". */
void kp_path_write(char *out, const char *root, lua_State *L, int first, int n);

#endif
