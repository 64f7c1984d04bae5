/*
 * sink.h - a descriptor that is written to without ever waiting for it
 */
#ifndef KD_SINK_H
#define KD_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KD_SINK_BACKLOG ((size_t)1 << 20) /* bytes kept for a reader that is slow */

struct kd_sink {
    int fd;
    bool is_file;    /* a regular file: never makes anybody wait, may be full */
    bool is_torn;    /* the last write ended in the middle of a line */
    char *backlog;   /* whole lines that wait; allocated at the first need */
    size_t len;      /* of backlog */
    uint64_t n_lost; /* lines dropped since the last one that went out */
    /* What is written around n_lost when lines go out again. */
    const char *lost_head, *lost_tail;
};

/* Starts to write to fd, which stays the caller's. */
void kd_sink_init(struct kd_sink *sink, int fd);

/* Writes a line with its newline, now if the descriptor takes it, else later; drops and
 * counts it if too much is waiting or the write fails (disk full, reader gone). */
void kd_sink_write(struct kd_sink *sink, const char *line, size_t len);

/* Tries again what waits. */
void kd_sink_flush(struct kd_sink *sink);

/* Returns whether something waits. */
bool kd_sink_is_waiting(const struct kd_sink *sink);

/* Gives what waits up to timeout_ms to go out, then drops it. */
void kd_sink_close(struct kd_sink *sink, int timeout_ms);

#endif
