/*
 * tell.h - what the operator is told about a reload, a dry run, a roll-back
 *
 * script->report is a text of lines: the first is the sentence, the others are details. When
 * it is finished it is printable ASCII and newlines, nothing else.
 */
#ifndef KP_TELL_H
#define KP_TELL_H

#include "script.h"

/* Empties the report. */
void kp_tell_clear(struct kp_script *script);

/* Adds a line at the end. What does not fit is left out. */
void kp_tell(struct kp_script *script, const char *format, ...) KP_PRINTF(2, 3);

/* Puts the sentence before the details that are there. */
void kp_tell_sentence(struct kp_script *script, const char *format, ...) KP_PRINTF(2, 3);

/* Turns the reason in script->error into the sentence that says what it means for those who
 * are connected, "WHAT: reason; still serving generation 3, 2 connections unaffected", and
 * keeps the details in the lines after it. Without a generation that serves the reason stays
 * as it is. The report becomes the same text. */
void kp_tell_failure(struct kp_script *script, const char *what);

/* The report becomes script->error. */
void kp_tell_error(struct kp_script *script);

/* What was asked for does not even begin: error and report become why.
 * Returns   error. */
int kp_tell_refusal(struct kp_script *script, int error, const char *why);

/* End a report: write each line of it, or its sentence only, as a log record; then escape in
 * the report itself what is not printable. kp_tell_quietly writes nothing. */
void kp_tell_log(struct kp_script *script, enum kelpie_level level);
void kp_tell_log_sentence(struct kp_script *script, enum kelpie_level level);
void kp_tell_quietly(struct kp_script *script);

/* Writes each line that the report has by now as a log record. */
void kp_tell_log_details(struct kp_script *script, enum kelpie_level level);

/* Returns "" for 1, else "s". */
const char *kp_tell_plural(size_t n);

#endif
