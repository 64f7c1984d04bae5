/*
 * test_options.c - command line and configuration file of the daemon
 *
 * The daemon's files are no part of the library, so they are compiled into this test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/apply.c"
#include "daemon/config.c"
#include "daemon/options.c"
#include "daemon/settings.c"
#include "daemon/values.c"
#include "folder_kit.h"

#define MAX_WORDS 16

/* Parses "kelpie" and the words of line, which are separated by single blanks. */
static int
parse(struct kd_options *options, const char *line)
{
    char copy[512], *argv[MAX_WORDS + 2] = {(char[]){"kelpie"}};
    int argc = 1;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_in_range(argc, 1, MAX_WORDS);
        argv[argc++] = word;
    }
    return kd_options_parse(options, argc, argv);
}

static void
assert_parses(struct kd_options *options, const char *line)
{
    if (parse(options, line) != 0)
        fail_msg("'%s': %s", line, options->why);
}

static void
assert_refused(const char *line, int code, const char *sentence)
{
    struct kd_options options;

    int rc = parse(&options, line);
    if (rc != code || strcmp(options.why, sentence) != 0)
        fail_msg("'%s'\n  is     %d %s\n  wanted %d %s", line, rc, options.why, code,
                 sentence);
    kd_options_clear(&options);
}

/* ---- words -------------------------------------------------------------------------- */

static void
given_a_script_alone_when_parsed_then_it_is_run_with_defaults(void **state)
{
    (void)state;
    struct kd_options options;

    assert_parses(&options, "scripts/");

    assert_int_equal(options.command, KD_RUN);
    assert_string_equal(options.script, "scripts/");
    assert_int_equal(options.listen.n, 1);
    assert_string_equal(options.listen.items[0], "127.0.0.1:8080");
    assert_int_equal(options.server.size, sizeof(struct kelpie_options));
    assert_int_equal(options.server.max_clients, 0);
    assert_int_equal(options.server.log_level, KELPIE_LOG_INFO);
    assert_int_equal(options.log_format, KD_LOG_TEXT);
    assert_null(options.server.allow);
    kd_options_clear(&options);
}

static void
given_a_command_when_parsed_then_it_may_stand_before_or_after_flags(void **state)
{
    (void)state;
    struct kd_options options;

    assert_parses(&options, "run scripts");
    assert_int_equal(options.command, KD_RUN);
    kd_options_clear(&options);
    assert_parses(&options, "check --allow io scripts");
    assert_int_equal(options.command, KD_CHECK);
    assert_string_equal(options.script, "scripts");
    kd_options_clear(&options);
    assert_parses(&options, "--allow io check scripts");
    assert_int_equal(options.command, KD_CHECK);
    kd_options_clear(&options);
    assert_parses(&options, "run run");
    assert_string_equal(options.script, "run");
    kd_options_clear(&options);
}

static void
given_help_or_version_when_parsed_then_no_script_is_needed(void **state)
{
    (void)state;
    struct kd_options options;

    assert_parses(&options, "--help");
    assert_int_equal(options.command, KD_HELP);
    kd_options_clear(&options);
    assert_parses(&options, "-V");
    assert_int_equal(options.command, KD_VERSION);
    kd_options_clear(&options);
    assert_parses(&options, "run -h");
    assert_int_equal(options.command, KD_HELP);
    kd_options_clear(&options);
}

static void
given_a_command_that_asks_when_parsed_then_it_needs_no_script(void **state)
{
    (void)state;
    struct kd_options options;

    assert_parses(&options, "reload --drop --control /run/kelpie.sock");
    assert_int_equal(options.command, KD_RELOAD);
    assert_null(options.script);
    assert_true(options.drop);
    assert_string_equal(options.control, "/run/kelpie.sock");
    kd_options_clear(&options);
    assert_parses(&options, "reload --dry-run");
    assert_true(options.dry_run);
    kd_options_clear(&options);
    assert_parses(&options, "rollback");
    assert_int_equal(options.command, KD_ROLLBACK);
    kd_options_clear(&options);

    assert_parses(&options, "--json status");
    assert_int_equal(options.command, KD_STATUS);
    assert_true(options.json);
    kd_options_clear(&options);
}

static void
given_a_filter_of_tests_when_parsed_then_it_is_kept(void **state)
{
    (void)state;
    struct kd_options options;

    assert_parses(&options, "test --filter a.*b scripts");
    assert_int_equal(options.command, KD_TEST);
    assert_string_equal(options.filter, "a.*b");
    assert_string_equal(options.script, "scripts");
    kd_options_clear(&options);
}

