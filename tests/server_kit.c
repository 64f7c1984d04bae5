/*
 * server_kit.c - see server_kit.h
 */
#include "server_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "plain_kit.h"

#define LIMIT_S 10

const char sv_echo_script[] = "return { on_message = function(conn, line)\n"
                              "   conn:send('echo ', line)\n"
                              "end }\n";

static void
append(char *text, size_t *len, const char *line, size_t line_len)
{
    if (*len + line_len + 2 > KIT_TEXT_SIZE)
        *len = 0; /* a long test: only the newest records count */
    memcpy(text + *len, line, line_len);
    *len += line_len;
    text[(*len)++] = '\n';
    text[*len] = '\0';
}

static void
keep_log(void *arg, enum kelpie_level level, const char *line, size_t len)
{
    struct server_kit *kit = arg;

    (void)level;
    append(kit->log, &kit->log_len, line, len);
}

static void
keep_printed(void *arg, const char *line, size_t len)
{
    struct server_kit *kit = arg;

    append(kit->printed, &kit->printed_len, line, len);
}

int
sv_open_fds(void)
{
    return (int)fault_count_fds();
}

void
sv_doors(struct server_kit *kit, struct kelpie_options *options)
{
    options->log = keep_log;
    options->log_arg = kit;
    if (options->log_level == 0)
        options->log_level = KELPIE_LOG_DEBUG;
    options->print = keep_printed;
    options->print_arg = kit;
}

void
sv_start(struct server_kit *kit, const struct kelpie_options *given, const char *script)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;

    memset(kit, 0, sizeof(*kit));
    kit->fds_before = sv_open_fds();
    if (given != NULL)
        options = *given;
    sv_doors(kit, &options);
    assert_int_equal(kelpie_new(&kit->k, &options), 0);
    if (script != NULL) {
        int rc = kelpie_load_string(kit->k, script, strlen(script), "=test.lua");
        if (rc < 0)
            fail_msg("load: %s", kelpie_errmsg(kit->k));
    }
    kit->port = kelpie_listen(kit->k, "127.0.0.1:0");
    if (kit->port <= 0)
        fail_msg("listen: %s", kelpie_errmsg(kit->k));
}

static time_t
now_s(void)
{
    return (time_t)(plain_now_ns() / 1000000000);
}

void
sv_stop(struct server_kit *kit)
{
    time_t started = now_s();

    kelpie_free(kit->k);
    kit->k = NULL;
    /* A thread that looks a name up ends when the resolver lets it, and opens files until then. */
    while (sv_open_fds() != kit->fds_before) {
        if (now_s() - started > LIMIT_S)
            fail_msg("%d descriptors are open, not %d", sv_open_fds(), kit->fds_before);
        usleep(1000);
    }
}

void
sv_step(struct server_kit *kit)
{
    assert_true(kelpie_step(kit->k, 0) >= 0);
}

/* One step that may sleep a little. Returns whether the limit is not reached. */
static bool
step_until(struct server_kit *kit, time_t started)
{
    if (kit->k != NULL)
        (void)kelpie_step(kit->k, 1);
    return now_s() - started <= LIMIT_S;
}

static bool
give_up(struct server_kit *kit, const char *format, ...)
{
    va_list args;
    char why[1024];

    if (kit->quiet)
        return false;
    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    fail_msg("waited %d s for %s; log:\n%s", LIMIT_S, why, kit->log);
    return false;
}

int
sv_connect_port(int port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

int
sv_connect(struct server_kit *kit)
{
    return sv_connect_port(kit->port);
}

void
sv_send_bytes(struct server_kit *kit, int fd, const void *bytes, size_t len)
{
    const char *next = bytes;
    time_t started = now_s();

    while (len > 0) {
        ssize_t n = send(fd, next, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return; /* the server has closed; the test will see it */
        if (n > 0) {
            next += n;
            len -= (size_t)n;
        } else if (!step_until(kit, started)) {
            give_up(kit, "room to send %zu bytes", len);
            return;
        }
    }
}

void
sv_send(struct server_kit *kit, int fd, const char *text)
{
    sv_send_bytes(kit, fd, text, strlen(text));
}

bool
sv_expect_bytes(struct server_kit *kit, int fd, const void *bytes, size_t len)
{
    char *got = malloc(len + 1);
    size_t n_got = 0;
    time_t started = now_s();

    assert_non_null(got);
    while (n_got < len) {
        ssize_t n = recv(fd, got + n_got, len - n_got, 0);
        if (n > 0)
            n_got += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR) ||
                 !step_until(kit, started))
            break;
    }
    bool is_equal = n_got == len && memcmp(got, bytes, len) == 0;
    got[n_got] = '\0';
    if (!is_equal && !kit->quiet && len < 1000)
        fail_msg("expected '%.*s', got '%s' (%zu bytes); log:\n%s", (int)len,
                 (const char *)bytes, got, n_got, kit->log);
    free(got);
    return is_equal || give_up(kit, "%zu bytes, got %zu or other ones", len, n_got);
}

bool
sv_expect(struct server_kit *kit, int fd, const char *text)
{
    return sv_expect_bytes(kit, fd, text, strlen(text));
}

bool
sv_expect_end(struct server_kit *kit, int fd)
{
    time_t started = now_s();
    char bytes[256];

    for (;;) {
        ssize_t n = recv(fd, bytes, sizeof(bytes) - 1, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return true;
        if (n > 0) {
            bytes[n] = '\0';
            return give_up(kit, "the end, got '%s'", bytes);
        }
        if (!step_until(kit, started))
            return give_up(kit, "the end");
    }
}

static bool
expect_text(struct server_kit *kit, const char *where, const char *text, const char *what)
{
    time_t started = now_s();

    while (strstr(where, text) == NULL)
        if (!step_until(kit, started))
            return give_up(kit, "'%s' in %s: %s", text, what, where);
    return true;
}

bool
sv_expect_log(struct server_kit *kit, const char *text)
{
    return expect_text(kit, kit->log, text, "the log");
}

bool
sv_expect_printed(struct server_kit *kit, const char *text)
{
    return expect_text(kit, kit->printed, text, "what was printed");
}

struct kelpie_stats
sv_stats(struct server_kit *kit)
{
    struct kelpie_stats stats = {.size = sizeof(stats)};

    kelpie_get_stats(kit->k, &stats);
    return stats;
}

bool
sv_expect_clients(struct server_kit *kit, unsigned clients)
{
    time_t started = now_s();

    while (sv_stats(kit).clients != clients)
        if (!step_until(kit, started))
            return give_up(kit, "%u clients", clients);
    return true;
}
