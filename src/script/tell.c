/*
 * tell.c - what the operator is told about a reload, a dry run, a roll-back
 *
 * Whoever asked, by signal, command, file watch or from C, gets the same text: it is in the
 * log, where every line is a record of its own, and in script->report until the next one.
 * Texts of scripts may hold anything: the log escapes by itself, the report at its end.
 */
#include "tell.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "generation.h"
#include "net/conns.h"

#define MAX_REASON 700 /* bytes of the first line of an error */

const char *
kp_tell_plural(size_t n)
{
    return n == 1 ? "" : "s";
}

void
kp_tell_clear(struct kp_script *script)
{
    script->report[0] = '\0';
}

void
kp_tell(struct kp_script *script, const char *format, ...)
{
    size_t len = strlen(script->report);
    size_t gap = len > 0;
    va_list args;

    if (len + gap + 1 >= KP_REPORT_SIZE)
        return;
    if (gap)
        script->report[len] = '\n';
    va_start(args, format);
    vsnprintf(script->report + len + gap, KP_REPORT_SIZE - len - gap, format, args);
    va_end(args);
}

void
kp_tell_sentence(struct kp_script *script, const char *format, ...)
{
    char *report = script->report;
    char sentence[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);

    size_t len = strlen(sentence), more = strlen(report);
    size_t gap = more > 0;
    if (more > KP_REPORT_SIZE - len - gap - 1)
        more = KP_REPORT_SIZE - len - gap - 1;
    memmove(report + len + gap, report, more);
    memcpy(report, sentence, len);
    if (gap)
        report[len] = '\n';
    report[len + gap + more] = '\0';
}

void
kp_tell_error(struct kp_script *script)
{
    snprintf(script->report, KP_REPORT_SIZE, "%s", script->error);
}

/* The reason is cut, so that a log record, which is shorter than script->error, has all of
 * the sentence. */
void
kp_tell_failure(struct kp_script *script, const char *what)
{
    char reason[KP_ERROR_SIZE];
    size_t n_conns = kp_conns_count(script->net);

    if (script->live) {
        memcpy(reason, script->error, sizeof reason);
        reason[sizeof reason - 1] = '\0';

        int len = (int)strcspn(reason, "\n");
        bool is_cut = len > MAX_REASON;
        snprintf(script->error, KP_ERROR_SIZE,
                 "%s: %.*s%s; still serving generation %" PRIu64
                 ", %zu connection%s unaffected%s",
                 what, is_cut ? MAX_REASON : len, reason, is_cut ? "..." : "",
                 script->live->number, n_conns, kp_tell_plural(n_conns), reason + len);
    }
    kp_tell_error(script);
}

void
kp_tell_log_details(struct kp_script *script, enum kelpie_level level)
{
    const char *text = script->report;

    while (*text != '\0') {
        size_t len = strcspn(text, "\n");

        kp_log_write(&script->env->log, level, "%.*s", (int)len, text);
        text += len;
        if (*text == '\n')
            text++;
    }
}

/* Texts of scripts may quote clients, and a report is made to be printed. A backslash stays
 * one, for the sake of paths. */
void
kp_tell_quietly(struct kp_script *script)
{
    char raw[KP_REPORT_SIZE];
    size_t len = 0;

    memcpy(raw, script->report, sizeof raw);
    raw[sizeof raw - 1] = '\0';
    for (const char *p = raw; *p != '\0' && len + 5 < KP_REPORT_SIZE; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '\n' || (c >= 0x20 && c < 0x7f))
            script->report[len++] = *p;
        else
            len += (size_t)snprintf(script->report + len, 5, "\\x%02x", c);
    }
    script->report[len] = '\0';
}

void
kp_tell_log(struct kp_script *script, enum kelpie_level level)
{
    kp_tell_log_details(script, level);
    kp_tell_quietly(script);
}

void
kp_tell_log_sentence(struct kp_script *script, enum kelpie_level level)
{
    kp_log_write(&script->env->log, level, "%.*s", (int)strcspn(script->report, "\n"),
                 script->report);
    kp_tell_quietly(script);
}

int
kp_tell_refusal(struct kp_script *script, int error, const char *why)
{
    snprintf(script->error, KP_ERROR_SIZE, "%s", why);
    kp_tell_error(script);
    return error;
}
