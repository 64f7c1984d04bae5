/*
 * main.c - the program kelpie
 *
 * A host of libkelpie like any other: everything here could be written by a stranger with
 * nothing but <kelpie.h>. What it adds is what a program has and a library must not: a
 * command line (options.c), signals (signals.c), standard input (input.c), a log (log.c),
 * a user (privileges.c), and an exit code.
 */
#include <lua.h>
#include <stdio.h>
#include <sysexits.h>

#include "commands.h"
#include "log.h"
#include "privileges.h"

int
kd_end_output(int code)
{
    return fflush(stdout) == 0 && !ferror(stdout) ? code : EX_IOERR;
}

static int
print_help(void)
{
    kd_options_help(stdout);
    return kd_end_output(EX_OK);
}

static int
print_version(void)
{
    printf("kelpie %s (%s)\n", kelpie_version(), LUA_RELEASE);
    return kd_end_output(EX_OK);
}

static int
obey(const struct kd_options *options)
{
    switch (options->command) {
    case KD_HELP:
        return print_help();
    case KD_VERSION:
        return print_version();
    case KD_CHECK:
        return kd_cmd_check(options);
    case KD_INIT:
        return kd_cmd_init(options);
    case KD_TEST:
        return kd_cmd_test(options);
    case KD_RELOAD:
        return kd_cmd_reload(options);
    case KD_ROLLBACK:
        return kd_cmd_rollback(options);
    case KD_STATUS:
        return kd_cmd_status(options);
    default:
        return kd_cmd_run(options);
    }
}

int
main(int argc, char **argv)
{
    struct kd_options options;

    kd_privileges_fill_std_fds();
    int code = kd_options_parse(&options, argc, argv);
    if (code == EX_OK) {
        code = obey(&options);
    } else {
        char line[KD_WHY_SIZE];
        (void)kd_log_escape(line, sizeof(line), options.why);
        fprintf(stderr, "kelpie: %s\n", line);
    }
    kd_options_clear(&options);
    return code;
}
