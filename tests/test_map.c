/*
 * test_map.c - the hash map and its hash
 *
 * The vectors of SipHash-1-3 come from programs that others wrote: CPython 3.11, whose
 * hash of bytes is SipHash-1-3 with a secret of zeros under PYTHONHASHSEED=0, and the tests
 * of the Ruby gem digest-sip_hash. The one with the key 00 01 .. 0f is that of the
 * reference implementation for the empty message.
 */
#include "base/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"

struct fixture {
    struct kp_env env;
    struct fault_mem mem;
    struct fault_sys sys;
    struct kp_map map;
};

static int
setup(void **state)
{
    static struct fixture fixture;

    fault_env_init(&fixture.env, &fixture.mem, &fixture.sys);
    *state = &fixture;
    return kp_map_init(&fixture.map, &fixture.env.mem, &fixture.env.sys);
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    kp_map_clear(&f->map);
    fault_env_check(&f->env, &f->mem);
    return 0;
}

/* ---- the hash ---- */

static void
given_known_secrets_when_hashed_then_the_published_values(void **state)
{
    struct fixture *f = *state;
    unsigned char bytes[64];
    char xs[1000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    memset(xs, 'x', sizeof(xs));

    f->map.secret[0] = f->map.secret[1] = 0;
    assert_true(kp_map_hash(&f->map, NULL, 0) == UINT64_C(0xd1fba762150c532c));
    assert_true(kp_map_hash(&f->map, bytes, 1) == UINT64_C(0x68a914128e01e473));
    assert_true(kp_map_hash(&f->map, bytes, 7) == UINT64_C(0x2f098ab0c751325a));
    assert_true(kp_map_hash(&f->map, bytes, 8) == UINT64_C(0xead411e67ebe2eea));
    assert_true(kp_map_hash(&f->map, bytes, 63) == UINT64_C(0x385d3e39e5f37359));
    assert_true(kp_map_hash(&f->map, "a", 1) == UINT64_C(0x407448d2b89b1813));
    assert_true(kp_map_hash(&f->map, "siphash", 7) == UINT64_C(0x8264ceeccb16bcbe));
    assert_true(kp_map_hash(&f->map, xs, sizeof(xs)) == UINT64_C(0x1b47c0cc4dd21f05));

    f->map.secret[0] = UINT64_C(0x0706050403020100);
    f->map.secret[1] = UINT64_C(0x0f0e0d0c0b0a0908);
    assert_true(kp_map_hash(&f->map, "", 0) == UINT64_C(0xabac0158050fc4dc));
}

static void
given_a_message_when_one_bit_changes_then_about_half_of_the_hash_does(void **state)
{
    struct fixture *f = *state;
    unsigned char key[24] = "the message that changes";
    uint64_t before = kp_map_hash(&f->map, key, sizeof(key));
    unsigned changed = 0;

    for (size_t bit = 0; bit < 8 * sizeof(key); bit++) {
        key[bit / 8] = (unsigned char)(key[bit / 8] ^ 1u << bit % 8);
        uint64_t difference = before ^ kp_map_hash(&f->map, key, sizeof(key));
        key[bit / 8] = (unsigned char)(key[bit / 8] ^ 1u << bit % 8);
        assert_true(difference != 0);
        for (; difference != 0; difference &= difference - 1)
            changed++;
    }

    /* 192 hashes of 64 bits, half of them 6144; the standard deviation is 55. */
    assert_in_range(changed, 6144 - 8 * 55, 6144 + 8 * 55);
}

static void
given_bytes_at_odd_addresses_when_hashed_then_the_same(void **state)
{
    struct fixture *f = *state;
    char bytes[40];

    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(bytes + shift, "a key of some length", 20);
        assert_true(kp_map_hash(&f->map, bytes + shift, 20) ==
                    kp_map_hash(&f->map, "a key of some length", 20));
    }
}

static void
given_two_maps_when_started_then_their_secrets_differ(void **state)
{
    struct fixture *f = *state;
    struct kp_map other;

    assert_int_equal(kp_map_init(&other, &f->env.mem, &f->env.sys), 0);

    assert_true(f->map.secret[0] != other.secret[0]);
    assert_true(f->map.secret[1] != other.secret[1]);
    assert_true(f->map.secret[0] != f->map.secret[1]);
}

static void
given_no_random_source_when_started_then_its_error(void **state)
{
    struct fixture *f = *state;
    struct kp_map map;
    fault_sys_fail(&f->sys, FAULT_RANDOM, 1, EIO);

    assert_int_equal(kp_map_init(&map, &f->env.mem, &f->env.sys), -EIO);
}

/* ---- the map ---- */

struct item {
    struct kp_map_node node;
    unsigned key;
    bool is_in;
};

