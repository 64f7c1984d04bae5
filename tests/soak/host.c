/*
 * host.c - see host.h
 *
 * The child looks at the page every 20 ms, by a timer of its own server: that costs nothing
 * worth measuring, and shows at the same time that timers go on.
 */
#include "host.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/kit.h"
#include "server/server.h"

#define TICK_MS  20
#define LIMIT_MS 60000 /* without any sign of the server: something is broken */
#define PAUSE_NS 1000000

struct soak_page {
    atomic_int port; /* 0: not yet */
    atomic_uint asked, given;
    atomic_int accept_error;
    atomic_bool drain_wanted;
    struct soak_sample sample; /* the child's until given is asked */
};

/* ---- the child ------------------------------------------------------------------------- */

struct host {
    kelpie *k;
    struct soak_page *page;
    struct soak_sample now;
    bool drains;
};

static void *
count_memory(void *arg, void *block, size_t old_size, size_t new_size)
{
    struct host *host = arg;

    if (new_size == 0) {
        free(block);
        host->now.counted -= block != NULL ? old_size : 0;
        return NULL;
    }
    void *grown = realloc(block, new_size);
    if (grown != NULL) {
        host->now.counted += new_size - (block != NULL ? old_size : 0);
        if (host->now.counted > host->now.peak_counted)
            host->now.peak_counted = host->now.counted;
    }
    return grown;
}

static int
count_reason(kelpie_conn *conn, const char *reason, void *arg)
{
    struct host *host = arg;

    (void)conn;
    for (int i = 0; i < SOAK_REASONS; i++) {
        struct soak_reason *r = &host->now.reasons[i];
        if (r->n == 0)
            snprintf(r->name, sizeof(r->name), "%s", reason);
        if (strcmp(r->name, reason) == 0) {
            r->n++;
            break;
        }
    }
    return KELPIE_PASS;
}

static int
faulty_accept(void *arg, int fd, struct sockaddr *addr, socklen_t *len)
{
    struct soak_page *page = arg;
    int error = atomic_load(&page->accept_error);

    return error != 0 ? -error : kp_sys_kernel.accept(NULL, fd, addr, len);
}

static long
resident_bytes(void)
{
    long pages = 0, ignored;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%ld %ld", &ignored, &pages) != 2)
        pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static void
tick(void *arg)
{
    struct host *host = arg;
    struct soak_page *page = host->page;
    unsigned asked = atomic_load(&page->asked);
    long rss = resident_bytes();

    if (rss > 0)
        host->now.rss = rss;
    if (rss > host->now.peak_rss)
        host->now.peak_rss = rss;
    if (asked != atomic_load(&page->given)) {
        host->now.stats.size = sizeof(host->now.stats);
        kelpie_get_stats(host->k, &host->now.stats);
        host->now.cpu_ns = bench_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        page->sample = host->now;
        atomic_store(&page->given, asked);
    }
    if (atomic_load(&page->drain_wanted) && !host->drains) {
        host->drains = true;
        kelpie_drain(host->k);
    }
}

static void
limit_files(rlim_t files)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_give_up("getrlimit", strerror(errno));
    limit.rlim_cur = files > 0 ? files : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_give_up("setrlimit", strerror(errno));
}

static int
serve(struct soak_page *page, const struct soak_setup *setup)
{
    static struct host host; /* the process is the server, and nothing else */
    struct kelpie_options options = setup->options;
    struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                       .on_disconnect = count_reason};
    struct kp_sys_calls calls = kp_sys_kernel;
    struct kp_sys sys = {.calls = &calls, .arg = page};

    calls.accept = faulty_accept;
    host.page = page;
    options.alloc = count_memory;
    options.alloc_arg = &host;
    int rc = kp_server_new(&host.k, &options, &sys);
    if (rc < 0)
        bench_give_up("kelpie_new", kelpie_strerror(rc));
    if (setup->max_files > 0)
        limit_files((rlim_t)setup->max_files);
    if (kelpie_set_handlers(host.k, &handlers, &host) < 0 ||
        kelpie_load_string(host.k, setup->script, strlen(setup->script), "=soak.lua") <
            0 ||
        kelpie_every(host.k, NULL, TICK_MS, tick, &host) < 0 ||
        (rc = kelpie_listen(host.k, "127.0.0.1:0")) < 0)
        bench_give_up("server", kelpie_errmsg(host.k));
    atomic_store(&page->port, rc);
    rc = kelpie_run(host.k);
    kelpie_free(host.k);
    return rc < 0 || host.now.counted != 0;
}

