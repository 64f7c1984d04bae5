/*
 * pipeline.c - a client that never waits for its answers, for test_reload_clients.sh
 *
 *     pipeline PORT
 *
 * Sends numbered lines, up to 64 ahead of the answers, and keeps the end of the last line
 * back until the next turn, so that the server always has half a line. Each answer must be
 * "VERSION NUMBER", the numbers in order, none missing or doubled. Says "version VERSION"
 * whenever that changes, and at the end of its standard input, when all answers are there,
 * "answered COUNT". Exit code 1 if an answer is wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WINDOW    64
#define LINE_SIZE 64
#define KEPT_BACK 2 /* bytes of the newest line */

static char out[WINDOW * LINE_SIZE], in[2 * WINDOW * LINE_SIZE];
static size_t out_len, in_len;
static unsigned long n_asked, n_answered;
static char version[LINE_SIZE];

static void
give_up(const char *what, const char *why)
{
    fprintf(stderr, "pipeline: answer %lu: %s: %s\n", n_answered, what, why);
    exit(1);
}

static int
connect_to(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((unsigned short)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        give_up("connect", strerror(errno));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only for speed */
    return fd;
}

static void
ask(void)
{
    while (n_asked - n_answered < WINDOW)
        out_len +=
            (size_t)snprintf(out + out_len, sizeof(out) - out_len, "%lu\n", n_asked++);
}

static void
send_all_but(int fd, size_t kept_back)
{
    while (out_len > kept_back) {
        ssize_t n = send(fd, out, out_len - kept_back, MSG_NOSIGNAL);
        if (n < 0)
            give_up("send", strerror(errno));
        out_len -= (size_t)n;
        memmove(out, out + n, out_len);
    }
}

static void
check(const char *line)
{
    char got[LINE_SIZE], expected[LINE_SIZE + 32];

    if (n_answered == n_asked || sscanf(line, "%63s", got) != 1)
        give_up("not expected", line);
    snprintf(expected, sizeof(expected), "%s %lu", got, n_answered);
    if (strcmp(line, expected) != 0)
        give_up("wrong", line);
    if (strcmp(got, version) != 0) {
        strcpy(version, got);
        printf("version %s\n", version);
        fflush(stdout);
    }
    n_answered++;
}

static void
receive(int fd)
{
    ssize_t n = recv(fd, in + in_len, sizeof(in) - in_len, 0);
    char *line = in, *end;

    if (n <= 0)
        give_up("recv", n == 0 ? "end of stream" : strerror(errno));
    in_len += (size_t)n;
    while ((end = memchr(line, '\n', (size_t)(in + in_len - line))) != NULL) {
        *end = '\0';
        check(line);
        line = end + 1;
    }
    in_len = (size_t)(in + in_len - line);
    memmove(in, line, in_len);
}

int
main(int argc, char **argv)
{
    char byte;

    if (argc != 2)
        return 64;
    int fd = connect_to(atoi(argv[1]));
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};

    while (fds[1].revents == 0 || read(0, &byte, 1) > 0) {
        send_all_but(fd, 0);
        ask();
        send_all_but(fd, KEPT_BACK);
        if (poll(fds, 2, -1) < 0)
            give_up("poll", strerror(errno));
        if (fds[0].revents != 0)
            receive(fd);
    }
    send_all_but(fd, 0);
    while (n_answered < n_asked)
        receive(fd);
    printf("answered %lu\n", n_answered);
    return 0;
}
