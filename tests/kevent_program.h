/*
 * kevent_program.h - random programs for kqueue(2), and a model that says what must come out
 */
#ifndef KEVENT_PROGRAM_H
#define KEVENT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Runs a program: each byte, or two, is an operation on a kqueue and a few descriptors. Any
 * bytes are a program. What the kqueue reports is compared with the model after each step.
 *
 * Returns   true if kqueue and model agree to the end; else message says where they do not.
 */
bool kevent_program_run(const uint8_t *program, size_t len, char *message,
                        size_t message_size);

#endif
