/*
 * input.c - the operator's lines from standard input
 *
 * The descriptor is shared with whoever started us, so it is not made nonblocking: it is
 * read once each time the loop says that there is something, which never waits. The end of
 * the input is no reason to end: a server in the background has none.
 *
 *     terminal in the background   not read, until we are in the foreground again
 *     file                         read to its end; what is appended later does not count
 *     /dev/null, closed            nothing to read
 *     error                        as its end
 *
 * A last line without its newline counts. A '\r' before the newline is dropped.
 */
#include "input.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKGROUND_MS 1000 /* how often a terminal is asked whether it is ours again */

static void on_readable(void *arg, int fd);

static void
watch(struct kd_input *input)
{
    if (kelpie_watch(input->k, input->fd, on_readable, input) == 0)
        input->is_watched = true;
    else
        kd_log_write(input->log, KELPIE_LOG_WARN, "standard input is not read: %s",
                     kelpie_errmsg(input->k));
}

void
kd_input_stop(struct kd_input *input)
{
    if (input->is_watched)
        (void)kelpie_unwatch(input->k, input->fd); /* it is watched */
    input->is_watched = false;
}

/* ---- lines -------------------------------------------------------------------------- */

static void
deliver(struct kd_input *input, const char *line, size_t len)
{
    if (len > 0 && line[len - 1] == '\r')
        len--;
    (void)kelpie_input(input->k, line, len); /* a handler that raised is in the log */
}

/* Delivers all finished lines and moves the unfinished one to the front. */
static void
deliver_lines(struct kd_input *input)
{
    char *start = input->line;
    char *end = input->line + input->len;
    char *newline;

    while ((newline = memchr(start, '\n', (size_t)(end - start))) != NULL) {
        if (!input->is_skipping)
            deliver(input, start, (size_t)(newline - start));
        input->is_skipping = false;
        start = newline + 1;
    }
    input->len = (size_t)(end - start);
    memmove(input->line, start, input->len);
}

/* Gives up the line that fills the whole buffer. */
static void
skip_long_line(struct kd_input *input)
{
    if (!input->is_skipping)
        kd_log_write(input->log, KELPIE_LOG_WARN,
                     "standard input: a line of more than %d bytes was left out",
                     KD_INPUT_LINE_MAX);
    input->is_skipping = true;
    input->len = 0;
}

static void
end_of_input(struct kd_input *input)
{
    kd_input_stop(input);
    if (input->len > 0 && !input->is_skipping)
        deliver(input, input->line, input->len);
    input->len = 0;
    kd_log_write(input->log, KELPIE_LOG_DEBUG, "standard input has ended");
}

/* ---- events ------------------------------------------------------------------------- */

/* Returns whether fd is a terminal that other programs are using now. */
static bool
is_in_background(int fd)
{
    pid_t foreground = tcgetpgrp(fd);

    return foreground > 0 && foreground != getpgrp();
}

static void
on_background_timer(void *arg)
{
    watch(arg);
}

static void
wait_for_foreground(struct kd_input *input)
{
    kd_input_stop(input);
    if (kelpie_after(input->k, NULL, BACKGROUND_MS, on_background_timer, input) < 0)
        kd_log_write(input->log, KELPIE_LOG_WARN, "standard input is not read: %s",
                     kelpie_errmsg(input->k));
}

/* Returns whether a regular file is read to its end; the loop would be silent about it. */
static bool
is_file_at_end(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    off_t offset = lseek(fd, 0, SEEK_CUR);
    return offset < 0 || offset >= st.st_size;
}

static void
on_readable(void *arg, int fd)
{
    struct kd_input *input = arg;

    if (is_in_background(fd)) {
        wait_for_foreground(input);
        return;
    }
    ssize_t n = read(fd, input->line + input->len, sizeof(input->line) - input->len);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        end_of_input(input);
        return;
    }
    input->len += (size_t)n;
    deliver_lines(input);
    if (input->len == sizeof(input->line))
        skip_long_line(input);
    if (is_file_at_end(fd))
        end_of_input(input);
}

/* /dev/null is always readable to some systems, and refused by others. */
static bool
is_null_device(int fd)
{
    struct stat st, null;

    return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && stat("/dev/null", &null) == 0 &&
           st.st_rdev == null.st_rdev;
}

void
kd_input_start(struct kd_input *input, kelpie *k, int fd, struct kd_log *log)
{
    input->k = k;
    input->log = log;
    input->fd = fd;
    input->is_watched = input->is_skipping = false;
    input->len = 0;
    if (!is_null_device(fd) && !is_file_at_end(fd))
        watch(input);
}
