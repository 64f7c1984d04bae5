/*
 * options.c - the command line
 *
 *     kelpie [run] [options] SCRIPT
 *     kelpie check [options] SCRIPT
 *     kelpie test [options] FOLDER
 *     kelpie init DIR
 *     kelpie reload|rollback|status [options]
 *
 * getopt_long(3) cuts it up; what the pieces mean is in the table of settings.c. The command
 * line is gone through twice: once to find mistakes and the configuration file, and once
 * more when that file has been read, because flags win over it.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "base/nearest.h"
#include "config.h"
#include "settings.h"

#define DEFAULT_ADDRESS "127.0.0.1:8080"
#define FASTOPEN_QUEUE  256

/* ---- help --------------------------------------------------------------------------- */

static const char help_head[] =
    "kelpie - a server for stream sockets whose behaviour is a Lua script\n"
    "\n"
    "  kelpie scripts/                     serve scripts/init.lua on 127.0.0.1:8080\n"
    "  kelpie run -l '*:7000' chat.lua     serve chat.lua to everybody, on port 7000\n"
    "  kelpie check scripts/               say what is wrong with it, serve nothing\n"
    "  kelpie test scripts/                run its *_test.lua, without sockets\n"
    "  kelpie init DIR                     write a new server, with tests, into DIR\n"
    "  kelpie reload                       the running one loads its scripts again\n"
    "  kelpie rollback                     it goes back to the scripts before\n"
    "  kelpie status                       how it is\n"
    "\n"
    "Options:\n";

static const char help_tail[] =
    "\n"
    "SIZE is 8192, 64K or 1M; TIME is in seconds, 30 or 0.5, or 500ms, 5m.\n"
    "\n"
    "Signals: HUP loads the scripts again, TERM and INT end it once all output is sent "
    "(the\n"
    "second one at once), USR1 opens the log file again, USR2 logs the status.\n"
    "Exit codes are those of sysexits(3); of reload, rollback and status: 0 done, 1 "
    "rejected,\n"
    "2 rolled back, 3 no daemon is running.\n";

/* Writes one setting: its flags in a column, its help, perhaps of several lines, beside. */
static void
help_line(FILE *out, const struct kd_setting *setting)
{
    char flags[64], letter[8] = "    ";

    if (setting->letter != '\0')
        snprintf(letter, sizeof(letter), "-%c, ", setting->letter);
    snprintf(flags, sizeof(flags), "%s--%s%s%s", letter, setting->name,
             setting->value != NULL ? " " : "",
             setting->value != NULL ? setting->value : "");
    fprintf(out, "  %-28s", flags);
    for (const char *p = setting->help; *p != '\0'; p++) {
        fputc(*p, out);
        if (*p == '\n')
            fprintf(out, "  %-28s", "");
    }
    fputc('\n', out);
}

void
kd_options_help(FILE *out)
{
    fputs(help_head, out);
    for (size_t i = 0; i < kd_n_settings; i++)
        help_line(out, &kd_settings[i]);
    fputs(help_tail, out);
}

/* ---- flags -------------------------------------------------------------------------- */

/* What getopt_long(3) wants, made from the table. */
#define MAX_FLAGS    64
#define LONG_VAL(i)  ((int)(i) + 1000)
#define IS_LONG(val) ((val) >= 1000)

struct flags {
    struct option longs[MAX_FLAGS + 1];
    char shorts[2 * MAX_FLAGS + 2];
};

static bool
takes_value(const struct kd_setting *setting)
{
    return setting->value != NULL;
}

static void
fill_flags(struct flags *flags)
{
    char *shorts = flags->shorts;

    memset(flags, 0, sizeof(*flags));
    *shorts++ = ':'; /* tell a missing value from an unknown flag */
    for (size_t i = 0; i < kd_n_settings && i < MAX_FLAGS; i++) {
        const struct kd_setting *setting = &kd_settings[i];
        flags->longs[i].name = setting->name;
        flags->longs[i].has_arg = takes_value(setting) ? required_argument : no_argument;
        flags->longs[i].val = LONG_VAL(i);
        if (setting->letter == '\0')
            continue;
        *shorts++ = setting->letter;
        if (takes_value(setting))
            *shorts++ = ':';
    }
}

