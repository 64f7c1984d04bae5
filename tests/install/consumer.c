/*
 * consumer.c - a program of somebody else, built against an installed libkelpie
 *
 * Serves a line of Lua, connects to itself through kelpie_adopt, and expects an answer.
 */
#include <kelpie.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char script[] =
    "return { on_connect = function(conn) conn:send('hello') end }";

static int
fail(kelpie *k, const char *what)
{
    fprintf(stderr, "consumer: %s: %s\n", what, k != NULL ? kelpie_errmsg(k) : "");
    kelpie_free(k);
    return 1;
}

int
main(void)
{
    kelpie *k;
    int ends[2];
    char heard[16] = "";
    ssize_t n = -1;

    if (strcmp(kelpie_version(), KELPIE_VERSION_STRING) != 0)
        return fail(NULL, "header and library are of different versions");
    if (kelpie_new(&k, NULL) < 0)
        return fail(NULL, "kelpie_new");
    if (kelpie_load_string(k, script, sizeof(script) - 1, "=consumer") < 0)
        return fail(k, "kelpie_load_string");
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return fail(k, "socketpair");
    if (kelpie_adopt(k, ends[0], NULL, NULL) < 0)
        return fail(k, "kelpie_adopt");
    for (int i = 0; i < 10 && n < 6; i++) {
        if (kelpie_step(k, 0) < 0)
            return fail(k, "kelpie_step");
        n = recv(ends[1], heard, sizeof(heard) - 1, MSG_DONTWAIT);
    }
    close(ends[1]);
    if (n != 6 || memcmp(heard, "hello\n", 6) != 0)
        return fail(k, "there was no answer");
    kelpie_free(k);
    printf("consumer: kelpie %s says hello\n", kelpie_version());
    return 0;
}
