/*
 * input.h - the operator's lines from standard input
 */
#ifndef KD_INPUT_H
#define KD_INPUT_H

#include "log.h"

#define KD_INPUT_LINE_MAX 65536 /* bytes of one line; longer ones are left out */

struct kd_input {
    kelpie *k;
    struct kd_log *log;
    int fd;
    bool is_watched;
    bool is_skipping; /* the rest of a line that was too long */
    size_t len;       /* bytes of an unfinished line */
    char line[KD_INPUT_LINE_MAX];
};

/* Hands every line that can be read from fd to kelpie_input, until its end. fd may be a
 * terminal, pipe, socket, file or /dev/null. */
void kd_input_start(struct kd_input *input, kelpie *k, int fd, struct kd_log *log);

void kd_input_stop(struct kd_input *input);

#endif
