/*
 * address.h - addresses as people write them, and as the kernel wants them
 */
#ifndef KP_ADDRESS_H
#define KP_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/base.h"

#define KP_ADDRESS_NAME_SIZE 32  /* listener names, with NUL */
#define KP_ADDRESS_TEXT_SIZE 160 /* any formatted address, with NUL */

struct kp_address {
    char name[KP_ADDRESS_NAME_SIZE]; /* of NAME=ADDRESS; "" without */
    int inherited_fd;                /* of fd:N; -1 without */
    socklen_t len;                   /* of the socket address; 0 with inherited_fd */
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } addr;
};

/* Who is at the other end; small, because every connection has one. */
union kp_peer {
    struct sockaddr any; /* .sa_family says which; AF_UNIX has no more than that */
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* Reads "127.0.0.1:8080", "[::1]:8080", "*:8080" (0.0.0.0), ":0" (127.0.0.1), "8080"
 * (127.0.0.1:8080), "unix:/path", "fd:3", each with an optional "NAME=" in front: letters,
 * digits, "_" and "-". Numeric only: no name service is asked.
 * Returns   0; KELPIE_EADDRESS with a sentence in why (why_size bytes) that names the text
 *           and what to write instead, and *out is as it was. */
int kp_address_parse(struct kp_address *out, const char *text, char *why,
                     size_t why_size) KP_MUST_CHECK;

/* Writes the address as it would be parsed: "127.0.0.1:8080", "[::1]:8080", "unix:/path";
 * "unix" for a unix socket without a path, "unknown" for any other family.
 * out has KP_ADDRESS_TEXT_SIZE bytes. */
void kp_address_format(char *out, const struct sockaddr *addr, socklen_t len);

/* Writes a peer: "127.0.0.1:5312", "[::1]:5312", "unix"; "unknown" after a peer that could
 * not be kept. out has KP_ADDRESS_TEXT_SIZE bytes. */
void kp_peer_format(char *out, const union kp_peer *peer);

/* Keeps of a socket address what a peer needs. An IPv4 address that is mapped into IPv6
 * becomes IPv4, so that a peer has one text and one key whatever socket it came through.
 * Any other family, or an address too short for its own, becomes AF_UNSPEC. */
void kp_peer_set(union kp_peer *peer, const struct sockaddr *addr, socklen_t len);

/* Returns whether the peer is on this machine (loopback or unix). */
bool kp_peer_is_local(const union kp_peer *peer);

/* Writes the key under which max_per_ip counts: the IPv4 address or the /64 of IPv6.
 * Returns   its length, at most 16; 0 for unix, which is not counted. */
size_t kp_peer_key(unsigned char key[16], const union kp_peer *peer);

/* Returns the port of a socket address, 0 when it has none. */
int kp_address_port(const struct sockaddr *addr);

#endif
