/*
 * load.c - the load generator of the benchmark
 *
 *     bench_load KIND [--port N] [--server PID] [--conns N] [--window N] [--size BYTES]
 *                [--dialect NAME] [--first LINE] [--warm-up MS] [--time MS] [--messages N]
 *     bench_load port
 *
 * One thread, one process, 127.0.0.1 only, bounded in time. It believes nothing: every byte
 * that comes is compared with what must come, and the first wrong one ends it with exit code
 * 1 and no result. KIND is
 *
 *     echo     every connection sends messages, window of them ahead of the answers
 *     room     one speaks, conns members hear; a message is what one member has heard
 *     chat     rooms of ten who all speak
 *     churn    window connections at a time: connect, read the welcome, see the end
 *     idle     conns connections that say one line, then nothing: what they cost in memory
 *     port     prints a free port
 *
 * Prints one line, columns as in `columns` below, tabs between. cpu_us is the processor time
 * of the server per verified message, see meter.c; -1 where there is nothing to say.
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit.h"

enum { SPARE_FDS = 64, SKIPPED = 77, MAX_TRIES = 1000 };
enum { FIRST_PORT = 20000, N_PORTS = 12000 };

static const char columns[] = "messages\tseconds\tper_second\tcpu_us\tp50_us\tp99_us\t"
                              "p999_us\tmax_us\trss_kib\tbytes_per_conn";

/* ---- what all kinds need ----------------------------------------------------------------- */

void
load_open(struct load *load, unsigned n)
{
    load->streams = bench_alloc(n * sizeof(*load->streams));
    for (unsigned i = 0; i < n; i++) {
        struct stream *stream = &load->streams[i];
        struct bytes hello = dialect_numbered(&load->dialect.hello, i);
        const struct bytes *answer = &load->dialect.hello_answer;
        stream_open(stream, load->port, i);
        if (hello.len > 0)
            stream_say(stream, hello.data, hello.len);
        if (answer->len > 0)
            stream_await(stream, answer->data, answer->len);
    }
    if (load->first != NULL) {
        stream_say(&load->streams[0], load->first, strlen(load->first));
        stream_say(&load->streams[0], "\n", 1);
        stream_await(&load->streams[0], "ok\n", 3);
    }
}

void
load_close(struct load *load, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        stream_close(&load->streams[i]);
    free(load->streams);
}

uint64_t
load_wait(struct load *load)
{
    if (poller_wait(&load->poller, 1000) < 0)
        bench_give_up("poller_wait", strerror(errno));
    return bench_clock_ns(CLOCK_MONOTONIC);
}

static void
complain(const struct load *load, const struct stream *stream, const char *bytes,
         size_t len)
{
    const struct dialect *d = &load->dialect;
    size_t total = d->answer_before.len + d->payload_size + d->answer_after.len;

    fprintf(stderr,
            "bench: connection %u, answer %" PRIu64 ", byte %zu: got \"%.*s\", not "
            "\"%.*s\"\n",
            stream->number, stream->n_got, stream->got_len, (int)(len < 60 ? len : 60),
            bytes, (int)(total - stream->got_len < 60 ? total - stream->got_len : 60),
            load->expected + stream->got_len);
    exit(1);
}

void
load_verify(struct load *load, struct stream *stream, const struct stream *author,
            const char *bytes, size_t len,
            void (*on_answer)(struct load *, struct stream *, uint64_t), uint64_t now_ns)
{
    const struct dialect *d = &load->dialect;
    size_t before = d->answer_before.len;
    size_t total = before + d->payload_size + d->answer_after.len;

    memcpy(load->expected, d->answer_before.data, before);
    memcpy(load->expected + before + d->payload_size, d->answer_after.data,
           d->answer_after.len);
    while (len > 0) {
        size_t n = total - stream->got_len < len ? total - stream->got_len : len;

        if (stream_is_noise(stream, d, *bytes)) {
            bytes++;
            len--;
            continue;
        }
        if (stream->n_got >= author->n_sent)
            bench_give_up("an answer", "nobody asked for it");
        dialect_payload(load->expected + before, d->payload_size, author->number,
                        stream->n_got);
        if (memcmp(load->expected + stream->got_len, bytes, n) != 0)
            complain(load, stream, bytes, n);
        stream->got_len += n;
        bytes += n;
        len -= n;
        if (stream->got_len < total)
            return;
        stream->got_len = 0;
        on_answer(load, stream, now_ns);
        stream->n_got++;
    }
}

/* Waits until the server listens; it may just have been started. */
static void
await_server(const struct load *load)
{
    const struct timespec a_moment = {.tv_nsec = 10000000};
    struct stream stream;

    for (int i = 0; !stream_try(&stream, load->port, 0); i++) {
        if (load->meter.server != 0 && kill(load->meter.server, 0) < 0)
            bench_give_up("the server", "has ended");
        if (i == MAX_TRIES)
            bench_give_up("the server", "does not listen");
        (void)nanosleep(&a_moment, NULL);
    }
    stream_close(&stream);
}

/* ---- the command line --------------------------------------------------------------------- */

/* Not one that the system gives to who asks for any: another program may get that one before
 * the server has it. */
