/*
 * cmd_reload.c - kelpie reload: the running daemon loads its scripts again
 *
 * Waits until that is done, and prints what it has come to. The exit code is 0 when the new
 * scripts serve, 1 when they were rejected, 3 when there is no daemon; and with --wait, which
 * also waits for the time of the probation, 2 when they were rolled back in it. So `kelpie reload --wait || exit 1` is a deployment that cannot fail in silence.
 */
#include "commands.h"

#include <stdio.h>

#include "control_client.h"

int
kd_cmd_reload(const struct kd_options *options)
{
    char command[64];

    snprintf(command, sizeof(command), "reload%s%s%s", options->drop ? " --drop" : "",
             options->dry_run ? " --dry-run" : "", options->wait ? " --wait" : "");
    return kd_control_command(options, command);
}