static void
given_flags_of_another_command_when_parsed_then_the_right_one_is_named(void **state)
{
    (void)state;

    assert_refused("run --drop scripts", EX_USAGE, "--drop goes with kelpie reload only");
    assert_refused("status --dry-run", EX_USAGE,
                   "--dry-run goes with kelpie reload only");
    assert_refused("check --filter x scripts", EX_USAGE,
                   "--filter goes with kelpie test only");
    assert_refused("--json scripts", EX_USAGE,
                   "--json goes with kelpie status and kelpie check only");
    assert_refused("reload --drop --dry-run", EX_USAGE,
                   "--dry-run goes with neither --drop nor --wait: it says what would be "
                   "dropped, and loads nothing");
    assert_refused("--wait status", EX_USAGE, "--wait goes with kelpie reload only");
}

static void
given_wrong_words_when_parsed_then_a_sentence_says_what_is_meant(void **state)
{
    (void)state;

    assert_refused(
        "", EX_USAGE,
        "which script? For example: kelpie scripts/  (kelpie --help says more)");
    assert_refused(
        "run", EX_USAGE,
        "which script? For example: kelpie scripts/  (kelpie --help says more)");
    assert_refused("chekc scripts", EX_USAGE,
                   "'chekc' is no command; did you mean 'check'?");
    assert_refused("chekc", EX_USAGE,
                   "'chekc' is no script and no command; did you mean 'check'?");
    assert_refused("relaod", EX_USAGE,
                   "'relaod' is no script and no command; did you mean 'reload'?");
    assert_refused(
        "reload scripts", EX_USAGE,
        "'scripts' is one too many: kelpie reload takes no script, the running "
        "daemon knows its own");
    assert_refused("run scripts more", EX_USAGE,
                   "'more' is one too many: kelpie takes one script, a file or a folder "
                   "with init.lua");
}

/* ---- flags -------------------------------------------------------------------------- */

static void
given_every_flag_when_parsed_then_every_value_arrives(void **state)
{
    (void)state;
    struct kd_options o;

    assert_parses(&o,
                  "run -l 127.0.0.1:7000 --listen=unix:/tmp/x -p 9 --max-clients 10 s");
    assert_int_equal(o.listen.n, 3);
    assert_string_equal(o.listen.items[0], "127.0.0.1:7000");
    assert_string_equal(o.listen.items[1], "unix:/tmp/x");
    assert_string_equal(o.listen.items[2], "127.0.0.1:9");
    assert_int_equal(o.server.max_clients, 10);
    kd_options_clear(&o);

    assert_parses(&o, "--max-per-ip none --max-message 64K --max-outbox 2M "
                      "--idle-timeout 5m --frame-timeout none s");
    assert_int_equal(o.server.max_per_ip, -1);
    assert_int_equal(o.server.max_message, 65536);
    assert_int_equal(o.server.max_outbox, 2 << 20);
    assert_int_equal(o.server.idle_timeout_ms, 300000);
    assert_int_equal(o.server.frame_timeout_ms, -1);
    kd_options_clear(&o);

    assert_parses(&o, "--handler-timeout 0.25 --drain-timeout 3s --lua-memory 16M "
                      "--fastopen --no-stdin --no-rollback --user nobody s");
    assert_int_equal(o.server.handler_timeout_ms, 250);
    assert_int_equal(o.server.drain_timeout_ms, 3000);
    assert_int_equal(o.server.lua_memory, 16 << 20);
    assert_true(o.server.fastopen > 0);
    assert_true(o.no_stdin);
    assert_int_equal(o.server.probation_ms, -1);
    assert_string_equal(o.user, "nobody");
    kd_options_clear(&o);

    assert_parses(&o, "--max-outbound none --refused-text no --soft-outbox 1K "
                      "--slow-reader 7s --max-outbox-total 1G --half-close-timeout 1s s");
    assert_int_equal(o.server.max_outbound, -1);
    assert_string_equal(o.server.refused_text, "no\n");
    assert_int_equal(o.server.soft_outbox, 1024);
    assert_int_equal(o.server.slow_reader_ms, 7000);
    assert_int_equal(o.server.max_outbox_total, 1 << 30);
    assert_int_equal(o.server.half_close_timeout_ms, 1000);
    kd_options_clear(&o);

    assert_parses(&o, "--load-timeout 1m --retire-timeout none --probation 20s s");
    assert_int_equal(o.server.load_timeout_ms, 60000);
    assert_int_equal(o.server.retire_timeout_ms, -1);
    assert_int_equal(o.server.probation_ms, 20000);
    kd_options_clear(&o);

    assert_parses(&o, "--log-level debug --log-format json --log-file /tmp/l --allow io "
                      "--allow os -w s");
    assert_true(o.watch);
    assert_int_equal(o.server.log_level, KELPIE_LOG_DEBUG);
    assert_int_equal(o.log_format, KD_LOG_JSON);
    assert_string_equal(o.log_file, "/tmp/l");
    assert_string_equal(o.server.allow[0], "io");
    assert_string_equal(o.server.allow[1], "os");
    assert_null(o.server.allow[2]);
    kd_options_clear(&o);
}

