/*
 * config.h - the configuration file
 */
#ifndef KD_CONFIG_H
#define KD_CONFIG_H

#include "options.h"

/* Reads options->config, a Lua file that returns a table, into options.
 * Returns   0, or EX_CONFIG, EX_NOINPUT, EX_OSERR with a sentence in options->why. */
int kd_config_read(struct kd_options *options);

#endif
