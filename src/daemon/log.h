/*
 * log.h - records of the daemon and of its scripts, for the operator
 */
#ifndef KD_LOG_H
#define KD_LOG_H

#include "options.h"
#include "sink.h"

struct kd_log {
    struct kd_sink records; /* standard error, or the log file */
    struct kd_sink printed; /* standard output: what scripts print */
    const char *path;       /* of the log file; NULL: standard error. Borrowed */
    enum kelpie_level level;
    enum kd_log_format format;
    bool has_colour;
};

/* Opens the log that options ask for; they have to live as long as it.
 * Returns   0, or negative errno of opening the log file; then it is standard error. */
int kd_log_open(struct kd_log *log, const struct kd_options *options);

/* Gives what waits a second to go out, then closes the log file. */
void kd_log_close(struct kd_log *log);

/* Opens the log file by its name again, after somebody has moved it away. If that fails, the
 * old one stays and gets a record that says so. */
void kd_log_reopen(struct kd_log *log);

/* Opens the log file for a thread with descriptors of its own, before the process ends; if that
 * fails, records go to standard error. */
void kd_log_open_here(struct kd_log *log);

/* The doors for kelpie_options.log and .print; arg is the struct kd_log. */
kelpie_log_fn kd_log_record;
kelpie_print_fn kd_log_print;

/* Writes records of the daemon itself: every line of the text is one, escaped. */
void kd_log_write(struct kd_log *log, enum kelpie_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Escapes a line of text for a terminal: what is no printable ASCII becomes \xNN, a tab a
 * blank. Stops at the end of text or of line, and when out is full.
 * Returns   where the next line of text begins; NULL when this was the last one. */
const char *kd_log_escape(char *out, size_t size, const char *text);

/* Tries again what could not be written at once; returns whether something still waits. */
bool kd_log_flush(struct kd_log *log);

#endif
