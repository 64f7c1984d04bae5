/*
 * input.h - the bytes of a fuzz target's input, taken one after the other
 *
 * An input that has ended goes on with zeros. What is broken ends the program, as fuzzers
 * want it.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

static inline uint8_t
take_byte(struct input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

/* Copies what is left, and ends it with NUL.
 * Gives     a block for free(3), of exactly that size. */
static inline char *
take_text(struct input *input)
{
    char *text = malloc(input->size + 1);

    if (text == NULL)
        abort();
    if (input->size > 0)
        memcpy(text, input->data, input->size);
    text[input->size] = '\0';
    *input = (struct input){.size = 0};
    return text;
}

#define must(condition)                                                                  \
 do {                                                                                    \
  if (!(condition)) {                                                                    \
   fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);               \
   abort();                                                                              \
  }                                                                                      \
 } while (0)

#endif