/* ---- the parent ------------------------------------------------------------------------ */

static void
pause_a_little(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};

    (void)nanosleep(&pause, NULL); /* between two looks at the page */
}

static bool
has_ended(struct soak_server *server)
{
    int status;

    if (server->pid <= 0)
        return true;
    if (waitpid(server->pid, &status, WNOHANG) != server->pid)
        return false;
    server->pid = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
    return true;
}

void
soak_start(struct soak_server *server, const struct soak_setup *setup)
{
    struct soak_page *page =
        mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);

    if (page == MAP_FAILED)
        bench_give_up("mmap", strerror(errno));
    *server = (struct soak_server){.page = page};
    limit_files(0);
    fflush(stdout);
    server->pid = fork();
    if (server->pid < 0)
        bench_give_up("fork", strerror(errno));
    if (server->pid == 0)
        exit(serve(page, setup));
    while ((server->port = atomic_load(&page->port)) == 0 && !has_ended(server))
        pause_a_little();
    if (server->port == 0)
        bench_give_up("server", "it has ended");
}

bool
soak_look(struct soak_server *server, struct soak_sample *out)
{
    struct soak_page *page = server->page;
    unsigned asked = atomic_fetch_add(&page->asked, 1) + 1;

    for (int ms = 0; atomic_load(&page->given) != asked; ms++) {
        if (has_ended(server) || ms > LIMIT_MS)
            return false;
        pause_a_little();
    }
    *out = page->sample;
    return true;
}

unsigned long
soak_reason(const struct soak_sample *sample, const char *name)
{
    for (int i = 0; i < SOAK_REASONS; i++)
        if (strcmp(sample->reasons[i].name, name) == 0)
            return sample->reasons[i].n;
    return 0;
}

void
soak_fail_accept(struct soak_server *server, int error)
{
    atomic_store(&server->page->accept_error, error);
}

void
soak_drain(struct soak_server *server)
{
    atomic_store(&server->page->drain_wanted, true);
}

bool
soak_wait(struct soak_server *server, int limit_s)
{
    uint64_t until = bench_clock_ns(CLOCK_MONOTONIC) + (uint64_t)limit_s * 1000000000u;

    while (!has_ended(server) && bench_clock_ns(CLOCK_MONOTONIC) < until)
        pause_a_little();
    return server->pid == 0;
}

void
soak_stop(struct soak_server *server)
{
    if (!has_ended(server)) {
        kill(server->pid, SIGKILL);
        while (!has_ended(server))
            pause_a_little();
    }
    munmap(server->page, sizeof(*server->page));
}

/* ---- what is shown --------------------------------------------------------------------- */

void
soak_begin(struct soak_verdict *verdict, int argc, char **argv)
{
    *verdict = (struct soak_verdict){.is_short = argc == 2};
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "short") != 0)) {
        fprintf(stderr, "usage: %s [short]\n", argv[0]);
        exit(64);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
}

static void
show(const char *mark, const char *format, va_list args)
{
    printf("%-7s", mark);
    vprintf(format, args);
    putchar('\n');
}

void
soak_judge(struct soak_verdict *verdict, bool holds, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    show(holds ? "ok" : "FAILED", format, args);
    va_end(args);
    verdict->n_failed += !holds;
}

void
soak_judge_figure(struct soak_verdict *verdict, bool holds, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    show(verdict->is_short ? "seen" : holds ? "ok" : "FAILED", format, args);
    va_end(args);
    verdict->n_failed += !holds && !verdict->is_short;
}

int
soak_end(const struct soak_verdict *verdict)
{
    if (verdict->n_failed > 0)
        printf("FAILED: %d of the above\n", verdict->n_failed);
    else
        printf("all of it holds\n");
    return verdict->n_failed > 0 ? 1 : 0;
}
