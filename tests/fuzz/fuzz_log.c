/*
 * fuzz_log.c - any bytes in the log: one printable line, bounded, and nothing is made up
 *
 *     byte 0    size of the output, above the smallest
 *     the rest  what is escaped; then a source and a step of time for each two bytes
 *
 * An escaped line is read back: it is what was put in, or begins as that did and ends with
 * dots, and then as much as fits is there. The limit of repeated records is compared with a
 * naive one that remembers everything.
 */
#include "base/log.h"
#include "input.h"

#define LONGEST_INPUT 4096
#define SMALLEST_OUT  8
#define N_SOURCES     KP_LOG_LIMIT_SLOTS /* so many are told apart */

/* Reads an escaped text of len bytes back. Returns how many bytes it stood for. */
static size_t
read_back(uint8_t *out, const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; n++) {
        must(text[i] >= 0x20 && text[i] <= 0x7e);
        if (text[i] != '\\') {
            out[n] = (uint8_t)text[i++];
            continue;
        }
        unsigned value;
        must(len - i >= 4 && text[i + 1] == 'x');
        must(sscanf(text + i + 2, "%2x", &value) == 1);
        out[n] = (uint8_t)value;
        must(out[n] < 0x20 || out[n] > 0x7e || out[n] == '\\');
        i += 4;
    }
    return n;
}

static size_t
width(uint8_t byte)
{
    return byte < 0x20 || byte > 0x7e || byte == '\\' ? 4 : 1;
}

static size_t
full_width(const struct input *input)
{
    size_t total = 0;

    for (size_t i = 0; i < input->size; i++)
        total += width(input->data[i]);
    return total;
}

static void
check_line(const struct input *input, const char *line, size_t len, size_t limit)
{
    uint8_t *back = malloc(len + 1);
    size_t total = full_width(input);

    must(back != NULL && len <= limit);
    if (total <= limit) {
        must(len == total && read_back(back, line, len) == input->size);
        must(input->size == 0 || memcmp(back, input->data, input->size) == 0);
    } else {
        must(len >= 3 && memcmp(line + len - 3, "...", 3) == 0);
        size_t n = read_back(back, line, len - 3);
        must(n < input->size && memcmp(back, input->data, n) == 0);
        must(len + width(input->data[n]) > limit); /* no more would have fit */
    }
    free(back);
}

static void
check_escape(const struct input *input, size_t out_size)
{
    char *out = malloc(out_size);

    must(out != NULL);
    size_t len = kp_log_escape(out, out_size, input->data, input->size);
    must(out[len] == '\0');
    check_line(input, out, len, out_size - 1);
    free(out);
}

static void
check_record(void *arg, enum kelpie_level level, const char *line, size_t len)
{
    const struct input *text = arg;

    must(level == KELPIE_LOG_WARN && line[len] == '\0');
    check_line(text, line, len, 1000);
}

/* As an argument a text ends at its first NUL. */
static void
check_write(const struct input *input)
{
    struct input copy = *input;
    char *text = take_text(&copy);
    struct input until_nul = {.data = (const uint8_t *)text, .size = strlen(text)};
    struct kp_log log;

    kp_log_init(&log, check_record, &until_nul, KELPIE_LOG_WARN);
    kp_log_write(&log, KELPIE_LOG_WARN, "%s", text);
    kp_log_write(&log, KELPIE_LOG_INFO, "%s", text); /* above the level: not made */
    free(text);
}

struct source {
    uint32_t passed, held_back;
    uint64_t second;
};

static void
check_limit(struct input *input)
{
    struct source sources[N_SOURCES] = {{0}};
    struct kp_log log;
    uint64_t now_ns = 0;

    kp_log_init(&log, NULL, NULL, KELPIE_LOG_ERROR);
    while (input->size > 0) {
        unsigned key = take_byte(input) % N_SOURCES;
        struct source *source = &sources[key];
        uint32_t repeated;
        now_ns += take_byte(input) * UINT64_C(10000000);
        bool allowed = kp_log_allow(&log, key, now_ns, &repeated);

        bool expected = source->passed < 10 || source->second != now_ns / KP_NS_PER_S;
        must(allowed == expected);
        must(repeated == (allowed ? source->held_back : 0));
        if (allowed)
            *source = (struct source){source->passed + 1, 0, now_ns / KP_NS_PER_S};
        else
            source->held_back++;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.data = data, .size = size};

    if (size > LONGEST_INPUT)
        return 0;
    size_t out_size = SMALLEST_OUT + (size_t)take_byte(&input);
    check_escape(&input, out_size);
    check_write(&input);
    check_limit(&input);
    return 0;
}
