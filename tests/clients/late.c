/*
 * late.c - a client that sends everything before it reads anything
 *
 *     late PORT COUNT REQUEST ANSWER
 *
 * Sends the bytes of the file REQUEST COUNT times; then reads, and compares with those of
 * the file ANSWER, as often. Exit code 1 and a sentence if one byte is wrong or missing, or if
 * nothing can be sent or read for 30 seconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define LONGEST 65536

struct text {
    char bytes[LONGEST];
    size_t len;
};

static struct text request, answer;

static void
give_up(const char *what, unsigned long n)
{
    fprintf(stderr, "late: %s %lu: %s\n", what, n, strerror(errno));
    exit(1);
}

static void
read_file(struct text *out, const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        give_up(path, 0);
    out->len = fread(out->bytes, 1, sizeof(out->bytes), file);
    if (out->len == 0 || out->len == sizeof(out->bytes))
        give_up("the size of a file is odd:", out->len);
    fclose(file);
}

static int
connect_to(int port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((unsigned short)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 30};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0)
        give_up("connect", 0);
    return fd;
}

static void
send_one(int fd, unsigned long n)
{
    for (size_t sent = 0; sent < request.len;) {
        ssize_t now = send(fd, request.bytes + sent, request.len - sent, MSG_NOSIGNAL);
        if (now <= 0)
            give_up("sending request", n);
        sent += (size_t)now;
    }
}

static void
read_one(int fd, unsigned long n)
{
    char bytes[LONGEST];

    ssize_t got = recv(fd, bytes, answer.len, MSG_WAITALL);
    if (got < 0)
        give_up("reading answer", n);
    if ((size_t)got != answer.len || memcmp(bytes, answer.bytes, answer.len) != 0) {
        fprintf(stderr, "late: answer %lu is another one, of %zd bytes\n", n, got);
        exit(1);
    }
}

int
main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: late PORT COUNT REQUEST ANSWER\n", stderr);
        return 64;
    }
    int fd = connect_to(atoi(argv[1]));
    unsigned long count = strtoul(argv[2], NULL, 10);
    read_file(&request, argv[3]);
    read_file(&answer, argv[4]);

    for (unsigned long n = 1; n <= count; n++)
        send_one(fd, n);
    for (unsigned long n = 1; n <= count; n++)
        read_one(fd, n);
    printf("%lu answers\n", count);
    close(fd);
    return 0;
}