/* Returns the setting that a result of getopt_long means, or NULL. */
static const struct kd_setting *
setting_of(int val)
{
    if (IS_LONG(val))
        return &kd_settings[val - LONG_VAL(0)];
    for (size_t i = 0; i < kd_n_settings && val != 0; i++)
        if (kd_settings[i].letter == val)
            return &kd_settings[i];
    return NULL;
}

/* Says what is wrong with an unknown long flag, as the operator wrote it. */
static int
refuse_long(struct kd_options *options, const char *written)
{
    char name[64];
    const char *nearest;

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(written + 2, "="), written + 2);
    (void)kd_setting_find(name, &nearest);
    if (nearest != NULL)
        return kd_setting_fail(options, "--%s is unknown; did you mean --%s?", name,
                               nearest);
    return kd_setting_fail(options, "--%s is unknown; kelpie --help lists the options",
                           name);
}

/* Says what getopt_long stumbled over: it returned ':' or '?', and set optopt to the flag or
 * to 0. */
static int
refuse_flag(struct kd_options *options, int result, const char *written)
{
    const struct kd_setting *setting = setting_of(optopt);

    if (result == ':' && setting != NULL)
        return kd_setting_fail(options, "--%s wants a value: --%s %s", setting->name,
                               setting->name, setting->value);
    if (setting != NULL)
        return kd_setting_fail(options, "--%s takes no value", setting->name);
    if (optopt == 0)
        return refuse_long(options, written);
    return kd_setting_fail(options, "-%c is unknown; kelpie --help lists the options",
                           optopt);
}

static int
apply_flag(struct kd_options *options, int val, const char *text)
{
    const struct kd_setting *setting = setting_of(val);
    char shown[64];

    if (IS_LONG(val))
        snprintf(shown, sizeof(shown), "--%s", setting->name);
    else
        snprintf(shown, sizeof(shown), "-%c", setting->letter);
    return kd_setting_apply(options, setting, shown, text);
}

/* Applies all flags. Afterwards argv[optind ...] are what is no flag. */
static int
read_flags(struct kd_options *options, int argc, char **argv)
{
    struct flags flags;
    int result, rc = 0;

    fill_flags(&flags);
    options->source = KD_FROM_FLAGS;
    optind = 0; /* begin anew; all systems take 0 for that */
    opterr = 0;
    while (rc == 0 &&
           (result = getopt_long(argc, argv, flags.shorts, flags.longs, NULL)) != -1) {
        if (result == '?' || result == ':')
            rc = refuse_flag(options, result, argv[optind - 1]);
        else
            rc = apply_flag(options, result, optarg);
    }
    return rc;
}

/* ---- command and script ------------------------------------------------------------- */

/* In the order of enum kd_command. */
static const char *const commands[] = {"run",    "check", "reload", "rollback",
                                       "status", "test",  "init"};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static bool
takes_script(enum kd_command command)
{
    return command == KD_RUN || command == KD_CHECK || command == KD_TEST ||
           command == KD_INIT;
}

/* Returns the index of a command, -1 for anything else. */
static int
find_command(const char *word)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i], word) == 0)
            return (int)i;
    return -1;
}

static int
refuse_words(struct kd_options *options, int argc, char **argv)
{
    const char *near = kp_nearest(argv[0], commands, N_COMMANDS);

    if (near != NULL)
        return kd_setting_fail(options, "'%s' is no command; did you mean '%s'?", argv[0],
                               near);
    return kd_setting_fail(options,
                           "'%s' is one too many: kelpie takes one script, a file or a "
                           "folder with init.lua",
                           argv[argc - 1]);
}

/* Takes [COMMAND] [SCRIPT] from what is no flag. A script that has the name of a command is
 * written ./run. */
static int
read_words(struct kd_options *options, int argc, char **argv)
{
    int command = argc > 0 ? find_command(argv[0]) : -1;
    enum kd_command meant = command < 0 ? KD_RUN : (enum kd_command)command;

    if (options->command == KD_RUN)
        options->command = meant;
    if (command >= 0) {
        argc--;
        argv++;
    }
    if (argc > 0 && !takes_script(meant))
        return kd_setting_fail(options,
                               "'%s' is one too many: kelpie %s takes no script, the "
                               "running daemon knows its own",
                               argv[0], commands[meant]);
    if (argc > 1)
        return refuse_words(options, argc, argv);
    if (argc == 0)
        return 0;
    free(options->script);
    options->script = strdup(argv[0]);
    return options->script != NULL ? 0 : kd_setting_fail(options, "out of memory");
}

