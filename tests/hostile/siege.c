/*
 * siege.c - see siege.h
 *
 *     B connects and pings             script           what is checked
 *     A connects                       on_connect       B is answered
 *     A sends "attack", or goes ...    the attack       its end is as expected
 *     two pings of B                   still there      answered by the same generation
 *     a good script is loaded          gives up         the result is as expected
 *     C connects and pings             is gone          answered by the generation that is
 *                                                       right
 *     all go, the server is freed                       in time; nothing is left of it
 *
 * Everything is one loop (turn) that B's pings go on in, whatever is waited for.
 */
#include "siege.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "live_kit.h"

#define LIMIT_MS    10000 /* for anything, on a busy machine with sanitizers */
#define NS_PER_MS   1000000
#define LUA_MEMORY  ((size_t)32 << 20)
#define PROOF_PINGS 2
#define PAUSE_NS    NS_PER_MS /* between two pings */
#define RETIRE_MS   200
#define MAX_LINE    256

struct client {
    int fd; /* -1: not there, or gone */
    char line[MAX_LINE];
    size_t len;
    uint64_t sent_ns;  /* of the ping that is not answered yet; 0: none */
    uint64_t quiet_ns; /* when the last one was answered */
    uint64_t longest_ns;
    unsigned n_answers;
    unsigned long generation; /* of the last answer */
    bool has_survived;        /* was told so */
};

struct siege {
    const struct siege_script *script;
    struct live_kit kit;
    struct client a, b, c;
    struct live_call look; /* the counters, again and again */
    struct live_call load, trigger;
    struct kelpie_stats stats;
    struct siege_result *result;
};

/* --- clients --------------------------------------------------------------------------- */

static void
hang_up(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->sent_ns = 0;
}

static bool
say(struct client *client, const char *text)
{
    return send(client->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static void
take_line(struct client *client)
{
    client->line[client->len] = '\0';
    if (strcmp(client->line, "survived") == 0)
        client->has_survived = true;
    if (sscanf(client->line, "pong %lu", &client->generation) == 1 && client->sent_ns) {
        client->quiet_ns = plain_now_ns();
        if (client->quiet_ns - client->sent_ns > client->longest_ns)
            client->longest_ns = client->quiet_ns - client->sent_ns;
        client->sent_ns = 0;
        client->n_answers++;
    }
    client->len = 0;
}

/* Reads what is there. Returns whether the connection is. */
static bool
hear(struct client *client)
{
    char bytes[16384];
    ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == '\n')
            take_line(client);
        else if (client->len + 1 < sizeof client->line)
            client->line[client->len++] = bytes[i];
    }
    return true;
}

/* B or C: asks again when it was answered, and complains when it was not. */
static bool
ping(struct siege *siege, struct client *client, const char *name)
{
    uint64_t now = plain_now_ns();

    if (client->sent_ns == 0 && now - client->quiet_ns >= PAUSE_NS) {
        client->sent_ns = now;
        if (!say(client, "ping\n"))
            return live_complain(&siege->kit, "%s cannot send", name);
    }
    if (client->sent_ns != 0 && now - client->sent_ns > (uint64_t)LIMIT_MS * NS_PER_MS)
        return live_complain(&siege->kit, "%s was not answered for %d ms", name,
                             LIMIT_MS);
    return true;
}

/* One turn of everything that goes on; at most a millisecond. */
static bool
turn(struct siege *siege)
{
    struct client *clients[] = {&siege->b, &siege->c, &siege->a};
    const char *const names[] = {"B", "C", "A"};
    struct pollfd fds[3];

    for (int i = 0; i < 3; i++) {
        if (i < 2 && clients[i]->fd >= 0 && !ping(siege, clients[i], names[i]))
            return false;
        fds[i] = (struct pollfd){.fd = clients[i]->fd, .events = POLLIN};
    }
    (void)poll(fds, 3, 1); /* an interruption is a short turn */
    for (int i = 0; i < 3; i++) {
        if (fds[i].fd < 0 || fds[i].revents == 0 || hear(clients[i]))
            continue;
        hang_up(clients[i]);
        if (i < 2)
            return live_complain(&siege->kit, "%s was closed", names[i]);
    }
    if (atomic_load(&siege->look.is_done)) {
        siege->stats = siege->look.stats;
        return live_post(&siege->kit, &siege->look);
    }
    return true;
}

