/*
 * reload.c - how long clients wait when the scripts are reloaded
 *
 *     build/release/tests/bench_reload [CONNECTIONS [RELOADS [RUNS]]]
 *
 * Two processes share some memory. The parent is a server, run by kelpie_step, which calls
 * kelpie_load between steps. The child holds the connections; ten of them are pingers, each
 * of which sends a line, waits for the answer, sends the next. The parent counts its reloads
 * in `epoch`; an answer whose line was sent in an earlier epoch has met the reload, and the
 * longest such wait of all pingers is the pause of that reload. So one number stands for the
 * client who had it worst, with all that lies between: the kernel, and the child's turn.
 *
 * The row "no reload" is measured in the same way, without the reload: the noise.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kelpie.h"
#include "kit.h"
#include "pingers.h"

enum {
    MAX_RUNS = 15,
    MAX_FILES = 100,
    ANSWERS_BETWEEN = 200, /* reloads */
    MAX_CELL_S = 4,        /* a slow cell does fewer reloads, */
    MIN_RELOADS = 20,      /* but not fewer than these */
};

struct bench {
    kelpie *k;
    struct shared *shared;
    char folder[64], address[96];
    pid_t child;
};

/* The result of one cell in one run, in ms. */
struct result {
    double load, load_p99, cpu, pause, pause_p99, pause_max;
};

/* --- scripts --------------------------------------------------------------------------- */

static const char main_script[] =
    "local kelpie = require('kelpie')\n"
    "local state = kelpie.keep('state', {})\n"
    "local modules = {}\n"
    "for i = 1, %d do modules[i] = require('module' .. i) end\n"
    "local handlers = {}\n"
    "function handlers.on_connect(conn)\n"
    "   conn.data.name, conn.data.since = 'guest' .. conn.number, kelpie.now()\n"
    "end\n"
    "function handlers.on_message(conn, line)\n"
    "   conn:send(conn.data.name, ' ', line)\n"
    "end\n"
    "function handlers.on_input(line)\n" /* adds users until they take so many bytes */
    "   local goal = kelpie.stats().lua_bytes + tonumber(line)\n"
    "   while kelpie.stats().lua_bytes < goal do\n"
    "      local n = #state + 1\n"
    "      state[n] = { name = 'user' .. n, score = n * 7, seen = n / 3,\n"
    "                   words = { 'red', 'green', 'blue' } }\n"
    "   end\n"
    "end\n"
    "return handlers\n";

/* A module of about 40 lines. */
static void
write_module(const char *folder, int number)
{
    char path[128];

    snprintf(path, sizeof path, "%s/module%d.lua", folder, number);
    FILE *file = fopen(path, "w");
    if (!file)
        bench_give_up(path, strerror(errno));
    fprintf(file, "local module = { name = 'module%d' }\n", number);
    for (int i = 0; i < 8; i++)
        fprintf(file,
                "function module.action%d(conn, text)\n"
                "   local words = {}\n"
                "   for word in text:gmatch('%%a+') do words[#words + 1] = word end\n"
                "   conn:send(module.name, ' ', table.concat(words, ', '))\n"
                "end\n",
                i);
    fprintf(file, "return module\n");
    if (fclose(file) != 0)
        bench_give_up(path, strerror(errno));
}

static void
write_main(const char *folder, int n_files)
{
    char path[128];

    snprintf(path, sizeof path, "%s/init.lua", folder);
    FILE *file = fopen(path, "w");
    if (!file)
        bench_give_up(path, strerror(errno));
    fprintf(file, main_script, n_files - 1);
    if (fclose(file) != 0)
        bench_give_up(path, strerror(errno));
}

static void
remove_scripts(const struct bench *bench)
{
    char path[128];

    for (int i = 0; i < MAX_FILES; i++) {
        snprintf(path, sizeof path, "%s/module%d.lua", bench->folder, i);
        (void)unlink(path); /* there is no number 0 */
    }
    snprintf(path, sizeof path, "%s/init.lua", bench->folder);
    (void)unlink(path);
    (void)unlink(bench->address + strlen("unix:"));
    (void)rmdir(bench->folder);
}

/* --- the parent ------------------------------------------------------------------------ */

static void
must(const struct bench *bench, int rc)
{
    if (rc < 0)
        bench_give_up("server", kelpie_errmsg(bench->k));
}

