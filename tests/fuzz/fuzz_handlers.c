/*
 * fuzz_handlers.c - any handlers table: refused with a sentence, or it serves
 *
 * An input is a list of fields, two bytes each: which name, which value. Names are those of
 * the interface and near misses; values are what belongs there and everything else. A table that
 * is refused is so with a sentence that names something; one that is accepted serves a
 * connection, a message, an error and a disconnect.
 */
#include <unistd.h>

#include "input.h"
#include "script_kit.h"

#define LONGEST_INPUT 64

static const char *const names[] = {
    "framing",    "max_message",    "partial_at_eof", "on_load",    "on_connect",
    "on_message", "on_disconnect",  "on_drain",       "on_adopt",   "on_input",
    "on_error",   "on_shutdown",    "schema",         "migrate",    "migrate_conn",
    "self_test",  "listeners",      "on_mesage",      "On_connect", "framing ",
    "[1]",        "[true]",         "[0.5]",          "[{}]",       "[print]",
    "['']",       "['on_load\\0']", "schemas",        "listener",
};

static const char *const values[] = {
    "nil",
    "true",
    "0",
    "1",
    "-1",
    "16",
    "8192",
    "1 << 62",
    "0.5",
    "0 / 0",
    "1 / 0",
    "''",
    "'line'",
    "'crlf'",
    "'raw'",
    "'netstring'",
    "'length'",
    "'lines'",
    "'deliver'",
    "'drop'",
    "'\\0\\255'",
    "print",
    "error",
    "function(conn) conn:send('x') end",
    "function(conn, m) conn:send(m or 'x') conn:close() end",
    "function() kelpie.sleep(1) end",
    "function(...) return ... end",
    "{}",
    "{ 'line' }",
    "{ 'fixed', 3 }",
    "{ 'fixed', 0 }",
    "{ 'fixed', 1 << 40 }",
    "{ 'delimiter', '' }",
    "{ 'delimiter', 'ab' }",
    "{ 'delimiter', ('x'):rep(17) }",
    "{ 'length' }",
    "{ 'length', bytes = 3 }",
    "{ 'length', bytes = 2, order = 'little' }",
    "{ 'length', bytes = 4, order = 'middle' }",
    "{ 'length', byte = 4 }",
    "{ a = {} }",
    "{ a = { on_message = print, framing = 'raw' } }",
    "{ a = { listeners = {} } }",
    "{ a = { schema = 1 } }",
    "{ [1] = {} }",
    "{ ['not a name'] = {} }",
    "{ a = 1 }",
    "setmetatable({}, { __index = error })",
    "coroutine.create(print)",
};

#define N_NAMES  (sizeof(names) / sizeof(names[0]))
#define N_VALUES (sizeof(values) / sizeof(values[0]))

static void
write_table(char *out, size_t out_size, struct input *input)
{
    size_t len = (size_t)snprintf(out, out_size, "return {\n");

    while (input->size >= 2) {
        const char *name = names[take_byte(input) % N_NAMES];
        const char *value = values[take_byte(input) % N_VALUES];
        const char *format = name[0] != '[' ? "   ['%s'] = %s,\n" : "   %s = %s,\n";
        len += (size_t)snprintf(out + len, out_size - len, format, name, value);
        must(len < out_size);
    }
    snprintf(out + len, out_size - len, "}\n");
}

static void
serve(struct script_kit *kit)
{
    sk_connect(kit, 0);
    sk_say(kit, 0, "5:hello,\nab\n\0\3xyz");
    sk_settle(kit);
    sk_pass(kit, 2000);
    sk_hang_up(kit, 0);
    sk_settle(kit);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.data = data, .size = size};
    char text[8192];
    void *state;

    if (size > LONGEST_INPUT)
        return 0;
    write_table(text, sizeof(text), &input);
    must(sk_setup(&state) == 0);
    struct script_kit *kit = state;

    int rc = sk_try_load(kit, text);
    must(rc == 0 || (rc == KELPIE_ESCRIPT && kit->script.error[0] != '\0'));
    if (rc == 0)
        serve(kit);

    must(sk_teardown(&state) == 0);
    return 0;
}
