/*
 * without_sockets.c - a test that drives a server without sockets and without waiting
 *
 * This program is the client: it feeds a detached connection, and moves the clock by an hour.
 */
#include <kelpie.h>
#include <stdio.h>
#include <string.h>

static const char script[] =
    "local kelpie = require('kelpie')\n"
    "return {\n"
    "   on_connect = function(c) kelpie.after(3600, function() c:close('late') end) "
    "end,\n"
    "   on_message = function(conn, line) conn:send(line:upper()) end,\n"
    "}\n";

struct test {
    uint64_t now_ns;
    char shown[256], closed[64]; /* what the client has read; why it was closed */
    int n_failed;
};

static uint64_t
now_ns(void *arg)
{
    return ((struct test *)arg)->now_ns;
}

static size_t
on_output(void *arg, const void *bytes, size_t len)
{
    strncat(((struct test *)arg)->shown, bytes, len);
    return len;
}

static void
on_closed(void *arg, const char *reason)
{
    snprintf(((struct test *)arg)->closed, 64, "%s", reason);
}

static void
expect(struct test *t, const char *what, const char *is, const char *wanted)
{
    int is_wrong = strcmp(is, wanted) != 0;

    printf("%s - %s\n", is_wrong ? "not ok" : "ok", what);
    t->n_failed += is_wrong;
}

int
main(void)
{
    struct kelpie_options options = KELPIE_OPTIONS_INIT;
    struct kelpie_transport far = {sizeof(far), on_output, on_closed, NULL, NULL};
    struct test t = {.now_ns = 1};
    kelpie_conn *client;
    kelpie *k;

    options.now_ns = now_ns;
    options.now_arg = &t;
    if (kelpie_new(&k, &options) < 0 ||
        kelpie_load_string(k, script, strlen(script), "=script") < 0 ||
        kelpie_detached(k, NULL, &far, &t, &client) < 0)
        return 1;
    kelpie_conn_feed(client, "hel", 3);
    kelpie_step(k, 0);
    expect(&t, "half a line is no message", t.shown, "");
    kelpie_conn_feed(client, "lo\n", 3);
    kelpie_step(k, 0);
    expect(&t, "a line is answered", t.shown, "HELLO\n");
    t.now_ns += UINT64_C(3600000000000);
    while (t.closed[0] == '\0' && kelpie_timeout(k) == 0)
        kelpie_step(k, 0);
    expect(&t, "after an hour it is closed", t.closed, "late");
    kelpie_free(k);
    return t.n_failed;
}
