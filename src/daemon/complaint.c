/*
 * complaint.c - what is wrong with a script, taken apart: file, line, message, column
 *
 * kelpie_check says what is wrong as text, in the words of Lua:
 *
 *     scripts/chat.lua:12: unexpected symbol near 'then'
 *     self_test: scripts/chat.lua:30: no room
 *     stack traceback:
 *      scripts/chat.lua:30: in function ...
 *
 * Editors and CI want the pieces. A place counts only when the file can be opened, so that a
 * message that merely looks like one ("at 12:30: too late") is not taken for it. Lua shortens
 * a long path to "...its/end.lua"; the beginning is found again by laying it over the path of
 * the script. The column is known only when Lua names a token that the line has once.
 */
#include "complaint.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"

/* ---- place ---------------------------------------------------------------------------- */

static bool
is_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Completes "...its/end.lua" from the folder of the script. Returns whether that is a file. */
static bool
complete(char *out, size_t size, const char *tail, const char *script)
{
    size_t script_len = strlen(script), tail_len = strlen(tail);

    /* The last i bytes of a beginning of script are the first i of the tail. */
    for (size_t end = script_len; end > 0; end--) {
        for (size_t i = end < tail_len ? end : tail_len; i > 0; i--) {
            if (memcmp(script + end - i, tail, i) != 0)
                continue;
            if (snprintf(out, size, "%.*s%s", (int)end, script, tail + i) < (int)size &&
                is_file(out))
                return true;
        }
    }
    return false;
}

/* Writes the file that text[0, len) means. Returns whether there is one. */
static bool
find_file(char *out, size_t size, const char *text, size_t len, const char *script)
{
    if (len == 0 || len >= size)
        return false;
    snprintf(out, size, "%.*s", (int)len, text);
    if (is_file(out))
        return true;
    char tail[128];
    if (strncmp(out, "...", 3) != 0 || len - 3 >= sizeof(tail))
        return false;
    snprintf(tail, sizeof(tail), "%s", out + 3);
    return complete(out, size, tail, script);
}

/* Finds ":LINE: " in text[0, len), from *at on; *at goes behind it.
 * Returns   the colon before the number, or NULL. */
static const char *
find_number(const char *text, size_t len, size_t *at, long *number)
{
    for (size_t i = *at; i < len; i++) {
        size_t digits = 0;

        if (text[i] != ':')
            continue;
        while (i + 1 + digits < len && text[i + 1 + digits] >= '0' &&
               text[i + 1 + digits] <= '9')
            digits++;
        size_t colon = i + 1 + digits;
        if (digits == 0 || digits > 9 || colon >= len || text[colon] != ':')
            continue;
        *number = strtol(text + i + 1, NULL, 10);
        *at = colon + 1;
        return text + i;
    }
    return NULL;
}

/* Finds the place in a line; words may stand before it: "self_test: FILE:LINE: message". */
static bool
find_place(struct kd_complaint *out, const char *text, size_t len, const char *script)
{
    size_t at = 0;
    const char *colon;
    long number;

    while ((colon = find_number(text, len, &at, &number)) != NULL) {
        for (const char *start = text; start < colon; start++) {
            bool is_start = start == text ||
                            (start[-1] == ' ' && start - text >= 2 && start[-2] == ':');
            if (!is_start || !find_file(out->file, sizeof(out->file), start,
                                        (size_t)(colon - start), script))
                continue;
            out->line = number;
            at += at < len && text[at] == ' ';
            snprintf(out->message, sizeof(out->message), "%.*s%.*s", (int)(start - text),
                     text, (int)(len - at), text + at);
            return true;
        }
    }
    out->file[0] = '\0';
    return false;
}

/* ---- source --------------------------------------------------------------------------- */

static void
read_source(struct kd_complaint *c)
{
    FILE *file = fopen(c->file, "r");
    long line = 1;
    size_t len = 0;
    int byte;

    while (file != NULL && line <= c->line && (byte = getc(file)) != EOF) {
        if (line == c->line && byte != '\n' && byte != '\r' &&
            len < sizeof(c->source) - 1)
            c->source[len++] = byte != '\0' ? (char)byte : '?';
        line += byte == '\n';
    }
    c->source[len] = '\0';
    if (file != NULL)
        (void)fclose(file); /* it was only read */
}

static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_';
}

/* Returns whether the token stands at p as a whole: "end" is not in "send". */
static bool
stands_alone(const char *line, const char *p, const char *token, size_t len)
{
    if (is_word(token[0]) && p > line && is_word(p[-1]))
        return false;
    return !is_word(token[len - 1]) || !is_word(p[len]);
}

/* Finds the token of "... near 'TOKEN'" in the source line, if it is there once. */
static void
find_column(struct kd_complaint *c)
{
    char token[128];
    const char *near = strstr(c->message, " near '"), *found = NULL;
    size_t len = near != NULL ? strlen(near + 7) : 0;

    if (len < 2 || near[7 + len - 1] != '\'' || len - 1 >= sizeof(token))
        return;
    len--;
    memcpy(token, near + 7, len);
    token[len] = '\0';
    for (const char *p = c->source; (p = strstr(p, token)) != NULL; p++) {
        if (!stands_alone(c->source, p, token, len))
            continue;
        if (found != NULL)
            return;
        found = p;
    }
    c->column = found != NULL ? (int)(found - c->source) + 1 : 0;
}

