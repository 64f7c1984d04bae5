/*
 * garble.c - sends a server what no client would, for the tests of the protocols in examples/
 *
 *     garble PORT SEED COUNT FILE...
 *
 * Each FILE holds the bytes of one connection. First every file is sent as it is, to its very
 * end. Then COUNT connections send a random one of them with random damage: bytes changed, cut
 * out, repeated, put in, or the end missing, in one piece or in several. The same seed does the
 * same damage.
 *
 * After its bytes a connection ends its output, and the server has to end the connection within
 * 20 seconds: whatever it answers is read and not looked at. Says "sent N" at the end. Exit code
 * 1 if a connection cannot be made, or does not end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_BYTES   16384
#define MAX_DAMAGE  6
#define MAX_PIECE   64
#define PATIENCE_MS 20000

struct bytes {
    size_t len;
    unsigned char at[MAX_BYTES];
};

static void
give_up(const char *what)
{
    fprintf(stderr, "garble: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* xorshift64: small, and the same everywhere. */
static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t
below(uint64_t *state, size_t limit)
{
    return limit == 0 ? 0 : (size_t)(next_random(state) % limit);
}

static void
load(const char *path, struct bytes *out)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        give_up(path);
    out->len = fread(out->at, 1, sizeof out->at, file);
    if (ferror(file))
        give_up(path);
    fclose(file);
}

static void
cut_out(struct bytes *b, size_t from, size_t len)
{
    memmove(b->at + from, b->at + from + len, b->len - from - len);
    b->len -= len;
}

/* Puts len bytes in at from: those at source, or random ones for NULL. */
static void
put_in(struct bytes *b, size_t from, const unsigned char *source, size_t len,
       uint64_t *random)
{
    unsigned char piece[MAX_PIECE];

    if (b->len + len > sizeof b->at)
        return;
    for (size_t i = 0; i < len; i++)
        piece[i] = source != NULL ? source[i] : (unsigned char)next_random(random);
    memmove(b->at + from + len, b->at + from, b->len - from);
    memcpy(b->at + from, piece, len);
    b->len += len;
}

static void
damage(struct bytes *b, uint64_t *random)
{
    size_t from = below(random, b->len);
    size_t len = below(random, MAX_PIECE);

    if (b->len == 0)
        return;
    if (len > b->len - from)
        len = b->len - from;
    switch (below(random, 6)) {
    case 0:
        b->at[from] = (unsigned char)next_random(random);
        break;
    case 1:
        b->at[from] ^= (unsigned char)(1U << below(random, 8));
        break;
    case 2:
        cut_out(b, from, len);
        break;
    case 3:
        put_in(b, from, b->at + from, len, random);
        break;
    case 4:
        put_in(b, from, NULL, 1 + below(random, MAX_PIECE - 1), random);
        break;
    default:
        b->len = from;
    }
}

static int
dial(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        give_up("connect");
    return fd;
}

/* Waits until the server has ended the connection. */
static void
drain(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    char answer[4096];

    for (;;) {
        int n_ready = poll(&entry, 1, PATIENCE_MS);
        if (n_ready == 0)
            errno = ETIMEDOUT;
        if (n_ready <= 0)
            give_up("the connection does not end");
        ssize_t len = recv(fd, answer, sizeof answer, 0);
        if (len <= 0)
            return; /* the end, or a reset: both are answers to garbage */
    }
}

/* Sends in pieces of at most piece bytes. A server that has had enough may close meanwhile. */
static void
converse(uint16_t port, const struct bytes *b, size_t piece)
{
    int fd = dial(port);

    for (size_t sent = 0; sent < b->len;) {
        size_t len = b->len - sent < piece ? b->len - sent : piece;
        ssize_t taken = send(fd, b->at + sent, len, 0);
        if (taken < 0)
            break;
        sent += (size_t)taken;
    }
    (void)shutdown(fd, SHUT_WR); /* fails when the server was first */
    drain(fd);
    close(fd);
}

int
main(int argc, char **argv)
{
    static struct bytes sample;

    if (argc < 5) {
        fprintf(stderr, "usage: garble PORT SEED COUNT FILE...\n");
        return 64;
    }
    uint16_t port = (uint16_t)atoi(argv[1]);
    uint64_t random = 0x9e3779b97f4a7c15ULL ^ strtoull(argv[2], NULL, 10);
    long count = atol(argv[3]);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 4; i < argc; i++) {
        load(argv[i], &sample);
        converse(port, &sample, sizeof sample.at);
    }
    for (long i = 0; i < count; i++) {
        load(argv[4 + below(&random, (size_t)argc - 4)], &sample);
        for (size_t n = 1 + below(&random, MAX_DAMAGE); n > 0; n--)
            damage(&sample, &random);
        converse(port, &sample, below(&random, 2) ? sizeof sample.at : MAX_PIECE);
    }
    printf("sent %ld\n", count + argc - 4);
    return 0;
}
