/*
 * sink.c - a descriptor that is written to without ever waiting for it
 *
 * A log that is read by a stalled program, or a terminal that was stopped with ^S, must not
 * stop the server. O_NONBLOCK would do, but it belongs to the open file, not to our
 * descriptor: it would change the terminal of the shell, too. Instead poll(2) is asked
 * before each write, and no write is longer than PIPE_BUF: a pipe that says it is writable
 * takes that much at once. Regular files are always written directly.
 *
 * What does not go out now waits in a backlog of bounded size; the daemon's loop looks at it
 * again every few milliseconds. Beyond that lines are dropped and counted, and the first one
 * that goes out again is preceded by a line that says how many.
 */
#include "sink.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 4096 /* PIPE_BUF of every system is at least 512; of most it is this */

#if defined(PIPE_BUF) && PIPE_BUF < CHUNK
# undef CHUNK
# define CHUNK PIPE_BUF
#endif

void
kd_sink_init(struct kd_sink *sink, int fd)
{
    struct stat st;

    memset(sink, 0, sizeof(*sink));
    sink->fd = fd;
    sink->lost_head = "(";
    sink->lost_tail = " lines were lost here)";
    sink->is_file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool
is_writable(const struct kd_sink *sink, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = sink->fd, .events = POLLOUT};

    return sink->is_file || poll(&poll_fd, 1, timeout_ms) > 0;
}

/* Writes as much as goes out at once.
 * Returns   how much that was; less than len with *error 0 means "later". */
static size_t
write_some(struct kd_sink *sink, const char *bytes, size_t len, int *error)
{
    size_t done = 0;

    *error = 0;
    while (done < len && is_writable(sink, 0)) {
        size_t part = len - done;
        if (!sink->is_file && part > CHUNK)
            part = CHUNK;
        ssize_t n = write(sink->fd, bytes + done, part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            *error = errno == EAGAIN ? 0 : errno;
            break;
        }
        done += (size_t)n;
    }
    if (done > 0)
        sink->is_torn = bytes[done - 1] != '\n';
    return done;
}

/* Keeps bytes for later. Returns whether there was room. */
static bool
keep(struct kd_sink *sink, const char *bytes, size_t len)
{
    if (sink->backlog == NULL)
        sink->backlog = malloc(KD_SINK_BACKLOG);
    if (sink->backlog == NULL || len > KD_SINK_BACKLOG - sink->len)
        return false;
    memcpy(sink->backlog + sink->len, bytes, len);
    sink->len += len;
    return true;
}

/* Writes a line now or keeps it. Returns whether it is not lost. */
static bool
put(struct kd_sink *sink, const char *line, size_t len)
{
    int error = 0;
    size_t done = 0;

    if (sink->len == 0)
        done = write_some(sink, line, len, &error);
    return done == len || (error == 0 && keep(sink, line + done, len - done));
}

/* Puts the account of what was lost, and before it the line end that a failed write has left
 * out. Lines that come later have to wait for it, so it stands where they are missing. */
static void
tell_lost(struct kd_sink *sink)
{
    char line[128];
    bool is_torn = sink->len == 0 && sink->is_torn; /* a backlog ends with a whole line */
    int len = snprintf(line, sizeof(line), "%s%s%" PRIu64 "%s\n", is_torn ? "\n" : "",
                       sink->lost_head, sink->n_lost, sink->lost_tail);

    if (len > 0 && put(sink, line, (size_t)len))
        sink->n_lost = 0;
}

void
kd_sink_write(struct kd_sink *sink, const char *line, size_t len)
{
    if (sink->n_lost > 0)
        tell_lost(sink);
    if (sink->n_lost > 0 || !put(sink, line, len))
        sink->n_lost++;
}

static uint64_t
count_lines(const char *bytes, size_t len)
{
    uint64_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += bytes[i] == '\n';
    return n;
}

void
kd_sink_flush(struct kd_sink *sink)
{
    int error;

    if (sink->len == 0)
        return;
    size_t done = write_some(sink, sink->backlog, sink->len, &error);
    if (error != 0) {
        sink->n_lost += count_lines(sink->backlog + done, sink->len - done);
        done = sink->len;
    }
    sink->len -= done;
    if (done > 0)
        memmove(sink->backlog, sink->backlog + done, sink->len);
    if (sink->len == 0 && sink->n_lost > 0 && error == 0)
        tell_lost(sink);
}

bool
kd_sink_is_waiting(const struct kd_sink *sink)
{
    return sink->len > 0;
}

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
kd_sink_close(struct kd_sink *sink, int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;
    int64_t left;

    while (sink->len > 0 && (left = deadline - now_ms()) > 0 &&
           is_writable(sink, (int)left))
        kd_sink_flush(sink);
    free(sink->backlog);
    sink->backlog = NULL;
    sink->len = 0;
}
