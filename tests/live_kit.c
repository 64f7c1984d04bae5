/*
 * live_kit.c - see live_kit.h
 */
#include "live_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_LOG  3000              /* bytes of it, in a complaint */
#define STACK_SIZE (2 * 1024 * 1024) /* of the server's thread, at least */

/* --- the log --------------------------------------------------------------------------- */

static void
keep_record(void *arg, const char *line, size_t len)
{
    struct live_kit *kit = arg;

    pthread_mutex_lock(&kit->log_lock);
    for (size_t i = 0; i < len; i++)
        kit->log_is_bad |= line[i] < 0x20 || line[i] > 0x7e;
    kit->n_records++;
    if (len + 2 > LIVE_LOG_SIZE)
        len = LIVE_LOG_SIZE - 2;
    if (kit->log_len + len + 2 > LIVE_LOG_SIZE)
        kit->log_len = 0; /* a flood: only the newest records count */
    memcpy(kit->log + kit->log_len, line, len);
    kit->log_len += len;
    kit->log[kit->log_len++] = '\n';
    kit->log[kit->log_len] = '\0';
    pthread_mutex_unlock(&kit->log_lock);
}

static void
keep_log(void *arg, enum kelpie_level level, const char *line, size_t len)
{
    (void)level;
    keep_record(arg, line, len);
}

bool
live_log_has(struct live_kit *kit, const char *text)
{
    pthread_mutex_lock(&kit->log_lock);
    bool has = strstr(kit->log, text) != NULL;
    pthread_mutex_unlock(&kit->log_lock);
    return has;
}

void
live_log_show(struct live_kit *kit)
{
    pthread_mutex_lock(&kit->log_lock);
    const char *from =
        kit->log_len > SHOWN_LOG ? kit->log + kit->log_len - SHOWN_LOG : kit->log;
    printf("    log, its end:\n");
    while (*from != '\0') {
        int len = (int)strcspn(from, "\n");
        printf("    | %.*s\n", len, from);
        from += len + (from[len] == '\n');
    }
    pthread_mutex_unlock(&kit->log_lock);
}

/* --- on the server's thread ------------------------------------------------------------ */

static void
finish(struct live_call *call)
{
    call->stats = (struct kelpie_stats){.size = sizeof call->stats};
    kelpie_get_stats(call->kit->k, &call->stats);
    snprintf(call->said, sizeof call->said, "%s", kelpie_errmsg(call->kit->k));
    atomic_store(&call->is_done, true);
}

static void
look_at_load(struct live_call *call)
{
    struct kelpie_stats stats = {.size = sizeof stats};

    kelpie_get_stats(call->kit->k, &stats);
    if (stats.reloads_rejected > call->stats.reloads_rejected)
        call->rc = KELPIE_ESCRIPT;
    else if (stats.reloads == call->stats.reloads) {
        call->fn = look_at_load;
        if (live_post(call->kit, call))
            return;
        call->rc = -ENOMEM;
    }
    finish(call);
}

/* Within a step it is done at its end; the counters tell what came of it. */
void
live_load(struct live_call *call)
{
    call->stats = (struct kelpie_stats){.size = sizeof call->stats};
    kelpie_get_stats(call->kit->k, &call->stats);
    call->rc = kelpie_load(call->kit->k, call->text);
    if (call->rc < 0)
        finish(call);
    else
        look_at_load(call);
}

void
live_input(struct live_call *call)
{
    call->rc = kelpie_input(call->kit->k, call->text, strlen(call->text));
    finish(call);
}

void
live_drain(struct live_call *call)
{
    kelpie_drain(call->kit->k);
    finish(call);
}

void
live_look(struct live_call *call)
{
    finish(call);
}

static void
run_call(void *arg)
{
    struct live_call *call = arg;

    call->fn(call);
}