static void
serve(struct bench *bench, unsigned n_answers)
{
    uint64_t goal = atomic_load(&bench->shared->n_answers) + n_answers;

    while (atomic_load(&bench->shared->n_answers) < goal)
        must(bench, kelpie_step(bench->k, 1));
}

static struct kelpie_stats
stats_of(const struct bench *bench)
{
    struct kelpie_stats stats = {.size = sizeof stats};

    kelpie_get_stats(bench->k, &stats);
    return stats;
}

static void
open_bench(struct bench *bench, int n_conns)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;

    memset(bench, 0, sizeof *bench);
    strcpy(bench->folder, "/tmp/kelpie-bench-XXXXXX");
    if (!mkdtemp(bench->folder))
        bench_give_up("folder", strerror(errno));
    snprintf(bench->address, sizeof bench->address, "unix:%s/socket", bench->folder);
    for (int i = 1; i < MAX_FILES; i++)
        write_module(bench->folder, i);
    write_main(bench->folder, 1);
    bench->shared = mmap(NULL, sizeof *bench->shared, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (bench->shared == MAP_FAILED)
        bench_give_up("mmap", strerror(errno));

    options.max_clients = n_conns + 10;
    options.handler_timeout_ms = options.load_timeout_ms = 60000;
    if (kelpie_new(&bench->k, &options) < 0)
        bench_give_up("server", "kelpie_new");
    must(bench, kelpie_load(bench->k, bench->folder));
    must(bench, kelpie_listen(bench->k, bench->address));
    fflush(stdout);
    bench->child = fork();
    if (bench->child < 0)
        bench_give_up("fork", strerror(errno));
    if (bench->child == 0)
        pingers_run(bench->shared, bench->address + strlen("unix:"), n_conns);
    while (stats_of(bench).clients < (uint64_t)n_conns)
        must(bench, kelpie_step(bench->k, 1));
}

