/*
 * hold.c - holds many connections to 127.0.0.1 at once, for test_many.sh
 *
 *     hold PORT COUNT
 *
 * Connects, waits until every connection has read one line, and says "held COUNT". Waits
 * until each has read one line more, and says what it was: "read by COUNT: LINE". Ends with
 * its standard input; exit code 1 if a connection was closed before, or read something else.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_SIZE 256

static void
give_up(const char *what)
{
    fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        give_up("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        give_up("setrlimit");
}

static int
connect_to(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((unsigned short)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        give_up("connect");
    return fd;
}

/* Reads one line, without its newline, byte by byte: the next one has to stay where it is. */
static void
read_line(int fd, char *line)
{
    size_t len = 0;

    for (;;) {
        ssize_t n = read(fd, line + len, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || len == LINE_SIZE - 1)
            give_up("read");
        if (line[len] == '\n')
            break;
        len++;
    }
    line[len] = '\0';
}

/* Ends the program when standard input ends first. */
static void
wait_for_line(int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};

    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            give_up("poll");
    if (fds[0].revents == 0 && fds[1].revents != 0)
        exit(0);
}

int
main(int argc, char **argv)
{
    char line[LINE_SIZE], first[LINE_SIZE], byte;

    if (argc != 3)
        return 64;
    int port = atoi(argv[1]), count = atoi(argv[2]);
    int *fds = calloc((size_t)count, sizeof(*fds));
    if (fds == NULL)
        give_up("calloc");
    allow_files();
    for (int i = 0; i < count; i++)
        fds[i] = connect_to(port);
    for (int i = 0; i < count; i++)
        read_line(fds[i], line);
    printf("held %d\n", count);
    fflush(stdout);

    wait_for_line(fds[0]);
    read_line(fds[0], first);
    for (int i = 1; i < count; i++) {
        read_line(fds[i], line);
        if (strcmp(line, first) != 0)
            give_up("not all have read the same");
    }
    printf("read by %d: %s\n", count, first);
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    free(fds);
    return 0;
}
