/*
 * load_kit.c - see load_kit.h
 *
 * All scripts are the same good one, with a fault put in one of three places: in front of
 * it, in the module that it requires, or at the end, where its handlers may be changed. So a
 * faulty script that came into service by mistake would answer, with a number that the
 * client does not accept.
 *
 * Beside fault and sentence, the table says what has to be done around the reload: a file in
 * the way, a value in the live state. Whoever adds a kind adds a row.
 */
#include "load_kit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plain_kit.h"

#define LIMIT_S           120 /* for anything that is waited for */
#define LOAD_TIMEOUT_MS   500
#define RETIRE_TIMEOUT_MS 5 /* of LK_SEQUENTIAL */
#define SLOW_EVERY        8 /* the endless loop lasts LOAD_TIMEOUT_MS: not each time */

/* Notes the first complaint. Is false. */
#define complain(kit, ...) plain_complain((kit)->why, sizeof((kit)->why), __VA_ARGS__)

/* --- scripts --------------------------------------------------------------------------- */

static const char good_script[] =
    "local kelpie = require('kelpie')\n"
    "local answer = require('answer')\n"
    "local counts = kelpie.keep('counts', { messages = 0 })\n"
    "local handlers = { schema = 1 }\n"
    "function handlers.on_connect(conn)\n"
    "   conn.data.messages = 0\n"
    "end\n"
    "function handlers.on_message(conn, line)\n"
    "   if line == 'count' then\n"
    "      conn:send(counts.messages, ' ', conn.data.messages)\n"
    "      return\n"
    "   end\n"
    "   counts.messages = counts.messages + 1\n"
    "   conn.data.messages = conn.data.messages + 1\n"
    "   conn:send(answer(line))\n"
    "end\n"
    "function handlers.on_input(line)\n"
    "   if line == 'poison' then counts.on_done = print else counts.on_done = nil end\n"
    "end\n";

static const char sequential_script[] =
    "local answer = require('answer')\n"
    "local function serve(conn)\n"
    "   for line in function() return (conn:receive()) end do\n"
    "      conn:send(answer(line))\n"
    "   end\n"
    "end\n"
    "return { on_connect = serve, on_adopt = serve }\n";

static const char good_module[] =
    "local kelpie = require('kelpie')\n"
    "return function(line) return kelpie.generation .. ' ' .. line end\n";

static bool poison(struct load_kit *kit);
static bool clean(struct load_kit *kit);
static bool put_folder(struct load_kit *kit);
static bool remove_folder(struct load_kit *kit);
static bool remove_script(struct load_kit *kit);

/* What a script may be like that must not come into service. */
static const struct fault {
    const char *front, *end; /* around good_script; NULL: nothing, the usual return */
    const char *module;      /* in place of good_module; NULL: that */
    int result;
    const char *words; /* in the sentence */
    bool is_slow;
    bool raises;  /* in a handler, which is counted */
    bool is_half; /* the file ends within a function */
    bool (*before)(struct load_kit *kit);
    bool (*after)(struct load_kit *kit);
} faults[] = {
    {.end = "local x = = 1", .words = "unexpected symbol near '='"},
    {.is_half = true, .words = "near <eof>"},
    {.end = "error('broken')", .words = ": broken"},
    {.end = "while true do end", .words = "loading ran longer than", .is_slow = true},
    {.front = "local s = 'x' while true do s = s .. s end\n",
     .result = -ENOMEM,
     .words = "not enough memory"},
    {.front = "require('missing')\n", .words = "module 'missing' not found"},
    {.module = "require('answer')", .words = "circular require"},
    {.module = "return function( end", .words = "answer.lua:1: "},
    {.end = "handlers.on_mesage = print return handlers", .words = "on_message"},
    {.end = "kelpie.broadcast('x') return handlers",
     .words = "not allowed while loading"},
    {.end = "return 42", .words = "must return its table of handlers"},
    {.end = "return { framing = 'lines' }", .words = "framing"},
    {.before = poison, .after = clean, .words = "keep 'counts'.on_done is a function"},
    {.end = "function handlers.self_test() error('unfit') end return handlers",
     .words = "self_test: "},
    {.end = "handlers.schema = 2\n"
            "function handlers.migrate() error('no way') end return handlers",
     .words = "migrate: "},
    {.end = "handlers.schema = 2\n"
            "function handlers.migrate_conn() error('no way') end return handlers",
     .words = "migrate_conn of conn "},
    {.end = "function handlers.on_load() error('no start') end return handlers",
     .words = "no start",
     .raises = true},
    {.before = put_folder,
     .after = remove_folder,
     .result = -EISDIR,
     .words = "init.lua: Is a directory"},
    {.before = remove_script,
     .result = -ENOENT,
     .words = "init.lua: No such file or directory"},
};

