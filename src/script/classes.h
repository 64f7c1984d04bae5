/*
 * classes.h - metatables that have a name, so that objects keep their class in a reload
 *
 * kelpie.class(name, metatable) tells each generation which metatable a name means. Objects
 * that arrive before the new script has come to its kelpie.class wait for it.
 */
#ifndef KP_CLASSES_H
#define KP_CLASSES_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct kp_carry;

/* Declares the metatable at index `metatable` (absolute, as is `name`, a string), and gives
 * it to the objects that wait for that name. Runs protected.
 * Raises    when the name has another metatable, or the metatable another name, or __gc. */
void kp_class_declare(lua_State *L, int name, int metatable);

/* Replaces the metatable on top by its name, or by nil. Creates nothing, never raises.
 * [-1, +1]
 * Returns   the name, len bytes, or NULL.
 * Borrows   while it is on the stack. */
const char *kp_class_name(lua_State *L, size_t *len);

/* Sets the metatable of that class on the object on top. Runs protected.
 * Returns   false when the class is not declared: then nothing has happened. */
bool kp_class_apply(lua_State *L, const char *name, size_t len);

/* As lua_setmetatable; a finaliser that the script has put into the metatable on top since it
 * declared the class is taken out. Never raises. [-1, +0] */
void kp_class_set_metatable(lua_State *L, int object);

/* Makes the object on top wait for its class. Runs protected.
 * Returns   whether it is the first one of its class; then say where it was found. */
bool kp_class_defer(lua_State *L, const char *name, size_t len);
void kp_class_note_path(lua_State *L, const char *name, size_t len, const char *path);

/* Forgets the objects that wait; they stay plain tables. Never raises, needs no memory. */
void kp_class_forget_waiting(lua_State *L);

/* Reports the classes for which objects still wait, each once; they stay plain tables. Runs
 * protected. */
void kp_class_report_missing(lua_State *L, struct kp_carry *carry);

#endif
