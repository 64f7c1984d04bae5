/*
 * main.c - the hostile scripts, each against a live server of its own
 *
 *     test_hostile [--strict] [--shard I/N] [FOLDER/NAME.lua...]
 *
 * Each script runs in a process of its own: what crashes or hangs is one line of the result
 * and not the end of it. Without names, all of the folder; with --shard those whose place is
 * I modulo N, so that several runs share the work.
 *
 * The limits are generous, ten seconds, since a test has to hold on a busy machine; the real
 * times are shown. --strict is for a quiet machine and a release build: ended within the
 * deadline + 100 ms, and no wait of B over the deadline + 50 ms.
 *
 * Exit status: 0 all is well, 1 not, 64 wrong usage.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "siege.h"

#define FOLDER      KELPIE_SOURCE_DIR "/tests/hostile"
#define GOOD_SCRIPT FOLDER "/lib/good.lua"
#define MAX_SCRIPTS 256
#define HANG_S      60 /* a process that takes longer is ended */

struct run {
    bool is_strict;
    unsigned shard, n_shards;
    struct siege_script scripts[MAX_SCRIPTS];
    unsigned n_scripts;
    unsigned n_run, n_failed;
    unsigned n_expected[SIEGE_N_EXPECTATIONS];
    double worst_wait_ms, worst_ended_ms, worst_free_ms;
    char worst_wait[64], worst_ended[64], worst_free[64];
};

static const char *
name_of(const struct siege_script *script)
{
    const char *slash = strrchr(script->path, '/');

    return slash ? slash + 1 : script->path;
}

/* --- the corpus ------------------------------------------------------------------------ */

static bool
add_script(struct run *run, const char *path)
{
    struct siege_script *script = &run->scripts[run->n_scripts];

    if (run->n_scripts == MAX_SCRIPTS || strlen(path) >= sizeof script->path) {
        printf("too many scripts, or too long a name: %s\n", path);
        return false;
    }
    strcpy(script->path, path);
    const char *wrong = siege_read(script);
    if (wrong)
        printf("%s: %s\n", path, wrong);
    else
        run->n_scripts++;
    return wrong == NULL;
}

static int
compare_scripts(const void *a, const void *b)
{
    const struct siege_script *first = a, *second = b;

    return strcmp(first->path, second->path);
}

static bool
add_folder(struct run *run)
{
    DIR *folder = opendir(FOLDER);
    struct dirent *entry;
    char path[512];
    bool is_right = folder != NULL;

    while (is_right && (entry = readdir(folder))) {
        size_t len = strlen(entry->d_name);

        if (len < 5 || strcmp(entry->d_name + len - 4, ".lua") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", FOLDER, entry->d_name);
        is_right = add_script(run, path);
    }
    if (folder)
        closedir(folder);
    qsort(run->scripts, run->n_scripts, sizeof run->scripts[0], compare_scripts);
    return is_right && run->n_scripts > 0;
}

/* --- one script ------------------------------------------------------------------------ */

/* In the process that is forked for it. */
static void
run_here(const struct siege_script *script, bool is_strict, int to)
{
    struct siege_result result;

    siege_run(script, GOOD_SCRIPT, is_strict, &result);
    fflush(stdout);
    bool is_told = write(to, &result, sizeof result) == (ssize_t)sizeof result;
    exit(is_told ? 0 : 1); /* the leak sanitizer looks now */
}

/* Waits for the end of the process, at most HANG_S. Returns its status; -1: ended by us. */
static int
wait_for(pid_t pid)
{
    time_t until = time(NULL) + HANG_S;
    struct timespec pause = {.tv_nsec = 2000000};
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (time(NULL) > until) {
            kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return -1;
        }
        nanosleep(&pause, NULL);
    }
    return status;
}

