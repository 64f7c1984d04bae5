/*
 * test_address.c - addresses as people write them, and as the kernel wants them
 */
#include "net/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "kelpie.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* Parses what must be an address, and writes it again. */
static struct kp_address
parsed(const char *text, char *again)
{
    struct kp_address address;
    char why[256] = "";

    if (kp_address_parse(&address, text, why, sizeof(why)) != 0)
        fail_msg("%s", why);
    again[0] = '\0';
    if (address.len > 0)
        kp_address_format(again, &address.addr.any, address.len);
    return address;
}

/* ---- reading ---- */

static void
given_an_ipv4_address_when_parsed_then_family_host_and_port(void **state)
{
    (void)state;
    char again[KP_ADDRESS_TEXT_SIZE];

    struct kp_address address = parsed("192.0.2.7:8080", again);

    assert_string_equal(address.name, "");
    assert_int_equal(address.inherited_fd, -1);
    assert_int_equal(address.len, sizeof(struct sockaddr_in));
    assert_int_equal(address.addr.in.sin_family, AF_INET);
    assert_int_equal(address.addr.in.sin_port, htons(8080));
    assert_int_equal(address.addr.in.sin_addr.s_addr, htonl(0xc0000207));
    assert_string_equal(again, "192.0.2.7:8080");
}

static void
given_an_ipv6_address_when_parsed_then_family_host_and_port(void **state)
{
    (void)state;
    char again[KP_ADDRESS_TEXT_SIZE];

    struct kp_address address = parsed("[2001:DB8:0:0::7]:65535", again);

    assert_int_equal(address.len, sizeof(struct sockaddr_in6));
    assert_int_equal(address.addr.in6.sin6_family, AF_INET6);
    assert_int_equal(address.addr.in6.sin6_port, htons(65535));
    assert_string_equal(again, "[2001:db8::7]:65535");
}

static void
given_a_shorthand_when_parsed_then_it_means_this_machine_unless_it_says_more(void **state)
{
    (void)state;
    static const struct {
        const char *text, *means;
    } cases[] = {
        {":0", "127.0.0.1:0"},
        {":8080", "127.0.0.1:8080"},
        {"8080", "127.0.0.1:8080"},
        {"0", "127.0.0.1:0"},
        {"*:8080", "0.0.0.0:8080"},
        {"[::]:80", "[::]:80"},
        {"0.0.0.0:80", "0.0.0.0:80"},
        {"[::1]:0", "[::1]:0"},
        {"127.0.0.1:00080", "127.0.0.1:80"},
    };

    for (size_t i = 0; i < LEN(cases); i++) {
        char again[KP_ADDRESS_TEXT_SIZE];

        parsed(cases[i].text, again);

        assert_string_equal(again, cases[i].means);
    }
}

static void
given_a_unix_path_when_parsed_then_it_is_taken_as_it_is(void **state)
{
    (void)state;
    static const char *const texts[] = {"unix:/run/kelpie.sock", "unix:relative",
                                        "unix:a b", "unix:/tmp/name=value",
                                        "unix:[::1]:80"};

    for (size_t i = 0; i < LEN(texts); i++) {
        char again[KP_ADDRESS_TEXT_SIZE];

        struct kp_address address = parsed(texts[i], again);

        assert_string_equal(address.name, "");
        assert_int_equal(address.addr.un.sun_family, AF_UNIX);
        assert_string_equal(address.addr.un.sun_path, texts[i] + 5);
        assert_int_equal(address.len, offsetof(struct sockaddr_un, sun_path) +
                                          strlen(texts[i] + 5) + 1);
        assert_string_equal(again, texts[i]);
    }
}

static void
given_the_longest_unix_path_when_parsed_then_it_fits_and_one_more_does_not(void **state)
{
    (void)state;
    struct kp_address address;
    size_t longest = sizeof(address.addr.un.sun_path) - 1;
    char text[256], again[KP_ADDRESS_TEXT_SIZE], why[256], expected[256];
    memset(text, 'x', sizeof(text));
    memcpy(text, "unix:/", 6);
    text[5 + longest] = '\0';

    parsed(text, again);
    assert_string_equal(again, text);
    text[5 + longest] = 'x';
    text[5 + longest + 1] = '\0';
    int rc = kp_address_parse(&address, text, why, sizeof(why));

    assert_int_equal(rc, KELPIE_EADDRESS);
    snprintf(expected, sizeof(expected),
             "the path has %zu bytes; a unix socket takes at most %zu", longest + 1,
             longest);
    assert_non_null(strstr(why, expected));
}

