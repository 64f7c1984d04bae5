/*
 * cmd_run.c - kelpie run: the server, from its start to its end
 *
 * The order of the start matters:
 *
 *     log, signals     first, so that nothing is lost: a HUP during the start is remembered
 *     limits           before kelpie_new, which looks at the limit of open files
 *     listen           before the scripts: "port in use" comes before any side effect
 *     user             after the ports, which may need root, before the scripts
 *     control          as that user, who is the one to ask; before the scripts, as ports
 *     scripts          read and run with the rights of the user
 *     input, announce  when everything is there
 *
 * What fails is one record in the log and an exit code of sysexits(3).
 */
#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "activation.h"
#include "announce.h"
#include "control_path.h"
#include "input.h"
#include "log.h"
#include "notify.h"
#include "privileges.h"
#include "settings.h"
#include "signals.h"
#include "watchdog.h"

#define FLUSH_MS       20 /* how often output that nobody takes is tried again */
#define RESERVED_FILES 64 /* what the server keeps of RLIMIT_NOFILE for itself */

struct run {
    const struct kd_options *options;
    kelpie *k;
    struct kd_log log;
    struct kd_signals signals;
    struct kd_input input;
    struct kd_notify notify;
    struct kd_watchdog watchdog;
    struct kd_list inherited; /* addresses of listeners that are open already */
    struct kd_place *places;  /* of the listeners */
    size_t n_places;
    char control[KD_CONTROL_PATH_SIZE]; /* found without a flag; "" when it is not */
    time_t started;
    uint64_t dropped_before_end; /* bytes, when the first TERM came */
};

static time_t
now_seconds(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now); /* this clock is always there */
    return now.tv_sec;
}

static uint64_t
dropped_bytes(const kelpie *k)
{
    struct kelpie_stats stats = {.size = sizeof(stats)};

    kelpie_get_stats(k, &stats);
    return stats.dropped_bytes;
}

/* ---- signals ------------------------------------------------------------------------ */

static void
on_end(void *arg, unsigned nth)
{
    struct run *run = arg;

    if (nth == 1) {
        run->dropped_before_end = dropped_bytes(run->k);
        kd_notify_stopping(&run->notify);
    }
    if (nth == 2)
        kd_log_write(&run->log, KELPIE_LOG_INFO, "second signal: closing at once");
    if (nth <= 2)
        kelpie_drain(run->k);
    else
        kelpie_stop(run->k);
}

static void
on_reopen(void *arg)
{
    struct run *run = arg;

    kd_log_reopen(&run->log);
}

static void
on_status(void *arg)
{
    struct run *run = arg;

    kd_announce_status(&run->log, run->k, (long)(now_seconds() - run->started));
}

static void
on_reload(kelpie *k, const struct kelpie_change *change, void *arg)
{
    struct run *run = arg;

    (void)k;
    kd_notify_status(&run->notify, change->text);
}

static int
open_signals(struct run *run)
{
    int rc = kd_signals_open(&run->signals);

    run->signals.on_end = on_end;
    run->signals.on_reopen = on_reopen;
    run->signals.on_status = on_status;
    run->signals.arg = run;
    if (rc == 0)
        return 0;
    kd_log_write(&run->log, KELPIE_LOG_ERROR, "signals: %s", kelpie_strerror(rc));
    return EX_OSERR;
}

/* ---- the steps of the start --------------------------------------------------------- */

