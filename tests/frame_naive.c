/*
 * frame_naive.c - the definitions of the framings, read naively
 *
 * Written from the words in frame.h and framing.h, slow on purpose. Where the limit is that
 * a message "will be longer than max_message", it takes them at their word: it tries the
 * continuations that could end the message and takes the shortest message that results.
 */
#include "frame_naive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kelpie.h"

static bool
is_line(const struct kp_framing *framing)
{
    return framing->kind == KP_FRAME_LINE || framing->kind == KP_FRAME_CRLF;
}

/* Looks for what ends a message in text, at every place and byte by byte. */
static bool
find_mark(const struct kp_framing *framing, const unsigned char *text, size_t text_len,
          struct naive_verdict *out)
{
    size_t n = is_line(framing) ? 1 : framing->delimiter_len;
    const unsigned char *mark =
        is_line(framing) ? (const unsigned char *)"\n" : framing->delimiter;

    for (size_t at = 0; at + n <= text_len; at++) {
        size_t same = 0;
        while (same < n && text[at + same] == mark[same])
            same++;
        if (same < n)
            continue;
        bool has_cr = is_line(framing) && at > 0 && text[at - 1] == '\r';
        *out = (struct naive_verdict){
            .end = 1, .len = has_cr ? at - 1 : at, .consumed = at + n};
        return true;
    }
    return false;
}

/* Returns the length of the shortest message that bytes, which have no end yet, can become. */
static size_t
shortest_message(const struct kp_framing *framing, const unsigned char *bytes, size_t len)
{
    size_t n = is_line(framing) ? 1 : framing->delimiter_len;
    unsigned char *text = malloc(len + n);
    size_t shortest = SIZE_MAX;

    if (text == NULL)
        abort();
    if (len > 0)
        memcpy(text, bytes, len);
    for (size_t have = 0; have < n; have++) {
        struct naive_verdict v;
        if (is_line(framing))
            text[len] = '\n';
        else
            memcpy(text + len, framing->delimiter + have, n - have);
        if (find_mark(framing, text, len + n - have, &v) && v.len < shortest)
            shortest = v.len;
    }
    free(text);
    return shortest;
}

static struct naive_verdict
read_marked(const struct kp_framing *framing, const unsigned char *bytes, size_t len,
            size_t max_message)
{
    struct naive_verdict v;

    if (!find_mark(framing, bytes, len, &v))
        v = (struct naive_verdict){.len = shortest_message(framing, bytes, len)};
    if (v.len > max_message)
        v.end = KELPIE_ETOOLONG;
    return v;
}

static struct naive_verdict
read_length(const struct kp_framing *framing, const unsigned char *bytes, size_t len,
            size_t max_message)
{
    size_t n = framing->length_size;
    uint64_t length = 0, weight = 1;

    if (len < n)
        return (struct naive_verdict){.at = len};
    for (size_t i = 0; i < n; i++) {
        length += bytes[framing->little_endian ? i : n - 1 - i] * weight;
        weight *= 256;
    }
    if (length > max_message)
        return (struct naive_verdict){.end = KELPIE_ETOOLONG};
    if (len < n + length)
        return (struct naive_verdict){.at = n, .len = len - n};
    return (struct naive_verdict){
        .end = 1, .at = n, .len = (size_t)length, .consumed = n + (size_t)length};
}

/* Compares decimal numbers as texts, neither with leading zeros. */
static bool
is_greater(const unsigned char *digits, size_t n, size_t limit)
{
    char text[24];
    size_t limit_n = (size_t)snprintf(text, sizeof(text), "%zu", limit);

    return n != limit_n ? n > limit_n : memcmp(digits, text, n) > 0;
}

static struct naive_verdict
read_netstring(const unsigned char *bytes, size_t len, size_t max_message)
{
    size_t n = 0;

    while (n < len && strchr("0123456789", bytes[n]) != NULL && bytes[n] != '\0') {
        if (n == 1 && bytes[0] == '0')
            return (struct naive_verdict){.end = KELPIE_EPROTO};
        n++;
        if (is_greater(bytes, n, max_message))
            return (struct naive_verdict){.end = KELPIE_ETOOLONG};
    }
    if (n == len)
        return (struct naive_verdict){.at = len};
    if (n == 0 || bytes[n] != ':')
        return (struct naive_verdict){.end = KELPIE_EPROTO};
    char text[24] = "";
    memcpy(text, bytes, n);
    size_t length = (size_t)strtoull(text, NULL, 10), head = n + 1;
    if (len - head <= length)
        return (struct naive_verdict){.at = head, .len = len - head};
    if (bytes[head + length] != ',')
        return (struct naive_verdict){.end = KELPIE_EPROTO};
    return (struct naive_verdict){
        .end = 1, .at = head, .len = length, .consumed = head + length + 1};
}

static struct naive_verdict
read_fixed(const struct kp_framing *framing, size_t len, size_t max_message)
{
    size_t size = framing->fixed_size;

    if (size > max_message && len > 0)
        return (struct naive_verdict){.end = KELPIE_ETOOLONG};
    if (len < size)
        return (struct naive_verdict){.len = len};
    return (struct naive_verdict){.end = 1, .len = size, .consumed = size};
}

struct naive_verdict
naive_read(const struct kp_framing *framing, const unsigned char *bytes, size_t len,
           size_t max_message)
{
    switch (framing->kind) {
    case KP_FRAME_LENGTH:
        return read_length(framing, bytes, len, max_message);
    case KP_FRAME_NETSTRING:
        return read_netstring(bytes, len, max_message);
    case KP_FRAME_FIXED:
        return read_fixed(framing, len, max_message);
    default:
        return read_marked(framing, bytes, len, max_message);
    }
}