static void
given_an_inherited_descriptor_when_parsed_then_its_number_and_no_address(void **state)
{
    (void)state;
    char again[KP_ADDRESS_TEXT_SIZE];

    assert_int_equal(parsed("fd:0", again).inherited_fd, 0);
    assert_int_equal(parsed("fd:3", again).inherited_fd, 3);
    assert_int_equal(parsed("fd:2147483647", again).inherited_fd, INT_MAX);
    assert_int_equal(parsed("fd:3", again).len, 0);
}

static void
given_a_name_in_front_when_parsed_then_name_and_address(void **state)
{
    (void)state;
    char again[KP_ADDRESS_TEXT_SIZE];

    struct kp_address inet = parsed("admin=127.0.0.1:9000", again);
    assert_string_equal(inet.name, "admin");
    assert_string_equal(again, "127.0.0.1:9000");

    struct kp_address un = parsed("Web_2-b=unix:/a=b", again);
    assert_string_equal(un.name, "Web_2-b");
    assert_string_equal(again, "unix:/a=b");

    struct kp_address inherited = parsed("console=fd:3", again);
    assert_string_equal(inherited.name, "console");
    assert_int_equal(inherited.inherited_fd, 3);

    struct kp_address longest = parsed("a123456789b123456789c123456789d=:0", again);
    assert_string_equal(longest.name, "a123456789b123456789c123456789d");
}