static void
close_bench(struct bench *bench)
{
    int status;

    kelpie_free(bench->k);
    (void)waitpid(bench->child, &status, 0);
    munmap(bench->shared, sizeof *bench->shared);
    remove_scripts(bench);
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Returns the value below which a share of the sorted values lies. */
static double
quantile(const double *sorted, unsigned n, double share)
{
    unsigned i = (unsigned)(share * n + 0.999999);

    return sorted[i == 0 ? 0 : i > n ? n - 1 : i - 1];
}

static void
reset(struct shared *shared)
{
    atomic_store(&shared->epoch, 0);
    for (unsigned i = 0; i <= MAX_RELOADS; i++)
        atomic_store(&shared->pause_ns[i], 0);
}

/* Reloads, and measures; what is on the way from the cell before has been answered. */
static struct result
measure(struct bench *bench, unsigned n_reloads, bool really)
{
    static double load[MAX_RELOADS], cpu[MAX_RELOADS], pause_ms[MAX_RELOADS];
    uint64_t started = bench_clock_ns(CLOCK_MONOTONIC);
    unsigned n = 0;

    reset(bench->shared);
    serve(bench, ANSWERS_BETWEEN);
    while (n < n_reloads) {
        uint64_t cpu_ns = bench_clock_ns(CLOCK_THREAD_CPUTIME_ID);
        uint64_t wall_ns = bench_clock_ns(CLOCK_MONOTONIC);

        if (really)
            must(bench, kelpie_load(bench->k, bench->folder));
        load[n] = (double)(bench_clock_ns(CLOCK_MONOTONIC) - wall_ns) / 1e6;
        cpu[n] = (double)(bench_clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns) / 1e6;
        atomic_store(&bench->shared->epoch, ++n);
        serve(bench, ANSWERS_BETWEEN);
        pause_ms[n - 1] = (double)atomic_load(&bench->shared->pause_ns[n]) / 1e6;
        if (n >= MIN_RELOADS &&
            (double)(bench_clock_ns(CLOCK_MONOTONIC) - started) > MAX_CELL_S * 1e9)
            break;
    }
    qsort(load, n, sizeof *load, compare);
    qsort(cpu, n, sizeof *cpu, compare);
    qsort(pause_ms, n, sizeof *pause_ms, compare);
    return (struct result){.load = quantile(load, n, 0.5),
                           .load_p99 = quantile(load, n, 0.99),
                           .cpu = quantile(cpu, n, 0.5),
                           .pause = quantile(pause_ms, n, 0.5),
                           .pause_p99 = quantile(pause_ms, n, 0.99),
                           .pause_max = pause_ms[n - 1]};
}

/* --- the table ------------------------------------------------------------------------- */

/* The cells of one number of connections; kept state only grows. */
static const struct cell {
    int keep_mib, n_files; /* n_files 0: no reload */
} cells[] = {{0, 0}, {0, 1}, {0, 100}, {1, 1}, {1, 100}, {10, 1}, {10, 100}};

enum { N_CELLS = sizeof cells / sizeof cells[0] };

static void
run_cells(int n_conns, unsigned n_reloads, struct result *results)
{
    struct bench bench;
    int keep_mib = 0;
    char line[32];

    open_bench(&bench, n_conns);
    for (int i = 0; i < N_CELLS; i++) {
        int more = cells[i].keep_mib - keep_mib;

        if (more > 0) {
            int len = snprintf(line, sizeof line, "%d", more << 20);
            must(&bench, kelpie_input(bench.k, line, (size_t)len));
            keep_mib += more;
        }
        if (cells[i].n_files > 0) {
            write_main(bench.folder, cells[i].n_files);
            must(&bench, kelpie_load(bench.k, bench.folder));
        }
        results[i] = measure(&bench, n_reloads, cells[i].n_files > 0);
    }
    close_bench(&bench);
}

/* Returns the median of one member over all runs. */
static double
median_of(struct result results[][N_CELLS], unsigned n_runs, int cell, size_t member)
{
    double values[MAX_RUNS];

    for (unsigned run = 0; run < n_runs; run++)
        memcpy(&values[run], (char *)&results[run][cell] + member, sizeof(double));
    qsort(values, n_runs, sizeof *values, compare);
    return quantile(values, n_runs, 0.5);
}

static void
print_row(int n_conns, int cell, struct result results[][N_CELLS], unsigned n_runs)
{
#define MEDIAN(member) median_of(results, n_runs, cell, offsetof(struct result, member))
    char what[32];

    snprintf(what, sizeof what, "%5d MiB | %5d", cells[cell].keep_mib,
             cells[cell].n_files);
    printf("| %6d | %s | %7.2f | %7.2f | %7.2f | %7.2f | %7.2f | %7.2f |\n", n_conns,
           cells[cell].n_files > 0 ? what : "no reload |     -", MEDIAN(load),
           MEDIAN(load_p99), MEDIAN(cpu), MEDIAN(pause), MEDIAN(pause_p99),
           MEDIAN(pause_max));
#undef MEDIAN
}

static void
allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        bench_give_up("getrlimit", strerror(errno));
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* then connect will complain */
}

/* Returns argument i, limited to [1, most]. */
static int
number_of(int argc, char **argv, int i, int usual, int most)
{
    int n = argc > i ? atoi(argv[i]) : usual;

    return n < 1 ? 1 : n > most ? most : n;
}

int
main(int argc, char **argv)
{
    static struct result results[MAX_RUNS][N_CELLS];
    int all_conns[] = {10, 1000, 10000}, n_all = 3;
    unsigned n_reloads = (unsigned)number_of(argc, argv, 2, 200, MAX_RELOADS);
    unsigned n_runs = (unsigned)number_of(argc, argv, 3, 3, MAX_RUNS);

    if (argc > 1) {
        all_conns[0] = number_of(argc, argv, 1, 1, 100000);
        n_all = 1;
    }
    allow_files();
    printf("%u reloads a cell, medians of %u runs; all times in ms\n\n", n_reloads,
           n_runs);
    printf("| conns  | kept      | files | load    | 99 %%    | CPU     | pause   | "
           "99 %%    | most    |\n"
           "|-------:|----------:|------:|--------:|--------:|--------:|--------:|"
           "--------:|--------:|\n");
    for (int i = 0; i < n_all; i++) {
        for (unsigned run = 0; run < n_runs; run++)
            run_cells(all_conns[i], n_reloads, results[run]);
        for (int cell = 0; cell < N_CELLS; cell++)
            print_row(all_conns[i], cell, results, n_runs);
        fflush(stdout);
    }
    return 0;
}