enum { N_FAULTS = sizeof faults / sizeof faults[0] };

static double
now_s(void)
{
    return (double)plain_now_ns() / 1e9;
}

/* --- files ----------------------------------------------------------------------------- */

static const char *
path_of(struct load_kit *kit, const char *name)
{
    static _Thread_local char path[128];

    snprintf(path, sizeof path, "%s/%s", kit->folder, name);
    return path;
}

static bool
write_file(struct load_kit *kit, const char *name, const char *text, size_t len)
{
    FILE *file = fopen(path_of(kit, name), "wb");
    bool is_written = file && fwrite(text, 1, len, file) == len;

    if (file && fclose(file) != 0)
        is_written = false;
    return is_written || complain(kit, "cannot write %s: %s", name, strerror(errno));
}

static bool
write_scripts(struct load_kit *kit, const struct fault *fault)
{
    static const struct fault none;
    char text[sizeof good_script + 512];

    if (!fault)
        fault = &none;
    const char *module = fault->module ? fault->module : good_module;
    if (kit->kind == LK_SEQUENTIAL)
        return write_file(kit, "answer.lua", module, strlen(module)) &&
               write_file(kit, "init.lua", sequential_script, strlen(sequential_script));
    int len = snprintf(text, sizeof text, "%s%s%s\n", fault->front ? fault->front : "",
                       good_script, fault->end ? fault->end : "return handlers");
    if (fault->is_half)
        len /= 2;
    return write_file(kit, "answer.lua", module, strlen(module)) &&
           write_file(kit, "init.lua", text, (size_t)len);
}

static bool
remove_script(struct load_kit *kit)
{
    return unlink(path_of(kit, "init.lua")) == 0 ||
           complain(kit, "cannot remove init.lua: %s", strerror(errno));
}

static bool
put_folder(struct load_kit *kit)
{
    return remove_script(kit) && (mkdir(path_of(kit, "init.lua"), 0700) == 0 ||
                                  complain(kit, "cannot make a folder"));
}

static bool
remove_folder(struct load_kit *kit)
{
    return rmdir(path_of(kit, "init.lua")) == 0 || complain(kit, "cannot remove it");
}

static bool
poison(struct load_kit *kit)
{
    return kelpie_input(kit->k, "poison", 6) == 0 ||
           complain(kit, "on_input: %s", kelpie_errmsg(kit->k));
}

static bool
clean(struct load_kit *kit)
{
    return kelpie_input(kit->k, "clean", 5) == 0 ||
           complain(kit, "on_input: %s", kelpie_errmsg(kit->k));
}

/* --- reloads --------------------------------------------------------------------------- */

static struct kelpie_stats
stats_of(struct load_kit *kit)
{
    struct kelpie_stats stats = {.size = sizeof stats};

    kelpie_get_stats(kit->k, &stats);
    return stats;
}

/* One step of the server; complains when the client has, or when it lasts too long. */
static bool
step(struct load_kit *kit, double until)
{
    if (kelpie_step(kit->k, 10) < 0)
        return complain(kit, "step: %s", kelpie_errmsg(kit->k));
    if (atomic_load(&kit->client->failed))
        return complain(kit, "client: %s", kit->client->why);
    return now_s() < until || complain(kit, "no progress for %d s", LIMIT_S);
}

/* Loads; while the generation before still retires, serves on and tries again. */
static int
load(struct load_kit *kit)
{
    double until = now_s() + LIMIT_S;
    int rc;

    while ((rc = kelpie_load(kit->k, kit->folder)) == -EBUSY)
        if (!step(kit, until))
            return rc;
    return rc;
}

static bool
reload_well(struct load_kit *kit)
{
    uint64_t before = stats_of(kit).generation;

    if (!write_scripts(kit, NULL))
        return false;
    int rc = load(kit);
    if (rc != 0)
        return complain(kit, "a good script was rejected: %s", kelpie_errmsg(kit->k));
    uint64_t generation = stats_of(kit).generation;
    if (generation <= before)
        return complain(kit, "generation %" PRIu64 " after %" PRIu64, generation, before);
    lc_serves(kit->client, generation);
    return true;
}

/* Compares what a rejected reload has said. */
static bool
check_rejection(struct load_kit *kit, const struct fault *fault, int rc)
{
    const char *said = kelpie_errmsg(kit->k);
    int result = fault->result ? fault->result : KELPIE_ESCRIPT;
    char consequence[96];

    snprintf(consequence, sizeof consequence,
             "; still serving generation %u, %d connections unaffected",
             atomic_load(&kit->client->serving), LC_CONNS);
    if (rc != result)
        return complain(kit, "%d instead of %d for '%s': %s", rc, result, fault->words,
                        said);
    if (strncmp(said, "reload rejected: ", strlen("reload rejected: ")) != 0 ||
        !strstr(said, fault->words) || !strstr(said, consequence))
        return complain(kit, "the result has no '%s' or no '%s': %s", fault->words,
                        consequence, said);
    return true;
}