bool
live_post(struct live_kit *kit, struct live_call *call)
{
    call->kit = kit;
    atomic_store(&call->is_done, false);
    if (kelpie_post(kit->k, run_call, call) < 0)
        return live_complain(kit, "no memory to post a call");
    return true;
}

static void *
run_server(void *arg)
{
    struct live_kit *kit = arg;

    kit->rc = kelpie_run(kit->k);
    atomic_store(&kit->has_ended, true);
    return NULL;
}

/* With the stack that kelpie.h asks for, where threads have less. */
static bool
start_thread(struct live_kit *kit)
{
    pthread_attr_t attr;
    size_t size;

    if (pthread_attr_init(&attr) != 0)
        return false;
    bool ok = pthread_attr_getstacksize(&attr, &size) == 0;
    if (ok && size < STACK_SIZE)
        ok = pthread_attr_setstacksize(&attr, STACK_SIZE) == 0;
    ok = ok && pthread_create(&kit->thread, &attr, run_server, kit) == 0;
    pthread_attr_destroy(&attr);
    return ok;
}

/* --- the life -------------------------------------------------------------------------- */

bool
live_start(struct live_kit *kit, struct kelpie_options *options, const char *path)
{
    memset(kit, 0, sizeof *kit);
    pthread_mutex_init(&kit->log_lock, NULL);
    kit->has_ended = true;
    kit->fds_before = fault_count_fds();
    kit->log = calloc(1, LIVE_LOG_SIZE);
    if (!kit->log)
        return live_complain(kit, "no memory");
    fault_mem_init(&kit->mem);
    options->alloc = fault_alloc;
    options->alloc_arg = &kit->mem;
    options->log = keep_log;
    options->log_arg = kit;
    options->log_level = KELPIE_LOG_INFO;
    options->print = keep_record;
    options->print_arg = kit;
    if (kelpie_new(&kit->k, options) < 0)
        return live_complain(kit, "no server");
    if (kelpie_load(kit->k, path) < 0)
        return live_complain(kit, "load: %s", kelpie_errmsg(kit->k));
    kit->port = kelpie_listen(kit->k, "127.0.0.1:0");
    if (kit->port <= 0)
        return live_complain(kit, "listen: %s", kelpie_errmsg(kit->k));
    kit->has_ended = false;
    if (start_thread(kit))
        return true;
    kit->has_ended = true;
    kit->port = 0;
    return live_complain(kit, "no thread");
}

int
live_connect(struct live_kit *kit)
{
    int fd = plain_connect(kit->port);

    if (fd < 0)
        live_complain(kit, "connect: %s", strerror(errno));
    return fd;
}

static bool
check_rest(struct live_kit *kit)
{
    size_t fds = fault_count_fds();

    if (atomic_load(&kit->mem.blocks) != 0)
        return live_complain(kit, "%zu blocks are left, %zu bytes", kit->mem.blocks,
                             kit->mem.bytes);
    if (fds != kit->fds_before)
        return live_complain(kit, "%zu descriptors, %zu at first", fds, kit->fds_before);
    if (kit->log_is_bad)
        return live_complain(kit, "a raw control byte is in the log");
    if (kit->log && (strstr(kit->log, "unprotected") || strstr(kit->log, "alert")))
        return live_complain(kit, "the log has an alert");
    return true;
}

bool
live_stop(struct live_kit *kit)
{
    if (kit->port > 0) {
        if (!atomic_load(&kit->has_ended))
            kelpie_stop(kit->k);
        pthread_join(kit->thread, NULL);
        if (kit->rc < 0)
            live_complain(kit, "the server has ended: %s", kelpie_strerror(kit->rc));
    }
    kelpie_free(kit->k);
    kit->k = NULL;
    bool is_well = check_rest(kit) && kit->why[0] == '\0';
    if (!is_well && kit->log)
        live_log_show(kit);
    free(kit->log);
    kit->log = NULL;
    pthread_mutex_destroy(&kit->log_lock);
    return is_well;
}
