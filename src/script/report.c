/*
 * report.c - what the operator reads when a script fails
 *
 *     on_message: chat.lua:12: attempt to index a nil value (client #3 127.0.0.1:5312)
 *         users[name].seen = kelpie.now()
 *     stack traceback:
 *         chat.lua:12: in function <chat.lua:9>
 *
 * The error value, which may be anything, is turned into text on the generation's main
 * thread, protected, with the cap on memory lifted a little; then only C strings are left,
 * and all else happens outside of Lua. If even that fails, what can be said is said.
 *
 * Records are limited by where the error comes from, not by what it says: its text may quote
 * a client, who could make each one different.
 */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE   1024
#define WHO_SIZE       (KP_CONN_TEXT_SIZE + 4) /* " (", ")" */
#define TRACEBACK_SIZE 2048
#define QUOTE_SIZE     120 /* of a client's message in the report of a kill */

struct report {
    lua_State *co; /* with the error value on top */
    char message[MESSAGE_SIZE];
    char traceback[TRACEBACK_SIZE];
};

/* --- error values as text -------------------------------------------------------------- */

/* Calls __tostring of the value at index 1, which may raise.
 * Returns   whether a string was pushed. [-0, +0|1] */
static bool
push_own_text(lua_State *L)
{
    if (luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL)
        return false;
    lua_pushvalue(L, 1);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_type(L, -1) == LUA_TSTRING)
        return true;
    lua_pop(L, 1);
    return false;
}

int
kp_report_message_handler(lua_State *L)
{
    bool killed = kp_generation_of(L)->watchdog.killed;

    if (lua_type(L, 1) == LUA_TSTRING) {
        lua_settop(L, 1);
    } else if (lua_type(L, 1) == LUA_TNUMBER) {
        luaL_tolstring(L, 1, NULL);
    } else if (killed || !push_own_text(L)) {
        lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    }
    return 1;
}

/* Copies the string at index into a buffer, cut. */
static void
copy_text(lua_State *L, int index, char *out, size_t size)
{
    size_t len;
    const char *text = lua_tolstring(L, index, &len);

    if (len >= size)
        len = size - 1;
    for (size_t i = 0; i < len; i++)
        out[i] = text[i] == '\0' ? '?' : text[i];
    out[len] = '\0';
}

size_t
kp_report_without(const char *ending, const char *text, size_t len)
{
    size_t n = strlen(ending);

    return len >= n && memcmp(text + len - n, ending, n) == 0 ? len - n : len;
}

/* Fills a report. */
static int
describe(lua_State *L)
{
    struct report *report = lua_touserdata(L, 1);

    kp_generation_of(L)->memory_reserve = true;
    lua_settop(L, 0);
    luaL_checkstack(report->co, 2, NULL);
    lua_pushvalue(report->co, -1);
    lua_xmove(report->co, L, 1);
    kp_report_message_handler(L);
    copy_text(L, -1, report->message, sizeof report->message);
    luaL_traceback(L, report->co, NULL, 0);
    copy_text(L, -1, report->traceback, sizeof report->traceback);
    size_t len = strlen(report->traceback);
    len = kp_report_without(KP_REPORT_MAIN_LINE, report->traceback, len);
    report->traceback[len] = '\0';
    return 0;
}

/* --- source lines ---------------------------------------------------------------------- */

/* Finds the end of "FILE:LINE:" and the line's number.
 * Returns   the length of FILE; 0 when there is no such beginning. */
static size_t
parse_position(const char *message, unsigned *line)
{
    for (const char *colon = strchr(message, ':'); colon;
         colon = strchr(colon + 1, ':')) {
        const char *p = colon + 1;
        unsigned n = 0;

        for (; *p >= '0' && *p <= '9' && n < 10000000; p++)
            n = n * 10 + (unsigned)(*p - '0');
        if (*p == ':' && p > colon + 1 && n > 0) {
            *line = n;
            return (size_t)(colon - message);
        }
    }
    return 0;
}

/* Takes the bytes of a text one by one; keeps those of the wanted line. */
struct line_taker {
    unsigned line, wanted;
    char *out;
    size_t len, size;
};