/* A mistyped command looks like a script that is not there. */
static int
check_script(struct kd_options *options)
{
    struct stat st;

    if (!takes_script(options->command))
        return 0;
    if (options->script == NULL && options->command == KD_INIT)
        return kd_setting_fail(options, "which folder? For example: kelpie init game");
    if (options->script == NULL)
        return kd_setting_fail(options, "which script? For example: kelpie scripts/  "
                                        "(kelpie --help says more)");
    if (options->command == KD_INIT) /* it need not be there */
        return 0;
    const char *near = kp_nearest(options->script, commands, N_COMMANDS);
    if (near != NULL && strcmp(near, options->script) != 0 &&
        stat(options->script, &st) < 0 && errno == ENOENT)
        return kd_setting_fail(options,
                               "'%s' is no script and no command; did you mean '%s'?",
                               options->script, near);
    return 0;
}

/* ---- all together ------------------------------------------------------------------- */

static int
read_command_line(struct kd_options *options, int argc, char **argv)
{
    int rc = read_flags(options, argc, argv);

    return rc == 0 ? read_words(options, argc - optind, argv + optind) : rc;
}

/* Flags of one command are no use to another one. */
static int
check_flags(struct kd_options *options)
{
    enum kd_command command = options->command;

    if (options->dry_run && (options->drop || options->wait))
        return kd_setting_fail(options,
                               "--dry-run goes with neither --drop nor --wait: it "
                               "says what would be dropped, and loads nothing");
    if (options->drop && command != KD_RELOAD)
        return kd_setting_fail(options, "--drop goes with kelpie reload only");
    if (options->dry_run && command != KD_RELOAD)
        return kd_setting_fail(options, "--dry-run goes with kelpie reload only");
    if (options->wait && command != KD_RELOAD)
        return kd_setting_fail(options, "--wait goes with kelpie reload only");
    if (options->json && command != KD_STATUS && command != KD_CHECK)
        return kd_setting_fail(options,
                               "--json goes with kelpie status and kelpie check only");
    return 0;
}

/* Fills in what depends on other values. An outbox has to take more than one of the longest
 * messages, or raising max-message alone would be of no use. */
static int
finish(struct kd_options *options)
{
    struct kelpie_options *server = &options->server;

    options->listen_is_default = options->listen.n == 0;
    if (options->listen_is_default &&
        kd_list_add(&options->listen, DEFAULT_ADDRESS, KD_FROM_FLAGS) < 0)
        return kd_setting_fail(options, "out of memory");
    if (server->max_outbox == 0 && server->max_message > ((size_t)1 << 18) &&
        server->max_message <= SIZE_MAX / 4)
        server->max_outbox = 4 * server->max_message;
    if (server->max_outbox > 0 && server->max_message > server->max_outbox)
        return kd_setting_fail(options, "--max-message is more than --max-outbox: such a "
                                        "message could never be sent");
    server->allow = (const char *const *)options->allow.items;
    server->probation_ms = options->no_rollback ? -1 : 0;
    server->fastopen = options->fastopen ? FASTOPEN_QUEUE : 0;
    server->log_level = (enum kelpie_level)options->log_level;
    return 0;
}

int
kd_options_parse(struct kd_options *out, int argc, char **argv)
{
    memset(out, 0, sizeof(*out));
    out->server.size = sizeof(out->server);
    out->log_level = KELPIE_LOG_INFO;

    if (read_command_line(out, argc, argv) < 0)
        return EX_USAGE;
    if (out->command == KD_HELP || out->command == KD_VERSION)
        return 0;
    if (out->config != NULL) {
        kd_list_clear(&out->listen);
        kd_list_clear(&out->allow);
        out->source = KD_FROM_CONFIG;
        out->listen.source = out->allow.source = KD_FROM_CONFIG;
        int rc = kd_config_read(out);
        if (rc != 0)
            return rc;
        if (read_command_line(out, argc, argv) < 0)
            return EX_USAGE;
    }
    return check_script(out) < 0 || check_flags(out) < 0 || finish(out) < 0 ? EX_USAGE
                                                                            : 0;
}

void
kd_options_clear(struct kd_options *options)
{
    kd_list_clear(&options->listen);
    kd_list_clear(&options->allow);
    free(options->script);
    free(options->log_file);
    free(options->user);
    free(options->control);
    free(options->config);
    memset(options, 0, sizeof(*options));
}
