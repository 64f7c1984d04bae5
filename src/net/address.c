/*
 * address.c - addresses as people write them, and as the kernel wants them
 *
 * Reading is strict and offline. A host name is refused, because looking one up can block
 * for a minute, and because what a name means today may be the whole internet tomorrow: who
 * opens a port says in numbers to whom. Shorthands exist only where they are safe: a port
 * alone means 127.0.0.1; everything wider is spelled out.
 *
 *     [NAME=] 127.0.0.1:8080  [::1]:8080  *:8080  :8080  8080  unix:/path  fd:3
 *
 * An "=" belongs to the text behind it when a ":" or "/" comes first: a path may have one.
 * Whoever mistypes an address is in the middle of something else; each refusal says what is
 * wrong and, where it can be guessed, what to type instead.
 *
 * Writing is the inverse: what kp_address_format writes can be read again. The structs of
 * the kernel are copied, not cast: a struct sockaddr need not be aligned for what it holds.
 */
#include "address.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kelpie.h"

#define LONGEST_QUOTE 60 /* bytes of a bad text; the sentence needs room for advice */
#define MAX_PORT      65535
#define NOT_A_NUMBER  (-1)
#define EXAMPLE       "127.0.0.1:8080"

/* What is being read, and where the sentence goes. */
struct reading {
    const char *text; /* all of it, for the sentence */
    char *why;
    size_t why_size;
};

KP_PRINTF(2, 3)
static int
refuse(const struct reading *r, const char *fmt, ...)
{
    int len = snprintf(r->why, r->why_size, "address \"%.*s%s\": ", LONGEST_QUOTE,
                       r->text, strlen(r->text) > LONGEST_QUOTE ? "..." : "");
    va_list args;

    va_start(args, fmt);
    if (len > 0 && (size_t)len < r->why_size)
        vsnprintf(r->why + len, r->why_size - (size_t)len, fmt, args);
    va_end(args);
    return KELPIE_EADDRESS;
}

/* ---- reading ---- */

/* Reads digits and nothing else.
 * Returns   the number, limit + 1 for any above limit, or NOT_A_NUMBER. */
static int64_t
read_number(const char *text, int64_t limit)
{
    int64_t number = 0;

    if (*text == '\0')
        return NOT_A_NUMBER;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return NOT_A_NUMBER;
        number = number * 10 + (*text - '0');
        if (number > limit)
            number = limit + 1;
    }
    return number;
}

static bool
is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-';
}

/* Takes "NAME=" from the front of *text. */
static int
read_name(const struct reading *r, struct kp_address *out, const char **text)
{
    size_t len = strcspn(*text, "=:/");

    if ((*text)[len] != '=')
        return 0;
    if (len == 0)
        return refuse(r, "there is no name in front of \"=\"; write NAME=%s",
                      (*text)[1] != '\0' ? *text + 1 : EXAMPLE);
    if (len >= sizeof(out->name))
        return refuse(r, "the name has %zu characters; write at most %zu", len,
                      sizeof(out->name) - 1);
    for (size_t i = 0; i < len; i++)
        if (!is_name_char((*text)[i]))
            return refuse(r, "a name has letters, digits, \"_\" and \"-\" only");
    memcpy(out->name, *text, len);
    out->name[len] = '\0';
    *text += len + 1;
    return 0;
}

static int
read_fd(const struct reading *r, struct kp_address *out, const char *text)
{
    int64_t fd = read_number(text, INT_MAX);

    if (fd == NOT_A_NUMBER || fd > INT_MAX)
        return refuse(r, "\"fd:\" needs the number of a descriptor; write fd:3");
    out->inherited_fd = (int)fd;
    return 0;
}

static int
read_unix(const struct reading *r, struct kp_address *out, const char *path)
{
    struct sockaddr_un *un = &out->addr.un;
    size_t len = strlen(path);

    if (len == 0)
        return refuse(r, "the path is missing; write unix:/path");
    if (len >= sizeof(un->sun_path))
        return refuse(r, "the path has %zu bytes; a unix socket takes at most %zu", len,
                      sizeof(un->sun_path) - 1);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return 0;
}

/* Reads the port behind a host that is fine and is repeated in the advice. */
static int
read_port(const struct reading *r, const char *host, const char *text, in_port_t *out)
{
    int64_t port = read_number(text, MAX_PORT);

    if (*text == '\0')
        return refuse(r, "the port is missing; write %s:8080", host);
    if (port == NOT_A_NUMBER)
        return refuse(r, "the port is not a number; write %s:8080", host);
    if (port > MAX_PORT)
        return refuse(r, "there is no such port; write 1 to 65535, or 0 for a free one");
    *out = htons((in_port_t)port);
    return 0;
}