static void
given_a_flag_twice_when_parsed_then_the_last_one_counts(void **state)
{
    (void)state;
    struct kd_options options;

    assert_parses(&options, "--user a --user b --max-clients 1 --max-clients 2 s");

    assert_string_equal(options.user, "b");
    assert_int_equal(options.server.max_clients, 2);
    kd_options_clear(&options);
}

static void
given_unknown_flags_when_parsed_then_the_nearest_is_named(void **state)
{
    (void)state;

    assert_refused("--max-cleints 3 s", EX_USAGE,
                   "--max-cleints is unknown; did you mean --max-clients?");
    assert_refused("--idle_timout=3 s", EX_USAGE,
                   "--idle_timout is unknown; did you mean --idle-timeout?");
    assert_refused("--zzzzzzz s", EX_USAGE,
                   "--zzzzzzz is unknown; kelpie --help lists the options");
    assert_refused("--fastopen -z s", EX_USAGE,
                   "-z is unknown; kelpie --help lists the options");
    assert_refused("s -l", EX_USAGE, "--listen wants a value: --listen ADDRESS");
    assert_refused("s --user", EX_USAGE, "--user wants a value: --user NAME");
    assert_refused("--no-stdin=yes s", EX_USAGE, "--no-stdin takes no value");
}

static void
given_bad_values_when_parsed_then_a_sentence_says_what_to_write(void **state)
{
    (void)state;

    assert_refused("-p http s", EX_USAGE,
                   "-p: 'http' is not a port; write a number from 0 (any free one) to "
                   "65535, or use --listen for an address");
    assert_refused("-p 65536 s", EX_USAGE,
                   "-p: '65536' is not a port; write a number from 0 (any free one) to "
                   "65535, or use --listen for an address");
    assert_refused("--max-clients 0 s", EX_USAGE,
                   "--max-clients: '0' is out of range; write 1 to 1000000");
    assert_refused("--max-clients -3 s", EX_USAGE,
                   "--max-clients: '-3' is not understood; write a whole number, such as "
                   "100");
    assert_refused(
        "--max-message 12Q s", EX_USAGE,
        "--max-message: '12Q' is not understood; write a number of bytes, such "
        "as 8192, 64K or 1M");
    assert_refused(
        "--max-message 99999999999999999999 s", EX_USAGE,
        "--max-message: '99999999999999999999' is out of range; write 1 to 1G");
    assert_refused("--lua-memory 3K s", EX_USAGE,
                   sizeof(size_t) > 4
                       ? "--lua-memory: '3K' is out of range; write 1M to 1024G"
                       : "--lua-memory: '3K' is out of range; write 1M to 2G");
    assert_refused("--idle-timeout soon s", EX_USAGE,
                   "--idle-timeout: 'soon' is not understood; write seconds, such as 30, "
                   "0.5, 30s, or 500ms, or none");
    assert_refused(
        "--idle-timeout 0 s", EX_USAGE,
        "--idle-timeout: '0' is out of range; write 1ms to 576h, or none for no "
        "limit");
    assert_refused("--log-level wran s", EX_USAGE,
                   "--log-level: 'wran' is unknown; did you mean 'warn'?");
    assert_refused("--log-format xml s", EX_USAGE,
                   "--log-format: 'xml' is unknown; write one of text, json");
    assert_refused(
        "--allow everything s", EX_USAGE,
        "--allow: 'everything' is unknown; write one of io, os, debug, cmodules");
    assert_refused("--user= s", EX_USAGE, "--user: its value is empty");
    assert_refused("--max-outbound 0 s", EX_USAGE,
                   "--max-outbound: '0' is out of range; write 1 to 1000000, or none if "
                   "scripts may open none");
    assert_refused("--probation none s", EX_USAGE,
                   "--probation: 'none' is not understood; write seconds, such as 30, "
                   "0.5, 30s, or 500ms");
    assert_refused("--soft-outbox 2K --max-outbox 1K --max-message 1K s", EX_USAGE,
                   "--soft-outbox is more than --max-outbox: nobody would ever be a slow "
                   "reader");
    assert_refused(
        "--max-message 2M --max-outbox 1M s", EX_USAGE,
        "--max-message is more than --max-outbox: such a message could never be "
        "sent");
}

