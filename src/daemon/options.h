/*
 * options.h - what the operator asks for: command line and configuration file
 *
 * Knows nothing of a running server; every function here can be tried without one.
 */
#ifndef KD_OPTIONS_H
#define KD_OPTIONS_H

#include <kelpie.h>
#include <stdbool.h>
#include <stdio.h>

enum kd_command {
    KD_RUN,
    KD_CHECK,
    KD_RELOAD,
    KD_ROLLBACK,
    KD_STATUS,
    KD_TEST,
    KD_INIT,
    KD_HELP,
    KD_VERSION,
};

enum kd_log_format { KD_LOG_TEXT, KD_LOG_JSON };

/* Where a value comes from. What comes later wins: flags over the configuration file. */
enum kd_source { KD_FROM_CONFIG, KD_FROM_FLAGS };

/* Texts that an option collected. */
struct kd_list {
    char **items; /* n of them and a NULL; NULL when n is 0 */
    size_t n;
    enum kd_source source;
};

#define KD_WHY_SIZE 512

struct kd_options {
    enum kd_command command;
    char *script;                 /* file or folder; NULL: none was given */
    struct kelpie_options server; /* allow borrows from the list below */
    struct kd_list listen;        /* addresses; never empty after kd_options_parse */
    bool listen_is_default;       /* nobody has asked for them */
    struct kd_list allow;
    int log_level;  /* enum kelpie_level */
    int log_format; /* enum kd_log_format */
    char *log_file; /* NULL: standard error */
    char *user;     /* NULL: stay who we are */
    char *config;   /* NULL: no configuration file */
    char *control;  /* path of the control socket, or "none"; NULL: where others look */
    bool no_stdin;
    bool no_rollback;
    bool json, drop, dry_run, wait; /* of check, reload, status */
    bool fastopen;
    bool watch;

    enum kd_source source; /* of the values that are being set */
    char why[KD_WHY_SIZE]; /* what was wrong, in a sentence */
};

/* Reads the command line, and the configuration file that it names.
 * Returns   0, or an exit code of sysexits(3) with the sentence in out->why.
 * Gives     *out, to be released with kd_options_clear, also on failure. */
int kd_options_parse(struct kd_options *out, int argc, char **argv);

void kd_options_clear(struct kd_options *options);

/* Writes what `kelpie --help` prints. */
void kd_options_help(FILE *out);

#endif
