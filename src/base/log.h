/*
 * log.h - records for the operator: one line, printable, never in floods
 */
#ifndef KP_LOG_H
#define KP_LOG_H

#include <stdarg.h>
#include <stdbool.h>

#include "base.h"
#include "kelpie.h"

#define KP_LOG_LIMIT_SLOTS 16

/* One source of repeated records; see kp_log_allow. */
struct kp_log_slot {
    uint64_t key;
    uint64_t second; /* the clock's second in which `suppressed` counts */
    uint32_t passed;
    uint32_t suppressed;
    uint64_t last_ns;
};

struct kp_log {
    kelpie_log_fn *fn; /* NULL: nothing is logged */
    void *arg;
    enum kelpie_level level; /* records above it are not made */
    struct kp_log_slot slots[KP_LOG_LIMIT_SLOTS];
};

void kp_log_init(struct kp_log *log, kelpie_log_fn *fn, void *arg,
                 enum kelpie_level level);

/* Writes one record. The whole line is escaped (kp_log_escape), so that no argument can
 * bring in control bytes; it is cut at 1,000 bytes. Needs no memory. */
void kp_log_write(struct kp_log *log, enum kelpie_level level, const char *format, ...)
    KP_PRINTF(3, 4);

/* Returns whether a record of that level would be written. */
bool kp_log_wants(const struct kp_log *log, enum kelpie_level level);

/* Copies len bytes to out, everything outside 0x20..0x7e and the backslash as \xNN; cuts
 * with "..." at out_size - 1; ends with NUL. out_size is at least 8.
 * Returns   the length written. */
size_t kp_log_escape(char *out, size_t out_size, const void *bytes, size_t len);

/* Limits repeated records: the first 10 of a key pass, after that one a second.
 * Returns   whether to log now; *repeated is how many were held back since the last one
 *           that passed (append "repeated N times").
 * key is any number that names the source, for example a hash of the text. */
bool kp_log_allow(struct kp_log *log, uint64_t key, uint64_t now_ns, uint32_t *repeated);

#endif
