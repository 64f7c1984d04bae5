/*
 * kqueue_kit.h - what the tests of kqueue(2) share
 *
 * The tests that use it are written against kqueue(2) and POSIX, not against the layer that
 * this tree has for Linux: they are meant to pass on a native kqueue too. Where systems
 * differ, a test accepts what each of them does.
 */
#ifndef KQUEUE_KIT_H
#define KQUEUE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/types.h>

#include <sys/event.h>

/* How long something that must happen may take. */
#define PATIENCE_S 5

/* An EV_SET with the casts that the systems want, for a table of changes. */
struct kevent kit_kevent(int fd, int filter, unsigned flags, unsigned fflags, int tag);

/* The tag of an event: its udata as a number. */
int kit_tag(const struct kevent *event);

/* Makes one change, which must succeed. */
void kit_change(int kq, int fd, int filter, unsigned flags, unsigned fflags, int tag);

/* Makes one change. Returns 0 or its errno. */
int kit_try(int kq, int fd, int filter, unsigned flags, unsigned fflags, int tag);

/* Waits until there is at least one event, which must be soon. Returns the number. */
int kit_wait(int kq, struct kevent *events, int n_events);

/* As kit_wait(), but exactly this one event is expected. */
struct kevent kit_wait_one(int kq, int fd, int filter);

/* Waits for a vnode event until all of the notes have been seen. Returns all seen. */
unsigned kit_wait_notes(int kq, int fd, unsigned notes);

/* Takes what is there without waiting. Returns the number. */
int kit_peek(int kq, struct kevent *events, int n_events);

/* Finds the event of a descriptor and filter; it must be there. */
const struct kevent *kit_find(const struct kevent *events, int n, int fd, int filter);

void kit_unix_pair(int fds[2]);
void kit_tcp_pair(int fds[2]);
void kit_pipe(int fds[2]);
int kit_listener(uint16_t *port);
int kit_tcp_socket(void);
int kit_connect(int fd, uint16_t port); /* returns 0 or errno */
void kit_put(int fd, const char *text);
void kit_get(int fd, size_t n);
void kit_reset(int fd); /* closes with RST */
void kit_close(int fd);

/* Opens fd's number anew: a fresh unix pair whose first end has that number. */
void kit_reuse_number(int number, int fds[2]);

/* cmocka fixtures: *state is a pointer to the kqueue's descriptor. The teardown closes it
   and fails if the test has left a descriptor open. */
int kit_setup(void **state);
int kit_teardown(void **state);

#define KIT_TEST(test) cmocka_unit_test_setup_teardown(test, kit_setup, kit_teardown)

#endif