static void
given_a_bad_text_when_parsed_then_a_sentence_says_what_to_write_instead(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "it is empty; write 127.0.0.1:8080, [::1]:8080 or unix:/path"},
        {"admin=", "it is empty; write 127.0.0.1:8080, [::1]:8080 or unix:/path"},
        /* host names */
        {"localhost:9000", "names are not looked up; write 127.0.0.1:9000"},
        {"localhost", "names are not looked up; write 127.0.0.1:8080"},
        {"localhost:http", "names are not looked up; write 127.0.0.1:8080"},
        {"localhost:70000", "names are not looked up; write 127.0.0.1:8080"},
        {"example.com:80",
         "names are not looked up; write numbers, as in 127.0.0.1:8080"},
        {"a-name-longer-than-any-numeric-address:80",
         "names are not looked up; write numbers, as in 127.0.0.1:8080"},
        /* ports */
        {"127.0.0.1", "the port is missing; write 127.0.0.1:8080"},
        {"127.0.0.1:", "the port is missing; write 127.0.0.1:8080"},
        {"*", "the port is missing; write *:8080"},
        {":", "the port is missing; write 127.0.0.1:8080"},
        {"[::1]", "the port is missing; write [::1]:8080"},
        {"[fe80::1]:", "the port is missing; write [fe80::1]:8080"},
        {"10.0.0.1:http", "the port is not a number; write 10.0.0.1:8080"},
        {":-1", "the port is not a number; write 127.0.0.1:8080"},
        {":+80", "the port is not a number; write 127.0.0.1:8080"},
        {":0x50", "the port is not a number; write 127.0.0.1:8080"},
        {"127.0.0.1:65536",
         "there is no such port; write 1 to 65535, or 0 for a free one"},
        {"70000", "there is no such port; write 1 to 65535, or 0 for a free one"},
        {"[::1]:99999999999999999999",
         "there is no such port; write 1 to 65535, or 0 for a free one"},
        /* numeric hosts */
        {"127.0.0:80",
         "\"127.0.0\" is not an IPv4 address; write one as in 127.0.0.1:8080"},
        {"256.0.0.1:80",
         "\"256.0.0.1\" is not an IPv4 address; write one as in 127.0.0.1:8080"},
        {"1.2", "\"1.2\" is not an IPv4 address; write one as in 127.0.0.1:8080"},
        {"::1:8080", "an IPv6 address stands in brackets; write [::1]:8080"},
        {"::1", "an IPv6 address stands in brackets; write [::1]:8080"},
        {"[::1", "the \"]\" is missing; write [::1]:8080"},
        {"[::1]8080", "a \":\" is missing behind the \"]\"; write [::1]:8080"},
        {"[::g]:80", "this is not an IPv6 address; write one as in [::1]:8080"},
        {"[127.0.0.1]:80", "this is not an IPv6 address; write one as in [::1]:8080"},
        {"[fe80::1%eth0]:80", "this is not an IPv6 address; write one as in [::1]:8080"},
        {"[0000:0000:0000:0000:0000:ffff:255.255.255.2555]:80",
         "this is not an IPv6 address; write one as in [::1]:8080"},
        {"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:80",
         "this is not an IPv6 address; write one as in [::1]:8080"},
        {" :80", "there is a blank in it; write it without"},
        {"127.0.0.1:80\n", "there is a blank in it; write it without"},
        /* paths, descriptors */
        {"/run/kelpie", "a path needs \"unix:\" in front; write unix:/run/kelpie"},
        {"./kelpie", "a path needs \"unix:\" in front; write unix:./kelpie"},
        {"unix:", "the path is missing; write unix:/path"},
        {"tcp://127.0.0.1:80",
         "this is a URL; write host and port only, as in 127.0.0.1:8080"},
        {"fd:", "\"fd:\" needs the number of a descriptor; write fd:3"},
        {"fd:x", "\"fd:\" needs the number of a descriptor; write fd:3"},
        {"fd:-1", "\"fd:\" needs the number of a descriptor; write fd:3"},
        {"fd:2147483648", "\"fd:\" needs the number of a descriptor; write fd:3"},
        /* names of listeners */
        {"=:80", "there is no name in front of \"=\"; write NAME=:80"},
        {"=", "there is no name in front of \"=\"; write NAME=127.0.0.1:8080"},
        {"my admin=:80", "a name has letters, digits, \"_\" and \"-\" only"},
        {"admin\xc3\xa9=:80", "a name has letters, digits, \"_\" and \"-\" only"},
        {"a123456789b123456789c123456789d1=:0",
         "the name has 32 characters; write at most 31"},
    };

    for (size_t i = 0; i < LEN(cases); i++) {
        struct kp_address address, before;
        char why[256], expected[256];
        memset(&address, 0x55, sizeof(address));
        memcpy(&before, &address, sizeof(before));

        int rc = kp_address_parse(&address, cases[i].text, why, sizeof(why));

        assert_int_equal(rc, KELPIE_EADDRESS);
        snprintf(expected, sizeof(expected), "address \"%s\": %s", cases[i].text,
                 cases[i].why);
        assert_string_equal(why, expected);
        assert_memory_equal(&address, &before, sizeof(address));
    }
}

static void
given_a_very_long_text_when_refused_then_the_advice_is_still_there(void **state)
{
    (void)state;
    struct kp_address address;
    char text[5000], why[160];
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';

    int rc = kp_address_parse(&address, text, why, sizeof(why));

    assert_int_equal(rc, KELPIE_EADDRESS);
    assert_non_null(strstr(why, "xxx...\": names are not looked up; write numbers"));
}

static void
given_little_room_for_the_sentence_when_refused_then_it_is_cut_and_terminated(
    void **state)
{
    (void)state;
    struct kp_address address;
    char why[32];

    for (size_t size = 0; size <= sizeof(why); size++) {
        memset(why, '#', sizeof(why));

        int rc = kp_address_parse(&address, "localhost", why, size);

        assert_int_equal(rc, KELPIE_EADDRESS);
        if (size > 0)
            assert_int_equal(strlen(why), size - 1);
        if (size < sizeof(why))
            assert_int_equal(why[size], '#');
    }
}

/* ---- writing ---- */

static void
given_a_unix_address_without_a_path_when_formatted_then_unix(void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "leftover"};
    char text[KP_ADDRESS_TEXT_SIZE];

    kp_address_format(text, (struct sockaddr *)&un,
                      (socklen_t)offsetof(struct sockaddr_un, sun_path));

    assert_string_equal(text, "unix");
}

