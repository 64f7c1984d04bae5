/*
 * framing.c - how a byte stream is divided into messages: the choice, not the cutting
 *
 * A framing comes from three sides: a text in the C interface, a string or table in the
 * handlers of a script, and members set by hand. This file reads the text, checks what was
 * put together elsewhere, and says when two choices write the same bytes. It knows neither
 * Lua nor the stream; frame.c does the cutting and relies on a framing without a problem.
 *
 * A text is a word, then parts that the kind needs, each after a colon:
 *
 *     line  crlf  raw  netstring       nothing more
 *     length:SIZE[:big|:little]        SIZE is 1, 2 or 4
 *     delimiter:TEXT                   all that follows, colons too: 1 to 16 bytes
 *     fixed:SIZE                       a number of bytes, from 1
 */
#include "framing.h"

#include <string.h>

#include "kelpie.h"

static const struct {
    const char *word;
    enum kp_frame_kind kind;
} plain_kinds[] = {
    {"line", KP_FRAME_LINE},
    {"crlf", KP_FRAME_CRLF},
    {"raw", KP_FRAME_RAW},
    {"netstring", KP_FRAME_NETSTRING},
};

/* Returns what follows the prefix, or NULL when text does not start with it. */
static const char *
after_prefix(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);

    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static bool
parse_plain(struct kp_framing *out, const char *text)
{
    for (size_t i = 0; i < sizeof(plain_kinds) / sizeof(plain_kinds[0]); i++)
        if (strcmp(text, plain_kinds[i].word) == 0) {
            out->kind = plain_kinds[i].kind;
            return true;
        }
    return false;
}

static bool
parse_length(struct kp_framing *out, const char *spec)
{
    if (*spec < '0' || *spec > '9')
        return false;
    out->kind = KP_FRAME_LENGTH;
    out->length_size = (uint8_t)(*spec - '0');
    out->little_endian = strcmp(spec + 1, ":little") == 0;
    return out->little_endian || spec[1] == '\0' || strcmp(spec + 1, ":big") == 0;
}

static bool
parse_delimiter(struct kp_framing *out, const char *spec)
{
    size_t len = strlen(spec);

    if (len > KP_FRAME_MAX_DELIMITER)
        return false;
    out->kind = KP_FRAME_DELIMITER;
    out->delimiter_len = (uint8_t)len;
    memcpy(out->delimiter, spec, len);
    return true;
}

static bool
parse_fixed(struct kp_framing *out, const char *spec)
{
    size_t size = 0;

    if (*spec == '\0')
        return false;
    for (; *spec != '\0'; spec++) {
        if (*spec < '0' || *spec > '9')
            return false;
        size_t digit = (size_t)(*spec - '0');
        if (size > (SIZE_MAX - digit) / 10)
            return false;
        size = size * 10 + digit;
    }
    out->kind = KP_FRAME_FIXED;
    out->fixed_size = size;
    return true;
}

static bool
parse_any(struct kp_framing *out, const char *text)
{
    const char *spec;

    if ((spec = after_prefix(text, "length:")) != NULL)
        return parse_length(out, spec);
    if ((spec = after_prefix(text, "delimiter:")) != NULL)
        return parse_delimiter(out, spec);
    if ((spec = after_prefix(text, "fixed:")) != NULL)
        return parse_fixed(out, spec);
    return parse_plain(out, text);
}

int
kp_framing_parse(struct kp_framing *out, const char *text)
{
    struct kp_framing framing = {.kind = KP_FRAME_LINE};

    if (!parse_any(&framing, text) || kp_framing_problem(&framing) != NULL)
        return KELPIE_EPROTO;
    *out = framing;
    return 0;
}

const char *
kp_framing_problem(const struct kp_framing *framing)
{
    size_t size = framing->length_size;

    switch (framing->kind) {
    case KP_FRAME_LINE:
    case KP_FRAME_CRLF:
    case KP_FRAME_RAW:
    case KP_FRAME_NETSTRING:
        return NULL;
    case KP_FRAME_LENGTH:
        return size == 1 || size == 2 || size == 4
                   ? NULL
                   : "the size of a length is 1, 2 or 4 bytes";
    case KP_FRAME_DELIMITER:
        return framing->delimiter_len >= 1 &&
                       framing->delimiter_len <= KP_FRAME_MAX_DELIMITER
                   ? NULL
                   : "a delimiter has 1 to 16 bytes";
    case KP_FRAME_FIXED:
        return framing->fixed_size >= 1 ? NULL : "a fixed size is at least 1 byte";
    }
    return "there is no such kind of framing";
}

bool
kp_framing_details_equal(const struct kp_framing *a, const struct kp_framing *b)
{
    switch (a->kind) {
    case KP_FRAME_LENGTH:
        return a->length_size == b->length_size &&
               (a->length_size == 1 || a->little_endian == b->little_endian);
    case KP_FRAME_DELIMITER:
        return a->delimiter_len == b->delimiter_len &&
               memcmp(a->delimiter, b->delimiter, a->delimiter_len) == 0;
    case KP_FRAME_FIXED:
        return a->fixed_size == b->fixed_size;
    default:
        return true;
    }
}
