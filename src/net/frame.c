/*
 * frame.c - cuts messages out of a byte stream, and wraps messages for it
 *
 * The caller keeps the bytes that are not yet consumed and asks, whenever some have come:
 * is there a message at the front? Every answer is a function of these bytes alone, and an
 * error of some bytes is an error of all that begin with them. So it cannot matter in which
 * pieces they came, and a slow sender gets the same treatment as a fast one.
 *
 * Two families:
 *
 *   ended by a mark    LINE, CRLF, DELIMITER: bytes are searched for the mark. What was
 *                      searched is never looked at again (state.scanned): a client that
 *                      sends a long line byte by byte costs as much as one that sends it at
 *                      once. Only the last bytes, which may be the beginning of a mark, stay
 *                      in question: a \r, or at most 15 bytes of a delimiter.
 *   announced          LENGTH, NETSTRING, FIXED: the length is known from the front, and the
 *                      bytes of the message itself are not looked at. The head is read anew
 *                      each time; it has at most 20 bytes.
 *
 * The limit: a message is too long as soon as no continuation could make it short enough.
 * For the first family that is when more than max_message bytes have come and the surplus
 * cannot be the beginning of the mark. Nothing is ever buffered beyond that, and nothing
 * is allocated because a head announces it.
 */
#include "frame.h"

#include <string.h>

#include "kelpie.h"

#define NOT_FOUND SIZE_MAX

static int
take(struct kp_frame *out, size_t start, size_t len, size_t consumed)
{
    *out = (struct kp_frame){.start = start, .len = len, .consumed = consumed};
    return 1;
}

/* ---- messages that a mark ends ---- */

static size_t
find_byte(const unsigned char *bytes, size_t from, size_t len, unsigned char byte)
{
    if (from >= len)
        return NOT_FOUND;
    const unsigned char *hit = memchr(bytes + from, byte, len - from);
    return hit != NULL ? (size_t)(hit - bytes) : NOT_FOUND;
}

static size_t
find_delimiter(const struct kp_framing *framing, const unsigned char *bytes, size_t from,
               size_t len)
{
    size_t n = framing->delimiter_len;

    if (len < n)
        return NOT_FOUND;
    size_t end = len - n + 1; /* of the places where it could begin */
    for (size_t at = from;; at++) {
        at = find_byte(bytes, at, end, framing->delimiter[0]);
        if (at == NOT_FOUND || memcmp(bytes + at, framing->delimiter, n) == 0)
            return at;
    }
}

/* Returns how many bytes at the end of bytes[from, len), which has no mark in it, are the
 * beginning of one. */
static size_t
begun_mark(const struct kp_framing *framing, const unsigned char *bytes, size_t from,
           size_t len)
{
    if (framing->kind != KP_FRAME_DELIMITER)
        return len > from && bytes[len - 1] == '\r' ? 1 : 0;

    size_t n = (size_t)framing->delimiter_len - 1;
    if (n > len - from)
        n = len - from;
    while (n > 0 && memcmp(bytes + len - n, framing->delimiter, n) != 0)
        n--;
    return n;
}

static int
next_marked(const struct kp_framing *framing, struct kp_frame_state *state,
            const unsigned char *bytes, size_t len, size_t max_message,
            struct kp_frame *out)
{
    bool is_line = framing->kind != KP_FRAME_DELIMITER;
    size_t mark = is_line ? find_byte(bytes, state->scanned, len, '\n')
                          : find_delimiter(framing, bytes, state->scanned, len);

    if (mark == NOT_FOUND) {
        size_t rest = len - begun_mark(framing, bytes, state->scanned, len);
        if (rest > max_message)
            return KELPIE_ETOOLONG;
        state->scanned = rest;
        return 0;
    }
    size_t mark_len = is_line ? 1 : framing->delimiter_len;
    /* A \r is never behind state.scanned: it may be the beginning of the mark. */
    bool has_cr = is_line && mark > state->scanned && bytes[mark - 1] == '\r';
    size_t message_len = has_cr ? mark - 1 : mark;
    if (message_len > max_message)
        return KELPIE_ETOOLONG;
    return take(out, 0, message_len, mark + mark_len);
}

/* ---- messages that announce their length ---- */

static size_t
read_length(const struct kp_framing *framing, const unsigned char *bytes)
{
    size_t n = framing->length_size, length = 0;

    for (size_t i = 0; i < n; i++)
        length = length << 8 | bytes[framing->little_endian ? n - 1 - i : i];
    return length;
}

static int
next_length(const struct kp_framing *framing, const unsigned char *bytes, size_t len,
            size_t max_message, struct kp_frame *out)
{
    size_t head = framing->length_size;

    if (len < head)
        return 0;
    size_t length = read_length(framing, bytes);
    if (length > max_message)
        return KELPIE_ETOOLONG;
    if (len - head < length)
        return 0;
    return take(out, head, length, head + length);
}

/* Reads "123:", digits without a leading zero, or "0:".
 * Returns   the bytes of the head with *length; 0: more are needed; KELPIE_ETOOLONG as soon
 *           as the digits say so, which also bounds them; KELPIE_EPROTO. */
static int
read_netstring_head(const unsigned char *bytes, size_t len, size_t max_message,
                    size_t *length)
{
    size_t value = 0;

    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == ':' && i > 0) {
            *length = value;
            return (int)i + 1;
        }
        if (bytes[i] < '0' || bytes[i] > '9' || (i > 0 && value == 0))
            return KELPIE_EPROTO;
        size_t digit = (size_t)(bytes[i] - '0');
        if (digit > max_message || value > (max_message - digit) / 10)
            return KELPIE_ETOOLONG;
        value = value * 10 + digit;
    }
    return 0;
}

