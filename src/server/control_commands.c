/*
 * control_commands.c - what may be said on the control socket, and what is answered
 *
 *     help                          ok help
 *     ping                          ok pong
 *     status [--json]               ok status
 *     reload [--drop] [--wait]      ok loaded: ...      error rejected: ...
 *                                                       error rolled back: ...
 *     reload --dry-run              ok would load: ...  error rejected: ...
 *     rollback                      ok rolled back: ... error rejected: ...
 *     quit                          ok bye, and the end
 *
 * The word or words after ok and error, up to the colon, are for programs; what follows is
 * for people. One table has all commands; a word that is not in it gets the nearest one that
 * is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "control.h"
#include "script/generation.h"

#define MAX_WORDS 8
#define BLANKS    " \t\r"

enum flag { FLAG_JSON = 1, FLAG_DROP = 2, FLAG_DRY_RUN = 4, FLAG_WAIT = 8 };

static const char *const flag_names[] = {"--json", "--drop", "--dry-run", "--wait"};
#define N_FLAGS (sizeof(flag_names) / sizeof(flag_names[0]))

struct command {
    const char *name;
    unsigned flags; /* that it understands */
    const char *help;
    void (*fn)(struct kp_control_client *client, unsigned flags);
};

/* ---- status --------------------------------------------------------------------------- */

/* One number of the status: where it stands in struct kelpie_stats. */
struct number {
    const char *name;
    size_t offset;
};

#define NUMBER(member)                                                                   \
 {                                                                                       \
#  member, offsetof(struct kelpie_stats, member)                                         \
 }

static const struct number numbers[] = {
    NUMBER(clients),
    NUMBER(accepted),
    NUMBER(refused),
    NUMBER(closed),
    NUMBER(messages_in),
    NUMBER(messages_out),
    NUMBER(bytes_in),
    NUMBER(bytes_out),
    NUMBER(outbox_bytes),
    NUMBER(dropped_bytes),
    NUMBER(partial_at_eof),
    NUMBER(slow_readers),
    NUMBER(broadcast_skipped),
    NUMBER(handler_errors),
    NUMBER(handler_kills),
    NUMBER(reloads),
    NUMBER(reloads_rejected),
    NUMBER(lua_bytes),
    NUMBER(rollbacks),
    NUMBER(timers),
    NUMBER(rooms),
    NUMBER(accept_pauses),
    NUMBER(refused_clients),
    NUMBER(refused_per_ip),
    NUMBER(idle_timeouts),
    NUMBER(frame_timeouts),
    NUMBER(too_long),
    NUMBER(protocol_errors),
    NUMBER(outbox_full),
    NUMBER(script_killed),
    NUMBER(spawn_full),
    NUMBER(outbound),
    NUMBER(outbound_full),
};

static uint64_t
number_of(const struct kelpie_stats *stats, const struct number *number)
{
    uint64_t value;

    memcpy(&value, (const char *)stats + number->offset, sizeof(value));
    return value;
}

static uint64_t
uptime_s(kelpie *k)
{
    return (kp_sys_now_ns(&k->env.sys) - k->started_ns) / (1000 * KP_NS_PER_MS);
}

static const char *
script_name(const kelpie *k)
{
    if (k->script.path != NULL)
        return k->script.path;
    return k->script.chunk_name != NULL ? k->script.chunk_name : "";
}

static const char *
state_of(const kelpie *k)
{
    if (k->is_draining)
        return "draining";
    if (k->script.retiring != NULL)
        return "retiring";
    if (k->script.previous != NULL)
        return "on probation";
    return k->script.live != NULL ? "serving" : "without a script";
}

