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
    {KELPIE_EMISUSE, "not allowed here"},  {KELPIE_ENAME, "host name not known"},
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

int
kp_server_fail_null(kelpie *k, const char *what)
{
    return kp_server_fail(k, KELPIE_EMISUSE, "%s: NULL", what);
}

int
kp_server_copy(kelpie *k, void *out, size_t out_size, const void *given, const char *what)
{
    size_t size = 0;

    if (given != NULL)
        memcpy(&size, given, sizeof(size));
    if (size < sizeof(size) || size > out_size)
        return kp_server_fail(k, KELPIE_EMISUSE, "%s: a struct of size %zu is not known",
                              what, size);
    memset(out, 0, out_size);
    memcpy(out, given, size);
    return 0;
}

const char *
kelpie_errmsg(const kelpie *k)
{
    return k == NULL ? "" : k->error;
}