static void
print_free_port(void)
{
    unsigned seed = (unsigned)getpid() * 97 + (unsigned)time(NULL);

    for (unsigned i = 0; i < N_PORTS; i++) {
        int port = (int)(FIRST_PORT + (seed + i) % N_PORTS);
        struct sockaddr_in addr = {.sin_family = AF_INET,
                                   .sin_port = htons((unsigned short)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int rc = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&addr, sizeof(addr));
        (void)close(fd);
        if (rc == 0) {
            printf("%d\n", port);
            return;
        }
    }
    bench_give_up("a free port", strerror(errno));
}

/* Ends the program with SKIPPED where the system does not allow so many connections. */
static void
check_limit(unsigned n_conns)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur >= n_conns + SPARE_FDS)
        return;
    fprintf(stderr, "needs %u descriptors, the limit is %ju\n", n_conns + SPARE_FDS,
            (uintmax_t)limit.rlim_cur);
    exit(SKIPPED);
}

static void
set_option(struct load *load, const char *name, const char *value)
{
    struct meter *meter = &load->meter;

    if (strcmp(name, "--port") == 0)
        load->port = (int)bench_number(name, value, 1, 65535);
    else if (strcmp(name, "--server") == 0)
        meter->server = (pid_t)bench_number(name, value, 1, 1 << 30);
    else if (strcmp(name, "--conns") == 0)
        load->n_conns = (unsigned)bench_number(name, value, 1, 60000);
    else if (strcmp(name, "--window") == 0)
        load->window = (unsigned)bench_number(name, value, 1, 1024);
    else if (strcmp(name, "--size") == 0)
        load->size = (size_t)bench_number(name, value, 2, 65536);
    else if (strcmp(name, "--dialect") == 0)
        load->dialect_name = value;
    else if (strcmp(name, "--first") == 0)
        load->first = value;
    else if (strcmp(name, "--warm-up") == 0)
        meter->warm_up_ns = (uint64_t)bench_number(name, value, 0, 60000) * 1000000u;
    else if (strcmp(name, "--time") == 0)
        meter->measure_ns = (uint64_t)bench_number(name, value, 1, 600000) * 1000000u;
    else if (strcmp(name, "--messages") == 0)
        meter->max_messages = (uint64_t)bench_number(name, value, 1, 1000000000);
    else
        bench_give_up(name, "no such option");
}

static void
print_result(const struct load *load)
{
    const struct meter *m = &load->meter;
    double seconds = (double)m->took_ns / 1e9, n = (double)m->took_messages;

    printf("%" PRIu64 "\t%.3f\t%.0f\t", m->took_messages, seconds,
           seconds > 0 ? n / seconds : 0);
    if (m->server != 0 && n > 0)
        printf("%.4f", (double)m->took_cpu_ns / 1e3 / n);
    else
        printf("-1");
    printf("\t%.1f\t%.1f\t%.1f\t%.1f", (double)histogram_at(&m->latencies, 0.5) / 1e3,
           (double)histogram_at(&m->latencies, 0.99) / 1e3,
           (double)histogram_at(&m->latencies, 0.999) / 1e3,
           (double)m->latencies.max / 1e3);
    printf("\t%ld\t%.0f\n", meter_resident_kib(m->server), load->bytes_per_conn);
}

/* Does what has no load: prints something. Returns whether that was asked for. */
static bool
print_only(const char *what)
{
    if (strcmp(what, "port") == 0)
        print_free_port();
    else if (strcmp(what, "columns") == 0)
        puts(columns);
    else
        return false;
    return true;
}

typedef void kind_fn(struct load *load);

/* Returns the kind of that name; ends the program when there is none. */
static kind_fn *
find_kind(const char *name)
{
    static const struct {
        const char *name;
        kind_fn *run;
    } kinds[] = {{"echo", load_echo},
                 {"room", load_room},
                 {"chat", load_chat},
                 {"churn", load_churn},
                 {"idle", load_idle}};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(name, kinds[i].name) == 0)
            return kinds[i].run;
    bench_give_up(name, "no such kind: echo, room, chat, churn, idle, port, columns");
}

int
main(int argc, char **argv)
{
    struct load load = {.n_conns = 1,
                        .window = 1,
                        .size = 32,
                        .dialect_name = "line",
                        .bytes_per_conn = -1,
                        .meter = {.warm_up_ns = 200000000, .measure_ns = 1000000000}};

    if (argc < 2 || argc % 2 != 0)
        bench_give_up("usage", "bench_load KIND [OPTION VALUE]...");
    if (print_only(argv[1]))
        return 0;
    kind_fn *run = find_kind(argv[1]);
    for (int i = 2; i < argc; i += 2)
        set_option(&load, argv[i], argv[i + 1]);
    check_limit(load.n_conns);
    if (poller_open(&load.poller) < 0)
        bench_give_up("poller_open", strerror(errno));
    load.in = bench_alloc(LOAD_BUFFER_SIZE);
    load.expected = bench_alloc(LOAD_BUFFER_SIZE);
    await_server(&load);
    run(&load);
    print_result(&load);
    poller_close(&load.poller);
    free(load.in);
    free(load.expected);
    return 0;
}
