/*
 * commands.h - what `kelpie` can be told to do
 */
#ifndef KD_COMMANDS_H
#define KD_COMMANDS_H

#include "options.h"

/* Each returns the exit code, one of sysexits(3). */
int kd_cmd_run(const struct kd_options *options);
int kd_cmd_check(const struct kd_options *options);
int kd_cmd_init(const struct kd_options *options);
int kd_cmd_test(const struct kd_options *options); /* 0: all passed; 1 */

/* Returns code, or EX_IOERR when anything that was printed has not been written: what is long
 * goes in parts, of which an earlier one may have failed. */
int kd_end_output(int code);

/* Ask a running daemon; their exit codes are enum kd_exit (control_client.h). */
int kd_cmd_reload(const struct kd_options *options);
int kd_cmd_rollback(const struct kd_options *options);
int kd_cmd_status(const struct kd_options *options);

/* The exit code that belongs to a failed kelpie_load, kelpie_check; kelpie_listen. */
int kd_exit_of_load(int error);
int kd_exit_of_listen(int error);

#endif
