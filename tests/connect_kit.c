/*
 * connect_kit.c - another server for scripts that connect
 */
#include "connect_kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct ck_other
ck_open(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    struct ck_other other = {.fd = socket(AF_INET, SOCK_STREAM, 0)};

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(other.fd >= 0);
    assert_int_equal(bind(other.fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(other.fd, 16), 0);
    assert_int_equal(getsockname(other.fd, (struct sockaddr *)&addr, &len), 0);
    other.port = ntohs(addr.sin_port);
    return other;
}

void
ck_wait_readable(struct script_kit *kit, int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    for (int i = 0; i < 1000; i++) {
        sk_settle(kit);
        if (poll(&poll_fd, 1, 10) > 0)
            return;
    }
    fail_msg("nothing to read in ten seconds");
}

int
ck_accept(struct script_kit *kit, const struct ck_other *other)
{
    ck_wait_readable(kit, other->fd);
    int fd = accept(other->fd, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

void
ck_say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

void
ck_hears(struct script_kit *kit, int fd, const char *text)
{
    char heard[1000];
    size_t len = 0;

    do {
        ck_wait_readable(kit, fd);
        ssize_t n = recv(fd, heard + len, sizeof heard - 1 - len, 0);
        assert_true(n >= 0);
        len += (size_t)n;
        heard[len] = '\0';
        if (n == 0)
            break;
    } while (len < strlen(text));
    assert_string_equal(heard, text);
}

void
ck_prints(struct script_kit *kit, const char *text)
{
    for (int i = 0; i < 1000 && strlen(kit->printed) < strlen(text); i++) {
        sk_settle(kit);
        if (strlen(kit->printed) < strlen(text))
            (void)poll(NULL, 0, 10);
    }
    sk_printed(kit, text);
}

void
ck_run(struct script_kit *kit, int port, const char *text)
{
    char all[4000];

    snprintf(all, sizeof all, "local address = '127.0.0.1:%d'\n%s", port, text);
    sk_run(kit, all);
}