/* Makes the server. Returns an exit code, like the functions below. */
static int
make_server(struct run *run)
{
    static const struct kelpie_handlers handlers = {.size = sizeof(handlers),
                                                    .on_reload = on_reload};
    struct kelpie_options server = run->options->server;
    size_t files = kd_privileges_raise_files();
    size_t clients = server.max_clients > 0 ? (size_t)server.max_clients : 0;

    if (files > 0 && clients > 0 && clients + RESERVED_FILES > files)
        kd_log_write(&run->log, KELPIE_LOG_WARN,
                     "%zu clients are wanted, but only %zu files may be open (ulimit -n)",
                     clients, files);
    else if (files > 0 && files < RESERVED_FILES)
        kd_log_write(&run->log, KELPIE_LOG_WARN, "only %zu files may be open (ulimit -n)",
                     files);
    server.log = kd_log_record;
    server.log_arg = &run->log;
    server.print = kd_log_print;
    server.print_arg = &run->log;
    run->watchdog.log = &run->log;
    kd_watchdog_configure(&run->watchdog, &server);
    int rc = kelpie_new(&run->k, &server);
    if (rc == 0)
        rc = kelpie_set_handlers(run->k, &handlers, run);
    if (rc == 0)
        return EX_OK;
    kd_log_write(&run->log, KELPIE_LOG_ERROR, "start: %s", kelpie_strerror(rc));
    return EX_OSERR;
}

static int
listen_at(struct run *run, const struct kd_list *addresses)
{
    for (size_t i = 0; i < addresses->n; i++) {
        int rc = kelpie_listen(run->k, addresses->items[i]);
        if (rc < 0) {
            kd_log_write(&run->log, KELPIE_LOG_ERROR, "%s%s", kelpie_errmsg(run->k),
                         rc == -EADDRINUSE ? "; choose another one, or -p 0 for any port "
                                             "that is free"
                                           : "");
            return kd_exit_of_listen(rc);
        }
        kd_announce_place(&run->places[run->n_places++], addresses->items[i], rc);
    }
    return EX_OK;
}

/* What was inherited stands in for the default address, not for one that was asked for. */
static int
listen_all(struct run *run)
{
    const struct kd_list *addresses = &run->options->listen;
    bool is_handed_over = false;

    if (kd_activation_read(&run->inherited) == 0) {
        is_handed_over = run->options->listen_is_default && run->inherited.n > 0;
        run->places = calloc(addresses->n + run->inherited.n, sizeof(*run->places));
    }
    if (run->places == NULL) {
        kd_log_write(&run->log, KELPIE_LOG_ERROR, "start: out of memory");
        return EX_OSERR;
    }
    int code = listen_at(run, &run->inherited);
    if (code != EX_OK || is_handed_over)
        return code;
    return listen_at(run, addresses);
}

static int
become_user(struct run *run)
{
    char why[256];

    if (run->options->user == NULL) {
        if (kd_privileges_is_root())
            kd_log_write(
                &run->log, KELPIE_LOG_WARN,
                "running as root: --user NAME would give that up once it listens");
        return EX_OK;
    }
    int rc = kd_privileges_drop(run->options->user, why, sizeof(why));
    if (rc != EX_OK)
        kd_log_write(&run->log, KELPIE_LOG_ERROR, "%s", why);
    return rc;
}

/* Without a flag, a control socket is a help that may be missing. */
static int
open_default_control(struct run *run)
{
    char why[300];

    if (kd_control_path(run->control, why, sizeof(why)) == 0) {
        if (kelpie_control(run->k, run->control) == 0)
            return EX_OK;
        snprintf(why, sizeof(why), "%.299s", kelpie_errmsg(run->k));
    }
    run->control[0] = '\0';
    kd_log_write(&run->log, KELPIE_LOG_WARN,
                 "there is no control socket, so kelpie reload and status will not find "
                 "this daemon: %s",
                 why);
    return EX_OK;
}

static int
open_control(struct run *run)
{
    const char *path = run->options->control;

    if (path == NULL)
        return open_default_control(run);
    if (strcmp(path, "none") == 0)
        return EX_OK;
    int rc = kelpie_control(run->k, path);
    if (rc == 0)
        return EX_OK;
    kd_log_write(&run->log, KELPIE_LOG_ERROR, "%s", kelpie_errmsg(run->k));
    return kd_exit_of_listen(rc);
}

