/*
 * dialect.c - see dialect.h
 *
 * A payload begins with the numbers of its connection and message in 16 hexadecimal digits,
 * as much of them as there is room; then come letters that depend on both, up to 64 of them,
 * which are repeated in long payloads. So a byte that is missing, doubled, or from another
 * message is found.
 */
#include "dialect.h"

#include <stdio.h>
#include <string.h>

enum { DIGITS = 16, LETTERS = 64, MAX_PAYLOAD = 64 * 1024 };

/* ---- strings -------------------------------------------------------------------------------- */

static struct bytes
text(const char *format, size_t number)
{
    struct bytes bytes;

    bytes.len = (size_t)snprintf(bytes.data, sizeof(bytes.data), format, number);
    return bytes;
}

static struct bytes
binary(const char *data, size_t len)
{
    struct bytes bytes = {.len = len};

    memcpy(bytes.data, data, len);
    return bytes;
}
#define BINARY(literal) binary(literal, sizeof(literal) - 1)

struct bytes
dialect_numbered(const struct bytes *bytes, unsigned number)
{
    struct bytes numbered = *bytes;
    char digits[16];

    snprintf(digits, sizeof(digits), "%05u", number % 100000);
    for (size_t i = 0; i + 5 <= numbered.len; i++)
        if (memcmp(numbered.data + i, "#####", 5) == 0)
            memcpy(numbered.data + i, digits, 5);
    return numbered;
}

void
dialect_payload(char *out, size_t size, unsigned number, unsigned long long seq)
{
    static const char digits[] = "0123456789abcdef";
    unsigned long long both = ((unsigned long long)number << 40) ^ seq;
    size_t n_digits = size < DIGITS ? size : DIGITS;
    unsigned state = (unsigned)(both ^ both >> 32) * 2654435761u;

    for (size_t i = 0; i < n_digits; i++)
        out[i] = digits[both >> (4 * i) & 15];
    size_t done = n_digits;
    for (; done < size && done < n_digits + LETTERS; done++) {
        state = state * 1664525u + 1013904223u;
        out[done] = (char)('a' + (state >> 24) % 26);
    }
    while (done < size) {
        size_t n = done - n_digits < size - done ? done - n_digits : size - done;
        memcpy(out + done, out + n_digits, n);
        done += n;
    }
}

/* ---- the dialects ---------------------------------------------------------------------------- */

static bool
make_echo(struct dialect *dialect, const char *name, size_t size)
{
    if (strcmp(name, "stream") == 0) {
        dialect->payload_size = size;
        return true;
    }
    dialect->payload_size = size - 1;
    if (strcmp(name, "line") == 0) {
        dialect->ask_after = dialect->answer_after = text("\n", 0);
    } else if (strcmp(name, "redis") == 0) {
        dialect->ask_before = text("PING ", 0);
        dialect->answer_before = text("$%zu\r\n", size - 1);
        dialect->ask_after = dialect->answer_after = text("\r\n", 0);
    } else {
        return false;
    }
    return true;
}

static void
make_room_redis(struct dialect *dialect, size_t payload, unsigned n_members)
{
    dialect->ask_before = text("PUBLISH hall ", 0);
    dialect->answer_before =
        text("*3\r\n$7\r\nmessage\r\n$4\r\nhall\r\n$%zu\r\n", payload);
    dialect->ask_after = dialect->answer_after = text("\r\n", 0);
    dialect->hello = text("PING\r\n", 0);
    dialect->hello_answer = text("+PONG\r\n", 0);
    dialect->join = text("SUBSCRIBE hall\r\n", 0);
    dialect->join_answer = text("hall\r\n:1\r\n", 0);
    dialect->ack = text(":%zu\r\n", n_members);
}

static void
make_room_nats(struct dialect *dialect, size_t payload)
{
    dialect->ask_before = text("PUB hall %zu\r\n", payload);
    dialect->answer_before = text("MSG hall 1 %zu\r\n", payload);
    dialect->ask_after = dialect->answer_after = text("\r\n", 0);
    dialect->hello =
        text("CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n", 0);
    dialect->join = text("SUB hall 1\r\nPING\r\n", 0);
    dialect->hello_answer = dialect->join_answer = text("PONG\r\n", 0);
    dialect->noise =
        text("PING\r\n", 0); /* after two seconds; needs no answer for minutes */
}

/* See MQTT 3.1.1: CONNECT 3.1, SUBSCRIBE 3.8, PUBLISH 3.3, of quality 0. */
static void
make_room_mqtt(struct dialect *dialect, size_t payload)
{
    char publish[] = "0\0\0\4hall";

    publish[1] = (char)(payload + 6); /* at most 127 */
    dialect->ask_before = dialect->answer_before = binary(publish, sizeof(publish) - 1);
    dialect->hello = BINARY("\x10\x0c\0\4MQTT\4\2\0\0\0\0");
    dialect->hello_answer = BINARY("\x20\2\0\0");
    dialect->join = BINARY("\x82\x09\0\1\0\4hall\0");
    dialect->join_answer = BINARY("\x90\3\0\1\0");
}

static void
make_room_irc(struct dialect *dialect)
{
    dialect->ask_before = text("PRIVMSG #hall :", 0);
    dialect->answer_before = text(":n00000!~n@127.0.0.1 PRIVMSG #hall :", 0);
    dialect->ask_after = dialect->answer_after = text("\r\n", 0);
    dialect->hello = text("NICK n#####\r\nUSER n 0 * :n\r\n", 0);
    dialect->hello_answer = text(" :End of MOTD command\r\n", 0);
    dialect->join = text("JOIN #hall\r\n", 0);
    dialect->join_answer = text(" :End of NAMES list\r\n", 0);
}

static bool
make_room(struct dialect *dialect, const char *name, size_t size, unsigned n_members)
{
    dialect->payload_size = size - 1;
    if (strcmp(name, "line") == 0) {
        dialect->ask_after = dialect->answer_after = text("\n", 0);
        dialect->join = text("join\n", 0);
        dialect->join_answer = text("joined\n", 0);
    } else if (strcmp(name, "redis") == 0) {
        make_room_redis(dialect, size - 1, n_members);
    } else if (strcmp(name, "nats") == 0) {
        make_room_nats(dialect, size - 1);
    } else if (strcmp(name, "mqtt") == 0 && size <= 120) {
        make_room_mqtt(dialect, size - 1);
    } else if (strcmp(name, "irc") == 0 && size <= 256) {
        make_room_irc(dialect);
    } else {
        return false;
    }
    return true;
}

bool
dialect_make(struct dialect *dialect, const char *name, enum dialect_use use, size_t size,
             unsigned n_members)
{
    memset(dialect, 0, sizeof(*dialect));
    if (size < 2 || size > MAX_PAYLOAD)
        return false;
    return use == DIALECT_ECHO ? make_echo(dialect, name, size)
                               : make_room(dialect, name, size, n_members);
}
