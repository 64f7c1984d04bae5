/*
 * cmd_check.c - kelpie check: is the script good?
 *
 * Loads and checks it in a server that has no listener and never runs. Everything that is
 * wrong goes to standard error, location first, as editors and CI expect it, with the source
 * line; or as JSON to standard output. Nothing is logged. What the scripts print while they
 * load is dropped.
 */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "complaint.h"
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

/* Prints everything that is wrong. With --json an array, an object a line, to standard output;
 * without anything wrong it is empty. */
static void
print_all(const struct kd_options *options, const char *text)
{
    struct kd_complaint *complaint = malloc(sizeof(*complaint));
    const char *separator = "";

    if (complaint == NULL) {
        fputs("kelpie: out of memory\n", stderr);
        return;
    }
    if (options->json)
        putchar('[');
    while ((text = kd_complaint_next(complaint, text, options->script)) != NULL) {
        if (options->json) {
            fputs(separator, stdout);
            kd_complaint_print_json(stdout, complaint);
            separator = ",\n";
        } else {
            kd_complaint_print(stderr, complaint);
        }
    }
    if (options->json)
        puts("]");
    free(complaint);
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
    if (rc != 0 || options->json)
        print_all(options, rc != 0 ? kelpie_errmsg(k) : "");
    kelpie_free(k);
    if (rc >= 0 && !options->json) {
        char line[1024];
        (void)kd_log_escape(line, sizeof(line), options->script);
        if (rc == 0)
            printf("%s: ok\n", line);
        else
            printf("%s: ok, %d warning%s\n", line, rc, rc == 1 ? "" : "s");
    }
    return kd_end_output(rc < 0 ? kd_exit_of_load(rc) : EX_OK);
}