static void
given_a_unix_path_without_its_nul_when_formatted_then_it_ends_with_the_address(
    void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char text[KP_ADDRESS_TEXT_SIZE];
    memset(un.sun_path, 'p', sizeof(un.sun_path));

    kp_address_format(text, (struct sockaddr *)&un,
                      (socklen_t)offsetof(struct sockaddr_un, sun_path) + 3);
    assert_string_equal(text, "unix:ppp");
    kp_address_format(text, (struct sockaddr *)&un, sizeof(un));
    assert_int_equal(strlen(text), 5 + sizeof(un.sun_path));
}

static void
given_a_family_it_does_not_know_when_formatted_then_unknown(void **state)
{
    (void)state;
    struct sockaddr any = {.sa_family = AF_UNSPEC};
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    char text[KP_ADDRESS_TEXT_SIZE];

    kp_address_format(text, &any, sizeof(any));
    assert_string_equal(text, "unknown");
    kp_address_format(text, (struct sockaddr *)&in, sizeof(in) - 1);
    assert_string_equal(text, "unknown");
    kp_address_format(text, (struct sockaddr *)&in6, sizeof(in6) - 1);
    assert_string_equal(text, "unknown");
    any.sa_family = AF_UNIX;
    kp_address_format(text, &any, 0);
    assert_string_equal(text, "unknown");
}

static void
given_a_socket_address_when_asked_for_its_port_then_that_or_zero(void **state)
{
    (void)state;
    char again[KP_ADDRESS_TEXT_SIZE];
    struct kp_address inet = parsed("127.0.0.1:8080", again);
    struct kp_address inet6 = parsed("[::1]:8081", again);
    struct kp_address un = parsed("unix:/tmp/x", again);

    assert_int_equal(kp_address_port(&inet.addr.any), 8080);
    assert_int_equal(kp_address_port(&inet6.addr.any), 8081);
    assert_int_equal(kp_address_port(&un.addr.any), 0);
}

/* ---- peers ---- */

static union kp_peer
peer_of(const char *text)
{
    char again[KP_ADDRESS_TEXT_SIZE];
    struct kp_address address = parsed(text, again);
    union kp_peer peer;

    memset(&peer, 0x55, sizeof(peer));
    kp_peer_set(&peer, &address.addr.any, address.len);
    return peer;
}

static void
assert_peer(const char *text, const char *expected)
{
    union kp_peer peer = peer_of(text);
    char formatted[KP_ADDRESS_TEXT_SIZE];

    kp_peer_format(formatted, &peer);

    assert_string_equal(formatted, expected);
}

static void
given_a_peer_when_formatted_then_host_and_port_or_unix(void **state)
{
    (void)state;

    assert_peer("127.0.0.1:5312", "127.0.0.1:5312");
    assert_peer("[2001:db8::1]:5312", "[2001:db8::1]:5312");
    assert_peer("unix:/tmp/any", "unix");
}

static void
given_an_ipv4_peer_of_an_ipv6_socket_when_kept_then_it_is_ipv4(void **state)
{
    (void)state;
    union kp_peer peer = peer_of("[::ffff:127.0.0.1]:5312");
    unsigned char key[16];

    assert_peer("[::ffff:192.0.2.1]:5312", "192.0.2.1:5312");
    assert_true(kp_peer_is_local(&peer));
    assert_int_equal(kp_peer_key(key, &peer), 4);
}

static void
given_a_peer_address_that_is_cut_short_when_kept_then_unknown_and_not_local(void **state)
{
    (void)state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    union kp_peer peer;
    char text[KP_ADDRESS_TEXT_SIZE];
    unsigned char key[16];

    kp_peer_set(&peer, (struct sockaddr *)&in, 4);
    kp_peer_format(text, &peer);

    assert_string_equal(text, "unknown");
    assert_false(kp_peer_is_local(&peer));
    assert_int_equal(kp_peer_key(key, &peer), 0);
}

static void
given_a_unix_peer_without_a_path_when_kept_then_it_is_local(void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    union kp_peer peer;

    kp_peer_set(&peer, (struct sockaddr *)&un,
                (socklen_t)offsetof(struct sockaddr_un, sun_path));

    assert_int_equal(peer.any.sa_family, AF_UNIX);
    assert_true(kp_peer_is_local(&peer));
}