/* Turns until it is so. */
static bool
wait_until(struct siege *siege, bool (*is_so)(struct siege *siege), int limit_ms,
           const char *what)
{
    uint64_t until = plain_now_ns() + (uint64_t)limit_ms * NS_PER_MS;

    while (!is_so(siege)) {
        if (!turn(siege))
            return false;
        if (plain_now_ns() > until)
            return live_complain(&siege->kit, "waited %d ms for %s", limit_ms, what);
    }
    return true;
}

static bool
connect_client(struct siege *siege, struct client *client)
{
    client->fd = live_connect(&siege->kit);
    return client->fd >= 0;
}

/* Turns until that generation has answered, and none after it. */
static bool
prove(struct siege *siege, struct client *client, unsigned long generation)
{
    unsigned n_right = 0, before = client->n_answers;
    uint64_t until = plain_now_ns() + (uint64_t)LIMIT_MS * NS_PER_MS;

    while (n_right < PROOF_PINGS) {
        if (!turn(siege))
            return false;
        if (client->n_answers > before && client->generation > generation)
            return live_complain(&siege->kit, "generation %lu answers, not %lu",
                                 client->generation, generation);
        n_right += client->n_answers > before && client->generation == generation;
        before = client->n_answers;
        if (plain_now_ns() > until)
            return live_complain(&siege->kit, "no answer of generation %lu", generation);
    }
    return true;
}

/* --- the attack ------------------------------------------------------------------------ */

static bool
has_counters(struct siege *siege)
{
    return siege->stats.size > 0;
}

static bool
is_over(struct siege *siege)
{
    const struct kelpie_stats *stats = &siege->stats;
    bool was_killed = stats->handler_kills > 0, has_raised = stats->handler_errors > 0;
    bool has_survived = siege->a.has_survived;

    switch (siege->script->expect) {
    case SIEGE_KILLED:
        return was_killed;
    case SIEGE_ERROR:
    case SIEGE_MEMORY:
        return has_raised;
    case SIEGE_REFUSED:
        return has_survived;
    case SIEGE_LOAD_REJECTED:
        return atomic_load(&siege->trigger.is_done);
    default:
        return was_killed || has_raised || has_survived;
    }
}

/* It has ended; was it in the way that it had to be? */
static bool
check_end(struct siege *siege)
{
    struct live_kit *kit = &siege->kit;
    const struct kelpie_stats *stats = &siege->stats;

    switch (siege->script->expect) {
    case SIEGE_MEMORY:
        return stats->handler_kills > 0 || live_log_has(kit, "not enough memory") ||
               live_complain(kit, "the error is another one than want of memory");
    case SIEGE_ERROR:
    case SIEGE_REFUSED:
        return stats->handler_kills == 0 || live_complain(kit, "it was killed");
    case SIEGE_LOAD_REJECTED:
        return siege->trigger.rc < 0 || live_complain(kit, "it came into service");
    default:
        return true;
    }
}

static bool
set_off(struct siege *siege)
{
    switch (siege->script->trigger) {
    case SIEGE_MESSAGE:
        return say(&siege->a, "attack\n") || live_complain(&siege->kit, "A cannot send");
    case SIEGE_DISCONNECT:
        hang_up(&siege->a);
        return true;
    case SIEGE_INPUT:
        siege->trigger.fn = live_input;
        siege->trigger.text = "attack";
        return live_post(&siege->kit, &siege->trigger);
    default:
        siege->trigger.fn = live_load;
        siege->trigger.text = siege->script->path;
        return live_post(&siege->kit, &siege->trigger);
    }
}

static bool
attack(struct siege *siege)
{
    uint64_t started = plain_now_ns();
    bool is_well = connect_client(siege, &siege->a) && set_off(siege) &&
                   wait_until(siege, is_over, LIMIT_MS, "the expected end");

    siege->result->ended_ms = (double)(plain_now_ns() - started) / NS_PER_MS;
    return is_well && check_end(siege);
}

