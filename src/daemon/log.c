/*
 * log.c - records of the daemon and of its scripts, for the operator
 *
 *     2026-03-01T12:00:00.123Z info  listening on 127.0.0.1:8080
 *     {"time":"2026-03-01T12:00:00.123Z","level":"info","message":"listening on ..."}
 *
 * One record is one line of printable ASCII, whatever a client sent: the library has escaped
 * what comes from it, the daemon's own records are escaped here. Times are UTC. Writing never
 * waits and never fails (sink.c).
 *
 * Records go to standard error or a file; what scripts print goes to standard output as it
 * is, because that is a result and not a report.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RECORD_SIZE 3072 /* the longest record of the library, every byte escaped */
#define CLOSE_MS    1000

static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};

/* Only what wants attention has a colour. */
static const char *const level_colours[] = {"\033[31m", "\033[33m", "", "\033[2m",
                                            "\033[2m"};

static int
open_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                  0640);

    return fd < 0 ? -errno : fd;
}

static bool
wants_colour(const struct kd_options *options)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return options->log_file == NULL && options->log_format == KD_LOG_TEXT &&
           isatty(STDERR_FILENO) && (no_color == NULL || *no_color == '\0') &&
           term != NULL && strcmp(term, "dumb") != 0;
}

static void
init_records(struct kd_log *log, int fd)
{
    kd_sink_init(&log->records, fd);
    if (log->format != KD_LOG_JSON)
        return;
    log->records.lost_head = "{\"level\":\"warn\",\"message\":\"";
    log->records.lost_tail = " records were lost here\"}";
}

int
kd_log_open(struct kd_log *log, const struct kd_options *options)
{
    memset(log, 0, sizeof(*log));
    log->level = (enum kelpie_level)options->log_level;
    log->format = (enum kd_log_format)options->log_format;
    log->has_colour = wants_colour(options);
    kd_sink_init(&log->printed, STDOUT_FILENO);
    init_records(log, STDERR_FILENO);
    if (options->log_file == NULL)
        return 0;
    int fd = open_file(options->log_file);
    if (fd < 0)
        return fd;
    log->path = options->log_file;
    init_records(log, fd);
    return 0;
}

void
kd_log_close(struct kd_log *log)
{
    kd_sink_close(&log->records, CLOSE_MS);
    kd_sink_close(&log->printed, CLOSE_MS);
    if (log->path != NULL)
        (void)close(log->records.fd); /* nobody is left who could be told */
}

void
kd_log_open_here(struct kd_log *log)
{
    int fd = log->path != NULL ? open_file(log->path) : STDERR_FILENO;

    log->records.fd = fd < 0 ? STDERR_FILENO : fd;
}

void
kd_log_reopen(struct kd_log *log)
{
    if (log->path == NULL) {
        kd_log_write(log, KELPIE_LOG_INFO,
                     "the log is standard error: there is no file to open again");
        return;
    }
    int fd = open_file(log->path);
    if (fd < 0) {
        kd_log_write(log, KELPIE_LOG_ERROR, "log file %s: %s; going on with the old one",
                     log->path, kelpie_strerror(fd));
        return;
    }
    kd_sink_flush(&log->records);
    (void)close(log->records.fd); /* what it took is on its way */
    log->records.fd = fd;
    log->records.is_torn = false;
    kd_log_write(log, KELPIE_LOG_INFO, "log file %s opened again", log->path);
}

/* ---- one record --------------------------------------------------------------------- */

/* Writes the time of now as "2026-03-01T12:00:00.123Z". */
static void
format_time(char *out, size_t size)
{
    struct timespec now;
    struct tm tm;
    size_t len = 0;

    if (clock_gettime(CLOCK_REALTIME, &now) == 0 && gmtime_r(&now.tv_sec, &tm) != NULL)
        len = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + len, size - len, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

static int
format_text(char *out, size_t size, const char *time, enum kelpie_level level,
            bool has_colour, const char *line, size_t len)
{
    return snprintf(out, size, "%s %s%-5s%s %.*s\n", time,
                    has_colour ? level_colours[level] : "", level_names[level],
                    has_colour && level_colours[level][0] != '\0' ? "\033[0m" : "",
                    (int)len, line);
}

/* Copies printable ASCII into a JSON string. out has room for twice len. */
static void
escape_json(char *out, const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (line[i] == '"' || line[i] == '\\')
            *out++ = '\\';
        *out++ = line[i];
    }
    *out = '\0';
}

static int
format_json(char *out, size_t size, const char *time, enum kelpie_level level,
            const char *line, size_t len)
{
    char message[RECORD_SIZE];

    escape_json(message, line, len);
    return snprintf(out, size, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"%s\"}\n",
                    time, level_names[level], message);
}

void
kd_log_record(void *arg, enum kelpie_level level, const char *line, size_t len)
{
    struct kd_log *log = arg;
    char time[64], record[RECORD_SIZE + 128];
    int n;

    if (len > (RECORD_SIZE - 1) / 2)
        len = (RECORD_SIZE - 1) / 2;
    format_time(time, sizeof(time));
    if (log->format == KD_LOG_JSON)
        n = format_json(record, sizeof(record), time, level, line, len);
    else
        n = format_text(record, sizeof(record), time, level, log->has_colour, line, len);
    if (n > 0)
        kd_sink_write(&log->records, record, (size_t)n);
}

const char *
kd_log_escape(char *out, size_t size, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;
    const char *p = text;

    for (; *p != '\0' && *p != '\n' && len + 5 <= size; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '\t')
            c = ' '; /* tracebacks are indented with it */
        if (c >= 0x20 && c <= 0x7e) {
            out[len++] = (char)c;
            continue;
        }
        out[len++] = '\\';
        out[len++] = 'x';
        out[len++] = digits[c >> 4];
        out[len++] = digits[c & 15];
    }
    out[len] = '\0';
    p += strcspn(p, "\n");
    return *p == '\n' ? p + 1 : NULL;
}

void
kd_log_write(struct kd_log *log, enum kelpie_level level, const char *format, ...)
{
    char text[RECORD_SIZE], line[1024];
    va_list args;

    if (level > log->level)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (const char *next = text; next != NULL;) {
        next = kd_log_escape(line, sizeof(line), next);
        kd_log_record(log, level, line, strlen(line));
    }
}

/* ---- what scripts print ------------------------------------------------------------- */

void
kd_log_print(void *arg, const char *line, size_t len)
{
    struct kd_log *log = arg;
    char small[1024];
    char *copy = len < sizeof(small) ? small : malloc(len + 1);

    if (copy == NULL) {
        log->printed.n_lost++;
        return;
    }
    memcpy(copy, line, len);
    copy[len] = '\n';
    kd_sink_write(&log->printed, copy, len + 1);
    if (copy != small)
        free(copy);
}

bool
kd_log_flush(struct kd_log *log)
{
    kd_sink_flush(&log->records);
    kd_sink_flush(&log->printed);
    return kd_sink_is_waiting(&log->records) || kd_sink_is_waiting(&log->printed);
}
