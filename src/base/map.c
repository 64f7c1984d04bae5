/*
 * map.c - an intrusive hash map, safe against chosen keys
 *
 * Names of rooms and values of scripts come from strangers. With a hash that a stranger can
 * compute, he can choose keys that all land in one bucket, and every look-up walks through
 * all of them. SipHash is a keyed hash: without the secret nobody can aim. The variant is
 * SipHash-1-3, one round for each word and three at the end, which is the usual choice for
 * tables whose hashes stay inside the process.
 *
 * The map does not know keys. It keeps nodes in chains by their hash; the owner compares:
 *
 *     for (node = kp_map_first(map, hash); node != NULL; node = kp_map_next(node))
 *         if (is_my_key(kp_container_of(node, struct room, map_node), name))
 *             return ...
 *
 * Buckets double when there are more nodes than buckets. That needs memory once in a while;
 * if there is none, chains are longer than they should be and everything still works. Only
 * the first buckets must be had.
 *
 * See       J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF" (2012)
 */
#include "map.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int
kp_map_init(struct kp_map *map, struct kp_mem *mem, struct kp_sys *sys)
{
    *map = (struct kp_map){.mem = mem};
    return kp_sys_random(sys, map->secret, sizeof(map->secret));
}

void
kp_map_clear(struct kp_map *map)
{
    kp_mem_free(map->mem, map->buckets, map->n_buckets * sizeof(*map->buckets));
    map->buckets = NULL;
    map->n_buckets = 0;
    map->count = 0;
}

/* ---- SipHash ---- */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t
rotate_left(uint64_t word, unsigned by)
{
    return word << by | word >> (64 - by);
}

static void
sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 = rotate_left(s->v2, 32);
}

static void
sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* Up to eight bytes as a number, least significant first, whatever the machine does. */
static uint64_t
little_endian(const unsigned char *bytes, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t
kp_map_hash(const struct kp_map *map, const void *key, size_t len)
{
    const unsigned char *bytes = key;
    size_t rest = len % 8;
    struct sip s = {
        .v0 = map->secret[0] ^ UINT64_C(0x736f6d6570736575), /* "somepseu" */
        .v1 = map->secret[1] ^ UINT64_C(0x646f72616e646f6d), /* "dorandom" */
        .v2 = map->secret[0] ^ UINT64_C(0x6c7967656e657261), /* "lygenera" */
        .v3 = map->secret[1] ^ UINT64_C(0x7465646279746573), /* "tedbytes" */
    };

    for (size_t i = 0; i < len - rest; i += 8)
        sip_word(&s, little_endian(bytes + i, 8));
    /* The last word: what is left, and the length in its highest byte. */
    uint64_t last = rest > 0 ? little_endian(bytes + (len - rest), rest) : 0;
    sip_word(&s, last | (uint64_t)len << 56);
    s.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/* ---- the chains ---- */

static struct kp_map_node **
bucket_of(const struct kp_map *map, uint64_t hash)
{
    return &map->buckets[hash & (map->n_buckets - 1)];
}

static void
push(struct kp_map *map, struct kp_map_node *node)
{
    struct kp_map_node **bucket = bucket_of(map, node->hash);

    node->next = *bucket;
    *bucket = node;
}

/* Doubles the buckets, as arrays do, so that there is always a power of two of them. The nodes
 * of each stay there, or move to one of the new ones. */
static int
grow(struct kp_map *map)
{
    size_t n_before = map->n_buckets;

    int rc = kp_mem_grow(map->mem, &map->buckets, &map->n_buckets, n_before + 1,
                         sizeof(*map->buckets));
    if (rc < 0)
        return rc;
    for (size_t i = n_before; i < map->n_buckets; i++)
        map->buckets[i] = NULL;
    for (size_t i = 0; i < n_before; i++) {
        struct kp_map_node *node = map->buckets[i], *next;
        map->buckets[i] = NULL;
        for (; node != NULL; node = next) {
            next = node->next;
            push(map, node);
        }
    }
    return 0;
}

int
kp_map_add(struct kp_map *map, struct kp_map_node *node, uint64_t hash)
{
    if (map->count >= map->n_buckets && grow(map) < 0 && map->n_buckets == 0)
        return -ENOMEM;
    node->hash = hash;
    push(map, node);
    map->count++;
    return 0;
}

void
kp_map_remove(struct kp_map *map, struct kp_map_node *node)
{
    struct kp_map_node **link = bucket_of(map, node->hash);

    while (*link != node) {
        assert(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    map->count--;
}

/* The first node of that hash, from node on in its chain. */
static struct kp_map_node *
skip_others(struct kp_map_node *node, uint64_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct kp_map_node *
kp_map_first(const struct kp_map *map, uint64_t hash)
{
    return map->n_buckets > 0 ? skip_others(*bucket_of(map, hash), hash) : NULL;
}

struct kp_map_node *
kp_map_next(const struct kp_map_node *node)
{
    return skip_others(node->next, node->hash);
}
