/*
 * fuzz_kevent.c - programs for kqueue(2), against a model
 *
 * An input is a program of kevent_program.h: two bytes are an operation, any bytes are a
 * program. The random programs of test_kqueue_model.c are the same; here coverage leads.
 */
#include "input.h"
#include "kevent_program.h"

#define LONGEST_INPUT 1024

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char message[160];

    if (size > LONGEST_INPUT)
        return 0;
    if (!kevent_program_run(data, size, message, sizeof(message))) {
        fprintf(stderr, "fuzz_kevent: %s\n", message);
        abort();
    }
    return 0;
}
