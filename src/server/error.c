/*
 * error.c - errors in words
 */
#include <stdio.h>
#include <string.h>

#include "server.h"

static const struct {
    int error;
    const char *text;
} error_texts[] = {
    {KELPIE_ECLOSED, "connection closed"}, {KELPIE_EFULL, "outbox full"},
    {KELPIE_ESCRIPT, "script error"},      {KELPIE_EADDRESS, "not an address"},
    {KELPIE_EPROTO, "protocol error"},     {KELPIE_ETOOLONG, "message too long"},
    {KELPIE_EMISUSE, "not allowed here"},
};

/* strerror(3) returns constant text for the errno values of the system on all systems that
 * kelpie knows; only unknown numbers would share a buffer. */
const char *
kelpie_strerror(int error)
{
    if (error >= 0)
        return "no error";
    for (size_t i = 0; i < sizeof(error_texts) / sizeof(error_texts[0]); i++)
        if (error_texts[i].error == error)
            return error_texts[i].text;
    return error > KELPIE_ECLOSED ? strerror(-error) : "unknown error";
}

int
kp_server_fail(kelpie *k, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(k->error, sizeof(k->error), format, args);
    va_end(args);
    return error;
}

const char *
kelpie_errmsg(const kelpie *k)
{
    return k == NULL ? "" : k->error;
}
