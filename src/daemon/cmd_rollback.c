/*
 * cmd_rollback.c - kelpie rollback: the running daemon goes back to the scripts before
 *
 * Exit codes as those of kelpie reload: 0 when the generation before serves again, 1 when
 * there is none to go back to, 3 when there is no daemon.
 */
#include "commands.h"

#include "control_client.h"

int
kd_cmd_rollback(const struct kd_options *options)
{
    return kd_control_command(options, "rollback");
}
