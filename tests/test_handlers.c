/*
 * test_handlers.c - the table that the main script returns
 */
#include <string.h>

#include "net/listener.h"
#include "script_kit.h"

static void
given_an_empty_table_when_read_then_there_is_no_handler(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return {}");

    const struct kp_handlers *handlers = &kit->script.live->handlers;
    for (int i = 0; i < KP_N_HANDLERS; i++)
        assert_int_equal(handlers->refs[i], LUA_NOREF);
    assert_false(handlers->has_framing);
    assert_int_equal(handlers->max_message, 0);
    assert_int_equal(kit->script.live->schema, 0);
}

static void
given_all_fields_when_read_then_all_are_there(void **state)
{
    struct script_kit *kit = *state;

    sk_load(
        kit,
        "local function f() end\n"
        "return { on_load = f, on_connect = f, on_message = f, on_disconnect = f,\n"
        "   on_drain = f, on_adopt = f, on_input = f, on_error = f, on_shutdown = f,\n"
        "   migrate = f, migrate_conn = f, self_test = f, schema = 3,\n"
        "   framing = 'raw', max_message = 100, partial_at_eof = 'deliver',\n"
        "   listeners = {} }");

    const struct kp_handlers *handlers = &kit->script.live->handlers;
    for (int i = 0; i < KP_N_HANDLERS; i++)
        assert_int_not_equal(handlers->refs[i], LUA_NOREF);
    assert_int_equal(kit->script.live->schema, 3);
    assert_int_equal(handlers->framing.kind, KP_FRAME_RAW);
    assert_true(handlers->framing.deliver_partial);
    assert_int_equal(handlers->max_message, 100);
    assert_int_equal(kit->script.live->n_named, 0);
}

static void
given_partial_at_eof_alone_when_read_then_it_is_of_the_line_framing(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "return { partial_at_eof = 'deliver' }");
    assert_true(kit->script.live->handlers.has_framing);
    assert_int_equal(kit->script.live->handlers.framing.kind, KP_FRAME_LINE);
    assert_true(kit->script.live->handlers.framing.deliver_partial);

    sk_load(kit, "return { partial_at_eof = 'drop' }");
    assert_false(kit->script.live->handlers.framing.deliver_partial);
}

static void
given_framings_when_read_then_they_are_what_they_say(void **state)
{
    static const struct {
        const char *text;
        struct kp_framing expected;
    } cases[] = {
        {"'line'", {.kind = KP_FRAME_LINE}},
        {"'crlf'", {.kind = KP_FRAME_CRLF}},
        {"'raw'", {.kind = KP_FRAME_RAW}},
        {"'netstring'", {.kind = KP_FRAME_NETSTRING}},
        {"{ 'line' }", {.kind = KP_FRAME_LINE}},
        {"{ 'length' }", {.kind = KP_FRAME_LENGTH, .length_size = 4}},
        {"{ 'length', bytes = 2, order = 'little' }",
         {.kind = KP_FRAME_LENGTH, .length_size = 2, .little_endian = true}},
        {"{ 'length', bytes = 1, order = 'big' }",
         {.kind = KP_FRAME_LENGTH, .length_size = 1}},
        {"{ 'delimiter', '\\0' }",
         {.kind = KP_FRAME_DELIMITER, .delimiter_len = 1, .delimiter = {0}}},
        {"{ 'delimiter', '0123456789abcdef' }",
         {.kind = KP_FRAME_DELIMITER,
          .delimiter_len = 16,
          .delimiter = "0123456789abcdef"}},
        {"{ 'fixed', 16 }", {.kind = KP_FRAME_FIXED, .fixed_size = 16}},
    };
    struct script_kit *kit = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];

        snprintf(text, sizeof text, "return { framing = %s }", cases[i].text);
        sk_load(kit, text);

        const struct kp_framing *framing = &kit->script.live->handlers.framing;
        assert_true(kit->script.live->handlers.has_framing);
        assert_int_equal(framing->kind, cases[i].expected.kind);
        assert_int_equal(framing->length_size, cases[i].expected.length_size);
        assert_int_equal(framing->little_endian, cases[i].expected.little_endian);
        assert_int_equal(framing->delimiter_len, cases[i].expected.delimiter_len);
        assert_int_equal(framing->fixed_size, cases[i].expected.fixed_size);
        assert_memory_equal(framing->delimiter, cases[i].expected.delimiter,
                            KP_FRAME_MAX_DELIMITER);
    }
}

