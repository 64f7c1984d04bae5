/*
 * sim_script.h - handlers in Lua for a simulated server
 */
#ifndef SIM_SCRIPT_H
#define SIM_SCRIPT_H

#include "sim_world.h"

struct lua_State;

/* Reads a text file; ends the program when it cannot. Gives a string for free(3). */
char *sim_script_read(const char *path);

/* Loads the first version. Returns as kelpie_load. */
int sim_script_load(struct sim_world *world);

/* The operator changes the script, or asks for a reload or a roll-back. */
void sim_script_change(struct sim_world *world);
void sim_script_clear(struct sim_world *world);

/* sim_module.c: the module `sim` of the script. */
int sim_module_open(struct lua_State *L);

/* A message was shown to the host, and goes on to the script. */
void sim_script_expect(struct sim_world *world, struct sim_peer *peer,
                       const void *message, size_t len);

/* What is left when everybody has gone. */
void sim_script_check_end(struct sim_world *world);

#endif
