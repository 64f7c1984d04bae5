/*
 * control_kit.h - a server with a control socket, and operators who talk to it
 */
#ifndef CONTROL_KIT_H
#define CONTROL_KIT_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "server_kit.h"

static const char first_script[] = "return { on_message = function(conn, line)\n"
                                   "   conn:send('one ', line)\n"
                                   "end }\n";
static const char second_script[] = "return { on_message = function(conn, line)\n"
                                    "   conn:send('two ', line)\n"
                                    "end }\n";
static const char waiting_script[] =
    "local kelpie = require('kelpie')\n"
    "return { on_message = function(conn, line)\n"
    "   if line == 'wait' then conn:send('waiting') conn:receive('line', 30) end\n"
    "   conn:send('done')\n"
    "end }\n";

struct control_kit {
    struct server_kit server;
    char folder[64], path[96], script[96];
};

static inline void
write_script(struct control_kit *kit, const char *text)
{
    FILE *file = fopen(kit->script, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline void
make_folder(struct control_kit *kit)
{
    snprintf(kit->folder, sizeof(kit->folder), "/tmp/kelpie-control.XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    snprintf(kit->path, sizeof(kit->path), "%s/sock", kit->folder);
    snprintf(kit->script, sizeof(kit->script), "%s/init.lua", kit->folder);
}

static inline int
setup(void **state)
{
    struct control_kit *kit = calloc(1, sizeof(*kit));

    assert_non_null(kit);
    make_folder(kit);
    write_script(kit, first_script);
    sv_start(&kit->server, NULL, NULL);
    assert_int_equal(kelpie_load(kit->server.k, kit->script), 0);
    assert_int_equal(kelpie_control(kit->server.k, kit->path), 0);
    *state = kit;
    return 0;
}

static inline int
teardown(void **state)
{
    struct control_kit *kit = *state;

    sv_stop(&kit->server);
    unlink(kit->script);
    /* Fails when anything else is left, the socket for example. */
    assert_int_equal(rmdir(kit->folder), 0);
    free(kit);
    return 0;
}

/* Connects to path. Returns a nonblocking descriptor, or a negative errno. */
static inline int
connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline int
operator_of(struct control_kit *kit)
{
    int fd = connect_to(kit->path);

    assert_true(fd >= 0);
    return fd;
}

/* Reads an answer: up to and with its last line. */
static inline const char *
answer(struct control_kit *kit, int fd)
{
    static char text[65536]; /* of this test program only */
    size_t len = 0, line = 0;

    for (int i = 0; i < 5000; i++) {
        ssize_t n = recv(fd, text + len, 1, 0);
        if (n == 0)
            break;
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            (void)kelpie_step(kit->server.k, 1);
            continue;
        }
        i = 0;
        text[++len] = '\0';
        assert_true(len < sizeof(text) - 1);
        if (text[len - 1] != '\n')
            continue;
        if (text[line] != ' ')
            return text;
        line = len;
    }
    fail_msg("no whole answer, but '%s'; log:\n%s", text, kit->server.log);
    return NULL;
}

static inline const char *
ask(struct control_kit *kit, int fd, const char *command)
{
    sv_send(&kit->server, fd, command);
    return answer(kit, fd);
}

static inline void
assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