const char *
kd_complaint_next(struct kd_complaint *out, const char *text, const char *script)
{
    struct kd_complaint *next;
    size_t len = strcspn(text, "\n");

    if (*text == '\0')
        return NULL;
    memset(out, 0, sizeof(*out));
    if (!find_place(out, text, len, script))
        snprintf(out->message, sizeof(out->message), "%.*s", (int)len, text);
    else
        read_source(out);
    find_column(out);
    text += text[len] == '\n' ? len + 1 : len;

    /* A line that begins with another place is another complaint; the lines of a traceback
     * are indented. */
    out->more = text;
    next = malloc(sizeof(*next));
    while (*text != '\0') {
        len = strcspn(text, "\n");
        bool is_indented = *text == ' ' || *text == '\t';
        if (next != NULL && !is_indented && find_place(next, text, len, script))
            break;
        text += text[len] == '\n' ? len + 1 : len;
    }
    free(next);
    out->more_len = (size_t)(text - out->more);
    return text;
}

/* ---- printing ------------------------------------------------------------------------- */

static void
print_escaped(FILE *out, const char *before, const char *text, size_t len)
{
    char piece[1024], escaped[4 * sizeof(piece)];

    snprintf(piece, sizeof(piece), "%.*s", (int)len, text);
    (void)kd_log_escape(escaped, sizeof(escaped), piece);
    fprintf(out, "%s%s", before, escaped);
}

static void
print_source(FILE *out, const struct kd_complaint *c)
{
    char escaped[4 * sizeof(c->source)], before[sizeof(c->source)];

    if (c->source[0] == '\0')
        return;
    print_escaped(out, "    ", c->source, strlen(c->source));
    fputc('\n', out);
    if (c->column == 0)
        return;
    snprintf(before, sizeof(before), "%.*s", c->column - 1, c->source);
    (void)kd_log_escape(escaped, sizeof(escaped), before);
    fprintf(out, "    %*s\n", (int)strlen(escaped) + 1, "^");
}

void
kd_complaint_print(FILE *out, const struct kd_complaint *c)
{
    if (c->line > 0) {
        print_escaped(out, "", c->file, strlen(c->file));
        fprintf(out, ":%ld: ", c->line);
    }
    print_escaped(out, "", c->message, strlen(c->message));
    fputc('\n', out);
    print_source(out, c);
    for (const char *p = c->more; p < c->more + c->more_len;) {
        size_t len = strcspn(p, "\n");
        print_escaped(out, "", p, len);
        fputc('\n', out);
        p += len + 1;
    }
}

/* Returns the length of the UTF-8 character at p, 0 when it is none. See RFC 3629, 4. */
static size_t
utf8_len(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0; /* also at the NUL */
    bool is_overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool is_no_scalar = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
    return is_overlong || is_no_scalar ? 0 : n;
}

/* Prints text[0, len) as a JSON string; what is no UTF-8 becomes U+FFFD. */
static void
print_json(FILE *out, const char *text, size_t len)
{
    const char *end = text + len;

    fputc('"', out);
    while (text < end) {
        size_t n = utf8_len((const unsigned char *)text);
        unsigned char byte = (unsigned char)*text;

        if (n == 0 || n > (size_t)(end - text)) {
            fputs("\\ufffd", out);
            n = 1;
        } else if (byte < 0x20 || byte == 0x7f) {
            fprintf(out, "\\u%04x", byte);
        } else {
            if (byte == '"' || byte == '\\')
                fputc('\\', out);
            fwrite(text, 1, n, out);
        }
        text += n;
    }
    fputc('"', out);
}

static void
print_member(FILE *out, const char *name, const char *text)
{
    fputs(name, out);
    print_json(out, text, strlen(text));
}

void
kd_complaint_print_json(FILE *out, const struct kd_complaint *c)
{
    const char *comma = "";

    if (c->line > 0) {
        print_member(out, "{\"file\":", c->file);
        fprintf(out, ",\"line\":%ld", c->line);
    } else {
        fputs("{\"file\":null,\"line\":null", out);
    }
    print_member(out, ",\"message\":", c->message);
    if (c->source[0] != '\0')
        print_member(out, ",\"source_line\":", c->source);
    if (c->column > 0)
        fprintf(out, ",\"column\":%d", c->column);
    if (c->more_len > 0) {
        fputs(",\"more\":[", out);
        for (const char *p = c->more; p < c->more + c->more_len; comma = ",") {
            size_t len = strcspn(p, "\n");
            fputs(comma, out);
            print_json(out, p, len);
            p += len + 1;
        }
        fputc(']', out);
    }
    fputc('}', out);
}