static void
run_apart(const struct siege_script *script, bool is_strict, struct siege_result *result)
{
    int ends[2], status = -1;
    ssize_t n = 0;

    memset(result, 0, sizeof *result);
    fflush(stdout);
    if (pipe(ends) < 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        run_here(script, is_strict, ends[1]);
    }
    close(ends[1]);
    if (pid > 0) {
        status = wait_for(pid);
        n = read(ends[0], result, sizeof *result);
    }
    close(ends[0]);
    if (status == 0 && n == (ssize_t)sizeof *result)
        return;
    result->is_well = false;
    if (status == -1)
        snprintf(result->why, sizeof result->why, "the server hangs: %d s", HANG_S);
    else if (WIFSIGNALED(status))
        snprintf(result->why, sizeof result->why, "the server has crashed: %s",
                 strsignal(WTERMSIG(status)));
    else if (result->why[0] == '\0')
        snprintf(result->why, sizeof result->why, "the process has ended with %d",
                 WEXITSTATUS(status));
}

/* --- results --------------------------------------------------------------------------- */

static void
note_worst(double *worst, char *name, double ms, const struct siege_script *script)
{
    if (ms <= *worst)
        return;
    *worst = ms;
    snprintf(name, 64, "%.63s", name_of(script));
}

static void
be_strict(const struct siege_script *script, struct siege_result *result)
{
    double deadline = script->trigger == SIEGE_LOAD ? SIEGE_LOAD_MS : SIEGE_HANDLER_MS;

    if (result->is_well && result->ended_ms > deadline + 100)
        snprintf(result->why, sizeof result->why, "ended after %.0f ms",
                 result->ended_ms);
    else if (result->is_well && result->wait_ms > deadline + 50)
        snprintf(result->why, sizeof result->why, "B has waited for %.0f ms",
                 result->wait_ms);
    else
        return;
    result->is_well = false;
}

static void
run_one(struct run *run, const struct siege_script *script)
{
    struct siege_result result;

    run_apart(script, run->is_strict, &result);
    if (run->is_strict)
        be_strict(script, &result);
    run->n_run++;
    run->n_failed += !result.is_well;
    run->n_expected[script->expect]++;
    note_worst(&run->worst_wait_ms, run->worst_wait, result.wait_ms, script);
    note_worst(&run->worst_ended_ms, run->worst_ended, result.ended_ms, script);
    note_worst(&run->worst_free_ms, run->worst_free, result.free_ms, script);
    printf("%-6s %-34s %-13s ended %7.1f ms  B %7.1f ms  free %7.1f ms  %2u kills "
           "%3u errors\n",
           result.is_well ? "ok" : "FAILED", name_of(script),
           siege_expectations[script->expect], result.ended_ms, result.wait_ms,
           result.free_ms, result.kills, result.errors);
    if (!result.is_well)
        printf("    %s\n", result.why);
    fflush(stdout);
}

static void
show_summary(const struct run *run)
{
    printf("%u scripts, %u failed:", run->n_run, run->n_failed);
    for (int i = 0; i < SIEGE_N_EXPECTATIONS; i++)
        printf(" %u %s", run->n_expected[i], siege_expectations[i]);
    printf("\nworst: ended after %.1f ms (%s), B waited %.1f ms (%s), freed in %.1f ms "
           "(%s)\n",
           run->worst_ended_ms, run->worst_ended, run->worst_wait_ms, run->worst_wait,
           run->worst_free_ms, run->worst_free);
}

static bool
take_arguments(struct run *run, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--strict") == 0) {
            run->is_strict = true;
        } else if (strcmp(argv[i], "--shard") == 0 && i + 1 < argc) {
            if (sscanf(argv[++i], "%u/%u", &run->shard, &run->n_shards) != 2 ||
                run->shard >= run->n_shards)
                return false;
        } else if (argv[i][0] == '-' || !add_script(run, argv[i])) {
            return false;
        }
    }
    return run->n_scripts > 0 || add_folder(run);
}

int
main(int argc, char **argv)
{
    static struct run run = {.n_shards = 1};

    if (!take_arguments(&run, argc, argv)) {
        fprintf(stderr, "usage: %s [--strict] [--shard I/N] [FILE...]\n", argv[0]);
        return 64;
    }
    for (unsigned i = 0; i < run.n_scripts; i++)
        if (i % run.n_shards == run.shard)
            run_one(&run, &run.scripts[i]);
    show_summary(&run);
    return run.n_failed > 0;
}
