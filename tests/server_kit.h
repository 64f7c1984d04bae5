/*
 * server_kit.h - a whole server in the test's own process, and clients that talk to it
 *
 * One thread: every wait runs steps of the server until what is waited for has happened,
 * and fails with a sentence that says what it was after ten seconds. The log and what
 * scripts print are kept as text.
 */
#ifndef KELPIE_SERVER_KIT_H
#define KELPIE_SERVER_KIT_H

#include <stdbool.h>

#include "kelpie.h"

#define KIT_TEXT_SIZE 65536

struct server_kit {
    kelpie *k;
    int port;
    bool quiet; /* no asserts on failure: waits return false */
    char log[KIT_TEXT_SIZE], printed[KIT_TEXT_SIZE];
    size_t log_len, printed_len;
    int fds_before; /* open descriptors before it started */
};

/* A script that answers x with "echo x". */
extern const char sv_echo_script[];

/* Fills in the log and print doors of options. */
void sv_doors(struct server_kit *kit, struct kelpie_options *options);

/* Makes a server from options (NULL: defaults) and script text (NULL: none), listening on a
 * free port of 127.0.0.1. */
void sv_start(struct server_kit *kit, const struct kelpie_options *options,
              const char *script);

/* Frees the server; asserts that every descriptor is closed. */
void sv_stop(struct server_kit *kit);

/* One step that does not sleep. */
void sv_step(struct server_kit *kit);

/* Connects a client; the server has not announced it yet. Nonblocking. */
int sv_connect(struct server_kit *kit);
int sv_connect_port(int port);

/* Writes all of text, running steps while the socket is full. */
void sv_send(struct server_kit *kit, int fd, const char *text);
void sv_send_bytes(struct server_kit *kit, int fd, const void *bytes, size_t len);

/* Reads exactly that text. */
bool sv_expect(struct server_kit *kit, int fd, const char *text);
bool sv_expect_bytes(struct server_kit *kit, int fd, const void *bytes, size_t len);

/* Reads the end of the stream (a reset counts), and nothing before it. */
bool sv_expect_end(struct server_kit *kit, int fd);

/* Runs steps until log or printed contain the text. */
bool sv_expect_log(struct server_kit *kit, const char *text);
bool sv_expect_printed(struct server_kit *kit, const char *text);

/* Runs steps until that many clients are there. */
bool sv_expect_clients(struct server_kit *kit, unsigned clients);

struct kelpie_stats sv_stats(struct server_kit *kit);

int sv_open_fds(void);

#endif