static void
given_wrong_tables_when_read_then_the_sentence_names_the_field(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "must return its table of handlers, got nil; end it with 'return handlers'"},
        {"return 7", "must return its table of handlers, got number"},
        {"return { on_mesage = print }",
         "handlers table: unknown field 'on_mesage' (did you mean 'on_message'?)"},
        {"return { colour = 1 }", "handlers table: unknown field 'colour'"},
        {"return { print }", "handlers table: unknown field [1]"},
        {"return { [true] = print }", "handlers table: unknown field [true]"},
        {"return { on_connect = 'x' }",
         "handlers table: 'on_connect' must be a function, got string"},
        {"return { on_message = setmetatable({}, { __call = print }) }",
         "'on_message' must be a function, got table"},
        {"return { max_message = 0 }", "'max_message' must be a whole number of bytes"},
        {"return { max_message = 1.5 }", "'max_message' must be a whole number"},
        {"return { max_message = 1 << 40 }", "from 1 to 1073741824"},
        {"return { max_message = '10' }", "'max_message' must be a whole number"},
        {"return { partial_at_eof = true }",
         "'partial_at_eof' must be \"drop\" or \"deliver\""},
        {"return { schema = 'two' }", "'schema' must be a whole number, got string"},
        {"return { framing = 'lines' }",
         "framing: unknown framing 'lines'; it is \"line\""},
        {"return { framing = 3 }", "framing: got number; it is"},
        {"return { framing = {} }", "framing: its first value must be a word"},
        {"return { framing = { 'what' } }", "framing: unknown framing 'what'"},
        {"return { framing = { 'length', bytes = 3 } }", "bytes must be 1, 2 or 4"},
        {"return { framing = { 'length', bytes = 'x' } }", "bytes must be 1, 2 or 4"},
        {"return { framing = { 'length', order = 'middle' } }", "order must be"},
        {"return { framing = { 'length', order = 1 } }", "order must be"},
        {"return { framing = { 'length', size = 1 } }", "unknown field 'size'"},
        {"return { framing = { 'length', 4 } }", "unknown field '2'"},
        {"return { framing = { 'line', max = 1 } }", "unknown field 'max'"},
        {"return { framing = { 'delimiter' } }", "a string of 1 to 16 bytes"},
        {"return { framing = { 'delimiter', '' } }", "a string of 1 to 16 bytes"},
        {"return { framing = { 'delimiter', 7 } }", "a string of 1 to 16 bytes"},
        {"return { framing = { 'delimiter', ('x'):rep(17) } }", "a string of 1 to 16"},
        {"return { framing = { 'fixed' } }", "the fixed size must be a whole number"},
        {"return { framing = { 'fixed', 0 } }", "the fixed size must be a whole number"},
        {"return { framing = { 'fixed', 9000 } }",
         "messages of 9000 bytes are longer than max_message, which is 8192"},
        {"return { framing = { 'fixed', 9 }, max_message = 8 }",
         "messages of 9 bytes are longer than max_message, which is 8"},
        {"return { listeners = 1 }", "'listeners' must be a table, got number"},
        {"return { listeners = { {} } }", "the keys of 'listeners' must be names"},
        {"return { listeners = { [''] = {} } }", "the keys of 'listeners' must be names"},
        {"return { listeners = { ['a\\0b'] = {} } }", "must be names of listeners"},
        {"return { listeners = { [('x'):rep(32)] = {} } }", "up to 31 bytes long"},
        {"return { listeners = { admin = 1 } }",
         "listeners.admin must be a table of handlers, got number"},
        {"return { listeners = { admin = { on_mesage = 1 } } }",
         "listeners.admin: unknown field 'on_mesage' (did you mean 'on_message'?)"},
        {"return { listeners = { admin = { on_load = print } } }",
         "listeners.admin: 'on_load' belongs in the main handlers table"},
        {"return { listeners = { admin = { listeners = {} } } }",
         "listeners.admin: 'listeners' belongs in the main handlers table"},
    };
    struct script_kit *kit = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        sk_refuse(kit, cases[i].text, cases[i].words);
}

