/*
 * frame_property.c - what must hold for every stream in every framing
 *
 * A run of frame.c is fed the way a connection feeds it: what came is appended to what is
 * not consumed yet, and messages are taken until no more is there. The difference is the
 * input: it is a new block of exactly its size each time, and what was scanned is garbage.
 */
#include "frame_property.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame_naive.h"
#include "kelpie.h"

static void
must(bool is_so, const char *what)
{
    if (is_so)
        return;
    fprintf(stderr, "frame_property: broken: %s\n", what);
    abort();
}

static void *
allocate(size_t size)
{
    void *block = malloc(size > 0 ? size : 1);
    must(block != NULL, "there is memory");
    return block;
}

/* A copy in a block of exactly its size. */
static unsigned char *
copy_bytes(const unsigned char *bytes, size_t len)
{
    unsigned char *copy = allocate(len);
    if (len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

static bool
is_line(const struct kp_framing *framing)
{
    return framing->kind == KP_FRAME_LINE || framing->kind == KP_FRAME_CRLF;
}

/* ---- runs of frame.c ---- */

/* A run on its way. Of the stream, [consumed, come) is the input. */
struct feeding {
    const struct frame_stream *stream;
    struct frame_run *run;
    struct kp_frame_state state;
    unsigned char *input;
    size_t consumed, come;
};

static void
run_init(struct frame_run *run, const struct frame_stream *stream)
{
    memset(run, 0, sizeof(*run));
    /* Every message consumes a byte. */
    run->messages = allocate((stream->len + 1) * sizeof(run->messages[0]));
}

static struct frame_message
message_at(size_t from, const struct kp_frame *frame)
{
    return (struct frame_message){
        .at = from + frame->start, .len = frame->len, .end = from + frame->consumed};
}

static void
check_frame(const struct feeding *f, const struct kp_frame *frame, size_t len)
{
    must(frame->consumed > 0, "a message consumes bytes");
    must(frame->consumed <= len, "a message lies within the input");
    must(frame->start + frame->len <= frame->consumed, "it is consumed as a whole");
    must(frame->len <= f->stream->max_message, "it is not longer than max_message");
}

static int
ask(struct feeding *f, struct kp_frame *out)
{
    const struct frame_stream *s = f->stream;

    return kp_frame_next(&s->framing, &f->state, f->input, f->come - f->consumed,
                         s->max_message, out);
}

/* Fills what was scanned with what would end a message, if it were looked at again. */
static void
overwrite_scanned(struct feeding *f)
{
    const struct kp_framing *framing = &f->stream->framing;
    size_t scanned = f->state.scanned;

    must(scanned <= f->come - f->consumed, "no more is scanned than there is");
    for (size_t i = 0; i < scanned; i++)
        f->input[scanned - 1 - i] = is_line(framing)
                                        ? (unsigned char)"\r\n"[i % 2]
                                        : framing->delimiter[i % framing->delimiter_len];
}

/* The input becomes [consumed, come) of the stream, in a block of its size; what was scanned
 * stays as it is. */
static void
renew_input(struct feeding *f, size_t come)
{
    unsigned char *input = copy_bytes(f->stream->bytes + f->consumed, come - f->consumed);

    if (f->state.scanned > 0)
        memcpy(input, f->input, f->state.scanned);
    free(f->input);
    f->input = input;
    f->come = come;
}

static void
feed(struct feeding *f, size_t come)
{
    struct frame_run *run = f->run;
    struct kp_frame frame;
    int rc;

    renew_input(f, come);
    while ((rc = ask(f, &frame)) == 1) {
        must(run->end == 0, "there is no message behind an error");
        must(f->state.scanned == 0, "the state is zero behind a message");
        check_frame(f, &frame, f->come - f->consumed);
        run->messages[run->n_messages++] = message_at(f->consumed, &frame);
        f->consumed += frame.consumed;
        renew_input(f, come);
    }
    must(run->end == 0 || rc == run->end, "an error stays");
    must(rc == 0 || rc == ask(f, &frame), "an error is repeated");
    run->end = rc;
    if (rc == 0)
        overwrite_scanned(f);
}

static void
end_of_stream(struct feeding *f)
{
    const struct frame_stream *s = f->stream;
    struct kp_frame frame;

    f->state.scanned = 0;
    renew_input(f, s->len);
    if (f->run->end == 0 &&
        kp_frame_rest(&s->framing, f->input, s->len - f->consumed, &frame) == 1) {
        check_frame(f, &frame, s->len - f->consumed);
        must(frame.len > 0, "a partial message is not empty");
        must(frame.consumed == s->len - f->consumed, "a partial message consumes all");
        f->run->has_rest = true;
        f->run->rest = message_at(f->consumed, &frame);
    }
    free(f->input);
}

void
frame_run_cut(struct frame_run *run, const struct frame_stream *stream,
              const size_t *cuts, size_t n_cuts)
{
    struct feeding f = {.stream = stream, .run = run};

    run_init(run, stream);
    for (size_t i = 0; i < n_cuts; i++)
        feed(&f, cuts[i]);
    feed(&f, stream->len);
    end_of_stream(&f);
}

void
frame_run_whole(struct frame_run *run, const struct frame_stream *stream)
{
    frame_run_cut(run, stream, NULL, 0);
}

void
frame_run_clear(struct frame_run *run)
{
    free(run->messages);
    memset(run, 0, sizeof(*run));
}

void
frame_run_naive(struct frame_run *run, const struct frame_stream *stream)
{
    size_t from = 0;
    struct naive_verdict v;

    must(stream->framing.kind != KP_FRAME_RAW, "RAW has no naive reading");
    run_init(run, stream);
    for (;;) {
        v = naive_read(&stream->framing, stream->bytes + from, stream->len - from,
                       stream->max_message);
        if (v.end != 1)
            break;
        run->messages[run->n_messages++] = (struct frame_message){
            .at = from + v.at, .len = v.len, .end = from + v.consumed};
        from += v.consumed;
    }
    run->end = v.end;
    if (v.end != 0 || v.len == 0 || !stream->framing.deliver_partial)
        return;
    run->has_rest = true;
    run->rest =
        (struct frame_message){.at = from + v.at, .len = v.len, .end = stream->len};
}

/* ---- comparing ---- */

static bool
is_same_message(const struct frame_message *a, const struct frame_message *b)
{
    return a->at == b->at && a->len == b->len && a->end == b->end;
}

/* The messages of RAW are different in every cut, but together they are the stream. */
static const char *
raw_problem(const struct frame_stream *stream, const struct frame_run *run)
{
    size_t at = 0;

    for (size_t i = 0; i < run->n_messages; i++) {
        if (run->messages[i].at != at ||
            run->messages[i].end != at + run->messages[i].len)
            return "a raw message does not follow the one before";
        at = run->messages[i].end;
    }
    if (run->end == 0 && at != stream->len)
        return "the raw messages together are not the stream";
    return run->has_rest ? "something was left of a raw stream" : NULL;
}

const char *
frame_run_difference(const struct frame_stream *stream, const struct frame_run *a,
                     const struct frame_run *b)
{
    if (a->end != b->end)
        return "the error";
    if (stream->framing.kind == KP_FRAME_RAW) {
        const char *problem = raw_problem(stream, a);
        return problem != NULL ? problem : raw_problem(stream, b);
    }
    if (a->n_messages != b->n_messages)
        return "the number of messages";
    for (size_t i = 0; i < a->n_messages; i++)
        if (!is_same_message(&a->messages[i], &b->messages[i]))
            return "a message";
    if (a->has_rest != b->has_rest)
        return "whether there is a partial message at the end";
    if (a->has_rest && !is_same_message(&a->rest, &b->rest))
        return "the partial message at the end";
    return NULL;
}

/* ---- writing ---- */

long
frame_wrapped(const struct kp_framing *framing, const unsigned char *message, size_t len,
              unsigned char *out)
{
    unsigned char head[KP_FRAME_HEAD_SIZE];
    const unsigned char *tail;
    size_t head_len, tail_len;

    int rc = kp_frame_wrap(framing, len, head, &head_len, &tail, &tail_len);
    if (rc < 0)
        return rc;
    must(head_len <= KP_FRAME_HEAD_SIZE && tail_len <= KP_FRAME_HEAD_SIZE,
         "what is around a message is short");
    memcpy(out, head, head_len);
    if (len > 0)
        memcpy(out + head_len, message, len);
    memcpy(out + head_len + len, tail, tail_len);
    return (long)(head_len + len + tail_len);
}

bool
frame_can_carry(const struct kp_framing *framing, const unsigned char *message,
                size_t len)
{
    if (framing->kind == KP_FRAME_FIXED)
        return len == framing->fixed_size;
    if (framing->kind == KP_FRAME_LENGTH)
        return framing->length_size == 4 || len < (size_t)1 << 8 * framing->length_size;
    if (framing->kind == KP_FRAME_RAW)
        return len > 0;
    if (framing->kind == KP_FRAME_NETSTRING)
        return true;

    /* The end of the message and the beginning of the mark may make an earlier mark, and
     * a \r at the end of a line is lost. */
    unsigned char *text = allocate(len + KP_FRAME_MAX_DELIMITER + 1);
    size_t n = (size_t)frame_wrapped(framing, message, len, text);
    struct naive_verdict v = naive_read(framing, text, n, SIZE_MAX);
    free(text);
    return v.end == 1 && v.len == len && v.consumed == n;
}

void
frame_print(const struct frame_stream *stream, const size_t *cuts, size_t n_cuts)
{
    const struct kp_framing *f = &stream->framing;

    fprintf(stderr, "kind %d, partial %d, little %d, length %d, fixed %zu, delimiter \"",
            (int)f->kind, f->deliver_partial, f->little_endian, f->length_size,
            f->fixed_size);
    for (size_t i = 0; i < f->delimiter_len; i++)
        fprintf(stderr, "\\x%02x", f->delimiter[i]);
    fprintf(stderr, "\", max_message %zu, %zu bytes: \"", stream->max_message,
            stream->len);
    for (size_t i = 0; i < stream->len; i++)
        fprintf(stderr, "\\x%02x", stream->bytes[i]);
    fprintf(stderr, "\", cuts");
    for (size_t i = 0; i < n_cuts; i++)
        fprintf(stderr, " %zu", cuts[i]);
    fprintf(stderr, "\n");
}