static bool
reload_badly(struct load_kit *kit, const struct fault *fault)
{
    if (!write_scripts(kit, fault) || (fault->before && !fault->before(kit)))
        return false;
    int rc = kelpie_load(kit->k, kit->folder);
    bool is_right = check_rejection(kit, fault, rc);
    if (fault->after && !fault->after(kit))
        return false;
    kit->n_rejected++;
    kit->n_raised += fault->raises;
    return is_right;
}

/* Every third one is faulty; the kinds come in turn. */
static bool
reload_once(struct load_kit *kit)
{
    unsigned n = kit->n_reloads++;

    if (n % 3 != 2 || kit->kind == LK_SEQUENTIAL)
        return reload_well(kit);
    unsigned round = n / 3 / N_FAULTS, kind = n / 3 % N_FAULTS;
    if (kit->n_kinds < kind + 1)
        kit->n_kinds = kind + 1;
    if (faults[kind].is_slow && round % SLOW_EVERY != 0)
        kind = 0;
    return reload_badly(kit, &faults[kind]);
}

/* Steps until so many lines were handled; each connection is served among them. */
static bool
serve(struct load_kit *kit, unsigned n_messages)
{
    uint64_t goal = stats_of(kit).messages_in + n_messages;
    double until = now_s() + LIMIT_S;

    while (stats_of(kit).messages_in < goal)
        if (!step(kit, until))
            return false;
    return true;
}

/* --- the life -------------------------------------------------------------------------- */

static bool
start_server(struct load_kit *kit)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;

    options.load_timeout_ms = LOAD_TIMEOUT_MS;
    options.handler_timeout_ms = 10000; /* sanitizers on a busy machine */
    options.lua_memory = 8u << 20;
    if (kit->kind == LK_SEQUENTIAL)
        options.retire_timeout_ms = RETIRE_TIMEOUT_MS;
    if (kelpie_new(&kit->k, &options) < 0)
        return complain(kit, "no server");
    if (!reload_well(kit))
        return false;
    int port = kelpie_listen(kit->k, "127.0.0.1:0");
    if (port <= 0)
        return complain(kit, "listen: %s", kelpie_errmsg(kit->k));
    if (lc_start(kit->client, port) != 0) {
        kit->client->done = true;
        return complain(kit, "no thread");
    }
    return true;
}

bool
lk_open(struct load_kit *kit, enum load_kind kind)
{
    memset(kit, 0, sizeof *kit);
    kit->kind = kind;
    strcpy(kit->folder, "/tmp/kelpie-load-XXXXXX");
    if (!mkdtemp(kit->folder))
        return complain(kit, "no folder: %s", strerror(errno));
    kit->client = calloc(1, sizeof *kit->client);
    if (!kit->client)
        return complain(kit, "no memory");
    kit->client->is_sequential = kind == LK_SEQUENTIAL;
    if (!start_server(kit))
        return false;
    double until = now_s() + LIMIT_S;
    while (stats_of(kit).clients < LC_CONNS)
        if (!step(kit, until))
            return false;
    return true;
}

bool
lk_run(struct load_kit *kit, unsigned n, unsigned messages_between)
{
    double started = now_s();

    for (unsigned i = 0; i < n; i++)
        if (!serve(kit, messages_between) || !reload_once(kit))
            return false;
    kit->seconds += now_s() - started;
    return true;
}

bool
lk_stop(struct load_kit *kit)
{
    double until = now_s() + LIMIT_S;

    lc_stop(kit->client);
    while (!atomic_load(&kit->client->done))
        if (!step(kit, until))
            return false;
    lc_join(kit->client);
    kit->client->port = 0; /* joined */
    kit->n_messages = kit->client->n_messages;
    if (atomic_load(&kit->client->failed))
        return complain(kit, "client: %s", kit->client->why);
    return atomic_load(&kit->client->slowest) > 0 ||
           complain(kit, "a connection was never served");
}

void
lk_close(struct load_kit *kit)
{
    kelpie_free(kit->k); /* this ends the thread, too, if it still runs */
    if (kit->client && kit->client->port != 0)
        lc_join(kit->client);
    free(kit->client);
    (void)unlink(path_of(kit, "init.lua")); /* one of them may be missing */
    (void)unlink(path_of(kit, "answer.lua"));
    (void)rmdir(path_of(kit, "init.lua"));
    (void)rmdir(kit->folder);
}
