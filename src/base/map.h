/*
 * map.h - an intrusive hash map, safe against chosen keys
 *
 * The owner of a map puts a struct kp_map_node into its objects and compares keys itself:
 * look-up walks the nodes of one hash. Keys that strangers choose are hashed with
 * kp_map_hash, SipHash-1-3 with the map's secret.
 */
#ifndef KP_MAP_H
#define KP_MAP_H

#include "mem.h"
#include "sys.h"

struct kp_map_node {
    struct kp_map_node *next;
    uint64_t hash;
};

struct kp_map {
    struct kp_mem *mem;
    struct kp_map_node *
        *buckets; /* n_buckets of them, a power of two; NULL while empty */
    size_t n_buckets;
    size_t count;
    uint64_t secret[2];
};

/* Starts an empty map; takes no memory. A secret that cannot be had is -errno.
 * Returns   0, -EIO and other errno of the system's random source. */
int kp_map_init(struct kp_map *map, struct kp_mem *mem, struct kp_sys *sys) KP_MUST_CHECK;

/* Frees the buckets, not the objects. */
void kp_map_clear(struct kp_map *map);

/* Hashes len bytes with the map's secret. */
uint64_t kp_map_hash(const struct kp_map *map, const void *key, size_t len);

/* Adds a node under hash. Returns 0; -ENOMEM when the first buckets cannot be had (a map
 * that cannot grow goes on with longer chains). */
int kp_map_add(struct kp_map *map, struct kp_map_node *node, uint64_t hash) KP_MUST_CHECK;

/* Removes a node that is in the map. */
void kp_map_remove(struct kp_map *map, struct kp_map_node *node);

/* Finds the first node of hash, and the next one after node; NULL at the end. */
struct kp_map_node *kp_map_first(const struct kp_map *map, uint64_t hash);
struct kp_map_node *kp_map_next(const struct kp_map_node *node);

#endif
