/*
 * dialect.h - how one says the same things to servers of different kinds
 *
 * A message is a payload between two constant strings, both when it is sent and when it comes
 * back; so is what a room gets. That is enough for lines and bytes as they are, for Redis,
 * NATS, MQTT and IRC.
 */
#ifndef DIALECT_H
#define DIALECT_H

#include <stdbool.h>
#include <stddef.h>

struct bytes {
    char data[160]; /* len bytes; may hold NUL */
    size_t len;
};

struct dialect {
    size_t payload_size;
    struct bytes ask_before, ask_after;       /* what is sent around the payload */
    struct bytes answer_before, answer_after; /* what comes back around it */

    /* Rooms. All connections say hello; members then join; each ends with its answer. A
     * "#####" stands for the connection's number. */
    struct bytes hello, hello_answer;
    struct bytes join, join_answer;
    struct bytes ack;   /* what who speaks is told for each message; or nothing */
    struct bytes noise; /* what may come between answers at any time; or nothing */
};

enum dialect_use { DIALECT_ECHO, DIALECT_ROOM };

/* Fills *dialect for messages of so many bytes, in a room of n_members.
 * name: line, stream, redis; in rooms line, redis, nats, mqtt, irc.
 * A line of kelpie is size bytes with its newline; elsewhere the payload is the same.
 * Returns false for a name or a size that it does not know. */
bool dialect_make(struct dialect *dialect, const char *name, enum dialect_use use,
                  size_t size, unsigned n_members);

/* Copies bytes, with the number in the place of "#####". */
struct bytes dialect_numbered(const struct bytes *bytes, unsigned number);

/* Writes the payload that belongs to the seq-th message of connection number: printable
 * bytes, no two alike. */
void dialect_payload(char *out, size_t size, unsigned number, unsigned long long seq);

#endif