static void
given_long_messages_alone_when_parsed_then_outboxes_grow_with_them(void **state)
{
    (void)state;
    struct kd_options options;

    assert_parses(&options, "--max-message 2M s");
    assert_int_equal(options.server.max_outbox, 8 << 20);
    kd_options_clear(&options);
    assert_parses(&options, "--max-message 64K s");
    assert_int_equal(options.server.max_outbox, 0);
    kd_options_clear(&options);
}

static void
given_every_setting_when_help_is_asked_for_then_it_is_in_it(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    kd_options_help(out);
    assert_int_equal(fclose(out), 0);

    for (size_t i = 0; i < kd_n_settings; i++)
        assert_non_null(strstr(text, kd_settings[i].name));
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        assert_in_range(strlen(line), 0, 100);
    free(text);
}

/* ---- the library's options ----------------------------------------------------------- */

/* Returns the text of struct kelpie_options in the header, without comments. */
static char *
read_struct(void)
{
    static char text[1 << 17];

    folder_read(KELPIE_SOURCE_DIR "/include/kelpie.h", text, sizeof(text));
    char *start = strstr(text, "struct kelpie_options {");
    assert_non_null(start);
    start += strlen("struct kelpie_options {");
    char *end = strstr(start, "\n};");
    assert_non_null(end);
    *end = '\0';
    for (char *comment; (comment = strstr(start, "/*")) != NULL;) {
        char *after = strstr(comment, "*/");
        assert_non_null(after);
        memset(comment, ' ', (size_t)(after + 2 - comment));
    }
    return start;
}

/* Cuts the name out of one declaration: "int a", "char *b", "void (*c)(int)". */
static const char *
name_of(char *declaration)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    char *name = strstr(declaration, "(*");

    if (name != NULL) {
        name += 2;
    } else {
        name = declaration + strlen(declaration);
        while (name > declaration && strchr(letters, name[-1]) != NULL)
            name--;
    }
    name[strspn(name, letters)] = '\0';
    return name;
}

/* The members that are no setting, since the daemon fills them in itself. */
static bool
is_own_business(const char *member)
{
    static const char *const own[] = {
        "size",   "alloc",     "alloc_arg",       "log",         "log_arg",
        "print",  "print_arg", "watchdog_signal", "on_stuck",    "on_stuck_arg",
        "now_ns", "now_arg",   "connect",         "connect_arg", "on_watchdog",
    };

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (strcmp(own[i], member) == 0)
            return true;
    return false;
}

static void
given_the_options_of_the_library_when_compared_then_each_can_be_set(void **state)
{
    (void)state;
    size_t n = 0, n_own = 0;

    for (char *declaration = strtok(read_struct(), ";"); declaration != NULL;
         declaration = strtok(NULL, ";")) {
        const char *member = name_of(declaration), *nearest;
        char setting[64];
        if (*member == '\0')
            continue; /* what is behind the last one */
        n++;
        snprintf(setting, sizeof(setting), "%s", member);
        char *unit = strstr(setting, "_ms");
        if (unit != NULL && unit[3] == '\0')
            *unit = '\0';
        if (is_own_business(member))
            n_own++;
        else if (kd_setting_find(setting, &nearest) == NULL)
            fail_msg("kelpie_options.%s: there is no setting '%s'", member, setting);
    }

    assert_int_equal(n_own, 15); /* none is left over */
    assert_in_range(n, 33, 100); /* the struct was read to its end */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_a_script_alone_when_parsed_then_it_is_run_with_defaults),
        cmocka_unit_test(
            given_a_command_when_parsed_then_it_may_stand_before_or_after_flags),
        cmocka_unit_test(given_a_command_that_asks_when_parsed_then_it_needs_no_script),
        cmocka_unit_test(given_a_filter_of_tests_when_parsed_then_it_is_kept),
        cmocka_unit_test(
            given_flags_of_another_command_when_parsed_then_the_right_one_is_named),
        cmocka_unit_test(given_help_or_version_when_parsed_then_no_script_is_needed),
        cmocka_unit_test(
            given_wrong_words_when_parsed_then_a_sentence_says_what_is_meant),
        cmocka_unit_test(given_every_flag_when_parsed_then_every_value_arrives),
        cmocka_unit_test(given_a_flag_twice_when_parsed_then_the_last_one_counts),
        cmocka_unit_test(given_unknown_flags_when_parsed_then_the_nearest_is_named),
        cmocka_unit_test(given_bad_values_when_parsed_then_a_sentence_says_what_to_write),
        cmocka_unit_test(
            given_long_messages_alone_when_parsed_then_outboxes_grow_with_them),
        cmocka_unit_test(given_every_setting_when_help_is_asked_for_then_it_is_in_it),
        cmocka_unit_test(
            given_the_options_of_the_library_when_compared_then_each_can_be_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