/* Reads "[HOST]:PORT". */
static int
read_inet6(const struct reading *r, struct kp_address *out, const char *text)
{
    struct sockaddr_in6 *in6 = &out->addr.in6;
    char host[INET6_ADDRSTRLEN], bracketed[INET6_ADDRSTRLEN + 2];
    size_t len = strcspn(text + 1, "]");
    const char *after = text + 1 + len;

    if (*after != ']')
        return refuse(r, "the \"]\" is missing; write [::1]:8080");
    snprintf(host, sizeof(host), "%.*s", (int)len, text + 1);
    if (len >= sizeof(host) || inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
        return refuse(r, "this is not an IPv6 address; write one as in [::1]:8080");
    snprintf(bracketed, sizeof(bracketed), "[%s]", host);
    after++;
    if (*after != '\0' && *after != ':')
        return refuse(r, "a \":\" is missing behind the \"]\"; write %s:8080", bracketed);
    in6->sin6_family = AF_INET6;
    out->len = sizeof(*in6);
    return read_port(r, bracketed, *after == ':' ? after + 1 : after, &in6->sin6_port);
}

/* Says what is wrong with text, whose host is none that is known. */
static int
refuse_host(const struct reading *r, const char *host, const char *port)
{
    if (host[strspn(host, "0123456789.")] == '\0')
        return refuse(r, "\"%s\" is not an IPv4 address; write one as in " EXAMPLE, host);
    if (strcmp(host, "localhost") != 0)
        return refuse(r, "names are not looked up; write numbers, as in " EXAMPLE);
    int64_t number = read_number(port, MAX_PORT);
    return refuse(r, "names are not looked up; write 127.0.0.1:%s",
                  number == NOT_A_NUMBER || number > MAX_PORT ? "8080" : port);
}

/* Reads "HOST:PORT", ":PORT", "PORT". */
static int
read_inet(const struct reading *r, struct kp_address *out, const char *text)
{
    struct sockaddr_in *in = &out->addr.in;
    char host[32]; /* cut short if it is no address anyway */
    bool is_port = read_number(text, MAX_PORT) != NOT_A_NUMBER;
    size_t len = is_port ? 0 : strcspn(text, ":");
    const char *port = text + len;

    if (*port == ':')
        port++;
    if (strchr(port, ':') != NULL)
        return refuse(r, "an IPv6 address stands in brackets; write [::1]:8080");
    in->sin_family = AF_INET;
    out->len = sizeof(*in);
    if (len > 0)
        snprintf(host, sizeof(host), "%.*s", (int)len, text);
    else
        snprintf(host, sizeof(host), "127.0.0.1");
    if (strcmp(host, "*") == 0)
        in->sin_addr.s_addr = htonl(INADDR_ANY);
    else if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
        return refuse_host(r, host, port);
    return read_port(r, host, port, &in->sin_port);
}

static int
read_any(const struct reading *r, struct kp_address *out, const char *text)
{
    if (*text == '\0')
        return refuse(r, "it is empty; write " EXAMPLE ", [::1]:8080 or unix:/path");
    if (strncmp(text, "unix:", 5) == 0)
        return read_unix(r, out, text + 5);
    if (strncmp(text, "fd:", 3) == 0)
        return read_fd(r, out, text + 3);
    if (strstr(text, "://") != NULL)
        return refuse(r, "this is a URL; write host and port only, as in " EXAMPLE);
    if (strchr(text, '/') != NULL)
        return refuse(r, "a path needs \"unix:\" in front; write unix:%.*s",
                      LONGEST_QUOTE, text);
    if (text[strcspn(text, " \t\r\n")] != '\0')
        return refuse(r, "there is a blank in it; write it without");
    return *text == '[' ? read_inet6(r, out, text) : read_inet(r, out, text);
}

int
kp_address_parse(struct kp_address *out, const char *text, char *why, size_t why_size)
{
    struct reading r = {.text = text, .why = why, .why_size = why_size};
    struct kp_address address;

    memset(&address, 0, sizeof(address));
    address.inherited_fd = -1;
    int rc = read_name(&r, &address, &text);
    if (rc == 0)
        rc = read_any(&r, &address, text);
    if (rc == 0)
        *out = address;
    return rc;
}

/* ---- writing ---- */

static void
format_inet(char *out, const struct sockaddr_in *in)
{
    char host[INET_ADDRSTRLEN] = "";

    (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host)); /* it has room */
    snprintf(out, KP_ADDRESS_TEXT_SIZE, "%s:%u", host, ntohs(in->sin_port));
}

