/*
 * reload.h - from files on disk to the generation that serves: all or nothing
 *
 *     read -> compile -> stage -> check -> carry -> swap -> retire
 *
 * Any failure before the swap leaves everything as it was.
 */
#ifndef KP_RELOAD_H
#define KP_RELOAD_H

#include "script.h"

/* Loads script->path (or script->text) as a new generation and makes it the live one. To be
 * called when no handler runs. Logs the result; on failure script->error is the sentence,
 * with details in further lines.
 * Returns   0; KELPIE_ESCRIPT, -ENOMEM, negative errno of reading the main file;
 *           KELPIE_EMISUSE inside a handler; -EBUSY while a generation still retires. */
int kp_reload(struct kp_script *script) KP_MUST_CHECK;

/* The same, but values that cannot cross are left behind, and listed in the log: `kelpie
 * reload --drop`. An object whose class the new script does not declare becomes a table. */
int kp_reload_drop(struct kp_script *script) KP_MUST_CHECK;

/* Does all of a reload but the swap, with a copy of the live state, and forgets it: `kelpie
 * reload --dry-run`. script->report says what a reload would do: files changed, handlers added
 * and removed, what would not cross. The log has its first line.
 * Returns   what kp_reload would, but for on_load, which is not called; script->error. */
int kp_reload_dry_run(struct kp_script *script) KP_MUST_CHECK;

/* Goes back to the generation before, which is kept after a reload for limits.probation_ns and
 * at least KP_PROBATION_CALLS handler calls. It gets its number back, and the data as they are
 * now; with another schema, as they were before the reload. Logs the result; script->report.
 * Returns   0; -ENOENT when there is none; KELPIE_ESCRIPT, -ENOMEM: nothing has changed;
 *           KELPIE_EMISUSE inside a handler. */
int kp_reload_rollback(struct kp_script *script) KP_MUST_CHECK;

/* Reads the script's files and compares them with those that the last roll-back went back
 * from: `--watch` does not load them again until one has changed. A successful reload, of
 * whatever, ends that.
 * Returns   whether they are the same. */
bool kp_reload_is_rolled_back_content(struct kp_script *script);

/* Loads and checks without serving: `kelpie check`.
 * Returns   how many warnings, or as kp_reload; script->error has them all, one a line. */
int kp_reload_check(struct kp_script *script) KP_MUST_CHECK;

#endif