/* Tells people how this daemon is made to load its scripts again. */
static void
describe_reload(const struct run *run, char *out, size_t size)
{
    const struct kd_options *options = run->options;
    const char *path = options->control;
    long pid = (long)getpid();

    if (options->watch)
        snprintf(out, size, "save a file of the script, it is loaded at once");
    else if (path == NULL && run->control[0] != '\0')
        snprintf(out, size, "edit the script, then: %s reload (or kill -HUP %ld)",
                 options->program, pid);
    else if (path == NULL || strcmp(path, "none") == 0)
        snprintf(out, size, "edit the script, then: kill -HUP %ld", pid);
    else
        snprintf(out, size,
                 "edit the script, then: %s reload --control %s (or kill -HUP %ld)",
                 options->program, path, pid);
}

static int
load_scripts(struct run *run)
{
    int rc = kelpie_load(run->k, run->options->script);

    if (rc < 0)
        return kd_exit_of_load(rc); /* the library has logged why */
    if (!run->options->watch || kelpie_watch_scripts(run->k, 1) == 0)
        return EX_OK;
    kd_log_write(&run->log, KELPIE_LOG_ERROR, "%s", kelpie_errmsg(run->k));
    return EX_OSERR;
}

static int
watch_all(struct run *run)
{
    int rc = kd_signals_watch(&run->signals, run->k);

    if (rc < 0) {
        kd_log_write(&run->log, KELPIE_LOG_ERROR, "signals: %s", kelpie_errmsg(run->k));
        return EX_OSERR;
    }
    if (!run->options->no_stdin)
        kd_input_start(&run->input, run->k, STDIN_FILENO, &run->log);
    return EX_OK;
}

/* Serves until the end is asked for and reached. */
static int
serve(struct run *run)
{
    char reload[1024];
    int rc;

    describe_reload(run, reload, sizeof(reload));
    kd_announce_start(&run->log, run->options->script, run->places, run->n_places,
                      reload);
    if (kd_notify_ready(&run->notify, run->k) < 0) {
        kd_log_write(&run->log, KELPIE_LOG_ERROR, "%s", kelpie_errmsg(run->k));
        return EX_OSERR;
    }
    do
        rc = kelpie_step(run->k, kd_log_flush(&run->log) ? FLUSH_MS : -1);
    while (rc > 0);
    if (rc == 0)
        return EX_OK;
    kd_log_write(&run->log, KELPIE_LOG_ERROR, "%s", kelpie_errmsg(run->k));
    return EX_SOFTWARE;
}

/* ---- the end ------------------------------------------------------------------------ */

static void
say_goodbye(struct run *run)
{
    uint64_t dropped = dropped_bytes(run->k) - run->dropped_before_end;

    if (run->signals.n_ends > 0 && dropped > 0)
        kd_log_write(&run->log, KELPIE_LOG_WARN,
                     "%" PRIu64 " bytes were not taken by clients and are lost", dropped);
    kd_log_write(&run->log, KELPIE_LOG_INFO, "stopped after %ld s",
                 (long)(now_seconds() - run->started));
}

static int
run_server(struct run *run)
{
    int (*const steps[])(struct run *) = {
        listen_all, become_user, open_control, load_scripts, watch_all, serve,
    };
    int code = make_server(run);

    if (code != EX_OK)
        return code;
    for (size_t i = 0; code == EX_OK && i < sizeof(steps) / sizeof(steps[0]); i++)
        code = steps[i](run);
    if (code == EX_OK)
        say_goodbye(run);
    kelpie_free(run->k);
    return code;
}

int
kd_cmd_run(const struct kd_options *options)
{
    struct run *run = calloc(1, sizeof(*run));

    if (run == NULL)
        return EX_OSERR;
    run->options = options;
    run->started = now_seconds();
    int rc = kd_log_open(&run->log, options);
    int code = EX_CANTCREAT;
    if (rc < 0)
        kd_log_write(&run->log, KELPIE_LOG_ERROR, "log file %s: %s", options->log_file,
                     kelpie_strerror(rc));
    else
        code = open_signals(run);
    kd_notify_init(&run->notify, &run->log);
    if (code == EX_OK) {
        code = run_server(run);
        kd_signals_close(&run->signals);
    }
    kd_log_close(&run->log);
    kd_list_clear(&run->inherited);
    free(run->places);
    free(run);
    return code;
}
