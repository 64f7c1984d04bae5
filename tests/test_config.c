/*
 * test_config.c - the configuration file of the daemon, and flags beside it
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

struct file {
    char path[64];
    char line[512];
};

/* Writes a configuration file. */
static int
make_file(void **state)
{
    struct file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        return -1;
    snprintf(file->path, sizeof(file->path), "/tmp/kelpie-test-XXXXXX");
    int fd = mkstemp(file->path);
    *state = file;
    return fd < 0 ? -1 : close(fd);
}

static int
remove_file(void **state)
{
    struct file *file = *state;
    int rc = unlink(file->path);

    free(file);
    return rc;
}

/* Puts text into the file and returns the command line that uses it. */
static const char *
config(struct file *file, const char *flags, const char *text)
{
    FILE *out = fopen(file->path, "w");

    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    snprintf(file->line, sizeof(file->line), "-c %s %s", file->path, flags);
    return file->line;
}

static void
assert_config_refused(struct file *file, const char *text, const char *sentence)
{
    char wanted[KD_WHY_SIZE];

    snprintf(wanted, sizeof(wanted), "%s: %s", file->path, sentence);
    assert_refused(config(file, "s", text), EX_CONFIG, wanted);
}

static void
given_a_configuration_when_parsed_then_its_values_arrive(void **state)
{
    struct kd_options o;

    assert_parses(
        &o, config(*state, "",
                   "return { script = 'chat', listen = { ':7000', 'unix:/x' },\n"
                   "  max_clients = 20, [ 'max-message' ] = '4K', no_stdin = true,\n"
                   "  idle_timeout = 1.5, frame_timeout = 'none', allow = 'io',\n"
                   "  lua_memory = 2 * 1024 * 1024, log_format = 'json' }"));

    assert_string_equal(o.script, "chat");
    assert_int_equal(o.listen.n, 2);
    assert_string_equal(o.listen.items[1], "unix:/x");
    assert_int_equal(o.server.max_clients, 20);
    assert_int_equal(o.server.max_message, 4096);
    assert_int_equal(o.server.idle_timeout_ms, 1500);
    assert_int_equal(o.server.frame_timeout_ms, -1);
    assert_int_equal(o.server.lua_memory, 2 << 20);
    assert_string_equal(o.server.allow[0], "io");
    assert_int_equal(o.log_format, KD_LOG_JSON);
    assert_true(o.no_stdin);
    kd_options_clear(&o);
}

static void
given_flags_and_a_configuration_when_parsed_then_flags_win(void **state)
{
    struct kd_options o;

    assert_parses(&o,
                  config(*state, "-p 1 -p 2 --max-clients 5 --no-stdin mine",
                         "return { script = 'chat', listen = ':7000', max_clients = 20,\n"
                         "  no_stdin = false, user = 'nobody' }"));

    assert_string_equal(o.script, "mine");
    assert_int_equal(o.listen.n, 2);
    assert_string_equal(o.listen.items[0], "127.0.0.1:1");
    assert_int_equal(o.server.max_clients, 5);
    assert_true(o.no_stdin);
    assert_string_equal(o.user, "nobody");
    kd_options_clear(&o);
}

static void
given_a_wrong_configuration_when_parsed_then_a_sentence_names_file_and_field(void **state)
{
    struct file *file = *state;

    assert_config_refused(file, "return { max_cleints = 3 }",
                          "'max_cleints' is unknown; did you mean 'max_clients'?");
    assert_config_refused(file, "return { qqqqqqqqq = 3 }",
                          "'qqqqqqqqq' is unknown; see kelpie --help for the names");
    assert_config_refused(file, "return { 'scripts' }",
                          "a value without a name; write NAME = VALUE");
    assert_config_refused(file, "return { max_clients = 1.5 }",
                          "max_clients: '1.500000' is not understood; write a whole "
                          "number, such as 100");
    assert_config_refused(file, "return { max_clients = {} }",
                          "max_clients: a table is no value for it; write a string or a "
                          "number");
    assert_config_refused(
        file, "return { user = true }",
        "user: a boolean is no value for it; write a string or a number");
    assert_config_refused(file, "return { no_stdin = 1 }",
                          "no_stdin: a number is no value for it; write true or false");
    assert_config_refused(file, "return { listen = { {} } }",
                          "listen: a table is no value for it; write a string, or a list "
                          "of them");
    assert_config_refused(file, "return { script = 3 }",
                          "script: a number is no value for it; write a path in quotes");
    assert_config_refused(file, "return { help = true }",
                          "help makes sense on the command line only");
    assert_config_refused(file, "max_clients = 3",
                          "it has to return a table: return { ... }");
}

static void
given_a_broken_configuration_when_parsed_then_lua_says_where(void **state)
{
    struct kd_options options;

    assert_int_equal(
        parse(&options, config(*state, "s", "return {\n max_clients = = 3 }")),
        EX_CONFIG);
    assert_non_null(strstr(options.why, ":2: unexpected symbol near '='"));
    kd_options_clear(&options);
    assert_int_equal(parse(&options, config(*state, "s", "os.exit(3)")), EX_CONFIG);
    assert_non_null(strstr(options.why, ":1: attempt to index a nil value"));
    kd_options_clear(&options);
    assert_int_equal(parse(&options, "-c /nowhere/at/all s"), EX_NOINPUT);
    assert_non_null(strstr(options.why, "/nowhere/at/all"));
    kd_options_clear(&options);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            given_a_configuration_when_parsed_then_its_values_arrive, make_file,
            remove_file),
        cmocka_unit_test_setup_teardown(
            given_flags_and_a_configuration_when_parsed_then_flags_win, make_file,
            remove_file),
        cmocka_unit_test_setup_teardown(
            given_a_wrong_configuration_when_parsed_then_a_sentence_names_file_and_field,
            make_file, remove_file),
        cmocka_unit_test_setup_teardown(
            given_a_broken_configuration_when_parsed_then_lua_says_where, make_file,
            remove_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
