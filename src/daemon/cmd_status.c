/*
 * cmd_status.c - kelpie status: what the running daemon does, and how much of it
 *
 * A table for people, one name and value a line; with --json one object, for programs.
 */
#include "commands.h"

#include "control_client.h"

int
kd_cmd_status(const struct kd_options *options)
{
    return kd_control_command(options, options->json ? "status --json" : "status");
}
