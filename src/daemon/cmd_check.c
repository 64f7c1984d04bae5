/*
 * cmd_check.c - kelpie check: is the script good?
 *
 * Loads and checks it in a server that has no listener and never runs. Everything that is
 * wrong goes to standard error, one complaint a line, location first, as editors and CI
 * expect it; nothing is logged. What the scripts print while they load is dropped.
 */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>

#include "log.h"

int
kd_exit_of_load(int error)
{
    switch (error) {
    case KELPIE_ESCRIPT:
        return EX_DATAERR;
    case -EACCES:
    case -EPERM:
        return EX_NOPERM;
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE:
        return EX_OSERR;
    default:
        return EX_NOINPUT;
    }
}

int
kd_exit_of_listen(int error)
{
    switch (error) {
    case KELPIE_EADDRESS:
        return EX_USAGE;
    case -EACCES:
    case -EPERM:
        return EX_NOPERM;
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE:
        return EX_OSERR;
    default:
        return EX_UNAVAILABLE;
    }
}

static void
print_lines(FILE *out, const char *text)
{
    char line[1024];

    for (const char *next = text; next != NULL && *next != '\0';) {
        next = kd_log_escape(line, sizeof(line), next);
        fprintf(out, "%s\n", line);
    }
}

int
kd_cmd_check(const struct kd_options *options)
{
    kelpie *k;
    int rc = kelpie_new(&k, &options->server);

    if (rc < 0) {
        fprintf(stderr, "kelpie: %s\n", kelpie_strerror(rc));
        return EX_OSERR;
    }
    rc = kelpie_check(k, options->script);
    if (rc < 0)
        print_lines(stderr, kelpie_errmsg(k));
    kelpie_free(k);
    if (rc < 0)
        return kd_exit_of_load(rc);
    char line[1024];
    (void)kd_log_escape(line, sizeof(line), options->script);
    printf("%s: ok\n", line);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
