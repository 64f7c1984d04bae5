/*
 * fuzz_control.c - any bytes, in any pieces, to the control socket of a live server
 *
 *     byte 0    length of the pieces in which the rest is sent; 0: all at once
 *     byte 1    the lowest bit: a second client sends the same at the same time
 *     the rest  what is sent, then the end
 *
 * Whatever was sent, an answer is lines of printable ASCII, and the line that ends one begins
 * with "ok" or "error"; there are no more answers than commands, and the server ends the
 * connection when it has answered all. Afterwards it still says pong. The server lives as
 * long as the program; time is moved on where a command waits for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fault.h"
#include "folder_kit.h"
#include "input.h"
#include "server/server.h"

#define LONGEST_INPUT 1024
#define MAX_STEPS     3000
#define OUT_SIZE      (256 * 1024)
#define N_CLIENTS     2

struct client {
    int fd; /* -1: the server has ended it */
    struct input input;
    size_t len;
    char out[OUT_SIZE];
};

struct fuzz {
    struct fault_sys sys;
    kelpie *k;
    char folder[FOLDER_SIZE], path[FOLDER_SIZE + 16];
    struct client clients[N_CLIENTS];
};

static void
check_log_line(void *arg, enum kelpie_level level, const char *line, size_t len)
{
    (void)arg;
    (void)level;
    for (size_t i = 0; i < len; i++)
        must(line[i] >= 0x20 && line[i] <= 0x7e);
}

static struct fuzz *
start(void)
{
    static const char script[] = "return {}";
    struct fuzz *f = calloc(1, sizeof(*f));
    struct kelpie_options options = KELPIE_OPTIONS_INIT;

    must(f != NULL);
    fault_sys_init(&f->sys);
    fault_clock_set(&f->sys, KP_NS_PER_S);
    struct kp_sys sys = {.calls = &fault_sys_calls, .arg = &f->sys};
    options.log = check_log_line;
    options.log_level = KELPIE_LOG_DEBUG;
    must(kp_server_new(&f->k, &options, &sys) == 0);
    must(kelpie_load_string(f->k, script, sizeof(script) - 1, "=fuzz.lua") == 0);
    folder_make(f->folder);
    snprintf(f->path, sizeof(f->path), "%s/control", f->folder);
    must(kelpie_control(f->k, f->path) == 0);
    return f;
}

static struct fuzz *fuzz; /* of this program; starting costs more than an input */

static void
stop(void)
{
    kelpie_free(fuzz->k);
    folder_remove(fuzz->folder);
    free(fuzz);
}

static void
connect_to(struct fuzz *f, struct client *client)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    client->len = 0;
    client->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", f->path);
    must(client->fd >= 0);
    must(connect(client->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
    must(fcntl(client->fd, F_SETFL, O_NONBLOCK) == 0);
}

static void
end_client(struct client *client)
{
    close(client->fd);
    client->fd = -1;
}

/* Sends a piece, or the end; reads what is there. */
static void
move_bytes(struct client *client, size_t piece)
{
    struct input *input = &client->input;

    if (client->fd < 0)
        return;
    size_t len = piece == 0 || piece > input->size ? input->size : piece;
    ssize_t n = len > 0 ? send(client->fd, input->data, len, MSG_NOSIGNAL) : 0;
    if (n > 0)
        *input = (struct input){input->data + n, input->size - (size_t)n};
    if (input->size == 0)
        (void)shutdown(client->fd, SHUT_WR); /* again and again: no harm */
    n = recv(client->fd, client->out + client->len, OUT_SIZE - client->len, 0);
    if (n > 0)
        client->len += (size_t)n;
    else if (n == 0 || errno != EAGAIN)
        end_client(client);
    must(client->len < OUT_SIZE);
}

/* Returns how many answers there are. */
static size_t
count_answers(const struct client *client)
{
    size_t n = 0;
    const char *line = client->out, *end = client->out + client->len;

    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        must(newline != NULL); /* the last line is whole */
        for (const char *c = line; c < newline; c++)
            must(*c >= 0x20 && *c <= 0x7e);
        must(line[0] == ' ' || memcmp(line, "ok ", 3) == 0 ||
             memcmp(line, "error ", 6) == 0);
        n += line[0] != ' ';
        line = newline + 1;
    }
    return n;
}

static size_t
count_lines(const struct input *input)
{
    size_t n = 1; /* without its newline */

    for (size_t i = 0; i < input->size; i++)
        n += input->data[i] == '\n';
    return n;
}

static void
talk(struct fuzz *f, size_t n_clients, size_t piece)
{
    bool is_open = true;

    for (int i = 0; is_open; i++) {
        must(i < MAX_STEPS);
        is_open = false;
        for (size_t c = 0; c < n_clients; c++) {
            move_bytes(&f->clients[c], piece);
            is_open |= f->clients[c].fd >= 0;
        }
        must(kelpie_step(f->k, 0) == 1);
        fault_clock_advance(&f->sys, KP_NS_PER_S / 10);
    }
}

static void
ping(struct fuzz *f)
{
    struct client *client = &f->clients[0];

    client->input = (struct input){(const uint8_t *)"ping", 4};
    connect_to(f, client);
    talk(f, 1, 0);
    must(client->len == 8 && memcmp(client->out, "ok pong\n", 8) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.data = data, .size = size};

    if (fuzz == NULL) {
        fuzz = start();
        atexit(stop);
    }
    if (size > LONGEST_INPUT)
        return 0;
    size_t piece = take_byte(&input);
    size_t n_clients = 1 + take_byte(&input) % N_CLIENTS;
    for (size_t c = 0; c < n_clients; c++) {
        fuzz->clients[c].input = input;
        connect_to(fuzz, &fuzz->clients[c]);
    }

    talk(fuzz, n_clients, piece);

    for (size_t c = 0; c < n_clients; c++)
        must(count_answers(&fuzz->clients[c]) <= count_lines(&input));
    ping(fuzz);
    return 0;
}