/* --- afterwards ------------------------------------------------------------------------ */

static bool
is_loaded(struct siege *siege)
{
    return atomic_load(&siege->load.is_done);
}

/* Turns for some time. */
static bool
linger(struct siege *siege)
{
    uint64_t until = plain_now_ns() + (uint64_t)siege->script->linger_ms * NS_PER_MS;

    while (plain_now_ns() < until)
        if (!turn(siege))
            return false;
    return true;
}

static bool
check_load(struct siege *siege)
{
    bool was_rejected = siege->load.rc < 0;

    if (was_rejected == siege->script->rejects_reload)
        return true;
    return live_complain(&siege->kit, "the good script %s: %s",
                         was_rejected ? "was rejected" : "came into service",
                         siege->load.said);
}

static bool
recover(struct siege *siege, const char *good_path)
{
    unsigned long generation = siege->script->generation;

    if (!prove(siege, &siege->b, generation))
        return false;
    hang_up(&siege->a);
    siege->load.fn = live_load;
    siege->load.text = good_path;
    if (!live_post(&siege->kit, &siege->load) ||
        !wait_until(siege, is_loaded, LIMIT_MS, "a reload") || !check_load(siege))
        return false;
    if (siege->load.rc == 0)
        generation = (unsigned long)siege->load.stats.generation;
    return linger(siege) && prove(siege, &siege->b, generation) &&
           connect_client(siege, &siege->c) && prove(siege, &siege->c, generation);
}

static bool
besiege(struct siege *siege, const char *good_path)
{
    siege->look.fn = live_look;
    return connect_client(siege, &siege->b) && live_post(&siege->kit, &siege->look) &&
           wait_until(siege, has_counters, LIMIT_MS, "the counters") &&
           prove(siege, &siege->b, 1) && attack(siege) && recover(siege, good_path);
}

/* Looks are in the air until the server has ended: it must not write to freed memory. */
static void
end_siege(struct siege *siege)
{
    struct siege_result *result = siege->result;
    uint64_t started;

    result->kills = (unsigned)siege->stats.handler_kills;
    result->errors = (unsigned)siege->stats.handler_errors;
    if (siege->b.sent_ns != 0 && plain_now_ns() - siege->b.sent_ns > siege->b.longest_ns)
        siege->b.longest_ns = plain_now_ns() - siege->b.sent_ns;
    result->wait_ms = (double)siege->b.longest_ns / NS_PER_MS;
    hang_up(&siege->a);
    hang_up(&siege->b);
    hang_up(&siege->c);
    started = plain_now_ns();
    result->is_well = live_stop(&siege->kit) && siege->kit.why[0] == '\0';
    result->free_ms = (double)(plain_now_ns() - started) / NS_PER_MS;
    memcpy(result->why, siege->kit.why, sizeof result->why);
}

/* What ends by itself has more time, unless times are judged: on a busy machine nothing is
 * quick. */
static int
handler_timeout_ms(const struct siege_script *script, bool is_strict)
{
    if (is_strict || script->expect == SIEGE_KILLED || script->expect == SIEGE_ENDED)
        return SIEGE_HANDLER_MS;
    return SIEGE_PATIENT_MS;
}

void
siege_run(const struct siege_script *script, const char *good_path, bool is_strict,
          struct siege_result *result)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    static struct siege siege;

    memset(&siege, 0, sizeof siege);
    memset(result, 0, sizeof *result);
    siege.script = script;
    siege.result = result;
    siege.a.fd = siege.b.fd = siege.c.fd = -1;
    options.handler_timeout_ms = handler_timeout_ms(script, is_strict);
    options.load_timeout_ms = SIEGE_LOAD_MS;
    options.watchdog_signal = SIGURG;
    options.retire_timeout_ms = RETIRE_MS;
    options.drain_timeout_ms = RETIRE_MS;
    options.lua_memory = LUA_MEMORY;
    if (live_start(&siege.kit, &options,
                   script->trigger == SIEGE_LOAD ? good_path : script->path))
        (void)besiege(&siege, good_path); /* it has complained */
    end_siege(&siege);
}
