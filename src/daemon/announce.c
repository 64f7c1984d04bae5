/*
 * announce.c - telling the operator that the server is there, and how it is
 *
 * A person who has just started it reads five lines: what listens, which script, the pid,
 * how to reload, how to try it. A program that has started it, or a log file, gets one record
 * for each listener, "listening on ADDRESS", with the real port where any free one was asked
 * for; after the last one the server is ready.
 */
#include "announce.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- places ------------------------------------------------------------------------- */

static bool
begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Finds the host of "host:port", ":port" and "port". Borrows from address, or a constant. */
static const char *
host_of(const char *address, size_t *len)
{
    const char *colon = strrchr(address, ':');

    if (colon == NULL || colon == address) {
        *len = strlen("127.0.0.1");
        return "127.0.0.1";
    }
    *len = (size_t)(colon - address);
    return address;
}

static void
tcp_place(struct kd_place *out, const char *name, size_t name_len, const char *address,
          int port)
{
    size_t len;
    const char *host = host_of(address, &len);

    snprintf(out->text, sizeof(out->text), "%.*s%.*s:%d", (int)name_len, name, (int)len,
             host, port);
    if (host[0] == '*')
        host = "127.0.0.1", len = strlen(host);
    if (host[0] == '[')
        host++, len -= 2;
    snprintf(out->command, sizeof(out->command), "nc %.*s %d", (int)len, host, port);
}

void
kd_announce_place(struct kd_place *out, const char *address, int port)
{
    const char *equals = strchr(address, '=');
    bool is_named =
        equals != NULL && memchr(address, '/', (size_t)(equals - address)) == NULL;
    const char *rest = is_named ? equals + 1 : address;

    snprintf(out->text, sizeof(out->text), "%s", address);
    if (begins_with(rest, "unix:"))
        snprintf(out->command, sizeof(out->command), "nc -U %s", rest + strlen("unix:"));
    else if (!begins_with(rest, "fd:"))
        tcp_place(out, address, (size_t)(rest - address), rest, port);
    else if (port > 0) {
        snprintf(out->text, sizeof(out->text), "%s (port %d)", address, port);
        snprintf(out->command, sizeof(out->command), "nc 127.0.0.1 %d", port);
    } else
        snprintf(out->command, sizeof(out->command), "nc -U PATH");
}

/* ---- the start ---------------------------------------------------------------------- */

static void
say(struct kd_log *log, const char *label, const char *text)
{
    char escaped[1024], line[1100];

    (void)kd_log_escape(escaped, sizeof(escaped), text);
    int len = snprintf(line, sizeof(line), "%-10s%s\n", label, escaped);
    kd_sink_write(&log->records, line, (size_t)len);
}

/* Writes "scripts/init.lua" for "scripts/". */
static void
main_file(char *out, size_t size, const char *script)
{
    struct stat st;
    size_t len = strlen(script);
    bool is_folder = stat(script, &st) == 0 && S_ISDIR(st.st_mode);
    const char *slash = len > 0 && script[len - 1] == '/' ? "" : "/";

    snprintf(out, size, "%s%s%s", script, is_folder ? slash : "",
             is_folder ? "init.lua" : "");
}

static void
greet(struct kd_log *log, const char *file, const struct kd_place *places,
      size_t n_places, const char *reload)
{
    char text[1024] = "";
    size_t len = 0;

    for (size_t i = 0; i < n_places && len < sizeof(text); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? ", " : "",
                                places[i].text);
    say(log, "listens", text);
    say(log, "script", file);
    snprintf(text, sizeof(text), "%ld", (long)getpid());
    say(log, "pid", text);
    say(log, "reload", reload);
    say(log, "try it", places[0].command);
}

void
kd_announce_start(struct kd_log *log, const char *script, const struct kd_place *places,
                  size_t n_places, const char *reload)
{
    char file[512];

    if (log->level < KELPIE_LOG_INFO)
        return;
    main_file(file, sizeof(file), script);
    if (log->path == NULL && log->format == KD_LOG_TEXT && isatty(log->records.fd)) {
        greet(log, file, places, n_places, reload);
        return;
    }
    kd_log_write(log, KELPIE_LOG_INFO, "kelpie %s serves %s, pid %ld", kelpie_version(),
                 file, (long)getpid());
    for (size_t i = 0; i < n_places; i++)
        kd_log_write(log, KELPIE_LOG_INFO, "listening on %s", places[i].text);
}

/* ---- status ------------------------------------------------------------------------- */

void
kd_announce_status(struct kd_log *log, const kelpie *k, long up_seconds)
{
    struct kelpie_stats s = {.size = sizeof(s)};

    kelpie_get_stats(k, &s);
    kd_log_write(log, KELPIE_LOG_INFO,
                 "status: up %ld s, generation %" PRIu64 " (%" PRIu64 " reloads, %" PRIu64
                 " rejected); clients %" PRIu64 " (accepted %" PRIu64 ", refused %" PRIu64
                 ", closed %" PRIu64 "); messages in %" PRIu64 ", out %" PRIu64
                 "; bytes in %" PRIu64 ", out %" PRIu64 ", waiting %" PRIu64
                 "; slow readers %" PRIu64 "; handler errors %" PRIu64 ", kills %" PRIu64
                 "; Lua %" PRIu64 " KiB, timers %" PRIu64 ", rooms %" PRIu64,
                 up_seconds, s.generation, s.reloads, s.reloads_rejected, s.clients,
                 s.accepted, s.refused, s.closed, s.messages_in, s.messages_out,
                 s.bytes_in, s.bytes_out, s.outbox_bytes, s.slow_readers,
                 s.handler_errors, s.handler_kills, s.lua_bytes / 1024, s.timers,
                 s.rooms);
}
