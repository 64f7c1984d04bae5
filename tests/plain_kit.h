/*
 * plain_kit.h - what the kits that never assert have in common
 *
 * They run on threads which cmocka's jump must not leave, and in programs without cmocka.
 */
#ifndef PLAIN_KIT_H
#define PLAIN_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The monotonic clock. */
uint64_t plain_now_ns(void);

/* Notes a complaint in why, `size` bytes; only the first one, when it is "" before.
 * Returns   false. */
bool plain_complain(char *why, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Connects to a port of 127.0.0.1; nonblocking, and without delay.
 * Returns   the descriptor; -1 with errno. */
int plain_connect(int port);

#endif
