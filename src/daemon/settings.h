/*
 * settings.h - the table of everything that can be set, by flag or in a configuration file
 */
#ifndef KD_SETTINGS_H
#define KD_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

enum kd_kind {
    KD_KIND_FLAG,    /* bool */
    KD_KIND_TEXT,    /* char * */
    KD_KIND_LIST,    /* struct kd_list; may be given again */
    KD_KIND_PORT,    /* a port of 127.0.0.1; goes to the list of addresses */
    KD_KIND_CHOICE,  /* int: the index in choices */
    KD_KIND_COUNT,   /* int */
    KD_KIND_SIZE,    /* size_t: bytes */
    KD_KIND_TIME_MS, /* int: milliseconds; -1 for "none" */
    KD_KIND_COMMAND, /* --help and --version */
};

struct kd_setting {
    const char *name; /* long flag without its dashes; in files with _ for - */
    char letter;      /* short flag; 0: none */
    enum kd_kind kind;
    const char *none;           /* what "none" is for; NULL: it is refused */
    bool is_flag_only;          /* makes no sense in a configuration file */
    size_t offset;              /* of the member in struct kd_options */
    uint64_t min, max;          /* of numbers */
    const char *const *choices; /* of CHOICE, and of LIST if only these are allowed */
    const char *value;          /* its name in the help text; NULL: takes none */
    const char *help;
};

extern const struct kd_setting kd_settings[];
extern const size_t kd_n_settings;

/* Finds a setting by its name; '_' and '-' are the same.
 * Returns   NULL when there is none; then *nearest is a similar name, or NULL. */
const struct kd_setting *kd_setting_find(const char *name, const char **nearest);

/* Sets one value from text (NULL: of a flag, true). `shown` is the name as the operator wrote
 * it, for the sentence.
 * Returns   0; -1 with a sentence in options->why. */
int kd_setting_apply(struct kd_options *options, const struct kd_setting *setting,
                     const char *shown, const char *text);

/* Writes the sentence for options->why. Returns -1. */
int kd_setting_fail(struct kd_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Frees what a list holds. */
void kd_list_clear(struct kd_list *list);

/* Appends a copy of text. What a weaker source has put there is dropped first.
 * Returns   0; -1 without memory. */
int kd_list_add(struct kd_list *list, const char *text, enum kd_source source);

#endif
