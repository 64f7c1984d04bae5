/*
 * load_churn.c - connect, read the welcome, see the end, again
 *
 * window clients at a time. A message is one connection, from connect(2) to the end of the
 * stream; what came before it must be exactly the welcome. The server closes.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit.h"
#include "load.h"

#define WELCOME "welcome! this is what you get.\n"

struct visit {
    int fd;
    size_t got_len; /* of the welcome */
    uint64_t begun_ns;
};

static void
begin(struct load *load, struct visit *visit)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((unsigned short)load->port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    *visit = (struct visit){.begun_ns = bench_clock_ns(CLOCK_MONOTONIC)};
    visit->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (visit->fd < 0 || fcntl(visit->fd, F_SETFL, O_NONBLOCK) < 0)
        bench_give_up("socket", strerror(errno));
    if (connect(visit->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 &&
        errno != EINPROGRESS)
        bench_give_up("connect", strerror(errno));
    if (poller_add(&load->poller, visit->fd, visit) < 0)
        bench_give_up("poller_add", strerror(errno));
}

/* Reads until there is nothing more. Returns whether the visit has ended. */
static bool
go_on(struct visit *visit)
{
    char got[256];

    for (;;) {
        ssize_t n = recv(visit->fd, got, sizeof(got), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return false;
        if (n < 0)
            bench_give_up("recv", strerror(errno));
        if (n == 0)
            break;
        if (visit->got_len + (size_t)n > sizeof(WELCOME) - 1 ||
            memcmp(got, &WELCOME[visit->got_len], (size_t)n) != 0)
            bench_give_up("churn", "this is not the welcome");
        visit->got_len += (size_t)n;
    }
    if (visit->got_len != sizeof(WELCOME) - 1)
        bench_give_up("churn", "the end came before the welcome was complete");
    (void)close(visit->fd);
    return true;
}

/* Serves the events of one turn. Returns how many visits have ended for good. */
static unsigned
turn(struct load *load, bool is_sending)
{
    uint64_t now_ns = load_wait(load);
    unsigned n_ended = 0;

    for (int i = 0; i < load->poller.n; i++) {
        struct visit *visit = load->poller.events[i].arg;
        if (!go_on(visit))
            continue;
        now_ns = bench_clock_ns(CLOCK_MONOTONIC);
        meter_count(&load->meter, now_ns - visit->begun_ns);
        if (is_sending)
            begin(load, visit);
        else
            n_ended++;
    }
    return n_ended;
}

void
load_churn(struct load *load)
{
    struct visit *visits = bench_alloc(load->window * sizeof(*visits));
    unsigned n_open = load->window;

    meter_start(&load->meter);
    for (unsigned i = 0; i < load->window; i++)
        begin(load, &visits[i]);
    do
        (void)turn(load, true);
    while (meter_turn(&load->meter, bench_clock_ns(CLOCK_MONOTONIC)));
    while (n_open > 0) {
        n_open -= turn(load, false);
        (void)meter_turn(&load->meter, bench_clock_ns(CLOCK_MONOTONIC));
    }
    free(visits);
}