static void
format_inet6(char *out, const struct sockaddr_in6 *in6)
{
    char host[INET6_ADDRSTRLEN] = "";

    (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host)); /* it has room */
    snprintf(out, KP_ADDRESS_TEXT_SIZE, "[%s]:%u", host, ntohs(in6->sin6_port));
}

/* The path ends at a NUL or with the address, whichever comes first. */
static void
format_unix(char *out, const struct sockaddr *addr, socklen_t len)
{
    struct sockaddr_un un;

    memset(&un, 0, sizeof(un));
    memcpy(&un, addr, len < sizeof(un) ? len : sizeof(un));
    if (un.sun_path[0] == '\0')
        snprintf(out, KP_ADDRESS_TEXT_SIZE, "unix");
    else
        snprintf(out, KP_ADDRESS_TEXT_SIZE, "unix:%.*s", (int)sizeof(un.sun_path),
                 un.sun_path);
}

/* Returns the family, or AF_UNSPEC when the address is too short for it. */
static int
family_of(const struct sockaddr *addr, socklen_t len)
{
    if (len < offsetof(struct sockaddr, sa_data))
        return AF_UNSPEC;
    if (addr->sa_family == AF_INET && len < sizeof(struct sockaddr_in))
        return AF_UNSPEC;
    if (addr->sa_family == AF_INET6 && len < sizeof(struct sockaddr_in6))
        return AF_UNSPEC;
    return addr->sa_family;
}

void
kp_address_format(char *out, const struct sockaddr *addr, socklen_t len)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    switch (family_of(addr, len)) {
    case AF_INET:
        memcpy(&in, addr, sizeof(in));
        format_inet(out, &in);
        break;
    case AF_INET6:
        memcpy(&in6, addr, sizeof(in6));
        format_inet6(out, &in6);
        break;
    case AF_UNIX:
        format_unix(out, addr, len);
        break;
    default:
        snprintf(out, KP_ADDRESS_TEXT_SIZE, "unknown");
    }
}

int
kp_address_port(const struct sockaddr *addr)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    switch (addr->sa_family) {
    case AF_INET:
        memcpy(&in, addr, sizeof(in));
        return ntohs(in.sin_port);
    case AF_INET6:
        memcpy(&in6, addr, sizeof(in6));
        return ntohs(in6.sin6_port);
    default:
        return 0;
    }
}

/* ---- peers ---- */

/* Turns ::ffff:192.0.2.1 into 192.0.2.1. */
static void
unmap(union kp_peer *peer)
{
    struct sockaddr_in in;

    if (!IN6_IS_ADDR_V4MAPPED(&peer->in6.sin6_addr))
        return;
    memset(&in, 0, sizeof(in));
    in.sin_family = AF_INET;
    in.sin_port = peer->in6.sin6_port;
    memcpy(&in.sin_addr, &peer->in6.sin6_addr.s6_addr[12], 4);
    peer->in = in;
}

void
kp_peer_set(union kp_peer *peer, const struct sockaddr *addr, socklen_t len)
{
    memset(peer, 0, sizeof(*peer));
    switch (family_of(addr, len)) {
    case AF_INET:
        memcpy(&peer->in, addr, sizeof(peer->in));
        break;
    case AF_INET6:
        memcpy(&peer->in6, addr, sizeof(peer->in6));
        unmap(peer);
        break;
    case AF_UNIX:
        peer->any.sa_family = AF_UNIX;
        break;
    default:
        peer->any.sa_family = AF_UNSPEC;
    }
}

void
kp_peer_format(char *out, const union kp_peer *peer)
{
    kp_address_format(out, &peer->any, sizeof(*peer));
}

bool
kp_peer_is_local(const union kp_peer *peer)
{
    switch (peer->any.sa_family) {
    case AF_INET:
        return ntohl(peer->in.sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&peer->in6.sin6_addr);
    default:
        return peer->any.sa_family == AF_UNIX;
    }
}

size_t
kp_peer_key(unsigned char key[16], const union kp_peer *peer)
{
    switch (peer->any.sa_family) {
    case AF_INET:
        memcpy(key, &peer->in.sin_addr, 4);
        return 4;
    case AF_INET6:
        memcpy(key, &peer->in6.sin6_addr, 8);
        return 8;
    default:
        return 0;
    }
}
