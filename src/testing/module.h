/*
 * module.h - the Lua module kelpie.test, for every host that offers it
 */
#ifndef KT_MODULE_H
#define KT_MODULE_H

#include <kelpie.h>
#include <lua.h>

/* Pushes the module; may raise. Servers that it starts get these options. [-0, +1]
 * Borrows   *options until L is closed. */
void kt_module_open(lua_State *L, const struct kelpie_options *options);

#endif
