/*
 * fuzz_frame.c - any framing, any bytes, any cuts
 *
 * An input is a small program:
 *
 *     byte 0    kind of framing, modulo 7
 *     byte 1    its parameter: size and order of a length, length of a delimiter, fixed size;
 *               the highest bit asks for partial messages
 *     byte 2    max_message; 255: no limit
 *     byte 3    number of cuts, modulo 8; as many bytes follow, each moves on by so much
 *               (a delimiter follows here, if the framing has one)
 *     the rest  the stream
 *
 * The stream in pieces, the stream as a whole and the naive reading must agree; and the
 * rest as one message must survive being wrapped and cut. The rest is also read as the text
 * of a framing, which must be refused or be one without a problem.
 */
#include "frame_property.h"
#include "input.h"

#define MAX_CUTS      7
#define LONGEST_INPUT 4096

static struct kp_framing
take_framing(struct input *input)
{
    static const uint8_t sizes[] = {1, 2, 4};
    struct kp_framing framing = {.kind = (enum kp_frame_kind)(take_byte(input) % 7)};
    uint8_t parameter = take_byte(input);

    framing.deliver_partial = parameter >= 128;
    parameter &= 127;
    if (framing.kind == KP_FRAME_LENGTH) {
        framing.length_size = sizes[parameter % 3];
        framing.little_endian = parameter / 3 % 2 == 1;
    }
    if (framing.kind == KP_FRAME_DELIMITER)
        framing.delimiter_len = (uint8_t)(parameter % KP_FRAME_MAX_DELIMITER + 1);
    if (framing.kind == KP_FRAME_FIXED)
        framing.fixed_size = (size_t)parameter + 1;
    return framing;
}

static size_t
take_cuts(struct input *input, size_t *steps)
{
    size_t n = take_byte(input) % (MAX_CUTS + 1);

    for (size_t i = 0; i < n; i++)
        steps[i] = take_byte(input);
    return n;
}

static void
must_be_same(const struct frame_stream *stream, const struct frame_run *a,
             const struct frame_run *b, const size_t *cuts, size_t n_cuts)
{
    const char *difference = frame_run_difference(stream, a, b);

    if (difference == NULL)
        return;
    frame_print(stream, cuts, n_cuts);
    fprintf(stderr, "fuzz_frame: not the same: %s\n", difference);
    abort();
}

static void
check_cuts(const struct frame_stream *stream, const size_t *cuts, size_t n_cuts)
{
    struct frame_run whole, cut, naive;

    frame_run_whole(&whole, stream);
    frame_run_cut(&cut, stream, cuts, n_cuts);
    must_be_same(stream, &whole, &cut, cuts, n_cuts);
    if (stream->framing.kind != KP_FRAME_RAW) {
        frame_run_naive(&naive, stream);
        must_be_same(stream, &naive, &whole, NULL, 0);
        frame_run_clear(&naive);
    }
    frame_run_clear(&whole);
    frame_run_clear(&cut);
}

static void
check_round_trip(const struct kp_framing *framing, const struct input *message,
                 const size_t *cuts, size_t n_cuts)
{
    unsigned char *bytes = malloc(message->size + 2 * KP_FRAME_HEAD_SIZE);
    struct frame_stream stream = {.framing = *framing, .max_message = SIZE_MAX};
    struct frame_run run;

    if (bytes == NULL || !frame_can_carry(framing, message->data, message->size)) {
        free(bytes);
        return;
    }
    long len = frame_wrapped(framing, message->data, message->size, bytes);
    stream.bytes = bytes;
    stream.len = (size_t)len;
    frame_run_cut(&run, &stream, cuts, n_cuts);
    bool is_raw = framing->kind == KP_FRAME_RAW;
    if (len < 0 || run.end != 0 || run.has_rest || (!is_raw && run.n_messages != 1) ||
        (!is_raw && run.messages[0].len != message->size) ||
        (message->size > 0 &&
         memcmp(bytes + run.messages[0].at, message->data, run.messages[0].len) != 0)) {
        frame_print(&stream, cuts, n_cuts);
        fprintf(stderr, "fuzz_frame: a wrapped message does not come back\n");
        abort();
    }
    frame_run_clear(&run);
    free(bytes);
}

static void
check_parse(struct input *input)
{
    struct kp_framing framing;
    char *text = take_text(input);

    if (kp_framing_parse(&framing, text) == 0 && kp_framing_problem(&framing) != NULL) {
        fprintf(stderr, "fuzz_frame: \"%s\" is read as a framing that is none\n", text);
        abort();
    }
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.data = data, .size = size};
    struct frame_stream stream = {.max_message = 0};
    size_t cuts[MAX_CUTS], steps[MAX_CUTS], at = 0;

    if (size > LONGEST_INPUT)
        return 0;
    stream.framing = take_framing(&input);
    uint8_t limit = take_byte(&input);
    stream.max_message = limit == 255 ? SIZE_MAX : limit;
    size_t n_cuts = take_cuts(&input, steps);
    for (size_t i = 0; i < stream.framing.delimiter_len; i++)
        stream.framing.delimiter[i] = take_byte(&input);
    stream.bytes = input.data;
    stream.len = input.size;
    for (size_t i = 0; i < n_cuts; i++) {
        at = at + steps[i] < input.size ? at + steps[i] : input.size;
        cuts[i] = at;
    }

    check_cuts(&stream, cuts, n_cuts);
    check_round_trip(&stream.framing, &input, cuts, n_cuts);
    check_parse(&input);
    return 0;
}
