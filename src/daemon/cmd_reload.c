/*
 * cmd_reload.c - kelpie reload: the running daemon loads its scripts again
 *
 * Waits until that is done, and prints what it has come to. The exit code is 0 when the new
 * scripts serve, 1 when they were rejected, 2 when they were rolled back, 3 when there is no
 * daemon: so `kelpie reload || exit 1` is a deployment that cannot fail in silence.
 */
#include "commands.h"

#include "control_client.h"

int
kd_cmd_reload(const struct kd_options *options)
{
    if (options->dry_run)
        return kd_control_command(options, "reload --dry-run");
    return kd_control_command(options, options->drop ? "reload --drop" : "reload");
}