static void
given_peers_when_asked_whether_they_are_local_then_loopback_and_unix_are(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_local;
    } cases[] = {
        {"127.0.0.1:1", true},  {"127.255.255.254:1", true}, {"[::1]:1", true},
        {"unix:/tmp/x", true},  {"128.0.0.1:1", false},      {"0.0.0.0:1", false},
        {"192.0.2.1:1", false}, {"[::2]:1", false},          {"[2001:db8::1]:1", false},
    };

    for (size_t i = 0; i < LEN(cases); i++) {
        union kp_peer peer = peer_of(cases[i].text);

        if (kp_peer_is_local(&peer) != cases[i].is_local)
            fail_msg("%s", cases[i].text);
    }
}

/* Returns whether max_per_ip counts two peers together. */
static bool
is_same_key(const char *a, const char *b)
{
    union kp_peer peer_a = peer_of(a), peer_b = peer_of(b);
    unsigned char key_a[16], key_b[16];
    size_t len_a = kp_peer_key(key_a, &peer_a), len_b = kp_peer_key(key_b, &peer_b);

    return len_a == len_b && memcmp(key_a, key_b, len_a) == 0;
}

static void
given_peers_when_counted_by_key_then_per_ipv4_address_and_per_ipv6_network(void **state)
{
    (void)state;

    assert_true(is_same_key("192.0.2.1:1", "192.0.2.1:2"));
    assert_false(is_same_key("192.0.2.1:1", "192.0.2.2:1"));
    assert_true(is_same_key("[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff::9]:2"));
    assert_false(is_same_key("[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1"));
    assert_false(is_same_key("192.0.2.1:1", "[c000:0201::]:1"));
    assert_true(is_same_key("192.0.2.1:1", "[::ffff:192.0.2.1]:1"));
    union kp_peer un = peer_of("unix:/tmp/x");
    unsigned char key[16];
    assert_int_equal(kp_peer_key(key, &un), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(given_an_ipv4_address_when_parsed_then_family_host_and_port),
        cmocka_unit_test(given_an_ipv6_address_when_parsed_then_family_host_and_port),
        cmocka_unit_test(
            given_a_shorthand_when_parsed_then_it_means_this_machine_unless_it_says_more),
        cmocka_unit_test(given_a_unix_path_when_parsed_then_it_is_taken_as_it_is),
        cmocka_unit_test(
            given_the_longest_unix_path_when_parsed_then_it_fits_and_one_more_does_not),
        cmocka_unit_test(
            given_an_inherited_descriptor_when_parsed_then_its_number_and_no_address),
        cmocka_unit_test(given_a_name_in_front_when_parsed_then_name_and_address),
        cmocka_unit_test(
            given_a_bad_text_when_parsed_then_a_sentence_says_what_to_write_instead),
        cmocka_unit_test(
            given_a_very_long_text_when_refused_then_the_advice_is_still_there),
        cmocka_unit_test(
            given_little_room_for_the_sentence_when_refused_then_it_is_cut_and_terminated),
        cmocka_unit_test(given_a_unix_address_without_a_path_when_formatted_then_unix),
        cmocka_unit_test(
            given_a_unix_path_without_its_nul_when_formatted_then_it_ends_with_the_address),
        cmocka_unit_test(given_a_family_it_does_not_know_when_formatted_then_unknown),
        cmocka_unit_test(
            given_a_socket_address_when_asked_for_its_port_then_that_or_zero),
        cmocka_unit_test(given_a_peer_when_formatted_then_host_and_port_or_unix),
        cmocka_unit_test(given_an_ipv4_peer_of_an_ipv6_socket_when_kept_then_it_is_ipv4),
        cmocka_unit_test(
            given_a_peer_address_that_is_cut_short_when_kept_then_unknown_and_not_local),
        cmocka_unit_test(given_a_unix_peer_without_a_path_when_kept_then_it_is_local),
        cmocka_unit_test(
            given_peers_when_asked_whether_they_are_local_then_loopback_and_unix_are),
        cmocka_unit_test(
            given_peers_when_counted_by_key_then_per_ipv4_address_and_per_ipv6_network),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