static int
next_netstring(const unsigned char *bytes, size_t len, size_t max_message,
               struct kp_frame *out)
{
    size_t length;

    int head = read_netstring_head(bytes, len, max_message, &length);
    if (head <= 0)
        return head;
    if (len - (size_t)head <= length)
        return 0;
    size_t comma = (size_t)head + length;
    if (bytes[comma] != ',')
        return KELPIE_EPROTO;
    return take(out, (size_t)head, length, comma + 1);
}

static int
next_fixed(const struct kp_framing *framing, size_t len, size_t max_message,
           struct kp_frame *out)
{
    if (len > 0 && framing->fixed_size > max_message)
        return KELPIE_ETOOLONG;
    if (len < framing->fixed_size)
        return 0;
    return take(out, 0, framing->fixed_size, framing->fixed_size);
}

/* ---- any ---- */

static int
next_raw(size_t len, size_t max_message, struct kp_frame *out)
{
    if (len == 0)
        return 0;
    if (max_message == 0)
        return KELPIE_ETOOLONG;
    size_t n = len < max_message ? len : max_message;
    return take(out, 0, n, n);
}

static int
next_of_kind(const struct kp_framing *framing, struct kp_frame_state *state,
             const unsigned char *bytes, size_t len, size_t max_message,
             struct kp_frame *out)
{
    switch (framing->kind) {
    case KP_FRAME_LINE:
    case KP_FRAME_CRLF:
    case KP_FRAME_DELIMITER:
        return next_marked(framing, state, bytes, len, max_message, out);
    case KP_FRAME_RAW:
        return next_raw(len, max_message, out);
    case KP_FRAME_LENGTH:
        return next_length(framing, bytes, len, max_message, out);
    case KP_FRAME_FIXED:
        return next_fixed(framing, len, max_message, out);
    case KP_FRAME_NETSTRING:
        return next_netstring(bytes, len, max_message, out);
    }
    return KELPIE_EPROTO;
}

int
kp_frame_next(const struct kp_framing *framing, struct kp_frame_state *state,
              const unsigned char *bytes, size_t len, size_t max_message,
              struct kp_frame *out)
{
    int rc = next_of_kind(framing, state, bytes, len, max_message, out);
    if (rc == 1)
        state->scanned = 0;
    return rc;
}

/* Returns the length of the head at the front of an unfinished message, or len when the head
 * itself is unfinished. */
static size_t
head_of_rest(const struct kp_framing *framing, const unsigned char *bytes, size_t len)
{
    size_t head = 0;

    if (framing->kind == KP_FRAME_LENGTH)
        head = framing->length_size;
    if (framing->kind == KP_FRAME_NETSTRING) {
        size_t colon = find_byte(bytes, 0, len, ':');
        head = colon != NOT_FOUND ? colon + 1 : len;
    }
    return head < len ? head : len;
}

int
kp_frame_rest(const struct kp_framing *framing, const unsigned char *bytes, size_t len,
              struct kp_frame *out)
{
    if (!framing->deliver_partial)
        return 0;
    size_t start = head_of_rest(framing, bytes, len), end = len;
    if (framing->kind == KP_FRAME_LINE || framing->kind == KP_FRAME_CRLF ||
        framing->kind == KP_FRAME_DELIMITER)
        end -= begun_mark(framing, bytes, 0, len);
    if (end == start)
        return 0;
    return take(out, start, end - start, len);
}

/* ---- writing ---- */

static int
write_length(const struct kp_framing *framing, size_t len, unsigned char *head)
{
    size_t n = framing->length_size;

    if (len > UINT32_MAX >> (32 - 8 * n))
        return KELPIE_EPROTO;
    for (size_t i = 0; i < n; i++)
        head[framing->little_endian ? i : n - 1 - i] = (unsigned char)(len >> 8 * i);
    return 0;
}

/* Writes "123:" and returns its length, at most 21. */
static size_t
write_netstring_head(size_t len, unsigned char *head)
{
    unsigned char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (unsigned char)('0' + len % 10);
        len /= 10;
    } while (len > 0);
    for (size_t i = 0; i < n; i++)
        head[i] = digits[n - 1 - i];
    head[n] = ':';
    return n + 1;
}

int
kp_frame_wrap(const struct kp_framing *framing, size_t len,
              unsigned char head[KP_FRAME_HEAD_SIZE], size_t *head_len,
              const unsigned char **tail, size_t *tail_len)
{
    static const unsigned char crlf[] = "\r\n", comma[] = ",";

    *head_len = *tail_len = 0;
    *tail = crlf;
    switch (framing->kind) {
    case KP_FRAME_RAW:
        return 0;
    case KP_FRAME_LINE:
        *tail = crlf + 1;
        *tail_len = 1;
        return 0;
    case KP_FRAME_CRLF:
        *tail_len = 2;
        return 0;
    case KP_FRAME_DELIMITER:
        *tail = framing->delimiter;
        *tail_len = framing->delimiter_len;
        return 0;
    case KP_FRAME_FIXED:
        return len == framing->fixed_size ? 0 : KELPIE_EPROTO;
    case KP_FRAME_LENGTH:
        *head_len = framing->length_size;
        return write_length(framing, len, head);
    case KP_FRAME_NETSTRING:
        *head_len = write_netstring_head(len, head);
        *tail = comma;
        *tail_len = 1;
        return 0;
    }
    return KELPIE_EPROTO;
}