/* Returns whether more is wanted. */
static bool
take_bytes(struct line_taker *taker, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') {
            if (taker->line++ == taker->wanted)
                return false;
        } else if (taker->line == taker->wanted) {
            if (taker->len == 0 && (bytes[i] == ' ' || bytes[i] == '\t'))
                continue;
            if (taker->len + 1 >= taker->size)
                return false;
            taker->out[taker->len++] = bytes[i];
        }
    }
    return true;
}

static bool
ends_in_lua(const char *path, size_t len)
{
    return len >= 4 && memcmp(path + len - 4, ".lua", 4) == 0;
}

/* The message may be made up by a client ("/etc/passwd:1: x"), so only Lua files of the
 * script's own folder are read, which no path may leave again. script->path is a file in it,
 * or the folder. */
static bool
is_of_script(const struct kp_script *script, const char *file)
{
    const char *path = script->path;

    if (!path || !ends_in_lua(file, strlen(file)))
        return false;

    size_t len = strlen(path);
    if (ends_in_lua(path, len)) {
        while (len > 0 && path[len - 1] != '/')
            len--;
        return strncmp(file, path, len) == 0 && (len > 0 || file[0] != '/') &&
               !strstr(file + len, "..");
    }
    while (len > 0 && path[len - 1] == '/')
        len--;
    return strncmp(file, path, len) == 0 && file[len] == '/' && !strstr(file + len, "..");
}

static void
read_line_of_file(struct kp_script *script, const char *file, struct line_taker *taker)
{
    struct kp_sys *sys = &script->env->sys;
    int fd = kp_sys_open(sys, file, O_RDONLY | O_NONBLOCK, 0);
    char bytes[2048];
    ssize_t n;

    if (fd < 0)
        return;
    do {
        n = kp_sys_read(sys, fd, bytes, sizeof bytes);
    } while (n > 0 && take_bytes(taker, bytes, (size_t)n));
    (void)kp_sys_close(sys, fd); /* it was only read */
}

bool
kp_report_source_line(struct kp_script *script, const char *message, char *out,
                      size_t size)
{
    struct line_taker taker = {.line = 1, .out = out, .size = size};
    size_t file_len = parse_position(message, &taker.wanted);
    char file[256];

    out[0] = '\0';
    if (file_len == 0 || file_len >= sizeof file)
        return false;
    memcpy(file, message, file_len);
    file[file_len] = '\0';
    if (script->text)
        (void)take_bytes(&taker, script->text, script->text_len);
    else if (is_of_script(script, file))
        read_line_of_file(script, file, &taker);
    while (taker.len > 0 && (out[taker.len - 1] == '\r' || out[taker.len - 1] == ' '))
        taker.len--;
    out[taker.len] = '\0';
    return taker.len > 0;
}

/* --- records --------------------------------------------------------------------------- */

static uint64_t
hash(const char *text, size_t len)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    return h;
}

/* The kind of a record: the handler and the place, or the whole text when it has no place. */
static uint64_t
kind_of(const char *what, const char *message)
{
    unsigned line = 0;
    size_t len = parse_position(message, &line);

    if (len == 0)
        return hash(message, strlen(message)) ^ hash(what, strlen(what));
    return (hash(message, len) + line) ^ hash(what, strlen(what));
}

/* Writes " (client #3 127.0.0.1:5312)", " (connection to 127.0.0.1:80)", or nothing. */
static void
format_who(char out[WHO_SIZE], const struct kelpie_conn *conn)
{
    char who[KP_CONN_TEXT_SIZE];

    out[0] = '\0';
    if (!conn)
        return;
    kp_conn_format(who, conn);
    snprintf(out, WHO_SIZE, " (%s)", who);
}

/* Writes the first record. Returns whether the details are wanted too. */
static bool
log_first(struct kp_generation *gen, enum kelpie_level level, const char *what,
          struct kelpie_conn *conn, const char *message)
{
    struct kp_env *env = gen->script->env;
    char who[WHO_SIZE], times[48] = "";
    uint32_t repeated = 0;

