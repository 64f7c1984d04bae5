/*
 * cost.c - what the safety machinery costs while nothing is late, in instructions
 *
 *   bench_cost MODE HANDLER MESSAGES BATCH
 *
 *   MODE      off      handler_timeout_ms and load_timeout_ms are -1: no watchdog at all
 *             signal   as the daemon runs
 *             polled   for a host that has no signal to spare
 *   HANDLER   send     conn:send(line), the smallest one
 *             chat     match, concat, send
 *             loop     a hundred steps of arithmetic, send
 *   BATCH     messages that one step handles
 *
 * A server and its one client in one process, over a socketpair. cost.sh counts what
 * run_steps executes, with valgrind; the numbers are exact and repeat.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kelpie.h"
#include "kit.h"

#define MAX_BATCH 64

static const char script[] =
    "local handlers = {\n"
    "   send = function(conn, line) conn:send(line) end,\n"
    "   chat = function(conn, line)\n"
    "      local command, rest = line:match('^/(%w+)%s*(.*)$')\n"
    "      conn:send('<' .. conn.number .. '> ' .. (command or '') .. (rest or line)) "
    "end,\n"
    "   loop = function(conn, line)\n"
    "      local sum = 0 for i = 1, 100 do sum = sum + i * 3 % 7 end\n"
    "      conn:send(line) end,\n"
    "}\n"
    "return { on_message = handlers['%s'] }\n";

static void
check(int rc, const char *what)
{
    if (rc < 0)
        bench_give_up(what, kelpie_strerror(rc));
}

static kelpie *
make_server(const char *mode, const char *handler)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    char text[sizeof script + 16];
    kelpie *k;

    if (strcmp(mode, "signal") == 0)
        options.watchdog_signal = SIGURG;
    else if (strcmp(mode, "off") == 0)
        options.handler_timeout_ms = options.load_timeout_ms = -1;
    else if (strcmp(mode, "polled") != 0)
        bench_give_up(mode, "no such mode");
    check(kelpie_new(&k, &options), "kelpie_new");
    char *mark = strstr(strcpy(text, script), "%s'");
    snprintf(mark, sizeof text - (size_t)(mark - text), "%s'] }\n", handler);
    int rc = kelpie_load_string(k, text, strlen(text), "=cost.lua");
    if (rc < 0)
        bench_give_up("load", kelpie_errmsg(k));
    return k;
}

/* The part that is counted: it must not be inlined. */
__attribute__((noinline)) static void
run_steps(kelpie *k)
{
    check(kelpie_step(k, 0), "kelpie_step");
    while (kelpie_timeout(k) == 0)
        check(kelpie_step(k, 0), "kelpie_step");
}

/* Sends a batch of messages and takes their answers. */
static void
do_batch(kelpie *k, int fd, size_t batch)
{
    static const char line[] = "/say hello to everybody here\n";
    char bytes[MAX_BATCH * 64];
    size_t len = 0;

    for (size_t i = 0; i < batch; i++, len += sizeof line - 1)
        memcpy(bytes + len, line, sizeof line - 1);
    if (write(fd, bytes, len) != (ssize_t)len)
        bench_give_up("write", "not all was taken");
    for (size_t n_lines = 0; n_lines < batch;) {
        run_steps(k);
        ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        for (ssize_t i = 0; i < n; i++)
            n_lines += bytes[i] == '\n';
    }
}

int
main(int argc, char **argv)
{
    int fds[2];

    if (argc != 5)
        bench_give_up("usage", "bench_cost MODE HANDLER MESSAGES BATCH");
    size_t messages = strtoul(argv[3], NULL, 10), batch = strtoul(argv[4], NULL, 10);
    if (batch == 0 || batch > MAX_BATCH)
        bench_give_up("batch", "1 to 64");
    kelpie *k = make_server(argv[1], argv[2]);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        bench_give_up("socketpair", "failed");
    check(kelpie_adopt(k, fds[0], NULL, NULL), "kelpie_adopt");
    for (size_t n = 0; n < messages; n += batch)
        do_batch(k, fds[1], batch);
    kelpie_free(k);
    close(fds[1]);
    return 0;
}
