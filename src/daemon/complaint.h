/*
 * complaint.h - what is wrong with a script, taken apart: file, line, message, column
 */
#ifndef KD_COMPLAINT_H
#define KD_COMPLAINT_H

#include <stddef.h>
#include <stdio.h>

struct kd_complaint {
    char file[4096]; /* that can be opened; "" when there is no place to point at */
    long line;       /* from 1; 0 without a file */
    char message[1024];
    char source[512]; /* that line of the file; "" when it could not be read */
    int column;       /* of the token that Lua names, in bytes from 1; 0: not known */
    const char *more; /* further lines, a traceback for example; borrowed from the text */
    size_t more_len;
};

/* Takes the first complaint out of an error text of kelpie_check. script is the path that was
 * checked.
 * Returns   where the next one begins; NULL when there was none left, and *out is untouched. */
const char *kd_complaint_next(struct kd_complaint *out, const char *text,
                              const char *script);

/* Prints it for people: "FILE:LINE: message", the line, a caret under the token. */
void kd_complaint_print(FILE *out, const struct kd_complaint *complaint);

/* Prints it as a JSON object on one line, without a newline. */
void kd_complaint_print_json(FILE *out, const struct kd_complaint *complaint);

#endif
