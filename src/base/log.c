/*
 * log.c - records for the operator: one line, printable, never in floods
 *
 * A record is made in three steps: format, escape, cut. Escaping comes after formatting and
 * covers the whole line, so no caller has to think about which of its arguments came from a
 * stranger: a client's bytes, a script's error message, the name of a file. Nothing outside
 * printable ASCII reaches the terminal, hence no escape sequence, no forged second line, no
 * text that runs from right to left.
 *
 * A message that can repeat for ever passes kp_log_allow first. It remembers the last few
 * sources in a handful of slots; the one that was silent the longest makes room for a new
 * one. Of a source
 *
 *     the first 10           pass
 *     one in each second     passes, and says how many did not
 *
 * Logging needs no memory and cannot fail: it is what is left when everything else fails.
 * It also keeps errno, because a record is often written between a failed call and the
 * look at its error.
 */
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The longest line, without the NUL. */
#define MAX_LINE 1000

/* So many records of one source pass before they are limited to one a second. */
#define FREE_RECORDS 10

static const char hex_digits[] = "0123456789abcdef";
static const char cut_mark[] = "...";

#define CUT_MARK_LEN (sizeof(cut_mark) - 1)

void
kp_log_init(struct kp_log *log, kelpie_log_fn *fn, void *arg, enum kelpie_level level)
{
    *log = (struct kp_log){.fn = fn, .arg = arg, .level = level};
}

bool
kp_log_wants(const struct kp_log *log, enum kelpie_level level)
{
    return log->fn != NULL && level <= log->level;
}

void
kp_log_write(struct kp_log *log, enum kelpie_level level, const char *format, ...)
{
    char text[MAX_LINE + 2]; /* one byte more than fits, so that escaping sees the cut */
    char line[MAX_LINE + 1];
    int saved_errno = errno;

    if (!kp_log_wants(log, level))
        return;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len <
        0) /* a format that the C library refuses: the bare text tells more than none */
        len = snprintf(text, sizeof(text), "%s", format);

    size_t text_len = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    size_t line_len = kp_log_escape(line, sizeof(line), text, text_len);
    log->fn(log->arg, level, line, line_len);
    errno = saved_errno;
}

static bool
is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte <= 0x7e && byte != '\\';
}

static void
put_escaped(char *out, unsigned char byte)
{
    out[0] = '\\';
    out[1] = 'x';
    out[2] = hex_digits[byte >> 4];
    out[3] = hex_digits[byte & 15];
}

size_t
kp_log_escape(char *out, size_t out_size, const void *bytes, size_t len)
{
    assert(out_size >= 8);
    const unsigned char *in = bytes;
    size_t limit = out_size - 1;
    size_t at = 0;
    size_t cut = 0; /* the last place where the mark still fits, between two characters */

    for (size_t i = 0; i < len; i++) {
        size_t width = is_plain(in[i]) ? 1 : 4;
        if (at + width > limit) {
            memcpy(out + cut, cut_mark, CUT_MARK_LEN);
            at = cut + CUT_MARK_LEN;
            break;
        }
        if (width == 1)
            out[at] = (char)in[i];
        else
            put_escaped(out + at, in[i]);
        at += width;
        if (at + CUT_MARK_LEN <= limit)
            cut = at;
    }
    out[at] = '\0';
    return at;
}

/* The slot of a key, or the one that is longest silent, made new for it. */
static struct kp_log_slot *
find_slot(struct kp_log *log, uint64_t key)
{
    struct kp_log_slot *oldest = &log->slots[0];

    for (size_t i = 0; i < KP_LOG_LIMIT_SLOTS; i++) {
        struct kp_log_slot *slot = &log->slots[i];
        bool is_used = slot->passed > 0;
        if (is_used && slot->key == key)
            return slot;
        if (!is_used || (oldest->passed > 0 && slot->last_ns < oldest->last_ns))
            oldest = slot;
    }
    *oldest = (struct kp_log_slot){.key = key};
    return oldest;
}

bool
kp_log_allow(struct kp_log *log, uint64_t key, uint64_t now_ns, uint32_t *repeated)
{
    struct kp_log_slot *slot = find_slot(log, key);
    uint64_t second = now_ns / KP_NS_PER_S;

    *repeated = 0;
    slot->last_ns = now_ns;
    if (slot->passed >= FREE_RECORDS && slot->second == second) {
        if (slot->suppressed < UINT32_MAX)
            slot->suppressed++;
        return false;
    }
    if (slot->passed < FREE_RECORDS)
        slot->passed++;
    *repeated = slot->suppressed;
    slot->suppressed = 0;
    slot->second = second;
    return true;
}