static void
given_handlers_of_listeners_when_read_then_each_connection_gets_its_own(void **state)
{
    struct script_kit *kit = *state;
    struct kp_listener admin = {.name = "admin"}, other = {.name = "other"};
    struct kelpie_conn conn = {.listener = &admin};

    sk_load(kit, "return { on_message = print, listeners = {\n"
                 "   admin = { framing = 'raw', max_message = 5, on_message = print },\n"
                 "   web = { framing = 'crlf', on_connect = print } } }");

    struct kp_generation *gen = kit->script.live;
    assert_int_equal(gen->n_named, 2);
    struct kp_handlers *handlers = kp_generation_handlers(gen, &conn);
    assert_string_equal(handlers->listener, "admin");
    assert_int_equal(handlers->framing.kind, KP_FRAME_RAW);
    assert_int_equal(handlers->max_message, 5);
    assert_int_equal(handlers->refs[KP_ON_CONNECT], LUA_NOREF);
    conn.listener = &other;
    assert_ptr_equal(kp_generation_handlers(gen, &conn), &gen->handlers);
    conn.listener = NULL;
    assert_ptr_equal(kp_generation_handlers(gen, &conn), &gen->handlers);
    assert_ptr_equal(kp_generation_handlers(gen, NULL), &gen->handlers);
}

static void
given_a_script_when_it_changes_its_table_later_then_nothing_changes(void **state)
{
    struct script_kit *kit = *state;

    sk_load(kit, "local h = {} h.on_message = function(c, m)\n"
                 "   h.on_message = nil print(m) end return h");
    sk_connect(kit, 0);
    sk_say(kit, 0, "one\ntwo\n");

    sk_printed(kit, "one\ntwo\n");
}

static void
given_a_table_when_an_allocation_fails_then_the_load_fails_cleanly(void **state)
{
    struct script_kit *kit = *state;
    bool failed = true;

    sk_load(kit, "return {}");
    struct kp_generation *live = kit->script.live;
    for (size_t n = 1; failed; n++) {
        kit->mem.failures = 0;
        fault_mem_fail_from(&kit->mem, n);
        int rc = sk_try_load(kit, "return { on_message = print, listeners = {\n"
                                  "   a = { on_message = print }, b = {} } }");
        failed = kit->mem.failures > 0;
        fault_env_heal(&kit->mem, &kit->sys);
        assert_int_equal(rc == 0, !failed);
        assert_int_equal(kit->script.live == live, failed);
    }

    assert_int_equal(kit->script.live->n_named, 2);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sk_setup, sk_teardown)
    const struct CMUnitTest tests[] = {
        TEST(given_an_empty_table_when_read_then_there_is_no_handler),
        TEST(given_all_fields_when_read_then_all_are_there),
        TEST(given_partial_at_eof_alone_when_read_then_it_is_of_the_line_framing),
        TEST(given_framings_when_read_then_they_are_what_they_say),
        TEST(given_wrong_tables_when_read_then_the_sentence_names_the_field),
        TEST(given_handlers_of_listeners_when_read_then_each_connection_gets_its_own),
        TEST(given_a_script_when_it_changes_its_table_later_then_nothing_changes),
        TEST(given_a_table_when_an_allocation_fails_then_the_load_fails_cleanly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
