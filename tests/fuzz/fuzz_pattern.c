/*
 * fuzz_pattern.c - any pattern, any subject, in Lua's functions and in ours
 *
 * An input is one call:
 *
 *     byte 0    function, modulo 4: find, match, gmatch, gsub
 *     byte 1    bits 0, 1: what gsub puts in, a text, a table, a function; bit 2: plain;
 *               bit 3: there is a position
 *     byte 2    the position, or how often; signed
 *     byte 3    length of the subject, modulo 13, which follows
 *     byte      length of the pattern, modulo 17, which follows
 *     the rest  what gsub puts in, as text
 *
 * All that a script could see must be the same. Subject and pattern are short, because
 * Lua's own functions can take for ever. The matcher is in here once more, in place of the
 * one in the library, to remember what failed from its first step on.
 */
#define FUEL  1
#define PIECE 2
#include "script/pattern.c"

#include "input.h"
#include "pattern_kit.h"

#define SUBJECT_LENGTHS 13
#define PATTERN_LENGTHS 17
#define LONGEST_TEXT    16
#define INPUTS_A_STATE  20000 /* then new states, so that memory is given back */

static struct pk_bytes
take_bytes(struct input *input, size_t len)
{
    struct pk_bytes bytes = {(const char *)input->data, len};

    if (bytes.len > input->size)
        bytes.len = input->size;
    input->data += bytes.len;
    input->size -= bytes.len;
    return bytes;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pk_pair pair;
    static unsigned n_inputs;
    struct input input = {data, size};
    struct pk_case c = {.function = (enum pk_function)(take_byte(&input) % 4)};
    uint8_t flags = take_byte(&input);
    lua_Integer position = (int8_t)take_byte(&input);

    c.replacement = (enum pk_replacement)((flags & 3) % PK_N_REPLACEMENTS);
    c.is_plain = (flags & 4) != 0;
    c.position = flags & 8 ? &position : NULL;
    c.subject = take_bytes(&input, take_byte(&input) % SUBJECT_LENGTHS);
    c.pattern = take_bytes(&input, take_byte(&input) % PATTERN_LENGTHS);
    c.text = take_bytes(&input, input.size < LONGEST_TEXT ? input.size : LONGEST_TEXT);

    if (n_inputs++ % INPUTS_A_STATE == 0) {
        pk_close(&pair);
        must(pk_open(&pair) == 0);
    }
    must(pk_agree(&pair, &c));
    return 0;
}