    if (!kp_log_allow(&env->log, kind_of(what, message), kp_sys_now_ns(&env->sys),
                      &repeated))
        return false;
    if (repeated > 0)
        snprintf(times, sizeof times, " (repeated %" PRIu32 " times)", repeated);
    format_who(who, conn);
    kp_log_write(&env->log, level, "%s: %s%s%s", what, message, who, times);
    return repeated == 0;
}

/* Writes each line of a text as a record, indented by spaces. */
static void
log_lines(struct kp_log *log, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        const char *line = text[0] == '\t' ? text + 1 : text;
        int line_len = (int)(len - (size_t)(line - text));

        kp_log_write(log, KELPIE_LOG_ERROR, "%s%.*s", line > text ? "    " : "", line_len,
                     line);
        text += len + (text[len] == '\n');
    }
}

/* What the client had sent, when its handler was killed. kp_log_write escapes it. */
static void
log_message(struct kp_generation *gen)
{
    char quote[QUOTE_SIZE];
    size_t len =
        gen->message_len < sizeof quote - 1 ? gen->message_len : sizeof quote - 1;

    if (!gen->message)
        return;
    memcpy(quote, gen->message, len);
    quote[len] = '\0';
    for (char *p = quote; p < quote + len; p++) {
        if (*p == '\0')
            *p = '?';
    }
    kp_log_write(&gen->script->env->log, KELPIE_LOG_ERROR,
                 "    its message (%zu bytes): %s", gen->message_len, quote);
}

static void
log_report(struct kp_generation *gen, const char *what, struct kelpie_conn *conn,
           const struct report *report)
{
    struct kp_log *log = &gen->script->env->log;
    char source[200];

    if (!log_first(gen, KELPIE_LOG_ERROR, what, conn, report->message))
        return;
    if (kp_report_source_line(gen->script, report->message, source, sizeof source))
        kp_log_write(log, KELPIE_LOG_ERROR, "    %s", source);
    log_message(gen);
    log_lines(log, report->traceback);
}

/* Counts for statistics, and for the probation of the generation, which wants to know how many
 * calls have failed: an error in on_error comes on top of one. */
static void
count_error(struct kp_generation *gen, const char *what, const char *message)
{
    gen->script->handler_errors++;
    if (strcmp(what, kp_handler_name(KP_ON_ERROR)) == 0)
        return;
    if (gen->errors++ == 0)
        snprintf(gen->first_error, sizeof gen->first_error, "%.*s",
                 (int)strcspn(message, "\n"), message);
}

void
kp_report_failure(struct kp_generation *gen, const char *what, struct kelpie_conn *conn,
                  const char *message)
{
    if (strcmp(what, kp_handler_name(KP_ON_ERROR)) != 0)
        gen->calls++; /* it did not come to that */
    count_error(gen, what, message);
    (void)log_first(gen, KELPIE_LOG_ERROR, what, conn, message);
}

void
kp_report_slow(struct kp_generation *gen, const char *what, struct kelpie_conn *conn)
{
    const struct kp_watchdog *watchdog = &gen->watchdog;
    char message[160];

    snprintf(message, sizeof message, "slow: took more than %" PRIu64 " ms%s%s",
             watchdog->slow_ns / KP_NS_PER_MS, watchdog->place[0] != '\0' ? ", at " : "",
             watchdog->place);
    (void)log_first(gen, KELPIE_LOG_WARN, what, conn, message);
}

void
kp_report_error(struct kp_generation *gen, const char *what, struct kelpie_conn *conn,
                lua_State *co)
{
    struct kp_script *script = gen->script;
    struct report report = {.co = co};

    if (lua_type(co, -1) == LUA_TSTRING) /* needs nothing, so it cannot fail */
        copy_text(co, -1, report.message, sizeof report.message);
    if (kp_generation_enter(gen, describe, &report, script->limits.handler_timeout_ns) <
            0 &&
        report.message[0] == '\0')
        memcpy(report.message, script->error, sizeof report.message - 1);
    count_error(gen, what, report.message);
    log_report(gen, what, conn, &report);
    snprintf(script->error, sizeof script->error, "%s: %s\n%.900s", what, report.message,
             report.traceback);
    if (strcmp(what, kp_handler_name(KP_ON_ERROR)) != 0)
        (void)kp_generation_call_on_error(gen, conn, report.message, report.traceback);
}