static void
status_table(struct kp_control_client *client, const struct kelpie_stats *stats)
{
    kelpie *k = client->control->k;

    kp_control_say(client, " version            %s", KELPIE_VERSION_STRING);
    kp_control_say(client, " pid                %ld", (long)getpid());
    kp_control_say(client, " script             %s", script_name(k));
    kp_control_say(client, " state              %s", state_of(k));
    kp_control_say(client, " generation         %" PRIu64, stats->generation);
    kp_control_say(client, " last_report        %.*s",
                   (int)strcspn(k->script.report, "\n"), k->script.report);
    kp_control_say(client, " uptime_s           %" PRIu64, uptime_s(k));
    kp_list_each(node, &k->net.listeners) {
        const struct kp_listener *l = kp_container_of(node, struct kp_listener, node);
        if (l->source.fd >= 0)
            kp_control_say(client, " listener           %s%s%s", l->name,
                           l->name[0] != '\0' ? "=" : "", l->text);
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        kp_control_say(client, " %-18s %" PRIu64, numbers[i].name,
                       number_of(stats, &numbers[i]));
}

static void
put_text(struct kp_control_client *client, const char *text)
{
    kp_control_put(client, text, strlen(text));
}

/* Puts the first line of text as a string of JSON. What is no printable ASCII is escaped as in the log, so that bytes
 * that are no UTF-8 cannot get into it. */
static void
put_json(struct kp_control_client *client, const char *text)
{
    char escaped[1024], json[2 * sizeof(escaped)];
    size_t len = kp_log_escape(escaped, sizeof(escaped), text, strcspn(text, "\n")),
           n = 0;

    for (size_t i = 0; i < len; i++) {
        if (escaped[i] == '"' || escaped[i] == '\\')
            json[n++] = '\\';
        json[n++] = escaped[i];
    }
    kp_control_put(client, "\"", 1);
    kp_control_put(client, json, n);
    kp_control_put(client, "\"", 1);
}

static void
put_json_number(struct kp_control_client *client, const char *name, uint64_t value)
{
    char text[64];

    snprintf(text, sizeof(text), ",\"%s\":%" PRIu64, name, value);
    put_text(client, text);
}

static void
put_json_listeners(struct kp_control_client *client)
{
    const char *comma = "";

    put_text(client, ",\"listeners\":[");
    kp_list_each(node, &client->control->k->net.listeners) {
        const struct kp_listener *l = kp_container_of(node, struct kp_listener, node);
        if (l->source.fd < 0)
            continue;
        put_text(client, comma);
        put_text(client, "{\"name\":");
        put_json(client, l->name);
        put_text(client, ",\"address\":");
        put_json(client, l->text);
        put_text(client, "}");
        comma = ",";
    }
    put_text(client, "]");
}

static void
status_json(struct kp_control_client *client, const struct kelpie_stats *stats)
{
    kelpie *k = client->control->k;

    put_text(client, " {\"version\":");
    put_json(client, KELPIE_VERSION_STRING);
    put_json_number(client, "pid", (uint64_t)getpid());
    put_text(client, ",\"script\":");
    put_json(client, script_name(k));
    put_text(client, ",\"state\":");
    put_json(client, state_of(k));
    put_json_number(client, "generation", stats->generation);
    put_json_number(client, "uptime_s", uptime_s(k));
    put_text(client, ",\"last_report\":");
    put_json(client, k->script.report);
    put_json_listeners(client);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        put_json_number(client, numbers[i].name, number_of(stats, &numbers[i]));
    put_text(client, "}\n");
}

static void
do_status(struct kp_control_client *client, unsigned flags)
{
    struct kelpie_stats stats = {.size = sizeof(stats)};

    kelpie_get_stats(client->control->k, &stats);
    if (flags & FLAG_JSON)
        status_json(client, &stats);
    else
        status_table(client, &stats);
    kp_control_say(client, "ok status");
}

/* ---- reload --------------------------------------------------------------------------- */

static bool
is_ending(struct kp_control_client *client)
{
    if (client->control->k->is_draining)
        kp_control_say(client, "error ending: the server is about to end");
    return client->control->k->is_draining;
}

static void
do_reload(struct kp_control_client *client, unsigned flags)
{
    kelpie *k = client->control->k;

    if (is_ending(client))
        return;
    if ((flags & FLAG_DRY_RUN) && flags != FLAG_DRY_RUN) {
        kp_control_say(client, "error usage: --dry-run goes with no other option");
        return;
    }
    client->waits = flags & FLAG_WAIT;
    if (flags & (FLAG_DROP | FLAG_DRY_RUN)) {
        client->ask = flags & FLAG_DROP ? KP_ASK_RELOAD_DROP : KP_ASK_DRY_RUN;
        kp_loop_wake(&k->loop); /* it may be asked after this step's reloads */
    } else {
        client->ask = KP_ASK_RELOAD;
        kelpie_reload(k);
    }
}

static void
do_rollback(struct kp_control_client *client, unsigned flags)
{
    (void)flags;
    if (is_ending(client))
        return;
    client->ask = KP_ASK_ROLLBACK;
    kelpie_rollback(client->control->k);
}

void
kp_control_tell(struct kp_control_client *client, int rc)
{
    static const char *const words[] = {
        [KP_ASK_RELOAD] = "loaded",
        [KP_ASK_RELOAD_DROP] = "loaded",
        [KP_ASK_DRY_RUN] = "would load",
        [KP_ASK_ROLLBACK] = "rolled back",
    };
    kelpie *k = client->control->k;
    uint64_t number = k->script.live != NULL ? k->script.live->number : 0;
    enum kp_ask ask = client->ask;

    kp_control_text(client, k->script.report);
    client->ask = KP_ASK_NOTHING;
    if (rc < 0) {
        kp_control_say(client, "error rejected: generation %" PRIu64 " serves on",
                       number);
    } else if ((ask == KP_ASK_RELOAD || ask == KP_ASK_RELOAD_DROP) && client->waits) {
        client->ask = KP_ASK_PROBATION;
        client->generation = number;
    } else {
        kp_control_say(client, "ok %s: generation %" PRIu64 " serves%s", words[ask],
                       number, ask == KP_ASK_DRY_RUN ? " on" : "");
    }
}

/* The time of a probation counts here, and not that there must have been 200 calls too: who
 * waits for a server that nobody talks to would wait for ever. */
void
kp_control_tell_probation(struct kp_control_client *client)
{
    const struct kp_script *script = &client->control->k->script;
    uint64_t number = script->live->number;

    if (number == client->generation && script->previous != NULL &&
        kp_timer_is_started(&script->probation_timer))
        return;
    client->ask = KP_ASK_NOTHING;
    if (number < client->generation) {
        kp_control_text(client, script->report);
        kp_control_say(client, "error rolled back: generation %" PRIu64 " serves",
                       number);
    } else {
        kp_control_say(client, "ok loaded: generation %" PRIu64 " serves, %s", number,
                       number > client->generation ? "a later one"
                                                   : "its probation is over");
    }
}

/* ---- small ones ----------------------------------------------------------------------- */

static void
do_ping(struct kp_control_client *client, unsigned flags)
{
    (void)flags;
    kp_control_say(client, "ok pong");
}

static void
do_quit(struct kp_control_client *client, unsigned flags)
{
    (void)flags;
    kp_control_say(client, "ok bye");
    client->n_in = 0;
    client->is_ended = true;
}

static void do_help(struct kp_control_client *client, unsigned flags);

static const struct command commands[] = {
    {"help", 0, "this", do_help},
    {"ping", 0, "is it alive?", do_ping},
    {"status", FLAG_JSON, "what runs, since when, and its counters", do_status},
    {"reload", FLAG_DROP | FLAG_DRY_RUN | FLAG_WAIT,
     "loads the scripts again; answers when it is done", do_reload},
    {"rollback", 0, "goes back to the generation before", do_rollback},
    {"quit", 0, "ends this connection", do_quit},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
do_help(struct kp_control_client *client, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        char text[64];
        size_t len = (size_t)snprintf(text, sizeof(text), "%s", commands[i].name);

        for (size_t f = 0; f < N_FLAGS; f++)
            if (commands[i].flags & (1u << f))
                len += (size_t)snprintf(text + len, sizeof(text) - len, " [%s]",
                                        flag_names[f]);
        kp_control_say(client, " %-38s %s", text, commands[i].help);
    }
    kp_control_say(client, "ok help");
}

/* ---- one line ------------------------------------------------------------------------- */

static size_t
split(char *line, char *words[MAX_WORDS])
{
    size_t n = 0;
    char *rest = line;

    for (rest += strspn(rest, BLANKS); *rest != '\0' && n < MAX_WORDS;
         rest += strspn(rest, BLANKS)) {
        words[n++] = rest;
        rest += strcspn(rest, BLANKS);
        if (*rest != '\0')
            *rest++ = '\0';
    }
    return n;
}

static const struct command *
find_command(struct kp_control_client *client, const char *word)
{
    const char *names[N_COMMANDS];

    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(names[i], word) == 0)
            return &commands[i];
    }
    const char *near = kp_nearest(word, names, N_COMMANDS);
    if (near != NULL)
        kp_control_say(client, "error unknown command '%s' (did you mean '%s'?)", word,
                       near);
    else
        kp_control_say(client, "error unknown command '%s' (help lists them)", word);
    return NULL;
}

/* Returns the flag, or 0 after a complaint. */
static unsigned
find_flag(struct kp_control_client *client, const struct command *command,
          const char *word)
{
    for (size_t f = 0; f < N_FLAGS; f++)
        if (strcmp(flag_names[f], word) == 0 && (command->flags & (1u << f)))
            return 1u << f;
    const char *near = kp_nearest(word, flag_names, N_FLAGS);
    if (near != NULL && strcmp(near, word) != 0)
        kp_control_say(client, "error unknown option '%s' (did you mean '%s'?)", word,
                       near);
    else
        kp_control_say(client, "error unknown option '%s' of %s (help lists them)", word,
                       command->name);
    return 0;
}

void
kp_control_obey(struct kp_control_client *client, char *line)
{
    char *words[MAX_WORDS];
    unsigned flags = 0;
    size_t n = split(line, words);

    if (n == 0)
        return;
    const struct command *command = find_command(client, words[0]);
    if (command == NULL)
        return;
    for (size_t i = 1; i < n; i++) {
        unsigned flag = find_flag(client, command, words[i]);
        if (flag == 0)
            return;
        flags |= flag;
    }
    command->fn(client, flags);
}
