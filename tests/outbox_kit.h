/*
 * outbox_kit.h - an outbox, a kernel that takes what it is told to, and a record of both
 *
 * The kernel is a sink that takes as many bytes as it is told to and keeps them. Whatever is
 * done to an outbox, what the sink has got and what the outbox still holds must be what was
 * appended, in order; and when both are empty there is no memory left.
 */
#ifndef OUTBOX_KIT_H
#define OUTBOX_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault.h"
#include "net/outbox.h"

#define SINK_SIZE ((size_t)4 << 20)

struct sink {
    unsigned char *bytes;
    size_t len;
    size_t takes; /* at most so many bytes at a time; 0: EAGAIN */
    int last_n_iov;
    bool last_more;
};

struct outbox_kit {
    struct fault_mem mem;
    struct fault_sys sys;
    struct kp_env env;
    struct sink sink;
    struct kp_outbox outbox;
    unsigned char *appended; /* all bytes, in order */
    size_t n_appended;
    uint64_t random;
    unsigned char some[100000]; /* of ok_bytes, until the next call */
};

/* Of a test, for cmocka; state is a struct outbox_kit. No memory may be left at the end. */
int ok_setup(void **state);
int ok_teardown(void **state);

/* Begins anew with an empty outbox; the one before must be empty. */
void ok_start(struct outbox_kit *f);

/* Returns a number in [0, below): the same ones in every run. */
size_t ok_pick(struct outbox_kit *f, size_t below);

struct iovec ok_part(const void *bytes, size_t len);

/* Makes bytes that go on from one to the next in a way that a mix-up breaks; they are there
 * until the next call. */
const unsigned char *ok_bytes(struct outbox_kit *f, size_t len);

/* Writes down bytes that were appended. */
void ok_note(struct outbox_kit *f, const void *bytes, size_t len);

/* Append to the outbox and write it down; flush. Results as of outbox.h. */
int ok_append(struct outbox_kit *f, const void *bytes, size_t len);
int ok_append_text(struct outbox_kit *f, const char *text);
int ok_append_chunk(struct outbox_kit *f, struct kp_chunk *chunk);
ssize_t ok_flush(struct outbox_kit *f);

struct kp_chunk *ok_chunk(struct outbox_kit *f, const void *bytes, size_t len);

/* Returns whether there was room for the bytes. */
bool ok_grow_chunk(struct kp_chunk *chunk, const void *bytes, size_t len);

/* Fails the test unless the sink and the outbox have what was appended. */
void ok_assert_in_order(const struct outbox_kit *f);

/* Flushes until nothing is queued, into a sink that takes everything. */
void ok_flush_all(struct outbox_kit *f);

#endif
