/*
 * load_chat.c - rooms of ten who all speak
 *
 * Each says "/say TEXT", and everybody in the room, also who said it, hears "NAME: TEXT". The
 * lines of different people may come in any order, those of one person only in theirs: the
 * line itself says whose it is, and who must have said what is known. A message counts when
 * one has heard it. Each has window lines on the way, as far as it has heard itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit.h"
#include "load.h"

enum { ROOM = 10, NAME_SIZE = 8, MAX_LINE = 256 };

struct member {
    uint64_t heard[ROOM]; /* lines of each in the room */
    char line[MAX_LINE];  /* half a line, line_len bytes */
    size_t line_len;
};

/* ---- before --------------------------------------------------------------------------------- */

static void
introduce(struct load *load, unsigned i)
{
    struct stream *stream = &load->streams[i];
    char line[64];

    snprintf(line, sizeof(line), "/name c%05u\n", i);
    stream_say(stream, line, strlen(line));
    stream_await(stream, "named\n", 6);
    snprintf(line, sizeof(line), "/join r%u\n", i / ROOM);
    stream_say(stream, line, strlen(line));
    stream_await(stream, "joined\n", 7);
}

/* ---- while it runs ---------------------------------------------------------------------------- */

/* Checks one line, "c00042: " and the payload, without its newline. */
static void
check_line(struct load *load, struct stream *stream, const char *line, size_t len,
           uint64_t now_ns)
{
    const struct dialect *d = &load->dialect;
    struct member *member = (struct member *)load->arg + stream->number;
    unsigned number;

    if (len != NAME_SIZE + d->payload_size || sscanf(line, "c%5u: ", &number) != 1 ||
        number / ROOM != stream->number / ROOM || number >= load->n_conns)
        bench_give_up("chat", "this is no line of somebody in the room");
    struct stream *author = &load->streams[number];
    uint64_t seq = member->heard[number % ROOM]++;
    snprintf(load->expected, MAX_LINE, "c%05u: ", number);
    dialect_payload(load->expected + NAME_SIZE, d->payload_size, number, seq);
    if (seq >= author->n_sent || memcmp(line, load->expected, len) != 0)
        bench_give_up("chat", "this is not what was said");
    meter_count(&load->meter, now_ns - author->sent_ns[seq % load->window]);
    if (author == stream)
        stream->n_got++;
}

static void
check(struct load *load, struct stream *stream, const char *bytes, size_t len,
      uint64_t now_ns)
{
    struct member *member = (struct member *)load->arg + stream->number;
    const char *end = bytes + len, *newline;

    for (; (newline = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL;
         bytes = newline + 1) {
        size_t n = (size_t)(newline - bytes);
        if (member->line_len == 0) {
            check_line(load, stream, bytes, n, now_ns);
            continue;
        }
        if (member->line_len + n > MAX_LINE)
            bench_give_up("chat", "a line is too long");
        memcpy(member->line + member->line_len, bytes, n);
        check_line(load, stream, member->line, member->line_len + n, now_ns);
        member->line_len = 0;
    }
    len = (size_t)(end - bytes);
    if (member->line_len + len > MAX_LINE)
        bench_give_up("chat", "a line is too long");
    memcpy(member->line + member->line_len, bytes, len);
    member->line_len += len;
}

static bool
is_complete(const struct load *load)
{
    const struct member *members = load->arg;

    for (unsigned i = 0; i < load->n_conns; i++)
        for (unsigned j = 0; j < ROOM; j++)
            if (members[i].heard[j] < load->streams[i / ROOM * ROOM + j].n_sent)
                return false;
    return true;
}

void
load_chat(struct load *load)
{
    static const struct load_talk talk = {check, is_complete};

    load->n_conns = (load->n_conns + ROOM - 1) / ROOM * ROOM;
    if (load->size > 128 ||
        !dialect_make(&load->dialect, "line", DIALECT_ECHO, load->size, 0))
        bench_give_up("chat", "lines of at most 128 bytes");
    struct bytes say = {.data = "/say ", .len = 5};
    load->dialect.ask_before = say;
    load_open(load, load->n_conns);
    for (unsigned i = 0; i < load->n_conns; i++)
        introduce(load, i);
    struct member *members = bench_alloc(load->n_conns * sizeof(*members));
    memset(members, 0, load->n_conns * sizeof(*members));
    load->arg = members;
    load_talk(load, &talk);
    free(members);
}