static struct item *
find(const struct kp_map *map, unsigned key, uint64_t hash)
{
    struct kp_map_node *node;

    for (node = kp_map_first(map, hash); node != NULL; node = kp_map_next(node)) {
        struct item *item = kp_container_of(node, struct item, node);
        assert_true(node->hash == hash);
        if (item->key == key)
            return item;
    }
    return NULL;
}

static uint64_t
hash_of(const struct kp_map *map, unsigned key)
{
    return kp_map_hash(map, &key, sizeof(key));
}

static void
given_an_empty_map_when_asked_then_nothing_and_no_memory(void **state)
{
    struct fixture *f = *state;

    assert_null(kp_map_first(&f->map, 0));

    assert_int_equal(f->mem.calls, 0);
}

static void
given_equal_hashes_when_walked_then_all_of_them_and_no_others(void **state)
{
    struct fixture *f = *state;
    struct item items[20];
    unsigned seen = 0;

    for (unsigned i = 0; i < 20; i++) {
        items[i].key = i;
        assert_int_equal(kp_map_add(&f->map, &items[i].node, i % 2 == 0 ? 8 : 16), 0);
    }

    for (unsigned i = 0; i < 20; i++)
        assert_ptr_equal(find(&f->map, i, i % 2 == 0 ? 8 : 16), &items[i]);
    for (struct kp_map_node *n = kp_map_first(&f->map, 8); n != NULL; n = kp_map_next(n))
        seen++;
    assert_int_equal(seen, 10);
    assert_null(kp_map_first(&f->map, 0));
    kp_map_remove(&f->map, &items[4].node);
    assert_null(find(&f->map, 4, 8));
    assert_ptr_equal(find(&f->map, 6, 8), &items[6]);
    assert_int_equal(f->map.count, 19);
}

static void
given_random_use_when_compared_with_flags_then_equal(void **state)
{
    struct fixture *f = *state;
    enum { N = 3000 };
    static struct item items[N];
    size_t count = 0;
    uint32_t random = 3;
    memset(items, 0, sizeof(items));

    for (int i = 0; i < 100000; i++) {
        random = random * 1664525 + 1013904223;
        unsigned key = (random >> 8) % N;
        struct item *item = &items[key];
        item->key = key;
        assert_ptr_equal(find(&f->map, key, hash_of(&f->map, key)),
                         item->is_in ? item : NULL);
        if (item->is_in) {
            kp_map_remove(&f->map, &item->node);
            count--;
        } else {
            assert_int_equal(kp_map_add(&f->map, &item->node, hash_of(&f->map, key)), 0);
            count++;
        }
        item->is_in = !item->is_in;
        assert_int_equal(f->map.count, count);
    }

    assert_true(f->map.n_buckets >= N / 2 && f->map.n_buckets <= 2 * N);
}

static void
given_no_memory_when_first_added_then_enomem_and_nothing_is_in(void **state)
{
    struct fixture *f = *state;
    struct item item = {.key = 1};
    fault_mem_fail(&f->mem, 1);

    assert_int_equal(kp_map_add(&f->map, &item.node, 5), -ENOMEM);

    assert_int_equal(f->map.count, 0);
    assert_null(kp_map_first(&f->map, 5));
    assert_int_equal(kp_map_add(&f->map, &item.node, 5), 0);
}

static void
given_no_memory_to_grow_when_added_then_chains_get_longer(void **state)
{
    struct fixture *f = *state;
    struct item items[100];
    assert_int_equal(kp_map_add(&f->map, &items[0].node, hash_of(&f->map, 0)), 0);
    items[0].key = 0;
    fault_mem_fail_from(&f->mem, 1);

    for (unsigned i = 1; i < 100; i++) {
        items[i].key = i;
        assert_int_equal(kp_map_add(&f->map, &items[i].node, hash_of(&f->map, i)), 0);
    }

    assert_int_equal(f->map.n_buckets, 8);
    for (unsigned i = 0; i < 100; i++)
        assert_ptr_equal(find(&f->map, i, hash_of(&f->map, i)), &items[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(given_known_secrets_when_hashed_then_the_published_values),
        TEST(given_a_message_when_one_bit_changes_then_about_half_of_the_hash_does),
        TEST(given_bytes_at_odd_addresses_when_hashed_then_the_same),
        TEST(given_two_maps_when_started_then_their_secrets_differ),
        TEST(given_no_random_source_when_started_then_its_error),
        TEST(given_an_empty_map_when_asked_then_nothing_and_no_memory),
        TEST(given_equal_hashes_when_walked_then_all_of_them_and_no_others),
        TEST(given_random_use_when_compared_with_flags_then_equal),
        TEST(given_no_memory_when_first_added_then_enomem_and_nothing_is_in),
        TEST(given_no_memory_to_grow_when_added_then_chains_get_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
