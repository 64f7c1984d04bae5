/*
 * connect_address.c - what can be connected to, as text
 *
 * Every address that a listener could have (address.c), but for those that only a listener
 * can, and "HOST:PORT" with the name of a host. A mistake is told in a sentence that says what
 * to write instead. Nothing is looked up here.
 */
#include <stdio.h>
#include <string.h>

#include "connect.h"
#include "kelpie.h"

static int
refuse(char *why, size_t why_size, const char *text, const char *reason)
{
    snprintf(why, why_size, "address \"%.60s\": %s", text, reason);
    return KELPIE_EADDRESS;
}

/* Returns what is wrong with an address that a listener could have, or NULL. */
static const char *
problem_of(const struct kp_address *address, const char *text)
{
    if (address->name[0] != '\0')
        return "a name in front is for listeners only";
    if (address->inherited_fd >= 0)
        return "a descriptor is for listeners only";
    if (address->addr.any.sa_family == AF_UNIX)
        return NULL;
    if (text[0] == '*' || text[strspn(text, "0123456789")] == '\0' || text[0] == ':')
        return "the host is missing; write one as in 127.0.0.1:8080";
    if (kp_address_port(&address->addr.any) == 0)
        return "there is nothing at port 0";
    return NULL;
}

/* Reads "HOST:PORT" with a host name: it has a letter, and no byte that a name cannot have. */
static bool
read_host(struct kp_host *out, const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "0123456789.-_";
    size_t len = strcspn(text, ":");
    size_t n_digits = text[len] == ':' ? strlen(text + len + 1) : 0;
    bool has_letter = false;

    for (size_t i = 0; i < len; i++) {
        bool is_letter = strchr(letters, text[i]) != NULL;
        if (!is_letter && strchr(others, text[i]) == NULL)
            return false;
        has_letter |= is_letter;
    }
    if (!has_letter || len >= sizeof(out->name) || n_digits < 1 || n_digits > 5 ||
        strspn(text + len + 1, "0123456789") != n_digits)
        return false;
    int port = 0;
    for (const char *digit = text + len + 1; *digit != '\0'; digit++)
        port = port * 10 + (*digit - '0');
    if (port < 1 || port > 65535)
        return false;
    memcpy(out->name, text, len);
    out->name[len] = '\0';
    memcpy(out->port, text + len + 1, n_digits + 1);
    return true;
}

int
kp_connect_address(struct kp_address *out, struct kp_host *host, const char *text,
                   char *why, size_t why_size)
{
    memset(host, 0, sizeof(*host));
    if (strncmp(text, "fd:", 3) != 0 && strncmp(text, "unix:", 5) != 0 &&
        read_host(host, text))
        return 0;
    if (text[strspn(text, "0123456789.")] != '\0' && strpbrk(text, ":/= ") == NULL)
        return refuse(why, why_size, text, "the port is missing; write HOST:8080");
    int rc = kp_address_parse(out, text, why, why_size);

    if (rc < 0)
        return rc;
    const char *problem = problem_of(out, text);
    return problem == NULL ? 0 : refuse(why, why_size, text, problem);
}
